/* The uplink that is a real network: a TAP interface, one per access point. As a network card for
 * `attache join` too. */
#ifndef PORTS_LINUX_TAP_H
#define PORTS_LINUX_TAP_H

#include "air/uplink.h"
#include "core/heap.h"
#include "core/log.h"
#include "ports/linux/poller.h"

typedef struct lx_tap {
    at_uplink_ops ops; /* give &t->ops to the air; must stay where it is */
    lx_poller *poller;
    at_heap *heap;
    at_log *log;
} lx_tap;

void lx_tap_init(lx_tap *t, lx_poller *poller, at_heap *heap, at_log *log);
/* The hardware address of an interface; false: there is none of this name. */
bool lx_tap_address(const char *name, uint8_t mac[6]);

#endif
