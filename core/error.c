/* The phrases of core/error.h.
 *
 * The table is indexed by the negated error, so a new error that is forgotten here shows up as a
 * hole ("unknown error") and in tests/unit/core/test_bytes.c, which walks all of them. The phrases
 * are for the log: they complete the sentence "failed: ...".
 */
#include "core/error.h"

#include <stddef.h>

static const char *const texts[] = {
    [-AT_OK] = "no error",
    [-AT_ERR_INVALID] = "invalid value",
    [-AT_ERR_STATE] = "not in this state",
    [-AT_ERR_NOMEM] = "out of memory",
    [-AT_ERR_TIMEOUT] = "timeout",
    [-AT_ERR_CANCELLED] = "cancelled",
    [-AT_ERR_IO] = "input/output error",
    [-AT_ERR_CLOSED] = "closed by the other end",
    [-AT_ERR_RESET] = "reset by the other end",
    [-AT_ERR_NOT_FOUND] = "not found",
    [-AT_ERR_AGAIN] = "no room or nothing there now",
    [-AT_ERR_REFUSED] = "refused by the other end",
    [-AT_ERR_UNREACHABLE] = "unreachable",
    [-AT_ERR_AUTH] = "wrong credential",
    [-AT_ERR_EXISTS] = "already exists",
    [-AT_ERR_UNSUPPORTED] = "not supported",
    [-AT_ERR_CORRUPT] = "corrupt data",
};

const char *at_err_text(at_err err)
{
    /* Computed on int: callers pass what they got from below, which need not be an enumerator. */
    int index = (int)err;

    if (index > 0 || index <= -(int)(sizeof texts / sizeof texts[0]) || texts[-index] == NULL)
        return "unknown error";
    return texts[-index];
}
