/* What goes to the host: whole messages in order however slowly the port takes them, notices, bulk
 * sources, and who goes first. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/bytes.h"
#include "core/limits.h"

/* The port takes bytes a few at a time until all is quiet. */
static void trickle(rig *r, size_t step)
{
    size_t before;
    do {
        before = r->out_len;
        r->room = step;
        rig_run(r);
    } while (r->out_len > before);
    r->room = SIZE_MAX;
    rig_run(r);
}

static void expect_rows(rig *r, unsigned count)
{
    char want[32];
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t len = (size_t)snprintf(want, sizeof(want), "+ROWS:%u\r\n", i);
        assert_true(at + len <= r->out_len);
        assert_memory_equal(r->out + at, want, len);
        at += len;
    }
    assert_int_equal(r->out_len, at + 6);
    assert_memory_equal(r->out + at, OK, 6);
    r->out_len = 0;
}

static void rows_arrive_whole_however_slow_the_port(void **state)
{
    static const size_t steps[] = { 1, 2, 3, 5, 7, 64, 511, 512, 513, 4096, 16384 };
    (void)state;
    for (size_t i = 0; i < AT_COUNT(steps); i++) {
        rig *r = rig_new();
        r->room = 0;
        rig_say(r, "AT+ROWS=3000\r\n"); /* more than the buffer holds */
        assert_int_equal(at_session_mode(r->s), AT_MODE_EXECUTING);
        trickle(r, steps[i]);
        expect_rows(r, 3000);
        rig_free(r);
    }
}

static void writes_of_a_few_bytes_each(void **state)
{
    rig *r = rig_new();
    (void)state;
    for (r->write_max = 1; r->write_max < 40; r->write_max += 3) {
        rig_say(r, "AT+ROWS=2000\r\n");
        expect_rows(r, 2000);
    }
    rig_free(r);
}

static void lines_wait_for_room_for_their_echo(void **state)
{
    rig *r = rig_new();
    (void)state;
    at_session_set_echo(r->s, true);
    r->room = 0;
    for (unsigned i = 0; i < 1500; i++)
        rig_say(r, "AT\r\n");
    trickle(r, 333);
    assert_int_equal(r->out_len, 1500 * 10);
    for (unsigned i = 0; i < 1500; i++)
        assert_memory_equal(r->out + i * 10, "AT\r\n" OK, 10);
    rig_free(r);
}

static void check_big(rig *r, size_t len)
{
    assert_int_equal(r->out_len, len + 6);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(r->out[i], 'a' + i % 26);
    assert_memory_equal(r->out + len, OK, 6);
}

static void a_message_of_any_length(void **state)
{
    static const size_t lengths[] = { 1, 511, 512, 513, 16383, 16384, 16385, 32768, 50000, 100000 };
    (void)state;
    for (size_t i = 0; i < AT_COUNT(lengths); i++)
        for (size_t step = 1; step <= 20000; step = step * 7 + 100) {
            char line[32];
            rig *r = rig_new();
            r->room = 0;
            snprintf(line, sizeof(line), "AT+BIG=%zu\r\n", lengths[i]);
            rig_say(r, line);
            trickle(r, step);
            check_big(r, lengths[i]);
            rig_free(r);
        }
}

/* --- notices --- */

typedef struct notice {
    at_notice base;
    const char *text;
    unsigned formatted;
    at_session *again; /* posts itself once more while it is formatted */
} notice;

static size_t format_text(void *arg, char *buf, size_t room)
{
    notice *n = arg;
    size_t len = strlen(n->text);
    assert_true(room >= AT_MESSAGE_MAX);
    memcpy(buf, n->text, len);
    n->formatted++;
    if (n->again != NULL) {
        at_session *s = n->again;
        n->again = NULL;
        at_notice_post(s, &n->base);
    }
    return len;
}

static notice notice_of(const char *text)
{
    return (notice){ .base = { .format = format_text }, .text = text };
}

static void post(rig *r, notice *n)
{
    n->base.arg = n;
    at_notice_post(r->s, &n->base);
}

static void notices_come_in_order_and_once(void **state)
{
    rig *r = rig_new();
    notice a = notice_of("A\r\n"), b = notice_of("B\r\n"), c = notice_of("C\r\n");
    (void)state;
    post(r, &b);
    post(r, &a);
    post(r, &b);
    post(r, &c);
    post(r, &a);
    rig_expect(r, ""); /* never inside the caller */
    rig_run(r);
    rig_expect(r, "B\r\nA\r\nC\r\n");
    post(r, &b);
    rig_run(r);
    rig_expect(r, "B\r\n");
    assert_int_equal(b.formatted, 2);
    rig_free(r);
}

static void a_notice_is_formatted_when_there_is_room(void **state)
{
    rig *r = rig_new();
    notice a = notice_of("old\r\n");
    (void)state;
    r->room = 0;
    rig_say(r, "AT+BIG=16384\r\n"); /* the buffer is full, the OK waits */
    post(r, &a);
    rig_run(r);
    assert_int_equal(a.formatted, 0);
    a.text = "new\r\n"; /* the state when it can be told */
    post(r, &a);
    trickle(r, 100);
    assert_int_equal(a.formatted, 1);
    assert_int_equal(r->out_len, 16384 + 5 + 6);
    assert_memory_equal(r->out + 16384, "new\r\n" OK, 11); /* before the command's next message */
    rig_free(r);
}

static void a_notice_may_be_empty_or_post_itself(void **state)
{
    rig *r = rig_new();
    notice a = notice_of(""), b = notice_of("B\r\n");
    (void)state;
    b.again = r->s;
    post(r, &a);
    post(r, &b);
    rig_run(r);
    rig_expect(r, "B\r\nB\r\n");
    assert_int_equal(a.formatted, 1);
    rig_free(r);
}

static void a_notice_lands_inside_an_echoed_line(void **state)
{
    rig *r = rig_new();
    notice a = notice_of("CLOSED\r\n");
    (void)state;
    at_session_set_echo(r->s, true);
    rig_say(r, "AT+O");
    post(r, &a);
    rig_run(r);
    rig_say(r, "K\r\n");
    rig_expect(r, "AT+OCLOSED\r\nK\r\n" OK);
    rig_free(r);
}

static void a_long_message_is_not_split_by_a_notice(void **state)
{
    rig *r = rig_new();
    notice a = notice_of("CLOSED\r\n");
    (void)state;
    r->room = 0;
    rig_say(r, "AT+BIG=60000\r\n");
    post(r, &a);
    for (unsigned i = 0; i < 10000 && r->out_len < 60000; i++) {
        r->room = 97;
        rig_run(r);
        post(r, &a);
    }
    trickle(r, 97);
    for (size_t i = 0; i < 60000; i++)
        assert_int_equal(r->out[i], 'a' + i % 26);
    assert_memory_equal(r->out + 60000, "CLOSED\r\n", 8);
    assert_int_equal(a.formatted, (r->out_len - 60000 - 6) / 8);
    rig_free(r);
}

static void a_notice_does_not_run_a_command_inside_its_caller(void **state)
{
    rig *r = rig_new();
    notice a = notice_of("A\r\n");
    (void)state;
    memcpy(r->in, "AT+OK?\r\n", 8); /* is there, nobody has looked yet */
    r->in_len = 8;
    post(r, &a);
    assert_int_equal(r->in_len - r->in_at, 8);
    assert_int_equal(r->out_len, 0);
    rig_run(r);
    assert_int_equal(r->out_len, 3 + 7 + 6);
    r->out_len = 0;
    rig_free(r);
}

/* --- sources --- */

typedef struct source {
    at_source base;
    char mark;
    size_t message; /* bytes of one message */
    size_t left;    /* messages */
    unsigned asked;
} source;

static size_t produce(void *arg, uint8_t *buf, size_t room)
{
    source *s = arg;
    size_t n = s->left > 0 ? s->message : 0;
    s->asked++;
    assert_true(room >= s->base.need);
    memset(buf, s->mark, n);
    if (n > 0) {
        buf[0] = '<';
        buf[n - 1] = '>';
        s->left--;
    }
    return n;
}

static source source_of(char mark, size_t message, size_t count)
{
    return (source){ .base = { .produce = produce, .need = message },
                     .mark = mark,
                     .message = message,
                     .left = count };
}

static void ready(rig *r, source *s)
{
    s->base.arg = s;
    at_source_ready(r->s, &s->base);
}

/* Every message of the output is whole; returns their marks in order. */
static size_t marks(const rig *r, size_t message, char *to)
{
    size_t count = 0;
    for (size_t at = 0; at < r->out_len; at += message) {
        assert_true(at + message <= r->out_len);
        assert_int_equal(r->out[at], '<');
        assert_int_equal(r->out[at + message - 1], '>');
        for (size_t i = 2; i + 1 < message; i++)
            assert_int_equal(r->out[at + i], r->out[at + 1]);
        to[count++] = r->out[at + 1];
    }
    to[count] = '\0';
    return count;
}

static void sources_take_turns(void **state)
{
    char order[300];
    rig *r = rig_new();
    source a = source_of('a', 1000, 20), b = source_of('b', 1000, 20), c = source_of('c', 1000, 20);
    (void)state;
    r->room = 0;
    ready(r, &a);
    ready(r, &b);
    ready(r, &c);
    trickle(r, 777);
    assert_int_equal(marks(r, 1000, order), 60);
    for (size_t i = 3; i < 60; i++)
        assert_int_equal(order[i], order[i - 3]);
    /* every turn has all three */
    assert_true(order[0] != order[1] && order[1] != order[2] && order[0] != order[2]);
    assert_false(a.base.ready || b.base.ready || c.base.ready);
    rig_free(r);
}

/* Room for one message at a time: the one that had to wait is the next. */
static void two_sources_on_a_slow_port(void **state)
{
    char order[100];
    rig *r = rig_new();
    source a = source_of('a', 9000, 10), b = source_of('b', 9000, 10);
    (void)state;
    r->room = 0;
    ready(r, &a);
    ready(r, &b);
    trickle(r, 4500);
    assert_int_equal(marks(r, 9000, order), 20);
    for (size_t i = 2; i < 20; i++)
        assert_int_equal(order[i], order[i - 2]);
    assert_int_not_equal(order[0], order[1]);
    rig_free(r);
}

static void a_source_is_asked_again_only_when_ready(void **state)
{
    rig *r = rig_new();
    source a = source_of('a', 100, 0);
    (void)state;
    ready(r, &a);
    rig_run(r);
    assert_int_equal(a.asked, 1);
    rig_ask(r, "AT", OK);
    assert_int_equal(a.asked, 1);
    a.left = 2;
    ready(r, &a);
    ready(r, &a);
    rig_run(r);
    assert_int_equal(r->out_len, 200);
    assert_int_equal(a.asked, 4);
    r->out_len = 0;
    rig_free(r);
}

static void a_source_waits_until_its_message_fits(void **state)
{
    char order[100];
    rig *r = rig_new();
    source a = source_of('a', 2950, 50);
    (void)state;
    ready(r, &a);
    for (unsigned step = 1; step < 3000; step = step * 5 + 1) {
        a.left = 50;
        r->room = 0;
        ready(r, &a);
        trickle(r, step);
        assert_int_equal(marks(r, 2950, order), 50);
        r->out_len = 0;
    }
    rig_free(r);
}

/* More than a burst: other work gets its turn. */
static void a_source_without_end_does_not_stop_commands(void **state)
{
    rig *r = rig_new();
    source a = source_of('a', 1000, 200);
    (void)state;
    ready(r, &a);
    memcpy(r->in, "AT\r\n", 4);
    r->in_len = 4;
    rig_run(r);
    const char *ok = strstr(r->out, OK);
    assert_non_null(ok);
    assert_true(ok - r->out < 150000);
    assert_int_equal(r->out_len, 200 * 1000 + 6);
    rig_free(r);
}

static void an_answer_goes_before_bulk_data(void **state)
{
    rig *r = rig_new();
    source a = source_of('a', 1000, 100);
    (void)state;
    r->room = 0;
    ready(r, &a);
    rig_run(r); /* the buffer is full of bulk */
    unsigned before = a.asked;
    rig_say(r, "AT+ROWS=100\r\n");
    assert_int_equal(at_session_mode(r->s), AT_MODE_EXECUTING);
    while (at_session_mode(r->s) == AT_MODE_EXECUTING) {
        r->room = 100;
        rig_run(r);
    }
    assert_true(a.asked <= before + 1);
    trickle(r, 5000);
    assert_int_equal(a.left, 0);
    rig_free(r);
}

static void notices_go_before_bulk_data(void **state)
{
    rig *r = rig_new();
    source a = source_of('a', 1000, 50);
    notice n = notice_of("N\r\n");
    (void)state;
    r->room = 0;
    ready(r, &a);
    rig_run(r);
    size_t queued = (50 - a.left) * 1000;
    post(r, &n);
    trickle(r, 512);
    assert_int_equal(r->out_len, 50003);
    assert_memory_equal(r->out + queued, "N\r\n", 3);
    rig_free(r);
}

/* --- rows --- */

static at_result too_long_a_row(at_call *call)
{
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    at_row(call, "%s", text);
    at_row(call, "%s", "");
    return AT_RESULT_OK;
}

static void a_row_is_cut_at_its_limit(void **state)
{
    static const at_cmd row = { .name = "+LONG", .execute = too_long_a_row };
    rig *r = rig_new();
    (void)state;
    at_session_run(r->s, &row);
    rig_run(r);
    assert_int_equal(r->out_len, AT_MESSAGE_MAX - 1 + 6);
    rig_free(r);
}

static at_result drain(at_call *call)
{
    rig *r = call->app;
    at_ok(call);
    r->last = at_drain(call, 100);
    return AT_RESULT_SILENT;
}

static void draining_waits_for_the_port(void **state)
{
    static const at_cmd row = { .name = "+DRAIN", .execute = drain };
    rig *r = rig_new();
    (void)state;
    r->last = AT_ERR_INVALID;
    at_session_run(r->s, &row);
    rig_run(r);
    rig_expect(r, OK);
    assert_int_equal(r->last, AT_OK);
    r->undrained = true;
    r->last = AT_ERR_INVALID;
    at_session_run(r->s, &row);
    rig_advance(r, 50);
    assert_int_equal(r->last, AT_ERR_INVALID);
    r->undrained = false;
    rig_advance(r, 1);
    assert_int_equal(r->last, AT_OK);
    r->room = 0;
    at_session_run(r->s, &row);
    rig_advance(r, 99);
    assert_int_equal(at_session_mode(r->s), AT_MODE_EXECUTING);
    rig_advance(r, 1);
    assert_int_equal(r->last, AT_ERR_TIMEOUT);
    r->room = SIZE_MAX;
    rig_run(r);
    rig_expect(r, OK OK);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_arrive_whole_however_slow_the_port),
        cmocka_unit_test(writes_of_a_few_bytes_each),
        cmocka_unit_test(lines_wait_for_room_for_their_echo),
        cmocka_unit_test(a_message_of_any_length),
        cmocka_unit_test(notices_come_in_order_and_once),
        cmocka_unit_test(a_notice_is_formatted_when_there_is_room),
        cmocka_unit_test(a_notice_may_be_empty_or_post_itself),
        cmocka_unit_test(a_notice_lands_inside_an_echoed_line),
        cmocka_unit_test(a_long_message_is_not_split_by_a_notice),
        cmocka_unit_test(a_notice_does_not_run_a_command_inside_its_caller),
        cmocka_unit_test(sources_take_turns),
        cmocka_unit_test(two_sources_on_a_slow_port),
        cmocka_unit_test(a_source_is_asked_again_only_when_ready),
        cmocka_unit_test(a_source_waits_until_its_message_fits),
        cmocka_unit_test(a_source_without_end_does_not_stop_commands),
        cmocka_unit_test(an_answer_goes_before_bulk_data),
        cmocka_unit_test(notices_go_before_bulk_data),
        cmocka_unit_test(a_row_is_cut_at_its_limit),
        cmocka_unit_test(draining_waits_for_the_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
