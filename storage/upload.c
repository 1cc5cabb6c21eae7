/* A sector is erased when the first byte for it has come: a cut leaves new bytes, erased ones, and the old
 * contents behind them, and an image is judged as a whole before anybody runs it. */
#include "storage/upload.h"

void at_upload_start(at_upload *upload, const at_flashchip *chip, const at_partition *partition)
{
    *upload = (at_upload){ .chip = chip, .offset = partition->offset, .size = partition->size };
}

static at_err erase_to(at_upload *upload, uint32_t end)
{
    const at_flashchip *chip = upload->chip;
    while (upload->erased < end) {
        if (chip->erase(chip->ctx, upload->offset + upload->erased, AT_FLASH_SECTOR) != 0) {
            return AT_ERR_IO;
        }
        upload->erased += AT_FLASH_SECTOR;
    }
    return AT_OK;
}

at_err at_upload_add(at_upload *upload, const void *data, uint32_t len)
{
    const at_flashchip *chip = upload->chip;
    if (len > upload->size - upload->written) {
        return AT_ERR_INVALID;
    }
    at_err err = erase_to(upload, upload->written + len);
    if (err == AT_OK &&
        chip->program(chip->ctx, upload->offset + upload->written, data, len) != 0) {
        err = AT_ERR_IO;
    }
    upload->written += err == AT_OK ? len : 0;
    return err;
}

at_err at_upload_clear_rest(at_upload *upload)
{
    return erase_to(upload, upload->size);
}
