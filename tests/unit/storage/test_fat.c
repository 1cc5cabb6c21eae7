/* The FAT volume: names, chains, limits; a scripted day under every power cut; damaged images. */
#include "flash_fixture.h"

#include <stdlib.h>

#include "storage/fat.h"

#define FAT_AT           0x47000u
#define FAT_SIZE         0x19000u /* the part's 100 KiB */
#define FILES            7u
#define STEPS            60u
#define SIZE_MAX_OF_FILE 9000u

typedef struct volume {
    at_heap heap;
    at_log log;
    at_flashfile *flash;
    const at_flashchip *chip;
    at_fat *fs;
} volume;

static at_err mount(volume *v, at_fat_mode mode)
{
    return at_fat_mount(&v->fs, &v->heap, &v->log, v->chip, FAT_AT, FAT_SIZE, mode);
}

static void unmount(volume *v)
{
    at_fat_unmount(v->fs);
    v->fs = NULL;
    assert_int_equal(v->heap.blocks, 0);
}

static void start(volume *v)
{
    char why[128];
    memset(v, 0, sizeof *v);
    at_heap_init(&v->heap, SIZE_MAX);
    v->flash = at_flashfile_volatile(AT_FLASHFILE_4MB, why, sizeof why);
    assert_non_null(v->flash);
    v->chip = at_flashfile_chip(v->flash);
}

static void start_formatted(volume *v)
{
    start(v);
    assert_int_equal(at_fat_format(&v->heap, v->chip, FAT_AT, FAT_SIZE), AT_OK);
    assert_int_equal(mount(v, AT_FAT_READ_WRITE), AT_OK);
}

static void end(volume *v)
{
    unmount(v);
    at_flashfile_close(v->flash);
}

static void erased_flash_has_no_volume(void **state)
{
    (void)state;
    volume v;
    start(&v);
    assert_int_equal(mount(&v, AT_FAT_READ_WRITE), AT_ERR_NOT_FOUND);
    assert_int_equal(at_fat_mount(&v.fs, &v.heap, &v.log, v.chip, FAT_AT + 1, FAT_SIZE, 0),
                     AT_ERR_INVALID);
    assert_int_equal(at_fat_mount(&v.fs, &v.heap, &v.log, v.chip, 0, 8u << 20, 0), AT_ERR_INVALID);
    assert_int_equal(at_fat_format(&v.heap, v.chip, FAT_AT, 4096), AT_ERR_INVALID);
    end(&v);
}

static void a_new_volume_is_the_parts(void **state)
{
    (void)state;
    volume v;
    at_fat_usage usage;
    start_formatted(&v);
    at_fat_measure(v.fs, &usage);
    /* 25 blocks less configuration, two states, the unused one, two of the safe mode */
    assert_int_equal(at_fat_volume_size(v.fs), 19 * 4096);
    assert_int_equal(usage.bits, 12);
    assert_int_equal(usage.cluster, 512);
    assert_int_equal(usage.clusters, 19 * 8 - 1 - 2 - 32);
    assert_int_equal(usage.free, usage.clusters);
    assert_true(usage.levelled);
    end(&v);
}

static void bytes_come_back(void **state)
{
    (void)state;
    volume v;
    uint8_t data[3000], got[4000];
    size_t len;
    at_fat_info info;
    start_formatted(&v);
    fill_pattern(data, sizeof data, 1);
    assert_int_equal(at_fat_read(v.fs, "a.txt", 0, got, 1, &len), AT_ERR_NOT_FOUND);
    assert_int_equal(at_fat_write(v.fs, "a.txt", 0, data, 1000), AT_OK);
    assert_int_equal(at_fat_write(v.fs, "a.txt", 1500, data + 1500, 1500), AT_OK);
    memset(data + 1000, 0, 500); /* the hole */
    unmount(&v);
    assert_int_equal(mount(&v, AT_FAT_READ_ONLY), AT_OK);
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
    end(&v);
}

static void names_that_cannot_be(void **state)
{
    (void)state;
    volume v;
    static const char *const bad[] = { "a/",  "a*b",  "a.",   " a",      "a\\b", "\x80",
                                       "a\n", "..",   "a?.b", "\xc3",    "a|b",  "\xed\xa0\x80",
                                       "",    "\x7f", ".",    "\xf5xxx", "/",    "\xc0\xaf" };
    at_fat_info info;
    start_formatted(&v);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        at_err err = at_fat_write(v.fs, bad[i], 0, "x", 1);
        assert_true(err == AT_ERR_INVALID || strcmp(bad[i], "a/") == 0);
    }
    assert_int_equal(at_fat_write(v.fs, "no/such", 0, "x", 1), AT_ERR_NOT_FOUND);
    assert_int_equal(at_fat_stat(v.fs, ".", &info), AT_OK);
    assert_true(info.directory);
    end(&v);
}

static void long_names(void **state)
{
    (void)state;
    volume v;
    char name[400];
    uint8_t got[8];
    size_t len;
    unsigned made = 0;
    start_formatted(&v);
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
    unmount(&v);
    assert_int_equal(mount(&v, AT_FAT_READ_WRITE), AT_OK);
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
    end(&v);
}

static void a_full_volume(void **state)
{
    (void)state;
    volume v;
    static uint8_t data[117 * 512], got[117 * 512];
    size_t len;
    at_fat_usage usage;
    start_formatted(&v);
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
    end(&v);
}

/* ---- a day of changes against a model ---- */

typedef struct file {
    bool present;
    uint32_t size;
    uint8_t bytes[SIZE_MAX_OF_FILE];
} file;

typedef struct day {
    file now[FILES], next[FILES];
    bool wide; /* so many files that directory and table lie in different blocks */
} day;

static const char *name_of(unsigned n)
{
    static const char *const names[FILES] = {
        "a.txt", "LOG",   "a rather long name that takes some slots.html", "index.htm", "data.bin",
        "b",     "x.y.z",
    };
    return names[n];
}

static void plan(day *d, unsigned step, unsigned *file_no, uint32_t *from, uint32_t *len)
{
    uint32_t seed = step * 2654435761u + 17;
    *file_no = dice(&seed) % FILES;
    file *f = &d->next[*file_no];
    memcpy(f, &d->now[*file_no], sizeof *f);
    *len = UINT32_MAX;
    if (f->present && dice(&seed) % 5 == 0) {
        memset(f, 0, sizeof *f);
        return;
    }
    *from = dice(&seed) % 4 == 0 ? dice(&seed) % 4000 : f->size > 0 ? dice(&seed) % f->size : 0;
    *len = dice(&seed) % 4 == 0 ? dice(&seed) % 4000 : dice(&seed) % 700;
    if (*len == 0 && !f->present) {
        *len = 1;
    }
    fill_pattern(f->bytes + *from, *len, seed);
    f->size = *from + *len > f->size ? *from + *len : f->size;
    f->present = true;
}

static void make_many(volume *v)
{
    char name[16];
    for (unsigned i = 0; i < 90; i++) {
        snprintf(name, sizeof name, "F%u", i);
        if (at_fat_write(v->fs, name, 0, NULL, 0) != AT_OK) {
            return;
        }
    }
}

static void run_day(volume *v, day *d, unsigned *reached)
{
    unsigned n;
    uint32_t from = 0, len;
    memset(d->now, 0, sizeof d->now);
    memset(d->next, 0, sizeof d->next);
    *reached = 0;
    if (mount(v, AT_FAT_READ_WRITE) != AT_OK) {
        return;
    }
    for (unsigned step = 0; step < STEPS; step++) {
        plan(d, step, &n, &from, &len);
        at_err err = len == UINT32_MAX
                         ? at_fat_remove(v->fs, name_of(n))
                         : at_fat_write(v->fs, name_of(n), from, d->next[n].bytes + from, len);
        if (at_flashfile_is_off(v->flash)) {
            return;
        }
        assert_int_equal(err, AT_OK);
        memcpy(&d->now[n], &d->next[n], sizeof d->now[n]);
        *reached = step + 1;
    }
}

static bool holds(volume *v, unsigned n, const file *f)
{
    static uint8_t got[SIZE_MAX_OF_FILE];
    size_t len;
    at_err err = at_fat_read(v->fs, name_of(n), 0, got, sizeof got, &len);
    if (err != AT_OK || !f->present) {
        return err == AT_ERR_NOT_FOUND && !f->present;
    }
    return len == f->size && memcmp(got, f->bytes, len) == 0;
}

static uint32_t clusters_in_use(volume *v)
{
    at_fat_walk walk = { 0 };
    at_fat_info info;
    uint32_t sum = 0;
    while (at_fat_next(v->fs, &walk, ".", &info) == AT_OK) {
        sum += (info.size + 511) / 512;
    }
    return sum;
}

static void check_after_boot(volume *v, const day *d, uint64_t cut)
{
    at_fat_usage usage;
    assert_int_equal(mount(v, AT_FAT_READ_WRITE), AT_OK);
    at_fat_measure(v->fs, &usage);
    assert_false(usage.damaged);
    for (unsigned n = 0; n < FILES; n++) {
        if (!holds(v, n, &d->now[n]) && !holds(v, n, &d->next[n])) {
            fail_msg("cut %llu: %s is neither old nor new", (unsigned long long)cut, name_of(n));
        }
    }
    assert_int_equal(usage.clusters - usage.free, clusters_in_use(v)); /* nothing is lost */
    assert_int_equal(at_fat_write(v->fs, "after", 0, &cut, sizeof cut), AT_OK);
    unmount(v);
}

static uint64_t operations(const volume *v)
{
    at_flashfile_counts counts = at_flashfile_counted(v->flash);
    return counts.programs + counts.erases;
}

static void cut_a_day(bool many)
{
    static day d;
    static uint8_t image[FAT_SIZE];
    volume v;
    unsigned reached;
    start_formatted(&v);
    if (many) {
        make_many(&v);
    }
    unmount(&v);
    v.chip->read(v.chip->ctx, FAT_AT, image, sizeof image);
    uint64_t before = operations(&v);
    run_day(&v, &d, &reached);
    assert_int_equal(reached, STEPS);
    uint64_t last = operations(&v) - before, tried = 0;
    for (unsigned n = 0; n < FILES; n++) {
        assert_true(holds(&v, n, &d.now[n]));
    }
    end(&v);
    for (uint64_t cut = 1; cut <= last; cut++, tried++) {
        start(&v);
        v.chip->program(v.chip->ctx, FAT_AT, image, sizeof image);
        at_flashfile_cut_after(v.flash, cut, (uint32_t)cut * 7 + 1, NULL, NULL);
        run_day(&v, &d, &reached);
        assert_true(at_flashfile_is_off(v.flash));
        unmount(&v);
        if (cut % 3 == 0) { /* and the recovery is cut as well */
            at_flashfile_power_on(v.flash);
            at_flashfile_cut_after(v.flash, 1 + cut % 4, (uint32_t)cut, NULL, NULL);
            (void)mount(&v, AT_FAT_READ_WRITE);
            unmount(&v);
            at_flashfile_cut_after(v.flash, 0, 0, NULL, NULL);
        }
        at_flashfile_power_on(v.flash);
        check_after_boot(&v, &d, cut);
        end(&v);
    }
    print_message("%llu cut points%s\n", (unsigned long long)tried, many ? ", many files" : "");
}

static void every_cut_leaves_old_or_new(void **state)
{
    (void)state;
    cut_a_day(false);
}

static void the_same_with_many_files(void **state)
{
    (void)state;
    cut_a_day(true);
}

static void a_cut_format_is_no_volume_or_a_new_one(void **state)
{
    (void)state;
    volume v;
    for (uint64_t cut = 1;; cut++) {
        start_formatted(&v);
        assert_int_equal(at_fat_write(v.fs, "old", 0, "old", 3), AT_OK);
        unmount(&v);
        at_flashfile_cut_after(v.flash, cut, (uint32_t)cut, NULL, NULL);
        at_err err = at_fat_format(&v.heap, v.chip, FAT_AT, FAT_SIZE);
        bool off = at_flashfile_is_off(v.flash);
        at_flashfile_cut_after(v.flash, 0, 0, NULL, NULL);
        at_flashfile_power_on(v.flash);
        err = mount(&v, AT_FAT_READ_WRITE);
        assert_true(err == AT_OK || err == AT_ERR_NOT_FOUND);
        end(&v);
        if (!off) {
            break;
        }
    }
}

/* ---- damaged images ---- */

static void use_everything(volume *v)
{
    static uint8_t buf[2000];
    at_fat_walk walk = { 0 };
    at_fat_info info;
    size_t len;
    for (unsigned n = 0; n < 600 && at_fat_next(v->fs, &walk, ".", &info) == AT_OK; n++) {
        (void)at_fat_read(v->fs, info.name, info.size / 2, buf, sizeof buf, &len);
    }
    if (at_fat_write(v->fs, "new file", 100, buf, 1200) == AT_OK) {
        assert_int_equal(at_fat_read(v->fs, "new file", 100, buf, 1200, &len), AT_OK);
        assert_int_equal(len, 1200);
    }
    (void)at_fat_remove(v->fs, "a.txt");
}

static void damaged_images_do_no_harm(void **state)
{
    (void)state;
    static uint8_t image[FAT_SIZE], bent[FAT_SIZE];
    static day d;
    volume v;
    unsigned reached, mounted = 0;
    start_formatted(&v);
    unmount(&v);
    run_day(&v, &d, &reached);
    unmount(&v);
    v.chip->read(v.chip->ctx, FAT_AT, image, sizeof image);
    at_flashfile_close(v.flash);
    for (uint32_t n = 0; n < 10000; n++) {
        uint32_t seed = n;
        memcpy(bent, image, sizeof bent);
        for (unsigned flips = 1 + dice(&seed) % 8; flips > 0; flips--) {
            /* mostly boot sector, tables and directory; sometimes anywhere, levelling included */
            uint32_t at = dice(&seed) % 3 != 0 ? 4096 + dice(&seed) % 4096 : dice(&seed) % FAT_SIZE;
            bent[at] ^= (uint8_t)(1u << dice(&seed) % 8);
        }
        if (dice(&seed) % 10 == 0) {
            memset(bent + dice(&seed) % FAT_SIZE / 4096 * 4096, 0xff, 4096);
        }
        start(&v);
        v.chip->program(v.chip->ctx, FAT_AT, bent, sizeof bent);
        if (mount(&v, n % 2 == 0 ? AT_FAT_READ_WRITE : AT_FAT_READ_ONLY) == AT_OK) {
            mounted++;
            use_everything(&v);
        }
        end(&v);
    }
    print_message("10000 damaged images, %u could be mounted\n", mounted);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    volume v;
    uint8_t data[900] = { 0 }, got[900];
    size_t len;
    for (uint64_t n = 1;; n++) {
        start_formatted(&v);
        assert_int_equal(at_fat_write(v.fs, "a", 0, data, 600), AT_OK);
        unmount(&v);
        v.heap.fail_at = v.heap.calls + n;
        at_err err = mount(&v, AT_FAT_READ_WRITE);
        if (err == AT_OK) {
            err = at_fat_write(v.fs, "a", 300, data, 600);
        }
        bool failed = v.heap.calls >= v.heap.fail_at;
        v.heap.fail_at = 0;
        assert_int_equal(err, failed ? AT_ERR_NOMEM : AT_OK);
        unmount(&v);
        assert_int_equal(mount(&v, AT_FAT_READ_WRITE), AT_OK);
        assert_int_equal(at_fat_read(v.fs, "a", 0, got, sizeof got, &len), AT_OK);
        assert_int_equal(len, failed ? 600 : 900);
        end(&v);
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
        cmocka_unit_test(every_cut_leaves_old_or_new),
        cmocka_unit_test(the_same_with_many_files),
        cmocka_unit_test(a_cut_format_is_no_volume_or_a_new_one),
        cmocka_unit_test(damaged_images_do_no_harm),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
