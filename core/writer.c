/* The one writer. Messages are built whole in one linear buffer (so a formatter sees contiguous room)
 * and leave it in the order they were begun; the port takes what it can, the rest waits here.
 *
 * Order: queued notices, then the running command's message, then bulk sources. A command that waits
 * for room stops the sources, so an answer is never starved by +IPD. Several messages may leave in one
 * write to the port; a message itself is the unit that SYSMSGFILTER sees: each row, result, prompt, notice
 * and piece of bulk data, not the echo. A message longer than the buffer is not filtered. */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/session_priv.h"

enum { SOURCE_BURST = 65536 }; /* bytes of bulk per pump before other work gets a turn */

static size_t format_busy(void *arg, char *buf, size_t room)
{
    at_session *s = arg;
    int len = 0;
    if (s->syslog)
        len = snprintf(buf, room, "ERR CODE:0x01%02x0000\r\n", AT_SUB_BUSY);
    memcpy(buf + len, at_wire[AT_WIRE_BUSY].text, at_wire[AT_WIRE_BUSY].len);
    return (size_t)len + at_wire[AT_WIRE_BUSY].len;
}

void at_writer_init(at_session *s)
{
    s->tx.last_notice = &s->tx.notices;
    s->tx.busy = (at_notice){ .format = format_busy, .arg = s };
}

bool at_writer_empty(const at_session *s)
{
    return s->tx.head == s->tx.tail && s->tx.notices == NULL;
}

void at_writer_flush(at_session *s)
{
    at_writer *tx = &s->tx;
    if (tx->head == tx->tail || tx->blocked)
        return;
    size_t n = s->port->ops->write(s->port, tx->buffer + tx->head, tx->tail - tx->head);
    tx->head += n;
    tx->blocked = tx->head != tx->tail;
    if (!tx->blocked)
        tx->head = tx->tail = 0;
    if (n > 0 && tx->fiber_waits)
        at_wake(s);
}

uint8_t *at_writer_room(at_session *s, size_t len)
{
    at_writer *tx = &s->tx;
    if (AT_TX_BUFFER - tx->tail < len && tx->head > 0) {
        memmove(tx->buffer, tx->buffer + tx->head, tx->tail - tx->head);
        tx->tail -= tx->head;
        tx->head = 0;
    }
    return AT_TX_BUFFER - tx->tail >= len ? tx->buffer + tx->tail : NULL;
}

void at_writer_commit(at_session *s, size_t len)
{
    s->tx.tail += len;
}

void at_writer_message(at_session *s, size_t len)
{
    uint8_t *message = s->tx.buffer + s->tx.tail;
    at_writer_commit(s, at_filters_apply(&s->filters, message, len));
}

bool at_session_write_raw(at_session *s, const void *data, size_t len)
{
    uint8_t *room = at_writer_room(s, len);
    if (room == NULL)
        return false;
    memcpy(room, data, len);
    at_writer_commit(s, len);
    at_session_pump_soon(s);
    return true;
}

/* What nobody asked for has to wait: the host sleeps. */
static bool gated(const at_session *s)
{
    bool alone = s->mode == AT_MODE_COMMAND || s->mode == AT_MODE_PASSTHROUGH;
    return s->gate != NULL && alone && s->gate->closed(s->gate->arg);
}

/* --- notices --- */

static bool suppressed(const at_session *s, const at_notice *notice)
{
    return notice->status && at_modes[s->mode].urc == AT_URC_NO_STATUS &&
           (s->sysmsg & AT_SYSMSG_STATUS) == 0;
}

void at_notice_post(at_session *s, at_notice *notice)
{
    if (notice->queued || suppressed(s, notice))
        return;
    notice->queued = true;
    notice->next = NULL;
    *s->tx.last_notice = notice;
    s->tx.last_notice = &notice->next;
    at_session_pump_soon(s);
}

bool at_writer_notices(at_session *s)
{
    at_writer *tx = &s->tx;
    if (tx->hold)
        return false;
    if (tx->notices != NULL && gated(s))
        return true; /* none that anybody has to wait for */
    while (tx->notices != NULL) {
        uint8_t *room = at_writer_room(s, AT_MESSAGE_MAX);
        if (room == NULL)
            return false;
        at_notice *notice = tx->notices;
        tx->notices = notice->next;
        if (tx->notices == NULL)
            tx->last_notice = &tx->notices;
        notice->queued = false;
        at_writer_message(s, notice->format(notice->arg, (char *)room, AT_MESSAGE_MAX));
    }
    return true;
}

/* --- bulk --- */

void at_source_ready(at_session *s, at_source *source)
{
    if (!source->known) {
        source->known = true;
        source->next = s->tx.sources;
        s->tx.sources = source;
    }
    source->ready = true;
    at_session_pump_soon(s);
}

/* The next ready source after the one that produced last. */
static at_source *next_ready(const at_writer *tx)
{
    at_source *start = tx->next_source != NULL ? tx->next_source : tx->sources;
    at_source *source = start;
    while (source != NULL && !source->ready) {
        source = source->next != NULL ? source->next : tx->sources;
        if (source == start)
            return NULL;
    }
    return source;
}

void at_writer_sources(at_session *s)
{
    at_writer *tx = &s->tx;
    size_t moved = 0;
    at_source *source;
    while (!tx->fiber_waits && (source = next_ready(tx)) != NULL && !gated(s)) {
        uint8_t *room = at_writer_room(s, source->need);
        if (room == NULL) {
            at_writer_flush(s);
            room = at_writer_room(s, source->need);
        }
        if (room == NULL || moved >= SOURCE_BURST) {
            if (room != NULL)
                at_wake(s); /* another turn, after the others */
            return;
        }
        size_t n = source->produce(source->arg, room, AT_TX_BUFFER - tx->tail);
        if (n == 0)
            source->ready = false;
        tx->next_source = source->next; /* only now: one that waits for room keeps its turn */
        at_writer_message(s, n);
        moved += n;
        if (tx->notices != NULL && !at_writer_notices(s)) /* what produce posted comes after it */
            return;
    }
}

/* --- the running command --- */

typedef struct need_room {
    size_t len;
    bool goes_on; /* the rest of a message: nothing may come between */
} need_room;

static bool has_room(at_session *s, void *arg)
{
    const need_room *need = arg;
    if (!need->goes_on && !at_writer_notices(s))
        return false;
    if (at_writer_room(s, need->len) != NULL)
        return true;
    at_writer_flush(s);
    return at_writer_room(s, need->len) != NULL;
}

/* Room for one message, or NULL after a cancel. */
static uint8_t *wait_for_room(at_call *call, size_t len, bool goes_on)
{
    at_session *s = call->session;
    need_room need = { len, goes_on };
    if (s->cancelled)
        return NULL;
    s->tx.fiber_waits = true;
    at_err err = at_block(s, has_room, &need, AT_WAIT_FOREVER);
    s->tx.fiber_waits = false;
    return err == AT_OK ? at_writer_room(s, len) : NULL;
}

void at_write(at_call *call, const void *data, size_t len)
{
    at_session *s = call->session;
    const uint8_t *from = data;
    bool goes_on = false;
    for (; len > 0; goes_on = true) {
        size_t n = AT_MIN(len, AT_TX_BUFFER);
        uint8_t *room = wait_for_room(call, n, goes_on);
        s->tx.hold = room != NULL && n < len;
        if (room == NULL)
            return;
        memcpy(room, from, n);
        if (goes_on || n < len)
            at_writer_commit(s, n);
        else
            at_writer_message(s, n);
        from += n;
        len -= n;
    }
}

void at_row(at_call *call, const char *format, ...)
{
    uint8_t *room = wait_for_room(call, AT_MESSAGE_MAX, false);
    if (room == NULL)
        return;
    va_list args;
    va_start(args, format);
    int len = vsnprintf((char *)room, AT_MESSAGE_MAX, format, args);
    va_end(args);
    if (len >= (int)AT_MESSAGE_MAX) {
        at_log(call->session->log, AT_LOG_ERROR, "cmd", "AT%s: a row of %d bytes is cut",
               call->cmd->name, len);
        len = AT_MESSAGE_MAX - 1;
    }
    if (len > 0)
        at_writer_message(call->session, (size_t)len);
}

void at_write_wire(at_call *call, at_wire_id id)
{
    at_write(call, at_wire[id].text, at_wire[id].len);
}

void at_ok(at_call *call)
{
    at_write_wire(call, AT_WIRE_OK);
}

static bool is_drained(at_session *s, void *arg)
{
    (void)arg;
    if (at_writer_notices(s))
        at_writer_flush(s);
    return at_writer_empty(s) && s->port->ops->drained(s->port);
}

at_err at_drain(at_call *call, uint32_t timeout_ms)
{
    at_session *s = call->session;
    uint64_t end = at_loop_now(s->loop) + timeout_ms * 1000ull;
    for (;;) { /* a port has no event for "drained": look again every millisecond */
        uint64_t next = AT_MIN(at_loop_now(s->loop) + 1000, end);
        at_err err = at_block(s, is_drained, NULL, next);
        if (err != AT_ERR_TIMEOUT || at_loop_now(s->loop) >= end)
            return err;
    }
}
