/* The TCP header, read for policies and captures, and the one segment a switch sends by itself.
 *
 * A reset must be believed: RFC 9293 3.10.7.1 has it carry the sequence number that the segment's
 * acknowledgement asks for, or, when the segment has none (the first SYN), acknowledge all of the
 * segment; SYN and FIN count as one byte each.
 */
#include "proto/tcp.h"

#include "core/bytes.h"

bool at_tcp_parse(at_tcp *tcp, const at_ipv4 *ip)
{
    at_reader r = at_reader_of(ip->payload, ip->payload_len);
    uint32_t sum;

    if (ip->protocol != AT_IPPROTO_TCP || at_ipv4_is_fragment(ip))
        return false;
    tcp->from_port = at_get16(&r);
    tcp->to_port = at_get16(&r);
    tcp->seq = at_get32(&r);
    tcp->ack = at_get32(&r);
    tcp->header_len = (at_get8(&r) >> 4) * 4u;
    tcp->flags = at_get8(&r) & 0x3F;
    tcp->window = at_get16(&r);
    (void)at_get32(&r); /* checksum, urgent pointer */
    if (!r.ok || tcp->header_len < AT_TCP_HEADER || tcp->header_len > ip->payload_len)
        return false;
    tcp->data = ip->payload + tcp->header_len;
    tcp->data_len = ip->payload_len - tcp->header_len;
    sum = at_checksum_pseudo(ip->from, ip->to, AT_IPPROTO_TCP, ip->payload_len);
    return at_checksum_end(at_checksum_add(sum, ip->payload, ip->payload_len)) == 0;
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

size_t at_tcp_reset(const at_tcp *tcp, const at_ipv4 *ip, uint8_t *packet, size_t room)
{
    const at_ipv4 back = { .from = ip->to,
                           .to = ip->from,
                           .protocol = AT_IPPROTO_TCP,
                           .ttl = 64,
                           .dont_fragment = true,
                           .payload_len = AT_TCP_HEADER };
    bool acked = (tcp->flags & AT_TCP_ACK) != 0;
    at_builder b;
    uint32_t sum;
    uint16_t checksum;

    if ((tcp->flags & AT_TCP_RST) != 0 || at_ipv4_is_group(ip->from) || at_ipv4_is_group(ip->to) ||
        room < AT_TCP_RESET_LEN)
        return 0;
    at_ipv4_build(&back, packet, room);
    b = at_builder_of(packet + AT_IPV4_HEADER, AT_TCP_HEADER);
    at_put16(&b, tcp->to_port);
    at_put16(&b, tcp->from_port);
    at_put32(&b, acked ? tcp->ack : 0);
    at_put32(&b, acked ? 0 : tcp->seq + segment_len(tcp));
    at_put8(&b, AT_TCP_HEADER / 4 << 4);
    at_put8(&b, acked ? AT_TCP_RST : AT_TCP_RST | AT_TCP_ACK);
    at_put16(&b, 0);
    at_put32(&b, 0);
    sum = at_checksum_pseudo(back.from, back.to, AT_IPPROTO_TCP, AT_TCP_HEADER);
    checksum = at_checksum_end(at_checksum_add(sum, packet + AT_IPV4_HEADER, AT_TCP_HEADER));
    packet[AT_IPV4_HEADER + 16] = (uint8_t)(checksum >> 8);
    packet[AT_IPV4_HEADER + 17] = (uint8_t)checksum;
    return AT_TCP_RESET_LEN;
}
