/* The command fiber: signals, time, cancel, wake-ups too many, and a hundred thousand commands. */
#include "harness.h"

static void a_signal_ends_a_wait(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+WAIT=1000", "");
    rig_advance(r, 999);
    rig_expect(r, "");
    at_signal_raise(&r->signal);
    rig_expect(r, ""); /* the handler never runs inside raise */
    rig_run(r);
    rig_expect(r, "+WAIT:0\r\n" OK);
    assert_int_equal(r->loop.timer_count, 0);
    rig_free(r);
}

static void a_signal_stays_raised_until_it_is_taken(void **state)
{
    rig *r = rig_new();
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        at_signal_raise(&r->signal); /* count as one */
    rig_run(r);
    rig_ask(r, "AT+WAIT=1000", "+WAIT:0\r\n" OK);
    rig_ask(r, "AT+WAIT=10", "");
    rig_advance(r, 10);
    rig_expect(r, "+WAIT:-4\r\n" OK);
    rig_free(r);
}

static void time_ends_a_wait_exactly(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+WAIT=0", "+WAIT:-4\r\n" OK);
    rig_ask(r, "AT+WAIT=50", "");
    rig_advance(r, 49);
    rig_expect(r, "");
    rig_advance(r, 1);
    rig_expect(r, "+WAIT:-4\r\n" OK);
    rig_free(r);
}

static void a_signal_and_the_time_at_once(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+WAIT=50", "");
    at_signal_raise(&r->signal);
    rig_advance(r, 50);
    rig_expect(r, "+WAIT:0\r\n" OK);
    rig_free(r);
}

static void wake_ups_too_many_change_nothing(void **state)
{
    rig *r = rig_new();
    at_signal other = { 0 };
    (void)state;
    other.waiter = r->s;
    rig_ask(r, "AT+WAIT=1000", "");
    for (unsigned i = 0; i < 100; i++) {
        at_signal_raise(&other);
        at_stream_poke(r->s);
        rig_advance(r, 5);
    }
    rig_expect(r, "");
    rig_advance(r, 499);
    rig_expect(r, "");
    rig_advance(r, 1);
    rig_expect(r, "+WAIT:-4\r\n" OK);
    at_signal_raise(&other); /* nobody waits at all */
    rig_run(r);
    rig_ask(r, "AT", OK);
    rig_free(r);
}

static void a_cancel_ends_the_wait_and_every_later_one(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+STUBBORN", "");
    at_session_cancel(r->s);
    rig_expect(r, "");
    rig_run(r);
    rig_expect(r, ""); /* its writes and its OK vanished */
    assert_int_equal(r->last, AT_ERR_CANCELLED);
    assert_int_equal(at_session_mode(r->s), AT_MODE_COMMAND);
    rig_ask(r, "AT+WAIT=1", ""); /* the next command is not cancelled */
    rig_advance(r, 1);
    rig_expect(r, "+WAIT:-4\r\n" OK);
    rig_free(r);
}

static void a_cancel_without_a_command_does_nothing(void **state)
{
    rig *r = rig_new();
    (void)state;
    at_session_cancel(r->s);
    rig_run(r);
    rig_ask(r, "AT+OK?", "+OK:1\r\n" OK);
    rig_free(r);
}

static void a_cancel_in_every_data_mode(void **state)
{
    static const char *const lines[] = { "AT+COUNT=5\r\n", "AT+ESC=5\r\n", "AT+STREAM=5\r\n",
                                         "AT+PASS\r\n", "AT+SPEC\r\n" };
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        rig *r = rig_new();
        rig_say(r, lines[i]);
        rig_say(r, "abc");
        r->out_len = 0;
        at_session_cancel(r->s);
        rig_run(r);
        rig_expect(r, "");
        assert_int_equal(r->last, AT_ERR_CANCELLED);
        assert_int_equal(at_session_mode(r->s), AT_MODE_COMMAND);
        rig_advance(r, 20);
        rig_ask(r, "AT", OK);
        rig_free(r);
    }
}

static void a_cancel_while_waiting_for_room(void **state)
{
    rig *r = rig_new();
    (void)state;
    r->room = 100;
    rig_say(r, "AT+BIG=50000\r\n");
    at_session_cancel(r->s);
    rig_run(r);
    assert_int_equal(at_session_mode(r->s), AT_MODE_COMMAND);
    r->room = SIZE_MAX;
    rig_run(r);
    assert_true(r->out_len < 50000);
    r->out_len = 0;
    rig_ask(r, "AT", OK);
    rig_free(r);
}

static void a_hundred_thousand_commands_leave_nothing_behind(void **state)
{
    rig *r = rig_new();
    size_t used = r->heap.used;
    uint64_t calls = r->heap.calls;
    (void)state;
    for (unsigned i = 0; i < 25000; i++) {
        rig_say(r, "AT\r\nAT+OK?\r\nAT+NONE\r\n");
        rig_expect(r, OK "+OK:1\r\n" OK ERROR);
        rig_ask(r, "AT+WAIT=1", "");
        rig_advance(r, 1);
        rig_expect(r, "+WAIT:-4\r\n" OK);
    }
    assert_int_equal(r->heap.used, used);
    assert_int_equal(r->heap.calls, calls);
    assert_int_equal(r->loop.timer_count, 0);
    rig_free(r);
}

static void idle_means_nothing_to_do(void **state)
{
    rig *r = rig_new();
    (void)state;
    assert_true(at_session_idle(r->s));
    rig_ask(r, "AT+WAIT=5", "");
    assert_false(at_session_idle(r->s));
    r->room = 0;
    rig_advance(r, 5);
    assert_int_equal(at_session_mode(r->s), AT_MODE_COMMAND);
    assert_false(at_session_idle(r->s)); /* its answer is not out */
    r->room = SIZE_MAX;
    rig_run(r);
    assert_true(at_session_idle(r->s));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_ends_a_wait),
        cmocka_unit_test(a_signal_stays_raised_until_it_is_taken),
        cmocka_unit_test(time_ends_a_wait_exactly),
        cmocka_unit_test(a_signal_and_the_time_at_once),
        cmocka_unit_test(wake_ups_too_many_change_nothing),
        cmocka_unit_test(a_cancel_ends_the_wait_and_every_later_one),
        cmocka_unit_test(a_cancel_without_a_command_does_nothing),
        cmocka_unit_test(a_cancel_in_every_data_mode),
        cmocka_unit_test(a_cancel_while_waiting_for_room),
        cmocka_unit_test(a_hundred_thousand_commands_leave_nothing_behind),
        cmocka_unit_test(idle_means_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
