/* The five AT links (guide 3.3): TCP and UDP (later TLS) connections by number, and the one server.
 * An explicit state machine per link; link.c traces every change. */
#ifndef NET_LINK_H
#define NET_LINK_H

#include "core/limits.h"
#include "net/net.h"
#include "net/tls.h"

typedef struct at_links at_links;

typedef enum at_link_type {
    AT_LINK_TCP,
    AT_LINK_TCPV6,
    AT_LINK_UDP,
    AT_LINK_UDPV6,
    AT_LINK_SSL,
    AT_LINK_SSLV6,
    AT_LINK_TYPES
} at_link_type;

/* "TCP", "TCPv6" ... as the guide prints them; parse compares without case (WIRE 6), -1: none. */
const char *at_link_type_name(at_link_type type);
int at_link_type_parse(const char *name);
bool at_link_type_is_udp(at_link_type type);
bool at_link_type_is_v6(at_link_type type);
bool at_link_type_is_tls(at_link_type type);

typedef enum at_link_state {
    AT_LINK_FREE,       /* no connection */
    AT_LINK_RESOLVING,  /* asking for the address of the name */
    AT_LINK_CONNECTING, /* SYN sent (or TLS handshake) */
    AT_LINK_OPEN,
    AT_LINK_DRAINED,   /* the peer closed or the connection broke; received data is still unread */
    AT_LINK_LINGERING, /* close called with so_linger > 0, waits for the peer's FIN */
} at_link_state;

typedef enum at_link_event {
    AT_LINK_OPENED,      /* client: open succeeded; server: a client was accepted */
    AT_LINK_FAILED,      /* open failed, the link is free again; reason says why */
    AT_LINK_READABLE,    /* bytes or datagrams arrived after there were none, or more arrived */
    AT_LINK_WRITABLE,    /* room again after a short write */
    AT_LINK_GONE,        /* peer closed, reset, keep-alive gave up, server time-out, interface lost:
                         state is DRAINED when data is unread, else FREE */
    AT_LINK_RELEASED,    /* LINGERING ended: the link is free */
    AT_LINK_TURNED_AWAY, /* the server had no link free (id is AT_LINKS) */
} at_link_event;

typedef struct at_links_config {
    at_net *net;
    at_loop *loop;
    at_heap *heap;
    at_log *log;
    /* From a task of the loop, in the order things happened. */
    void (*on_event)(void *owner, unsigned id, at_link_event event, at_err reason);
    void *owner;
} at_links_config;

at_links *at_links_create(const at_links_config *config); /* NULL: out of memory */

typedef struct at_link_options { /* AT+CIPTCPOPT (guide 3.3.39) */
    int32_t linger_s;            /* -1 off */
    bool nodelay;
    int32_t send_timeout_ms; /* 0 none; commands/ applies it */
    uint16_t keep_alive_s;   /* 0 off; interval 1 s, 3 probes */
} at_link_options;

typedef struct at_link_open_params {
    at_link_type type;
    const char *host;    /* name or address, at most AT_HOST_MAX bytes; copied */
    uint16_t port;       /* 1..65535 */
    uint16_t local_port; /* UDP; 0: any free */
    uint8_t udp_mode;    /* 0 fixed peer, 1 changes once, 2 follows each datagram (guide 3.3.6) */
    at_addr local;       /* address to bind, family NONE: any */
    uint32_t timeout_ms; /* 0: as long as the stack tries */
    at_link_options options;
    const at_tls_params *tls; /* SSL: needed; used during the call only */
} at_link_open_params;

/* Starts opening; OPENED or FAILED follows from a task. AT_ERR_STATE: the link is not free;
 * AT_ERR_UNREACHABLE: no interface has an address of the type's family; AT_ERR_NOMEM; AT_ERR_EXISTS: local port in use;
 * AT_ERR_UNSUPPORTED: this type needs IPv6, which is off; and the errors of at_tls_config_create. */
at_err at_link_open(at_links *links, unsigned id, const at_link_open_params *params);
/* Why TLS failed when the link was opened last, AT_TLS_FINE when it was something else. */
at_tls_reason at_link_tls_reason(const at_links *links, unsigned id);
/* Gives up an opening link, or closes: FIN and free at once (AT_OK), RST with linger 0 (AT_OK), or
 * AT_ERR_AGAIN: LINGERING, RELEASED follows within linger_s. Unread data is dropped. */
at_err at_link_close(at_links *links, unsigned id);

typedef struct at_link_info {
    at_link_state state;
    at_link_type type;
    bool server; /* <tetype> 1 */
    at_addr remote;
    uint16_t remote_port, local_port;
    uint8_t udp_mode;
} at_link_info;

void at_link_get(const at_links *links, unsigned id, at_link_info *info);
at_err at_link_set_options(at_links *links, unsigned id, const at_link_options *options);

/* Takes bytes for the stack; returns how many (0: no room, WRITABLE follows). Not for UDP. */
size_t at_link_write(at_links *links, unsigned id, const void *data, size_t len);
/* One datagram, to NULL: the link's peer. AT_ERR_NOMEM, AT_ERR_UNREACHABLE, AT_ERR_INVALID. */
at_err at_link_send_to(at_links *links, unsigned id, const void *data, size_t len,
                       const at_addr *to, uint16_t port);
/* Pushes out what write took (end of a burst). */
void at_link_flush(at_links *links, unsigned id);

typedef struct at_link_from {
    at_addr addr;
    uint16_t port;
} at_link_from;

size_t at_link_buffered(const at_links *links, unsigned id); /* bytes unread, all datagrams */
/* What the next read gives at most: for UDP the rest of the first datagram; from may be NULL. */
size_t at_link_next(const at_links *links, unsigned id, at_link_from *from);
/* Reads up to room bytes of one datagram or of the stream, opens the window by as much. A DRAINED
 * link becomes FREE, without an event, when the last byte is read. */
size_t at_link_read(at_links *links, unsigned id, void *buf, size_t room);
/* Drops the rest of the first datagram when a part of it was read; nothing for streams. */
void at_link_drop_rest(at_links *links, unsigned id);

typedef struct at_listen_params {
    at_link_type type; /* TCP, TCPV6, SSL, SSLV6 */
    uint16_t port;
    uint8_t max_clients; /* 1..5 */
    uint16_t timeout_s;  /* idle clients are closed, 0 never (AT+CIPSTO) */
    bool ca;             /* ask clients for a certificate */
    at_link_options options;
    const at_tls_params
        *tls; /* SSL: needed; used during the call only, NULL in at_links_listening */
} at_listen_params;

/* AT_ERR_STATE: there is one; AT_ERR_EXISTS: port in use; AT_ERR_UNSUPPORTED; AT_ERR_NOMEM.
 * AT_ERR_INVALID, AT_ERR_CORRUPT: as at_tls_config_create; at_links_tls_reason says more.
 * A new client takes the lowest free link; with TLS it is OPENED after its handshake, and nothing is
 * told of a client whose handshake fails. */
at_err at_links_listen(at_links *links, const at_listen_params *params);
at_tls_reason at_links_tls_reason(const at_links *links); /* of the last at_links_listen */
at_err at_links_unlisten(at_links *links); /* clients stay; AT_ERR_STATE: there is none */
bool at_links_listening(const at_links *links, at_listen_params *params); /* params may be NULL */
void at_links_set_server_timeout(at_links *links, uint16_t timeout_s);
/* Where forwards find us: connects the server port on addresses of every interface. */

#endif
