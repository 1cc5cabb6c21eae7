/* Seeded garbling. The decoder under test gets a copy in a block of exactly its length, so that the
 * sanitizer sees every byte read behind the end. */
#include "mutate.h"

uint32_t mutate_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

size_t mutate(uint32_t *seed, uint8_t *data, size_t len)
{
    for (uint32_t n = mutate_random(seed) % 5; n > 0 && len > 0; n--) {
        uint32_t at = mutate_random(seed) % (uint32_t)len;

        if (mutate_random(seed) % 2 == 0)
            data[at] = (uint8_t)mutate_random(seed);
        else
            data[at] ^= (uint8_t)(1u << mutate_random(seed) % 8);
    }
    return mutate_random(seed) % 4 == 0 ? mutate_random(seed) % (len + 1) : len;
}
