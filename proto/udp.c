/* UDP over IPv4.
 *
 * The length field may be smaller than what IPv4 carries (the rest is not data), never larger. A
 * checksum of 0 means that the sender made none; we always make one, and send 0xFFFF for a computed
 * 0.
 */
#include "proto/udp.h"

#include <string.h>

#include "core/bytes.h"

bool at_udp_parse(at_udp *udp, const at_ipv4 *ip)
{
    at_reader r = at_reader_of(ip->payload, ip->payload_len);
    uint16_t checksum, len;
    uint32_t sum;

    if (ip->protocol != AT_IPPROTO_UDP || at_ipv4_is_fragment(ip))
        return false;
    udp->from_port = at_get16(&r);
    udp->to_port = at_get16(&r);
    len = at_get16(&r);
    checksum = at_get16(&r);
    if (!r.ok || len < AT_UDP_HEADER || len > ip->payload_len)
        return false;
    udp->data = r.at;
    udp->data_len = len - AT_UDP_HEADER;
    if (checksum == 0)
        return true;
    sum = at_checksum_pseudo(ip->from, ip->to, AT_IPPROTO_UDP, len);
    return at_checksum_end(at_checksum_add(sum, ip->payload, len)) == 0;
}

size_t at_udp_build(const at_udp *udp, const at_ipv4 *ip, uint8_t *packet, size_t room)
{
    size_t len = AT_UDP_HEADER + udp->data_len;
    at_ipv4 header = *ip;
    at_builder b;
    uint32_t sum;
    uint16_t checksum;

    header.protocol = AT_IPPROTO_UDP;
    header.payload_len = len;
    header.fragment_offset = 0;
    header.more_fragments = false;
    if (room < AT_IPV4_HEADER || len > room - AT_IPV4_HEADER || len > 0xFFFF - AT_IPV4_HEADER)
        return 0;
    if (udp->data_len > 0)
        memmove(packet + AT_IPV4_HEADER + AT_UDP_HEADER, udp->data, udp->data_len);
    at_ipv4_build(&header, packet, room);
    b = at_builder_of(packet + AT_IPV4_HEADER, AT_UDP_HEADER);
    at_put16(&b, udp->from_port);
    at_put16(&b, udp->to_port);
    at_put16(&b, (uint16_t)len);
    at_put16(&b, 0);
    sum = at_checksum_pseudo(ip->from, ip->to, AT_IPPROTO_UDP, len);
    checksum = at_checksum_end(at_checksum_add(sum, packet + AT_IPV4_HEADER, len));
    if (checksum == 0)
        checksum = 0xFFFF;
    packet[AT_IPV4_HEADER + 6] = (uint8_t)(checksum >> 8);
    packet[AT_IPV4_HEADER + 7] = (uint8_t)checksum;
    return AT_IPV4_HEADER + len;
}
