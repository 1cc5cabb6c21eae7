/* Fibers: switching, several at once, depth of the stack, the guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "ports/linux/fiber.h"

typedef struct job {
    at_fiber *fiber;
    uint64_t count;
    unsigned depth;
    double number;
    volatile uint64_t sum;
} job;

static void counting(void *arg)
{
    job *j = arg;

    for (;;) {
        j->count++;
        lx_fiber_ops.yield(j->fiber);
    }
}

static void a_million_switches(void **state)
{
    job j = { 0 };

    (void)state;
    j.fiber = lx_fiber_ops.create(16384, counting, &j);
    assert_non_null(j.fiber);
    for (uint64_t i = 1; i <= 1000000; i++) {
        lx_fiber_ops.resume(j.fiber);
        if (j.count != i)
            fail_msg("switch %u went astray", (unsigned)i);
    }
    lx_fiber_ops.destroy(j.fiber);
}

/* Values live across a yield in registers and on the stack, floating point included. */
static void remembering(void *arg)
{
    job *j = arg;
    uint64_t a = j->depth, b = a * 3, c = b ^ 0x5555, d = c + 7;
    double x = (double)a / 3.0, y = x * 1.5;

    for (;;) {
        lx_fiber_ops.yield(j->fiber);
        a += 1;
        b += a;
        c ^= b;
        d += c & 0xff;
        x += 0.25;
        y += x;
        j->sum = a + b + c + d;
        j->number = y;
    }
}

static void many_fibers_interleaved(void **state)
{
    enum { FIBERS = 17 };
    job jobs[FIBERS];

    (void)state;
    memset(jobs, 0, sizeof jobs);
    for (unsigned i = 0; i < FIBERS; i++) {
        jobs[i].depth = i % 2; /* two groups that must end up with equal values */
        jobs[i].fiber = lx_fiber_ops.create(8192 + 4096 * i, remembering, &jobs[i]);
        assert_non_null(jobs[i].fiber);
    }
    for (unsigned round = 0; round < 1000; round++)
        for (unsigned i = 0; i < FIBERS; i++)
            lx_fiber_ops.resume(jobs[(i * 5) % FIBERS].fiber);
    for (unsigned i = 2; i < FIBERS; i++) {
        assert_true(jobs[i].sum == jobs[i % 2].sum);
        assert_true(jobs[i].number == jobs[i % 2].number);
    }
    for (unsigned i = 0; i < FIBERS; i++)
        lx_fiber_ops.destroy(jobs[i].fiber);
}

static __attribute__((noinline)) uint64_t deep(job *j, unsigned level)
{
    volatile uint8_t block[256];

    memset((void *)block, (int)level, sizeof block);
    if (level == 0) {
        lx_fiber_ops.yield(j->fiber); /* suspended with everything on the stack */
        return block[17];
    }
    return deep(j, level - 1) + block[level % sizeof block];
}

static void diving(void *arg)
{
    job *j = arg;

    j->sum = deep(j, j->depth);
    for (;;)
        lx_fiber_ops.yield(j->fiber);
}

static void a_deep_stack(void **state)
{
    job j = { .depth = 200 };
    uint64_t expected = 0;

    (void)state;
    for (unsigned level = 1; level <= j.depth; level++)
        expected += (uint8_t)level;
    j.fiber = lx_fiber_ops.create(128 * 1024, diving, &j);
    assert_non_null(j.fiber);
    lx_fiber_ops.resume(j.fiber);
    assert_true(j.sum == 0);
    lx_fiber_ops.resume(j.fiber);
    assert_true(j.sum == expected);
    lx_fiber_ops.destroy(j.fiber);
}

/* A suspended fiber leaves poisoned stack behind; the next mapping must not inherit that. */
static void created_again_and_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        job j = { .depth = 10 };

        j.fiber = lx_fiber_ops.create(32768, i % 2 != 0 ? diving : counting, &j);
        assert_non_null(j.fiber);
        lx_fiber_ops.resume(j.fiber);
        lx_fiber_ops.destroy(j.fiber);
    }
    lx_fiber_ops.destroy(NULL);
}

static void running_over_the_end_is_caught(void **state)
{
    int status = 0;
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = { 0, 0 };
        job j = { .depth = 100000 };

        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO); /* a sanitizer's report is expected here */
        j.fiber = lx_fiber_ops.create(16384, diving, &j);
        if (j.fiber != NULL)
            lx_fiber_ops.resume(j.fiber);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void impossible_sizes_fail(void **state)
{
    (void)state;
    assert_null(lx_fiber_ops.create(SIZE_MAX / 2, counting, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_switches),
        cmocka_unit_test(many_fibers_interleaved),
        cmocka_unit_test(a_deep_stack),
        cmocka_unit_test(created_again_and_again),
        cmocka_unit_test(running_over_the_end_is_caught),
        cmocka_unit_test(impossible_sizes_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
