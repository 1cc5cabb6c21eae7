/* The heart of SHA-1 (FIPS 180-4, 6.1.2): one block into the state, as PBKDF2 needs it 16,384 times. */
#ifndef CRYPTO_SHA1_BLOCK_H
#define CRYPTO_SHA1_BLOCK_H

#include <stdint.h>

/* state: the five words; block: 64 bytes. Nothing is kept or allocated. */
typedef void at_sha1_block(uint32_t state[5], const uint8_t block[64]);

at_sha1_block at_sha1_block_plain; /* Mbed TLS's */

/* What this machine does best. May take a few microseconds: ask once per key. */
at_sha1_block *at_sha1_block_best(void);

#endif
