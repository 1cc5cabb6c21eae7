/* CLOCK_MONOTONIC in microseconds.
 *
 * The clock does not count while the machine is suspended: a module on a laptop sleeps with it,
 * instead of finding all its time-outs passed. It has one origin for all processes, so time stamps
 * of bench and chip can be compared.
 */
#include "ports/linux/clock.h"

#include <stddef.h>
#include <time.h>

static uint64_t now_us(void *ctx)
{
    struct timespec now;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

const at_clock *lx_clock(void)
{
    static const at_clock clock = { .ctx = NULL, .now_us = now_us };

    return &clock;
}
