/* PBKDF2 (RFC 8018 5.2) on our HMAC.
 *
 * Block i of the key is U1 ^ U2 ^ ... ^ Urounds with U1 = HMAC(password, salt | i) and
 * Uj = HMAC(password, Uj-1). Mbed TLS has a PBKDF2 as well; it hashes the padded password anew in
 * every round and takes twice as long (see crypto/hmac.c).
 */
#include "crypto/pbkdf2.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

/* One block of hash length into out. */
static void derive_block(at_hmac *hmac, const void *salt, size_t salt_len, uint32_t index,
                         uint32_t rounds, uint8_t out[AT_HASH_MAX])
{
    size_t len = at_hash_len(hmac->inner.kind);
    const uint8_t number[4] = { (uint8_t)(index >> 24), (uint8_t)(index >> 16),
                                (uint8_t)(index >> 8), (uint8_t)index };
    uint8_t u[AT_HASH_MAX];

    at_hmac_add(hmac, salt, salt_len);
    at_hmac_add(hmac, number, sizeof number);
    at_hmac_finish(hmac, u);
    memcpy(out, u, len);
    for (uint32_t round = 1; round < rounds; round++) {
        at_hmac_add(hmac, u, len);
        at_hmac_finish(hmac, u);
        for (size_t i = 0; i < len; i++)
            out[i] ^= u[i];
    }
    at_wipe(u, sizeof u);
}

at_err at_pbkdf2(at_hash_kind kind, const void *password, size_t password_len, const void *salt,
                 size_t salt_len, uint32_t rounds, uint8_t *out, size_t out_len)
{
    uint8_t block[AT_HASH_MAX];
    at_hmac hmac;
    uint32_t index = 1;

    if (rounds == 0 || !at_hmac_start(&hmac, kind, password, password_len))
        return AT_ERR_INVALID;
    while (out_len > 0) {
        size_t part = AT_MIN(out_len, at_hash_len(kind));

        derive_block(&hmac, salt, salt_len, index++, rounds, block);
        memcpy(out, block, part);
        out += part;
        out_len -= part;
    }
    at_wipe(block, sizeof block);
    at_hmac_clear(&hmac);
    return AT_OK;
}
