/* TCP (RFC 9293) as the bottom layer of streams, over lwIP. */
#ifndef NET_STREAM_TCP_H
#define NET_STREAM_TCP_H

#include "net/net.h"
#include "net/stream.h"

typedef struct at_tcp_params {
    at_addr to;
    uint16_t port;
    at_addr local;       /* address to bind, family NONE: the one of the route */
    uint16_t local_port; /* 0: any free */
    at_stream_options options;
    void (*on_event)(void *owner, at_stream *stream, unsigned events);
    void *owner;
} at_tcp_params;

/* Sends SYN; OPENED or FAILED follows. error() is then AT_ERR_REFUSED, AT_ERR_TIMEOUT (lwIP gives
 * up after 12 attempts, about 3 minutes) or AT_ERR_UNREACHABLE (the interface went); later also
 * AT_ERR_RESET. Returns AT_ERR_UNREACHABLE (no route, local is not ours), AT_ERR_EXISTS (local
 * port in use), AT_ERR_NOMEM. */
at_err at_tcp_connect(at_net *net, const at_tcp_params *params, at_stream **stream);

typedef struct at_tcp_listener at_tcp_listener;

typedef struct at_tcp_listen_params {
    bool v6;       /* IPv6 clients instead of IPv4 ones */
    at_addr local; /* family NONE: every address of the family */
    uint16_t port;
    uint8_t backlog;           /* handshakes under way and clients not yet handed over, at most */
    at_stream_options options; /* clients begin with them */
    /* A connected client, from a task. The callee owns the stream: it sets on_event and owner
     * (events so far follow), or closes or aborts it. */
    void (*on_client)(void *owner, at_stream *stream);
    void *owner;
} at_tcp_listen_params;

/* AT_ERR_EXISTS: the port is in use; AT_ERR_NOMEM. */
at_err at_tcp_listen(at_net *net, const at_tcp_listen_params *params, at_tcp_listener **listener);
/* Clients that were not handed over yet are reset. NULL is allowed. */
void at_tcp_unlisten(at_tcp_listener *listener);

#endif
