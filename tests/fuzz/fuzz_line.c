/* The AT port: any bytes, in any pieces, at any times, with commands of every argument kind and every
 * data mode behind it. Whatever came in, the output is made of whole known messages, and after silence,
 * +++, silence and CRLF the session answers AT.
 *
 * Input: a byte of switches, then operations. 0x00..0x3F: so many bytes + 1 follow and arrive at once;
 * 0x40..0x7F: the port or the sink gets room for so many bytes, or the signal is raised; 0x80..0xFF: so
 * many milliseconds pass. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/session.h"
#include "core/wire.h"
#include "ports/linux/fiber.h"

enum {
    OUT_BYTES = 1 << 17,
    SWITCH_ECHO = 1,
    SWITCH_SYSLOG = 2,
    SWITCH_TIMEOUT = 4,
    SWITCH_SLOW = 8
};

typedef struct box {
    at_loop loop;
    at_heap heap;
    at_session *s;
    at_byteport port;
    at_signal signal;
    uint64_t now, until;
    bool progress, want_read, want_write, restarted;
    const uint8_t *in;
    size_t in_len, out_len, room, sink_room;
    uint8_t data[256];
    char out[OUT_BYTES];
} box;

static void require(bool condition)
{
    if (!condition)
        __builtin_trap();
}

/* --- rows --- */

static at_result do_ok(at_call *call)
{
    (void)call;
    return AT_RESULT_OK;
}

/* Reads everything a handler may read of its values. */
static at_result do_args(at_call *call)
{
    for (unsigned i = 0; i < call->shape->count; i++) {
        const at_value *value = &call->arg[i];
        require(value->text != NULL && value->text[value->len] == '\0');
        if (call->shape->args[i].kind == AT_KIND_TEXT && value->present)
            require(value->len <= (unsigned)call->shape->args[i].max);
        if (call->shape->args[i].kind == AT_KIND_INT && value->present)
            require(value->num >= call->shape->args[i].min &&
                    value->num <= call->shape->args[i].max);
    }
    at_row(call, "+ROW\r\n");
    return AT_RESULT_OK;
}

static at_result do_wait(at_call *call)
{
    box *b = call->app;
    at_wait(call, &b->signal, (uint32_t)at_int(call, 0));
    return AT_RESULT_OK;
}

static at_result do_collect(at_call *call)
{
    box *b = call->app;
    size_t got, len = (size_t)at_int(call, 0);
    at_err err = at_int(call, 1) != 0 ? at_collect_escaped(call, false, b->data, len, &got)
                                      : at_collect(call, true, b->data, len, &got);
    require(got <= len && (err == AT_OK || err == AT_ERR_CANCELLED));
    return err == AT_OK ? AT_RESULT_OK : at_fail_err(call, err, "data");
}

static at_result do_later(at_call *call)
{
    do_wait(call);
    return do_collect(call);
}

static size_t consume(void *arg, const uint8_t *first, size_t first_len, const uint8_t *second,
                      size_t second_len)
{
    box *b = arg;
    size_t n = AT_MIN(first_len + second_len, b->sink_room);
    require(first_len > 0 && (second_len == 0 || second != first));
    b->sink_room -= n;
    return n;
}

static at_result do_stream(at_call *call)
{
    box *b = call->app;
    at_sink sink = { consume, b };
    uint64_t limit = (uint64_t)at_int(call, 0);
    at_err err;
    at_stream_begin(call, limit > 0 ? AT_MODE_STREAMED : AT_MODE_PASSTHROUGH, limit, &sink);
    while ((err = at_stream_wait(call, &b->signal, 100)) == AT_OK || err == AT_ERR_TIMEOUT)
        require(limit == 0 || at_stream_received(b->s) <= limit);
    at_stream_end(call);
    return AT_RESULT_OK;
}

static const at_arg_spec kinds[] = { AT_INT("a", -5, 500),    AT_OPT_INT("b", 0, 9, 3),
                                     AT_OPT_TEXT("c", 0, 20), AT_OPT_MAC("d"),
                                     AT_OPT_UINT("e"),        AT_OPT_TEXT("f", 1, 200) };
static const at_arg_spec counts[] = { AT_INT("n", 0, 200), AT_OPT_INT("m", 0, 1, 0) };
static const at_shape kinds_shape[] = { AT_SHAPE(NULL, kinds), AT_SHAPE("\"x\"", counts) };
static const at_shape counts_shape[] = { AT_SHAPE(NULL, counts) };

static uint8_t select_shape(const at_call *call)
{
    char text[4];
    return at_peek(call, 1, text, sizeof(text))[0] == 'x';
}

static const at_cmd rows[] = {
    { .name = "", .execute = do_ok },
    { .name = "+A", .set = do_args, AT_SHAPES(kinds_shape), .select = select_shape },
    { .name = "+Q", .query = do_ok, .set = do_ok, .execute = do_ok },
    { .name = "+W", .set = do_wait, AT_SHAPES(counts_shape) },
    { .name = "+C", .set = do_collect, AT_SHAPES(counts_shape) },
    { .name = "+L", .set = do_later, AT_SHAPES(counts_shape) },
    { .name = "+S", .set = do_stream, AT_SHAPES(counts_shape) },
};

/* --- port and time --- */

static size_t port_read(at_byteport *port, uint8_t *buf, size_t room)
{
    box *b = port->ctx;
    size_t n = AT_MIN(room, b->in_len);
    memcpy(buf, b->in, n);
    b->in += n;
    b->in_len -= n;
    return n;
}

static size_t port_write(at_byteport *port, const uint8_t *data, size_t len)
{
    box *b = port->ctx;
    size_t n = AT_MIN(len, b->room);
    require(len > 0 && b->out_len + n <= sizeof(b->out));
    memcpy(b->out + b->out_len, data, n);
    b->out_len += n;
    b->room -= n;
    return n;
}

static void port_want(at_byteport *port, bool want_read, bool want_write)
{
    box *b = port->ctx;
    b->want_read = want_read;
    b->want_write = want_write;
}

static bool port_drained(at_byteport *port)
{
    return ((box *)port->ctx)->room > 0;
}

static uint64_t now_us(void *ctx)
{
    return ((box *)ctx)->now;
}

static void wait_until(void *ctx, uint64_t deadline_us)
{
    box *b = ctx;
    b->progress = true;
    if (b->want_write && b->room > 0)
        b->port.on_writable(b->port.owner);
    else if (b->want_read && b->in_len > 0)
        b->port.on_readable(b->port.owner);
    else if (deadline_us > b->now && b->now < b->until)
        b->now = AT_MIN(deadline_us, b->until);
    else
        b->progress = deadline_us <= b->now;
}

static void advance(box *b, uint32_t ms)
{
    unsigned turns = 0;
    b->until = b->now + ms * 1000ull;
    do {
        at_loop_turn(&b->loop);
        require(++turns < 100000); /* never spins */
    } while (b->progress && !b->restarted);
}

/* What the port has not read yet is lost when more comes: a host without flow control. */
static void feed(box *b, const void *data, size_t len)
{
    b->in = data;
    b->in_len = len;
    advance(b, 0);
}

static void on_restart(void *ctx, at_boot_kind kind, uint64_t after_ms)
{
    (void)kind;
    (void)after_ms;
    ((box *)ctx)->restarted = true;
}

/* --- what must hold --- */

static size_t message_at(const char *text, size_t len)
{
    static const char code[] = "ERR CODE:0x01", row[] = "+ROW\r\n";
    for (int id = AT_WIRE_COUNT; id-- > 0;) /* OK with its prompt comes before the OK in it */
        if (len >= at_wire[id].len && memcmp(text, at_wire[id].text, at_wire[id].len) == 0)
            return at_wire[id].len;
    if (len >= 6 && memcmp(text, row, 6) == 0)
        return 6;
    if (len >= 21 && memcmp(text, code, 13) == 0 && memcmp(text + 19, "\r\n", 2) == 0)
        return 21;
    return 0;
}

static void check_output(const box *b)
{
    for (size_t at = 0, n; at < b->out_len; at += n) {
        n = message_at(b->out + at, b->out_len - at);
        require(n > 0);
    }
}

static void check_alive(box *b, bool echo)
{
    static const char ok[] = "\r\nOK\r\n";
    advance(b, 1000);
    feed(b, "+++", 3);
    advance(b, 1000);
    feed(b, "\r\n", 2);
    advance(b, 1000);
    if (b->restarted)
        return;
    require(at_session_idle(b->s));
    size_t before = b->out_len;
    feed(b, "AT\r\n", 4);
    require(b->out_len - before == (echo ? 10u : 6u));
    require(memcmp(b->out + b->out_len - 6, ok, 6) == 0);
    require(b->loop.timer_count == 0);
}

/* --- one run --- */

static void play(box *b, const uint8_t *data, size_t size)
{
    while (size > 0 && !b->restarted) {
        uint8_t op = *data++;
        size--;
        size_t n = AT_MIN((size_t)(op & 0x3F) + 1, size);
        if (op >= 0x80) {
            advance(b, op & 0x7F);
        } else if (op < 0x40) {
            feed(b, data, n);
            data += n;
            size -= n;
        } else {
            if (op & 1)
                b->room = (op & 0x3F) * 16u;
            else
                b->sink_room = (op & 0x3F) * 16u;
            if ((op & 7) == 7)
                at_signal_raise(&b->signal);
            at_stream_poke(b->s);
            advance(b, 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const at_byteport_ops ops = { port_read, port_write, port_want, port_drained, NULL };
    static const at_family_rows family = AT_FAMILY(rows);
    static const at_family_rows *const families[] = { &family };
    if (size == 0)
        return 0;
    box *b = calloc(1, sizeof(*b));
    require(b != NULL);
    at_clock clock = { b, now_us };
    at_waiter waiter = { b, wait_until };
    at_supervisor supervisor = { b, on_restart, NULL };
    unsigned switches = data[0];
    b->port.ops = &ops;
    b->port.ctx = b;
    b->room = (switches & SWITCH_SLOW) != 0 ? 64 : SIZE_MAX;
    b->sink_room = SIZE_MAX;
    at_loop_init(&b->loop, &clock, &waiter);
    at_heap_init(&b->heap, SIZE_MAX);
    at_session_config config = {
        .loop = &b->loop,
        .heap = &b->heap,
        .port = &b->port,
        .fibers = &lx_fiber_ops,
        .supervisor = &supervisor,
        .families = families,
        .family_count = 1,
        .builds = 0x80,
        .app = b,
        .guard_ms = AT_GUARD_MS,
        .data_timeout_ms = (switches & SWITCH_TIMEOUT) != 0 ? 300 : 0,
    };
    b->s = at_session_create(&config);
    require(b->s != NULL);
    at_session_start(b->s);
    at_session_set_echo(b->s, (switches & SWITCH_ECHO) != 0);
    at_session_set_syslog(b->s, (switches & SWITCH_SYSLOG) != 0);
    play(b, data + 1, size - 1);
    b->room = b->sink_room = SIZE_MAX;
    at_stream_poke(b->s);
    if (!b->restarted)
        check_alive(b, (switches & SWITCH_ECHO) != 0);
    if ((switches & SWITCH_ECHO) == 0)
        check_output(b);
    at_session_destroy(b->s);
    require(b->heap.blocks == 0);
    free(b);
    return 0;
}
