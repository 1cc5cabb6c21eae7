/* Both KDFs are a chain of HMAC-SHA-256 blocks, the last of them cut.
 *
 *     802.11   T(i) = HMAC(key, i | label | context | length in bits), numbers little endian
 *     HKDF     T(i) = HMAC(prk, T(i - 1) | info | i), T(0) empty
 *
 * On crypto/hmac.h, which cannot fail and allocates nothing; Mbed TLS's HKDF does allocate.
 */
#include "crypto/kdf.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

void at_kdf_sha256(const uint8_t *key, size_t key_len, const char *label, const uint8_t *context,
                   size_t context_len, uint8_t *out, size_t out_len)
{
    const uint8_t bits[2] = { (uint8_t)(out_len * 8), (uint8_t)(out_len * 8 >> 8) };
    uint8_t block[AT_SHA256_LEN];
    at_hmac hmac;

    at_hmac_start(&hmac, AT_HASH_SHA256, key, key_len);
    for (uint16_t i = 1; out_len > 0; i++) {
        const uint8_t number[2] = { (uint8_t)i, (uint8_t)(i >> 8) };
        size_t part = AT_MIN(out_len, sizeof block);

        at_hmac_add(&hmac, number, sizeof number);
        at_hmac_add(&hmac, label, strlen(label));
        at_hmac_add(&hmac, context, context_len);
        at_hmac_add(&hmac, bits, sizeof bits);
        at_hmac_finish(&hmac, block);
        memcpy(out, block, part);
        out += part;
        out_len -= part;
    }
    at_wipe(block, sizeof block);
    at_hmac_clear(&hmac);
}

void at_hkdf_extract(const uint8_t *salt, size_t salt_len, const void *a, size_t a_len,
                     const void *b, size_t b_len, uint8_t prk[AT_KDF_PRK_LEN])
{
    at_hmac hmac;

    at_hmac_start(&hmac, AT_HASH_SHA256, salt, salt_len);
    at_hmac_add(&hmac, a, a_len);
    at_hmac_add(&hmac, b, b_len);
    at_hmac_finish(&hmac, prk);
    at_hmac_clear(&hmac);
}

void at_hkdf_expand(const uint8_t prk[AT_KDF_PRK_LEN], const char *info, uint8_t *out,
                    size_t out_len)
{
    uint8_t block[AT_SHA256_LEN];
    at_hmac hmac;

    at_hmac_start(&hmac, AT_HASH_SHA256, prk, AT_KDF_PRK_LEN);
    for (uint8_t i = 1; out_len > 0; i++) {
        size_t part = AT_MIN(out_len, sizeof block);

        at_hmac_add(&hmac, block, i > 1 ? sizeof block : 0);
        at_hmac_add(&hmac, info, strlen(info));
        at_hmac_add(&hmac, &i, 1);
        at_hmac_finish(&hmac, block);
        memcpy(out, block, part);
        out += part;
        out_len -= part;
    }
    at_wipe(block, sizeof block);
    at_hmac_clear(&hmac);
}
