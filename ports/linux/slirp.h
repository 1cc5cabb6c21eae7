/* The rootless uplink: libslirp, one instance per station. */
#ifndef PORTS_LINUX_SLIRP_H
#define PORTS_LINUX_SLIRP_H

#include "air/uplink.h"
#include "core/heap.h"
#include "ports/linux/poller.h"

typedef struct lx_slirp {
    at_uplink_ops ops; /* give &s->ops to the air; must stay where it is */
    lx_poller *poller;
    at_heap *heap;
} lx_slirp;

void lx_slirp_init(lx_slirp *s, lx_poller *poller, at_heap *heap);

#endif
