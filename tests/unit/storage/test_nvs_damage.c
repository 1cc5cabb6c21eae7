/* Damaged images: bits flipped, parts overwritten or cut off, headers and heads with good checksums
 * and bad contents. Whatever is there, opening ends, walks end, and afterwards the partition works
 * or says that it must be formatted. */
#include "flash_fixture.h"

#include "core/bytes.h"

#include "storage/crc32.h"

#define PAGES 5u
#define SEEDS 10000u

static uint8_t clean[PAGES * AT_FLASH_SECTOR];

/* A partition that was used for a while: full, collected and erased parts, all types. */
static void make_clean(bench *b)
{
    static uint8_t blob[5000];
    bench_start(b, PAGES);
    assert_int_equal(bench_open(b), AT_OK);
    uint32_t seed = 7;
    for (int i = 0; i < 400; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", (unsigned)(dice(&seed) % 30));
        size_t len = dice(&seed) % 60;
        fill_pattern(blob, len, seed);
        if (i % 3 == 0) {
            assert_int_equal(at_nvs_set_data(b->nvs, "blobs", key, AT_NVS_BLOB, blob, len), AT_OK);
        } else {
            assert_int_equal(at_nvs_set_int(b->nvs, "ints", key, AT_NVS_I32, i), AT_OK);
        }
    }
    assert_int_equal(at_nvs_set_data(b->nvs, "texts", "t", AT_NVS_TEXT, "a text", 7), AT_OK);
    fill_pattern(blob, 4100, 3);
    assert_int_equal(at_nvs_set_data(b->nvs, "blobs", "big", AT_NVS_BLOB, blob, 4100), AT_OK);
    bench_close(b);
    b->chip->read(b->chip->ctx, NVS_AT, clean, sizeof clean);
}

static void fix_crcs(uint8_t *image, uint32_t *seed)
{
    uint8_t *page = image + dice(seed) % PAGES * AT_FLASH_SECTOR;
    if (dice(seed) % 2 == 0) { /* a header: state, sequence number, version */
        page[dice(seed) % 10] = (uint8_t)dice(seed);
        uint32_t crc = at_crc32_end(at_crc32_add(AT_CRC32_START, page + 4, 24));
        memcpy(page + 28, &crc, 4);
        return;
    }
    uint8_t *head = page + 64 + dice(seed) % 126 * 32;
    static const uint8_t fields[] = { 0, 1, 2, 3, 8, 9, 10, 23, 24, 25, 26, 28, 29 };
    static const uint8_t types[] = { 0x01, 0x18, 0x21, 0x41, 0x42, 0x48 };
    head[fields[dice(seed) % AT_COUNT(fields)]] = (uint8_t)dice(seed);
    if (dice(seed) % 2 == 0) {
        head[1] = types[dice(seed) % AT_COUNT(types)];
    }
    uint32_t crc = at_crc32_add(AT_CRC32_START, head, 4);
    crc = at_crc32_end(at_crc32_add(crc, head + 8, 24));
    memcpy(head + 4, &crc, 4);
}

static void damage(uint8_t *image, uint32_t seed)
{
    uint32_t kind = seed % 6, at = dice(&seed) % sizeof clean;
    uint32_t len = dice(&seed) % AT_MIN(3000u, (uint32_t)sizeof clean - at);
    memcpy(image, clean, sizeof clean);
    if (kind == 0) {
        memset(image + at, 0xff, sizeof clean - at); /* cut off */
    } else if (kind == 1) {
        fill_pattern(image + at, len, seed);
    } else if (kind == 2) {
        memset(image + at, dice(&seed) % 2 == 0 ? 0 : 0xff, len);
    } else if (kind == 3) {
        for (uint32_t flips = 1 + dice(&seed) % 40; flips > 0; flips--) {
            image[dice(&seed) % sizeof clean] ^= (uint8_t)(1u << dice(&seed) % 8);
        }
    } else if (kind == 4) { /* the states and headers of every page */
        for (uint32_t flips = 1 + dice(&seed) % 20; flips > 0; flips--) {
            uint32_t page = dice(&seed) % PAGES * AT_FLASH_SECTOR;
            image[page + dice(&seed) % 64] ^= (uint8_t)(1u << dice(&seed) % 8);
        }
    } else {
        for (uint32_t n = 1 + dice(&seed) % 30; n > 0; n--) {
            fix_crcs(image, &seed);
        }
    }
}

/* Reads everything there is; returns the number of keys. */
static unsigned read_all(at_nvs *nvs)
{
    static uint8_t buf[PAGES * AT_FLASH_SECTOR];
    at_nvs_walk spaces = { 0 }, keys;
    char name[AT_NVS_NAME_MAX + 1];
    at_nvs_info info;
    unsigned count = 0;
    while (at_nvs_next_namespace(nvs, &spaces, name) == AT_OK) {
        keys = (at_nvs_walk){ 0 };
        while (at_nvs_next_key(nvs, &keys, name, &info) == AT_OK) {
            int64_t value;
            size_t len;
            (void)at_nvs_get_int(nvs, name, info.key, info.type, &value);
            (void)at_nvs_get_data(nvs, name, info.key, info.type, buf, sizeof buf, &len);
            assert_true(len <= sizeof buf || len == info.len);
            count++;
        }
    }
    return count;
}

static void use(bench *b, uint32_t seed)
{
    int64_t value = 0;
    at_err err = AT_OK;
    for (int i = 0; i < 40 && err == AT_OK; i++) {
        err = at_nvs_set_int(b->nvs, "ints", "k1", AT_NVS_I32, (int32_t)seed + i);
    }
    if (err != AT_OK) { /* full, or no page number left: said so */
        assert_true(err == AT_ERR_NOMEM || err == AT_ERR_CORRUPT);
        return;
    }
    (void)at_nvs_erase_namespace(b->nvs, "blobs");
    bench_close(b);
    assert_int_equal(bench_open(b), AT_OK);
    assert_int_equal(at_nvs_get_int(b->nvs, "ints", "k1", AT_NVS_I32, &value), AT_OK);
    assert_int_equal(value, (int32_t)seed + 39);
}

static void damaged_images_never_crash(void **state)
{
    (void)state;
    static uint8_t image[sizeof clean];
    bench b;
    unsigned unusable = 0;
    make_clean(&b);
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        damage(image, seed);
        b.chip->erase(b.chip->ctx, NVS_AT, b.size);
        b.chip->program(b.chip->ctx, NVS_AT, image, sizeof image);
        at_nvs *reader;
        at_err read_only =
            at_nvs_open(&reader, &b.heap, &b.log, b.chip, NVS_AT, b.size, AT_NVS_READ_ONLY);
        unsigned keys = read_only == AT_OK ? read_all(reader) : 0;
        at_nvs_close(reader);
        at_err err = bench_open(&b);
        if (err == AT_OK) {
            assert_int_equal(read_only, AT_OK);
            assert_int_equal(read_all(b.nvs), keys); /* repairing loses nothing readable */
            use(&b, seed);
        } else {
            assert_true(err == AT_ERR_CORRUPT || err == AT_ERR_UNSUPPORTED);
            unusable++;
            assert_int_equal(at_nvs_format(b.chip, NVS_AT, b.size), AT_OK);
            assert_int_equal(bench_open(&b), AT_OK);
        }
        bench_close(&b);
    }
    print_message("%u images, %u of them to be formatted\n", SEEDS, unusable);
    bench_end(&b);
}

static int failing_program(void *ctx, uint32_t addr, const void *data, size_t len)
{
    (void)ctx, (void)addr, (void)data, (void)len;
    return AT_ERR_IO;
}

static void failing_flash_is_an_error(void **state)
{
    (void)state;
    bench b;
    make_clean(&b);
    at_flashchip chip = *b.chip;
    chip.program = failing_program;
    assert_int_equal(at_nvs_open(&b.nvs, &b.heap, &b.log, &chip, NVS_AT, b.size, AT_NVS_READ_WRITE),
                     AT_OK);
    int64_t value;
    assert_int_equal(at_nvs_set_int(b.nvs, "ints", "new", AT_NVS_U8, 1), AT_ERR_IO);
    assert_int_equal(at_nvs_set_int(b.nvs, "ints", "new", AT_NVS_U8, 2), AT_ERR_IO);
    assert_int_equal(at_nvs_erase_key(b.nvs, "ints", "k1"), AT_ERR_IO);
    assert_int_equal(at_nvs_get_int(b.nvs, "ints", "k1", AT_NVS_I32, &value), AT_OK);
    bench_close(&b);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_images_never_crash),
        cmocka_unit_test(failing_flash_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
