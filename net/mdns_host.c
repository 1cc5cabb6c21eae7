/* Where mDNS messages come from and go to: one endpoint on port 5353, one engine (proto/mdns.h) with
 * one timer on each interface.
 *
 * An interface takes part while it has an IPv4 address: then it is a member of the group 224.0.0.251,
 * and of ff02::fb when it has an IPv6 address as well. What goes to the group goes out on one
 * interface, over IPv4 and IPv6, with a hop limit of 255 (RFC 6762 section 11). What comes from
 * ourselves is not heard, nor what came straight to us from another subnet.
 *
 * lwIP hands datagrams over inside its input: they wait for a task, a few of them; who asks again is
 * not lost when more come at once.
 */
#include "net/net_priv.h"

#include <string.h>

#include "lwip/igmp.h"
#include "lwip/ip.h"
#include "lwip/mld6.h"
#include "lwip/prot/dns.h"
#include "lwip/udp.h"

#include "core/bytes.h"
#include "net/mdns_host.h"

#define HOPS        255
#define MESSAGE_MAX 1500u /* bytes of a message that came in pieces; what is more is not read */
#define WAITING_MAX 16u   /* messages */

typedef struct arrived {
    struct pbuf *p;
    ip_addr_t from;
    u16_t port;
    at_netif_id id;
    struct arrived *next;
} arrived;

typedef struct member {
    at_mdns_host *host;
    at_netif_id id;
    bool in_group6;
    at_mdns_addresses addresses; /* what was told */
    at_mdns *engine;             /* NULL: it takes no part */
    at_mdns_ops ops;
    at_timer timer;
} member;

struct at_mdns_host {
    at_net *net;
    struct udp_pcb *pcb;
    at_mdns_service service;
    member members[AT_NETIF_COUNT];
    arrived *first, **last;
    unsigned waiting;
    at_task task; /* takes what has arrived */
};

static const ip_addr_t group4 = DNS_MQUERY_IPV4_GROUP_INIT;
static const ip_addr_t group6 = DNS_MQUERY_IPV6_GROUP_INIT;

static struct netif *netif_of(const member *m)
{
    return &m->host->net->interfaces[m->id].lwip;
}

/* ---- out ---- */

static void send_to(const member *m, const uint8_t *message, size_t len, const ip_addr_t *to,
                    uint16_t port)
{
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)len, PBUF_RAM);
    err_t err = ERR_MEM;

    if (p != NULL) {
        (void)pbuf_take(p, message, (u16_t)len);
        err = udp_sendto_if(m->host->pcb, p, to, port, netif_of(m));
        pbuf_free(p);
    }
    if (err != ERR_OK)
        at_log(m->host->net->log, AT_LOG_DEBUG, "mdns", "a message is lost: %s",
               at_err_text(net_err(err)));
}

static void send_message(void *ctx, const uint8_t *message, size_t len, const at_mdns_peer *to)
{
    const member *m = ctx;

    if (to != NULL) {
        send_to(m, message, len, to->address, to->port);
        return;
    }
    send_to(m, message, len, &group4, AT_MDNS_PORT);
    if (m->in_group6 && m->addresses.ip6_count > 0)
        send_to(m, message, len, &group6, AT_MDNS_PORT);
}

static uint32_t draw(void *ctx)
{
    (void)ctx;
    return LWIP_RAND();
}

static void renamed(void *ctx, bool is_host, const char *name)
{
    const member *m = ctx;

    at_log(m->host->net->log, AT_LOG_WARN, "mdns",
           "another host has the name; the %s is now \"%s\"", is_host ? "host" : "instance", name);
}

/* ---- addresses ---- */

static void addresses_of(const member *m, at_mdns_addresses *addresses)
{
    const at_net *net = m->host->net;
    at_ip_config ip;
    at_addr ip6;

    *addresses = (at_mdns_addresses){ 0 };
    at_net_ip(net, m->id, &ip);
    addresses->has_ip4 = !at_addr_is_any(&ip.ip);
    memcpy(addresses->ip4, ip.ip.bytes, 4);
    for (int i = 0; i < (int)AT_MDNS_IP6_MAX; i++) {
        if (at_net_ip6(net, m->id, i, &ip6))
            memcpy(addresses->ip6[addresses->ip6_count++], ip6.bytes, 16);
    }
}

/* An IPv6 address comes with an event and goes without one; without an IPv4 address the event that
 * ends it all is on its way. */
static void refresh(member *m)
{
    at_mdns_addresses now;

    addresses_of(m, &now);
    if (!now.has_ip4 || memcmp(&now, &m->addresses, sizeof now) == 0)
        return;
    m->addresses = now;
    at_mdns_readdress(m->engine, at_loop_now(m->host->net->loop), &now);
}

/* ---- in ---- */

static void arm(member *m)
{
    at_loop *loop = m->host->net->loop;
    uint64_t due_us = m->engine != NULL ? at_mdns_due(m->engine) : AT_MDNS_IDLE;

    if (due_us == AT_MDNS_IDLE)
        at_timer_stop(loop, &m->timer);
    else
        at_timer_at(loop, &m->timer, due_us);
}

static void fire(void *arg)
{
    member *m = arg;

    net_enter(m->host->net);
    refresh(m);
    at_mdns_run(m->engine, at_loop_now(m->host->net->loop));
    arm(m);
}

static bool is_local(const struct netif *netif, const ip_addr_t *from)
{
    if (ip_addr_ismulticast(ip_current_dest_addr()))
        return true;
    if (IP_IS_V6(from))
        return ip6_addr_islinklocal(ip_2_ip6(from));
    return ip4_addr_net_eq(ip_2_ip4(from), netif_ip4_addr(netif), netif_ip4_netmask(netif));
}

static void take_message(member *m, const arrived *message)
{
    const struct pbuf *p = message->p;
    uint64_t now_us = at_loop_now(m->host->net->loop);
    at_mdns_peer peer = { &message->from, message->port };
    uint8_t linear[MESSAGE_MAX];

    refresh(m);
    if (p->len == p->tot_len)
        at_mdns_input(m->engine, now_us, p->payload, p->len, &peer);
    else
        at_mdns_input(m->engine, now_us, linear, pbuf_copy_partial(p, linear, sizeof linear, 0),
                      &peer);
    arm(m);
}

static arrived *next_message(at_mdns_host *h)
{
    arrived *message = h->first;

    if (message == NULL)
        return NULL;
    h->first = message->next;
    if (h->first == NULL)
        h->last = &h->first;
    h->waiting--;
    return message;
}

static void drop(at_mdns_host *h, arrived *message)
{
    pbuf_free(message->p);
    at_free(h->net->heap, message);
}

static void take_messages(void *arg)
{
    at_mdns_host *h = arg;
    arrived *message;

    net_enter(h->net);
    while ((message = next_message(h)) != NULL) {
        member *m = &h->members[message->id];

        if (m->engine != NULL)
            take_message(m, message);
        drop(h, message);
    }
}

static const member *receiver(const at_mdns_host *h, const ip_addr_t *from)
{
    at_addr sender;

    net_from_lwip(from, &sender);
    for (int i = 0; i < AT_NETIF_COUNT; i++) {
        const member *m = &h->members[i];

        if (m->engine != NULL && netif_of(m) == ip_current_input_netif() &&
            is_local(netif_of(m), from) && !net_is_ours(h->net, &sender))
            return m;
    }
    return NULL;
}

/* From lwIP. */
static void on_recv(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
                    u16_t port)
{
    at_mdns_host *h = arg;
    const member *m = receiver(h, from);
    arrived *message = NULL;

    (void)pcb;
    if (m != NULL && h->waiting < WAITING_MAX)
        message = at_alloc(h->net->heap, sizeof *message);
    if (message == NULL) {
        pbuf_free(p);
        return;
    }
    *message = (arrived){ .p = p, .from = *from, .port = port, .id = m->id };
    *h->last = message;
    h->last = &message->next;
    h->waiting++;
    at_loop_post(h->net->loop, &h->task);
}

/* ---- life ---- */

static void take_part6(member *m)
{
    if (m->in_group6 || mld6_joingroup_netif(netif_of(m), ip_2_ip6(&group6)) != ERR_OK)
        return;
    m->in_group6 = true;
}

static at_err begin(member *m)
{
    at_net *net = m->host->net;
    at_mdns *engine = at_alloc(net->heap, at_mdns_size());

    if (engine == NULL || igmp_joingroup_netif(netif_of(m), ip_2_ip4(&group4)) != ERR_OK) {
        at_free(net->heap, engine);
        return AT_ERR_NOMEM;
    }
    m->engine = engine;
    at_mdns_init(engine, &m->ops, &m->host->service);
    addresses_of(m, &m->addresses);
    at_mdns_start(engine, at_loop_now(net->loop), &m->addresses);
    return AT_OK;
}

/* The interface may have an address, or one more. AT_ERR_NOMEM. */
static at_err take_part(member *m)
{
    at_net *net = m->host->net;
    at_ip_config ip;
    at_err err = AT_OK;

    at_net_ip(net, m->id, &ip);
    if (!at_net_is_up(net, m->id) || at_addr_is_any(&ip.ip))
        return AT_OK;
    net_enter(net);
    if (m->engine != NULL)
        refresh(m);
    else
        err = begin(m);
    if (err == AT_OK && m->addresses.ip6_count > 0)
        take_part6(m);
    arm(m);
    return err;
}

static void step_out(member *m, bool goodbye)
{
    if (m->engine == NULL)
        return;
    net_enter(m->host->net);
    at_mdns_stop(m->engine, goodbye);
    (void)igmp_leavegroup_netif(netif_of(m), ip_2_ip4(&group4));
    if (m->in_group6)
        (void)mld6_leavegroup_netif(netif_of(m), ip_2_ip6(&group6));
    m->in_group6 = false;
    at_free(m->host->net->heap, m->engine);
    m->engine = NULL;
    arm(m);
}

void at_mdns_host_leave(at_mdns_host *h, at_netif_id netif)
{
    step_out(&h->members[netif], true);
}

void at_mdns_host_on_net(at_mdns_host *h, at_netif_id netif, at_net_event event)
{
    member *m = &h->members[netif];

    if (event == AT_NET_LOST_IP)
        step_out(m, false);
    else if (take_part(m) != AT_OK)
        at_log(h->net->log, AT_LOG_WARN, "mdns", "out of memory: nobody hears of this host");
}

static at_err open_endpoint(at_mdns_host *h)
{
    net_enter(h->net);
    h->pcb = udp_new_ip_type(IPADDR_TYPE_ANY);
    if (h->pcb == NULL)
        return AT_ERR_NOMEM;
    h->pcb->ttl = HOPS;
    udp_set_multicast_ttl(h->pcb, HOPS);
    udp_recv(h->pcb, on_recv, h);
    return net_err(udp_bind(h->pcb, IP_ANY_TYPE, AT_MDNS_PORT));
}

static void make_member(at_mdns_host *h, at_netif_id id)
{
    member *m = &h->members[id];

    m->host = h;
    m->id = id;
    m->ops = (at_mdns_ops){ m, send_message, draw, renamed };
    at_timer_init(&m->timer, fire, m);
}

at_err at_mdns_host_open(at_net *net, const at_mdns_service *service, at_mdns_host **host)
{
    at_mdns_host *h = at_calloc(net->heap, 1, sizeof *h);
    at_err err;

    if (h == NULL)
        return AT_ERR_NOMEM;
    h->net = net;
    h->service = *service;
    h->last = &h->first;
    at_task_init(&h->task, take_messages, h);
    err = open_endpoint(h);
    for (int i = 0; i < AT_NETIF_COUNT && err == AT_OK; i++) {
        make_member(h, (at_netif_id)i);
        err = take_part(&h->members[i]);
    }
    if (err != AT_OK) {
        at_mdns_host_close(h);
        return err;
    }
    *host = h;
    return AT_OK;
}

void at_mdns_host_close(at_mdns_host *h)
{
    arrived *message;

    if (h == NULL)
        return;
    for (int i = 0; i < AT_NETIF_COUNT; i++)
        step_out(&h->members[i], true);
    at_loop_unpost(h->net->loop, &h->task);
    while ((message = next_message(h)) != NULL)
        drop(h, message);
    if (h->pcb != NULL)
        udp_remove(h->pcb);
    at_free(h->net->heap, h);
}
