/* Partition tables: the primary one at 0x8000, and ESP-AT's own in partition at_customize. */
#ifndef STORAGE_PARTITION_H
#define STORAGE_PARTITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "iface/flashchip.h"

#define AT_PARTITION_TABLE_AT  0x8000u /* of the primary table */
#define AT_PARTITION_TABLE_LEN 0xc00u  /* bytes of a table, unused ones 0xFF */
#define AT_PARTITION_MAX       95u     /* entries, one place is for the end */
#define AT_PARTITION_LABEL_MAX 16u     /* characters */

enum { AT_PARTITION_APP = 0x00, AT_PARTITION_DATA = 0x01, AT_PARTITION_CUSTOM = 0x40 };
enum { AT_APP_OTA_0 = 0x10 };
enum { AT_DATA_OTA = 0x00, AT_DATA_PHY = 0x01, AT_DATA_NVS = 0x02, AT_DATA_FAT = 0x81 };

typedef struct at_partition {
    char label[AT_PARTITION_LABEL_MAX + 1];
    uint8_t type, subtype;
    uint32_t offset, size; /* bytes, from the start of the chip */
    uint32_t flags;        /* bit 0 encrypted, bit 1 read-only */
} at_partition;

/* Reads a table of len bytes for a chip of chip_size bytes. AT_ERR_NOT_FOUND: erased flash, no
 * table.
 * AT_ERR_CORRUPT: *why says what is wrong (a constant, with *count the number of the entry).
 * AT_ERR_NOMEM: more than room entries. *why is untouched otherwise. */
at_err at_partition_parse(const uint8_t *raw, size_t len, uint32_t chip_size, at_partition *entries,
                          size_t room, size_t *count, const char **why);
/* Makes a table. AT_ERR_INVALID: too many entries, or a label that is too long. */
at_err at_partition_build(const at_partition *entries, size_t count, bool with_md5,
                          uint8_t raw[AT_PARTITION_TABLE_LEN]);
/* The layout of the vendor's module with a chip of that size (4 MiB, or 2 MiB for every other), the
 * primary table or the one of at_customize. Constant. */
const at_partition *at_partition_builtin(uint32_t chip_size, bool customize, size_t *count);

/* Both tables of a chip. */
typedef struct at_partitions at_partitions;

/* Reads both tables. Where flash holds none, or a damaged one (logged), the built-in one counts;
 * nothing is written. AT_ERR_NOMEM, AT_ERR_IO. */
at_err at_partitions_open(at_partitions **partitions, at_heap *heap, const at_log *log,
                          const at_flashchip *chip);
void at_partitions_close(at_partitions *partitions); /* NULL is allowed */
/* Both NULL when there is none; the primary table is looked at first. */
const at_partition *at_partitions_find(const at_partitions *partitions, const char *label);
const at_partition *at_partitions_find_type(const at_partitions *partitions, uint8_t type,
                                            uint8_t subtype);
/* The entries of one table; what AT+SYSFLASH? lists is that of at_customize. */
const at_partition *at_partitions_list(const at_partitions *partitions, bool customize,
                                       size_t *count);

#endif
