/* Data after a prompt: counted, escaped, cancelled, too much of it, none at all. How the bytes were cut
 * into reads must not show. */
#include "harness.h"

#include "core/bytes.h"

#define SENT(n)  "\r\nRecv " #n " bytes\r\n\r\nSEND OK\r\n"
#define CANCELED "\r\nSEND Canceled\r\n"

/* Runs one conversation in pieces of every size and at random ones; check looks at the rig. */
static void at_every_chunk_size(const char *text, size_t len, uint32_t wait_ms, const char *out,
                                size_t out_len, void (*check)(const rig *r))
{
    for (unsigned round = 1; round <= 64 + 32; round++) {
        rig *r = rig_new();
        r->wait_ms = wait_ms;
        if (round <= 64)
            rig_feed_chunked(r, text, len, round);
        else
            rig_feed_random(r, text, len, round);
        rig_advance(r, 1000);
        rig_expect_bytes(r, out, out_len, __FILE__, __LINE__);
        if (check != NULL)
            check(r);
        assert_int_equal(at_session_mode(r->s), AT_MODE_COMMAND);
        rig_free(r);
    }
}

#define AT_EVERY_CHUNK_SIZE(text, wait_ms, out, check) \
    at_every_chunk_size(text, sizeof(text) - 1, wait_ms, out, sizeof(out) - 1, check)

static void has_hello(const rig *r)
{
    assert_int_equal(r->got, 5);
    assert_memory_equal(r->data, "hello", 5);
}

static void counted_data(void **state)
{
    (void)state;
    AT_EVERY_CHUNK_SIZE("AT+COUNT=5\r\nhello", 0, PROMPT SENT(5), has_hello);
    AT_EVERY_CHUNK_SIZE("AT+COUNT=5\r\nhelloAT\r\n", 0, PROMPT SENT(5) OK, has_hello);
    AT_EVERY_CHUNK_SIZE("AT+COUNT=5\r\nhelloat+OK?\r\n", 0, PROMPT SENT(5) "+OK:1\r\n" OK,
                        has_hello);
}

static void has_every_byte(const rig *r)
{
    assert_int_equal(r->got, 256);
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(r->data[i], i);
}

static void counted_data_may_be_any_bytes(void **state)
{
    char text[14 + 256];
    (void)state;
    memcpy(text, "AT+COUNT=256\r\n", 14);
    for (unsigned i = 0; i < 256; i++)
        text[14 + i] = (char)i;
    at_every_chunk_size(text, sizeof(text), 0, PROMPT SENT(256), sizeof(PROMPT SENT(256)) - 1,
                        has_every_byte);
}

static void has_commands(const rig *r)
{
    assert_memory_equal(r->data, "\r\nAT\r\n+++AT+RST\r\n", 17);
}

static void commands_inside_data_are_data(void **state)
{
    (void)state;
    AT_EVERY_CHUNK_SIZE("AT+COUNT=17\r\n\r\nAT\r\n+++AT+RST\r\n", 0, PROMPT SENT(17), has_commands);
}

static void eight_kilobytes(void **state)
{
    static uint8_t data[8192];
    static const size_t chunks[] = { 1, 7, 100, 2048, 2920, 8191, 8192 };
    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t i = 0; i < AT_COUNT(chunks); i++) {
        rig *r = rig_new();
        rig_ask(r, "AT+COUNT=8192", PROMPT);
        rig_feed_chunked(r, data, sizeof(data), chunks[i]);
        rig_expect(r, SENT(8192));
        assert_memory_equal(r->data, data, sizeof(data));
        rig_free(r);
    }
}

static void no_data_at_all(void **state)
{
    (void)state;
    AT_EVERY_CHUNK_SIZE("AT+COUNT=0\r\nAT\r\n", 0, PROMPT SENT(0) OK, NULL);
}

/* --- too much --- */

static void excess_is_busy_and_dropped(void **state)
{
    (void)state;
    /* the guide's case: the terminal sends a line end behind the data */
    AT_EVERY_CHUNK_SIZE("AT+COUNT=5\r\nhello\r\n", 0, PROMPT SENT(5) BUSY, has_hello);
    AT_EVERY_CHUNK_SIZE("AT+COUNT=5\r\nhello world", 0, PROMPT SENT(5) BUSY, has_hello);
    AT_EVERY_CHUNK_SIZE("AT+COUNT=5\r\nhello world\r\nAT\r\n", 0, PROMPT SENT(5) BUSY OK,
                        has_hello);
    AT_EVERY_CHUNK_SIZE("AT+ESC=5\r\nhello\\0", 0, ">" SENT(5) BUSY, has_hello);
    AT_EVERY_CHUNK_SIZE("AT+COUNT=5\r\nhelloAA\r\nAT\r\n", 0, PROMPT SENT(5) BUSY OK, has_hello);
}

static void excess_that_could_have_become_a_command(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+COUNT=5", PROMPT);
    rig_say(r, "helloA");
    rig_expect(r, SENT(5));
    rig_advance(r, 20);
    rig_expect(r, BUSY);
    rig_ask(r, "AT", OK);
    rig_ask(r, "AT+COUNT=5", PROMPT);
    rig_say(r, "helloA");
    rig_say(r, "T\r\n");
    rig_expect(r, SENT(5) OK);
    rig_free(r);
}

static void excess_while_the_command_still_works(void **state)
{
    (void)state;
    AT_EVERY_CHUNK_SIZE("AT+COUNT=5\r\nhello\r\n", 50,
                        PROMPT "\r\nRecv 5 bytes\r\n" BUSY "\r\nSEND OK\r\n", has_hello);
    AT_EVERY_CHUNK_SIZE("AT+COUNT=5\r\nhelloAT\r\n", 50,
                        PROMPT "\r\nRecv 5 bytes\r\n" BUSY "\r\nSEND OK\r\n", has_hello);
}

static void only_the_same_packet_is_excess(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+COUNT=5", PROMPT);
    rig_say(r, "hello");
    rig_expect(r, SENT(5));
    rig_advance(r, 20);
    rig_ask(r, "", ""); /* an empty line again */
    rig_ask(r, "x", ERROR);
    rig_free(r);
}

/* --- escaped data --- */

static void has_abc(const rig *r)
{
    assert_int_equal(r->got, 3);
    assert_memory_equal(r->data, "abc", 3);
}

static void escaped_data_ends_at_backslash_zero(void **state)
{
    (void)state;
    AT_EVERY_CHUNK_SIZE("AT+ESC=100\r\nabc\\0", 0, ">" SENT(3), has_abc);
    AT_EVERY_CHUNK_SIZE("AT+ESC=3\r\nabc", 0, ">" SENT(3), has_abc);
    AT_EVERY_CHUNK_SIZE("AT+ESC=3\r\n\\abc", 0, ">" SENT(3), has_abc);
    AT_EVERY_CHUNK_SIZE("AT+ESC=3\r\nab\\c", 0, ">" SENT(3), has_abc);
    AT_EVERY_CHUNK_SIZE("AT+ESC=9\r\n\\a\\b\\c\\0AT\r\n", 0, ">" SENT(3) OK, has_abc);
    AT_EVERY_CHUNK_SIZE("AT+ESC=9\r\n\\0", 0, ">" SENT(0), NULL);
    AT_EVERY_CHUNK_SIZE("AT+ESC=0\r\n", 0, ">" SENT(0), NULL);
}

static void has_backslash_zero(const rig *r)
{
    assert_int_equal(r->got, 4);
    assert_memory_equal(r->data, "a\\0b", 4);
}

static void has_backslashes(const rig *r)
{
    assert_int_equal(r->got, 2);
    assert_memory_equal(r->data, "\\\\", 2);
}

static void has_zero_byte(const rig *r)
{
    assert_int_equal(r->got, 3);
    assert_memory_equal(r->data, "a\0\n", 3);
}

static void a_literal_backslash_zero_is_escaped(void **state)
{
    (void)state;
    AT_EVERY_CHUNK_SIZE("AT+ESC=100\r\na\\\\0b\\0", 0, ">" SENT(4), has_backslash_zero);
    AT_EVERY_CHUNK_SIZE("AT+ESC=100\r\n\\\\\\\\\\0", 0, ">" SENT(2), has_backslashes);
    AT_EVERY_CHUNK_SIZE("AT+ESC=2\r\n\\\\\\\\", 0, ">" SENT(2), has_backslashes);
    at_every_chunk_size("AT+ESC=9\r\na\0\n\\0", 15, 0, ">" SENT(3), sizeof(">" SENT(3)) - 1,
                        has_zero_byte);
}

static void a_backslash_at_the_end_waits_for_its_byte(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+ESC=10", ">");
    rig_say(r, "ab\\");
    rig_advance(r, 60000);
    rig_expect(r, "");
    rig_say(r, "c\\");
    rig_advance(r, 60000);
    rig_say(r, "0");
    rig_expect(r, SENT(3));
    assert_memory_equal(r->data, "abc", 3);
    rig_free(r);
}

static void a_backslash_does_not_reach_the_next_data(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+ESC=10", ">");
    rig_say(r, "ab\\");
    rig_advance(r, 20);
    rig_say(r, "+++");
    rig_advance(r, 20);
    rig_expect(r, CANCELED);
    rig_ask(r, "AT+ESC=10", ">");
    rig_say(r, "0\\0");
    rig_expect(r, SENT(1));
    rig_free(r);
}

/* --- cancel --- */

static void three_plus_in_a_packet_of_their_own_cancel(void **state)
{
    static const char *const commands[] = { "AT+COUNT=10\r\n", "AT+ESC=10\r\n" };
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        for (size_t chunk = 1; chunk <= 3; chunk++) {
            rig *r = rig_new();
            rig_say(r, commands[i]);
            rig_say(r, "hello");
            r->out_len = 0;
            rig_advance(r, 20);
            rig_feed_chunked(r, "+++", 3, chunk);
            rig_advance(r, 19);
            rig_expect(r, "");
            rig_advance(r, 1);
            rig_expect(r, CANCELED);
            assert_int_equal(r->got, 5);
            assert_int_equal(r->last, AT_ERR_CANCELLED);
            rig_ask(r, "AT", OK);
            rig_free(r);
        }
}

static void anything_else_does_not_cancel(void **state)
{
    static const char *const data[] = { "++",      "++++",  "+++a", "a+++",
                                        "+++\r\n", "+ + +", "+",    "++++++" };
    (void)state;
    for (size_t i = 0; i < AT_COUNT(data); i++)
        for (size_t chunk = 1; chunk <= 4; chunk++) {
            rig *r = rig_new();
            size_t len = strlen(data[i]);
            rig_ask(r, "AT+COUNT=10", PROMPT);
            rig_advance(r, 20);
            rig_feed_chunked(r, data[i], len, chunk);
            rig_advance(r, 100);
            rig_expect(r, "");
            assert_int_equal(at_session_mode(r->s), AT_MODE_COUNTED);
            rig_feed(r, "0123456789", 10 - len);
            rig_expect(r, SENT(10));
            assert_memory_equal(r->data, data[i], len);
            rig_free(r);
        }
}

static void three_plus_with_a_gap_of_19_ms(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+COUNT=10", PROMPT);
    rig_advance(r, 19);
    rig_say(r, "+++"); /* no silence before: data */
    rig_advance(r, 19);
    rig_say(r, "x");
    rig_advance(r, 20);
    rig_say(r, "+");
    rig_advance(r, 19);
    rig_say(r, "+");
    rig_advance(r, 19);
    rig_say(r, "+"); /* one packet still */
    rig_advance(r, 20);
    rig_expect(r, CANCELED);
    assert_int_equal(r->got, 4);
    assert_memory_equal(r->data, "+++x", 4);
    rig_free(r);
}

static void plus_with_gaps_are_data(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+COUNT=3", PROMPT);
    rig_advance(r, 20);
    rig_say(r, "+");
    rig_advance(r, 20);
    rig_say(r, "+");
    rig_advance(r, 20);
    rig_say(r, "+");
    rig_expect(r, "");
    rig_advance(r, 20);
    rig_expect(r, SENT(3));
    rig_free(r);
}

/* What is behind +++ came before the timer could fire: it is a command. */
static void a_cancel_that_is_noticed_late(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+COUNT=10", PROMPT);
    rig_advance(r, 20);
    rig_say(r, "+++");
    r->now += 50000;
    rig_ask(r, "AT+OK?", CANCELED "+OK:1\r\n" OK);
    rig_free(r);
}

/* --- the option --- */

static void after_a_second(at_session_config *config)
{
    config->data_timeout_ms = 1000;
}

static void the_data_time_out_restarts_with_every_byte(void **state)
{
    rig *r = rig_new_with(after_a_second);
    (void)state;
    rig_ask(r, "AT+COUNT=10", PROMPT);
    for (unsigned i = 0; i < 5; i++) {
        rig_advance(r, 999);
        rig_say(r, "x");
    }
    rig_advance(r, 999);
    rig_expect(r, "");
    rig_advance(r, 1);
    rig_expect(r, CANCELED);
    assert_int_equal(r->got, 5);
    rig_ask(r, "AT+ESC=10", ">");
    rig_advance(r, 1000);
    rig_expect(r, CANCELED);
    rig_ask(r, "AT+COUNT=1", PROMPT);
    rig_say(r, "x");
    rig_expect(r, SENT(1));
    assert_int_equal(r->loop.timer_count, 0);
    rig_free(r);
}

static void without_the_option_data_may_take_for_ever(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+COUNT=2", PROMPT);
    rig_say(r, "a");
    rig_advance(r, 0xFFFFFFFF);
    rig_expect(r, "");
    rig_say(r, "b");
    rig_expect(r, SENT(2));
    rig_free(r);
}

static void data_is_never_echoed(void **state)
{
    rig *r = rig_new();
    (void)state;
    at_session_set_echo(r->s, true);
    rig_ask(r, "AT+COUNT=5", "AT+COUNT=5\r\n" PROMPT);
    rig_say(r, "hello");
    rig_expect(r, SENT(5));
    rig_free(r);
}

/* rt-esp-at-nal and RT-Thread send on OK without waiting for the prompt. */
static void the_mode_is_entered_before_the_prompt_is_visible(void **state)
{
    rig *r = rig_new();
    (void)state;
    r->room = 0;
    rig_say(r, "AT+COUNT=5\r\n");
    assert_int_equal(at_session_mode(r->s), AT_MODE_COUNTED);
    rig_say(r, "hello");
    r->room = SIZE_MAX;
    rig_run(r);
    rig_expect(r, PROMPT SENT(5));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted_data),
        cmocka_unit_test(counted_data_may_be_any_bytes),
        cmocka_unit_test(commands_inside_data_are_data),
        cmocka_unit_test(eight_kilobytes),
        cmocka_unit_test(no_data_at_all),
        cmocka_unit_test(excess_is_busy_and_dropped),
        cmocka_unit_test(excess_that_could_have_become_a_command),
        cmocka_unit_test(excess_while_the_command_still_works),
        cmocka_unit_test(only_the_same_packet_is_excess),
        cmocka_unit_test(escaped_data_ends_at_backslash_zero),
        cmocka_unit_test(a_literal_backslash_zero_is_escaped),
        cmocka_unit_test(a_backslash_at_the_end_waits_for_its_byte),
        cmocka_unit_test(a_backslash_does_not_reach_the_next_data),
        cmocka_unit_test(three_plus_in_a_packet_of_their_own_cancel),
        cmocka_unit_test(anything_else_does_not_cancel),
        cmocka_unit_test(three_plus_with_a_gap_of_19_ms),
        cmocka_unit_test(plus_with_gaps_are_data),
        cmocka_unit_test(a_cancel_that_is_noticed_late),
        cmocka_unit_test(the_data_time_out_restarts_with_every_byte),
        cmocka_unit_test(without_the_option_data_may_take_for_ever),
        cmocka_unit_test(data_is_never_echoed),
        cmocka_unit_test(the_mode_is_entered_before_the_prompt_is_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
