/* The byte ring against a plain queue, around every wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/ring.h"

#define SIZE 16u

static void spans_around_the_wrap(void **state)
{
    uint8_t buffer[SIZE], out[SIZE], *space;
    const uint8_t *span;
    at_ring ring;

    (void)state;
    at_ring_init(&ring, buffer, SIZE);
    assert_int_equal(at_ring_space(&ring, &space), SIZE);
    assert_int_equal(at_ring_write(&ring, "0123456789AB", 12), 12);
    assert_int_equal(at_ring_drop(&ring, 10), 10);
    assert_int_equal(at_ring_space(&ring, &space), 4);
    memcpy(space, "CDEF", 4);
    at_ring_commit(&ring, 4);
    assert_int_equal(at_ring_space(&ring, &space), 10);
    assert_ptr_equal(space, buffer);
    memcpy(space, "ghi", 3);
    at_ring_commit(&ring, 3);
    assert_int_equal(at_ring_used(&ring), 9);
    assert_int_equal(at_ring_room(&ring), 7);
    assert_int_equal(at_ring_span(&ring, 0, &span), 6);
    assert_memory_equal(span, "ABCDEF", 6);
    assert_int_equal(at_ring_span(&ring, 1, &span), 3);
    assert_memory_equal(span, "ghi", 3);
    assert_int_equal(at_ring_span(&ring, 2, &span), 0);
    assert_int_equal(at_ring_peek(&ring, 5, out, 2), 2);
    assert_memory_equal(out, "Fg", 2);
    assert_int_equal(at_ring_peek(&ring, 7, out, 9), 2);
    assert_int_equal(at_ring_peek(&ring, 9, out, 9), 0);
    assert_int_equal(at_ring_consume(&ring, out, SIZE), 9);
    assert_memory_equal(out, "ABCDEFghi", 9);
    assert_int_equal(at_ring_drop(&ring, 1), 0);
    at_ring_clear(&ring);
    assert_int_equal(at_ring_write(&ring, "0123456789ABCDEFgh", 18), SIZE);
    assert_int_equal(at_ring_space(&ring, &space), 0);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void random_use(void **state)
{
    uint32_t seed = 8;
    uint8_t buffer[SIZE], in = 0, out = 0;
    at_ring ring;

    (void)state;
    at_ring_init(&ring, buffer, SIZE);
    ring.in = ring.out = SIZE_MAX - 100; /* the counters wrap too; a multiple is not needed */
    for (unsigned turn = 0; turn < 100000; turn++) {
        uint8_t data[SIZE + 4];
        size_t len = next_random(&seed) % sizeof data, done;

        if (next_random(&seed) % 2 == 0) {
            for (size_t i = 0; i < len; i++)
                data[i] = (uint8_t)(in + i);
            done = at_ring_write(&ring, data, len);
            assert_int_equal(done, AT_MIN(len, SIZE - (uint8_t)(in - out)));
            in = (uint8_t)(in + done);
        } else {
            done = at_ring_consume(&ring, data, len);
            assert_int_equal(done, AT_MIN(len, (size_t)(uint8_t)(in - out)));
            for (size_t i = 0; i < done; i++)
                assert_int_equal(data[i], (uint8_t)(out + i));
            out = (uint8_t)(out + done);
        }
        assert_int_equal(at_ring_used(&ring), (uint8_t)(in - out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_around_the_wrap),
        cmocka_unit_test(random_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
