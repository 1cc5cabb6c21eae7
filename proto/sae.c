/* SAE in a network with an access point: who says what when. The mathematics is in sae_keys.c.
 *
 * The frames (9.3.3.11, 9.4.1.37 to 9.4.1.42), numbers little endian:
 *
 *     commit    group · [token] · scalar · element · [token as element FF 5D]     status 0, 126 with H2E
 *     confirm   send-confirm · HMAC
 *     refusal   group (status 77); group · token (76); nothing (others)
 *
 * What is taken and what is not. A commit must have group 19, a scalar within 2 .. r-1, an element on
 * the curve, and may not be our own (reflection). A responder takes a new commit at any time: the
 * station begins again. The same commit once more gets the same answer, AT_SAE_SYNC times; so does a
 * confirm after acceptance when its counter went up. An initiator takes one commit, tokens
 * AT_SAE_SYNC times, and one confirm. A responder answers a confirm that does not verify with status 1
 * instead of silence, as the common access points do; the standard lets the exchange time out.
 */
#include "proto/sae_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

#define SEQUENCE_COMMIT   1u
#define SEQUENCE_CONFIRM  2u
#define CONFIRM_LEN       (2u + AT_SHA256_LEN)
#define ELEMENT_EXTENSION 255u
#define EXTENSION_TOKEN   93u

void at_sae_secret_set(at_sae_secret *secret, const at_ssid *ssid, const char *password)
{
    if (secret->ssid.len == ssid->len && strcmp(secret->password, password) == 0 &&
        memcmp(secret->ssid.bytes, ssid->bytes, ssid->len) == 0)
        return;
    at_wipe(secret, sizeof *secret);
    secret->ssid = *ssid;
    at_copy_text(secret->password, sizeof secret->password, password);
}

/* ---- frames ---- */

/* A commit taken apart; pointers into the frame. */
typedef struct commit_parts {
    bool h2e;
    uint16_t group;
    const uint8_t *token, *scalar, *element;
    size_t token_len;
} commit_parts;

static void begin(at_mgmt_auth *out, uint16_t sequence, uint16_t status)
{
    memset(out, 0, sizeof *out);
    out->algorithm = AT_AUTH_ALG_SAE;
    out->sequence = sequence;
    out->status = status;
}

static void write_commit(const at_sae *s, at_mgmt_auth *out)
{
    at_builder b = at_builder_of(out->body, sizeof out->body);

    begin(out, SEQUENCE_COMMIT, s->h2e ? AT_STATUS_SAE_H2E : AT_STATUS_OK);
    at_put16le(&b, AT_P256_GROUP);
    at_put(&b, s->token, s->h2e ? 0 : s->token_len);
    at_put(&b, s->ours.scalar, sizeof s->ours.scalar);
    at_put(&b, &s->ours.element, sizeof s->ours.element);
    if (s->h2e && s->token_len > 0) {
        at_put8(&b, ELEMENT_EXTENSION);
        at_put8(&b, (uint8_t)(s->token_len + 1));
        at_put8(&b, EXTENSION_TOKEN);
        at_put(&b, s->token, s->token_len);
    }
    out->len = (uint8_t)at_built(&b);
}

/* The token container among the elements at the end of a commit; the others are not for us. */
static void find_token(at_reader *r, commit_parts *c)
{
    while (r->ok && r->left > 0) {
        uint8_t id = at_get8(r), len = at_get8(r);
        const uint8_t *body = at_get(r, len);

        if (body == NULL || id != ELEMENT_EXTENSION || len < 1 || body[0] != EXTENSION_TOKEN)
            continue;
        c->token = body + 1;
        c->token_len = len - 1u;
    }
}

/* False: cut short. With another group only the group is there. */
static bool read_commit(const at_mgmt_auth *in, commit_parts *c)
{
    at_reader r = at_reader_of(in->body, in->len);
    const size_t fixed = sizeof(at_sae_commit);

    memset(c, 0, sizeof *c);
    c->h2e = in->status == AT_STATUS_SAE_H2E;
    c->group = at_get16le(&r);
    if (!r.ok || c->group != AT_P256_GROUP)
        return r.ok;
    if (!c->h2e && r.left > fixed) {
        c->token_len = r.left - fixed;
        c->token = at_get(&r, c->token_len);
    }
    c->scalar = at_get(&r, AT_P256_LEN);
    c->element = at_get(&r, sizeof(at_p256_point));
    if (c->h2e)
        find_token(&r, c);
    return r.ok;
}

static void write_confirm(at_sae *s, at_mgmt_auth *out)
{
    at_builder b = at_builder_of(out->body, sizeof out->body);
    uint8_t mac[AT_SHA256_LEN];

    if (s->send_confirm < UINT16_MAX)
        s->send_confirm++;
    begin(out, SEQUENCE_CONFIRM, AT_STATUS_OK);
    at_sae_confirm_mac(s, s->send_confirm, &s->ours, &s->theirs, mac);
    at_put16le(&b, s->send_confirm);
    at_put(&b, mac, sizeof mac);
    out->len = (uint8_t)at_built(&b);
}

/* counter: what the confirm has for one. */
static bool confirm_good(const at_sae *s, const at_mgmt_auth *in, uint16_t *counter)
{
    at_reader r = at_reader_of(in->body, in->len);
    const uint8_t *given;
    uint8_t mac[AT_SHA256_LEN];

    *counter = at_get16le(&r);
    given = at_get(&r, AT_SHA256_LEN);
    if (given == NULL || r.left != 0)
        return false;
    at_sae_confirm_mac(s, *counter, &s->theirs, &s->ours, mac);
    return at_equal_secret(mac, given, sizeof mac);
}

/* One more repetition; false: there were enough of them. */
static bool repeats(at_sae *s)
{
    if (s->sync >= AT_SAE_SYNC)
        return false;
    s->sync++;
    return true;
}

/* ---- anti-clogging ---- */

static void make_token(const uint8_t secret[AT_SAE_KEY_LEN], const uint8_t station[6],
                       uint8_t token[AT_SAE_TOKEN_LEN])
{
    at_hmac_of(AT_HASH_SHA256, secret, AT_SAE_KEY_LEN, station, 6, token);
}

bool at_sae_token_good(const uint8_t secret[AT_SAE_KEY_LEN], const uint8_t station[6],
                       const at_mgmt_auth *commit)
{
    uint8_t token[AT_SAE_TOKEN_LEN];
    commit_parts c;

    make_token(secret, station, token);
    return read_commit(commit, &c) && c.token_len == sizeof token &&
           at_equal_secret(c.token, token, sizeof token);
}

void at_sae_token_ask(const uint8_t secret[AT_SAE_KEY_LEN], const uint8_t station[6],
                      const at_mgmt_auth *commit, at_mgmt_auth *out)
{
    bool h2e = commit->status == AT_STATUS_SAE_H2E;
    uint8_t token[AT_SAE_TOKEN_LEN];
    at_builder b = at_builder_of(out->body, sizeof out->body);

    begin(out, SEQUENCE_COMMIT, AT_STATUS_TOKEN_REQUIRED);
    make_token(secret, station, token);
    at_put16le(&b, AT_P256_GROUP);
    if (h2e) {
        at_put8(&b, ELEMENT_EXTENSION);
        at_put8(&b, sizeof token + 1);
        at_put8(&b, EXTENSION_TOKEN);
    }
    at_put(&b, token, sizeof token);
    out->len = (uint8_t)at_built(&b);
}

/* Into the token container, which has to be all that is left. */
static bool enter_token(at_reader *r)
{
    uint8_t id = at_get8(r), len = at_get8(r);

    return id == ELEMENT_EXTENSION && len == r->left && at_get8(r) == EXTENSION_TOKEN;
}

static bool take_token(at_sae *s, const at_mgmt_auth *in)
{
    at_reader r = at_reader_of(in->body, in->len);

    if (at_get16le(&r) != AT_P256_GROUP)
        return false;
    if (s->h2e && !enter_token(&r))
        return false;
    if (!r.ok || r.left == 0 || r.left > sizeof s->token)
        return false;
    s->token_len = (uint8_t)r.left;
    at_get_copy(&r, s->token, s->token_len);
    return true;
}

/* ---- both ends ---- */

static void start(at_sae *s, const uint8_t own[6], const uint8_t peer[6], at_sae_secret *secret,
                  const at_random *random)
{
    at_sae_clear(s);
    memcpy(s->own, own, 6);
    memcpy(s->peer, peer, 6);
    s->secret = secret;
    s->random = random;
}

static at_err commit_anew(at_sae *s)
{
    uint8_t rand[AT_P256_LEN], mask[AT_P256_LEN];
    at_err err = at_sae_password_element(s);

    if (err == AT_OK)
        err = at_p256_scalar_random(s->random, rand);
    if (err == AT_OK)
        err = at_p256_scalar_random(s->random, mask);
    if (err == AT_OK)
        err = at_sae_make_commit(s, rand, mask);
    at_wipe(rand, sizeof rand);
    at_wipe(mask, sizeof mask);
    return err;
}

/* Keeps the other end's commit when it is possible; AT_ERR_INVALID: it is not. */
static at_err take_commit(at_sae *s, const commit_parts *c)
{
    at_sae_commit theirs;
    at_err err;

    memcpy(theirs.scalar, c->scalar, sizeof theirs.scalar);
    memcpy(&theirs.element, c->element, sizeof theirs.element);
    if (!at_p256_scalar_ok(theirs.scalar))
        return AT_ERR_INVALID;
    err = at_p256_check(&theirs.element);
    if (err == AT_OK && memcmp(&s->ours, &theirs, sizeof theirs) == 0)
        err = AT_ERR_INVALID; /* a reflection */
    if (err == AT_OK)
        s->theirs = theirs;
    return err;
}

static at_sae_step fail(at_sae *s, at_err err)
{
    if (err != AT_ERR_NOMEM)
        return AT_SAE_IGNORED;
    at_sae_clear(s);
    return AT_SAE_FAILED;
}

/* ---- the access point ---- */

void at_sae_listen(at_sae *s, const uint8_t own[6], const uint8_t peer[6], at_sae_secret *secret,
                   const at_random *random)
{
    start(s, own, peer, secret, random);
}

static at_sae_step refuse(const at_mgmt_auth *in, uint16_t status, at_mgmt_auth *out)
{
    const uint8_t group[2] = { in->body[0], in->body[1] };

    begin(out, SEQUENCE_COMMIT, status);
    if (status == AT_STATUS_GROUP) {
        memcpy(out->body, group, sizeof group);
        out->len = sizeof group;
    }
    return AT_SAE_REFUSED;
}

static bool same_commit(const at_sae *s, const commit_parts *c)
{
    return s->state != AT_SAE_NOTHING && c->h2e == s->h2e &&
           memcmp(c->scalar, s->theirs.scalar, AT_P256_LEN) == 0 &&
           memcmp(c->element, &s->theirs.element, sizeof s->theirs.element) == 0;
}

static at_sae_step answer_commit(at_sae *s, unsigned accepts, const at_mgmt_auth *in,
                                 at_mgmt_auth *out)
{
    commit_parts c;
    at_err err;

    if ((in->status != AT_STATUS_OK && in->status != AT_STATUS_SAE_H2E) || !read_commit(in, &c))
        return AT_SAE_IGNORED;
    if (c.group != AT_P256_GROUP)
        return refuse(in, AT_STATUS_GROUP, out);
    if ((accepts & (c.h2e ? AT_SAE_H2E : AT_SAE_LOOPING)) == 0)
        return refuse(in, AT_STATUS_FAILURE, out);
    if (same_commit(s, &c)) {
        if (s->state != AT_SAE_COMMITTED || !repeats(s))
            return AT_SAE_IGNORED;
        write_commit(s, out);
        return AT_SAE_SEND;
    }
    err = take_commit(s, &c);
    if (err != AT_OK)
        return fail(s, err);
    s->state = AT_SAE_NOTHING;
    s->h2e = c.h2e;
    s->send_confirm = s->peer_confirm = 0;
    s->sync = 0;
    err = commit_anew(s);
    if (err == AT_OK)
        err = at_sae_derive(s);
    if (err != AT_OK)
        return fail(s, err);
    s->state = AT_SAE_COMMITTED;
    write_commit(s, out);
    return AT_SAE_SEND;
}

static at_sae_step answer_confirm(at_sae *s, const at_mgmt_auth *in, at_mgmt_auth *out)
{
    uint16_t counter;

    if (in->len != CONFIRM_LEN)
        return AT_SAE_IGNORED;
    if (s->state == AT_SAE_ACCEPTED) { /* our confirm was lost */
        if (!confirm_good(s, in, &counter) || counter <= s->peer_confirm || !repeats(s))
            return AT_SAE_IGNORED;
        s->peer_confirm = counter;
        write_confirm(s, out);
        return AT_SAE_SEND;
    }
    if (s->state != AT_SAE_COMMITTED || in->status != AT_STATUS_OK)
        return AT_SAE_IGNORED;
    if (!confirm_good(s, in, &counter)) {
        begin(out, SEQUENCE_CONFIRM, AT_STATUS_FAILURE);
        at_sae_clear(s);
        return AT_SAE_WRONG;
    }
    s->state = AT_SAE_ACCEPTED;
    s->peer_confirm = counter;
    s->sync = 0;
    write_confirm(s, out);
    return AT_SAE_DONE;
}

/* ---- the station ---- */

at_err at_sae_start(at_sae *s, const uint8_t own[6], const uint8_t peer[6], at_sae_secret *secret,
                    bool h2e, const at_random *random, at_mgmt_auth *out)
{
    at_err err;

    start(s, own, peer, secret, random);
    s->initiator = true;
    s->h2e = h2e;
    err = commit_anew(s);
    if (err != AT_OK) {
        at_sae_clear(s);
        return err;
    }
    s->state = AT_SAE_COMMITTED;
    write_commit(s, out);
    return AT_OK;
}

static at_sae_step follow_commit(at_sae *s, const at_mgmt_auth *in, at_mgmt_auth *out)
{
    commit_parts c;
    at_err err;

    if (in->status == AT_STATUS_TOKEN_REQUIRED) {
        if (!repeats(s) || !take_token(s, in))
            return AT_SAE_IGNORED;
        write_commit(s, out);
        return AT_SAE_SEND;
    }
    if (in->status != (s->h2e ? AT_STATUS_SAE_H2E : AT_STATUS_OK))
        return AT_SAE_REFUSED;
    if (!read_commit(in, &c) || c.group != AT_P256_GROUP)
        return AT_SAE_IGNORED;
    err = take_commit(s, &c);
    if (err == AT_OK)
        err = at_sae_derive(s);
    if (err != AT_OK)
        return fail(s, err);
    s->state = AT_SAE_CONFIRMED;
    write_confirm(s, out);
    return AT_SAE_SEND;
}

static at_sae_step follow_confirm(at_sae *s, const at_mgmt_auth *in)
{
    uint16_t counter;

    if (in->status != AT_STATUS_OK)
        return AT_SAE_WRONG;
    if (!confirm_good(s, in, &counter))
        return AT_SAE_IGNORED;
    s->state = AT_SAE_ACCEPTED;
    return AT_SAE_DONE;
}

bool at_sae_again(at_sae *s, at_mgmt_auth *out)
{
    if (s->initiator && s->state == AT_SAE_COMMITTED)
        write_commit(s, out);
    else if (s->initiator && s->state == AT_SAE_CONFIRMED)
        write_confirm(s, out);
    else
        return false;
    return true;
}

/* ---- in ---- */

at_sae_step at_sae_input(at_sae *s, unsigned accepts, const at_mgmt_auth *in, at_mgmt_auth *out)
{
    const at_mgmt_auth copy = *in; /* out may be in */

    if (copy.algorithm != AT_AUTH_ALG_SAE || s->random == NULL)
        return AT_SAE_IGNORED;
    if (!s->initiator && copy.sequence == SEQUENCE_COMMIT)
        return answer_commit(s, accepts, &copy, out);
    if (!s->initiator && copy.sequence == SEQUENCE_CONFIRM)
        return answer_confirm(s, &copy, out);
    if (copy.sequence == SEQUENCE_COMMIT && s->state == AT_SAE_COMMITTED)
        return follow_commit(s, &copy, out);
    if (copy.sequence == SEQUENCE_CONFIRM && s->state == AT_SAE_CONFIRMED)
        return follow_confirm(s, &copy);
    return AT_SAE_IGNORED;
}

void at_sae_clear(at_sae *s)
{
    at_wipe(s, sizeof *s);
}
