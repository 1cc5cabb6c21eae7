/* The access point as a bridge: its stations are on the network behind a TAP interface.
 *
 * One uplink object for the whole access point, there from the start. Such an access point has no
 * address: ARP, the gateway, DNS and echo are the network's, and so is DHCP unless the world file
 * says `dhcp = on`. Then the access point answers DHCP itself, whoever was asked, and no DHCP
 * message of a station gets out.
 *
 *     station -> member's address          the member
 *             -> group                     the other members, and out
 *             -> anything else             out: whoever is unknown here can only be there
 *     network -> member's address          the member
 *             -> group                     all members
 *             -> anything else             dropped: stations are known from their association on
 *
 * The policy judges what a station sends out: `open` lets everything pass, `local` what stays within
 * the network of `gateway` and `prefix`, in `prefix6` or on the link, and of other kinds of frames ARP
 * alone; with `none` the TAP is not opened and the access point is one without an uplink. What comes
 * in is not judged.
 *
 * The faults no_dhcp and no_dns lose what stations send to such servers. A station's address is
 * learned from what it sends.
 */
#include "air/air_priv.h"

#include <stdio.h>
#include <string.h>

#include "proto/arp.h"

#define GROUP_LINK_SCOPE 2 /* of an IPv6 group: not beyond the link */

typedef struct packet { /* what a station's frame carries; both NULL: something else */
    const at_ipv4 *v4;
    const at_ipv6 *v6;
    at_ipv4 parsed4;
    at_ipv6 parsed6;
} packet;

/* ---- life ---- */

/* What a bridge must not let in: the air's own way of speaking about radios. */
static bool is_of_the_air(const at_ether *ether)
{
    return ether->type == AT_ETHERTYPE_MGMT || ether->type == AT_ETHERTYPE_EAPOL;
}

/* From the loop: a frame of the network. */
static void from_network(void *owner, const uint8_t *frame, size_t len)
{
    air_ap *ap = owner;
    at_ether ether;
    at_air_port *next;
    bool group;

    if (len > AT_RADIO_FRAME_MAX || !at_ether_parse(&ether, frame, len) || is_of_the_air(&ether)) {
        ap->air->counters.invalid++;
        return;
    }
    group = at_ether_is_multicast(frame);
    for (at_air_port *port = ap->members; port != NULL; port = next) {
        next = port->next_member;
        if (port->state == AIR_JOINED && (group || memcmp(port->mac, frame, 6) == 0))
            air_pass(port, false, frame, len);
    }
}

static bool open_bridge(air_ap *ap, char *error, size_t room)
{
    const at_uplink_ops *ops = ap->air->config.tap;
    at_uplink_config config = { .loop = ap->air->config.loop,
                                .network = ap->network,
                                .gateway = ap->def->gateway,
                                .prefix = ap->def->prefix,
                                .tap = ap->def->tap,
                                .deliver = from_network,
                                .owner = ap };
    char why[256] = "TAP is not built in";

    if (ops != NULL) {
        config.port = ops->port;
        ap->uplink = ops->open(&config, why, sizeof why);
    }
    if (ap->uplink == NULL)
        (void)snprintf(error, room, "[ap %s] uplink = tap:%s: %s", ap->def->name, ap->def->tap,
                       why);
    return ap->uplink != NULL;
}

bool at_air_open_bridges(at_air *air, char *error, size_t room)
{
    for (uint32_t i = 0; i < air->world.ap_count; i++) {
        air_ap *ap = &air->aps[i];

        if (ap->def->uplink != AT_UPLINK_TAP || ap->uplink != NULL)
            continue;
        if (air->config.policy == AT_POLICY_NONE)
            at_log(air->config.log, AT_LOG_WARN, "air", "%s: tap:%s is not opened, policy is none",
                   ap->def->name, ap->def->tap);
        else if (!open_bridge(ap, error, room))
            return false;
    }
    return true;
}

void air_bridge_close(air_ap *ap)
{
    if (ap->uplink != NULL)
        ap->air->config.tap->close(ap->uplink);
    ap->uplink = NULL;
}

/* ---- what goes out ---- */

/* On the link, in the access point's prefix, or to a group of the link's scope (RFC 4291 2.7). */
static bool ipv6_is_local(const air_ap *ap, const uint8_t to[16])
{
    return at_ipv6_is_link_local(to) || air_gateway6_in_prefix(ap, to) ||
           (at_ipv6_is_group(to) && (to[1] & 0x0F) <= GROUP_LINK_SCOPE);
}

static bool ipv4_is_local(const air_ap *ap, uint32_t address)
{
    return (address & ap->netmask) == ap->network || at_ipv4_is_group(address);
}

/* Whether the policy lets it out; what it does not is refused. A tagged frame, or a tunnel's, could hide
 * where it goes. */
static bool may_go_out(at_air_port *port, const at_ether *ether, const packet *p)
{
    if (port->air->config.policy != AT_POLICY_LOCAL)
        return true;
    if (p->v4 == NULL && p->v6 == NULL && ether->type != AT_ETHERTYPE_ARP) {
        port->air->counters.refused++;
        return false;
    }
    if (p->v4 != NULL && !ipv4_is_local(port->ap, p->v4->to)) {
        air_gateway_refuse(port, ether, p->v4, "policy is local");
        return false;
    }
    if (p->v6 != NULL && !ipv6_is_local(port->ap, p->v6->to)) {
        air_gateway6_refuse(port, ether, p->v6, "policy is local");
        return false;
    }
    return true;
}

/* ---- what stations send ---- */

static void learn_arp(at_air_port *port, const at_ether *ether)
{
    at_arp arp;

    if (at_arp_parse(&arp, ether->payload, ether->payload_len) &&
        memcmp(arp.sender_mac, port->mac, 6) == 0)
        air_gateway_learn(port, arp.sender_ip);
}

/* A datagram that the access point takes itself, or that a fault takes. */
static bool taken(at_air_port *port, const packet *p)
{
    const air_effects *effects = &port->effects;
    at_udp udp;

    if (p->v4 != NULL ? !at_udp_parse(&udp, p->v4) : p->v6 == NULL || !at_udp_parse6(&udp, p->v6))
        return false;
    if (udp.to_port == AT_DNS_PORT)
        return effects->kinds[AT_FAULT_NO_DNS];
    if (p->v4 == NULL || udp.to_port != AT_DHCP_SERVER_PORT)
        return false;
    if (air_serves_dhcp(port->ap))
        air_gateway_dhcp(port, &udp);
    return air_serves_dhcp(port->ap) || effects->kinds[AT_FAULT_NO_DHCP];
}

static bool parse(packet *p, const at_ether *ether)
{
    *p = (packet){ .v4 = NULL };
    if (ether->type == AT_ETHERTYPE_IPV4)
        p->v4 = &p->parsed4;
    if (ether->type == AT_ETHERTYPE_IPV6)
        p->v6 = &p->parsed6;
    return (p->v4 == NULL || at_ipv4_parse(&p->parsed4, ether->payload, ether->payload_len)) &&
           (p->v6 == NULL || at_ipv6_parse(&p->parsed6, ether->payload, ether->payload_len));
}

void air_bridge_input(at_air_port *port, const uint8_t *frame, size_t len)
{
    const air_ap *ap = port->ap;
    at_ether ether;
    packet p;

    if (!at_ether_parse(&ether, frame, len) || is_of_the_air(&ether))
        return;
    if (!parse(&p, &ether)) {
        port->air->counters.invalid++;
        return;
    }
    if (p.v4 != NULL)
        air_gateway_learn(port, p.v4->from);
    else if (ether.type == AT_ETHERTYPE_ARP)
        learn_arp(port, &ether);
    if (taken(port, &p))
        return;
    if (at_ether_is_multicast(frame))
        air_switch_flood(port, frame, len);
    else if (air_switch_to_member(port, frame, len) || memcmp(frame, ap->def->bssid, 6) == 0)
        return;
    if (may_go_out(port, &ether, &p))
        port->air->config.tap->input(ap->uplink, frame, len);
}
