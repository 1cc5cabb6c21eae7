/* AES (FIPS 197) with its modes CBC, CTR and CFB-128 (SP 800-38A), and AES-CMAC (RFC 4493). */
#ifndef CRYPTO_AES_H
#define CRYPTO_AES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define AT_AES_BLOCK 16u /* bytes */

typedef enum at_aes_direction { AT_AES_ENCRYPT, AT_AES_DECRYPT } at_aes_direction;

/* A key made ready for one direction. The caller's; wipe it with at_aes_clear; not to be copied. */
typedef struct at_aes {
    at_aes_direction direction;
    uint64_t opaque[40];
} at_aes;

/* key_len 16, 24 or 32 bytes, else AT_ERR_INVALID. CTR, CFB and CMAC use AT_AES_ENCRYPT for both
 * directions. Nothing here allocates. */
at_err at_aes_start(at_aes *aes, at_aes_direction direction, const uint8_t *key, size_t key_len);
void at_aes_clear(at_aes *aes);

/* In all of these in and out may be the same memory. */
void at_aes_block(at_aes *aes, const uint8_t in[AT_AES_BLOCK], uint8_t out[AT_AES_BLOCK]);
/* len a multiple of 16, else AT_ERR_INVALID. iv is updated: calls continue one another. No
 * padding. */
at_err at_aes_cbc(at_aes *aes, uint8_t iv[AT_AES_BLOCK], const uint8_t *in, size_t len,
                  uint8_t *out);
/* One whole message. counter is incremented as a big endian number, one per block begun. */
void at_aes_ctr(at_aes *aes, uint8_t counter[AT_AES_BLOCK], const uint8_t *in, size_t len,
                uint8_t *out);
/* One whole message in either direction; iv is updated. */
void at_aes_cfb128(at_aes *aes, at_aes_direction direction, uint8_t iv[AT_AES_BLOCK],
                   const uint8_t *in, size_t len, uint8_t *out);

/* AES-CMAC of a message; key_len as above. */
at_err at_aes_cmac(const uint8_t *key, size_t key_len, const void *data, size_t len,
                   uint8_t mac[AT_AES_BLOCK]);

#endif
