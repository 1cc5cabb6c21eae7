/* Vectors written as hex digits, and random bytes that repeat: for tests of codecs and of cryptography.
 * Included behind <cmocka.h>; each test program has functions of its own. */
#ifndef UNIT_VECTORS_H
#define UNIT_VECTORS_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

#define VECTOR_MAX 256u /* bytes that expect() compares at most */

/* Bytes from hex digits; returns how many. */
static inline size_t hex(const char *digits, uint8_t *out)
{
    size_t len = 0;

    for (; digits[0] != '\0'; digits += 2) {
        const char pair[5] = { '0', 'x', digits[0], digits[1], '\0' };
        int64_t value;

        assert_true(at_parse_int(pair, 4, &value));
        out[len++] = (uint8_t)value;
    }
    return len;
}

static inline void expect(const void *got, const char *digits)
{
    uint8_t bytes[VECTOR_MAX];
    size_t len = hex(digits, bytes);

    assert_memory_equal(got, bytes, len);
}

/* at_random's fill; ctx is the seed, a uint64_t. */
static inline void fill(void *ctx, void *buf, size_t len)
{
    uint64_t *seed = ctx;

    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)buf)[i] = (uint8_t)(*seed >> 56);
    }
}

#endif
