/* The mathematics of SAE with group 19 (IEEE 802.11-2020 12.4.4, 12.4.5).
 *
 *     password element   P, secret; the same at both ends
 *     commit             scalar = rand + mask, element = -(mask * P)
 *     shared secret      k = x of rand * (their scalar * P + their element)
 *     keyseed            HMAC(0, k), and from it KCK and PMK with the sum of the scalars as context
 *
 * P comes by one of two ways. Hash-to-element maps two hashes of SSID and password to points and adds
 * them (PT, kept with the password), then multiplies by a number that depends on both addresses.
 * Looping hashes password and addresses with a counter until the hash is the x of a point; it always
 * goes LOOPS rounds, takes the first hit by a mask, and so says nothing about which round it was. The
 * probability that no round hits is 2^-40; P is then no point, and the commit fails.
 */
#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"
#include "crypto/kdf.h"
#include "proto/sae_priv.h"

#define LOOPS     40u
#define U_LEN     48u /* p's length and half of it */
#define ADDRESSES 12u

static const uint8_t zero_salt[AT_SAE_KEY_LEN];

/* The greater address first. */
static void both_addresses(const at_sae *s, uint8_t both[ADDRESSES])
{
    bool own_first = memcmp(s->own, s->peer, 6) > 0;

    memcpy(both, own_first ? s->own : s->peer, 6);
    memcpy(both + 6, own_first ? s->peer : s->own, 6);
}

/* ---- hash-to-element (12.4.4.2.3) ---- */

static at_err make_pt(at_sae_secret *secret, const at_random *random)
{
    static const char *const labels[2] = { "SAE Hash to Element u1 P1",
                                           "SAE Hash to Element u2 P2" };
    uint8_t seed[AT_KDF_PRK_LEN], u[U_LEN];
    at_p256_point part[2];
    at_err err = AT_OK;

    if (secret->has_pt)
        return AT_OK;
    at_hkdf_extract(secret->ssid.bytes, secret->ssid.len, secret->password,
                    strlen(secret->password), NULL, 0, seed);
    for (unsigned i = 0; i < 2 && err == AT_OK; i++) {
        at_hkdf_expand(seed, labels[i], u, sizeof u);
        err = at_p256_map(u, sizeof u, random, &part[i]);
    }
    if (err == AT_OK)
        err = at_p256_add(&part[0], &part[1], &secret->pt);
    secret->has_pt = err == AT_OK;
    at_wipe(seed, sizeof seed);
    at_wipe(u, sizeof u);
    at_wipe(part, sizeof part);
    return err;
}

static at_err element_by_hash(at_sae *s)
{
    uint8_t both[ADDRESSES], value[AT_P256_LEN];
    at_err err = make_pt(s->secret, s->random);

    both_addresses(s, both);
    at_hmac_of(AT_HASH_SHA256, zero_salt, sizeof zero_salt, both, sizeof both, value);
    if (err == AT_OK)
        err = at_p256_scalar_of(value, value);
    if (err == AT_OK)
        err = at_p256_mul(value, &s->secret->pt, s->random, &s->pwe);
    at_wipe(value, sizeof value);
    return err;
}

/* ---- hunting and pecking (12.4.4.2.2) ---- */

/* to = from where mask is 0xFF, unchanged where it is 0. */
static void select_bytes(void *to, const void *from, size_t len, uint8_t mask)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)((out[i] & ~mask) | (in[i] & mask));
}

static at_err element_by_loop(at_sae *s)
{
    static const uint8_t p[AT_P256_LEN] = {
        0xFF, 0xFF, 0xFF, 0xFF, 0,    0,    0,    1,    0,    0,    0,    0,
        0,    0,    0,    0,    0,    0,    0,    0, /* big endian */
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    };
    uint8_t both[ADDRESSES], seed[AT_SHA256_LEN], x[AT_P256_LEN], done = 0;
    at_p256_point candidate;
    at_hmac hmac;
    at_err err = AT_OK;

    both_addresses(s, both);
    at_hmac_start(&hmac, AT_HASH_SHA256, both, sizeof both);
    for (uint8_t counter = 1; counter <= LOOPS && err == AT_OK; counter++) {
        bool found = false;

        at_hmac_add(&hmac, s->secret->password, strlen(s->secret->password));
        at_hmac_add(&hmac, &counter, 1);
        at_hmac_finish(&hmac, seed);
        at_kdf_sha256(seed, sizeof seed, "SAE Hunting and Pecking", p, sizeof p, x, sizeof x);
        err = at_p256_try_x(x, (seed[sizeof seed - 1] & 1) != 0, s->random, &found, &candidate);
        select_bytes(&s->pwe, &candidate, sizeof candidate,
                     (uint8_t)(-(uint8_t)found & (uint8_t)~done));
        done |= (uint8_t)(-(uint8_t)found);
    }
    at_wipe(seed, sizeof seed);
    at_wipe(x, sizeof x);
    at_wipe(&candidate, sizeof candidate);
    at_hmac_clear(&hmac);
    return err;
}

at_err at_sae_password_element(at_sae *s)
{
    return s->h2e ? element_by_hash(s) : element_by_loop(s);
}

/* ---- commit and keys (12.4.5) ---- */

at_err at_sae_make_commit(at_sae *s, const uint8_t rand[AT_P256_LEN],
                          const uint8_t mask[AT_P256_LEN])
{
    at_err err;

    memcpy(s->rand, rand, sizeof s->rand);
    err = at_p256_scalar_add(rand, mask, s->ours.scalar);
    if (err == AT_OK && !at_p256_scalar_ok(s->ours.scalar))
        err = AT_ERR_INVALID; /* once in 2^255 */
    if (err == AT_OK)
        err = at_p256_mul(mask, &s->pwe, s->random, &s->ours.element);
    if (err == AT_OK)
        err = at_p256_negate(&s->ours.element);
    return err;
}

at_err at_sae_derive(at_sae *s)
{
    uint8_t seed[AT_SHA256_LEN], context[AT_P256_LEN], keys[2 * AT_SAE_KEY_LEN];
    at_p256_point k;
    at_err err = at_p256_mul(s->theirs.scalar, &s->pwe, s->random, &k);

    if (err == AT_OK)
        err = at_p256_add(&k, &s->theirs.element, &k);
    if (err == AT_OK)
        err = at_p256_mul(s->rand, &k, s->random, &k);
    if (err == AT_OK)
        err = at_p256_scalar_add(s->ours.scalar, s->theirs.scalar, context);
    if (err == AT_OK) {
        at_hmac_of(AT_HASH_SHA256, zero_salt, sizeof zero_salt, k.x, sizeof k.x, seed);
        at_kdf_sha256(seed, sizeof seed, "SAE KCK and PMK", context, sizeof context, keys,
                      sizeof keys);
        memcpy(s->kck, keys, sizeof s->kck);
        memcpy(s->pmk, keys + sizeof s->kck, sizeof s->pmk);
        memcpy(s->pmkid, context, sizeof s->pmkid);
        at_wipe(s->rand, sizeof s->rand);
    }
    at_wipe(&k, sizeof k);
    at_wipe(seed, sizeof seed);
    at_wipe(keys, sizeof keys);
    return err;
}

void at_sae_confirm_mac(const at_sae *s, uint16_t counter, const at_sae_commit *sender,
                        const at_sae_commit *receiver, uint8_t mac[AT_SAE_KEY_LEN])
{
    const uint8_t number[2] = { (uint8_t)counter, (uint8_t)(counter >> 8) };
    at_hmac hmac;

    at_hmac_start(&hmac, AT_HASH_SHA256, s->kck, sizeof s->kck);
    at_hmac_add(&hmac, number, sizeof number);
    at_hmac_add(&hmac, sender, sizeof *sender);
    at_hmac_add(&hmac, receiver, sizeof *receiver);
    at_hmac_finish(&hmac, mac);
    at_hmac_clear(&hmac);
}
