/* A ring of bytes over a caller's buffer.
 *
 * `in` and `out` only ever grow (and wrap at SIZE_MAX, which is harmless because the size divides
 * it plus one); a position in the buffer is a counter modulo the size. So full and empty differ
 * without a spare byte, and used is one subtraction. Invariant: 0 <= in - out <= size.
 */
#include "core/ring.h"

#include <assert.h>
#include <string.h>

#include "core/bytes.h"

void at_ring_init(at_ring *ring, uint8_t *buffer, size_t size)
{
    assert(size > 0 && (size & (size - 1)) == 0);
    *ring = (at_ring){ .buffer = buffer, .size = size };
}

void at_ring_clear(at_ring *ring)
{
    ring->in = 0;
    ring->out = 0;
}

size_t at_ring_used(const at_ring *ring)
{
    return ring->in - ring->out;
}

size_t at_ring_room(const at_ring *ring)
{
    return ring->size - at_ring_used(ring);
}

/* Bytes from the counter's position to the end of the buffer. */
static size_t to_wrap(const at_ring *ring, size_t counter)
{
    return ring->size - (counter & (ring->size - 1));
}

size_t at_ring_space(const at_ring *ring, uint8_t **ptr)
{
    *ptr = ring->buffer + (ring->in & (ring->size - 1));
    return AT_MIN(at_ring_room(ring), to_wrap(ring, ring->in));
}

void at_ring_commit(at_ring *ring, size_t len)
{
    assert(len <= at_ring_room(ring));
    ring->in += len;
}

size_t at_ring_write(at_ring *ring, const void *data, size_t len)
{
    const uint8_t *from = data;
    size_t done = 0;

    while (done < len) {
        uint8_t *to;
        size_t part = AT_MIN(at_ring_space(ring, &to), len - done);

        if (part == 0)
            break;
        memcpy(to, from + done, part);
        at_ring_commit(ring, part);
        done += part;
    }
    return done;
}

size_t at_ring_span(const at_ring *ring, unsigned index, const uint8_t **ptr)
{
    size_t used = at_ring_used(ring);
    size_t first = AT_MIN(used, to_wrap(ring, ring->out));

    *ptr = index == 0 ? ring->buffer + (ring->out & (ring->size - 1)) : ring->buffer;
    if (index > 1)
        return 0;
    return index == 0 ? first : used - first;
}

size_t at_ring_peek(const at_ring *ring, size_t offset, void *to, size_t len)
{
    uint8_t *copy = to;
    size_t done = 0;

    for (unsigned index = 0; index < 2; index++) {
        const uint8_t *from;
        size_t span = at_ring_span(ring, index, &from);
        size_t skip = AT_MIN(offset, span);
        size_t part = AT_MIN(span - skip, len - done);

        offset -= skip;
        if (part > 0)
            memcpy(copy + done, from + skip, part);
        done += part;
    }
    return done;
}

size_t at_ring_consume(at_ring *ring, void *to, size_t len)
{
    return at_ring_drop(ring, at_ring_peek(ring, 0, to, len));
}

size_t at_ring_drop(at_ring *ring, size_t len)
{
    size_t part = AT_MIN(len, at_ring_used(ring));

    ring->out += part;
    return part;
}
