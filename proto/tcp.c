/* The TCP header, read for policies and captures, and the one segment a switch sends by itself.
 *
 * A reset must be believed: RFC 9293 3.10.7.1 has it carry the sequence number that the segment's
 * acknowledgement asks for, or, when the segment has none (the first SYN), acknowledge all of the
 * segment; SYN and FIN count as one byte each.
 */
#include "proto/tcp.h"

#include <string.h>

#include "core/bytes.h"

static bool read_header(at_tcp *tcp, const uint8_t *payload, size_t payload_len)
{
    at_reader r = at_reader_of(payload, payload_len);

    tcp->from_port = at_get16(&r);
    tcp->to_port = at_get16(&r);
    tcp->seq = at_get32(&r);
    tcp->ack = at_get32(&r);
    tcp->header_len = (at_get8(&r) >> 4) * 4u;
    tcp->flags = at_get8(&r) & 0x3F;
    tcp->window = at_get16(&r);
    (void)at_get32(&r); /* checksum, urgent pointer */
    if (!r.ok || tcp->header_len < AT_TCP_HEADER || tcp->header_len > payload_len)
        return false;
    tcp->data = payload + tcp->header_len;
    tcp->data_len = payload_len - tcp->header_len;
    return true;
}

bool at_tcp_parse(at_tcp *tcp, const at_ipv4 *ip)
{
    uint32_t sum;

    if (ip->protocol != AT_IPPROTO_TCP || at_ipv4_is_fragment(ip) ||
        !read_header(tcp, ip->payload, ip->payload_len))
        return false;
    sum = at_checksum_pseudo(ip->from, ip->to, AT_IPPROTO_TCP, ip->payload_len);
    return at_checksum_end(at_checksum_add(sum, ip->payload, ip->payload_len)) == 0;
}

bool at_tcp_parse6(at_tcp *tcp, const at_ipv6 *ip)
{
    uint32_t sum;

    if (ip->protocol != AT_IPPROTO_TCP || at_ipv6_is_fragment(ip) ||
        !read_header(tcp, ip->payload, ip->payload_len))
        return false;
    sum = at_checksum_pseudo6(ip->from, ip->to, AT_IPPROTO_TCP, ip->payload_len);
    return at_checksum_end(at_checksum_add(sum, ip->payload, ip->payload_len)) == 0;
}

bool at_tcp_read_syn(at_tcp *tcp, const uint8_t *segment, size_t len)
{
    if (len < AT_TCP_HEADER)
        return false;
    (void)read_header(tcp, segment, len); /* options may be cut off */
    tcp->data_len = 0;
    return (tcp->flags & (AT_TCP_SYN | AT_TCP_ACK | AT_TCP_RST)) == AT_TCP_SYN;
}

/* The numbers of the space that a segment takes. */
static uint32_t segment_len(const at_tcp *tcp)
{
    uint32_t len = (uint32_t)tcp->data_len;

    if ((tcp->flags & AT_TCP_SYN) != 0)
        len++;
    if ((tcp->flags & AT_TCP_FIN) != 0)
        len++;
    return len;
}

/* The reset's header; the sum of the pseudo-header is given. */
static void write_reset(const at_tcp *tcp, uint8_t *at, uint32_t sum)
{
    bool acked = (tcp->flags & AT_TCP_ACK) != 0;
    at_builder b = at_builder_of(at, AT_TCP_HEADER);
    uint16_t checksum;

    at_put16(&b, tcp->to_port);
    at_put16(&b, tcp->from_port);
    at_put32(&b, acked ? tcp->ack : 0);
    at_put32(&b, acked ? 0 : tcp->seq + segment_len(tcp));
    at_put8(&b, AT_TCP_HEADER / 4 << 4);
    at_put8(&b, acked ? AT_TCP_RST : AT_TCP_RST | AT_TCP_ACK);
    at_put16(&b, 0);
    at_put32(&b, 0);
    checksum = at_checksum_end(at_checksum_add(sum, at, AT_TCP_HEADER));
    at[16] = (uint8_t)(checksum >> 8);
    at[17] = (uint8_t)checksum;
}

size_t at_tcp_reset(const at_tcp *tcp, const at_ipv4 *ip, uint8_t *packet, size_t room)
{
    const at_ipv4 back = { .from = ip->to,
                           .to = ip->from,
                           .protocol = AT_IPPROTO_TCP,
                           .ttl = 64,
                           .dont_fragment = true,
                           .payload_len = AT_TCP_HEADER };

    if ((tcp->flags & AT_TCP_RST) != 0 || at_ipv4_is_group(ip->from) || at_ipv4_is_group(ip->to) ||
        room < AT_TCP_RESET_LEN)
        return 0;
    at_ipv4_build(&back, packet, room);
    write_reset(tcp, packet + AT_IPV4_HEADER,
                at_checksum_pseudo(back.from, back.to, AT_IPPROTO_TCP, AT_TCP_HEADER));
    return AT_TCP_RESET_LEN;
}

size_t at_tcp_reset6(const at_tcp *tcp, const at_ipv6 *ip, uint8_t *packet, size_t room)
{
    at_ipv6 back = { .protocol = AT_IPPROTO_TCP, .hop_limit = 64, .payload_len = AT_TCP_HEADER };

    if ((tcp->flags & AT_TCP_RST) != 0 || at_ipv6_is_group(ip->from) || at_ipv6_is_any(ip->from) ||
        at_ipv6_is_group(ip->to) || room < AT_TCP_RESET6_LEN)
        return 0;
    memcpy(back.from, ip->to, 16);
    memcpy(back.to, ip->from, 16);
    at_ipv6_build(&back, packet, room);
    write_reset(tcp, packet + AT_IPV6_HEADER,
                at_checksum_pseudo6(back.from, back.to, AT_IPPROTO_TCP, AT_TCP_HEADER));
    return AT_TCP_RESET6_LEN;
}
