/* Firmware images in app slots: the part's container (header, segments, checksum, SHA-256) and the
 * description that every application carries at its start. */
#ifndef STORAGE_IMAGE_H
#define STORAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "iface/flashchip.h"

#define AT_IMAGE_CHIP_C2  0x000cu
#define AT_IMAGE_SEGMENTS 16u
#define AT_IMAGE_TEXT     32u /* characters of version and project, which then have no NUL on flash */
#define AT_IMAGE_HEADER   24u  /* bytes before the first segment */
#define AT_IMAGE_LEN_MIN  336u /* bytes of what at_image_build makes: 288 + 16 + 32 */

typedef struct at_image_info {
    uint32_t len; /* bytes, checksum and hash included */
    uint32_t entry;
    uint8_t segments;
    bool hashed, described; /* has a SHA-256; has version and project */
    char version[AT_IMAGE_TEXT + 1], project[AT_IMAGE_TEXT + 1];
} at_image_info;

/* Checks the image at the start of [offset, offset + size) as the boot loader does: magic, segments,
 * chip, revision, bounds, checksum, hash. AT_ERR_NOT_FOUND: erased flash. AT_ERR_CORRUPT: *why, a
 * constant, says what is wrong. AT_ERR_IO, AT_ERR_INVALID (not inside the chip). */
at_err at_image_check(const at_flashchip *chip, uint32_t offset, uint32_t size, at_image_info *info,
                      const char **why);
/* Whether an image that begins with these bytes could be one for this chip: before a slot is erased for
 * it. NULL, or a constant that says what is wrong. */
const char *at_image_check_header(const uint8_t raw[AT_IMAGE_HEADER]);
/* Makes an image for this chip whose only segment is the description: it stands for a firmware, a
 * real part could not run it. AT_ERR_INVALID: a text is too long. */
at_err at_image_build(const char *version, const char *project, const char *idf,
                      uint8_t image[AT_IMAGE_LEN_MIN]);

#endif
