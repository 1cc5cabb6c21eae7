/* Partition tables: 96 places of 32 bytes; partitions, an MD5 of them (which ESP-AT's primary table
 * leaves out and its secondary one has), and an entry of 0xFF as the end.
 *
 * The chip has two tables. The primary one names at_customize, whose first sector holds the
 * secondary one; its entries have addresses of the chip, not of at_customize, and must lie inside
 * it behind the table. An entry of it that does not is left out with a log line.
 *
 * A table is taken as a whole or not at all: every address that leaves this file is inside the
 * chip, aligned, and not shared by two partitions of one table. Where a table is missing or damaged
 * the built-in one of the vendor's module counts. So an erased chip works without a byte written,
 * and a hostile one cannot make a caller touch what it should not.
 */
#include "storage/partition.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hash.h"

#define ENTRY     32u
#define PLACES    (AT_PARTITION_TABLE_LEN / ENTRY)
#define MAGIC     0x50aau
#define MAGIC_MD5 0xebebu
#define MAGIC_END 0xffffu

static const at_partition primary_4mb[] = {
    { "otadata", AT_PARTITION_DATA, AT_DATA_OTA, 0x00d000, 0x002000, 0 },
    { "phy_init", AT_PARTITION_DATA, AT_DATA_PHY, 0x00f000, 0x001000, 0 },
    { "nvs", AT_PARTITION_DATA, AT_DATA_NVS, 0x010000, 0x00e000, 0 },
    { "at_customize", AT_PARTITION_CUSTOM, 0x00, 0x01e000, 0x042000, 0 },
    { "ota_0", AT_PARTITION_APP, AT_APP_OTA_0, 0x060000, 0x1d0000, 0 },
    { "ota_1", AT_PARTITION_APP, AT_APP_OTA_0 + 1, 0x230000, 0x1d0000, 0 },
};
static const at_partition customize_4mb[] = {
    { "mfg_nvs", AT_PARTITION_DATA, AT_DATA_NVS, 0x01f000, 0x01f000, 0 },
    { "fatfs", AT_PARTITION_DATA, AT_DATA_FAT, 0x047000, 0x019000, 0 },
};
static const at_partition primary_2mb[] = {
    { "otadata", AT_PARTITION_DATA, AT_DATA_OTA, 0x009000, 0x002000, 0 },
    { "phy_init", AT_PARTITION_DATA, AT_DATA_PHY, 0x00b000, 0x001000, 0 },
    { "nvs", AT_PARTITION_DATA, AT_DATA_NVS, 0x00c000, 0x00e000, 0 },
    { "at_customize", AT_PARTITION_CUSTOM, 0x00, 0x01a000, 0x010000, 0 },
    { "storage", AT_PARTITION_DATA, 0x22, 0x02a000, 0x0a6000, 0 },
    { "ota_0", AT_PARTITION_APP, AT_APP_OTA_0, 0x0d0000, 0x130000, 0 },
};
static const at_partition customize_2mb[] = {
    { "mfg_nvs", AT_PARTITION_DATA, AT_DATA_NVS, 0x01b000, 0x00f000, 0 },
};

const at_partition *at_partition_builtin(uint32_t chip_size, bool customize, size_t *count)
{
    if (chip_size >= 4u << 20) {
        *count = customize ? AT_COUNT(customize_4mb) : AT_COUNT(primary_4mb);
        return customize ? customize_4mb : primary_4mb;
    }
    *count = customize ? AT_COUNT(customize_2mb) : AT_COUNT(primary_2mb);
    return customize ? customize_2mb : primary_2mb;
}

/* ---- one table ---- */

static void md5_of(const uint8_t *raw, size_t entries, uint8_t md5[AT_MD5_LEN])
{
    at_hash_of(AT_HASH_MD5, raw, entries * ENTRY, md5);
}

static void read_entry(const uint8_t *raw, at_partition *entry)
{
    at_reader r = at_reader_of(raw, ENTRY);
    (void)at_get16le(&r);
    entry->type = at_get8(&r);
    entry->subtype = at_get8(&r);
    entry->offset = at_get32le(&r);
    entry->size = at_get32le(&r);
    at_get_copy(&r, entry->label, AT_PARTITION_LABEL_MAX);
    entry->label[AT_PARTITION_LABEL_MAX] = '\0';
    entry->flags = at_get32le(&r);
}

static bool overlap(const at_partition *a, const at_partition *b)
{
    return a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

/* NULL, or what is wrong with entries[count]. */
static const char *check_entry(const at_partition *entries, size_t count, uint32_t chip_size)
{
    const at_partition *entry = &entries[count];
    uint32_t align = entry->type == AT_PARTITION_APP ? 0x10000u : AT_FLASH_SECTOR;
    if (entry->size == 0 || entry->offset > chip_size || entry->size > chip_size - entry->offset) {
        return "reaches past the chip";
    }
    if (entry->offset % align != 0) {
        return "is not aligned";
    }
    for (size_t i = 0; i < count; i++) {
        if (overlap(&entries[i], entry)) {
            return "overlaps another";
        }
    }
    return NULL;
}

at_err at_partition_parse(const uint8_t *raw, size_t len, uint32_t chip_size, at_partition *entries,
                          size_t room, size_t *count, const char **why)
{
    const char *wrong = NULL;
    bool has_md5 = false;
    *count = 0;
    for (size_t place = 0; (place + 1) * ENTRY <= len && place < PLACES; place++) {
        const uint8_t *at = raw + place * ENTRY;
        unsigned magic = at[0] | (unsigned)at[1] << 8;
        uint8_t md5[AT_MD5_LEN];
        if (magic == MAGIC_END && at[2] == 0xff && at[3] == 0xff) {
            return place == 0 ? AT_ERR_NOT_FOUND : AT_OK;
        }
        if (magic == MAGIC_MD5 && !has_md5) {
            md5_of(raw, place, md5);
            has_md5 = true;
            wrong = memcmp(md5, at + 16, sizeof md5) == 0 ? NULL : "does not match its MD5";
        } else if (magic != MAGIC || has_md5) {
            wrong = has_md5 ? "goes on after its MD5" : "has no magic number";
        } else if (*count == room) {
            return AT_ERR_NOMEM;
        } else {
            read_entry(at, &entries[*count]);
            wrong = check_entry(entries, *count, chip_size);
            *count += wrong == NULL;
        }
        if (wrong != NULL) {
            *why = wrong;
            return AT_ERR_CORRUPT;
        }
    }
    *why = "has no end";
    return AT_ERR_CORRUPT;
}

at_err at_partition_build(const at_partition *entries, size_t count, bool with_md5,
                          uint8_t raw[AT_PARTITION_TABLE_LEN])
{
    if (count + (with_md5 ? 1 : 0) >= PLACES) {
        return AT_ERR_INVALID;
    }
    memset(raw, 0xff, AT_PARTITION_TABLE_LEN);
    at_builder b = at_builder_of(raw, AT_PARTITION_TABLE_LEN);
    for (size_t i = 0; i < count; i++) {
        char label[AT_PARTITION_LABEL_MAX + 1] = { 0 };
        if (memchr(entries[i].label, '\0', sizeof label) == NULL) {
            return AT_ERR_INVALID;
        }
        at_copy_text(label, sizeof label, entries[i].label);
        at_put16le(&b, MAGIC);
        at_put8(&b, entries[i].type);
        at_put8(&b, entries[i].subtype);
        at_put32le(&b, entries[i].offset);
        at_put32le(&b, entries[i].size);
        at_put(&b, label, AT_PARTITION_LABEL_MAX);
        at_put32le(&b, entries[i].flags);
    }
    if (with_md5) {
        raw[count * ENTRY] = raw[count * ENTRY + 1] = MAGIC_MD5 & 0xff;
        md5_of(raw, count, raw + count * ENTRY + 16);
    }
    return AT_OK;
}

/* ---- the tables of a chip ---- */

typedef struct table {
    at_partition *entries;
    size_t count;
} table;

struct at_partitions {
    at_heap *heap;
    table primary, customize;
};

/* What a table is read into; short-lived. */
typedef struct scratch {
    uint8_t raw[AT_PARTITION_TABLE_LEN];
    at_partition entries[AT_PARTITION_MAX];
} scratch;

static at_err keep(at_heap *heap, table *t, const at_partition *entries, size_t count)
{
    t->entries = at_alloc(heap, AT_MAX(count, (size_t)1) * sizeof *entries);
    if (t->entries == NULL) {
        return AT_ERR_NOMEM;
    }
    memcpy(t->entries, entries, count * sizeof *entries);
    t->count = count;
    return AT_OK;
}

static at_err read_table(at_heap *heap, const at_log *log, const at_flashchip *chip, uint32_t addr,
                         table *t)
{
    scratch *s = at_alloc(heap, sizeof *s);
    if (s == NULL) {
        return AT_ERR_NOMEM;
    }
    at_err err = AT_ERR_IO;
    if (chip->read(chip->ctx, addr, s->raw, sizeof s->raw) == 0) {
        size_t count;
        const char *why = "";
        err = at_partition_parse(s->raw, sizeof s->raw, chip->size, s->entries, AT_PARTITION_MAX,
                                 &count, &why);
        if (err == AT_OK) {
            err = keep(heap, t, s->entries, count);
        } else if (err != AT_ERR_NOT_FOUND) {
            at_log(log, AT_LOG_ERROR, "flash",
                   "the partition table at 0x%x is not used: entry %u %s", (unsigned)addr,
                   (unsigned)count, err == AT_ERR_NOMEM ? "is one too many" : why);
            err = AT_ERR_CORRUPT;
        }
    }
    at_free(heap, s);
    return err;
}

/* The table on flash, or the built-in one. Erased flash costs one read of an entry. */
static at_err load_table(at_heap *heap, const at_log *log, const at_flashchip *chip, uint32_t addr,
                         bool customize, table *t)
{
    uint8_t first[4];
    if (chip->read(chip->ctx, addr, first, sizeof first) != 0) {
        return AT_ERR_IO;
    }
    at_err err = AT_ERR_NOT_FOUND;
    if ((first[0] & first[1] & first[2] & first[3]) != 0xff) {
        err = read_table(heap, log, chip, addr, t);
    }
    if (err != AT_ERR_NOT_FOUND && err != AT_ERR_CORRUPT) {
        return err;
    }
    size_t count;
    const at_partition *entries = at_partition_builtin(chip->size, customize, &count);
    return keep(heap, t, entries, count);
}

/* Leaves only what lies in at_customize, behind the table. */
static void confine(table *t, const at_partition *area, const at_log *log)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++) {
        const at_partition *entry = &t->entries[i];
        bool inside = entry->offset >= area->offset + AT_FLASH_SECTOR &&
                      entry->offset + entry->size <= area->offset + area->size;
        if (inside) {
            t->entries[kept++] = *entry;
        } else {
            at_log(log, AT_LOG_ERROR, "flash", "partition \"%s\" does not lie in at_customize",
                   entry->label);
        }
    }
    t->count = kept;
}

static const at_partition *find_label(const table *t, const char *label)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->entries[i].label, label) == 0) {
            return &t->entries[i];
        }
    }
    return NULL;
}

static const at_partition *find_type(const table *t, uint8_t type, uint8_t subtype)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->entries[i].type == type && t->entries[i].subtype == subtype) {
            return &t->entries[i];
        }
    }
    return NULL;
}

at_err at_partitions_open(at_partitions **out, at_heap *heap, const at_log *log,
                          const at_flashchip *chip)
{
    at_partitions *p = at_calloc(heap, 1, sizeof *p);
    *out = NULL;
    if (p == NULL) {
        return AT_ERR_NOMEM;
    }
    p->heap = heap;
    at_err err = load_table(heap, log, chip, AT_PARTITION_TABLE_AT, false, &p->primary);
    const at_partition *area = err == AT_OK ? find_label(&p->primary, "at_customize") : NULL;
    if (area != NULL) {
        err = load_table(heap, log, chip, area->offset, true, &p->customize);
        if (err == AT_OK) {
            confine(&p->customize, area, log);
        }
    }
    if (err != AT_OK) {
        at_partitions_close(p);
        return err;
    }
    *out = p;
    return AT_OK;
}

void at_partitions_close(at_partitions *p)
{
    if (p != NULL) {
        at_free(p->heap, p->primary.entries);
        at_free(p->heap, p->customize.entries);
        at_free(p->heap, p);
    }
}

const at_partition *at_partitions_find(const at_partitions *p, const char *label)
{
    const at_partition *found = find_label(&p->primary, label);
    return found != NULL ? found : find_label(&p->customize, label);
}

const at_partition *at_partitions_find_type(const at_partitions *p, uint8_t type, uint8_t subtype)
{
    const at_partition *found = find_type(&p->primary, type, subtype);
    return found != NULL ? found : find_type(&p->customize, type, subtype);
}

const at_partition *at_partitions_list(const at_partitions *p, bool customize, size_t *count)
{
    const table *t = customize ? &p->customize : &p->primary;
    *count = t->count;
    return t->entries;
}
