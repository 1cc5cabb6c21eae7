/* AES over Mbed TLS's context, kept in opaque words (see crypto/hash.c).
 *
 * The context holds the expanded key and, on machines with AES instructions, an offset that aligns
 * it; that is why it must stay where it was made. CMAC is written on the block function: the
 * library's goes through its cipher layer, which allocates, and 25 lines that cannot fail are worth
 * more to the callers (pairing in ble/, EAPOL in proto/).
 */
#include "crypto/aes.h"

#include <mbedtls/aes.h>
#include <string.h>

#include "crypto/hmac.h"

_Static_assert(sizeof(mbedtls_aes_context) <= sizeof(((at_aes *)0)->opaque), "at_aes is too small");
_Static_assert(_Alignof(mbedtls_aes_context) <= _Alignof(uint64_t), "at_aes is not aligned enough");

static mbedtls_aes_context *context_of(at_aes *aes)
{
    return (mbedtls_aes_context *)(void *)aes->opaque;
}

static int mode_of(at_aes_direction direction)
{
    return direction == AT_AES_ENCRYPT ? MBEDTLS_AES_ENCRYPT : MBEDTLS_AES_DECRYPT;
}

at_err at_aes_start(at_aes *aes, at_aes_direction direction, const uint8_t *key, size_t key_len)
{
    unsigned bits = (unsigned)key_len * 8;
    int error;

    if (key_len != 16 && key_len != 24 && key_len != 32)
        return AT_ERR_INVALID;
    aes->direction = direction;
    mbedtls_aes_init(context_of(aes));
    if (direction == AT_AES_ENCRYPT)
        error = mbedtls_aes_setkey_enc(context_of(aes), key, bits);
    else
        error = mbedtls_aes_setkey_dec(context_of(aes), key, bits);
    return error == 0 ? AT_OK : AT_ERR_INVALID;
}

void at_aes_clear(at_aes *aes)
{
    mbedtls_aes_free(context_of(aes));
    at_wipe(aes, sizeof *aes);
}

void at_aes_block(at_aes *aes, const uint8_t in[AT_AES_BLOCK], uint8_t out[AT_AES_BLOCK])
{
    (void)mbedtls_aes_crypt_ecb(context_of(aes), mode_of(aes->direction), in, out);
}

at_err at_aes_cbc(at_aes *aes, uint8_t iv[AT_AES_BLOCK], const uint8_t *in, size_t len,
                  uint8_t *out)
{
    if (len % AT_AES_BLOCK != 0)
        return AT_ERR_INVALID;
    if (len > 0)
        (void)mbedtls_aes_crypt_cbc(context_of(aes), mode_of(aes->direction), len, iv, in, out);
    return AT_OK;
}

void at_aes_ctr(at_aes *aes, uint8_t counter[AT_AES_BLOCK], const uint8_t *in, size_t len,
                uint8_t *out)
{
    uint8_t stream[AT_AES_BLOCK];
    size_t offset = 0;

    (void)mbedtls_aes_crypt_ctr(context_of(aes), len, &offset, counter, stream, in, out);
    at_wipe(stream, sizeof stream);
}

void at_aes_cfb128(at_aes *aes, at_aes_direction direction, uint8_t iv[AT_AES_BLOCK],
                   const uint8_t *in, size_t len, uint8_t *out)
{
    size_t offset = 0;

    (void)mbedtls_aes_crypt_cfb128(context_of(aes), mode_of(direction), len, &offset, iv, in, out);
}

/* Multiplies by x in GF(2^128): shift left, and reduce when a bit fell out. */
static void double_block(uint8_t block[AT_AES_BLOCK])
{
    uint8_t carry = block[0] >> 7;

    for (size_t i = 0; i + 1 < AT_AES_BLOCK; i++)
        block[i] = (uint8_t)(block[i] << 1 | block[i + 1] >> 7);
    block[AT_AES_BLOCK - 1] = (uint8_t)(block[AT_AES_BLOCK - 1] << 1);
    block[AT_AES_BLOCK - 1] ^= (uint8_t)(0x87 & (0u - carry));
}

static void xor_into(uint8_t *to, const uint8_t *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] ^= from[i];
}

at_err at_aes_cmac(const uint8_t *key, size_t key_len, const void *data, size_t len,
                   uint8_t mac[AT_AES_BLOCK])
{
    const uint8_t *from = data;
    uint8_t subkey[AT_AES_BLOCK] = { 0 };
    at_aes aes;
    at_err err = at_aes_start(&aes, AT_AES_ENCRYPT, key, key_len);

    if (err != AT_OK)
        return err;
    memset(mac, 0, AT_AES_BLOCK);
    for (; len > AT_AES_BLOCK; len -= AT_AES_BLOCK, from += AT_AES_BLOCK) {
        xor_into(mac, from, AT_AES_BLOCK);
        at_aes_block(&aes, mac, mac);
    }
    /* The last block takes one of two subkeys: a whole one K1, a padded one K2 (RFC 4493 2.4). */
    at_aes_block(&aes, subkey, subkey);
    double_block(subkey);
    xor_into(mac, from, len);
    if (len < AT_AES_BLOCK) {
        mac[len] ^= 0x80;
        double_block(subkey);
    }
    xor_into(mac, subkey, AT_AES_BLOCK);
    at_aes_block(&aes, mac, mac);
    at_wipe(subkey, sizeof subkey);
    at_aes_clear(&aes);
    return AT_OK;
}
