/* One item in a page: a head entry of 32 bytes, and for text and blob data the bytes behind it.
 *
 * Order is everything here, because power may fail between any two programs and inside each:
 * - Writing: head, head's state, data, states of the data. The head says how many entries it takes,
 *   so whatever is torn behind it is found and dropped as a whole at the next mount.
 * - Erasing: states of the data first, the head's own state last and in a program of its own. Torn,
 *   it leaves a head without its span, which is dropped; never data without a head, which could be
 *   taken for a head when they look like one.
 * A state changes by clearing one bit, so a torn state program leaves each entry old or new.
 *
 * A read-only partition goes through the same repairs; nvs_mark then changes memory only.
 */
#include "storage/nvs_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "storage/crc32.h"

at_err nvs_read(at_nvs *nvs, uint16_t page, uint32_t at, void *buf, size_t len)
{
    uint32_t addr = nvs->offset + page * NVS_PAGE + at;
    if (nvs->chip->read(nvs->chip->ctx, addr, buf, len) == 0) {
        return AT_OK;
    }
    at_log(nvs->log, AT_LOG_ERROR, "nvs", "reading flash at 0x%x failed", (unsigned)addr);
    return AT_ERR_IO;
}

at_err nvs_write(at_nvs *nvs, uint16_t page, uint32_t at, const void *data, size_t len)
{
    if (nvs->read_only) {
        return AT_ERR_STATE;
    }
    if (nvs->failed) {
        return AT_ERR_IO;
    }
    uint32_t addr = nvs->offset + page * NVS_PAGE + at;
    nvs->pages[page].blank = false;
    if (nvs->chip->program(nvs->chip->ctx, addr, data, len) == 0) {
        return AT_OK;
    }
    nvs->failed = true;
    at_log(nvs->log, AT_LOG_ERROR, "nvs", "writing flash at 0x%x failed", (unsigned)addr);
    return AT_ERR_IO;
}

unsigned nvs_state(const nvs_page *page, unsigned entry)
{
    return (unsigned)page->states[entry / 4] >> (entry % 4 * 2) & 3u;
}

at_err nvs_mark(at_nvs *nvs, uint16_t index, unsigned first, unsigned count, unsigned state)
{
    nvs_page *page = &nvs->pages[index];
    for (unsigned entry = first; entry < first + count; entry++) {
        unsigned was = nvs_state(page, entry);
        unsigned now = was & state; /* what NOR flash makes of it */
        page->live = (uint8_t)(page->live + (now == NVS_WRITTEN) - (was == NVS_WRITTEN));
        unsigned shift = entry % 4 * 2;
        page->states[entry / 4] =
            (uint8_t)((page->states[entry / 4] & ~(3u << shift)) | now << shift);
    }
    page->next = (uint8_t)AT_MAX(page->next, first + count);
    if (nvs->read_only || count == 0) {
        return AT_OK;
    }
    unsigned from = first / 16 * 4, to = (first + count - 1) / 16 * 4 + 4; /* whole words */
    return nvs_write(nvs, index, NVS_STATES_AT + from, page->states + from, to - from);
}

uint16_t nvs_tag(uint8_t ns, const char *key, uint8_t chunk)
{
    uint32_t hash = (2166136261u ^ ns) * 16777619u;
    hash = (hash ^ chunk) * 16777619u;
    for (; *key != '\0'; key++) {
        hash = (hash ^ (uint8_t)*key) * 16777619u;
    }
    uint16_t tag = (uint16_t)(hash ^ hash >> 16);
    return tag != 0 ? tag : 1;
}

size_t nvs_behind(const nvs_head *head)
{
    bool follows =
        head->type == AT_NVS_TEXT || head->type == NVS_BLOB_V1 || head->type == NVS_BLOB_DATA;
    return follows ? nvs_get16(head->data) : 0;
}

void nvs_make_head(nvs_head *head, uint8_t ns, uint8_t type, const char *key)
{
    memset(head, 0, sizeof *head);
    head->ns = ns;
    head->type = type;
    head->span = 1;
    head->chunk = NVS_NO_CHUNK;
    at_copy_text(head->key, sizeof head->key, key);
    memset(head->data, 0xff, sizeof head->data);
}

static uint32_t head_crc(const uint8_t raw[NVS_ENTRY])
{
    uint32_t crc = at_crc32_add(AT_CRC32_START, raw, 4);
    return at_crc32_end(at_crc32_add(crc, raw + 8, NVS_ENTRY - 8));
}

static void encode_head(const nvs_head *head, uint8_t raw[NVS_ENTRY])
{
    memset(raw, 0, NVS_ENTRY);
    raw[0] = head->ns;
    raw[1] = head->type;
    raw[2] = head->span;
    raw[3] = head->chunk;
    at_copy_text((char *)raw + 8, 16, head->key);
    memcpy(raw + 24, head->data, 8);
    nvs_put32(raw + 4, head_crc(raw));
}

/* The rules of the format: a known type, a span that fits type, size and page. */
static bool head_is_sound(const nvs_head *head, unsigned entry)
{
    if (head->span == 0 || entry + head->span > NVS_ENTRIES) {
        return false;
    }
    if ((head->chunk == NVS_NO_CHUNK) == (head->type == NVS_BLOB_DATA)) {
        return false;
    }
    switch (head->type) {
    case AT_NVS_U8:
    case AT_NVS_I8:
    case AT_NVS_U16:
    case AT_NVS_I16:
    case AT_NVS_U32:
    case AT_NVS_I32:
    case AT_NVS_U64:
    case AT_NVS_I64: return head->span == 1;
    case NVS_BLOB_INDEX:
        return head->span == 1 && head->data[4] <= NVS_CHUNKS && (head->data[5] & 0x7fu) == 0;
    case AT_NVS_TEXT:
    case NVS_BLOB_V1:
    case NVS_BLOB_DATA:
        return nvs_behind(head) <= NVS_CHUNK_MAX &&
               head->span == 1 + (nvs_behind(head) + NVS_ENTRY - 1) / NVS_ENTRY;
    default: return false;
    }
}

at_err nvs_head_at(at_nvs *nvs, uint16_t page, unsigned entry, nvs_head *head)
{
    uint8_t raw[NVS_ENTRY];
    at_err err = nvs_read(nvs, page, NVS_ENTRIES_AT + entry * NVS_ENTRY, raw, sizeof raw);
    if (err != AT_OK) {
        return err;
    }
    if (nvs_get32(raw + 4) != head_crc(raw)) {
        return AT_ERR_CORRUPT;
    }
    nvs_make_head(head, raw[0], raw[1], "");
    head->span = raw[2];
    head->chunk = raw[3];
    memcpy(head->key, raw + 8, AT_NVS_NAME_MAX); /* a 16th character could only be a lie */
    memcpy(head->data, raw + 24, 8);
    return head_is_sound(head, entry) ? AT_OK : AT_ERR_CORRUPT;
}

/* Head and its state: from here on a mount sees the item, whole or torn. */
static at_err put_head(at_nvs *nvs, uint16_t page, unsigned entry, const nvs_head *head)
{
    uint8_t raw[NVS_ENTRY];
    encode_head(head, raw);
    at_err err = nvs_write(nvs, page, NVS_ENTRIES_AT + entry * NVS_ENTRY, raw, sizeof raw);
    return err == AT_OK ? nvs_mark(nvs, page, entry, 1, NVS_WRITTEN) : err;
}

/* The states of the data: from here on the item is valid. */
static at_err complete_item(at_nvs *nvs, uint16_t page, unsigned entry, const nvs_head *head)
{
    at_err err = AT_OK;
    if (head->span > 1) {
        err = nvs_mark(nvs, page, entry + 1, head->span - 1u, NVS_WRITTEN);
    }
    nvs->pages[page].tags[entry] = nvs_tag(head->ns, head->key, head->chunk);
    return err;
}

at_err nvs_item_append(at_nvs *nvs, uint16_t page, const nvs_head *head, const void *data,
                       size_t len, nvs_place *place)
{
    unsigned entry = nvs->pages[page].next;
    *place = (nvs_place){ .page = page, .entry = (uint8_t)entry, .head = *head };
    at_err err = put_head(nvs, page, entry, head);
    uint32_t at = NVS_ENTRIES_AT + (entry + 1) * NVS_ENTRY;
    size_t whole = len / NVS_ENTRY * NVS_ENTRY, rest = len - whole;
    if (err == AT_OK && whole > 0) {
        err = nvs_write(nvs, page, at, data, whole);
    }
    if (err == AT_OK && rest > 0) {
        uint8_t last[NVS_ENTRY];
        memset(last, 0xff, sizeof last);
        memcpy(last, (const uint8_t *)data + whole, rest);
        err = nvs_write(nvs, page, at + (uint32_t)whole, last, sizeof last);
    }
    return err == AT_OK ? complete_item(nvs, page, entry, head) : err;
}

at_err nvs_item_copy(at_nvs *nvs, const nvs_place *from, uint16_t to)
{
    unsigned entry = nvs->pages[to].next;
    at_err err = put_head(nvs, to, entry, &from->head);
    uint32_t source = NVS_ENTRIES_AT + (from->entry + 1u) * NVS_ENTRY;
    uint32_t target = NVS_ENTRIES_AT + (entry + 1) * NVS_ENTRY;
    uint32_t left = (from->head.span - 1u) * NVS_ENTRY;
    while (err == AT_OK && left > 0) {
        uint8_t block[4 * NVS_ENTRY];
        uint32_t len = (uint32_t)AT_MIN(left, sizeof block);
        err = nvs_read(nvs, from->page, source, block, len);
        if (err == AT_OK) {
            err = nvs_write(nvs, to, target, block, len);
        }
        source += len;
        target += len;
        left -= len;
    }
    return err == AT_OK ? complete_item(nvs, to, entry, &from->head) : err;
}

at_err nvs_item_erase(at_nvs *nvs, const nvs_place *place)
{
    at_err err = AT_OK;
    nvs->pages[place->page].tags[place->entry] = 0;
    if (place->head.span > 1) {
        err = nvs_mark(nvs, place->page, place->entry + 1u, place->head.span - 1u, NVS_ERASED);
    }
    return err == AT_OK ? nvs_mark(nvs, place->page, place->entry, 1, NVS_ERASED) : err;
}
