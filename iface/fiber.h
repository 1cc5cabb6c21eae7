/* A stackful coroutine. The port supplies the context switch (no system call, guard page below the
 * stack, sanitizer annotations); core/ decides when to switch. */
#ifndef IFACE_FIBER_H
#define IFACE_FIBER_H

#include <stddef.h>

typedef struct at_fiber at_fiber;

typedef struct at_fiber_ops {
    /* Creates a fiber that will run entry(arg) at the first resume. stack_size in bytes, rounded up
     * to what the port can protect. NULL: out of memory. entry must never return. */
    at_fiber *(*create)(size_t stack_size, void (*entry)(void *arg), void *arg);
    /* Runs the fiber until it yields. Never called from inside a fiber. */
    void (*resume)(at_fiber *fiber);
    /* Called inside the running fiber: goes back to the caller of resume. */
    void (*yield)(at_fiber *fiber);
    /* Frees a fiber that is not running. What is on its stack is gone. NULL is allowed. */
    void (*destroy)(at_fiber *fiber);
} at_fiber_ops;

#endif
