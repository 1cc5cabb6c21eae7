/* The access point's end of the four-way handshake (proto/eapol), and its keys.
 *
 * Messages are sent again each second, four times in all; without an answer, or at once after a
 * wrong MIC (another passphrase), the station is thrown out with reason 15. A real access point also
 * lets a wrong MIC run into the time-out; saying so at once costs nobody four seconds.
 *
 * The pairwise master key takes 4096 rounds of PBKDF2, 2 ms on either side. Message 1 needs no key,
 * so it leaves first, and both sides derive at the same time: with two cores a join takes half as
 * long. Access points with the same SSID and passphrase share the result. Like a real one, an access
 * point that was given time has its key before a station comes.
 */
#include "air/air_priv.h"

#include <string.h>

#include "core/bytes.h"

#define RETRY_US 1000000u
#define TRIES    4u

/* ---- the key ---- */

static void derive(air_ap *ap)
{
    at_air *air = ap->air;

    for (uint32_t i = 0; i < air->world.ap_count && !ap->pmk_ready; i++) {
        const air_ap *other = &air->aps[i];

        if (other->pmk_ready && air_same_ssid(&other->def->ssid, &ap->def->ssid) &&
            strcmp(other->def->password, ap->def->password) == 0) {
            memcpy(ap->pmk, other->pmk, sizeof ap->pmk);
            ap->pmk_ready = true;
        }
    }
    /* The world file's parser only takes passwords that this accepts. */
    if (!ap->pmk_ready)
        ap->pmk_ready = at_pmk_from_passphrase(ap->def->password, ap->def->ssid.bytes,
                                               ap->def->ssid.len, ap->pmk);
}

static bool takes_passphrase(at_auth_mode auth)
{
    return auth == AT_AUTH_WPA_PSK || auth == AT_AUTH_WPA2_PSK || auth == AT_AUTH_WPA_WPA2_PSK ||
           auth == AT_AUTH_WPA2_WPA3_PSK;
}

bool at_air_make_key(at_air *air)
{
    while (air->keys_made < air->world.ap_count) {
        air_ap *ap = &air->aps[air->keys_made++];

        if (ap->pmk_ready || !takes_passphrase(ap->def->auth))
            continue;
        derive(ap);
        return true;
    }
    return false;
}

/* Runs in two turns: between them the port's owner hands message 1 to the radio. */
static void derive_later(void *arg)
{
    air_ap *ap = arg;

    if (ap->pmk_ready)
        return;
    if (ap->derive_waited)
        derive(ap);
    else
        at_loop_post(ap->air->config.loop, &ap->derive);
    ap->derive_waited = true;
}

void air_handshake_init(air_ap *ap)
{
    at_task_init(&ap->derive, derive_later, ap);
}

void air_handshake_stop(air_ap *ap)
{
    if (ap->derive.run != NULL)
        at_loop_unpost(ap->air->config.loop, &ap->derive);
}

/* ---- the messages ---- */

static void send_eapol(at_air_port *port, const uint8_t *frame, size_t len)
{
    if (len > 0 && !port->effects.kinds[AT_FAULT_NO_EAPOL])
        air_deliver(port, frame, len);
}

void air_handshake_start(at_air_port *port)
{
    at_air *air = port->air;
    air_ap *ap = port->ap;
    uint8_t frame[AT_EAPOL_FRAME_MAX], nonce[AT_NONCE_LEN];
    bool psk = at_akm_of(port->wanted) == AT_AKM_PSK, sae = at_akm_of(port->wanted) == AT_AKM_SAE;
    at_suite suite;
    at_bss bss;
    size_t len;

    air_set_state(port, AIR_HANDSHAKE);
    air_describe(ap, &bss);
    at_suite_make(&suite, &bss, port->wanted, port->pmf, sae ? port->pmksa.pmkid : NULL);
    air->config.random->fill(air->config.random->ctx, nonce, sizeof nonce);
    len = at_eapol_start_authenticator(&port->eapol, ap->def->bssid, port->mac, &suite,
                                       psk ? ap->pmk : port->pmk, nonce, &ap->group, frame);
    port->tries = 1;
    at_timer_in(air->config.loop, &port->timer, RETRY_US);
    send_eapol(port, frame, len);
    if (psk && !ap->pmk_ready)
        at_loop_post(air->config.loop, &ap->derive);
}

void air_handshake_timeout(at_air_port *port)
{
    uint8_t frame[AT_EAPOL_FRAME_MAX];

    if (port->tries++ < TRIES) {
        at_timer_in(port->air->config.loop, &port->timer, RETRY_US);
        send_eapol(port, frame, at_eapol_again(&port->eapol, frame));
        return;
    }
    air_tell(port, "did not finish the handshake with", "reason 15");
    air_deauth(port, AT_REASON_4WAY_TIMEOUT);
}

void air_eapol_input(at_air_port *port, const uint8_t *frame, size_t len)
{
    uint8_t reply[AT_EAPOL_FRAME_MAX];
    size_t reply_len = 0;

    if (port->state != AIR_HANDSHAKE && port->state != AIR_JOINED) {
        port->air->counters.unjoined++;
        return;
    }
    if (port->ap->host != NULL) {
        air_deliver(port->ap->host, frame, len);
        return;
    }
    if (port->eapol.state == AT_EAPOL_WAIT_2 && port->eapol.suite.akm == AT_AKM_PSK) {
        derive(port->ap);
        memcpy(port->eapol.pmk, port->ap->pmk, sizeof port->eapol.pmk);
    }
    switch (at_eapol_input(&port->eapol, frame, len, reply, &reply_len)) {
    case AT_EAPOL_IGNORED: break;
    case AT_EAPOL_REPLY:
        port->tries = 1;
        at_timer_in(port->air->config.loop, &port->timer, RETRY_US);
        send_eapol(port, reply, reply_len);
        break;
    case AT_EAPOL_DONE:
        send_eapol(port, reply, reply_len);
        if (port->state != AIR_HANDSHAKE)
            break;
        if (port->eapol.suite.mfp)
            at_pmf_start(&port->protection, port->eapol.keys.tk);
        air_joined(port);
        break;
    case AT_EAPOL_BAD_MIC:
        if (port->state != AIR_HANDSHAKE)
            break;
        air_tell(port, "has another password than", "reason 15");
        air_deauth(port, AT_REASON_4WAY_TIMEOUT);
        break;
    }
}
