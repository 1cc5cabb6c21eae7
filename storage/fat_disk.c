/* The blocks below a FAT volume: ESP-IDF's wear levelling, version 2, with 512-byte sectors in safe
 * mode, or the bare partition.
 *
 * A levelled partition of n blocks has, from its end: one block of configuration, two of state
 * (copies), and a ring of n - 3 blocks of which one is unused. Moving the unused one through the
 * ring is how the part spreads wear: 16 bytes behind the state say how far it has come, the state
 * how often it went round. We understand every position, and never move it: a file does not wear
 * out here. The last two blocks of the ring's contents are the safe mode's: its state, and a dump.
 *
 * A block is replaced in one step, whatever the power does: the new contents go to the dump, the
 * state says so, the block is erased and written, the state is erased. The part's own recovery
 * understands that: it copies the dump back except for the sectors that were to be erased, and we
 * say there are none. The state's first word is written last and cleared first, so half a state is
 * no state. Bytes that nothing refers to yet are only programmed, when the flash below is blank.
 *
 * One block is kept in memory and written when another one is needed: the order in which a caller
 * writes is the order on flash, and what lies in one block happens at once.
 */
#include <string.h>

#include "core/bytes.h"
#include "storage/crc32.h"
#include "storage/fat_priv.h"

#define WL_STATE_LEN 60u /* bytes that the state's CRC covers */
#define WL_STATE     64u
#define WL_RECORD    16u
#define WL_CONFIG    32u /* bytes that the configuration's CRC covers */
#define WL_RATE      16u /* sector erases until the unused block moves */
#define WL_VERSION   2u
#define SAFE_OK      0x12345678u
#define SAFE_LEN     16u

static uint32_t crc_of(const uint8_t *data, size_t len)
{
    return at_crc32_end(at_crc32_add(AT_CRC32_START, data, len));
}

static at_err failed(fat_disk *d)
{
    d->failed = true;
    return AT_ERR_IO;
}

/* Where block n of the ring's contents lies on the chip. */
static uint32_t place(const fat_disk *d, uint32_t n)
{
    if (!d->levelled) {
        return d->base + n * FAT_BLOCK;
    }
    uint32_t at = (d->ring - d->moved % d->ring + n) % d->ring;
    return d->base + (at >= d->gap ? at + 1 : at) * FAT_BLOCK;
}

static uint32_t safe_state(const fat_disk *d)
{
    return place(d, d->ring - 2);
}

static uint32_t safe_dump(const fat_disk *d)
{
    return place(d, d->ring - 1);
}

static at_err chip_read(fat_disk *d, uint32_t addr, void *buf, size_t len)
{
    return d->chip->read(d->chip->ctx, addr, buf, len) == 0 ? AT_OK : failed(d);
}

static at_err chip_program(fat_disk *d, uint32_t addr, const void *data, size_t len)
{
    return d->chip->program(d->chip->ctx, addr, data, len) == 0 ? AT_OK : failed(d);
}

static at_err chip_erase(fat_disk *d, uint32_t addr)
{
    return d->chip->erase(d->chip->ctx, addr, FAT_BLOCK) == 0 ? AT_OK : failed(d);
}

static bool is_blank(const uint8_t *data, size_t len)
{
    while (len > 0 && *data == 0xff) {
        data++, len--;
    }
    return len == 0;
}

/* ---- replacing a block ---- */

static at_err overwrite(fat_disk *d, uint32_t addr, const uint8_t *data)
{
    at_err err = chip_erase(d, addr);
    return err == AT_OK ? chip_program(d, addr, data, FAT_BLOCK) : err;
}

static at_err clear_safe_state(fat_disk *d)
{
    static const uint8_t none[4] = { 0 };
    at_err err = chip_program(d, safe_state(d), none, sizeof none);
    return err == AT_OK ? chip_erase(d, safe_state(d)) : err;
}

static at_err replace(fat_disk *d, uint32_t block, const uint8_t *data)
{
    uint8_t state[SAFE_LEN] = { 0 };
    if (!d->guarded) {
        return overwrite(d, place(d, block), data);
    }
    fat_put32(state, SAFE_OK);
    fat_put32(state + 4, block * FAT_BLOCK);
    at_err err = overwrite(d, safe_dump(d), data);
    if (err == AT_OK) {
        err = chip_program(d, safe_state(d) + 4, state + 4, SAFE_LEN - 4);
    }
    if (err == AT_OK) {
        err = chip_program(d, safe_state(d), state, 4);
    }
    if (err == AT_OK) {
        err = overwrite(d, place(d, block), data);
    }
    return err == AT_OK ? clear_safe_state(d) : err;
}

/* How the cache differs from flash. */
typedef struct difference {
    uint32_t from, to; /* from == to: not at all */
    bool clears_only;  /* no bit has to be set */
} difference;

static at_err compare(fat_disk *d, uint32_t addr, difference *diff)
{
    uint8_t old[256];
    at_err err = AT_OK;
    *diff = (difference){ .clears_only = true };
    for (uint32_t at = 0; at < FAT_BLOCK && err == AT_OK; at += sizeof old) {
        err = chip_read(d, addr + at, old, sizeof old);
        for (uint32_t i = 0; i < sizeof old && err == AT_OK; i++) {
            uint8_t new = d->cache[at + i];
            if (new != old[i]) {
                diff->from = diff->to == 0 ? at + i : diff->from;
                diff->to = at + i + 1;
                diff->clears_only = diff->clears_only && (old[i] & new) == new;
            }
        }
    }
    return err;
}

at_err fat_disk_flush(fat_disk *d)
{
    difference diff;
    if (!d->dirty) {
        return d->failed ? AT_ERR_IO : AT_OK;
    }
    uint32_t addr = place(d, d->cached);
    at_err err = d->failed ? AT_ERR_IO : compare(d, addr, &diff);
    if (err != AT_OK) {
        return err;
    }
    bool urgent = d->urgent;
    d->dirty = d->urgent = false;
    if (diff.from == diff.to) {
        return AT_OK;
    }
    if (diff.clears_only && !urgent) {
        return chip_program(d, addr + diff.from, d->cache + diff.from, diff.to - diff.from);
    }
    return replace(d, d->cached, d->cache);
}

/* ---- bytes ---- */

static at_err load(fat_disk *d, uint32_t block)
{
    if (d->cached == block) {
        return AT_OK;
    }
    at_err err = fat_disk_flush(d);
    if (err == AT_OK) {
        d->cached = FAT_NONE;
        uint32_t addr = block == d->pending ? safe_dump(d) : place(d, block);
        err = chip_read(d, addr, d->cache, FAT_BLOCK);
    }
    if (err == AT_OK) {
        d->cached = block;
        d->urgent = false;
    }
    return err;
}

at_err fat_disk_read(fat_disk *d, uint32_t at, void *buf, size_t len)
{
    uint8_t *to = buf;
    at_err err = d->failed ? AT_ERR_IO : AT_OK;
    while (len > 0 && err == AT_OK) {
        uint32_t block = at / FAT_BLOCK, within = at % FAT_BLOCK;
        size_t part = AT_MIN(len, (size_t)(FAT_BLOCK - within));
        if (block >= d->blocks) {
            return AT_ERR_INVALID;
        }
        if (block == d->cached) {
            memcpy(to, d->cache + within, part);
        } else {
            uint32_t addr = block == d->pending ? safe_dump(d) : place(d, block);
            err = chip_read(d, addr + within, to, part);
        }
        at += (uint32_t)part, to += part, len -= part;
    }
    return err;
}

at_err fat_disk_write(fat_disk *d, uint32_t at, const void *data, size_t len, bool fresh)
{
    const uint8_t *from = data;
    at_err err = AT_OK;
    while (len > 0 && err == AT_OK) {
        uint32_t block = at / FAT_BLOCK, within = at % FAT_BLOCK;
        size_t part = AT_MIN(len, (size_t)(FAT_BLOCK - within));
        if (block >= d->blocks || d->read_only) {
            return AT_ERR_STATE;
        }
        err = load(d, block);
        if (err == AT_OK) {
            memcpy(d->cache + within, from, part);
            d->dirty = true;
            d->urgent = d->urgent || !fresh;
        }
        at += (uint32_t)part, from += part, len -= part;
    }
    return err;
}

/* ---- the levelled format ---- */

static uint32_t config_addr(const fat_disk *d, uint32_t size)
{
    return d->base + size - FAT_BLOCK;
}

static void make_config(uint32_t size, uint8_t raw[WL_CONFIG])
{
    const uint32_t words[] = { 0,       size,      FAT_BLOCK,  FAT_BLOCK,
                               WL_RATE, WL_RECORD, WL_VERSION, WL_CONFIG };
    for (unsigned i = 0; i < AT_COUNT(words); i++) {
        fat_put32(raw + 4 * i, words[i]);
    }
}

/* The part starts anew when the configuration is not the one it would write; so do we. The rate and
 * the buffer's size may be any. */
static at_err find_config(fat_disk *d, uint32_t size, bool *found)
{
    uint8_t raw[WL_CONFIG + 4], want[WL_CONFIG];
    at_err err = chip_read(d, config_addr(d, size), raw, sizeof raw);
    make_config(size, want);
    memcpy(want + 16, raw + 16, 4);
    memcpy(want + 28, raw + 28, 4);
    *found = err == AT_OK && memcmp(raw, want, sizeof want) == 0 &&
             fat_get32(raw + WL_CONFIG) == crc_of(raw, WL_CONFIG);
    return err;
}

/* Bytes of one state: room for a record per block of the partition. */
static uint32_t state_size(uint32_t size)
{
    uint32_t bytes = WL_STATE + size / FAT_BLOCK * WL_RECORD;
    return (bytes + FAT_BLOCK - 1) / FAT_BLOCK * FAT_BLOCK;
}

static uint32_t state_addr(const fat_disk *d, uint32_t size, unsigned copy)
{
    return config_addr(d, size) - (2 - copy) * state_size(size);
}

static uint32_t ring_of(uint32_t size)
{
    return (size - 2 * state_size(size)) / FAT_BLOCK - 2;
}

static at_err count_records(fat_disk *d, uint32_t addr, uint32_t most, uint32_t *count)
{
    uint8_t record[WL_RECORD];
    at_err err = AT_OK;
    for (*count = 0; *count < most; ++*count) {
        err = chip_read(d, addr + WL_STATE + *count * WL_RECORD, record, sizeof record);
        if (err != AT_OK || is_blank(record, sizeof record)) {
            break;
        }
    }
    return err;
}

static at_err read_state(fat_disk *d, uint32_t size)
{
    uint8_t raw[WL_STATE];
    for (unsigned copy = 0; copy < 2; copy++) {
        uint32_t addr = state_addr(d, size, copy);
        at_err err = chip_read(d, addr, raw, sizeof raw);
        if (err != AT_OK) {
            return err;
        }
        if (fat_get32(raw + WL_STATE_LEN) == crc_of(raw, WL_STATE_LEN) &&
            fat_get32(raw + 4) == d->ring + 1 && fat_get32(raw + 20) == FAT_BLOCK) {
            d->moved = fat_get32(raw + 8) % d->ring;
            return count_records(d, addr, d->ring, &d->gap);
        }
    }
    return AT_ERR_NOT_FOUND;
}

/* Puts back what a cut replacement left in the dump. Sectors shift to shift + count are left
 * erased, as the part does when it was cut while erasing. */
static at_err restore(fat_disk *d, const uint8_t state[SAFE_LEN])
{
    uint32_t block = fat_get32(state + 4) / FAT_BLOCK, skip = fat_get32(state + 8);
    uint32_t count = fat_get32(state + 12);
    at_err err = chip_read(d, safe_dump(d), d->cache, FAT_BLOCK);
    if (err == AT_OK) {
        memset(d->cache + skip * 512, 0xff, (size_t)count * 512);
        err = overwrite(d, place(d, block), d->cache);
    }
    return err == AT_OK ? clear_safe_state(d) : err;
}

static at_err recover(fat_disk *d)
{
    at_err err = chip_read(d, safe_state(d), d->cache, FAT_BLOCK);
    uint8_t state[SAFE_LEN];
    memcpy(state, d->cache, sizeof state);
    if (err != AT_OK || is_blank(d->cache, FAT_BLOCK) ||
        !is_blank(d->cache + SAFE_LEN, FAT_BLOCK - SAFE_LEN)) {
        return err; /* nothing to do, or file data of a volume without safe mode */
    }
    uint32_t addr = fat_get32(state + 4), skip = fat_get32(state + 8);
    uint32_t count = fat_get32(state + 12);
    bool valid = fat_get32(state) == SAFE_OK && addr % FAT_BLOCK == 0 &&
                 addr / FAT_BLOCK < d->ring - 2 && skip <= 8 && count <= 8 - skip;
    if (d->read_only) {
        d->pending = valid && count == 0 ? addr / FAT_BLOCK : FAT_NONE;
        return AT_OK;
    }
    return valid ? restore(d, state) : clear_safe_state(d);
}

at_err fat_disk_open(fat_disk *d, const at_flashchip *chip, uint32_t base, uint32_t size,
                     bool read_only, uint8_t *cache)
{
    bool found = false;
    *d = (fat_disk){ .chip = chip,
                     .base = base,
                     .blocks = size / FAT_BLOCK,
                     .read_only = read_only,
                     .pending = FAT_NONE,
                     .cache = cache,
                     .cached = FAT_NONE };
    at_err err = size >= AT_FAT_SIZE_MIN ? find_config(d, size, &found) : AT_OK;
    if (err != AT_OK || !found) {
        return err;
    }
    d->ring = ring_of(size);
    err = read_state(d, size);
    if (err == AT_OK) {
        d->levelled = d->guarded = true;
        d->blocks = d->ring;
        err = recover(d);
    }
    return err;
}

void fat_disk_limit(fat_disk *d, uint32_t bytes)
{
    uint32_t blocks = (bytes + FAT_BLOCK - 1) / FAT_BLOCK;
    d->blocks = AT_MIN(blocks, d->blocks);
    d->guarded = d->levelled && blocks <= d->ring - 2;
}

at_err fat_disk_format(fat_disk *d, const at_flashchip *chip, uint32_t base, uint32_t size,
                       uint8_t *cache)
{
    *d = (fat_disk){ .chip = chip, .base = base, .pending = FAT_NONE, .cache = cache };
    d->ring = ring_of(size);
    d->blocks = d->ring - 2;
    d->levelled = d->guarded = true;
    d->cached = FAT_NONE;
    at_err err = AT_OK;
    /* From the end: without its configuration the partition is nothing at once. */
    for (uint32_t at = size; at > 0 && err == AT_OK; at -= FAT_BLOCK) {
        err = chip_erase(d, base + at - FAT_BLOCK);
    }
    return err;
}

at_err fat_disk_seal(fat_disk *d, uint32_t size)
{
    const uint32_t words[] = { 0, d->ring + 1, 0, 0, WL_RATE, FAT_BLOCK, WL_VERSION, size };
    uint8_t state[WL_STATE] = { 0 }, config[WL_CONFIG + 16] = { 0 };
    for (unsigned i = 0; i < AT_COUNT(words); i++) {
        fat_put32(state + 4 * i, words[i]); /* the last is the device's number: any */
    }
    fat_put32(state + WL_STATE_LEN, crc_of(state, WL_STATE_LEN));
    make_config(size, config);
    fat_put32(config + WL_CONFIG, crc_of(config, WL_CONFIG));
    at_err err = fat_disk_flush(d);
    for (unsigned copy = 0; copy < 2 && err == AT_OK; copy++) {
        err = chip_program(d, state_addr(d, size, copy), state, sizeof state);
    }
    return err == AT_OK ? chip_program(d, config_addr(d, size), config, sizeof config) : err;
}
