/* ICMPv6: echo, destination unreachable, neighbour and router discovery.
 *
 * Whether to answer a solicitation is the caller's decision; the codec checks what RFC 4861 6.1 and
 * 7.1 want checked: that the packet did not come through a router (hop limit 255), its checksum, its
 * lengths, and that no option has the length 0, which would never end.
 */
#include "proto/icmp6.h"

#include <string.h>

#include "core/bytes.h"
#include "proto/ipv4.h"

#define TYPE_UNREACHABLE      1u
#define FIRST_INFORMATIONAL   128u
#define TYPE_ECHO             128u
#define TYPE_ECHO_REPLY       129u
#define TYPE_ROUTER_SOLICIT   133u
#define TYPE_ROUTER_ADVERT    134u
#define TYPE_NEIGHBOR_SOLICIT 135u
#define TYPE_NEIGHBOR_ADVERT  136u
#define TYPE_REDIRECT         137u

#define OPTION_SOURCE_MAC 1u
#define OPTION_TARGET_MAC 2u
#define OPTION_PREFIX     3u
#define OPTION_MTU        5u
#define OPTION_DNS        25u

#define FLAG_ROUTER    0x80000000u
#define FLAG_SOLICITED 0x40000000u
#define FLAG_OVERRIDE  0x20000000u

#define HOP_LIMIT    64u
#define ND_HOP_LIMIT 255u

const uint8_t at_ipv6_all_nodes[16] = { 0xFF, 2, [15] = 1 };

static bool checksum_fits(const at_ipv6 *ip)
{
    uint32_t sum = at_checksum_pseudo6(ip->from, ip->to, AT_IPPROTO_ICMPV6, ip->payload_len);

    return at_checksum_end(at_checksum_add(sum, ip->payload, ip->payload_len)) == 0;
}

/* Completes a packet whose message lies behind the room for its header. */
static size_t finish(const at_ipv6 *ip, uint8_t *packet)
{
    uint8_t *icmp = packet + AT_IPV6_HEADER;
    uint32_t sum = at_checksum_pseudo6(ip->from, ip->to, AT_IPPROTO_ICMPV6, ip->payload_len);
    uint16_t checksum;

    at_ipv6_build(ip, packet, AT_IPV6_HEADER);
    icmp[2] = icmp[3] = 0;
    checksum = at_checksum_end(at_checksum_add(sum, icmp, ip->payload_len));
    icmp[2] = (uint8_t)(checksum >> 8);
    icmp[3] = (uint8_t)checksum;
    return AT_IPV6_HEADER + ip->payload_len;
}

/* ---- echo and errors ---- */

bool at_icmp6_echo_reply(uint8_t *packet, size_t len)
{
    at_ipv6 ip, back;

    if (!at_ipv6_parse(&ip, packet, len) || ip.protocol != AT_IPPROTO_ICMPV6 || ip.fragment ||
        ip.header_len != AT_IPV6_HEADER || ip.payload_len < AT_ICMP6_HEADER ||
        ip.payload[0] != TYPE_ECHO || ip.payload[1] != 0 || at_ipv6_is_group(ip.from) ||
        at_ipv6_is_any(ip.from) || at_ipv6_is_group(ip.to) || !checksum_fits(&ip))
        return false;
    back = (at_ipv6){ .protocol = AT_IPPROTO_ICMPV6,
                      .hop_limit = HOP_LIMIT,
                      .payload_len = ip.payload_len };
    memcpy(back.from, ip.to, 16);
    memcpy(back.to, ip.from, 16);
    packet[AT_IPV6_HEADER] = TYPE_ECHO_REPLY;
    finish(&back, packet);
    return true;
}

static bool may_answer(const at_ipv6 *ip)
{
    bool error = ip->protocol == AT_IPPROTO_ICMPV6 &&
                 (ip->payload_len == 0 || ip->payload[0] < FIRST_INFORMATIONAL ||
                  ip->payload[0] == TYPE_REDIRECT);

    return !error && ip->fragment_offset == 0 && !at_ipv6_is_group(ip->from) &&
           !at_ipv6_is_any(ip->from) && !at_ipv6_is_group(ip->to);
}

size_t at_icmp6_unreachable(at_icmp6_code code, const uint8_t from[16], const uint8_t *refused,
                            size_t len, uint8_t *packet, size_t room)
{
    const size_t head = AT_IPV6_HEADER + AT_ICMP6_HEADER;
    at_ipv6 ip, back;
    size_t quoted;

    if (!at_ipv6_parse(&ip, refused, len) || !may_answer(&ip))
        return 0;
    quoted = AT_MIN(ip.header_len + ip.payload_len, AT_ICMP6_UNREACHABLE_MAX - head);
    if (room < head + quoted)
        return 0;
    back = (at_ipv6){ .protocol = AT_IPPROTO_ICMPV6,
                      .hop_limit = HOP_LIMIT,
                      .payload_len = AT_ICMP6_HEADER + quoted };
    memcpy(back.from, from, 16);
    memcpy(back.to, ip.from, 16);
    memset(packet + AT_IPV6_HEADER, 0, AT_ICMP6_HEADER);
    packet[AT_IPV6_HEADER] = TYPE_UNREACHABLE;
    packet[AT_IPV6_HEADER + 1] = (uint8_t)code;
    memcpy(packet + head, refused, quoted);
    return finish(&back, packet);
}

bool at_icmp6_refused_syn(const at_ipv6 *icmp, at_ipv6 *quoted, at_tcp *tcp)
{
    at_reader r = at_reader_of(icmp->payload, icmp->payload_len);
    uint8_t type = at_get8(&r);

    (void)at_get(&r, AT_ICMP6_HEADER - 1 + 6);
    quoted->protocol = at_get8(&r);
    (void)at_get8(&r);
    at_get_copy(&r, quoted->from, 16);
    at_get_copy(&r, quoted->to, 16);
    return r.ok && icmp->protocol == AT_IPPROTO_ICMPV6 && !icmp->fragment &&
           type == TYPE_UNREACHABLE && quoted->protocol == AT_IPPROTO_TCP &&
           at_tcp_read_syn(tcp, r.at, r.left);
}

/* ---- neighbour discovery ---- */

/* Each option has a length that fits, and none is 0. */
static bool options_fit(at_reader *r)
{
    while (r->left > 0) {
        (void)at_get8(r);
        size_t units = at_get8(r);

        if (units == 0 || at_get(r, 8 * units - 2) == NULL)
            return false;
    }
    return r->ok;
}

at_nd_kind at_nd_parse(at_nd *nd, const at_ipv6 *ip)
{
    at_reader r = at_reader_of(ip->payload, ip->payload_len);
    uint8_t type = at_get8(&r), code = at_get8(&r);

    (void)at_get(&r, 6); /* checksum, flags */
    if (ip->protocol != AT_IPPROTO_ICMPV6 || ip->fragment || ip->hop_limit != ND_HOP_LIMIT ||
        !r.ok || code != 0 || !checksum_fits(ip))
        return AT_ND_NONE;
    if (type != TYPE_ROUTER_SOLICIT) {
        at_get_copy(&r, nd->target, 16);
        if (at_ipv6_is_group(nd->target))
            return AT_ND_NONE;
    }
    if (!r.ok || !options_fit(&r))
        return AT_ND_NONE;
    switch (type) {
    case TYPE_ROUTER_SOLICIT: return AT_ND_ROUTER_SOLICIT;
    case TYPE_NEIGHBOR_SOLICIT: return AT_ND_NEIGHBOR_SOLICIT;
    case TYPE_NEIGHBOR_ADVERT: return AT_ND_NEIGHBOR_ADVERT;
    default: return AT_ND_NONE;
    }
}

static void put_mac(at_builder *b, uint8_t option, const uint8_t mac[6])
{
    at_put8(b, option);
    at_put8(b, 1);
    at_put(b, mac, 6);
}

static size_t neighbor_advert(const uint8_t to[16], const uint8_t target[16], const uint8_t mac[6],
                              uint32_t flags, uint8_t *packet, size_t room)
{
    at_ipv6 ip = { .protocol = AT_IPPROTO_ICMPV6, .hop_limit = ND_HOP_LIMIT };
    at_builder b;

    if (room < AT_ND_NEIGHBOR_LEN)
        return 0;
    memcpy(ip.from, target, 16);
    memcpy(ip.to, to, 16);
    ip.payload_len = AT_ND_NEIGHBOR_LEN - AT_IPV6_HEADER;
    b = at_builder_of(packet + AT_IPV6_HEADER, ip.payload_len);
    at_put32(&b, TYPE_NEIGHBOR_ADVERT << 24);
    at_put32(&b, flags);
    at_put(&b, target, 16);
    put_mac(&b, OPTION_TARGET_MAC, mac);
    return finish(&ip, packet);
}

size_t at_nd_advert(const uint8_t asker[16], const uint8_t target[16], const uint8_t mac[6],
                    bool router, uint8_t *packet, size_t room)
{
    bool probe = at_ipv6_is_any(asker);
    uint32_t flags = FLAG_OVERRIDE | (router ? FLAG_ROUTER : 0) | (probe ? 0 : FLAG_SOLICITED);

    return neighbor_advert(probe ? at_ipv6_all_nodes : asker, target, mac, flags, packet, room);
}

size_t at_nd_announce(const uint8_t target[16], const uint8_t mac[6], uint8_t *packet, size_t room)
{
    return neighbor_advert(at_ipv6_all_nodes, target, mac, FLAG_OVERRIDE, packet, room);
}

size_t at_nd_router_advert(const at_nd_router *router, const uint8_t to[16], uint8_t *packet,
                           size_t room)
{
    at_ipv6 ip = { .protocol = AT_IPPROTO_ICMPV6, .hop_limit = ND_HOP_LIMIT };
    at_builder b;

    if (room < AT_ND_ROUTER_LEN)
        return 0;
    memcpy(ip.from, router->from, 16);
    memcpy(ip.to, to, 16);
    ip.payload_len = AT_ND_ROUTER_LEN - AT_IPV6_HEADER;
    b = at_builder_of(packet + AT_IPV6_HEADER, ip.payload_len);
    at_put32(&b, TYPE_ROUTER_ADVERT << 24);
    at_put8(&b, HOP_LIMIT);
    at_put8(&b, 0); /* nothing by DHCPv6 */
    at_put16(&b, router->lifetime_s);
    at_put32(&b, 0); /* reachable time and retransmission: the host's own */
    at_put32(&b, 0);
    put_mac(&b, OPTION_SOURCE_MAC, router->mac);
    at_put8(&b, OPTION_MTU);
    at_put8(&b, 1);
    at_put16(&b, 0);
    at_put32(&b, 1500);
    at_put8(&b, OPTION_PREFIX);
    at_put8(&b, 4);
    at_put8(&b, 64);
    at_put8(&b, 0xC0); /* on-link, autonomous */
    at_put32(&b, router->prefix_valid_s);
    at_put32(&b, router->prefix_preferred_s);
    at_put32(&b, 0);
    at_put(&b, router->prefix, 16);
    at_put8(&b, OPTION_DNS);
    at_put8(&b, 3);
    at_put16(&b, 0);
    at_put32(&b, router->lifetime_s);
    at_put(&b, router->dns, 16);
    return finish(&ip, packet);
}
