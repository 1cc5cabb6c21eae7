/* The medium between a radio and its access point: where faults act on data frames.
 *
 * Each radio has a pipe per direction. Without faults a frame goes straight through, not copied.
 * Loss, duplication and half-open are decided when the frame enters; delay and rate hold it in a
 * queue. A pipe never reorders: what enters behind a held frame waits behind it, also after the
 * fault was switched off. Queues are bounded in bytes; what does not fit is lost and counted.
 *
 * The rate is per radio and direction. Management and EAPOL frames do not come through here: they
 * have faults of their own (no_assoc, no_eapol), so that a lossy link can still be joined.
 */
#include "air/air_priv.h"

#include <string.h>

#include "core/bytes.h"

#define PIPE_BYTES_MAX (512u * 1024u)

bool air_passes(const at_air_port *port)
{
    return port->state == AIR_JOINED || (port->state == AIR_HANDSHAKE && port->ap->host != NULL);
}

static void come_out(air_pipe *pipe, const uint8_t *frame, size_t len)
{
    at_air_port *port = pipe->port;

    if (!air_passes(port) || !port->ap->on)
        return;
    air_count_bytes(port, len);
    if (pipe->to_air && port->ap->host != NULL)
        air_deliver(port->ap->host, frame, len);
    else if (pipe->to_air)
        air_switch_input(port, frame, len);
    else
        air_deliver(port, frame, len);
}

static air_held *take_first(air_pipe *pipe)
{
    air_held *held = pipe->first;

    pipe->first = held->next;
    if (pipe->first == NULL)
        pipe->last = &pipe->first;
    pipe->bytes -= held->len;
    pipe->port->air->held--;
    return held;
}

static void release(void *arg)
{
    air_pipe *pipe = arg;
    at_air *air = pipe->port->air;
    uint64_t now = at_loop_now(air->config.loop);

    while (pipe->first != NULL && pipe->first->due_us <= now) {
        air_held *held = take_first(pipe);

        come_out(pipe, held->data, held->len);
        at_free(air->config.heap, held);
    }
    if (pipe->first != NULL)
        at_timer_at(air->config.loop, &pipe->timer, pipe->first->due_us);
}

static void hold(air_pipe *pipe, const uint8_t *frame, size_t len, uint64_t due_us)
{
    at_air *air = pipe->port->air;
    air_held *held = NULL;

    if (pipe->bytes + len <= PIPE_BYTES_MAX)
        held = at_alloc(air->config.heap, sizeof *held + len);
    if (held == NULL) {
        air->counters.overflow++;
        return;
    }
    held->next = NULL;
    held->due_us = due_us;
    held->len = len;
    memcpy(held->data, frame, len);
    *pipe->last = held;
    pipe->last = &held->next;
    pipe->bytes += len;
    air->held++;
    if (pipe->first == held)
        at_timer_at(air->config.loop, &pipe->timer, due_us);
}

static void enter(air_pipe *pipe, const uint8_t *frame, size_t len)
{
    at_air *air = pipe->port->air;
    const air_effects *effects = &pipe->port->effects;
    uint64_t now, due;

    if (effects->rate == 0 && effects->delay_us == 0 && pipe->first == NULL) {
        come_out(pipe, frame, len);
        return;
    }
    now = at_loop_now(air->config.loop);
    due = now;
    if (effects->rate != 0) {
        pipe->free_us = AT_MAX(pipe->free_us, now) + (uint64_t)len * 1000000u / effects->rate;
        due = pipe->free_us;
    }
    due += effects->delay_us;
    if (pipe->first != NULL)
        due = AT_MAX(due, pipe->last_due_us);
    pipe->last_due_us = due;
    hold(pipe, frame, len, due);
}

void air_pass(at_air_port *port, bool to_air, const uint8_t *frame, size_t len)
{
    at_air *air = port->air;
    air_pipe *pipe = &port->pipes[to_air ? 1 : 0];
    const air_effects *effects = &port->effects;
    bool twice;

    if (port->wired) {
        come_out(pipe, frame, len);
        return;
    }
    if (effects->kinds[AT_FAULT_HALF_OPEN] || effects->kinds[AT_FAULT_AP_OFF] ||
        (effects->loss > 0 && air_random(air, 100) < effects->loss)) {
        air->counters.faulted++;
        return;
    }
    twice = effects->duplicate > 0 && air_random(air, 100) < effects->duplicate;
    enter(pipe, frame, len);
    /* The first copy may have ended the membership. */
    if (twice && air_passes(port))
        enter(pipe, frame, len);
}

void air_pipes_init(at_air_port *port)
{
    for (unsigned i = 0; i < 2; i++) {
        air_pipe *pipe = &port->pipes[i];

        pipe->port = port;
        pipe->to_air = i == 1;
        pipe->last = &pipe->first;
        at_timer_init(&pipe->timer, release, pipe);
    }
}

void air_pipes_flush(at_air_port *port)
{
    for (unsigned i = 0; i < 2; i++) {
        air_pipe *pipe = &port->pipes[i];

        at_timer_stop(port->air->config.loop, &pipe->timer);
        while (pipe->first != NULL)
            at_free(port->air->config.heap, take_first(pipe));
        pipe->free_us = 0;
        pipe->last_due_us = 0;
    }
}
