/* Making a session: every allocation fails once, and the fiber's too; nothing is left over. */
#include "harness.h"

static uint64_t clock_stands(void *ctx)
{
    (void)ctx;
    return 0;
}

static void wait_not(void *ctx, uint64_t deadline_us)
{
    (void)ctx;
    (void)deadline_us;
}

static at_fiber *no_fiber(size_t stack_size, void (*entry)(void *arg), void *arg)
{
    (void)stack_size;
    (void)entry;
    (void)arg;
    return NULL;
}

typedef struct bare {
    at_clock clock;
    at_waiter waiter;
    at_loop loop;
    at_heap heap;
    at_byteport port;
} bare;

/* What a rig's session is made of, with a heap that can fail. */
static at_session *create(bare *b, const rig *r, uint64_t fail_at, const at_fiber_ops *fibers)
{
    at_session_config config = r->config;
    b->clock = (at_clock){ b, clock_stands };
    b->waiter = (at_waiter){ b, wait_not };
    at_loop_init(&b->loop, &b->clock, &b->waiter);
    at_heap_init(&b->heap, SIZE_MAX);
    b->heap.fail_at = fail_at;
    b->port = r->port;
    config.loop = &b->loop;
    config.heap = &b->heap;
    config.port = &b->port;
    config.fibers = fibers;
    return at_session_create(&config);
}

static void every_allocation_fails_once(void **state)
{
    rig *r = rig_new();
    uint64_t failures = 0;
    at_session *s;
    bare b;
    (void)state;
    while ((s = create(&b, r, failures + 1, r->config.fibers)) == NULL) {
        failures++;
        assert_int_equal(b.heap.blocks, 0);
        assert_int_equal(b.heap.used, 0);
        assert_int_equal(b.loop.timer_count, 0);
        assert_null(b.loop.prepare);
        assert_null(b.loop.first_task);
    }
    assert_int_equal(failures, b.heap.calls); /* each one was needed */
    assert_true(failures >= 4);
    at_session_destroy(s);
    assert_int_equal(b.heap.blocks, 0);
    rig_free(r);
}

static void no_fiber_no_session(void **state)
{
    rig *r = rig_new();
    at_fiber_ops fibers = *r->config.fibers;
    bare b;
    (void)state;
    fibers.create = no_fiber;
    assert_null(create(&b, r, 0, &fibers));
    assert_int_equal(b.heap.blocks, 0);
    assert_int_equal(b.heap.used, 0);
    rig_free(r);
}

/* After boot a session takes no memory: its commands cannot run out of it. */
static void a_running_session_allocates_nothing(void **state)
{
    rig *r = rig_new();
    uint64_t calls = r->heap.calls;
    (void)state;
    r->heap.budget = r->heap.used;
    rig_ask(r, "AT+ARGS=1,2,\"x\"", OK);
    rig_ask(r, "AT+COUNT=2", PROMPT);
    rig_ask(r, "", "\r\nRecv 2 bytes\r\n\r\nSEND OK\r\n");
    rig_ask(r, "AT+NONE", ERROR);
    assert_int_equal(r->heap.calls, calls);
    rig_free(r);
}

static void a_session_can_end_at_any_moment(void **state)
{
    static const char *const moments[] = { "AT",
                                           "AT+WAIT=100\r\n",
                                           "AT+WAIT=100\r\nAT+R",
                                           "AT+PASS\r\n++",
                                           "AT+COUNT=5\r\nabc",
                                           "AT+BIG=50000\r\n" };
    (void)state;
    for (unsigned i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        rig *r = rig_new();
        r->room = 50;
        rig_say(r, moments[i]);
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(no_fiber_no_session),
        cmocka_unit_test(a_running_session_allocates_nothing),
        cmocka_unit_test(a_session_can_end_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
