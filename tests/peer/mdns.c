/* The commands mdns ask, mdns claim and mdns hear: another computer of the group (RFC 6762). Written
 * apart from proto/mdns*.c, so that one does not test itself.
 *
 * A message in one line: its entries, "; " between them, each
 *     [SECTION] NAME TYPE [DATA TTL[!]]      SECTION: ? question, none answer, ^ authority, + additional
 * "!" is the cache-flush bit; of a question, the wish for a unicast answer. Pairs of TXT are quoted. */
#include "tests/peer/peer_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"

#define MESSAGE_MAX 1500u
#define TEXT_MAX    3000u

static const struct {
    unsigned type;
    const char *name;
} types[] = { { 1, "A" },    { 12, "PTR" },  { 16, "TXT" },  { 28, "AAAA" },
              { 33, "SRV" }, { 47, "NSEC" }, { 255, "ANY" }, { 13, "HINFO" } };

typedef struct text {
    char text[TEXT_MAX];
    size_t len;
} text;

static void say(text *t, const char *format, ...) AT_PRINTF(2, 3);

static void say(text *t, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    t->len += (size_t)vsnprintf(t->text + t->len, sizeof t->text - t->len, format, arguments);
    va_end(arguments);
    t->len = AT_MIN(t->len, sizeof t->text - 1);
}

/* ---- reading ---- */

static size_t say_name(text *t, const uint8_t *m, size_t len, size_t at)
{
    size_t end = 0;

    for (unsigned hops = 0; at < len && hops < 200; hops++) {
        if (m[at] >= 0xC0 && at + 1 < len) {
            end = end != 0 ? end : at + 2;
            at = (size_t)(m[at] & 0x3F) << 8 | m[at + 1];
        } else if (m[at] == 0) {
            return end != 0 ? end : at + 1;
        } else {
            say(t, "%.*s", (int)AT_MIN(m[at], len - at - 1), (const char *)m + at + 1);
            at += m[at] + 1u;
            if (at < len && m[at] != 0)
                say(t, ".");
        }
    }
    return len;
}

static void say_type(text *t, unsigned type)
{
    for (size_t i = 0; i < AT_COUNT(types); i++) {
        if (types[i].type == type) {
            say(t, " %s", types[i].name);
            return;
        }
    }
    say(t, " TYPE%u", type);
}

static void say_pairs(text *t, const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i += at[i] + 1u)
        say(t, " \"%.*s\"", (int)AT_MIN(at[i], len - i - 1), (const char *)at + i + 1);
}

static void say_map(text *t, const uint8_t *at, size_t len)
{
    for (size_t bit = 0; len > 2 && bit < 8 * (len - 2); bit++) {
        if ((at[2 + bit / 8] & 0x80u >> bit % 8) != 0)
            say_type(t, (unsigned)bit);
    }
}

static void say_data(text *t, unsigned type, const uint8_t *m, size_t len, size_t at,
                     size_t data_len)
{
    at_addr addr = { .family = type == 1 ? AT_IPV4 : AT_IPV6 };
    char address[AT_ADDR_TEXT];
    size_t next;

    switch (type) {
    case 1:
    case 28:
        memcpy(addr.bytes, m + at, AT_MIN(data_len, 16u));
        at_addr_format(&addr, address);
        say(t, " %s", address);
        break;
    case 33:
        say(t, " %u ", m[at + 4] * 256u + m[at + 5]);
        (void)say_name(t, m, len, at + 6);
        break;
    case 12:
        say(t, " ");
        (void)say_name(t, m, len, at);
        break;
    case 16: say_pairs(t, m + at, data_len); break;
    case 47:
        say(t, " ");
        next = say_name(t, m, len, at);
        say_map(t, m + next, at + data_len - next);
        break;
    default: say(t, " %zu bytes", data_len);
    }
}

static size_t say_entry(text *t, const uint8_t *m, size_t len, size_t at, unsigned section)
{
    static const char *const marks[] = { "? ", "", "^ ", "+ " };
    at_reader r;
    unsigned type, class;
    uint32_t ttl;
    size_t data_len;

    say(t, "%s%s", t->len > 0 ? "; " : "", marks[section]);
    at = say_name(t, m, len, at);
    r = at_reader_of(m + at, len - at);
    type = at_get16(&r);
    class = at_get16(&r);
    say_type(t, type);
    if (section == 0) {
        say(t, "%s", (class & 0x8000) != 0 ? "!" : "");
        return len - r.left;
    }
    ttl = at_get32(&r);
    data_len = at_get16(&r);
    at = len - r.left;
    if (!r.ok || data_len > r.left) {
        say(t, " cut off");
        return len;
    }
    say_data(t, type, m, len, at, data_len);
    say(t, " %lu%s", (unsigned long)ttl, (class & 0x8000) != 0 ? "!" : "");
    return at + data_len;
}

static void say_message(text *t, const uint8_t *m, size_t len)
{
    at_reader r = at_reader_of(m, len);
    unsigned counts[4];
    size_t at = 12;

    (void)at_get(&r, 4);
    for (unsigned i = 0; i < 4; i++)
        counts[i] = at_get16(&r);
    for (unsigned section = 0; section < 4; section++) {
        for (unsigned i = 0; i < counts[section] && at < len; i++)
            at = say_entry(t, m, len, at, section);
    }
}

/* ---- writing ---- */

static size_t put_name(uint8_t *to, const char *name)
{
    size_t at = 0;

    while (*name != '\0') {
        size_t len = strcspn(name, ".");

        to[at] = (uint8_t)len;
        memcpy(to + at + 1, name, len);
        at += len + 1;
        name += name[len] == '.' ? len + 1 : len;
    }
    to[at] = 0;
    return at + 1;
}

static bool number_of(const char *name, uint8_t *type)
{
    for (size_t i = 0; i < AT_COUNT(types); i++) {
        if (strcmp(types[i].name, name) == 0) {
            *type = (uint8_t)types[i].type;
            return true;
        }
    }
    return false;
}

/* "ask NAME TYPE [unicast]" */
static bool ask_parse(peer_endpoint *e, char *args)
{
    char *name = peer_word(&args), *type = peer_word(&args);
    size_t at = 12;
    uint8_t number;

    e->bytes = at_calloc(&e->peer->heap, 1, 12 + strlen(name) + 16);
    if (e->bytes == NULL || !number_of(type, &number))
        return false;
    e->bytes[5] = 1;
    at += put_name(e->bytes + at, name);
    e->bytes[at + 1] = number;
    e->bytes[at + 2] = strcmp(args, "unicast") == 0 ? 0x80 : 0;
    e->bytes[at + 3] = 1;
    e->len = at + 4;
    return true;
}

/* "claim NAME ADDRESS": a response that the name has this address. */
static bool claim_parse(peer_endpoint *e, char *args)
{
    char *name = peer_word(&args);
    at_addr addr;
    size_t at = 12;

    e->bytes = at_calloc(&e->peer->heap, 1, 12 + strlen(name) + 32);
    if (e->bytes == NULL || !at_addr_parse(args, &addr) || addr.family != AT_IPV4)
        return false;
    e->bytes[2] = 0x84;
    e->bytes[7] = 1;
    at += put_name(e->bytes + at, name);
    memcpy(e->bytes + at, "\x00\x01\x80\x01\x00\x00\x00\x78\x00\x04", 10);
    memcpy(e->bytes + at + 10, addr.bytes, 4);
    e->len = at + 14;
    return true;
}

static bool hear_parse(peer_endpoint *e, char *args)
{
    e->bytes = at_alloc(&e->peer->heap, strlen(args) + 1);
    if (e->bytes != NULL)
        memcpy(e->bytes, args, strlen(args) + 1);
    return e->bytes != NULL;
}

bool peer_mdns_parse(peer_endpoint *e, char *args)
{
    char *verb = peer_word(&args);

    if (e->datagram == NULL)
        return false;
    e->port = 5353;
    if (strcmp(verb, "ask") == 0)
        return ask_parse(e, args);
    if (strcmp(verb, "claim") == 0)
        return claim_parse(e, args);
    e->port = 0;
    return strcmp(verb, "hear") == 0 && hear_parse(e, args);
}

static peer_step hear(peer_endpoint *e)
{
    uint8_t message[MESSAGE_MAX];
    text *t;
    size_t len;
    at_addr from;
    uint16_t port;
    bool same;

    if (!at_datagram_next(e->datagram, &len, &from, &port))
        return PEER_WAIT;
    t = at_calloc(&e->peer->heap, 1, sizeof *t);
    if (t == NULL)
        return peer_fail(e, "no memory");
    say_message(t, message, at_datagram_read(e->datagram, message, sizeof message));
    same = strcmp(t->text, (const char *)e->bytes) == 0;
    if (!same)
        peer_append(e, "", (const uint8_t *)t->text, t->len);
    at_free(&e->peer->heap, t);
    return same ? PEER_OK : PEER_FAIL;
}

peer_step peer_mdns_step(peer_endpoint *e)
{
    at_addr group = at_addr_v4(224, 0, 0, 251);
    at_err err;

    if (e->port == 0)
        return hear(e);
    err = at_datagram_send(e->datagram, e->bytes, e->len, &group, e->port);
    return err == AT_OK ? PEER_OK : peer_fail_err(e, err);
}
