/* Reads and writes bare NVS partition images, for test_nvs_images.py.
 *
 *   nvs_image dump FILE            one line per key: namespace key type value
 *   nvs_image make FILE PAGES      the same lines from stdin become a new image
 *
 * type is the code of the format in hex; a value is decimal for integers, hex bytes otherwise. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "storage/nvs.h"

#define PAGES_MAX 64u

typedef struct image {
    uint8_t bytes[PAGES_MAX * AT_FLASH_SECTOR];
} image;

static int image_read(void *ctx, uint32_t addr, void *buf, size_t len)
{
    const image *flash = ctx;
    memcpy(buf, flash->bytes + addr, len);
    return AT_OK;
}

static int image_program(void *ctx, uint32_t addr, const void *data, size_t len)
{
    image *flash = ctx;
    const uint8_t *from = data;
    for (size_t i = 0; i < len; i++) {
        flash->bytes[addr + i] &= from[i];
    }
    return AT_OK;
}

static int image_erase(void *ctx, uint32_t addr, size_t len)
{
    image *flash = ctx;
    memset(flash->bytes + addr, 0xff, len);
    return AT_OK;
}

static void to_stderr(void *ctx, at_log_level level, const char *area, const char *text)
{
    (void)ctx, (void)level;
    fprintf(stderr, "%s: %s\n", area, text);
}

static void dump_key(at_nvs *nvs, const char *space, const at_nvs_info *info)
{
    static uint8_t value[PAGES_MAX * AT_FLASH_SECTOR];
    int64_t number;
    size_t len;
    printf("%s %s %02x ", space, info->key, (unsigned)info->type);
    if (at_nvs_get_int(nvs, space, info->key, info->type, &number) == AT_OK) {
        printf("%" PRId64, number);
    } else if (at_nvs_get_data(nvs, space, info->key, info->type, value, sizeof value, &len) ==
               AT_OK) {
        for (size_t i = 0; i < len; i++) {
            printf("%02x", value[i]);
        }
    } else {
        printf("unreadable");
    }
    printf("\n");
}

static at_err dump(at_nvs *nvs)
{
    at_nvs_walk spaces = { 0 };
    char name[AT_NVS_NAME_MAX + 1];
    at_err err;
    while ((err = at_nvs_next_namespace(nvs, &spaces, name)) == AT_OK) {
        at_nvs_walk keys = { 0 };
        at_nvs_info info;
        while (at_nvs_next_key(nvs, &keys, name, &info) == AT_OK) {
            dump_key(nvs, name, &info);
        }
    }
    return err == AT_ERR_NOT_FOUND ? AT_OK : err;
}

static at_err make_key(at_nvs *nvs, char *line)
{
    static uint8_t value[PAGES_MAX * AT_FLASH_SECTOR];
    char space[32], key[32];
    unsigned type;
    int at = 0;
    if (sscanf(line, "%31s %31s %x %n", space, key, &type, &at) != 3) {
        return AT_ERR_INVALID;
    }
    const char *text = line + at;
    if (type != AT_NVS_TEXT && type != AT_NVS_BLOB) {
        return at_nvs_set_int(nvs, space, key, (at_nvs_type)type, strtoll(text, NULL, 10));
    }
    size_t len = 0;
    unsigned byte;
    for (; sscanf(text, "%2x", &byte) == 1; text += 2) {
        value[len++] = (uint8_t)byte;
    }
    return at_nvs_set_data(nvs, space, key, (at_nvs_type)type, value, len);
}

static at_err make(at_nvs *nvs)
{
    static char line[2 * PAGES_MAX * AT_FLASH_SECTOR];
    at_err err = AT_OK;
    while (err == AT_OK && fgets(line, sizeof line, stdin) != NULL) {
        err = make_key(nvs, line);
    }
    return err;
}

/* Runs one command on the image in flash; returns the exit status. */
static int run(image *flash, size_t size, int making)
{
    at_heap heap;
    at_log_sink sink = { .level = AT_LOG_WARN, .line = to_stderr };
    at_log log = { .sink = &sink };
    at_flashchip chip = { .ctx = flash,
                          .size = (uint32_t)size,
                          .read = image_read,
                          .program = image_program,
                          .erase = image_erase };
    at_nvs *nvs;
    at_heap_init(&heap, SIZE_MAX);
    at_err err = at_nvs_open(&nvs, &heap, &log, &chip, 0, (uint32_t)size,
                             making ? AT_NVS_READ_WRITE : AT_NVS_READ_ONLY);
    if (err == AT_OK) {
        err = making ? make(nvs) : dump(nvs);
        at_nvs_close(nvs);
    }
    if (err != AT_OK) {
        fprintf(stderr, "nvs_image: %s\n", at_err_text(err));
    }
    return err == AT_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    static image flash;
    int making = argc == 4 && strcmp(argv[1], "make") == 0;
    if (!making && (argc != 3 || strcmp(argv[1], "dump") != 0)) {
        fprintf(stderr, "usage: nvs_image dump FILE | make FILE PAGES\n");
        return 2;
    }
    char *end = NULL;
    unsigned long pages = making ? strtoul(argv[3], &end, 10) : 0;
    if (making && (end == argv[3] || *end != '\0' || pages == 0 ||
                   pages > sizeof flash.bytes / AT_FLASH_SECTOR)) {
        fprintf(stderr, "nvs_image: %s: no number of pages\n", argv[3]);
        return 2;
    }
    memset(&flash, 0xff, sizeof flash);
    FILE *file = fopen(argv[2], making ? "wb" : "rb");
    if (file == NULL) {
        perror(argv[2]);
        return 1;
    }
    size_t size =
        making ? pages * AT_FLASH_SECTOR : fread(flash.bytes, 1, sizeof flash.bytes, file);
    int status = size > sizeof flash.bytes ? 2 : run(&flash, size, making);
    if (making && status == 0 && fwrite(flash.bytes, 1, size, file) != size) {
        perror(argv[2]);
        status = 1;
    }
    fclose(file);
    return status;
}
