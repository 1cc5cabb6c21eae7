/* The one accounted allocator, for us, lwIP and Mbed TLS. */
#ifndef CORE_HEAP_H
#define CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct at_heap {
    size_t budget;    /* bytes, SIZE_MAX: unlimited */
    size_t used;      /* bytes now, as asked for plus a fixed header each */
    size_t peak;      /* bytes at most so far */
    uint32_t blocks;  /* live blocks */
    uint64_t calls;   /* allocations tried so far */
    uint64_t fail_at; /* tests: the fail_at-th call from start fails once; 0: never */
} at_heap;

void at_heap_init(at_heap *heap, size_t budget);
/* NULL when the budget or the machine has no more; the memory is not cleared by alloc. Blocks are
 * aligned for every type. A size of 0 gives a block that must be freed as well. */
void *at_alloc(at_heap *heap, size_t size);
void *at_calloc(at_heap *heap, size_t count, size_t size); /* checks the product */
/* Keeps the contents; block NULL: as at_alloc. On NULL the old block is still there. */
void *at_realloc(at_heap *heap, void *block, size_t size);
/* From the reserve: not refused by the budget (lwIP timers, control blocks); counted as used. */
void *at_alloc_reserve(at_heap *heap, size_t size);
void at_free(at_heap *heap, void *block); /* NULL is allowed */
/* What AT+SYSRAM? tells: bytes left now and at least so far, of the budget or AT_HEAP_NOMINAL. */
size_t at_heap_left(const at_heap *heap);
size_t at_heap_least(const at_heap *heap);

#endif
