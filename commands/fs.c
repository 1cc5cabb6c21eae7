/* Files (guide 3.7).
 *
 * Decisions where the guide is silent:
 *
 * - A partition without a file system is formatted by the first command that needs one, as the part
 *   does; one that is damaged is not: AT+SYSFLASH=0,"fatfs" erases it.
 * - Answers: +FS:<size> for the size, +FS:"<name>" for each file of the list, +FS:<length>,<data> for
 *   reading, followed by the CRLF that opens OK. Reading at or past the end gives +FS:0,.
 * - Writing beyond the end fills the hole with zeroes. The file is made when it is missing. The data
 *   are written when they are complete: +++ leaves the file as it was.
 * - AT+FSMOUNT answers OK as well when there is nothing to do.
 * - Only the root is listed, "." or "/"; directories of other makers' images are not listed.
 */
#include <stdio.h>
#include <string.h>

#include "commands/flash_priv.h"
#include "commands/update.h"
#include "core/bytes.h"

/* wire */
static const char FMT_SIZE[] = "+FS:%lu\r\n";
static const char FMT_NAME[] = "+FS:\"%s\"\r\n";
static const char HEAD_FS[] = "+FS:";

#define ROW_MAX  (AT_FAT_TEXT_MAX + 16u)
#define OPTIONAL 0x80u /* builds: configurable, so in none of the part's by default (guide 6.15) */

enum { DELETE, WRITE, READ, SIZE, LIST };

/* ---- mounting ---- */

static const at_partition *fat_partition(const at_app *app)
{
    return app->partitions != NULL
               ? at_partitions_find_type(app->partitions, AT_PARTITION_DATA, AT_DATA_FAT)
               : NULL;
}

static at_err mount(at_app *app, const at_partition *p)
{
    at_fat **fat = &app->flash_family->fat;
    at_err err =
        at_fat_mount(fat, app->heap, app->log, app->flash, p->offset, p->size, AT_FAT_READ_WRITE);
    if (err != AT_ERR_NOT_FOUND) {
        return err;
    }
    at_log(app->log, AT_LOG_INFO, "fs", "\"%s\" has no file system and is formatted", p->label);
    err = at_fat_format(app->heap, app->flash, p->offset, p->size);
    return err == AT_OK ? at_fat_mount(fat, app->heap, app->log, app->flash, p->offset, p->size,
                                       AT_FAT_READ_WRITE)
                        : err;
}

static at_result need_files(at_call *call)
{
    at_app *app = at_app_of(call);
    const at_partition *p = fat_partition(app);
    if (at_update_holds(app, p)) {
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "an update is writing \"%s\"", p->label);
    }
    if (app->flash_family->fat != NULL) {
        return AT_RESULT_OK;
    }
    if (p == NULL) {
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "this module has no partition for files");
    }
    at_err err = mount(app, p);
    if (err == AT_ERR_CORRUPT || err == AT_ERR_UNSUPPORTED) {
        return at_fail_err(call, err, "no file system of ours: AT+SYSFLASH=0,\"fatfs\" erases it");
    }
    return err == AT_OK ? AT_RESULT_OK : at_fail_err(call, err, "the partition cannot be mounted");
}

static at_result fsmount_set(at_call *call)
{
    at_app *app = at_app_of(call);
    if (at_int(call, 0) == 1) {
        return need_files(call);
    }
    at_fat_unmount(app->flash_family->fat);
    app->flash_family->fat = NULL;
    return AT_RESULT_OK;
}

/* ---- AT+FS ---- */

static at_result done(at_call *call, at_err err)
{
    switch (err) {
    case AT_OK: return AT_RESULT_OK;
    case AT_ERR_NOT_FOUND: return at_fail_err(call, err, "no such file");
    case AT_ERR_INVALID:
        return at_fail(call, AT_SUB_PARAM_INVALID, 3, "no file can have this name");
    case AT_ERR_NOMEM: return at_fail_err(call, err, "no room on flash or in memory");
    case AT_ERR_CORRUPT:
        return at_fail_err(call, err,
                           "the file system is damaged: AT+SYSFLASH=0,\"fatfs\" erases it");
    default: return at_fail_err(call, err, "the files are not reachable");
    }
}

static at_result fs_delete(at_call *call)
{
    return done(call, at_fat_remove(at_app_of(call)->flash_family->fat, at_text(call, 2)));
}

static at_result fs_size(at_call *call)
{
    at_fat_info info;
    at_err err = at_fat_stat(at_app_of(call)->flash_family->fat, at_text(call, 2), &info);
    if (err != AT_OK || info.directory) {
        return done(call, err != AT_OK ? err : AT_ERR_INVALID);
    }
    at_row(call, FMT_SIZE, (unsigned long)info.size);
    return AT_RESULT_OK;
}

static at_err read_file(const at_flash_reader *reader, uint32_t offset, void *buf, size_t room,
                        size_t *len)
{
    return at_fat_read(reader->app->flash_family->fat, reader->key, offset, buf, room, len);
}

static at_result fs_read(at_call *call)
{
    at_app *app = at_app_of(call);
    uint32_t offset = (uint32_t)at_int(call, 3), length = (uint32_t)at_int(call, 4);
    at_fat_info info;
    at_err err = at_fat_stat(app->flash_family->fat, at_text(call, 2), &info);
    if (err != AT_OK || info.directory) {
        return done(call, err != AT_OK ? err : AT_ERR_INVALID);
    }
    uint32_t there = offset < info.size ? info.size - offset : 0;
    at_flash_reader reader = { .read = read_file, .app = app, .key = at_text(call, 2) };
    return at_flash_answer(call, HEAD_FS, &reader, offset, AT_MIN(length, there),
                           "the file is unreadable");
}

static at_result fs_write(at_call *call)
{
    at_app *app = at_app_of(call);
    uint32_t offset = (uint32_t)at_int(call, 3), length = (uint32_t)at_int(call, 4);
    at_fat_usage usage;
    at_fat_measure(app->flash_family->fat, &usage);
    uint64_t room = (uint64_t)usage.clusters * usage.cluster;
    if (offset > room) {
        return at_fail(call, AT_SUB_PARAM_INVALID, 4, "all files together have %lu bytes",
                       (unsigned long)room);
    }
    if (length == 0 || length > room - offset) {
        return at_fail(call, AT_SUB_PARAM_INVALID, 5, "1 to %lu bytes can be written there",
                       (unsigned long)(room - offset));
    }
    size_t got = 0;
    uint8_t *data = at_alloc(app->heap, length);
    if (data == NULL) {
        return at_fail_err(call, AT_ERR_NOMEM, "write in smaller pieces");
    }
    at_err err = at_collect(call, false, data, length, &got);
    if (err == AT_OK) {
        err = at_fat_write(app->flash_family->fat, at_text(call, 2), offset, data, length);
    }
    at_free(app->heap, data);
    return err == AT_ERR_CANCELLED ? at_fail_err(call, err, "the file is as it was")
                                   : done(call, err);
}

static at_result fs_list(at_call *call)
{
    at_app *app = at_app_of(call);
    const char *path = at_text(call, 2);
    at_fat_walk walk = { 0 };
    at_fat_info info;
    at_err err;
    if (strcmp(path, ".") != 0 && strcmp(path, "/") != 0 && strcmp(path, "./") != 0) {
        return at_fail(call, AT_SUB_PARAM_INVALID, 3, "only the root directory \".\" is listed");
    }
    while ((err = at_fat_next(app->flash_family->fat, &walk, ".", &info)) == AT_OK) {
        char row[ROW_MAX];
        if (!info.directory) {
            at_write(call, row, (size_t)snprintf(row, sizeof row, FMT_NAME, info.name));
        }
    }
    return err == AT_ERR_NOT_FOUND ? AT_RESULT_OK : done(call, err);
}

static at_result fs_set(at_call *call)
{
    static const at_handler operations[] = { fs_delete, fs_write, fs_read, fs_size, fs_list };
    at_result result = need_files(call);
    return result == AT_RESULT_OK ? operations[at_int(call, 1)](call) : result;
}

/* arguments */
static const at_arg_spec name_args[] = { AT_INT("type", 0, 0), AT_INT("operation", 0, 4),
                                         AT_TEXT("filename", 1, AT_LINE_MAX) };
static const at_arg_spec data_args[] = { AT_INT("type", 0, 0), AT_INT("operation", 0, 4),
                                         AT_TEXT("filename", 1, AT_LINE_MAX), AT_UINT("offset"),
                                         AT_UINT("length") };
static const at_shape fs_shapes[] = { AT_SHAPE("delete, size, list", name_args),
                                      AT_SHAPE("write, read", data_args) };
static const at_arg_spec fsmount_args[] = { AT_INT("mount", 0, 1) };
static const at_shape fsmount_shapes[] = { AT_SHAPE(NULL, fsmount_args) };

static uint8_t fs_select(const at_call *call)
{
    char text[24];
    int64_t value;
    const char *field = at_peek(call, 1, text, sizeof text);
    bool data = at_parse_int(field, strlen(field), &value) && (value == WRITE || value == READ);
    return data ? 1 : 0;
}

/* rows */
static const at_cmd rows[] = {
    { .name = "+FS",
      .set = fs_set,
      AT_SHAPES(fs_shapes),
      .select = fs_select,
      .builds = OPTIONAL,
      .guide = "3.7.2",
      .summary = "Delete, write, read and list files" },
    { .name = "+FSMOUNT",
      .set = fsmount_set,
      AT_SHAPES(fsmount_shapes),
      .builds = OPTIONAL,
      .guide = "3.7.3",
      .summary = "Mount or unmount the file system" },
};

const at_family_rows at_fs_rows = AT_FAMILY(rows);
