/* The access point as the IPv6 router of its network: neighbour discovery, router advertisements,
 * echo, DNS, and the door to the outside.
 *
 * Its addresses are fe80::1 and, within its prefix, the last numbers of its IPv4 address written
 * the same way: 192.168.3.1 is ...::1, the host 192.168.3.102 is ...::102. All of them are answered
 * for as in IPv4 (gateway.c), and what is let out or refused is the same table.
 *
 * Router advertisements answer solicitations at once. Their lifetime is the longest there is, and
 * one timer of hours renews it while there are stations that asked: an idle air does not wake for
 * IPv6. A station asks three times in twelve seconds and then waits, so when a fault that made it
 * deaf ends, it is told. A station forms its addresses itself; there is no DHCPv6.
 */
#include "air/air_priv.h"

#include <string.h>

#include "air/world_priv.h"
#include "core/bytes.h"
#include "proto/icmp6.h"
#include "proto/tcp.h"

#define HOP_LIMIT          64u
#define ROUTER_LIFETIME_S  65535u   /* RFC 8319 */
#define PREFIX_VALID_S     2592000u /* 30 and 7 days: RFC 4861 6.2.1 */
#define PREFIX_PREFERRED_S 604800u
#define RENEWAL_US         21600000000u /* 6 h */

static const uint8_t link_local[16] = { 0xFE, 0x80, [15] = 1 };

/* ---- addresses ---- */

/* The prefix, and the numbers of the IPv4 address behind its network part. */
static void address_of(const air_ap *ap, uint32_t ipv4, uint8_t address[16])
{
    memcpy(address, ap->def->prefix6, 16);
    for (unsigned i = ap->def->prefix / 8u; i < 4; i++)
        world_digits6(address + 8 + 2 * i, (uint8_t)(ipv4 >> (24 - 8 * i)));
}

void air_gateway6_address(const air_ap *ap, uint8_t address[16])
{
    address_of(ap, ap->def->gateway, address);
}

bool air_host6_address(const air_ap *ap, uint32_t ipv4, uint8_t address[16])
{
    address_of(ap, ipv4, address);
    return ap->def->ipv6 && (ipv4 & ap->netmask) == ap->network;
}

bool air_is_host6(const air_ap *ap, const uint8_t address[16], uint32_t *alias)
{
    const at_world *world = &ap->air->world;
    uint8_t own[16];

    air_gateway6_address(ap, own);
    *alias = 0;
    if (memcmp(own, address, 16) == 0)
        return true;
    *alias = AIR_ALIAS_LINK_LOCAL;
    if (memcmp(link_local, address, 16) == 0)
        return true;
    for (uint32_t i = 0; i < world->host_count && air_has_uplink(ap); i++) {
        *alias = i + 1;
        if (air_host6_address(ap, world->hosts[i].address, own) && memcmp(own, address, 16) == 0)
            return true;
    }
    return false;
}

void air_alias6_address(const air_ap *ap, uint32_t alias, uint8_t address[16])
{
    if (alias == AIR_ALIAS_LINK_LOCAL)
        memcpy(address, link_local, 16);
    else
        (void)air_host6_address(ap, ap->air->world.hosts[alias - 1].address, address);
}

/* ---- packets from the router ---- */

/* Sends an IPv6 packet that lies behind the room for an Ethernet header. */
static void send_packet(at_air_port *port, const uint8_t to_mac[6], uint8_t *frame, size_t len)
{
    if (len == 0 || port->state != AIR_JOINED)
        return;
    at_ether_build(frame, to_mac, port->ap->gateway_mac, AT_ETHERTYPE_IPV6);
    air_pass(port, false, frame, AT_ETHER_HEADER + len);
}

void air_send_udp6(at_air_port *port, const at_ipv6 *ip, const at_udp *udp)
{
    uint8_t frame[AT_RADIO_FRAME_MAX];

    send_packet(port, port->mac, frame,
                at_udp_build6(udp, ip, frame + AT_ETHER_HEADER, sizeof frame - AT_ETHER_HEADER));
}

static void advertise(at_air_port *port, const uint8_t to[16], const uint8_t to_mac[6])
{
    const air_ap *ap = port->ap;
    uint8_t frame[AT_ETHER_HEADER + AT_ND_ROUTER_LEN];
    at_nd_router router = { .lifetime_s = ROUTER_LIFETIME_S,
                            .prefix_valid_s = PREFIX_VALID_S,
                            .prefix_preferred_s = PREFIX_PREFERRED_S };

    if (port->effects.kinds[AT_FAULT_NO_RA])
        return;
    memcpy(router.from, link_local, 16);
    memcpy(router.mac, ap->gateway_mac, 6);
    memcpy(router.prefix, ap->def->prefix6, 16);
    air_gateway6_address(ap, router.dns);
    send_packet(port, to_mac, frame,
                at_nd_router_advert(&router, to, frame + AT_ETHER_HEADER, AT_ND_ROUTER_LEN));
}

static void to_all(at_air_port *port)
{
    uint8_t mac[6];

    at_ipv6_group_mac(at_ipv6_all_nodes, mac);
    advertise(port, at_ipv6_all_nodes, mac);
}

void air_gateway6_heard(at_air_port *port)
{
    if (port->ap->def->ipv6 && port->ap->host == NULL && port->ap->uplink == NULL)
        to_all(port);
}

static void renew(void *arg)
{
    air_ap *ap = arg;
    at_air_port *next;

    for (at_air_port *port = ap->members; port != NULL; port = next) {
        next = port->next_member;
        to_all(port);
    }
    if (ap->members != NULL)
        at_timer_in(ap->air->config.loop, &ap->router_timer, RENEWAL_US);
}

void air_gateway6_init(air_ap *ap)
{
    at_timer_init(&ap->router_timer, renew, ap);
}

void air_gateway6_stop(air_ap *ap)
{
    if (at_timer_running(&ap->router_timer))
        at_timer_stop(ap->air->config.loop, &ap->router_timer);
}

/* ---- neighbour discovery ---- */

static void router_solicited(at_air_port *port, const at_ether *ether, const at_ipv6 *ip)
{
    air_ap *ap = port->ap;

    if (at_ipv6_is_any(ip->from))
        to_all(port);
    else
        advertise(port, ip->from, ether->from);
    if (!at_timer_running(&ap->router_timer))
        at_timer_in(ap->air->config.loop, &ap->router_timer, RENEWAL_US);
}

static void neighbor_solicited(at_air_port *port, const at_ether *ether, const at_ipv6 *ip,
                               const uint8_t target[16])
{
    uint8_t frame[AT_ETHER_HEADER + AT_ND_NEIGHBOR_LEN], mac[6];
    uint32_t alias;

    if (!air_is_host6(port->ap, target, &alias))
        return;
    memcpy(mac, ether->from, 6);
    if (at_ipv6_is_any(ip->from))
        at_ipv6_group_mac(at_ipv6_all_nodes, mac);
    send_packet(port, mac, frame,
                at_nd_advert(ip->from, target, port->ap->gateway_mac, true, frame + AT_ETHER_HEADER,
                             AT_ND_NEIGHBOR_LEN));
}

/* ---- the door ---- */

/* One line per destination, not one per packet. */
static void log_refusal(at_air_port *port, const at_ipv6 *ip, const char *why)
{
    uint64_t key = 14695981039346656037u; /* FNV-1a */
    char text[AT_IPV6_TEXT];

    for (unsigned i = 0; i < 16; i++)
        key = (key ^ ip->to[i]) * 1099511628211u;
    if (port->last_refused == key)
        return;
    port->last_refused = key;
    at_ipv6_text(ip->to, text);
    at_log(port->air->config.log, AT_LOG_INFO, "air", "IPv6 to %s refused: %s", text, why);
}

static void refuse(at_air_port *port, const at_ether *ether, const at_ipv6 *ip, at_icmp6_code code,
                   const char *why)
{
    uint8_t frame[AT_ETHER_HEADER + AT_ICMP6_UNREACHABLE_MAX], from[16];
    uint8_t *packet = frame + AT_ETHER_HEADER;
    size_t room = sizeof frame - AT_ETHER_HEADER, len = 0;
    at_tcp tcp;

    port->air->counters.refused++;
    log_refusal(port, ip, why);
    air_gateway6_address(port->ap, from);
    if (ip->protocol != AT_IPPROTO_TCP)
        len = at_icmp6_unreachable(code, from, ether->payload, ether->payload_len, packet, room);
    else if (at_tcp_parse6(&tcp, ip))
        len = at_tcp_reset6(&tcp, ip, packet, room);
    send_packet(port, ether->from, frame, len);
}

bool air_gateway6_in_prefix(const air_ap *ap, const uint8_t address[16])
{
    return memcmp(ap->def->prefix6, address, 8) == 0;
}

void air_gateway6_refuse(at_air_port *port, const at_ether *ether, const at_ipv6 *ip,
                         const char *why)
{
    refuse(port, ether, ip, AT_ICMP6_ADMIN_PROHIBITED, why);
}

static void go_out(at_air_port *port, const at_ether *ether, const at_ipv6 *ip,
                   const uint8_t *frame, size_t len)
{
    const air_ap *ap = port->ap;
    at_policy policy = port->air->config.policy;
    uint32_t alias;
    bool host = air_is_host6(ap, ip->to, &alias);

    if (!host && (air_gateway6_in_prefix(ap, ip->to) || at_ipv6_is_link_local(ip->to))) {
        refuse(port, ether, ip, AT_ICMP6_ADDRESS_UNREACHABLE, "nobody has this address");
    } else if (!host && !air_gateway6_in_prefix(ap, ip->from)) {
        refuse(port, ether, ip, AT_ICMP6_BEYOND_SCOPE,
               "the sender's address is not of this network");
    } else if (!air_has_uplink(ap)) {
        refuse(port, ether, ip, host ? AT_ICMP6_PORT_UNREACHABLE : AT_ICMP6_NO_ROUTE,
               "the access point has no uplink");
    } else if (policy == AT_POLICY_NONE || (policy == AT_POLICY_LOCAL && !host)) {
        air_gateway6_refuse(port, ether, ip,
                            policy == AT_POLICY_NONE ? "policy is none" : "policy is local");
    } else if (ip->protocol != AT_IPPROTO_TCP && ip->protocol != AT_IPPROTO_UDP) {
        air_gateway6_refuse(port, ether, ip,
                            "beyond this computer only TCP and UDP go out by IPv6");
    } else if (air_uplink(port) == NULL) {
        refuse(port, ether, ip, AT_ICMP6_NO_ROUTE, "the uplink cannot be opened");
    } else {
        air_to_uplink6(port, frame, len, ip, host, alias);
    }
}

/* ---- what came in ---- */

static void echo(at_air_port *port, const at_ether *ether, size_t len)
{
    uint8_t frame[AT_RADIO_FRAME_MAX];
    uint8_t *packet = frame + AT_ETHER_HEADER;

    memcpy(packet, ether->payload, len);
    if (at_icmp6_echo_reply(packet, len))
        send_packet(port, ether->from, frame, len);
}

/* What the router serves itself. Of its own ICMPv6 nothing goes further, known or not. */
static bool serve(at_air_port *port, const at_ether *ether, const at_ipv6 *ip)
{
    uint32_t alias;
    at_udp udp;
    air_asker asker = { .v6 = true };

    if (!air_is_host6(port->ap, ip->to, &alias))
        return false;
    if (ip->protocol == AT_IPPROTO_ICMPV6) {
        echo(port, ether, ip->header_len + ip->payload_len);
        return true;
    }
    if ((alias != 0 && alias != AIR_ALIAS_LINK_LOCAL) || ip->protocol != AT_IPPROTO_UDP ||
        !at_udp_parse6(&udp, ip) || udp.to_port != AT_DNS_PORT)
        return false;
    memcpy(asker.from6, ip->from, 16);
    memcpy(asker.to6, ip->to, 16);
    asker.port = udp.from_port;
    air_dns_input(port, &asker, &udp);
    return true;
}

void air_gateway6_input(at_air_port *port, const at_ether *ether, const uint8_t *frame, size_t len)
{
    at_ipv6 ip;
    at_nd nd;

    if (!port->ap->def->ipv6)
        return;
    if (!at_ipv6_parse(&ip, ether->payload, ether->payload_len)) {
        port->air->counters.invalid++;
        return;
    }
    switch (at_nd_parse(&nd, &ip)) {
    case AT_ND_ROUTER_SOLICIT: router_solicited(port, ether, &ip); return;
    case AT_ND_NEIGHBOR_SOLICIT: neighbor_solicited(port, ether, &ip, nd.target); return;
    case AT_ND_NEIGHBOR_ADVERT: return;
    case AT_ND_NONE: break;
    }
    /* No group goes further than the switch. */
    if (!at_ipv6_is_group(ip.to) && !at_ipv6_is_any(ip.from) && !serve(port, ether, &ip))
        go_out(port, ether, &ip, frame, len);
}
