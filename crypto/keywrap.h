/* AES key wrap (RFC 3394) with the default initial value. */
#ifndef CRYPTO_KEYWRAP_H
#define CRYPTO_KEYWRAP_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define AT_KEYWRAP_EXTRA 8u /* bytes that wrapping adds */

/* Wraps len bytes (a multiple of 8, at least 16) into len + AT_KEYWRAP_EXTRA bytes at out, which
 * must not overlap in. kek_len 16, 24 or 32. Returns AT_OK or AT_ERR_INVALID (a length). No
 * allocation. */
at_err at_keywrap(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t len, uint8_t *out);
/* The reverse: len bytes (at least 24) into len - AT_KEYWRAP_EXTRA. AT_ERR_AUTH: the check failed,
 * it was another key or the bytes were changed; out is then zeroed. */
at_err at_keyunwrap(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t len,
                    uint8_t *out);

#endif
