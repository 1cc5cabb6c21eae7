/* The DNS answerer's codec (RFC 1035).
 *
 * A name travels as labels (length, bytes) with an empty one at its end, or ends with a pointer to
 * an earlier place of the message. A pointer here must point before the start of the part being
 * read; as every part then starts lower than the last one, a loop cannot exist and needs no
 * counter.
 *
 * In text a name is its labels with dots between them. Labels that would not survive this (with a
 * dot or an unprintable byte) are refused: no host has such a name, and everything that is accepted
 * can be written back exactly. Answers carry the question again and point at it (offset 12).
 */
#include "proto/dns.h"

#include <string.h>

#include "core/bytes.h"

#define HEADER_LEN               12u
#define FLAG_RESPONSE            0x8000u
#define FLAG_AUTHORITATIVE       0x0400u
#define FLAG_TRUNCATED           0x0200u
#define FLAG_RECURSION_DESIRED   0x0100u
#define FLAG_RECURSION_AVAILABLE 0x0080u
#define POINTER_TO_QUESTION      (0xC000u | HEADER_LEN)

/* Appends one label; *used counts the text without its end. */
static bool add_label(char text[AT_DNS_NAME_MAX], size_t *used, const uint8_t *label, size_t len)
{
    size_t dot = *used > 0 ? 1 : 0;

    if (*used + dot + len + 1 > AT_DNS_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (label[i] <= 0x20 || label[i] >= 0x7F || label[i] == '.')
            return false;
    }
    if (dot != 0)
        text[(*used)++] = '.';
    memcpy(text + *used, label, len);
    *used += len;
    text[*used] = '\0';
    return true;
}

bool at_dns_read_name(const uint8_t *message, size_t len, size_t *offset,
                      char text[AT_DNS_NAME_MAX])
{
    size_t at = *offset, part = *offset, used = 0;
    bool jumped = false;

    text[0] = '\0';
    while (at < len) {
        uint8_t head = message[at++];

        if (head == 0) {
            if (!jumped)
                *offset = at;
            return true;
        }
        if (head >= 0xC0) {
            size_t target;

            if (at >= len)
                return false;
            target = (size_t)(head & 0x3F) << 8 | message[at++];
            if (target >= part)
                return false;
            if (!jumped)
                *offset = at;
            jumped = true;
            at = part = target;
            continue;
        }
        if (head >= 0x40 || head > len - at || !add_label(text, &used, message + at, head))
            return false;
        at += head;
    }
    return false;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool at_dns_name_equal(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    if (a[0] == '.' && a[1] == '\0')
        a++;
    if (b[0] == '.' && b[1] == '\0')
        b++;
    return *a == '\0' && *b == '\0';
}

at_err at_dns_parse_query(at_dns_query *q, const uint8_t *message, size_t len)
{
    at_reader r = at_reader_of(message, len);
    size_t offset = HEADER_LEN;
    uint16_t flags, questions;

    memset(q, 0, sizeof *q);
    q->id = at_get16(&r);
    flags = at_get16(&r);
    questions = at_get16(&r);
    (void)at_get(&r, 6); /* counts of the other sections */
    if (!r.ok || (flags & FLAG_RESPONSE) != 0)
        return AT_ERR_CORRUPT;
    q->recursion_desired = (flags & FLAG_RECURSION_DESIRED) != 0;
    q->opcode = (uint8_t)(flags >> 11 & 15);
    if (q->opcode != 0 || questions != 1)
        return AT_ERR_UNSUPPORTED;
    if (!at_dns_read_name(message, len, &offset, q->name))
        return AT_ERR_INVALID;
    r = at_reader_of(message + offset, len - offset);
    q->type = at_get16(&r);
    q->class = at_get16(&r);
    q->has_question = r.ok;
    return r.ok ? AT_OK : AT_ERR_INVALID;
}

static void put_name(at_builder *b, const char *name)
{
    while (*name != '\0') {
        size_t len = strcspn(name, ".");

        at_put8(b, (uint8_t)len);
        at_put(b, name, len);
        name += name[len] == '.' ? len + 1 : len;
    }
    at_put8(b, 0);
}

/* Header and question; the answer count comes later. */
static at_builder begin(const at_dns_query *q, at_dns_rcode rcode, uint8_t *out, size_t room)
{
    at_builder b = at_builder_of(out, room);
    unsigned flags = FLAG_RESPONSE | FLAG_RECURSION_AVAILABLE | (unsigned)rcode;

    flags |= (unsigned)q->opcode << 11;
    if (q->recursion_desired)
        flags |= FLAG_RECURSION_DESIRED;
    if (rcode == AT_DNS_OK || rcode == AT_DNS_NXDOMAIN)
        flags |= FLAG_AUTHORITATIVE;
    at_put16(&b, q->id);
    at_put16(&b, (uint16_t)flags);
    at_put16(&b, q->has_question ? 1 : 0);
    at_put16(&b, 0);
    at_put32(&b, 0);
    if (q->has_question) {
        put_name(&b, q->name);
        at_put16(&b, q->type);
        at_put16(&b, q->class);
    }
    return b;
}

/* Adds a record, or marks the message as cut when it does not fit. */
static bool add_record(at_builder *b, uint16_t type, uint32_t ttl_s, const uint8_t *data,
                       size_t len)
{
    uint8_t *header = b->start;

    if (!b->ok)
        return false;
    if (b->left < 12 + len) {
        header[2] |= FLAG_TRUNCATED >> 8;
        return false;
    }
    at_put16(b, POINTER_TO_QUESTION);
    at_put16(b, type);
    at_put16(b, AT_DNS_CLASS_IN);
    at_put32(b, ttl_s);
    at_put16(b, (uint16_t)len);
    at_put(b, data, len);
    header[7]++; /* the answer count; fewer than 256 records fit in what UDP carries */
    return header[7] < 255;
}

size_t at_dns_answer_a(const at_dns_query *q, const uint32_t *addresses, size_t count,
                       uint32_t ttl_s, uint8_t *out, size_t room)
{
    at_builder b = begin(q, AT_DNS_OK, out, room);

    for (size_t i = 0; i < count; i++) {
        uint32_t a = addresses[i];
        const uint8_t bytes[4] = { (uint8_t)(a >> 24), (uint8_t)(a >> 16), (uint8_t)(a >> 8),
                                   (uint8_t)a };

        if (!add_record(&b, AT_DNS_TYPE_A, ttl_s, bytes, sizeof bytes))
            break;
    }
    return at_built(&b);
}

size_t at_dns_answer_aaaa(const at_dns_query *q, const uint8_t (*addresses)[16], size_t count,
                          uint32_t ttl_s, uint8_t *out, size_t room)
{
    at_builder b = begin(q, AT_DNS_OK, out, room);

    for (size_t i = 0; i < count; i++) {
        if (!add_record(&b, AT_DNS_TYPE_AAAA, ttl_s, addresses[i], 16))
            break;
    }
    return at_built(&b);
}

size_t at_dns_answer_empty(const at_dns_query *q, at_dns_rcode rcode, uint8_t *out, size_t room)
{
    at_builder b = begin(q, rcode, out, room);

    return at_built(&b);
}
