/* The machine's part of a fiber, private to fiber.c and fiber_switch.c. */
#ifndef PORTS_LINUX_FIBER_SWITCH_H
#define PORTS_LINUX_FIBER_SWITCH_H

/* Pushes the registers that a call must keep, stores the stack pointer in *save, and continues where
 * the stack at load was left by the same function. */
void lx_fiber_switch(void **save, void *load);
/* Prepares a new stack whose first switch calls lx_fiber_main(arg). top: first byte above the stack,
 * aligned to 16. Returns the stack pointer to load. */
void *lx_fiber_prepare(void *top, void *arg);
/* Never returns. */
void lx_fiber_main(void *arg);

#endif
