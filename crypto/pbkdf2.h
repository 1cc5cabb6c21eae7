/* PBKDF2 (RFC 8018 5.2): a key from a passphrase. */
#ifndef CRYPTO_PBKDF2_H
#define CRYPTO_PBKDF2_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "crypto/hash.h"

/* With HMAC of the given hash. rounds of at least 1. Returns AT_OK or AT_ERR_INVALID (unknown hash,
 * rounds 0). Takes about rounds * out_len / 20 times 0.4 us on a PC. */
at_err at_pbkdf2(at_hash_kind kind, const void *password, size_t password_len, const void *salt,
                 size_t salt_len, uint32_t rounds, uint8_t *out, size_t out_len);

#endif
