/* The accounted allocator over the C library's.
 *
 * Every block is preceded by a header that holds its size, so free and realloc know what to give
 * back to the budget without asking the C library. The header is as large as the strictest
 * alignment of the machine, which keeps the block behind it as aligned as malloc's own.
 *
 *     | size ... padding | the caller's bytes ...
 *     ^ malloc           ^ what callers see
 *
 * `used` counts header and bytes of every live block: the truth about this module, though not about
 * the C library's own rounding. Fault injection counts calls of the three ordinary functions; the
 * reserve is left out of it as well as of the budget, because those who allocate from it (lwIP's
 * timers and control blocks) have no way to report a failure.
 *
 * This is the only file that calls malloc.
 */
#include "core/heap.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/limits.h"

typedef union header {
    size_t size; /* of the caller's part */
    max_align_t align;
} header;

void at_heap_init(at_heap *heap, size_t budget)
{
    *heap = (at_heap){ .budget = budget };
}

/* Counts one allocation and says whether it may go on: `size` more bytes on top of `kept`. */
static bool allowed(at_heap *heap, size_t kept, size_t size)
{
    heap->calls++;
    if (heap->calls == heap->fail_at)
        return false;
    if (size > SIZE_MAX - sizeof(header) || kept > SIZE_MAX - sizeof(header) - size)
        return false;
    return kept + sizeof(header) + size <= heap->budget;
}

static void *hand_out(at_heap *heap, header *block, size_t size)
{
    if (block == NULL)
        return NULL;
    block->size = size;
    heap->used += sizeof(header) + size;
    heap->peak = AT_MAX(heap->peak, heap->used);
    heap->blocks++;
    return block + 1;
}

void *at_alloc(at_heap *heap, size_t size)
{
    if (!allowed(heap, heap->used, size))
        return NULL;
    return hand_out(heap, malloc(sizeof(header) + size), size);
}

void *at_calloc(at_heap *heap, size_t count, size_t size)
{
    void *block;

    if (size != 0 && count > SIZE_MAX / size) {
        heap->calls++;
        return NULL;
    }
    block = at_alloc(heap, count * size);
    if (block != NULL)
        memset(block, 0, count * size);
    return block;
}

void *at_realloc(at_heap *heap, void *block, size_t size)
{
    header *old, *moved;
    size_t kept;

    if (block == NULL)
        return at_alloc(heap, size);
    old = (header *)block - 1;
    kept = heap->used - sizeof(header) - old->size;
    if (!allowed(heap, kept, size))
        return NULL;
    moved = realloc(old, sizeof(header) + size);
    if (moved == NULL)
        return NULL;
    heap->used = kept;
    heap->blocks--;
    return hand_out(heap, moved, size);
}

void *at_alloc_reserve(at_heap *heap, size_t size)
{
    if (size > SIZE_MAX - sizeof(header))
        return NULL;
    return hand_out(heap, malloc(sizeof(header) + size), size);
}

void at_free(at_heap *heap, void *block)
{
    header *old;

    if (block == NULL)
        return;
    old = (header *)block - 1;
    heap->used -= sizeof(header) + old->size;
    heap->blocks--;
    free(old);
}

static size_t room_above(const at_heap *heap, size_t used)
{
    size_t all = heap->budget == SIZE_MAX ? AT_HEAP_NOMINAL : heap->budget;

    return used < all ? all - used : 0;
}

size_t at_heap_left(const at_heap *heap)
{
    return room_above(heap, heap->used);
}

size_t at_heap_least(const at_heap *heap)
{
    return room_above(heap, heap->peak);
}
