/* The hooks of Mbed TLS: memory, random numbers, and nothing when there is no module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/heap.h"
#include "crypto/platform.h"
#include "crypto/random.h"
#include "iface/current.h"

/* Mbed TLS's side of the hooks; its headers are for crypto/ and net/ only. */
void *mbedtls_calloc(size_t count, size_t size);
void mbedtls_free(void *block);
int64_t mbedtls_ms_time(void);
extern time_t (*mbedtls_time)(time_t *also);

static void fill(void *ctx, void *buf, size_t len)
{
    memset(buf, *(int *)ctx, len);
}

static uint64_t now_us(void *ctx)
{
    return *(uint64_t *)ctx;
}

static void random_numbers(void **state)
{
    int value = 0x5A;
    const at_random random = { &value, fill };
    uint8_t buf[4] = { 1, 2, 3, 4 };

    (void)state;
    at_the_current.random = NULL;
    assert_int_equal(at_random_fill(buf, sizeof buf), AT_ERR_STATE);
    assert_int_equal(buf[0] | buf[3], 0);
    assert_true(at_random_for_tls(NULL, buf, sizeof buf) < 0);
    at_the_current.random = &random;
    assert_int_equal(at_random_for_tls(NULL, buf, sizeof buf), 0);
    assert_int_equal(buf[3], 0x5A);
    at_the_current.random = NULL;
}

static void memory_and_time(void **state)
{
    uint64_t time_us = 5000000;
    const at_clock clock = { &time_us, now_us };
    at_heap heap;
    void *block;

    (void)state;
    at_crypto_start();
    at_the_current.heap = NULL;
    assert_null(mbedtls_calloc(1, 1));
    at_heap_init(&heap, 1000);
    at_the_current.heap = &heap;
    block = mbedtls_calloc(10, 10);
    assert_non_null(block);
    assert_int_equal(heap.blocks, 1);
    assert_null(mbedtls_calloc(1, 1000));
    heap.fail_at = heap.calls + 1;
    assert_null(mbedtls_calloc(1, 1));
    mbedtls_free(block);
    mbedtls_free(NULL);
    assert_int_equal(heap.used, 0);

    at_the_current.clock = &clock;
    at_the_current.date_offset_us = 1700000000000000 - 5000000;
    assert_int_equal(mbedtls_ms_time(), 5000);
    assert_int_equal(mbedtls_time(NULL), 1700000000);
    at_the_current = (at_current){ 0 };
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_numbers),
        cmocka_unit_test(memory_and_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
