/* Versions and lists of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "proto/release.h"

static void validity(void **state)
{
    static const char *const good[] = { "v1", "v3.5.0.0", "v10.20.30.40-dev", "v1_a+b" };
    static const char *const bad[] = { "",    "v",     "3.5.0.0", "vx.1",  "v1/..",
                                       "v1 ", "v1\\a", "v1\"",    "v1%2F", "v1\xc3" };
    char longest[AT_RELEASE_MAX + 2] = "v1";
    (void)state;
    for (size_t i = 0; i < AT_COUNT(good); i++)
        assert_true(at_release_valid(good[i]));
    for (size_t i = 0; i < AT_COUNT(bad); i++)
        assert_false(at_release_valid(bad[i]));
    memset(longest + 2, '1', AT_RELEASE_MAX - 2);
    assert_true(at_release_valid(longest));
    longest[AT_RELEASE_MAX] = '1';
    assert_false(at_release_valid(longest));
}

static void order(void **state)
{
    static const char *const up[] = { "v0.9",         "v1-dev",   "v1",           "v1.0.0.1",
                                      "v1.2",         "v1.10",    "v2.0.0.0-dev", "v2.0.0.0",
                                      "v3.5.0.0-dev", "v3.5.0.0", "v3.5.0.1",     "v10",
                                      "v99999999999" };
    (void)state;
    for (size_t i = 0; i < AT_COUNT(up); i++)
        for (size_t j = 0; j < AT_COUNT(up); j++) {
            int sign = at_release_compare(up[i], up[j]);
            assert_int_equal((sign > 0) - (sign < 0), (i > j) - (i < j));
        }
    assert_int_equal(at_release_compare("v1", "v1.0.0.0"), 0);
    assert_int_equal(at_release_compare("v01.2", "v1.02"), 0);
}

static at_err read_list(at_release_list *list, const char *text, size_t len, const char *wanted,
                        size_t piece)
{
    at_err err = AT_OK;
    at_release_start(list, wanted);
    for (size_t at = 0; at < len && err == AT_OK; at += piece)
        err = at_release_add(list, text + at, AT_MIN(piece, len - at));
    at_err end = at_release_end(list);
    assert_true(err == AT_OK || end == err);
    return end;
}

static void lists(void **state)
{
    static const char text[] =
        "# versions\nv1.0.0.0\r\n\n\r\nv3.0.0.0-dev\nv2.10.0.0\nv2.9.0.0\nv1.0.0.0";
    at_release_list list;
    (void)state;
    for (size_t piece = 1; piece < sizeof text; piece++) {
        assert_int_equal(read_list(&list, text, sizeof text - 1, "v2.9.0.0", piece), AT_OK);
        assert_int_equal(list.count, 4);
        assert_true(list.found);
        assert_string_equal(list.version[0], "v3.0.0.0-dev");
        assert_string_equal(list.version[1], "v2.10.0.0");
        assert_string_equal(list.version[2], "v2.9.0.0");
        assert_string_equal(list.version[3], "v1.0.0.0");
        assert_int_equal(read_list(&list, text, sizeof text - 1, "v2.9.0", piece), AT_OK);
        assert_false(list.found);
    }
    assert_int_equal(read_list(&list, "", 0, NULL, 1), AT_OK);
    assert_int_equal(list.count, 0);
}

static void a_longest_version_with_any_line_end(void **state)
{
    char text[AT_RELEASE_MAX + 4] = "v1";
    at_release_list list;
    (void)state;
    memset(text + 2, '1', AT_RELEASE_MAX - 2);
    memcpy(text + AT_RELEASE_MAX, "\r\n", 3);
    for (size_t len = AT_RELEASE_MAX; len <= AT_RELEASE_MAX + 2; len++) {
        assert_int_equal(read_list(&list, text, len, NULL, 7), AT_OK);
        assert_int_equal(list.count, 1);
        assert_int_equal(strlen(list.version[0]), AT_RELEASE_MAX);
    }
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
    } bad[] = { { "v1\n<html>\n", 2 },
                { "1.0\n", 1 },
                { "v1\nv1 \nv2", 2 },
                { "v11111111111111111111111111111111\n", 1 },
                { "v1\rv2\n", 1 } };
    at_release_list list;
    (void)state;
    for (size_t i = 0; i < AT_COUNT(bad); i++)
        for (size_t piece = 1; piece < 40; piece++) {
            assert_int_equal(read_list(&list, bad[i].text, strlen(bad[i].text), NULL, piece),
                             AT_ERR_CORRUPT);
            assert_int_equal(list.line_number, bad[i].line);
        }
    assert_int_equal(read_list(&list, "v1\0v2\n", 6, NULL, 2), AT_ERR_CORRUPT);
}

static void the_newest_are_kept(void **state)
{
    char line[16];
    at_release_list list;
    (void)state;
    at_release_start(&list, "v1.0");
    for (unsigned i = 0; i < 100; i++) {
        int len = snprintf(line, sizeof line, "v1.%u\n", i * 37 % 100);
        assert_int_equal(at_release_add(&list, line, (size_t)len), AT_OK);
    }
    assert_int_equal(at_release_end(&list), AT_OK);
    assert_int_equal(list.count, AT_RELEASES);
    assert_true(list.found);
    for (unsigned i = 0; i < AT_RELEASES; i++) {
        (void)snprintf(line, sizeof line, "v1.%u", 99 - i);
        assert_string_equal(list.version[i], line);
    }
}

static void a_list_has_an_end(void **state)
{
    at_release_list list;
    unsigned rounds = 0;
    (void)state;
    at_release_start(&list, NULL);
    while (at_release_add(&list, "# nothing\n", 10) == AT_OK)
        rounds++;
    assert_int_equal(rounds, AT_RELEASE_LIST_MAX / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validity),
        cmocka_unit_test(order),
        cmocka_unit_test(lists),
        cmocka_unit_test(a_longest_version_with_any_line_end),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(the_newest_are_kept),
        cmocka_unit_test(a_list_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
