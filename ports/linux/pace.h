/* A byte port as slow as its UART would be: stands between a session and another port. */
#ifndef PORTS_LINUX_PACE_H
#define PORTS_LINUX_PACE_H

#include <stdbool.h>

#include "core/loop.h"
#include "iface/byteport.h"

typedef struct lx_pace {
    at_byteport port; /* give &p->port to the session */
    at_byteport *inner;
    at_loop *loop;
    at_timer timer;
    uint64_t byte_ns;                 /* what one byte takes on the wire */
    uint64_t in_free_ns, out_free_ns; /* when each direction is done with what it has carried */
    bool in_held, out_held;           /* too early for the next byte */
    bool want_read, want_write;
} lx_pace;

/* inner must outlive p. Starts with 115200 8N1; configure changes the pace. */
void lx_pace_init(lx_pace *p, at_loop *loop, at_byteport *inner);

#endif
