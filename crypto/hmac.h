/* HMAC (RFC 2104) with any hash of crypto/hash.h, and comparing in constant time. */
#ifndef CRYPTO_HMAC_H
#define CRYPTO_HMAC_H

#include "crypto/hash.h"

/* A key made ready. The caller's; use it for many messages, wipe it with at_hmac_clear. */
typedef struct at_hmac {
    at_hash inner, outer; /* after the padded key: where every message starts */
    at_hash message;
} at_hmac;

/* key of any length. False for an unknown kind. Nothing here allocates. */
bool at_hmac_start(at_hmac *hmac, at_hash_kind kind, const void *key, size_t key_len);
void at_hmac_add(at_hmac *hmac, const void *data, size_t len);
/* Writes at_hash_len(kind) bytes; the next add starts a new message under the same key. */
void at_hmac_finish(at_hmac *hmac, uint8_t *out);
void at_hmac_clear(at_hmac *hmac);

bool at_hmac_of(at_hash_kind kind, const void *key, size_t key_len, const void *data, size_t len,
                uint8_t *out);

/* True when equal; takes the same time wherever they differ. */
bool at_equal_secret(const void *a, const void *b, size_t len);
/* Overwrites memory in a way that the compiler keeps. */
void at_wipe(void *data, size_t len);

#endif
