/* Shared memory between the runner and one process, and the lock-step seams of that process.
 *
 * A page's time is virtual and its processes run one at a time. The runner writes the time into the
 * lane and hands the token (a byte on a socket) to a process; that process runs callbacks and timers
 * until nothing is ready and nothing is due, writes its next deadline into the lane, and hands the
 * token back. Bytes and frames travel in rings of the same memory: because only the holder of the
 * token runs, they need neither locks nor system calls, and the order of everything depends on the
 * page and its seed alone.
 *
 * Whether a process has something to do can be read off its lane (lane_ready), so the runner wakes
 * only those. A process never asks for the real time and never polls a descriptor.
 *
 * The byte port is a UART with flow control: read and write take what the ring holds. `writable` is
 * reported once per want() or short write, as iface/byteport.h promises; without that an owner that
 * waits for the port to drain would spin inside one instant.
 */
#include "tests/pages/runner_lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"

/* ---- memory ---- */

static size_t lane_size(size_t port_size)
{
    return 4096 + 2 * port_size + 2 * (size_t)LANE_AIR + LANE_LOG;
}

lane *lane_create(size_t port_size)
{
    size_t size = lane_size(port_size);
    uint8_t *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    lane *l = (lane *)(void *)at;

    if (at == MAP_FAILED)
        abort();
    at += 4096;
    at_ring_init(&l->to_port, at, port_size);
    at_ring_init(&l->from_port, at + port_size, port_size);
    at += 2 * port_size;
    at_ring_init(&l->to_radio, at, LANE_AIR);
    at_ring_init(&l->from_radio, at + LANE_AIR, LANE_AIR);
    at_ring_init(&l->log, at + 2 * (size_t)LANE_AIR, LANE_LOG);
    return l;
}

void lane_free(lane *l)
{
    if (l != NULL)
        munmap(l, lane_size(l->to_port.size));
}

void lane_reset(lane *l)
{
    l->deadline_us = 0;
    l->want_read = false;
    l->want_write = false;
    l->write_armed = false;
    l->restart = false;
    l->stats = (lane_stats){ 0 };
    at_ring_clear(&l->to_port);
    at_ring_clear(&l->from_port);
    at_ring_clear(&l->to_radio);
    at_ring_clear(&l->from_radio);
}

/* Starting again at the front keeps the touched part of a large ring small. */
static void rewind_empty(at_ring *ring)
{
    if (at_ring_used(ring) == 0)
        at_ring_clear(ring);
}

bool lane_put_frame(lane *l, at_ring *ring, const at_radio_piece *pieces, size_t count)
{
    uint16_t len = 0;

    for (size_t i = 0; i < count; i++)
        len = (uint16_t)(len + pieces[i].len);
    rewind_empty(ring);
    if (at_ring_room(ring) < sizeof(len) + len) {
        l->dropped++;
        return false;
    }
    at_ring_write(ring, &len, sizeof(len));
    for (size_t i = 0; i < count; i++)
        at_ring_write(ring, pieces[i].data, pieces[i].len);
    return true;
}

size_t lane_take_frame(at_ring *ring, uint8_t frame[AT_RADIO_FRAME_MAX])
{
    uint16_t len;

    if (at_ring_consume(ring, &len, sizeof(len)) != sizeof(len))
        return 0;
    return at_ring_consume(ring, frame, len);
}

bool lane_ready(const lane *l)
{
    return l->deadline_us <= l->now_us || at_ring_used(&l->to_radio) > 0 ||
           (l->want_read && at_ring_used(&l->to_port) > 0) ||
           (l->want_write && l->write_armed && at_ring_room(&l->from_port) > 0);
}

void lane_log(lane *l, at_log_level level, const char *area, const char *text)
{
    static const char letters[] = "EWID";
    char line[400];
    int len =
        snprintf(line, sizeof(line), "%10.3f ms %c %s: %s\n",
                 (double)(l->now_us - LANE_EPOCH_US) / 1000.0, letters[level & 3], area, text);
    size_t used = len < 0 ? 0 : len >= (int)sizeof(line) ? sizeof(line) - 1 : (size_t)len;

    if (at_ring_room(&l->log) < used)
        at_ring_drop(&l->log, used);
    at_ring_write(&l->log, line, used);
}

/* ---- the child's seams ---- */

static uint64_t now_us(void *ctx)
{
    lane_seams *s = ctx;

    return s->lane->now_us;
}

void lane_wait_token(lane_seams *s)
{
    char byte;

    if (recv(s->token, &byte, 1, 0) != 1)
        _exit(0);
    s->lane->turn++;
}

static bool run_ready(lane_seams *s)
{
    lane *l = s->lane;
    uint8_t frame[AT_RADIO_FRAME_MAX];
    bool worked = false;
    size_t len;

    if (l->want_read && at_ring_used(&l->to_port) > 0) {
        worked = true;
        s->port.on_readable(s->port.owner);
    }
    if (l->want_write && l->write_armed && at_ring_room(&l->from_port) > 0) {
        l->write_armed = false;
        worked = true;
        s->port.on_writable(s->port.owner);
    }
    if ((len = lane_take_frame(&l->to_radio, frame)) > 0) {
        worked = true;
        if (s->radio.on_frame != NULL)
            s->radio.on_frame(s->radio.owner, frame, len);
    }
    return worked;
}

static void wait_in_step(void *ctx, uint64_t deadline_us)
{
    lane_seams *s = ctx;
    char byte = 0;

    if (run_ready(s) || deadline_us <= s->lane->now_us)
        return;
    if (s->on_sleep != NULL)
        s->on_sleep(s->owner, &s->lane->stats);
    s->lane->stats.blocked = s->lane->want_write;
    s->lane->deadline_us = deadline_us;
    if (send(s->token, &byte, 1, MSG_NOSIGNAL) != 1)
        _exit(0);
    lane_wait_token(s);
    run_ready(s);
}

static size_t port_read(at_byteport *port, uint8_t *buf, size_t room)
{
    lane_seams *s = port->ctx;

    return at_ring_consume(&s->lane->to_port, buf, room);
}

static size_t port_write(at_byteport *port, const uint8_t *data, size_t len)
{
    lane_seams *s = port->ctx;
    size_t written = at_ring_write(&s->lane->from_port, data, len);

    if (written < len)
        s->lane->write_armed = true;
    return written;
}

static void port_want(at_byteport *port, bool want_read, bool want_write)
{
    lane *l = ((lane_seams *)port->ctx)->lane;

    if (want_write && !l->want_write)
        l->write_armed = true;
    l->want_read = want_read;
    l->want_write = want_write;
}

static bool port_drained(at_byteport *port)
{
    lane_seams *s = port->ctx;

    return at_ring_used(&s->lane->from_port) == 0;
}

static int port_configure(at_byteport *port, const at_uart_settings *wanted,
                          at_uart_settings *actual)
{
    (void)port;
    *actual = *wanted;
    return 0;
}

static int radio_send(at_radio *radio, const at_radio_piece *pieces, size_t count)
{
    lane_seams *s = radio->ctx;
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        len += pieces[i].len;
    if (len > AT_RADIO_FRAME_MAX)
        return AT_ERR_INVALID;
    return lane_put_frame(s->lane, &s->lane->from_radio, pieces, count) ? AT_OK : AT_ERR_AGAIN;
}

static void radio_mac(at_radio *radio, uint8_t mac[6])
{
    lane_seams *s = radio->ctx;

    memcpy(mac, s->mac, 6);
}

static void log_line(void *ctx, at_log_level level, const char *area, const char *text)
{
    lane *l = ((lane_seams *)ctx)->lane;

    if (level <= AT_LOG_WARN)
        l->warnings++;
    lane_log(l, level, area, text);
}

static void restart(void *ctx, at_boot_kind kind, uint64_t after_ms)
{
    lane *l = ((lane_seams *)ctx)->lane;

    l->restart = true;
    l->restart_kind = kind;
    l->restart_after_ms = after_ms;
    _exit(0);
}

static void report(void *ctx, const char *name, const char *members)
{
    (void)ctx;
    (void)name;
    (void)members;
}

void lane_seams_init(lane_seams *s, lane *l, int token, const uint8_t mac[6])
{
    static const at_byteport_ops port_ops = { .read = port_read,
                                              .write = port_write,
                                              .want = port_want,
                                              .drained = port_drained,
                                              .configure = port_configure };
    static const at_radio_ops radio_ops = { .send = radio_send, .factory_mac = radio_mac };

    *s = (lane_seams){ .lane = l, .token = token };
    memcpy(s->mac, mac, 6);
    s->clock = (at_clock){ .ctx = s, .now_us = now_us };
    s->waiter = (at_waiter){ .ctx = s, .wait = wait_in_step };
    s->port = (at_byteport){ .ops = &port_ops, .ctx = s };
    s->radio = (at_radio){ .ops = &radio_ops, .ctx = s };
    s->log = (at_log_sink){ .ctx = s, .level = AT_LOG_DEBUG, .line = log_line };
    s->supervisor = (at_supervisor){ .ctx = s, .restart = restart, .report = report };
}
