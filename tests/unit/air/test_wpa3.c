/* The access point's end of WPA3, OWE and PMF, against a station that may do everything wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "fake.h"
#include "proto/owe.h"
#include "proto/pmf.h"
#include "proto/sae.h"

static const char world[] = "[ap home]\nauth = wpa3-psk\npassword = secret88\nsae_tokens = 1\n"
                            "[ap both]\nauth = wpa2-wpa3-psk\npassword = secret88\n"
                            "[ap cafe]\nauth = owe\n"
                            "[ap old]\npassword = secret88\n";

static at_sae_secret secret;
static at_sae sae;

static void send_auth(fake_station *s, const at_world_ap *ap, const at_mgmt_auth *auth)
{
    at_mgmt m = { .type = AT_MGMT_AUTH, .auth = *auth };

    memcpy(m.to, ap->bssid, 6);
    fake_send_mgmt(s, &m);
}

/* The commit of a new exchange is out afterwards. */
static void commit(fake_station *s, const at_world_ap *ap, const char *password)
{
    at_mgmt_auth out;

    at_sae_secret_set(&secret, &ap->ssid, password);
    assert_int_equal(at_sae_start(&sae, s->mac, ap->bssid, &secret, true, &s->bench->random, &out),
                     AT_OK);
    send_auth(s, ap, &out);
}

/* Gives the last answer to our end and sends what it says. */
static at_sae_step follow(fake_station *s, const at_world_ap *ap)
{
    at_mgmt_auth out;
    at_sae_step step;

    assert_int_equal(s->last.type, AT_MGMT_AUTH);
    step = at_sae_input(&sae, 0, &s->last.auth, &out);
    if (step == AT_SAE_SEND)
        send_auth(s, ap, &out);
    return step;
}

static void authenticate(fake_station *s, const at_world_ap *ap)
{
    commit(s, ap, "secret88");
    assert_int_equal(follow(s, ap), AT_SAE_SEND);
    assert_int_equal(follow(s, ap), AT_SAE_DONE);
}

static at_mgmt request(const at_world_ap *ap, uint8_t auth, uint8_t pmf)
{
    at_mgmt m = { .type = AT_MGMT_ASSOC };

    memcpy(m.to, ap->bssid, 6);
    m.assoc.ssid = ap->ssid;
    m.assoc.auth = auth;
    m.assoc.pmf = pmf;
    m.assoc.protocols = 7;
    if (auth == AT_AUTH_WPA3_PSK) {
        m.assoc.has_pmkid = true;
        memcpy(m.assoc.pmkid, sae.pmkid, AT_PMKID_LEN);
    }
    return m;
}

static uint16_t associate(fake_station *s, at_mgmt m)
{
    s->assoc_status = 0xFFFF;
    fake_send_mgmt(s, &m);
    return s->assoc_status;
}

static void open_auth(fake_station *s, const at_world_ap *ap)
{
    fake_auth(s, ap->bssid, AT_AUTH_ALG_OPEN);
    assert_int_equal(s->auth_status, AT_STATUS_OK);
}

static void sae_and_its_key(void **state)
{
    fake_air *bench = fake_start(world, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);
    const at_world_ap *home = &bench->world.aps[0];
    at_mgmt m;

    (void)state;
    s->quiet_eapol = true;
    authenticate(s, home);
    assert_int_equal(associate(s, request(home, AT_AUTH_WPA3_PSK, 1)), AT_STATUS_OK);
    /* The key is kept: open system and its PMKID are enough. */
    open_auth(s, home);
    assert_int_equal(associate(s, request(home, AT_AUTH_WPA3_PSK, 1)), AT_STATUS_OK);
    /* Not with another PMKID, or none, or from another address. */
    open_auth(s, home);
    m = request(home, AT_AUTH_WPA3_PSK, 1);
    m.assoc.pmkid[0] ^= 1;
    assert_int_equal(associate(s, m), AT_STATUS_INVALID_PMKID);
    open_auth(s, home);
    m.assoc.has_pmkid = false;
    assert_int_equal(associate(s, m), AT_STATUS_INVALID_PMKID);
    s->mac[5]++;
    open_auth(s, home);
    assert_int_equal(associate(s, request(home, AT_AUTH_WPA3_PSK, 1)), AT_STATUS_INVALID_PMKID);
    s->mac[5]--;
    /* Nor at another access point, nor after the loss of power. */
    open_auth(s, &bench->world.aps[1]);
    assert_int_equal(associate(s, request(&bench->world.aps[1], AT_AUTH_WPA3_PSK, 1)),
                     AT_STATUS_INVALID_PMKID);
    at_air_ap_power(bench->air, "home", false);
    at_air_ap_power(bench->air, "home", true);
    open_auth(s, home);
    assert_int_equal(associate(s, request(home, AT_AUTH_WPA3_PSK, 1)), AT_STATUS_INVALID_PMKID);
    fake_stop(bench);
}

static void modes_and_pmf(void **state)
{
    fake_air *bench = fake_start(world, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);
    const at_world_ap *home = &bench->world.aps[0], *both = &bench->world.aps[1];
    const at_world_ap *old = &bench->world.aps[3];

    (void)state;
    s->quiet_eapol = true;
    authenticate(s, home);
    assert_int_equal(associate(s, request(home, AT_AUTH_WPA3_PSK, 0)), AT_STATUS_PMF_POLICY);
    open_auth(s, home);
    assert_int_equal(associate(s, request(home, AT_AUTH_WPA2_PSK, 1)), AT_STATUS_INVALID_AKMP);
    authenticate(s, both);
    assert_int_equal(associate(s, request(both, AT_AUTH_WPA3_PSK, 0)), AT_STATUS_PMF_POLICY);
    authenticate(s, both);
    assert_int_equal(associate(s, request(both, AT_AUTH_WPA3_PSK, 3)), AT_STATUS_OK);
    open_auth(s, both);
    assert_int_equal(associate(s, request(both, AT_AUTH_WPA2_PSK, 0)), AT_STATUS_OK);
    open_auth(s, both);
    assert_int_equal(associate(s, request(both, AT_AUTH_WPA2_WPA3_PSK, 1)), AT_STATUS_INVALID_AKMP);
    commit(s, old, "secret88"); /* no SAE there */
    assert_int_equal(s->auth_status, AT_STATUS_AUTH_ALGORITHM);
    fake_stop(bench);
}

static void wrong_passwords(void **state)
{
    fake_air *bench = fake_start(world, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);
    const at_world_ap *home = &bench->world.aps[0];

    (void)state;
    commit(s, home, "secret89");
    assert_int_equal(follow(s, home), AT_SAE_SEND);
    assert_int_equal(s->last.auth.sequence, 2);
    assert_int_equal(s->last.auth.status, AT_STATUS_FAILURE);
    assert_int_equal(follow(s, home), AT_SAE_WRONG);
    assert_true(fake_logged(bench, "has another password than home"));
    assert_int_equal(bench->loop.timer_count, 0);
    assert_int_equal(associate(s, request(home, AT_AUTH_WPA3_PSK, 1)), 0xFFFF); /* not even heard */
    authenticate(s, home);
    fake_stop(bench);
}

static void tokens_and_patience(void **state)
{
    fake_air *bench = fake_start(world, AT_POLICY_OPEN, false);
    fake_station *one = fake_radio(bench), *two = fake_radio(bench);
    const at_world_ap *home = &bench->world.aps[0];

    (void)state;
    commit(one, home, "secret88");
    assert_int_equal(one->last.auth.status, AT_STATUS_SAE_H2E);
    commit(two, home, "secret88"); /* one exchange is under way: a token first */
    assert_int_equal(two->last.auth.status, AT_STATUS_TOKEN_REQUIRED);
    assert_int_equal(follow(two, home), AT_SAE_SEND);
    assert_int_equal(two->last.auth.status, AT_STATUS_SAE_H2E);
    assert_int_equal(follow(two, home), AT_SAE_SEND);
    assert_int_equal(follow(two, home), AT_SAE_DONE);
    fake_run(bench, 4999);
    assert_false(fake_logged(bench, "did not finish SAE"));
    fake_run(bench, 1);
    assert_true(fake_logged(bench, "did not finish SAE with home"));
    commit(two, home, "secret88"); /* there is room again */
    assert_int_equal(two->last.auth.status, AT_STATUS_SAE_H2E);
    fake_stop(bench);
}

static void frames_out_of_order(void **state)
{
    fake_air *bench = fake_start(world, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);
    const at_world_ap *home = &bench->world.aps[0];
    at_mgmt_auth confirm = { AT_AUTH_ALG_SAE, 2, 0, 34, { 1 } };
    at_mgmt_auth nonsense = { AT_AUTH_ALG_SAE, 1, 126, 98, { 19 } };
    at_mgmt_auth group = { AT_AUTH_ALG_SAE, 1, 0, 98, { 20 } };
    unsigned before = s->lasts;

    (void)state;
    send_auth(s, home, &confirm);
    assert_int_equal(s->lasts, before);
    send_auth(s, home, &nonsense);
    assert_int_equal(s->lasts, before);
    send_auth(s, home, &group);
    assert_int_equal(s->last.auth.status, AT_STATUS_GROUP);
    authenticate(s, home);
    fake_stop(bench);
}

static void owe_keys(void **state)
{
    fake_air *bench = fake_start(world, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);
    const at_world_ap *cafe = &bench->world.aps[2];
    at_mgmt m = request(cafe, AT_AUTH_OWE, 1);
    uint8_t pmk[AT_OWE_PMK_LEN];
    at_owe owe;

    (void)state;
    s->quiet_eapol = true;
    open_auth(s, cafe);
    assert_int_equal(associate(s, m), AT_STATUS_GROUP); /* no key in it */
    open_auth(s, cafe);
    m.assoc.dh.group = 20;
    assert_int_equal(associate(s, m), AT_STATUS_GROUP);
    open_auth(s, cafe);
    m.assoc.dh.group = 19;
    memset(m.assoc.dh.key, 0xFF, sizeof m.assoc.dh.key);
    assert_int_equal(associate(s, m), AT_STATUS_FAILURE);
    assert_int_equal(s->last.assoc_answer.dh.group, 0);
    open_auth(s, cafe);
    assert_int_equal(at_owe_start(&owe, &bench->random), AT_OK);
    m.assoc.dh = owe.own;
    assert_int_equal(associate(s, m), AT_STATUS_OK);
    assert_int_equal(at_owe_finish(&owe, true, &s->last.assoc_answer.dh, &bench->random, pmk),
                     AT_OK);
    open_auth(s, cafe);
    m.assoc.auth = AT_AUTH_OPEN;
    assert_int_equal(associate(s, m), AT_STATUS_INVALID_AKMP);
    fake_stop(bench);
}

/* A robust frame of the station, with its keys or without. */
static void say(fake_station *s, at_pmf *pmf, at_mgmt m)
{
    uint8_t frame[AT_MGMT_FRAME_MAX];
    size_t len;

    memcpy(m.from, s->mac, 6);
    memcpy(m.to, s->bssid, 6);
    len = pmf != NULL ? at_pmf_encode(pmf, &m, frame, sizeof frame)
                      : at_mgmt_encode(&m, frame, sizeof frame);
    assert_true(len > 0);
    fake_send(s, frame, len);
}

static void protected_frames(void **state)
{
    fake_air *bench = fake_start(world, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);
    at_world_fault out = { .name = "out", .kind = AT_FAULT_DEAUTH, .armed = true };
    at_mgmt bye = { .type = AT_MGMT_DEAUTH, .deauth = { .reason = AT_REASON_LEAVING } };
    at_mgmt query = { .type = AT_MGMT_SA_QUERY, .sa_query = { .id = 7 } };
    at_pmf pmf;

    (void)state;
    assert_true(fake_join(s, "old", "secret88"));
    at_pmf_start(&pmf, s->eapol.keys.tk);
    say(s, NULL, bye);
    assert_true(fake_logged(bench, "it is not believed"));
    say(s, &pmf, query); /* still here */
    assert_int_equal(s->last.type, AT_MGMT_SA_QUERY);
    assert_true(s->last.sa_query.answer);
    assert_int_equal(s->last.sa_query.id, 7);
    assert_true(at_pmf_accept(&pmf, &s->last));
    assert_false(at_pmf_accept(&pmf, &s->last)); /* once */
    s->lasts = 0;
    say(s, NULL, query);
    assert_int_equal(s->lasts, 0);
    assert_int_equal(at_air_add_fault(bench->air, &out), AT_OK);
    fake_arp(s, FAKE_GATEWAY); /* whatever: what came is looked at */
    assert_int_equal(s->deauths, 1);
    assert_true(at_pmf_accept(&pmf, &s->last));

    assert_true(fake_join(s, "old", "secret88"));
    at_pmf_start(&pmf, s->eapol.keys.tk);
    say(s, &pmf, bye);
    assert_true(fake_logged(bench, "left old"));
    fake_stop(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sae_and_its_key),     cmocka_unit_test(modes_and_pmf),
        cmocka_unit_test(wrong_passwords),     cmocka_unit_test(tokens_and_patience),
        cmocka_unit_test(frames_out_of_order), cmocka_unit_test(owe_keys),
        cmocka_unit_test(protected_frames),
    };

    return cmocka_run_group_tests_name("air: WPA3, OWE, PMF", tests, NULL, NULL);
}
