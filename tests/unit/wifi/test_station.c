/* The station against scripted access points: every outcome of a join, loss, the reconnect policy,
 * scans, and bytes that make no sense. */
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

#define MS     1000ull
#define SECOND 1000000ull

static int setup(void **state)
{
    fake_air *air = malloc(sizeof *air);

    assert_non_null(air);
    fake_air_open(air);
    *state = air;
    return 0;
}

static int teardown(void **state)
{
    fake_air_close(*state);
    free(*state);
    return 0;
}

static void join(fake_air *air, const char *ssid, const char *password)
{
    at_join_params params = fake_params(ssid, password);

    assert_int_equal(at_station_join(air->station, &params), AT_OK);
}

static at_station_state state_of(const fake_air *air)
{
    return at_station_get(air->station, NULL);
}

static void assert_event(const fake_air *air, unsigned index, at_station_event event, int detail)
{
    assert_true(index < air->events);
    assert_int_equal(air->event[index].event, event);
    assert_int_equal(air->event[index].detail, detail);
}

/* The first attempt of a fresh station fails like this, and leaves it in LOST. */
static void assert_fails(fake_air *air, at_join_error error)
{
    assert_int_equal(air->events, 1);
    assert_event(air, 0, AT_STATION_EV_FAILED, (int)error);
    assert_int_equal(state_of(air), AT_STATION_LOST);
    assert_int_equal(air->loop.timer_count, 0);
}

static fake_ap *joined(fake_air *air)
{
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    join(air, "home", "secret88");
    fake_air_run(air, 10 * MS);
    assert_int_equal(state_of(air), AT_STATION_JOINED);
    assert_int_equal(air->events, 1);
    air->events = 0;
    return ap;
}

static void send_data(fake_air *air)
{
    uint8_t frame[60] = { 0 };

    memcpy(frame, fake_mac, 6);
    frame[6] = 0x02;
    frame[12] = 0x08;
    fake_air_to_station(air, frame, sizeof frame);
}

/* ---- joins ---- */

static void protected_network_is_joined(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);
    at_bss bss;

    join(air, "home", "secret88");
    assert_int_equal(air->events, 0); /* nobody is called from inside the call */
    fake_air_run(air, 10 * MS);
    assert_int_equal(air->events, 1);
    assert_event(air, 0, AT_STATION_EV_JOINED, 0);
    assert_true(ap->keys);
    assert_int_equal(at_station_get(air->station, &bss), AT_STATION_JOINED);
    assert_memory_equal(bss.bssid, ap->bss.bssid, 6);
    assert_int_equal(air->loop.timer_count, 0);
}

static void open_network_is_joined_even_with_a_password(void **state)
{
    fake_air *air = *state;

    fake_air_add(air, "cafe", "", 1);
    join(air, "cafe", "not needed");
    fake_air_run(air, 10 * MS);
    assert_event(air, 0, AT_STATION_EV_JOINED, 0);
}

static void wrong_password_is_told_by_deauthentication(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    join(air, "home", "secret89");
    fake_air_run(air, 100 * MS);
    assert_fails(air, AT_JOIN_PASSWORD);
    assert_false(ap->keys);
}

static void wrong_password_with_a_silent_access_point(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->bad_mic_reason = 0;
    join(air, "home", "secret89");
    fake_air_run(air, 9 * SECOND);
    assert_int_equal(state_of(air), AT_STATION_HANDSHAKE);
    fake_air_run(air, 2 * SECOND);
    assert_fails(air, AT_JOIN_PASSWORD);
    assert_int_equal(ap->deauths, 1);
}

static void missing_password_is_a_wrong_one(void **state)
{
    fake_air *air = *state;

    fake_air_add(air, "home", "secret88", 1);
    join(air, "home", "");
    fake_air_run(air, 100 * MS);
    assert_fails(air, AT_JOIN_PASSWORD);
}

static void handshake_that_never_begins_times_out(void **state)
{
    fake_air *air = *state;

    fake_air_add(air, "home", "secret88", 1)->no_message_1 = true;
    join(air, "home", "secret88");
    fake_air_run(air, 11 * SECOND);
    assert_fails(air, AT_JOIN_TIMEOUT);
}

static void absent_network_is_not_found(void **state)
{
    fake_air *air = *state;

    fake_air_add(air, "other", "secret88", 1);
    join(air, "home", "secret88");
    fake_air_run(air, 100 * MS);
    assert_fails(air, AT_JOIN_NOT_FOUND);
}

static void scan_without_an_end_ends_by_its_timer(void **state)
{
    fake_air *air = *state;

    air->no_scan_done = true;
    join(air, "home", "secret88");
    fake_air_run(air, 3 * SECOND);
    assert_int_equal(state_of(air), AT_STATION_SCANNING);
    fake_air_run(air, 2 * SECOND);
    assert_fails(air, AT_JOIN_NOT_FOUND);
}

static void lost_requests_are_repeated(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->deaf_auth = 2;
    ap->deaf_assoc = 2;
    join(air, "home", "secret88");
    fake_air_run(air, 1300 * MS);
    assert_event(air, 0, AT_STATION_EV_JOINED, 0);
    assert_int_equal(ap->auths, 3);
    assert_int_equal(ap->assocs, 3);
}

static void silence_after_three_requests_is_a_failure(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->deaf_auth = 100;
    join(air, "home", "secret88");
    fake_air_run(air, 899 * MS);
    assert_int_equal(air->events, 0);
    fake_air_run(air, 2 * MS);
    assert_fails(air, AT_JOIN_FAILED);
    assert_int_equal(ap->auths, 3);
}

static void association_is_waited_for_longer(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->deaf_assoc = 100;
    join(air, "home", "secret88");
    fake_air_run(air, 9900 * MS);
    assert_int_equal(state_of(air), AT_STATION_ASSOCIATING);
    fake_air_run(air, 200 * MS);
    assert_fails(air, AT_JOIN_FAILED);
    assert_int_equal(ap->assocs, 3);
}

static void refusals_fail(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->auth_status = AT_STATUS_AUTH_ALGORITHM;
    join(air, "home", "secret88");
    fake_air_run(air, 10 * MS);
    assert_fails(air, AT_JOIN_FAILED);
    ap->auth_status = AT_STATUS_OK;
    ap->assoc_status = AT_STATUS_AP_FULL;
    join(air, "home", "secret88");
    fake_air_run(air, 10 * MS);
    assert_event(air, 1, AT_STATION_EV_FAILED, AT_JOIN_FAILED);
}

static void what_is_not_supported_is_refused(void **state)
{
    static const uint8_t modes[] = { AT_AUTH_WEP, AT_AUTH_WPA2_ENTERPRISE, AT_AUTH_WPA3_PSK,
                                     AT_AUTH_WAPI_PSK, AT_AUTH_OWE };
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    for (unsigned i = 0; i < sizeof modes; i++) {
        air->events = 0;
        ap->bss.auth = modes[i];
        join(air, "home", "secret88");
        fake_air_run(air, 10 * MS);
        assert_fails(air, AT_JOIN_FAILED);
    }
    assert_int_equal(ap->auths, 0);
}

static void mixed_network_is_joined_with_wpa2(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->bss.auth = AT_AUTH_WPA2_WPA3_PSK;
    join(air, "home", "secret88");
    fake_air_run(air, 10 * MS);
    assert_event(air, 0, AT_STATION_EV_JOINED, 0);
    assert_int_equal(ap->last_assoc.assoc.auth, AT_AUTH_WPA2_PSK);
}

static void pci_excludes_open_networks(void **state)
{
    fake_air *air = *state;
    at_join_params params = fake_params("cafe", "");

    fake_air_add(air, "cafe", "", 1);
    params.pci = 1;
    assert_int_equal(at_station_join(air->station, &params), AT_OK);
    fake_air_run(air, 10 * MS);
    assert_fails(air, AT_JOIN_NOT_FOUND);
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
        fake_air_run(air, MS);
        air->events = 0;
        params.pmf = cases[i].ours;
        ap->bss.pmf = cases[i].theirs;
        assert_int_equal(at_station_join(air->station, &params), AT_OK);
        fake_air_run(air, 10 * MS);
        assert_event(air, 0, cases[i].outcome == 0 ? AT_STATION_EV_JOINED : AT_STATION_EV_FAILED,
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
        fake_air_run(air, 10 * MS);
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
    fake_air_run(air, 10 * MS);
    assert_int_equal(at_station_get(air->station, &bss), AT_STATION_JOINED);
    assert_int_equal(bss.bssid[5], 2);
}

static void join_while_joined_leaves_first(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = joined(air);

    join(air, "home", "secret88");
    fake_air_run(air, 10 * MS);
    assert_int_equal(air->events, 2);
    assert_event(air, 0, AT_STATION_EV_LEFT, 0);
    assert_event(air, 1, AT_STATION_EV_JOINED, 0);
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

/* ---- while joined ---- */

static void data_passes_only_while_joined(void **state)
{
    fake_air *air = *state;
    at_radio_piece piece = { "0123456789abcd", 14 };

    send_data(air);
    fake_air_run(air, MS);
    assert_int_equal(air->data_frames, 0);
    assert_int_equal(at_station_send(air->station, &piece, 1), AT_ERR_STATE);
    joined(air);
    send_data(air);
    fake_air_run(air, MS);
    assert_int_equal(air->data_frames, 1);
    assert_int_equal(at_station_send(air->station, &piece, 1), 0);
    at_station_leave(air->station);
    send_data(air);
    fake_air_run(air, MS);
    assert_int_equal(air->data_frames, 1);
}

static void quality_and_country_follow_the_access_point(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = joined(air);
    at_mgmt m = { .type = AT_MGMT_QUALITY, .quality = { -77 } };
    at_country country;
    at_bss bss;

    fake_ap_say(air, ap, m);
    fake_air_run(air, MS);
    at_station_get(air->station, &bss);
    assert_int_equal(bss.rssi, -77);
    at_station_country(air->station, &country);
    assert_string_equal(country.code, "DE");
    at_station_leave(air->station);
    at_station_country(air->station, &country);
    assert_string_equal(country.code, "CN");
}

static void repeated_message_3_is_answered(void **state)
{
    fake_air *air = *state;
    fake_ap *ap;
    uint8_t again[AT_EAPOL_FRAME_MAX];
    size_t len;

    ap = fake_air_add(air, "home", "secret88", 1);
    join(air, "home", "secret88");
    /* scan, auth, assoc and message 2 get out; message 4 is lost */
    for (int turn = 0; turn < 50 && state_of(air) != AT_STATION_JOINED; turn++) {
        if (ap->eapol.state == AT_EAPOL_WAIT_4)
            air->refuse_sends = 1;
        at_loop_turn(&air->loop);
    }
    assert_int_equal(state_of(air), AT_STATION_JOINED);
    fake_air_run(air, MS);
    assert_false(ap->keys);
    len = at_eapol_again(&ap->eapol, again);
    assert_true(len > 0);
    fake_air_to_station(air, again, len);
    fake_air_run(air, MS);
    assert_true(ap->keys);
    assert_int_equal(air->events, 1);
}

static void strangers_cannot_end_the_association(void **state)
{
    fake_air *air = *state;
    fake_ap *stranger;
    at_mgmt m = { .type = AT_MGMT_DEAUTH, .deauth = { AT_REASON_UNSPECIFIED } };

    joined(air);
    stranger = fake_air_add(air, "evil", "", 9);
    fake_ap_say(air, stranger, m);
    fake_air_run(air, MS);
    assert_int_equal(state_of(air), AT_STATION_JOINED);
    assert_int_equal(air->events, 0);
}

/* ---- loss and the policy ---- */

static void lose(fake_air *air, at_mgmt_type type)
{
    at_mgmt m = { .type = type };

    if (type == AT_MGMT_DEAUTH)
        m.deauth.reason = AT_REASON_LEAVING;
    fake_ap_say(air, &air->ap[0], m);
    fake_air_run(air, MS);
}

static void loss_without_policy_is_final(void **state)
{
    fake_air *air = *state;

    joined(air);
    lose(air, AT_MGMT_BEACON_LOST);
    assert_int_equal(air->events, 1);
    assert_event(air, 0, AT_STATION_EV_LEFT, 0);
    assert_int_equal(state_of(air), AT_STATION_LOST);
    fake_air_run(air, 3600 * SECOND);
    assert_int_equal(air->events, 1);
}

static void policy_comes_back_after_the_interval(void **state)
{
    fake_air *air = *state;

    joined(air);
    at_station_set_reconnect(air->station, 5, 0);
    lose(air, AT_MGMT_DEAUTH);
    assert_int_equal(state_of(air), AT_STATION_WAITING);
    fake_air_run(air, 4900 * MS);
    assert_int_equal(air->events, 1);
    fake_air_run(air, 200 * MS);
    assert_int_equal(air->events, 2);
    assert_event(air, 1, AT_STATION_EV_JOINED, 0);
}

static void policy_gives_up_after_its_count(void **state)
{
    fake_air *air = *state;

    joined(air);
    at_station_set_reconnect(air->station, 2, 3);
    air->ap[0].on = false;
    lose(air, AT_MGMT_BEACON_LOST);
    fake_air_run(air, 60 * SECOND);
    assert_int_equal(air->events, 5);
    for (unsigned i = 1; i <= 3; i++)
        assert_event(air, i, AT_STATION_EV_FAILED, AT_JOIN_NOT_FOUND);
    assert_event(air, 4, AT_STATION_EV_GAVE_UP, 0);
    assert_true(air->event[3].at_us - air->event[0].at_us >= 6 * SECOND);
    assert_int_equal(state_of(air), AT_STATION_LOST);
    assert_int_equal(air->loop.timer_count, 0);
}

static void leaving_ends_the_policy(void **state)
{
    fake_air *air = *state;

    joined(air);
    at_station_set_reconnect(air->station, 1, 0);
    lose(air, AT_MGMT_BEACON_LOST);
    assert_int_equal(at_station_leave(air->station), AT_OK);
    fake_air_run(air, 60 * SECOND);
    assert_int_equal(air->events, 1);
    assert_int_equal(state_of(air), AT_STATION_LOST);
}

static void interval_zero_ends_a_waiting_policy(void **state)
{
    fake_air *air = *state;

    joined(air);
    at_station_set_reconnect(air->station, 9, 0);
    lose(air, AT_MGMT_BEACON_LOST);
    at_station_set_reconnect(air->station, 0, 0);
    fake_air_run(air, 60 * SECOND);
    assert_int_equal(air->events, 2);
    assert_event(air, 1, AT_STATION_EV_GAVE_UP, 0);
}

static void power_on_tries_at_once_and_then_by_policy(void **state)
{
    fake_air *air = *state;
    at_join_params params = fake_params("home", "secret88");

    at_station_set_reconnect(air->station, 3, 0);
    assert_int_equal(at_station_reconnect_now(air->station, &params), AT_OK);
    fake_air_run(air, 10 * MS);
    assert_event(air, 0, AT_STATION_EV_FAILED, AT_JOIN_NOT_FOUND);
    fake_air_add(air, "home", "secret88", 1);
    fake_air_run(air, 4 * SECOND);
    assert_event(air, 1, AT_STATION_EV_JOINED, 0);
}

static void power_on_without_policy_tries_once(void **state)
{
    fake_air *air = *state;
    at_join_params params = fake_params("home", "secret88");

    assert_int_equal(at_station_reconnect_now(air->station, &params), AT_OK);
    fake_air_run(air, 60 * SECOND);
    assert_int_equal(air->events, 2);
    assert_event(air, 0, AT_STATION_EV_FAILED, AT_JOIN_NOT_FOUND);
    assert_event(air, 1, AT_STATION_EV_GAVE_UP, 0);
    assert_int_equal(air->scans, 1);
}

/* ---- scans ---- */

static void on_found(void *arg, const at_bss *bss)
{
    fake_air *air = arg;

    air->found[air->founds++] = *bss;
}

static void on_done(void *arg, at_err err)
{
    fake_air *air = arg;

    air->dones++;
    air->scan_err = err;
}

static at_err scan(fake_air *air, const at_scan_params *params)
{
    air->founds = 0;
    air->dones = 0;
    return at_station_scan(air->station, params, on_found, on_done, air);
}

static void scan_filters(void **state)
{
    fake_air *air = *state;
    at_scan_params any = { 0 }, one = { .channel = 11 }, hidden = { .use_bssid = true };

    fake_air_add(air, "a", "", 1);
    fake_air_add(air, "b", "", 2)->bss.channel = 11;
    fake_air_add(air, "", "", 3);
    fake_air_add(air, "far", "", 4)->bss.channel = 14; /* outside of 1..13 */
    assert_int_equal(scan(air, &any), AT_OK);
    assert_int_equal(scan(air, &any), AT_ERR_STATE);
    fake_air_run(air, MS);
    assert_int_equal(air->dones, 1);
    assert_int_equal(air->founds, 2);
    assert_int_equal(scan(air, &one), AT_OK);
    fake_air_run(air, MS);
    assert_int_equal(air->founds, 1);
    memcpy(hidden.bssid, air->ap[2].bss.bssid, 6);
    assert_int_equal(scan(air, &hidden), AT_OK);
    fake_air_run(air, MS);
    assert_int_equal(air->founds, 1);
    assert_int_equal(air->found[0].ssid.len, 0);
}

static void scan_goes_on_while_joined_but_not_while_joining(void **state)
{
    fake_air *air = *state;
    at_scan_params any = { 0 };

    joined(air);
    assert_int_equal(scan(air, &any), AT_OK);
    fake_air_run(air, MS);
    assert_int_equal(air->founds, 1);
    assert_int_equal(state_of(air), AT_STATION_JOINED);
    join(air, "home", "secret88");
    assert_int_equal(scan(air, &any), AT_ERR_STATE);
    fake_air_run(air, 10 * MS);
    at_station_stop(air->station);
    assert_int_equal(scan(air, &any), AT_ERR_STATE);
}

static void cancelled_scan_is_silent_and_a_join_cancels_it(void **state)
{
    fake_air *air = *state;
    at_scan_params any = { 0 };

    fake_air_add(air, "home", "secret88", 1);
    assert_int_equal(scan(air, &any), AT_OK);
    at_station_scan_cancel(air->station);
    fake_air_run(air, MS);
    assert_int_equal(air->dones, 0);
    assert_int_equal(air->founds, 0); /* late answers */
    assert_int_equal(scan(air, &any), AT_OK);
    join(air, "home", "secret88");
    assert_int_equal(air->dones, 1);
    assert_int_equal(air->scan_err, AT_ERR_CANCELLED);
    fake_air_run(air, 10 * MS);
    assert_event(air, 0, AT_STATION_EV_JOINED, 0);
}

static void reconnect_waits_for_the_scan_of_the_host(void **state)
{
    fake_air *air = *state;
    at_scan_params any = { 0 };

    joined(air);
    at_station_set_reconnect(air->station, 1, 0);
    lose(air, AT_MGMT_BEACON_LOST);
    fake_air_run(air, 900 * MS);
    air->no_scan_done = true;
    assert_int_equal(scan(air, &any), AT_OK);
    fake_air_run(air, 2 * SECOND);
    assert_int_equal(state_of(air), AT_STATION_WAITING);
    air->no_scan_done = false;
    fake_air_run(air, 3 * SECOND);
    assert_int_equal(air->dones, 1);
    assert_int_equal(state_of(air), AT_STATION_JOINED);
}

/* ---- what must not happen ---- */

static uint32_t next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Half of the frames are noise with a plausible header, half are real answers with a few bytes bent. */
static size_t bent_frame(fake_air *air, uint32_t *seed, uint8_t frame[AT_MGMT_FRAME_MAX])
{
    static const uint16_t types[] = { AT_ETHERTYPE_MGMT, AT_ETHERTYPE_EAPOL, 0x0800 };
    at_mgmt m = { .type = (at_mgmt_type)(1 + next(seed) % 9) };
    uint16_t type = types[next(seed) % 3];
    size_t len;

    memcpy(m.to, fake_mac, 6);
    memcpy(m.from, air->ap[0].bss.bssid, 6);
    if (m.type == AT_MGMT_BEACON)
        m.beacon.bss = air->ap[0].bss;
    len = next(seed) % 2 ? at_mgmt_encode(&m, frame, AT_MGMT_FRAME_MAX) : 0;
    if (len > 0) {
        for (unsigned i = next(seed) % 3; i > 0; i--)
            frame[14 + next(seed) % (len - 14)] = (uint8_t)next(seed);
        return len - (next(seed) % 4 == 0 ? next(seed) % len : 0);
    }
    len = next(seed) % AT_MGMT_FRAME_MAX;
    for (size_t i = 0; i < len; i++)
        frame[i] = (uint8_t)next(seed);
    if (len >= 14 && next(seed) % 8 != 0) {
        memcpy(frame, fake_mac, 6);
        memcpy(frame + 6, air->ap[0].bss.bssid, 6);
        frame[12] = (uint8_t)(type >> 8);
        frame[13] = (uint8_t)type;
    }
    return len;
}

static void any_bytes_may_come(void **state)
{
    fake_air *air = *state;
    uint8_t frame[AT_MGMT_FRAME_MAX];
    uint32_t seed = 20240607;

    fake_air_add(air, "home", "secret88", 1);
    at_station_set_reconnect(air->station, 1, 0);
    for (int i = 0; i < 100000; i++) {
        if (i % 500 == 0)
            join(air, "home", "secret88");
        fake_air_to_station(air, frame, bent_frame(air, &seed, frame));
        if (i % 8 == 0)
            fake_air_run(air, next(&seed) % (50 * MS));
        air->events = 0;
    }
    fake_air_run(air, 20 * SECOND);
    at_station_leave(air->station);
    fake_air_run(air, MS);
    air->events = 0;
    join(air, "home", "secret88");
    fake_air_run(air, 10 * MS);
    assert_event(air, 0, AT_STATION_EV_JOINED, 0);
}

static void creation_fails_without_memory(void **state)
{
    fake_air *air = *state;
    at_station_config config = { .loop = &air->loop, .heap = &air->heap };

    air->heap.fail_at = air->heap.calls + 1;
    assert_null(at_station_create(&config));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(protected_network_is_joined),
        TEST(open_network_is_joined_even_with_a_password),
        TEST(wrong_password_is_told_by_deauthentication),
        TEST(wrong_password_with_a_silent_access_point),
        TEST(missing_password_is_a_wrong_one),
        TEST(handshake_that_never_begins_times_out),
        TEST(absent_network_is_not_found),
        TEST(scan_without_an_end_ends_by_its_timer),
        TEST(lost_requests_are_repeated),
        TEST(silence_after_three_requests_is_a_failure),
        TEST(association_is_waited_for_longer),
        TEST(refusals_fail),
        TEST(what_is_not_supported_is_refused),
        TEST(mixed_network_is_joined_with_wpa2),
        TEST(pci_excludes_open_networks),
        TEST(pmf_rules),
        TEST(scan_mode_chooses_first_or_strongest),
        TEST(bssid_selects_one_of_equal_names),
        TEST(join_while_joined_leaves_first),
        TEST(bad_parameters_are_refused_at_once),
        TEST(data_passes_only_while_joined),
        TEST(quality_and_country_follow_the_access_point),
        TEST(repeated_message_3_is_answered),
        TEST(strangers_cannot_end_the_association),
        TEST(loss_without_policy_is_final),
        TEST(policy_comes_back_after_the_interval),
        TEST(policy_gives_up_after_its_count),
        TEST(leaving_ends_the_policy),
        TEST(interval_zero_ends_a_waiting_policy),
        TEST(power_on_tries_at_once_and_then_by_policy),
        TEST(power_on_without_policy_tries_once),
        TEST(scan_filters),
        TEST(scan_goes_on_while_joined_but_not_while_joining),
        TEST(cancelled_scan_is_silent_and_a_join_cancels_it),
        TEST(reconnect_waits_for_the_scan_of_the_host),
        TEST(any_bytes_may_come),
        TEST(creation_fails_without_memory),
    };

    return cmocka_run_group_tests_name("station", tests, NULL, NULL);
}
