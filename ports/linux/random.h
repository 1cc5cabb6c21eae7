/* Random numbers as iface/random: the kernel's, or a stream that a seed repeats. */
#ifndef PORTS_LINUX_RANDOM_H
#define PORTS_LINUX_RANDOM_H

#include <stdint.h>
#include <sys/types.h>

#include "iface/random.h"

typedef struct lx_random {
    at_random random;  /* give &r->random away; the structure must stay where it is */
    uint64_t state[4]; /* of the seeded stream */
    size_t left;       /* bytes of the buffer not handed out */
    pid_t owner;       /* the process that filled the buffer */
    uint8_t buffer[256];
} lx_random;

/* The kernel's random numbers; a fork never hands out bytes that its parent has too. */
void lx_random_system(lx_random *r);
/* The same bytes for the same seed, on every machine. Not for keys that protect anything. */
void lx_random_seeded(lx_random *r, uint64_t seed);
/* A seed for a run that was given none: never 0, small enough to type (32 bits). */
uint64_t lx_random_new_seed(void);

#endif
