/* A serial device as the module's UART: AT+UART_CUR and AT+UART_DEF really set it.
 *
 * Any rate is possible with the kernel's termios2 and BOTHER (the C library's <termios.h> knows a list
 * only, and cannot be included beside it). The kernel writes the rate that the hardware reaches back, and
 * that is what is reported. POSIX knows one switch for RTS and CTS together, so flow control
 * in one direction only becomes both. One and a half stop bits exist with five data bits only.
 *
 * A device that is unplugged reads as an error; the port is over then.
 */
#include "ports/linux/serial.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/error.h"
#include "ports/linux/stream.h"

typedef struct serial {
    lx_connector connector;
    int fd;
    lx_stream stream;
    lx_plug plug;
} serial;

static const at_uart_settings power_on = { .baud = 115200, .data = 8, .stop = 1 };

static bool possible(const at_uart_settings *u)
{
    bool frame = u->data >= 5 && u->data <= 8 && u->stop >= 1 && u->stop <= 3;

    return u->baud > 0 && frame && (u->stop != 2 || u->data == 5) && u->parity <= 2 && u->flow <= 3;
}

static tcflag_t control_flags(const at_uart_settings *u)
{
    static const tcflag_t sizes[] = { CS5, CS6, CS7, CS8 };
    tcflag_t flags = BOTHER | CREAD | CLOCAL | sizes[u->data - 5];

    if (u->stop >= 2)
        flags |= CSTOPB;
    if (u->parity != 0)
        flags |= PARENB | (u->parity == 1 ? PARODD : 0u);
    if (u->flow != 0)
        flags |= CRTSCTS;
    return flags;
}

static int apply(int fd, const at_uart_settings *wanted, at_uart_settings *actual)
{
    struct termios2 t;

    if (!possible(wanted))
        return AT_ERR_INVALID;
    if (ioctl(fd, TCGETS2, &t) != 0)
        return AT_ERR_IO;
    t.c_iflag = IGNBRK;
    t.c_oflag = 0;
    t.c_lflag = 0;
    t.c_cflag = control_flags(wanted);
    t.c_ispeed = t.c_ospeed = wanted->baud;
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    if (ioctl(fd, TCSETS2, &t) != 0)
        return errno == EINVAL ? AT_ERR_INVALID : AT_ERR_IO;
    *actual = *wanted;
    if (ioctl(fd, TCGETS2, &t) == 0 && t.c_ospeed != 0)
        actual->baud = t.c_ospeed;
    if (wanted->flow != 0)
        actual->flow = 3;
    return 0;
}

/* ---- the chip's end ---- */

static ssize_t serial_read(lx_stream *s, void *buf, size_t room)
{
    return read(s->in.fd, buf, room);
}

static ssize_t serial_write(lx_stream *s, const void *data, size_t len)
{
    return write(s->out.fd, data, len);
}

static void serial_ended(lx_stream *s, int error)
{
    serial *p = s->ctx;

    p->plug.ended(p->plug.ctx, error != 0 ? strerror(error) : "the device is gone");
}

static bool serial_drained(lx_stream *s)
{
    int waiting = 0;

    return ioctl(s->out.fd, TIOCOUTQ, &waiting) != 0 || waiting == 0;
}

static int serial_configure(lx_stream *s, const at_uart_settings *wanted, at_uart_settings *actual)
{
    return apply(s->in.fd, wanted, actual);
}

static at_byteport *serial_plug(lx_connector *c, const lx_plug *plug)
{
    static const lx_stream_kind kind = {
        .read = serial_read,
        .write = serial_write,
        .ended = serial_ended,
        .drained = serial_drained,
        .configure = serial_configure,
    };
    serial *p = AT_CONTAINER(c, serial, connector);
    at_uart_settings actual;

    p->plug = *plug;
    if (apply(p->fd, &power_on, &actual) != 0) /* an earlier boot may have changed it */
        at_log(plug->log, AT_LOG_WARN, "port", "the device refuses 115200 8N1");
    if (!lx_stream_init(&p->stream, &kind, p, plug->loop, plug->poller, plug->log, p->fd, p->fd))
        return NULL;
    return &p->stream.port;
}

/* ---- the bench's end ---- */

static size_t serial_fds(const lx_connector *c, int fds[LX_CONNECTOR_FDS])
{
    fds[0] = AT_CONTAINER(c, serial, connector)->fd;
    return 1;
}

static void serial_flush(lx_connector *c)
{
    ioctl(AT_CONTAINER(c, serial, connector)->fd, TCFLSH, TCIFLUSH);
}

static void serial_close(lx_connector *c)
{
    serial *p = AT_CONTAINER(c, serial, connector);

    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

lx_connector *lx_serial_open(const char *device, char *why, size_t room)
{
    static const lx_connector_ops ops = {
        .fds = serial_fds,
        .flush = serial_flush,
        .plug = serial_plug,
        .close = serial_close,
    };
    serial *p = calloc(1, sizeof *p);
    at_uart_settings actual;

    if (p == NULL) {
        snprintf(why, room, "out of memory");
        return NULL;
    }
    p->connector.ops = &ops;
    p->connector.label = "serial";
    at_copy_text(p->connector.path, sizeof p->connector.path, device);
    p->fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (p->fd < 0) {
        snprintf(why, room, "cannot open %s: %s", device, strerror(errno));
    } else if (apply(p->fd, &power_on, &actual) != 0) {
        snprintf(why, room, "%s is not a serial device", device);
    } else if (ioctl(p->fd, TIOCEXCL) != 0) {
        snprintf(why, room, "%s is in use: %s", device, strerror(errno));
    } else {
        return &p->connector;
    }
    serial_close(&p->connector);
    return NULL;
}
