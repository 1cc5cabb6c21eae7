/* Standard input and output as a UART.
 *
 * The descriptors are shared with the shell and whatever else it runs, so O_NONBLOCK must not be set on
 * them. Instead each read and write asks poll first, and writes no more at a time than a pipe with room
 * is bound to take (PIPE_BUF). A regular file never blocks and is always ready.
 *
 * Unlike a UART, standard input has an end. Commands that came before it are still to be answered, so
 * the end is reported and the bench decides when the run is over.
 */
#include "ports/linux/stdio_port.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/stream.h"

typedef struct stdio_port {
    lx_connector connector;
    lx_stream stream;
    lx_plug plug;
} stdio_port;

static bool ready(int fd, short events)
{
    struct pollfd look = { .fd = fd, .events = events };

    return poll(&look, 1, 0) > 0;
}

static ssize_t stdio_read(lx_stream *s, void *buf, size_t room)
{
    if (!ready(s->in.fd, POLLIN)) {
        errno = EAGAIN;
        return -1;
    }
    return read(s->in.fd, buf, room);
}

static ssize_t stdio_write(lx_stream *s, const void *data, size_t len)
{
    if (!ready(s->out.fd, POLLOUT)) {
        errno = EAGAIN;
        return -1;
    }
    return write(s->out.fd, data, AT_MIN(len, (size_t)PIPE_BUF));
}

static void stdio_ended(lx_stream *s, int error)
{
    stdio_port *p = s->ctx;

    p->plug.ended(p->plug.ctx, error != 0 ? strerror(error) : "end of input");
}

static at_byteport *stdio_plug(lx_connector *c, const lx_plug *plug)
{
    static const lx_stream_kind kind = {
        .read = stdio_read,
        .write = stdio_write,
        .ended = stdio_ended,
    };
    stdio_port *p = AT_CONTAINER(c, stdio_port, connector);

    p->plug = *plug;
    if (!lx_stream_init(&p->stream, &kind, p, plug->loop, plug->poller, plug->log, STDIN_FILENO,
                        STDOUT_FILENO))
        return NULL;
    return &p->stream.port;
}

static size_t stdio_fds(const lx_connector *c, int fds[LX_CONNECTOR_FDS])
{
    (void)c;
    fds[0] = STDIN_FILENO;
    fds[1] = STDOUT_FILENO;
    return 2;
}

/* Not thrown away: what a file or a pipe holds was not sent at a certain time. */
static void stdio_flush(lx_connector *c)
{
    (void)c;
}

static void stdio_close(lx_connector *c)
{
    free(AT_CONTAINER(c, stdio_port, connector));
}

lx_connector *lx_stdio_open(void)
{
    static const lx_connector_ops ops = {
        .fds = stdio_fds,
        .flush = stdio_flush,
        .plug = stdio_plug,
        .close = stdio_close,
    };
    stdio_port *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    p->connector.ops = &ops;
    p->connector.label = "stdio";
    return &p->connector;
}
