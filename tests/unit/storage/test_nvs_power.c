/* Power cuts: a scripted day of changes, cut at every program and erase step, each torn in several
 * ways; and the recovery from each cut, cut at every one of its own steps. After every cut the next
 * boot works and every value is the old or the new one. */
#include "flash_fixture.h"

#define PAGES     4u
#define STEPS     220u
#define KEYS      9u
#define VALUE_MAX 6000u

typedef struct value {
    bool present;
    at_nvs_type type;
    size_t len;    /* of texts and blobs */
    uint32_t seed; /* of their bytes, or the integer */
} value;

typedef struct day {
    value now[KEYS];
    value next[KEYS]; /* differs from now while a step is under way */
} day;

static const char *space_of(unsigned key)
{
    return key < 6 ? "at" : "wifi";
}

static const char *name_of(unsigned key)
{
    static const char *const names[KEYS] = {
        "cwmode", "sysmsg", "station", "host", "cert", "mixed", "ssid", "country", "blob",
    };
    return names[key];
}

static size_t make_bytes(const value *v, uint8_t *bytes)
{
    fill_pattern(bytes, v->len, v->seed);
    if (v->type == AT_NVS_TEXT) {
        for (size_t i = 0; i < v->len; i++) {
            bytes[i] = (uint8_t)('a' + bytes[i] % 26);
        }
        bytes[v->len - 1] = '\0';
    }
    return v->len;
}

static at_err store(at_nvs *nvs, unsigned key, const value *v)
{
    static uint8_t bytes[VALUE_MAX];
    if (!v->present) {
        return at_nvs_erase_key(nvs, space_of(key), name_of(key));
    }
    if (v->type == AT_NVS_I32) {
        return at_nvs_set_int(nvs, space_of(key), name_of(key), v->type, (int32_t)v->seed);
    }
    return at_nvs_set_data(nvs, space_of(key), name_of(key), v->type, bytes, make_bytes(v, bytes));
}

static bool holds(at_nvs *nvs, unsigned key, const value *v)
{
    static uint8_t want[VALUE_MAX], got[VALUE_MAX];
    at_nvs_info info;
    size_t len;
    at_err err = at_nvs_stat(nvs, space_of(key), name_of(key), &info);
    if (err != AT_OK || !v->present) {
        return err == AT_ERR_NOT_FOUND && !v->present;
    }
    if (v->type == AT_NVS_I32) {
        int64_t number;
        return at_nvs_get_int(nvs, space_of(key), name_of(key), v->type, &number) == AT_OK &&
               number == (int32_t)v->seed;
    }
    return at_nvs_get_data(nvs, space_of(key), name_of(key), v->type, got, sizeof got, &len) ==
               AT_OK &&
           len == make_bytes(v, want) && memcmp(got, want, len) == 0;
}

/* What step number n changes. */
static void plan(day *d, unsigned step)
{
    uint32_t seed = step * 2654435761u + 99;
    unsigned key = dice(&seed) % KEYS;
    memcpy(d->next, d->now, sizeof d->next);
    if (step % 37 == 36) {
        for (unsigned k = 6; k < KEYS; k++) {
            d->next[k].present = false;
        }
        return;
    }
    value *v = &d->next[key];
    if (v->present && dice(&seed) % 8 == 0) {
        v->present = false;
        return;
    }
    static const at_nvs_type types[KEYS] = {
        AT_NVS_I32, AT_NVS_I32,  AT_NVS_BLOB, AT_NVS_TEXT, AT_NVS_BLOB,
        AT_NVS_I32, AT_NVS_TEXT, AT_NVS_I32,  AT_NVS_BLOB,
    };
    static const at_nvs_type mixed[] = { AT_NVS_I32, AT_NVS_TEXT, AT_NVS_BLOB };
    static const size_t longest[KEYS] = { 0, 0, 128, 90, 4300, 300, 33, 0, 500 };
    v->present = true;
    v->type = key == 5 ? mixed[dice(&seed) % 3] : types[key];
    v->len = v->type == AT_NVS_I32 ? 0 : 1 + dice(&seed) % longest[key];
    v->seed = dice(&seed);
}

/* Runs the day until it ends or the power does. */
static void run_day(bench *b, day *d)
{
    memset(d, 0, sizeof *d);
    if (bench_open(b) != AT_OK) {
        return;
    }
    for (unsigned step = 0; step < STEPS; step++) {
        plan(d, step);
        at_err err = AT_OK;
        if (step % 37 == 36) {
            err = at_nvs_erase_namespace(b->nvs, "wifi");
        } else {
            for (unsigned k = 0; k < KEYS && err == AT_OK; k++) {
                if (memcmp(&d->now[k], &d->next[k], sizeof d->now[k]) != 0) {
                    err = store(b->nvs, k, &d->next[k]);
                }
            }
        }
        if (at_flashfile_is_off(b->flash)) {
            break;
        }
        assert_int_equal(err, AT_OK);
        memcpy(d->now, d->next, sizeof d->now);
        if (step % 25 == 24) {
            bench_close(b);
            if (bench_open(b) != AT_OK) {
                break;
            }
        }
    }
}

/* The old value may not stay beside the new one: other readers would find it. */
static void check_keys_are_unique(at_nvs *nvs, const char *space)
{
    at_nvs_walk walk = { 0 };
    at_nvs_info seen[KEYS + 1];
    unsigned count = 0;
    while (at_nvs_next_key(nvs, &walk, space, &seen[count]) == AT_OK) {
        for (unsigned i = 0; i < count; i++) {
            assert_string_not_equal(seen[i].key, seen[count].key);
        }
        count++;
        assert_true(count <= KEYS);
    }
}

static void check_after_boot(bench *b, const day *d, uint64_t cut)
{
    for (unsigned k = 0; k < KEYS; k++) {
        if (!holds(b->nvs, k, &d->now[k]) && !holds(b->nvs, k, &d->next[k])) {
            fail_msg("cut %llu: %s is neither the old nor the new value", (unsigned long long)cut,
                     name_of(k));
        }
    }
    check_keys_are_unique(b->nvs, "at");
    check_keys_are_unique(b->nvs, "wifi");
    int64_t number;
    assert_int_equal(at_nvs_set_int(b->nvs, "at", "after", AT_NVS_U32, (int64_t)cut), AT_OK);
    bench_restart(b);
    assert_int_equal(at_nvs_get_int(b->nvs, "at", "after", AT_NVS_U32, &number), AT_OK);
    assert_true(number == (int64_t)cut);
}

static void boot_and_check(bench *b, const day *d, uint64_t cut)
{
    at_flashfile_cut_after(b->flash, 0, 0, NULL, NULL);
    at_flashfile_power_on(b->flash);
    bench_close(b);
    assert_int_equal(bench_open(b), AT_OK);
    check_after_boot(b, d, cut);
    bench_close(b);
}

static uint64_t operations(const bench *b)
{
    at_flashfile_counts counts = at_flashfile_counted(b->flash);
    return counts.programs + counts.erases;
}

static void every_cut_leaves_old_or_new(void **state)
{
    (void)state;
    bench b;
    static day d;
    bench_start(&b, PAGES);
    run_day(&b, &d);
    uint64_t last = operations(&b);
    uint64_t erases = at_flashfile_counted(b.flash).erases;
    assert_true(erases >= 10); /* the day must see collections */
    bench_end(&b);
    uint64_t tried = 0;
    for (uint64_t cut = 1; cut <= last; cut++) {
        for (uint32_t seed = 0; seed < 3; seed++, tried++) {
            bench_start(&b, PAGES);
            at_flashfile_cut_after(b.flash, cut, (uint32_t)cut * 7 + seed, NULL, NULL);
            run_day(&b, &d);
            assert_true(at_flashfile_is_off(b.flash));
            boot_and_check(&b, &d, cut);
            bench_end(&b);
        }
    }
    print_message("%llu cut points, %llu cuts, %llu erases in the day\n", (unsigned long long)last,
                  (unsigned long long)tried, (unsigned long long)erases);
}

static void restore(bench *b, const uint8_t *image)
{
    b->chip->erase(b->chip->ctx, NVS_AT, b->size);
    b->chip->program(b->chip->ctx, NVS_AT, image, b->size);
}

/* Cuts the recovery at each of its steps; returns how many there were. */
static uint64_t cut_recovery(bench *b, const day *d, uint64_t cut)
{
    static uint8_t image[PAGES * AT_FLASH_SECTOR];
    at_flashfile_power_on(b->flash);
    b->chip->read(b->chip->ctx, NVS_AT, image, sizeof image);
    for (uint64_t second = 1;; second++) {
        restore(b, image);
        at_flashfile_cut_after(b->flash, second, (uint32_t)(cut + second * 31), NULL, NULL);
        at_err err = bench_open(b);
        if (!at_flashfile_is_off(b->flash)) {
            assert_int_equal(err, AT_OK);
            bench_close(b);
            return second - 1;
        }
        boot_and_check(b, d, cut);
    }
}

static void every_cut_of_a_recovery_leaves_old_or_new(void **state)
{
    (void)state;
    bench b;
    static day d;
    bench_start(&b, PAGES);
    run_day(&b, &d);
    uint64_t last = operations(&b), tried = 0;
    bench_end(&b);
    for (uint64_t cut = 1; cut <= last; cut++) {
        bench_start(&b, PAGES);
        at_flashfile_cut_after(b.flash, cut, (uint32_t)cut, NULL, NULL);
        run_day(&b, &d);
        bench_close(&b);
        tried += cut_recovery(&b, &d, cut);
        bench_end(&b);
    }
    print_message("%llu cuts inside recoveries\n", (unsigned long long)tried);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_leaves_old_or_new),
        cmocka_unit_test(every_cut_of_a_recovery_leaves_old_or_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
