/* The access point's end of SAE, and where the keys of WPA3 and OWE come from.
 *
 * A commit makes the radio a member in AUTHENTICATING and costs the access point some four point
 * multiplications. When sae_tokens of a world file such exchanges are under way (default 5, as
 * dot11RSNASAEAntiCloggingThreshold), the next commit must bring a token first: that shows that its sender
 * hears the answers, and costs one hash. An exchange that does not go on is forgotten after five seconds.
 *
 * What SAE made is kept, one key per radio: the station's next association may name it by its PMKID and
 * do without SAE, until the access point loses power. OWE makes a new key for every association.
 */
#include "air/air_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

#define EXCHANGE_US 5000000u

/* ---- SAE ---- */

static uint32_t exchanges(const air_ap *ap)
{
    uint32_t count = 0;

    for (const at_air_port *port = ap->members; port != NULL; port = port->next_member)
        count += port->state == AIR_AUTHENTICATING ? 1u : 0u;
    return count;
}

static bool goes_on(const at_air_port *port, const air_ap *ap, const at_mgmt *m)
{
    if (port->ap != ap || memcmp(port->mac, m->from, 6) != 0)
        return false;
    return port->state == AIR_AUTHENTICATING ||
           (port->state == AIR_AUTHENTICATED && m->auth.sequence == 2);
}

/* False: it has to come back with a token, or does not begin with a commit. */
static bool begin(at_air_port *port, air_ap *ap, const at_mgmt *m)
{
    at_air *air = port->air;
    at_mgmt answer = { .type = AT_MGMT_AUTH };

    if (m->auth.sequence != 1)
        return false;
    air_start_over(port, ap, m->from);
    if (exchanges(ap) >= ap->def->sae_tokens &&
        !at_sae_token_good(ap->token_key, m->from, &m->auth)) {
        at_sae_token_ask(ap->token_key, m->from, &m->auth, &answer.auth);
        air_send_mgmt(port, ap->def->bssid, &answer);
        return false;
    }
    air_enter(port, ap);
    air_set_state(port, AIR_AUTHENTICATING);
    at_timer_in(air->config.loop, &port->timer, EXCHANGE_US);
    at_sae_secret_set(&ap->secret, &ap->def->ssid, ap->def->password);
    at_sae_listen(&port->sae, ap->def->bssid, port->mac, &ap->secret, air->config.random);
    return true;
}

static void accepted(at_air_port *port)
{
    air_pmksa *known = &port->pmksa;

    known->ap = port->ap;
    memcpy(known->mac, port->mac, 6);
    memcpy(known->pmk, port->sae.pmk, sizeof known->pmk);
    memcpy(known->pmkid, port->sae.pmkid, sizeof known->pmkid);
    at_timer_stop(port->air->config.loop, &port->timer);
    air_set_state(port, AIR_AUTHENTICATED);
}

void air_sae_input(at_air_port *port, air_ap *ap, const at_mgmt *m)
{
    at_mgmt answer = { .type = AT_MGMT_AUTH };
    at_sae_step step;

    if (!goes_on(port, ap, m) && !begin(port, ap, m))
        return;
    step = at_sae_input(&port->sae, ap->def->sae, &m->auth, &answer.auth);
    if (step == AT_SAE_DONE)
        accepted(port);
    if (step == AT_SAE_WRONG)
        air_tell(port, "has another password than", "SAE confirm refused");
    if (step == AT_SAE_REFUSED)
        air_tell(port, "is refused by", "SAE with a group or method that it does not take");
    if (step == AT_SAE_FAILED || step == AT_SAE_WRONG || step == AT_SAE_REFUSED)
        air_leave(port);
    if (step != AT_SAE_IGNORED && step != AT_SAE_FAILED)
        air_send_mgmt(port, ap->def->bssid, &answer);
}

void air_sae_timeout(at_air_port *port)
{
    air_tell(port, "did not finish SAE with", "");
    air_leave(port);
}

/* ---- the keys of an association ---- */

void air_pmksa_forget(air_ap *ap)
{
    for (at_air_port *port = ap->air->ports; port != NULL; port = port->next) {
        if (port->pmksa.ap == ap)
            at_wipe(&port->pmksa, sizeof port->pmksa);
    }
}

static uint16_t sae_key(at_air_port *port, const at_mgmt *m, const char **why)
{
    const air_pmksa *known = &port->pmksa;

    if (known->ap != port->ap || memcmp(known->mac, port->mac, 6) != 0 || !m->assoc.has_pmkid ||
        memcmp(known->pmkid, m->assoc.pmkid, sizeof known->pmkid) != 0) {
        *why = "no such key is known, SAE has to come first";
        return AT_STATUS_INVALID_PMKID;
    }
    memcpy(port->pmk, known->pmk, sizeof port->pmk);
    return AT_STATUS_OK;
}

static uint16_t owe_key(at_air_port *port, const at_mgmt *m, const char **why)
{
    const at_random *random = port->air->config.random;
    at_owe owe = { 0 };
    at_err err = at_owe_start(&owe, random);

    if (err == AT_OK)
        err = at_owe_finish(&owe, false, &m->assoc.dh, random, port->pmk);
    port->dh = owe.own;
    at_wipe(&owe, sizeof owe);
    if (err == AT_OK)
        return AT_STATUS_OK;
    *why = err == AT_ERR_NOMEM ? "no memory for OWE" : "OWE needs a point of group 19";
    return err == AT_ERR_UNSUPPORTED ? AT_STATUS_GROUP : AT_STATUS_FAILURE;
}

uint16_t air_assoc_key(at_air_port *port, const at_mgmt *m, const char **why)
{
    switch (at_akm_of(m->assoc.auth)) {
    case AT_AKM_SAE: return sae_key(port, m, why);
    case AT_AKM_OWE: return owe_key(port, m, why);
    case AT_AKM_PSK:
    case AT_AKM_NONE: break;
    }
    return AT_STATUS_OK;
}
