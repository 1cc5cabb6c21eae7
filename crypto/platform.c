/* The hooks of Mbed TLS and our random numbers, all on the one pointer of iface/current.h.
 *
 * They come without a context: this file is one of those that may read at_the_current. Entropy is
 * the port's (a seeded stream in tests makes whole TLS sessions repeatable). The monotonic clock
 * drives the library's timers; its calendar time is the module's own date, which SNTP or
 * AT+SYSTIMESTAMP sets and certificates are judged by.
 */
#include "crypto/platform.h"

#include <mbedtls/entropy.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_time.h>
#include <string.h>

#include "core/heap.h"
#include "crypto/random.h"
#include "iface/current.h"

at_err at_random_fill(void *buf, size_t len)
{
    const at_random *random = at_the_current.random;

    if (random == NULL) {
        memset(buf, 0, len);
        return AT_ERR_STATE;
    }
    random->fill(random->ctx, buf, len);
    return AT_OK;
}

int at_random_for_tls(void *unused, unsigned char *buf, size_t len)
{
    (void)unused;
    return at_random_fill(buf, len) == AT_OK ? 0 : MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
}

/* Declared in a private header of the library only. */
int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen);

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen)
{
    int error = at_random_for_tls(data, output, len);

    *olen = error == 0 ? len : 0;
    return error;
}

static uint64_t now_us(void)
{
    const at_clock *clock = at_the_current.clock;

    return clock != NULL ? clock->now_us(clock->ctx) : 0;
}

mbedtls_ms_time_t mbedtls_ms_time(void)
{
    return (mbedtls_ms_time_t)(now_us() / 1000);
}

static mbedtls_time_t calendar_time(mbedtls_time_t *also)
{
    int64_t now = (int64_t)now_us() + at_the_current.date_offset_us;
    mbedtls_time_t seconds = (mbedtls_time_t)(now / 1000000);

    if (also != NULL)
        *also = seconds;
    return seconds;
}

static void *allocate(size_t count, size_t size)
{
    return at_the_current.heap != NULL ? at_calloc(at_the_current.heap, count, size) : NULL;
}

static void release(void *block)
{
    if (block != NULL)
        at_free(at_the_current.heap, block);
}

void at_crypto_start(void)
{
    (void)mbedtls_platform_set_calloc_free(allocate, release);
    (void)mbedtls_platform_set_time(calendar_time);
}
