/* ICMP for IPv4: echo and destination unreachable.
 *
 * An echo reply is the request with its addresses exchanged and another type, so it is made in
 * place; exchanging words does not change the header's sum. Errors follow the rules that keep them
 * from breeding: never about an error, a group address, or any but the first fragment.
 */
#include "proto/icmp.h"

#include <string.h>

#include "core/bytes.h"

#define TYPE_ECHO_REPLY  0u
#define TYPE_UNREACHABLE 3u
#define TYPE_ECHO        8u
#define TTL              64u

static void put_checksum(uint8_t *icmp, size_t len)
{
    uint16_t checksum;

    icmp[2] = icmp[3] = 0;
    checksum = at_checksum_end(at_checksum_add(0, icmp, len));
    icmp[2] = (uint8_t)(checksum >> 8);
    icmp[3] = (uint8_t)checksum;
}

bool at_icmp_echo_reply(uint8_t *packet, size_t len)
{
    uint8_t address[4], *icmp;
    at_ipv4 ip;

    if (!at_ipv4_parse(&ip, packet, len) || ip.protocol != AT_IPPROTO_ICMP ||
        at_ipv4_is_fragment(&ip) || ip.payload_len < AT_ICMP_HEADER)
        return false;
    icmp = packet + ip.header_len;
    if (icmp[0] != TYPE_ECHO || icmp[1] != 0 ||
        at_checksum_end(at_checksum_add(0, icmp, ip.payload_len)) != 0)
        return false;
    memcpy(address, packet + 12, 4);
    memcpy(packet + 12, packet + 16, 4);
    memcpy(packet + 16, address, 4);
    icmp[0] = TYPE_ECHO_REPLY;
    put_checksum(icmp, ip.payload_len);
    return true;
}

static bool may_answer(const at_ipv4 *ip)
{
    bool query = ip->protocol != AT_IPPROTO_ICMP;

    /* Of ICMP itself only echo requests may be answered with an error; the rest may be errors. */
    if (ip->protocol == AT_IPPROTO_ICMP && ip->payload_len > 0)
        query = ip->payload[0] == TYPE_ECHO;
    return query && ip->fragment_offset == 0 && !at_ipv4_is_group(ip->from) &&
           !at_ipv4_is_group(ip->to);
}

size_t at_icmp_unreachable(at_icmp_code code, uint32_t from, const uint8_t *refused, size_t len,
                           uint8_t *packet, size_t room)
{
    at_ipv4 ip, back;
    size_t quoted;
    uint8_t *icmp;

    if (!at_ipv4_parse(&ip, refused, len) || !may_answer(&ip))
        return 0;
    quoted = ip.header_len + AT_MIN(ip.payload_len, 8u);
    back = (at_ipv4){ .from = from,
                      .to = ip.from,
                      .protocol = AT_IPPROTO_ICMP,
                      .ttl = TTL,
                      .payload_len = AT_ICMP_HEADER + quoted };
    if (room < AT_IPV4_HEADER + back.payload_len)
        return 0;
    at_ipv4_build(&back, packet, room);
    icmp = packet + AT_IPV4_HEADER;
    memset(icmp, 0, AT_ICMP_HEADER);
    icmp[0] = TYPE_UNREACHABLE;
    icmp[1] = (uint8_t)code;
    memcpy(icmp + AT_ICMP_HEADER, refused, quoted);
    put_checksum(icmp, back.payload_len);
    return AT_IPV4_HEADER + back.payload_len;
}

bool at_icmp_refused_syn(const at_ipv4 *icmp, at_ipv4 *quoted, at_tcp *tcp)
{
    at_reader r = at_reader_of(icmp->payload, icmp->payload_len);
    uint8_t type = at_get8(&r);
    size_t header;

    (void)at_get(&r, AT_ICMP_HEADER - 1);
    header = (at_get8(&r) & 15u) * 4u;
    (void)at_get(&r, 8);
    quoted->protocol = at_get8(&r);
    (void)at_get16(&r);
    quoted->from = at_get32(&r);
    quoted->to = at_get32(&r);
    if (icmp->protocol != AT_IPPROTO_ICMP || type != TYPE_UNREACHABLE || header < AT_IPV4_HEADER ||
        at_get(&r, header - AT_IPV4_HEADER) == NULL || quoted->protocol != AT_IPPROTO_TCP)
        return false;
    return r.ok && at_tcp_read_syn(tcp, r.at, r.left);
}
