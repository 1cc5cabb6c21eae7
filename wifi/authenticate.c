/* Authentication, and the key that an association starts its handshake with.
 *
 *     WPA2    open system; the PMK is made of SSID and password. It takes 4096 rounds of PBKDF2, so the
 *             station keeps the last one, and its owner may bring it back after a restart, as the part
 *             does from its flash.
 *     WPA3    SAE (proto/sae): commit and confirm, each repeated like any request. Hash-to-element when
 *             the access point's beacon offers it, else looping. The PMK is kept with its PMKID: the next
 *             association with the same access point and password is open system with that PMKID, and
 *             costs no elliptic curves. An access point that has forgotten it says so (status 53).
 *     OWE     open system; a fresh key pair goes into the association request, the PMK comes with the
 *             answer.
 */
#include "wifi/station_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

#define LOG(s, level, ...) at_log((s)->config.log, level, "wifi", __VA_ARGS__)

static bool same_ssid(const at_ssid *a, const at_ssid *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

uint8_t at_station_pmf_offer(const at_station *s)
{
    return (s->params.pmf & AT_PMF_REQUIRED) != 0 ? AT_PMF_CAPABLE | AT_PMF_REQUIRED
                                                  : s->params.pmf;
}

static bool with_sae(const at_station *s)
{
    return at_akm_of(s->wanted) == AT_AKM_SAE && !s->use_pmksa;
}

const uint8_t *at_station_pmkid(const at_station *s)
{
    if (at_akm_of(s->wanted) != AT_AKM_SAE)
        return NULL;
    return s->use_pmksa ? s->pmksa.pmkid : s->sae.pmkid;
}

/* ---- requests ---- */

static void send_auth(at_station *s, const at_mgmt_auth *auth)
{
    at_mgmt m = { .type = AT_MGMT_AUTH, .auth = *auth };

    memcpy(m.to, s->bss.bssid, sizeof m.to);
    at_station_transmit_mgmt(s, &m);
}

static void send_open(at_station *s)
{
    const at_mgmt_auth open = { .algorithm = AT_AUTH_ALG_OPEN, .sequence = 1 };

    send_auth(s, &open);
}

/* A key of an earlier exchange counts for the same password, address and access point only. */
static bool has_pmksa(at_station *s)
{
    const at_pmksa *known = &s->pmksa;

    if (strcmp(s->secret.password, s->params.passphrase) != 0 ||
        !same_ssid(&s->secret.ssid, &s->params.ssid))
        s->pmksa.valid = false;
    return known->valid && memcmp(known->own, s->mac, 6) == 0 &&
           memcmp(known->bssid, s->bss.bssid, 6) == 0;
}

static void start_sae(at_station *s)
{
    bool h2e = (s->bss.sae & AT_SAE_H2E) != 0;
    at_mgmt_auth commit;

    at_sae_secret_set(&s->secret, &s->params.ssid, s->params.passphrase);
    if (at_sae_start(&s->sae, s->mac, s->bss.bssid, &s->secret, h2e, s->config.random, &commit) !=
        AT_OK) {
        LOG(s, AT_LOG_ERROR, "no memory for SAE");
        at_station_attempt_failed(s, AT_JOIN_FAILED);
        return;
    }
    LOG(s, AT_LOG_DEBUG, "SAE with %s", h2e ? "hash-to-element" : "looping");
    at_station_wait_answer(s);
    send_auth(s, &commit);
}

void at_station_auth_begin(at_station *s)
{
    s->wanted = at_auth_wanted(s->bss.auth, s->params.pmf);
    s->use_pmksa = at_akm_of(s->wanted) == AT_AKM_SAE && has_pmksa(s);
    if (s->wanted == AT_AUTH_OWE && at_owe_start(&s->owe, s->config.random) != AT_OK) {
        LOG(s, AT_LOG_ERROR, "no memory for OWE");
        at_station_attempt_failed(s, AT_JOIN_FAILED);
    } else if (with_sae(s)) {
        start_sae(s);
    } else {
        at_station_wait_answer(s);
        send_open(s);
    }
}

void at_station_auth_again(at_station *s)
{
    at_mgmt_auth auth;

    if (!with_sae(s))
        send_open(s);
    else if (at_sae_again(&s->sae, &auth))
        send_auth(s, &auth);
}

/* ---- answers ---- */

static void keep_pmksa(at_station *s)
{
    at_pmksa *known = &s->pmksa;

    known->valid = true;
    memcpy(known->own, s->mac, 6);
    memcpy(known->bssid, s->bss.bssid, 6);
    memcpy(known->pmk, s->sae.pmk, sizeof known->pmk);
    memcpy(known->pmkid, s->sae.pmkid, sizeof known->pmkid);
}

static void sae_input(at_station *s, const at_mgmt_auth *in)
{
    at_mgmt_auth out;

    switch (at_sae_input(&s->sae, 0, in, &out)) {
    case AT_SAE_IGNORED: break;
    case AT_SAE_SEND:
        s->tries = 0;
        at_station_wait_answer(s);
        send_auth(s, &out);
        break;
    case AT_SAE_DONE:
        keep_pmksa(s);
        at_station_enter(s, AT_STATION_ASSOCIATING);
        break;
    case AT_SAE_WRONG:
        LOG(s, AT_LOG_WARN, "SAE confirm refused with status %u: the password is wrong",
            in->status);
        at_station_attempt_failed(s, AT_JOIN_PASSWORD);
        break;
    case AT_SAE_REFUSED:
        LOG(s, AT_LOG_WARN, "SAE refused with status %u", in->status);
        at_station_attempt_failed(s, AT_JOIN_FAILED);
        break;
    case AT_SAE_FAILED:
        LOG(s, AT_LOG_ERROR, "no memory for SAE");
        at_station_attempt_failed(s, AT_JOIN_FAILED);
        break;
    }
}

void at_station_auth_input(at_station *s, const at_mgmt *m)
{
    if (with_sae(s)) {
        if (m->auth.algorithm == AT_AUTH_ALG_SAE) {
            sae_input(s, &m->auth);
            return;
        }
    } else if (m->auth.sequence != 2) {
        return;
    } else if (m->auth.status == AT_STATUS_OK) {
        at_station_enter(s, AT_STATION_ASSOCIATING);
        return;
    }
    if (m->auth.status == AT_STATUS_OK)
        return;
    LOG(s, AT_LOG_WARN, "authentication refused with status %u", m->auth.status);
    at_station_attempt_failed(s, AT_JOIN_FAILED);
}

/* ---- the key ---- */

static bool know_pmk(at_station *s)
{
    at_pmk_record *pmk = &s->pmk;

    if (s->has_pmk && same_ssid(&pmk->ssid, &s->params.ssid) &&
        strcmp(pmk->passphrase, s->params.passphrase) == 0)
        return true;
    memset(pmk, 0, sizeof *pmk);
    pmk->ssid = s->params.ssid;
    at_copy_text(pmk->passphrase, sizeof pmk->passphrase, s->params.passphrase);
    s->has_pmk = at_pmk_from_passphrase(pmk->passphrase, pmk->ssid.bytes, pmk->ssid.len, pmk->pmk);
    return s->has_pmk;
}

bool at_station_key(at_station *s, const at_mgmt *answer, uint8_t pmk[AT_PMK_LEN])
{
    at_err err;

    switch (at_akm_of(s->wanted)) {
    case AT_AKM_PSK:
        if (know_pmk(s)) {
            memcpy(pmk, s->pmk.pmk, AT_PMK_LEN);
            return true;
        }
        LOG(s, AT_LOG_WARN, "no key can be made of this password");
        return false;
    case AT_AKM_SAE: memcpy(pmk, s->use_pmksa ? s->pmksa.pmk : s->sae.pmk, AT_PMK_LEN); return true;
    case AT_AKM_OWE:
        err = at_owe_finish(&s->owe, true, &answer->assoc_answer.dh, s->config.random, pmk);
        if (err != AT_OK)
            LOG(s, AT_LOG_WARN, "no key comes out of OWE: %s", at_err_text(err));
        return err == AT_OK;
    case AT_AKM_NONE: break;
    }
    return false;
}

bool at_station_pmk(const at_station *s, at_pmk_record *record)
{
    if (at_akm_of(s->wanted) != AT_AKM_PSK)
        return false;
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
