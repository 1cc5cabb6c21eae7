/* The command ntp: an NTP server that answers one request (RFC 5905, mode 4), well or badly. Written
 * apart from proto/sntp.c, so that one does not test itself. */
#include "tests/peer/peer_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

#define NTP_LEN 48u

typedef struct fields {
    int64_t unix_s, leap, stratum, mode, extra;
    char kiss[5];
    bool foreign;
    char via[PEER_NAME_MAX + 1]; /* the endpoint that sends it; "": the one that was asked */
} fields;

static const fields well = { .stratum = 2, .mode = 4 };

/* "UNIX [leap=N] [stratum=N] [mode=N] [extra=N] [kiss=CODE] [via=ENDPOINT] [foreign]" */
static bool take(fields *f, char *args)
{
    *f = well;
    if (!peer_take_number(&args, -2208988800ll, 6000000000ll, &f->unix_s))
        return false;
    while (*args != '\0') {
        char *word = peer_word(&args), *value = strchr(word, '=');
        const struct {
            const char *name;
            int64_t *to;
        } numbers[] = { { "leap", &f->leap },
                        { "stratum", &f->stratum },
                        { "mode", &f->mode },
                        { "extra", &f->extra } };

        if (strcmp(word, "foreign") == 0) {
            f->foreign = true;
            continue;
        }
        if (value == NULL)
            return false;
        *value++ = '\0';
        if (strcmp(word, "via") == 0) {
            at_copy_text(f->via, sizeof f->via, value);
            continue;
        }
        if (strcmp(word, "kiss") == 0) {
            f->stratum = 0;
            at_copy_text(f->kiss, sizeof f->kiss, value);
            continue;
        }
        for (size_t i = 0; i < AT_COUNT(numbers); i++) {
            if (strcmp(word, numbers[i].name) == 0 &&
                !at_parse_int(value, strlen(value), numbers[i].to))
                return false;
        }
    }
    return true;
}

static void put_stamp(uint8_t *to, int64_t unix_s)
{
    uint32_t s = (uint32_t)(unix_s + 2208988800ll);

    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(s >> (24 - 8 * i));
    memset(to + 4, 0, 4);
}

static size_t build(const fields *f, const uint8_t *request, uint8_t *out, size_t room)
{
    size_t len = NTP_LEN;

    memset(out, 0, room);
    out[0] = (uint8_t)(f->leap << 6 | 4 << 3 | f->mode);
    out[1] = (uint8_t)f->stratum;
    memcpy(out + 12, f->kiss, 4);
    memcpy(out + 24, request + 40, 8);
    if (f->foreign)
        out[24] ^= 1;
    put_stamp(out + 32, f->unix_s);
    put_stamp(out + 40, f->unix_s);
    if (f->extra > 0 && f->extra + NTP_LEN <= (int64_t)room)
        len += (size_t)f->extra;
    if (f->extra < 0 && f->extra > -(int64_t)NTP_LEN)
        len -= (size_t)-f->extra;
    return len;
}

bool peer_ntp_parse(peer_endpoint *e, char *args)
{
    fields f;

    if (e->datagram == NULL || !take(&f, args))
        return false;
    e->bytes = at_alloc(&e->peer->heap, sizeof f);
    if (e->bytes != NULL)
        memcpy(e->bytes, &f, sizeof f);
    return e->bytes != NULL;
}

peer_step peer_ntp_step(peer_endpoint *e)
{
    fields f;
    peer_endpoint *other;
    uint8_t request[NTP_LEN], answer[NTP_LEN + 64];
    at_addr from;
    uint16_t port;
    size_t len;
    at_err err;

    if (!at_datagram_next(e->datagram, &len, &from, &port))
        return PEER_WAIT;
    memcpy(&f, e->bytes, sizeof f);
    if (at_datagram_read(e->datagram, request, sizeof request) != NTP_LEN || len != NTP_LEN ||
        request[0] != 0x23)
        return peer_fail(e, "no request of an NTP client, version 4");
    len = build(&f, request, answer, sizeof answer);
    other = f.via[0] != '\0' ? peer_find(e->peer, f.via) : e;
    if (other == NULL || other->datagram == NULL)
        return peer_fail(e, "no such endpoint");
    err = at_datagram_send(other->datagram, answer, len, &from, port);
    return err == AT_OK ? PEER_OK : peer_fail_err(e, err);
}
