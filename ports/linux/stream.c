/* The common half of the AT ports over descriptors.
 *
 * Two facts decide what is watched. `input_open`: the peer may still send. `heard`: somebody takes the
 * output. They are independent: a program that writes a command into a pseudo-terminal and closes it
 * is still to be read, but no longer written to.
 *
 * poll reports a hang-up for ever and cannot be told not to, so a descriptor is only in the set while
 * something is wanted from it that it can still give. When the hang-up comes while the owner does not
 * want to read (its ring is full), the source is parked until it does: the bytes before the hang-up
 * are still in the kernel.
 *
 * An owner that waits for room on a port that stops being heard is told by a task of the loop, since
 * a callback must not run before the call that caused it returns.
 */
#include "ports/linux/stream.h"

#include <errno.h>

static short in_events(const lx_stream *s)
{
    return s->want_read && s->input_open ? POLLIN : 0;
}

static short out_events(const lx_stream *s)
{
    return s->want_write && s->heard ? POLLOUT : 0;
}

static void update(lx_stream *s)
{
    if (s->in.fd == s->out.fd) {
        lx_source_set_events(s->poller, &s->in, (short)(in_events(s) | out_events(s)));
    } else {
        lx_source_set_events(s->poller, &s->in, in_events(s));
        lx_source_set_events(s->poller, &s->out, out_events(s));
    }
    if (s->want_write && !s->heard)
        at_loop_post(s->loop, &s->writable);
}

static void tell_writable(lx_stream *s)
{
    if (!s->want_write)
        return;
    s->want_write = false;
    update(s);
    s->port.on_writable(s->port.owner);
}

static void writable_task(void *arg)
{
    tell_writable(arg);
}

static void on_in(void *arg, short revents)
{
    lx_stream *s = arg;

    if ((revents & POLLOUT) != 0)
        tell_writable(s);
    if ((revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) == 0)
        return;
    if (s->want_read && s->input_open)
        s->port.on_readable(s->port.owner);
    else if ((revents & POLLIN) == 0)
        lx_source_set_events(s->poller, &s->in, 0); /* parked; want() brings it back */
}

static void on_out(void *arg, short revents)
{
    (void)revents; /* an error shows at the write that follows */
    tell_writable(arg);
}

/* ---- the byte port ---- */

static size_t port_read(at_byteport *port, uint8_t *buf, size_t room)
{
    lx_stream *s = port->ctx;
    ssize_t got;
    int error;

    if (!s->input_open || room == 0)
        return 0;
    got = s->kind->read(s, buf, room);
    if (got > 0)
        return (size_t)got;
    error = got < 0 ? errno : 0;
    if (error == EAGAIN || error == EINTR)
        return 0;
    s->input_open = false;
    update(s);
    if (s->kind->ended != NULL)
        s->kind->ended(s, error);
    return 0;
}

static size_t port_write(at_byteport *port, const uint8_t *data, size_t len)
{
    lx_stream *s = port->ctx;
    ssize_t put;

    if (!s->heard || len == 0)
        return len;
    put = s->kind->write(s, data, len);
    if (put >= 0)
        return (size_t)put;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    lx_stream_set_heard(s, false);
    return len;
}

static void port_want(at_byteport *port, bool want_read, bool want_write)
{
    lx_stream *s = port->ctx;

    if (s->want_read == want_read && s->want_write == want_write)
        return;
    s->want_read = want_read;
    s->want_write = want_write;
    update(s);
}

static bool port_drained(at_byteport *port)
{
    lx_stream *s = port->ctx;

    return !s->heard || s->kind->drained == NULL || s->kind->drained(s);
}

static int port_configure(at_byteport *port, const at_uart_settings *wanted,
                          at_uart_settings *actual)
{
    lx_stream *s = port->ctx;

    if (s->kind->configure != NULL)
        return s->kind->configure(s, wanted, actual);
    *actual = *wanted;
    return 0;
}

/* ---- for the kinds ---- */

static bool watch(lx_stream *s, int in_fd, int out_fd)
{
    s->in = (lx_source){ .fd = in_fd, .ready = on_in, .arg = s };
    s->out = (lx_source){ .fd = out_fd, .ready = on_out, .arg = s };
    if (in_fd >= 0 && !lx_source_add(s->poller, &s->in))
        return false;
    if (out_fd >= 0 && out_fd != in_fd && !lx_source_add(s->poller, &s->out)) {
        lx_source_remove(s->poller, &s->in);
        return false;
    }
    return true;
}

bool lx_stream_init(lx_stream *s, const lx_stream_kind *kind, void *ctx, at_loop *loop,
                    lx_poller *poller, const at_log *log, int in_fd, int out_fd)
{
    static const at_byteport_ops ops = {
        .read = port_read,
        .write = port_write,
        .want = port_want,
        .drained = port_drained,
        .configure = port_configure,
    };

    *s = (lx_stream){ .kind = kind, .ctx = ctx, .loop = loop, .poller = poller, .log = log };
    s->port = (at_byteport){ .ops = &ops, .ctx = s };
    at_task_init(&s->writable, writable_task, s);
    s->input_open = in_fd >= 0;
    s->heard = out_fd >= 0;
    return watch(s, in_fd, out_fd);
}

void lx_stream_replace(lx_stream *s, int in_fd, int out_fd)
{
    lx_source_remove(s->poller, &s->in);
    lx_source_remove(s->poller, &s->out);
    if (!watch(s, in_fd, out_fd)) {
        at_log(s->log, AT_LOG_ERROR, "port", "too many open descriptors: the AT port is deaf");
        in_fd = out_fd = -1;
    }
    s->input_open = in_fd >= 0;
    s->heard = out_fd >= 0;
    update(s);
}

void lx_stream_set_input(lx_stream *s, bool open)
{
    s->input_open = open;
    update(s);
}

void lx_stream_set_heard(lx_stream *s, bool heard)
{
    s->heard = heard;
    update(s);
}
