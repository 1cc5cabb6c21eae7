/* Files of a FAT volume.
 *
 * A write never changes a byte that the file has now: it fills free clusters, links them in the
 * table, and then one change makes them the file's: the pointer of the cluster before them, or the
 * directory's slot. Only then are the replaced ones freed. Blocks reach flash in that order
 * (fat_disk.h), each in one step, so a cut leaves the old file or the new one, and perhaps clusters
 * that belong to nothing, which the next mount finds.
 *
 * Bytes replaced and the file made longer by one write are two changes when pointer and slot lie in
 * different blocks (on our volumes: from slot 80 of the root on). Then the file's beginning is copied
 * as well, so that the slot alone decides.
 *
 * The two exceptions. On a volume that has no free clusters for the copies, bytes are replaced where
 * they lie, block by block; a cut then leaves every block of 4096 bytes old or new. And the same
 * happens at most once, at the end of the old file, when the beginning cannot be copied either.
 */
#include "storage/fat.h"

#include <string.h>

#include "core/bytes.h"
#include "storage/fat_priv.h"

/* ---- chains ---- */

static uint32_t clusters_of(const at_fat *fs, uint32_t size)
{
    return size / fs->cluster + (size % fs->cluster != 0);
}

/* The cluster that holds byte offset. AT_ERR_CORRUPT: the chain ends before. */
static at_err seek(const at_fat *fs, uint32_t start, uint32_t offset, uint32_t *cluster)
{
    *cluster = start;
    for (uint32_t n = offset / fs->cluster; n > 0 && fat_valid(fs, *cluster); n--) {
        *cluster = fs->table[*cluster];
    }
    return fat_valid(fs, *cluster) ? AT_OK : AT_ERR_CORRUPT;
}

static at_err find_file(at_fat *fs, const char *path, fat_entry *entry)
{
    at_err err = fat_lookup(fs, path, entry);
    return err == AT_OK && (entry->attributes & FAT_ATTR_DIRECTORY) != 0 ? AT_ERR_INVALID : err;
}

/* ---- reading ---- */

static void fill_info(const fat_entry *entry, at_fat_info *info)
{
    info->size = entry->size;
    info->directory = (entry->attributes & FAT_ATTR_DIRECTORY) != 0;
    at_copy_text(info->name, sizeof info->name, entry->name);
}

at_err at_fat_stat(at_fat *fs, const char *path, at_fat_info *info)
{
    fat_entry entry;
    at_err err = fat_lookup(fs, path, &entry);
    if (err == AT_OK) {
        fill_info(&entry, info);
    }
    return err;
}

at_err at_fat_next(at_fat *fs, at_fat_walk *walk, const char *path, at_fat_info *info)
{
    fat_entry entry;
    at_err err = fat_lookup(fs, path, &entry);
    if (err == AT_OK && (entry.attributes & FAT_ATTR_DIRECTORY) == 0) {
        err = AT_ERR_INVALID;
    }
    if (err == AT_OK) {
        err = fat_dir_next(fs, entry.start, &walk->slot, &entry);
    }
    if (err == AT_OK) {
        fill_info(&entry, info);
    }
    return err;
}

at_err at_fat_read(at_fat *fs, const char *path, uint32_t offset, void *buf, size_t room,
                   size_t *len)
{
    fat_entry entry;
    uint32_t cluster = 0;
    size_t got = 0;
    *len = 0;
    at_err err = find_file(fs, path, &entry);
    if (err != AT_OK || offset >= entry.size) {
        return err;
    }
    room = AT_MIN(room, (size_t)(entry.size - offset));
    err = seek(fs, entry.start, offset, &cluster);
    while (got < room && err == AT_OK) {
        uint32_t within = (uint32_t)(offset + got) % fs->cluster;
        size_t part = AT_MIN(room - got, (size_t)(fs->cluster - within));
        err = fat_valid(fs, cluster)
                  ? fat_disk_read(&fs->disk, fat_cluster_at(fs, cluster) + within,
                                  (uint8_t *)buf + got, part)
                  : AT_ERR_CORRUPT;
        cluster = fat_valid(fs, cluster) ? fs->table[cluster] : 0;
        got += part;
    }
    *len = err == AT_OK ? got : 0;
    return err;
}

void at_fat_measure(const at_fat *fs, at_fat_usage *usage)
{
    *usage = (at_fat_usage){ .cluster = fs->cluster,
                             .clusters = fs->clusters,
                             .free = fat_count_free(fs),
                             .bits = fs->bits,
                             .levelled = fs->disk.levelled,
                             .damaged = fs->damaged };
}

uint32_t at_fat_volume_size(const at_fat *fs)
{
    return fs->total;
}

at_err at_fat_volume_read(at_fat *fs, uint32_t at, void *buf, size_t len)
{
    if (at > fs->total || len > fs->total - at) {
        return AT_ERR_INVALID;
    }
    return fat_disk_read(&fs->disk, at, buf, len);
}

/* ---- writing ---- */

/* One write. Clusters are counted from the file's first one. */
typedef struct job {
    fat_entry entry;
    bool new_file;
    uint32_t old_size, size; /* of the file before and after */
    uint32_t from, to;       /* the bytes given */
    const uint8_t *data;
    uint32_t a, b; /* clusters that are replaced or added: [a, b) */
    uint32_t old_count, count;
    uint16_t *was, *now; /* chains before and after */
    bool in_place;
} job;

/* A place both in the file and in one cluster of it. */
static at_err copy_old(at_fat *fs, const job *j, uint32_t from, uint32_t to, bool fresh)
{
    uint8_t piece[256];
    at_err err = AT_OK;
    while (from < to && err == AT_OK) {
        uint32_t n = from / fs->cluster, within = from % fs->cluster;
        uint32_t part = AT_MIN(to - from, (uint32_t)sizeof piece);
        if (j->was[n] != j->now[n]) {
            err = fat_disk_read(&fs->disk, fat_cluster_at(fs, j->was[n]) + within, piece, part);
            if (err == AT_OK) {
                err = fat_disk_write(&fs->disk, fat_cluster_at(fs, j->now[n]) + within, piece, part,
                                     fresh);
            }
        }
        from += part;
    }
    return err;
}

static at_err fill_zero(at_fat *fs, uint32_t at, uint32_t len, bool fresh)
{
    static const uint8_t none[256] = { 0 };
    at_err err = AT_OK;
    while (len > 0 && err == AT_OK) {
        uint32_t part = AT_MIN(len, (uint32_t)sizeof none);
        err = fat_disk_write(&fs->disk, at, none, part, fresh);
        at += part, len -= part;
    }
    return err;
}

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Fills cluster n: old bytes, zeroes up to the new ones, new bytes, old bytes. */
static at_err fill_cluster(at_fat *fs, const job *j, uint32_t n)
{
    uint32_t start = n * fs->cluster, end = start + fs->cluster;
    uint32_t at = fat_cluster_at(fs, j->now[n]);
    bool fresh = n >= j->old_count || j->now[n] != j->was[n];
    uint32_t old_end = clamp(AT_MIN(j->old_size, j->from), start, end);
    uint32_t gap_end = clamp(j->from, start, end), data_end = clamp(j->to, start, end);
    at_err err = copy_old(fs, j, start, old_end, fresh);
    if (err == AT_OK) {
        err = fill_zero(fs, at + (old_end - start), gap_end - old_end, fresh);
    }
    if (err == AT_OK && data_end > gap_end) {
        err = fat_disk_write(&fs->disk, at + (gap_end - start), j->data + (gap_end - j->from),
                             data_end - gap_end, fresh);
    }
    uint32_t rest_end = clamp(j->old_size, start, end);
    return err == AT_OK && rest_end > data_end ? copy_old(fs, j, data_end, rest_end, fresh) : err;
}

/* Chooses the clusters of the new chain; marks them in the table, in memory only. */
static void choose_clusters(at_fat *fs, job *j)
{
    for (uint32_t n = 0; n < j->count; n++) {
        bool keep = n < j->old_count && (n < j->a || n >= j->b || j->in_place);
        j->now[n] = keep ? j->was[n] : (uint16_t)fat_find_free(fs);
        if (!keep) {
            fat_set(fs, j->now[n], FAT_END); /* so that it is not found again */
        }
    }
}

static bool same_block(at_fat *fs, const job *j)
{
    uint32_t slot = 0;
    bool is = fat_slot_at(fs, j->entry.dir, j->entry.slot, &slot) == AT_OK;
    uint32_t table_end = fs->table_at + fs->copies * fs->table_size - 1;
    return is && slot / FAT_BLOCK == fs->table_at / FAT_BLOCK &&
           slot / FAT_BLOCK == table_end / FAT_BLOCK;
}

/* Decides what is replaced. AT_ERR_NOMEM: the volume is too full even for what is added. */
static at_err plan(at_fat *fs, job *j)
{
    uint32_t free = fat_count_free(fs), added = j->count - AT_MIN(j->count, j->old_count);
    j->a = AT_MIN(j->from, j->old_size) / fs->cluster;
    j->b = clusters_of(fs, j->to);
    uint32_t low = j->a;
    if (j->from < j->old_size && j->size != j->old_size && j->a > 0 && !same_block(fs, j)) {
        low = 0;
    }
    if (j->b - low > free) {
        low = j->a;
    }
    j->in_place = j->b - low > free;
    j->a = low;
    return added > free ? AT_ERR_NOMEM : AT_OK;
}

static at_err load_chain(at_fat *fs, job *j)
{
    uint32_t cluster = j->entry.start;
    size_t places = (size_t)j->old_count + j->count + 1;
    j->was = at_alloc(fs->heap, places * sizeof *j->was);
    if (j->was == NULL) {
        return AT_ERR_NOMEM;
    }
    j->now = j->was + j->old_count;
    for (uint32_t n = 0; n < j->old_count; n++) {
        if (!fat_valid(fs, cluster)) {
            return AT_ERR_CORRUPT;
        }
        j->was[n] = (uint16_t)cluster;
        cluster = fs->table[cluster];
    }
    return AT_OK;
}

/* Links the new clusters to each other and to what follows. */
static at_err link_new(at_fat *fs, const job *j)
{
    for (uint32_t n = j->a; n < j->b; n++) {
        fat_set(fs, j->now[n], n + 1 < j->count ? j->now[n + 1] : FAT_END);
    }
    return fat_table_sync(fs);
}

/* The step that makes the new clusters the file's. */
static at_err commit(at_fat *fs, job *j)
{
    at_err err = AT_OK;
    if (j->a > 0 && j->a < j->b) {
        fat_set(fs, j->now[j->a - 1], j->now[j->a]);
        err = fat_table_sync(fs);
    }
    uint32_t start = j->count > 0 ? j->now[0] : 0;
    bool changed = j->new_file || start != j->entry.start || j->size != j->old_size;
    j->entry.start = start;
    j->entry.size = j->size;
    if (err != AT_OK || !changed) {
        return err;
    }
    return j->new_file ? fat_dir_add(fs, &j->entry) : fat_dir_update(fs, &j->entry);
}

static at_err free_old(at_fat *fs, const job *j)
{
    for (uint32_t n = 0; n < j->old_count; n++) {
        if (j->was[n] != j->now[n]) {
            fat_set(fs, j->was[n], FAT_FREE);
        }
    }
    at_err err = fat_table_sync(fs);
    return err == AT_OK ? fat_disk_flush(&fs->disk) : err;
}

static at_err run(at_fat *fs, job *j)
{
    at_err err = AT_OK;
    choose_clusters(fs, j);
    for (uint32_t n = j->a; n < j->b && err == AT_OK; n++) {
        err = fill_cluster(fs, j, n);
    }
    err = err == AT_OK ? link_new(fs, j) : err;
    err = err == AT_OK ? commit(fs, j) : err;
    return err == AT_OK ? free_old(fs, j) : err;
}

static at_err start_job(at_fat *fs, job *j, const char *path, size_t len)
{
    at_err err = find_file(fs, path, &j->entry);
    j->new_file = err == AT_ERR_NOT_FOUND && j->entry.name[0] != '\0';
    if (j->new_file) {
        err = fat_dir_place(fs, &j->entry);
    }
    if (err == AT_OK && len > UINT32_MAX - j->from) {
        err = AT_ERR_NOMEM;
    }
    if (err == AT_OK) {
        j->old_size = j->entry.size;
        j->to = j->from + (uint32_t)len;
        j->size = AT_MAX(j->old_size, len > 0 ? j->to : 0);
        j->old_count = clusters_of(fs, j->old_size);
        j->count = clusters_of(fs, j->size);
        err = j->count > fs->clusters ? AT_ERR_NOMEM : AT_OK;
    }
    return err;
}

static at_err may_change(const at_fat *fs)
{
    if (fs->disk.failed) {
        return AT_ERR_IO;
    }
    return fs->disk.read_only ? AT_ERR_STATE : fs->damaged ? AT_ERR_CORRUPT : AT_OK;
}

at_err at_fat_write(at_fat *fs, const char *path, uint32_t offset, const void *data, size_t len)
{
    at_err err = may_change(fs);
    job *j = err == AT_OK ? at_calloc(fs->heap, 1, sizeof *j) : NULL;
    if (j == NULL) {
        return err == AT_OK ? AT_ERR_NOMEM : err;
    }
    j->from = offset;
    j->data = data;
    err = start_job(fs, j, path, len);
    if (err == AT_OK && (len > 0 || j->new_file)) {
        err = load_chain(fs, j);
        if (err == AT_OK && len > 0) {
            err = plan(fs, j);
        }
        err = err == AT_OK ? run(fs, j) : err;
    }
    at_free(fs->heap, j->was);
    at_free(fs->heap, j);
    return err;
}

at_err at_fat_remove(at_fat *fs, const char *path)
{
    fat_entry entry;
    at_err err = may_change(fs);
    err = err == AT_OK ? find_file(fs, path, &entry) : err;
    err = err == AT_OK ? fat_dir_drop(fs, &entry) : err;
    if (err != AT_OK) {
        return err;
    }
    uint32_t cluster = entry.start, left = clusters_of(fs, entry.size);
    for (; left > 0 && fat_valid(fs, cluster); left--) {
        uint32_t next = fs->table[cluster];
        fat_set(fs, cluster, FAT_FREE);
        cluster = next;
    }
    err = fat_table_sync(fs);
    return err == AT_OK ? fat_disk_flush(&fs->disk) : err;
}
