/* From the port into the ring, and what only time can tell.
 *
 * - The port is always read into the ring as soon as there are bytes; only a full ring stops it, and
 *   that is the flow control towards the host. Once the ring has been full for the guard time the
 *   reserve behind it is filled too: a host that stopped sending on a stalled passthrough gets its +++
 *   through.
 * - +++ is judged when it arrives, not when it is consumed: a packet (run of bytes without a gap of
 *   the guard time) that is exactly three + and followed by a gap. While it could still become one, its
 *   bytes are held back from the consumer (input.c). */
#include "core/bytes.h"
#include "core/session_priv.h"

enum { READ_AGAIN = 2048 }; /* a read this long is worth another without asking the loop */

static uint64_t guard_us(const at_session *s)
{
    return s->config.guard_ms * 1000ull;
}

void at_receive_watch(at_session *s)
{
    at_timer_in(s->loop, &s->rx.guard, guard_us(s));
}

/* Tracks whether the packet so far is nothing but up to three +. */
static void watch_escape(at_session *s, const uint8_t *data, size_t len, bool new_packet)
{
    at_receiver *rx = &s->rx;
    size_t plus = new_packet ? 0 : rx->plus;
    bool only = new_packet || rx->plus > 0;
    for (size_t i = 0; only && i < len; i++) {
        only = data[i] == '+' && plus < 3;
        plus++;
    }
    rx->plus = only ? (uint8_t)plus : 0;
}

static void escape(at_session *s)
{
    size_t unsent = at_ring_used(&s->rx.ring);
    if (at_modes[s->mode].escape == AT_ESCAPE_NONE)
        return; /* three + are just bytes here */
    at_log(s->log, AT_LOG_DEBUG, "core", "+++ in mode %s, %u unsent bytes dropped",
           at_modes[s->mode].name, (unsigned)unsent - 3u);
    at_ring_drop(&s->rx.ring, unsent);
    s->data.cancelled = true;
    at_wake(s);
}

/* Decides what only silence can: once per packet, by the timer or by the next packet before it. */
static void packet_over(at_session *s)
{
    at_receiver *rx = &s->rx;
    if (rx->plus == 3)
        escape(s);
    rx->plus = 0;
    at_input_packet_over(s);
}

/* Before the bytes are in the ring: +++ drops what was there already. */
static void arrived(at_session *s, const uint8_t *data, size_t len)
{
    at_receiver *rx = &s->rx;
    uint64_t now = at_loop_now(s->loop);
    bool new_packet = !rx->any || now - rx->last_us >= guard_us(s);
    if (new_packet)
        packet_over(s);
    watch_escape(s, data, len, new_packet);
    rx->any = true;
    rx->last_us = now;
    rx->reserve = false;
    if (rx->plus > 0)
        at_receive_watch(s);
    if (s->config.data_timeout_ms > 0 && at_timer_running(&s->data.idle))
        at_timer_in(s->loop, &s->data.idle, s->config.data_timeout_ms * 1000ull);
}

/* What may become +++ is read whole: cut by a full ring, it would look like two packets. */
static size_t receive_limit(const at_session *s)
{
    return s->rx.reserve || s->rx.plus > 0 ? s->rx.ring.size : AT_RX_RING;
}

bool at_receive(at_session *s)
{
    at_receiver *rx = &s->rx;
    bool any = false;
    while (rx->readable) {
        uint8_t *to;
        size_t used = at_ring_used(&rx->ring), limit = receive_limit(s);
        size_t room = at_ring_space(&rx->ring, &to);
        if (used >= limit)
            break;
        room = AT_MIN(room, limit - used);
        size_t n = s->port->ops->read(s->port, to, room);
        rx->readable = n == room || n >= READ_AGAIN;
        if (n == 0)
            break;
        arrived(s, to, n);
        at_ring_commit(&rx->ring, n);
        any = true;
    }
    return any;
}

bool at_receive_has_room(at_session *s)
{
    bool room = at_ring_used(&s->rx.ring) < receive_limit(s);
    if (!room && !at_timer_running(&s->rx.guard))
        at_receive_watch(s);
    return room;
}

/* --- the guard time is over --- */

static void guard_over(void *arg)
{
    at_session *s = arg;
    at_receiver *rx = &s->rx;
    uint64_t quiet = at_loop_now(s->loop) - rx->last_us;
    if (quiet < guard_us(s)) {
        at_timer_in(s->loop, &rx->guard, guard_us(s) - quiet);
        return;
    }
    packet_over(s);
    if (at_ring_used(&rx->ring) >= AT_RX_RING)
        rx->reserve = true;
    at_session_pump(s);
}

static void data_idle(void *arg)
{
    at_session *s = arg;
    at_log(s->log, AT_LOG_WARN, "core", "no data for %lu ms at the prompt: cancelled",
           (unsigned long)s->config.data_timeout_ms);
    at_ring_clear(&s->rx.ring);
    s->data.cancelled = true;
    at_wake(s);
}

bool at_receive_init(at_session *s)
{
    size_t size = AT_RX_RING + (s->config.rx_reserve != 0 ? s->config.rx_reserve : AT_RX_RESERVE);
    uint8_t *ring = at_alloc(s->config.heap, size);
    at_timer_init(&s->rx.guard, guard_over, s);
    at_timer_init(&s->data.idle, data_idle, s);
    if (ring != NULL)
        at_ring_init(&s->rx.ring, ring, size);
    return ring != NULL;
}

void at_receive_end(at_session *s)
{
    at_timer_stop(s->loop, &s->rx.guard);
    at_timer_stop(s->loop, &s->data.idle);
    at_free(s->config.heap, s->rx.ring.buffer);
}
