/* What Mbed TLS needs from us: memory, entropy and time, all through iface/current.h. */
#ifndef CRYPTO_PLATFORM_H
#define CRYPTO_PLATFORM_H

/* Once at boot, after at_the_current is set and before anything of Mbed TLS that allocates: from
 * then on the library's memory is at_the_current.heap's (none while that is NULL: allocations
 * fail), and its calendar time is at_the_current's. Processes that never call it (the air, tests)
 * get the C library's calloc, which is the library's own default. crypto/ itself allocates
 * nothing. */
void at_crypto_start(void);

#endif
