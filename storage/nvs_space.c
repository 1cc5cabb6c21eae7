/* Many pages: finding items, making room.
 *
 * Pages in use are kept by sequence number; only the last of them can be active. Free pages wait in
 * a queue: partition order at first, wiped ones at its end, so wear spreads. One page is always
 * kept free. When it is the last one, room is made by collection:
 *
 *   mark the page with the fewest live entries freeing · start the free page · copy what lives ·
 *   wipe the old page, which becomes the free one
 *
 * A cut on the way leaves a freeing page, and the copy is started over at the next mount. Whether
 * the collection will give the room asked for is known before its first step, so a full partition
 * answers without a change.
 */
#include "storage/nvs_priv.h"

#include <string.h>

#include "core/bytes.h"

static bool same_item(const nvs_head *head, uint8_t ns, const char *key, uint8_t chunk)
{
    return head->ns == ns && head->chunk == chunk && strcmp(head->key, key) == 0;
}

/* Whether this entry is the head of that item; place is filled when it is. */
static at_err match_entry(at_nvs *nvs, uint16_t page, unsigned entry, const nvs_head *wanted,
                          nvs_place *place, bool *matches)
{
    *matches = false;
    at_err err = nvs_head_at(nvs, page, entry, &place->head);
    if (err == AT_ERR_IO) {
        return err;
    }
    if (err == AT_OK && same_item(&place->head, wanted->ns, wanted->key, wanted->chunk)) {
        place->page = page;
        place->entry = (uint8_t)entry;
        *matches = true;
    }
    return AT_OK;
}

at_err nvs_find(at_nvs *nvs, uint8_t ns, const char *key, uint8_t chunk, nvs_place *place)
{
    nvs_head wanted;
    nvs_make_head(&wanted, ns, 0, key);
    wanted.chunk = chunk;
    uint16_t tag = nvs_tag(ns, key, chunk);
    for (unsigned p = nvs->used_count; p-- > 0;) {
        const nvs_page *page = &nvs->pages[nvs->used[p]];
        for (unsigned entry = page->next; entry-- > 0;) {
            bool matches = false;
            if (page->tags[entry] == tag) {
                at_err err = match_entry(nvs, nvs->used[p], entry, &wanted, place, &matches);
                if (err != AT_OK) {
                    return err;
                }
            }
            if (matches) {
                return AT_OK;
            }
        }
    }
    return AT_ERR_NOT_FOUND;
}

at_err nvs_erase_others(at_nvs *nvs, const nvs_head *head, const nvs_place *keep)
{
    uint16_t tag = nvs_tag(head->ns, head->key, head->chunk);
    for (unsigned p = 0; p < nvs->used_count; p++) {
        uint16_t index = nvs->used[p];
        const nvs_page *page = &nvs->pages[index];
        for (unsigned entry = 0; entry < page->next; entry++) {
            bool kept = keep != NULL && keep->page == index && keep->entry == entry;
            if (page->tags[entry] != tag || kept) {
                continue;
            }
            nvs_place place;
            bool matches;
            at_err err = match_entry(nvs, index, entry, head, &place, &matches);
            if (err == AT_OK && matches) {
                err = nvs_item_erase(nvs, &place);
            }
            if (err != AT_OK) {
                return err;
            }
        }
    }
    return AT_OK;
}

at_err nvs_next_head(at_nvs *nvs, at_nvs_walk *walk, nvs_place *place)
{
    for (; walk->page < nvs->used_count; walk->page++, walk->entry = 0) {
        uint16_t index = nvs->used[walk->page];
        const nvs_page *page = &nvs->pages[index];
        while (walk->entry < page->next) {
            uint8_t entry = walk->entry++;
            if (page->tags[entry] == 0) {
                continue;
            }
            at_err err = nvs_head_at(nvs, index, entry, &place->head);
            if (err != AT_ERR_CORRUPT) {
                place->page = index;
                place->entry = entry;
                return err;
            }
        }
    }
    return AT_ERR_NOT_FOUND;
}

/* The page that takes new items, NULL when there is none. */
static nvs_page *active_page(const at_nvs *nvs)
{
    nvs_page *page = nvs->used_count > 0 ? &nvs->pages[nvs->used[nvs->used_count - 1]] : NULL;
    return page != NULL && page->state == NVS_PAGE_ACTIVE ? page : NULL;
}

static unsigned active_room(const at_nvs *nvs)
{
    const nvs_page *page = active_page(nvs);
    return page != NULL && page->v2 ? NVS_ENTRIES - page->next : 0;
}

size_t nvs_tailroom(const at_nvs *nvs)
{
    unsigned room = active_room(nvs);
    return room > 0 ? (room - 1) * NVS_ENTRY : 0;
}

void nvs_forget_page(at_nvs *nvs, uint16_t index)
{
    uint16_t kept = 0;
    for (uint16_t p = 0; p < nvs->used_count; p++) {
        if (nvs->used[p] != index) {
            nvs->used[kept++] = nvs->used[p];
        }
    }
    nvs->used_count = kept;
}

/* The first free page becomes the active one. */
static at_err start_next_page(at_nvs *nvs)
{
    uint32_t seq = 0;
    if (nvs->used_count > 0) {
        seq = nvs->pages[nvs->used[nvs->used_count - 1]].seq + 1;
    }
    if (nvs->free_count == 0 || (seq == 0 && nvs->used_count > 0)) {
        at_log(nvs->log, AT_LOG_ERROR, "nvs", "no %s left: the partition must be formatted",
               nvs->free_count == 0 ? "free page" : "sequence number");
        return AT_ERR_CORRUPT;
    }
    uint16_t index = nvs->free[0];
    at_err err = nvs_page_start(nvs, index, seq);
    if (err != AT_OK) {
        return err;
    }
    nvs->free_count--;
    memmove(nvs->free, nvs->free + 1, nvs->free_count * sizeof nvs->free[0]);
    nvs->used[nvs->used_count++] = index;
    return AT_OK;
}

static at_err close_active_page(at_nvs *nvs)
{
    if (active_page(nvs) == NULL) {
        return AT_OK;
    }
    return nvs_page_set_state(nvs, nvs->used[nvs->used_count - 1], NVS_PAGE_FULL);
}

at_err nvs_collect(at_nvs *nvs, uint16_t victim)
{
    at_err err = start_next_page(nvs);
    uint16_t target = err == AT_OK ? nvs->used[nvs->used_count - 1] : 0;
    const nvs_page *page = &nvs->pages[victim];
    for (unsigned entry = 0; err == AT_OK && entry < page->next; entry++) {
        if (page->tags[entry] == 0) {
            continue;
        }
        nvs_place place = { .page = victim, .entry = (uint8_t)entry };
        err = nvs_head_at(nvs, victim, entry, &place.head);
        if (err == AT_OK) {
            err = nvs_item_copy(nvs, &place, target);
        } else if (err == AT_ERR_CORRUPT) {
            err = AT_OK; /* the flash changed under us: nothing left to save */
        }
    }
    if (err == AT_OK) {
        err = nvs_page_wipe(nvs, victim);
    }
    if (err == AT_OK) {
        nvs_forget_page(nvs, victim);
        nvs->free[nvs->free_count++] = victim;
        at_log(nvs->log, AT_LOG_DEBUG, "nvs", "page %u collected into page %u", (unsigned)victim,
               (unsigned)target);
    }
    return err;
}

/* The page whose collection gives the most room, the oldest of several. */
static uint16_t choose_victim(const at_nvs *nvs)
{
    uint16_t victim = nvs->used[0];
    for (uint16_t p = 1; p < nvs->used_count; p++) {
        if (nvs->pages[nvs->used[p]].live < nvs->pages[victim].live) {
            victim = nvs->used[p];
        }
    }
    return victim;
}

at_err nvs_new_page(at_nvs *nvs, unsigned entries)
{
    if (nvs->free_count != 1) { /* two or more, or none at all: reported there */
        at_err err = nvs->free_count > 0 ? nvs_page_prepare(nvs, nvs->free[0]) : AT_OK;
        if (err == AT_OK) {
            err = close_active_page(nvs);
        }
        return err == AT_OK ? start_next_page(nvs) : err;
    }
    uint16_t victim = choose_victim(nvs);
    if (NVS_ENTRIES - nvs->pages[victim].live < AT_MAX(entries, 1u)) {
        at_log(nvs->log, AT_LOG_WARN, "nvs", "the partition at 0x%x is full",
               (unsigned)nvs->offset);
        return AT_ERR_NOMEM;
    }
    at_err err = nvs_page_prepare(nvs, nvs->free[0]);
    if (err == AT_OK) {
        err = close_active_page(nvs);
    }
    if (err == AT_OK) {
        err = nvs_page_set_state(nvs, victim, NVS_PAGE_FREEING);
    }
    return err == AT_OK ? nvs_collect(nvs, victim) : err;
}

at_err nvs_store(at_nvs *nvs, const nvs_head *head, const void *data, size_t len, nvs_place *place)
{
    at_err err = AT_OK;
    if (active_room(nvs) < head->span) {
        err = nvs_new_page(nvs, head->span);
    }
    if (err != AT_OK) {
        return err;
    }
    return nvs_item_append(nvs, nvs->used[nvs->used_count - 1], head, data, len, place);
}
