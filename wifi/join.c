/* One attempt to join: scan, authenticate, associate, four-way handshake (IEEE 802.11-2020 4.5.4).
 *
 *   SCANNING        the scan of the join collects candidates (candidate.c). scan_mode 0 takes the first
 *                   good one, scan_mode 1 the strongest when the scan has ended.
 *   AUTHENTICATING  open system or SAE (authenticate.c); a request goes out three times, 300 ms apart
 *   ASSOCIATING     the same, but an access point may take its time (join_ms of a world): the station
 *                   goes on listening after the third request, 10 s in all
 *   HANDSHAKE       proto/eapol as supplicant; left out for an open network
 *
 * Every wait has the one timer of the state. How an attempt ends decides the <error code>: nothing
 * found 3; a refusal by the access point or no answer to a request 4; a wrong password 2, which is
 * either the access point saying so (deauthentication with reason 15 or 2) or its silence after our
 * message 2, since it drops a message whose MIC does not fit; silence before message 1 is a time-out, 1.
 * With SAE a wrong password shows in the answer to our confirm.
 * A message 3 with a wrong MIC is not the access point's, which has checked ours: it is ignored.
 */
#include "wifi/station_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

#define LOG(s, level, ...) at_log((s)->config.log, level, "wifi", __VA_ARGS__)

bool at_station_attempting(const at_station *s)
{
    return s->state >= AT_STATION_SCANNING && s->state <= AT_STATION_HANDSHAKE;
}

/* ---- requests ---- */

static void send_assoc(at_station *s)
{
    at_mgmt m = { .type = AT_MGMT_ASSOC };
    const uint8_t *pmkid = at_station_pmkid(s);

    m.assoc.ssid = s->params.ssid;
    m.assoc.auth = s->wanted;
    m.assoc.pmf = at_station_pmf_offer(s);
    m.assoc.protocols = s->protocols;
    m.assoc.listen_interval = s->params.listen_interval;
    m.assoc.has_pmkid = pmkid != NULL;
    if (pmkid != NULL)
        memcpy(m.assoc.pmkid, pmkid, sizeof m.assoc.pmkid);
    m.assoc.dh = s->owe.own;
    memcpy(m.to, s->bss.bssid, sizeof m.to);
    at_station_transmit_mgmt(s, &m);
}

void at_station_wait_answer(at_station *s)
{
    s->tries++;
    at_timer_in(s->config.loop, &s->timer, AT_STATION_ANSWER_US);
}

static void send_request(at_station *s)
{
    at_station_wait_answer(s);
    if (s->state == AT_STATION_AUTHENTICATING)
        at_station_auth_again(s);
    else
        send_assoc(s);
}

void at_station_enter(at_station *s, at_station_state state)
{
    s->tries = 0;
    at_station_set_state(s, state);
    if (state == AT_STATION_AUTHENTICATING)
        at_station_auth_begin(s);
    else
        send_request(s);
}

/* ---- the scan ---- */

static void on_found(void *arg, const at_bss *bss)
{
    at_station *s = arg;
    const char *why;
    at_verdict verdict = at_station_judge(&s->params, bss, &why);
    char bssid[18];

    if (verdict == AT_VERDICT_OTHER)
        return;
    if (verdict != AT_VERDICT_GOOD) {
        at_format_mac(bssid, bss->bssid);
        LOG(s, AT_LOG_WARN, "access point %s (%s) is passed over: %s", bssid,
            at_auth_mode_name(bss->auth), why);
    }
    if (verdict > s->verdict || (verdict == AT_VERDICT_GOOD && bss->rssi > s->bss.rssi)) {
        s->verdict = verdict;
        s->bss = *bss;
    }
    if (verdict == AT_VERDICT_GOOD && s->params.scan_mode == 0) {
        at_scan_end(s);
        at_station_enter(s, AT_STATION_AUTHENTICATING);
    }
}

static void on_scanned(void *arg, at_err err)
{
    at_station *s = arg;

    (void)err;
    switch (s->verdict) {
    case AT_VERDICT_GOOD: at_station_enter(s, AT_STATION_AUTHENTICATING); break;
    case AT_VERDICT_REFUSED: at_station_attempt_failed(s, AT_JOIN_FAILED); break;
    case AT_VERDICT_PASSWORD: at_station_attempt_failed(s, AT_JOIN_PASSWORD); break;
    case AT_VERDICT_UNWANTED:
    case AT_VERDICT_OTHER: at_station_attempt_failed(s, AT_JOIN_NOT_FOUND); break;
    }
}

void at_station_attempt(at_station *s)
{
    at_scan_params look = { .ssid = s->params.ssid };

    if (s->params.use_bssid) {
        look.use_bssid = true;
        memcpy(look.bssid, s->params.bssid, sizeof look.bssid);
    }
    s->verdict = AT_VERDICT_OTHER;
    s->answered = false;
    at_station_set_state(s, AT_STATION_SCANNING);
    at_scan_begin(s, &look, on_found, on_scanned, s);
}

/* ---- the handshake ---- */

static void start_handshake(at_station *s, const at_mgmt *answer)
{
    uint8_t nonce[AT_NONCE_LEN], pmk[AT_PMK_LEN];
    at_suite suite;

    if (!at_station_key(s, answer, pmk)) {
        at_station_attempt_failed(s, s->wanted == AT_AUTH_OWE ? AT_JOIN_FAILED : AT_JOIN_PASSWORD);
        return;
    }
    at_suite_make(&suite, &s->bss, s->wanted, at_station_pmf_offer(s), at_station_pmkid(s));
    s->config.random->fill(s->config.random->ctx, nonce, sizeof nonce);
    at_eapol_start_supplicant(&s->eapol, s->mac, s->bss.bssid, &suite, pmk, nonce);
    at_wipe(pmk, sizeof pmk);
    at_station_set_state(s, AT_STATION_HANDSHAKE);
    at_timer_in(s->config.loop, &s->timer, AT_STATION_HANDSHAKE_US);
}

static void keys_are_set(at_station *s)
{
    if (s->eapol.suite.mfp)
        at_pmf_start(&s->pmf, s->eapol.keys.tk);
    at_station_now_joined(s);
}

/* Also while joined: the access point repeats message 3 when our message 4 was lost. */
void at_station_eapol(at_station *s, const uint8_t *frame, size_t len)
{
    uint8_t reply[AT_EAPOL_FRAME_MAX];
    size_t reply_len = 0;
    at_eapol_step step;

    if (s->state != AT_STATION_HANDSHAKE && s->state != AT_STATION_JOINED)
        return;
    if (memcmp(frame + 6, s->bss.bssid, 6) != 0)
        return;
    step = at_eapol_input(&s->eapol, frame, len, reply, &reply_len);
    if (step == AT_EAPOL_BAD_MIC) {
        LOG(s, AT_LOG_WARN, "an EAPOL message with a wrong MIC is ignored");
        return;
    }
    if ((step == AT_EAPOL_REPLY || step == AT_EAPOL_DONE) && reply_len > 0)
        at_station_transmit(s, reply, reply_len);
    if (s->state != AT_STATION_HANDSHAKE)
        return;
    if (step == AT_EAPOL_REPLY)
        s->answered = true;
    else if (step == AT_EAPOL_DONE)
        keys_are_set(s);
}

/* ---- answers ---- */

static void on_assoc_answer(at_station *s, const at_mgmt *m)
{
    if (s->state != AT_STATION_ASSOCIATING)
        return;
    if (m->assoc_answer.status == AT_STATUS_INVALID_PMKID && s->use_pmksa) {
        LOG(s, AT_LOG_INFO, "the access point has forgotten our key, SAE makes a new one");
        s->pmksa.valid = false;
        at_station_enter(s, AT_STATION_AUTHENTICATING);
    } else if (m->assoc_answer.status != AT_STATUS_OK) {
        LOG(s, AT_LOG_WARN, "association refused with status %u", m->assoc_answer.status);
        at_station_attempt_failed(s, AT_JOIN_FAILED);
    } else {
        if (!at_auth_has_password(s->bss.auth) && s->params.passphrase[0] != '\0')
            LOG(s, AT_LOG_INFO, "the network is open, the password is not used");
        if (s->bss.auth == AT_AUTH_OPEN)
            at_station_now_joined(s);
        else
            start_handshake(s, m);
    }
}

static void on_deauth(at_station *s, const at_mgmt *m)
{
    bool password =
        s->state == AT_STATION_HANDSHAKE &&
        (m->deauth.reason == AT_REASON_4WAY_TIMEOUT || m->deauth.reason == AT_REASON_AUTH_EXPIRED);

    if (s->state < AT_STATION_AUTHENTICATING || s->state > AT_STATION_HANDSHAKE)
        return;
    password = password && at_auth_has_password(s->bss.auth);
    LOG(s, AT_LOG_WARN, "deauthenticated with reason %u%s", m->deauth.reason,
        password ? ": the password is wrong" : "");
    at_station_attempt_failed(s, password ? AT_JOIN_PASSWORD : AT_JOIN_FAILED);
}

void at_station_attempt_mgmt(at_station *s, const at_mgmt *m)
{
    switch (m->type) {
    case AT_MGMT_AUTH:
        if (s->state == AT_STATION_AUTHENTICATING)
            at_station_auth_input(s, m);
        break;
    case AT_MGMT_ASSOC_ANSWER: on_assoc_answer(s, m); break;
    case AT_MGMT_DEAUTH: on_deauth(s, m); break;
    default: break;
    }
}

void at_station_attempt_timer(at_station *s)
{
    if (s->state == AT_STATION_HANDSHAKE) {
        LOG(s, AT_LOG_WARN, "no keys after 10 s: %s",
            s->answered ? "the password is probably wrong" : "the access point did not begin");
        at_station_attempt_failed(s, s->answered ? AT_JOIN_PASSWORD : AT_JOIN_TIMEOUT);
    } else if (s->tries < AT_STATION_TRIES) {
        send_request(s);
    } else if (s->state == AT_STATION_ASSOCIATING && s->tries == AT_STATION_TRIES) {
        s->tries++;
        at_timer_in(s->config.loop, &s->timer, AT_STATION_PATIENCE_US);
    } else {
        bool confirmed = s->sae.state == AT_SAE_CONFIRMED;

        LOG(s, AT_LOG_WARN, "no answer while %s%s", at_station_state_name(s->state),
            confirmed ? ": the password is probably wrong" : "");
        at_station_attempt_failed(s, confirmed ? AT_JOIN_PASSWORD : AT_JOIN_FAILED);
    }
}
