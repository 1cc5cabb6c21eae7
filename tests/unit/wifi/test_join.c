/* Joining: every outcome, and every rule about which access point may be joined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "core/loop.h"
#include "fake_air.h"
#include "proto/mgmt.h"

/* ---- joins ---- */

static void protected_network_is_joined(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);
    at_bss bss;

    fake_join(air, "home", "secret88");
    assert_int_equal(air->events, 0); /* nobody is called from inside the call */
    fake_air_run(air, 10 * FAKE_MS);
    assert_int_equal(air->events, 1);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
    assert_true(ap->keys);
    assert_int_equal(at_station_get(air->station, &bss), AT_STATION_JOINED);
    assert_memory_equal(bss.bssid, ap->bss.bssid, 6);
    assert_int_equal(air->loop.timer_count, 0);
}

static void open_network_is_joined_even_with_a_password(void **state)
{
    fake_air *air = *state;

    fake_air_add(air, "cafe", "", 1);
    fake_join(air, "cafe", "not needed");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
}

static void wrong_password_is_told_by_deauthentication(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    fake_join(air, "home", "secret89");
    fake_air_run(air, 100 * FAKE_MS);
    fake_assert_fails(air, AT_JOIN_PASSWORD);
    assert_false(ap->keys);
}

static void wrong_password_with_a_silent_access_point(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->bad_mic_reason = 0;
    fake_join(air, "home", "secret89");
    fake_air_run(air, 9 * FAKE_SECOND);
    assert_int_equal(fake_state(air), AT_STATION_HANDSHAKE);
    fake_air_run(air, 2 * FAKE_SECOND);
    fake_assert_fails(air, AT_JOIN_PASSWORD);
    assert_int_equal(ap->deauths, 1);
}

static void missing_password_is_a_wrong_one(void **state)
{
    fake_air *air = *state;

    fake_air_add(air, "home", "secret88", 1);
    fake_join(air, "home", "");
    fake_air_run(air, 100 * FAKE_MS);
    fake_assert_fails(air, AT_JOIN_PASSWORD);
}

static void handshake_that_never_begins_times_out(void **state)
{
    fake_air *air = *state;

    fake_air_add(air, "home", "secret88", 1)->no_message_1 = true;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 11 * FAKE_SECOND);
    fake_assert_fails(air, AT_JOIN_TIMEOUT);
}

static void absent_network_is_not_found(void **state)
{
    fake_air *air = *state;

    fake_air_add(air, "other", "secret88", 1);
    fake_join(air, "home", "secret88");
    fake_air_run(air, 100 * FAKE_MS);
    fake_assert_fails(air, AT_JOIN_NOT_FOUND);
}

static void scan_without_an_end_ends_by_its_timer(void **state)
{
    fake_air *air = *state;

    air->no_scan_done = true;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 3 * FAKE_SECOND);
    assert_int_equal(fake_state(air), AT_STATION_SCANNING);
    fake_air_run(air, 2 * FAKE_SECOND);
    fake_assert_fails(air, AT_JOIN_NOT_FOUND);
}

static void lost_requests_are_repeated(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->deaf_auth = 2;
    ap->deaf_assoc = 2;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 1300 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
    assert_int_equal(ap->auths, 3);
    assert_int_equal(ap->assocs, 3);
}

static void silence_after_three_requests_is_a_failure(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->deaf_auth = 100;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 899 * FAKE_MS);
    assert_int_equal(air->events, 0);
    fake_air_run(air, 2 * FAKE_MS);
    fake_assert_fails(air, AT_JOIN_FAILED);
    assert_int_equal(ap->auths, 3);
}

static void association_is_waited_for_longer(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->deaf_assoc = 100;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 9900 * FAKE_MS);
    assert_int_equal(fake_state(air), AT_STATION_ASSOCIATING);
    fake_air_run(air, 200 * FAKE_MS);
    fake_assert_fails(air, AT_JOIN_FAILED);
    assert_int_equal(ap->assocs, 3);
}

static void refusals_fail(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->auth_status = AT_STATUS_AUTH_ALGORITHM;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_fails(air, AT_JOIN_FAILED);
    ap->auth_status = AT_STATUS_OK;
    ap->assoc_status = AT_STATUS_AP_FULL;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 1, AT_STATION_EV_FAILED, AT_JOIN_FAILED);
}

static void what_is_not_supported_is_refused(void **state)
{
    static const uint8_t modes[] = { AT_AUTH_WEP, AT_AUTH_WPA2_ENTERPRISE, AT_AUTH_WAPI_PSK };
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    for (unsigned i = 0; i < sizeof modes; i++) {
        air->events = 0;
        ap->bss.auth = modes[i];
        fake_join(air, "home", "secret88");
        fake_air_run(air, 10 * FAKE_MS);
        fake_assert_fails(air, AT_JOIN_FAILED);
    }
    assert_int_equal(ap->auths, 0);
}

static void key_is_kept_and_comes_back(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_joined(air);
    at_pmk_record record;

    assert_true(at_station_pmk(air->station, &record));
    assert_string_equal(record.passphrase, "secret88");
    /* A key that is not the network's shows that it is really used. */
    record.pmk[0] ^= 1;
    at_station_set_pmk(air->station, &record);
    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 1, AT_STATION_EV_FAILED, AT_JOIN_PASSWORD);
    /* Another passphrase makes the station forget it. */
    ap->password = "secret89";
    fake_join(air, "home", "secret89");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 2, AT_STATION_EV_JOINED, 0);
}

static void pci_excludes_open_networks(void **state)
{
    fake_air *air = *state;
    at_join_params params = fake_params("cafe", "");

    fake_air_add(air, "cafe", "", 1);
    params.pci = 1;
    assert_int_equal(at_station_join(air->station, &params), AT_OK);
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_fails(air, AT_JOIN_NOT_FOUND);
}

static void pmf_rules(void **state)
{
    static const struct {
        uint8_t ours, theirs;
        int outcome; /* 0: joined */
    } cases[] = {
        { 0, 0, 0 },
        { 0, AT_PMF_CAPABLE, 0 },
        { 0, AT_PMF_CAPABLE | AT_PMF_REQUIRED, AT_JOIN_FAILED },
        { AT_PMF_CAPABLE, AT_PMF_CAPABLE | AT_PMF_REQUIRED, 0 },
        { AT_PMF_REQUIRED, 0, AT_JOIN_NOT_FOUND },
        { 3, AT_PMF_CAPABLE, 0 },
    };
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    for (unsigned i = 0; i < AT_COUNT(cases); i++) {
        at_join_params params = fake_params("home", "secret88");

        at_station_leave(air->station);
        fake_air_run(air, FAKE_MS);
        air->events = 0;
        params.pmf = cases[i].ours;
        ap->bss.pmf = cases[i].theirs;
        assert_int_equal(at_station_join(air->station, &params), AT_OK);
        fake_air_run(air, 10 * FAKE_MS);
        fake_assert_event(air, 0,
                          cases[i].outcome == 0 ? AT_STATION_EV_JOINED : AT_STATION_EV_FAILED,
                          cases[i].outcome);
    }
}

static void scan_mode_chooses_first_or_strongest(void **state)
{
    fake_air *air = *state;
    at_join_params params = fake_params("home", "secret88");
    at_bss bss;

    fake_air_add(air, "home", "secret88", 1)->bss.rssi = -70;
    fake_air_add(air, "home", "secret88", 2)->bss.rssi = -30;
    fake_air_add(air, "home", "secret88", 3)->bss.rssi = -50;
    for (uint8_t mode = 0; mode <= 1; mode++) {
        params.scan_mode = mode;
        assert_int_equal(at_station_join(air->station, &params), AT_OK);
        fake_air_run(air, 10 * FAKE_MS);
        assert_int_equal(at_station_get(air->station, &bss), AT_STATION_JOINED);
        assert_int_equal(bss.bssid[5], mode == 0 ? 1 : 2);
    }
}

static void bssid_selects_one_of_equal_names(void **state)
{
    fake_air *air = *state;
    at_join_params params = fake_params("home", "secret88");
    at_bss bss;

    fake_air_add(air, "home", "secret88", 1);
    fake_air_add(air, "home", "secret88", 2);
    params.use_bssid = 1;
    memcpy(params.bssid, air->ap[1].bss.bssid, 6);
    assert_int_equal(at_station_join(air->station, &params), AT_OK);
    fake_air_run(air, 10 * FAKE_MS);
    assert_int_equal(at_station_get(air->station, &bss), AT_STATION_JOINED);
    assert_int_equal(bss.bssid[5], 2);
}

static void join_while_joined_leaves_first(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_joined(air);

    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    assert_int_equal(air->events, 2);
    fake_assert_event(air, 0, AT_STATION_EV_LEFT, 0);
    fake_assert_event(air, 1, AT_STATION_EV_JOINED, 0);
    assert_int_equal(ap->deauths, 1);
}

static void bad_parameters_are_refused_at_once(void **state)
{
    fake_air *air = *state;
    at_join_params params = fake_params("home", "short");

    assert_int_equal(at_station_join(air->station, &params), AT_ERR_INVALID);
    at_station_stop(air->station);
    assert_int_equal(at_station_join(air->station, &params), AT_ERR_STATE);
    assert_int_equal(at_station_leave(air->station), AT_ERR_STATE);
    assert_int_equal(at_station_reconnect_now(air->station, NULL), AT_ERR_STATE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        FAKE_TEST(protected_network_is_joined),
        FAKE_TEST(open_network_is_joined_even_with_a_password),
        FAKE_TEST(wrong_password_is_told_by_deauthentication),
        FAKE_TEST(wrong_password_with_a_silent_access_point),
        FAKE_TEST(missing_password_is_a_wrong_one),
        FAKE_TEST(handshake_that_never_begins_times_out),
        FAKE_TEST(absent_network_is_not_found),
        FAKE_TEST(scan_without_an_end_ends_by_its_timer),
        FAKE_TEST(lost_requests_are_repeated),
        FAKE_TEST(silence_after_three_requests_is_a_failure),
        FAKE_TEST(association_is_waited_for_longer),
        FAKE_TEST(refusals_fail),
        FAKE_TEST(what_is_not_supported_is_refused),
        FAKE_TEST(key_is_kept_and_comes_back),
        FAKE_TEST(pci_excludes_open_networks),
        FAKE_TEST(pmf_rules),
        FAKE_TEST(scan_mode_chooses_first_or_strongest),
        FAKE_TEST(bssid_selects_one_of_equal_names),
        FAKE_TEST(join_while_joined_leaves_first),
        FAKE_TEST(bad_parameters_are_refused_at_once),
    };

    return cmocka_run_group_tests_name("station: joining", tests, NULL, NULL);
}
