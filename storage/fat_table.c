/* The allocation table: read whole when the volume is mounted (two bytes a cluster), changed in
 * memory, written by fat_table_sync, which ends one step of an operation. Values are kept as on
 * flash but for the ends of chains, which have one value; entries of 12 bits are written in pairs,
 * so that no byte is half of one entry and half of an unknown one.
 */
#include "core/bytes.h"
#include "storage/fat_priv.h"

#define PIECE 384u /* bytes read at once; a multiple of 3 */

bool fat_valid(const at_fat *fs, uint32_t cluster)
{
    return cluster >= 2 && cluster < fs->clusters + 2;
}

uint32_t fat_cluster_at(const at_fat *fs, uint32_t cluster)
{
    return fs->data_at + (cluster - 2) * fs->cluster;
}

static uint16_t widen(const at_fat *fs, uint32_t raw)
{
    uint32_t end = fs->bits == 12 ? 0xff8u : 0xfff8u;
    if (raw >= end) {
        return FAT_END;
    }
    return (uint16_t)(raw == end - 1 ? FAT_BAD : raw);
}

static void decode(at_fat *fs, uint32_t first, const uint8_t *raw, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value;
        if (fs->bits == 16) {
            value = fat_get16(raw + 2 * i);
        } else {
            const uint8_t *pair = raw + i / 2 * 3;
            value = i % 2 == 0 ? fat_get16(pair) & 0xfffu : fat_get16(pair + 1) >> 4;
        }
        fs->table[first + i] = widen(fs, value);
    }
}

at_err fat_table_load(at_fat *fs)
{
    uint8_t raw[PIECE];
    uint32_t step = fs->bits == 12 ? PIECE / 3 * 2 : PIECE / 2, all = fs->clusters + 2;
    fs->table = at_alloc(fs->heap, ((size_t)all + 1) * sizeof *fs->table);
    at_err err = fs->table != NULL ? AT_OK : AT_ERR_NOMEM;
    for (uint32_t first = 0; first < all && err == AT_OK; first += step) {
        uint32_t count = AT_MIN(step, all - first);
        uint32_t at = first * fs->bits / 8, len = (count * fs->bits + 7) / 8;
        err = fat_disk_read(&fs->disk, fs->table_at + at, raw, len);
        if (err == AT_OK) {
            decode(fs, first, raw, count);
        }
    }
    fs->low = UINT32_MAX;
    fs->high = 0;
    fs->hint = 2;
    return err;
}

void fat_set(at_fat *fs, uint32_t cluster, uint16_t next)
{
    if (fs->table[cluster] != next) {
        fs->table[cluster] = next;
        fs->low = AT_MIN(fs->low, cluster);
        fs->high = AT_MAX(fs->high, cluster);
    }
}

static uint32_t narrow(const at_fat *fs, uint32_t cluster)
{
    uint32_t value = cluster < fs->clusters + 2 ? fs->table[cluster] : 0;
    return fs->bits == 12 ? value & 0xfffu : value;
}

static at_err write_pair(at_fat *fs, uint32_t copy_at, uint32_t even)
{
    uint8_t raw[4];
    uint32_t first = narrow(fs, even), second = narrow(fs, even + 1);
    bool last = even + 2 > fs->clusters + 2; /* no second entry: its bytes need not exist */
    if (fs->bits == 16) {
        fat_put16(raw, first);
        fat_put16(raw + 2, second);
        return fat_disk_write(&fs->disk, copy_at + 2 * even, raw, last ? 2 : 4, false);
    }
    raw[0] = (uint8_t)first;
    raw[1] = (uint8_t)(first >> 8 | second << 4);
    raw[2] = (uint8_t)(second >> 4);
    return fat_disk_write(&fs->disk, copy_at + even / 2 * 3, raw, last ? 2 : 3, false);
}

at_err fat_table_sync(at_fat *fs)
{
    at_err err = AT_OK;
    for (unsigned copy = 0; copy < fs->copies && err == AT_OK; copy++) {
        uint32_t copy_at = fs->table_at + copy * fs->table_size;
        for (uint32_t i = fs->low & ~1u; i <= fs->high && err == AT_OK; i += 2) {
            err = write_pair(fs, copy_at, i);
        }
    }
    fs->low = UINT32_MAX;
    fs->high = 0;
    return err;
}

uint32_t fat_count_free(const at_fat *fs)
{
    uint32_t count = 0;
    for (uint32_t i = 2; i < fs->clusters + 2; i++) {
        count += fs->table[i] == FAT_FREE;
    }
    return count;
}

uint32_t fat_find_free(at_fat *fs)
{
    while (fs->table[fs->hint] != FAT_FREE) {
        fs->hint = fs->hint < fs->clusters + 1 ? fs->hint + 1 : 2;
    }
    return fs->hint;
}
