/* Partition tables: the bytes of the vendor's tool, and tables nobody should believe. */
#include "flash_fixture.h"

#include "core/bytes.h"
#include "crypto/hash.h"
#include "storage/partition.h"

static void check_sha(uint32_t chip_size, bool customize, const char *want)
{
    uint8_t raw[AT_PARTITION_TABLE_LEN], sha[AT_SHA256_LEN];
    char hex[2 * AT_SHA256_LEN + 1];
    size_t count;
    const at_partition *entries = at_partition_builtin(chip_size, customize, &count);
    assert_int_equal(at_partition_build(entries, count, customize, raw), AT_OK);
    at_hash_of(AT_HASH_SHA256, raw, sizeof raw, sha);
    for (size_t i = 0; i < sizeof sha; i++) {
        snprintf(hex + 2 * i, 3, "%02x", sha[i]);
    }
    assert_string_equal(hex, want);
    at_partition back[AT_PARTITION_MAX];
    size_t got;
    const char *why = "";
    assert_int_equal(
        at_partition_parse(raw, sizeof raw, chip_size, back, AT_COUNT(back), &got, &why), AT_OK);
    assert_int_equal(got, count);
    assert_string_equal(back[0].label, entries[0].label);
}

static void tables_are_the_vendors_bytes(void **state)
{
    (void)state;
    check_sha(AT_FLASHFILE_4MB, false,
              "7e1caa07c844f36b51ee762651e0fdc0b0865304139c8c7e1a01d4bb94b9f5c3");
    check_sha(AT_FLASHFILE_4MB, true,
              "f5a36f571968b2b6afc21872dfc4e006b58c8eea2d469c8c5af7b60ef2fcc01f");
    check_sha(AT_FLASHFILE_2MB, false,
              "b396afd004ce12405c8c865c0c173205c32b76eb1b2fb366350049246f4fb686");
    check_sha(AT_FLASHFILE_2MB, true,
              "48725b62610db177cb4bb19a10c139afd000614457dc7e94529dbd60d7bb981a");
}

static void an_erased_chip_has_the_builtin_layout(void **state)
{
    (void)state;
    bench b;
    at_partitions *p;
    size_t count;
    bench_start(&b, 3);
    assert_int_equal(at_partitions_open(&p, &b.heap, &b.log, b.chip), AT_OK);
    assert_int_equal(at_partitions_find(p, "nvs")->offset, 0x10000);
    assert_int_equal(at_partitions_find(p, "mfg_nvs")->size, 0x1f000);
    assert_null(at_partitions_find(p, "spiffs"));
    assert_string_equal(at_partitions_find_type(p, AT_PARTITION_DATA, AT_DATA_FAT)->label, "fatfs");
    assert_string_equal(at_partitions_list(p, true, &count)[0].label, "mfg_nvs");
    assert_int_equal(count, 2);
    assert_int_equal(at_flashfile_counted(b.flash).programs, 0);
    at_partitions_close(p);
    bench_end(&b);
}

static void write_table(bench *b, uint32_t addr, const at_partition *entries, size_t count)
{
    uint8_t raw[AT_PARTITION_TABLE_LEN];
    assert_int_equal(at_partition_build(entries, count, true, raw), AT_OK);
    b->chip->erase(b->chip->ctx, addr, AT_FLASH_SECTOR);
    b->chip->program(b->chip->ctx, addr, raw, sizeof raw);
}

static void tables_on_flash_count(void **state)
{
    (void)state;
    static const at_partition primary[] = {
        { "nvs", AT_PARTITION_DATA, AT_DATA_NVS, 0x20000, 0x4000, 0 },
        { "at_customize", AT_PARTITION_CUSTOM, 0, 0x30000, 0x10000, 0 },
    };
    static const at_partition customize[] = {
        { "mfg_nvs", AT_PARTITION_DATA, AT_DATA_NVS, 0x31000, 0x3000, 0 },
        { "sixteen_chars_ok", AT_PARTITION_CUSTOM, 1, 0x34000, 0x1000, 0 },
        { "outside", AT_PARTITION_CUSTOM, 2, 0x20000, 0x1000, 0 },
        { "on_the_table", AT_PARTITION_CUSTOM, 2, 0x30000, 0x1000, 0 },
    };
    bench b;
    at_partitions *p;
    size_t count;
    bench_start(&b, 3);
    write_table(&b, AT_PARTITION_TABLE_AT, primary, AT_COUNT(primary));
    write_table(&b, 0x30000, customize, AT_COUNT(customize));
    assert_int_equal(at_partitions_open(&p, &b.heap, &b.log, b.chip), AT_OK);
    assert_int_equal(at_partitions_find(p, "nvs")->offset, 0x20000);
    assert_int_equal(at_partitions_find(p, "mfg_nvs")->offset, 0x31000);
    assert_non_null(at_partitions_find(p, "sixteen_chars_ok"));
    assert_null(at_partitions_find(p, "outside"));
    assert_null(at_partitions_find(p, "on_the_table"));
    at_partitions_list(p, true, &count);
    assert_int_equal(count, 2);
    at_partitions_close(p);
    bench_end(&b);
}

static at_err parse_with(const at_partition *entries, size_t count, size_t at, uint8_t flip)
{
    uint8_t raw[AT_PARTITION_TABLE_LEN];
    static at_partition back[AT_PARTITION_MAX];
    size_t got;
    const char *why = NULL;
    at_partition_build(entries, count, true, raw);
    if (at < sizeof raw) {
        raw[at] ^= flip;
    }
    at_err err =
        at_partition_parse(raw, sizeof raw, AT_FLASHFILE_4MB, back, AT_COUNT(back), &got, &why);
    assert_true((err == AT_ERR_CORRUPT) == (why != NULL));
    return err;
}

static void hostile_tables_are_refused(void **state)
{
    (void)state;
    at_partition e[2] = {
        { "a", AT_PARTITION_DATA, 2, 0x10000, 0x3000, 0 },
        { "b", AT_PARTITION_DATA, 2, 0x13000, 0x3000, 0 },
    };
    assert_int_equal(parse_with(e, 2, SIZE_MAX, 0), AT_OK);
    e[1].offset = 0x12000;
    assert_int_equal(parse_with(e, 2, SIZE_MAX, 0), AT_ERR_CORRUPT); /* overlap */
    e[1].offset = 0x3ff000;
    assert_int_equal(parse_with(e, 2, SIZE_MAX, 0), AT_ERR_CORRUPT); /* past the chip */
    e[1].offset = 0xfffff000u;
    e[1].size = 0x2000;
    assert_int_equal(parse_with(e, 2, SIZE_MAX, 0), AT_ERR_CORRUPT); /* wraps around */
    e[1].offset = 0x13800;
    e[1].size = 0x1000;
    assert_int_equal(parse_with(e, 2, SIZE_MAX, 0), AT_ERR_CORRUPT); /* not aligned */
    e[1].offset = 0x13000;
    e[1].size = 0;
    assert_int_equal(parse_with(e, 2, SIZE_MAX, 0), AT_ERR_CORRUPT);
    for (size_t at = 0; at < 48; at++) { /* the entry, and the 16 bytes of its MD5 */
        assert_int_equal(parse_with(e, 1, at < 32 ? at : at + 16, 0x5a), AT_ERR_CORRUPT);
    }
    uint8_t raw[AT_PARTITION_TABLE_LEN];
    memset(raw, 0xeb, sizeof raw);
    at_partition back[4];
    size_t got;
    const char *why = NULL;
    assert_int_equal(at_partition_parse(raw, sizeof raw, 4u << 20, back, 4, &got, &why),
                     AT_ERR_CORRUPT);
    memset(raw, 0xff, sizeof raw);
    assert_int_equal(at_partition_parse(raw, sizeof raw, 4u << 20, back, 4, &got, &why),
                     AT_ERR_NOT_FOUND);
}

static void random_damage_never_crashes(void **state)
{
    (void)state;
    bench b;
    size_t count;
    const at_partition *builtin = at_partition_builtin(AT_FLASHFILE_4MB, false, &count);
    uint8_t raw[AT_PARTITION_TABLE_LEN];
    bench_start(&b, 3);
    for (uint32_t seed = 0; seed < 3000; seed++) {
        uint32_t s = seed;
        at_partition_build(builtin, count, seed % 2 == 0, raw);
        for (uint32_t flips = 1 + dice(&s) % 4; flips > 0; flips--) {
            raw[dice(&s) % 256] ^= (uint8_t)(1u << dice(&s) % 8);
        }
        b.chip->erase(b.chip->ctx, AT_PARTITION_TABLE_AT, AT_FLASH_SECTOR);
        b.chip->program(b.chip->ctx, AT_PARTITION_TABLE_AT, raw, 1 + dice(&s) % sizeof raw);
        at_partitions *p;
        assert_int_equal(at_partitions_open(&p, &b.heap, &b.log, b.chip), AT_OK);
        size_t got;
        const at_partition *list = at_partitions_list(p, false, &got);
        for (size_t i = 0; i < got; i++) {
            assert_true(list[i].size <= b.chip->size);
            assert_true(list[i].offset <= b.chip->size - list[i].size);
        }
        at_partitions_close(p);
        assert_int_equal(b.heap.blocks, 0);
    }
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_the_vendors_bytes),
        cmocka_unit_test(an_erased_chip_has_the_builtin_layout),
        cmocka_unit_test(tables_on_flash_count),
        cmocka_unit_test(hostile_tables_are_refused),
        cmocka_unit_test(random_damage_never_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
