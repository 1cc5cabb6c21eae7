/* An update server's list from any bytes: whole and in pieces it means the same, it is sorted, and every
 * version in it can stand in a path. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "proto/release.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static at_release_list whole, pieces;
    size_t piece = 1 + (size > 0 ? data[0] % 8u : 0);

    at_release_start(&whole, "v1.0.0.0");
    at_release_start(&pieces, "v1.0.0.0");
    (void)at_release_add(&whole, data, size);
    for (size_t at = 0; at < size; at += piece)
        (void)at_release_add(&pieces, data + at, AT_MIN(piece, size - at));
    at_err err = at_release_end(&whole), again = at_release_end(&pieces);
    if (size <= AT_RELEASE_LIST_MAX &&
        (err != again || whole.count != pieces.count || whole.found != pieces.found))
        abort();
    for (unsigned i = 0; i < whole.count; i++) {
        if (!at_release_valid(whole.version[i]) ||
            (i > 0 && at_release_compare(whole.version[i - 1], whole.version[i]) < 0))
            abort();
    }
    return 0;
}
