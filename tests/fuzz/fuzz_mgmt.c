/* Management frames from their type on (the fixed head is filled in, so that every input gets past
 * it): what is accepted is in range, so it encodes again and decodes
 * to the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/mgmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t head[] = { 255,
                                    255,
                                    255,
                                    255,
                                    255,
                                    255,
                                    2,
                                    0,
                                    0,
                                    0,
                                    0,
                                    1,
                                    AT_ETHERTYPE_MGMT >> 8,
                                    AT_ETHERTYPE_MGMT & 255,
                                    AT_MGMT_VERSION };
    uint8_t given[sizeof head + 256], frame[AT_MGMT_FRAME_MAX];
    at_mgmt m, again;
    size_t len;

    if (size > sizeof given - sizeof head)
        return 0;
    memcpy(given, head, sizeof head);
    if (size > 0)
        memcpy(given + sizeof head, data, size);
    if (!at_mgmt_decode(&m, given, sizeof head + size))
        return 0;
    len = at_mgmt_encode(&m, frame, sizeof frame);
    if (len == 0 || !at_mgmt_decode(&again, frame, len) || memcmp(&m, &again, sizeof m) != 0)
        __builtin_trap();
    return 0;
}
