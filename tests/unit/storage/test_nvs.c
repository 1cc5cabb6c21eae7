/* NVS: every type, restarts, collection, walks, errors. The bytes of the format itself are pinned
 * by the published example of protocol facts (an image of the vendor's generator). */
#include "flash_fixture.h"

#include "core/bytes.h"
#include "storage/crc32.h"

typedef struct int_case {
    at_nvs_type type;
    int64_t low, high;
} int_case;

static const int_case int_cases[] = {
    { AT_NVS_U8, 0, UINT8_MAX },          { AT_NVS_I8, INT8_MIN, INT8_MAX },
    { AT_NVS_U16, 0, UINT16_MAX },        { AT_NVS_I16, INT16_MIN, INT16_MAX },
    { AT_NVS_U32, 0, UINT32_MAX },        { AT_NVS_I32, INT32_MIN, INT32_MAX },
    { AT_NVS_U64, INT64_MIN, INT64_MAX }, { AT_NVS_I64, INT64_MIN, INT64_MAX },
};

static void crc_has_the_parts_check_values(void **state)
{
    (void)state;
    assert_int_equal(at_crc32_end(AT_CRC32_START), 0xffffffffu);
    assert_int_equal(at_crc32_end(at_crc32_add(AT_CRC32_START, "123456789", 9)), 0xd202d277u);
    assert_int_equal(at_crc32_end(at_crc32_add(AT_CRC32_START, "\1\0\0\0", 4)), 0x4743989au);
}

static void integers_survive_a_restart(void **state)
{
    (void)state;
    bench b;
    bench_start(&b, 4);
    assert_int_equal(bench_open(&b), AT_OK);
    for (size_t i = 0; i < AT_COUNT(int_cases); i++) {
        const int_case *c = &int_cases[i];
        char key[16];
        snprintf(key, sizeof key, "int%zu", i);
        const int64_t values[] = { c->low, c->high, 1 };
        for (size_t v = 0; v < AT_COUNT(values); v++) {
            int64_t got = 77;
            assert_int_equal(at_nvs_set_int(b.nvs, "ns", key, c->type, values[v]), AT_OK);
            bench_restart(&b);
            assert_int_equal(at_nvs_get_int(b.nvs, "ns", key, c->type, &got), AT_OK);
            assert_true(got == values[v]);
        }
        if ((c->type & 8) == 0) {
            assert_int_equal(at_nvs_set_int(b.nvs, "ns", key, c->type, c->high + 1),
                             AT_ERR_INVALID);
            assert_int_equal(at_nvs_set_int(b.nvs, "ns", key, c->type, c->low - 1), AT_ERR_INVALID);
        }
    }
    bench_end(&b);
}

static void data_of_every_length_survives(void **state)
{
    (void)state;
    static const size_t lengths[] = { 1, 31, 32, 33, 64, 399, 400, 401, 3967, 3968, 3999, 4000 };
    static uint8_t data[24000], back[24000];
    bench b;
    bench_start(&b, 8);
    assert_int_equal(bench_open(&b), AT_OK);
    for (size_t i = 0; i < AT_COUNT(lengths); i++) {
        size_t got, len = lengths[i];
        memset(data, 'a' + (int)i, len);
        data[len - 1] = '\0';
        assert_int_equal(at_nvs_set_data(b.nvs, "texts", "t", AT_NVS_TEXT, data, len), AT_OK);
        bench_restart(&b);
        assert_int_equal(at_nvs_get_data(b.nvs, "texts", "t", AT_NVS_TEXT, back, sizeof back, &got),
                         AT_OK);
        assert_int_equal(got, len);
        assert_memory_equal(back, data, len);
    }
    assert_int_equal(at_nvs_erase_key(b.nvs, "texts", "t"), AT_OK);
    for (size_t len = 0; len < 13000; len += len < 100 ? 1 : 397) {
        size_t got;
        fill_pattern(data, len, (uint32_t)len);
        assert_int_equal(at_nvs_set_data(b.nvs, "blobs", "b", AT_NVS_BLOB, data, len), AT_OK);
        bench_restart(&b);
        assert_int_equal(at_nvs_get_data(b.nvs, "blobs", "b", AT_NVS_BLOB, back, sizeof back, &got),
                         AT_OK);
        assert_int_equal(got, len);
        assert_memory_equal(back, data, len);
    }
    bench_end(&b);
}

static void a_window_of_a_blob_is_read(void **state)
{
    (void)state;
    static uint8_t data[6000], back[6000];
    bench b;
    bench_start(&b, 6);
    assert_int_equal(bench_open(&b), AT_OK);
    fill_pattern(data, sizeof data, 5);
    assert_int_equal(at_nvs_set_data(b.nvs, "ns", "b", AT_NVS_BLOB, data, sizeof data), AT_OK);
    for (size_t offset = 0; offset < 6100; offset += 311) {
        size_t got, want = offset >= 6000 ? 0 : AT_MIN((size_t)500, 6000 - offset);
        assert_int_equal(at_nvs_read(b.nvs, "ns", "b", AT_NVS_BLOB, offset, back, 500, &got),
                         AT_OK);
        assert_int_equal(got, want);
        assert_memory_equal(back, data + AT_MIN(offset, sizeof data), got);
    }
    bench_end(&b);
}

static void wrong_questions_have_their_errors(void **state)
{
    (void)state;
    bench b;
    size_t len;
    int64_t value;
    uint8_t buf[8];
    at_nvs_info info;
    bench_start(&b, 3);
    assert_int_equal(bench_open(&b), AT_OK);
    assert_int_equal(at_nvs_get_int(b.nvs, "ns", "k", AT_NVS_U8, &value), AT_ERR_NOT_FOUND);
    assert_int_equal(at_nvs_erase_key(b.nvs, "ns", "k"), AT_ERR_NOT_FOUND);
    assert_int_equal(at_nvs_erase_namespace(b.nvs, "ns"), AT_ERR_NOT_FOUND);
    assert_int_equal(at_nvs_set_int(b.nvs, "", "k", AT_NVS_U8, 1), AT_ERR_INVALID);
    assert_int_equal(at_nvs_set_int(b.nvs, "ns", "sixteen.chars.xx", AT_NVS_U8, 1), AT_ERR_INVALID);
    assert_int_equal(at_nvs_set_data(b.nvs, "ns", "t", AT_NVS_TEXT, "a\0b", 4), AT_ERR_INVALID);
    assert_int_equal(at_nvs_set_data(b.nvs, "ns", "t", AT_NVS_TEXT, "ab", 2), AT_ERR_INVALID);
    assert_int_equal(at_nvs_set_data(b.nvs, "ns", "t", AT_NVS_TEXT, "longer text", 12), AT_OK);
    assert_int_equal(at_nvs_get_int(b.nvs, "ns", "t", AT_NVS_U8, &value), AT_ERR_STATE);
    assert_int_equal(at_nvs_get_data(b.nvs, "ns", "t", AT_NVS_BLOB, buf, 8, &len), AT_ERR_STATE);
    assert_int_equal(at_nvs_get_data(b.nvs, "ns", "t", AT_NVS_TEXT, buf, 8, &len), AT_ERR_AGAIN);
    assert_int_equal(len, 12);
    assert_int_equal(at_nvs_stat(b.nvs, "ns", "t", &info), AT_OK);
    assert_int_equal(info.type, AT_NVS_TEXT);
    assert_int_equal(info.len, 12);
    at_nvs *bad;
    assert_int_equal(
        at_nvs_open(&bad, &b.heap, &b.log, b.chip, NVS_AT, 2 * AT_FLASH_SECTOR, AT_NVS_READ_WRITE),
        AT_ERR_INVALID);
    assert_int_equal(
        at_nvs_open(&bad, &b.heap, &b.log, b.chip, 0xffff0000u, b.size, AT_NVS_READ_WRITE),
        AT_ERR_INVALID);
    bench_end(&b);
}

static void a_key_holds_one_value_of_any_type(void **state)
{
    (void)state;
    static uint8_t blob[5000];
    bench b;
    at_nvs_usage before, after;
    int64_t value = 0;
    size_t len;
    bench_start(&b, 6);
    assert_int_equal(bench_open(&b), AT_OK);
    assert_int_equal(at_nvs_set_int(b.nvs, "ns", "k", AT_NVS_U8, 1), AT_OK);
    at_nvs_measure(b.nvs, &before);
    assert_int_equal(at_nvs_set_data(b.nvs, "ns", "k", AT_NVS_BLOB, blob, sizeof blob), AT_OK);
    assert_int_equal(at_nvs_get_int(b.nvs, "ns", "k", AT_NVS_U8, &value), AT_ERR_STATE);
    assert_int_equal(at_nvs_set_data(b.nvs, "ns", "k", AT_NVS_TEXT, "t", 2), AT_OK);
    assert_int_equal(at_nvs_get_data(b.nvs, "ns", "k", AT_NVS_BLOB, blob, sizeof blob, &len),
                     AT_ERR_STATE);
    assert_int_equal(at_nvs_set_int(b.nvs, "ns", "k", AT_NVS_I64, -5), AT_OK);
    bench_restart(&b);
    assert_int_equal(at_nvs_get_int(b.nvs, "ns", "k", AT_NVS_I64, &value), AT_OK);
    assert_int_equal(value, -5);
    at_nvs_measure(b.nvs, &after);
    assert_int_equal(after.entries, before.entries);
    bench_end(&b);
}

static void equal_values_and_a_fresh_partition_write_nothing(void **state)
{
    (void)state;
    static uint8_t blob[5000];
    bench b;
    bench_start(&b, 6);
    for (int boot = 0; boot < 3; boot++) {
        assert_int_equal(bench_open(&b), AT_OK);
        assert_int_equal(at_flashfile_counted(b.flash).programs, 0);
        bench_close(&b);
    }
    assert_int_equal(bench_open(&b), AT_OK);
    assert_int_equal(at_nvs_set_int(b.nvs, "ns", "i", AT_NVS_I32, 42), AT_OK);
    assert_int_equal(at_nvs_set_data(b.nvs, "ns", "t", AT_NVS_TEXT, "text", 5), AT_OK);
    assert_int_equal(at_nvs_set_data(b.nvs, "ns", "b", AT_NVS_BLOB, blob, sizeof blob), AT_OK);
    uint64_t programs = at_flashfile_counted(b.flash).programs;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(at_nvs_set_int(b.nvs, "ns", "i", AT_NVS_I32, 42), AT_OK);
        assert_int_equal(at_nvs_set_data(b.nvs, "ns", "t", AT_NVS_TEXT, "text", 5), AT_OK);
        assert_int_equal(at_nvs_set_data(b.nvs, "ns", "b", AT_NVS_BLOB, blob, sizeof blob), AT_OK);
        bench_restart(&b);
    }
    assert_true(at_flashfile_counted(b.flash).programs == programs);
    bench_end(&b);
}

/* A model in plain memory beside NVS; thousands of changes; collection all the time. */
static void many_overwrites_match_a_model(void **state)
{
    (void)state;
    enum { KEYS = 24 };
    static uint8_t model[KEYS][700], back[700];
    size_t lens[KEYS] = { 0 };
    bench b;
    uint32_t seed = 20;
    bench_start(&b, 8);
    assert_int_equal(bench_open(&b), AT_OK);
    for (int step = 0; step < 6000; step++) {
        uint32_t k = dice(&seed) % KEYS, what = dice(&seed) % 10;
        char key[16];
        size_t got;
        snprintf(key, sizeof key, "key%u", (unsigned)k);
        if (what == 0 && lens[k] > 0) {
            assert_int_equal(at_nvs_erase_key(b.nvs, "ns", key), AT_OK);
            lens[k] = 0;
        } else if (what < 9) {
            lens[k] = 1 + dice(&seed) % (what == 1 ? sizeof model[k] : 60);
            fill_pattern(model[k], lens[k], dice(&seed));
            assert_int_equal(at_nvs_set_data(b.nvs, "ns", key, AT_NVS_BLOB, model[k], lens[k]),
                             AT_OK);
        } else if (step % 7 == 0) {
            bench_restart(&b);
        }
        at_err err = at_nvs_get_data(b.nvs, "ns", key, AT_NVS_BLOB, back, sizeof back, &got);
        assert_int_equal(err, lens[k] > 0 ? AT_OK : AT_ERR_NOT_FOUND);
        assert_int_equal(got, lens[k]);
        assert_memory_equal(back, model[k], lens[k]);
    }
    assert_true(at_flashfile_counted(b.flash).erases > 20);
    bench_end(&b);
}

static void a_full_partition_says_so_and_keeps_all(void **state)
{
    (void)state;
    bench b;
    char key[16];
    int count = 0;
    bench_start(&b, 3);
    assert_int_equal(bench_open(&b), AT_OK);
    for (;; count++) {
        snprintf(key, sizeof key, "k%d", count);
        at_err err = at_nvs_set_int(b.nvs, "ns", key, AT_NVS_I32, count);
        if (err != AT_OK) {
            assert_int_equal(err, AT_ERR_NOMEM);
            break;
        }
    }
    assert_int_equal(count, 2 * 126 - 1); /* all but the namespace's own entry */
    uint64_t programs = at_flashfile_counted(b.flash).programs;
    assert_int_equal(at_nvs_set_int(b.nvs, "ns", "k1", AT_NVS_I32, 5), AT_ERR_NOMEM);
    assert_true(at_flashfile_counted(b.flash).programs == programs);
    bench_restart(&b);
    for (int i = 0; i < count; i++) {
        int64_t value;
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(at_nvs_get_int(b.nvs, "ns", key, AT_NVS_I32, &value), AT_OK);
        assert_int_equal(value, i);
    }
    assert_int_equal(at_nvs_erase_key(b.nvs, "ns", "k7"), AT_OK);
    assert_int_equal(at_nvs_set_int(b.nvs, "ns", "k1", AT_NVS_I32, 5), AT_OK);
    bench_end(&b);
}

static void a_blob_that_does_not_fit_leaves_the_old_one(void **state)
{
    (void)state;
    static uint8_t data[9000], back[9000];
    size_t got;
    bench b;
    bench_start(&b, 3);
    assert_int_equal(bench_open(&b), AT_OK);
    fill_pattern(data, sizeof data, 3);
    assert_int_equal(at_nvs_set_data(b.nvs, "ns", "b", AT_NVS_BLOB, data, 4500), AT_OK);
    assert_int_equal(at_nvs_set_data(b.nvs, "ns", "b", AT_NVS_BLOB, data + 1, 4500), AT_ERR_NOMEM);
    assert_int_equal(at_nvs_set_data(b.nvs, "ns", "b", AT_NVS_BLOB, data, 9000), AT_ERR_INVALID);
    bench_restart(&b);
    assert_int_equal(at_nvs_get_data(b.nvs, "ns", "b", AT_NVS_BLOB, back, sizeof back, &got),
                     AT_OK);
    assert_int_equal(got, 4500);
    assert_memory_equal(back, data, got);
    bench_end(&b);
}

static void namespaces_and_keys_are_walked(void **state)
{
    (void)state;
    static const char *const spaces[] = { "client_cert", "b", "factory_param" };
    static uint8_t blob[4500];
    bench b;
    bench_start(&b, 5);
    assert_int_equal(bench_open(&b), AT_OK);
    for (size_t i = 0; i < AT_COUNT(spaces); i++) {
        assert_int_equal(at_nvs_set_int(b.nvs, spaces[i], "one", AT_NVS_U16, 7), AT_OK);
        assert_int_equal(at_nvs_set_data(b.nvs, spaces[i], "two", AT_NVS_BLOB, blob, i * 2000),
                         AT_OK);
    }
    bench_restart(&b);
    at_nvs_walk walk = { 0 };
    char name[AT_NVS_NAME_MAX + 1];
    for (size_t i = 0; i < AT_COUNT(spaces); i++) {
        assert_int_equal(at_nvs_next_namespace(b.nvs, &walk, name), AT_OK);
        assert_string_equal(name, spaces[i]);
    }
    assert_int_equal(at_nvs_next_namespace(b.nvs, &walk, name), AT_ERR_NOT_FOUND);
    at_nvs_info info;
    walk = (at_nvs_walk){ 0 };
    assert_int_equal(at_nvs_next_key(b.nvs, &walk, "factory_param", &info), AT_OK);
    assert_string_equal(info.key, "one");
    assert_int_equal(info.type, AT_NVS_U16);
    assert_int_equal(info.len, 2);
    assert_int_equal(at_nvs_next_key(b.nvs, &walk, "factory_param", &info), AT_OK);
    assert_string_equal(info.key, "two");
    assert_int_equal(info.type, AT_NVS_BLOB);
    assert_int_equal(info.len, 4000);
    assert_int_equal(at_nvs_next_key(b.nvs, &walk, "factory_param", &info), AT_ERR_NOT_FOUND);
    assert_int_equal(at_nvs_erase_namespace(b.nvs, "factory_param"), AT_OK);
    bench_restart(&b);
    walk = (at_nvs_walk){ 0 };
    assert_int_equal(at_nvs_next_key(b.nvs, &walk, "factory_param", &info), AT_ERR_NOT_FOUND);
    walk = (at_nvs_walk){ 0 };
    assert_int_equal(at_nvs_next_key(b.nvs, &walk, "b", &info), AT_OK);
    bench_end(&b);
}

/* The example of the vendor's generator, byte for byte. */
static const char *const example_page[] = {
    "fcffffff00000000feffffffffffffffffffffffffffffffffffffff842dbab9",
    "aaaafaffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "000101ffdf735fd9666163746f72795f706172616d00000001ffffffffffffff",
    "011101ff83c619cf76657273696f6e00000000000000000004ffffffffffffff",
    "012102ffe3f952ea6d6f64756c655f6e616d6500000000000c00ffff70d4671f",
    "455350333243322d344d4200ffffffffffffffffffffffffffffffffffffffff",
    "011401ffd2f4e0ee756172745f626175647261746500000000c20100ffffffff",
    "000101ff9a3109ef7365727665725f63610000000000000002ffffffffffffff",
    "02420300716c58a27365727665725f6361000000000000002800ffff72ecb51b",
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "2021222324252627ffffffffffffffffffffffffffffffffffffffffffffffff",
    "024801ffe9a0ceee7365727665725f636100000000000000280000000100ffff",
};
static const char example_page_1[] =
    "fcffffff01000000feffffffffffffffffffffffffffffffffffffffa3489f38";

static void unhex(const char *hex, uint8_t raw[32])
{
    for (size_t i = 0; i < 32; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        raw[i] = (uint8_t)byte;
    }
}

static void check_example(at_nvs *nvs)
{
    int64_t value;
    size_t len;
    uint8_t buf[64];
    assert_int_equal(at_nvs_get_int(nvs, "factory_param", "version", AT_NVS_I8, &value), AT_OK);
    assert_int_equal(value, 4);
    assert_int_equal(at_nvs_get_int(nvs, "factory_param", "uart_baudrate", AT_NVS_I32, &value),
                     AT_OK);
    assert_int_equal(value, 115200);
    assert_int_equal(
        at_nvs_get_data(nvs, "factory_param", "module_name", AT_NVS_TEXT, buf, sizeof buf, &len),
        AT_OK);
    assert_string_equal((char *)buf, "ESP32C2-4MB");
    assert_int_equal(
        at_nvs_get_data(nvs, "server_ca", "server_ca", AT_NVS_BLOB, buf, sizeof buf, &len), AT_OK);
    assert_int_equal(len, 40);
    assert_int_equal(buf[39], 39);
}

static void the_generators_image_is_read_and_made(void **state)
{
    (void)state;
    uint8_t raw[32], blob[40], made[32];
    bench b;
    bench_start(&b, 3);
    for (size_t i = 0; i < AT_COUNT(example_page); i++) {
        unhex(example_page[i], raw);
        b.chip->program(b.chip->ctx, NVS_AT + (uint32_t)i * 32, raw, sizeof raw);
    }
    unhex(example_page_1, raw);
    b.chip->program(b.chip->ctx, NVS_AT + AT_FLASH_SECTOR, raw, sizeof raw);
    at_nvs *reader;
    assert_int_equal(
        at_nvs_open(&reader, &b.heap, &b.log, b.chip, NVS_AT, b.size, AT_NVS_READ_ONLY), AT_OK);
    check_example(reader);
    assert_int_equal(at_nvs_set_int(reader, "a", "b", AT_NVS_U8, 1), AT_ERR_STATE);
    at_nvs_close(reader);
    uint64_t erases = at_flashfile_counted(b.flash).erases;
    assert_int_equal(bench_open(&b), AT_OK);
    assert_int_equal(at_nvs_set_int(b.nvs, "new", "key", AT_NVS_U8, 1), AT_OK);
    assert_true(at_flashfile_counted(b.flash).erases == erases + 1); /* one page was free */
    bench_restart(&b);
    check_example(b.nvs);
    bench_close(&b);

    /* The same content written by us is the same bytes, the state of the page apart. */
    assert_int_equal(at_nvs_format(b.chip, NVS_AT, b.size), AT_OK);
    assert_int_equal(bench_open(&b), AT_OK);
    for (size_t i = 0; i < sizeof blob; i++) {
        blob[i] = (uint8_t)i;
    }
    at_nvs_set_int(b.nvs, "factory_param", "version", AT_NVS_I8, 4);
    at_nvs_set_data(b.nvs, "factory_param", "module_name", AT_NVS_TEXT, "ESP32C2-4MB", 12);
    at_nvs_set_int(b.nvs, "factory_param", "uart_baudrate", AT_NVS_I32, 115200);
    at_nvs_set_data(b.nvs, "server_ca", "server_ca", AT_NVS_BLOB, blob, sizeof blob);
    for (size_t i = 0; i < AT_COUNT(example_page); i++) {
        unhex(example_page[i], raw);
        raw[0] = i == 0 ? 0xfe : raw[0];
        b.chip->read(b.chip->ctx, NVS_AT + (uint32_t)i * 32, made, sizeof made);
        assert_memory_equal(made, raw, sizeof raw);
    }
    bench_end(&b);
}

/* A page of version 1: an item of type 0x41 holds the whole blob. */
static void a_version_1_blob_is_read_and_replaced(void **state)
{
    (void)state;
    bench b;
    uint8_t raw[32], buf[40];
    size_t len;
    bench_start(&b, 3);
    assert_int_equal(bench_open(&b), AT_OK);
    assert_int_equal(at_nvs_set_int(b.nvs, "old", "x", AT_NVS_U8, 1), AT_OK);
    bench_close(&b);
    static uint8_t page[AT_FLASH_SECTOR];
    b.chip->read(b.chip->ctx, NVS_AT, page, sizeof page);
    b.chip->erase(b.chip->ctx, NVS_AT, AT_FLASH_SECTOR);
    page[8] = 0xff;
    uint32_t crc = at_crc32_end(at_crc32_add(AT_CRC32_START, page + 4, 24));
    memcpy(page + 28, &crc, 4);
    page[32] = 0xaa; /* four entries in use */
    memset(raw, 0, sizeof raw);
    memcpy(raw, "\x01\x41\x02\xff", 4);
    memcpy(raw + 8, "blob", 4);
    memcpy(raw + 24, "\x05\x00\xff\xff", 4);
    crc = at_crc32_end(at_crc32_add(AT_CRC32_START, "hello", 5));
    memcpy(raw + 28, &crc, 4);
    crc = at_crc32_end(at_crc32_add(at_crc32_add(AT_CRC32_START, raw, 4), raw + 8, 24));
    memcpy(raw + 4, &crc, 4);
    memcpy(page + 64 + 64, raw, 32);
    memcpy(page + 64 + 96, "hello", 5);
    b.chip->program(b.chip->ctx, NVS_AT, page, sizeof page);
    assert_int_equal(bench_open(&b), AT_OK);
    assert_int_equal(at_nvs_get_data(b.nvs, "old", "blob", AT_NVS_BLOB, buf, sizeof buf, &len),
                     AT_OK);
    assert_int_equal(len, 5);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(at_nvs_set_data(b.nvs, "old", "blob", AT_NVS_BLOB, "there", 5), AT_OK);
    bench_restart(&b);
    assert_int_equal(at_nvs_get_data(b.nvs, "old", "blob", AT_NVS_BLOB, buf, sizeof buf, &len),
                     AT_OK);
    assert_memory_equal(buf, "there", 5);
    bench_end(&b);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bench b;
    bench_start(&b, 4);
    for (uint64_t n = 1;; n++) {
        uint64_t fail_at = b.heap.calls + n;
        b.heap.fail_at = fail_at;
        at_err err = bench_open(&b);
        for (int i = 0; i < 300 && err == AT_OK; i++) {
            err = at_nvs_set_int(b.nvs, "ns", "k", AT_NVS_I32, i);
        }
        b.heap.fail_at = 0;
        if (err == AT_OK) {
            bench_close(&b);
            assert_true(n > 3);
            break;
        }
        assert_int_equal(err, AT_ERR_NOMEM);
        if (b.nvs != NULL) { /* once more works */
            assert_int_equal(at_nvs_set_int(b.nvs, "ns", "k", AT_NVS_I32, -1), AT_OK);
        }
        bench_close(&b);
        assert_int_equal(at_nvs_format(b.chip, NVS_AT, b.size), AT_OK);
    }
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_has_the_parts_check_values),
        cmocka_unit_test(integers_survive_a_restart),
        cmocka_unit_test(data_of_every_length_survives),
        cmocka_unit_test(a_window_of_a_blob_is_read),
        cmocka_unit_test(wrong_questions_have_their_errors),
        cmocka_unit_test(a_key_holds_one_value_of_any_type),
        cmocka_unit_test(equal_values_and_a_fresh_partition_write_nothing),
        cmocka_unit_test(many_overwrites_match_a_model),
        cmocka_unit_test(a_full_partition_says_so_and_keeps_all),
        cmocka_unit_test(a_blob_that_does_not_fit_leaves_the_old_one),
        cmocka_unit_test(namespaces_and_keys_are_walked),
        cmocka_unit_test(the_generators_image_is_read_and_made),
        cmocka_unit_test(a_version_1_blob_is_read_and_replaced),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
