/* Random bytes of this process's module (iface/current.h), for keys, nonces and Mbed TLS. */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include <stddef.h>

#include "core/error.h"

/* AT_ERR_STATE, and buf zeroed, when the module has no source yet (at_the_current.random is
 * NULL). */
at_err at_random_fill(void *buf, size_t len);
/* The same in the shape of Mbed TLS's f_rng; unused is ignored. 0, or a negative library error. */
int at_random_for_tls(void *unused, unsigned char *buf, size_t len);

#endif
