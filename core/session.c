/* Receives bytes and decides by mode what they are (modes.def).
 *
 * Invariants
 * - The port is always read into the ring as soon as there are bytes; only a full ring stops it, and
 *   that is the flow control towards the host. Once the ring has been full for the guard time the
 *   reserve behind it is filled too: a host that stopped sending on a stalled passthrough gets its +++
 *   through.
 * - +++ is judged when it arrives, not when it is consumed: a packet (run of bytes without a gap of
 *   the guard time) that is exactly three + and followed by a gap. While it could still become one, its
 *   bytes are held back from the consumer.
 * - pump() does everything that can be done now; a nested call only asks the outer one for another
 *   round. It may run a handler, so only the loop calls it; notices and sources ask for it (pump_soon).
 * - A handler goes on at once when its data is complete, before anything behind it is looked at: what
 *   follows is judged by what the handler does, not by how the bytes were cut into reads.
 * - What a command in progress refuses is dropped, never queued (WIRE 2.4), up to the next CRLF or
 *   silence, even when the command ends meanwhile. */
#include "core/session.h"

#include <string.h>

#include "core/bytes.h"
#include "core/session_priv.h"

const at_mode_rules at_modes[AT_MODES] = {
#define AT_MODE_RULES(mode, text, in, esc, unsolicited) \
    [AT_MODE_##mode] = { .name = text,                  \
                         .input = AT_INPUT_##in,        \
                         .escape = AT_ESCAPE_##esc,     \
                         .urc = AT_URC_##unsolicited },
#include "core/modes.def"
#undef AT_MODE_RULES
};

static const char restart_line[] = "AT+RST\r\n";

enum { READ_AGAIN = 2048 }; /* a read this long is worth another without asking the loop */

const char *at_mode_name(at_mode mode)
{
    return (unsigned)mode < AT_MODES ? at_modes[mode].name : "?";
}

static uint64_t guard_us(const at_session *s)
{
    return s->config.guard_ms * 1000ull;
}

/* --- arrival --- */

/* Tracks whether the packet so far is nothing but up to three +. */
static void watch_escape(at_session *s, const uint8_t *data, size_t len, bool new_packet)
{
    at_receiver *rx = &s->rx;
    size_t plus = new_packet ? 0 : rx->plus;
    bool only = new_packet || rx->plus > 0;
    for (size_t i = 0; only && i < len; i++) {
        only = data[i] == '+' && plus < 3;
        plus++;
    }
    rx->plus = only ? (uint8_t)plus : 0;
}

static void escape(at_session *s)
{
    size_t unsent = at_ring_used(&s->rx.ring);
    if (at_modes[s->mode].escape == AT_ESCAPE_NONE)
        return; /* three + are just bytes here */
    at_log(s->log, AT_LOG_DEBUG, "core", "+++ in mode %s, %u unsent bytes dropped",
           at_modes[s->mode].name, (unsigned)unsent - 3u);
    at_ring_drop(&s->rx.ring, unsent);
    s->data.cancelled = true;
    at_wake(s);
}

/* At once when there is room: two refusals are two messages, in one read or in two. */
static void write_busy(at_session *s)
{
    at_notice_post(s, &s->tx.busy);
    at_writer_notices(s);
}

/* Decides what only silence can: once per packet, by the timer or by the next packet before it. */
static void packet_over(at_session *s)
{
    at_receiver *rx = &s->rx;
    if (rx->plus == 3)
        escape(s);
    rx->plus = 0;
    rx->refusing = rx->excess = false;
    if (rx->restart_matched > 0) { /* a part of AT+RST: it was not one */
        rx->restart_matched = 0;
        write_busy(s);
    }
}

/* Before the bytes are in the ring: +++ drops what was there already. */
static void arrived(at_session *s, const uint8_t *data, size_t len)
{
    at_receiver *rx = &s->rx;
    uint64_t now = at_loop_now(s->loop);
    bool new_packet = !rx->any || now - rx->last_us >= guard_us(s);
    if (new_packet)
        packet_over(s);
    watch_escape(s, data, len, new_packet);
    rx->any = true;
    rx->last_us = now;
    rx->reserve = false;
    if (rx->plus > 0)
        at_timer_in(s->loop, &rx->guard, guard_us(s));
    if (s->config.data_timeout_ms > 0 && at_timer_running(&s->data.idle))
        at_timer_in(s->loop, &s->data.idle, s->config.data_timeout_ms * 1000ull);
}

/* What may become +++ is read whole: cut by a full ring, it would look like two packets. */
static size_t receive_limit(const at_session *s)
{
    return s->rx.reserve || s->rx.plus > 0 ? s->rx.ring.size : AT_RX_RING;
}

/* Reads the port into the ring; true when something came. */
static bool receive(at_session *s)
{
    at_receiver *rx = &s->rx;
    bool any = false;
    while (rx->readable) {
        uint8_t *to;
        size_t used = at_ring_used(&rx->ring), limit = receive_limit(s);
        size_t room = at_ring_space(&rx->ring, &to);
        if (used >= limit)
            break;
        room = AT_MIN(room, limit - used);
        size_t n = s->port->ops->read(s->port, to, room);
        rx->readable = n == room || n >= READ_AGAIN;
        if (n == 0)
            break;
        arrived(s, to, n);
        at_ring_commit(&rx->ring, n);
        any = true;
    }
    return any;
}

static void want_events(at_session *s)
{
    bool room = at_ring_used(&s->rx.ring) < receive_limit(s);
    if (!room && !at_timer_running(&s->rx.guard))
        at_timer_in(s->loop, &s->rx.guard, guard_us(s));
    s->port->ops->want(s->port, room && !s->restarting, s->tx.head != s->tx.tail);
}

/* --- the guard time is over --- */

static void guard_over(void *arg)
{
    at_session *s = arg;
    at_receiver *rx = &s->rx;
    uint64_t quiet = at_loop_now(s->loop) - rx->last_us;
    if (quiet < guard_us(s)) {
        at_timer_in(s->loop, &rx->guard, guard_us(s) - quiet);
        return;
    }
    packet_over(s);
    if (at_ring_used(&rx->ring) >= AT_RX_RING)
        rx->reserve = true;
    at_session_pump(s);
}

static void data_idle(void *arg)
{
    at_session *s = arg;
    at_log(s->log, AT_LOG_WARN, "core", "no data for %lu ms at the prompt: cancelled",
           (unsigned long)s->config.data_timeout_ms);
    at_ring_clear(&s->rx.ring);
    s->data.cancelled = true;
    at_wake(s);
}

/* --- what each mode does with the bytes; each returns how many it took --- */

static void line_append(at_session *s, const uint8_t *data, size_t len)
{
    size_t room = AT_LINE_MAX - s->line_len;
    if (len > room)
        s->line_over = true;
    len = AT_MIN(len, room);
    memcpy(s->line + s->line_len, data, len);
    s->line_len = (uint16_t)(s->line_len + len);
}

static void line_done(at_session *s, bool over)
{
    s->line_over = over;
    s->line_cr = false;
    if (!over)
        s->line_len = (uint16_t)(s->line_len - 2);
    bool empty = !over && s->line_len == 0;
    if (!empty) /* an empty line is swallowed (WIRE 2.2) */
        at_fiber_start_job(s);
}

/* Ends with CRLF? The CR may have come in an earlier piece. */
static bool line_ended(const at_session *s, const uint8_t *data, size_t len)
{
    if (data[len - 1] != '\n')
        return false;
    if (len >= 2)
        return data[len - 2] == '\r';
    return s->line_cr;
}

static size_t take_line(at_session *s, const uint8_t *data, size_t len)
{
    if (s->has_job || !at_writer_notices(s))
        return 0;
    const uint8_t *newline = memchr(data, '\n', len);
    size_t n = newline != NULL ? (size_t)(newline - data) + 1 : len;
    if (s->echo) {
        n = AT_MIN(n, (size_t)AT_MESSAGE_MAX);
        uint8_t *room = at_writer_room(s, n);
        if (room == NULL)
            return 0;
        memcpy(room, data, n);
        at_writer_commit(s, n);
    }
    bool ended = line_ended(s, data, n);
    s->line_cr = data[n - 1] == '\r';
    s->rx.excess = false;
    line_append(s, data, n);
    if (ended) {
        bool over = s->line_over;
        at_ring_drop(&s->rx.ring, n);
        line_done(s, over);
        return 0; /* dropped already, the fiber may have read on */
    }
    return n;
}

static void busy(at_session *s, uint8_t byte)
{
    if (!s->rx.refusing) {
        at_log(s->log, AT_LOG_WARN, "core", "busy: input during %s is dropped",
               s->call.cmd != NULL ? s->call.cmd->name : "a command");
        write_busy(s);
    }
    s->rx.restart_matched = 0;
    s->rx.refusing = true;
    s->rx.excess = false;
    s->rx.refused_cr = byte == '\r';
}

static size_t take_refused(at_session *s, const uint8_t *data, size_t len)
{
    at_receiver *rx = &s->rx;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = data[i];
        if (rx->refusing) {
            if (byte == '\n' && rx->refused_cr)
                rx->refusing = false;
            rx->refused_cr = byte == '\r';
            if (!rx->refusing && s->mode != AT_MODE_EXECUTING)
                return i + 1; /* the rest is the next line, or data */
            continue;
        }
        if (byte != (uint8_t)restart_line[rx->restart_matched]) {
            busy(s, byte);
            continue;
        }
        rx->restart_matched++;
        if (rx->restart_matched == sizeof(restart_line) - 1) {
            at_session_force_restart(s);
            return len;
        }
        at_timer_in(s->loop, &rx->guard, guard_us(s));
    }
    return len;
}

static void data_done(at_session *s)
{
    s->data.done = true;
    at_session_set_mode(s, AT_MODE_EXECUTING);
    s->rx.excess = true;
}

static size_t take_counted(at_session *s, const uint8_t *data, size_t len)
{
    at_data *d = &s->data;
    size_t n = (size_t)AT_MIN((uint64_t)len, d->want - d->got);
    memcpy(d->buf + d->got, data, n);
    d->got += n;
    if (d->got == d->want)
        data_done(s);
    return n;
}

static size_t take_escaped(at_session *s, const uint8_t *data, size_t len)
{
    at_data *d = &s->data;
    size_t i = 0;
    while (i < len && !d->done) {
        uint8_t byte = data[i++];
        bool escaped = d->backslash;
        d->backslash = !escaped && byte == '\\';
        if (d->backslash)
            continue;
        if (escaped && byte == '0') {
            data_done(s);
            break;
        }
        d->buf[d->got++] = byte;
        if (d->got == d->want)
            data_done(s);
    }
    return i;
}

static size_t take_collected(at_session *s, const uint8_t *data, size_t len)
{
    if (s->data.done || s->data.cancelled)
        return 0;
    return s->mode == AT_MODE_ESCAPED ? take_escaped(s, data, len) : take_counted(s, data, len);
}

static size_t take_sink(at_session *s, size_t available)
{
    at_data *d = &s->data;
    const uint8_t *first, *second;
    if (d->sink == NULL || d->cancelled || d->done)
        return 0;
    if (d->want > 0)
        available = (size_t)AT_MIN((uint64_t)available, d->want - d->got);
    size_t first_len = AT_MIN(at_ring_span(&s->rx.ring, 0, &first), available);
    size_t second_len = AT_MIN(at_ring_span(&s->rx.ring, 1, &second), available - first_len);
    if (first_len == 0)
        return 0;
    size_t n = d->sink->consume(d->sink->arg, first, first_len, second, second_len);
    d->got += n;
    if (d->want > 0 && d->got == d->want)
        data_done(s);
    return n;
}

/* --- pump --- */

/* Bytes of the ring that are certainly not the beginning of +++. */
static size_t available(const at_session *s)
{
    size_t used = at_ring_used(&s->rx.ring);
    bool hold = at_modes[s->mode].escape != AT_ESCAPE_NONE;
    return hold ? used - AT_MIN(used, (size_t)s->rx.plus) : used;
}

/* Bytes that arrived while a command ran belong to nobody, even when it has ended meanwhile. Behind
 * complete data the same packet is excess (guide 4.2.1: busy), unless the host was quick to answer the
 * result with its next command: no excess begins with A. */
static bool refused(const at_session *s, uint8_t byte)
{
    const at_receiver *rx = &s->rx;
    bool excess = rx->excess && s->mode == AT_MODE_COMMAND && byte != 'A' && byte != 'a';
    return rx->refusing || rx->restart_matched > 0 || excess;
}

static bool consume_some(at_session *s)
{
    const uint8_t *data;
    size_t left = available(s), before = at_ring_used(&s->rx.ring);
    at_mode mode = s->mode;
    size_t len = AT_MIN(at_ring_span(&s->rx.ring, 0, &data), left);
    size_t n = 0;
    if (len == 0 || s->restarting)
        return false;
    at_input input = refused(s, data[0]) ? AT_INPUT_REFUSE : at_modes[mode].input;
    bool incomplete = !s->data.done && (input == AT_INPUT_COLLECT || input == AT_INPUT_SINK);
    switch (input) {
    case AT_INPUT_LINE: n = take_line(s, data, len); break;
    case AT_INPUT_REFUSE: n = take_refused(s, data, len); break;
    case AT_INPUT_COLLECT: n = take_collected(s, data, len); break;
    case AT_INPUT_SINK: n = take_sink(s, left); break;
    }
    at_ring_drop(&s->rx.ring, n);
    if (incomplete && s->data.done)
        at_fiber_continue(s);
    return n > 0 || s->mode != mode || at_ring_used(&s->rx.ring) != before;
}

static void pump_round(at_session *s)
{
    bool more = true;
    while (more) {
        more = receive(s);
        while (consume_some(s))
            more = true;
        at_writer_notices(s);
        at_writer_flush(s);
    }
    if (!s->restarting)
        at_writer_sources(s);
    at_writer_flush(s);
}

void at_session_pump(at_session *s)
{
    if (s->pumping || s->on_fiber) {
        s->pump_again = true;
        if (s->on_fiber)
            at_wake(s);
        return;
    }
    s->pumping = true;
    do {
        s->pump_again = false;
        pump_round(s);
    } while (s->pump_again);
    s->pumping = false;
    want_events(s);
}

void at_session_pump_soon(at_session *s)
{
    s->pump_again = true;
    if (!s->pumping)
        at_wake(s);
}

/* --- restart while a command runs --- */

/* A port has no event for "drained": looks every millisecond. */
static void restart_when_drained(void *arg)
{
    at_session *s = arg;
    bool drained = at_writer_empty(s) && s->port->ops->drained(s->port);
    if (!drained && at_loop_now(s->loop) < s->restart_due_us)
        at_timer_in(s->loop, &s->restart, 1000);
    else
        s->config.supervisor->restart(s->config.supervisor->ctx, AT_BOOT_NORMAL, 0);
}

void at_session_force_restart(at_session *s)
{
    at_wire_text text = at_wire[AT_WIRE_FORCE_RESTART];
    uint8_t *room = at_writer_room(s, text.len);
    at_log(s->log, AT_LOG_WARN, "core", "AT+RST during %s: restarting",
           s->call.cmd != NULL ? s->call.cmd->name : "a command");
    if (room != NULL) {
        memcpy(room, text.text, text.len);
        at_writer_commit(s, text.len);
    }
    s->restarting = true;
    s->rx.restart_matched = 0;
    s->cancelled = true; /* the text is the last that the host sees */
    s->restart_due_us = at_loop_now(s->loop) + AT_RESTART_DRAIN_MS * 1000ull;
    at_timer_in(s->loop, &s->restart, 0);
}

static void prepare(void *arg)
{
    at_session *s = arg;
    at_resume_early(s);
    at_writer_flush(s);
}

/* --- life --- */

static void on_readable(void *owner)
{
    at_session *s = owner;
    s->rx.readable = true;
    at_session_pump(s);
}

static void on_writable(void *owner)
{
    at_session *s = owner;
    s->tx.blocked = false;
    at_session_pump(s);
}

static size_t row_count(const at_session_config *config)
{
    size_t count = 0;
    for (size_t f = 0; f < config->family_count; f++)
        count += config->families[f]->count;
    return count;
}

static bool allocate(at_session *s)
{
    at_heap *heap = s->config.heap;
    size_t size = AT_RX_RING + (s->config.rx_reserve != 0 ? s->config.rx_reserve : AT_RX_RESERVE);
    uint8_t *ring = at_alloc(heap, size);
    s->tx.buffer = at_alloc(heap, AT_TX_BUFFER);
    s->index = at_calloc(heap, row_count(&s->config) + 1, sizeof(s->index[0]));
    if (ring == NULL || s->tx.buffer == NULL || s->index == NULL || !at_wait_init(s)) {
        at_free(heap, ring);
        at_free(heap, s->tx.buffer);
        at_free(heap, s->index);
        return false;
    }
    at_ring_init(&s->rx.ring, ring, size);
    return true;
}

at_session *at_session_create(const at_session_config *config)
{
    at_session *s = at_calloc(config->heap, 1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->config = *config;
    s->log = config->log;
    s->loop = config->loop;
    s->port = config->port;
    s->echo = true;
    s->call.session = s;
    s->args_typed = AT_ARGS_MAX;
    at_timer_init(&s->rx.guard, guard_over, s);
    at_timer_init(&s->data.idle, data_idle, s);
    at_timer_init(&s->restart, restart_when_drained, s);
    if (!allocate(s)) {
        at_free(config->heap, s);
        return NULL;
    }
    at_writer_init(s);
    at_command_index(s);
    s->prepare = (at_prepare){ .run = prepare, .arg = s };
    at_loop_add_prepare(s->loop, &s->prepare);
    return s;
}

void at_session_destroy(at_session *s)
{
    at_heap *heap = s->config.heap;
    at_timer_stop(s->loop, &s->rx.guard);
    at_timer_stop(s->loop, &s->data.idle);
    at_timer_stop(s->loop, &s->restart);
    at_timer_stop(s->loop, &s->wake);
    at_loop_unpost(s->loop, &s->resume);
    s->config.fibers->destroy(s->fiber);
    at_filters_clear(&s->filters, heap);
    at_free(heap, s->rx.ring.buffer);
    at_free(heap, s->tx.buffer);
    at_free(heap, s->index);
    at_free(heap, s);
}

void at_session_start(at_session *s)
{
    at_wire_text text = at_wire[AT_WIRE_READY];
    s->port->owner = s;
    s->port->on_readable = on_readable;
    s->port->on_writable = on_writable;
    uint8_t *room = at_writer_room(s, text.len);
    if (room != NULL) {
        memcpy(room, text.text, text.len);
        at_writer_commit(s, text.len);
    }
    at_session_pump(s);
}

void at_session_run(at_session *s, const at_cmd *row)
{
    s->boot_row = row;
    at_fiber_start_job(s);
    at_session_pump(s);
}

void at_session_set_mode(at_session *s, at_mode mode)
{
    if (mode == s->mode)
        return;
    at_log(s->log, AT_LOG_DEBUG, "core", "mode %s -> %s", at_modes[s->mode].name,
           at_modes[mode].name);
    s->mode = mode;
    if (mode == AT_MODE_COMMAND) {
        s->line_len = 0;
        s->line_over = s->line_cr = false;
    }
    if (s->rx.plus > at_ring_used(&s->rx.ring))
        s->rx.plus = 0; /* these + went elsewhere: no escape from the new mode */
}

at_mode at_session_mode(const at_session *s)
{
    return s->mode;
}

bool at_session_idle(const at_session *s)
{
    return s->mode == AT_MODE_COMMAND && at_writer_empty(s) && at_ring_used(&s->rx.ring) == 0;
}

at_loop *at_session_loop(const at_session *s)
{
    return s->loop;
}

at_heap *at_session_heap(const at_session *s)
{
    return s->config.heap;
}

at_log *at_session_log(const at_session *s)
{
    return s->log;
}

at_byteport *at_session_port(const at_session *s)
{
    return s->port;
}

const at_supervisor *at_session_supervisor(const at_session *s)
{
    return s->config.supervisor;
}

void at_session_set_echo(at_session *s, bool on)
{
    s->echo = on;
}

bool at_session_syslog(const at_session *s)
{
    return s->syslog;
}

void at_session_set_syslog(at_session *s, bool on)
{
    s->syslog = on;
}

unsigned at_session_sysmsg(const at_session *s)
{
    return s->sysmsg;
}

void at_session_set_sysmsg(at_session *s, unsigned bits)
{
    s->sysmsg = bits;
}

at_filters *at_session_filters(at_session *s)
{
    return &s->filters;
}

void at_session_set_gate(at_session *s, const at_gate *gate)
{
    s->gate = gate;
    at_session_pump_soon(s);
}
