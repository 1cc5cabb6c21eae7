/* The IPv4 header and checksums.
 *
 * A checksum is the complement of a sum of 16-bit words in ones' complement arithmetic. Sums are
 * kept in 32 bits with the carries in the upper half, folded at the end and before they could
 * overflow. When one word m of a packet becomes m', the checksum HC becomes ~(~HC + ~m + m') (RFC
 * 1624, form 3), without looking at the rest: how host aliases are translated at the cost of a few
 * additions, and why a packet that came in wrong stays wrong instead of being repaired.
 */
#include "proto/ipv4.h"

#include <string.h>

#include "core/bytes.h"

#define FLAG_DONT_FRAGMENT  0x4000u
#define FLAG_MORE_FRAGMENTS 0x2000u

/* The sum of 16-bit words may be taken in any byte order, the result then has that order, and with words of
 * any length, as long as no carry is lost (RFC 1071 section 2): here 32-bit words into 64 bits. */
uint16_t at_checksum_words(const void *data, size_t len)
{
    const uint8_t *from = data;
    uint64_t sum, word, other, low = 0, high = 0;
    uint16_t last = 0;

    for (; len >= 2 * sizeof word; from += 2 * sizeof word, len -= 2 * sizeof word) {
        memcpy(&word, from, sizeof word);
        memcpy(&other, from + sizeof word, sizeof other);
        low += (uint32_t)word;
        high += word >> 32;
        low += (uint32_t)other;
        high += other >> 32;
    }
    sum = low + high;
    for (; len >= sizeof last; from += sizeof last, len -= sizeof last) {
        memcpy(&last, from, sizeof last);
        sum += last;
    }
    last = 0;
    memcpy(&last, from, len); /* the last byte of an odd number, followed by a zero */
    sum += last;
    while (sum > 0xFFFF)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)sum;
}

uint32_t at_checksum_add(uint32_t sum, const void *data, size_t len)
{
    uint16_t words = at_checksum_words(data, len);
    at_reader r = at_reader_of(&words, sizeof words);

    if (sum >= 0x80000000u)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return sum + at_get16(&r);
}

uint16_t at_checksum_end(uint32_t sum)
{
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)~sum;
}

uint32_t at_checksum_pseudo(uint32_t from, uint32_t to, uint8_t protocol, size_t len)
{
    return (from >> 16) + (from & 0xFFFF) + (to >> 16) + (to & 0xFFFF) + protocol +
           (uint32_t)(len & 0xFFFF);
}

bool at_ipv4_parse(at_ipv4 *ip, const uint8_t *packet, size_t len)
{
    at_reader r = at_reader_of(packet, len);
    uint8_t version = at_get8(&r);
    size_t total;
    uint16_t fragment;

    ip->header_len = (version & 15u) * 4u;
    ip->tos = at_get8(&r);
    total = at_get16(&r);
    ip->id = at_get16(&r);
    fragment = at_get16(&r);
    ip->dont_fragment = (fragment & FLAG_DONT_FRAGMENT) != 0;
    ip->more_fragments = (fragment & FLAG_MORE_FRAGMENTS) != 0;
    ip->fragment_offset = (uint16_t)((fragment & 0x1FFF) * 8);
    ip->ttl = at_get8(&r);
    ip->protocol = at_get8(&r);
    (void)at_get16(&r); /* checksum: part of the sum below */
    ip->from = at_get32(&r);
    ip->to = at_get32(&r);
    if (!r.ok || version >> 4 != 4 || ip->header_len < AT_IPV4_HEADER || total < ip->header_len ||
        total > len)
        return false;
    ip->payload = packet + ip->header_len;
    ip->payload_len = total - ip->header_len;
    return at_checksum_end(at_checksum_add(0, packet, ip->header_len)) == 0;
}

size_t at_ipv4_build(const at_ipv4 *ip, uint8_t *packet, size_t room)
{
    at_builder b = at_builder_of(packet, AT_MIN(room, AT_IPV4_HEADER));
    unsigned fragment = ip->fragment_offset / 8u;
    uint16_t checksum;

    if (ip->payload_len > 0xFFFF - AT_IPV4_HEADER)
        return 0;
    if (ip->dont_fragment)
        fragment |= FLAG_DONT_FRAGMENT;
    if (ip->more_fragments)
        fragment |= FLAG_MORE_FRAGMENTS;
    at_put8(&b, 0x45);
    at_put8(&b, ip->tos);
    at_put16(&b, (uint16_t)(AT_IPV4_HEADER + ip->payload_len));
    at_put16(&b, ip->id);
    at_put16(&b, (uint16_t)fragment);
    at_put8(&b, ip->ttl);
    at_put8(&b, ip->protocol);
    at_put16(&b, 0);
    at_put32(&b, ip->from);
    at_put32(&b, ip->to);
    if (at_built(&b) == 0)
        return 0;
    checksum = at_checksum_end(at_checksum_add(0, packet, AT_IPV4_HEADER));
    packet[10] = (uint8_t)(checksum >> 8);
    packet[11] = (uint8_t)checksum;
    return AT_IPV4_HEADER;
}

bool at_ipv4_is_group(uint32_t address)
{
    return address >> 28 == 14 || address == AT_IPV4_BROADCAST || address == 0;
}

bool at_ipv4_is_fragment(const at_ipv4 *ip)
{
    return ip->more_fragments || ip->fragment_offset != 0;
}

/* ---- rewriting ---- */

static void put_word(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint16_t word_at(const uint8_t *at)
{
    return (uint16_t)((uint16_t)(at[0] << 8) | at[1]);
}

/* The checksum field at `at` after one word of what it covers changed. */
static void update(uint8_t *at, uint16_t before, uint16_t after)
{
    uint32_t sum = (uint16_t)~word_at(at);

    sum += (uint16_t)~before;
    sum += after;
    put_word(at, at_checksum_end(sum));
}

/* Where the checksum of the packet's TCP or UDP header is; NULL: none, not there, or not used. */
static uint8_t *transport_checksum(const at_ipv4 *ip, uint8_t *packet)
{
    size_t offset = ip->protocol == AT_IPPROTO_TCP ? 16 : 6;
    uint8_t *at = packet + ip->header_len + offset;

    if ((ip->protocol != AT_IPPROTO_TCP && ip->protocol != AT_IPPROTO_UDP) ||
        ip->fragment_offset != 0 || ip->payload_len < offset + 2)
        return NULL;
    return ip->protocol == AT_IPPROTO_UDP && word_at(at) == 0 ? NULL : at;
}

/* Replaces one word and updates a checksum (NULL: none). A UDP checksum that becomes 0 travels as
 * 0xFFFF, since 0 means that there is none (RFC 768). */
static void replace(const at_ipv4 *ip, uint8_t *at, uint16_t value, uint8_t *checksum)
{
    uint16_t before = word_at(at);

    put_word(at, value);
    if (checksum == NULL)
        return;
    update(checksum, before, value);
    if (ip->protocol == AT_IPPROTO_UDP && word_at(checksum) == 0)
        put_word(checksum, 0xFFFF);
}

bool at_ipv4_rewrite(uint8_t *packet, size_t len, at_ipv4_end end, uint32_t address)
{
    uint8_t *field, *checksum;
    at_ipv4 ip;

    if (!at_ipv4_parse(&ip, packet, len))
        return false;
    field = packet + (end == AT_IPV4_FROM ? 12 : 16);
    checksum = transport_checksum(&ip, packet);
    for (unsigned half = 0; half < 2; half++) {
        uint16_t before = word_at(field + 2 * half);
        uint16_t after = (uint16_t)(half == 0 ? address >> 16 : address);

        update(packet + 10, before, after);
        replace(&ip, field + 2 * half, after, checksum);
    }
    return true;
}

bool at_ipv4_rewrite_port(uint8_t *packet, size_t len, at_ipv4_end end, uint16_t port)
{
    at_ipv4 ip;

    if (!at_ipv4_parse(&ip, packet, len) || ip.fragment_offset != 0 || ip.payload_len < 8 ||
        (ip.protocol != AT_IPPROTO_TCP && ip.protocol != AT_IPPROTO_UDP))
        return false;
    replace(&ip, packet + ip.header_len + (end == AT_IPV4_FROM ? 0 : 2), port,
            transport_checksum(&ip, packet));
    return true;
}
