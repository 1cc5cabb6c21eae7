/* Bounded reading and writing of bytes.
 *
 * Reader and builder are cursors with a sticky failure: the first access past the end clears ok and
 * sets the room to zero, so everything after it fails as well and a codec tests ok once, at its
 * end. A failed read gives zeroes, never stale bytes; a failed write changes nothing. Multi-byte
 * values are put together from single bytes, so alignment and the machine's byte order never
 * matter.
 *
 * The text helpers below exist because the C library's (strcpy, atoi, strtol) either do not know
 * the end of the destination, or accept leading blanks and trailing rubbish.
 */
#include "core/bytes.h"

#include <string.h>

at_reader at_reader_of(const void *data, size_t len)
{
    return (at_reader){ .at = data, .left = len, .ok = true };
}

const uint8_t *at_get(at_reader *r, size_t len)
{
    /* What zero bytes read from: never NULL, so that NULL means short and nothing else. */
    static const uint8_t nothing;
    const uint8_t *from = r->at;

    if (!r->ok || len > r->left) {
        r->ok = false;
        r->left = 0;
        return NULL;
    }
    if (len == 0)
        return from != NULL ? from : &nothing;
    r->at += len;
    r->left -= len;
    return from;
}

uint8_t at_get8(at_reader *r)
{
    const uint8_t *p = at_get(r, 1);

    return p != NULL ? p[0] : 0;
}

uint16_t at_get16(at_reader *r)
{
    const uint8_t *p = at_get(r, 2);

    if (p == NULL)
        return 0;
    return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t at_get32(at_reader *r)
{
    const uint8_t *p = at_get(r, 4);

    if (p == NULL)
        return 0;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint16_t at_get16le(at_reader *r)
{
    const uint8_t *p = at_get(r, 2);

    if (p == NULL)
        return 0;
    return (uint16_t)(p[1] << 8 | p[0]);
}

uint32_t at_get32le(at_reader *r)
{
    const uint8_t *p = at_get(r, 4);

    if (p == NULL)
        return 0;
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

void at_get_copy(at_reader *r, void *to, size_t len)
{
    const uint8_t *from = at_get(r, len);

    if (len == 0)
        return;
    if (from != NULL)
        memcpy(to, from, len);
    else
        memset(to, 0, len);
}

at_builder at_builder_of(void *buffer, size_t room)
{
    return (at_builder){ .start = buffer, .at = buffer, .left = room, .ok = true };
}

size_t at_built(const at_builder *b)
{
    return b->ok && b->at != NULL ? (size_t)(b->at - b->start) : 0;
}

void at_put(at_builder *b, const void *data, size_t len)
{
    if (!b->ok || len > b->left) {
        b->ok = false;
        b->left = 0;
        return;
    }
    if (len == 0)
        return;
    memcpy(b->at, data, len);
    b->at += len;
    b->left -= len;
}

void at_put8(at_builder *b, uint8_t value)
{
    at_put(b, &value, 1);
}

void at_put16(at_builder *b, uint16_t value)
{
    const uint8_t bytes[2] = { (uint8_t)(value >> 8), (uint8_t)value };

    at_put(b, bytes, sizeof bytes);
}

void at_put32(at_builder *b, uint32_t value)
{
    const uint8_t bytes[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
                               (uint8_t)(value >> 8), (uint8_t)value };

    at_put(b, bytes, sizeof bytes);
}

void at_put16le(at_builder *b, uint16_t value)
{
    const uint8_t bytes[2] = { (uint8_t)value, (uint8_t)(value >> 8) };

    at_put(b, bytes, sizeof bytes);
}

void at_put32le(at_builder *b, uint32_t value)
{
    const uint8_t bytes[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                               (uint8_t)(value >> 24) };

    at_put(b, bytes, sizeof bytes);
}

size_t at_copy_text(char *to, size_t room, const char *from)
{
    size_t len = 0;

    if (room == 0)
        return 0;
    while (len + 1 < room && from[len] != '\0') {
        to[len] = from[len];
        len++;
    }
    to[len] = '\0';
    return len;
}

int at_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The magnitude of a number; limit is the largest that fits. */
static bool parse_digits(const char *text, size_t len, unsigned base, uint64_t limit,
                         uint64_t *value)
{
    uint64_t sum = 0;

    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        int digit = at_hex_digit(text[i]);

        if (digit < 0 || (unsigned)digit >= base)
            return false;
        if (sum > (limit - (uint64_t)digit) / base)
            return false;
        sum = sum * base + (uint64_t)digit;
    }
    *value = sum;
    return true;
}

bool at_parse_int(const char *text, size_t len, int64_t *value)
{
    bool negative = len > 0 && text[0] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1u : 0u);
    uint64_t magnitude;
    unsigned base = 10;

    if (len > 0 && (text[0] == '-' || text[0] == '+')) {
        text++;
        len--;
    }
    if (len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
        len -= 2;
    }
    if (!parse_digits(text, len, base, limit, &magnitude))
        return false;
    /* INT64_MIN has no positive counterpart, so the sign is applied one below it. */
    if (negative && magnitude > 0)
        *value = -(int64_t)(magnitude - 1) - 1;
    else
        *value = (int64_t)magnitude;
    return true;
}

bool at_parse_hex(const char *text, size_t len, uint8_t *bytes)
{
    for (size_t i = 0; i < len; i++) {
        int high = at_hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : at_hex_digit(text[2 * i + 1]);

        if (low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool at_parse_mac(const char *text, uint8_t mac[6])
{
    uint8_t bytes[6];

    for (size_t i = 0; i < 6; i++) {
        int high = at_hex_digit(text[3 * i]);
        int low = high < 0 ? -1 : at_hex_digit(text[3 * i + 1]);

        if (low < 0 || text[3 * i + 2] != (i < 5 ? ':' : '\0'))
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(mac, bytes, sizeof bytes);
    return true;
}

void at_format_mac(char text[18], const uint8_t mac[6])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < 6; i++) {
        text[3 * i] = digits[mac[i] >> 4];
        text[3 * i + 1] = digits[mac[i] & 15];
        text[3 * i + 2] = i < 5 ? ':' : '\0';
    }
}
