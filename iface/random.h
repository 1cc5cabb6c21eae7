/* Random numbers as a seam: the port decides between entropy and a seeded, repeatable stream. */
#ifndef IFACE_RANDOM_H
#define IFACE_RANDOM_H

#include <stddef.h>

typedef struct at_random {
    void *ctx;
    /* Fills buf; cannot fail. */
    void (*fill)(void *ctx, void *buf, size_t len);
} at_random;

#endif
