/* Which of the app slots runs: the otadata partition, as the part's boot loader and its application
 * use it (rollback enabled). */
#ifndef STORAGE_OTA_H
#define STORAGE_OTA_H

#include "core/log.h"
#include "storage/image.h"
#include "storage/partition.h"

#define AT_OTA_SLOTS 16u

typedef struct at_ota {
    const at_flashchip *chip;
    const at_log *log;
    const at_partition *data; /* otadata; NULL: none */
    const at_partition *slots[AT_OTA_SLOTS];
    unsigned count;     /* of slots, from ota_0 without a gap */
    int running;        /* slot, or -1: no slot holds an image */
    at_image_info info; /* of the running image */
} at_ota;

/* What the boot loader does: finds the slot, notes a first try of a new image, gives up one that was
 * tried and not confirmed. Never fails: without a usable image running is -1 and nothing is written.
 * partitions, chip and log must outlive *ota. */
void at_ota_boot(at_ota *ota, const at_flashchip *chip, const at_partitions *partitions,
                 const at_log *log);
/* What the application does when it is up: the running slot stays. AT_ERR_IO. */
at_err at_ota_confirm(at_ota *ota);
/* Where a new image goes: the slot after the running one. NULL: this module has one slot only. */
const at_partition *at_ota_next(const at_ota *ota);
/* The next boot tries that slot, whose image the caller has checked (at_image_check); nothing is written
 * when it does so already. AT_ERR_NOT_FOUND: no such slot; AT_ERR_IO. */
at_err at_ota_switch(at_ota *ota, unsigned slot);
/* The next boot runs what ran before. AT_ERR_UNSUPPORTED: one slot only. AT_ERR_NOT_FOUND: nothing is
 * known to have run before. AT_ERR_CORRUPT: that image is not valid any more. AT_ERR_IO. */
at_err at_ota_rollback(at_ota *ota);

#endif
