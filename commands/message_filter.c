/* AT+SYSMSGFILTER and AT+SYSMSGFILTERCFG (guide 3.1.16, 3.1.17, example 4.1.1); core/filter.c has what a
 * filter does to a message.
 *
 * Decisions where the guide is silent:
 *
 * - Filters count from 0 in the query, in the order in which they were added; a row shows the expressions as
 *   they are, with their CR LF.
 * - Adding what is there already, and both lengths 0, are an ERROR. There is no limit to the number of
 *   filters but the heap.
 * - Filters and the switch are forgotten at a restart.
 * - +++ at the prompt gives the filter up: ERROR.
 */
#include "commands/system_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/filter.h"

/* wire */
static const char FMT_FILTER[] = "+SYSMSGFILTER:%d\r\n";
static const char FMT_FILTERCFG[] = "+SYSMSGFILTERCFG:%u,\"";

enum { CLEAR, ADD, DELETE };
enum { OPERATOR, HEAD_LEN, TAIL_LEN };

at_result at_sysmsgfilter_query(at_call *call)
{
    at_row(call, FMT_FILTER, at_session_filters(call->session)->enabled);
    return AT_RESULT_OK;
}

at_result at_sysmsgfilter_set(at_call *call)
{
    at_session_filters(call->session)->enabled = at_int(call, 0) == 1;
    return AT_RESULT_OK;
}

/* Not by format: an expression may hold any byte. */
static void write_filter(at_call *call, unsigned index, const at_filter_text *text)
{
    static const char between[] = "\",\"", end[] = "\"\r\n";
    char row[sizeof FMT_FILTERCFG + 12 + 2 * AT_BRE_PATTERN_MAX + sizeof between + sizeof end];
    size_t len = (size_t)snprintf(row, sizeof row, FMT_FILTERCFG, index);

    memcpy(row + len, text->head, text->head_len);
    len += text->head_len;
    memcpy(row + len, between, sizeof between - 1);
    len += sizeof between - 1;
    memcpy(row + len, text->tail, text->tail_len);
    len += text->tail_len;
    memcpy(row + len, end, sizeof end - 1);
    at_write(call, row, len + sizeof end - 1);
}

at_result at_sysmsgfiltercfg_query(at_call *call)
{
    const at_filters *filters = at_session_filters(call->session);
    at_filter_text text;

    for (unsigned i = 0; at_filters_get(filters, i, &text); i++)
        write_filter(call, i, &text);
    return AT_RESULT_OK;
}

static const char *why(at_err err)
{
    switch (err) {
    case AT_ERR_INVALID: return "not a basic regular expression";
    case AT_ERR_UNSUPPORTED: return "the intervals of the expression are too large";
    case AT_ERR_EXISTS: return "this filter is there already";
    case AT_ERR_NOT_FOUND: return "there is no filter of exactly these expressions";
    default: return at_err_text(err);
    }
}

/* Collects both expressions, then adds or deletes the filter. */
static at_result change(at_call *call)
{
    at_filters *filters = at_session_filters(call->session);
    at_heap *heap = at_app_of(call)->heap;
    char bytes[2 * AT_BRE_PATTERN_MAX];
    const at_filter_text text = {
        .head = bytes,
        .tail = bytes + at_int(call, HEAD_LEN),
        .head_len = (uint8_t)at_int(call, HEAD_LEN),
        .tail_len = (uint8_t)at_int(call, TAIL_LEN),
    };
    size_t len = (size_t)text.head_len + text.tail_len, got;
    at_err err;

    if (len == 0)
        return at_fail(call, AT_SUB_PARAM_INVALID, TAIL_LEN + 1,
                       "one of the two expressions is needed");
    if (at_collect(call, true, bytes, len, &got) != AT_OK)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "given up after %u of %u bytes", (unsigned)got,
                       (unsigned)len);
    err = at_int(call, OPERATOR) == ADD ? at_filters_add(filters, heap, &text)
                                        : at_filters_remove(filters, heap, &text);
    return err == AT_OK ? AT_RESULT_OK : at_fail(call, AT_SUB_EXEC_FAIL, 0, "%s", why(err));
}

at_result at_sysmsgfiltercfg_set(at_call *call)
{
    if (at_int(call, OPERATOR) != CLEAR)
        return change(call);
    at_filters_clear(at_session_filters(call->session), at_app_of(call)->heap);
    return AT_RESULT_OK;
}

uint8_t at_sysmsgfiltercfg_select(const at_call *call)
{
    char text[4];

    return at_peek(call, OPERATOR, text, sizeof text)[0] == '0' ? 0 : 1;
}
