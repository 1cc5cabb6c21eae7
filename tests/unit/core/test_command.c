/* From lines to results: forms, names, lengths, stray bytes, and the exact bytes of every error. */
#include "harness.h"

static char line[2048];

/* "AT+OK=" and filling so that the line has len bytes with its CRLF. */
static const char *line_of(size_t len)
{
    memset(line, 'x', len);
    memcpy(line, "AT+OK=", 6);
    memcpy(line + len - 2, "\r\n", 3);
    return line;
}

static void the_four_forms(void **state)
{
    rig *r = rig_new();
    (void)state;
    at_session_set_syslog(r->s, true);
    rig_ask(r, "AT", OK);
    rig_ask(r, "AT+OK", OK);
    rig_ask(r, "AT+OK?", "+OK:1\r\n" OK);
    rig_ask(r, "AT+OK=1", OK);
    rig_ask(r, "AT+OK=", OK);
    rig_ask(r, "AT+OK=?", CODE("010c0000") ERROR);
    rig_ask(r, "AT+WAIT?", CODE("010c0000") ERROR);
    rig_ask(r, "AT+WAIT", CODE("010c0000") ERROR);
    rig_ask(r, "AT+FAIL=1", CODE("010c0000") ERROR);
    rig_ask(r, "AT?", CODE("010c0000") ERROR);
    rig_free(r);
}

static void names_that_do_not_exist(void **state)
{
    static const char *const unknown[] = {
        "AT+NONE", "AT+",     "AT+O",    "AT+OKA", "AT+OKX?",      "ATE",      "ATE2",
        "AT+OK!",  "AT+OK?1", "AT+OK ?", "AT +OK", "AT+OK\rAT+OK", "AT+OK\n",  "ATAT",
        "AT+ok",   "AT+Ok",   "ATe0",    "AT\t",   "AT++OK",       "AT+OK+OK", "AT+ONLY2MB1",
    };
    rig *r = rig_new();
    (void)state;
    at_session_set_syslog(r->s, true);
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        rig_say(r, unknown[i]);
        rig_ask(r, "", CODE("01090000") ERROR);
    }
    rig_ask(r, "AT+OK", OK);
    rig_free(r);
}

static void at_in_any_case_names_in_upper_case(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "at", OK);
    rig_ask(r, "aT+OK", OK);
    rig_ask(r, "At+OK?", "+OK:1\r\n" OK);
    rig_ask(r, "at+ok", ERROR);
    rig_free(r);
}

static void lines_that_do_not_start_with_at(void **state)
{
    static const char *const garbage[] = { "?",   " AT",  "A",        "T",    "+++",
                                           "A T", "\r",   "\n",       " ",    "\tAT",
                                           "XAT", "\x7f", "\xff\xfe", "\r\r", "AAT" };
    rig *r = rig_new();
    (void)state;
    at_session_set_syslog(r->s, true);
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        rig_say(r, garbage[i]);
        rig_expect(r, "");
        rig_ask(r, "", CODE("01030000") ERROR);
    }
    rig_feed(r, "\0AT\r\n", 5);
    rig_expect(r, CODE("01030000") ERROR);
    rig_ask(r, "AT", OK);
    rig_free(r);
}

static void an_empty_line_is_swallowed(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "", "");
    rig_ask(r, "\r\n\r\n", "");
    rig_say(r, "\r\nAT\r\n\r\nAT\r\n");
    rig_expect(r, OK OK);
    rig_feed_chunked(r, "\r\n\r\nAT\r\n", 8, 1);
    rig_expect(r, OK);
    rig_free(r);
}

static void only_crlf_ends_a_line(void **state)
{
    rig *r = rig_new();
    (void)state;
    at_session_set_syslog(r->s, true);
    rig_say(r, "AT\r");
    rig_advance(r, 10000);
    rig_expect(r, "");
    rig_say(r, "AT\r\n"); /* one line, AT CR AT */
    rig_expect(r, CODE("01090000") ERROR);
    rig_say(r, "AT\nAT\r\n");
    rig_expect(r, CODE("01090000") ERROR);
    rig_say(r, "AT\n\r\n");
    rig_expect(r, CODE("01090000") ERROR);
    rig_feed_chunked(r, "AT\r\r\n", 5, 1);
    rig_expect(r, CODE("01090000") ERROR);
    rig_say(r, "AT");
    rig_advance(r, 3600000); /* a line waits without limit */
    rig_ask(r, "+OK?", "+OK:1\r\n" OK);
    rig_free(r);
}

static void a_line_has_at_most_256_bytes(void **state)
{
    static const size_t too_long[] = { 257, 258, 259, 511, 512, 513, 1000, 2000 };
    rig *r = rig_new();
    (void)state;
    at_session_set_syslog(r->s, true);
    for (size_t chunk = 1; chunk <= 300; chunk = chunk * 2 + 1) {
        rig_feed_chunked(r, line_of(255), 255, chunk);
        rig_expect(r, OK);
        rig_feed_chunked(r, line_of(256), 256, chunk);
        rig_expect(r, OK);
        for (size_t i = 0; i < sizeof(too_long) / sizeof(too_long[0]); i++) {
            rig_feed_chunked(r, line_of(too_long[i]), too_long[i], chunk);
            rig_expect(r, CODE("01030000") ERROR);
        }
        rig_ask(r, "AT", OK); /* swallowed up to its CRLF: nothing is left */
    }
    rig_free(r);
}

static void an_overlong_line_may_hold_lone_cr_and_lf(void **state)
{
    rig *r = rig_new();
    (void)state;
    for (size_t chunk = 1; chunk < 600; chunk += 7) {
        line_of(600);
        line[100] = line[300] = '\r';
        line[200] = line[400] = '\n';
        rig_feed_chunked(r, line, 600, chunk);
        rig_expect(r, ERROR);
    }
    rig_ask(r, "AT", OK);
    rig_free(r);
}

static void echo_is_a_raw_copy(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "ATE1", OK);
    rig_ask(r, "AT", "AT\r\n" OK);
    rig_say(r, "A");
    rig_expect(r, "A"); /* as it arrives */
    rig_say(r, "T\r");
    rig_expect(r, "T\r");
    rig_say(r, "\n");
    rig_expect(r, "\n" OK);
    rig_ask(r, "", "\r\n");
    rig_ask(r, "ATE0", "ATE0\r\n" OK); /* its own echo still comes */
    rig_ask(r, "AT", OK);
    rig_ask(r, "ATE1", OK);
    rig_feed(r, "\0\x01\xff\b\n\r\r\n", 8);
    rig_expect(r, "\0\x01\xff\b\n\r\r\n" ERROR);
    rig_say(r, "AT\r\nAT+OK?\r\n");
    rig_expect(r, "AT\r\n" OK "AT+OK?\r\n+OK:1\r\n" OK);
    rig_free(r);
}

static void an_overlong_line_is_echoed_whole(void **state)
{
    rig *r = rig_new();
    (void)state;
    at_session_set_echo(r->s, true);
    for (size_t chunk = 1; chunk < 1500; chunk = chunk * 3 + 1) {
        rig_feed_chunked(r, line_of(1000), 1000, chunk);
        assert_int_equal(r->out_len, 1000 + 9);
        assert_memory_equal(r->out, line, 1000);
        assert_memory_equal(r->out + 1000, ERROR, 9);
        r->out_len = 0;
    }
    rig_free(r);
}

static void a_failure_has_code_and_reason(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+FAIL", ERROR);
    assert_string_equal(r->reason, "\"command\":\"AT+FAIL\",\"code\":\"0x010a0001\","
                                   "\"reason\":\"it 'always' fails\"");
    at_session_set_syslog(r->s, true);
    assert_true(at_session_syslog(r->s));
    rig_ask(r, "AT+FAIL", CODE("010a0001") ERROR);
    at_session_set_syslog(r->s, false);
    rig_ask(r, "AT+FAIL", ERROR);
    rig_free(r);
}

static void two_megabytes_only(at_session_config *config)
{
    config->builds = AT_IN_2MB;
}

static void a_build_has_only_its_rows(void **state)
{
    rig *r = rig_new_with(two_megabytes_only);
    (void)state;
    rig_ask(r, "AT+ONLY2MB", OK);
    rig_ask(r, "AT+OK", ERROR);
    assert_string_equal(at_session_row(r->s, 0)->name, "+ONLY2MB");
    assert_null(at_session_row(r->s, 1));
    rig_free(r);
    r = rig_new();
    assert_ptr_equal(at_session_row(r->s, 0), &rig_family.rows[0]);
    assert_ptr_equal(at_session_row(r->s, rig_family.count - 1),
                     &rig_family.rows[rig_family.count - 1]);
    assert_null(at_session_row(r->s, rig_family.count));
    rig_free(r);
}

static void omitted_values_are_not_those_of_the_last_command(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+ARGS=5,1,\"text\"", OK);
    assert_true(at_has(&r->seen, 2));
    rig_ask(r, "AT+ARGS", OK); /* the same handler, execute form */
    for (unsigned i = 0; i < AT_ARGS_MAX; i++) {
        assert_false(at_has(&r->seen, i));
        assert_int_equal(at_int(&r->seen, i), 0);
        assert_string_equal(at_text(&r->seen, i), "");
    }
    rig_free(r);
}

static at_result at_boot(at_call *call)
{
    at_row(call, "from boot\r\n");
    assert_int_equal(at_wait(call, NULL, 100), AT_ERR_TIMEOUT);
    return AT_RESULT_SILENT;
}

static void a_row_can_run_without_a_line(void **state)
{
    static const at_cmd row = { .name = "+BOOT", .execute = at_boot };
    rig *r = rig_new();
    (void)state;
    at_session_run(r->s, &row);
    rig_run(r);
    rig_expect(r, "from boot\r\n");
    rig_ask(r, "AT", BUSY);
    rig_advance(r, 100);
    rig_ask(r, "AT", OK);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_four_forms),
        cmocka_unit_test(names_that_do_not_exist),
        cmocka_unit_test(at_in_any_case_names_in_upper_case),
        cmocka_unit_test(lines_that_do_not_start_with_at),
        cmocka_unit_test(an_empty_line_is_swallowed),
        cmocka_unit_test(only_crlf_ends_a_line),
        cmocka_unit_test(a_line_has_at_most_256_bytes),
        cmocka_unit_test(an_overlong_line_may_hold_lone_cr_and_lf),
        cmocka_unit_test(echo_is_a_raw_copy),
        cmocka_unit_test(an_overlong_line_is_echoed_whole),
        cmocka_unit_test(a_failure_has_code_and_reason),
        cmocka_unit_test(a_build_has_only_its_rows),
        cmocka_unit_test(omitted_values_are_not_those_of_the_last_command),
        cmocka_unit_test(a_row_can_run_without_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
