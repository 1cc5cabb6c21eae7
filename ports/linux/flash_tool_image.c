/* Images in memory for `attache flash`: a file is read whole, changed as a chip would change it (so the
 * module's own storage code does the work), and written back in one go. The lock is the one of a
 * running module (flashfile.c): nobody changes an image under a module that uses it. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/flash_tool_priv.h"

#define SIZE_MAX_OF_IMAGE (16u << 20)

int tool_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("attache flash: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return TOOL_FAILED;
}

static bool inside(const tool_image *image, uint32_t addr, size_t len)
{
    return len <= image->size && addr <= image->size - len;
}

static int chip_read(void *ctx, uint32_t addr, void *buf, size_t len)
{
    const tool_image *image = ctx;
    if (!inside(image, addr, len)) {
        return AT_ERR_INVALID;
    }
    memcpy(buf, image->bytes + addr, len);
    return AT_OK;
}

static int chip_program(void *ctx, uint32_t addr, const void *data, size_t len)
{
    tool_image *image = ctx;
    const uint8_t *from = data;
    if (!inside(image, addr, len)) {
        return AT_ERR_INVALID;
    }
    for (size_t i = 0; i < len; i++) {
        image->bytes[addr + i] &= from[i];
    }
    return AT_OK;
}

static int chip_erase(void *ctx, uint32_t addr, size_t len)
{
    tool_image *image = ctx;
    if (!inside(image, addr, len) || addr % AT_FLASH_SECTOR != 0 || len % AT_FLASH_SECTOR != 0) {
        return AT_ERR_INVALID;
    }
    memset(image->bytes + addr, 0xff, len);
    return AT_OK;
}

static void log_line(void *ctx, at_log_level level, const char *area, const char *text)
{
    (void)ctx, (void)level;
    fprintf(stderr, "attache flash: %s: %s\n", area, text);
}

static const at_log_sink sink = { .level = AT_LOG_WARN, .line = log_line };

bool tool_image_blank(tool_image *image, uint32_t size)
{
    *image = (tool_image){ .fd = -1, .size = size, .bytes = malloc(size > 0 ? size : 1) };
    image->chip = (at_flashchip){
        .ctx = image, .size = size, .read = chip_read, .program = chip_program, .erase = chip_erase
    };
    image->log.sink = &sink;
    at_heap_init(&image->heap, SIZE_MAX);
    if (image->bytes == NULL) {
        tool_fail("no memory for %lu bytes", (unsigned long)size);
        return false;
    }
    memset(image->bytes, 0xff, size);
    return true;
}

static bool read_all(int fd, uint8_t *to, size_t len)
{
    while (len > 0) {
        ssize_t got = read(fd, to, len);
        if (got <= 0) {
            return false;
        }
        to += got;
        len -= (size_t)got;
    }
    return true;
}

bool tool_image_load(tool_image *image, const char *path, uint32_t multiple, bool change)
{
    struct stat about;
    int fd = open(path, (change ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0) {
        tool_fail("%s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    if (!S_ISREG(about.st_mode) || about.st_size == 0 || about.st_size > SIZE_MAX_OF_IMAGE ||
        about.st_size % multiple != 0) {
        tool_fail("%s: %lld bytes is no image: it must be a multiple of %lu bytes, at most 16 MiB",
                  path, (long long)about.st_size, (unsigned long)multiple);
        close(fd);
        return false;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        tool_fail("%s is in use by a running module: end it first", path);
        close(fd);
        return false;
    }
    if (!tool_image_blank(image, (uint32_t)about.st_size)) {
        close(fd);
        return false;
    }
    image->path = path;
    image->fd = fd;
    if (!read_all(fd, image->bytes, image->size)) {
        tool_fail("%s: %s", path, strerror(errno));
        tool_image_close(image);
        return false;
    }
    return true;
}

static bool write_all(int fd, const uint8_t *from, size_t len)
{
    for (off_t at = 0; len > 0;) {
        ssize_t put = pwrite(fd, from, len, at);
        if (put <= 0) {
            return false;
        }
        from += put;
        at += put;
        len -= (size_t)put;
    }
    return true;
}

/* Another file: not one that a module uses, and cut only when it is ours. */
static int open_target(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) != 0 || ftruncate(fd, 0) != 0)) {
        close(fd);
        errno = EBUSY;
        return -1;
    }
    return fd;
}

bool tool_image_store(tool_image *image, const char *path)
{
    int fd = path != NULL ? open_target(path) : image->fd;
    bool done = fd >= 0 && write_all(fd, image->bytes, image->size);
    if (!done) {
        tool_fail("%s: %s", path != NULL ? path : image->path, strerror(errno));
    }
    if (path != NULL && fd >= 0 && close(fd) != 0 && done) {
        tool_fail("%s: %s", path, strerror(errno));
        done = false;
    }
    return done;
}

void tool_image_close(tool_image *image)
{
    at_partitions_close(image->partitions);
    free(image->bytes);
    if (image->fd >= 0) {
        close(image->fd);
    }
    *image = (tool_image){ .fd = -1 };
}

bool tool_partitions(tool_image *image)
{
    at_err err = AT_OK;
    if (image->partitions == NULL) {
        err = at_partitions_open(&image->partitions, &image->heap, &image->log, &image->chip);
    }
    if (err != AT_OK) {
        tool_fail("%s: the partition tables are unreadable: %s", image->path, at_err_text(err));
    }
    return err == AT_OK;
}

const at_partition *tool_partition(tool_image *image, const char *label)
{
    const at_partition *p =
        tool_partitions(image) ? at_partitions_find(image->partitions, label) : NULL;
    if (p == NULL && image->partitions != NULL) {
        tool_fail("%s has no partition '%s': `attache flash ls %s` lists them", image->path, label,
                  image->path);
    }
    return p;
}

uint8_t *tool_read_file(const char *path, size_t *len)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *bytes = NULL;
    if (fd >= 0 && fstat(fd, &about) == 0 && about.st_size <= SIZE_MAX_OF_IMAGE) {
        *len = (size_t)about.st_size;
        bytes = malloc(*len + 1);
        if (bytes != NULL && !read_all(fd, bytes, *len)) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (bytes == NULL) {
        tool_fail("%s: %s", path, errno != 0 ? strerror(errno) : "cannot be read");
    } else {
        bytes[*len] = 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    return bytes;
}

/* ---- values ---- */

static const struct {
    const char *name;
    at_nvs_type type;
} type_names[] = {
    { "u8", AT_NVS_U8 },       { "i8", AT_NVS_I8 },   { "u16", AT_NVS_U16 },
    { "i16", AT_NVS_I16 },     { "u32", AT_NVS_U32 }, { "i32", AT_NVS_I32 },
    { "u64", AT_NVS_U64 },     { "i64", AT_NVS_I64 }, { "string", AT_NVS_TEXT },
    { "binary", AT_NVS_BLOB },
};

const char *tool_type_name(at_nvs_type type)
{
    for (size_t i = 0; i < AT_COUNT(type_names); i++) {
        if (type_names[i].type == type) {
            return type_names[i].name;
        }
    }
    return "?";
}

at_nvs *tool_nvs(tool_image *image, uint32_t offset, uint32_t size, at_nvs_mode mode)
{
    at_nvs *nvs = NULL;
    at_err err = at_nvs_open(&nvs, &image->heap, &image->log, &image->chip, offset, size, mode);
    if (err != AT_OK) {
        tool_fail("%s: the values at 0x%lx are unreadable: %s", image->path, (unsigned long)offset,
                  at_err_text(err));
    }
    return nvs;
}

static at_err set_data(at_nvs *nvs, const char *space, const char *key, at_nvs_type type,
                       const char *value)
{
    size_t len = strlen(value);
    uint8_t *file = value[0] == '@' ? tool_read_file(value + 1, &len) : NULL;
    if (value[0] == '@' && file == NULL) {
        return AT_ERR_NOT_FOUND;
    }
    const void *data = file != NULL ? (const void *)file : value;
    at_err err = at_nvs_set_data(nvs, space, key, type, data, len + (type == AT_NVS_TEXT));
    free(file);
    return err;
}

bool tool_set(at_nvs *nvs, const char *space, const char *key, const char *type, const char *value)
{
    at_err err = AT_ERR_UNSUPPORTED;
    for (size_t i = 0; i < AT_COUNT(type_names); i++) {
        if (strcmp(type, type_names[i].name) != 0) {
            continue;
        }
        at_nvs_type code = type_names[i].type;
        int64_t number;
        if (code == AT_NVS_TEXT || code == AT_NVS_BLOB) {
            err = set_data(nvs, space, key, code, value);
        } else {
            err = at_parse_int(value, strlen(value), &number)
                      ? at_nvs_set_int(nvs, space, key, code, number)
                      : AT_ERR_INVALID;
        }
    }
    if (err == AT_ERR_UNSUPPORTED) {
        tool_fail("'%s' is no type: u8, i8, u16, i16, u32, i32, u64, i64, string, binary", type);
    } else if (err != AT_OK) {
        tool_fail("%s.%s = %.40s (%s) is not stored: %s", space, key, value, type,
                  at_err_text(err));
    }
    return err == AT_OK;
}
