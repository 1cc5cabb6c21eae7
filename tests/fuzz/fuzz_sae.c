/* Both ends of SAE. The first byte chooses the end, how far the exchange is, and the way to the
 * password element; the second the sequence number; then the status; the rest is a frame's body, or,
 * when it is short, what is changed in the right one. Nothing that was made up may be accepted. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/bytes.h"
#include "proto/sae.h"

static void fill(void *ctx, void *buf, size_t len)
{
    uint64_t *seed = ctx;

    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)buf)[i] = (uint8_t)(*seed >> 56);
    }
}

/* The body of the frame to come: given, or the right one with bytes changed. */
static bool make_body(at_mgmt_auth *frame, at_reader *r)
{
    at_mgmt_auth right = *frame;

    if (r->left > AT_AUTH_BODY_MAX)
        return false;
    if (r->left >= 32) {
        frame->len = (uint8_t)r->left;
        at_get_copy(r, frame->body, frame->len);
    } else {
        while (r->left >= 2 && frame->len > 0) {
            uint8_t at = at_get8(r);

            frame->body[at % frame->len] ^= at_get8(r);
        }
    }
    return frame->len != right.len || memcmp(frame->body, right.body, right.len) != 0;
}

/* An exchange after so many frames; the next one is in frame. */
typedef struct moment {
    at_sae ap, station;
    at_mgmt_auth frame;
} moment;

static const uint8_t ap_mac[6] = { 2, 0, 0, 0, 0, 1 }, station_mac[6] = { 2, 0, 0, 0, 0, 2 };
static uint64_t seed = 1;
static const at_random random_source = { &seed, fill };
static at_sae_secret secret;
static moment moments[2][4]; /* looping, hash-to-element; made once, curves are slow */

static void make_moments(void)
{
    static const at_ssid ssid = { 4, "home" };

    at_sae_secret_set(&secret, &ssid, "secret88");
    for (unsigned h2e = 0; h2e < 2; h2e++) {
        moment *m = moments[h2e];

        at_sae_listen(&m->ap, ap_mac, station_mac, &secret, &random_source);
        assert(at_sae_start(&m->station, station_mac, ap_mac, &secret, h2e == 1, &random_source,
                            &m->frame) == AT_OK);
        for (unsigned i = 1; i < 4; i++) {
            m[1] = m[0];
            m++;
            (void)at_sae_input(i % 2 == 1 ? &m->ap : &m->station, 3, &m->frame, &m->frame);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[AT_SAE_KEY_LEN] = { 1 };
    at_reader r = at_reader_of(data, size);
    uint8_t how = at_get8(&r), sequence = at_get8(&r);
    uint16_t status = at_get16(&r);
    at_mgmt_auth out = { 0 };
    moment now;
    bool changed;

    if (secret.password[0] == '\0')
        make_moments();
    now = moments[how >> 4 & 1][how & 3];
    changed = make_body(&now.frame, &r);
    if (sequence != 0)
        now.frame.sequence = sequence;
    if (status != 0xFFFF)
        now.frame.status = status;
    (void)at_sae_token_good(key, station_mac, &now.frame);
    at_sae_token_ask(key, station_mac, &now.frame, &out);
    if (at_sae_input((how & 4) != 0 ? &now.ap : &now.station, how >> 5, &now.frame, &out) ==
            AT_SAE_DONE &&
        changed)
        __builtin_trap();
    if (out.len > sizeof out.body)
        __builtin_trap();
    return 0;
}
