/* The wire log is written in the chip, where the bytes are. The file is opened by the bench in append
 * mode, so the boots of a chip and the processes that share it do not overwrite each other. A block
 * longer than a line's buffer becomes several lines with one time.
 */
#include "ports/linux/wirelog.h"

#include <stdio.h>
#include <unistd.h>

#include "core/bytes.h"

enum { LINE = 4096 };

size_t lx_escape(char *text, size_t room, const uint8_t *data, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    size_t used = 0, i;

    for (i = 0; i < len && used + 5 <= room; i++) {
        uint8_t c = data[i];

        if (c >= ' ' && c < 0x7f && c != '\\') {
            text[used++] = (char)c;
            continue;
        }
        text[used++] = '\\';
        if (c == '\\') {
            text[used++] = '\\';
        } else if (c == '\r' || c == '\n') {
            text[used++] = c == '\r' ? 'r' : 'n';
        } else {
            text[used++] = 'x';
            text[used++] = hex[c >> 4];
            text[used++] = hex[c & 15];
        }
    }
    text[used] = '\0';
    return i;
}

static void note(const lx_wirelog *w, char direction, const uint8_t *data, size_t len)
{
    uint64_t us = w->clock->now_us(w->clock->ctx) - w->start_us;
    char text[LINE], line[LINE + 64];

    while (len > 0) {
        size_t part = lx_escape(text, sizeof text, data, len);
        int size =
            snprintf(line, sizeof line, "%llu.%06u %c %s\n", (unsigned long long)(us / 1000000u),
                     (unsigned)(us % 1000000u), direction, text);

        if (size < 0 || write(w->fd, line, (size_t)size) < 0)
            return; /* a full disk must not stop the module */
        data += part;
        len -= part;
    }
}

static size_t wirelog_read(at_byteport *port, uint8_t *buf, size_t room)
{
    lx_wirelog *w = port->ctx;
    size_t got = w->inner->ops->read(w->inner, buf, room);

    note(w, '>', buf, got);
    return got;
}

static size_t wirelog_write(at_byteport *port, const uint8_t *data, size_t len)
{
    lx_wirelog *w = port->ctx;
    size_t put = w->inner->ops->write(w->inner, data, len);

    note(w, '<', data, put);
    return put;
}

static void wirelog_want(at_byteport *port, bool want_read, bool want_write)
{
    lx_wirelog *w = port->ctx;

    w->inner->ops->want(w->inner, want_read, want_write);
}

static bool wirelog_drained(at_byteport *port)
{
    lx_wirelog *w = port->ctx;

    return w->inner->ops->drained(w->inner);
}

static int wirelog_configure(at_byteport *port, const at_uart_settings *wanted,
                             at_uart_settings *actual)
{
    lx_wirelog *w = port->ctx;

    return w->inner->ops->configure(w->inner, wanted, actual);
}

static void on_readable(void *owner)
{
    lx_wirelog *w = owner;

    w->port.on_readable(w->port.owner);
}

static void on_writable(void *owner)
{
    lx_wirelog *w = owner;

    w->port.on_writable(w->port.owner);
}

void lx_wirelog_init(lx_wirelog *w, at_byteport *inner, const at_clock *clock, uint64_t start_us,
                     int fd)
{
    static const at_byteport_ops ops = {
        .read = wirelog_read,
        .write = wirelog_write,
        .want = wirelog_want,
        .drained = wirelog_drained,
        .configure = wirelog_configure,
    };

    *w = (lx_wirelog){ .inner = inner, .clock = clock, .start_us = start_us, .fd = fd };
    w->port = (at_byteport){ .ops = &ops, .ctx = w };
    inner->on_readable = on_readable;
    inner->on_writable = on_writable;
    inner->owner = w;
}
