/* A NOR flash chip made of memory or of a file, with counters and a power switch that can fail it.
 *
 * The bytes lie in a shared mapping, so processes forked after the opening see one chip, as the
 * boots of a module do. Only one of them may use it at a time. */
#ifndef PORTS_LINUX_FLASHFILE_H
#define PORTS_LINUX_FLASHFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iface/flashchip.h"

#define AT_FLASHFILE_2MB (2u << 20)
#define AT_FLASHFILE_4MB (4u << 20)

typedef struct at_flashfile at_flashfile;

/* Both return NULL with one line of text in why (no line end): what is wrong, and what would be
 * right. Sizes in bytes, AT_FLASHFILE_2MB or AT_FLASHFILE_4MB. */

/* An erased chip in memory, gone when the last process ends. Sectors that were never programmed
 * take no memory. */
at_flashfile *at_flashfile_volatile(uint32_t size, char *why, size_t why_room);
/* A chip whose bytes are the file's. A missing or empty file becomes an erased chip of size bytes
 * with mode 0600; otherwise its own length decides, and must be one of the two. The file stays
 * locked until it is closed here and in every process forked since. */
at_flashfile *at_flashfile_open(const char *path, uint32_t size, char *why, size_t why_room);
/* NULL is allowed. A forked process that just ends need not call it. */
void at_flashfile_close(at_flashfile *flash);

/* Valid as long as the flash. */
const at_flashchip *at_flashfile_chip(at_flashfile *flash);

/* Counted over all processes since the opening. */
typedef struct at_flashfile_counts {
    uint64_t programs, erases; /* operations; an erase of n sectors counts n times */
    uint64_t bytes;            /* programmed */
} at_flashfile_counts;
at_flashfile_counts at_flashfile_counted(const at_flashfile *flash);

/* Cuts the power during the n-th program or erase from now (1: the next one; 0: never). That
 * operation takes effect in part only: which part follows from the seed. Then cut(arg) is called;
 * if it returns, this and every later operation of the process fails with AT_ERR_IO, until
 * at_flashfile_power_on. cut may be NULL. */
void at_flashfile_cut_after(at_flashfile *flash, uint64_t n, uint32_t seed, void (*cut)(void *arg),
                            void *arg);
void at_flashfile_power_on(at_flashfile *flash);
bool at_flashfile_is_off(const at_flashfile *flash);

#endif
