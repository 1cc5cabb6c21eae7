/* What the files of `attache flash` share: an image in memory, and its verbs. */
#ifndef PORTS_LINUX_FLASH_TOOL_PRIV_H
#define PORTS_LINUX_FLASH_TOOL_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/heap.h"
#include "core/log.h"
#include "storage/nvs.h"
#include "storage/partition.h"

enum { TOOL_OK = 0, TOOL_FAILED = 1, TOOL_USAGE = 2 };

/* A flash image: bytes in memory that behave as a chip, and the locked file they come from. */
typedef struct tool_image {
    const char *path;
    int fd; /* -1: none */
    uint8_t *bytes;
    uint32_t size;
    at_flashchip chip;
    at_heap heap;
    at_log log;
    at_partitions *partitions; /* NULL until tool_partitions */
} tool_image;

/* Prints "attache flash: ..." to stderr; returns TOOL_FAILED. */
int tool_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An erased image of size bytes; false: no memory (said). */
bool tool_image_blank(tool_image *image, uint32_t size);
/* Reads a whole file. A file of 2 or 4 MiB is locked, as a running module locks it. multiple: what its
 * length must be a multiple of. false: said why. */
bool tool_image_load(tool_image *image, const char *path, uint32_t multiple, bool change);
/* Writes the bytes back, or to another file (NULL: its own). false: said why. */
bool tool_image_store(tool_image *image, const char *path);
void tool_image_close(tool_image *image);
/* Reads both tables; false: said why. */
bool tool_partitions(tool_image *image);
/* NULL: there is none (said). */
const at_partition *tool_partition(tool_image *image, const char *label);
/* A whole file; NULL: said why. To be freed. */
uint8_t *tool_read_file(const char *path, size_t *len);

/* Opens an NVS partition; NULL: said why. */
at_nvs *tool_nvs(tool_image *image, uint32_t offset, uint32_t size, at_nvs_mode mode);
const char *tool_type_name(at_nvs_type type); /* "u8" ... "string", "binary" */
/* Stores value, given as text: a number, a text, or @FILE. false: said why. */
bool tool_set(at_nvs *nvs, const char *space, const char *key, const char *type, const char *value);

/* The verbs: words after their name. */
int tool_create(int argc, char **argv);
int tool_modify(int argc, char **argv);
void tool_create_help(FILE *to);
void tool_modify_help(FILE *to);

#endif
