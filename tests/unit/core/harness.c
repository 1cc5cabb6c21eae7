/* The rig: port, clock and rows. A test reads as a conversation: say, expect, advance.
 *
 * Rows: AT, ATE0, ATE1; +OK (query, set with anything, execute); +FAIL; +WAIT=<ms> waits for the
 * signal; +ARGS, +MANY, +U take parameters of every kind; +COUNT=<n>, +ESC=<n> collect data,
 * +LATER=<n> after the signal; +STREAM=
 * <n>, +PASS and +SPEC stream it to a sink; +ROWS=<n> and +BIG=<n> write. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/bytes.h"
#include "core/wire.h"
#include "ports/linux/fiber.h"

static rig *rig_of(const at_call *call)
{
    return call->app;
}

/* --- rows --- */

static void write_wire(at_call *call, at_wire_id id)
{
    at_write(call, at_wire[id].text, at_wire[id].len);
}

static at_result do_ok(at_call *call)
{
    (void)call;
    return AT_RESULT_OK;
}

static at_result do_fail(at_call *call)
{
    return at_fail(call, AT_SUB_EXEC_FAIL, 1, "it \"always\" fails");
}

static at_result do_echo_off(at_call *call)
{
    at_session_set_echo(call->session, false);
    return AT_RESULT_OK;
}

static at_result do_echo_on(at_call *call)
{
    at_session_set_echo(call->session, true);
    return AT_RESULT_OK;
}

static at_result do_query(at_call *call)
{
    at_row(call, "+OK:%d\r\n", 1);
    return AT_RESULT_OK;
}

static at_result do_wait(at_call *call)
{
    rig *r = rig_of(call);
    r->last = at_wait(call, &r->signal, (uint32_t)at_int(call, 0));
    at_row(call, "+WAIT:%d\r\n", (int)r->last);
    return AT_RESULT_OK;
}

/* A handler that goes on after a cancel: every later wait must say cancelled, writes must vanish. */
static at_result do_stubborn(at_call *call)
{
    rig *r = rig_of(call);
    at_wait(call, &r->signal, 1000);
    at_row(call, "after the first wait\r\n");
    r->last = at_wait(call, NULL, 1000);
    at_write(call, "after the second\r\n", 18);
    return AT_RESULT_OK;
}

static at_result do_see(at_call *call)
{
    rig_of(call)->seen = *call;
    return AT_RESULT_OK;
}

static at_result finish_data(at_call *call, at_err err)
{
    rig *r = rig_of(call);
    r->last = err;
    if (err != AT_OK) {
        write_wire(call, AT_WIRE_SEND_CANCELED);
        return AT_RESULT_SILENT;
    }
    at_row(call, "\r\nRecv %u bytes\r\n", (unsigned)r->got);
    if (r->wait_ms > 0)
        at_wait(call, NULL, r->wait_ms);
    write_wire(call, AT_WIRE_SEND_OK);
    return AT_RESULT_SILENT;
}

static at_result do_count(at_call *call)
{
    rig *r = rig_of(call);
    r->got = 0;
    return finish_data(call, at_collect(call, true, r->data, (size_t)at_int(call, 0), &r->got));
}

static at_result do_later(at_call *call)
{
    at_wait(call, &rig_of(call)->signal, 3600000);
    return do_count(call);
}

static at_result do_escaped(at_call *call)
{
    rig *r = rig_of(call);
    r->got = 0;
    return finish_data(call,
                       at_collect_escaped(call, false, r->data, (size_t)at_int(call, 0), &r->got));
}

static size_t sink_consume(void *arg, const uint8_t *first, size_t first_len, const uint8_t *second,
                           size_t second_len)
{
    rig *r = arg;
    size_t a = AT_MIN(first_len, r->sink_room), b = AT_MIN(second_len, r->sink_room - a);
    assert_true(r->sunk_len + a + b <= sizeof(r->sunk));
    memcpy(r->sunk + r->sunk_len, first, a);
    if (a == first_len && b > 0)
        memcpy(r->sunk + r->sunk_len + a, second, b);
    r->sunk_len += a + b;
    r->sink_room -= a + b;
    return a + b;
}

static at_result stream(at_call *call, at_mode mode, uint64_t limit)
{
    rig *r = rig_of(call);
    at_err err;
    r->sink = (at_sink){ sink_consume, r };
    at_stream_begin(call, mode, limit, &r->sink);
    do
        err = at_stream_wait(call, &r->signal, UINT32_MAX);
    while (err == AT_OK && mode != AT_MODE_SPECIFIC);
    at_stream_end(call);
    r->last = err;
    if (err == AT_ERR_CLOSED && r->wait_ms > 0)
        at_wait(call, NULL, r->wait_ms);
    if (mode == AT_MODE_STREAMED)
        write_wire(call, err == AT_ERR_CLOSED ? AT_WIRE_SEND_OK : AT_WIRE_SEND_CANCELLED);
    return AT_RESULT_SILENT;
}

static at_result do_streamed(at_call *call)
{
    return stream(call, AT_MODE_STREAMED, (uint64_t)at_int(call, 0));
}

static at_result do_passthrough(at_call *call)
{
    return stream(call, AT_MODE_PASSTHROUGH, 0);
}

static at_result do_specific(at_call *call)
{
    return stream(call, AT_MODE_SPECIFIC, 0);
}

static at_result do_rows(at_call *call)
{
    for (int32_t i = 0; i < at_int(call, 0); i++)
        at_row(call, "+ROWS:%ld\r\n", (long)i);
    return AT_RESULT_OK;
}

static at_result do_big(at_call *call)
{
    size_t len = (size_t)at_int(call, 0);
    uint8_t *text = rig_of(call)->data;
    assert_true(len <= RIG_BYTES);
    for (size_t i = 0; i < len; i++)
        text[i] = (uint8_t)('a' + i % 26);
    at_write(call, text, len);
    return AT_RESULT_OK;
}

static const at_arg_spec one_number[] = { AT_INT("number", 0, INT32_MAX) };
static const at_arg_spec every_kind[] = {
    AT_INT("number", -100, 100), AT_OPT_INT("choice", 0, 3, 2), AT_OPT_TEXT("text", 0, 32),
    AT_OPT_MAC("mac"),           AT_OPT_UINT("mask"),           AT_OPT_TEXT("word", 1, 4),
};
static const at_arg_spec many[] = {
    AT_OPT_INT("a", 0, 9, 0), AT_OPT_INT("b", 0, 9, 0), AT_OPT_INT("c", 0, 9, 0),
    AT_OPT_INT("d", 0, 9, 0), AT_OPT_INT("e", 0, 9, 0), AT_OPT_INT("f", 0, 9, 0),
    AT_OPT_INT("g", 0, 9, 0), AT_OPT_INT("h", 0, 9, 0), AT_OPT_INT("i", 0, 9, 0),
    AT_OPT_INT("j", 0, 9, 0), AT_OPT_INT("k", 0, 9, 0), AT_OPT_INT("l", 0, 9, 0),
    AT_OPT_INT("m", 0, 9, 0), AT_OPT_INT("n", 0, 9, 0), AT_OPT_INT("o", 0, 9, 0),
    AT_OPT_INT("p", 0, 9, 0),
};
static const at_arg_spec unsigned_first[] = { AT_UINT("mask"), AT_TEXT("name", 1, 8), AT_MAC("mac"),
                                              AT_OPT_INT("full", INT32_MIN, INT32_MAX, -7) };
static const at_arg_spec udp_args[] = { AT_TEXT("type", 1, 6), AT_INT("port", 1, 65535) };
static const at_arg_spec tcp_args[] = { AT_TEXT("type", 1, 6), AT_INT("port", 1, 65535),
                                        AT_OPT_INT("keep", 0, 7200, 0) };

static const at_shape number_shape[] = { AT_SHAPE(NULL, one_number) };
static const at_shape every_shape[] = { AT_SHAPE(NULL, every_kind) };
static const at_shape many_shape[] = { AT_SHAPE(NULL, many) };
static const at_shape unsigned_shape[] = { AT_SHAPE(NULL, unsigned_first) };
static const at_shape type_shapes[] = { AT_SHAPE("TCP", tcp_args), AT_SHAPE("UDP", udp_args) };

static uint8_t select_type(const at_call *call)
{
    char type[8];
    return strcmp(at_peek(call, 0, type, sizeof(type)), "UDP") == 0;
}

static const at_cmd rows[] = {
    { .name = "", .execute = do_ok },
    { .name = "E0", .execute = do_echo_off },
    { .name = "E1", .execute = do_echo_on },
    { .name = "+OK", .query = do_query, .set = do_ok, .execute = do_ok },
    { .name = "+OKAY", .query = do_query },
    { .name = "+FAIL", .execute = do_fail, .query = do_fail },
    { .name = "+WAIT", .set = do_wait, AT_SHAPES(number_shape) },
    { .name = "+STUBBORN", .execute = do_stubborn },
    { .name = "+ARGS", .set = do_see, .execute = do_see, AT_SHAPES(every_shape) },
    { .name = "+MANY", .set = do_see, AT_SHAPES(many_shape) },
    { .name = "+U", .set = do_see, AT_SHAPES(unsigned_shape) },
    { .name = "+TYPE", .set = do_see, AT_SHAPES(type_shapes), .select = select_type },
    { .name = "+COUNT", .set = do_count, AT_SHAPES(number_shape) },
    { .name = "+LATER", .set = do_later, AT_SHAPES(number_shape) },
    { .name = "+ESC", .set = do_escaped, AT_SHAPES(number_shape) },
    { .name = "+STREAM", .set = do_streamed, AT_SHAPES(number_shape) },
    { .name = "+PASS", .execute = do_passthrough },
    { .name = "+SPEC", .execute = do_specific },
    { .name = "+ROWS", .set = do_rows, AT_SHAPES(number_shape) },
    { .name = "+BIG", .set = do_big, AT_SHAPES(number_shape) },
    { .name = "+ONLY2MB", .execute = do_ok, .builds = AT_IN_2MB },
};

const at_family_rows rig_family = AT_FAMILY(rows);

/* --- port, clock, supervisor --- */

static size_t port_read(at_byteport *port, uint8_t *buf, size_t room)
{
    rig *r = port->ctx;
    size_t n = AT_MIN(AT_MIN(room, r->in_len - r->in_at), r->read_max);
    memcpy(buf, r->in + r->in_at, n);
    r->in_at += n;
    if (r->in_at == r->in_len)
        r->in_at = r->in_len = 0;
    return n;
}

static size_t port_write(at_byteport *port, const uint8_t *data, size_t len)
{
    rig *r = port->ctx;
    size_t n = AT_MIN(AT_MIN(len, r->room), r->write_max);
    assert_true(r->out_len + n <= sizeof(r->out));
    memcpy(r->out + r->out_len, data, n);
    r->out_len += n;
    if (r->room != SIZE_MAX)
        r->room -= n;
    return n;
}

static void port_want(at_byteport *port, bool want_read, bool want_write)
{
    rig *r = port->ctx;
    r->want_read = want_read;
    r->want_write = want_write;
}

static bool port_drained(at_byteport *port)
{
    return !((rig *)port->ctx)->undrained;
}

static const at_byteport_ops port_ops = { port_read, port_write, port_want, port_drained, NULL };

static uint64_t now_us(void *ctx)
{
    return ((rig *)ctx)->now;
}

static void wait_until(void *ctx, uint64_t deadline_us)
{
    rig *r = ctx;
    r->progress = true;
    if (r->want_write && r->room > 0)
        r->port.on_writable(r->port.owner);
    else if (r->want_read && r->in_at < r->in_len)
        r->port.on_readable(r->port.owner);
    else if (deadline_us > r->now && r->now < r->until)
        r->now = AT_MIN(deadline_us, r->until);
    else
        r->progress = deadline_us <= r->now;
}

static void on_restart(void *ctx, at_boot_kind kind, uint64_t after_ms)
{
    (void)kind;
    (void)after_ms;
    ((rig *)ctx)->restarts++;
}

static void on_report(void *ctx, const char *name, const char *members)
{
    rig *r = ctx;
    if (strcmp(name, "error") == 0)
        at_copy_text(r->reason, sizeof(r->reason), members);
}

static void on_log(void *ctx, at_log_level level, const char *area, const char *text)
{
    (void)ctx;
    (void)level;
    (void)area;
    (void)text;
}

/* --- life --- */

rig *rig_new_with(void (*change)(at_session_config *config))
{
    static const at_family_rows *const families[] = { &rig_family };
    rig *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->now = 1000000;
    r->clock = (at_clock){ r, now_us };
    r->waiter = (at_waiter){ r, wait_until };
    r->log_sink = (at_log_sink){ r, AT_LOG_DEBUG, on_log };
    r->log.sink = &r->log_sink;
    r->supervisor = (at_supervisor){ r, on_restart, on_report };
    r->port.ops = &port_ops;
    r->port.ctx = r;
    r->read_max = r->write_max = r->room = r->sink_room = SIZE_MAX;
    at_loop_init(&r->loop, &r->clock, &r->waiter);
    at_heap_init(&r->heap, SIZE_MAX);
    r->config = (at_session_config){
        .loop = &r->loop,
        .heap = &r->heap,
        .log = &r->log,
        .port = &r->port,
        .fibers = &lx_fiber_ops,
        .supervisor = &r->supervisor,
        .families = families,
        .family_count = 1,
        .builds = AT_IN_ALL | 0x80,
        .app = r,
        .guard_ms = AT_GUARD_MS,
    };
    if (change != NULL)
        change(&r->config);
    r->s = at_session_create(&r->config);
    assert_non_null(r->s);
    at_session_start(r->s);
    at_session_set_echo(r->s, false);
    rig_run(r);
    rig_expect(r, "\r\nready\r\n");
    return r;
}

rig *rig_new(void)
{
    return rig_new_with(NULL);
}

void rig_free(rig *r)
{
    at_session_destroy(r->s);
    assert_int_equal(r->loop.timer_count, 0);
    assert_int_equal(r->heap.blocks, 0);
    free(r);
}

/* --- driving --- */

static void turns(rig *r)
{
    do
        at_loop_turn(&r->loop);
    while (r->progress);
}

void rig_run(rig *r)
{
    r->until = r->now;
    turns(r);
}

void rig_advance(rig *r, uint32_t ms)
{
    r->until = r->now + ms * 1000ull;
    turns(r);
}

static void append(rig *r, const void *data, size_t len)
{
    assert_true(r->in_len + len <= sizeof(r->in));
    memcpy(r->in + r->in_len, data, len);
    r->in_len += len;
}

void rig_feed(rig *r, const void *data, size_t len)
{
    append(r, data, len);
    rig_run(r);
}

void rig_say(rig *r, const char *text)
{
    rig_feed(r, text, strlen(text));
}

void rig_feed_chunked(rig *r, const void *data, size_t len, size_t chunk)
{
    const uint8_t *from = data;
    for (size_t at = 0; at < len; at += chunk)
        rig_feed(r, from + at, AT_MIN(chunk, len - at));
}

void rig_feed_random(rig *r, const void *data, size_t len, uint32_t seed)
{
    const uint8_t *from = data;
    for (size_t at = 0, n; at < len; at += n) {
        seed = seed * 1664525u + 1013904223u;
        n = AT_MIN((seed >> 20) % 64 + 1, len - at);
        rig_feed(r, from + at, n);
    }
}

/* --- looking --- */

static void print_escaped(const char *what, const char *text, size_t len)
{
    fprintf(stderr, "%s:", what);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\r' || c == '\n')
            fputs(c == '\r' ? "\\r" : "\\n", stderr);
        else if (c < ' ' || c > '~')
            fprintf(stderr, "\\x%02x", c);
        else
            fputc(c, stderr);
    }
    fputc('\n', stderr);
}

void rig_expect_bytes(rig *r, const char *text, size_t len, const char *file, int line)
{
    if (r->out_len != len || memcmp(r->out, text, len) != 0) {
        print_escaped("expected", text, len);
        print_escaped("     got", r->out, AT_MIN(r->out_len, 2000u));
        _fail(file, line);
    }
    r->out_len = 0;
}
