/* Partition tables from any bytes: whatever is accepted lies inside the chip, is aligned, and is
 * accepted again after it was built anew. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/partition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static at_partition entries[AT_PARTITION_MAX], again[AT_PARTITION_MAX];
    uint8_t raw[AT_PARTITION_TABLE_LEN];
    const uint32_t chip = 4u << 20;
    size_t count, same;
    const char *why = NULL;
    at_err err = at_partition_parse(data, size, chip, entries, AT_PARTITION_MAX, &count, &why);
    if (err != AT_OK) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (entries[i].size > chip || entries[i].offset > chip - entries[i].size ||
            entries[i].offset % 4096 != 0 || memchr(entries[i].label, 0, 17) == NULL) {
            abort();
        }
    }
    bool md5 = count + 1 < AT_PARTITION_MAX;
    if (count > 0 &&
        (at_partition_build(entries, count, md5, raw) != AT_OK ||
         at_partition_parse(raw, sizeof raw, chip, again, AT_PARTITION_MAX, &same, &why) != AT_OK ||
         same != count)) {
        abort();
    }
    return 0;
}
