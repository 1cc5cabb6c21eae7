/* Parameters, as WIRE 6 and guide 3.13 have them, one rule after the other. The code of an error says
 * which parameter and why. */
#include "harness.h"

#include <stdio.h>

typedef struct rejected {
    const char *line, *code;
} rejected;

static void expect_code(rig *r, const rejected *row)
{
    char want[64];
    size_t len = (size_t)snprintf(want, sizeof(want), "ERR CODE:0x%s\r\n\r\nERROR\r\n", row->code);
    rig_say(r, row->line);
    rig_say(r, "\r\n");
    if (r->out_len != len || memcmp(r->out, want, len) != 0)
        print_error("%s: wanted %s, got %.*s\n", row->line, row->code, (int)r->out_len, r->out);
    rig_expect_bytes(r, want, len, __FILE__, __LINE__);
}

static void expect_codes(const rejected *list, size_t count)
{
    rig *r = rig_new();
    at_session_set_syslog(r->s, true);
    for (size_t i = 0; i < count; i++)
        expect_code(r, &list[i]);
    rig_ask(r, "AT", OK);
    rig_free(r);
}

#define EXPECT_CODES(list) expect_codes(list, sizeof(list) / sizeof((list)[0]))

static void expect_text(rig *r, unsigned index, const char *text, size_t len)
{
    assert_true(at_has(&r->seen, index));
    assert_int_equal(r->seen.arg[index].len, len);
    assert_memory_equal(at_text(&r->seen, index), text, len + 1);
}

static void strings_and_escapes(void **state)
{
    static const struct {
        const char *field, *text;
    } table[] = {
        { "\"abc\"", "abc" },
        { "\"\"", "" },
        { "\" \"", " " },
        { "\"a\\\\b\"", "a\\b" },
        { "\"a\\\"b\"", "a\"b" },
        { "\"a\\,b\"", "a,b" },
        { "\"\\a\\n\\0\"", "an0" },                       /* any \c is c */
        { "\"\\\"{\\\"a\\\":1}\\\"\"", "\"{\"a\":1}\"" }, /* the guide's MQTTPUB example */
        { "\"\\\\\"", "\\" },
        { "\"\\\\\\\\\"", "\\\\" },
        { "\"a,b\"", "a,b" }, /* four of the known drivers never escape a comma */
        { "\",\"", "," },
        { "\",,\\\",,\"", ",,\",," },
        { "\"a\rb\nc\"", "a\rb\nc" },
        { "\"\xc3\xa4\xff\x01\"", "\xc3\xa4\xff\x01" },
        { "\"12345678901234567890123456789012\"", "12345678901234567890123456789012" },
    };
    rig *r = rig_new();
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        rig_say(r, "AT+ARGS=1,,");
        rig_say(r, table[i].field);
        rig_ask(r, "", OK);
        expect_text(r, 2, table[i].text, strlen(table[i].text));
        assert_int_equal(r->seen.given, 3);
    }
    rig_free(r);
}

static void a_string_may_hold_zero_bytes(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_feed(r, "AT+ARGS=1,,\"a\0b\\\0\"\r\n", 20);
    rig_expect(r, OK);
    expect_text(r, 2, "a\0b\0", 4);
    rig_free(r);
}

static void what_follows_a_string_is_the_next_parameter(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+ARGS=-3,0,\"a\\\",\\\\\",\"00:11:22:33:44:fF\",7,\"z,\\\"\"", OK);
    assert_int_equal(at_int(&r->seen, 0), -3);
    assert_int_equal(at_int(&r->seen, 1), 0);
    expect_text(r, 2, "a\",\\", 4);
    assert_memory_equal(r->seen.arg[3].mac, "\x00\x11\x22\x33\x44\xff", 6);
    assert_int_equal(at_int(&r->seen, 4), 7);
    expect_text(r, 5, "z,\"", 3);
    rig_free(r);
}

static void quotation_marks_must_enclose_the_field(void **state)
{
    static const rejected list[] = {
        { "AT+ARGS=1,,\"", "01080003" },      { "AT+ARGS=1,,\"a", "01080003" },
        { "AT+ARGS=1,,\"a\"b", "01080003" },  { "AT+ARGS=1,,\"a\"\"b\"", "01080003" },
        { "AT+ARGS=1,,\"a\\\"", "01080003" }, { "AT+ARGS=1,,\"\"\"", "01080003" },
        { "AT+ARGS=1,,\"a\" ", "01080003" },  { "AT+ARGS=1,,\"a,,,,,,,,", "01080003" },
        { "AT+ARGS=1,,\"a\\", "01080003" },   { "AT+ARGS=1,,\"\\", "01080003" },
    };
    (void)state;
    EXPECT_CODES(list);
}

static void a_string_needs_quotation_marks(void **state)
{
    static const rejected list[] = {
        { "AT+ARGS=1,,abc", "01050003" },
        { "AT+ARGS=1,, \"abc\"", "01050003" },
        { "AT+ARGS=1,,12", "01050003" },
        { "AT+ARGS=1,,'abc'", "01050003" },
        { "AT+ARGS=1,,a\"bc\"", "01050003" },
        { "AT+ARGS=1,,\\\"", "01050003" },
        { "AT+ARGS=1,,,00:11:22:33:44:55", "01050004" },
    };
    (void)state;
    EXPECT_CODES(list);
}

static void length_of_a_string_after_unescaping(void **state)
{
    static const rejected list[] = {
        { "AT+ARGS=1,,\"123456789012345678901234567890123\"", "01040003" },
        { "AT+ARGS=1,,,,,\"\"", "01040006" },
        { "AT+ARGS=1,,,,,\"12345\"", "01040006" },
        { "AT+U=1,\"\",\"00:11:22:33:44:55\"", "01040002" },
        { "AT+ARGS=1,,,\"00:11:22:33:44:5\"", "01040004" },
        { "AT+ARGS=1,,,\"\"", "01040004" },
    };
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+ARGS=1,,,,,\"\\1\\2\\3\\4\"", OK);
    expect_text(r, 5, "1234", 4);
    rig_free(r);
    EXPECT_CODES(list);
}

static void an_empty_field_is_omitted_an_empty_string_is_not(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+ARGS=1,,\"\"", OK);
    assert_false(at_has(&r->seen, 1));
    assert_int_equal(at_int(&r->seen, 1), 2); /* the fallback */
    assert_true(at_has(&r->seen, 2));
    assert_string_equal(at_text(&r->seen, 2), "");
    rig_ask(r, "AT+ARGS=1,0,,", OK);
    assert_true(at_has(&r->seen, 1));
    assert_int_equal(at_int(&r->seen, 1), 0);
    assert_false(at_has(&r->seen, 2));
    assert_string_equal(at_text(&r->seen, 2), ""); /* never NULL */
    rig_free(r);
}

static void trailing_commas_are_omitted_parameters(void **state)
{
    static const char *const same[] = { "AT+ARGS=1",    "AT+ARGS=1,",    "AT+ARGS=1,,",
                                        "AT+ARGS=1,,,", "AT+ARGS=1,,,,", "AT+ARGS=1,,,,," };
    rig *r = rig_new();
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        rig_say(r, same[i]);
        rig_ask(r, "", OK);
        assert_int_equal(r->seen.given, i + 1);
        assert_int_equal(at_int(&r->seen, 0), 1);
        for (unsigned k = 1; k < AT_ARGS_MAX; k++)
            assert_false(at_has(&r->seen, k));
    }
    rig_ask(r, "AT+MANY=,,,1,,", OK); /* Zephyr's AT+CWLAP */
    assert_int_equal(r->seen.given, 6);
    assert_int_equal(at_int(&r->seen, 3), 1);
    rig_ask(r, "AT+MANY=", OK);
    assert_int_equal(r->seen.given, 0);
    rig_ask(r, "AT+MANY=,", OK);
    assert_int_equal(r->seen.given, 2);
    rig_free(r);
}

static void a_required_parameter_cannot_be_omitted(void **state)
{
    static const rejected list[] = {
        { "AT+ARGS=,1", "01070001" },
        { "AT+ARGS=,,,", "01070001" },
        { "AT+U=1,,\"00:11:22:33:44:55\"", "01070002" },
        { "AT+U=,\"a\",\"00:11:22:33:44:55\"", "01070001" },
        { "AT+U=1,\"a\",", "01070003" },
    };
    (void)state;
    EXPECT_CODES(list);
}

static void counts_have_needed_and_given_in_the_code(void **state)
{
    static const rejected list[] = {
        { "AT+ARGS=", "01060100" },
        { "AT+U=", "01060300" },
        { "AT+U=1", "01060301" },
        { "AT+U=1,\"a\"", "01060302" },
        { "AT+U=1,\"a,b\"", "01060302" },
        { "AT+U=1,\"a\",\"00:11:22:33:44:55\",1,2", "01060405" },
        { "AT+ARGS=1,2,,,,,", "01060607" },
        { "AT+WAIT=1,2", "01060102" },
        { "AT+WAIT=1,", "01060102" },
        { "AT+MANY=1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "01061011" },
        { "AT+MANY=,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,", "01061b1c" },
        { "AT+OK=,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,", "01061b1c" },
        { "AT+TYPE=\"UDP\",1,2", "01060203" },
    };
    (void)state;
    EXPECT_CODES(list);
}

static void sixteen_parameters_fit(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+MANY=0,1,2,3,4,5,6,7,8,9,8,7,6,5,4,3", OK);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(at_int(&r->seen, i), i < 10 ? i : 18 - i);
    rig_ask(r, "AT+MANY=,,,,,,,,,,,,,,,", OK);
    assert_int_equal(r->seen.given, 16);
    rig_free(r);
}

static void numbers(void **state)
{
    static const struct {
        const char *field;
        int32_t value;
    } table[] = {
        { "0", 0 },
        { "7", 7 },
        { "-5", -5 },
        { "-100", -100 },
        { "015", 15 }, /* decimal, never octal */
        { "0000000000000000000000001", 1 },
        { "-0", 0 },
        { "0x7FF", 0x7FF },
        { "0x1C000", 0x1C000 },
        { "0x34", 0x34 },
        { "0x1c000", 0x1C000 },
        { "0X34", 0x34 },
        { "0x0", 0 },
        { "2147483647", INT32_MAX },
        { "-2147483648", INT32_MIN },
        { "0x7FFFFFFF", INT32_MAX },
    };
    rig *r = rig_new();
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        rig_say(r, "AT+U=1,\"a\",\"00:11:22:33:44:55\",");
        rig_say(r, table[i].field);
        rig_ask(r, "", OK);
        assert_int_equal(at_int(&r->seen, 3), table[i].value);
    }
    rig_ask(r, "AT+U=1,\"a\",\"00:11:22:33:44:55\"", OK);
    assert_int_equal(at_int(&r->seen, 3), -7);
    rig_free(r);
}

static void what_is_no_number(void **state)
{
    static const rejected list[] = {
        { "AT+ARGS=\"1\"", "01050001" },
        { "AT+ARGS=a", "01050001" },
        { "AT+ARGS= 1", "01050001" },
        { "AT+ARGS=1 ", "01050001" },
        { "AT+ARGS=1.5", "01050001" },
        { "AT+ARGS=1e1", "01050001" },
        { "AT+ARGS=-", "01050001" },
        { "AT+ARGS=--1", "01050001" },
        { "AT+ARGS=0x", "01050001" },
        { "AT+ARGS=0xG", "01050001" },
        { "AT+ARGS=x1", "01050001" },
        { "AT+ARGS=1,1a", "01050002" },
        { "AT+ARGS=1\r", "01050001" },
        { "AT+ARGS=\"\"", "01050001" },
        { "AT+ARGS=?1", "01050001" },
        { "AT+ARGS==1", "01050001" },
        { "AT+ARGS=99999999999999999999999", "01050001" },
    };
    (void)state;
    EXPECT_CODES(list);
}

static void ranges_of_numbers(void **state)
{
    static const rejected list[] = {
        { "AT+ARGS=-101", "01070001" },
        { "AT+ARGS=101", "01070001" },
        { "AT+ARGS=1,-1", "01070002" },
        { "AT+ARGS=1,4", "01070002" },
        { "AT+ARGS=4294967296", "01070001" },
        { "AT+ARGS=4294967297", "01070001" },
        { "AT+ARGS=0xFFFFFFFF", "01070001" },
        { "AT+ARGS=-4294967295", "01070001" },
        { "AT+U=1,\"a\",\"00:11:22:33:44:55\",2147483648", "01070004" },
        { "AT+U=1,\"a\",\"00:11:22:33:44:55\",-2147483649", "01070004" },
    };
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+ARGS=-100,0", OK);
    rig_ask(r, "AT+ARGS=100,3", OK);
    rig_free(r);
    EXPECT_CODES(list);
}

static void unsigned_numbers_have_32_bits(void **state)
{
    static const rejected list[] = {
        { "AT+ARGS=1,,,,4294967296", "01070005" },  { "AT+ARGS=1,,,,-1", "01070005" },
        { "AT+ARGS=1,,,,0x100000000", "01070005" }, { "AT+ARGS=1,,,,\"1\"", "01050005" },
        { "AT+ARGS=1,,,,x", "01050005" },
    };
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+ARGS=1,,,,4294967295", OK);
    assert_true((uint32_t)at_int(&r->seen, 4) == UINT32_MAX);
    rig_ask(r, "AT+ARGS=1,,,,0x80000000", OK);
    assert_true((uint32_t)at_int(&r->seen, 4) == 0x80000000u);
    rig_ask(r, "AT+ARGS=1,,,,0", OK);
    assert_true(at_has(&r->seen, 4));
    rig_ask(r, "AT+ARGS=1", OK);
    assert_false(at_has(&r->seen, 4));
    rig_free(r);
    EXPECT_CODES(list);
}

static void mac_addresses(void **state)
{
    static const rejected list[] = {
        { "AT+ARGS=1,,,\"00-11-22-33-44-55\"", "01070004" },
        { "AT+ARGS=1,,,\"00:11:22:33:44:5g\"", "01070004" },
        { "AT+ARGS=1,,,\"00:11:22:33:4455:\"", "01070004" },
        { "AT+ARGS=1,,,\"00:11:22:33:44:55:66\"", "01040004" },
        { "AT+ARGS=1,,,\"001122334455\"", "01040004" },
    };
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+ARGS=1,,,\"aB:cD:ef:01:23:99\"", OK);
    assert_memory_equal(r->seen.arg[3].mac, "\xab\xcd\xef\x01\x23\x99", 6);
    rig_free(r);
    EXPECT_CODES(list);
}

static void the_first_wrong_parameter_is_the_one_reported(void **state)
{
    static const rejected list[] = {
        { "AT+ARGS=x,9,abc", "01050001" },
        { "AT+ARGS=1,9,abc", "01070002" },
        { "AT+ARGS=1,1,abc,\"\"", "01050003" },
        { "AT+ARGS=x,1,1,1,1,1,1", "01060607" }, /* the count comes first */
    };
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+ARGS=1,9", ERROR);
    assert_non_null(strstr(r->reason, "parameter 2 <choice> is 9, allowed are 0 to 3"));
    rig_free(r);
    EXPECT_CODES(list);
}

static void the_shape_depends_on_a_raw_field(void **state)
{
    rig *r = rig_new();
    (void)state;
    rig_ask(r, "AT+TYPE=\"TCP\",80,60", OK);
    assert_int_equal(at_int(&r->seen, 2), 60);
    rig_ask(r, "AT+TYPE=\"UDP\",80", OK);
    assert_false(at_has(&r->seen, 2));
    assert_int_equal(at_int(&r->seen, 2), 0); /* not the 60 of the line before */
    rig_ask(r, "AT+TYPE=UDP,80", ERROR);
    rig_ask(r, "AT+TYPE=", ERROR);
    rig_ask(r, "AT+TYPE=\"\",1", ERROR);
    rig_ask(r, "AT+TYPE=\",1", ERROR);
    rig_ask(r, "AT+TYPE=\"longer than the room\",1", ERROR);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_and_escapes),
        cmocka_unit_test(a_string_may_hold_zero_bytes),
        cmocka_unit_test(what_follows_a_string_is_the_next_parameter),
        cmocka_unit_test(quotation_marks_must_enclose_the_field),
        cmocka_unit_test(a_string_needs_quotation_marks),
        cmocka_unit_test(length_of_a_string_after_unescaping),
        cmocka_unit_test(an_empty_field_is_omitted_an_empty_string_is_not),
        cmocka_unit_test(trailing_commas_are_omitted_parameters),
        cmocka_unit_test(a_required_parameter_cannot_be_omitted),
        cmocka_unit_test(counts_have_needed_and_given_in_the_code),
        cmocka_unit_test(sixteen_parameters_fit),
        cmocka_unit_test(numbers),
        cmocka_unit_test(what_is_no_number),
        cmocka_unit_test(ranges_of_numbers),
        cmocka_unit_test(unsigned_numbers_have_32_bits),
        cmocka_unit_test(mac_addresses),
        cmocka_unit_test(the_first_wrong_parameter_is_the_one_reported),
        cmocka_unit_test(the_shape_depends_on_a_raw_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
