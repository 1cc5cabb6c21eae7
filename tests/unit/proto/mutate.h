/* Seeded garbling for decoder tests: repeatable from the seed. */
#ifndef UNIT_PROTO_MUTATE_H
#define UNIT_PROTO_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#define MUTATIONS 100000u

uint32_t mutate_random(uint32_t *seed);
/* Changes up to four bytes, now and then cuts the end; returns the new length. */
size_t mutate(uint32_t *seed, uint8_t *data, size_t len);

#endif
