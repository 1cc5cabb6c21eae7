/* The schema (settings.def) and the values.
 *
 * Every setting lives in memory; its room is part of one block that is taken at open, so changing a
 * setting never needs memory. Flash follows by policy:
 *   NEVER     memory only
 *   ALWAYS    each change
 *   SYSSTORE  each change while the setting SYSSTORE is not 0 (guide 3.1.26)
 * The value in memory does not decide whether flash is written: after a time with SYSSTORE=0 both
 * may differ, and setting the same value again must store it. NVS itself skips equal values.
 *
 * Integers are stored as i32. What is on flash but cannot be used (another type, too long, damaged)
 * is logged and counts as not set; the next change replaces it.
 */
#include "storage/settings.h"

#include <string.h>

#include "storage/nvs.h"

#define SPACE "at"

typedef enum setting_kind { KIND_INT, KIND_BLOB } setting_kind;
typedef enum setting_policy { NEVER, ALWAYS, SYSSTORE } setting_policy;

typedef struct setting_row {
    const char *key; /* in NVS; NULL only with NEVER */
    setting_kind kind;
    setting_policy policy;
    size_t room; /* bytes of a blob; 0 for integers */
    int32_t fallback;
} setting_row;

static const setting_row rows[AT_SETTING_COUNT] = {
#define AT_SETTING_INT(name, key, fallback, policy) \
    [AT_SETTING_##name] = { key, KIND_INT, policy, 0, fallback },
#define AT_SETTING_BLOB(name, key, size, policy) \
    [AT_SETTING_##name] = { key, KIND_BLOB, policy, size, 0 },
#include "storage/settings.def"
#undef AT_SETTING_INT
#undef AT_SETTING_BLOB
};

typedef struct setting_value {
    int32_t number;
    size_t len;     /* bytes of the blob; 0: not set */
    uint8_t *bytes; /* room bytes, in the block behind at_settings */
} setting_value;

struct at_settings {
    at_heap *heap;
    const at_log *log;
    struct at_nvs *nvs;
    setting_value values[AT_SETTING_COUNT];
};

static void set_fallback(at_settings *s, unsigned id)
{
    setting_value *value = &s->values[id];
    value->number = rows[id].fallback;
    value->len = 0;
}

static void load(at_settings *s, unsigned id)
{
    const setting_row *row = &rows[id];
    setting_value *value = &s->values[id];
    at_err err;
    if (row->kind == KIND_INT) {
        int64_t number = 0;
        err = at_nvs_get_int(s->nvs, SPACE, row->key, AT_NVS_I32, &number);
        value->number = err == AT_OK ? (int32_t)number : value->number;
    } else {
        err = at_nvs_get_data(s->nvs, SPACE, row->key, AT_NVS_BLOB, value->bytes, row->room,
                              &value->len);
        if (err != AT_OK) {
            set_fallback(s, id);
        }
    }
    if (err != AT_OK && err != AT_ERR_NOT_FOUND) {
        at_log(s->log, AT_LOG_ERROR, "settings", "%s is not readable (%s), using its default",
               row->key, err == AT_ERR_AGAIN ? "too long" : at_err_text(err));
    }
}

at_settings *at_settings_open(at_heap *heap, const at_log *log, struct at_nvs *nvs)
{
    size_t room = 0;
    for (unsigned id = 0; id < AT_SETTING_COUNT; id++) {
        room += rows[id].room;
    }
    at_settings *s = at_calloc(heap, 1, sizeof *s + room);
    if (s == NULL) {
        return NULL;
    }
    s->heap = heap;
    s->log = log;
    s->nvs = nvs;
    uint8_t *bytes = (uint8_t *)(s + 1);
    for (unsigned id = 0; id < AT_SETTING_COUNT; id++) {
        s->values[id].bytes = bytes;
        bytes += rows[id].room;
        set_fallback(s, id);
        if (nvs != NULL && rows[id].policy != NEVER) {
            load(s, id);
        }
    }
    return s;
}

void at_settings_close(at_settings *s)
{
    if (s != NULL) {
        at_free(s->heap, s);
    }
}

static bool goes_to_flash(const at_settings *s, at_setting id)
{
    if (s->nvs == NULL || rows[id].policy == NEVER) {
        return false;
    }
    return rows[id].policy == ALWAYS || s->values[AT_SETTING_SYSSTORE].number != 0;
}

static at_err stored(const at_settings *s, at_setting id, at_err err)
{
    if (err != AT_OK) {
        at_log(s->log, AT_LOG_ERROR, "settings", "%s could not be stored (%s)", rows[id].key,
               at_err_text(err));
    }
    return err;
}

int32_t at_setting_int(const at_settings *s, at_setting id)
{
    return s->values[id].number;
}

at_err at_setting_set_int(at_settings *s, at_setting id, int32_t value)
{
    s->values[id].number = value;
    if (!goes_to_flash(s, id)) {
        return AT_OK;
    }
    return stored(s, id, at_nvs_set_int(s->nvs, SPACE, rows[id].key, AT_NVS_I32, value));
}

size_t at_setting_blob_any(const at_settings *s, at_setting id, void *buf, size_t room)
{
    const setting_value *v = &s->values[id];
    if (rows[id].kind != KIND_BLOB || v->len == 0 || v->len > room) {
        return 0;
    }
    memcpy(buf, v->bytes, v->len);
    return v->len;
}

bool at_setting_blob(const at_settings *s, at_setting id, void *buf, size_t len)
{
    return len > 0 && s->values[id].len == len && at_setting_blob_any(s, id, buf, len) == len;
}

at_err at_setting_set_blob(at_settings *s, at_setting id, const void *data, size_t len)
{
    setting_value *v = &s->values[id];
    if (rows[id].kind != KIND_BLOB || len > rows[id].room) {
        return AT_ERR_INVALID;
    }
    if (len > 0) {
        memmove(v->bytes, data, len);
    }
    v->len = len;
    if (!goes_to_flash(s, id)) {
        return AT_OK;
    }
    at_err err;
    if (len > 0) {
        err = at_nvs_set_data(s->nvs, SPACE, rows[id].key, AT_NVS_BLOB, v->bytes, len);
    } else {
        err = at_nvs_erase_key(s->nvs, SPACE, rows[id].key);
        err = err == AT_ERR_NOT_FOUND ? AT_OK : err;
    }
    return stored(s, id, err);
}

at_err at_settings_restore(at_settings *s)
{
    if (s->nvs == NULL) {
        return AT_OK;
    }
    at_err err = at_nvs_erase_namespace(s->nvs, SPACE);
    if (err == AT_ERR_NOT_FOUND) {
        return AT_OK; /* nothing was ever stored */
    }
    if (err != AT_OK) {
        at_log(s->log, AT_LOG_ERROR, "settings", "restoring the defaults failed (%s)",
               at_err_text(err));
    }
    return err;
}
