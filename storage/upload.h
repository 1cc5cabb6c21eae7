/* Bytes that come in order into a partition, which is erased as they come: for images that are longer
 * than memory. */
#ifndef STORAGE_UPLOAD_H
#define STORAGE_UPLOAD_H

#include "core/error.h"
#include "storage/partition.h"

typedef struct at_upload {
    const at_flashchip *chip;
    uint32_t offset, size; /* of the partition */
    uint32_t written;      /* bytes so far */
    uint32_t erased;       /* bytes from the partition's start, whole sectors */
} at_upload;

/* Nothing is touched yet. chip must outlive *upload, partition need not. */
void at_upload_start(at_upload *upload, const at_flashchip *chip, const at_partition *partition);
/* AT_ERR_INVALID: more than the partition holds, nothing of data was written; AT_ERR_IO. */
at_err at_upload_add(at_upload *upload, const void *data, uint32_t len);
/* Erases what lies behind the last byte, so that nothing of the old contents is left. AT_ERR_IO. */
at_err at_upload_clear_rest(at_upload *upload);

#endif
