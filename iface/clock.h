/* Time as a seam. Nothing in the portable folders asks the platform for the time. */
#ifndef IFACE_CLOCK_H
#define IFACE_CLOCK_H

#include <stdint.h>

/* Microseconds; both values keep counting across a restart of the chip as the port sees fit. */
typedef struct at_clock {
    void *ctx;
    /* Monotonic time, never goes back, starts anywhere. */
    uint64_t (*now_us)(void *ctx);
} at_clock;

#endif
