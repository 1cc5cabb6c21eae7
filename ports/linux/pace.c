/* Both directions of a UART take their time.
 *
 * Each direction has a moment until which its wire is busy. A read or write may carry as many bytes as
 * fit until SLACK after now, and moves the moment on by their time. The slack lets bytes travel in small
 * groups as they do through a UART's FIFO, instead of one timer per byte. When nothing fits, the
 * direction is held: the port below is not asked for it until half the slack is used up, so that the
 * wire never runs idle.
 */
#include "ports/linux/pace.h"

#include "core/bytes.h"

enum { SLACK_NS = 1000000 };

static uint64_t now_ns(const lx_pace *p)
{
    return at_loop_now(p->loop) * 1000u;
}

static void ask_inner(lx_pace *p)
{
    p->inner->ops->want(p->inner, p->want_read && !p->in_held, p->want_write && !p->out_held);
}

static void release(void *arg)
{
    lx_pace *p = arg;

    p->in_held = p->out_held = false;
    ask_inner(p);
}

static void hold(lx_pace *p, bool *held, uint64_t free_ns)
{
    *held = true;
    at_timer_at(p->loop, &p->timer, (free_ns - SLACK_NS / 2) / 1000u + 1u);
    ask_inner(p);
}

/* How many bytes the wire can carry by now and a little. */
static size_t allowed(const lx_pace *p, uint64_t *free_ns)
{
    uint64_t now = now_ns(p);

    *free_ns = AT_MAX(*free_ns, now);
    return (size_t)((now + SLACK_NS + p->byte_ns - *free_ns) / p->byte_ns);
}

static size_t pace_read(at_byteport *port, uint8_t *buf, size_t room)
{
    lx_pace *p = port->ctx;
    size_t most = allowed(p, &p->in_free_ns), got;

    got = p->inner->ops->read(p->inner, buf, AT_MIN(room, most));
    p->in_free_ns += got * p->byte_ns;
    if (got == most)
        hold(p, &p->in_held, p->in_free_ns);
    return got;
}

static size_t pace_write(at_byteport *port, const uint8_t *data, size_t len)
{
    lx_pace *p = port->ctx;
    size_t most = allowed(p, &p->out_free_ns), put;

    put = p->inner->ops->write(p->inner, data, AT_MIN(len, most));
    p->out_free_ns += put * p->byte_ns;
    if (put == most)
        hold(p, &p->out_held, p->out_free_ns);
    return put;
}

static void pace_want(at_byteport *port, bool want_read, bool want_write)
{
    lx_pace *p = port->ctx;

    p->want_read = want_read;
    p->want_write = want_write;
    ask_inner(p);
}

static bool pace_drained(at_byteport *port)
{
    lx_pace *p = port->ctx;

    return p->out_free_ns <= now_ns(p) && p->inner->ops->drained(p->inner);
}

static uint64_t byte_time(const at_uart_settings *u)
{
    uint64_t half_bits = 2u * (1u + u->data) + (u->parity != 0 ? 2u : 0u) + (u->stop + 1u);

    return AT_MAX(half_bits * 500000000u / AT_MAX(u->baud, 1u), 1u);
}

static int pace_configure(at_byteport *port, const at_uart_settings *wanted,
                          at_uart_settings *actual)
{
    lx_pace *p = port->ctx;
    int result = p->inner->ops->configure(p->inner, wanted, actual);

    if (result == 0)
        p->byte_ns = byte_time(actual);
    return result;
}

static void on_readable(void *owner)
{
    lx_pace *p = owner;

    p->port.on_readable(p->port.owner);
}

static void on_writable(void *owner)
{
    lx_pace *p = owner;

    p->want_write = false; /* reported once */
    p->port.on_writable(p->port.owner);
}

void lx_pace_init(lx_pace *p, at_loop *loop, at_byteport *inner)
{
    static const at_byteport_ops ops = {
        .read = pace_read,
        .write = pace_write,
        .want = pace_want,
        .drained = pace_drained,
        .configure = pace_configure,
    };
    static const at_uart_settings power_on = { .baud = 115200, .data = 8, .stop = 1 };

    *p = (lx_pace){ .inner = inner, .loop = loop, .byte_ns = byte_time(&power_on) };
    p->port = (at_byteport){ .ops = &ops, .ctx = p };
    at_timer_init(&p->timer, release, p);
    inner->on_readable = on_readable;
    inner->on_writable = on_writable;
    inner->owner = p;
}
