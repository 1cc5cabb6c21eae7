/* Settings: the values commands set, in RAM, and in NVS as the schema (settings.def) says. */
#ifndef STORAGE_SETTINGS_H
#define STORAGE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"

typedef enum at_setting {
#define AT_SETTING_INT(name, key, fallback, policy) AT_SETTING_##name,
#define AT_SETTING_BLOB(name, key, size, policy)    AT_SETTING_##name,
#include "storage/settings.def"
#undef AT_SETTING_INT
#undef AT_SETTING_BLOB
    AT_SETTING_COUNT
} at_setting;

typedef struct at_settings at_settings;
struct at_nvs;

/* Loads every stored value of namespace "at"; unreadable ones are logged and get their default.
 * nvs may be NULL (nothing survives). NULL: out of memory. */
at_settings *at_settings_open(at_heap *heap, const at_log *log, struct at_nvs *nvs);
void at_settings_close(at_settings *s);

int32_t at_setting_int(const at_settings *s, at_setting id);
/* Changes the value now; flash is written when the policy says so and the stored value differs.
 * AT_ERR_IO, AT_ERR_NOMEM: flash could not take it (the RAM value is changed all the same). */
at_err at_setting_set_int(at_settings *s, at_setting id, int32_t value);
/* Copies the blob when it is set and exactly len bytes long; else false and buf is untouched. */
bool at_setting_blob(const at_settings *s, at_setting id, void *buf, size_t len);
/* The stored blob of whatever length up to room; 0: not set. */
size_t at_setting_blob_any(const at_settings *s, at_setting id, void *buf, size_t room);
/* AT_ERR_INVALID: longer than the schema's size. len 0: the setting is not set any more. */
at_err at_setting_set_blob(at_settings *s, at_setting id, const void *data, size_t len);
/* Erases the namespace (AT+RESTORE, guide 3.1.8); RAM keeps its values until the restart. */
at_err at_settings_restore(at_settings *s);

#endif
