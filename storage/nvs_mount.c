/* Opening a partition: from whatever is on flash to a consistent state.
 *
 * The steps, in this order (each may itself be cut and is then done again):
 * 1. load every page; half written entries and items are dropped there
 * 2. sort pages in use by sequence number; only the newest may stay active
 * 3. the last item of the newest page was the last one written: erase what it replaced
 * 4. finish collections: a freeing page is still whole, so the copy of it (the newest page, if that
 *    is active) is thrown away and made again
 * 5. blob indexes without all their chunks, and chunks without their index, go
 *
 * Step 3 is left out when step 4 will throw the newest page away: its last item is a copy then, and
 * what it would replace is the only good one.
 *
 * Read-only, the same happens in memory alone: pages that would be erased are just not looked at.
 */
#include "storage/nvs_priv.h"

#include <string.h>

#include "core/bytes.h"

at_err at_nvs_format(const at_flashchip *chip, uint32_t offset, uint32_t size)
{
    if (offset % NVS_PAGE != 0 || size % NVS_PAGE != 0 || size == 0 || offset > chip->size ||
        size > chip->size - offset) {
        return AT_ERR_INVALID;
    }
    return chip->erase(chip->ctx, offset, size) == 0 ? AT_OK : AT_ERR_IO;
}

void at_nvs_close(at_nvs *nvs)
{
    if (nvs == NULL) {
        return;
    }
    for (unsigned i = 0; nvs->pages != NULL && i < nvs->page_count; i++) {
        at_free(nvs->heap, nvs->pages[i].tags);
    }
    at_free(nvs->heap, nvs->pages);
    at_free(nvs->heap, nvs->used);
    at_free(nvs->heap, nvs);
}

static at_nvs *new_nvs(at_heap *heap, uint32_t page_count)
{
    at_nvs *nvs = at_calloc(heap, 1, sizeof *nvs);
    if (nvs == NULL) {
        return NULL;
    }
    nvs->heap = heap;
    nvs->pages = at_calloc(heap, page_count, sizeof nvs->pages[0]);
    nvs->used = at_calloc(heap, 2 * (size_t)page_count, sizeof nvs->used[0]);
    if (nvs->pages == NULL || nvs->used == NULL) {
        at_nvs_close(nvs);
        return NULL;
    }
    nvs->free = nvs->used + page_count;
    nvs->page_count = (uint16_t)page_count;
    return nvs;
}

static void insert_by_seq(at_nvs *nvs, uint16_t index)
{
    unsigned at = nvs->used_count++;
    while (at > 0 && nvs->pages[nvs->used[at - 1]].seq > nvs->pages[index].seq) {
        nvs->used[at] = nvs->used[at - 1];
        at--;
    }
    nvs->used[at] = index;
}

static at_err load_pages(at_nvs *nvs)
{
    for (uint16_t i = 0; i < nvs->page_count; i++) {
        at_err err = nvs_page_load(nvs, i);
        if (err != AT_OK) {
            if (err == AT_ERR_UNSUPPORTED) {
                at_log(nvs->log, AT_LOG_ERROR, "nvs",
                       "the partition at 0x%x was written by newer software",
                       (unsigned)nvs->offset);
            }
            return err;
        }
        nvs_page_state state = nvs->pages[i].state;
        if (state == NVS_PAGE_EMPTY || state == NVS_PAGE_CORRUPT) {
            nvs->free[nvs->free_count++] = i;
            nvs->dropped_pages += state == NVS_PAGE_CORRUPT;
        } else {
            insert_by_seq(nvs, i);
        }
    }
    return AT_OK;
}

static at_err close_older_pages(at_nvs *nvs)
{
    at_err err = AT_OK;
    for (unsigned p = 0; p + 1 < nvs->used_count && err == AT_OK; p++) {
        if (nvs->pages[nvs->used[p]].state == NVS_PAGE_ACTIVE) {
            err = nvs_page_set_state(nvs, nvs->used[p], NVS_PAGE_FULL);
        }
    }
    return err;
}

static bool freeing_page(const at_nvs *nvs, uint16_t *index)
{
    for (unsigned p = 0; p < nvs->used_count; p++) {
        if (nvs->pages[nvs->used[p]].state == NVS_PAGE_FREEING) {
            *index = nvs->used[p];
            return true;
        }
    }
    return false;
}

static at_err erase_what_last_item_replaced(at_nvs *nvs)
{
    uint16_t index = nvs->used[nvs->used_count - 1];
    nvs_page *page = &nvs->pages[index];
    unsigned entry = page->next;
    while (entry > 0 && page->tags[entry - 1] == 0) {
        entry--;
    }
    if (entry == 0) {
        return AT_OK;
    }
    nvs_place last = { .page = index, .entry = (uint8_t)(entry - 1) };
    at_err err = nvs_head_at(nvs, index, entry - 1, &last.head);
    return err == AT_OK ? nvs_erase_others(nvs, &last.head, &last) : err;
}

/* The newest page holds a part of what is still whole in a freeing page. */
static at_err discard_newest_page(at_nvs *nvs)
{
    uint16_t newest = nvs->used[nvs->used_count - 1];
    at_err err = nvs->read_only ? AT_OK : nvs_page_wipe(nvs, newest);
    if (err == AT_OK) {
        nvs->used_count--;
        nvs->free[nvs->free_count++] = newest;
    }
    return err;
}

static at_err finish_collections(at_nvs *nvs, bool newest_is_copy)
{
    uint16_t victim;
    at_err err = newest_is_copy ? discard_newest_page(nvs) : AT_OK;
    while (err == AT_OK && !nvs->read_only && freeing_page(nvs, &victim)) {
        uint16_t newest = nvs->used[nvs->used_count - 1];
        if (nvs->pages[newest].state == NVS_PAGE_ACTIVE) { /* a copy of an earlier victim */
            err = nvs_page_set_state(nvs, newest, NVS_PAGE_FULL);
        }
        if (err == AT_OK) {
            err = nvs_collect(nvs, victim);
        }
    }
    return err;
}

static at_err recover(at_nvs *nvs)
{
    if (nvs->used_count == 0) {
        return AT_OK;
    }
    at_err err = close_older_pages(nvs);
    if (err != AT_OK) {
        return err;
    }
    uint16_t victim, newest = nvs->used[nvs->used_count - 1];
    bool newest_is_copy = freeing_page(nvs, &victim) && nvs->pages[newest].state == NVS_PAGE_ACTIVE;
    if (!newest_is_copy) {
        err = erase_what_last_item_replaced(nvs);
    }
    if (err == AT_OK) {
        err = finish_collections(nvs, newest_is_copy);
    }
    return err == AT_OK && nvs->has_blobs ? nvs_blob_repair(nvs) : err;
}

static void report_damage(const at_nvs *nvs)
{
    if (nvs->dropped_entries > 0 || nvs->dropped_pages > 0) {
        at_log(nvs->log, AT_LOG_WARN, "nvs",
               "partition at 0x%x: dropped %u unfinished or damaged entries, %u pages",
               (unsigned)nvs->offset, (unsigned)nvs->dropped_entries, (unsigned)nvs->dropped_pages);
    }
}

static at_err mount(at_nvs *nvs)
{
    at_err err = load_pages(nvs);
    if (err == AT_OK) {
        err = recover(nvs);
    }
    report_damage(nvs);
    if (err == AT_OK && nvs->free_count == 0 && !nvs->read_only) {
        at_log(nvs->log, AT_LOG_ERROR, "nvs", "the partition at 0x%x has no free page",
               (unsigned)nvs->offset);
        err = AT_ERR_CORRUPT;
    }
    return err;
}

at_err at_nvs_open(at_nvs **out, at_heap *heap, const at_log *log, const at_flashchip *chip,
                   uint32_t offset, uint32_t size, at_nvs_mode mode)
{
    uint32_t least = mode == AT_NVS_READ_ONLY ? 1 : AT_NVS_PAGES_MIN;
    *out = NULL;
    if (offset % NVS_PAGE != 0 || size % NVS_PAGE != 0 || size / NVS_PAGE < least ||
        size / NVS_PAGE > UINT16_MAX / 2 || offset > chip->size || size > chip->size - offset) {
        return AT_ERR_INVALID;
    }
    at_nvs *nvs = new_nvs(heap, size / NVS_PAGE);
    if (nvs == NULL) {
        return AT_ERR_NOMEM;
    }
    nvs->log = log;
    nvs->chip = chip;
    nvs->offset = offset;
    nvs->read_only = mode == AT_NVS_READ_ONLY;
    at_err err = mount(nvs);
    if (err != AT_OK) {
        at_nvs_close(nvs);
        return err;
    }
    *out = nvs;
    return AT_OK;
}

void at_nvs_measure(const at_nvs *nvs, at_nvs_usage *usage)
{
    *usage = (at_nvs_usage){ .pages = nvs->page_count, .free_pages = nvs->free_count };
    for (unsigned p = 0; p < nvs->used_count; p++) {
        usage->entries += nvs->pages[nvs->used[p]].live;
    }
    usage->entries_room = (nvs->page_count - 1u) * NVS_ENTRIES;
}
