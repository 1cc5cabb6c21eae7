/* Radios that are access points: what the air makes of their announcements. How such a radio serves
 * stations is in tests/unit/wifi/test_softap.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "air/air.h"
#include "fake.h"

static const uint8_t own_bssid[6] = { 2, 0, 0, 0, 1, 0x11 };

static void say_as(fake_station *s, const uint8_t from[6], at_mgmt *m)
{
    uint8_t frame[AT_MGMT_FRAME_MAX];

    memcpy(m->from, from, 6);
    fake_send(s, frame, at_mgmt_encode(m, frame, sizeof frame));
}

static void announce(fake_station *s, const uint8_t bssid[6], const char *ssid, bool on)
{
    at_mgmt m = { .type = AT_MGMT_ANNOUNCE };

    m.announce.on = on;
    memcpy(m.announce.bss.bssid, bssid, 6);
    m.announce.bss.ssid.len = (uint8_t)strlen(ssid);
    memcpy(m.announce.bss.ssid.bytes, ssid, strlen(ssid));
    m.announce.bss.channel = 6;
    memcpy(m.announce.bss.country, "CN", 3);
    memset(m.to, 0xFF, 6);
    say_as(s, bssid, &m);
}

static size_t seen(fake_air *bench, fake_station *s, const char *ssid)
{
    s->found_count = 0;
    fake_scan(s, 1, 0, ssid);
    fake_run(bench, 1);
    return s->found_count;
}

static void appears_and_disappears(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *ap = fake_radio(bench), *other = fake_radio(bench);
    char status[16384];

    (void)state;
    announce(ap, own_bssid, "soft", true);
    assert_int_equal(seen(bench, other, "soft"), 1);
    assert_int_equal(seen(bench, ap, "soft"), 0); /* not its own */
    assert_true(fake_event(bench, "\"name\":\"02:00:00:00:01:11\",\"on\":true"));
    assert_true(at_air_status(bench->air, status, sizeof status) > 0);
    assert_non_null(strstr(status, "\"name\":\"02:00:00:00:01:11\""));
    announce(ap, own_bssid, "soft", false);
    assert_int_equal(seen(bench, other, "soft"), 0);
    announce(ap, own_bssid, "soft", false);
    announce(ap, own_bssid, "again", true);
    assert_int_equal(seen(bench, other, "again"), 1);
    at_air_reset_port(ap->port);
    assert_int_equal(seen(bench, other, "again"), 0);
    fake_stop(bench);
}

static void changes_its_name_and_address(void **state)
{
    static const uint8_t next[6] = { 2, 0, 0, 0, 1, 0x13 };
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *ap = fake_radio(bench), *other = fake_radio(bench);

    (void)state;
    announce(ap, own_bssid, "soft", true);
    announce(ap, own_bssid, "other", true);
    assert_int_equal(seen(bench, other, "soft"), 0);
    assert_int_equal(seen(bench, other, "other"), 1);
    announce(ap, next, "other", true);
    assert_int_equal(seen(bench, other, "other"), 1);
    assert_memory_equal(other->found[0].bssid, next, 6);
    assert_int_equal(at_air_ap_rssi(bench->air, "02:00:00:00:01:11", -50), AT_ERR_NOT_FOUND);
    assert_int_equal(at_air_ap_rssi(bench->air, "02:00:00:00:01:13", -50), AT_OK);
    fake_stop(bench);
}

static void nonsense_is_not_shown(void **state)
{
    static const uint8_t group[6] = { 3, 0, 0, 0, 1, 0x11 };
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *one = fake_radio(bench), *two = fake_radio(bench), *other = fake_radio(bench);

    (void)state;
    announce(one, bench->world.aps[0].bssid, "evil", true);
    assert_int_equal(seen(bench, other, "evil"), 0);
    announce(one, group, "evil", true);
    announce(one, own_bssid, "", true);
    assert_int_equal(seen(bench, other, "evil"), 0);
    announce(one, own_bssid, "soft", true);
    announce(two, own_bssid, "twin", true);
    assert_int_equal(seen(bench, other, "twin"), 0);
    assert_int_equal(seen(bench, other, "soft"), 1);
    assert_true(fake_logged(bench, "its BSSID is taken"));
    fake_stop(bench);
}

/* What only an access point may send is nothing from a radio that is none. */
static void strangers_speak_for_nobody(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench), *evil = fake_radio(bench);
    at_mgmt m = { .type = AT_MGMT_DEAUTH, .deauth = { .reason = 1 } };

    (void)state;
    assert_true(fake_join(s, "espressif", "1234567890"));
    announce(evil, own_bssid, "evil", true);
    memcpy(m.to, s->mac, 6);
    say_as(evil, own_bssid, &m);
    say_as(evil, s->bssid, &m);
    m.type = AT_MGMT_KEYS;
    say_as(evil, own_bssid, &m);
    say_as(evil, s->bssid, &m);
    fake_run(bench, 10);
    assert_int_equal(s->deauths, 0);
    assert_true(fake_dhcp(s));
    fake_stop(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appears_and_disappears),
        cmocka_unit_test(changes_its_name_and_address),
        cmocka_unit_test(nonsense_is_not_shown),
        cmocka_unit_test(strangers_speak_for_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
