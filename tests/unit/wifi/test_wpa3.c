/* Joining with SAE and OWE, mixed networks, kept keys; and what protected management frames are worth
 * once joined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "core/loop.h"
#include "crypto/platform.h"
#include "fake_air.h"
#include "iface/current.h"
#include "proto/mgmt.h"

static void again(fake_air *air)
{
    at_station_leave(air->station);
    fake_air_run(air, FAKE_MS);
    air->events = 0;
}

static void sae_by_both_ways(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add_sae(air, "home", "secret88", AT_AUTH_WPA3_PSK);

    for (uint8_t sae = 1; sae <= 3; sae++) {
        ap->bss.sae = sae;
        ap->keys = false;
        memset(&ap->sae, 0, sizeof ap->sae);
        ap->bss.bssid[5] = sae; /* not the one whose key is kept */
        fake_join(air, "home", "secret88");
        fake_air_run(air, 10 * FAKE_MS);
        fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
        assert_true(ap->keys);
        assert_int_equal(ap->commits, sae);
        assert_int_equal(ap->confirms, sae);
        assert_int_equal(ap->last_assoc.assoc.auth, AT_AUTH_WPA3_PSK);
        assert_int_equal(ap->sae.h2e, (sae & AT_SAE_H2E) != 0);
        again(air);
    }
    assert_int_equal(ap->opens, 0);
}

static void another_password(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add_sae(air, "home", "secret88", AT_AUTH_WPA3_PSK);

    fake_join(air, "home", "secret89");
    fake_air_run(air, 100 * FAKE_MS);
    fake_assert_fails(air, AT_JOIN_PASSWORD);
    assert_int_equal(ap->assocs, 0);
    again(air);
    memset(&ap->sae, 0, sizeof ap->sae);
    fake_join(air, "home", "");
    fake_air_run(air, 100 * FAKE_MS);
    fake_assert_fails(air, AT_JOIN_PASSWORD);
    again(air);
    fake_join(air, "home", "secret88"); /* nothing of the failures is left */
    fake_air_run(air, 100 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
}

static void silence_after_the_confirm_is_a_wrong_password(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add_sae(air, "home", "secret88", AT_AUTH_WPA3_PSK);

    ap->no_confirm = true;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 800 * FAKE_MS);
    assert_int_equal(air->events, 0);
    fake_air_run(air, 200 * FAKE_MS);
    fake_assert_fails(air, AT_JOIN_PASSWORD);
    assert_int_equal(ap->confirms, 3);
}

static void lost_frames_are_repeated(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add_sae(air, "home", "secret88", AT_AUTH_WPA3_PSK);

    ap->deaf_auth = 2;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 700 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
    assert_int_equal(ap->auths, 4);
}

static void tokens_and_groups(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add_sae(air, "home", "secret88", AT_AUTH_WPA3_PSK);

    ap->want_tokens = 1;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
    assert_int_equal(ap->commits, 2);
    again(air);
    ap->bss.bssid[5] = 9;
    ap->other_group = true;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_FAILED, AT_JOIN_FAILED);
    again(air);
    ap->auth_status = AT_STATUS_AP_FULL; /* before SAE begins, as open system */
    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_FAILED, AT_JOIN_FAILED);
}

static void kept_key(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add_sae(air, "home", "secret88", AT_AUTH_WPA3_PSK);

    for (unsigned i = 0; i < 3; i++) {
        fake_join(air, "home", "secret88");
        fake_air_run(air, 10 * FAKE_MS);
        fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
        assert_int_equal(ap->commits, 1);
        assert_int_equal(ap->opens, i);
        again(air);
    }
    ap->forget = true; /* the access point restarted */
    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
    assert_int_equal(ap->commits, 2);
    again(air);
    fake_join(air, "home", "secret89"); /* another password: no kept key */
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_FAILED, AT_JOIN_PASSWORD);
    assert_int_equal(ap->commits, 3);
    again(air);
    fake_join(air, "home", "secret88"); /* that one was forgotten */
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
    assert_int_equal(ap->commits, 4);
    again(air);
    ap->sae.pmk[0] ^= 1; /* a kept key that fails is not tried twice */
    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_FAILED, AT_JOIN_PASSWORD);
    again(air);
    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
    assert_int_equal(ap->commits, 5);
}

static void owe(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add_sae(air, "cafe", "", AT_AUTH_OWE);
    at_join_params params = fake_params("cafe", "not needed");

    params.pci = 1; /* excludes OPEN and WEP, not this */
    assert_int_equal(at_station_join(air->station, &params), AT_OK);
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_JOINED, 0);
    assert_true(ap->keys);
    again(air);
    ap->dh.group = 20;
    fake_join(air, "cafe", "");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_FAILED, AT_JOIN_FAILED);
    again(air);
    ap->dh.group = 19;
    memset(ap->dh.key, 0, 31);
    ap->dh.key[31] = 1; /* no point has this x */
    fake_join(air, "cafe", "");
    fake_air_run(air, 10 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_FAILED, AT_JOIN_FAILED);
}

/* ours, theirs, what is joined: 0 nothing (with this error), or the mode asked for. */
static void pmf_decides(void **state)
{
    static const struct {
        uint8_t auth, ours, theirs, wanted, pmf;
        int error;
    } cases[] = {
        { AT_AUTH_WPA2_WPA3_PSK, 1, 1, AT_AUTH_WPA3_PSK, 1, 0 },
        { AT_AUTH_WPA2_WPA3_PSK, 3, 1, AT_AUTH_WPA3_PSK, 3, 0 },
        { AT_AUTH_WPA2_WPA3_PSK, 0, 1, AT_AUTH_WPA2_PSK, 0, 0 },
        { AT_AUTH_WPA2_WPA3_PSK, 0, 3, 0, 0, AT_JOIN_FAILED },
        { AT_AUTH_WPA3_PSK, 0, 3, 0, 0, AT_JOIN_FAILED },
        { AT_AUTH_WPA2_PSK, 3, 1, AT_AUTH_WPA2_PSK, 3, 0 },
        { AT_AUTH_WPA2_PSK, 2, 3, AT_AUTH_WPA2_PSK, 3, 0 },
        { AT_AUTH_WPA2_PSK, 3, 0, 0, 0, AT_JOIN_NOT_FOUND },
    };
    fake_air *air = *state;
    fake_ap *ap = fake_air_add_sae(air, "home", "secret88", AT_AUTH_WPA3_PSK);

    for (unsigned i = 0; i < AT_COUNT(cases); i++) {
        at_join_params params = fake_params("home", "secret88");

        again(air);
        params.pmf = cases[i].ours;
        ap->bss.auth = cases[i].auth;
        ap->bss.pmf = cases[i].theirs;
        ap->bss.bssid[5] = (uint8_t)(10 + i);
        memset(&ap->sae, 0, sizeof ap->sae);
        assert_int_equal(at_station_join(air->station, &params), AT_OK);
        fake_air_run(air, 10 * FAKE_MS);
        fake_assert_event(air, 0, cases[i].error == 0 ? AT_STATION_EV_JOINED : AT_STATION_EV_FAILED,
                          cases[i].error);
        if (cases[i].error != 0)
            continue;
        assert_int_equal(ap->last_assoc.assoc.auth, cases[i].wanted);
        assert_int_equal(ap->last_assoc.assoc.pmf, cases[i].pmf);
        assert_int_equal(ap->pmf.on, cases[i].pmf != 0 && cases[i].theirs != 0);
    }
}

/* ---- protected management frames ---- */

static at_mgmt deauth(uint16_t reason)
{
    return (at_mgmt){ .type = AT_MGMT_DEAUTH, .deauth = { .reason = reason } };
}

static void forged_deauthentications(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_joined(air);
    at_mgmt m = deauth(AT_REASON_LEAVING);

    fake_ap_forge(air, ap, m);
    fake_air_run(air, 2 * FAKE_SECOND);
    assert_int_equal(air->events, 0);
    assert_int_equal(ap->queries, 0); /* not one that says we are unknown */

    m.deauth.protection.on = true; /* a MIC that nobody made */
    m.deauth.protection.number = 1000;
    fake_ap_forge(air, ap, m);
    m.deauth.reason = AT_REASON_CLASS_3;
    fake_ap_forge(air, ap, m);
    fake_air_run(air, 2 * FAKE_SECOND);
    assert_int_equal(air->events, 0);

    fake_ap_forge(air, ap, deauth(AT_REASON_CLASS_3));
    fake_ap_forge(air, ap, deauth(AT_REASON_CLASS_2));
    fake_air_run(air, 10 * FAKE_SECOND);
    assert_int_equal(ap->queries, 1); /* asked once, answered */
    assert_int_equal(air->events, 0);
    assert_int_equal(air->loop.timer_count, 0);

    fake_ap_say(air, ap, deauth(AT_REASON_LEAVING));
    fake_air_run(air, FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_LEFT, 0);
}

static void an_access_point_that_lost_the_keys(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_joined(air);

    ap->mute_queries = true;
    fake_ap_forge(air, ap, deauth(AT_REASON_CLASS_3));
    fake_air_run(air, 1020 * FAKE_MS);
    assert_int_equal(air->events, 0);
    assert_int_equal(ap->queries, 5);
    fake_air_run(air, 20 * FAKE_MS);
    fake_assert_event(air, 0, AT_STATION_EV_LEFT, 0);
    assert_int_equal(fake_state(air), AT_STATION_LOST);
}

static void answers_to_a_query_are_checked(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_joined(air);
    at_mgmt m = { .type = AT_MGMT_SA_QUERY, .sa_query = { .answer = true } };

    ap->mute_queries = true;
    fake_ap_forge(air, ap, deauth(AT_REASON_CLASS_3));
    fake_air_run(air, FAKE_MS);
    fake_ap_forge(air, ap, m); /* no MIC */
    m.sa_query.id = 0xFFFF;    /* hardly the one asked with */
    fake_ap_say(air, ap, m);
    fake_air_run(air, 2 * FAKE_SECOND);
    fake_assert_event(air, 0, AT_STATION_EV_LEFT, 0);
}

static void the_access_point_asks(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_joined(air);
    const at_mgmt m = { .type = AT_MGMT_SA_QUERY, .sa_query = { .id = 7 } };

    fake_ap_say(air, ap, m);
    fake_air_run(air, FAKE_MS);
    assert_int_equal(ap->queries, 1); /* the answer, protected */
    fake_ap_forge(air, ap, m);
    fake_air_run(air, FAKE_MS);
    assert_int_equal(ap->queries, 1);
}

static void leaving_is_protected(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_joined(air);

    assert_true(ap->pmf.on);
    at_station_leave(air->station);
    assert_int_equal(ap->deauths, 1); /* counted when its MIC is good */
}

static void without_pmf_everything_is_believed(void **state)
{
    fake_air *air = *state;
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    ap->bss.pmf = 0;
    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    assert_false(ap->pmf.on);
    fake_ap_forge(air, ap, deauth(AT_REASON_LEAVING));
    fake_air_run(air, FAKE_MS);
    fake_assert_event(air, 1, AT_STATION_EV_LEFT, 0);
}

/* Less memory than SAE or OWE needs ends the attempt, leaves nothing behind and nothing half done. The
 * access point lives on the same heap. */
static void no_memory(void **state)
{
    static const uint8_t modes[] = { AT_AUTH_WPA3_PSK, AT_AUTH_OWE };
    fake_air *air = *state;
    at_heap heap;

    at_crypto_start();
    at_the_current.heap = &heap;
    for (unsigned i = 0; i < AT_COUNT(modes); i++) {
        fake_ap *ap = fake_air_add_sae(air, "home", i == 0 ? "secret88" : "", modes[i]);
        bool joined = false;
        size_t budget = 0;

        for (; !joined && budget < 32768; budget += 512) {
            again(air);
            memset(&ap->sae, 0, sizeof ap->sae);
            ap->no_memory = true;
            at_heap_init(&heap, budget);
            fake_join(air, "home", "secret88");
            fake_air_run(air, 20 * FAKE_SECOND);
            assert_int_equal(air->events, 1);
            joined = air->event[0].event == AT_STATION_EV_JOINED;
            assert_true(joined || air->event[0].event == AT_STATION_EV_FAILED);
            assert_int_equal(heap.blocks, 0);
        }
        assert_true(joined && budget > 1024);
        ap->on = false;
    }
    at_the_current.heap = NULL;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        FAKE_TEST(sae_by_both_ways),
        FAKE_TEST(another_password),
        FAKE_TEST(silence_after_the_confirm_is_a_wrong_password),
        FAKE_TEST(lost_frames_are_repeated),
        FAKE_TEST(tokens_and_groups),
        FAKE_TEST(kept_key),
        FAKE_TEST(owe),
        FAKE_TEST(pmf_decides),
        FAKE_TEST(forged_deauthentications),
        FAKE_TEST(an_access_point_that_lost_the_keys),
        FAKE_TEST(answers_to_a_query_are_checked),
        FAKE_TEST(the_access_point_asks),
        FAKE_TEST(leaving_is_protected),
        FAKE_TEST(without_pmf_everything_is_believed),
        FAKE_TEST(no_memory), /* the last one: Mbed TLS has no memory after it */
    };

    return cmocka_run_group_tests_name("station: WPA3, OWE, PMF", tests, NULL, NULL);
}
