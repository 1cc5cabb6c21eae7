/* MD5, SHA-1 and SHA-256 (RFC 1321, FIPS 180-4), in one shot or piece by piece. */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AT_MD5_LEN    16u /* bytes */
#define AT_SHA1_LEN   20u
#define AT_SHA256_LEN 32u
#define AT_HASH_MAX   32u /* the longest of these */
#define AT_HASH_BLOCK 64u /* bytes, of all of them */

typedef enum at_hash_kind { AT_HASH_MD5, AT_HASH_SHA1, AT_HASH_SHA256 } at_hash_kind;

/* The caller's, may be copied in mid-stream (both copies then go on by themselves). */
typedef struct at_hash {
    at_hash_kind kind;
    uint64_t opaque[16];
} at_hash;

size_t at_hash_len(at_hash_kind kind); /* bytes of the result; 0 for an unknown kind */
/* None of these allocates. False only for an unknown kind (then the context is useless). */
bool at_hash_start(at_hash *hash, at_hash_kind kind);
bool at_hash_add(at_hash *hash, const void *data, size_t len);
/* Writes at_hash_len(kind) bytes and wipes the context. */
bool at_hash_finish(at_hash *hash, uint8_t *out);
bool at_hash_of(at_hash_kind kind, const void *data, size_t len, uint8_t *out);

#endif
