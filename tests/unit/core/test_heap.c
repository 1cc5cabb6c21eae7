/* The heap: accounting, budget, alignment, overflow, and every allocation failing once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/heap.h"
#include "core/limits.h"

static void accounting(void **state)
{
    at_heap heap;
    size_t header, before;
    char *a, *b;

    (void)state;
    at_heap_init(&heap, SIZE_MAX);
    a = at_alloc(&heap, 0);
    assert_non_null(a);
    header = heap.used;
    assert_true(header >= sizeof(size_t));
    at_free(&heap, a);
    a = at_alloc(&heap, 100);
    b = at_calloc(&heap, 10, 5);
    assert_int_equal(heap.used, 150 + 2 * header);
    assert_int_equal(heap.blocks, 2);
    assert_int_equal((uintptr_t)a % _Alignof(max_align_t), 0);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(b[i], 0);
    memset(a, 'x', 100);
    before = heap.peak;
    a = at_realloc(&heap, a, 50);
    assert_int_equal(heap.used, 100 + 2 * header);
    assert_int_equal(heap.peak, before);
    a = at_realloc(&heap, a, 200);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(a[i], 'x');
    assert_int_equal(heap.peak, 250 + 2 * header);
    at_free(&heap, a);
    at_free(&heap, b);
    at_free(&heap, NULL);
    assert_int_equal(heap.used, 0);
    assert_int_equal(heap.blocks, 0);
    assert_int_equal(at_heap_left(&heap), AT_HEAP_NOMINAL);
    assert_int_equal(at_heap_least(&heap), AT_HEAP_NOMINAL - heap.peak);
}

static void budget(void **state)
{
    at_heap heap;
    void *a, *b;

    (void)state;
    at_heap_init(&heap, 1000);
    a = at_alloc(&heap, 600);
    assert_non_null(a);
    assert_null(at_alloc(&heap, 600));
    assert_null(at_calloc(&heap, 60, 10));
    assert_null(at_realloc(&heap, a, 1000));
    assert_int_equal(heap.blocks, 1);
    a = at_realloc(&heap, a, 900); /* what it gives back counts */
    assert_non_null(a);
    b = at_alloc_reserve(&heap, 600);
    assert_non_null(b);
    assert_true(heap.used > heap.budget);
    assert_int_equal(at_heap_left(&heap), 0);
    assert_int_equal(at_heap_least(&heap), 0);
    assert_null(at_alloc(&heap, 0));
    at_free(&heap, a);
    at_free(&heap, b);
    assert_int_equal(at_heap_left(&heap), 1000);
}

static void overflow(void **state)
{
    at_heap heap;

    (void)state;
    at_heap_init(&heap, SIZE_MAX);
    assert_null(at_alloc(&heap, SIZE_MAX));
    assert_null(at_alloc_reserve(&heap, SIZE_MAX));
    assert_null(at_calloc(&heap, SIZE_MAX / 2, 3));
    assert_null(at_calloc(&heap, 2, SIZE_MAX / 2 + 1));
    assert_null(at_realloc(&heap, NULL, SIZE_MAX - 4));
    assert_int_equal(heap.used, 0);
    assert_int_equal(heap.calls, 4);
}

/* Takes everything or nothing. */
static bool three_blocks(at_heap *heap)
{
    void *a = at_alloc(heap, 10), *b = at_calloc(heap, 1, 10), *c = NULL;
    bool ok = a != NULL && b != NULL;

    if (ok) {
        c = at_realloc(heap, b, 20);
        ok = c != NULL;
        b = ok ? NULL : b;
    }
    at_free(heap, a);
    at_free(heap, b);
    at_free(heap, c);
    return ok;
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    for (uint64_t n = 0; n <= 4; n++) {
        at_heap heap;

        at_heap_init(&heap, SIZE_MAX);
        heap.fail_at = n;
        assert_int_equal(three_blocks(&heap), n == 0 || n == 4);
        assert_int_equal(heap.used, 0);
        assert_true(three_blocks(&heap) || heap.fail_at == 4); /* once, not for ever */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounting),
        cmocka_unit_test(budget),
        cmocka_unit_test(overflow),
        cmocka_unit_test(every_allocation_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
