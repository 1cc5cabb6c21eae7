/* UDP over IPv4 and IPv6.
 *
 * The length field may be smaller than what IPv4 carries (the rest is not data), never larger. A
 * checksum of 0 means that the sender made none; we always make one, and send 0xFFFF for a computed
 * 0. IPv6 has no datagrams without a checksum (RFC 8200 8.1).
 */
#include "proto/udp.h"

#include <string.h>

#include "core/bytes.h"

/* The header; *len is what it says, *checked whether there is a checksum. */
static bool read_header(at_udp *udp, const uint8_t *payload, size_t payload_len, uint16_t *len,
                        bool *checked)
{
    at_reader r = at_reader_of(payload, payload_len);

    udp->from_port = at_get16(&r);
    udp->to_port = at_get16(&r);
    *len = at_get16(&r);
    *checked = at_get16(&r) != 0;
    if (!r.ok || *len < AT_UDP_HEADER || *len > payload_len)
        return false;
    udp->data = r.at;
    udp->data_len = *len - AT_UDP_HEADER;
    return true;
}

bool at_udp_parse(at_udp *udp, const at_ipv4 *ip)
{
    uint16_t len;
    uint32_t sum;
    bool checked;

    if (ip->protocol != AT_IPPROTO_UDP || at_ipv4_is_fragment(ip) ||
        !read_header(udp, ip->payload, ip->payload_len, &len, &checked))
        return false;
    if (!checked)
        return true;
    sum = at_checksum_pseudo(ip->from, ip->to, AT_IPPROTO_UDP, len);
    return at_checksum_end(at_checksum_add(sum, ip->payload, len)) == 0;
}

bool at_udp_parse6(at_udp *udp, const at_ipv6 *ip)
{
    uint16_t len;
    uint32_t sum;
    bool checked;

    if (ip->protocol != AT_IPPROTO_UDP || at_ipv6_is_fragment(ip) ||
        !read_header(udp, ip->payload, ip->payload_len, &len, &checked) || !checked)
        return false;
    sum = at_checksum_pseudo6(ip->from, ip->to, AT_IPPROTO_UDP, len);
    return at_checksum_end(at_checksum_add(sum, ip->payload, len)) == 0;
}

/* Header and data into their place; the sum of the pseudo-header is given. */
static void write_datagram(const at_udp *udp, uint8_t *at, size_t len, uint32_t sum)
{
    at_builder b = at_builder_of(at, AT_UDP_HEADER);
    uint16_t checksum;

    at_put16(&b, udp->from_port);
    at_put16(&b, udp->to_port);
    at_put16(&b, (uint16_t)len);
    at_put16(&b, 0);
    checksum = at_checksum_end(at_checksum_add(sum, at, len));
    if (checksum == 0)
        checksum = 0xFFFF;
    at[6] = (uint8_t)(checksum >> 8);
    at[7] = (uint8_t)checksum;
}

size_t at_udp_build6(const at_udp *udp, const at_ipv6 *ip, uint8_t *packet, size_t room)
{
    size_t len = AT_UDP_HEADER + udp->data_len;
    at_ipv6 header = *ip;

    header.protocol = AT_IPPROTO_UDP;
    header.payload_len = len;
    if (room < AT_IPV6_HEADER || len > room - AT_IPV6_HEADER || len > 0xFFFF)
        return 0;
    if (udp->data_len > 0)
        memmove(packet + AT_IPV6_HEADER + AT_UDP_HEADER, udp->data, udp->data_len);
    at_ipv6_build(&header, packet, room);
    write_datagram(udp, packet + AT_IPV6_HEADER, len,
                   at_checksum_pseudo6(ip->from, ip->to, AT_IPPROTO_UDP, len));
    return AT_IPV6_HEADER + len;
}

size_t at_udp_build(const at_udp *udp, const at_ipv4 *ip, uint8_t *packet, size_t room)
{
    size_t len = AT_UDP_HEADER + udp->data_len;
    at_ipv4 header = *ip;

    header.protocol = AT_IPPROTO_UDP;
    header.payload_len = len;
    header.fragment_offset = 0;
    header.more_fragments = false;
    if (room < AT_IPV4_HEADER || len > room - AT_IPV4_HEADER || len > 0xFFFF - AT_IPV4_HEADER)
        return 0;
    if (udp->data_len > 0)
        memmove(packet + AT_IPV4_HEADER + AT_UDP_HEADER, udp->data, udp->data_len);
    at_ipv4_build(&header, packet, room);
    write_datagram(udp, packet + AT_IPV4_HEADER, len,
                   at_checksum_pseudo(ip->from, ip->to, AT_IPPROTO_UDP, len));
    return AT_IPV4_HEADER + len;
}
