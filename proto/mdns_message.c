/* mDNS messages (RFC 1035 section 4, RFC 6762 section 18): read entry by entry, written with names
 * compressed.
 *
 * A compressed name points backwards only, each part starting before the last, so no loop can be. A
 * message whose rest makes no sense ends there: what was read before counts.
 */
#include <string.h>

#include "core/bytes.h"
#include "proto/mdns_priv.h"

#define HEADER_LEN 12u
#define POINTER    0xC000u

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* Lengths of labels are below 'A', so they may be folded with the rest. */
static bool equal_folded(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (lower(a[i]) != lower(b[i]))
            return false;
    }
    return true;
}

bool mdns_name_equal(const mdns_name *a, const mdns_name *b)
{
    return a->len == b->len && equal_folded(a->bytes, b->bytes, a->len);
}

bool mdns_same_data(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t exact = type == MDNS_TYPE_PTR ? 0 : type == MDNS_TYPE_SRV ? AT_MIN(a_len, 6u) : a_len;

    return a_len == b_len && memcmp(a, b, exact) == 0 &&
           equal_folded(a + exact, b + exact, a_len - exact);
}

/* ---- reading ---- */

static bool read_name(const uint8_t *message, size_t len, size_t *offset, mdns_name *name)
{
    size_t at = *offset, part = *offset;
    bool jumped = false;

    name->len = 0;
    while (at < len) {
        size_t head = message[at];

        if (head >= 0xC0) {
            if (at + 1 >= len)
                return false;
            if (!jumped)
                *offset = at + 2;
            jumped = true;
            at = (head & 0x3F) << 8 | message[at + 1];
            if (at >= part)
                return false;
            part = at;
            continue;
        }
        if (head > AT_MDNS_LABEL_MAX || head >= len - at || name->len + head + 1 > MDNS_NAME_MAX)
            return false;
        memcpy(name->bytes + name->len, message + at, head + 1);
        name->len = (uint8_t)(name->len + head + 1);
        at += head + 1;
        if (head == 0) {
            if (!jumped)
                *offset = at;
            return true;
        }
    }
    return false;
}

bool mdns_read_header(mdns_reader *r, const uint8_t *message, size_t len)
{
    at_reader header = at_reader_of(message, len);

    *r = (mdns_reader){ .message = message, .len = len, .at = HEADER_LEN };
    r->id = at_get16(&header);
    r->flags = at_get16(&header);
    for (unsigned i = 0; i < MDNS_SECTIONS; i++)
        r->left[i] = at_get16(&header);
    return header.ok;
}

/* Copies the data of a record, names in it expanded. */
static bool take_data(const mdns_reader *r, mdns_entry *entry, size_t at, size_t len)
{
    size_t fixed = entry->type == MDNS_TYPE_SRV ? 6 : entry->type == MDNS_TYPE_PTR ? 0 : len;
    mdns_name name;

    if (fixed > len || fixed > sizeof entry->data)
        return false;
    memcpy(entry->data, r->message + at, fixed);
    entry->data_len = (uint16_t)fixed;
    if (fixed == len)
        return entry->type != MDNS_TYPE_PTR && entry->type != MDNS_TYPE_SRV;
    at += fixed;
    if (!read_name(r->message, r->len, &at, &name))
        return false;
    memcpy(entry->data + fixed, name.bytes, name.len);
    entry->data_len = (uint16_t)(fixed + name.len);
    return true;
}

static bool read_record(mdns_reader *r, mdns_entry *entry, at_reader *fields)
{
    size_t len;

    entry->ttl_s = at_get32(fields);
    len = at_get16(fields);
    if (!fields->ok || len > fields->left)
        return false;
    r->at = r->len - fields->left;
    if (!take_data(r, entry, r->at, len))
        entry->class = 0; /* nothing of ours; the records behind it count */
    r->at += len;
    return true;
}

bool mdns_read(mdns_reader *r, mdns_entry *entry)
{
    at_reader fields;

    entry->section = 0;
    while (entry->section < MDNS_SECTIONS && r->left[entry->section] == 0)
        entry->section++;
    if (entry->section == MDNS_SECTIONS || !read_name(r->message, r->len, &r->at, &entry->name))
        return false;
    r->left[entry->section]--;
    fields = at_reader_of(r->message + r->at, r->len - r->at);
    entry->type = at_get16(&fields);
    entry->class = at_get16(&fields);
    entry->top_bit = (entry->class & MDNS_TOP_BIT) != 0;
    entry->class &= (uint16_t)~MDNS_TOP_BIT;
    if (entry->section != MDNS_QUESTIONS)
        return read_record(r, entry, &fields);
    r->at = r->len - fields.left;
    return fields.ok;
}

/* ---- writing ---- */

void mdns_put(mdns_writer *w, const void *data, size_t len)
{
    if (!w->ok || len > sizeof w->out - w->len) {
        w->ok = false;
        return;
    }
    memcpy(w->out + w->len, data, len);
    w->len += len;
}

void mdns_put16(mdns_writer *w, unsigned value)
{
    const uint8_t bytes[2] = { (uint8_t)(value >> 8), (uint8_t)value };

    mdns_put(w, bytes, sizeof bytes);
}

void mdns_begin(mdns_writer *w, uint16_t id, uint16_t flags)
{
    static const uint8_t counts[8];

    w->len = 0;
    w->ok = true;
    w->known_count = 0;
    mdns_put16(w, id);
    mdns_put16(w, flags);
    mdns_put(w, counts, sizeof counts);
}

void mdns_count(mdns_writer *w, unsigned section)
{
    w->out[4 + 2 * section + 1]++; /* of our records there are not 256 */
}

static bool known(const mdns_writer *w, const uint8_t *suffix, size_t len, unsigned *at)
{
    for (unsigned i = 0; i < w->known_count; i++) {
        if (w->known[i].len == len && equal_folded(w->known[i].suffix, suffix, len)) {
            *at = w->known[i].at;
            return true;
        }
    }
    return false;
}

void mdns_put_name(mdns_writer *w, const mdns_name *name, bool compress)
{
    size_t at = 0;

    while (name->bytes[at] != 0) {
        unsigned before;

        if (compress && known(w, name->bytes + at, name->len - at, &before)) {
            mdns_put16(w, POINTER | before);
            return;
        }
        if (w->known_count < MDNS_SUFFIXES) {
            w->known[w->known_count].suffix = name->bytes + at;
            w->known[w->known_count].len = (uint16_t)(name->len - at);
            w->known[w->known_count++].at = (uint16_t)w->len;
        }
        mdns_put(w, name->bytes + at, name->bytes[at] + 1u);
        at += name->bytes[at] + 1u;
    }
    mdns_put(w, "", 1);
}
