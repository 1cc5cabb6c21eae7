/* The one place where a module sleeps: the loop asks the port to wait. */
#ifndef IFACE_WAITER_H
#define IFACE_WAITER_H

#include <stdint.h>

#define AT_WAIT_FOREVER UINT64_MAX

typedef struct at_waiter {
    void *ctx;
    /* Waits until a source of the port is ready or clock.now_us reaches deadline_us (a value in the
     * past: only look, AT_WAIT_FOREVER: no deadline), then runs the callbacks of the sources that
     * are ready (byte port, radio ...). May return early with nothing done. */
    void (*wait)(void *ctx, uint64_t deadline_us);
} at_waiter;

#endif
