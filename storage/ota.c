/* otadata: two copies of 32 bytes, each in a sector of its own. The higher sequence number counts;
 * (seq - 1) mod slots is the slot. A copy is replaced by erasing its sector, so a cut in between
 * leaves the other copy: the slot that ran before.
 *
 * States: new -> pending verify when it is booted -> valid when the application is up; a pending one
 * that is found at boot did not come up and is aborted. Rolling back marks the running copy invalid.
 */
#include "storage/ota.h"

#include <string.h>

#include "core/bytes.h"
#include "storage/crc32.h"

#define ENTRY  32u
#define UNUSED UINT32_MAX

enum { NEW, PENDING, VALID, INVALID, ABORTED };

typedef struct copy {
    uint32_t seq, state;
    bool usable;
    bool rejected; /* invalid or aborted: an answer, not an empty sector */
} copy;

static uint32_t crc_of(uint32_t seq)
{
    uint8_t raw[4];
    at_builder b = at_builder_of(raw, sizeof raw);
    at_put32le(&b, seq);
    return at_crc32_end(at_crc32_add(AT_CRC32_START, raw, sizeof raw));
}

static uint32_t copy_at(const at_ota *ota, unsigned which)
{
    return ota->data->offset + which * AT_FLASH_SECTOR;
}

static void read_copies(const at_ota *ota, copy copies[2])
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t raw[ENTRY];
        memset(raw, 0xff, sizeof raw);
        (void)ota->chip->read(ota->chip->ctx, copy_at(ota, i), raw, sizeof raw);
        at_reader r = at_reader_of(raw, sizeof raw);
        copies[i].seq = at_get32le(&r);
        (void)at_get(&r, 20);
        copies[i].state = at_get32le(&r);
        bool sound = copies[i].seq != UNUSED && copies[i].seq != 0 &&
                     at_get32le(&r) == crc_of(copies[i].seq);
        copies[i].rejected = sound && (copies[i].state == INVALID || copies[i].state == ABORTED);
        copies[i].usable = sound && !copies[i].rejected;
    }
}

/* The copy that counts, -1: none. */
static int active(const copy copies[2])
{
    if (copies[0].usable && copies[1].usable) {
        return copies[1].seq > copies[0].seq;
    }
    return copies[0].usable ? 0 : copies[1].usable ? 1 : -1;
}

static at_err write_copy(const at_ota *ota, unsigned which, uint32_t seq, uint32_t state)
{
    uint8_t raw[ENTRY];
    memset(raw, 0xff, sizeof raw);
    at_builder head = at_builder_of(raw, 4), tail = at_builder_of(raw + 24, 8);
    at_put32le(&head, seq);
    at_put32le(&tail, state);
    at_put32le(&tail, crc_of(seq));
    const at_flashchip *chip = ota->chip;
    bool written = chip->erase(chip->ctx, copy_at(ota, which), AT_FLASH_SECTOR) == 0 &&
                   chip->program(chip->ctx, copy_at(ota, which), raw, sizeof raw) == 0;
    return written ? AT_OK : AT_ERR_IO;
}

static at_err check_slot(const at_ota *ota, unsigned slot, at_image_info *info)
{
    const char *why = "";
    const at_partition *p = ota->slots[slot];
    at_err err = at_image_check(ota->chip, p->offset, p->size, info, &why);
    if (err == AT_ERR_CORRUPT) {
        at_log(ota->log, AT_LOG_WARN, "ota", "the image in \"%s\" %s", p->label, why);
    }
    return err;
}

/* Tries first, then those below it, then those above it. */
static int find_image(at_ota *ota, int first)
{
    for (int slot = first; slot >= 0; slot--) {
        if (check_slot(ota, (unsigned)slot, &ota->info) == AT_OK) {
            return slot;
        }
    }
    for (int slot = first + 1; slot < (int)ota->count; slot++) {
        if (check_slot(ota, (unsigned)slot, &ota->info) == AT_OK) {
            return slot;
        }
    }
    return -1;
}

static void find_slots(at_ota *ota, const at_partitions *partitions)
{
    ota->data = at_partitions_find_type(partitions, AT_PARTITION_DATA, AT_DATA_OTA);
    while (ota->count < AT_OTA_SLOTS) {
        const at_partition *slot = at_partitions_find_type(partitions, AT_PARTITION_APP,
                                                           (uint8_t)(AT_APP_OTA_0 + ota->count));
        if (slot == NULL) {
            break;
        }
        ota->slots[ota->count++] = slot;
    }
    if (ota->data != NULL && ota->data->size < 2 * AT_FLASH_SECTOR) {
        ota->data = NULL;
    }
}

void at_ota_boot(at_ota *ota, const at_flashchip *chip, const at_partitions *partitions,
                 const at_log *log)
{
    copy copies[2];
    *ota = (at_ota){ .chip = chip, .log = log, .running = -1 };
    find_slots(ota, partitions);
    if (ota->count == 0 || ota->data == NULL) {
        return;
    }
    read_copies(ota, copies);
    for (unsigned i = 0; i < 2; i++) {
        if (copies[i].usable && copies[i].state == PENDING) {
            at_log(log, AT_LOG_WARN, "ota", "the new firmware never came up: back to the old one");
            (void)write_copy(ota, i, copies[i].seq, ABORTED);
            copies[i].usable = false;
            copies[i].rejected = true;
        }
    }
    int which = active(copies);
    int wanted = which >= 0 ? (int)((copies[which].seq - 1) % ota->count) : 0;
    ota->running = find_image(ota, wanted);
    if (ota->running < 0) {
        return;
    }
    if (which < 0 && !copies[0].rejected && !copies[1].rejected) {
        (void)write_copy(ota, 0, (uint32_t)ota->running + 1, VALID);
    } else if (which >= 0 && copies[which].state == NEW && ota->running == wanted) {
        (void)write_copy(ota, (unsigned)which, copies[which].seq, PENDING);
    }
}

at_err at_ota_confirm(at_ota *ota)
{
    copy copies[2];
    if (ota->running < 0) {
        return AT_OK;
    }
    read_copies(ota, copies);
    int which = active(copies);
    if (which < 0 || copies[which].state != PENDING) {
        return AT_OK;
    }
    return write_copy(ota, (unsigned)which, copies[which].seq, VALID);
}

const at_partition *at_ota_next(const at_ota *ota)
{
    return ota->count > 1 ? ota->slots[(unsigned)(ota->running + 1) % ota->count] : NULL;
}

at_err at_ota_switch(at_ota *ota, unsigned slot)
{
    copy copies[2];
    if (slot >= ota->count || ota->data == NULL) {
        return AT_ERR_NOT_FOUND;
    }
    read_copies(ota, copies);
    int which = active(copies);
    if (which < 0) {
        return write_copy(ota, 0, slot + 1, NEW);
    }
    if (copies[which].state == NEW && (copies[which].seq - 1) % ota->count == slot) {
        return AT_OK; /* written over before it was tried: the other copy still names the old one */
    }
    uint32_t seq = (slot + 1) % ota->count;
    seq = seq == 0 ? ota->count : seq;
    if (seq < copies[which].seq) {
        uint32_t rounds = (copies[which].seq - seq + ota->count - 1) / ota->count;
        seq += rounds * ota->count;
    }
    return write_copy(ota, (unsigned)(1 - which), seq, NEW);
}

at_err at_ota_rollback(at_ota *ota)
{
    copy copies[2];
    at_image_info info;
    if (ota->count < 2 || ota->data == NULL) {
        return AT_ERR_UNSUPPORTED;
    }
    read_copies(ota, copies);
    int which = active(copies);
    if (which < 0 || !copies[1 - which].usable) {
        return AT_ERR_NOT_FOUND;
    }
    at_err err = check_slot(ota, (copies[1 - which].seq - 1) % ota->count, &info);
    if (err != AT_OK) {
        return err == AT_ERR_IO ? err : AT_ERR_CORRUPT;
    }
    return write_copy(ota, (unsigned)which, copies[which].seq, INVALID);
}
