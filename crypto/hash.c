/* MD5, SHA-1 and SHA-256 over Mbed TLS's own contexts.
 *
 * The library's contexts live inside ours as opaque words, so that no header of ours shows a type
 * of Mbed TLS and no allocation is needed (mbedtls_md, the library's own front for all hashes,
 * allocates its context). A context without hardware behind it is plain data; that is why it may be
 * copied, which the HMAC and PBKDF2 beside this file live on.
 */
#include "crypto/hash.h"

#include <mbedtls/md5.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>

typedef union context {
    mbedtls_md5_context md5;
    mbedtls_sha1_context sha1;
    mbedtls_sha256_context sha256;
} context;

_Static_assert(sizeof(context) <= sizeof(((at_hash *)0)->opaque), "at_hash is too small");
_Static_assert(_Alignof(context) <= _Alignof(uint64_t), "at_hash is not aligned enough");

static context *context_of(at_hash *hash)
{
    return (context *)(void *)hash->opaque;
}

size_t at_hash_len(at_hash_kind kind)
{
    switch (kind) {
    case AT_HASH_MD5: return AT_MD5_LEN;
    case AT_HASH_SHA1: return AT_SHA1_LEN;
    case AT_HASH_SHA256: return AT_SHA256_LEN;
    }
    return 0;
}

bool at_hash_start(at_hash *hash, at_hash_kind kind)
{
    context *c = context_of(hash);

    hash->kind = kind;
    switch (kind) {
    case AT_HASH_MD5: mbedtls_md5_init(&c->md5); return mbedtls_md5_starts(&c->md5) == 0;
    case AT_HASH_SHA1: mbedtls_sha1_init(&c->sha1); return mbedtls_sha1_starts(&c->sha1) == 0;
    case AT_HASH_SHA256:
        mbedtls_sha256_init(&c->sha256);
        return mbedtls_sha256_starts(&c->sha256, 0) == 0;
    }
    return false;
}

bool at_hash_add(at_hash *hash, const void *data, size_t len)
{
    context *c = context_of(hash);

    switch (hash->kind) {
    case AT_HASH_MD5: return mbedtls_md5_update(&c->md5, data, len) == 0;
    case AT_HASH_SHA1: return mbedtls_sha1_update(&c->sha1, data, len) == 0;
    case AT_HASH_SHA256: return mbedtls_sha256_update(&c->sha256, data, len) == 0;
    }
    return false;
}

bool at_hash_finish(at_hash *hash, uint8_t *out)
{
    context *c = context_of(hash);
    bool ok = false;

    switch (hash->kind) {
    case AT_HASH_MD5: ok = mbedtls_md5_finish(&c->md5, out) == 0; break;
    case AT_HASH_SHA1: ok = mbedtls_sha1_finish(&c->sha1, out) == 0; break;
    case AT_HASH_SHA256: ok = mbedtls_sha256_finish(&c->sha256, out) == 0; break;
    }
    mbedtls_platform_zeroize(hash->opaque, sizeof hash->opaque);
    return ok;
}

bool at_hash_of(at_hash_kind kind, const void *data, size_t len, uint8_t *out)
{
    at_hash hash;

    return at_hash_start(&hash, kind) && at_hash_add(&hash, data, len) &&
           at_hash_finish(&hash, out);
}
