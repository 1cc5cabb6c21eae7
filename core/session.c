/* The life of a session, and the pump that moves bytes through it: port to ring (receive.c), ring to
 * lines and data by mode (input.c), messages to port (writer.c).
 *
 * pump() does everything that can be done now; a nested call only asks the outer one for another
 * round. It may run a handler, so only the loop calls it; notices and sources ask for it (pump_soon). */
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

const char *at_mode_name(at_mode mode)
{
    return (unsigned)mode < AT_MODES ? at_modes[mode].name : "?";
}

/* --- pump --- */

static void pump_round(at_session *s)
{
    bool more = true;
    while (more) {
        more = at_receive(s);
        while (at_input_consume(s))
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
    bool room = at_receive_has_room(s);
    s->port->ops->want(s->port, room && !s->restarting, s->tx.head != s->tx.tail);
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
    bool ring = at_receive_init(s);
    s->tx.buffer = at_alloc(heap, AT_TX_BUFFER);
    s->index = at_calloc(heap, row_count(&s->config) + 1, sizeof(s->index[0]));
    if (!ring || s->tx.buffer == NULL || s->index == NULL || !at_wait_init(s)) {
        at_free(heap, s->rx.ring.buffer);
        at_free(heap, s->tx.buffer);
        at_free(heap, s->index);
        return false;
    }
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
    at_timer_stop(s->loop, &s->restart);
    at_timer_stop(s->loop, &s->wake);
    at_loop_unpost(s->loop, &s->resume);
    s->config.fibers->destroy(s->fiber);
    at_filters_clear(&s->filters, heap);
    at_receive_end(s);
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

at_byteport *at_session_port(const at_session *s)
{
    return s->port;
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
