/* Values longer than an integer, and above all blobs, which may be longer than a page.
 *
 * A blob is a number of chunks (data items with chunk numbers) and an index that names their count
 * and their first number: 0x00 or 0x80, called its version. A rewrite uses the other version, so
 * old and new chunks live side by side until the new index is on flash; the new index replaces the
 * old one like any other value does, and chunks that no index knows are garbage. So the value
 * changes with one write, whatever its length.
 *
 * Version 1 blobs (one item, type 0x41) are read and replaced, never written.
 */
#include "storage/nvs_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "storage/crc32.h"

#define FIRST_CHUNK_MIN (NVS_CHUNK_MAX / 10) /* less room than this: a blob begins on a new page */

/* What to do with the bytes of a value while they pass. */
typedef struct visit {
    size_t passed;       /* bytes of the value seen so far */
    size_t offset, room; /* the window to copy */
    uint8_t *copy;       /* NULL: copy nothing */
    size_t copied;
    const uint8_t *compare; /* NULL: compare nothing; else as long as the value */
    bool equal;
} visit;

static void visit_block(visit *v, const uint8_t *block, size_t len)
{
    size_t start = v->offset > v->passed ? v->offset - v->passed : 0;
    if (v->copy != NULL && start < len) {
        size_t take = AT_MIN(len - start, v->room - v->copied);
        if (take > 0) {
            memcpy(v->copy + v->copied, block + start, take);
        }
        v->copied += take;
    }
    if (v->compare != NULL && memcmp(v->compare + v->passed, block, len) != 0) {
        v->equal = false;
    }
    v->passed += len;
}

/* All bytes behind one head. */
static at_err visit_item(at_nvs *nvs, const nvs_place *place, visit *v)
{
    uint32_t crc = AT_CRC32_START;
    uint32_t at = NVS_ENTRIES_AT + (place->entry + 1u) * NVS_ENTRY;
    size_t left = nvs_behind(&place->head);
    while (left > 0) {
        uint8_t block[256];
        size_t len = AT_MIN(left, sizeof block);
        at_err err = nvs_read(nvs, place->page, at, block, len);
        if (err != AT_OK) {
            return err;
        }
        crc = at_crc32_add(crc, block, len);
        visit_block(v, block, len);
        at += (uint32_t)len;
        left -= len;
    }
    if (at_crc32_end(crc) != nvs_get32(place->head.data + 4)) {
        at_log(nvs->log, AT_LOG_ERROR, "nvs", "key \"%s\": stored data is damaged",
               place->head.key);
        return AT_ERR_CORRUPT;
    }
    return AT_OK;
}

static at_err visit_value(at_nvs *nvs, const nvs_place *place, visit *v)
{
    const nvs_head *head = &place->head;
    if (head->type != NVS_BLOB_INDEX) {
        return visit_item(nvs, place, v);
    }
    at_err err = AT_OK;
    size_t total = nvs_get32(head->data);
    for (unsigned i = 0; i < head->data[4] && err == AT_OK; i++) {
        nvs_place chunk;
        err = nvs_find(nvs, head->ns, head->key, (uint8_t)(head->data[5] + i), &chunk);
        if (err == AT_OK && nvs_behind(&chunk.head) > total - v->passed) {
            err = AT_ERR_NOT_FOUND; /* a chunk of something else */
        }
        if (err == AT_OK) {
            err = visit_item(nvs, &chunk, v);
        }
    }
    if (err == AT_ERR_NOT_FOUND || (err == AT_OK && v->passed != total)) {
        at_log(nvs->log, AT_LOG_ERROR, "nvs", "key \"%s\": parts are missing", head->key);
        err = AT_ERR_CORRUPT;
    }
    return err;
}

size_t nvs_value_len(const nvs_head *head)
{
    return head->type == NVS_BLOB_INDEX ? nvs_get32(head->data) : nvs_behind(head);
}

at_err nvs_value_read(at_nvs *nvs, const nvs_place *place, size_t offset, void *buf, size_t room,
                      size_t *len)
{
    visit v = { .offset = offset, .room = room, .copy = buf };
    at_err err = visit_value(nvs, place, &v);
    *len = err == AT_OK ? v.copied : 0;
    return err;
}

at_err nvs_value_equals(at_nvs *nvs, const nvs_place *place, const void *data, size_t len,
                        bool *equal)
{
    *equal = false;
    if (nvs_value_len(&place->head) != len) {
        return AT_OK;
    }
    visit v = { .compare = len > 0 ? data : NULL, .equal = true };
    at_err err = visit_value(nvs, place, &v);
    *equal = err == AT_OK && v.equal;
    return err == AT_ERR_CORRUPT ? AT_OK : err; /* damaged is different */
}

static at_err erase_chunks(at_nvs *nvs, uint8_t ns, const char *key, uint8_t first, unsigned count)
{
    at_err err = AT_OK;
    nvs_head chunk;
    nvs_make_head(&chunk, ns, NVS_BLOB_DATA, key);
    for (unsigned i = 0; i < count && err == AT_OK; i++) {
        chunk.chunk = (uint8_t)(first + i);
        err = nvs_erase_others(nvs, &chunk, NULL);
    }
    return err;
}

at_err nvs_blob_erase_chunks(at_nvs *nvs, const nvs_head *index)
{
    return erase_chunks(nvs, index->ns, index->key, index->data[5], index->data[4]);
}

/* Where the next chunk goes: the active page, or a new one. */
static at_err make_room(at_nvs *nvs, unsigned chunks, size_t left)
{
    size_t tailroom = nvs_tailroom(nvs);
    bool poor_start = chunks == 0 && tailroom < left && tailroom < FIRST_CHUNK_MIN;
    return poor_start || tailroom == 0 ? nvs_new_page(nvs, left > 0 ? 2 : 1) : AT_OK;
}

static at_err write_chunk(at_nvs *nvs, uint8_t ns, const char *key, uint8_t number,
                          const uint8_t *data, size_t len)
{
    nvs_head head;
    nvs_make_head(&head, ns, NVS_BLOB_DATA, key);
    head.span = (uint8_t)(1 + (len + NVS_ENTRY - 1) / NVS_ENTRY);
    head.chunk = number;
    nvs_put16(head.data, (uint16_t)len);
    nvs_put32(head.data + 4, at_crc32_end(at_crc32_add(AT_CRC32_START, data, len)));
    nvs_place place;
    return nvs_store(nvs, &head, data, len, &place);
}

static at_err write_chunks(at_nvs *nvs, uint8_t ns, const char *key, uint8_t first,
                           const uint8_t *data, size_t len, unsigned *count)
{
    size_t left = len;
    do {
        at_err err = make_room(nvs, *count, left);
        if (err != AT_OK) {
            return err;
        }
        size_t tailroom = nvs_tailroom(nvs);
        size_t now = AT_MIN(left, tailroom);
        if (*count == NVS_CHUNKS || (left > 0 && now == 0)) {
            return AT_ERR_NOMEM;
        }
        err = write_chunk(nvs, ns, key, (uint8_t)(first + *count), data, now);
        *count += err == AT_OK;
        data += now;
        left -= now;
        /* The part turns the page at once, so that images stay alike. */
        if (err == AT_OK && (left > 0 || tailroom - now < NVS_ENTRY)) {
            err = nvs_new_page(nvs, left > 0 ? 2 : 1);
        }
        if (err != AT_OK) {
            return err;
        }
    } while (left > 0);
    return AT_OK;
}

at_err nvs_blob_set(at_nvs *nvs, uint8_t ns, const char *key, const nvs_head *old, const void *data,
                    size_t len)
{
    size_t pages = AT_MIN((size_t)nvs->page_count - 1, (size_t)NVS_CHUNKS);
    if (len > pages * NVS_CHUNK_MAX) {
        return AT_ERR_INVALID;
    }
    bool old_index = old != NULL && old->type == NVS_BLOB_INDEX;
    uint8_t first = old_index && old->data[5] == 0 ? 0x80 : 0;
    unsigned count = 0;
    at_err err = write_chunks(nvs, ns, key, first, data, len, &count);
    nvs_head index;
    nvs_make_head(&index, ns, NVS_BLOB_INDEX, key);
    nvs_put32(index.data, (uint32_t)len);
    index.data[4] = (uint8_t)count;
    index.data[5] = first;
    nvs_place place;
    if (err == AT_OK) {
        err = nvs_store(nvs, &index, NULL, 0, &place);
    }
    if (err != AT_OK) {
        if (!nvs->failed) {
            (void)erase_chunks(nvs, ns, key, first, count);
        }
        return err;
    }
    return nvs_erase_others(nvs, &index, &place);
}

/* Whether every chunk that an index promises is there and their sizes add up. */
static at_err index_is_whole(at_nvs *nvs, const nvs_head *index, bool *whole)
{
    size_t sum = 0;
    *whole = false;
    for (unsigned i = 0; i < index->data[4]; i++) {
        nvs_place chunk;
        at_err err = nvs_find(nvs, index->ns, index->key, (uint8_t)(index->data[5] + i), &chunk);
        if (err != AT_OK) {
            return err == AT_ERR_NOT_FOUND ? AT_OK : err;
        }
        sum += nvs_behind(&chunk.head);
    }
    *whole = sum == nvs_get32(index->data);
    return AT_OK;
}

static at_err chunk_is_known(at_nvs *nvs, const nvs_head *chunk, bool *known)
{
    nvs_place place;
    at_err err = nvs_find(nvs, chunk->ns, chunk->key, NVS_NO_CHUNK, &place);
    *known = err == AT_OK && place.head.type == NVS_BLOB_INDEX &&
             chunk->chunk >= place.head.data[5] &&
             chunk->chunk - place.head.data[5] < place.head.data[4];
    return err == AT_ERR_NOT_FOUND ? AT_OK : err;
}

static at_err repair_type(at_nvs *nvs, uint8_t type)
{
    at_nvs_walk walk = { 0 };
    nvs_place place;
    at_err err;
    while ((err = nvs_next_head(nvs, &walk, &place)) == AT_OK) {
        if (place.head.type != type) {
            continue;
        }
        bool keep;
        err = type == NVS_BLOB_INDEX ? index_is_whole(nvs, &place.head, &keep)
                                     : chunk_is_known(nvs, &place.head, &keep);
        if (err == AT_OK && !keep) {
            nvs->dropped_entries += place.head.span;
            err = nvs_item_erase(nvs, &place);
        }
        if (err != AT_OK) {
            return err;
        }
    }
    return err == AT_ERR_NOT_FOUND ? AT_OK : err;
}

at_err nvs_blob_repair(at_nvs *nvs)
{
    at_err err = repair_type(nvs, NVS_BLOB_INDEX);
    return err == AT_OK ? repair_type(nvs, NVS_BLOB_DATA) : err;
}
