/* Two sources behind one seam.
 *
 * System: getrandom in blocks of 256 bytes, because TCP ports and DNS ids are asked for two bytes
 * at a time. Bytes are wiped as they are handed out. The block remembers which process filled it:
 * a chip is forked from its bench, and must not draw the numbers that the bench (or the chip's
 * previous boot) will draw as well.
 *
 * Seeded: xoshiro256** (Blackman and Vigna, public domain algorithm), its state filled by
 * splitmix64 from the seed, taken little endian so that every machine gives the same bytes. What a
 * request does not use of a word is dropped; so the stream depends on the sequence of requests
 * only.
 */
#include "ports/linux/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static void fill_from_kernel(void *buf, size_t len)
{
    uint8_t *at = buf;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) /* no kernel since 3.17 does that; going on without entropy is worse */
            abort();
        at += got;
        len -= (size_t)got;
    }
}

static void system_fill(void *ctx, void *buf, size_t len)
{
    lx_random *r = ctx;
    uint8_t *from;

    if (len > sizeof r->buffer / 4) {
        fill_from_kernel(buf, len);
        return;
    }
    if (r->left < len || r->owner != getpid()) {
        fill_from_kernel(r->buffer, sizeof r->buffer);
        r->left = sizeof r->buffer;
        r->owner = getpid();
    }
    r->left -= len;
    from = r->buffer + r->left;
    memcpy(buf, from, len);
    memset(from, 0, len);
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64u - bits);
}

static uint64_t next_word(uint64_t s[4])
{
    uint64_t result = rotate(s[1] * 5u, 7) * 9u;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

static void seeded_fill(void *ctx, void *buf, size_t len)
{
    lx_random *r = ctx;
    uint8_t *at = buf;

    while (len > 0) {
        uint64_t word = next_word(r->state);

        for (size_t i = 0; i < 8 && len > 0; i++, len--) {
            *at++ = (uint8_t)word;
            word >>= 8;
        }
    }
}

void lx_random_system(lx_random *r)
{
    memset(r, 0, sizeof *r);
    r->random = (at_random){ .ctx = r, .fill = system_fill };
}

void lx_random_seeded(lx_random *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    r->random = (at_random){ .ctx = r, .fill = seeded_fill };
    for (size_t i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->state[i] = z ^ z >> 31;
    }
}

uint64_t lx_random_new_seed(void)
{
    uint32_t seed = 0;

    while (seed == 0)
        fill_from_kernel(&seed, sizeof seed);
    return seed;
}
