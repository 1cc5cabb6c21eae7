/* The station's life: data, loss, the reconnect policy, scans, and bytes that make no sense. */
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

static void send_data(fake_air *air)
{
    uint8_t frame[60] = { 0 };

    memcpy(frame, fake_mac, 6);
    frame[6] = 0x02;
    frame[12] = 0x08;
    fake_air_to_station(air, frame, sizeof frame);
}

/* ---- while joined ---- */

static void data_passes_only_while_joined(void **state)
{
    fake_air *air = *state;
    at_radio_piece piece = { "0123456789abcd", 14 };

    send_data(air);
    fake_air_run(air, FAKE_MS);
    assert_int_equal(air->data_frames, 0);
    assert_int_equal(at_station_send(air->station, &piece, 1), AT_ERR_STATE);
    fake_joined(air);
    send_data(air);
    fake_air_run(air, FAKE_MS);
    assert_int_equal(air->data_frames, 1);
    assert_int_equal(at_station_send(air->station, &piece, 1), 0);
    at_station_leave(air->station);
    send_data(air);
    fake_air_run(air, FAKE_MS);
    assert_int_equal(air->data_frames, 1);
}

static void quality_and_country_follow_the_access_point(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_joined(air);
    at_mgmt m = { .type = AT_MGMT_QUALITY, .quality = { -77 } };
    at_country country;
    at_bss bss;

    fake_ap_say(air, ap, m);
    fake_air_run(air, FAKE_MS);
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
    fake_join(air, "home", "secret88");
    /* scan, auth, assoc and message 2 get out; message 4 is lost */
    for (int turn = 0; turn < 50 && fake_state(air) != AT_STATION_JOINED; turn++) {
        if (ap->eapol.state == AT_EAPOL_WAIT_4)
            air->refuse_sends = 1;
        at_loop_turn(&air->loop);
    }
    assert_int_equal(fake_state(air), AT_STATION_JOINED);
    fake_air_run(air, FAKE_MS);
    assert_false(ap->keys);
    len = at_eapol_again(&ap->eapol, again);
    assert_true(len > 0);
    fake_air_to_station(air, again, len);
    fake_air_run(air, FAKE_MS);
    assert_true(ap->keys);
    assert_int_equal(air->events, 1);
}

static void strangers_cannot_end_the_association(void **state)
{
    fake_air *air = *state;
    fake_ap *stranger;
    at_mgmt m = { .type = AT_MGMT_DEAUTH, .deauth = { AT_REASON_UNSPECIFIED } };

    fake_joined(air);
    stranger = fake_air_add(air, "evil", "", 9);
    fake_ap_say(air, stranger, m);
    fake_air_run(air, FAKE_MS);
    assert_int_equal(fake_state(air), AT_STATION_JOINED);
    assert_int_equal(air->events, 0);
}

/* ---- loss and the policy ---- */

static void lose(fake_air *air, at_mgmt_type type)
{
    at_mgmt m = { .type = type };

    if (type == AT_MGMT_DEAUTH)
        m.deauth.reason = AT_REASON_LEAVING;
    fake_ap_say(air, &air->ap[0], m);
    fake_air_run(air, FAKE_MS);
}

static void loss_without_policy_is_final(void **state)
{
    fake_air *air = *state;

    fake_joined(air);
    lose(air, AT_MGMT_BEACON_LOST);
    assert_int_equal(air->events, 1);
    fake_assert_event(air, 0, AT_STATION_EV_LEFT, 0);
    assert_int_equal(fake_state(air), AT_STATION_LOST);
    fake_air_run(air, 3600 * FAKE_SECOND);
    assert_int_equal(air->events, 1);
}

static void policy_comes_back_after_the_interval(void **state)
{
    fake_air *air = *state;

    fake_joined(air);
    at_station_set_reconnect(air->station, 5, 0);
    lose(air, AT_MGMT_DEAUTH);
    assert_int_equal(fake_state(air), AT_STATION_WAITING);
    fake_air_run(air, 4900 * FAKE_MS);
    assert_int_equal(air->events, 1);
    fake_air_run(air, 200 * FAKE_MS);
    assert_int_equal(air->events, 2);
    fake_assert_event(air, 1, AT_STATION_EV_JOINED, 0);
}

static void policy_gives_up_after_its_count(void **state)
{
    fake_air *air = *state;

    fake_joined(air);
    at_station_set_reconnect(air->station, 2, 3);
    air->ap[0].on = false;
    lose(air, AT_MGMT_BEACON_LOST);
    fake_air_run(air, 60 * FAKE_SECOND);
    assert_int_equal(air->events, 5);
    for (unsigned i = 1; i <= 3; i++)
        fake_assert_event(air, i, AT_STATION_EV_FAILED, AT_JOIN_NOT_FOUND);
    fake_assert_event(air, 4, AT_STATION_EV_GAVE_UP, 0);
    assert_true(air->event[3].at_us - air->event[0].at_us >= 6 * FAKE_SECOND);
    assert_int_equal(fake_state(air), AT_STATION_LOST);
    assert_int_equal(air->loop.timer_count, 0);
}

static void leaving_ends_the_policy(void **state)
{
    fake_air *air = *state;

    fake_joined(air);
    at_station_set_reconnect(air->station, 1, 0);
    lose(air, AT_MGMT_BEACON_LOST);
    assert_int_equal(at_station_leave(air->station), AT_OK);
    fake_air_run(air, 60 * FAKE_SECOND);
    assert_int_equal(air->events, 1);
    assert_int_equal(fake_state(air), AT_STATION_LOST);
}

static void interval_zero_ends_a_waiting_policy(void **state)
{
    fake_air *air = *state;

    fake_joined(air);
    at_station_set_reconnect(air->station, 9, 0);
    lose(air, AT_MGMT_BEACON_LOST);
    at_station_set_reconnect(air->station, 0, 0);
    fake_air_run(air, 60 * FAKE_SECOND);
    assert_int_equal(air->events, 2);
    fake_assert_event(air, 1, AT_STATION_EV_GAVE_UP, 0);
}

static void power_on_tries_at_once_and_then_by_policy(void **state)
{
    fake_air *air = *state;
    at_join_params params = fake_params("home", "secret88");

    at_station_set_reconnect(air->station, 3, 0);
    assert_int_equal(at_station_reconnect_now(air->station, &params), AT_OK);
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_FAILED, AT_JOIN_NOT_FOUND);
    fake_air_add(air, "home", "secret88", 1);
    fake_air_run(air, 4 * FAKE_SECOND);
    fake_assert_event(air, 1, AT_STATION_EV_JOINED, 0);
}

static void power_on_without_policy_tries_once(void **state)
{
    fake_air *air = *state;
    at_join_params params = fake_params("home", "secret88");

    assert_int_equal(at_station_reconnect_now(air->station, &params), AT_OK);
    fake_air_run(air, 60 * FAKE_SECOND);
    assert_int_equal(air->events, 2);
    fake_assert_event(air, 0, AT_STATION_EV_FAILED, AT_JOIN_NOT_FOUND);
    fake_assert_event(air, 1, AT_STATION_EV_GAVE_UP, 0);
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
    fake_air_run(air, FAKE_MS);
    assert_int_equal(air->dones, 1);
    assert_int_equal(air->founds, 2);
    assert_int_equal(scan(air, &one), AT_OK);
    fake_air_run(air, FAKE_MS);
    assert_int_equal(air->founds, 1);
    memcpy(hidden.bssid, air->ap[2].bss.bssid, 6);
    assert_int_equal(scan(air, &hidden), AT_OK);
    fake_air_run(air, FAKE_MS);
    assert_int_equal(air->founds, 1);
    assert_int_equal(air->found[0].ssid.len, 0);
}

static void scan_goes_on_while_joined_but_not_while_joining(void **state)
{
    fake_air *air = *state;
    at_scan_params any = { 0 };

    fake_joined(air);
    assert_int_equal(scan(air, &any), AT_OK);
    fake_air_run(air, FAKE_MS);
    assert_int_equal(air->founds, 1);
    assert_int_equal(fake_state(air), AT_STATION_JOINED);
    fake_join(air, "home", "secret88");
    assert_int_equal(scan(air, &any), AT_ERR_STATE);
    fake_air_run(air, 10 * FAKE_MS);
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
    fake_air_run(air, FAKE_MS);
    assert_int_equal(air->dones, 0);
    assert_int_equal(air->founds, 0); /* late answers */
    assert_int_equal(scan(air, &any), AT_OK);
    fake_join(air, "home", "secret88");
    assert_int_equal(air->dones, 1);
    assert_int_equal(air->scan_err, AT_ERR_CANCELLED);
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
}

static void reconnect_waits_for_the_scan_of_the_host(void **state)
{
    fake_air *air = *state;
    at_scan_params any = { 0 };

    fake_joined(air);
    at_station_set_reconnect(air->station, 1, 0);
    lose(air, AT_MGMT_BEACON_LOST);
    fake_air_run(air, 900 * FAKE_MS);
    air->no_scan_done = true;
    assert_int_equal(scan(air, &any), AT_OK);
    fake_air_run(air, 2 * FAKE_SECOND);
    assert_int_equal(fake_state(air), AT_STATION_WAITING);
    air->no_scan_done = false;
    fake_air_run(air, 3 * FAKE_SECOND);
    assert_int_equal(air->dones, 1);
    assert_int_equal(fake_state(air), AT_STATION_JOINED);
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
            fake_join(air, "home", "secret88");
        fake_air_to_station(air, frame, bent_frame(air, &seed, frame));
        if (i % 8 == 0)
            fake_air_run(air, next(&seed) % (50 * FAKE_MS));
        air->events = 0;
    }
    fake_air_run(air, 20 * FAKE_SECOND);
    at_station_leave(air->station);
    fake_air_run(air, FAKE_MS);
    air->events = 0;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
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
    static const struct CMUnitTest tests[] = {
        FAKE_TEST(data_passes_only_while_joined),
        FAKE_TEST(quality_and_country_follow_the_access_point),
        FAKE_TEST(repeated_message_3_is_answered),
        FAKE_TEST(strangers_cannot_end_the_association),
        FAKE_TEST(loss_without_policy_is_final),
        FAKE_TEST(policy_comes_back_after_the_interval),
        FAKE_TEST(policy_gives_up_after_its_count),
        FAKE_TEST(leaving_ends_the_policy),
        FAKE_TEST(interval_zero_ends_a_waiting_policy),
        FAKE_TEST(power_on_tries_at_once_and_then_by_policy),
        FAKE_TEST(power_on_without_policy_tries_once),
        FAKE_TEST(scan_filters),
        FAKE_TEST(scan_goes_on_while_joined_but_not_while_joining),
        FAKE_TEST(cancelled_scan_is_silent_and_a_join_cancels_it),
        FAKE_TEST(reconnect_waits_for_the_scan_of_the_host),
        FAKE_TEST(any_bytes_may_come),
        FAKE_TEST(creation_fails_without_memory),
    };

    return cmocka_run_group_tests_name("station", tests, NULL, NULL);
}
