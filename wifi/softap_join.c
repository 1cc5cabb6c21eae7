/* A station joins the SoftAP: authentication, association, the authenticator's end of the four-way
 * handshake (proto/eapol).
 *
 *   AUTH   always answered; an open system authentication takes a slot. A station that is known starts
 *          over: what it had ends, and leaving is told when it was joined. When every slot is taken
 *          one that has not associated yet gives way.
 *   ASSOC  refused with a status when the SSID, the authentication mode or the room do not fit. Room is
 *          <max conn> of AT+CWSAP and counts stations from association on.
 *   keys   message 1 at once; each message is repeated every second, four times in all. A wrong MIC in
 *          message 2 is another password: thrown out with reason 15, which the station reports as
 *          error 2. The 4096 rounds of PBKDF2 run once for an SSID and password, when they are needed.
 *
 * A slot that has authenticated and does nothing more is freed after five seconds. */
#include <string.h>

#include "core/bytes.h"
#include "wifi/softap_priv.h"

#define ASSOC_US  5000000u
#define RETRY_US  1000000u
#define TRIES     4u
#define SEQUENCE  2u
#define FIRST_AID 1u

#define LOG(s, level, ...) at_log((s)->config.log, level, "softap", __VA_ARGS__)

/* ---- authentication ---- */

static at_softap_slot *take_slot(at_softap *s)
{
    at_softap_slot *waiting = NULL;

    for (unsigned i = 0; i < AT_SOFTAP_SLOTS; i++) {
        if (s->slots[i].state == AT_SOFTAP_FREE)
            return &s->slots[i];
        if (s->slots[i].state == AT_SOFTAP_AUTHENTICATED && waiting == NULL)
            waiting = &s->slots[i];
    }
    if (waiting != NULL)
        at_softap_drop(waiting, 0, "gives way to another station");
    return waiting;
}

static void answer_auth(at_softap *s, const at_mgmt *request, uint16_t status)
{
    at_mgmt m = { .type = AT_MGMT_AUTH };

    m.auth.algorithm = request->auth.algorithm;
    m.auth.sequence = SEQUENCE;
    m.auth.status = status;
    at_softap_transmit_mgmt(s, request->from, &m);
}

static void auth_input(at_softap *s, const at_mgmt *m)
{
    at_softap_slot *slot = at_softap_find(s, m->from);

    if (m->auth.sequence != 1 || (m->from[0] & 1u) != 0)
        return;
    if (m->auth.algorithm != AT_AUTH_ALG_OPEN) {
        answer_auth(s, m, AT_STATUS_AUTH_ALGORITHM);
        return;
    }
    if (slot != NULL)
        at_softap_drop(slot, 0, "starts over");
    else
        slot = take_slot(s);
    if (slot == NULL) {
        answer_auth(s, m, AT_STATUS_AP_FULL);
        return;
    }
    memcpy(slot->mac, m->from, 6);
    at_softap_set_state(slot, AT_SOFTAP_AUTHENTICATED);
    at_timer_in(s->config.loop, &slot->timer, ASSOC_US);
    answer_auth(s, m, AT_STATUS_OK);
}

/* ---- the handshake ---- */

static bool know_pmk(at_softap *s)
{
    if (!s->has_pmk)
        s->has_pmk = at_pmk_from_passphrase(s->params.passphrase, s->params.ssid.bytes,
                                            s->params.ssid.len, s->pmk);
    return s->has_pmk;
}

static void send_and_wait(at_softap_slot *slot, const uint8_t *frame, size_t len)
{
    at_timer_in(slot->softap->config.loop, &slot->timer, RETRY_US);
    if (len > 0)
        at_softap_transmit(slot->softap, frame, len);
}

static void start_handshake(at_softap_slot *slot)
{
    at_softap *s = slot->softap;
    uint8_t frame[AT_EAPOL_FRAME_MAX], nonce[AT_NONCE_LEN];
    at_suite suite;
    at_bss bss;

    if (!know_pmk(s)) {
        at_softap_drop(slot, AT_REASON_UNSPECIFIED, "no key can be made of the password");
        return;
    }
    s->config.random->fill(s->config.random->ctx, nonce, sizeof nonce);
    at_softap_describe(s, &bss);
    at_suite_make(&suite, &bss, slot->wanted, slot->pmf, NULL);
    slot->tries = 1;
    send_and_wait(slot, frame,
                  at_eapol_start_authenticator(&slot->eapol, s->bssid, slot->mac, &suite, s->pmk,
                                               nonce, &s->group, frame));
}

static void joined(at_softap_slot *slot)
{
    at_mgmt m = { .type = AT_MGMT_KEYS };
    char mac[18];

    at_format_mac(mac, slot->mac);
    if (slot->eapol.suite.mfp)
        at_pmf_start(&slot->protection, slot->eapol.keys.tk);
    LOG(slot->softap, AT_LOG_INFO, "%s joined%s", mac, slot->protection.on ? ", PMF" : "");
    at_softap_transmit_mgmt(slot->softap, slot->mac, &m);
    at_softap_set_state(slot, AT_SOFTAP_JOINED);
}

void at_softap_eapol(at_softap *s, const uint8_t *frame, size_t len)
{
    at_softap_slot *slot = at_softap_find(s, frame + 6);
    uint8_t reply[AT_EAPOL_FRAME_MAX];
    size_t reply_len = 0;

    if (slot == NULL || slot->state < AT_SOFTAP_HANDSHAKE || s->params.auth == AT_AUTH_OPEN)
        return;
    switch (at_eapol_input(&slot->eapol, frame, len, reply, &reply_len)) {
    case AT_EAPOL_IGNORED: break;
    case AT_EAPOL_REPLY:
        slot->tries = 1;
        send_and_wait(slot, reply, reply_len);
        break;
    case AT_EAPOL_DONE:
        if (slot->state == AT_SOFTAP_HANDSHAKE)
            joined(slot);
        break;
    case AT_EAPOL_BAD_MIC:
        if (slot->state == AT_SOFTAP_HANDSHAKE)
            at_softap_drop(slot, AT_REASON_4WAY_TIMEOUT, "has another password");
        break;
    }
}

/* ---- association ---- */

static uint16_t assoc_status(const at_softap *s, const at_mgmt *m, const char **why)
{
    const at_ssid *ssid = &s->params.ssid;

    if (m->assoc.ssid.len != ssid->len ||
        memcmp(m->assoc.ssid.bytes, ssid->bytes, ssid->len) != 0) {
        *why = "is refused: another SSID";
        return AT_STATUS_FAILURE;
    }
    if (!at_auth_fits(s->params.auth, m->assoc.auth)) {
        *why = "is refused: the authentication mode does not fit";
        return AT_STATUS_INVALID_AKMP;
    }
    if ((m->assoc.pmf & AT_PMF_REQUIRED) != 0 && s->params.auth < AT_AUTH_WPA2_PSK) {
        *why = "is refused: it requires protected management frames";
        return AT_STATUS_PMF_POLICY;
    }
    if (at_softap_associated(s) >= s->params.max_stations) {
        *why = "is refused: <max conn> stations are connected";
        return AT_STATUS_AP_FULL;
    }
    return AT_STATUS_OK;
}

static void assoc_input(at_softap *s, const at_mgmt *m)
{
    at_softap_slot *slot = at_softap_find(s, m->from);
    at_mgmt answer = { .type = AT_MGMT_ASSOC_ANSWER };
    const char *why = "";

    if (slot == NULL || slot->state != AT_SOFTAP_AUTHENTICATED)
        return;
    answer.assoc_answer.status = assoc_status(s, m, &why);
    answer.assoc_answer.aid = (uint16_t)((size_t)(slot - s->slots) + FIRST_AID);
    at_softap_transmit_mgmt(s, slot->mac, &answer);
    if (answer.assoc_answer.status != AT_STATUS_OK) {
        at_softap_drop(slot, 0, why);
        return;
    }
    slot->wanted = m->assoc.auth;
    slot->pmf = m->assoc.pmf;
    at_softap_set_state(slot, AT_SOFTAP_HANDSHAKE);
    if (s->params.auth == AT_AUTH_OPEN)
        joined(slot);
    else
        start_handshake(slot);
}

static void answer_query(at_softap *s, const at_mgmt *m)
{
    at_mgmt answer = { .type = AT_MGMT_SA_QUERY, .sa_query = m->sa_query };

    answer.sa_query.answer = true;
    at_softap_transmit_mgmt(s, m->from, &answer);
}

/* ---- all of it ---- */

void at_softap_mgmt(at_softap *s, const at_mgmt *m)
{
    at_softap_slot *slot = at_softap_find(s, m->from);

    if (slot != NULL && !at_pmf_accept(&slot->protection, m)) {
        LOG(s, AT_LOG_WARN, "a management frame that is not protected is not believed");
        return;
    }
    switch (m->type) {
    case AT_MGMT_AUTH: auth_input(s, m); break;
    case AT_MGMT_ASSOC: assoc_input(s, m); break;
    case AT_MGMT_SA_QUERY:
        if (slot != NULL && slot->protection.on && !m->sa_query.answer)
            answer_query(s, m);
        break;
    case AT_MGMT_DEAUTH:
        if (slot != NULL)
            at_softap_drop(slot, 0, "left");
        break;
    case AT_MGMT_STATION_LOST:
        if (slot != NULL)
            at_softap_drop(slot, AT_REASON_INACTIVITY, "was not heard any more");
        break;
    default: break;
    }
}

void at_softap_timer(at_softap_slot *slot)
{
    uint8_t frame[AT_EAPOL_FRAME_MAX];

    if (slot->state == AT_SOFTAP_AUTHENTICATED)
        at_softap_drop(slot, AT_REASON_AUTH_EXPIRED, "did not associate");
    else if (slot->state == AT_SOFTAP_HANDSHAKE && slot->tries++ < TRIES)
        send_and_wait(slot, frame, at_eapol_again(&slot->eapol, frame));
    else if (slot->state == AT_SOFTAP_HANDSHAKE)
        at_softap_drop(slot, AT_REASON_4WAY_TIMEOUT, "did not finish the handshake");
}
