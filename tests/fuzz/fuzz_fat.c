/* FAT volumes from any bytes: the input is the start of a plain image, or of a levelled partition
 * when its first byte is odd. It is mounted, read, written; what was written must be read back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/heap.h"
#include "core/log.h"
#include "ports/linux/flashfile.h"
#include "storage/fat.h"

#define SIZE 0x19000u

static void use(at_fat *fs)
{
    static uint8_t buf[2000];
    uint8_t got[1000];
    at_fat_walk walk = { 0 };
    at_fat_info info;
    size_t len;
    for (unsigned n = 0; n < 100 && at_fat_next(fs, &walk, ".", &info) == AT_OK; n++) {
        (void)at_fat_read(fs, info.name, info.size / 2, buf, sizeof buf, &len);
    }
    memset(buf, 0x5a, 1000);
    if (at_fat_write(fs, "written", 300, buf, 1000) == AT_OK &&
        (at_fat_read(fs, "written", 300, got, sizeof got, &len) != AT_OK || len != 1000 ||
         memcmp(got, buf, 1000) != 0)) {
        abort();
    }
    (void)at_fat_remove(fs, "written");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[128];
    at_heap heap;
    at_log log = { NULL };
    at_fat *fs;
    at_flashfile *flash = at_flashfile_volatile(AT_FLASHFILE_2MB, why, sizeof why);
    if (flash == NULL) {
        abort();
    }
    const at_flashchip *chip = at_flashfile_chip(flash);
    at_heap_init(&heap, SIZE_MAX);
    size = size > SIZE ? SIZE : size;
    bool levelled = size > 0 && data[0] % 2 == 1;
    if (levelled) {
        (void)at_fat_import(&heap, chip, 0, SIZE, data, (uint32_t)size);
    } else {
        chip->program(chip->ctx, 0, data, size);
    }
    for (int boot = 0; boot < 2; boot++) {
        if (at_fat_mount(&fs, &heap, &log, chip, 0, SIZE,
                         boot == 0 ? AT_FAT_READ_ONLY : AT_FAT_READ_WRITE) == AT_OK) {
            use(fs);
            at_fat_unmount(fs);
        }
    }
    if (heap.blocks != 0) {
        abort();
    }
    at_flashfile_close(flash);
    return 0;
}
