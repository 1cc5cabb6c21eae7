/* The stack of one module: interfaces, addresses, the DHCP client, DNS servers.
 *
 * Model. lwIP runs only from the loop: a frame comes in (at_net_input), a timer fires (timers.c),
 * or an owner calls into net/. Everything lwIP tells us happens inside one of these, so its
 * callbacks only note what they heard and post a task; owners hear of it from the task, when lwIP
 * is not on the stack. Output that was batched during a turn (flushes) goes out in the prepare
 * hook, before the loop waits, followed by frames to our own address.
 *
 * An interface is added once and then goes up and down with the Wi-Fi link. While down it has no
 * address and is no route. Going down takes DHCP's state, the ARP entries and the address away at
 * once, which makes lwIP abort every TCP connection from that address.
 *
 * Frames out are gathered from the pbuf chain without a copy. Frames in are copied once, into a
 * pbuf of exactly their size, so what waits for a slow reader costs what it holds.
 *
 * DNS servers: manual ones win over DHCP's (guide 3.3.37). Automatic means what DHCP told at its
 * last completion; before that the guide's two defaults. lwIP's DHCP client writes its servers
 * straight into the resolver, so the list that counts is put back before each query
 * (net_dns_apply).
 */
#include "net/net_priv.h"

#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/igmp.h"
#include "lwip/init.h"
#include "lwip/memp.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ieee.h"
#include "lwip/udp.h"
#include "netif/ethernet.h"

#include "core/bytes.h"
#include "iface/current.h"

#define PIECES_MAX        12
#define ETHERNET_HEADER   14u
#define FRAME_MIN         60u /* bytes: lwIP reads headers before it looks at lengths */
#define MTU               1500u
#define DHCP_RETRY_US     1000000u
#define ARP_UNANSWERED_US 10000000u

uint16_t net_window(const at_net *net)
{
    return net->window;
}

uint16_t net_send_buffer(const at_net *net)
{
    return net->send_buffer;
}

/* ---- batched output and watches ---- */

void net_flush_later(at_net *net, net_flush *flush)
{
    if (flush->queued)
        return;
    flush->queued = true;
    flush->next = net->flushes;
    net->flushes = flush;
}

void net_flush_cancel(at_net *net, net_flush *flush)
{
    net_flush **link = &net->flushes;

    if (!flush->queued)
        return;
    while (*link != flush)
        link = &(*link)->next;
    *link = flush->next;
    flush->queued = false;
}

void net_watch_add(at_net *net, net_watch *watch)
{
    watch->next = net->watches;
    net->watches = watch;
}

void net_tell_watches(at_net *net, const at_addr *lost)
{
    for (net_watch *watch = net->watches; watch != NULL; watch = watch->next)
        watch->lost(watch->arg, lost);
}

static void prepare(void *arg)
{
    at_net *net = arg;

    net_enter(net);
    while (net->flushes != NULL) {
        net_flush *flush = net->flushes;

        net_flush_cancel(net, flush);
        flush->run(flush->arg);
    }
    netif_poll_all();
    net_timers_arm(net);
}

/* ---- frames ---- */

static uint16_t type_of(const struct pbuf *p)
{
    const uint8_t *frame = p->payload;

    if (p->len < ETHERNET_HEADER)
        return 0;
    return (uint16_t)(frame[12] << 8 | frame[13]);
}

static err_t send_pieces(net_interface *interface, const struct pbuf *p)
{
    at_radio_piece pieces[PIECES_MAX];
    size_t count = 0;
    int err;

    for (const struct pbuf *q = p; q != NULL; q = q->next)
        pieces[count++] = (at_radio_piece){ q->payload, q->len };
    err = interface->send(interface->send_ctx, pieces, count);
    if (err == AT_ERR_AGAIN)
        return ERR_MEM; /* TCP keeps the segment and tries again soon */
    return err == 0 ? ERR_OK : ERR_IF;
}

static err_t link_output(struct netif *lwip, struct pbuf *p)
{
    net_interface *interface = lwip->state;
    struct pbuf *flat;
    err_t err;

    if (!interface->up)
        return ERR_IF;
    if (type_of(p) == ETHTYPE_IPV6 && !interface->net->ip6)
        return ERR_IF; /* switched off: what lwIP still had to say */
    if (type_of(p) == ETHTYPE_ARP)
        interface->net->timers.arp_until_us = at_loop_now(interface->net->loop) + ARP_UNANSWERED_US;
    if (pbuf_clen(p) <= PIECES_MAX)
        return send_pieces(interface, p);
    flat = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
    if (flat == NULL)
        return ERR_MEM;
    err = send_pieces(interface, flat);
    pbuf_free(flat);
    return err;
}

void at_net_input(at_net *net, at_netif_id id, const uint8_t *frame, size_t len)
{
    net_interface *interface = &net->interfaces[id];
    struct pbuf *p;

    if (!interface->up || len < ETHERNET_HEADER || len > AT_RADIO_FRAME_MAX)
        return;
    if (frame[12] == 0x86 && frame[13] == 0xDD && !net->ip6)
        return;
    net_enter(net);
    p = pbuf_alloc(PBUF_RAW, (u16_t)AT_MAX(len, FRAME_MIN), PBUF_RAM);
    if (p == NULL) {
        at_log(net->log, AT_LOG_WARN, "net", "a frame of %zu bytes was lost: out of memory", len);
        return;
    }
    memcpy(p->payload, frame, len);
    memset((uint8_t *)p->payload + len, 0, p->len - len);
    if (interface->lwip.input(p, &interface->lwip) != ERR_OK)
        pbuf_free(p);
}

/* ---- DNS servers ---- */

/* Takes over what DHCP wrote into the resolver; nothing when it told none. */
static void learn_servers(at_net *net)
{
    int count = 0;

    for (int i = 0; i < AT_DNS_SERVERS; i++) {
        at_addr server;

        net_from_lwip(dns_getserver((u8_t)i), &server);
        if (!at_addr_is_any(&server))
            net->dns_auto[count++] = server;
    }
    net->dns_told = count > 0;
    while (count > 0 && count < AT_DNS_SERVERS)
        net->dns_auto[count++] = (at_addr){ 0 };
}

static void forget_servers(void)
{
    for (int i = 0; i < AT_DNS_SERVERS; i++)
        dns_setserver((u8_t)i, NULL);
}

int at_net_dns(const at_net *net, at_addr servers[AT_DNS_SERVERS])
{
    const at_addr *list = net->dns_manual ? net->dns : net->dns_auto;
    int count = 0;

    if (net->dns_manual || net->dns_told) {
        while (count < AT_DNS_SERVERS && list[count].family != AT_FAMILY_NONE) {
            servers[count] = list[count];
            count++;
        }
    }
    if (count > 0)
        return count;
    servers[0] = at_addr_v4(208, 67, 222, 222);
    servers[1] = at_addr_v4(8, 8, 8, 8);
    return 2;
}

void net_dns_apply(at_net *net)
{
    at_addr servers[AT_DNS_SERVERS];
    int count = at_net_dns(net, servers);

    for (int i = 0; i < AT_DNS_SERVERS; i++) {
        ip_addr_t server;

        bool usable = i < count && (net->ip6 || servers[i].family != AT_IPV6);

        if (usable)
            net_to_scoped(net, &servers[i], NULL, &server);
        dns_setserver((u8_t)i, usable ? &server : NULL);
    }
}

void at_net_set_dns(at_net *net, const at_addr *servers, int count)
{
    net->dns_manual = servers != NULL;
    net->dns_told = false;
    for (int i = 0; i < AT_DNS_SERVERS; i++)
        net->dns[i] = servers != NULL && i < count ? servers[i] : (at_addr){ 0 };
    net_dns_apply(net);
}

/* ---- addresses ---- */

static at_addr address_of(const net_interface *interface)
{
    at_addr addr;

    net_from_lwip(&interface->lwip.ip_addr, &addr);
    return addr;
}

static void deliver(void *arg)
{
    net_interface *interface = arg;
    at_net *net = interface->net;
    at_addr now = address_of(interface);
    char text[AT_ADDR_TEXT];

    if (interface->lost) {
        interface->lost = false;
        interface->announced = (at_addr){ 0 };
        at_loop_post(net->loop, &interface->task); /* then look whether there is a new one */
        net->on_event(net->owner, interface->id, AT_NET_LOST_IP);
        return;
    }
    if (net_ip6_deliver(interface) || at_addr_is_any(&now) ||
        at_addr_equal(&now, &interface->announced))
        return;
    interface->announced = now;
    at_addr_format(&now, text);
    at_log(net->log, AT_LOG_INFO, "net", "%.2s: address %s", interface->lwip.name, text);
    net->on_event(net->owner, interface->id, AT_NET_GOT_IP);
}

/* Where what is for no subnet goes, groups and broadcasts too: out of the station, unless only the
 * SoftAP has an address. */
static void choose_default(at_net *net)
{
    for (int i = 0; i < AT_NETIF_COUNT; i++) {
        at_addr addr = address_of(&net->interfaces[i]);

        if (net->interfaces[i].up && !at_addr_is_any(&addr)) {
            netif_set_default(&net->interfaces[i].lwip);
            return;
        }
    }
}

/* lwIP: the interface's address or state changed. */
static void status_changed(struct netif *lwip)
{
    net_interface *interface = lwip->state;
    at_net *net = interface->net;
    at_addr now = address_of(interface);

    if (!at_addr_is_any(&interface->announced) && !at_addr_equal(&now, &interface->announced)) {
        interface->lost = true;
        net_tell_watches(net, &interface->announced);
    }
    if (interface->dhcp && !at_addr_is_any(&now) && !at_addr_equal(&now, &interface->announced))
        learn_servers(net);
    choose_default(net);
    net_ip6_changed(interface);
    at_loop_post(net->loop, &interface->task);
}

static err_t interface_init(struct netif *lwip)
{
    net_interface *interface = lwip->state;

    lwip->name[0] = interface->id == AT_NETIF_STA ? 's' : 'a';
    lwip->name[1] = interface->id == AT_NETIF_STA ? 't' : 'p';
    lwip->mtu = MTU;
    lwip->hwaddr_len = 6;
    lwip->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP |
                  NETIF_FLAG_MLD6;
    lwip->output = etharp_output;
    lwip->output_ip6 = ethip6_output;
    lwip->linkoutput = link_output;
    return ERR_OK;
}

static void start_dhcp(void *arg)
{
    net_interface *interface = arg;

    if (!interface->up || !interface->dhcp)
        return;
    net_enter(interface->net);
    forget_servers();
    if (dhcp_start(&interface->lwip) == ERR_OK)
        return;
    at_log(interface->net->log, AT_LOG_WARN, "net",
           "DHCP cannot start: out of memory; again in 1 s");
    at_timer_in(interface->net->loop, &interface->retry, DHCP_RETRY_US);
}

/* Also forgets DHCP's state: the next start begins with a discovery. */
static void stop_dhcp(net_interface *interface)
{
    at_timer_stop(interface->net->loop, &interface->retry);
    dhcp_release_and_stop(&interface->lwip);
    dhcp_cleanup(&interface->lwip);
}

static void set_address(net_interface *interface, const at_ip_config *config)
{
    ip_addr_t ip, gateway, netmask;

    net_to_lwip(&config->ip, &ip);
    net_to_lwip(&config->gateway, &gateway);
    net_to_lwip(&config->netmask, &netmask);
    netif_set_addr(&interface->lwip, ip_2_ip4(&ip), ip_2_ip4(&netmask), ip_2_ip4(&gateway));
}

static void clear_address(net_interface *interface)
{
    static const at_ip_config none = { { 0 }, { 0 }, { 0 } };

    set_address(interface, &none);
}

at_net *at_net_create(const at_net_config *config)
{
    at_net *net;
    uint32_t window = AT_MIN(AT_MAX(config->window, AT_TCP_MSS), 64240u);
    uint32_t segments = AT_MAX(2 * window / AT_TCP_MSS, NET_SEGMENTS_MIN);

    if (at_the_current.net != NULL || !net_hooks_ready())
        return NULL;
    net = at_calloc(config->heap, 1, sizeof *net);
    if (net == NULL)
        return NULL;
    net->loop = config->loop;
    net->heap = config->heap;
    net->log = config->log;
    net->on_event = config->on_event;
    net->owner = config->owner;
    net->window = (uint16_t)window;
    net->send_buffer = (uint16_t)(AT_MIN(segments, NET_SEGMENTS_MAX) * AT_TCP_MSS);
    at_the_current.net = net;
    net_timers_init(net);
    lwip_init();
    net_dns_apply(net);
    net->prepare = (at_prepare){ .run = prepare, .arg = net };
    at_loop_add_prepare(net->loop, &net->prepare);
    return net;
}

at_err at_net_add_interface(at_net *net, at_netif_id id, const uint8_t mac[6], at_netif_send send,
                            void *ctx)
{
    net_interface *interface = &net->interfaces[id];

    if (interface->added)
        return AT_ERR_EXISTS;
    *interface = (net_interface){ .net = net, .id = id, .send = send, .send_ctx = ctx };
    at_task_init(&interface->task, deliver, interface);
    at_timer_init(&interface->retry, start_dhcp, interface);
    memcpy(interface->lwip.hwaddr, mac, 6);
    net_enter(net);
    if (netif_add_noaddr(&interface->lwip, interface, interface_init, ethernet_input) == NULL)
        return AT_ERR_NOMEM;
    interface->added = true;
    if (netif_igmp_data(&interface->lwip) == NULL) {
        /* No memory for the all-systems group; without it lwIP asserts at the first other one. */
        netif_remove(&interface->lwip);
        interface->added = false;
        return AT_ERR_NOMEM;
    }
    netif_set_status_callback(&interface->lwip, status_changed);
    if (id == AT_NETIF_STA || !net->interfaces[AT_NETIF_STA].added)
        netif_set_default(&interface->lwip);
    return AT_OK;
}

at_err at_net_set_mac(at_net *net, at_netif_id id, const uint8_t mac[6])
{
    if (net->interfaces[id].up)
        return AT_ERR_STATE;
    memcpy(net->interfaces[id].lwip.hwaddr, mac, 6);
    return AT_OK;
}

static void go_up(net_interface *interface)
{
    interface->up = true;
    netif_set_up(&interface->lwip);
    netif_set_link_up(&interface->lwip);
    if (interface->dhcp)
        start_dhcp(interface);
    else if (!at_addr_is_any(&interface->fixed.ip))
        set_address(interface, &interface->fixed);
    net_ip6_start(interface);
}

static void go_down(net_interface *interface)
{
    at_addr lost = address_of(interface);

    interface->up = false;
    if (!at_addr_is_any(&lost)) /* before lwIP aborts connections in an order of its own */
        net_tell_watches(interface->net, &lost);
    net_ip6_stop(interface);
    netif_set_link_down(&interface->lwip);
    stop_dhcp(interface);
    clear_address(interface);
    netif_set_down(&interface->lwip);
}

void at_net_link(at_net *net, at_netif_id id, bool up)
{
    net_interface *interface = &net->interfaces[id];

    if (!interface->added || interface->up == up)
        return;
    net_enter(net);
    if (up)
        go_up(interface);
    else
        go_down(interface);
}

bool at_net_is_up(const at_net *net, at_netif_id id)
{
    return net->interfaces[id].up;
}

bool net_has_address(const at_net *net, at_family family)
{
    for (int i = 0; i < AT_NETIF_COUNT; i++) {
        const net_interface *interface = &net->interfaces[i];
        at_addr addr = address_of(interface);

        if (!interface->up)
            continue;
        if ((family != AT_IPV6 && !at_addr_is_any(&addr)) ||
            (family != AT_IPV4 && net_ip6_has_address(interface)))
            return true;
    }
    return false;
}

bool net_is_ours(const at_net *net, const at_addr *addr)
{
    if (addr->family == AT_IPV6)
        return net_ip6_owner(net, addr) != NULL;
    for (int i = 0; i < AT_NETIF_COUNT; i++) {
        at_addr own = address_of(&net->interfaces[i]);

        if (net->interfaces[i].up && at_addr_equal(&own, addr))
            return true;
    }
    return false;
}

void at_net_set_hostname(at_net *net, at_netif_id id, const char *hostname)
{
    net_interface *interface = &net->interfaces[id];

    at_copy_text(interface->hostname, sizeof interface->hostname, hostname);
    netif_set_hostname(&interface->lwip,
                       interface->hostname[0] != '\0' ? interface->hostname : NULL);
}

void at_net_use_dhcp(at_net *net, at_netif_id id, const char *hostname)
{
    net_interface *interface = &net->interfaces[id];

    if (hostname != NULL)
        at_net_set_hostname(net, id, hostname);
    if (interface->dhcp)
        return;
    interface->dhcp = true;
    interface->fixed = (at_ip_config){ 0 };
    if (!interface->up)
        return;
    net_enter(net);
    clear_address(interface);
    start_dhcp(interface);
}

void at_net_use_static(at_net *net, at_netif_id id, const at_ip_config *config)
{
    net_interface *interface = &net->interfaces[id];

    net_enter(net);
    if (interface->dhcp && interface->up)
        stop_dhcp(interface);
    interface->dhcp = false;
    interface->fixed = *config;
    if (interface->up)
        set_address(interface, config);
}

void at_net_ip(const at_net *net, at_netif_id id, at_ip_config *config)
{
    const net_interface *interface = &net->interfaces[id];

    if (!interface->dhcp) {
        *config = interface->fixed;
        return;
    }
    *config = (at_ip_config){ 0 };
    if (ip_addr_isany(&interface->lwip.ip_addr))
        return;
    net_from_lwip(&interface->lwip.ip_addr, &config->ip);
    net_from_lwip(&interface->lwip.gw, &config->gateway);
    net_from_lwip(&interface->lwip.netmask, &config->netmask);
}

/* ---- accounting ---- */

void at_net_usage(const at_net *net, uint32_t *pcbs, uint32_t *timers)
{
    static const memp_t kinds[] = { MEMP_RAW_PCB, MEMP_UDP_PCB, MEMP_TCP_PCB, MEMP_TCP_PCB_LISTEN };
    uint32_t count = 0;

    for (size_t i = 0; i < AT_COUNT(kinds); i++)
        count += (uint32_t)memp_pools[kinds[i]]->stats->used;
    for (const struct tcp_pcb *pcb = tcp_tw_pcbs; pcb != NULL; pcb = pcb->next)
        count--;
    *pcbs = count;
    *timers = net_timers_count(net);
}
