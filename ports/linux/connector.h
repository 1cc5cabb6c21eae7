/* The socket on the desk that a chip's AT port is plugged into. It belongs to the bench and outlives
 * the boots of the chip; the chip inherits its descriptors and reads and writes them itself. */
#ifndef PORTS_LINUX_CONNECTOR_H
#define PORTS_LINUX_CONNECTOR_H

#include <stddef.h>

#include "core/log.h"
#include "core/loop.h"
#include "iface/byteport.h"
#include "ports/linux/poller.h"

#define LX_CONNECTOR_FDS 4u

/* Where a chip gets descriptors of peers that come while it runs. Filled by plug when wanted. */
typedef struct lx_newcomers {
    void (*take)(void *ctx, int fd); /* takes fd over */
    void *ctx;
} lx_newcomers;

/* What a port has to work with inside the chip. */
typedef struct lx_plug {
    at_loop *loop;
    lx_poller *poller;
    const at_log *log;
    lx_newcomers *newcomers;
    /* The port will never carry another byte in; why is for the log. */
    void (*ended)(void *ctx, const char *why);
    void *ctx;
} lx_plug;

typedef struct lx_connector lx_connector;

typedef struct lx_connector_ops {
    /* In the bench: the descriptors that plug uses, at most LX_CONNECTOR_FDS. */
    size_t (*fds)(const lx_connector *c, int fds[LX_CONNECTOR_FDS]);
    /* In the bench, before a boot: throws away input that arrived while the chip was off. */
    void (*flush)(lx_connector *c);
    /* In the chip, once per process; NULL: no memory. */
    at_byteport *(*plug)(lx_connector *c, const lx_plug *plug);
    /* In the bench: undoes what open did. */
    void (*close)(lx_connector *c);
} lx_connector_ops;

struct lx_connector {
    const lx_connector_ops *ops;
    char path[256]; /* what a host opens, for stdout and ATTACHE_PORT; "" when there is nothing */
    const char *label; /* "pty", "serial" ... for messages */
};

#endif
