/* Key derivation on HMAC-SHA-256: the KDF of IEEE 802.11-2020 12.7.1.6.2, and HKDF (RFC 5869). */
#ifndef CRYPTO_KDF_H
#define CRYPTO_KDF_H

#include <stddef.h>
#include <stdint.h>

#define AT_KDF_PRK_LEN 32u

/* KDF-SHA-256-Length: out_len bytes, at most 8191, from a key, a label (without its end) and a
 * context. */
void at_kdf_sha256(const uint8_t *key, size_t key_len, const char *label, const uint8_t *context,
                   size_t context_len, uint8_t *out, size_t out_len);
/* HKDF-Extract of two pieces of key material, one behind the other; b may have no length. */
void at_hkdf_extract(const uint8_t *salt, size_t salt_len, const void *a, size_t a_len,
                     const void *b, size_t b_len, uint8_t prk[AT_KDF_PRK_LEN]);
/* HKDF-Expand; info is text without its end; out_len at most 255 * 32. */
void at_hkdf_expand(const uint8_t prk[AT_KDF_PRK_LEN], const char *info, uint8_t *out,
                    size_t out_len);

#endif
