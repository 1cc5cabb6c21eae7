/* Regular expressions and message filters: the grammar by a table, hundreds of thousands of random
 * patterns beside the C library's regcomp, hostile patterns, filters by the guide's examples. */
#include "harness.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/bytes.h"
#include "core/filter.h"

/* ---- the grammar ---- */

enum { REFUSED = -2, NONE = -1 };

typedef struct example {
    const char *pattern, *text;
    int start, end; /* REFUSED: no pattern; NONE: no match */
} example;

static const example examples[] = {
    { "", "abc", 0, 0 },
    { "b", "abc", 1, 2 },
    { "b*", "abbb", 0, 0 },
    { "bb*", "abbbc", 1, 4 },
    { ".*", "a\r\nb", 0, 4 },
    { "^a", "ba", NONE, 0 },
    { "a^", "a^", 0, 2 },
    { "^^a", "^a", 0, 2 },
    { "a$", "a\n", NONE, 0 },
    { "a$b", "a$b", 0, 3 },
    { "^$", "", 0, 0 },
    { "*a", "*a", 0, 2 },
    { "^*a", "*a", 0, 2 },
    { "\\(*a\\)", "*a", 0, 2 },
    { "\\(^a\\)", "aa", 0, 1 },
    { "\\(a$\\)", "aa", 1, 2 },
    { "a\\{2\\}", "aaa", 0, 2 },
    { "a\\{2,\\}", "aaaa", 0, 4 },
    { "a\\{1,2\\}", "aaa", 0, 2 },
    { "a\\{0\\}b", "ab", 1, 2 },
    { "\\(ab\\)\\{2,3\\}", "abababab", 0, 6 },
    { "\\(a*\\)*b", "aaab", 0, 4 },
    { "\\(a*\\)*\\1", "b", 0, 0 },
    { "\\(a.\\)\\1", "xabacacb", 3, 7 },
    { "^\\(.*\\)\\n*\\1$", "abab", 0, 4 },
    { "\\(a\\)\\(b\\)\\2\\1", "abba", 0, 4 },
    { "[abc]*", "cabd", 0, 3 },
    { "[^abc]", "abcd", 3, 4 },
    { "[]a]*", "]a]", 0, 3 },
    { "[^]a]", "]ab", 2, 3 },
    { "[a-]*", "a-a", 0, 3 },
    { "[-a]*", "a-a", 0, 3 },
    { "[%--]*", "%&-.", 0, 3 },
    { "[[:digit:]x]*", "12x3y", 0, 4 },
    { "[[:alpha:][:space:]]*", "a b\tc1", 0, 5 },
    { "[[.a.]-c]*", "abcd", 0, 3 },
    { "[[=a=]]", "ba", 1, 2 },
    { "[[.-.]]", "a-", 1, 2 },
    { "[\\n]*", "\\n", 0, 2 },
    { "a.c",
      "a\xff"
      "c",
      0, 3 },
    { "\\.\\*\\[\\]\\^\\$\\\\", ".*[]^$\\", 0, 7 },
    { "a|b", "a|b", 0, 3 },
    { "a+", "a+", 0, 2 },
    { "(a)", "(a)", 0, 3 },
    { "{1}", "{1}", 0, 3 },
    { "\\(\\)a", "a", 0, 1 },
    { "\\(\\)*a", "a", 0, 1 },
    { "\\(a\\{0\\}\\)*b", "b", 0, 1 },
    { "\\(", "", REFUSED, 0 },
    { "\\)", "", REFUSED, 0 },
    { "a\\", "", REFUSED, 0 },
    { "[a", "", REFUSED, 0 },
    { "[]", "", REFUSED, 0 },
    { "[b-a]", "", REFUSED, 0 },
    { "[a-c-e]", "", REFUSED, 0 },
    { "[[:nope:]]", "", REFUSED, 0 },
    { "[[:alpha:", "", REFUSED, 0 },
    { "[[:alpha:]-z]", "", REFUSED, 0 },
    { "[[.ab.]]", "", REFUSED, 0 },
    { "a\\{", "", REFUSED, 0 },
    { "a\\{1", "", REFUSED, 0 },
    { "a\\{x\\}", "", REFUSED, 0 },
    { "a\\{2,1\\}", "", REFUSED, 0 },
    { "a\\{256\\}", "", REFUSED, 0 },
    { "\\{1\\}", "", REFUSED, 0 },
    { "^\\{1\\}", "", REFUSED, 0 },
    { "a**", "", REFUSED, 0 },
    { "a*\\{2\\}b", "", REFUSED, 0 },
    { "\\1", "", REFUSED, 0 },
    { "\\(a\\1\\)", "", REFUSED, 0 },
};

static void check_example(const example *e)
{
    at_heap heap;
    at_bre *re;
    at_bre_span found = { 0, 0 };
    at_heap_init(&heap, SIZE_MAX);
    at_err err = at_bre_compile(&re, &heap, e->pattern, strlen(e->pattern));
    int start = REFUSED;
    if (err == AT_OK) {
        bool any = at_bre_search(re, (const uint8_t *)e->text, strlen(e->text), 0, &found);
        start = any ? (int)found.start : NONE;
    }
    if (start != e->start || (start >= 0 && (int)found.end != e->end))
        fail_msg("%s on \"%s\": %d to %d", e->pattern, e->text, start, (int)found.end);
    at_bre_free(&heap, re);
    assert_int_equal(heap.blocks, 0);
}

static void the_grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < AT_COUNT(examples); i++)
        check_example(&examples[i]);
}

static void bytes_of_any_value(void **state)
{
    static const uint8_t text[] = { 0, 'a', 0, 0xFF, '\n', 'b' };
    at_heap heap;
    at_bre *re;
    at_bre_span found;
    (void)state;
    at_heap_init(&heap, SIZE_MAX);
    assert_int_equal(at_bre_compile(&re, &heap, "a\0[^a]*", 7), AT_OK);
    assert_true(at_bre_search(re, text, sizeof(text), 0, &found));
    assert_int_equal(found.start, 1);
    assert_int_equal(found.end, 6);
    assert_false(at_bre_search(re, text, sizeof(text), 2, &found));
    assert_false(at_bre_search(re, text, sizeof(text), 7, &found));
    at_bre_free(&heap, re);
}

/* ---- beside the C library ---- */

static uint32_t seed = 20251;

static uint32_t pick(uint32_t count)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % count;
}

/* A random expression of pieces that both sides define (no GNU extensions). Left out is where glibc is
 * wrong: back-references in nested loops, repeated groups with anchors in them. */
static size_t make_pattern(char *to, size_t room, bool refer)
{
    static const char *const atoms[] = { "a",     "b",    "c",           ".",   "[ab]", "[^a]",
                                         "[a-b]", "\\.",  "*",           "^",   "$",    "[]a]",
                                         "[^]b]", "a\\{", "[[:alpha:]]", "[b-", "\\)",  "[" };
    static const char *const counts[] = { "*",         "\\{2\\}",   "\\{1,\\}",
                                          "\\{0,2\\}", "\\{1,3\\}", "\\{3\\}" };
    size_t len = 0, depth = 0, pieces = 1 + pick(7);
    len += (size_t)snprintf(to + len, room - len, "%s", pick(4) == 0 ? "^" : "");
    if (refer)
        len += (size_t)snprintf(to + len, room - len, "\\(%s%s\\)%s", atoms[pick(7)],
                                pick(2) ? "*" : "", atoms[pick(4)]);
    for (size_t i = 0; i < pieces && len + 16 < room; i++) {
        uint32_t what = pick(10);
        if (!refer && what == 0 && depth < 3) {
            len += (size_t)snprintf(to + len, room - len, "\\(");
            depth++;
        } else if (what == 1 && depth > 0) {
            len += (size_t)snprintf(to + len, room - len, "\\)%s", pick(2) ? counts[pick(5)] : "");
            depth--;
        } else {
            uint32_t atom = pick(pick(8) == 0 ? 18 : 9);
            if (depth > 0 && (atom == 9 || atom == 10))
                continue;
            len += (size_t)snprintf(to + len, room - len, "%s%s", atoms[atom],
                                    pick(3) == 0 ? counts[pick(6)] : "");
        }
    }
    if (refer)
        len += (size_t)snprintf(to + len, room - len, "\\1");
    for (; depth > 0 && pick(30) != 0; depth--)
        len += (size_t)snprintf(to + len, room - len, "\\)");
    return len + (size_t)snprintf(to + len, room - len, "%s", pick(5) == 0 ? "$" : "");
}

static void make_text(char *to, size_t room)
{
    size_t len = pick((uint32_t)room - 1);
    for (size_t i = 0; i < len; i++)
        to[i] = "aaabbc.*^$]"[pick(pick(3) == 0 ? 11 : 6)];
    to[len] = '\0';
}

static unsigned compare_searches(const char *pattern, at_bre *ours, regex_t *theirs)
{
    char text[14];
    for (unsigned i = 0; i < 6; i++) {
        regmatch_t match;
        at_bre_span found = { 0, 0 };
        make_text(text, sizeof(text));
        bool them = regexec(theirs, text, 1, &match, 0) == 0;
        bool us = at_bre_search(ours, (const uint8_t *)text, strlen(text), 0, &found);
        if (us != them ||
            (us && (found.start != (size_t)match.rm_so || found.end != (size_t)match.rm_eo)))
            fail_msg("%s on \"%s\": we say %d %d-%d, they say %d %d-%d", pattern, text, us,
                     (int)found.start, (int)found.end, them, (int)match.rm_so, (int)match.rm_eo);
    }
    return 6;
}

static void compare(unsigned patterns, bool refer)
{
    unsigned refused = 0, searches = 0;
    at_heap heap;
    at_heap_init(&heap, SIZE_MAX);
    for (unsigned i = 0; i < patterns; i++) {
        char pattern[AT_BRE_PATTERN_MAX + 64];
        regex_t theirs;
        at_bre *ours;
        if (make_pattern(pattern, sizeof(pattern), refer) > AT_BRE_PATTERN_MAX)
            continue;
        bool them = regcomp(&theirs, pattern, 0) == 0;
        at_err err = at_bre_compile(&ours, &heap, pattern, strlen(pattern));
        if ((err == AT_OK) != them)
            fail_msg("%s: we say %s, they %s", pattern, at_err_text(err), them ? "take it" : "no");
        if (!them) {
            refused++;
            continue;
        }
        searches += compare_searches(pattern, ours, &theirs);
        at_bre_free(&heap, ours);
        regfree(&theirs);
    }
    assert_int_equal(heap.blocks, 0);
    print_message("%u patterns, %u refused by both, %u searches alike\n", patterns, refused,
                  searches);
}

static void as_the_c_library(void **state)
{
    (void)state;
    compare(200000, false);
}

static void references_as_the_c_library(void **state)
{
    (void)state;
    compare(20000, true);
}

/* ---- limits ---- */

static void too_large(void **state)
{
    at_heap heap;
    at_bre *re;
    char longer[AT_BRE_PATTERN_MAX + 1];
    (void)state;
    at_heap_init(&heap, SIZE_MAX);
    memset(longer, 'a', sizeof(longer));
    assert_int_equal(at_bre_compile(&re, &heap, longer, sizeof(longer)), AT_ERR_UNSUPPORTED);
    assert_int_equal(at_bre_compile(&re, &heap, longer, AT_BRE_PATTERN_MAX), AT_OK);
    at_bre_free(&heap, re);
    static const char *const large[] = {
        "\\(\\(a\\{255\\}\\)\\{255\\}\\)\\{255\\}",
        "\\(\\(a\\{0,255\\}\\)\\{0,255\\}\\)\\{0,255\\}",
        "\\(a\\{255\\}\\)\\{9,\\}",
    };
    for (size_t i = 0; i < AT_COUNT(large); i++)
        assert_int_equal(at_bre_compile(&re, &heap, large[i], strlen(large[i])),
                         AT_ERR_UNSUPPORTED);
    assert_int_equal(heap.blocks, 0);
}

/* Patterns that take exponential time elsewhere; the test's time-out is the check. */
static void hostile_patterns_end(void **state)
{
    static const char *const hostile[] = {
        "\\(\\(a*\\)*\\)*b",
        "\\(a*\\)*\\(a*\\)*\\(a*\\)*\\(a*\\)*c",
        "\\(a\\{0,30\\}\\)\\{0,30\\}b",
        "\\(a*\\)*\\1*\\1*b",
        "\\(.*\\)\\(.*\\)\\1\\2c",
    };
    at_heap heap;
    uint8_t *text = malloc(16384);
    (void)state;
    memset(text, 'a', 16384);
    at_heap_init(&heap, SIZE_MAX);
    for (size_t i = 0; i < AT_COUNT(hostile); i++) {
        at_bre *re;
        at_bre_span found;
        assert_int_equal(at_bre_compile(&re, &heap, hostile[i], strlen(hostile[i])), AT_OK);
        assert_false(at_bre_search(re, text, 16384, 0, &found));
        at_bre_free(&heap, re);
    }
    free(text);
}

static void every_allocation_fails_once(void **state)
{
    at_filters filters = { 0 };
    const at_filter_text text = { "^\\(a\\)\\{2,3\\}[bc]", "\\(x\\)\\1$", 17, 8 };
    at_heap heap;
    at_err err = AT_ERR_NOMEM;
    (void)state;
    at_heap_init(&heap, SIZE_MAX);
    for (uint64_t call = 1; err == AT_ERR_NOMEM; call++) {
        heap.fail_at = heap.calls + call;
        err = at_filters_add(&filters, &heap, &text);
        if (err != AT_OK)
            assert_int_equal(heap.blocks, 0);
    }
    assert_int_equal(err, AT_OK);
    at_filters_clear(&filters, &heap);
    assert_int_equal(heap.blocks, 0);
}

/* ---- filters ---- */

typedef struct bench {
    at_heap heap;
    at_filters filters;
} bench;

static at_err add(bench *b, const char *head, const char *tail)
{
    const at_filter_text text = { head, tail, (uint8_t)strlen(head), (uint8_t)strlen(tail) };
    return at_filters_add(&b->filters, &b->heap, &text);
}

static void expect_left(bench *b, const char *message, const char *left)
{
    char copy[256];
    size_t len = strlen(message);
    memcpy(copy, message, len);
    len = at_filters_apply(&b->filters, (uint8_t *)copy, len);
    copy[len] = '\0';
    assert_string_equal(copy, left);
}

static void filters_of_the_guide(void **state)
{
    bench b = { .filters = { .enabled = false } };
    (void)state;
    at_heap_init(&b.heap, SIZE_MAX);
    assert_int_equal(add(&b, "^+HTTPCGET:[0-9]*,", "\r\n$"), AT_OK);
    assert_int_equal(add(&b, "", "\r\nOK\r\n$"), AT_OK);
    assert_int_equal(add(&b, "^WIFI CONNECTED\r\n", ""), AT_OK);
    expect_left(&b, "\r\nOK\r\n", "\r\nOK\r\n");
    b.filters.enabled = true;
    expect_left(&b, "+HTTPCGET:12,hello\r\nworld\r\n", "hello\r\nworld");
    expect_left(&b, "+HTTPCGET:12,hello", "+HTTPCGET:12,hello");
    expect_left(&b, "\r\nOK\r\n", "");
    expect_left(&b, "\r\nOK\r\n\r\n>", "\r\nOK\r\n\r\n>");
    expect_left(&b, "WIFI CONNECTED\r\n", "");
    expect_left(&b, "WIFI GOT IP\r\n", "WIFI GOT IP\r\n");
    expect_left(&b, "", "");
    at_filters_clear(&b.filters, &b.heap);
    assert_int_equal(b.heap.blocks, 0);
}

static void the_first_that_matches_wins(void **state)
{
    bench b = { .filters = { .enabled = true } };
    at_filter_text text;
    (void)state;
    at_heap_init(&b.heap, SIZE_MAX);
    assert_int_equal(add(&b, "a", "c"), AT_OK);
    assert_int_equal(add(&b, "b", ""), AT_OK);
    assert_int_equal(add(&b, "b", ""), AT_ERR_EXISTS);
    assert_int_equal(add(&b, "", "b"), AT_OK);
    assert_int_equal(add(&b, "\\(", ""), AT_ERR_INVALID);
    assert_int_equal(add(&b, "a", "["), AT_ERR_INVALID);
    assert_int_equal(add(&b, "", ""), AT_ERR_INVALID);
    expect_left(&b, "abc", "b");
    expect_left(&b, "cab", "ca");
    expect_left(&b, "cca", "cca"); /* the tail is looked for behind the head */
    assert_true(at_filters_get(&b.filters, 2, &text));
    assert_int_equal(text.head_len, 0);
    assert_false(at_filters_get(&b.filters, 3, &text));
    text = (at_filter_text){ "a", "c", 1, 1 };
    assert_int_equal(at_filters_remove(&b.filters, &b.heap, &text), AT_OK);
    assert_int_equal(at_filters_remove(&b.filters, &b.heap, &text), AT_ERR_NOT_FOUND);
    expect_left(&b, "abc", "ac");
    at_filters_clear(&b.filters, &b.heap);
    assert_int_equal(b.heap.blocks, 0);
}

/* Head and tail may touch, and may leave nothing between them. */
static void edges(void **state)
{
    bench b = { .filters = { .enabled = true } };
    (void)state;
    at_heap_init(&b.heap, SIZE_MAX);
    assert_int_equal(add(&b, "^a*", "a$"), AT_OK);
    expect_left(&b, "aaa", "aaa"); /* the head took all */
    expect_left(&b, "ba", "b");
    expect_left(&b, "aabxa", "bx");
    at_filters_clear(&b.filters, &b.heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_grammar),
        cmocka_unit_test(bytes_of_any_value),
        cmocka_unit_test(as_the_c_library),
        cmocka_unit_test(references_as_the_c_library),
        cmocka_unit_test(too_large),
        cmocka_unit_test(hostile_patterns_end),
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(filters_of_the_guide),
        cmocka_unit_test(the_first_that_matches_wins),
        cmocka_unit_test(edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
