/* One attempt to join: scan, authenticate, associate, four-way handshake (IEEE 802.11-2016 4.5.4).
 *
 *   SCANNING        the scan of the join collects candidates (candidate.c). scan_mode 0 takes the first
 *                   good one, scan_mode 1 the strongest when the scan has ended.
 *   AUTHENTICATING  open system; the request goes out three times, 300 ms apart
 *   ASSOCIATING     the same, but an access point may take its time (join_ms of a world): the station
 *                   goes on listening after the third request, 10 s in all
 *   HANDSHAKE       proto/eapol as supplicant; left out for an open network
 *
 * Every wait has the one timer of the state. How an attempt ends decides the <error code>: nothing
 * found 3; a refusal by the access point or no answer to a request 4; a wrong password 2, which is
 * either the access point saying so (deauthentication with reason 15 or 2) or its silence after our
 * message 2, since it drops a message whose MIC does not fit; silence before message 1 is a time-out, 1.
 * A message 3 with a wrong MIC is not the access point's, which has checked ours: it is ignored.
 *
 * The PMK takes 4096 rounds of PBKDF2 and depends on SSID and passphrase only, so the station keeps the
 * last one, and its owner may bring it back after a restart, as the part does from its flash.
 */
#include "wifi/station_priv.h"

#include <string.h>

#include "core/bytes.h"

#define LOG(s, level, ...) at_log((s)->config.log, level, "wifi", __VA_ARGS__)

bool at_station_attempting(const at_station *s)
{
    return s->state >= AT_STATION_SCANNING && s->state <= AT_STATION_HANDSHAKE;
}

/* ---- requests ---- */

static void send_auth(at_station *s)
{
    at_mgmt m = { .type = AT_MGMT_AUTH };

    m.auth.algorithm = AT_AUTH_ALG_OPEN;
    m.auth.sequence = 1;
    memcpy(m.to, s->bss.bssid, sizeof m.to);
    at_station_transmit_mgmt(s, &m);
}

/* Of a mixed network the station asks for WPA2. */
static uint8_t auth_wanted(uint8_t offered)
{
    return offered == AT_AUTH_WPA_WPA2_PSK || offered == AT_AUTH_WPA2_WPA3_PSK ? AT_AUTH_WPA2_PSK
                                                                               : offered;
}

static void send_assoc(at_station *s)
{
    at_mgmt m = { .type = AT_MGMT_ASSOC };

    m.assoc.ssid = s->params.ssid;
    m.assoc.auth = auth_wanted(s->bss.auth);
    m.assoc.pmf =
        s->params.pmf & AT_PMF_REQUIRED ? AT_PMF_CAPABLE | AT_PMF_REQUIRED : s->params.pmf;
    m.assoc.protocols = s->protocols;
    m.assoc.listen_interval = s->params.listen_interval;
    memcpy(m.to, s->bss.bssid, sizeof m.to);
    at_station_transmit_mgmt(s, &m);
}

static void send_request(at_station *s)
{
    s->tries++;
    at_timer_in(s->config.loop, &s->timer, AT_STATION_ANSWER_US);
    if (s->state == AT_STATION_AUTHENTICATING)
        send_auth(s);
    else
        send_assoc(s);
}

static void enter(at_station *s, at_station_state state)
{
    s->tries = 0;
    at_station_set_state(s, state);
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
        enter(s, AT_STATION_AUTHENTICATING);
    }
}

static void on_scanned(void *arg, at_err err)
{
    at_station *s = arg;

    (void)err;
    switch (s->verdict) {
    case AT_VERDICT_GOOD: enter(s, AT_STATION_AUTHENTICATING); break;
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

static bool know_pmk(at_station *s)
{
    at_pmk_record *pmk = &s->pmk;

    if (s->has_pmk && pmk->ssid.len == s->params.ssid.len &&
        memcmp(pmk->ssid.bytes, s->params.ssid.bytes, pmk->ssid.len) == 0 &&
        strcmp(pmk->passphrase, s->params.passphrase) == 0)
        return true;
    memset(pmk, 0, sizeof *pmk);
    pmk->ssid = s->params.ssid;
    at_copy_text(pmk->passphrase, sizeof pmk->passphrase, s->params.passphrase);
    s->has_pmk = at_pmk_from_passphrase(pmk->passphrase, pmk->ssid.bytes, pmk->ssid.len, pmk->pmk);
    return s->has_pmk;
}

bool at_station_pmk(const at_station *s, at_pmk_record *record)
{
    if (s->has_pmk)
        *record = s->pmk;
    return s->has_pmk;
}

void at_station_set_pmk(at_station *s, const at_pmk_record *record)
{
    s->pmk = *record;
    s->has_pmk = record->ssid.len <= AT_SSID_MAX &&
                 memchr(record->passphrase, 0, sizeof record->passphrase) != NULL;
}

static void start_handshake(at_station *s)
{
    uint8_t nonce[AT_NONCE_LEN];

    if (!know_pmk(s)) {
        LOG(s, AT_LOG_WARN, "no key can be made of this password");
        at_station_attempt_failed(s, AT_JOIN_PASSWORD);
        return;
    }
    s->config.random->fill(s->config.random->ctx, nonce, sizeof nonce);
    at_eapol_start_supplicant(&s->eapol, s->mac, s->bss.bssid, s->pmk.pmk, nonce);
    at_station_set_state(s, AT_STATION_HANDSHAKE);
    at_timer_in(s->config.loop, &s->timer, AT_STATION_HANDSHAKE_US);
}

/* Also while joined: the access point repeats message 3 when our message 4 was lost. */
void at_station_eapol(at_station *s, const uint8_t *frame, size_t len)
{
    uint8_t reply[AT_EAPOL_FRAME_MAX];
    size_t reply_len = 0;
    at_eapol_step step;

    if (s->state != AT_STATION_HANDSHAKE && s->state != AT_STATION_JOINED)
        return;
    if (s->bss.auth == AT_AUTH_OPEN || memcmp(frame + 6, s->bss.bssid, 6) != 0)
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
        at_station_now_joined(s);
}

/* ---- answers ---- */

static void on_auth(at_station *s, const at_mgmt *m)
{
    if (s->state != AT_STATION_AUTHENTICATING || m->auth.sequence != 2)
        return;
    if (m->auth.status == AT_STATUS_OK) {
        enter(s, AT_STATION_ASSOCIATING);
        return;
    }
    LOG(s, AT_LOG_WARN, "authentication refused with status %u", m->auth.status);
    at_station_attempt_failed(s, AT_JOIN_FAILED);
}

static void on_assoc_answer(at_station *s, const at_mgmt *m)
{
    if (s->state != AT_STATION_ASSOCIATING)
        return;
    if (m->assoc_answer.status != AT_STATUS_OK) {
        LOG(s, AT_LOG_WARN, "association refused with status %u", m->assoc_answer.status);
        at_station_attempt_failed(s, AT_JOIN_FAILED);
    } else if (s->bss.auth == AT_AUTH_OPEN) {
        if (s->params.passphrase[0] != '\0')
            LOG(s, AT_LOG_INFO, "the network is open, the password is not used");
        at_station_now_joined(s);
    } else {
        start_handshake(s);
    }
}

static void on_deauth(at_station *s, const at_mgmt *m)
{
    bool password =
        s->state == AT_STATION_HANDSHAKE &&
        (m->deauth.reason == AT_REASON_4WAY_TIMEOUT || m->deauth.reason == AT_REASON_AUTH_EXPIRED);

    if (s->state < AT_STATION_AUTHENTICATING || s->state > AT_STATION_HANDSHAKE)
        return;
    LOG(s, AT_LOG_WARN, "deauthenticated with reason %u%s", m->deauth.reason,
        password ? ": the password is wrong" : "");
    at_station_attempt_failed(s, password ? AT_JOIN_PASSWORD : AT_JOIN_FAILED);
}

void at_station_attempt_mgmt(at_station *s, const at_mgmt *m)
{
    switch (m->type) {
    case AT_MGMT_AUTH: on_auth(s, m); break;
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
        LOG(s, AT_LOG_WARN, "no answer while %s", at_station_state_name(s->state));
        at_station_attempt_failed(s, AT_JOIN_FAILED);
    }
}
