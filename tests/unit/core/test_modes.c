/* The mode table (core/modes.def) walked row by row: for every mode and every kind of input what is
 * written, collected or given to the sink, and where the session stands afterwards. Then the busy rule
 * and the forced restart, which belong to the row "executing". */
#include "harness.h"

#include "core/bytes.h"

/* --- the table --- */

typedef struct expectation {
    const char *out;  /* written to the port */
    const char *data; /* went to the collecting handler or the sink */
    at_mode after;    /* mode when all is quiet again */
    unsigned restarts;
} expectation;

typedef struct stimulus {
    const char *name, *bytes; /* a packet of its own: silence before and behind */
} stimulus;

enum { LINE, BYTE, ESCAPE, PLUS_IN_DATA, FOUR_PLUS, RESTART, RESTART_AND_MORE, SILENCE, STIMULI };

static const stimulus stimuli[STIMULI] = {
    [LINE] = { "a line", "AT+OK?\r\n" },
    [BYTE] = { "a byte", "x" },
    [ESCAPE] = { "+++ as a packet", "+++" },
    [PLUS_IN_DATA] = { "+++ inside data", "a+++" },
    [FOUR_PLUS] = { "++++", "++++" },
    [RESTART] = { "AT+RST", "AT+RST\r\n" },
    [RESTART_AND_MORE] = { "AT+RST with a byte more", "AT+RSTx\r\n" },
    [SILENCE] = { "silence", "" },
};

/* How a test enters each mode, and what that prints. The handlers wait long behind their data. */
static const struct {
    const char *line, *out;
} enter[AT_MODES] = {
    [AT_MODE_COMMAND] = { "", "" },
    [AT_MODE_EXECUTING] = { "AT+WAIT=3600000\r\n", "" },
    [AT_MODE_COUNTED] = { "AT+COUNT=1000\r\n", PROMPT },
    [AT_MODE_ESCAPED] = { "AT+ESC=1000\r\n", ">" },
    [AT_MODE_STREAMED] = { "AT+STREAM=1000\r\n", PROMPT },
    [AT_MODE_PASSTHROUGH] = { "AT+PASS\r\n", PROMPT },
    [AT_MODE_SPECIFIC] = { "AT+SPEC\r\n", PROMPT },
};

#define CANCELED  "\r\nSEND Canceled\r\n"
#define CANCELLED "\r\nSEND CANCELLED\r\n"
#define FORCED    "\r\nWill force to restart!!!\r\n"
#define COLLECTS(mode)                                                               \
    [LINE] = { "", "AT+OK?\r\n", mode, 0 }, [BYTE] = { "", "x", mode, 0 },           \
    [PLUS_IN_DATA] = { "", "a+++", mode, 0 }, [FOUR_PLUS] = { "", "++++", mode, 0 }, \
    [RESTART] = { "", "AT+RST\r\n", mode, 0 },                                       \
    [RESTART_AND_MORE] = { "", "AT+RSTx\r\n", mode, 0 }, [SILENCE] = { "", "", mode, 0 }

static const expectation table[AT_MODES][STIMULI] = {
    [AT_MODE_COMMAND] = {
        /* the echo is on; +RST is no row here, so a restart is just an unknown command */
        [LINE] = { "AT+OK?\r\n+OK:1\r\n" OK, "", AT_MODE_COMMAND, 0 },
        [BYTE] = { "x", "", AT_MODE_COMMAND, 0 },
        [ESCAPE] = { "+++", "", AT_MODE_COMMAND, 0 },
        [PLUS_IN_DATA] = { "a+++", "", AT_MODE_COMMAND, 0 },
        [FOUR_PLUS] = { "++++", "", AT_MODE_COMMAND, 0 },
        [RESTART] = { "AT+RST\r\n" ERROR, "", AT_MODE_COMMAND, 0 },
        [RESTART_AND_MORE] = { "AT+RSTx\r\n" ERROR, "", AT_MODE_COMMAND, 0 },
        [SILENCE] = { "", "", AT_MODE_COMMAND, 0 },
    },
    [AT_MODE_EXECUTING] = {
        [LINE] = { BUSY, "", AT_MODE_EXECUTING, 0 },
        [BYTE] = { BUSY, "", AT_MODE_EXECUTING, 0 },
        [ESCAPE] = { BUSY, "", AT_MODE_EXECUTING, 0 },
        [PLUS_IN_DATA] = { BUSY, "", AT_MODE_EXECUTING, 0 },
        [FOUR_PLUS] = { BUSY, "", AT_MODE_EXECUTING, 0 },
        [RESTART] = { FORCED, "", AT_MODE_EXECUTING, 1 },
        [RESTART_AND_MORE] = { BUSY, "", AT_MODE_EXECUTING, 0 },
        [SILENCE] = { "", "", AT_MODE_EXECUTING, 0 },
    },
    [AT_MODE_COUNTED] = {
        COLLECTS(AT_MODE_COUNTED),
        [ESCAPE] = { CANCELED, "", AT_MODE_COMMAND, 0 },
    },
    [AT_MODE_ESCAPED] = {
        COLLECTS(AT_MODE_ESCAPED),
        [ESCAPE] = { CANCELED, "", AT_MODE_COMMAND, 0 },
    },
    [AT_MODE_STREAMED] = {
        COLLECTS(AT_MODE_STREAMED),
        [ESCAPE] = { CANCELLED, "", AT_MODE_COMMAND, 0 },
    },
    [AT_MODE_PASSTHROUGH] = {
        COLLECTS(AT_MODE_PASSTHROUGH),
        [ESCAPE] = { "", "", AT_MODE_COMMAND, 0 },
    },
    [AT_MODE_SPECIFIC] = {
        COLLECTS(AT_MODE_SPECIFIC),
        [ESCAPE] = { "", "+++", AT_MODE_SPECIFIC, 0 },
    },
};

static size_t collected(const rig *r, at_mode mode, const uint8_t **data)
{
    bool buffer = mode == AT_MODE_COUNTED || mode == AT_MODE_ESCAPED;
    *data = buffer ? r->data : r->sunk;
    return buffer ? strlen((const char *)r->data) : r->sunk_len;
}

static void check_cell(at_mode mode, unsigned which, size_t chunk)
{
    const expectation *want = &table[mode][which];
    const char *bytes = stimuli[which].bytes;
    const uint8_t *data;
    rig *r = rig_new();
    rig_say(r, enter[mode].line);
    rig_expect_bytes(r, enter[mode].out, strlen(enter[mode].out), __FILE__, __LINE__);
    at_session_set_echo(r->s, true);
    rig_advance(r, 20);
    assert_int_equal(at_session_mode(r->s), mode);
    rig_feed_chunked(r, bytes, strlen(bytes), chunk);
    rig_advance(r, 1000);
    size_t len = collected(r, mode, &data);
    if (at_session_mode(r->s) != want->after || len != strlen(want->data) ||
        r->restarts != want->restarts)
        print_error("mode %s, %s, chunk %zu: now %s, %zu bytes of data, %u restarts\n",
                    at_mode_name(mode), stimuli[which].name, chunk,
                    at_mode_name(at_session_mode(r->s)), len, r->restarts);
    rig_expect_bytes(r, want->out, strlen(want->out), __FILE__, __LINE__);
    assert_int_equal(at_session_mode(r->s), want->after);
    assert_int_equal(len, strlen(want->data));
    assert_memory_equal(data, want->data, len);
    assert_int_equal(r->restarts, want->restarts);
    rig_free(r);
}

static void every_input_in_every_mode(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < AT_MODES; mode++)
        for (unsigned which = 0; which < STIMULI; which++)
            for (size_t chunk = 1; chunk <= 16; chunk++)
                check_cell((at_mode)mode, which, chunk);
}

static size_t format_status(void *arg, char *buf, size_t room)
{
    (void)arg;
    (void)room;
    memcpy(buf, "STATUS\r\n", 8);
    return 8;
}

static void status_messages_in_every_mode(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < AT_MODES; mode++)
        for (unsigned bits = 0; bits < 8; bits++) {
            at_notice status = { .format = format_status, .status = true };
            at_notice other = { .format = format_status };
            rig *r = rig_new();
            at_session_set_sysmsg(r->s, bits);
            rig_say(r, enter[mode].line);
            rig_expect_bytes(r, enter[mode].out, strlen(enter[mode].out), __FILE__, __LINE__);
            at_notice_post(r->s, &status);
            rig_run(r);
            if (mode == AT_MODE_PASSTHROUGH && (bits & AT_SYSMSG_STATUS) == 0)
                rig_expect(r, "");
            else
                rig_expect(r, "STATUS\r\n");
            at_notice_post(r->s, &other);
            rig_run(r);
            rig_expect(r, "STATUS\r\n");
            rig_free(r);
        }
}

static void modes_have_names(void **state)
{
    (void)state;
    assert_string_equal(at_mode_name(AT_MODE_COMMAND), "command");
    assert_string_equal(at_mode_name(AT_MODE_PASSTHROUGH), "passthrough");
    assert_string_equal(at_mode_name(AT_MODES), "?");
}

/* --- busy --- */

static void one_busy_per_line_whatever_the_reads(void **state)
{
    static const char text[] = "AT+OK\r\nnonsense\rAT\n\r\n";
    (void)state;
    for (size_t chunk = 1; chunk <= sizeof(text); chunk++) {
        rig *r = rig_new();
        rig_ask(r, "AT+WAIT=1000", "");
        rig_feed_chunked(r, text, sizeof(text) - 1, chunk);
        rig_expect(r, BUSY BUSY);
        at_signal_raise(&r->signal);
        rig_run(r);
        rig_expect(r, "+WAIT:0\r\n" OK);
        rig_ask(r, "AT", OK); /* nothing was queued */
        rig_free(r);
    }
}

static void one_busy_per_burst_without_crlf(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+WAIT=1000", "");
    rig_say(r, " ");
    rig_expect(r, BUSY);
    rig_advance(r, 19);
    rig_say(r, "x");
    rig_expect(r, ""); /* the same burst */
    rig_advance(r, 20);
    rig_say(r, "x");
    rig_expect(r, BUSY);
    rig_free(r);
}

static void busy_has_a_code_with_syslog(void **state)
{
    rig *r = rig_new();
    (void)state;
    at_session_set_syslog(r->s, true);
    rig_ask(r, "AT+WAIT=1000", "");
    rig_ask(r, "AT", CODE("010b0000") BUSY);
    rig_free(r);
}

static void refused_input_is_not_echoed(void **state)
{
    rig *r = rig_new();
    (void)state;
    at_session_set_echo(r->s, true);
    rig_ask(r, "AT+WAIT=1000", "AT+WAIT=1000\r\n");
    rig_ask(r, "AT", BUSY);
    rig_free(r);
}

static void dropping_goes_on_when_the_command_has_ended(void **state)
{
    (void)state;
    for (unsigned silence = 0; silence <= 1; silence++) {
        rig *r = rig_new();
        rig_ask(r, "AT+WAIT=1000", "");
        rig_say(r, "AT+OK");
        rig_expect(r, BUSY);
        at_signal_raise(&r->signal);
        rig_run(r);
        rig_expect(r, "+WAIT:0\r\n" OK);
        if (silence == 0)
            rig_ask(r, "?", ""); /* the rest of the refused line */
        else
            rig_advance(r, 20);
        rig_ask(r, "AT+OK?", "+OK:1\r\n" OK);
        rig_free(r);
    }
}

static void a_line_behind_the_dropped_one_is_executed(void **state)
{
    static const char text[] = "+OK\r\nAT+OK?\r\n";
    (void)state;
    for (size_t chunk = 1; chunk <= sizeof(text); chunk++) {
        rig *r = rig_new();
        rig_ask(r, "AT+WAIT=1000", "");
        rig_say(r, "x");
        at_signal_raise(&r->signal);
        rig_run(r);
        rig_expect(r, BUSY "+WAIT:0\r\n" OK);
        rig_feed_chunked(r, text, sizeof(text) - 1, chunk);
        rig_expect(r, "+OK:1\r\n" OK);
        rig_free(r);
    }
}

/* The CR was dropped, silence ended the burst: the LF is garbage of its own, not the end of a line. */
static void a_dropped_cr_does_not_end_a_later_line(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+WAIT=1000", "");
    rig_say(r, "x\r");
    at_signal_raise(&r->signal);
    rig_run(r);
    rig_expect(r, BUSY "+WAIT:0\r\n" OK);
    rig_advance(r, 25);
    rig_say(r, "\n");
    rig_expect(r, "");
    rig_ask(r, "AT", ERROR);
    rig_ask(r, "AT", OK);
    rig_free(r);
}

static void a_part_of_the_restart_then_silence_is_busy(void **state)
{
    static const char whole[] = "AT+RST\r";
    (void)state;
    for (size_t len = 1; len < sizeof(whole); len++) {
        rig *r = rig_new();
        rig_ask(r, "AT+WAIT=1000", "");
        rig_feed(r, whole, len);
        rig_advance(r, 19);
        rig_expect(r, "");
        rig_advance(r, 1);
        rig_expect(r, BUSY);
        rig_say(r, "AT+RST\r\n"); /* a whole one is still seen */
        rig_expect(r, FORCED);
        rig_free(r);
    }
}

/* The next packet is read before the timer could say that the last one was over. */
static void silence_counts_also_when_it_is_noticed_late(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+WAIT=1000", "");
    rig_say(r, "AT+R");
    r->now += 30000;
    rig_say(r, "ST\r\n");
    rig_expect(r, BUSY BUSY);
    assert_int_equal(r->restarts, 0);
    rig_free(r);
}

static void a_part_of_the_restart_then_a_mismatch_is_busy(void **state)
{
    static const char *const almost[] = { "AT+RST\r\r\n", "AT+RST\n\r\n", "AT+RST=1\r\n",
                                          "at+rst\r\n",   "AT+RST \r\n",  "AT+RESTORE\r\n",
                                          " AT+RST\r\n",  "AAT+RST\r\n" };
    (void)state;
    for (size_t i = 0; i < AT_COUNT(almost); i++) {
        rig *r = rig_new();
        rig_ask(r, "AT+WAIT=1000", "");
        rig_feed_chunked(r, almost[i], strlen(almost[i]), 1 + i % 3);
        rig_expect(r, BUSY);
        rig_advance(r, 100);
        rig_expect(r, "");
        assert_int_equal(r->restarts, 0);
        rig_free(r);
    }
}

static void a_restart_that_the_command_does_not_outlive(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+WAIT=1000", "");
    rig_say(r, "AT+R"); /* while it runs */
    at_signal_raise(&r->signal);
    rig_run(r);
    rig_expect(r, "+WAIT:0\r\n" OK);
    rig_ask(r, "ST", FORCED);
    assert_int_equal(r->restarts, 1);
    rig_free(r);
}

static void a_restart_waits_for_the_port(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+WAIT=1000", "");
    r->undrained = true;
    rig_ask(r, "AT+RST", FORCED);
    at_signal_raise(&r->signal); /* the command ends, nobody hears of it */
    rig_advance(r, 100);
    rig_expect(r, "");
    assert_int_equal(r->restarts, 0);
    r->undrained = false;
    rig_advance(r, 1);
    assert_int_equal(r->restarts, 1);
    rig_free(r);
}

static void a_restart_waits_three_seconds_at_most(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+WAIT=100000", "");
    r->room = 0;
    rig_ask(r, "AT+RST", "");
    rig_advance(r, 2999);
    assert_int_equal(r->restarts, 0);
    rig_advance(r, 1);
    assert_int_equal(r->restarts, 1);
    rig_free(r);
}

/* --- pipelining --- */

static void lines_of_one_read_are_all_answered(void **state)
{
    static const char text[] = "AT\r\nAT+OK?\r\nAT+NONE\r\n\r\nAT+OK\r\n";
    (void)state;
    for (size_t chunk = 1; chunk <= sizeof(text); chunk++) {
        rig *r = rig_new();
        rig_feed_chunked(r, text, sizeof(text) - 1, chunk);
        rig_expect(r, OK "+OK:1\r\n" OK ERROR OK);
        rig_free(r);
    }
}

static void a_line_behind_one_that_waits_is_busy(void **state)
{
    static const char text[] = "AT\r\nAT+WAIT=10\r\nAT+OK?\r\n";
    (void)state;
    for (size_t chunk = 1; chunk <= sizeof(text); chunk++) {
        rig *r = rig_new();
        rig_feed_chunked(r, text, sizeof(text) - 1, chunk);
        rig_expect(r, OK BUSY);
        rig_advance(r, 10);
        rig_expect(r, "+WAIT:-4\r\n" OK);
        rig_free(r);
    }
}

/* The + were refused by the command that then prompts: they are no escape from its data. */
static void plus_refused_before_a_prompt_does_not_cancel_the_data(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_say(r, "AT+LATER=5\r\n");
    rig_advance(r, 30);
    rig_say(r, "+++");
    rig_expect(r, BUSY);
    at_signal_raise(&r->signal);
    rig_run(r);
    rig_expect(r, PROMPT);
    rig_advance(r, 100);
    rig_expect(r, "");
    rig_say(r, "hello");
    rig_expect(r, "\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n");
    rig_free(r);
}

static void the_rest_of_a_refused_line_is_no_data(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+LATER=5", "");
    rig_say(r, "AT+O");
    rig_expect(r, BUSY);
    at_signal_raise(&r->signal);
    rig_run(r);
    rig_expect(r, PROMPT);
    rig_say(r, "K\r\nhello");
    rig_expect(r, "\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n");
    assert_memory_equal(r->data, "hello", 5);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_input_in_every_mode),
        cmocka_unit_test(status_messages_in_every_mode),
        cmocka_unit_test(modes_have_names),
        cmocka_unit_test(one_busy_per_line_whatever_the_reads),
        cmocka_unit_test(one_busy_per_burst_without_crlf),
        cmocka_unit_test(busy_has_a_code_with_syslog),
        cmocka_unit_test(refused_input_is_not_echoed),
        cmocka_unit_test(dropping_goes_on_when_the_command_has_ended),
        cmocka_unit_test(a_line_behind_the_dropped_one_is_executed),
        cmocka_unit_test(a_dropped_cr_does_not_end_a_later_line),
        cmocka_unit_test(a_part_of_the_restart_then_silence_is_busy),
        cmocka_unit_test(silence_counts_also_when_it_is_noticed_late),
        cmocka_unit_test(a_part_of_the_restart_then_a_mismatch_is_busy),
        cmocka_unit_test(a_restart_that_the_command_does_not_outlive),
        cmocka_unit_test(a_restart_waits_for_the_port),
        cmocka_unit_test(a_restart_waits_three_seconds_at_most),
        cmocka_unit_test(lines_of_one_read_are_all_answered),
        cmocka_unit_test(a_line_behind_one_that_waits_is_busy),
        cmocka_unit_test(plus_refused_before_a_prompt_does_not_cancel_the_data),
        cmocka_unit_test(the_rest_of_a_refused_line_is_no_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
