/* App images from any bytes: what is accepted lies in its slot, and is still accepted in a slot of
 * exactly its length. */
#include <stdint.h>
#include <stdlib.h>

#include "ports/linux/flashfile.h"
#include "storage/image.h"

#define SLOT 0x10000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[128];
    const char *reason;
    at_image_info info;
    at_flashfile *flash = at_flashfile_volatile(AT_FLASHFILE_2MB, why, sizeof why);
    if (flash == NULL) {
        abort();
    }
    const at_flashchip *chip = at_flashfile_chip(flash);
    chip->program(chip->ctx, 0, data, size > SLOT ? SLOT : size);
    if (at_image_check(chip, 0, SLOT, &info, &reason) == AT_OK &&
        (info.len > SLOT || at_image_check(chip, 0, info.len, &info, &reason) != AT_OK)) {
        abort();
    }
    at_flashfile_close(flash);
    return 0;
}
