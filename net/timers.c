/* lwIP's timers on the module's loop (LWIP_TIMERS_CUSTOM): sys_timeout() and the cyclic timers.
 *
 * Cyclic timers. lwIP ticks ten of them for ever, IGMP's every 100 ms; an idle module would wake
 * ten times a second to find nothing to do. Here each has a question beside its handler: after how
 * many ticks is one needed, as far as the stack's state tells? The answer is asked before the loop
 * waits, and one at_timer is armed for the earliest.
 *
 *   needed           while
 *   TCP              data, an acknowledgement or a handshake is under way; or when keep-alive,
 *                    FIN_WAIT_2 or TIME_WAIT of the next connection runs out
 *   reassembly       a datagram is incomplete
 *   ARP              within 10 s of a request of ours (pending entries live 5 s)
 *   DHCP coarse      the next renewal, rebinding or end of the lease
 *   DHCP fine        a request waits for its answer
 *   IGMP, MLD        a report is due
 *   DNS              a query is under way
 *   ND6              duplicate address detection, a search for a router or for a neighbour is
 *                    under way; or when an address of ours runs out
 *
 * Catching up. Some handlers also count time that nobody waits for: ARP entries and DNS answers
 * age, so do neighbours, routers and prefixes of IPv6, TCP has its tick count. Their missed ticks
 * are made up for at the next entry into the stack (net_enter), before anything looks at them, so to lwIP its timers seem to have run all along.
 * The others are skipped. A tick that was needed and comes late, as when the computer was
 * suspended, is made up for twice at most, or the missed time would run out all retransmissions at
 * once. Ticks keep their phase from the start of the stack, so a run does not depend on when one
 * became needed.
 *
 * sys_timeout() timers are one at_timer each; nothing that is built needs one now. Their callers
 * cannot be told that memory ran out, so they come from the heap's reserve.
 */
#include "net/net_priv.h"

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/igmp.h"
#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/memp.h"
#include "lwip/mld6.h"
#include "lwip/nd6.h"
#include "lwip/priv/nd6_priv.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/stats.h"
#include "lwip/timeouts.h"

#include "core/bytes.h"
#include "iface/current.h"

#define NOT_NEEDED    UINT32_MAX
#define ARP_TICKS_MAX 400u    /* more than an entry's life of 300 s */
#define DNS_TICKS_MAX 100000u /* about a day of cached answers */
#define UNLIMITED     UINT32_MAX
#define LATE_TICKS    2u
#define ND6_CYCLIC    7u /* its place in the table */

struct net_timeout {
    at_timer timer;
    sys_timeout_handler handler;
    void *arg;
    at_net *net;
    net_timeout *next;
};

/* ---- which ticks are needed ---- */

/* Ticks of tcp_tmr until an age of `limit_ms` is exceeded; slow ticks are every other one. */
static uint32_t tcp_age_wait(const struct tcp_pcb *pcb, uint32_t limit_ms)
{
    uint32_t limit = limit_ms / TCP_SLOW_INTERVAL + 1, age = tcp_ticks - pcb->tmr;

    return age < limit ? 2 * (limit - age) - 1 : 1;
}

static uint32_t tcp_pcb_wait(const struct tcp_pcb *pcb)
{
    const tcpflags_t busy = TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND | TF_NAGLEMEMERR;

    if (pcb->unsent != NULL || pcb->unacked != NULL || pcb->ooseq != NULL ||
        pcb->refused_data != NULL || (pcb->flags & busy) != 0)
        return 1;
    switch (pcb->state) {
    case ESTABLISHED:
    case CLOSE_WAIT:
        if (!ip_get_option(pcb, SOF_KEEPALIVE))
            return NOT_NEEDED;
        return tcp_age_wait(pcb, pcb->keep_idle + pcb->keep_cnt_sent * pcb->keep_intvl);
    case FIN_WAIT_2:
        return (pcb->flags & TF_RXCLOSED) != 0 ? tcp_age_wait(pcb, TCP_FIN_WAIT_TIMEOUT)
                                               : NOT_NEEDED;
    case TIME_WAIT: return tcp_age_wait(pcb, 2 * TCP_MSL);
    default: return 1;
    }
}

static uint32_t tcp_wait(const at_net *net)
{
    uint32_t wait = NOT_NEEDED;

    (void)net;
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
        wait = AT_MIN(wait, tcp_pcb_wait(pcb));
    for (const struct tcp_pcb *pcb = tcp_tw_pcbs; pcb != NULL; pcb = pcb->next)
        wait = AT_MIN(wait, tcp_pcb_wait(pcb));
    return wait;
}

static uint32_t reassembly_wait(const at_net *net)
{
    (void)net;
    return memp_pools[MEMP_REASSDATA]->stats->used > 0 ? 1 : NOT_NEEDED;
}

static uint32_t reassembly6_wait(const at_net *net)
{
    (void)net;
    return memp_pools[MEMP_IP6_REASSDATA]->stats->used > 0 ? 1 : NOT_NEEDED;
}

static uint32_t arp_wait(const at_net *net)
{
    return at_loop_now(net->loop) < net->timers.arp_until_us ? 1 : NOT_NEEDED;
}

static const struct dhcp *dhcp_of(const net_interface *interface)
{
    return interface->added ? netif_dhcp_data(&interface->lwip) : NULL;
}

static uint32_t dhcp_coarse_wait(const at_net *net)
{
    uint32_t wait = NOT_NEEDED;

    for (int i = 0; i < AT_NETIF_COUNT; i++) {
        const struct dhcp *dhcp = dhcp_of(&net->interfaces[i]);

        if (dhcp == NULL)
            continue;
        if (dhcp->t0_timeout > dhcp->lease_used)
            wait = AT_MIN(wait, (uint32_t)(dhcp->t0_timeout - dhcp->lease_used));
        if (dhcp->t1_renew_time > 0)
            wait = AT_MIN(wait, dhcp->t1_renew_time);
        if (dhcp->t2_rebind_time > 0)
            wait = AT_MIN(wait, dhcp->t2_rebind_time);
    }
    return wait;
}

static uint32_t dhcp_fine_wait(const at_net *net)
{
    uint32_t wait = NOT_NEEDED;

    for (int i = 0; i < AT_NETIF_COUNT; i++) {
        const struct dhcp *dhcp = dhcp_of(&net->interfaces[i]);

        if (dhcp != NULL && dhcp->request_timeout > 0)
            wait = 1; /* each tick counts one down */
    }
    return wait;
}

static uint32_t igmp_wait(const at_net *net)
{
    for (int i = 0; i < AT_NETIF_COUNT; i++) {
        if (!net->interfaces[i].added)
            continue;
        for (const struct igmp_group *group = netif_igmp_data(&net->interfaces[i].lwip);
             group != NULL; group = group->next) {
            if (group->timer > 0)
                return 1;
        }
    }
    return NOT_NEEDED;
}

static uint32_t mld_wait(const at_net *net)
{
    for (int i = 0; i < AT_NETIF_COUNT; i++) {
        if (!net->interfaces[i].added)
            continue;
        for (const struct mld_group *group = netif_mld6_data(&net->interfaces[i].lwip);
             group != NULL; group = group->next) {
            if (group->timer > 0)
                return 1;
        }
    }
    return NOT_NEEDED;
}

static uint32_t dns_wait(const at_net *net)
{
    return net->timers.dns_users > 0 ? 1 : NOT_NEEDED;
}

/* Reachable neighbours, routers and prefixes only age. */
static bool nd6_neighbors_need(void)
{
    for (unsigned i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++) {
        u8_t state = neighbor_cache[i].state;

        if (state == ND6_INCOMPLETE || state == ND6_DELAY || state == ND6_PROBE)
            return true;
    }
    return false;
}

static uint32_t nd6_address_wait(const struct netif *lwip, int index)
{
    u8_t state = netif_ip6_addr_state(lwip, index);
    u32_t life = netif_ip6_addr_valid_life(lwip, index);

    if (ip6_addr_istentative(state))
        return 1;
    if (ip6_addr_isinvalid(state) || ip6_addr_life_isstatic(life) || ip6_addr_life_isinfinite(life))
        return NOT_NEEDED;
    return life;
}

static uint32_t nd6_wait(const at_net *net)
{
    uint32_t wait = NOT_NEEDED;

    if (nd6_neighbors_need()) /* also switched off: a late error may look for one in vain */
        return 1;
    if (!net->ip6)
        return NOT_NEEDED;
    for (int i = 0; i < AT_NETIF_COUNT; i++) {
        const struct netif *lwip = &net->interfaces[i].lwip;

        if (!net->interfaces[i].up)
            continue;
        if (lwip->rs_count > 0 && !ip6_addr_isinvalid(netif_ip6_addr_state(lwip, 0)) &&
            !ip6_addr_isduplicated(netif_ip6_addr_state(lwip, 0)))
            return 1;
        for (int k = 0; k < LWIP_IPV6_NUM_ADDRESSES; k++)
            wait = AT_MIN(wait, nd6_address_wait(lwip, k));
    }
    return wait;
}

/* ---- what is caught up: how many of the missed ticks count ---- */

static uint32_t tcp_missed(const at_net *net)
{
    (void)net;
    return tcp_active_pcbs != NULL || tcp_tw_pcbs != NULL ? UNLIMITED : 0;
}

static uint32_t arp_missed(const at_net *net)
{
    (void)net;
    return ARP_TICKS_MAX;
}

static uint32_t dhcp_missed(const at_net *net)
{
    return dhcp_coarse_wait(net) != NOT_NEEDED ? UNLIMITED : 0;
}

static uint32_t nd6_missed(const at_net *net)
{
    return net->ip6 || nd6_neighbors_need() ? UNLIMITED : 0;
}

static uint32_t dns_missed(const at_net *net)
{
    return net->timers.dns_used ? DNS_TICKS_MAX : 0;
}

/* ---- the table ---- */

typedef struct cyclic {
    uint32_t interval_ms;
    void (*tick)(void);
    uint32_t (*wait)(const at_net *net);   /* ticks until one is needed, or NOT_NEEDED */
    uint32_t (*missed)(const at_net *net); /* NULL: one tick stands for all, when one is needed */
} cyclic;

static const cyclic cyclics[NET_CYCLIC_COUNT] = {
    { TCP_TMR_INTERVAL, tcp_tmr, tcp_wait, tcp_missed },
    { IP_TMR_INTERVAL, ip_reass_tmr, reassembly_wait, NULL },
    { ARP_TMR_INTERVAL, etharp_tmr, arp_wait, arp_missed },
    { DHCP_COARSE_TIMER_MSECS, dhcp_coarse_tmr, dhcp_coarse_wait, dhcp_missed },
    { DHCP_FINE_TIMER_MSECS, dhcp_fine_tmr, dhcp_fine_wait, NULL },
    { IGMP_TMR_INTERVAL, igmp_tmr, igmp_wait, NULL },
    { DNS_TMR_INTERVAL, dns_tmr, dns_wait, dns_missed },
    [ND6_CYCLIC] = { ND6_TMR_INTERVAL, nd6_tmr, nd6_wait, nd6_missed },
    { IP6_REASS_TMR_INTERVAL, ip6_reass_tmr, reassembly6_wait, NULL },
    { MLD6_TMR_INTERVAL, mld6_tmr, mld_wait, NULL },
};

static void run_missed(at_net *net, const cyclic *c, uint64_t ticks)
{
    unsigned late = LATE_TICKS;

    if (c->missed == NULL) {
        if (c->wait(net) != NOT_NEEDED)
            c->tick();
        return;
    }
    for (ticks = AT_MIN(ticks, (uint64_t)c->missed(net)); ticks > 0; ticks--) {
        if (c->wait(net) == 1 && late-- == 0)
            break;
        c->tick();
    }
}

void net_enter(at_net *net)
{
    net_timers *timers = &net->timers;
    uint64_t now = at_loop_now(net->loop);

    if (now < timers->sync_us || timers->running)
        return;
    timers->running = true;
    timers->sync_us = UINT64_MAX;
    for (unsigned i = 0; i < NET_CYCLIC_COUNT; i++) {
        uint64_t interval_us = cyclics[i].interval_ms * 1000u;
        uint64_t ticks = (now - timers->last_us[i]) / interval_us;

        timers->last_us[i] += ticks * interval_us;
        if (ticks > 0)
            run_missed(net, &cyclics[i], ticks);
        timers->sync_us = AT_MIN(timers->sync_us, timers->last_us[i] + interval_us);
    }
    timers->running = false;
}

void net_timers_arm(at_net *net)
{
    net_timers *timers = &net->timers;
    uint64_t due_us = UINT64_MAX;

    for (unsigned i = 0; i < NET_CYCLIC_COUNT; i++) {
        uint32_t wait = cyclics[i].wait(net);
        uint64_t interval_us = cyclics[i].interval_ms * 1000u;

        if (wait != NOT_NEEDED)
            due_us = AT_MIN(due_us, timers->last_us[i] + wait * interval_us);
    }
    if (due_us == UINT64_MAX)
        at_timer_stop(net->loop, &timers->timer);
    else if (!at_timer_running(&timers->timer) || timers->timer.due_us != due_us)
        at_timer_at(net->loop, &timers->timer, due_us);
}

static void fire(void *arg)
{
    net_enter(arg);
}

void net_timers_init(at_net *net)
{
    uint64_t now = at_loop_now(net->loop);

    at_timer_init(&net->timers.timer, fire, net);
    for (unsigned i = 0; i < NET_CYCLIC_COUNT; i++)
        net->timers.last_us[i] = now;
    net->timers.sync_us = now;
}

bool net_timers_nd6_idle(const at_net *net)
{
    return nd6_wait(net) != 1;
}

void net_timers_nd6_now(at_net *net)
{
    net_timers *timers = &net->timers;

    timers->last_us[ND6_CYCLIC] = at_loop_now(net->loop);
    timers->sync_us = 0; /* found out again at the next entry */
    nd6_tmr();
}

uint32_t net_timers_count(const at_net *net)
{
    uint32_t count = at_timer_running(&net->timers.timer) ? 1 : 0;

    for (const net_timeout *timeout = net->timers.timeouts; timeout != NULL;
         timeout = timeout->next)
        count++;
    return count;
}

/* ---- what lwIP calls ---- */

void sys_timeouts_init(void)
{
}

/* TCP's tick is armed by what its connections need. */
void tcp_timer_needed(void)
{
}

static void forget(net_timeout *timeout)
{
    net_timeout **link = &timeout->net->timers.timeouts;

    while (*link != timeout)
        link = &(*link)->next;
    *link = timeout->next;
    at_timer_stop(timeout->net->loop, &timeout->timer);
    at_free(timeout->net->heap, timeout);
}

static void timeout_fired(void *arg)
{
    net_timeout *timeout = arg;
    sys_timeout_handler handler = timeout->handler;
    void *handler_arg = timeout->arg;

    net_enter(timeout->net);
    forget(timeout);
    handler(handler_arg);
}

void sys_timeout(u32_t msecs, sys_timeout_handler handler, void *arg)
{
    at_net *net = at_the_current.net;
    net_timeout *timeout = at_alloc_reserve(net->heap, sizeof *timeout);

    LWIP_ASSERT("sys_timeout: the machine has no memory", timeout != NULL);
    *timeout =
        (net_timeout){ .handler = handler, .arg = arg, .net = net, .next = net->timers.timeouts };
    net->timers.timeouts = timeout;
    at_timer_init(&timeout->timer, timeout_fired, timeout);
    at_timer_in(net->loop, &timeout->timer, (uint64_t)msecs * 1000u);
}

void sys_untimeout(sys_timeout_handler handler, void *arg)
{
    for (net_timeout *timeout = at_the_current.net->timers.timeouts; timeout != NULL;
         timeout = timeout->next) {
        if (timeout->handler == handler && timeout->arg == arg) {
            forget(timeout);
            return;
        }
    }
}
