/* Mounting, the check that goes with it, and formatting.
 *
 * The check walks the tree once and marks every cluster that is in a chain. It leaves a volume that
 * can be written without fear: no cluster in two chains, no loop, no file shorter than it says. If
 * that cannot be had, the volume is damaged and never written. What a power cut leaves is no damage:
 * clusters in no chain become free, a chain that is longer than its file is cut, in memory and with
 * the next writing of the table on flash.
 *
 * We make what FatFs makes on the part's 100 KiB: FAT12 with sectors and clusters of 512 bytes, two
 * tables, 512 slots in the root; the first block of 4096 bytes then holds both tables and the first
 * 80 slots, so most changes are one block, hence one step.
 */
#include <string.h>

#include "core/bytes.h"
#include "storage/fat_priv.h"

#define SECTOR     512u
#define ROOT_SLOTS 512u
#define DEPTH_MAX  8u    /* of directories; the part's paths are not longer either */
#define FAT12_MAX  4084u /* clusters */
#define FAT16_MAX  65524u

/* ---- the boot sector ---- */

static bool is_power_of_2(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* AT_ERR_NOT_FOUND, AT_ERR_UNSUPPORTED, AT_ERR_CORRUPT as at_fat_mount. */
static at_err parse_boot(at_fat *fs, const uint8_t raw[SECTOR], uint32_t room)
{
    uint32_t sector = fat_get16(raw + 11), per_cluster = raw[13], reserved = fat_get16(raw + 14);
    uint32_t sectors = fat_get16(raw + 19), table = fat_get16(raw + 22);
    if (fat_get16(raw + 510) != 0xaa55 || (raw[0] != 0xeb && raw[0] != 0xe9)) {
        return AT_ERR_NOT_FOUND;
    }
    if (memcmp(raw + 3, "EXFAT   ", 8) == 0 || table == 0) {
        return AT_ERR_UNSUPPORTED;
    }
    sectors = sectors != 0 ? sectors : fat_get32(raw + 32);
    fs->copies = raw[16];
    fs->root_slots = fat_get16(raw + 17);
    if (!is_power_of_2(sector) || sector < SECTOR || sector > FAT_BLOCK ||
        !is_power_of_2(per_cluster) || reserved == 0 || fs->copies == 0 || fs->copies > 2 ||
        fs->root_slots == 0 || sectors > room / sector) {
        return AT_ERR_CORRUPT;
    }
    uint32_t root = (fs->root_slots * FAT_SLOT + sector - 1) / sector;
    uint32_t before = reserved + fs->copies * table + root;
    if (before >= sectors) {
        return AT_ERR_CORRUPT;
    }
    fs->total = sectors * sector;
    fs->table_at = reserved * sector;
    fs->table_size = table * sector;
    fs->root_at = fs->table_at + fs->copies * fs->table_size;
    fs->data_at = before * sector;
    fs->cluster = per_cluster * sector;
    fs->clusters = (sectors - before) / per_cluster;
    fs->bits = fs->clusters <= FAT12_MAX ? 12 : 16;
    bool holds = (fs->clusters + 2) * fs->bits <= fs->table_size * 8;
    return holds && fs->clusters > 0 && fs->clusters <= FAT16_MAX ? AT_OK : AT_ERR_CORRUPT;
}

/* ---- the check ---- */

static bool is_seen(const at_fat *fs, uint32_t cluster)
{
    return (fs->seen[cluster / 8] >> cluster % 8 & 1) != 0;
}

static void damage(at_fat *fs, const char *name, const char *what)
{
    at_log(fs->log, AT_LOG_ERROR, "fat", "\"%.40s\" %s: the file system is not written any more",
           name, what);
    fs->damaged = true;
}

/* Marks a chain of which want clusters are needed (UINT32_MAX: all there are). */
static void mark_chain(at_fat *fs, const char *name, uint32_t start, uint32_t want)
{
    uint32_t cluster = start, last = 0, count = 0;
    while (fat_valid(fs, cluster) && !is_seen(fs, cluster) && count < want) {
        fs->seen[cluster / 8] |= (uint8_t)(1u << cluster % 8);
        last = cluster;
        cluster = fs->table[cluster];
        count++;
    }
    bool ended = cluster == FAT_END;
    if (count == want) {
        if (!ended && last != 0) {
            fat_set(fs, last, FAT_END); /* a cut came between the table and the new size */
        }
    } else if (!ended || want != UINT32_MAX) {
        damage(fs, name,
               fat_valid(fs, cluster) ? "shares clusters with another file or itself"
                                      : "is shorter than it says");
        if (last != 0) {
            fs->table[last] = FAT_END; /* only here: nothing may run in circles */
        }
    }
}

typedef struct level {
    uint32_t dir, slot;
} level;

static at_err mark_tree(at_fat *fs)
{
    level levels[DEPTH_MAX] = { { 0, 0 } };
    unsigned depth = 0;
    fat_entry entry;
    for (;;) {
        at_err err = fat_dir_next(fs, levels[depth].dir, &levels[depth].slot, &entry);
        if (err == AT_ERR_NOT_FOUND) {
            if (depth-- == 0) {
                return AT_OK;
            }
            continue;
        }
        if (err != AT_OK) {
            return err;
        }
        bool dir = (entry.attributes & FAT_ATTR_DIRECTORY) != 0;
        bool again = fat_valid(fs, entry.start) && is_seen(fs, entry.start);
        uint32_t want = entry.size / fs->cluster + (entry.size % fs->cluster != 0);
        if (!dir && want == 0) {
            continue; /* its start, if any, becomes free: the next write replaces it */
        }
        mark_chain(fs, entry.name, entry.start, dir ? UINT32_MAX : want);
        if (dir && !again && fat_valid(fs, entry.start)) {
            if (depth + 1 == DEPTH_MAX) {
                damage(fs, entry.name, "lies too deep");
            } else {
                levels[++depth] = (level){ .dir = entry.start };
            }
        } else if (dir) {
            damage(fs, entry.name, "is no directory");
        }
    }
}

static void free_lost(at_fat *fs)
{
    unsigned lost = 0;
    for (uint32_t i = 2; i < fs->clusters + 2 && !fs->damaged; i++) {
        if (fs->table[i] != FAT_FREE && fs->table[i] != FAT_BAD && !is_seen(fs, i)) {
            fat_set(fs, i, FAT_FREE);
            lost++;
        }
    }
    if (lost > 0) {
        at_log(fs->log, AT_LOG_INFO, "fat", "%u clusters belonged to no file and are free", lost);
    }
}

static at_err check(at_fat *fs)
{
    fs->seen = at_calloc(fs->heap, (fs->clusters + 1) / 8 + 1, 1); /* the last is clusters + 1 */
    if (fs->seen == NULL) {
        return AT_ERR_NOMEM;
    }
    at_err err = mark_tree(fs);
    if (err == AT_OK) {
        free_lost(fs);
    }
    at_free(fs->heap, fs->seen);
    fs->seen = NULL;
    if (err != AT_OK || fs->disk.read_only || fs->damaged) {
        return err;
    }
    err = fat_table_sync(fs);
    return err == AT_OK ? fat_disk_flush(&fs->disk) : err;
}

/* ---- mounting ---- */

static bool is_inside(const at_flashchip *chip, uint32_t offset, uint32_t size)
{
    return offset % FAT_BLOCK == 0 && size % FAT_BLOCK == 0 && size > 0 && size <= chip->size &&
           offset <= chip->size - size;
}

static at_err mount(at_fat *fs, const at_flashchip *chip, uint32_t offset, uint32_t size,
                    bool read_only)
{
    uint8_t raw[SECTOR];
    uint8_t *cache = at_alloc(fs->heap, FAT_BLOCK);
    if (cache == NULL) {
        return AT_ERR_NOMEM;
    }
    fs->disk.cache = cache;
    at_err err = fat_disk_open(&fs->disk, chip, offset, size, read_only, cache);
    if (err == AT_OK) {
        err = fat_disk_read(&fs->disk, 0, raw, sizeof raw);
    }
    if (err == AT_OK) {
        err = parse_boot(fs, raw, fs->disk.blocks * FAT_BLOCK);
    }
    if (err == AT_OK) {
        fat_disk_limit(&fs->disk, fs->total);
        err = fat_table_load(fs);
    }
    return err == AT_OK ? check(fs) : err;
}

at_err at_fat_mount(at_fat **out, at_heap *heap, const at_log *log, const at_flashchip *chip,
                    uint32_t offset, uint32_t size, at_fat_mode mode)
{
    *out = NULL;
    if (!is_inside(chip, offset, size)) {
        return AT_ERR_INVALID;
    }
    at_fat *fs = at_calloc(heap, 1, sizeof *fs);
    if (fs == NULL) {
        return AT_ERR_NOMEM;
    }
    fs->heap = heap;
    fs->log = log;
    at_err err = mount(fs, chip, offset, size, mode == AT_FAT_READ_ONLY);
    if (err != AT_OK) {
        at_fat_unmount(fs);
        return err;
    }
    *out = fs;
    return AT_OK;
}

void at_fat_unmount(at_fat *fs)
{
    if (fs != NULL) {
        at_free(fs->heap, fs->disk.cache);
        at_free(fs->heap, fs->table);
        at_free(fs->heap, fs);
    }
}

/* ---- making volumes ---- */

static uint32_t table_sectors(uint32_t clusters)
{
    uint32_t bits = clusters <= FAT12_MAX ? 12 : 16;
    return ((clusters + 2) * bits + SECTOR * 8 - 1) / (SECTOR * 8);
}

/* Sectors per cluster, the smallest that keeps FAT12; and sectors of a table. */
static void choose(uint32_t sectors, uint32_t *per_cluster, uint32_t *table)
{
    uint32_t root = ROOT_SLOTS * FAT_SLOT / SECTOR;
    *per_cluster = 1;
    while (sectors / *per_cluster > FAT12_MAX && *per_cluster < 64) {
        *per_cluster *= 2;
    }
    *table = 1;
    for (;;) {
        uint32_t clusters = (sectors - 1 - root - 2 * *table) / *per_cluster;
        if (table_sectors(clusters) <= *table) {
            return;
        }
        ++*table;
    }
}

static void make_boot(uint32_t sectors, uint32_t per_cluster, uint32_t table, uint8_t raw[SECTOR])
{
    static const uint8_t label[] = { 'N', 'O', ' ', 'N', 'A', 'M', 'E', ' ', ' ', ' ', ' ' };
    static const uint8_t kind[] = { 'F', 'A', 'T', '1', '2', ' ', ' ', ' ' };
    static const uint8_t start[] = { 0xeb, 0xfe, 0x90, 'M', 'S', 'D', 'O', 'S', '5', '.', '0' };
    memset(raw, 0, SECTOR);
    memcpy(raw, start, sizeof start);
    fat_put16(raw + 11, SECTOR);
    raw[13] = (uint8_t)per_cluster;
    fat_put16(raw + 14, 1);
    raw[16] = 2;
    fat_put16(raw + 17, ROOT_SLOTS);
    fat_put16(raw + 19, sectors < 0x10000 ? sectors : 0);
    raw[21] = 0xf8;
    fat_put16(raw + 22, table);
    fat_put16(raw + 24, 63);
    fat_put16(raw + 26, 255);
    fat_put32(raw + 32, sectors < 0x10000 ? 0 : sectors);
    raw[36] = 0x80;
    raw[38] = 0x29;
    fat_put32(raw + 39, 0x61747461u ^ sectors); /* the volume's number: any */
    memcpy(raw + 43, label, sizeof label);
    memcpy(raw + 54, kind, sizeof kind);
    fat_put16(raw + 510, 0xaa55);
}

static at_err zero(fat_disk *d, uint32_t from, uint32_t to)
{
    static const uint8_t none[SECTOR] = { 0 };
    at_err err = AT_OK;
    for (uint32_t at = from; at < to && err == AT_OK; at += SECTOR) {
        err = fat_disk_write(d, at, none, SECTOR, true);
    }
    return err;
}

static at_err make_volume(fat_disk *d)
{
    uint8_t boot[SECTOR];
    uint32_t sectors = d->blocks * (FAT_BLOCK / SECTOR), per_cluster, table;
    choose(sectors, &per_cluster, &table);
    make_boot(sectors, per_cluster, table, boot);
    bool wide =
        (sectors - 1 - 2 * table - ROOT_SLOTS * FAT_SLOT / SECTOR) / per_cluster > FAT12_MAX;
    const uint8_t ends[4] = { 0xf8, 0xff, 0xff, wide ? 0xff : 0x00 };
    at_err err = fat_disk_write(d, 0, boot, sizeof boot, true);
    uint32_t end = (1 + 2 * table) * SECTOR + ROOT_SLOTS * FAT_SLOT;
    err = err == AT_OK ? zero(d, SECTOR, end) : err;
    for (unsigned copy = 0; copy < 2 && err == AT_OK; copy++) {
        err = fat_disk_write(d, (1 + copy * table) * SECTOR, ends, sizeof ends, true);
    }
    return err;
}

/* Erases, fills (image NULL: an empty volume), and makes it valid. */
static at_err make(at_heap *heap, const at_flashchip *chip, uint32_t offset, uint32_t size,
                   const void *image, uint32_t len)
{
    fat_disk d;
    if (!is_inside(chip, offset, size) || size < AT_FAT_SIZE_MIN) {
        return AT_ERR_INVALID;
    }
    uint8_t *cache = at_alloc(heap, FAT_BLOCK);
    if (cache == NULL) {
        return AT_ERR_NOMEM;
    }
    at_err err = fat_disk_format(&d, chip, offset, size, cache);
    if (err == AT_OK && image == NULL) {
        err = make_volume(&d);
    } else if (err == AT_OK) {
        err = len <= d.blocks * FAT_BLOCK ? fat_disk_write(&d, 0, image, len, true) : AT_ERR_NOMEM;
    }
    if (err == AT_OK) {
        err = fat_disk_seal(&d, size);
    }
    at_free(heap, cache);
    return err;
}

at_err at_fat_format(at_heap *heap, const at_flashchip *chip, uint32_t offset, uint32_t size)
{
    return make(heap, chip, offset, size, NULL, 0);
}

at_err at_fat_import(at_heap *heap, const at_flashchip *chip, uint32_t offset, uint32_t size,
                     const void *image, uint32_t len)
{
    return make(heap, chip, offset, size, image, len);
}
