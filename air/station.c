/* A radio and its access point: scan, authentication, association, handshake, leaving.
 *
 *     IDLE -AUTH-> AUTHENTICATED -ASSOC-> (ASSOCIATING: join_ms) -> HANDSHAKE -> JOINED
 *       `-- SAE --> AUTHENTICATING --^            `-- open network ------------->
 *
 * The access point's view; the radio's station has its own machine (wifi/). Anything that does not
 * fit the state is ignored, as an access point does; an AUTH starts over from any state. Leaving
 * ends everything the membership had: held frames, DNS queries, forwards, the uplink, the keys. SAE, and
 * the keys of WPA3 and OWE, are in sae.c.
 *
 * With PMF a deauthentication is protected in both directions, and one of the station's that is not is
 * not believed. What says that a radio is not associated (reason 7) comes without keys; the station asks
 * by an SA query then, and only who has its keys can answer.
 *
 * WEP, WAPI and 802.1X are shown in scans but cannot be joined: association is refused with a status, and
 * the log says why.
 */
#include "air/air_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

#define SCAN_CHANNELS 13u /* what a scan of all channels visits */

static const char *const state_names[AIR_STATES] = {
    [AIR_IDLE] = "idle",
    [AIR_AUTHENTICATING] = "authenticating",
    [AIR_AUTHENTICATED] = "authenticated",
    [AIR_ASSOCIATING] = "associating",
    [AIR_HANDSHAKE] = "handshake",
    [AIR_JOINED] = "joined",
};

const char *air_state_name(air_state state)
{
    return (unsigned)state < AIR_STATES ? state_names[state] : "?";
}

void air_tell(at_air_port *port, const char *what, const char *detail)
{
    char mac[18];

    at_format_mac(mac, port->mac);
    at_log(port->air->config.log, AT_LOG_INFO, "air", "%s %s %s%s%s", mac, what,
           port->ap != NULL ? port->ap->def->name : "", detail[0] != '\0' ? ": " : "", detail);
}

/* ---- membership ---- */

void air_set_state(at_air_port *port, air_state state)
{
    bool was_joined = port->state == AIR_JOINED, joins = state == AIR_JOINED;
    char mac[18];

    if (port->state == state)
        return;
    at_format_mac(mac, port->mac);
    at_log(port->air->config.log, AT_LOG_DEBUG, "air", "%s %s: %s -> %s", mac,
           port->ap != NULL ? port->ap->def->name : "-", air_state_name(port->state),
           air_state_name(state));
    port->state = state;
    if (was_joined != joins && !port->wired)
        air_event(port->air, "station", "\"mac\":\"%s\",\"ap\":\"%s\",\"joined\":%s", mac,
                  port->ap->def->name, joins ? "true" : "false");
}

void air_enter(at_air_port *port, air_ap *ap)
{
    at_air_port **link = &ap->members;

    while (*link != NULL)
        link = &(*link)->next_member;
    *link = port;
    port->next_member = NULL;
    port->ap = ap;
    air_add_up_link(port);
    if (port->wired)
        air_set_state(port, AIR_JOINED);
}

void air_leave(at_air_port *port)
{
    at_air *air = port->air;
    at_air_port **link;

    if (port->ap == NULL)
        return;
    air_learn_ip(port, 0);
    air_dns_cancel(port);
    air_uplink_close(port);
    air_aliases_free(&port->aliases, air->config.heap);
    air_aliases_free(&port->aliases6, air->config.heap);
    air_pipes_flush(port);
    at_timer_stop(air->config.loop, &port->timer);
    at_eapol_clear(&port->eapol);
    at_sae_clear(&port->sae);
    at_wipe(port->pmk, sizeof port->pmk);
    at_wipe(&port->protection, sizeof port->protection);
    if (port->state >= AIR_ASSOCIATING && !port->wired)
        port->ap->associated--;
    air_set_state(port, AIR_IDLE);
    for (link = &port->ap->members; *link != port; link = &(*link)->next_member)
        ;
    *link = port->next_member;
    port->ap = NULL;
}

void air_learn_ip(at_air_port *port, uint32_t ip)
{
    if (port->ip == ip)
        return;
    air_forwards_close(port);
    port->ip = ip;
    if (ip != 0)
        air_forwards_open(port);
}

void air_joined(at_air_port *port)
{
    at_timer_stop(port->air->config.loop, &port->timer);
    air_set_state(port, AIR_JOINED);
    air_tell(port, "joined", "");
}

/* ---- frames to the radio ---- */

void air_send_mgmt(at_air_port *port, const uint8_t from[6], at_mgmt *m)
{
    uint8_t frame[AT_MGMT_FRAME_MAX];
    size_t len;

    memcpy(m->from, from, 6);
    memcpy(m->to, port->mac, 6);
    len = at_pmf_encode(&port->protection, m, frame, sizeof frame);
    if (len > 0)
        air_deliver(port, frame, len);
}

static void send_deauth(at_air_port *port, const air_ap *ap, uint16_t reason)
{
    at_mgmt m = { .type = AT_MGMT_DEAUTH, .deauth = { .reason = reason } };

    air_send_mgmt(port, ap->def->bssid, &m);
}

void air_deauth(at_air_port *port, uint16_t reason)
{
    air_ap *ap = port->ap;

    if (ap->host != NULL) {
        air_hosted_left(port);
        return;
    }
    send_deauth(port, ap, reason); /* with the keys that are about to go */
    air_leave(port);
    port->heard = NULL;
}

void air_not_associated(at_air_port *port)
{
    air_ap *ap = port->heard;

    if (ap == NULL || !ap->on)
        return;
    port->heard = NULL;
    at_timer_stop(port->air->config.loop, &port->beacon_timer);
    send_deauth(port, ap, AT_REASON_CLASS_3);
}

int8_t air_rssi(const air_ap *ap, const at_air_port *port)
{
    const at_air *air = port->air;

    for (uint32_t i = 0; i < air->strength_count; i++) {
        const air_strength *own = &air->strengths[i];

        if (memcmp(own->station, port->mac, 6) == 0 && strcmp(own->ap, ap->def->name) == 0)
            return own->rssi;
    }
    return ap->rssi;
}

void air_tell_quality(at_air_port *port)
{
    at_mgmt m = { .type = AT_MGMT_QUALITY, .quality = { .rssi = air_rssi(port->ap, port) } };

    air_send_mgmt(port, port->ap->def->bssid, &m);
}

void air_beacon_lost(at_air_port *port)
{
    at_mgmt m = { .type = AT_MGMT_BEACON_LOST };
    const air_ap *ap = port->heard;

    port->heard = NULL;
    at_timer_stop(port->air->config.loop, &port->beacon_timer);
    if (ap != NULL)
        air_send_mgmt(port, ap->def->bssid, &m);
}

static void beacon_timer_fired(void *arg)
{
    air_beacon_lost(arg);
}

/* ---- scan ---- */

void air_describe(const air_ap *ap, at_bss *bss)
{
    const at_world_ap *def = ap->def;

    memset(bss, 0, sizeof *bss);
    memcpy(bss->bssid, def->bssid, 6);
    bss->ssid = def->ssid;
    bss->channel = def->channel;
    bss->rssi = ap->rssi;
    bss->auth = def->auth;
    bss->pairwise = (uint8_t)at_auth_pairwise(bss->auth);
    bss->group = (uint8_t)at_auth_group(bss->auth);
    bss->protocols = def->protocols;
    bss->pmf = def->auth == AT_AUTH_OPEN ? 0 : def->pmf;
    bss->wps = def->wps;
    memcpy(bss->country, def->country, sizeof bss->country);
    if (def->auth == AT_AUTH_WEP && strlen(def->password) % 13 == 0) /* 13 bytes or 26 digits */
        bss->pairwise = bss->group = AT_CIPHER_WEP104;
    if (def->auth == AT_AUTH_WPA3_PSK || def->auth == AT_AUTH_WPA2_WPA3_PSK)
        bss->sae = def->sae;
}

static void send_beacon(at_air_port *port, const air_ap *ap, bool with_ssid)
{
    at_mgmt m = { .type = AT_MGMT_BEACON, .beacon = { .token = port->scan_token } };

    air_describe(ap, &m.beacon.bss);
    m.beacon.bss.rssi = air_rssi(ap, port);
    if (!with_ssid)
        memset(&m.beacon.bss.ssid, 0, sizeof m.beacon.bss.ssid);
    air_send_mgmt(port, ap->def->bssid, &m);
}

bool air_same_ssid(const at_ssid *a, const at_ssid *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static void scan_result(at_air_port *port, const air_ap *ap)
{
    bool directed = port->scan_ssid.len > 0 && !port->scan_passive;
    bool match = air_same_ssid(&port->scan_ssid, &ap->def->ssid);

    if (!ap->on || (port->scan_channel != 0 && port->scan_channel != ap->def->channel))
        return;
    /* A hidden one shows its SSID only to a probe that names it. */
    if (port->scan_ssid.len > 0 && !match)
        return;
    if (ap->def->hidden && port->scan_ssid.len > 0 && !directed)
        return;
    send_beacon(port, ap, !ap->def->hidden || directed);
}

static void scan_finish(void *arg)
{
    at_air_port *port = arg;
    at_air *air = port->air;
    at_mgmt m = { .type = AT_MGMT_SCAN_DONE, .scan_done = { .token = port->scan_token } };

    for (air_ap *ap = air_next_ap(air, NULL); ap != NULL; ap = air_next_ap(air, ap)) {
        if (ap->host != port)
            scan_result(port, ap);
    }
    air_send_mgmt(port, air->aps[0].def->bssid, &m);
}

static void scan_start(at_air_port *port, const at_mgmt *m)
{
    at_air *air = port->air;
    uint64_t channels = m->scan.channel == 0 ? SCAN_CHANNELS : 1;

    if (port->ap == NULL) /* the answers go to whoever asks */
        memcpy(port->mac, m->from, 6);
    port->scan_token = m->scan.token; /* a new scan ends the one before */
    port->scan_channel = m->scan.channel;
    port->scan_passive = m->scan.passive;
    port->scan_ssid = m->scan.ssid;
    if (air->world.scan_ms == 0)
        scan_finish(port);
    else
        at_timer_in(air->config.loop, &port->scan_timer, air->world.scan_ms * channels * 1000u);
}

/* ---- authentication and association ---- */

void air_start_over(at_air_port *port, air_ap *ap, const uint8_t mac[6])
{
    if (port->ap != NULL && port->ap != ap)
        air_hosted_gone(port);
    air_leave(port);
    port->heard = NULL;
    at_timer_stop(port->air->config.loop, &port->beacon_timer);
    memcpy(port->mac, mac, 6);
}

static void auth_input(at_air_port *port, const at_mgmt *m)
{
    at_air *air = port->air;
    air_ap *ap = air_find_bssid(air, m->to);
    at_mgmt answer = { .type = AT_MGMT_AUTH };

    if (ap == NULL || at_ether_is_multicast(m->from) || ap->host == port)
        return;
    if (m->auth.algorithm == AT_AUTH_ALG_SAE && ap->host == NULL &&
        at_auth_fits(ap->def->auth, AT_AUTH_WPA3_PSK)) {
        air_sae_input(port, ap, m);
        return;
    }
    if (m->auth.sequence != 1)
        return;
    air_start_over(port, ap, m->from);
    if (ap->host != NULL) {
        air_hosted_auth(port, ap, m);
        return;
    }
    answer.auth.algorithm = m->auth.algorithm;
    answer.auth.sequence = 2;
    if (m->auth.algorithm == AT_AUTH_ALG_OPEN) {
        air_enter(port, ap);
        air_set_state(port, AIR_AUTHENTICATED);
    } else {
        answer.auth.status = AT_STATUS_AUTH_ALGORITHM;
        at_log(air->config.log, AT_LOG_WARN, "air", "%s refuses authentication algorithm %u",
               ap->def->name, (unsigned)m->auth.algorithm);
    }
    air_send_mgmt(port, ap->def->bssid, &answer);
}

static bool pmf_fits(const air_ap *ap, const at_mgmt *m)
{
    /* SAE in a mixed network needs PMF although the network does not (WPA3 specification 2.3). */
    bool needed = (ap->def->pmf & AT_PMF_REQUIRED) != 0 || at_akm_of(m->assoc.auth) == AT_AKM_SAE;

    if (ap->def->auth == AT_AUTH_OPEN)
        return true;
    return (!needed || m->assoc.pmf != 0) &&
           ((m->assoc.pmf & AT_PMF_REQUIRED) == 0 || ap->def->pmf != 0);
}

static uint16_t assoc_status(at_air_port *port, const at_mgmt *m)
{
    air_ap *ap = port->ap;
    const char *why = NULL;
    uint16_t status = AT_STATUS_OK;

    if (!air_same_ssid(&m->assoc.ssid, &ap->def->ssid)) {
        status = AT_STATUS_FAILURE;
        why = "another SSID was asked for";
    } else if (!at_auth_fits(ap->def->auth, m->assoc.auth)) {
        status = AT_STATUS_INVALID_AKMP;
        why = "the authentication mode does not fit, or cannot be joined";
    } else if (!pmf_fits(ap, m)) {
        status = AT_STATUS_PMF_POLICY;
        why = "one end requires protected management frames, the other has none";
    } else if (ap->associated >= ap->def->max_stations) {
        status = AT_STATUS_AP_FULL;
        why = "no room for another station";
    } else {
        status = air_assoc_key(port, m, &why);
    }
    if (why != NULL)
        air_tell(port, "is refused by", why);
    return status;
}

static void finish_assoc(at_air_port *port)
{
    air_ap *ap = port->ap;
    at_mgmt answer = { .type = AT_MGMT_ASSOC_ANSWER };

    answer.assoc_answer.status = port->status;
    answer.assoc_answer.aid = port->aid;
    if (port->wanted == AT_AUTH_OWE && port->status == AT_STATUS_OK)
        answer.assoc_answer.dh = port->dh;
    if (port->status != AT_STATUS_OK)
        air_leave(port);
    air_send_mgmt(port, ap->def->bssid, &answer);
    if (port->status != AT_STATUS_OK)
        return;
    port->heard = ap;
    if (ap->def->auth == AT_AUTH_OPEN)
        air_joined(port);
    else
        air_handshake_start(port);
}

static void assoc_input(at_air_port *port, const at_mgmt *m)
{
    at_air *air = port->air;
    air_ap *ap = port->ap;

    if (ap == NULL || port->state != AIR_AUTHENTICATED || memcmp(m->to, ap->def->bssid, 6) != 0 ||
        memcmp(m->from, port->mac, 6) != 0 || port->effects.kinds[AT_FAULT_NO_ASSOC])
        return;
    if (ap->host != NULL) {
        air_hosted_assoc(port, m);
        return;
    }
    port->wanted = m->assoc.auth;
    port->pmf = m->assoc.pmf;
    port->status = assoc_status(port, m);
    ap->associated++;
    ap->last_aid = (uint16_t)(ap->last_aid % 2007u + 1u);
    port->aid = port->status == AT_STATUS_OK ? ap->last_aid : 0;
    air_set_state(port, AIR_ASSOCIATING);
    if (air->world.join_ms == 0)
        finish_assoc(port);
    else
        at_timer_in(air->config.loop, &port->timer, (uint64_t)air->world.join_ms * 1000u);
}

static void timer_fired(void *arg)
{
    at_air_port *port = arg;

    if (port->state == AIR_AUTHENTICATING)
        air_sae_timeout(port);
    else if (port->state == AIR_ASSOCIATING)
        finish_assoc(port);
    else if (port->state == AIR_HANDSHAKE)
        air_handshake_timeout(port);
}

/* A robust frame of a member to its access point; one that is not protected, but should be, is not. */
static bool believed(at_air_port *port, const at_mgmt *m)
{
    if (port->ap == NULL || memcmp(m->to, port->ap->def->bssid, 6) != 0 ||
        memcmp(m->from, port->mac, 6) != 0)
        return false;
    if (port->ap->host != NULL || at_pmf_accept(&port->protection, m))
        return true;
    air_tell(port, "sent an unprotected frame to", "it is not believed");
    return false;
}

static void query_input(at_air_port *port, const at_mgmt *m)
{
    at_mgmt answer = { .type = AT_MGMT_SA_QUERY, .sa_query = m->sa_query };

    if (!believed(port, m))
        return;
    if (port->ap->host != NULL) {
        air_hosted_relay(port->ap, m);
    } else if (port->protection.on && !m->sa_query.answer) {
        answer.sa_query.answer = true;
        air_send_mgmt(port, port->ap->def->bssid, &answer);
    }
}

static void deauth_input(at_air_port *port, const at_mgmt *m)
{
    if (!believed(port, m))
        return;
    air_tell(port, "left", "");
    if (port->ap->host != NULL)
        air_hosted_relay(port->ap, m);
    air_leave(port);
    port->heard = NULL;
}

void air_mgmt_input(at_air_port *port, const uint8_t *frame, size_t len)
{
    at_mgmt m;

    if (!at_mgmt_decode(&m, frame, len)) {
        port->air->counters.invalid++;
        return;
    }
    if (air_hosting_mgmt(port, &m))
        return;
    switch (m.type) {
    case AT_MGMT_SCAN: scan_start(port, &m); break;
    case AT_MGMT_AUTH: auth_input(port, &m); break;
    case AT_MGMT_ASSOC: assoc_input(port, &m); break;
    case AT_MGMT_DEAUTH: deauth_input(port, &m); break;
    case AT_MGMT_SA_QUERY: query_input(port, &m); break;
    default: /* what only access points send */ port->air->counters.invalid++; break;
    }
}

void air_port_timers(at_air_port *port)
{
    at_timer_init(&port->timer, timer_fired, port);
    at_timer_init(&port->beacon_timer, beacon_timer_fired, port);
    at_timer_init(&port->scan_timer, scan_finish, port);
    air_hosted_init(port);
}
