/* Readers, builders, numbers, addresses, and the phrases of errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/error.h"

static void there_and_back(void **state)
{
    uint8_t buffer[15], copy[2];
    at_builder b = at_builder_of(buffer, sizeof buffer);
    at_reader r;

    (void)state;
    at_put8(&b, 0x01);
    at_put16(&b, 0x0203);
    at_put32(&b, 0x04050607);
    at_put16le(&b, 0x0908);
    at_put32le(&b, 0x0D0C0B0A);
    at_put(&b, "\x0E\x0F", 2);
    at_put(&b, NULL, 0);
    assert_int_equal(at_built(&b), 15);
    for (uint8_t i = 0; i < 15; i++)
        assert_int_equal(buffer[i], i + 1);
    r = at_reader_of(buffer, sizeof buffer);
    assert_int_equal(at_get8(&r), 0x01);
    assert_int_equal(at_get16(&r), 0x0203);
    assert_int_equal(at_get32(&r), 0x04050607);
    assert_int_equal(at_get16le(&r), 0x0908);
    assert_int_equal(at_get32le(&r), 0x0D0C0B0A);
    at_get_copy(&r, copy, 2);
    assert_int_equal(copy[1], 0x0F);
    assert_non_null(at_get(&r, 0));
    assert_true(r.ok && r.left == 0);
}

static void failure_sticks(void **state)
{
    uint8_t buffer[4] = { 1, 2, 3, 4 }, copy[4] = { 9, 9, 9, 9 };
    at_reader r = at_reader_of(buffer, 3);
    at_builder b = at_builder_of(buffer, 3);

    (void)state;
    assert_int_equal(at_get32(&r), 0);
    assert_false(r.ok);
    assert_int_equal(at_get8(&r), 0); /* although a byte was left */
    assert_int_equal(at_get16(&r), 0);
    assert_int_equal(at_get16le(&r), 0);
    assert_int_equal(at_get32le(&r), 0);
    assert_null(at_get(&r, 0));
    at_get_copy(&r, copy, 4);
    assert_int_equal(copy[0] | copy[3], 0);
    at_put32(&b, 0xFFFFFFFF);
    at_put8(&b, 0xFF);
    assert_false(b.ok);
    assert_int_equal(at_built(&b), 0);
    assert_int_equal(buffer[0], 1); /* nothing was written in part */
    r = at_reader_of(NULL, 0);
    assert_non_null(at_get(&r, 0));
    assert_null(at_get(&r, 1));
    b = at_builder_of(NULL, 0);
    assert_int_equal(at_built(&b), 0);
}

static void copying_text(void **state)
{
    char to[4] = "xxx";

    (void)state;
    assert_int_equal(at_copy_text(to, 0, "abc"), 0);
    assert_string_equal(to, "xxx");
    assert_int_equal(at_copy_text(to, 4, "abcdef"), 3);
    assert_string_equal(to, "abc");
    assert_int_equal(at_copy_text(to, 1, "abc"), 0);
    assert_string_equal(to, "");
}

static void numbers(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } rows[] = {
        { "0", true, 0 },
        { "007", true, 7 },
        { "-1", true, -1 },
        { "+12", true, 12 },
        { "0x1F", true, 31 },
        { "0XfF", true, 255 },
        { "-0x10", true, -16 },
        { "-0", true, 0 },
        { "9223372036854775807", true, INT64_MAX },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775808", true, INT64_MIN },
        { "-9223372036854775809", false, 0 },
        { "0x7FFFFFFFFFFFFFFF", true, INT64_MAX },
        { "0xFFFFFFFFFFFFFFFF", false, 0 },
        { "99999999999999999999999999", false, 0 },
        { "", false, 0 },
        { "-", false, 0 },
        { "+", false, 0 },
        { "0x", false, 0 },
        { "1a", false, 0 },
        { " 1", false, 0 },
        { "1 ", false, 0 },
        { "--1", false, 0 },
        { "0xg", false, 0 },
        { "1.0", false, 0 },
        { "-0x", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < AT_COUNT(rows); i++) {
        int64_t value = 0;

        assert_int_equal(at_parse_int(rows[i].text, strlen(rows[i].text), &value), rows[i].ok);
        assert_true(value == rows[i].value);
    }
}

static void addresses(void **state)
{
    static const char *const wrong[] = {
        "",
        "1",
        "18:fe:34:a5:8c:e",
        "18:fe:34:a5:8c:e7:",
        "18:fe:34:a5:8c",
        "18-fe-34-a5-8c-e7",
        "18:fe:34:a5:8c:eg",
        "1:8fe:34:a5:8c:e7",
        "18:fe:34:a5:8c:e7 ",
    };
    uint8_t mac[6] = { 0 };
    char text[18];

    (void)state;
    assert_true(at_parse_mac("18:fE:34:A5:8c:e7", mac));
    assert_memory_equal(mac, "\x18\xFE\x34\xA5\x8C\xE7", 6);
    at_format_mac(text, mac);
    assert_string_equal(text, "18:fe:34:a5:8c:e7");
    for (size_t i = 0; i < AT_COUNT(wrong); i++)
        assert_false(at_parse_mac(wrong[i], mac));
    assert_int_equal(mac[0], 0x18); /* untouched by the wrong ones */
}

static void hex(void **state)
{
    uint8_t bytes[4] = { 9, 9, 9, 9 };

    (void)state;
    assert_true(at_parse_hex("", 0, bytes));
    assert_true(at_parse_hex("00fFA5", 3, bytes));
    assert_memory_equal(bytes, "\x00\xff\xa5\x09", 4);
    assert_false(at_parse_hex("0g", 1, bytes));
    assert_false(at_parse_hex("g0", 1, bytes));
    assert_false(at_parse_hex("0", 1, bytes)); /* its end is no digit */
    for (int c = 0; c < 256; c++)
        assert_int_equal(at_hex_digit((char)c) >= 0,
                         c != 0 && strchr("0123456789abcdefABCDEF", c) != NULL);
}

static void errors_have_phrases(void **state)
{
    (void)state;
    for (int err = AT_ERR_CORRUPT; err <= AT_OK; err++)
        assert_string_not_equal(at_err_text((at_err)err), "unknown error");
    assert_string_equal(at_err_text(AT_ERR_TIMEOUT), "timeout");
    assert_string_equal(at_err_text((at_err)(AT_ERR_CORRUPT - 1)), "unknown error");
    assert_string_equal(at_err_text((at_err)1), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),      cmocka_unit_test(failure_sticks),
        cmocka_unit_test(copying_text),        cmocka_unit_test(numbers),
        cmocka_unit_test(addresses),           cmocka_unit_test(hex),
        cmocka_unit_test(errors_have_phrases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
