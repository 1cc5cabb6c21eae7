/* What may stand between a session and its port: the pace of a UART, and the wire log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "ports/linux/pace.h"
#include "ports/linux/wirelog.h"

/* A port that always has bytes and takes all; time is a number. */
typedef struct fixture {
    at_byteport inner;
    uint64_t now_us;
    at_clock clock;
    at_waiter waiter;
    at_loop loop;
    bool want_read, want_write;
    size_t taken; /* bytes written to it */
    lx_pace pace;
    unsigned writable;
} fixture;

static size_t inner_read(at_byteport *port, uint8_t *buf, size_t room)
{
    (void)port;
    memset(buf, 'r', room);
    return room;
}

static size_t inner_write(at_byteport *port, const uint8_t *data, size_t len)
{
    fixture *f = port->ctx;

    (void)data;
    f->taken += len;
    return len;
}

static void inner_want(at_byteport *port, bool want_read, bool want_write)
{
    fixture *f = port->ctx;

    f->want_read = want_read;
    f->want_write = want_write;
}

static bool inner_drained(at_byteport *port)
{
    (void)port;
    return true;
}

static int inner_configure(at_byteport *port, const at_uart_settings *wanted,
                           at_uart_settings *actual)
{
    (void)port;
    *actual = *wanted;
    return 0;
}

static uint64_t now_us(void *ctx)
{
    fixture *f = ctx;

    return f->now_us;
}

/* Time jumps to the deadline; then the inner port reports what is wanted. */
static void wait_until(void *ctx, uint64_t deadline_us)
{
    fixture *f = ctx;

    if (deadline_us != AT_WAIT_FOREVER && deadline_us > f->now_us)
        f->now_us = deadline_us;
    if (f->want_write) {
        f->want_write = false;
        f->inner.on_writable(f->inner.owner);
    }
    if (f->want_read)
        f->inner.on_readable(f->inner.owner);
}

static void on_readable(void *owner)
{
    (void)owner;
}

static void on_writable(void *owner)
{
    fixture *f = owner;

    f->writable++;
}

static int setup(void **state)
{
    static const at_byteport_ops ops = {
        .read = inner_read,
        .write = inner_write,
        .want = inner_want,
        .drained = inner_drained,
        .configure = inner_configure,
    };
    fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->now_us = 1000000;
    f->clock = (at_clock){ .ctx = f, .now_us = now_us };
    f->waiter = (at_waiter){ .ctx = f, .wait = wait_until };
    at_loop_init(&f->loop, &f->clock, &f->waiter);
    f->inner = (at_byteport){ .ops = &ops, .ctx = f };
    lx_pace_init(&f->pace, &f->loop, &f->inner);
    f->pace.port.on_readable = on_readable;
    f->pace.port.on_writable = on_writable;
    f->pace.port.owner = f;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static uint64_t time_to_write(fixture *f, size_t bytes)
{
    static const uint8_t block[4096];
    at_byteport *port = &f->pace.port;
    uint64_t start = f->now_us;

    f->taken = 0;
    while (f->taken < bytes) {
        size_t left = bytes - f->taken;

        if (port->ops->write(port, block, left < sizeof block ? left : sizeof block) == 0) {
            unsigned before = f->writable;

            port->ops->want(port, false, true);
            while (f->writable == before)
                at_loop_turn(&f->loop);
        }
    }
    while (!port->ops->drained(port))
        f->now_us += 10;
    return f->now_us - start;
}

static void output_takes_its_time(void **state)
{
    fixture *f = *state;
    at_uart_settings fast = { .baud = 921600, .data = 8, .stop = 3, .parity = 1 }, actual;

    /* 115200 8N1: 11520 bytes a second. */
    assert_in_range(time_to_write(f, 11520), 990000, 1010000);
    assert_int_equal(f->pace.port.ops->configure(&f->pace.port, &fast, &actual), 0);
    /* 12 bits a byte: 76800 bytes a second. */
    assert_in_range(time_to_write(f, 76800), 990000, 1010000);
}

static void input_takes_its_time(void **state)
{
    fixture *f = *state;
    at_byteport *port = &f->pace.port;
    uint64_t start = f->now_us;
    size_t got = 0;
    uint8_t block[4096];

    port->ops->want(port, true, false);
    while (got < 11520) {
        size_t now = port->ops->read(port, block, sizeof block);

        got += now;
        assert_in_range(now, 0, 16); /* in small groups, as out of a FIFO */
        if (now == 0 || !f->want_read)
            at_loop_turn(&f->loop);
    }
    assert_in_range(f->now_us - start, 980000, 1010000);
    assert_true(port->ops->drained(port));
}

static void a_single_byte_is_not_held_back(void **state)
{
    fixture *f = *state;
    at_byteport *port = &f->pace.port;

    assert_int_equal(port->ops->write(port, (const uint8_t *)"x", 1), 1);
    assert_false(port->ops->drained(port)); /* still on the wire */
    f->now_us += 100;
    assert_true(port->ops->drained(port));
}

static void escapes(void **state)
{
    static const uint8_t data[] = { 'A', 'T', '\r', '\n', '\\', 0, 0xff, 0x7f, ' ', '~' };
    char text[64], small[8];

    (void)state;
    assert_int_equal(lx_escape(text, sizeof text, data, sizeof data), sizeof data);
    assert_string_equal(text, "AT\\r\\n\\\\\\x00\\xff\\x7f ~");
    assert_int_equal(lx_escape(small, sizeof small, data, sizeof data), 3);
    assert_string_equal(small, "AT\\r");
    assert_int_equal(lx_escape(text, sizeof text, data, 0), 0);
    assert_string_equal(text, "");
}

static void the_log_has_both_directions(void **state)
{
    fixture *f = *state;
    lx_wirelog log;
    int fd = memfd_create("wire", 0);
    uint8_t block[6];
    char text[256];
    ssize_t len;

    lx_wirelog_init(&log, &f->inner, &f->clock, 400000, fd);
    assert_int_equal(log.port.ops->read(&log.port, block, 3), 3);
    f->now_us += 1500000;
    assert_int_equal(log.port.ops->write(&log.port, (const uint8_t *)"\r\nOK\r\n", 6), 6);
    log.port.ops->want(&log.port, true, true);
    assert_true(f->want_read && f->want_write);
    len = pread(fd, text, sizeof text - 1, 0);
    assert_true(len > 0);
    text[len] = '\0';
    assert_string_equal(text, "0.600000 > rrr\n2.100000 < \\r\\nOK\\r\\n\n");
    close(fd);
}

static void long_blocks_become_several_lines(void **state)
{
    fixture *f = *state;
    static uint8_t zeros[3000];
    static char text[32768];
    lx_wirelog log;
    int fd = memfd_create("wire", 0);
    unsigned lines = 0, bytes = 0;
    ssize_t len;

    lx_wirelog_init(&log, &f->inner, &f->clock, 0, fd);
    assert_int_equal(log.port.ops->write(&log.port, zeros, sizeof zeros), sizeof zeros);
    len = pread(fd, text, sizeof text - 1, 0);
    assert_true(len > 0);
    for (ssize_t i = 0; i < len; i++) {
        lines += text[i] == '\n';
        bytes += text[i] == 'x';
    }
    assert_int_equal(bytes, sizeof zeros);
    assert_true(lines > 1);
    close(fd);
}

int main(void)
{
#define WIRE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WIRE(output_takes_its_time),          WIRE(input_takes_its_time),
        WIRE(a_single_byte_is_not_held_back), cmocka_unit_test(escapes),
        WIRE(the_log_has_both_directions),    WIRE(long_blocks_become_several_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
