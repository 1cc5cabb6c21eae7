/* The machine's monotonic clock as iface/clock. */
#ifndef PORTS_LINUX_CLOCK_H
#define PORTS_LINUX_CLOCK_H

#include "iface/clock.h"

/* Microseconds of CLOCK_MONOTONIC: the same for every process of the machine. Never NULL. */
const at_clock *lx_clock(void);

#endif
