/* What bench and chip say to each other beside radio frames; private to chip.c and chip_process.c. One
 * message of a SEQPACKET pair each: its kind, then text or a struct. */
#ifndef PORTS_LINUX_CHIP_WIRE_H
#define PORTS_LINUX_CHIP_WIRE_H

#include <stdint.h>

#include "iface/supervisor.h"
#include "ports/linux/chip.h"

#define CHIP_MESSAGE_MAX 2048u /* bytes */
#define CHIP_EXIT_FAILED 3     /* exit status: the module could not boot; the log says why */

enum chip_message {
    CHIP_EVENT = 'E',   /* from the chip: name, a zero, members */
    CHIP_RESTART = 'R', /* from the chip, its last words: chip_restart */
    CHIP_ENDED = 'P',   /* from the chip: the AT port is over; why */
    CHIP_CLIENT = 'C',  /* to the chip: a descriptor for its AT port */
    CHIP_PIN = 'G',     /* to the chip: a pin and its level, a byte each */
};

typedef struct chip_restart {
    uint64_t after_ms;
    uint32_t kind; /* at_boot_kind */
} chip_restart;

/* Runs a boot inside the forked process. Takes over radio_fd and bench_fd; boot counts from 1. */
_Noreturn void lx_chip_process(const lx_chip_config *config, int radio_fd, int bench_fd,
                               uint32_t boot);

#endif
