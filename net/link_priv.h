/* The files of the link table: link.c (state machine), link_tcp.c, link_tls.c, link_udp.c,
 * link_server.c. */
#ifndef NET_LINK_PRIV_H
#define NET_LINK_PRIV_H

#include "net/datagram.h"
#include "net/link.h"
#include "net/net_priv.h"
#include "net/resolve.h"
#include "net/stream_tcp.h"

typedef struct net_link {
    at_links *links;
    uint8_t id;
    at_link_state state;
    at_link_type type;
    bool server;
    uint32_t life; /* counts occupations: tells a task that the link it served is another one now */
    at_link_options options;
    at_stream *stream;  /* TCP, or TLS on it */
    at_tls_config *tls; /* SSL; NULL: none */
    at_tls_reason tls_reason;
    char host[AT_HOST_MAX + 1]; /* SSL: whose session may be resumed */
    at_datagram *datagram;      /* UDP */
    at_resolve *resolve;
    at_addr local, remote;
    uint16_t remote_port, local_port;
    uint8_t udp_mode;
    bool udp_changed;    /* mode 1: the one change happened */
    at_timer deadline;   /* opening: time-out; lingering: end of patience */
    at_timer idle;       /* server: AT+CIPSTO */
    uint64_t traffic_us; /* last data in either direction */
    bool unreachable;    /* the interface lost its address */
    at_task task;        /* tells that */
} net_link;

struct at_links {
    at_net *net;
    at_loop *loop;
    at_heap *heap;
    at_log *log;
    void (*on_event)(void *owner, unsigned id, at_link_event event, at_err reason);
    void *owner;
    net_watch watch;
    net_link link[AT_LINKS];
    at_tcp_listener *listener;
    at_listen_params server;
    at_tls_config *server_tls;
    at_tls_reason server_tls_reason;
    at_tls_memory *sessions; /* NULL: nothing is resumed */
    uint16_t server_timeout_s;
};

/* --- link.c --- */
void link_set_state(net_link *link, at_link_state state);
void link_event(net_link *link, at_link_event event, at_err reason);
void link_release(net_link *link);             /* closes what is open, state FREE, no event */
void link_fail(net_link *link, at_err reason); /* opening failed */
void link_gone(net_link *link, at_err reason); /* an open link ended without us */
void link_traffic(net_link *link);

/* --- link_tcp.c --- */
at_err link_tcp_connect(net_link *link);                /* to link->remote */
void link_tcp_adopt(net_link *link, at_stream *stream); /* a client of the server */
at_err link_tcp_close(net_link *link);
void link_on_stream(void *owner, at_stream *stream, unsigned events); /* of the topmost stream */

/* --- link_tls.c --- */
at_err link_tls_prepare(net_link *link, const at_link_open_params *params);
at_err link_tls_connect(net_link *link, at_stream *below); /* owns below from now on */
void link_tls_adopt(net_link *link, at_stream *below);
void link_tls_failed(net_link *link); /* notes why, before the stream is closed */
at_err link_tls_listen(at_links *links, const at_listen_params *params);

/* --- link_udp.c --- */
at_err link_udp_open(net_link *link);    /* binds */
at_err link_udp_connect(net_link *link); /* the remote address is known */

/* --- link_server.c --- */
void link_idle_start(net_link *link);
void link_idle_fired(void *arg);

#endif
