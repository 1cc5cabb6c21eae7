/* Bulk data from the host: the streamed limit, a sink that stops, passthrough and its escape, the ring
 * and the reserve behind it. */
#include "harness.h"

#include "core/bytes.h"

#define CANCELLED "\r\nSEND CANCELLED\r\n"
#define SEND_OK   "\r\nSEND OK\r\n"

static uint8_t pattern(size_t i)
{
    return (uint8_t)('a' + (i * 31 + i / 26) % 26); /* no + */
}

static void feed_pattern(rig *r, size_t from, size_t len)
{
    uint8_t data[4096];
    for (size_t n; len > 0; from += n, len -= n) {
        n = AT_MIN(len, sizeof(data));
        for (size_t i = 0; i < n; i++)
            data[i] = pattern(from + i);
        rig_feed(r, data, n);
    }
}

static void check_pattern(const rig *r, size_t len)
{
    assert_int_equal(r->sunk_len, len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(r->sunk[i], pattern(i));
}

static void escape(rig *r)
{
    rig_advance(r, 20);
    rig_say(r, "+++");
    rig_advance(r, 20);
}

static void a_stream_ends_at_its_limit(void **state)
{
    static const char text[] = "AT+STREAM=10\r\n0123456789AT\r\n";
    (void)state;
    for (size_t chunk = 1; chunk <= 64; chunk++) {
        rig *r = rig_new();
        rig_feed_chunked(r, text, sizeof(text) - 1, chunk);
        rig_expect(r, PROMPT SEND_OK OK);
        assert_int_equal(r->sunk_len, 10);
        assert_memory_equal(r->sunk, "0123456789", 10);
        assert_int_equal(r->last, AT_ERR_CLOSED);
        rig_free(r);
    }
}

static void bytes_behind_the_limit_are_busy(void **state)
{
    static const char text[] = "AT+STREAM=5\r\nhello\r\n";
    (void)state;
    for (size_t chunk = 1; chunk <= 64; chunk++)
        for (unsigned wait_ms = 0; wait_ms <= 10; wait_ms += 10) {
            rig *r = rig_new();
            r->wait_ms = wait_ms;
            rig_feed_chunked(r, text, sizeof(text) - 1, chunk);
            rig_advance(r, 20);
            if (wait_ms == 0)
                rig_expect(r, PROMPT SEND_OK BUSY);
            else
                rig_expect(r, PROMPT BUSY SEND_OK);
            rig_free(r);
        }
}

static void a_stream_longer_than_every_buffer(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+STREAM=200000", PROMPT);
    for (size_t at = 0; at < 200000; at += 1000)
        feed_pattern(r, at, 1000);
    rig_expect(r, SEND_OK);
    check_pattern(r, 200000);
    rig_free(r);
}

static void a_sink_that_stops_holds_the_host_back(void **state)
{
    rig *r = rig_new();
    (void)state;
    r->sink_room = 0;
    rig_ask(r, "AT+STREAM=60000", PROMPT);
    feed_pattern(r, 0, 60000);
    assert_int_equal(r->in_len - r->in_at, 60000 - AT_RX_RING); /* the rest is still in the port */
    assert_false(r->want_read);
    for (size_t taken = 0; taken < 60000; taken += 1500) {
        assert_int_equal(r->sunk_len, taken);
        r->sink_room = 1500;
        at_stream_poke(r->s);
        rig_run(r);
    }
    rig_expect(r, SEND_OK);
    check_pattern(r, 60000);
    rig_free(r);
}

static void a_sink_of_any_appetite(void **state)
{
    static const size_t rooms[] = { 1, 2, 3, 63, 64, 65, 4095, 4096, 8191, 8192, 8193 };
    (void)state;
    for (size_t i = 0; i < AT_COUNT(rooms); i++) {
        rig *r = rig_new();
        r->sink_room = 0;
        rig_ask(r, "AT+STREAM=20000", PROMPT);
        feed_pattern(r, 0, 20000);
        while (at_session_mode(r->s) == AT_MODE_STREAMED) {
            r->sink_room = rooms[i];
            at_stream_poke(r->s);
            rig_run(r);
        }
        rig_expect(r, SEND_OK);
        check_pattern(r, 20000);
        rig_free(r);
    }
}

static void pokes_and_signals_without_data(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+PASS", PROMPT);
    at_stream_poke(r->s); /* nothing there: nothing happens */
    at_stream_poke(r->s);
    rig_run(r);
    assert_int_equal(r->sunk_len, 0);
    at_signal_raise(&r->signal); /* the handler goes round once more */
    rig_run(r);
    feed_pattern(r, 0, 10);
    check_pattern(r, 10);
    rig_free(r);
}

static void the_received_counter(void **state)
{
    rig *r = rig_new();
    (void)state;
    r->sink_room = 0;
    rig_ask(r, "AT+STREAM=100", PROMPT);
    assert_int_equal(at_stream_received(r->s), 0);
    feed_pattern(r, 0, 40);
    assert_int_equal(at_stream_received(r->s), 40); /* arrived, not taken */
    r->sink_room = 10;
    at_stream_poke(r->s);
    rig_run(r);
    assert_int_equal(at_stream_received(r->s), 40);
    feed_pattern(r, 40, 100);
    assert_int_equal(at_stream_received(r->s), 100); /* what is too much does not count */
    r->sink_room = SIZE_MAX;
    at_stream_poke(r->s);
    rig_run(r);
    assert_int_equal(at_stream_received(r->s), 100);
    check_pattern(r, 100);
    rig_free(r);
}

static void a_stream_can_be_cancelled(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+STREAM=100", PROMPT);
    feed_pattern(r, 0, 40);
    escape(r);
    rig_expect(r, CANCELLED);
    assert_int_equal(r->last, AT_ERR_CANCELLED);
    check_pattern(r, 40);
    rig_ask(r, "AT", OK);
    rig_free(r);
}

/* --- passthrough --- */

static void passthrough_until_plus(void **state)
{
    (void)state;
    for (size_t chunk = 1; chunk <= 3; chunk++) {
        rig *r = rig_new();
        rig_ask(r, "AT+PASS", PROMPT);
        feed_pattern(r, 0, 5000);
        rig_advance(r, 20);
        rig_feed_chunked(r, "+++", 3, chunk);
        rig_advance(r, 19);
        assert_int_equal(at_session_mode(r->s), AT_MODE_PASSTHROUGH);
        rig_advance(r, 1);
        assert_int_equal(at_session_mode(r->s), AT_MODE_COMMAND);
        check_pattern(r, 5000);
        rig_ask(r, "AT", OK);
        rig_ask(r, "AT+PASS", PROMPT); /* and in again */
        rig_free(r);
    }
}

static void the_escape_drops_what_was_not_sent(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+PASS", PROMPT);
    r->sink_room = 100;
    feed_pattern(r, 0, 5000);
    escape(r);
    check_pattern(r, 100);
    assert_int_equal(r->last, AT_ERR_CANCELLED);
    assert_true(at_session_idle(r->s));
    r->sink_room = SIZE_MAX;
    rig_ask(r, "AT+PASS", PROMPT);
    feed_pattern(r, 100, 100);
    check_pattern(r, 200); /* nothing of the old bytes */
    rig_free(r);
}

static void held_plus_are_released_by_what_follows(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+PASS", PROMPT);
    rig_advance(r, 20);
    rig_say(r, "++");
    assert_int_equal(r->sunk_len, 0);
    assert_int_equal(at_stream_received(r->s), 2);
    rig_advance(r, 19);
    rig_say(r, "a");
    assert_int_equal(r->sunk_len, 3);
    rig_advance(r, 100);
    assert_memory_equal(r->sunk, "++a", 3);
    rig_free(r);
}

static void held_plus_are_released_by_silence(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+PASS", PROMPT);
    rig_advance(r, 20);
    rig_say(r, "++");
    rig_advance(r, 19);
    assert_int_equal(r->sunk_len, 0);
    rig_advance(r, 1);
    assert_int_equal(r->sunk_len, 2);
    rig_advance(r, 20);
    rig_say(r, "+++");
    rig_say(r, "+");
    assert_int_equal(r->sunk_len, 6);
    assert_int_equal(at_session_mode(r->s), AT_MODE_PASSTHROUGH);
    rig_free(r);
}

static void plus_at_the_end_of_data_are_data(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+PASS", PROMPT);
    for (size_t chunk = 1; chunk <= 8; chunk++) {
        rig_feed_chunked(r, "data+++", 7, chunk);
        rig_advance(r, 1000);
        assert_int_equal(r->sunk_len, 7 * chunk);
    }
    assert_int_equal(at_session_mode(r->s), AT_MODE_PASSTHROUGH);
    rig_free(r);
}

/* Nothing moves: the host fills the ring and part of the reserve, gives up, waits, says +++. */
static void plus_behind_a_full_ring(void **state)
{
    static const size_t filled[] = { 8000,
                                     AT_RX_RING - 3,
                                     AT_RX_RING - 1,
                                     AT_RX_RING,
                                     AT_RX_RING + 1,
                                     12000,
                                     AT_RX_RING + AT_RX_RESERVE - 3 };
    (void)state;
    for (size_t i = 0; i < AT_COUNT(filled); i++) {
        rig *r = rig_new();
        rig_ask(r, "AT+PASS", PROMPT);
        r->sink_room = 10;
        feed_pattern(r, 0, 10 + filled[i]);
        rig_advance(r, 1000);
        assert_int_equal(r->in_len, 0);
        rig_say(r, "+++");
        rig_advance(r, 1000);
        assert_int_equal(at_session_mode(r->s), AT_MODE_COMMAND);
        check_pattern(r, 10);
        rig_ask(r, "AT", OK);
        rig_free(r);
    }
}

static void the_reserve_is_for_silence_only(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+PASS", PROMPT);
    r->sink_room = 0;
    feed_pattern(r, 0, 30000);
    assert_int_equal(r->in_len - r->in_at, 30000 - AT_RX_RING);
    rig_advance(r, 19);
    assert_int_equal(r->in_len - r->in_at, 30000 - AT_RX_RING);
    rig_advance(r, 1000);
    assert_int_equal(r->in_len - r->in_at, 30000 - AT_RX_RING - AT_RX_RESERVE);
    r->sink_room = SIZE_MAX; /* the network moves again: nothing was lost */
    at_stream_poke(r->s);
    rig_run(r);
    check_pattern(r, 30000);
    escape(r);
    assert_int_equal(at_session_mode(r->s), AT_MODE_COMMAND);
    rig_free(r);
}

static void data_behind_the_escape_is_a_command(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+PASS", PROMPT);
    r->sink_room = 0;
    feed_pattern(r, 0, 3000);
    rig_advance(r, 20);
    rig_say(r, "+++");
    r->now += 25000; /* the timer had no turn yet */
    rig_ask(r, "AT+OK?", "+OK:1\r\n" OK);
    assert_int_equal(r->sunk_len, 0);
    rig_free(r);
}

static at_result one_look(at_call *call)
{
    rig *r = call->app;
    at_stream_begin(call, AT_MODE_PASSTHROUGH, 0, &r->sink);
    r->last = at_stream_wait(call, &r->signal, 100);
    at_stream_end(call);
    return AT_RESULT_SILENT;
}

static size_t takes_nothing(void *arg, const uint8_t *first, size_t first_len,
                            const uint8_t *second, size_t second_len)
{
    (void)arg;
    (void)first;
    (void)first_len;
    (void)second;
    (void)second_len;
    return 0;
}

static void the_end_drops_what_the_sink_did_not_take(void **state)
{
    static const at_cmd row = { .name = "+LOOK", .execute = one_look };
    rig *r = rig_new();
    (void)state;
    r->sink.consume = takes_nothing;
    at_session_run(r->s, &row);
    rig_run(r);
    rig_expect(r, PROMPT);
    rig_say(r, "data for nobody\r\n");
    rig_advance(r, 100);
    assert_int_equal(r->last, AT_ERR_TIMEOUT);
    rig_expect(r, ""); /* neither busy nor a line */
    rig_ask(r, "AT", OK);
    at_session_run(r->s, &row);
    rig_run(r);
    at_signal_raise(&r->signal);
    rig_run(r);
    assert_int_equal(r->last, AT_OK);
    rig_expect(r, PROMPT);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_ends_at_its_limit),
        cmocka_unit_test(bytes_behind_the_limit_are_busy),
        cmocka_unit_test(a_stream_longer_than_every_buffer),
        cmocka_unit_test(a_sink_that_stops_holds_the_host_back),
        cmocka_unit_test(a_sink_of_any_appetite),
        cmocka_unit_test(pokes_and_signals_without_data),
        cmocka_unit_test(the_received_counter),
        cmocka_unit_test(a_stream_can_be_cancelled),
        cmocka_unit_test(passthrough_until_plus),
        cmocka_unit_test(the_escape_drops_what_was_not_sent),
        cmocka_unit_test(held_plus_are_released_by_what_follows),
        cmocka_unit_test(held_plus_are_released_by_silence),
        cmocka_unit_test(plus_at_the_end_of_data_are_data),
        cmocka_unit_test(plus_behind_a_full_ring),
        cmocka_unit_test(the_reserve_is_for_silence_only),
        cmocka_unit_test(data_behind_the_escape_is_a_command),
        cmocka_unit_test(the_end_drops_what_the_sink_did_not_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
