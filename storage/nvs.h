/* Key-value pairs on flash, byte-compatible with ESP-IDF's NVS (version 2; version 1 is read).
 *
 * A value has a namespace and a key (1 to 15 characters each) and one of the types below; a key
 * holds one value, whatever its type. Values are written so that a power cut at any moment leaves
 * the old or the new one. Writing a value equal to the stored one does not touch the flash.
 *
 * Errors that every function can give: AT_ERR_INVALID (a name that cannot be), AT_ERR_IO (the flash
 * failed; after a failed write all later writes fail too, until the partition is opened again). */
#ifndef STORAGE_NVS_H
#define STORAGE_NVS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "iface/flashchip.h"

#define AT_NVS_NAME_MAX  15u   /* characters of a namespace or key */
#define AT_NVS_TEXT_MAX  4000u /* bytes of a text with its NUL */
#define AT_NVS_PAGES_MIN 3u    /* of a writable partition: one always stays free */

/* The codes on flash. The low nibble of an integer is its width in bytes, bit 4 its sign. */
typedef enum at_nvs_type {
    AT_NVS_U8 = 0x01,
    AT_NVS_I8 = 0x11,
    AT_NVS_U16 = 0x02,
    AT_NVS_I16 = 0x12,
    AT_NVS_U32 = 0x04,
    AT_NVS_I32 = 0x14,
    AT_NVS_U64 = 0x08,
    AT_NVS_I64 = 0x18,
    AT_NVS_TEXT = 0x21, /* its length counts the NUL */
    AT_NVS_BLOB = 0x42, /* however it is split on flash, version 1 included */
} at_nvs_type;

typedef struct at_nvs at_nvs;

typedef enum at_nvs_mode {
    AT_NVS_READ_WRITE,
    AT_NVS_READ_ONLY, /* never writes, not even to repair; opens damaged images too */
} at_nvs_mode;

/* Opens the partition at [offset, offset + size) and repairs what a power cut left, in flash unless
 * read-only. An erased partition costs no write until the first value. heap, log and chip must
 * outlive it. On success *nvs is owned by the caller. Errors:
 * AT_ERR_INVALID      not whole sectors inside the chip, or too few (AT_NVS_PAGES_MIN, 1 read-only)
 * AT_ERR_UNSUPPORTED  written by newer software
 * AT_ERR_CORRUPT      no free page is left, so nothing could ever be written (read-write only)
 * AT_ERR_NOMEM, AT_ERR_IO */
at_err at_nvs_open(at_nvs **nvs, at_heap *heap, const at_log *log, const at_flashchip *chip,
                   uint32_t offset, uint32_t size, at_nvs_mode mode);
void at_nvs_close(at_nvs *nvs); /* NULL is allowed */
/* Erases a partition that is not open. AT_ERR_INVALID, AT_ERR_IO. */
at_err at_nvs_format(const at_flashchip *chip, uint32_t offset, uint32_t size);

/* One key. */
typedef struct at_nvs_info {
    char key[AT_NVS_NAME_MAX + 1];
    at_nvs_type type;
    size_t len; /* bytes; of a text with its NUL */
} at_nvs_info;

/* AT_ERR_NOT_FOUND: no such namespace or key. */
at_err at_nvs_stat(at_nvs *nvs, const char *space, const char *key, at_nvs_info *info);

/* Integers; u64 travels as the int64_t of the same bits. *value is untouched on error.
 * AT_ERR_NOT_FOUND, AT_ERR_STATE: the key holds another type. */
at_err at_nvs_get_int(at_nvs *nvs, const char *space, const char *key, at_nvs_type type,
                      int64_t *value);
/* AT_ERR_INVALID: does not fit the type. AT_ERR_NOMEM: the partition is full, or no memory.
 * AT_ERR_STATE: opened read-only. */
at_err at_nvs_set_int(at_nvs *nvs, const char *space, const char *key, at_nvs_type type,
                      int64_t value);

/* Text and blob. Copies up to room bytes from offset on; *len is what was copied (0 on error, and
 * when offset is at or past the end). AT_ERR_NOT_FOUND, AT_ERR_STATE: another type,
 * AT_ERR_CORRUPT: the stored bytes fail their check (buf then holds some of them). */
at_err at_nvs_read(at_nvs *nvs, const char *space, const char *key, at_nvs_type type, size_t offset,
                   void *buf, size_t room, size_t *len);
/* The whole value or nothing: AT_ERR_AGAIN when room is too small, with the size needed in *len.
 * A text that does not end in its only NUL is AT_ERR_CORRUPT. */
at_err at_nvs_get_data(at_nvs *nvs, const char *space, const char *key, at_nvs_type type, void *buf,
                       size_t room, size_t *len);
/* A text is given with its NUL. AT_ERR_INVALID: a text that is not one, longer than
 * AT_NVS_TEXT_MAX, or a blob longer than the partition could ever hold; AT_ERR_NOMEM: the partition
 * is full, or no memory; AT_ERR_STATE: opened read-only. On any error but AT_ERR_IO the old value
 * is still there. */
at_err at_nvs_set_data(at_nvs *nvs, const char *space, const char *key, at_nvs_type type,
                       const void *data, size_t len);

/* AT_ERR_NOT_FOUND, AT_ERR_STATE: opened read-only. */
at_err at_nvs_erase_key(at_nvs *nvs, const char *space, const char *key);
/* All its keys; the name stays, as on the part. AT_ERR_NOT_FOUND: no such namespace. */
at_err at_nvs_erase_namespace(at_nvs *nvs, const char *space);

/* A walk in the order of writing: { 0 } to start. Any change of the partition ends all walks. */
typedef struct at_nvs_walk {
    uint16_t page;
    uint8_t entry;
} at_nvs_walk;

/* AT_ERR_NOT_FOUND at the end. */
at_err at_nvs_next_namespace(at_nvs *nvs, at_nvs_walk *walk, char name[AT_NVS_NAME_MAX + 1]);
/* AT_ERR_NOT_FOUND at the end, or when there is no such namespace. */
at_err at_nvs_next_key(at_nvs *nvs, at_nvs_walk *walk, const char *space, at_nvs_info *info);

typedef struct at_nvs_usage {
    uint16_t pages, free_pages;
    uint32_t entries;      /* of 32 bytes, in use */
    uint32_t entries_room; /* that could be in use, the reserved page not counted */
} at_nvs_usage;
void at_nvs_measure(const at_nvs *nvs, at_nvs_usage *usage);

#endif
