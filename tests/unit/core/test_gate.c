/* What the writer does to whole messages: filters, and a gate that holds back what nobody asked for. */
#include "harness.h"

#include "core/bytes.h"
#include "core/filter.h"

static bool is_closed(void *arg)
{
    return *(const bool *)arg;
}

typedef struct gated {
    rig *r;
    bool closed;
    at_gate gate;
    const char *text;
    at_notice notice;
    at_source source;
    unsigned left; /* messages of the source */
} gated;

static size_t format(void *arg, char *buf, size_t room)
{
    const gated *g = arg;
    return at_copy_text(buf, room, g->text);
}

static size_t produce(void *arg, uint8_t *buf, size_t room)
{
    gated *g = arg;
    (void)room;
    if (g->left == 0)
        return 0;
    g->left--;
    memcpy(buf, "+IPD,2:xy", 9);
    return 9;
}

static void open_rig(gated *g)
{
    g->r = rig_new();
    g->closed = true;
    g->gate = (at_gate){ .closed = is_closed, .arg = &g->closed };
    g->text = "NEWS\r\n";
    g->notice = (at_notice){ .format = format, .arg = g };
    g->source = (at_source){ .produce = produce, .arg = g, .need = 64 };
    g->left = 0;
    at_session_set_gate(g->r->s, &g->gate);
}

static void open_gate(gated *g)
{
    g->closed = false;
    at_session_set_gate(g->r->s, &g->gate);
    rig_run(g->r);
}

static void a_gate_holds_notices_and_data(void **state)
{
    gated g;
    (void)state;
    open_rig(&g);
    at_notice_post(g.r->s, &g.notice);
    g.left = 2;
    at_source_ready(g.r->s, &g.source);
    rig_run(g.r);
    rig_expect(g.r, "");
    assert_true(at_session_write_raw(g.r->s, "Z", 1));
    rig_run(g.r);
    rig_expect(g.r, "Z");
    open_gate(&g);
    rig_expect(g.r, "NEWS\r\n+IPD,2:xy+IPD,2:xy");
    rig_free(g.r);
}

static void commands_pass_and_take_notices_along(void **state)
{
    gated g;
    (void)state;
    open_rig(&g);
    rig_ask(g.r, "AT", OK);
    at_notice_post(g.r->s, &g.notice);
    g.left = 1;
    at_source_ready(g.r->s, &g.source);
    rig_run(g.r);
    rig_ask(g.r, "AT", "NEWS\r\n" OK); /* the host is awake, older messages come first */
    open_gate(&g);
    rig_expect(g.r, "+IPD,2:xy");
    rig_free(g.r);
}

static void a_gate_closes_in_passthrough_too(void **state)
{
    gated g;
    (void)state;
    open_rig(&g);
    rig_say(g.r, "AT+PASS\r\n");
    rig_expect(g.r, PROMPT);
    g.left = 1;
    at_source_ready(g.r->s, &g.source);
    rig_run(g.r);
    rig_expect(g.r, "");
    open_gate(&g);
    rig_expect(g.r, "+IPD,2:xy");
    rig_advance(g.r, 100);
    rig_say(g.r, "+++");
    rig_advance(g.r, 100);
    g.r->out_len = 0;
    rig_free(g.r);
}

static void add_filter(rig *r, const char *head, const char *tail)
{
    const at_filter_text text = { head, tail, (uint8_t)strlen(head), (uint8_t)strlen(tail) };
    assert_int_equal(at_filters_add(at_session_filters(r->s), &r->heap, &text), AT_OK);
    at_session_filters(r->s)->enabled = true;
}

static void every_message_is_a_unit(void **state)
{
    gated g;
    (void)state;
    open_rig(&g);
    g.closed = false;
    add_filter(g.r, "^+ROWS:1", "\r\n$");
    add_filter(g.r, "^NEWS\r\n$", "");
    add_filter(g.r, "^+IPD,[0-9]*:", "");
    rig_ask(g.r, "AT+ROWS=3", "+ROWS:0\r\n+ROWS:2\r\n" OK);
    at_notice_post(g.r->s, &g.notice);
    g.left = 2;
    at_source_ready(g.r->s, &g.source);
    rig_run(g.r);
    rig_expect(g.r, "xyxy");
    rig_free(g.r); /* with its filters */
}

static void echo_and_raw_bytes_are_none(void **state)
{
    gated g;
    (void)state;
    open_rig(&g);
    at_session_set_echo(g.r->s, true);
    add_filter(g.r, "A*T*Z*\r*\n*", "");
    rig_ask(g.r, "AT", "AT\r\nOK\r\n"); /* the filter took the CRLF before OK */
    at_session_write_raw(g.r->s, "Z", 1);
    rig_run(g.r);
    rig_expect(g.r, "Z");
    rig_free(g.r);
}

/* Longer than the buffer: never whole in one place. */
static void the_longest_messages_are_not_filtered(void **state)
{
    gated g;
    (void)state;
    open_rig(&g);
    add_filter(g.r, "^.", "");
    rig_say(g.r, "AT+BIG=16384\r\n");
    assert_int_equal(g.r->out_len, 16383 + 5);
    g.r->out_len = 0;
    rig_say(g.r, "AT+BIG=16385\r\n");
    assert_int_equal(g.r->out_len, 16385 + 5);
    g.r->out_len = 0;
    rig_free(g.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gate_holds_notices_and_data),
        cmocka_unit_test(commands_pass_and_take_notices_along),
        cmocka_unit_test(a_gate_closes_in_passthrough_too),
        cmocka_unit_test(every_message_is_a_unit),
        cmocka_unit_test(echo_and_raw_bytes_are_none),
        cmocka_unit_test(the_longest_messages_are_not_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
