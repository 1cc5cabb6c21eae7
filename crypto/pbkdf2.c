/* PBKDF2 (RFC 8018 5.2) with HMAC-SHA-1.
 *
 * Block i of the key is U1 ^ U2 ^ ... ^ Urounds with U1 = HMAC(password, salt | i) and
 * Uj = HMAC(password, Uj-1). From U2 on every message is 20 bytes, so an HMAC is two blocks: the message
 * from the state behind the inner padded key, the result from the state behind the outer one, and all
 * but 20 bytes of both blocks never change. This is what a first join waits for, on both sides of it.
 */
#include "crypto/pbkdf2.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"
#include "crypto/sha1_block.h"

enum { WORDS = 5 };

typedef struct hmac_states {
    at_sha1_block *block;
    uint32_t inner[WORDS], outer[WORDS]; /* behind the padded keys */
} hmac_states;

static void start_state(hmac_states *h, uint32_t state[WORDS], const uint8_t key[64], uint8_t pad)
{
    static const uint32_t start[WORDS] = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476,
                                           0xC3D2E1F0 };
    uint8_t padded[AT_HASH_BLOCK];

    for (size_t i = 0; i < sizeof padded; i++)
        padded[i] = key[i] ^ pad;
    memcpy(state, start, sizeof start);
    h->block(state, padded);
    at_wipe(padded, sizeof padded);
}

static void start_states(hmac_states *h, const void *password, size_t password_len)
{
    uint8_t key[AT_HASH_BLOCK] = { 0 };

    if (password_len > sizeof key)
        at_hash_of(AT_HASH_SHA1, password, password_len, key);
    else if (password_len > 0)
        memcpy(key, password, password_len);
    h->block = at_sha1_block_best();
    start_state(h, h->inner, key, 0x36);
    start_state(h, h->outer, key, 0x5C);
    at_wipe(key, sizeof key);
}

static void put_words(uint8_t to[AT_SHA1_LEN], const uint32_t state[WORDS])
{
    for (size_t i = 0; i < WORDS; i++) {
        to[4 * i] = (uint8_t)(state[i] >> 24);
        to[4 * i + 1] = (uint8_t)(state[i] >> 16);
        to[4 * i + 2] = (uint8_t)(state[i] >> 8);
        to[4 * i + 3] = (uint8_t)state[i];
    }
}

/* out ^= U2 ^ ... ^ Urounds. On entry out is U1. */
static void add_rounds(const hmac_states *h, uint32_t rounds, uint8_t out[AT_SHA1_LEN])
{
    /* A message of 20 bytes behind a block of key: the end mark, and the length in bits. */
    uint8_t message[AT_HASH_BLOCK] = { [AT_SHA1_LEN] = 0x80, [62] = 0x02, [63] = 0xA0 };
    uint32_t state[WORDS];

    _Static_assert((AT_HASH_BLOCK + AT_SHA1_LEN) * 8 == 0x02A0, "the length above");
    memcpy(message, out, AT_SHA1_LEN);
    for (uint32_t round = 1; round < rounds; round++) {
        memcpy(state, h->inner, sizeof state);
        h->block(state, message);
        put_words(message, state);
        memcpy(state, h->outer, sizeof state);
        h->block(state, message);
        put_words(message, state);
        for (size_t i = 0; i < AT_SHA1_LEN; i++)
            out[i] ^= message[i];
    }
    at_wipe(message, sizeof message);
    at_wipe(state, sizeof state);
}

at_err at_pbkdf2_sha1(const void *password, size_t password_len, const void *salt, size_t salt_len,
                      uint32_t rounds, uint8_t *out, size_t out_len)
{
    uint8_t block[AT_SHA1_LEN];
    hmac_states states;
    at_hmac hmac;

    if (rounds == 0 || !at_hmac_start(&hmac, AT_HASH_SHA1, password, password_len))
        return AT_ERR_INVALID;
    start_states(&states, password, password_len);
    for (uint32_t index = 1; out_len > 0; index++) {
        const uint8_t number[4] = { (uint8_t)(index >> 24), (uint8_t)(index >> 16),
                                    (uint8_t)(index >> 8), (uint8_t)index };
        size_t part = AT_MIN(out_len, sizeof block);

        at_hmac_add(&hmac, salt, salt_len);
        at_hmac_add(&hmac, number, sizeof number);
        at_hmac_finish(&hmac, block);
        add_rounds(&states, rounds, block);
        memcpy(out, block, part);
        out += part;
        out_len -= part;
    }
    at_wipe(block, sizeof block);
    at_wipe(&states, sizeof states);
    at_hmac_clear(&hmac);
    return AT_OK;
}
