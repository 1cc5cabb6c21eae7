/* A FAT12/FAT16 file system on a flash partition, with long names, as the part's AT+FS has it.
 *
 * Names are UTF-8 of at most 255 UTF-16 units, compared without regard to ASCII case; '/' separates
 * directories, which are found in images of others but never made here. Volumes made by
 * at_fat_format lie on the wear-levelling format of ESP-IDF (512-byte sectors, safe mode); plain
 * images without it are understood as well.
 *
 * Power cuts: on a volume of our format every write and removal leaves the old or the new file, and
 * no other file changes. Exceptions: fat.c says which two. On plain images a cut may lose the block
 * of 4096 bytes that was being written.
 *
 * Errors that every function can give: AT_ERR_INVALID (a name that cannot be, a directory where a
 * file is meant), AT_ERR_NOMEM (no memory), AT_ERR_IO (the flash failed; all later calls fail too),
 * AT_ERR_CORRUPT (the bytes on flash make no sense; what is meant by it is said below). */
#ifndef STORAGE_FAT_H
#define STORAGE_FAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "iface/flashchip.h"

#define AT_FAT_NAME_MAX 255u                        /* UTF-16 units of one name */
#define AT_FAT_TEXT_MAX (3u * AT_FAT_NAME_MAX + 1u) /* bytes of a name with its NUL */
#define AT_FAT_SIZE_MIN (16u * AT_FLASH_SECTOR)     /* of a partition that can be formatted */

typedef struct at_fat at_fat;

typedef enum at_fat_mode {
    AT_FAT_READ_WRITE,
    AT_FAT_READ_ONLY, /* never writes, not even to finish what a power cut left */
} at_fat_mode;

/* Mounts the volume in [offset, offset + size) of the chip and finishes what a power cut left. heap,
 * log and chip must outlive it. On success *fs is owned by the caller. Errors:
 * AT_ERR_NOT_FOUND    no file system: erased, or formatting was cut
 * AT_ERR_CORRUPT      one whose sizes contradict each other
 * AT_ERR_UNSUPPORTED  FAT32, exFAT
 * AT_ERR_INVALID      not whole flash sectors inside the chip
 * A volume whose chains or directories are damaged is mounted, the log says what is wrong; then
 * at_fat_write and at_fat_remove give AT_ERR_CORRUPT. */
at_err at_fat_mount(at_fat **fs, at_heap *heap, const at_log *log, const at_flashchip *chip,
                    uint32_t offset, uint32_t size, at_fat_mode mode);
void at_fat_unmount(at_fat *fs); /* NULL is allowed */
/* Erases the partition (which is not mounted) and makes an empty volume. A cut leaves a partition
 * that at_fat_mount does not find, or the empty volume. AT_ERR_INVALID: too small, not aligned. */
at_err at_fat_format(at_heap *heap, const at_flashchip *chip, uint32_t offset, uint32_t size);

typedef struct at_fat_info {
    char name[AT_FAT_TEXT_MAX];
    uint32_t size; /* bytes; 0 of directories */
    bool directory;
} at_fat_info;

/* AT_ERR_NOT_FOUND. */
at_err at_fat_stat(at_fat *fs, const char *path, at_fat_info *info);
/* Copies up to room bytes from offset on; *len is what was copied, 0 at and past the end and on
 * error. AT_ERR_NOT_FOUND; AT_ERR_CORRUPT: the file is shorter on flash than it says. */
at_err at_fat_read(at_fat *fs, const char *path, uint32_t offset, void *buf, size_t room,
                   size_t *len);
/* Replaces or appends bytes; the file is made when it is missing, what lies between its old end and
 * offset becomes zero. Nothing is cut off behind. len may be 0. AT_ERR_NOMEM also: the volume or the
 * directory is full, nothing was changed. AT_ERR_STATE: read-only. AT_ERR_NOT_FOUND: no such
 * directory. AT_ERR_CORRUPT: the volume is damaged. */
at_err at_fat_write(at_fat *fs, const char *path, uint32_t offset, const void *data, size_t len);
/* AT_ERR_NOT_FOUND, AT_ERR_STATE, AT_ERR_CORRUPT as above. */
at_err at_fat_remove(at_fat *fs, const char *path);

/* A walk in the order on flash: { 0 } to start. Any change ends all walks. path "" or ".": the root.
 * AT_ERR_NOT_FOUND at the end, or when there is no such directory. */
typedef struct at_fat_walk {
    uint32_t slot;
} at_fat_walk;
at_err at_fat_next(at_fat *fs, at_fat_walk *walk, const char *path, at_fat_info *info);

typedef struct at_fat_usage {
    uint32_t cluster;        /* bytes */
    uint32_t clusters, free; /* of them */
    unsigned bits;           /* 12 or 16 */
    bool levelled, damaged;
} at_fat_usage;
void at_fat_measure(const at_fat *fs, at_fat_usage *usage);

/* The volume as a plain image, for other tools: reads from byte at on, up to the size that
 * at_fat_volume_size tells. AT_ERR_INVALID: past the end. */
uint32_t at_fat_volume_size(const at_fat *fs);
at_err at_fat_volume_read(at_fat *fs, uint32_t at, void *buf, size_t len);
/* Makes [offset, offset + size) hold a plain image of len bytes on the wear-levelling format.
 * AT_ERR_INVALID: not aligned; AT_ERR_NOMEM also: the image is longer than the partition takes.
 * What the image holds is not looked at: mount it. */
at_err at_fat_import(at_heap *heap, const at_flashchip *chip, uint32_t offset, uint32_t size,
                     const void *image, uint32_t len);

#endif
