/* Settings: defaults, the three policies, restarts, restore, damaged values, no flash at all. */
#include "flash_fixture.h"

#include "core/bytes.h"
#include "storage/settings.h"

static at_settings *open_settings(bench *b)
{
    at_settings *s = at_settings_open(&b->heap, &b->log, b->nvs);
    assert_non_null(s);
    return s;
}

static at_settings *restart(bench *b, at_settings *s)
{
    at_settings_close(s);
    bench_restart(b);
    return open_settings(b);
}

static void without_flash_it_is_memory(void **state)
{
    (void)state;
    bench b;
    uint8_t mac[6];
    bench_start(&b, 3);
    at_settings *s = open_settings(&b);
    assert_int_equal(at_setting_int(s, AT_SETTING_SYSSTORE), 1);
    assert_int_equal(at_setting_int(s, AT_SETTING_DHCP), 3);
    assert_false(at_setting_blob(s, AT_SETTING_STA_MAC, mac, 6));
    assert_int_equal(at_setting_set_int(s, AT_SETTING_CWMODE, 2), AT_OK);
    assert_int_equal(at_setting_set_blob(s, AT_SETTING_STA_MAC, "abcdef", 6), AT_OK);
    assert_true(at_setting_blob(s, AT_SETTING_STA_MAC, mac, 6));
    assert_memory_equal(mac, "abcdef", 6);
    assert_int_equal(at_settings_restore(s), AT_OK);
    assert_int_equal(at_setting_int(s, AT_SETTING_CWMODE), 2);
    at_settings_close(s);
    bench_end(&b);
}

static void a_fresh_boot_writes_nothing(void **state)
{
    (void)state;
    bench b;
    bench_start(&b, 14);
    assert_int_equal(bench_open(&b), AT_OK);
    at_settings *s = open_settings(&b);
    assert_int_equal(at_settings_restore(s), AT_OK);
    assert_int_equal(at_setting_set_int(s, AT_SETTING_SYSSTORE, 1), AT_OK);
    assert_int_equal(at_setting_set_blob(s, AT_SETTING_STATION, NULL, 0), AT_OK);
    assert_int_equal(at_flashfile_counted(b.flash).programs, 0);
    at_settings_close(s);
    bench_end(&b);
}

static void policies_decide_about_flash(void **state)
{
    (void)state;
    bench b;
    uint8_t blob[128];
    bench_start(&b, 3);
    assert_int_equal(bench_open(&b), AT_OK);
    at_settings *s = open_settings(&b);
    at_setting_set_int(s, AT_SETTING_CWMODE, 1);
    at_setting_set_blob(s, AT_SETTING_STATION, "espressif", 9);
    s = restart(&b, s);
    assert_int_equal(at_setting_int(s, AT_SETTING_CWMODE), 1);
    assert_true(at_setting_blob(s, AT_SETTING_STATION, blob, 9));
    assert_int_equal(at_setting_blob_any(s, AT_SETTING_STATION, blob, sizeof blob), 9);
    assert_int_equal(at_setting_blob_any(s, AT_SETTING_STATION, blob, 8), 0);
    assert_false(at_setting_blob(s, AT_SETTING_STATION, blob, 8));

    at_setting_set_int(s, AT_SETTING_SYSSTORE, 0);
    at_setting_set_int(s, AT_SETTING_CWMODE, 3);     /* SYSSTORE: not stored now */
    at_setting_set_int(s, AT_SETTING_CWAUTOCONN, 0); /* ALWAYS */
    s = restart(&b, s);
    assert_int_equal(at_setting_int(s, AT_SETTING_SYSSTORE), 1); /* NEVER */
    assert_int_equal(at_setting_int(s, AT_SETTING_CWMODE), 1);
    assert_int_equal(at_setting_int(s, AT_SETTING_CWAUTOCONN), 0);

    at_setting_set_int(s, AT_SETTING_SYSSTORE, 0);
    at_setting_set_int(s, AT_SETTING_CWMODE, 3);
    at_setting_set_int(s, AT_SETTING_SYSSTORE, 1);
    at_setting_set_int(s, AT_SETTING_CWMODE, 3); /* the same in memory, another on flash */
    at_setting_set_blob(s, AT_SETTING_STATION, NULL, 0);
    s = restart(&b, s);
    assert_int_equal(at_setting_int(s, AT_SETTING_CWMODE), 3);
    assert_int_equal(at_setting_blob_any(s, AT_SETTING_STATION, blob, sizeof blob), 0);
    at_settings_close(s);
    bench_end(&b);
}

static void restore_brings_the_defaults_back(void **state)
{
    (void)state;
    bench b;
    bench_start(&b, 3);
    assert_int_equal(bench_open(&b), AT_OK);
    at_settings *s = open_settings(&b);
    at_setting_set_int(s, AT_SETTING_DHCP, 0);
    at_setting_set_int(s, AT_SETTING_SYSMSG, 7);
    assert_int_equal(at_settings_restore(s), AT_OK);
    assert_int_equal(at_setting_int(s, AT_SETTING_DHCP), 0);
    s = restart(&b, s);
    assert_int_equal(at_setting_int(s, AT_SETTING_DHCP), 3);
    assert_int_equal(at_setting_int(s, AT_SETTING_SYSMSG), 0);
    at_settings_close(s);
    bench_end(&b);
}

static void unusable_values_get_their_default(void **state)
{
    (void)state;
    static uint8_t big[200];
    bench b;
    bench_start(&b, 3);
    assert_int_equal(bench_open(&b), AT_OK);
    at_nvs_set_data(b.nvs, "at", "cwmode", AT_NVS_TEXT, "two", 4);
    at_nvs_set_int(b.nvs, "at", "station", AT_NVS_I32, 5);
    at_nvs_set_data(b.nvs, "at", "sta_mac", AT_NVS_BLOB, big, sizeof big);
    at_settings *s = open_settings(&b);
    assert_int_equal(at_setting_int(s, AT_SETTING_CWMODE), 0);
    assert_int_equal(at_setting_blob_any(s, AT_SETTING_STATION, big, sizeof big), 0);
    assert_int_equal(at_setting_blob_any(s, AT_SETTING_STA_MAC, big, sizeof big), 0);
    assert_int_equal(at_setting_set_blob(s, AT_SETTING_STA_MAC, big, 7), AT_ERR_INVALID);
    assert_int_equal(at_setting_set_blob(s, AT_SETTING_STA_MAC, "abcdef", 6), AT_OK);
    s = restart(&b, s);
    assert_true(at_setting_blob(s, AT_SETTING_STA_MAC, big, 6));
    at_settings_close(s);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_flash_it_is_memory),
        cmocka_unit_test(a_fresh_boot_writes_nothing),
        cmocka_unit_test(policies_decide_about_flash),
        cmocka_unit_test(restore_brings_the_defaults_back),
        cmocka_unit_test(unusable_values_get_their_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
