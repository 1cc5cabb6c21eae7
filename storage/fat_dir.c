/* Directories: slots of 32 bytes. A file is one slot, behind as many as its long name needs (13
 * units each, the last part first, each with a checksum of the short name). A first byte of 0xE5 is
 * a free slot, of 0 a free slot with nothing but free ones behind it.
 *
 * The slot of the file itself is what counts: it is written after those of its long name and taken
 * away before them, so a cut leaves at most parts of a long name that belong to nothing, which
 * everybody passes over. Directories are never made or made longer: on the part AT+FS has none.
 */
#include <string.h>

#include "core/bytes.h"
#include "storage/fat_priv.h"

#define UNITS    13u /* of a long name in one slot */
#define PARTS    20u /* slots of a long name at most */
#define LAST     0x40u
#define FREE     0xe5u
#define DATE     0x0021u /* 1 January 1980: the module need not know the time */
#define NUMBERS  4000u   /* short names tried before the directory counts as full */
#define ROOT_MAX 65536u  /* slots of one directory that are looked at */

at_err fat_slot_at(at_fat *fs, uint32_t dir, uint32_t slot, uint32_t *at)
{
    if (dir == 0) {
        *at = fs->root_at + slot * FAT_SLOT;
        return slot < fs->root_slots ? AT_OK : AT_ERR_NOT_FOUND;
    }
    uint32_t cluster = dir;
    for (uint32_t n = slot * FAT_SLOT / fs->cluster; n > 0 && fat_valid(fs, cluster); n--) {
        cluster = fs->table[cluster];
    }
    if (!fat_valid(fs, cluster) || slot >= ROOT_MAX) {
        return AT_ERR_NOT_FOUND;
    }
    *at = fat_cluster_at(fs, cluster) + slot * FAT_SLOT % fs->cluster;
    return AT_OK;
}

static at_err read_slot(at_fat *fs, uint32_t dir, uint32_t slot, uint8_t raw[FAT_SLOT])
{
    uint32_t at;
    at_err err = fat_slot_at(fs, dir, slot, &at);
    return err == AT_OK ? fat_disk_read(&fs->disk, at, raw, FAT_SLOT) : err;
}

/* Positions of the units in a slot. */
static unsigned unit_at(unsigned n)
{
    return n < 5 ? 1 + 2 * n : n < 11 ? 14 + 2 * (n - 5) : 28 + 2 * (n - 11);
}

/* A long name while its slots pass by. */
typedef struct long_name {
    uint16_t units[PARTS * UNITS];
    unsigned next; /* the part expected now; 0: all have come */
    bool active;
    uint8_t sum;
    uint32_t first_slot;
    size_t count;
} long_name;

static void take_part(long_name *l, uint32_t slot, const uint8_t raw[FAT_SLOT])
{
    unsigned part = raw[0] & 0x1fu;
    if ((raw[0] & LAST) != 0) {
        l->active = part >= 1 && part <= PARTS;
        l->next = part;
        l->sum = raw[13];
        l->first_slot = slot;
        l->count = (size_t)part * UNITS;
    }
    if (!l->active || part != l->next || raw[13] != l->sum || part == 0) {
        l->active = false;
        return;
    }
    l->next--;
    for (unsigned i = 0; i < UNITS; i++) {
        size_t at = l->next * UNITS + i;
        l->units[at] = fat_get16(raw + unit_at(i));
        if (l->units[at] == 0 && at < l->count) {
            l->count = at;
        }
    }
}

static void fill_entry(const long_name *l, uint32_t dir, uint32_t slot, const uint8_t raw[FAT_SLOT],
                       fat_entry *entry)
{
    bool named = l->active && l->next == 0 && l->sum == fat_name_sum(raw) && l->count > 0 &&
                 l->count <= AT_FAT_NAME_MAX;
    entry->dir = dir;
    entry->slot = slot;
    entry->first_slot = named ? l->first_slot : slot;
    entry->attributes = raw[11];
    entry->start = fat_get16(raw + 26);
    entry->size = (raw[11] & FAT_ATTR_DIRECTORY) != 0 ? 0 : fat_get32(raw + 28);
    memcpy(entry->short_name, raw, sizeof entry->short_name);
    if (named) {
        fat_name_text(l->units, l->count, entry->name);
    } else {
        fat_name_from_short(raw, entry->name);
    }
}

at_err fat_dir_next(at_fat *fs, uint32_t dir, uint32_t *slot, fat_entry *entry)
{
    uint8_t raw[FAT_SLOT];
    long_name l = { .active = false };
    at_err err;
    while ((err = read_slot(fs, dir, *slot, raw)) == AT_OK) {
        uint32_t here = *slot;
        if (raw[0] == 0) {
            return AT_ERR_NOT_FOUND; /* stays at the end */
        }
        ++*slot;
        if (raw[0] == FREE) {
            l.active = false;
        } else if ((raw[11] & 0x3f) == FAT_ATTR_LONG) {
            take_part(&l, here, raw);
        } else if ((raw[11] & FAT_ATTR_VOLUME) != 0 || raw[0] == '.') {
            l.active = false;
        } else {
            fill_entry(&l, dir, here, raw, entry);
            return AT_OK;
        }
    }
    return err;
}

static at_err find(at_fat *fs, uint32_t dir, const char *name, fat_entry *entry)
{
    uint32_t slot = 0;
    at_err err;
    while ((err = fat_dir_next(fs, dir, &slot, entry)) == AT_OK) {
        uint8_t raw[FAT_SLOT] = { 0 };
        char alias[AT_FAT_TEXT_MAX];
        memcpy(raw, entry->short_name, sizeof entry->short_name);
        fat_name_from_short(raw, alias);
        if (fat_name_same(entry->name, name) || fat_name_same(alias, name)) {
            return AT_OK;
        }
    }
    return err;
}

at_err fat_lookup(at_fat *fs, const char *path, fat_entry *entry)
{
    uint16_t units[AT_FAT_NAME_MAX];
    char name[AT_FAT_TEXT_MAX];
    *entry = (fat_entry){ .attributes = FAT_ATTR_DIRECTORY };
    path += strcmp(path, ".") == 0;
    path += strncmp(path, "./", 2) == 0 ? 2 : strspn(path, "/");
    while (*path != '\0') {
        size_t len = strcspn(path, "/");
        if (len >= sizeof name || fat_name_units(path, len, units) == 0) {
            return AT_ERR_INVALID;
        }
        if ((entry->attributes & FAT_ATTR_DIRECTORY) == 0) {
            return AT_ERR_NOT_FOUND;
        }
        uint32_t dir = entry->start;
        memcpy(name, path, len);
        name[len] = '\0';
        path += len + strspn(path + len, "/");
        at_err err = find(fs, dir, name, entry);
        if (err != AT_OK) {
            *entry = (fat_entry){ .dir = dir };
            at_copy_text(entry->name, sizeof entry->name, *path == '\0' ? name : "");
            return err;
        }
    }
    return AT_OK;
}

/* ---- changes ---- */

static bool taken(at_fat *fs, uint32_t dir, const uint8_t short_name[11], at_err *err)
{
    uint8_t raw[FAT_SLOT];
    for (uint32_t slot = 0; (*err = read_slot(fs, dir, slot, raw)) == AT_OK && raw[0] != 0;
         slot++) {
        if (raw[0] != FREE && (raw[11] & FAT_ATTR_VOLUME) == 0 &&
            memcmp(raw, short_name, 11) == 0) {
            return true;
        }
    }
    *err = *err == AT_ERR_NOT_FOUND ? AT_OK : *err;
    return false;
}

static at_err choose_short(at_fat *fs, fat_entry *entry, bool *whole)
{
    at_err err = AT_OK;
    *whole = fat_name_shorten(entry->name, entry->short_name);
    if (*whole && !taken(fs, entry->dir, entry->short_name, &err)) {
        return err;
    }
    *whole = false;
    for (unsigned number = 1; number <= NUMBERS && err == AT_OK; number++) {
        (void)fat_name_shorten(entry->name, entry->short_name);
        fat_name_number(entry->short_name, number);
        if (!taken(fs, entry->dir, entry->short_name, &err)) {
            return err;
        }
    }
    return err == AT_OK ? AT_ERR_NOMEM : err;
}

at_err fat_dir_place(at_fat *fs, fat_entry *entry)
{
    uint16_t units[AT_FAT_NAME_MAX];
    uint8_t raw[FAT_SLOT] = { 0 };
    bool whole, ended = false;
    at_err err = choose_short(fs, entry, &whole);
    size_t count = fat_name_units(entry->name, strlen(entry->name), units);
    uint32_t want = whole ? 1 : 1 + (uint32_t)(count + UNITS - 1) / UNITS, run = 0;
    for (uint32_t slot = 0; err == AT_OK; slot++) {
        err = read_slot(fs, entry->dir, slot, raw);
        ended = ended || (err == AT_OK && raw[0] == 0);
        run = ended || raw[0] == FREE ? run + 1 : 0;
        if (err == AT_OK && run == want) {
            entry->first_slot = slot + 1 - want;
            entry->slot = slot;
            return AT_OK;
        }
    }
    return err == AT_ERR_NOT_FOUND ? AT_ERR_NOMEM : err;
}

static at_err write_slot(at_fat *fs, const fat_entry *entry, uint32_t slot,
                         const uint8_t raw[FAT_SLOT])
{
    uint32_t at;
    at_err err = fat_slot_at(fs, entry->dir, slot, &at);
    return err == AT_OK ? fat_disk_write(&fs->disk, at, raw, FAT_SLOT, false) : err;
}

static void make_part(const uint16_t *units, size_t count, unsigned part, bool last, uint8_t sum,
                      uint8_t raw[FAT_SLOT])
{
    memset(raw, 0, FAT_SLOT);
    raw[0] = (uint8_t)(part + 1 + (last ? LAST : 0));
    raw[11] = FAT_ATTR_LONG;
    raw[13] = sum;
    for (unsigned i = 0; i < UNITS; i++) {
        size_t at = part * UNITS + i;
        fat_put16(raw + unit_at(i), at < count ? units[at] : at == count ? 0 : 0xffff);
    }
}

/* When the entry takes the last of the used slots and what follows is not marked as free. */
static at_err move_end(at_fat *fs, const fat_entry *entry)
{
    uint8_t raw[FAT_SLOT];
    bool ended = false;
    for (uint32_t slot = entry->first_slot; slot <= entry->slot; slot++) {
        at_err err = read_slot(fs, entry->dir, slot, raw);
        if (err != AT_OK) {
            return err;
        }
        ended = ended || raw[0] == 0;
    }
    at_err err = ended ? read_slot(fs, entry->dir, entry->slot + 1, raw) : AT_ERR_NOT_FOUND;
    if (err != AT_OK || raw[0] == 0) {
        return err == AT_ERR_NOT_FOUND ? AT_OK : err;
    }
    memset(raw, 0, sizeof raw);
    return write_slot(fs, entry, entry->slot + 1, raw);
}

at_err fat_dir_add(at_fat *fs, const fat_entry *entry)
{
    uint16_t units[AT_FAT_NAME_MAX];
    uint8_t raw[FAT_SLOT];
    size_t count = fat_name_units(entry->name, strlen(entry->name), units);
    unsigned parts = entry->slot - entry->first_slot;
    at_err err = move_end(fs, entry);
    for (unsigned part = parts; part > 0 && err == AT_OK; part--) {
        make_part(units, count, part - 1, part == parts, fat_name_sum(entry->short_name), raw);
        err = write_slot(fs, entry, entry->slot - part, raw);
    }
    if (err != AT_OK) {
        return err;
    }
    memset(raw, 0, sizeof raw);
    memcpy(raw, entry->short_name, sizeof entry->short_name);
    raw[11] = 0x20; /* "archive": changed, as every system sets it */
    fat_put16(raw + 16, DATE);
    fat_put16(raw + 18, DATE);
    fat_put16(raw + 24, DATE);
    fat_put16(raw + 26, entry->start);
    fat_put32(raw + 28, entry->size);
    return write_slot(fs, entry, entry->slot, raw);
}

at_err fat_dir_update(at_fat *fs, const fat_entry *entry)
{
    uint8_t raw[FAT_SLOT];
    at_err err = read_slot(fs, entry->dir, entry->slot, raw);
    fat_put16(raw + 26, entry->start);
    fat_put32(raw + 28, entry->size);
    return err == AT_OK ? write_slot(fs, entry, entry->slot, raw) : err;
}

at_err fat_dir_drop(at_fat *fs, const fat_entry *entry)
{
    uint8_t raw[FAT_SLOT];
    at_err err = AT_OK;
    for (uint32_t slot = entry->slot + 1; slot-- > entry->first_slot && err == AT_OK;) {
        err = read_slot(fs, entry->dir, slot, raw);
        raw[0] = FREE;
        err = err == AT_OK ? write_slot(fs, entry, slot, raw) : err;
    }
    return err;
}
