/* The one exception to "all state hangs off a context": lwIP's and Mbed TLS's hooks (time, random
 * numbers, memory) come without a context, so one pointer says which module runs in this process.
 * Defined in module/current.c; tools/check_layering.py lists who may read it. */
#ifndef IFACE_CURRENT_H
#define IFACE_CURRENT_H

#include <stdint.h>

#include "iface/clock.h"
#include "iface/random.h"

struct at_heap;
struct at_net;
struct at_log;

typedef struct at_current {
    const at_clock *clock;
    const at_random *random;
    struct at_heap *heap;
    struct at_net *net;
    struct at_log *log;
    int64_t date_offset_us; /* Unix time in microseconds minus clock: the module's own date */
} at_current;

extern at_current at_the_current;

#endif
