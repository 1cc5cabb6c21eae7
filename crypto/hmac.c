/* HMAC: H(key ^ opad, H(key ^ ipad, message)), RFC 2104.
 *
 * The two padded keys are one block each. They are hashed once per key and the hash contexts kept,
 * so that a message costs two blocks less. PBKDF2 makes 8192 messages of one block out of a
 * passphrase: there this is half of all work, and it is what a first join waits for.
 */
#include "crypto/hmac.h"

#include <mbedtls/constant_time.h>
#include <mbedtls/platform_util.h>
#include <string.h>

bool at_hmac_start(at_hmac *hmac, at_hash_kind kind, const void *key, size_t key_len)
{
    uint8_t pad[AT_HASH_BLOCK] = { 0 };

    if (!at_hash_start(&hmac->inner, kind) || !at_hash_start(&hmac->outer, kind))
        return false;
    if (key_len > sizeof pad)
        at_hash_of(kind, key, key_len, pad);
    else if (key_len > 0)
        memcpy(pad, key, key_len);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    at_hash_add(&hmac->inner, pad, sizeof pad);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5C;
    at_hash_add(&hmac->outer, pad, sizeof pad);
    at_wipe(pad, sizeof pad);
    hmac->message = hmac->inner;
    return true;
}

void at_hmac_add(at_hmac *hmac, const void *data, size_t len)
{
    at_hash_add(&hmac->message, data, len);
}

void at_hmac_finish(at_hmac *hmac, uint8_t *out)
{
    uint8_t inner[AT_HASH_MAX];
    size_t len = at_hash_len(hmac->inner.kind);

    at_hash_finish(&hmac->message, inner);
    hmac->message = hmac->outer;
    at_hash_add(&hmac->message, inner, len);
    at_hash_finish(&hmac->message, out);
    hmac->message = hmac->inner;
    at_wipe(inner, sizeof inner);
}

void at_hmac_clear(at_hmac *hmac)
{
    at_wipe(hmac, sizeof *hmac);
}

bool at_hmac_of(at_hash_kind kind, const void *key, size_t key_len, const void *data, size_t len,
                uint8_t *out)
{
    at_hmac hmac;

    if (!at_hmac_start(&hmac, kind, key, key_len))
        return false;
    at_hmac_add(&hmac, data, len);
    at_hmac_finish(&hmac, out);
    at_hmac_clear(&hmac);
    return true;
}

bool at_equal_secret(const void *a, const void *b, size_t len)
{
    return mbedtls_ct_memcmp(a, b, len) == 0;
}

void at_wipe(void *data, size_t len)
{
    mbedtls_platform_zeroize(data, len);
}
