/* The FAT volume: names, chains, limits, allocation failures. */
#include "fat_fixture.h"

static void erased_flash_has_no_volume(void **state)
{
    (void)state;
    volume v;
    volume_start(&v);
    assert_int_equal(volume_mount(&v, AT_FAT_READ_WRITE), AT_ERR_NOT_FOUND);
    assert_int_equal(at_fat_mount(&v.fs, &v.heap, &v.log, v.chip, FAT_AT + 1, FAT_SIZE, 0),
                     AT_ERR_INVALID);
    assert_int_equal(at_fat_mount(&v.fs, &v.heap, &v.log, v.chip, 0, 8u << 20, 0), AT_ERR_INVALID);
    assert_int_equal(at_fat_format(&v.heap, v.chip, FAT_AT, 4096), AT_ERR_INVALID);
    volume_end(&v);
}

static void a_new_volume_is_the_parts(void **state)
{
    (void)state;
    volume v;
    at_fat_usage usage;
    volume_start_formatted(&v);
    at_fat_measure(v.fs, &usage);
    /* 25 blocks less configuration, two states, the unused one, two of the safe mode */
    assert_int_equal(at_fat_volume_size(v.fs), 19 * 4096);
    assert_int_equal(usage.bits, 12);
    assert_int_equal(usage.cluster, 512);
    assert_int_equal(usage.clusters, 19 * 8 - 1 - 2 - 32);
    assert_int_equal(usage.free, usage.clusters);
    assert_true(usage.levelled);
    volume_end(&v);
}

static void bytes_come_back(void **state)
{
    (void)state;
    volume v;
    uint8_t data[3000], got[4000];
    size_t len;
    at_fat_info info;
    volume_start_formatted(&v);
    fill_pattern(data, sizeof data, 1);
    assert_int_equal(at_fat_read(v.fs, "a.txt", 0, got, 1, &len), AT_ERR_NOT_FOUND);
    assert_int_equal(at_fat_write(v.fs, "a.txt", 0, data, 1000), AT_OK);
    assert_int_equal(at_fat_write(v.fs, "a.txt", 1500, data + 1500, 1500), AT_OK);
    memset(data + 1000, 0, 500); /* the hole */
    volume_unmount(&v);
    assert_int_equal(volume_mount(&v, AT_FAT_READ_ONLY), AT_OK);
    assert_int_equal(at_fat_stat(v.fs, "A.TXT", &info), AT_OK);
    assert_string_equal(info.name, "a.txt");
    assert_int_equal(info.size, 3000);
    assert_int_equal(at_fat_read(v.fs, "a.txt", 0, got, sizeof got, &len), AT_OK);
    assert_int_equal(len, 3000);
    assert_memory_equal(got, data, 3000);
    assert_int_equal(at_fat_read(v.fs, "a.txt", 2990, got, sizeof got, &len), AT_OK);
    assert_int_equal(len, 10);
    assert_int_equal(at_fat_read(v.fs, "a.txt", 3000, got, sizeof got, &len), AT_OK);
    assert_int_equal(len, 0);
    assert_int_equal(at_fat_write(v.fs, "a.txt", 0, "x", 1), AT_ERR_STATE);
    assert_int_equal(at_fat_remove(v.fs, "a.txt"), AT_ERR_STATE);
    volume_end(&v);
}

static void names_that_cannot_be(void **state)
{
    (void)state;
    volume v;
    static const char *const bad[] = { "a/",  "a*b",  "a.",   " a",      "a\\b", "\x80",
                                       "a\n", "..",   "a?.b", "\xc3",    "a|b",  "\xed\xa0\x80",
                                       "",    "\x7f", ".",    "\xf5xxx", "/",    "\xc0\xaf" };
    at_fat_info info;
    volume_start_formatted(&v);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        at_err err = at_fat_write(v.fs, bad[i], 0, "x", 1);
        assert_true(err == AT_ERR_INVALID || strcmp(bad[i], "a/") == 0);
    }
    assert_int_equal(at_fat_write(v.fs, "no/such", 0, "x", 1), AT_ERR_NOT_FOUND);
    assert_int_equal(at_fat_stat(v.fs, ".", &info), AT_OK);
    assert_true(info.directory);
    volume_end(&v);
}

static void long_names(void **state)
{
    (void)state;
    volume v;
    char name[400];
    uint8_t got[8];
    size_t len;
    unsigned made = 0;
    volume_start_formatted(&v);
    for (unsigned i = 0;; i++) {
        memset(name, 'n', 255);
        name[255] = '\0';
        snprintf(name + 240, 16, "%015u", i);
        at_err err = at_fat_write(v.fs, name, 0, &i, sizeof i);
        if (err != AT_OK) {
            assert_int_equal(err, AT_ERR_NOMEM); /* 512 slots, 21 each */
            break;
        }
        made++;
    }
    assert_int_equal(made, 24);
    volume_unmount(&v);
    assert_int_equal(volume_mount(&v, AT_FAT_READ_WRITE), AT_OK);
    for (unsigned i = 0; i < made; i++) {
        snprintf(name + 240, 16, "%015u", i);
        assert_int_equal(at_fat_read(v.fs, name, 0, got, sizeof got, &len), AT_OK);
        assert_memory_equal(got, &i, sizeof i);
    }
    memset(name, 'n', 256);
    name[256] = '\0';
    assert_int_equal(at_fat_write(v.fs, name, 0, "x", 1), AT_ERR_INVALID);
    name[255] = '\0';
    snprintf(name + 240, 16, "%015u", 7u);
    assert_int_equal(at_fat_remove(v.fs, name), AT_OK);
    assert_int_equal(at_fat_write(v.fs,
                                  "Gr\xc3\xbc\xc3\x9f"
                                  "e \xf0\x9f\x98\x80.txt",
                                  0, "x", 1),
                     AT_OK);
    assert_int_equal(at_fat_read(v.fs,
                                 "Gr\xc3\xbc\xc3\x9f"
                                 "e \xf0\x9f\x98\x80.txt",
                                 0, got, 8, &len),
                     AT_OK);
    volume_end(&v);
}

static void a_full_volume(void **state)
{
    (void)state;
    volume v;
    static uint8_t data[117 * 512], got[117 * 512];
    size_t len;
    at_fat_usage usage;
    volume_start_formatted(&v);
    fill_pattern(data, sizeof data, 5);
    assert_int_equal(at_fat_write(v.fs, "all", 0, data, sizeof data), AT_OK);
    assert_int_equal(at_fat_write(v.fs, "more", 0, "x", 1), AT_ERR_NOMEM);
    assert_int_equal(at_fat_write(v.fs, "all", sizeof data, "x", 1), AT_ERR_NOMEM);
    assert_int_equal(at_fat_write(v.fs, "all", UINT32_MAX, "xx", 2), AT_ERR_NOMEM);
    assert_int_equal(at_fat_write(v.fs, "empty", 0, NULL, 0), AT_OK);
    /* no room for copies: in place */
    memset(data + 700, 0x55, 900);
    assert_int_equal(at_fat_write(v.fs, "all", 700, data + 700, 900), AT_OK);
    assert_int_equal(at_fat_read(v.fs, "all", 0, got, sizeof got, &len), AT_OK);
    assert_int_equal(len, sizeof got);
    assert_memory_equal(got, data, sizeof got);
    assert_int_equal(at_fat_remove(v.fs, "all"), AT_OK);
    at_fat_measure(v.fs, &usage);
    assert_int_equal(usage.free, usage.clusters);
    volume_end(&v);
}

/* Every number of clusters modulo 8: tables in memory end where they should. */
static void volumes_of_any_length(void **state)
{
    (void)state;
    static uint8_t image[19 * 4096];
    volume v;
    at_fat_usage usage;
    volume_start_formatted(&v);
    assert_int_equal(at_fat_volume_read(v.fs, 0, image, sizeof image), AT_OK);
    assert_int_equal(at_fat_volume_read(v.fs, 1, image, sizeof image), AT_ERR_INVALID);
    volume_unmount(&v);
    for (unsigned sectors = 36; sectors <= 152; sectors++) {
        image[19] = (uint8_t)sectors;
        assert_int_equal(at_fat_import(&v.heap, v.chip, FAT_AT, FAT_SIZE, image, sectors * 512),
                         AT_OK);
        assert_int_equal(volume_mount(&v, AT_FAT_READ_WRITE), AT_OK);
        at_fat_measure(v.fs, &usage);
        assert_int_equal(usage.free, sectors - 35);
        assert_int_equal(at_fat_write(v.fs, "all", 0, image, usage.free * 512), AT_OK);
        assert_int_equal(at_fat_write(v.fs, "x", 0, "x", 1), AT_ERR_NOMEM);
        volume_unmount(&v);
        assert_int_equal(volume_mount(&v, AT_FAT_READ_WRITE), AT_OK);
        volume_unmount(&v);
    }
    assert_int_equal(at_fat_import(&v.heap, v.chip, FAT_AT, FAT_SIZE, image, sizeof image + 1),
                     AT_ERR_NOMEM);
    volume_end(&v);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    volume v;
    uint8_t data[900] = { 0 }, got[900];
    size_t len;
    for (uint64_t n = 1;; n++) {
        volume_start_formatted(&v);
        assert_int_equal(at_fat_write(v.fs, "a", 0, data, 600), AT_OK);
        volume_unmount(&v);
        v.heap.fail_at = v.heap.calls + n;
        at_err err = volume_mount(&v, AT_FAT_READ_WRITE);
        if (err == AT_OK) {
            err = at_fat_write(v.fs, "a", 300, data, 600);
        }
        bool failed = v.heap.calls >= v.heap.fail_at;
        v.heap.fail_at = 0;
        assert_int_equal(err, failed ? AT_ERR_NOMEM : AT_OK);
        volume_unmount(&v);
        assert_int_equal(volume_mount(&v, AT_FAT_READ_WRITE), AT_OK);
        assert_int_equal(at_fat_read(v.fs, "a", 0, got, sizeof got, &len), AT_OK);
        assert_int_equal(len, failed ? 600 : 900);
        volume_end(&v);
        if (!failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(erased_flash_has_no_volume),
        cmocka_unit_test(a_new_volume_is_the_parts),
        cmocka_unit_test(bytes_come_back),
        cmocka_unit_test(names_that_cannot_be),
        cmocka_unit_test(long_names),
        cmocka_unit_test(a_full_volume),
        cmocka_unit_test(volumes_of_any_length),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
