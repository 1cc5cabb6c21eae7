/* POSIX basic regular expressions over bytes (AT+SYSMSGFILTERCFG, guide 3.1.17). */
#ifndef CORE_BRE_H
#define CORE_BRE_H

#include "core/error.h"
#include "core/heap.h"

#define AT_BRE_PATTERN_MAX 64u     /* bytes */
#define AT_BRE_CODE_MAX    2048u   /* steps of a compiled pattern, intervals written out */
#define AT_BRE_TRIES_MAX   100000u /* steps of one search of a pattern with back-references */

typedef struct at_bre at_bre;

typedef struct at_bre_span {
    size_t start, end; /* bytes from the beginning of the text */
} at_bre_span;

/* The pattern is copied. AT_ERR_INVALID: not a basic regular expression; AT_ERR_UNSUPPORTED: longer than
 * AT_BRE_PATTERN_MAX, or its intervals need more than AT_BRE_CODE_MAX steps; AT_ERR_NOMEM. */
at_err at_bre_compile(at_bre **re, at_heap *heap, const char *pattern, size_t len);
void at_bre_free(at_heap *heap, at_bre *re); /* NULL is allowed */
/* The leftmost match that starts at from or later, the longest of those. ^ is the beginning of the text
 * and $ its end, whatever bytes there are; zero bytes are bytes. Takes time in proportion to len,
 * with back-references at most AT_BRE_TRIES_MAX steps: then, and when they nest too deep, there is no
 * match. */
bool at_bre_search(at_bre *re, const uint8_t *text, size_t len, size_t from, at_bre_span *found);

#endif
