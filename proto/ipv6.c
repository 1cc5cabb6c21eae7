/* IPv6: the header, the walk over extension headers, addresses.
 *
 * Extension headers say their length in units of eight bytes beyond the first eight, so each step of
 * the walk moves forward and it ends with the packet. Those that are known to be skippable are
 * skipped (hop-by-hop, routing, destination options, a first fragment); any other number is the
 * protocol of the payload.
 *
 * There is no checksum in the header. Those of TCP, UDP and ICMPv6 cover both addresses, so a
 * rewritten address changes them (RFC 1624); only a first fragment carries one.
 */
#include "proto/ipv6.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "proto/ipv4.h"

#define HOP_BY_HOP  0u
#define ROUTING     43u
#define FRAGMENT    44u
#define DESTINATION 60u

static bool is_extension(uint8_t protocol)
{
    return protocol == HOP_BY_HOP || protocol == ROUTING || protocol == FRAGMENT ||
           protocol == DESTINATION;
}

/* One extension header; false: it does not fit. */
static bool skip_extension(at_ipv6 *ip, at_reader *r)
{
    uint8_t next = at_get8(r), units = at_get8(r);

    if (ip->protocol != FRAGMENT) {
        (void)at_get(r, 6u + 8u * units);
    } else {
        uint16_t offset = at_get16(r);

        ip->fragment = true;
        ip->fragment_offset = offset & 0xFFF8u;
        ip->more_fragments = (offset & 1u) != 0;
        ip->fragment_id = at_get32(r);
    }
    ip->protocol = next;
    return r->ok;
}

bool at_ipv6_parse(at_ipv6 *ip, const uint8_t *packet, size_t len)
{
    at_reader r = at_reader_of(packet, len);
    uint32_t version = at_get32(&r) >> 28;
    size_t total = at_get16(&r);

    ip->protocol = at_get8(&r);
    ip->hop_limit = at_get8(&r);
    at_get_copy(&r, ip->from, 16);
    at_get_copy(&r, ip->to, 16);
    ip->fragment = ip->more_fragments = false;
    ip->fragment_offset = 0;
    ip->fragment_id = 0;
    if (!r.ok || version != 6 || total > r.left)
        return false;
    r = at_reader_of(packet + AT_IPV6_HEADER, total);
    while (is_extension(ip->protocol) && ip->fragment_offset == 0) {
        if (!skip_extension(ip, &r))
            return false;
    }
    ip->payload = r.at;
    ip->payload_len = r.left;
    ip->header_len = AT_IPV6_HEADER + total - r.left;
    return true;
}

size_t at_ipv6_build(const at_ipv6 *ip, uint8_t *packet, size_t room)
{
    at_builder b = at_builder_of(packet, AT_MIN(room, AT_IPV6_HEADER));

    if (ip->payload_len > 0xFFFF)
        return 0;
    at_put32(&b, 0x60000000u);
    at_put16(&b, (uint16_t)ip->payload_len);
    at_put8(&b, ip->protocol);
    at_put8(&b, ip->hop_limit);
    at_put(&b, ip->from, 16);
    at_put(&b, ip->to, 16);
    return at_built(&b);
}

/* ---- addresses ---- */

bool at_ipv6_is_group(const uint8_t address[16])
{
    return address[0] == 0xFF;
}

bool at_ipv6_is_any(const uint8_t address[16])
{
    static const uint8_t any[16];

    return memcmp(address, any, 16) == 0;
}

bool at_ipv6_is_link_local(const uint8_t address[16])
{
    return address[0] == 0xFE && (address[1] & 0xC0u) == 0x80;
}

bool at_ipv6_is_fragment(const at_ipv6 *ip)
{
    return ip->more_fragments || ip->fragment_offset != 0;
}

void at_ipv6_group_mac(const uint8_t group[16], uint8_t mac[6])
{
    mac[0] = mac[1] = 0x33;
    memcpy(mac + 2, group + 12, 4);
}

void at_ipv6_eui64(const uint8_t mac[6], uint8_t address[16])
{
    memset(address, 0, 16);
    address[0] = 0xFE;
    address[1] = 0x80;
    address[8] = mac[0] ^ 2u;
    memcpy(address + 9, mac + 1, 2);
    address[11] = 0xFF;
    address[12] = 0xFE;
    memcpy(address + 13, mac + 3, 3);
}

void at_ipv6_text(const uint8_t address[16], char text[AT_IPV6_TEXT])
{
    size_t len = 0;

    for (unsigned i = 0; i < 16; i += 2)
        len += (size_t)snprintf(text + len, AT_IPV6_TEXT - len, "%s%x", i > 0 ? ":" : "",
                                (unsigned)address[i] << 8 | address[i + 1]);
}

/* ---- checksums ---- */

uint32_t at_checksum_pseudo6(const uint8_t from[16], const uint8_t to[16], uint8_t protocol,
                             size_t len)
{
    uint32_t sum = at_checksum_add(at_checksum_add(0, from, 16), to, 16);

    return sum + (uint32_t)(len >> 16) + (uint32_t)(len & 0xFFFF) + protocol;
}

/* Where the payload's checksum is; NULL: none, or not in this piece. */
static uint8_t *checksum_of(const at_ipv6 *ip, uint8_t *packet)
{
    size_t offset;

    switch (ip->protocol) {
    case AT_IPPROTO_TCP: offset = 16; break;
    case AT_IPPROTO_UDP: offset = 6; break;
    case AT_IPPROTO_ICMPV6: offset = 2; break;
    default: return NULL;
    }
    if (ip->fragment_offset != 0 || ip->payload_len < offset + 2)
        return NULL;
    return packet + ip->header_len + offset;
}

static uint16_t word_at(const uint8_t *at)
{
    return (uint16_t)((uint16_t)(at[0] << 8) | at[1]);
}

bool at_ipv6_rewrite(uint8_t *packet, size_t len, at_ipv6_end end, const uint8_t address[16])
{
    uint8_t *field = packet + (end == AT_IPV6_FROM ? 8 : 24), *checksum;
    uint32_t sum;
    uint16_t value;
    at_ipv6 ip;

    if (!at_ipv6_parse(&ip, packet, len))
        return false;
    checksum = checksum_of(&ip, packet);
    if (checksum != NULL) {
        sum = (uint16_t)~word_at(checksum);
        for (unsigned i = 0; i < 16; i += 2)
            sum += (uint16_t)~word_at(field + i);
        value = at_checksum_end(at_checksum_add(sum, address, 16));
        if (value == 0 && ip.protocol == AT_IPPROTO_UDP)
            value = 0xFFFF; /* 0 is not allowed (RFC 8200 8.1) */
        checksum[0] = (uint8_t)(value >> 8);
        checksum[1] = (uint8_t)value;
    }
    memcpy(field, address, 16);
    return true;
}
