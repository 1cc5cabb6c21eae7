/* AT+SYSMFG: the values of the manufacturing partition (guide 3.1.19).
 *
 * Decisions where the guide is silent:
 *
 * - The length of an integer is its size in bytes; a string's does not count its NUL, neither when read
 *   nor when written. Integers are lines, strings and binaries are followed by the
 *   CRLF that opens OK. 64-bit integers have no number for their type: they are listed as type 0 and
 *   cannot be read. Reading past a value's end gives what there is.
 * - A value is kept in memory until it is complete: it is stored whole or not at all; what does not fit
 *   is refused before the prompt.
 */
#include <stdio.h>
#include <string.h>

#include "commands/flash_priv.h"
#include "commands/update.h"
#include "core/bytes.h"

/* wire */
static const char FMT_SPACE[] = "+SYSMFG:\"%s\"\r\n";
static const char FMT_KEY[] = "+SYSMFG:\"%s\",\"%s\",%u\r\n";
static const char FMT_INT[] = "+SYSMFG:\"%s\",\"%s\",%u,%u,%ld\r\n";
static const char FMT_UINT[] = "+SYSMFG:\"%s\",\"%s\",%u,%u,%lu\r\n";
static const char FMT_DATA[] = "+SYSMFG:\"%s\",\"%s\",%u,";

enum { ERASE, READ, WRITE }; /* operations */

/* Collects len bytes after the prompt. On error nothing is to be freed. */
static at_result collect(at_call *call, size_t len, uint8_t **data)
{
    at_heap *heap = at_app_of(call)->heap;
    size_t got;
    *data = at_alloc(heap, len + 1);
    if (*data == NULL) {
        return at_fail(call, AT_SUB_EXEC_FAIL, 0,
                       "no memory for %lu bytes, and a value is stored whole", (unsigned long)len);
    }
    at_err err = at_collect(call, true, *data, len, &got);
    if (err != AT_OK) {
        at_free(heap, *data);
        return at_fail_err(call, err, "nothing was written");
    }
    (*data)[len] = 0;
    return AT_RESULT_OK;
}

/* The numbers of the command, from 1; 0 has none. */
static const at_nvs_type types[] = { 0,          AT_NVS_U8,  AT_NVS_I8,   AT_NVS_U16, AT_NVS_I16,
                                     AT_NVS_U32, AT_NVS_I32, AT_NVS_TEXT, AT_NVS_BLOB };
enum { TYPE_U32 = 5, TYPE_TEXT = 7, TYPE_BLOB = 8 };

static unsigned number_of(at_nvs_type type)
{
    for (unsigned i = 1; i < AT_COUNT(types); i++) {
        if (types[i] == type) {
            return i;
        }
    }
    return 0;
}

static at_result open_mfg(at_call *call, at_nvs **nvs)
{
    const at_app *app = at_app_of(call);
    *nvs = NULL;
    if (at_update_holds(app, at_flash_user_partition(app, "mfg_nvs"))) {
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "an update is writing mfg_nvs");
    }
    at_err err = at_mfg_nvs(app->mfg, nvs);
    if (err == AT_ERR_CORRUPT) {
        return at_fail_err(call, err,
                           "mfg_nvs holds no values: AT+SYSFLASH=0,\"mfg_nvs\" erases it");
    }
    return err == AT_OK ? AT_RESULT_OK : at_fail_err(call, err, "mfg_nvs cannot be opened");
}

static at_result list_spaces(at_call *call, at_nvs *nvs)
{
    at_nvs_walk walk = { 0 };
    char name[AT_NVS_NAME_MAX + 1];
    at_err err;
    while ((err = at_nvs_next_namespace(nvs, &walk, name)) == AT_OK) {
        at_row(call, FMT_SPACE, name);
    }
    return err == AT_ERR_NOT_FOUND ? AT_RESULT_OK : at_fail_err(call, err, "mfg_nvs is unreadable");
}

static at_result sysmfg_query(at_call *call)
{
    at_nvs *nvs;
    at_result result = open_mfg(call, &nvs);
    return result == AT_RESULT_OK ? list_spaces(call, nvs) : result;
}

static bool space_exists(at_nvs *nvs, const char *space)
{
    at_nvs_walk walk = { 0 };
    char name[AT_NVS_NAME_MAX + 1];
    while (at_nvs_next_namespace(nvs, &walk, name) == AT_OK) {
        if (strcmp(name, space) == 0) {
            return true;
        }
    }
    return false;
}

static at_result list_keys(at_call *call, at_nvs *nvs, const char *space)
{
    at_nvs_walk walk = { 0 };
    at_nvs_info info;
    at_err err;
    if (!space_exists(nvs, space)) {
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "no namespace \"%s\": AT+SYSMFG? lists them",
                       space);
    }
    while ((err = at_nvs_next_key(nvs, &walk, space, &info)) == AT_OK) {
        at_row(call, FMT_KEY, space, info.key, number_of(info.type));
    }
    return err == AT_ERR_NOT_FOUND ? AT_RESULT_OK : at_fail_err(call, err, "mfg_nvs is unreadable");
}

static at_err read_value(const at_flash_reader *reader, uint32_t offset, void *buf, size_t room,
                         size_t *len)
{
    at_nvs *nvs;
    at_err err = at_mfg_nvs(reader->app->mfg, &nvs);
    return err == AT_OK ? at_nvs_read(nvs, reader->space, reader->key, (at_nvs_type)reader->type,
                                      offset, buf, room, len)
                        : err;
}

static at_result answer_data(at_call *call, const at_nvs_info *info)
{
    uint32_t len = (uint32_t)info->len - (info->type == AT_NVS_TEXT);
    uint32_t offset = (uint32_t)at_int(call, 3);
    if (at_has(call, 3) != at_has(call, 4)) {
        return at_fail(call, AT_SUB_PARAM_COUNT, 5 * 256 + call->given,
                       "offset and length are given both or not at all");
    }
    if (offset > len) {
        return at_fail(call, AT_SUB_PARAM_INVALID, 4, "the value has %lu bytes",
                       (unsigned long)len);
    }
    uint32_t want = at_has(call, 4) ? (uint32_t)at_int(call, 4) : len;
    char head[AT_FLASH_HEAD_MAX];
    at_flash_reader reader = { .read = read_value,
                               .app = at_app_of(call),
                               .space = at_text(call, 1),
                               .key = info->key,
                               .type = info->type };
    snprintf(head, sizeof head, FMT_DATA, at_text(call, 1), info->key, number_of(info->type));
    return at_flash_answer(call, head, &reader, offset, AT_MIN(want, len - offset),
                           "the value is unreadable");
}

static at_result answer_int(at_call *call, at_nvs *nvs, const at_nvs_info *info)
{
    int64_t value;
    unsigned number = number_of(info->type);
    if (number == 0) {
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "integers of 64 bits have no type number here");
    }
    if (at_has(call, 3) || at_has(call, 4)) {
        return at_fail(call, AT_SUB_PARAM_INVALID, 4, "an integer is read whole");
    }
    at_err err = at_nvs_get_int(nvs, at_text(call, 1), info->key, info->type, &value);
    if (err != AT_OK) {
        return at_fail_err(call, err, "the value is unreadable");
    }
    unsigned width = (unsigned)info->type & 0xfu;
    if (number == TYPE_U32) {
        at_row(call, FMT_UINT, at_text(call, 1), info->key, number, width, (unsigned long)value);
    } else {
        at_row(call, FMT_INT, at_text(call, 1), info->key, number, width, (long)value);
    }
    return AT_RESULT_OK;
}

static at_result mfg_read(at_call *call, at_nvs *nvs)
{
    at_nvs_info info;
    if (!at_has(call, 1)) {
        return call->given == 1 ? list_spaces(call, nvs)
                                : at_fail(call, AT_SUB_PARAM_INVALID, 2, "a namespace is missing");
    }
    if (!at_has(call, 2)) {
        return call->given == 2 ? list_keys(call, nvs, at_text(call, 1))
                                : at_fail(call, AT_SUB_PARAM_INVALID, 3, "a key is missing");
    }
    at_err err = at_nvs_stat(nvs, at_text(call, 1), at_text(call, 2), &info);
    if (err != AT_OK) {
        return at_fail_err(call, err, "no such key in that namespace");
    }
    bool data = info.type == AT_NVS_TEXT || info.type == AT_NVS_BLOB;
    return data ? answer_data(call, &info) : answer_int(call, nvs, &info);
}

static at_result mfg_erase(at_call *call, at_nvs *nvs)
{
    const char *space = at_text(call, 1);
    at_err err = at_has(call, 2) ? at_nvs_erase_key(nvs, space, at_text(call, 2))
                                 : at_nvs_erase_namespace(nvs, space);
    return err == AT_OK ? AT_RESULT_OK : at_fail_err(call, err, "nothing was erased");
}

static at_result mfg_write_data(at_call *call, at_nvs *nvs, unsigned number, size_t len)
{
    uint8_t *data;
    at_nvs_usage usage;
    at_nvs_measure(nvs, &usage);
    size_t most = (usage.pages - 1u) * 4000u;
    if (len > most) {
        return at_fail(call, AT_SUB_PARAM_INVALID, 5, "mfg_nvs holds at most %lu bytes",
                       (unsigned long)most);
    }
    at_result result = collect(call, len, &data);
    if (result != AT_RESULT_OK) {
        return result;
    }
    at_err err = at_nvs_set_data(nvs, at_text(call, 1), at_text(call, 2), types[number], data,
                                 len + (number == TYPE_TEXT));
    at_free(at_app_of(call)->heap, data);
    return err == AT_OK ? AT_RESULT_OK : at_fail_err(call, err, "the value was not stored");
}

static at_result mfg_write(at_call *call, at_nvs *nvs)
{
    unsigned number = (unsigned)at_int(call, 3);
    if (number >= TYPE_TEXT) {
        return mfg_write_data(call, nvs, number, (uint32_t)at_int(call, 4));
    }
    int64_t value = number == TYPE_U32 ? (int64_t)(uint32_t)at_int(call, 4) : at_int(call, 4);
    at_err err = at_nvs_set_int(nvs, at_text(call, 1), at_text(call, 2), types[number], value);
    return err == AT_OK ? AT_RESULT_OK : at_fail_err(call, err, "the value was not stored");
}

static at_result sysmfg_set(at_call *call)
{
    at_nvs *nvs;
    at_result result = open_mfg(call, &nvs);
    if (result != AT_RESULT_OK) {
        return result;
    }
    switch (at_int(call, 0)) {
    case ERASE: return mfg_erase(call, nvs);
    case READ: return mfg_read(call, nvs);
    default: return mfg_write(call, nvs);
    }
}

/* arguments */
#define NAME AT_NVS_NAME_MAX

#define MFG_WRITE_ARGS(value)                                                              \
    {                                                                                      \
        AT_INT("operation", 0, 2), AT_TEXT("namespace", 1, NAME), AT_TEXT("key", 1, NAME), \
            AT_INT("type", 1, 8), value,                                                   \
    }
static const at_arg_spec mfg_erase_args[] = { AT_INT("operation", 0, 2),
                                              AT_TEXT("namespace", 1, NAME),
                                              AT_OPT_TEXT("key", 1, NAME) };
static const at_arg_spec mfg_read_args[] = { AT_INT("operation", 0, 2),
                                             AT_OPT_TEXT("namespace", 1, NAME),
                                             AT_OPT_TEXT("key", 1, NAME), AT_OPT_UINT("offset"),
                                             AT_OPT_UINT("length") };
static const at_arg_spec mfg_u8_args[] = MFG_WRITE_ARGS(AT_INT("value", 0, UINT8_MAX));
static const at_arg_spec mfg_i8_args[] = MFG_WRITE_ARGS(AT_INT("value", INT8_MIN, INT8_MAX));
static const at_arg_spec mfg_u16_args[] = MFG_WRITE_ARGS(AT_INT("value", 0, UINT16_MAX));
static const at_arg_spec mfg_i16_args[] = MFG_WRITE_ARGS(AT_INT("value", INT16_MIN, INT16_MAX));
static const at_arg_spec mfg_u32_args[] = MFG_WRITE_ARGS(AT_UINT("value"));
static const at_arg_spec mfg_i32_args[] = MFG_WRITE_ARGS(AT_INT("value", INT32_MIN, INT32_MAX));
static const at_arg_spec mfg_text_args[] = MFG_WRITE_ARGS(AT_INT("value", 0, AT_NVS_TEXT_MAX - 1));
static const at_arg_spec mfg_blob_args[] = MFG_WRITE_ARGS(AT_INT("value", 0, INT32_MAX));

enum { SHAPE_ERASE, SHAPE_READ, SHAPE_WRITE };
static const at_shape sysmfg_shapes[] = {
    AT_SHAPE("erase", mfg_erase_args),       AT_SHAPE("read", mfg_read_args),
    AT_SHAPE("write u8", mfg_u8_args),       AT_SHAPE("write i8", mfg_i8_args),
    AT_SHAPE("write u16", mfg_u16_args),     AT_SHAPE("write i16", mfg_i16_args),
    AT_SHAPE("write u32", mfg_u32_args),     AT_SHAPE("write i32", mfg_i32_args),
    AT_SHAPE("write string", mfg_text_args), AT_SHAPE("write binary", mfg_blob_args),
};

static uint8_t sysmfg_select(const at_call *call)
{
    int64_t operation = at_flash_peek_int(call, 0), type = at_flash_peek_int(call, 3);
    if (operation != WRITE) {
        return operation == ERASE ? SHAPE_ERASE : SHAPE_READ;
    }
    return (uint8_t)(type >= 1 && type <= TYPE_BLOB ? SHAPE_WRITE + type - 1 : SHAPE_WRITE);
}

/* rows */
static const at_cmd rows[] = {
    { .name = "+SYSMFG",
      .query = sysmfg_query,
      .set = sysmfg_set,
      AT_SHAPES(sysmfg_shapes),
      .select = sysmfg_select,
      .flags = AT_SAVED_ALWAYS,
      .builds = AT_IN_ALL,
      .guide = "3.1.19",
      .summary = "Query, erase, read and write values of the manufacturing partition" },
};

const at_family_rows at_mfg_rows = AT_FAMILY(rows);
