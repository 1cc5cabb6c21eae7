/* CRC-32 as the part's ROM computes it for NVS, otadata and factory data.
 *
 * It is the zip CRC with another start value (0 in the register; zip starts with all ones), so the
 * usual check values do not apply: "123456789" gives D202D277, no bytes at all give FFFFFFFF.
 * Two steps of four bits with a table of 16 words: a boot checks every entry of an NVS partition,
 * which one bit at a time would be slow for, and the usual table of 256 words costs 1 KiB of flash.
 */
#include "storage/crc32.h"

static const uint32_t nibble_table[16] = {
    0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
    0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
    0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
};

uint32_t at_crc32_add(uint32_t running, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++) {
        running ^= bytes[i];
        running = (running >> 4) ^ nibble_table[running & 15u];
        running = (running >> 4) ^ nibble_table[running & 15u];
    }
    return running;
}

uint32_t at_crc32_end(uint32_t running)
{
    return ~running;
}
