/* What the NVS files share: pages in memory, places of items, and one function per kind of step. */
#ifndef STORAGE_NVS_PRIV_H
#define STORAGE_NVS_PRIV_H

#include "storage/nvs.h"

#define NVS_PAGE       AT_FLASH_SECTOR
#define NVS_ENTRY      32u                              /* bytes of an entry */
#define NVS_ENTRIES    126u                             /* entries of a page */
#define NVS_STATES_AT  32u                              /* offset of the state bitmap in a page */
#define NVS_ENTRIES_AT 64u                              /* offset of entry 0 */
#define NVS_CHUNK_MAX  ((NVS_ENTRIES - 1u) * NVS_ENTRY) /* bytes behind one head */
#define NVS_CHUNKS     127u                             /* chunks of one blob at most */
#define NVS_NO_CHUNK   0xffu /* chunk index of everything but blob data */
#define NVS_VERSION_1  0xffu
#define NVS_VERSION_2  0xfeu
#define NVS_SPACES     0u /* the namespace that holds the namespaces */

#define NVS_BLOB_V1    0x41u
#define NVS_BLOB_DATA  0x42u
#define NVS_BLOB_INDEX 0x48u

/* Two bits per entry. Programming can only clear bits: empty, then written, then erased. */
enum { NVS_ERASED = 0, NVS_ILLEGAL = 1, NVS_WRITTEN = 2, NVS_EMPTY = 3 };

typedef enum nvs_page_state {
    NVS_PAGE_EMPTY,
    NVS_PAGE_ACTIVE,
    NVS_PAGE_FULL,
    NVS_PAGE_FREEING,
    NVS_PAGE_CORRUPT,
} nvs_page_state;

typedef struct nvs_page {
    nvs_page_state state;
    uint32_t seq;
    bool v2;                   /* version 1 pages are read, never added to */
    bool blank;                /* every byte is known to be 0xFF */
    uint8_t next;              /* first entry that was never used; NVS_ENTRIES: none */
    uint8_t live;              /* entries in state written */
    uint8_t states[NVS_ENTRY]; /* the bitmap, as on flash */
    uint16_t *tags;            /* per entry: hash of the item whose head it is, 0: no live head */
} nvs_page;

/* A head entry, decoded. */
typedef struct nvs_head {
    uint8_t ns, type, span, chunk;
    char key[AT_NVS_NAME_MAX + 1];
    uint8_t data[8];
} nvs_head;

typedef struct nvs_place {
    uint16_t page; /* index in at_nvs.pages */
    uint8_t entry;
    nvs_head head;
} nvs_place;

struct at_nvs {
    at_heap *heap;
    const at_log *log;
    const at_flashchip *chip;
    uint32_t offset;
    bool read_only;
    bool failed;    /* a write failed: memory and flash may differ, so no more writes */
    bool has_blobs; /* seen while loading, so the check of their parts is worth its time */
    uint16_t page_count, used_count, free_count;
    uint16_t *used;                          /* pages with items, by sequence number */
    uint16_t *free;                          /* pages to be used, in that order */
    uint32_t dropped_entries, dropped_pages; /* damage found while loading */
    nvs_page *pages;
};

/* ---- nvs_page.c: one page ---- */
at_err nvs_page_load(at_nvs *nvs, uint16_t page);    /* header, states, heads; repairs entries */
at_err nvs_page_prepare(at_nvs *nvs, uint16_t page); /* the memory that a page in use needs */
at_err nvs_page_start(at_nvs *nvs, uint16_t page, uint32_t seq); /* empty and active */
at_err nvs_page_set_state(at_nvs *nvs, uint16_t page, nvs_page_state state);
at_err nvs_page_wipe(at_nvs *nvs, uint16_t page); /* erases; safe at any cut */

/* ---- nvs_item.c: one item in a page ---- */
at_err nvs_read(at_nvs *nvs, uint16_t page, uint32_t at, void *buf, size_t len);
at_err nvs_write(at_nvs *nvs, uint16_t page, uint32_t at, const void *data, size_t len);
unsigned nvs_state(const nvs_page *page, unsigned entry);
/* Changes the state of count entries; on a read-only partition in memory only. */
at_err nvs_mark(at_nvs *nvs, uint16_t page, unsigned first, unsigned count, unsigned state);
void nvs_make_head(nvs_head *head, uint8_t ns, uint8_t type, const char *key);
/* AT_ERR_CORRUPT: no valid head in this entry. */
at_err nvs_head_at(at_nvs *nvs, uint16_t page, unsigned entry, nvs_head *head);
/* The page must have room. data may be NULL when len is 0; *place tells where it is. */
at_err nvs_item_append(at_nvs *nvs, uint16_t page, const nvs_head *head, const void *data,
                       size_t len, nvs_place *place);
at_err nvs_item_copy(at_nvs *nvs, const nvs_place *from, uint16_t to);
at_err nvs_item_erase(at_nvs *nvs, const nvs_place *place);
uint16_t nvs_tag(uint8_t ns, const char *key, uint8_t chunk); /* never 0 */
size_t nvs_behind(const nvs_head *head); /* bytes behind the head, 0 for integers and indexes */

/* ---- nvs_space.c: many pages ---- */
/* The newest item of that identity. AT_ERR_NOT_FOUND. */
at_err nvs_find(at_nvs *nvs, uint8_t ns, const char *key, uint8_t chunk, nvs_place *place);
/* The live head at walk or the next one after it, and moves walk behind it. AT_ERR_NOT_FOUND. */
at_err nvs_next_head(at_nvs *nvs, at_nvs_walk *walk, nvs_place *place);
/* Erases every item of that identity but the one at keep (NULL: all). */
at_err nvs_erase_others(at_nvs *nvs, const nvs_head *head, const nvs_place *keep);
size_t nvs_tailroom(const at_nvs *nvs); /* bytes that could follow a head in the active page */
/* Makes a page active that has room for that many entries, collecting garbage when needed.
 * AT_ERR_NOMEM: there is no such room, or no memory; nothing was changed. */
at_err nvs_new_page(at_nvs *nvs, unsigned entries);
/* Copies what lives in a page that is marked freeing into a new page, then wipes it. */
at_err nvs_collect(at_nvs *nvs, uint16_t victim);
void nvs_forget_page(at_nvs *nvs, uint16_t page); /* takes it off the list of pages in use */
/* Appends an item where there is room. */
at_err nvs_store(at_nvs *nvs, const nvs_head *head, const void *data, size_t len, nvs_place *place);

/* ---- nvs_blob.c: values longer than an integer ---- */
size_t nvs_value_len(const nvs_head *head);
/* Copies up to room bytes of a text or blob from offset on; checks all bytes it passes. */
at_err nvs_value_read(at_nvs *nvs, const nvs_place *place, size_t offset, void *buf, size_t room,
                      size_t *len);
at_err nvs_value_equals(at_nvs *nvs, const nvs_place *place, const void *data, size_t len,
                        bool *equal);
/* old: the head of the key's present value, NULL when there is none. */
at_err nvs_blob_set(at_nvs *nvs, uint8_t ns, const char *key, const nvs_head *old, const void *data,
                    size_t len);
at_err nvs_blob_erase_chunks(at_nvs *nvs, const nvs_head *index);
/* Erases indexes whose chunks are not all there, and chunks that no index knows. */
at_err nvs_blob_repair(at_nvs *nvs);

static inline uint16_t nvs_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t nvs_get32(const uint8_t *at)
{
    return nvs_get16(at) | (uint32_t)nvs_get16(at + 2) << 16;
}

static inline void nvs_put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void nvs_put32(uint8_t *at, uint32_t value)
{
    nvs_put16(at, (uint16_t)value);
    nvs_put16(at + 2, (uint16_t)(value >> 16));
}

#endif
