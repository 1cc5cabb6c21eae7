/* Message filters: a list in the order of adding, each a head and a tail expression.
 *
 * The unit is one message as the writer commits it. A filter matches when all expressions it has match:
 * the head's leftmost match in the message, the tail's leftmost match behind that, so that they never
 * overlap. What matched is removed and the rest moves up; nothing is looked at twice, so a
 * later filter never sees what an earlier one left. */
#include "core/filter.h"

#include <string.h>

struct at_filter {
    at_filter *next;
    at_bre *head, *tail; /* NULL: left out */
    uint8_t head_len, tail_len;
    char text[]; /* head, then tail */
};

static bool has_text(const at_filter *f, const at_filter_text *text)
{
    return f->head_len == text->head_len && f->tail_len == text->tail_len &&
           memcmp(f->text, text->head, f->head_len) == 0 &&
           memcmp(f->text + f->head_len, text->tail, f->tail_len) == 0;
}

/* The link that leads to the filter with this text, or to the end. */
static at_filter **find(at_filters *filters, const at_filter_text *text)
{
    at_filter **link = &filters->first;
    while (*link != NULL && !has_text(*link, text))
        link = &(*link)->next;
    return link;
}

static void destroy(at_filter *f, at_heap *heap)
{
    at_bre_free(heap, f->head);
    at_bre_free(heap, f->tail);
    at_free(heap, f);
}

static at_err compile(at_filter *f, at_heap *heap)
{
    at_err err = AT_OK;
    if (f->head_len > 0)
        err = at_bre_compile(&f->head, heap, f->text, f->head_len);
    if (err == AT_OK && f->tail_len > 0)
        err = at_bre_compile(&f->tail, heap, f->text + f->head_len, f->tail_len);
    return err;
}

at_err at_filters_add(at_filters *filters, at_heap *heap, const at_filter_text *text)
{
    at_filter **link = find(filters, text);
    if (*link != NULL)
        return AT_ERR_EXISTS;
    if (text->head_len + text->tail_len == 0)
        return AT_ERR_INVALID;
    at_filter *f = at_calloc(heap, 1, sizeof(*f) + text->head_len + text->tail_len);
    if (f == NULL)
        return AT_ERR_NOMEM;
    f->head_len = text->head_len;
    f->tail_len = text->tail_len;
    memcpy(f->text, text->head, f->head_len);
    memcpy(f->text + f->head_len, text->tail, f->tail_len);
    at_err err = compile(f, heap);
    if (err == AT_OK)
        *link = f;
    else
        destroy(f, heap);
    return err;
}

at_err at_filters_remove(at_filters *filters, at_heap *heap, const at_filter_text *text)
{
    at_filter **link = find(filters, text), *f = *link;
    if (f == NULL)
        return AT_ERR_NOT_FOUND;
    *link = f->next;
    destroy(f, heap);
    return AT_OK;
}

void at_filters_clear(at_filters *filters, at_heap *heap)
{
    while (filters->first != NULL) {
        at_filter *f = filters->first;
        filters->first = f->next;
        destroy(f, heap);
    }
}

bool at_filters_get(const at_filters *filters, size_t index, at_filter_text *text)
{
    const at_filter *f = filters->first;
    while (f != NULL && index-- > 0)
        f = f->next;
    if (f != NULL)
        *text = (at_filter_text){ f->text, f->text + f->head_len, f->head_len, f->tail_len };
    return f != NULL;
}

static bool matches(const at_filter *f, const uint8_t *message, size_t len, at_bre_span *head,
                    at_bre_span *tail)
{
    *head = (at_bre_span){ 0, 0 };
    if (f->head != NULL && !at_bre_search(f->head, message, len, 0, head))
        return false;
    *tail = (at_bre_span){ head->end, head->end };
    return f->tail == NULL || at_bre_search(f->tail, message, len, head->end, tail);
}

size_t at_filters_apply(const at_filters *filters, uint8_t *message, size_t len)
{
    at_bre_span head, tail;
    if (!filters->enabled || len == 0)
        return len;
    for (const at_filter *f = filters->first; f != NULL; f = f->next) {
        if (!matches(f, message, len, &head, &tail))
            continue;
        size_t middle = tail.start - head.end, left = head.start;
        memmove(message + left, message + head.end, middle);
        left += middle;
        memmove(message + left, message + tail.end, len - tail.end);
        return left + (len - tail.end);
    }
    return len;
}
