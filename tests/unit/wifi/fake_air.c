/* The air of the station's tests: the waiter either delivers what is queued, or lets time jump. */
#include "fake_air.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"

const uint8_t fake_mac[6] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };
static const at_group_keys group = { { 1, 2, 3 }, { 4, 5, 6 } };
static const uint8_t token_key[AT_SAE_KEY_LEN] = { 9 };

void fake_air_to_station(fake_air *air, const void *bytes, size_t len)
{
    assert_true(air->queued < FAKE_QUEUE && len <= AT_RADIO_FRAME_MAX);
    memcpy(air->queue[air->queued].bytes, bytes, len);
    air->queue[air->queued++].len = len;
}

static void say(fake_air *air, const uint8_t from[6], at_mgmt m, at_pmf *pmf)
{
    uint8_t frame[AT_MGMT_FRAME_MAX];
    size_t len;

    memcpy(m.from, from, 6);
    memcpy(m.to, fake_mac, 6);
    len = pmf != NULL ? at_pmf_encode(pmf, &m, frame, sizeof frame)
                      : at_mgmt_encode(&m, frame, sizeof frame);
    assert_true(len > 0);
    fake_air_to_station(air, frame, len);
}

void fake_ap_say(fake_air *air, fake_ap *ap, at_mgmt m)
{
    say(air, ap->bss.bssid, m, &ap->pmf);
}

void fake_ap_forge(fake_air *air, const fake_ap *ap, at_mgmt m)
{
    say(air, ap->bss.bssid, m, NULL);
}

static void on_scan(fake_air *air, const at_mgmt *m)
{
    static const uint8_t nobody[6];

    air->scans++;
    for (unsigned i = 0; i < FAKE_APS; i++) {
        at_mgmt beacon = { .type = AT_MGMT_BEACON };

        if (!air->ap[i].on)
            continue;
        beacon.beacon.token = m->scan.token;
        beacon.beacon.bss = air->ap[i].bss;
        fake_ap_say(air, &air->ap[i], beacon);
    }
    if (!air->no_scan_done) {
        at_mgmt done = { .type = AT_MGMT_SCAN_DONE };

        done.scan_done.token = m->scan.token;
        say(air, nobody, done, NULL);
    }
}

static void on_sae(fake_air *air, fake_ap *ap, const at_mgmt *m)
{
    at_mgmt answer = { .type = AT_MGMT_AUTH };
    at_sae_step step = AT_SAE_SEND;

    ap->commits += m->auth.sequence == 1;
    ap->confirms += m->auth.sequence == 2;
    if (ap->sae.random == NULL) {
        at_sae_secret_set(&ap->secret, &ap->bss.ssid, ap->password);
        at_sae_listen(&ap->sae, ap->bss.bssid, m->from, &ap->secret, &air->random);
    }
    if (m->auth.sequence == 2 && ap->no_confirm)
        return;
    if (m->auth.sequence == 1 && ap->other_group) {
        answer.auth = (at_mgmt_auth){ AT_AUTH_ALG_SAE, 1, AT_STATUS_GROUP, 2, { 19 } };
    } else if (m->auth.sequence == 1 && ap->want_tokens > 0 &&
               !at_sae_token_good(token_key, m->from, &m->auth)) {
        ap->want_tokens--;
        at_sae_token_ask(token_key, m->from, &m->auth, &answer.auth);
    } else {
        step = at_sae_input(&ap->sae, ap->bss.sae, &m->auth, &answer.auth);
    }
    if (step != AT_SAE_IGNORED && step != AT_SAE_FAILED)
        fake_ap_say(air, ap, answer);
}

static void on_auth(fake_air *air, fake_ap *ap, const at_mgmt *m)
{
    at_mgmt answer = { .type = AT_MGMT_AUTH };

    if (ap->auths++ < ap->deaf_auth)
        return;
    if (m->auth.algorithm == AT_AUTH_ALG_SAE && ap->auth_status == AT_STATUS_OK) {
        on_sae(air, ap, m);
        return;
    }
    ap->opens++;
    answer.auth.sequence = 2;
    answer.auth.status = ap->auth_status;
    fake_ap_say(air, ap, answer);
}

static void key_of(fake_air *air, fake_ap *ap, const at_mgmt *m, at_mgmt *answer,
                   uint8_t pmk[AT_PMK_LEN])
{
    at_owe owe;

    switch (at_akm_of(m->assoc.auth)) {
    case AT_AKM_SAE:
        if (!m->assoc.has_pmkid || memcmp(m->assoc.pmkid, ap->sae.pmkid, AT_PMKID_LEN) != 0 ||
            (ap->forget && m->assoc.has_pmkid && ap->opens > 0)) {
            ap->forget = false;
            answer->assoc_answer.status = AT_STATUS_INVALID_PMKID;
        }
        memcpy(pmk, ap->sae.pmk, AT_PMK_LEN);
        break;
    case AT_AKM_OWE:
        if (at_owe_start(&owe, &air->random) != AT_OK ||
            at_owe_finish(&owe, false, &m->assoc.dh, &air->random, pmk) != AT_OK) {
            assert_true(ap->no_memory);
            answer->assoc_answer.status = AT_STATUS_FAILURE;
        }
        answer->assoc_answer.dh = ap->dh.group != 0 ? ap->dh : owe.own;
        break;
    case AT_AKM_PSK:
        assert_true(
            at_pmk_from_passphrase(ap->password, ap->bss.ssid.bytes, ap->bss.ssid.len, pmk));
        break;
    case AT_AKM_NONE: break;
    }
}

static void on_assoc(fake_air *air, fake_ap *ap, const at_mgmt *m)
{
    at_mgmt answer = { .type = AT_MGMT_ASSOC_ANSWER };
    uint8_t pmk[AT_PMK_LEN], nonce[AT_NONCE_LEN] = { 7 }, first[AT_EAPOL_FRAME_MAX];
    at_suite suite;
    size_t len;

    ap->last_assoc = *m;
    memset(&ap->pmf, 0, sizeof ap->pmf);
    if (ap->assocs++ < ap->deaf_assoc)
        return;
    answer.assoc_answer.status = ap->assoc_status;
    key_of(air, ap, m, &answer, pmk);
    fake_ap_say(air, ap, answer);
    if (answer.assoc_answer.status != AT_STATUS_OK || m->assoc.auth == AT_AUTH_OPEN ||
        ap->no_message_1)
        return;
    at_suite_make(&suite, &ap->bss, m->assoc.auth, m->assoc.pmf,
                  m->assoc.has_pmkid ? m->assoc.pmkid : NULL);
    len = at_eapol_start_authenticator(&ap->eapol, ap->bss.bssid, m->from, &suite, pmk, nonce,
                                       &group, first);
    fake_air_to_station(air, first, len);
}

static void on_query(fake_air *air, fake_ap *ap, const at_mgmt *m)
{
    at_mgmt answer = { .type = AT_MGMT_SA_QUERY, .sa_query = m->sa_query };

    assert_true(m->sa_query.protection.on);
    if (!at_pmf_accept(&ap->pmf, m))
        return;
    ap->queries++;
    answer.sa_query.answer = true;
    if (!ap->mute_queries && !m->sa_query.answer)
        fake_ap_say(air, ap, answer);
}

static void on_eapol(fake_air *air, fake_ap *ap, const uint8_t *frame, size_t len)
{
    uint8_t reply[AT_EAPOL_FRAME_MAX];
    size_t reply_len = 0;
    at_eapol_step step = at_eapol_input(&ap->eapol, frame, len, reply, &reply_len);

    if (step == AT_EAPOL_BAD_MIC && ap->bad_mic_reason != 0) {
        at_mgmt m = { .type = AT_MGMT_DEAUTH };

        m.deauth.reason = ap->bad_mic_reason;
        fake_ap_say(air, ap, m);
        return;
    }
    ap->keys |= step == AT_EAPOL_DONE;
    if (step == AT_EAPOL_DONE && ap->eapol.suite.mfp)
        at_pmf_start(&ap->pmf, ap->eapol.keys.tk);
    if ((step == AT_EAPOL_REPLY || step == AT_EAPOL_DONE) && reply_len > 0)
        fake_air_to_station(air, reply, reply_len);
}

static void on_sent(fake_air *air, const uint8_t *frame, size_t len)
{
    fake_ap *ap = NULL;
    at_mgmt m;

    for (unsigned i = 0; i < FAKE_APS; i++)
        if (air->ap[i].on && memcmp(frame, air->ap[i].bss.bssid, 6) == 0)
            ap = &air->ap[i];
    if (at_mgmt_decode(&m, frame, len)) {
        assert_memory_equal(m.from, fake_mac, 6);
        if (m.type == AT_MGMT_SCAN)
            on_scan(air, &m);
        else if (ap != NULL && m.type == AT_MGMT_AUTH)
            on_auth(air, ap, &m);
        else if (ap != NULL && m.type == AT_MGMT_ASSOC)
            on_assoc(air, ap, &m);
        else if (ap != NULL && m.type == AT_MGMT_DEAUTH)
            ap->deauths += at_pmf_accept(&ap->pmf, &m);
        else if (ap != NULL && m.type == AT_MGMT_SA_QUERY)
            on_query(air, ap, &m);
    } else if (ap != NULL && frame[12] == 0x88 && frame[13] == 0x8E) {
        on_eapol(air, ap, frame, len);
    }
}

/* ---- the seams ---- */

static int radio_send(at_radio *radio, const at_radio_piece *pieces, size_t count)
{
    fake_air *air = radio->ctx;
    uint8_t frame[AT_RADIO_FRAME_MAX];
    at_builder b = at_builder_of(frame, sizeof frame);

    for (size_t i = 0; i < count; i++)
        at_put(&b, pieces[i].data, pieces[i].len);
    if (!b.ok)
        return AT_ERR_INVALID;
    if (air->refuse_sends > 0) {
        air->refuse_sends--;
        return AT_ERR_AGAIN;
    }
    on_sent(air, frame, at_built(&b));
    return 0;
}

static void factory_mac(at_radio *radio, uint8_t mac[6])
{
    (void)radio;
    memcpy(mac, fake_mac, 6);
}

static const at_radio_ops radio_ops = { radio_send, factory_mac };

static uint64_t now(void *ctx)
{
    return ((fake_air *)ctx)->now_us;
}

static void wait_until(void *ctx, uint64_t deadline_us)
{
    fake_air *air = ctx;
    fake_frame *frames;
    unsigned count = air->queued;

    if (count == 0) {
        air->arrived = deadline_us > air->until_us;
        if (air->arrived)
            air->now_us = air->until_us;
        else if (deadline_us > air->now_us)
            air->now_us = deadline_us;
        return;
    }
    frames = malloc(count * sizeof *frames);
    assert_non_null(frames);
    memcpy(frames, air->queue, count * sizeof *frames);
    air->queued = 0;
    for (unsigned i = 0; i < count; i++) {
        /* Exactly its own size, so that a sanitizer sees a read behind its end. */
        uint8_t *copy = malloc(frames[i].len > 0 ? frames[i].len : 1);

        assert_non_null(copy);
        memcpy(copy, frames[i].bytes, frames[i].len);
        at_station_input(air->station, copy, frames[i].len);
        free(copy);
    }
    free(frames);
}

static void fill(void *ctx, void *buf, size_t len)
{
    fake_air *air = ctx;

    for (size_t i = 0; i < len; i++) {
        air->seed = air->seed * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)buf)[i] = (uint8_t)(air->seed >> 56);
    }
}

static void on_event(void *owner, at_station_event event, int detail)
{
    fake_air *air = owner;

    assert_true(air->events < FAKE_EVENTS);
    air->event[air->events].event = event;
    air->event[air->events].detail = detail;
    air->event[air->events++].at_us = air->now_us;
}

static void on_data(void *owner, uint8_t *frame, size_t len)
{
    fake_air *air = owner;

    (void)frame;
    assert_true(len >= 14);
    air->data_frames++;
}

/* ---- for tests ---- */

void fake_air_open(fake_air *air)
{
    at_station_config config;

    memset(air, 0, sizeof *air);
    air->now_us = 1000000;
    air->clock = (at_clock){ air, now };
    air->waiter = (at_waiter){ air, wait_until };
    air->random = (at_random){ air, fill };
    air->radio = (at_radio){ .ops = &radio_ops, .ctx = air };
    at_loop_init(&air->loop, &air->clock, &air->waiter);
    at_heap_init(&air->heap, SIZE_MAX);
    config = (at_station_config){ &air->loop,  &air->heap, NULL,    &air->random,
                                  &air->radio, on_event,   on_data, air };
    air->station = at_station_create(&config);
    assert_non_null(air->station);
    at_station_start(air->station, fake_mac);
}

void fake_air_close(fake_air *air)
{
    at_station_stop(air->station);
    fake_air_run(air, 1000);
    assert_int_equal(air->loop.timer_count, 0);
    at_free(&air->heap, air->station);
    assert_int_equal(air->heap.blocks, 0);
}

fake_ap *fake_air_add(fake_air *air, const char *ssid, const char *password, uint8_t last_byte)
{
    fake_ap *ap = air->ap;

    while (ap->on)
        ap++;
    ap->on = true;
    ap->password = password;
    memcpy(ap->bss.bssid, (uint8_t[6]){ 0x02, 0xAA, 0, 0, 0, last_byte }, 6);
    ap->bss.ssid.len = (uint8_t)strlen(ssid);
    memcpy(ap->bss.ssid.bytes, ssid, ap->bss.ssid.len);
    ap->bss.channel = 6;
    ap->bss.rssi = -40;
    ap->bss.auth = password[0] != '\0' ? AT_AUTH_WPA2_PSK : AT_AUTH_OPEN;
    ap->bss.pairwise = AT_CIPHER_CCMP;
    ap->bss.group = AT_CIPHER_CCMP;
    ap->bss.protocols = AT_PROTO_B | AT_PROTO_G | AT_PROTO_N;
    ap->bss.pmf = AT_PMF_CAPABLE;
    memcpy(ap->bss.country, "DE", 3);
    ap->bad_mic_reason = AT_REASON_4WAY_TIMEOUT;
    return ap;
}

fake_ap *fake_air_add_sae(fake_air *air, const char *ssid, const char *password, uint8_t auth)
{
    fake_ap *ap = fake_air_add(air, ssid, password, 1);

    ap->bss.auth = auth;
    ap->bss.pmf = AT_PMF_CAPABLE | AT_PMF_REQUIRED;
    ap->bss.sae = auth == AT_AUTH_OWE ? 0 : AT_SAE_LOOPING | AT_SAE_H2E;
    return ap;
}

void fake_air_run(fake_air *air, uint64_t us)
{
    air->until_us = air->now_us + us;
    do {
        at_loop_turn(&air->loop);
    } while (!(air->arrived && air->queued == 0 && air->loop.first_task == NULL));
    air->arrived = false;
}

at_join_params fake_params(const char *ssid, const char *password)
{
    at_join_params params = { .pmf = AT_PMF_CAPABLE, .listen_interval = 3 };

    params.ssid.len = (uint8_t)strlen(ssid);
    memcpy(params.ssid.bytes, ssid, params.ssid.len);
    at_copy_text(params.passphrase, sizeof params.passphrase, password);
    return params;
}

/* ---- common steps ---- */

int fake_setup(void **state)
{
    fake_air *air = malloc(sizeof *air);

    assert_non_null(air);
    fake_air_open(air);
    *state = air;
    return 0;
}

int fake_teardown(void **state)
{
    fake_air_close(*state);
    free(*state);
    return 0;
}

void fake_join(fake_air *air, const char *ssid, const char *password)
{
    at_join_params params = fake_params(ssid, password);

    assert_int_equal(at_station_join(air->station, &params), AT_OK);
}

at_station_state fake_state(const fake_air *air)
{
    return at_station_get(air->station, NULL);
}

void fake_assert_event(const fake_air *air, unsigned index, at_station_event event, int detail)
{
    assert_true(index < air->events);
    assert_int_equal(air->event[index].event, event);
    assert_int_equal(air->event[index].detail, detail);
}

/* The first attempt of a fresh station fails like this, and leaves it in LOST. */
void fake_assert_fails(fake_air *air, at_join_error error)
{
    assert_int_equal(air->events, 1);
    fake_assert_event(air, 0, AT_STATION_EV_FAILED, (int)error);
    assert_int_equal(fake_state(air), AT_STATION_LOST);
    assert_int_equal(air->loop.timer_count, 0);
}

fake_ap *fake_joined(fake_air *air)
{
    fake_ap *ap = fake_air_add(air, "home", "secret88", 1);

    fake_join(air, "home", "secret88");
    fake_air_run(air, 10 * FAKE_MS);
    assert_int_equal(fake_state(air), AT_STATION_JOINED);
    assert_int_equal(air->events, 1);
    air->events = 0;
    return ap;
}
