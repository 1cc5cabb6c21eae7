/* One page: 32 bytes of header, 32 bytes of states, 126 entries of 32 bytes.
 *
 * The header's CRC covers everything but the state word, so that the state can go on clearing bits:
 * empty, active, full, freeing, corrupt. In memory a page in use has its state bitmap and a tag (a
 * 16-bit hash) per live head; lookups compare tags and touch the flash for matches only.
 *
 * Invariants after nvs_page_load, whatever was on flash:
 * - tags are set exactly for heads that were valid and whose whole span is in state written;
 * - in an active page every entry from next on is erased flash, so appending there is safe.
 *
 * Erasing a page takes long and may be torn in any pattern. A page is erased only when nothing in
 * it matters any more, and its header's CRC is broken before: whatever remains is no valid page.
 * The state word is left alone in that step: torn, it could turn into another valid state.
 */
#include "storage/nvs_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "storage/crc32.h"

static const uint32_t state_words[] = {
    [NVS_PAGE_EMPTY] = 0xffffffffu,   [NVS_PAGE_ACTIVE] = 0xfffffffeu,
    [NVS_PAGE_FULL] = 0xfffffffcu,    [NVS_PAGE_FREEING] = 0xfffffff8u,
    [NVS_PAGE_CORRUPT] = 0xfffffff0u,
};

static uint32_t header_crc(const uint8_t raw[NVS_ENTRY])
{
    return at_crc32_end(at_crc32_add(AT_CRC32_START, raw + 4, 24));
}

static bool all_erased(const uint8_t *bytes, size_t len)
{
    return bytes[0] == 0xff && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static at_err check_blank(at_nvs *nvs, uint16_t page, bool *blank)
{
    uint8_t block[256];
    *blank = false;
    for (uint32_t at = 0; at < NVS_PAGE; at += sizeof block) {
        at_err err = nvs_read(nvs, page, at, block, sizeof block);
        if (err != AT_OK || !all_erased(block, sizeof block)) {
            return err;
        }
    }
    *blank = true;
    return AT_OK;
}

at_err nvs_page_prepare(at_nvs *nvs, uint16_t index)
{
    nvs_page *page = &nvs->pages[index];
    if (page->tags == NULL) {
        page->tags = at_calloc(nvs->heap, NVS_ENTRIES, sizeof page->tags[0]);
    }
    return page->tags != NULL ? AT_OK : AT_ERR_NOMEM;
}

/* A cut between the write of a value and the erasure of the old one, both in this page. */
static at_err erase_earlier_twin(at_nvs *nvs, uint16_t index, unsigned entry, const nvs_head *head,
                                 uint16_t tag)
{
    nvs_page *page = &nvs->pages[index];
    for (unsigned i = 0; i < entry; i++) {
        nvs_place twin = { .page = index, .entry = (uint8_t)i };
        if (page->tags[i] != tag || nvs_head_at(nvs, index, i, &twin.head) != AT_OK) {
            continue;
        }
        if (twin.head.ns == head->ns && twin.head.chunk == head->chunk &&
            strcmp(twin.head.key, head->key) == 0) {
            at_err err = nvs_item_erase(nvs, &twin);
            if (err != AT_OK) {
                return err;
            }
        }
    }
    return AT_OK;
}

/* Looks at one entry where a head may be; *span tells how many entries are done with. */
static at_err load_entry(at_nvs *nvs, uint16_t index, unsigned entry, unsigned *span)
{
    nvs_page *page = &nvs->pages[index];
    unsigned state = nvs_state(page, entry);
    *span = 1;
    if (state == NVS_EMPTY || state == NVS_ERASED) {
        return AT_OK;
    }
    nvs_place place = { .page = index, .entry = (uint8_t)entry };
    at_err err =
        state == NVS_WRITTEN ? nvs_head_at(nvs, index, entry, &place.head) : AT_ERR_CORRUPT;
    if (err == AT_ERR_CORRUPT) {
        nvs->dropped_entries++;
        return nvs_mark(nvs, index, entry, 1, NVS_ERASED);
    }
    if (err != AT_OK) {
        return err;
    }
    const nvs_head *head = &place.head;
    *span = head->span;
    for (unsigned i = 1; i < head->span; i++) {
        if (nvs_state(page, entry + i) != NVS_WRITTEN) {
            nvs->dropped_entries += head->span;
            return nvs_item_erase(nvs, &place);
        }
    }
    nvs->has_blobs |= head->type == NVS_BLOB_DATA || head->type == NVS_BLOB_INDEX;
    uint16_t tag = nvs_tag(head->ns, head->key, head->chunk);
    if (page->state == NVS_PAGE_ACTIVE) {
        err = erase_earlier_twin(nvs, index, entry, head, tag);
    }
    page->tags[entry] = tag;
    return err;
}

/* The end of what was ever written in an active page: by its states, and by its bytes, because a
 * cut may have come between an entry and its state. */
static at_err find_next(at_nvs *nvs, uint16_t index)
{
    nvs_page *page = &nvs->pages[index];
    unsigned next = NVS_ENTRIES;
    while (next > 0 && nvs_state(page, next - 1) == NVS_EMPTY) {
        next--;
    }
    page->next = (uint8_t)next;
    if (page->state != NVS_PAGE_ACTIVE) {
        return AT_OK;
    }
    for (unsigned entry = next; entry < NVS_ENTRIES; entry++) {
        uint8_t raw[NVS_ENTRY];
        at_err err = nvs_read(nvs, index, NVS_ENTRIES_AT + entry * NVS_ENTRY, raw, sizeof raw);
        if (err != AT_OK) {
            return err;
        }
        if (!all_erased(raw, sizeof raw)) {
            page->next = (uint8_t)(entry + 1);
        }
    }
    return AT_OK;
}

static at_err load_entries(at_nvs *nvs, uint16_t index)
{
    nvs_page *page = &nvs->pages[index];
    at_err err = find_next(nvs, index);
    page->live = 0;
    for (unsigned i = 0; i < NVS_ENTRIES; i++) {
        page->live = (uint8_t)(page->live + (nvs_state(page, i) == NVS_WRITTEN));
    }
    unsigned span;
    for (unsigned i = 0; err == AT_OK && i < page->next; i += span) {
        err = load_entry(nvs, index, i, &span);
    }
    /* Used but in state empty: half written entries. */
    for (unsigned i = 0; page->state == NVS_PAGE_ACTIVE && err == AT_OK && i < page->next; i++) {
        if (nvs_state(page, i) == NVS_EMPTY) {
            nvs->dropped_entries++;
            err = nvs_mark(nvs, index, i, 1, NVS_ERASED);
        }
    }
    return err;
}

at_err nvs_page_load(at_nvs *nvs, uint16_t index)
{
    nvs_page *page = &nvs->pages[index];
    uint8_t raw[NVS_ENTRIES_AT];
    at_err err = nvs_read(nvs, index, 0, raw, sizeof raw);
    if (err != AT_OK) {
        return err;
    }
    uint32_t word = nvs_get32(raw);
    page->state = NVS_PAGE_CORRUPT;
    if (word == state_words[NVS_PAGE_EMPTY]) {
        err = check_blank(nvs, index, &page->blank);
        page->state = page->blank ? NVS_PAGE_EMPTY : NVS_PAGE_CORRUPT;
        return err;
    }
    if (nvs_get32(raw + 28) != header_crc(raw)) {
        return AT_OK;
    }
    if (raw[8] < NVS_VERSION_2) {
        return AT_ERR_UNSUPPORTED;
    }
    for (unsigned state = NVS_PAGE_ACTIVE; state < NVS_PAGE_CORRUPT; state++) {
        if (word == state_words[state]) {
            page->state = (nvs_page_state)state;
        }
    }
    if (page->state == NVS_PAGE_CORRUPT) {
        return AT_OK;
    }
    page->seq = nvs_get32(raw + 4);
    page->v2 = raw[8] == NVS_VERSION_2;
    memcpy(page->states, raw + NVS_STATES_AT, sizeof page->states);
    err = nvs_page_prepare(nvs, index);
    return err == AT_OK ? load_entries(nvs, index) : err;
}

at_err nvs_page_set_state(at_nvs *nvs, uint16_t index, nvs_page_state state)
{
    uint8_t raw[4];
    nvs->pages[index].state = state;
    nvs_put32(raw, state_words[state]);
    return nvs->read_only ? AT_OK : nvs_write(nvs, index, 0, raw, sizeof raw);
}

at_err nvs_page_wipe(at_nvs *nvs, uint16_t index)
{
    static const uint8_t zeros[28];
    nvs_page *page = &nvs->pages[index];
    at_err err = nvs_write(nvs, index, 4, zeros, sizeof zeros);
    page->state = NVS_PAGE_CORRUPT;
    uint32_t addr = nvs->offset + index * NVS_PAGE;
    if (err == AT_OK && nvs->chip->erase(nvs->chip->ctx, addr, NVS_PAGE) != 0) {
        nvs->failed = true;
        at_log(nvs->log, AT_LOG_ERROR, "nvs", "erasing flash at 0x%x failed", (unsigned)addr);
        err = AT_ERR_IO;
    }
    if (err == AT_OK) {
        page->state = NVS_PAGE_EMPTY;
        page->blank = true;
    }
    if (page->tags != NULL) {
        memset(page->tags, 0, NVS_ENTRIES * sizeof page->tags[0]);
    }
    return err;
}

at_err nvs_page_start(at_nvs *nvs, uint16_t index, uint32_t seq)
{
    nvs_page *page = &nvs->pages[index];
    at_err err = nvs_page_prepare(nvs, index);
    if (err == AT_OK && !page->blank) {
        err = nvs_page_wipe(nvs, index);
    }
    if (err != AT_OK) {
        return err;
    }
    uint8_t raw[NVS_ENTRY];
    memset(raw, 0xff, sizeof raw);
    nvs_put32(raw, state_words[NVS_PAGE_ACTIVE]);
    nvs_put32(raw + 4, seq);
    raw[8] = NVS_VERSION_2;
    nvs_put32(raw + 28, header_crc(raw));
    page->state = NVS_PAGE_ACTIVE;
    page->seq = seq;
    page->v2 = true;
    page->next = 0;
    page->live = 0;
    memset(page->states, 0xff, sizeof page->states);
    return nvs_write(nvs, index, 0, raw, sizeof raw);
}
