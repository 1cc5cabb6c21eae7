/* A chip: one module, in a process of its own that is forked for each boot and never returns. What
 * survives a reset belongs to the bench that holds the chip (DESIGN 1). */
#ifndef PORTS_LINUX_CHIP_H
#define PORTS_LINUX_CHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/log.h"
#include "core/loop.h"
#include "iface/flashchip.h"
#include "ports/linux/connector.h"
#include "ports/linux/frames.h"
#include "ports/linux/poller.h"

typedef enum lx_power {
    LX_POWER_OFF,
    LX_POWER_ON,
    LX_POWER_SLEEP,    /* wakes by itself */
    LX_POWER_DOWNLOAD, /* waits for a power cycle */
} lx_power;

const char *lx_power_name(lx_power power); /* "off", "on", "sleep", "download" */

/* Why a boot came to its end. */
typedef enum lx_ending {
    LX_ENDING_POWER,   /* cut by lx_chip_power or lx_chip_close */
    LX_ENDING_RESTART, /* AT+RST and the like */
    LX_ENDING_SLEEP,
    LX_ENDING_DOWNLOAD,
    LX_ENDING_CRASH,  /* a signal, or an exit that nobody announced; boots again (watchdog) */
    LX_ENDING_FAILED, /* could not boot, or crashed LX_CHIP_CRASHES times without reaching ready */
} lx_ending;

#define LX_CHIP_CRASHES 3u

typedef struct lx_chip_config {
    at_loop *loop; /* the bench's, as poller */
    lx_poller *poller;
    const at_log *log;

    /* What the chip is made of. */
    lx_connector *connector;   /* the AT port */
    const at_flashchip *flash; /* in shared memory; NULL: none */
    uint8_t mac[6];
    bool seeded; /* random numbers from seed and the number of the boot; else the kernel's */
    uint64_t seed;
    size_t heap_budget;
    uint32_t window, guard_ms, data_timeout_ms; /* module/module.h */
    uint8_t builds;
    const char *update_servers, *update_token; /* module/module.h; NULL: not given */
    bool update_unverified;
    const uint32_t *pins_given; /* bit n: pin n has a level from outside, ... */
    const uint32_t *pins_in;    /* ... this one; read by each boot as it starts */
    bool pace;
    int log_fd;      /* what log writes to */
    int wire_log_fd; /* -1: none */
    uint64_t wire_log_start_us;

    /* What the bench hears, from its loop only. */
    void (*on_frame)(void *owner, uint8_t *frame, size_t len); /* from the radio */
    /* The chip's own events, and "exit" {"reason":...,"boot":n} for the end of each boot. */
    void (*on_event)(void *owner, const char *name, const char *members);
    /* The boot ended and the process is gone; what follows has been arranged (LX_ENDING_RESTART: the
     * next boot starts when this returns). status is wait(2)'s. */
    void (*on_ending)(void *owner, lx_ending ending, int status);
    /* The AT port is over for good (end of standard input, device unplugged), and the module has
     * nothing more to say. */
    void (*on_port_ended)(void *owner, const char *why);
    void *owner;
} lx_chip_config;

typedef struct lx_chip lx_chip;

/* An unpowered chip; NULL: no memory. config is copied, what it points to must outlive the chip. */
lx_chip *lx_chip_create(const lx_chip_config *config);
/* Cuts the power and waits for the process to be gone. NULL is allowed. */
void lx_chip_close(lx_chip *chip);

/* on: boots if it is off, asleep or in download mode; off: kills it, which takes effect before this
 * returns. AT_ERR_IO: no process, the log says why. */
at_err lx_chip_power(lx_chip *chip, bool on);
lx_power lx_chip_state(const lx_chip *chip);
uint32_t lx_chip_boots(const lx_chip *chip);
pid_t lx_chip_pid(const lx_chip *chip);  /* 0: not running */
bool lx_chip_ready(const lx_chip *chip); /* it said "ready" in this boot */

/* A frame for the chip's radio; nobody is listening while it is off. */
void lx_chip_send(lx_chip *chip, const uint8_t *frame, size_t len);
const lx_frames *lx_chip_frames(const lx_chip *chip); /* counters */
/* Gives a running chip a copy of a descriptor for its AT port (connector.h, newcomers). */
void lx_chip_send_client(lx_chip *chip, int fd);
/* Puts a level on a pin of a running chip, from outside. */
void lx_chip_send_pin(lx_chip *chip, unsigned pin, bool level);

#endif
