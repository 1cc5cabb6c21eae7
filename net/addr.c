/* Addresses as text (RFC 4291 section 2.2, RFC 5952) and simple questions about them.
 *
 * Parsing IPv6 collects groups into a buffer and remembers where "::" stood; at the end the groups
 * behind it are moved to the back. A dotted IPv4 tail takes the place of two groups. A zone ("%1")
 * is not accepted: the guide's commands have none, the interface follows from the address.
 *
 * IPv4 takes exactly four decimal numbers. The forms of inet_aton (fewer numbers, octal, hex) are
 * names to us, as they would surprise whoever types them.
 *
 * Formatting follows RFC 5952: lower case, no leading zeros, the first longest run of at least two
 * zero groups is shortened, IPv4-mapped addresses end in dotted form.
 */
#include "net/addr.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

at_addr at_addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (at_addr){ .family = AT_IPV4, .bytes = { a, b, c, d } };
}

/* Reads a decimal number 0..255 of at most three digits; leading zeros are not numbers. */
static const char *read_octet(const char *at, uint8_t *octet)
{
    unsigned value = 0, digits = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (++digits > 3 || (digits == 2 && value == 0))
            return NULL;
        value = value * 10 + (unsigned)(*at - '0');
    }
    if (digits == 0 || value > 255)
        return NULL;
    *octet = (uint8_t)value;
    return at;
}

static bool parse_v4(const char *text, uint8_t bytes[4])
{
    for (int i = 0; i < 4; i++) {
        text = read_octet(text, &bytes[i]);
        if (text == NULL || *text != (i < 3 ? '.' : '\0'))
            return false;
        text++;
    }
    return true;
}

/* Reads one group of 1..4 hex digits; NULL when there is none. */
static const char *read_group(const char *at, uint8_t group[2])
{
    unsigned value = 0, digits = 0;

    for (int digit; (digit = at_hex_digit(*at)) >= 0; at++) {
        if (++digits > 4)
            return NULL;
        value = value << 4 | (unsigned)digit;
    }
    if (digits == 0)
        return NULL;
    group[0] = (uint8_t)(value >> 8);
    group[1] = (uint8_t)value;
    return at;
}

/* Moves what stood behind "::" to the back and clears the gap. */
static void spread(uint8_t bytes[16], size_t gap, size_t len)
{
    size_t tail = len - gap;

    memmove(bytes + 16 - tail, bytes + gap, tail);
    memset(bytes + gap, 0, 16 - len);
}

static bool parse_v6(const char *text, uint8_t bytes[16])
{
    size_t len = 0, gap = SIZE_MAX;
    const char *at = text;

    if (at[0] == ':' && at[1] != ':')
        return false;
    while (*at != '\0') {
        const char *end;

        if (at[0] == ':' && at[1] == ':') {
            if (gap != SIZE_MAX)
                return false;
            gap = len;
            at += 2;
            continue;
        }
        if (at != text && at[0] == ':' && at[-1] != ':')
            at++;
        if (len <= 12 && parse_v4(at, bytes + len)) {
            len += 4;
            break;
        }
        if (len > 14 || (end = read_group(at, bytes + len)) == NULL)
            return false;
        if (*end != ':' && *end != '\0')
            return false;
        len += 2;
        at = end;
    }
    if (gap == SIZE_MAX)
        return len == 16;
    if (len > 14)
        return false;
    spread(bytes, gap, len);
    return true;
}

bool at_addr_parse(const char *text, at_addr *addr)
{
    at_addr parsed = { 0 };

    if (parse_v4(text, parsed.bytes))
        parsed.family = AT_IPV4;
    else if (parse_v6(text, parsed.bytes))
        parsed.family = AT_IPV6;
    else
        return false;
    *addr = parsed;
    return true;
}

static unsigned group_at(const at_addr *addr, int index)
{
    return (unsigned)addr->bytes[2 * index] << 8 | addr->bytes[2 * index + 1];
}

/* The first longest run of zero groups; *len is 0 when none has two or more. */
static int longest_zeros(const at_addr *addr, int groups, int *len)
{
    int best = 0;

    *len = 0;
    for (int i = 0; i < groups;) {
        int run = 0;

        while (i + run < groups && group_at(addr, i + run) == 0)
            run++;
        if (run > *len && run >= 2) {
            best = i;
            *len = run;
        }
        i += run > 0 ? run : 1;
    }
    return best;
}

static bool is_mapped(const at_addr *addr)
{
    static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };

    return memcmp(addr->bytes, prefix, sizeof prefix) == 0;
}

static void format_v6(const at_addr *addr, char text[AT_ADDR_TEXT])
{
    bool mapped = is_mapped(addr);
    int groups = mapped ? 6 : 8, zeros_len;
    int zeros = longest_zeros(addr, groups, &zeros_len);
    size_t len = 0;

    for (int i = 0; i < groups; i++) {
        if (zeros_len > 0 && i == zeros) {
            len += (size_t)snprintf(text + len, AT_ADDR_TEXT - len, "::");
            i += zeros_len - 1;
            continue;
        }
        len += (size_t)snprintf(text + len, AT_ADDR_TEXT - len, "%s%x",
                                len > 0 && text[len - 1] != ':' ? ":" : "", group_at(addr, i));
    }
    if (mapped)
        (void)snprintf(text + len, AT_ADDR_TEXT - len, ":%u.%u.%u.%u", addr->bytes[12],
                       addr->bytes[13], addr->bytes[14], addr->bytes[15]);
}

void at_addr_format(const at_addr *addr, char text[AT_ADDR_TEXT])
{
    if (addr->family == AT_IPV6)
        format_v6(addr, text);
    else
        (void)snprintf(text, AT_ADDR_TEXT, "%u.%u.%u.%u", addr->bytes[0], addr->bytes[1],
                       addr->bytes[2], addr->bytes[3]);
}

static size_t size_of(const at_addr *addr)
{
    if (addr->family == AT_FAMILY_NONE)
        return 0;
    return addr->family == AT_IPV4 ? 4 : 16;
}

bool at_addr_equal(const at_addr *a, const at_addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, size_of(a)) == 0 &&
           (a->family != AT_IPV6 || a->zone == b->zone || a->zone == 0 || b->zone == 0);
}

bool at_addr_is_any(const at_addr *addr)
{
    for (size_t i = 0; i < size_of(addr); i++) {
        if (addr->bytes[i] != 0)
            return false;
    }
    return true;
}

bool at_addr_is_multicast(const at_addr *addr)
{
    if (addr->family == AT_IPV4)
        return (addr->bytes[0] & 0xF0u) == 0xE0u;
    return addr->family == AT_IPV6 && addr->bytes[0] == 0xFF;
}

bool at_addr_is_local(const at_addr *addr)
{
    const uint8_t *b = addr->bytes;

    return addr->family == AT_IPV6 &&
           ((b[0] == 0xFE && (b[1] & 0xC0u) == 0x80) || (b[0] == 0xFF && (b[1] & 0x0Fu) <= 2));
}

bool at_addr_is_broadcast(const at_addr *addr)
{
    static const uint8_t all[4] = { 255, 255, 255, 255 };

    return addr->family == AT_IPV4 && memcmp(addr->bytes, all, sizeof all) == 0;
}
