/* The log: levels, escapes, the cut, and silence without a sink. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"

typedef struct capture {
    at_log_level level;
    char area[16], text[300];
    unsigned lines;
} capture;

static void line(void *ctx, at_log_level level, const char *area, const char *text)
{
    capture *c = ctx;

    c->level = level;
    c->lines++;
    strncpy(c->area, area, sizeof c->area - 1);
    strncpy(c->text, text, sizeof c->text - 1);
    c->text[strlen(text)] = '\0';
}

static void levels(void **state)
{
    capture c = { 0 };
    const at_log_sink sink = { &c, AT_LOG_WARN, line };
    const at_log log = { &sink }, silent = { NULL };

    (void)state;
    at_log(&log, AT_LOG_INFO, "wifi", "joined %s", "home");
    assert_int_equal(c.lines, 0);
    at_log(&log, AT_LOG_WARN, "cmd", "parameter %d: %s", 2, "out of range");
    assert_int_equal(c.lines, 1);
    assert_int_equal(c.level, AT_LOG_WARN);
    assert_string_equal(c.area, "cmd");
    assert_string_equal(c.text, "parameter 2: out of range");
    at_log(&silent, AT_LOG_ERROR, "cmd", "nobody hears this");
    at_log(NULL, AT_LOG_ERROR, "cmd", "nor this");
    assert_int_equal(c.lines, 1);
}

static void nothing_forges_a_line(void **state)
{
    capture c = { 0 };
    const at_log_sink sink = { &c, AT_LOG_DEBUG, line };
    const at_log log = { &sink };
    char text[400];

    (void)state;
    at_log(&log, AT_LOG_ERROR, "wifi", "%s", "a\r\nb\x1B[2J\xC3\xA9\x7F");
    assert_string_equal(c.text, "a\\x0d\\x0ab\\x1b[2J\\xc3\\xa9\\x7f");
    memset(text, 'x', sizeof text);
    text[399] = '\0';
    at_log(&log, AT_LOG_ERROR, "wifi", "%s", text);
    assert_int_equal(strlen(c.text), 240);
    text[238] = '\n'; /* its escape does not fit: not cut in the middle */
    at_log(&log, AT_LOG_ERROR, "wifi", "%s", text);
    assert_int_equal(strlen(c.text), 238);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels),
        cmocka_unit_test(nothing_forges_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
