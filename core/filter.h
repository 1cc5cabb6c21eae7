/* The filters of AT+SYSMSGFILTER and AT+SYSMSGFILTERCFG (guide 3.1.16, 3.1.17): what is taken out of
 * messages before the host sees them. */
#ifndef CORE_FILTER_H
#define CORE_FILTER_H

#include "core/bre.h"

typedef struct at_filter at_filter;

/* In the order they were added. Zero-initialised: none, off. */
typedef struct at_filters {
    bool enabled; /* AT+SYSMSGFILTER */
    at_filter *first;
} at_filters;

/* Two regular expressions; a length of 0 leaves one out, never both. */
typedef struct at_filter_text {
    const char *head, *tail;
    uint8_t head_len, tail_len; /* bytes, at most AT_BRE_PATTERN_MAX */
} at_filter_text;

/* Adds one at the end. Errors of at_bre_compile; AT_ERR_EXISTS: the same is there already. */
at_err at_filters_add(at_filters *filters, at_heap *heap, const at_filter_text *text);
/* Deletes the one with exactly this text. AT_ERR_NOT_FOUND. */
at_err at_filters_remove(at_filters *filters, at_heap *heap, const at_filter_text *text);
void at_filters_clear(at_filters *filters, at_heap *heap);
/* The texts of filter index (from 0), valid until the filters change. */
bool at_filters_get(const at_filters *filters, size_t index, at_filter_text *text);

/* Takes out of one message what the first filter that matches it matches; the rest stays as it is.
 * Returns the new length, at most len. Does nothing unless enabled. */
size_t at_filters_apply(const at_filters *filters, uint8_t *message, size_t len);

#endif
