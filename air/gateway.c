/* The access point as a host of its own network: ARP, echo, DHCP, DNS, and the door to the outside.
 *
 * Its address is the gateway's. Where there is an uplink it also has the computer's other
 * addresses (hosts of the world file), for ARP and echo as well. What it serves itself never
 * reaches the uplink; everything else is either let out or refused at once, with a reset (TCP) or
 * an ICMP error, so that a module learns it in a millisecond and not by a time-out:
 *
 *     destination            open        local       none, or no uplink
 *     this computer          out         out         refused
 *     this network           unreachable (nobody has that address)
 *     anything else          out         refused     refused
 *
 * IPv6 is in gateway6.c. A station's address is learned here, from its leases, ARP messages and packets; forwards follow
 * it.
 */
#include "air/air_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "proto/arp.h"
#include "proto/icmp.h"
#include "proto/tcp.h"

#define BAD_NETWORK 0x0A636300u /* 10.99.99.0/24: what a wrong DHCP server hands out */

/* ---- DHCP ---- */

bool air_gateway_init(air_ap *ap)
{
    at_dhcps_config config = { .server = ap->def->gateway };
    size_t count = AT_MIN(ap->def->pool_last - ap->def->pool_first + 1u, AIR_LEASES_MAX);

    ap->leases = at_calloc(ap->air->config.heap, count, sizeof *ap->leases);
    if (ap->leases == NULL)
        return false;
    air_gateway6_init(ap);
    config.first = ap->def->pool_first;
    config.last = ap->def->pool_last;
    config.netmask = ap->netmask;
    config.router = ap->def->gateway;
    config.dns = ap->def->gateway;
    config.lease_s = ap->def->lease_s;
    at_dhcps_init(&ap->dhcps, &config, ap->leases, count);
    return true;
}

void air_dhcp_mode(air_ap *ap)
{
    at_dhcps_config *config = &ap->dhcps.config;
    bool bad = ap->effects.kinds[AT_FAULT_BAD_DHCP];

    config->server = bad ? BAD_NETWORK + 1 : ap->def->gateway;
    config->first = bad ? BAD_NETWORK + 10 : ap->def->pool_first;
    config->last = bad ? BAD_NETWORK + 250 : ap->def->pool_last;
    config->netmask = bad ? 0xFFFFFF00u : ap->netmask;
    config->router = config->server;
    config->dns = config->server;
}

static bool in_network(const air_ap *ap, uint32_t address)
{
    return (address & ap->netmask) == ap->network && address != ap->network &&
           address != (ap->network | ~ap->netmask);
}

/* What addresses the network behind a TAP has, nobody here knows. */
void air_gateway_learn(at_air_port *port, uint32_t address)
{
    const air_ap *ap = port->ap;

    if (ap->uplink != NULL ? !at_ipv4_is_group(address)
                           : in_network(ap, address) && !air_is_host(ap, address))
        air_learn_ip(port, address);
}

/* A renewal is news too when the station was away in between (a restart of the module). */
static void leased(at_air_port *port, uint32_t ip)
{
    at_air *air = port->air;
    char mac[18], text[16];

    if (port->ip != ip) {
        at_format_mac(mac, port->mac);
        (void)snprintf(text, sizeof text, "%u.%u.%u.%u", (unsigned)(ip >> 24),
                       (unsigned)(ip >> 16 & 255), (unsigned)(ip >> 8 & 255), (unsigned)(ip & 255));
        at_log(air->config.log, AT_LOG_INFO, "air", "%s has %s", mac, text);
        air_event(air, "lease", "\"mac\":\"%s\",\"ip\":\"%s\"", mac, text);
    }
    air_gateway_learn(port, ip);
}

bool air_serves_dhcp(const air_ap *ap)
{
    return ap->def->dhcp && (ap->uplink == NULL || ap->def->dhcp_given);
}

void air_gateway_dhcp(at_air_port *port, const at_udp *udp)
{
    air_ap *ap = port->ap;
    uint8_t answer[AT_DHCP_REPLY_MAX];
    uint64_t now_s = at_loop_now(ap->air->config.loop) / 1000000u;
    at_dhcps_result result;

    if (!air_serves_dhcp(ap) || port->effects.kinds[AT_FAULT_NO_DHCP])
        return;
    result = at_dhcps_input(&ap->dhcps, now_s, udp->data, udp->data_len, answer);
    if (result.event == AT_DHCPS_EXHAUSTED)
        at_log(ap->air->config.log, AT_LOG_WARN, "air", "%s: no address left in the pool",
               ap->def->name);
    if (result.len > 0) {
        at_ipv4 ip = { .from = ap->dhcps.config.server, .to = result.to_ip, .ttl = 64 };
        at_udp out = { .from_port = AT_DHCP_SERVER_PORT,
                       .to_port = AT_DHCP_CLIENT_PORT,
                       .data = answer,
                       .data_len = result.len };

        air_send_udp(port, result.to_mac, &ip, &out);
    }
    if (port->state != AIR_JOINED || memcmp(result.mac, port->mac, 6) != 0)
        return;
    if (result.event == AT_DHCPS_BOUND || result.event == AT_DHCPS_RENEWED)
        leased(port, result.ip);
    else if (result.event == AT_DHCPS_RELEASED)
        air_learn_ip(port, 0);
}

/* ---- packets from the access point ---- */

/* Sends an IPv4 packet that lies behind the room for an Ethernet header. */
static void send_packet(at_air_port *port, const uint8_t to_mac[6], uint8_t *frame, size_t len)
{
    if (len == 0 || port->state != AIR_JOINED)
        return;
    at_ether_build(frame, to_mac, port->ap->gateway_mac, AT_ETHERTYPE_IPV4);
    air_pass(port, false, frame, AT_ETHER_HEADER + len);
}

void air_send_udp(at_air_port *port, const uint8_t to_mac[6], const at_ipv4 *ip, const at_udp *udp)
{
    uint8_t frame[AT_RADIO_FRAME_MAX];
    at_ipv4 header = *ip;

    header.id = port->ap->ip_id++;
    send_packet(
        port, to_mac, frame,
        at_udp_build(udp, &header, frame + AT_ETHER_HEADER, sizeof frame - AT_ETHER_HEADER));
}

/* ---- the door ---- */

static const char *protocol_name(uint8_t protocol)
{
    switch (protocol) {
    case AT_IPPROTO_TCP: return "TCP";
    case AT_IPPROTO_UDP: return "UDP";
    case AT_IPPROTO_ICMP: return "ICMP";
    default: return "a packet";
    }
}

/* One line per destination, not one per packet. */
static void log_refusal(at_air_port *port, const at_ipv4 *ip, const char *why)
{
    uint64_t key = (uint64_t)ip->to << 8 | ip->protocol;

    if (port->last_refused == key)
        return;
    port->last_refused = key;
    at_log(port->air->config.log, AT_LOG_INFO, "air", "%s to %u.%u.%u.%u refused: %s",
           protocol_name(ip->protocol), (unsigned)(ip->to >> 24), (unsigned)(ip->to >> 16 & 255),
           (unsigned)(ip->to >> 8 & 255), (unsigned)(ip->to & 255), why);
}

static void refuse(at_air_port *port, const at_ether *ether, const at_ipv4 *ip, at_icmp_code code,
                   const char *why)
{
    uint8_t frame[AT_ETHER_HEADER + AT_ICMP_UNREACHABLE_MAX];
    uint8_t *packet = frame + AT_ETHER_HEADER;
    size_t room = sizeof frame - AT_ETHER_HEADER, len = 0;
    at_tcp tcp;

    port->air->counters.refused++;
    log_refusal(port, ip, why);
    if (ip->protocol != AT_IPPROTO_TCP)
        len = at_icmp_unreachable(code, port->ap->def->gateway, ether->payload, ether->payload_len,
                                  packet, room);
    else if (at_tcp_parse(&tcp, ip))
        len = at_tcp_reset(&tcp, ip, packet, room);
    send_packet(port, ether->from, frame, len);
}

void air_gateway_refuse(at_air_port *port, const at_ether *ether, const at_ipv4 *ip,
                        const char *why)
{
    refuse(port, ether, ip, AT_ICMP_ADMIN_PROHIBITED, why);
}

static void go_out(at_air_port *port, const at_ether *ether, const at_ipv4 *ip,
                   const uint8_t *frame, size_t len)
{
    const air_ap *ap = port->ap;
    bool host = air_is_host(ap, ip->to);
    at_policy policy = port->air->config.policy;

    if (!host && in_network(ap, ip->to)) {
        refuse(port, ether, ip, AT_ICMP_HOST_UNREACHABLE, "nobody has this address");
    } else if (!air_has_uplink(ap)) {
        refuse(port, ether, ip, host ? AT_ICMP_PORT_UNREACHABLE : AT_ICMP_NET_UNREACHABLE,
               "the access point has no uplink");
    } else if (policy == AT_POLICY_NONE || (policy == AT_POLICY_LOCAL && !host)) {
        air_gateway_refuse(port, ether, ip,
                           policy == AT_POLICY_NONE ? "policy is none" : "policy is local");
    } else if (air_uplink(port) == NULL) {
        refuse(port, ether, ip, AT_ICMP_NET_UNREACHABLE, "the uplink cannot be opened");
    } else {
        air_to_uplink(port, frame, len, ip, host && ip->to != ap->def->gateway ? ip->to : 0);
    }
}

/* ---- what came in ---- */

static bool echo(at_air_port *port, const at_ether *ether, size_t len)
{
    uint8_t frame[AT_RADIO_FRAME_MAX];
    uint8_t *packet = frame + AT_ETHER_HEADER;

    memcpy(packet, ether->payload, len);
    if (!at_icmp_echo_reply(packet, len))
        return false;
    send_packet(port, ether->from, frame, len);
    return true;
}

/* What the access point serves itself. */
static bool serve(at_air_port *port, const at_ether *ether, const at_ipv4 *ip)
{
    const air_ap *ap = port->ap;
    at_udp udp;
    bool group = at_ipv4_is_group(ip->to) || ip->to == (ap->network | ~ap->netmask);
    bool own = group || ip->to == ap->dhcps.config.server || air_is_host(ap, ip->to);

    if (!own)
        return false;
    if (ip->protocol == AT_IPPROTO_ICMP && !group)
        return echo(port, ether, ip->header_len + ip->payload_len);
    if (ip->protocol != AT_IPPROTO_UDP || !at_udp_parse(&udp, ip))
        return group;
    if (udp.to_port == AT_DHCP_SERVER_PORT)
        air_gateway_dhcp(port, &udp);
    else if (udp.to_port == AT_DNS_PORT && ip->to == ap->def->gateway)
        air_dns_input(port, &(air_asker){ .from = ip->from, .port = udp.from_port }, &udp);
    else if (udp.to_port == AIR_MDNS_PORT && ip->to == AIR_MDNS_GROUP)
        air_mdns_input(port, &(air_asker){ .mdns = true, .from = ip->from, .port = udp.from_port },
                       &udp);
    else
        return group; /* no broadcast or multicast goes further than the switch */
    return true;
}

static void ipv4_input(at_air_port *port, const at_ether *ether, const uint8_t *frame, size_t len)
{
    at_ipv4 ip;

    if (!at_ipv4_parse(&ip, ether->payload, ether->payload_len)) {
        port->air->counters.invalid++;
        return;
    }
    air_gateway_learn(port, ip.from);
    if (!serve(port, ether, &ip))
        go_out(port, ether, &ip, frame, len);
}

static void arp_input(at_air_port *port, const at_ether *ether)
{
    const air_ap *ap = port->ap;
    uint8_t frame[AT_ARP_FRAME_LEN];
    at_arp arp;
    size_t len;

    if (!at_arp_parse(&arp, ether->payload, ether->payload_len)) {
        port->air->counters.invalid++;
        return;
    }
    if (memcmp(arp.sender_mac, port->mac, 6) == 0)
        air_gateway_learn(port, arp.sender_ip);
    if (arp.operation != AT_ARP_REQUEST || port->state != AIR_JOINED ||
        !air_is_host(ap, arp.target_ip) || arp.sender_ip == arp.target_ip)
        return;
    len = at_arp_answer(&arp, ap->gateway_mac, frame);
    air_pass(port, false, frame, len);
}

void air_gateway_input(at_air_port *port, const uint8_t *frame, size_t len)
{
    at_ether ether;

    if (port->state != AIR_JOINED || !at_ether_parse(&ether, frame, len))
        return;
    if (ether.type == AT_ETHERTYPE_ARP)
        arp_input(port, &ether);
    else if (ether.type == AT_ETHERTYPE_IPV4)
        ipv4_input(port, &ether, frame, len);
    else if (ether.type == AT_ETHERTYPE_IPV6)
        air_gateway6_input(port, &ether, frame, len);
}
