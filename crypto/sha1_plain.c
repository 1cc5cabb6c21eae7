/* Mbed TLS keeps the state in a context; only that of a context is looked at by its block function. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <mbedtls/sha1.h>
#include <string.h>

#include "crypto/sha1_block.h"

void at_sha1_block_plain(uint32_t state[5], const uint8_t block[64])
{
    mbedtls_sha1_context context;

    memcpy(context.state, state, sizeof context.state);
    (void)mbedtls_internal_sha1_process(&context, block);
    memcpy(state, context.state, sizeof context.state);
}
