/* Keys and values: what callers of NVS see.
 *
 * A namespace is an item of namespace 0 whose value (1 to 254) marks the items of its keys. The
 * name is looked up each time, like any item; an index in memory would cost more than it saves.
 *
 * The identity of an item is (namespace, key, chunk number), whatever its type, so setting a key to
 * another type replaces it. To change a value, the new item is written whole before the old one is
 * erased; which of two is the newer after a cut follows from their places (nvs_mount.c).
 */
#include "storage/nvs.h"

#include <string.h>

#include "core/bytes.h"
#include "storage/crc32.h"
#include "storage/nvs_priv.h"

#define SPACES_MAX 254u

static bool name_is_sound(const char *name)
{
    size_t len = 0;
    while (len <= AT_NVS_NAME_MAX && name[len] != '\0') {
        len++;
    }
    return len >= 1 && len <= AT_NVS_NAME_MAX;
}

static at_err writable(const at_nvs *nvs)
{
    return nvs->read_only ? AT_ERR_STATE : nvs->failed ? AT_ERR_IO : AT_OK;
}

static bool is_space(const nvs_head *head)
{
    return head->ns == NVS_SPACES && head->type == AT_NVS_U8 && head->data[0] >= 1 &&
           head->data[0] <= SPACES_MAX;
}

static at_err find_space(at_nvs *nvs, const char *name, uint8_t *ns)
{
    if (!name_is_sound(name)) {
        return AT_ERR_INVALID;
    }
    nvs_place place;
    at_err err = nvs_find(nvs, NVS_SPACES, name, NVS_NO_CHUNK, &place);
    if (err == AT_OK && !is_space(&place.head)) {
        err = AT_ERR_NOT_FOUND;
    }
    *ns = err == AT_OK ? place.head.data[0] : 0;
    return err;
}

static at_err find_key(at_nvs *nvs, const char *space, const char *key, nvs_place *place)
{
    uint8_t ns;
    if (!name_is_sound(key)) {
        return AT_ERR_INVALID;
    }
    at_err err = find_space(nvs, space, &ns);
    return err == AT_OK ? nvs_find(nvs, ns, key, NVS_NO_CHUNK, place) : err;
}

/* Takes the lowest index that no namespace has. */
static at_err add_space(at_nvs *nvs, const char *name, uint8_t *ns)
{
    bool taken[SPACES_MAX + 1] = { false };
    at_nvs_walk walk = { 0 };
    nvs_place place;
    at_err err;
    while ((err = nvs_next_head(nvs, &walk, &place)) == AT_OK) {
        if (is_space(&place.head)) {
            taken[place.head.data[0]] = true;
        }
    }
    unsigned index = 1;
    while (index <= SPACES_MAX && taken[index]) {
        index++;
    }
    if (err != AT_ERR_NOT_FOUND || index > SPACES_MAX) {
        return err != AT_ERR_NOT_FOUND ? err : AT_ERR_NOMEM;
    }
    nvs_head head;
    nvs_make_head(&head, NVS_SPACES, AT_NVS_U8, name);
    head.data[0] = *ns = (uint8_t)index;
    err = nvs_store(nvs, &head, NULL, 0, &place);
    return err == AT_OK ? nvs_erase_others(nvs, &head, &place) : err;
}

/* The types that callers know. */
static at_nvs_type type_of(const nvs_head *head)
{
    bool blob = head->type == NVS_BLOB_V1 || head->type == NVS_BLOB_INDEX;
    return blob ? AT_NVS_BLOB : (at_nvs_type)head->type;
}

static bool is_integer(at_nvs_type type)
{
    return type != AT_NVS_TEXT && type != AT_NVS_BLOB;
}

static void describe(const nvs_head *head, at_nvs_info *info)
{
    memcpy(info->key, head->key, sizeof info->key);
    info->type = type_of(head);
    info->len = is_integer(info->type) ? head->type & 0x0fu : nvs_value_len(head);
}

at_err at_nvs_stat(at_nvs *nvs, const char *space, const char *key, at_nvs_info *info)
{
    nvs_place place;
    at_err err = find_key(nvs, space, key, &place);
    if (err == AT_OK) {
        describe(&place.head, info);
    }
    return err;
}

/* ---- integers ---- */

at_err at_nvs_get_int(at_nvs *nvs, const char *space, const char *key, at_nvs_type type,
                      int64_t *value)
{
    nvs_place place;
    at_err err = find_key(nvs, space, key, &place);
    if (err != AT_OK) {
        return err;
    }
    if (place.head.type != type || !is_integer(type)) {
        return AT_ERR_STATE;
    }
    unsigned width = type & 0x0fu;
    bool negative = (type & 0x10u) != 0 && (place.head.data[width - 1] & 0x80u) != 0;
    uint64_t bits = negative ? UINT64_MAX : 0;
    for (unsigned i = width; i-- > 0;) {
        bits = bits << 8 | place.head.data[i];
    }
    memcpy(value, &bits, sizeof bits);
    return AT_OK;
}

static bool int_fits(at_nvs_type type, int64_t value)
{
    unsigned bits = (type & 0x0fu) * 8;
    if (bits == 64) {
        return true;
    }
    bool is_signed = (type & 0x10u) != 0;
    int64_t top = (INT64_C(1) << (is_signed ? bits - 1 : bits)) - 1;
    return value <= top && value >= (is_signed ? -top - 1 : 0);
}

static bool same_value(at_nvs *nvs, const nvs_place *old, const nvs_head *head, const void *data,
                       size_t len, at_err *err)
{
    bool equal = false;
    *err = AT_OK;
    if (type_of(&old->head) != type_of(head)) {
        return false;
    }
    if (is_integer(type_of(head))) {
        return memcmp(old->head.data, head->data, sizeof head->data) == 0;
    }
    *err = nvs_value_equals(nvs, old, data, len, &equal);
    return equal;
}

/* head: complete for integers and texts; for a blob only its type matters here. */
static at_err set_value(at_nvs *nvs, const char *space, nvs_head *head, const void *data,
                        size_t len)
{
    at_err err = writable(nvs);
    if (err != AT_OK) {
        return err;
    }
    err = find_space(nvs, space, &head->ns);
    if (err == AT_ERR_NOT_FOUND) {
        err = add_space(nvs, space, &head->ns);
    }
    if (err != AT_OK) {
        return err;
    }
    nvs_place old, place;
    err = nvs_find(nvs, head->ns, head->key, NVS_NO_CHUNK, &old);
    if (err != AT_OK && err != AT_ERR_NOT_FOUND) {
        return err;
    }
    bool exists = err == AT_OK;
    if (exists && same_value(nvs, &old, head, data, len, &err)) {
        return AT_OK;
    }
    if (exists && err != AT_OK) {
        return err;
    }
    if (head->type == NVS_BLOB_INDEX) {
        err = nvs_blob_set(nvs, head->ns, head->key, exists ? &old.head : NULL, data, len);
    } else {
        err = nvs_store(nvs, head, data, len, &place);
        if (err == AT_OK && exists) {
            err = nvs_erase_others(nvs, head, &place);
        }
    }
    if (err == AT_OK && exists && old.head.type == NVS_BLOB_INDEX) {
        err = nvs_blob_erase_chunks(nvs, &old.head);
    }
    return err;
}

at_err at_nvs_set_int(at_nvs *nvs, const char *space, const char *key, at_nvs_type type,
                      int64_t value)
{
    if (!is_integer(type) || !int_fits(type, value) || !name_is_sound(key)) {
        return AT_ERR_INVALID;
    }
    nvs_head head;
    nvs_make_head(&head, 0, (uint8_t)type, key);
    uint64_t bits = (uint64_t)value;
    for (unsigned i = 0; i < (type & 0x0fu); i++) {
        head.data[i] = (uint8_t)(bits >> (8 * i));
    }
    return set_value(nvs, space, &head, NULL, 0);
}

/* ---- texts and blobs ---- */

at_err at_nvs_read(at_nvs *nvs, const char *space, const char *key, at_nvs_type type, size_t offset,
                   void *buf, size_t room, size_t *len)
{
    nvs_place place;
    *len = 0;
    at_err err = find_key(nvs, space, key, &place);
    if (err != AT_OK) {
        return err;
    }
    if (type_of(&place.head) != type || is_integer(type)) {
        return AT_ERR_STATE;
    }
    return nvs_value_read(nvs, &place, offset, buf, room, len);
}

at_err at_nvs_get_data(at_nvs *nvs, const char *space, const char *key, at_nvs_type type, void *buf,
                       size_t room, size_t *len)
{
    at_nvs_info info;
    *len = 0;
    at_err err = at_nvs_stat(nvs, space, key, &info);
    if (err != AT_OK) {
        return err;
    }
    if (info.type == type && !is_integer(type) && info.len > room) {
        *len = info.len;
        return AT_ERR_AGAIN;
    }
    err = at_nvs_read(nvs, space, key, type, 0, buf, room, len);
    if (err == AT_OK && type == AT_NVS_TEXT &&
        (*len == 0 || memchr(buf, '\0', *len) != (char *)buf + *len - 1)) {
        at_log(nvs->log, AT_LOG_ERROR, "nvs", "key \"%s\": the stored text has no end", key);
        *len = 0;
        return AT_ERR_CORRUPT;
    }
    return err;
}

at_err at_nvs_set_data(at_nvs *nvs, const char *space, const char *key, at_nvs_type type,
                       const void *data, size_t len)
{
    if (is_integer(type) || !name_is_sound(key)) {
        return AT_ERR_INVALID;
    }
    nvs_head head;
    if (type == AT_NVS_BLOB) {
        nvs_make_head(&head, 0, NVS_BLOB_INDEX, key);
        return set_value(nvs, space, &head, len > 0 ? data : "", len);
    }
    if (len == 0 || len > AT_NVS_TEXT_MAX ||
        memchr(data, '\0', len) != (const char *)data + len - 1) {
        return AT_ERR_INVALID;
    }
    nvs_make_head(&head, 0, AT_NVS_TEXT, key);
    head.span = (uint8_t)(1 + (len + NVS_ENTRY - 1) / NVS_ENTRY);
    nvs_put16(head.data, (uint16_t)len);
    nvs_put32(head.data + 4, at_crc32_end(at_crc32_add(AT_CRC32_START, data, len)));
    return set_value(nvs, space, &head, data, len);
}

/* ---- erasing ---- */

/* The value first, then its chunks: a cut leaves chunks without index, never the reverse. */
static at_err erase_value(at_nvs *nvs, const nvs_head *head)
{
    at_err err = nvs_erase_others(nvs, head, NULL);
    if (err == AT_OK && head->type == NVS_BLOB_INDEX) {
        err = nvs_blob_erase_chunks(nvs, head);
    }
    return err;
}

at_err at_nvs_erase_key(at_nvs *nvs, const char *space, const char *key)
{
    nvs_place place;
    at_err err = writable(nvs);
    if (err == AT_OK) {
        err = find_key(nvs, space, key, &place);
    }
    return err == AT_OK ? erase_value(nvs, &place.head) : err;
}

at_err at_nvs_erase_namespace(at_nvs *nvs, const char *space)
{
    uint8_t ns;
    at_err err = writable(nvs);
    if (err == AT_OK) {
        err = find_space(nvs, space, &ns);
    }
    if (err != AT_OK) {
        return err;
    }
    at_nvs_walk walk = { 0 };
    nvs_place place;
    while ((err = nvs_next_head(nvs, &walk, &place)) == AT_OK) {
        if (place.head.ns == ns && place.head.type != NVS_BLOB_DATA) {
            err = erase_value(nvs, &place.head);
            if (err != AT_OK) {
                return err;
            }
        }
    }
    return err == AT_ERR_NOT_FOUND ? AT_OK : err;
}

/* ---- walks ---- */

at_err at_nvs_next_namespace(at_nvs *nvs, at_nvs_walk *walk, char name[AT_NVS_NAME_MAX + 1])
{
    nvs_place place;
    at_err err;
    while ((err = nvs_next_head(nvs, walk, &place)) == AT_OK) {
        if (is_space(&place.head)) {
            memcpy(name, place.head.key, sizeof place.head.key);
            break;
        }
    }
    return err;
}

at_err at_nvs_next_key(at_nvs *nvs, at_nvs_walk *walk, const char *space, at_nvs_info *info)
{
    uint8_t ns;
    nvs_place place;
    at_err err = find_space(nvs, space, &ns);
    while (err == AT_OK && (err = nvs_next_head(nvs, walk, &place)) == AT_OK) {
        if (place.head.ns == ns && place.head.type != NVS_BLOB_DATA) {
            describe(&place.head, info);
            break;
        }
    }
    return err;
}
