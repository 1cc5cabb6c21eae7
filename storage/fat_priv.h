/* What the FAT files share: the volume on flash, its table in memory, and directory entries. */
#ifndef STORAGE_FAT_PRIV_H
#define STORAGE_FAT_PRIV_H

#include "storage/fat.h"

#define FAT_BLOCK AT_FLASH_SECTOR /* what is erased and replaced at once */
#define FAT_NONE  UINT32_MAX

/* ---- fat_disk.c: bytes of the volume ---- */
typedef struct fat_disk {
    const at_flashchip *chip;
    uint32_t base;   /* of the partition on the chip */
    uint32_t blocks; /* that the volume can have */
    bool levelled;   /* below: ESP-IDF's wear levelling */
    bool guarded;    /* a block is replaced by way of the dump block */
    bool read_only, failed;
    uint32_t ring, gap, moved; /* blocks of the ring, index of the unused one, turns */
    uint32_t pending;          /* read-only: this block lies in the dump; FAT_NONE */
    uint8_t *cache;            /* one block */
    uint32_t cached;           /* its number, FAT_NONE */
    bool dirty, urgent;        /* urgent: the block holds more than unused bytes that changed */
} fat_disk;

/* Finds out how the partition is laid out and finishes a cut replacement. cache: FAT_BLOCK bytes. */
at_err fat_disk_open(fat_disk *d, const at_flashchip *chip, uint32_t base, uint32_t size,
                     bool read_only, uint8_t *cache);
/* Makes an empty levelled partition; fat_disk_seal after the contents are written. */
at_err fat_disk_format(fat_disk *d, const at_flashchip *chip, uint32_t base, uint32_t size,
                       uint8_t *cache);
at_err fat_disk_seal(fat_disk *d, uint32_t size);
/* Says how many bytes the volume really has; without room for the dump there is no guard. */
void fat_disk_limit(fat_disk *d, uint32_t bytes);
at_err fat_disk_read(fat_disk *d, uint32_t at, void *buf, size_t len);
/* Written when another block is needed, or by flush; so blocks reach the flash in the order of
 * writing. fresh: nothing refers to these bytes yet. */
at_err fat_disk_write(fat_disk *d, uint32_t at, const void *data, size_t len, bool fresh);
at_err fat_disk_flush(fat_disk *d);

/* ---- fat_table.c: which cluster follows which ---- */
#define FAT_FREE 0u
#define FAT_END  0xffffu
#define FAT_BAD  0xfff7u

struct at_fat {
    at_heap *heap;
    const at_log *log;
    fat_disk disk;
    bool damaged;
    unsigned bits;       /* 12 or 16 */
    unsigned copies;     /* of the table */
    uint32_t total;      /* bytes of the volume */
    uint32_t table_at;   /* byte addresses in the volume */
    uint32_t table_size; /* bytes of one copy */
    uint32_t root_at, data_at;
    uint32_t root_slots;
    uint32_t cluster;   /* bytes */
    uint32_t clusters;  /* numbers 2 to clusters + 1 */
    uint16_t *table;    /* as on flash, widened to 16 bits */
    uint8_t *seen;      /* during the mount: a bit per cluster that is in a chain */
    uint32_t low, high; /* entries that differ from flash; low > high: none */
    uint32_t hint;      /* where the search for a free cluster goes on */
};

at_err fat_table_load(at_fat *fs);
bool fat_valid(const at_fat *fs, uint32_t cluster);
void fat_set(at_fat *fs, uint32_t cluster, uint16_t next);
at_err fat_table_sync(at_fat *fs); /* every copy of the entries that changed */
uint32_t fat_count_free(const at_fat *fs);
uint32_t fat_find_free(at_fat *fs); /* there must be one */
uint32_t fat_cluster_at(const at_fat *fs, uint32_t cluster);

/* ---- fat_dir.c: directories ---- */
#define FAT_SLOT 32u

enum { FAT_ATTR_VOLUME = 0x08, FAT_ATTR_DIRECTORY = 0x10, FAT_ATTR_LONG = 0x0f };

typedef struct fat_entry {
    uint32_t dir;        /* first cluster of the directory, 0: the root */
    uint32_t first_slot; /* with the long name's slots */
    uint32_t slot;       /* the one with size and cluster */
    uint8_t attributes;
    uint32_t start, size;
    uint8_t short_name[11];
    char name[AT_FAT_TEXT_MAX];
} fat_entry;

/* Byte address of a slot. AT_ERR_NOT_FOUND: the directory is shorter. */
at_err fat_slot_at(at_fat *fs, uint32_t dir, uint32_t slot, uint32_t *at);
/* The entry at *slot or behind it, and moves *slot behind it. Skips volume labels and "." "..".
 * AT_ERR_NOT_FOUND at the end. */
at_err fat_dir_next(at_fat *fs, uint32_t dir, uint32_t *slot, fat_entry *entry);
/* Follows a path. AT_ERR_NOT_FOUND: when only the last name is missing, entry->dir is its directory
 * and entry->name its name, else entry->name is empty. An empty path is the root, a directory. */
at_err fat_lookup(at_fat *fs, const char *path, fat_entry *entry);
/* Finds slots for entry->name in entry->dir, and a short name; writes nothing. AT_ERR_NOMEM: full. */
at_err fat_dir_place(at_fat *fs, fat_entry *entry);
/* Writes the slots of an entry that was placed. */
at_err fat_dir_add(at_fat *fs, const fat_entry *entry);
at_err fat_dir_update(at_fat *fs, const fat_entry *entry); /* start and size */
at_err fat_dir_drop(at_fat *fs, const fat_entry *entry);

/* ---- fat_name.c ---- */
/* Units of a UTF-8 name; 0: not a name that a file can have. */
size_t fat_name_units(const char *name, size_t len, uint16_t units[AT_FAT_NAME_MAX]);
void fat_name_text(const uint16_t *units, size_t count, char text[AT_FAT_TEXT_MAX]);
bool fat_name_same(const char *a, const char *b);
/* Fills a short name; true: it is the whole name, no long one is needed. */
bool fat_name_shorten(const char *name, uint8_t short_name[11]);
void fat_name_number(uint8_t short_name[11], unsigned number); /* puts ~number at its end */
void fat_name_from_short(const uint8_t slot[FAT_SLOT], char text[AT_FAT_TEXT_MAX]);
uint8_t fat_name_sum(const uint8_t short_name[11]);

static inline uint16_t fat_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t fat_get32(const uint8_t *at)
{
    return fat_get16(at) | (uint32_t)fat_get16(at + 2) << 16;
}

static inline void fat_put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void fat_put32(uint8_t *at, uint32_t value)
{
    fat_put16(at, value);
    fat_put16(at + 2, value >> 16);
}

#endif
