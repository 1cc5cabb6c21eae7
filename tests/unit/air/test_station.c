/* Scanning, joining and leaving. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fake.h"

static const char two_aps[] = "[ap home]\npassword = secret88\nchannel = 1\n"
                              "[ap cafe]\nchannel = 11\nhidden = yes\nmax_stations = 1\n";

static void right_password(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    assert_true(fake_join(s, "espressif", "1234567890"));
    assert_true(fake_event(bench, "station {\"mac\":\"02:00:00:00:01:00\",\"ap\":\"espressif\","
                                  "\"joined\":true}"));
    fake_run(bench, 60000);
    assert_int_equal(s->deauths, 0);
    assert_int_equal(bench->loop.timer_count, 0);
    fake_stop(bench);
}

static void keys_made_in_advance(void **state)
{
    fake_air *bench = fake_start("[ap open]\n[ap home]\npassword = secret88\n"
                                 "[ap new]\nauth = wpa3-psk\npassword = secret89\n"
                                 "[ap both]\nauth = wpa2-wpa3-psk\npassword = secret90\n",
                                 AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    assert_true(at_air_make_key(bench->air));
    assert_true(at_air_make_key(bench->air));
    assert_false(at_air_make_key(bench->air)); /* the others have none of this kind */
    assert_true(fake_join(s, "home", "secret88"));
    assert_false(fake_join(s, "home", "secret90"));
    fake_stop(bench);
}

static void wrong_password(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    assert_false(fake_join(s, "espressif", "12345678901"));
    assert_int_equal(s->reason, AT_REASON_4WAY_TIMEOUT);
    assert_true(fake_logged(bench, "has another password than espressif"));
    assert_true(fake_join(s, "espressif", "1234567890"));
    fake_stop(bench);
}

static void silence_in_the_handshake(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    s->quiet_eapol = true;
    assert_false(fake_join(s, "espressif", "1234567890"));
    fake_run(bench, 3999);
    fake_scan(s, 1, 0, "");
    assert_int_equal(s->reason, 0xFFFF);
    fake_run(bench, 1);
    fake_scan(s, 1, 0, "");
    assert_int_equal(s->reason, AT_REASON_4WAY_TIMEOUT);
    fake_stop(bench);
}

static void scans_and_their_filters(void **state)
{
    fake_air *bench = fake_start(two_aps, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    fake_scan(s, 5, 0, "");
    assert_int_equal(s->scan_done, 5);
    assert_int_equal(s->found_count, 2);
    assert_int_equal(s->found[0].ssid.len, 4);
    assert_int_equal(s->found[0].auth, AT_AUTH_WPA2_PSK);
    assert_int_equal(s->found[0].pairwise, AT_CIPHER_CCMP);
    assert_int_equal(s->found[1].ssid.len, 0);
    fake_scan(s, 6, 0, "cafe");
    assert_int_equal(s->found_count, 1);
    assert_int_equal(s->found[0].ssid.len, 4);
    fake_scan(s, 7, 1, "");
    assert_int_equal(s->found_count, 1);
    fake_scan(s, 8, 1, "cafe");
    assert_int_equal(s->found_count, 0);
    assert_int_equal(s->scan_done, 8);
    fake_stop(bench);
}

static void a_scan_takes_its_time(void **state)
{
    fake_air *bench = fake_start("[world]\nscan_ms = 100\n", AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    fake_scan(s, 1, 0, "");
    fake_run(bench, 1299);
    fake_auth(s, (const uint8_t[6]){ 2 }, 0);
    assert_int_equal(s->scan_done, 0);
    fake_run(bench, 1);
    fake_auth(s, (const uint8_t[6]){ 2 }, 0);
    assert_int_equal(s->scan_done, 1);
    fake_stop(bench);
}

static void refusals(void **state)
{
    fake_air *bench = fake_start(two_aps, AT_POLICY_OPEN, false);
    fake_station *a = fake_radio(bench), *b = fake_radio(bench);

    (void)state;
    fake_auth(a, bench->world.aps[0].bssid, AT_AUTH_ALG_SAE);
    assert_int_equal(a->auth_status, AT_STATUS_AUTH_ALGORITHM);
    assert_false(fake_join(a, "home", ""));
    assert_int_equal(a->assoc_status, AT_STATUS_INVALID_AKMP);
    assert_true(fake_join(a, "cafe", ""));
    assert_false(fake_join(b, "cafe", ""));
    assert_int_equal(b->assoc_status, AT_STATUS_AP_FULL);
    at_air_reset_port(a->port);
    assert_true(fake_join(b, "cafe", ""));
    fake_stop(bench);
}

static void pmf_policy(void **state)
{
    fake_air *bench =
        fake_start("[ap x]\npassword = 12345678\npmf = required\n", AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);
    at_mgmt m = { .type = AT_MGMT_ASSOC, .assoc = { .auth = AT_AUTH_WPA2_PSK } };

    (void)state;
    fake_auth(s, bench->world.aps[0].bssid, 0);
    memcpy(m.to, s->bssid, 6);
    m.assoc.ssid = bench->world.aps[0].ssid;
    fake_send_mgmt(s, &m);
    assert_int_equal(s->assoc_status, AT_STATUS_PMF_POLICY);
    fake_stop(bench);
}

static void power_lost_and_beacons_missed(void **state)
{
    fake_air *bench = fake_start("[world]\nbeacon_loss_ms = 500\n", AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    assert_true(fake_join(s, "espressif", "1234567890"));
    assert_int_equal(at_air_ap_power(bench->air, "nowhere", false), AT_ERR_NOT_FOUND);
    assert_int_equal(at_air_ap_power(bench->air, "espressif", false), AT_OK);
    fake_scan(s, 1, 0, "");
    assert_int_equal(s->found_count, 0);
    fake_run(bench, 499);
    fake_scan(s, 2, 0, "");
    assert_int_equal(s->beacon_lost, 0);
    fake_run(bench, 1);
    fake_scan(s, 3, 0, "");
    assert_int_equal(s->beacon_lost, 1);
    assert_int_equal(at_air_ap_power(bench->air, "espressif", true), AT_OK);
    assert_true(fake_join(s, "espressif", "1234567890"));
    fake_stop(bench);
}

static void an_access_point_that_restarted_forgot_its_stations(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    assert_true(fake_join(s, "espressif", "1234567890"));
    at_air_ap_power(bench->air, "espressif", false);
    at_air_ap_power(bench->air, "espressif", true);
    fake_run(bench, 60000);
    assert_int_equal(s->beacon_lost, 0);
    fake_arp(s, FAKE_GATEWAY);
    assert_int_equal(s->reason, 7);
    fake_arp(s, FAKE_GATEWAY);
    assert_int_equal(s->deauths, 1);
    fake_stop(bench);
}

static void quality_is_told(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    assert_true(fake_join(s, "espressif", "1234567890"));
    assert_int_equal(at_air_ap_rssi(bench->air, "espressif", -81), AT_OK);
    fake_arp(s, FAKE_GATEWAY);
    assert_int_equal(s->rssi, -81);
    assert_int_equal(at_air_ap_rssi(bench->air, "espressif", 5), AT_ERR_INVALID);
    fake_stop(bench);
}

static void another_source_address(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    s->mac[5] = 0x77;
    assert_true(fake_join(s, "espressif", "1234567890"));
    assert_true(fake_dhcp(s));
    s->mac[5] = 0x78; /* not the address that joined */
    s->in_count = 0;
    fake_arp(s, FAKE_GATEWAY);
    assert_int_equal(s->in_count, 0);
    fake_stop(bench);
}

static void join_time(void **state)
{
    fake_air *bench = fake_start("[world]\njoin_ms = 50\n[ap x]\n", AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    assert_false(fake_join(s, "x", ""));
    assert_int_equal(s->assoc_status, 0xFFFF);
    fake_run(bench, 50);
    fake_arp(s, FAKE_GATEWAY);
    assert_int_equal(s->assoc_status, 0);
    fake_stop(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_password),
        cmocka_unit_test(keys_made_in_advance),
        cmocka_unit_test(wrong_password),
        cmocka_unit_test(silence_in_the_handshake),
        cmocka_unit_test(scans_and_their_filters),
        cmocka_unit_test(a_scan_takes_its_time),
        cmocka_unit_test(refusals),
        cmocka_unit_test(pmf_policy),
        cmocka_unit_test(power_lost_and_beacons_missed),
        cmocka_unit_test(an_access_point_that_restarted_forgot_its_stations),
        cmocka_unit_test(quality_is_told),
        cmocka_unit_test(another_source_address),
        cmocka_unit_test(join_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
