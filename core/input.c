/* What each mode does with the bytes of the ring (modes.def).
 *
 * - A handler goes on at once when its data is complete, before anything behind it is looked at: what
 *   follows is judged by what the handler does, not by how the bytes were cut into reads.
 * - What a command in progress refuses is dropped, never queued (WIRE 2.4), up to the next CRLF or
 *   silence, even when the command ends meanwhile. */
#include <string.h>

#include "core/bytes.h"
#include "core/session_priv.h"

static const char restart_line[] = "AT+RST\r\n";

/* --- a line; each of these returns how many bytes it took --- */

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

/* --- refused --- */

/* At once when there is room: two refusals are two messages, in one read or in two. */
void at_input_busy(at_session *s)
{
    at_notice_post(s, &s->tx.busy);
    at_writer_notices(s);
}

static void busy(at_session *s, uint8_t byte)
{
    if (!s->rx.refusing) {
        at_log(s->log, AT_LOG_WARN, "core", "busy: input during %s is dropped",
               s->call.cmd != NULL ? s->call.cmd->name : "a command");
        at_input_busy(s);
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
        at_receive_watch(s);
    }
    return len;
}

/* --- data --- */

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

/* --- the next bytes --- */

/* Bytes of the ring that are certainly not the beginning of +++. */
static size_t available(const at_session *s)
{
    size_t used = at_ring_used(&s->rx.ring);
    bool hold = at_modes[s->mode].escape != AT_ESCAPE_NONE;
    return hold ? used - AT_MIN(used, (size_t)s->rx.plus) : used;
}

/* What stands in the ring behind complete data is either excess or the next command of a host that was
 * quick to answer the result: both may come in the data's own packet. Every command begins with AT. */
typedef enum behind_data { BEHIND_EXCESS, BEHIND_COMMAND, BEHIND_UNDECIDED } behind_data;

static behind_data judge_behind(const at_session *s)
{
    char head[2];
    size_t len = at_ring_peek(&s->rx.ring, 0, head, sizeof head);
    if (len == 0 || (head[0] | 0x20) != 'a')
        return BEHIND_EXCESS;
    if (len == 1)
        return BEHIND_UNDECIDED;
    return (head[1] | 0x20) == 't' ? BEHIND_COMMAND : BEHIND_EXCESS;
}

void at_input_packet_over(at_session *s)
{
    at_receiver *rx = &s->rx;
    bool lone_a = rx->excess && s->mode == AT_MODE_COMMAND && at_ring_used(&rx->ring) == 1 &&
                  judge_behind(s) == BEHIND_UNDECIDED;
    if (lone_a)
        at_ring_drop(&rx->ring, 1);
    if (lone_a || rx->restart_matched > 0) /* a part of AT or AT+RST: it was not one */
        at_input_busy(s);
    rx->refusing = rx->excess = false;
    rx->restart_matched = 0;
}

/* Bytes that arrived while a command ran belong to nobody, even when it has ended meanwhile. */
static at_input input_of(at_session *s)
{
    at_receiver *rx = &s->rx;
    behind_data behind = BEHIND_COMMAND;
    if (rx->refusing || rx->restart_matched > 0)
        return AT_INPUT_REFUSE;
    if (rx->excess && s->mode == AT_MODE_COMMAND)
        behind = judge_behind(s);
    if (behind == BEHIND_UNDECIDED)
        at_receive_watch(s);
    return behind == BEHIND_COMMAND     ? at_modes[s->mode].input
           : behind == BEHIND_UNDECIDED ? AT_INPUT_HOLD
                                        : AT_INPUT_REFUSE;
}

bool at_input_consume(at_session *s)
{
    const uint8_t *data;
    size_t left = available(s), before = at_ring_used(&s->rx.ring);
    at_mode mode = s->mode;
    size_t len = AT_MIN(at_ring_span(&s->rx.ring, 0, &data), left);
    size_t n = 0;
    if (len == 0 || s->restarting)
        return false;
    at_input input = input_of(s);
    bool incomplete = !s->data.done && (input == AT_INPUT_COLLECT || input == AT_INPUT_SINK);
    switch (input) {
    case AT_INPUT_LINE: n = take_line(s, data, len); break;
    case AT_INPUT_REFUSE: n = take_refused(s, data, len); break;
    case AT_INPUT_COLLECT: n = take_collected(s, data, len); break;
    case AT_INPUT_SINK: n = take_sink(s, left); break;
    case AT_INPUT_HOLD: break;
    }
    at_ring_drop(&s->rx.ring, n);
    if (incomplete && s->data.done)
        at_fiber_continue(s);
    return n > 0 || s->mode != mode || at_ring_used(&s->rx.ring) != before;
}
