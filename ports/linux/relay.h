/* A listener of this computer whose clients are carried into an air: TCP here, TCP there. */
#ifndef PORTS_LINUX_RELAY_H
#define PORTS_LINUX_RELAY_H

#include "core/heap.h"
#include "core/log.h"
#include "core/loop.h"
#include "net/net.h"
#include "ports/linux/poller.h"

typedef struct lx_relay lx_relay;

typedef struct lx_relay_config {
    at_loop *loop;
    lx_poller *poller;
    const at_log *log;
    at_net *net;
    uint16_t host_port; /* on 127.0.0.1; 0: any free one */
    at_addr to;
    uint16_t to_port;
} lx_relay_config;

/* NULL with a line in why: the port is in use, no memory. */
lx_relay *lx_relay_open(const lx_relay_config *config, char *why, size_t room);
void lx_relay_close(lx_relay *relay); /* resets its connections; NULL is allowed */
uint16_t lx_relay_port(const lx_relay *relay);

#endif
