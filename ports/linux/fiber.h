/* Fibers for x86-64 and AArch64 as iface/fiber. */
#ifndef PORTS_LINUX_FIBER_H
#define PORTS_LINUX_FIBER_H

#include "iface/fiber.h"

/* A stack is a mapping of its own with an inaccessible page below it: running over its end is a
 * SIGSEGV at once, never damage elsewhere. Only touched pages take memory. A switch costs a dozen
 * instructions and no system call. Floating-point control words are not switched: nobody changes
 * them. */
extern const at_fiber_ops lx_fiber_ops;

#endif
