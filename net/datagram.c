/* UDP endpoints over lwIP's raw API.
 *
 * The pcb is bound but never connected: the part's sockets hear every sender, whatever their peer
 * is, and which peer a link answers is the link's business. A datagram stays in the pbuf it came
 * in, with a small node beside it for its sender and what was read of it. The bytes in the queue
 * are bounded; what does not fit is dropped as it arrives, the older ones stay (guide 3.3.33:
 * "data will be lost").
 *
 * An endpoint bound to one of our addresses hears groups and broadcasts only when it is bound to
 * all of them, so with a group the address becomes the one to send from.
 */
#include "net/net_priv.h"

#include "lwip/igmp.h"
#include "lwip/memp.h"
#include "lwip/mld6.h"
#include "lwip/udp.h"

#include "core/bytes.h"
#include "net/datagram.h"

#define UDP_PAYLOAD_MAX 65507u
/* IPv6 packets that wait for a neighbour's address, three seconds at most: two of the largest
 * datagrams of AT+CIPSEND. lwIP bounds them by its pools only, and here it has none. */
#define WAITING_MAX 16u

typedef struct arrived {
    struct pbuf *p;
    size_t offset; /* bytes already read */
    at_addr from;
    uint16_t port;
    struct arrived *next;
} arrived;

struct at_datagram {
    at_net *net;
    struct udp_pcb *pcb;
    at_addr group; /* family NONE: none joined */
    size_t limit, buffered;
    arrived *first, **last;
    void (*on_sender)(void *owner, const at_addr *from, uint16_t port);
    void (*on_readable)(void *owner);
    void *owner;
    at_task task;
};

static void deliver(void *arg)
{
    at_datagram *d = arg;

    if (d->first != NULL && d->on_readable != NULL)
        d->on_readable(d->owner);
}

/* From lwIP. */
static void on_recv(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
                    u16_t port)
{
    at_datagram *d = arg;
    arrived *node = NULL;

    if (p->tot_len == 0) { /* no message of ours can tell of it */
        pbuf_free(p);
        return;
    }
    if (p->tot_len <= d->limit - d->buffered)
        node = at_alloc(d->net->heap, sizeof *node);
    if (node == NULL) {
        at_log(d->net->log, AT_LOG_WARN, "udp",
               "port %u: a datagram of %u bytes was dropped, %zu "
               "bytes are unread",
               pcb->local_port, p->tot_len, d->buffered);
        pbuf_free(p);
        return;
    }
    *node = (arrived){ .p = p, .port = port };
    net_from_lwip(from, &node->from);
    *d->last = node;
    d->last = &node->next;
    d->buffered += p->tot_len;
    if (d->on_sender != NULL)
        d->on_sender(d->owner, &node->from, port);
    at_loop_post(d->net->loop, &d->task);
}

static at_err bind_local(at_datagram *d, const at_datagram_params *params)
{
    ip_addr_t local;

    if (params->local.family != AT_FAMILY_NONE && !net_is_ours(d->net, &params->local))
        return AT_ERR_UNREACHABLE;
    net_to_lwip(&params->local, &local);
    if (params->local.family == AT_FAMILY_NONE)
        ip_addr_set_any(params->v6, &local);
    return net_err(udp_bind(d->pcb, &local, params->local_port));
}

at_err at_datagram_open(at_net *net, const at_datagram_params *params, at_datagram **datagram)
{
    at_datagram *d = at_calloc(net->heap, 1, sizeof *d);
    at_err err = AT_ERR_NOMEM;

    if (d == NULL)
        return AT_ERR_NOMEM;
    net_enter(net);
    d->net = net;
    d->limit = params->limit;
    d->last = &d->first;
    d->on_sender = params->on_sender;
    d->on_readable = params->on_readable;
    d->owner = params->owner;
    at_task_init(&d->task, deliver, d);
    d->pcb = udp_new_ip_type(params->v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
    if (d->pcb != NULL)
        err = bind_local(d, params);
    if (err != AT_OK) {
        at_datagram_close(d);
        return err;
    }
    udp_recv(d->pcb, on_recv, d);
    *datagram = d;
    return AT_OK;
}

static void leave(const at_addr *group)
{
    ip_addr_t lwip;

    net_to_lwip(group, &lwip);
    if (group->family == AT_IPV4)
        (void)igmp_leavegroup(IP4_ADDR_ANY4, ip_2_ip4(&lwip));
    else if (group->family == AT_IPV6)
        (void)mld6_leavegroup(IP6_ADDR_ANY6, ip_2_ip6(&lwip));
}

/* On every interface: each has its own list, and for IPv6 its own zone. */
static err_t join(const at_addr *group)
{
    ip_addr_t lwip;
    err_t err;

    net_to_lwip(group, &lwip);
    if (group->family == AT_IPV4)
        return igmp_joingroup(IP4_ADDR_ANY4, ip_2_ip4(&lwip));
    err = mld6_joingroup(IP6_ADDR_ANY6, ip_2_ip6(&lwip));
    if (err != ERR_OK)
        leave(group); /* where it worked */
    return err;
}

/* Hears the group whatever address the endpoint was bound to, and sends to it from there. */
static void unbind(at_datagram *d)
{
    struct udp_pcb *pcb = d->pcb;
    const net_interface *interface;
    at_addr local;

    net_from_lwip(&pcb->local_ip, &local);
    if (at_addr_is_any(&local))
        return;
    interface = local.family == AT_IPV6 ? net_ip6_owner(d->net, &local) : NULL;
    if (local.family == AT_IPV4)
        udp_set_multicast_netif_addr(pcb, ip_2_ip4(&pcb->local_ip));
    else if (interface != NULL)
        udp_set_multicast_netif_index(pcb, netif_get_index(&interface->lwip));
    ip_addr_set_any(local.family == AT_IPV6, &pcb->local_ip);
}

void at_datagram_close(at_datagram *d)
{
    if (d == NULL)
        return;
    net_enter(d->net);
    leave(&d->group);
    if (d->pcb != NULL)
        udp_remove(d->pcb);
    while (d->first != NULL)
        at_datagram_drop(d);
    at_loop_unpost(d->net->loop, &d->task);
    at_free(d->net->heap, d);
}

at_err at_datagram_join(at_datagram *d, const at_addr *group)
{
    err_t err;

    net_enter(d->net);
    err = join(group);
    if (err != ERR_OK)
        return err == ERR_MEM ? AT_ERR_NOMEM : AT_ERR_UNREACHABLE;
    d->group = *group;
    unbind(d);
    return AT_OK;
}

uint16_t at_datagram_port(const at_datagram *d)
{
    return d->pcb->local_port;
}

at_err at_datagram_send(at_datagram *d, const void *data, size_t len, const at_addr *to,
                        uint16_t port)
{
    struct pbuf *p;
    ip_addr_t lwip;
    at_addr local;
    err_t err;

    if (len > UDP_PAYLOAD_MAX)
        return AT_ERR_INVALID;
    if (memp_pools[MEMP_ND6_QUEUE]->stats->used >= WAITING_MAX)
        return AT_ERR_NOMEM;
    net_enter(d->net);
    p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)len, PBUF_RAM);
    if (p == NULL)
        return AT_ERR_NOMEM;
    (void)pbuf_take(p, data, (u16_t)len);
    net_from_lwip(&d->pcb->local_ip, &local);
    net_to_scoped(d->net, to, &local, &lwip);
    err = udp_sendto(d->pcb, p, &lwip, port);
    pbuf_free(p);
    return net_err(err);
}

size_t at_datagram_buffered(const at_datagram *d)
{
    return d->buffered;
}

bool at_datagram_next(const at_datagram *d, size_t *len, at_addr *from, uint16_t *port)
{
    if (d->first == NULL)
        return false;
    *len = d->first->p->tot_len - d->first->offset;
    *from = d->first->from;
    *port = d->first->port;
    return true;
}

void at_datagram_drop(at_datagram *d)
{
    arrived *node = d->first;

    if (node == NULL)
        return;
    d->buffered -= node->p->tot_len - node->offset;
    d->first = node->next;
    if (d->first == NULL)
        d->last = &d->first;
    pbuf_free(node->p);
    at_free(d->net->heap, node);
}

size_t at_datagram_read(at_datagram *d, void *buf, size_t room)
{
    arrived *node = d->first;
    size_t len;

    if (node == NULL)
        return 0;
    len = AT_MIN(room, node->p->tot_len - node->offset);
    (void)pbuf_copy_partial(node->p, buf, (u16_t)len, (u16_t)node->offset);
    node->offset += len;
    d->buffered -= len;
    if (node->offset == node->p->tot_len)
        at_datagram_drop(d);
    return len;
}

bool at_datagram_touched(const at_datagram *d)
{
    return d->first != NULL && d->first->offset > 0;
}
