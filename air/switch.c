/* The switch of an access point: members among themselves, the access point itself, and the uplink.
 *
 * A frame of a member goes to the member that has its destination, or to the access point, or to
 * all when it is a group frame. Unknown destinations are not flooded: whoever is on the switch has
 * spoken (a station with its association). With isolation, radios do not reach each other; the wire
 * is not concerned.
 *
 * A slirp uplink is one object per member, opened with the first packet that wants out or with the
 * first forward. To it, this computer has one address, the gateway; the others are rewritten here,
 * both ways (alias.c). Frames of the uplink come from the loop. An access point with a TAP is a
 * bridge instead, and has no services of its own (bridge.c).
 */
#include "air/air_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "proto/icmp.h"
#include "proto/icmp6.h"
#include "proto/tcp.h"

static bool may_talk(const air_ap *ap, const at_air_port *a, const at_air_port *b)
{
    return a != b && b->state == AIR_JOINED && !(ap->def->isolate && !a->wired && !b->wired);
}

void air_switch_flood(at_air_port *port, const uint8_t *frame, size_t len)
{
    const air_ap *ap = port->ap;
    at_air_port *next;

    for (at_air_port *other = ap->members; other != NULL; other = next) {
        next = other->next_member;
        if (may_talk(ap, port, other))
            air_pass(other, false, frame, len);
    }
}

bool air_switch_to_member(at_air_port *port, const uint8_t *frame, size_t len)
{
    const air_ap *ap = port->ap;

    for (at_air_port *other = ap->members; other != NULL; other = other->next_member) {
        if (memcmp(other->mac, frame, 6) != 0)
            continue;
        if (may_talk(ap, port, other))
            air_pass(other, false, frame, len);
        return true;
    }
    return false;
}

void air_switch_input(at_air_port *port, const uint8_t *frame, size_t len)
{
    air_ap *ap = port->ap;

    if (ap->uplink != NULL) {
        air_bridge_input(port, frame, len);
        return;
    }
    if (at_ether_is_multicast(frame)) {
        air_switch_flood(port, frame, len);
        air_gateway_input(port, frame, len);
        return;
    }
    if (memcmp(frame, ap->gateway_mac, 6) == 0 || memcmp(frame, ap->def->bssid, 6) == 0) {
        air_gateway_input(port, frame, len);
        return;
    }
    (void)air_switch_to_member(port, frame, len);
}

/* ---- the uplink ---- */

/* Of an uplink per member; NULL: there is none. */
static const at_uplink_ops *ops_of(const air_ap *ap)
{
    return ap->def->uplink == AT_UPLINK_SLIRP ? ap->air->config.slirp : NULL;
}

bool air_has_uplink(const air_ap *ap)
{
    return ops_of(ap) != NULL;
}

bool air_is_host(const air_ap *ap, uint32_t address)
{
    const at_world *world = &ap->air->world;

    if (address == ap->def->gateway)
        return true;
    for (uint32_t i = 0; i < world->host_count && air_has_uplink(ap); i++) {
        if (world->hosts[i].address == address)
            return true;
    }
    return false;
}

/* The frame as coming from the address that the station asked: into copy, or frame as it is. */
static const uint8_t *from_alias(at_air_port *port, const at_ether *ether, const uint8_t *frame,
                                 size_t len, uint8_t *copy)
{
    at_ipv4 ip;
    uint32_t alias = 0;

    if (at_ipv4_parse(&ip, ether->payload, ether->payload_len) && ip.from == port->ap->def->gateway)
        alias = air_alias_of(&port->aliases, &ip);
    if (alias == 0)
        return frame;
    memcpy(copy, frame, len);
    return at_ipv4_rewrite(copy + AT_ETHER_HEADER, len - AT_ETHER_HEADER, AT_IPV4_FROM, alias)
               ? copy
               : frame;
}

static const uint8_t *from_alias6(at_air_port *port, const at_ether *ether, const uint8_t *frame,
                                  size_t len, uint8_t *copy)
{
    uint8_t address[16];
    at_ipv6 ip;
    uint32_t alias = 0;

    air_gateway6_address(port->ap, address);
    if (at_ipv6_parse(&ip, ether->payload, ether->payload_len) && memcmp(ip.from, address, 16) == 0)
        alias = air_alias6_of(&port->aliases6, &ip);
    if (alias == 0)
        return frame;
    air_alias6_address(port->ap, alias, address);
    memcpy(copy, frame, len);
    return at_ipv6_rewrite(copy + AT_ETHER_HEADER, len - AT_ETHER_HEADER, AT_IPV6_FROM, address)
               ? copy
               : frame;
}

/* Two bytes tell most frames, before anything is parsed. */
static bool may_be_icmp(const at_ether *ether)
{
    if (ether->payload_len < AT_IPV4_HEADER)
        return false;
    return ether->type == AT_ETHERTYPE_IPV6 ? ether->payload[6] == AT_IPPROTO_ICMPV6
                                            : ether->payload[9] == AT_IPPROTO_ICMP;
}

/* The computer has no way to an address, and the uplink says so by an ICMP error about the first
 * segment. A module's stack goes on for minutes after that; a reset ends it at once, as for what
 * the policy refuses. Builds the frame; 0: it is something else. */
static size_t unreachable_as_reset(const at_ether *ether, uint8_t *reset)
{
    size_t room = AT_TCP_RESET6_LEN, len = 0;
    uint8_t *packet = reset + AT_ETHER_HEADER;
    at_ipv4 ip, quoted;
    at_ipv6 ip6, quoted6;
    at_tcp tcp;

    if (!may_be_icmp(ether))
        return 0;
    if (ether->type == AT_ETHERTYPE_IPV4 &&
        at_ipv4_parse(&ip, ether->payload, ether->payload_len) &&
        at_icmp_refused_syn(&ip, &quoted, &tcp))
        len = at_tcp_reset(&tcp, &quoted, packet, room);
    else if (ether->type == AT_ETHERTYPE_IPV6 &&
             at_ipv6_parse(&ip6, ether->payload, ether->payload_len) &&
             at_icmp6_refused_syn(&ip6, &quoted6, &tcp))
        len = at_tcp_reset6(&tcp, &quoted6, packet, room);
    if (len == 0)
        return 0;
    at_ether_build(reset, ether->to, ether->from, ether->type);
    return AT_ETHER_HEADER + len;
}

/* From the loop: a frame of the uplink for its station. */
static void from_uplink(void *owner, const uint8_t *frame, size_t len)
{
    at_air_port *port = owner;
    uint8_t copy[AT_RADIO_FRAME_MAX], reset[AT_ETHER_HEADER + AT_TCP_RESET6_LEN];
    at_ether ether;
    size_t reset_len;

    if (len > sizeof copy || !at_ether_parse(&ether, frame, len) || port->state != AIR_JOINED)
        return;
    reset_len = unreachable_as_reset(&ether, reset);
    if (reset_len > 0) {
        frame = reset;
        len = reset_len;
        (void)at_ether_parse(&ether, frame, len);
        at_log(port->air->config.log, AT_LOG_INFO, "air",
               "a connection is refused: this computer has no way to its address");
    }
    if (port->aliases.flows != NULL && ether.type == AT_ETHERTYPE_IPV4)
        frame = from_alias(port, &ether, frame, len, copy);
    else if (port->aliases6.flows != NULL && ether.type == AT_ETHERTYPE_IPV6)
        frame = from_alias6(port, &ether, frame, len, copy);
    air_pass(port, false, frame, len);
}

at_uplink *air_uplink(at_air_port *port)
{
    const air_ap *ap = port->ap;
    const at_uplink_ops *ops = ops_of(ap);
    at_uplink_config config = { .loop = port->air->config.loop };
    char error[AIR_ERROR_ROOM] = "";

    if (port->uplink != NULL || ops == NULL || port->uplink_failed)
        return port->uplink;
    config.network = ap->network;
    config.gateway = ap->def->gateway;
    config.prefix = ap->def->prefix;
    memcpy(config.gateway_mac, ap->gateway_mac, 6);
    memcpy(config.station_mac, port->mac, 6);
    config.host_loopback = true;
    config.ipv6 = ap->def->ipv6;
    memcpy(config.prefix6, ap->def->prefix6, 16);
    air_gateway6_address(ap, config.gateway6);
    config.deliver = from_uplink;
    config.owner = port;
    config.port = ops->port;
    port->uplink = ops->open(&config, error, sizeof error);
    if (port->uplink == NULL) {
        port->uplink_failed = true; /* until it joins again: not one attempt per packet */
        at_log(port->air->config.log, AT_LOG_ERROR, "air", "no uplink for %s: %s", ap->def->name,
               error);
    }
    return port->uplink;
}

void air_to_uplink(at_air_port *port, const uint8_t *frame, size_t len, const at_ipv4 *ip,
                   uint32_t alias)
{
    const air_ap *ap = port->ap;
    uint8_t copy[AT_RADIO_FRAME_MAX];
    const at_uplink_ops *ops = ops_of(ap);

    air_alias_note(&port->aliases, port->air->config.heap, ip, ap->def->gateway);
    if (alias != 0) {
        memcpy(copy, frame, len);
        if (!at_ipv4_rewrite(copy + AT_ETHER_HEADER, len - AT_ETHER_HEADER, AT_IPV4_TO,
                             ap->def->gateway))
            return;
        frame = copy;
    }
    ops->input(port->uplink, frame, len);
}

void air_to_uplink6(at_air_port *port, const uint8_t *frame, size_t len, const at_ipv6 *ip,
                    bool host, uint32_t alias)
{
    uint8_t copy[AT_RADIO_FRAME_MAX], gateway[16];

    if (host)
        air_alias6_note(&port->aliases6, port->air->config.heap, ip, alias);
    if (host && alias != 0) {
        air_gateway6_address(port->ap, gateway);
        memcpy(copy, frame, len);
        if (!at_ipv6_rewrite(copy + AT_ETHER_HEADER, len - AT_ETHER_HEADER, AT_IPV6_TO, gateway))
            return;
        frame = copy;
    }
    ops_of(port->ap)->input(port->uplink, frame, len);
}

void air_uplink_close(at_air_port *port)
{
    const at_uplink_ops *ops = ops_of(port->ap);

    if (port->uplink != NULL)
        ops->close(port->uplink);
    port->uplink = NULL;
    port->uplink_failed = false;
}
