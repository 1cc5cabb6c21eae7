/* The computer's DNS resolver for the air: raw queries go to the servers of /etc/resolv.conf. */
#ifndef PORTS_LINUX_RESOLVER_H
#define PORTS_LINUX_RESOLVER_H

#include "air/uplink.h"
#include "core/heap.h"
#include "ports/linux/poller.h"

typedef struct lx_query lx_query;

typedef struct lx_resolver {
    at_resolver resolver; /* give &r->resolver to the air; must stay where it is */
    at_loop *loop;
    lx_poller *poller;
    at_heap *heap;
    const char *path;   /* of resolv.conf */
    const char *port;   /* of the servers: "53", tests set another after init */
    uint64_t server_us; /* how long each server is waited for: 2 s */
    lx_query *first;
    unsigned count;
} lx_resolver;

/* path NULL: /etc/resolv.conf. Read anew for each query, so a laptop may change networks. */
void lx_resolver_init(lx_resolver *r, at_loop *loop, lx_poller *poller, at_heap *heap,
                      const char *path);
/* Forgets the running queries; their answers are not called. */
void lx_resolver_close(lx_resolver *r);

#endif
