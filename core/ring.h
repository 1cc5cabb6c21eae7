/* A ring of bytes over a caller's buffer: filled at one end, emptied at the other. */
#ifndef CORE_RING_H
#define CORE_RING_H

#include <stddef.h>
#include <stdint.h>

/* in and out count bytes since init and wrap around; in - out is what the ring holds. */
typedef struct at_ring {
    uint8_t *buffer;
    size_t size; /* a power of two */
    size_t in, out;
} at_ring;

/* buffer is the caller's, size bytes large, and outlives the ring. size is a power of two. */
void at_ring_init(at_ring *ring, uint8_t *buffer, size_t size);
void at_ring_clear(at_ring *ring);
size_t at_ring_used(const at_ring *ring); /* bytes held */
size_t at_ring_room(const at_ring *ring); /* bytes that still fit, in one or two spans */

/* The first free span: *ptr is where bytes may be read into; returns how many, 0 when full. After a
 * commit of the whole span another call gives what lies behind the wrap. */
size_t at_ring_space(const at_ring *ring, uint8_t **ptr);
/* The first len bytes of the free room now hold data; len is at most at_ring_room(). */
void at_ring_commit(at_ring *ring, size_t len);
/* Copies as much as fits and returns how many bytes that was. */
size_t at_ring_write(at_ring *ring, const void *data, size_t len);

/* Span 0 holds the oldest bytes, span 1 those behind the wrap. Returns the span's length, 0 when it
 * is empty (any other index is empty too). *ptr is valid until the next call that changes the
 * ring. */
size_t at_ring_span(const at_ring *ring, unsigned index, const uint8_t **ptr);
/* Copies up to len of the oldest bytes, skipping the first offset bytes, and leaves them in the
 * ring; returns how many. */
size_t at_ring_peek(const at_ring *ring, size_t offset, void *to, size_t len);
/* Like peek from 0, and takes them out. */
size_t at_ring_consume(at_ring *ring, void *to, size_t len);
/* Takes up to len of the oldest bytes out; returns how many. */
size_t at_ring_drop(at_ring *ring, size_t len);

#endif
