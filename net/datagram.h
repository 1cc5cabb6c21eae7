/* A UDP endpoint (RFC 768) with a bounded queue that keeps boundaries and senders. */
#ifndef NET_DATAGRAM_H
#define NET_DATAGRAM_H

#include "net/net.h"

typedef struct at_datagram at_datagram;

typedef struct at_datagram_params {
    bool v6;             /* IPv6 instead of IPv4 */
    at_addr local;       /* address to bind, family NONE: any */
    uint16_t local_port; /* 0: any free */
    size_t limit;        /* bytes kept at most; newer datagrams are dropped with a log line */
    /* Inside the stack, before the datagram is queued: may only take a note. NULL is allowed. */
    void (*on_sender)(void *owner, const at_addr *from, uint16_t port);
    void (*on_readable)(void *owner); /* from a task of the loop; may close the endpoint */
    void *owner;
} at_datagram_params;

/* AT_ERR_EXISTS: the local port is in use; AT_ERR_UNREACHABLE: local is not ours; AT_ERR_NOMEM. */
at_err at_datagram_open(at_net *net, const at_datagram_params *params, at_datagram **datagram);
void at_datagram_close(at_datagram *d); /* leaves groups, drops what is queued; NULL is allowed */
/* Receives what is sent to the group, of the endpoint's family, as well. AT_ERR_NOMEM, AT_ERR_UNREACHABLE. */
at_err at_datagram_join(at_datagram *d, const at_addr *group);
uint16_t at_datagram_port(const at_datagram *d); /* the local one */

/* Larger than the MTU: sent in fragments. AT_ERR_NOMEM (also: the radio's queue is full, or that of IPv6 packets
 * whose neighbour does not answer),
 * AT_ERR_UNREACHABLE, AT_ERR_INVALID (more than 65507 bytes). */
at_err at_datagram_send(at_datagram *d, const void *data, size_t len, const at_addr *to,
                        uint16_t port);

size_t at_datagram_buffered(const at_datagram *d); /* bytes unread */
/* What is left of the first datagram and its sender; false: none. Empty datagrams are not kept. */
bool at_datagram_next(const at_datagram *d, size_t *len, at_addr *from, uint16_t *port);
/* Reads up to room bytes of the first datagram; it goes when its last byte is read. */
size_t at_datagram_read(at_datagram *d, void *buf, size_t room);
void at_datagram_drop(at_datagram *d);          /* drops (the rest of) the first datagram */
bool at_datagram_touched(const at_datagram *d); /* a part of the first datagram was read */

#endif
