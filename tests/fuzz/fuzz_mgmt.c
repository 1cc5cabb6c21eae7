/* Management frames: what is accepted is in range, so it encodes again and decodes to the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/mgmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t frame[AT_MGMT_FRAME_MAX];
    at_mgmt m, again;
    size_t len;

    if (!at_mgmt_decode(&m, data, size))
        return 0;
    len = at_mgmt_encode(&m, frame, sizeof frame);
    if (len == 0 || !at_mgmt_decode(&again, frame, len) || memcmp(&m, &again, sizeof m) != 0)
        __builtin_trap();
    return 0;
}
