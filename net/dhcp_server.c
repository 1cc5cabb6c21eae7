/* DHCP server: what proto/dhcp decides, carried by lwIP's UDP on the way in and by a frame of its own
 * on the way out.
 *
 * An answer may go to a station that has no address yet, by unicast to its MAC: lwIP would ask ARP for
 * it first and never hear an answer. So the answer is built here, header by header (proto/udp), and
 * handed to the interface.
 *
 * Leases become events from a task, since requests come in while lwIP is on the stack. The queue has
 * room for every lease there can be: when it is full, the oldest news gives way. */
#include "net/dhcp_server.h"

#include <string.h>

#include "lwip/pbuf.h"
#include "lwip/udp.h"

#include "core/bytes.h"
#include "net/net_priv.h"
#include "proto/dhcp.h"
#include "proto/ether.h"
#include "proto/ipv4.h"
#include "proto/udp.h"

#define NEWS_MAX    8u
#define REQUEST_MAX 1024u
#define TTL         64u

struct at_dhcp_server {
    at_dhcp_server_config config;
    struct udp_pcb *pcb; /* NULL: off */
    uint16_t ip_id;
    at_dhcps engine;
    at_dhcps_lease leases[AT_DHCP_SERVER_LEASES];
    at_task task;
    struct {
        uint8_t mac[6];
        uint32_t ip;
    } news[NEWS_MAX];
    unsigned news_count;
};

static uint32_t number_of(const at_addr *addr)
{
    const uint8_t *b = addr->bytes;

    return addr->family == AT_IPV4
               ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]
               : 0;
}

static at_addr addr_of(uint32_t ip)
{
    return at_addr_v4((uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip);
}

/* ---- ranges ---- */

bool at_dhcp_range_fits(const at_dhcp_range *range, const at_ip_config *server)
{
    uint32_t first = number_of(&range->first), last = number_of(&range->last);
    uint32_t own = number_of(&server->ip), mask = number_of(&server->netmask);

    return own != 0 && first <= last && last - first < AT_DHCP_SERVER_LEASES &&
           ((first ^ own) & mask) == 0 && ((last ^ own) & mask) == 0 && (first & ~mask) != 0 &&
           (last & ~mask) != ~mask && (own < first || own > last) && range->lease_s > 0;
}

void at_dhcp_range_default(at_dhcp_range *range, const at_ip_config *server)
{
    uint32_t own = number_of(&server->ip), mask = number_of(&server->netmask);
    uint32_t low = (own & mask) + 1, high = (own | ~mask) - 1;

    if (high - own >= own - low)
        low = own + 1;
    else
        high = own - 1;
    if (low > own && high - low >= AT_DHCP_SERVER_LEASES)
        high = low + AT_DHCP_SERVER_LEASES - 1;
    else if (high - low >= AT_DHCP_SERVER_LEASES)
        low = high - AT_DHCP_SERVER_LEASES + 1;
    range->first = addr_of(low);
    range->last = addr_of(high);
}

/* ---- news ---- */

static void tell_news(void *arg)
{
    at_dhcp_server *s = arg;

    while (s->news_count > 0) {
        at_addr ip = addr_of(s->news[0].ip);
        uint8_t mac[6];

        memcpy(mac, s->news[0].mac, sizeof mac);
        s->news_count--;
        memmove(s->news, s->news + 1, s->news_count * sizeof s->news[0]);
        s->config.on_lease(s->config.owner, mac, &ip);
    }
}

static void note(at_dhcp_server *s, const uint8_t mac[6], uint32_t ip)
{
    if (s->news_count == NEWS_MAX)
        memmove(s->news, s->news + 1, --s->news_count * sizeof s->news[0]);
    memcpy(s->news[s->news_count].mac, mac, 6);
    s->news[s->news_count].ip = ip;
    s->news_count++;
    at_loop_post(s->config.net->loop, &s->task);
}

/* ---- requests and answers ---- */

static void send_answer(at_dhcp_server *s, const at_dhcps_result *result, const uint8_t *answer)
{
    net_interface *interface = &s->config.net->interfaces[s->config.netif];
    at_ipv4 ip = { .from = s->engine.config.server, .to = result->to_ip, .ttl = TTL };
    at_udp udp = { .from_port = AT_DHCP_SERVER_PORT,
                   .to_port = AT_DHCP_CLIENT_PORT,
                   .data = answer,
                   .data_len = result->len };
    uint8_t frame[AT_ETHER_HEADER + 28u + AT_DHCP_REPLY_MAX];
    at_radio_piece piece = { frame, 0 };
    size_t len;

    ip.id = s->ip_id++;
    len = at_udp_build(&udp, &ip, frame + AT_ETHER_HEADER, sizeof frame - AT_ETHER_HEADER);
    if (len == 0)
        return;
    at_ether_build(frame, result->to_mac, interface->lwip.hwaddr, AT_ETHERTYPE_IPV4);
    piece.len = AT_ETHER_HEADER + len;
    (void)interface->send(interface->send_ctx, &piece, 1);
}

static void on_request(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
                       u16_t from_port)
{
    at_dhcp_server *s = arg;
    at_net *net = s->config.net;
    uint8_t request[REQUEST_MAX], answer[AT_DHCP_REPLY_MAX];
    size_t len = pbuf_copy_partial(p, request, sizeof request, 0);
    at_dhcps_result result;

    (void)pcb;
    (void)from;
    (void)from_port;
    pbuf_free(p);
    result = at_dhcps_input(&s->engine, at_loop_now(net->loop) / 1000000u, request, len, answer);
    if (result.event == AT_DHCPS_EXHAUSTED)
        at_log(net->log, AT_LOG_WARN, "dhcp", "no address left in the range");
    if (result.len > 0)
        send_answer(s, &result, answer);
    if (result.event == AT_DHCPS_BOUND || result.event == AT_DHCPS_RENEWED)
        note(s, result.mac, result.ip);
}

/* ---- life ---- */

at_dhcp_server *at_dhcp_server_create(const at_dhcp_server_config *config)
{
    at_dhcp_server *s = at_calloc(config->net->heap, 1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->config = *config;
    at_task_init(&s->task, tell_news, s);
    return s;
}

static at_err open_port(at_dhcp_server *s)
{
    at_net *net = s->config.net;
    struct udp_pcb *pcb;
    err_t err;

    net_enter(net);
    pcb = udp_new();
    if (pcb == NULL)
        return AT_ERR_NOMEM;
    err = udp_bind(pcb, IP4_ADDR_ANY, AT_DHCP_SERVER_PORT);
    if (err != ERR_OK) {
        udp_remove(pcb);
        return net_err(err);
    }
    udp_bind_netif(pcb, &net->interfaces[s->config.netif].lwip);
    udp_recv(pcb, on_request, s);
    s->pcb = pcb;
    return AT_OK;
}

at_err at_dhcp_server_start(at_dhcp_server *s, const at_dhcp_range *range)
{
    at_ip_config own;
    at_dhcps_config config = { .server = 0 };

    at_dhcp_server_stop(s);
    at_net_ip(s->config.net, s->config.netif, &own);
    if (!at_dhcp_range_fits(range, &own))
        return AT_ERR_INVALID;
    config.server = number_of(&own.ip);
    config.netmask = number_of(&own.netmask);
    config.first = number_of(&range->first);
    config.last = number_of(&range->last);
    config.router = config.server;
    config.dns = config.server; /* as the part tells; nobody answers there */
    config.lease_s = range->lease_s;
    at_dhcps_init(&s->engine, &config, s->leases, config.last - config.first + 1);
    return open_port(s);
}

void at_dhcp_server_stop(at_dhcp_server *s)
{
    if (s->pcb == NULL)
        return;
    net_enter(s->config.net);
    udp_remove(s->pcb);
    s->pcb = NULL;
}

at_addr at_dhcp_server_address_of(const at_dhcp_server *s, const uint8_t mac[6])
{
    at_addr none = { .family = AT_FAMILY_NONE };
    uint32_t ip = 0;

    if (s->pcb != NULL)
        ip = at_dhcps_address_of(&s->engine, at_loop_now(s->config.net->loop) / 1000000u, mac);
    return ip != 0 ? addr_of(ip) : none;
}
