/* The command fiber: one per session, made at boot, runs one command after the other. Everything that
 * could end a wait posts one task; the task resumes the fiber, and the fiber looks itself whether
 * what it waits for has come. So nothing resumes it from inside a callback, and a wake-up too many is
 * harmless. Cancel is sticky until the handler has returned. */
#include "core/session_priv.h"

static void fiber_main(void *arg)
{
    at_session *s = arg;
    for (;;) {
        if (s->has_job) {
            at_command_execute(s);
            s->has_job = false;
            s->cancelled = false;
        }
        s->config.fibers->yield(s->fiber);
    }
}

static void run_fiber(at_session *s)
{
    s->on_fiber = true;
    s->config.fibers->resume(s->fiber);
    s->on_fiber = false;
    if (!s->has_job && s->mode != AT_MODE_COMMAND)
        at_session_set_mode(s, AT_MODE_COMMAND);
}

void at_fiber_continue(at_session *s)
{
    if (s->has_job)
        run_fiber(s);
}

static void resume(void *arg)
{
    at_session *s = arg;
    at_fiber_continue(s);
    at_session_pump(s);
}

/* In passthrough, where no message has to come before another: what a peer sent goes to the host in the turn
 * in which it came, and its acknowledgement, which opens the window again, leaves once. */
void at_resume_early(at_session *s)
{
    if (!s->resume.queued || s->mode != AT_MODE_PASSTHROUGH)
        return;
    at_loop_unpost(s->loop, &s->resume);
    resume(s);
}

static void time_passed(void *arg)
{
    at_wake(arg);
}

bool at_wait_init(at_session *s)
{
    at_task_init(&s->resume, resume, s);
    at_timer_init(&s->wake, time_passed, s);
    s->fiber = s->config.fibers->create(AT_FIBER_STACK, fiber_main, s);
    return s->fiber != NULL;
}

void at_fiber_start_job(at_session *s)
{
    s->has_job = true;
    at_session_set_mode(s, AT_MODE_EXECUTING);
    run_fiber(s);
}

void at_wake(at_session *s)
{
    at_loop_post(s->loop, &s->resume);
}

at_err at_block(at_session *s, at_ready ready, void *arg, uint64_t due_us)
{
    at_err err;
    for (;;) {
        if (s->cancelled) {
            err = AT_ERR_CANCELLED;
            break;
        }
        if (ready != NULL && ready(s, arg)) {
            err = AT_OK;
            break;
        }
        if (due_us != AT_WAIT_FOREVER && at_loop_now(s->loop) >= due_us) {
            err = AT_ERR_TIMEOUT;
            break;
        }
        if (due_us != AT_WAIT_FOREVER)
            at_timer_at(s->loop, &s->wake, due_us);
        s->config.fibers->yield(s->fiber);
    }
    at_timer_stop(s->loop, &s->wake);
    return err;
}

void at_session_cancel(at_session *s)
{
    if (!s->has_job)
        return;
    s->cancelled = true;
    at_wake(s);
}

/* --- signals --- */

void at_signal_raise(at_signal *signal)
{
    signal->raised = true;
    if (signal->waiter != NULL)
        at_wake(signal->waiter);
}

static bool take(at_signal *signal)
{
    bool raised = signal != NULL && signal->raised;
    if (raised)
        signal->raised = false;
    return raised;
}

static bool signal_ready(at_session *s, void *arg)
{
    (void)s;
    return take(arg);
}

at_err at_wait_until(at_call *call, at_signal *signal, uint64_t due_us)
{
    if (signal != NULL)
        signal->waiter = call->session;
    return at_block(call->session, signal_ready, signal, due_us);
}

at_err at_wait(at_call *call, at_signal *signal, uint32_t timeout_ms)
{
    return at_wait_until(call, signal, at_now(call) + timeout_ms * 1000ull);
}

uint64_t at_now(const at_call *call)
{
    return at_loop_now(call->session->loop);
}

/* --- data after a prompt --- */

static void enter(at_session *s, at_mode mode)
{
    at_session_set_mode(s, mode);
    if (s->config.data_timeout_ms > 0)
        at_timer_in(s->loop, &s->data.idle, s->config.data_timeout_ms * 1000ull);
}

static void prompt(at_call *call, at_mode mode, bool ok_first)
{
    enter(call->session, mode); /* before the host can see the prompt (WIRE 3.3) */
    at_write_wire(call, ok_first ? AT_WIRE_OK_PROMPT : AT_WIRE_PROMPT);
}

static void leave(at_session *s)
{
    at_timer_stop(s->loop, &s->data.idle);
    if (s->mode != AT_MODE_EXECUTING)
        at_session_set_mode(s, AT_MODE_EXECUTING);
    s->data.sink = NULL;
    s->data.buf = NULL;
}

static bool data_ready(at_session *s, void *arg)
{
    (void)arg;
    return s->data.done || s->data.cancelled;
}

static void expect(at_session *s, void *buf, size_t len)
{
    s->data.buf = buf;
    s->data.want = len;
    s->data.got = 0;
    s->data.backslash = s->data.cancelled = false;
    s->data.done = len == 0;
}

static at_err await_data(at_session *s, size_t *got)
{
    at_err err = at_block(s, data_ready, NULL, AT_WAIT_FOREVER);
    *got = (size_t)s->data.got;
    leave(s);
    return err == AT_OK && !s->data.done ? AT_ERR_CANCELLED : err;
}

at_err at_collect(at_call *call, bool ok_first, void *buf, size_t len, size_t *got)
{
    expect(call->session, buf, len);
    prompt(call, AT_MODE_COUNTED, ok_first);
    return await_data(call->session, got);
}

at_err at_collect_more(at_call *call, void *buf, size_t len, size_t *got)
{
    expect(call->session, buf, len);
    enter(call->session, AT_MODE_COUNTED);
    return await_data(call->session, got);
}

at_err at_collect_escaped(at_call *call, bool ok_first, void *buf, size_t len, size_t *got)
{
    expect(call->session, buf, len);
    prompt(call, AT_MODE_ESCAPED, ok_first);
    return await_data(call->session, got);
}

/* --- streams --- */

static void prepare_stream(at_session *s, uint64_t limit, at_sink *sink)
{
    s->data.want = limit;
    s->data.got = 0;
    s->data.done = s->data.cancelled = false;
    s->data.sink = sink;
}

void at_stream_begin(at_call *call, at_mode mode, uint64_t limit, at_sink *sink)
{
    prepare_stream(call->session, limit, sink);
    prompt(call, mode, true);
}

void at_stream_enter(at_call *call, at_mode mode, uint64_t limit, at_sink *sink)
{
    prepare_stream(call->session, limit, sink);
    at_session_set_mode(call->session, mode);
}

void at_stream_poke(at_session *s)
{
    at_session_pump_soon(s);
}

uint64_t at_stream_received(const at_session *s)
{
    uint64_t received = s->data.got + at_ring_used(&s->rx.ring);
    return s->data.want > 0 && received > s->data.want ? s->data.want : received;
}

static bool stream_ready(at_session *s, void *arg)
{
    return s->data.cancelled || s->data.done || take(arg);
}

at_err at_stream_wait(at_call *call, at_signal *signal, uint32_t timeout_ms)
{
    at_session *s = call->session;
    if (signal != NULL)
        signal->waiter = s;
    uint64_t due = timeout_ms == UINT32_MAX ? AT_WAIT_FOREVER : at_now(call) + timeout_ms * 1000ull;
    at_err err = at_block(s, stream_ready, signal, due);
    if (err != AT_OK)
        return err;
    if (s->data.cancelled)
        return AT_ERR_CANCELLED;
    return s->data.done ? AT_ERR_CLOSED : AT_OK;
}

void at_stream_end(at_call *call)
{
    at_session *s = call->session;
    if (!s->data.done && !s->data.cancelled) {
        at_ring_clear(&s->rx.ring);
        s->rx.plus = 0;
    }
    leave(s);
}
