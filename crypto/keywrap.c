/* AES key wrap, RFC 3394 2.2: the index-based form.
 *
 * The data is seen as 64-bit registers R1..Rn beside an accumulator A. Six times over all
 * registers: B = AES(A | Ri), A = left half of B ^ step number, Ri = right half. Unwrapping runs
 * backwards and ends with A equal to the initial value, or somebody changed something.
 * Written on the block function because Mbed TLS's NIST key wrap allocates, and an access point of
 * the air must be able to finish a handshake without a heap.
 */
#include "crypto/keywrap.h"

#include <stdbool.h>
#include <string.h>

#include "crypto/aes.h"
#include "crypto/hmac.h"

#define PASSES 6u

static const uint8_t initial[8] = { 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6 };

/* step fits in 32 bits: in the register it is a big endian 64-bit number. */
static void xor_step(uint8_t a[8], uint32_t step)
{
    a[4] ^= (uint8_t)(step >> 24);
    a[5] ^= (uint8_t)(step >> 16);
    a[6] ^= (uint8_t)(step >> 8);
    a[7] ^= (uint8_t)step;
}

static bool lengths_ok(size_t plain_len)
{
    /* The upper bound keeps the step number in 32 bits; keys are a few dozen bytes. */
    return plain_len % 8 == 0 && plain_len >= 16 && plain_len <= 0x10000;
}

at_err at_keywrap(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t len, uint8_t *out)
{
    uint8_t block[AT_AES_BLOCK];
    uint32_t step = 0;
    at_aes aes;

    if (!lengths_ok(len) || at_aes_start(&aes, AT_AES_ENCRYPT, kek, kek_len) != AT_OK)
        return AT_ERR_INVALID;
    memcpy(block, initial, 8);
    memcpy(out + 8, in, len);
    for (unsigned pass = 0; pass < PASSES; pass++) {
        for (size_t at = 8; at <= len; at += 8) {
            memcpy(block + 8, out + at, 8);
            at_aes_block(&aes, block, block);
            xor_step(block, ++step);
            memcpy(out + at, block + 8, 8);
        }
    }
    memcpy(out, block, 8);
    at_wipe(block, sizeof block);
    at_aes_clear(&aes);
    return AT_OK;
}

at_err at_keyunwrap(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t len, uint8_t *out)
{
    uint8_t block[AT_AES_BLOCK];
    uint32_t step;
    at_aes aes;
    bool good;

    if (len < AT_KEYWRAP_EXTRA || !lengths_ok(len - AT_KEYWRAP_EXTRA) ||
        at_aes_start(&aes, AT_AES_DECRYPT, kek, kek_len) != AT_OK)
        return AT_ERR_INVALID;
    len -= AT_KEYWRAP_EXTRA;
    step = (uint32_t)(len / 8 * PASSES);
    memcpy(block, in, 8);
    memmove(out, in + 8, len);
    for (unsigned pass = 0; pass < PASSES; pass++) {
        for (size_t at = len; at > 0; at -= 8) {
            xor_step(block, step--);
            memcpy(block + 8, out + at - 8, 8);
            at_aes_block(&aes, block, block);
            memcpy(out + at - 8, block + 8, 8);
        }
    }
    good = at_equal_secret(block, initial, sizeof initial);
    if (!good)
        at_wipe(out, len);
    at_wipe(block, sizeof block);
    at_aes_clear(&aes);
    return good ? AT_OK : AT_ERR_AUTH;
}
