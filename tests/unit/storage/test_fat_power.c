/* Power cuts: a scripted day of changes to files, cut at every program and erase step; every third
 * recovery is cut as well. After every cut every file is the old or the new one. */
#include "fat_fixture.h"

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
    assert_int_equal(volume_mount(v, AT_FAT_READ_WRITE), AT_OK);
    at_fat_measure(v->fs, &usage);
    assert_false(usage.damaged);
    for (unsigned n = 0; n < FILES; n++) {
        if (!holds(v, n, &d->now[n]) && !holds(v, n, &d->next[n])) {
            fail_msg("cut %llu: %s is neither old nor new", (unsigned long long)cut, name_of(n));
        }
    }
    assert_int_equal(usage.clusters - usage.free, clusters_in_use(v)); /* nothing is lost */
    assert_int_equal(at_fat_write(v->fs, "after", 0, &cut, sizeof cut), AT_OK);
    volume_unmount(v);
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
    volume_start_formatted(&v);
    if (many) {
        make_many(&v);
    }
    volume_unmount(&v);
    v.chip->read(v.chip->ctx, FAT_AT, image, sizeof image);
    uint64_t before = operations(&v);
    run_day(&v, &d, &reached);
    assert_int_equal(reached, STEPS);
    uint64_t last = operations(&v) - before, tried = 0;
    for (unsigned n = 0; n < FILES; n++) {
        assert_true(holds(&v, n, &d.now[n]));
    }
    volume_end(&v);
    for (uint64_t cut = 1; cut <= last; cut++, tried++) {
        volume_start(&v);
        v.chip->program(v.chip->ctx, FAT_AT, image, sizeof image);
        at_flashfile_cut_after(v.flash, cut, (uint32_t)cut * 7 + 1, NULL, NULL);
        run_day(&v, &d, &reached);
        assert_true(at_flashfile_is_off(v.flash));
        volume_unmount(&v);
        if (cut % 3 == 0) { /* and the recovery is cut as well */
            at_flashfile_power_on(v.flash);
            at_flashfile_cut_after(v.flash, 1 + cut % 4, (uint32_t)cut, NULL, NULL);
            (void)volume_mount(&v, AT_FAT_READ_WRITE);
            volume_unmount(&v);
            at_flashfile_cut_after(v.flash, 0, 0, NULL, NULL);
        }
        at_flashfile_power_on(v.flash);
        check_after_boot(&v, &d, cut);
        volume_end(&v);
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
        volume_start_formatted(&v);
        assert_int_equal(at_fat_write(v.fs, "old", 0, "old", 3), AT_OK);
        volume_unmount(&v);
        at_flashfile_cut_after(v.flash, cut, (uint32_t)cut, NULL, NULL);
        at_err err = at_fat_format(&v.heap, v.chip, FAT_AT, FAT_SIZE);
        bool off = at_flashfile_is_off(v.flash);
        at_flashfile_cut_after(v.flash, 0, 0, NULL, NULL);
        at_flashfile_power_on(v.flash);
        err = volume_mount(&v, AT_FAT_READ_WRITE);
        assert_true(err == AT_OK || err == AT_ERR_NOT_FOUND);
        volume_end(&v);
        if (!off) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_leaves_old_or_new),
        cmocka_unit_test(the_same_with_many_files),
        cmocka_unit_test(a_cut_format_is_no_volume_or_a_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
