/* A module's place in a shared air (`attache air`): frames go to a hub process and come from it over a
 * SEQPACKET socket. A hub that dies takes the air away, nothing else; it is looked for again. */
#ifndef PORTS_LINUX_AIRLINK_H
#define PORTS_LINUX_AIRLINK_H

#include "air/air.h"
#include "core/log.h"
#include "core/loop.h"
#include "ports/linux/poller.h"

/* Messages between a link and its hub that are no frames of the radio: an Ethernet header with this
 * EtherType, then an operation and what belongs to it. */
#define LX_ETHERTYPE_LINK 0x88B6u /* IEEE 802 "Local Experimental EtherType 2" */
#define LX_LINK_LEN       14u     /* of the header */

typedef enum lx_link_op {
    LX_LINK_HELLO = 1, /* link -> hub, first: the source address is the radio's factory address */
    LX_LINK_RESET,     /* link -> hub: the radio lost power */
    LX_LINK_FORWARD,   /* link -> hub: udp 1, host address 4, host port 2, module port 2 */
} lx_link_op;

typedef struct lx_airlink lx_airlink;

typedef struct lx_airlink_config {
    at_loop *loop;
    lx_poller *poller;
    const at_log *log;
    const char *path; /* of the hub's socket; kept by the caller, as forwards */
    uint8_t mac[6];
    const at_forward *forwards;
    size_t forward_count;
    void (*on_frame)(void *owner, uint8_t *frame, size_t len);
    void *owner;
} lx_airlink_config;

/* NULL with a line in why: there is no hub, or it belongs to somebody else. */
lx_airlink *lx_airlink_open(const lx_airlink_config *config, char *why, size_t room);
void lx_airlink_close(lx_airlink *link); /* NULL is allowed */
bool lx_airlink_is_up(const lx_airlink *link);
/* A frame of the radio; dropped when there is no hub, as on the air. */
void lx_airlink_send(lx_airlink *link, const uint8_t *frame, size_t len);
void lx_airlink_reset(lx_airlink *link);

#endif
