/* The grammar of pages: what each line becomes, and that typing errors are errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The runner is a program, not a library: its parser is compiled into the test. */
#include "tests/pages/runner_page.c"
#include "tests/pages/runner_text.c"

static char error[200];

static page *parse(const char *text, const page *openings)
{
    error[0] = '\0';
    return page_parse("t.md", text, strlen(text), openings, error, sizeof(error));
}

static const step *steps_of(page *p)
{
    assert_non_null(p);
    assert_non_null(page_first(p));
    return page_first(p)->first;
}

static void assert_data(const step *s, step_kind kind, const char *data)
{
    assert_non_null(s);
    assert_int_equal(s->kind, kind);
    assert_int_equal(s->len, strlen(data));
    assert_memory_equal(s->data, data, s->len);
}

static void at_lines(void **state)
{
    page *p =
        parse("prose > is no step\n### One\n```at\n> AT\n< OK\n<\n>| +++\n<| a\\x00\\r\\n\\\\\n"
              "# a comment\n\n~ 20ms\n~ 3s\n~ 2min\n.\n<? +X:{int}\n>fill 10 7\n<drain 11 8\n```\n",
              NULL);
    const step *s = steps_of(p);

    (void)state;
    assert_data(s, STEP_SEND, "AT\r\n");
    assert_int_equal(s->line, 4);
    assert_data(s = s->next, STEP_EXPECT, "OK\r\n");
    assert_data(s = s->next, STEP_EXPECT, "\r\n");
    assert_data(s = s->next, STEP_SEND, "+++");
    s = s->next;
    assert_int_equal(s->len, 5);
    assert_memory_equal(s->data, "a\0\r\n\\", 5);
    s = s->next;
    assert_int_equal(s->kind, STEP_TIME);
    assert_int_equal(s->us, 20000);
    s = s->next;
    assert_int_equal(s->us, 3000000);
    s = s->next;
    assert_int_equal(s->us, 120000000);
    s = s->next;
    assert_int_equal(s->kind, STEP_QUIET);
    s = s->next;
    assert_data(s, STEP_EXPECT, "+X:{int}\r\n");
    assert_true(s->fields);
    s = s->next;
    assert_int_equal(s->kind, STEP_FILL);
    assert_int_equal(s->count, 10);
    s = s->next;
    assert_int_equal(s->kind, STEP_DRAIN);
    assert_int_equal(s->seed, 8);
    assert_null(s->next);
    page_free(p);
}

static void other_blocks(void **state)
{
    page *p =
        parse("```world\n[world]\n```\n### Two\nends: data\nleaves: nothing\n"
              "```world\n[ap x]\n```\n```peer server ap=x\nlisten tcp 80\n& accept\nwait\n```\n"
              "```fault\nap x off\n```\n```at\n@server send a b\n! power off\n```\n",
              NULL);
    const scenario *sc = page_first(p);
    const step *s = steps_of(p);

    (void)state;
    assert_string_equal(sc->title, "Two");
    assert_string_equal(sc->world, "[world]\n[ap x]\n");
    assert_int_equal(sc->end, END_DATA);
    assert_true(sc->leaves_nothing);
    assert_data(s, STEP_PEER, "listen tcp 80\n");
    assert_string_equal(s->who, "server");
    assert_string_equal(s->ap, "x");
    assert_false(s->background);
    assert_data(s = s->next, STEP_PEER, "accept\n");
    assert_true(s->background);
    s = s->next;
    assert_int_equal(s->kind, STEP_JOIN);
    assert_data(s = s->next, STEP_FAULT, "ap x off");
    assert_data(s = s->next, STEP_PEER, "send a b\n");
    assert_data(s = s->next, STEP_FAULT, "power off");
    page_free(p);
}

static void includes(void **state)
{
    page *openings = parse("### ready\n```at\n<\n< ready\n```\n### quiet\n```world\n[w]\n```\n"
                           "```at\n> ATE0\n```\n### both\n```at\n= ready, quiet\n```\n",
                           NULL);
    page *p = parse("### Three\n```at\n= both\n> AT\n```\n", openings);
    const step *s;

    (void)state;
    page_free(openings);
    s = steps_of(p);
    assert_string_equal(page_first(p)->world, "[w]\n");
    assert_data(s, STEP_EXPECT, "\r\n");
    assert_data(s = s->next, STEP_EXPECT, "ready\r\n");
    assert_data(s = s->next, STEP_SEND, "ATE0\r\n");
    assert_data(s = s->next, STEP_SEND, "AT\r\n");
    assert_null(s->next);
    page_free(p);
}

static void errors(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "### A\n```at\nAT\n```\n", "t.md:3: no step" },
        { "### A\n```at\n>AT\n```\n", "t.md:3: a blank belongs" },
        { "### A\n```at\n<| \\q\n```\n", "t.md:3: unknown escape" },
        { "### A\n```at\n<| \\x0\n```\n", "t.md:3: unknown escape" },
        { "### A\n```at\n~ 20\n```\n", "t.md:3: expected a time" },
        { "### A\n```at\n~ ms\n```\n", "t.md:3: expected a time" },
        { "### A\n```at\n= nobody\n```\n", "t.md:3: no opening is called \"nobody\"" },
        { "### A\n```at\n>fill 10\n```\n", "t.md:3: expected N SEED" },
        { "### A\n```att\n```\n", "t.md:2: unknown block \"att\"" },
        { "### A\n```peer\n```\n", "t.md:2: expected ```peer NAME" },
        { "### A\n```at\n> AT\n", "t.md:2: the block that begins here never ends" },
        { "### A\nends: never\n", "t.md:2: unknown value" },
        { "```at\n> AT\n```\n", "t.md:1: a block before the first" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_null(parse(cases[i].text, NULL));
        assert_memory_equal(error, cases[i].message, strlen(cases[i].message));
    }
}

static match_result match(const char *pattern, const char *data, size_t *used)
{
    return text_match((const uint8_t *)pattern, strlen(pattern), true, (const uint8_t *)data,
                      strlen(data), used);
}

static void patterns(void **state)
{
    size_t used;

    (void)state;
    assert_int_equal(match("+X:{int},{hex}\r\n", "+X:-12,0aF\r\nOK", &used), MATCH_YES);
    assert_int_equal(used, 12);
    assert_int_equal(match("+X:{int}\r\n", "+X:12", &used), MATCH_MORE);
    assert_int_equal(match("+X:{int}\r\n", "+X:a", &used), MATCH_NO);
    assert_int_equal(used, 3);
    assert_int_equal(match("({text}) {text}\r\n", "(a b) c\r\n", &used), MATCH_YES);
    assert_int_equal(used, 9);
    assert_int_equal(match("AB", "AC", &used), MATCH_NO);
    assert_int_equal(used, 1);
    assert_int_equal(match("AB", "", &used), MATCH_MORE);
}

static void buffers(void **state)
{
    bytes b = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++) {
        bytes_add(&b, "0123456789", 10);
        bytes_drop(&b, 5);
    }
    assert_int_equal(b.len, 5000);
    assert_memory_equal(bytes_at(&b), "0123456789", 10);
    bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_lines), cmocka_unit_test(other_blocks), cmocka_unit_test(includes),
        cmocka_unit_test(errors),   cmocka_unit_test(patterns),     cmocka_unit_test(buffers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
