/* SHA-1 with the instructions that x86 processors have for it since 2016: a third of the time.
 *
 * sha1rnds4 does four rounds on a, b, c and d, highest word first, with e and four words of the message
 * in another register; what becomes of e in the meantime is sha1nexte's business. The message schedule
 * needs the last sixteen words, four registers that go round. A processor without these instructions
 * (and an emulator that hides them) gets the plain function.
 */
#include <cpuid.h>
#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>

#include "crypto/sha1_block.h"

#define WITH_SHA __attribute__((target("sha,sse4.1")))

/* Rounds 4 * i to 4 * i + 3, then w[i % 4] becomes the words that come 16 rounds later. */
#define ROUNDS(i, function)                                                                      \
    do {                                                                                         \
        __m128i with_e = (i) == 0 ? _mm_add_epi32(e, w[0]) : _mm_sha1nexte_epu32(e, w[(i) % 4]); \
                                                                                                 \
        e = abcd;                                                                                \
        abcd = _mm_sha1rnds4_epu32(abcd, with_e, function);                                      \
        w[(i) % 4] = _mm_sha1msg2_epu32(                                                         \
            _mm_xor_si128(_mm_sha1msg1_epu32(w[(i) % 4], w[((i) + 1) % 4]), w[((i) + 2) % 4]),   \
            w[((i) + 3) % 4]);                                                                   \
    } while (0)

#define TWENTY(i, function)      \
    do {                         \
        ROUNDS(i, function);     \
        ROUNDS(i + 1, function); \
        ROUNDS(i + 2, function); \
        ROUNDS(i + 3, function); \
        ROUNDS(i + 4, function); \
    } while (0)

static WITH_SHA void block_with_sha(uint32_t state[5], const uint8_t block[64])
{
    const __m128i reversed = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    const __m128i abcd_before =
        _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0x1B);
    const __m128i e_before = _mm_set_epi32((int)state[4], 0, 0, 0);
    __m128i abcd = abcd_before, e = e_before, w[4];

    for (int i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(
            _mm_loadu_si128((const __m128i *)(const void *)(block + (ptrdiff_t)16 * i)), reversed);
    TWENTY(0, 0);
    TWENTY(5, 1);
    TWENTY(10, 2);
    TWENTY(15, 3);
    e = _mm_sha1nexte_epu32(e, e_before);
    abcd = _mm_add_epi32(abcd, abcd_before);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_shuffle_epi32(abcd, 0x1B));
    state[4] = (uint32_t)_mm_extract_epi32(e, 3);
}

static bool has_sha(void)
{
    enum { SSSE3 = 1u << 9, SSE41 = 1u << 19, SHA = 1u << 29 };
    unsigned a, b, c, d, extended;

    if (__get_cpuid_count(7, 0, &a, &extended, &c, &d) == 0 || __get_cpuid(1, &a, &b, &c, &d) == 0)
        return false;
    return (c & SSSE3) != 0 && (c & SSE41) != 0 && (extended & SHA) != 0;
}

at_sha1_block *at_sha1_block_best(void)
{
    return has_sha() ? block_with_sha : at_sha1_block_plain;
}
