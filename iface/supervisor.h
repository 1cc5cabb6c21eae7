/* What stands around the chip: the power switch, and somebody who wants to know what happens. */
#ifndef IFACE_SUPERVISOR_H
#define IFACE_SUPERVISOR_H

#include <stdint.h>

typedef enum at_boot_kind {
    AT_BOOT_NORMAL,   /* restart into the firmware */
    AT_BOOT_DOWNLOAD, /* the ROM's download mode (AT+RST=1) */
    AT_BOOT_SLEEP,    /* off for after_ms, then normal (AT+GSLP) */
} at_boot_kind;

typedef struct at_supervisor {
    void *ctx;
    /* Ends this boot and starts the next. Does not return to the caller's boot: on Linux the process
     * ends. */
    void (*restart)(void *ctx, at_boot_kind kind, uint64_t after_ms);
    /* An event for scripts and lights: name "ready", "joined", "ip", "link", "error" ...; members is
     * a list of JSON members without the braces, or "". Copied before it returns. */
    void (*report)(void *ctx, const char *name, const char *members);
} at_supervisor;

#endif
