/* Message filters: a pattern, then a text, cut from the input. A match lies within the text. */
#include <stdlib.h>

#include "core/bre.h"
#include "core/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_heap heap;
    at_bre *re;
    at_bre_span found;

    if (size == 0)
        return 0;
    size_t pattern_len = AT_MIN((size_t)data[0] % (AT_BRE_PATTERN_MAX + 1), size - 1);
    const uint8_t *text = data + 1 + pattern_len;
    size_t len = size - 1 - pattern_len;

    at_heap_init(&heap, SIZE_MAX);
    if (at_bre_compile(&re, &heap, (const char *)data + 1, pattern_len) == AT_OK) {
        for (size_t from = 0; from <= len && from < 4; from++)
            if (at_bre_search(re, text, len, from, &found) &&
                (found.start < from || found.end < found.start || found.end > len))
                abort();
        at_bre_free(&heap, re);
    }
    if (heap.blocks != 0)
        abort();
    return 0;
}
