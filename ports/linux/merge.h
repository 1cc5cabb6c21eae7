/* Joins TCP segments that follow each other into one, as network cards do when they receive. */
#ifndef PORTS_LINUX_MERGE_H
#define PORTS_LINUX_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/heap.h"

#define LX_MERGE_MAX 49152u /* bytes of a joined frame: 32 full segments and their headers */

/* Owned by the caller; begin with zeros and the heap. len is for reading: 0 holds nothing. */
typedef struct lx_merge {
    at_heap *heap;
    uint8_t *frame; /* made with the first segment */
    size_t len;
    uint32_t next_seq; /* behind the held data */
    uint32_t data_sum; /* of the held data, as at_checksum_add makes it */
    bool joined;       /* the header does not yet fit the data */
} lx_merge;

/* True: the frame is copied into what is held. False: it is not a segment that can be joined, or not
 * with this one, or memory is short; take what is held, then try again or send the frame by itself. */
bool lx_merge_add(lx_merge *m, const uint8_t *frame, size_t len);
/* The held frame, ready to be sent, NULL: none. Valid until the next add. */
const uint8_t *lx_merge_take(lx_merge *m, size_t *len);
void lx_merge_free(lx_merge *m);

#endif
