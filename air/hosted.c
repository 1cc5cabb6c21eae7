/* Access points that are radios themselves: a module's SoftAP.
 *
 * Such a radio announces what it is (AT_MGMT_ANNOUNCE), and the air lists it beside the access points
 * of the world: it answers scans on its behalf, so that no beacon has to travel. Everything else the
 * radio does itself. The air carries frames between it and its members, which are ports like those of
 * any other access point: faults, RSSI, power and control verbs act on them in the same way, under the
 * name that its BSSID makes as text.
 *
 *     member -- AUTH, ASSOC, EAPOL, data --> air_deliver(host)
 *     host  -- answers, EAPOL, data of its stack or of another member --> the member, or all of them
 *
 * A frame of the radio belongs to its access point when it comes from the BSSID or from one of the
 * members (relayed), else to its station. The air believes what the host says about a member: answers
 * to requests and AT_MGMT_KEYS move the member's state, in member_answer alone.
 *
 * Losses: a host that loses power is missed by its members after beacon_loss_ms, or at once when the
 * radio is gone for good. A member that loses power is missed by the host after 300 s without a sign
 * of life, as by the part; at once when it turns to another access point or is gone for good. */
#include "air/air_priv.h"

#include <string.h>

#include "core/bytes.h"

#define SILENCE_US   300000000u
#define DEFAULT_RSSI (-40)

static at_air_port *member_of(const air_ap *ap, const uint8_t mac[6])
{
    for (at_air_port *port = ap->members; port != NULL; port = port->next_member) {
        if (memcmp(port->mac, mac, 6) == 0)
            return port;
    }
    return NULL;
}

void air_hosted_relay(air_ap *ap, const at_mgmt *m)
{
    uint8_t frame[AT_MGMT_FRAME_MAX];
    size_t len = at_mgmt_encode(m, frame, sizeof frame);

    if (len > 0 && ap->host->hosting)
        air_deliver(ap->host, frame, len);
}

/* To the host, as from one of its stations. */
static void tell_host(at_air_port *host, const uint8_t station[6], at_mgmt m)
{
    memcpy(m.from, station, 6);
    memcpy(m.to, host->own_def.bssid, 6);
    air_hosted_relay(&host->own, &m);
}

static void tell_lost(at_air_port *host, const uint8_t station[6])
{
    const at_mgmt m = { .type = AT_MGMT_STATION_LOST };

    if (host->hosting)
        tell_host(host, station, m);
}

/* ---- a member's silence ---- */

static void silence_over(void *arg)
{
    at_air_port *port = arg;
    at_air_port *host = port->silent_host;

    port->silent_host = NULL;
    at_timer_stop(port->air->config.loop, &port->silence_timer);
    if (host != NULL && member_of(&host->own, port->silent_mac) == NULL)
        tell_lost(host, port->silent_mac);
}

void air_hosted_silent(at_air_port *port)
{
    if (port->ap == NULL || port->ap->host == NULL)
        return;
    silence_over(port); /* an earlier one */
    port->silent_host = port->ap->host;
    memcpy(port->silent_mac, port->mac, 6);
    at_timer_in(port->air->config.loop, &port->silence_timer, SILENCE_US);
}

void air_hosted_gone(at_air_port *port)
{
    if (port->ap != NULL && port->ap->host != NULL)
        tell_lost(port->ap->host, port->mac);
    silence_over(port);
}

/* ---- what members send ---- */

void air_hosted_auth(at_air_port *port, air_ap *ap, const at_mgmt *m)
{
    if (port->silent_host == ap->host && memcmp(port->silent_mac, port->mac, 6) == 0)
        port->silent_host = NULL; /* back before it was missed: the host sees that for itself */
    silence_over(port);
    air_enter(port, ap);
    air_set_state(port, AIR_AUTHENTICATED);
    air_hosted_relay(ap, m);
}

void air_hosted_assoc(at_air_port *port, const at_mgmt *m)
{
    port->ap->associated++;
    air_set_state(port, AIR_ASSOCIATING);
    air_hosted_relay(port->ap, m);
}

void air_hosted_left(at_air_port *port)
{
    tell_lost(port->ap->host, port->mac);
}

void air_hosted_power(air_ap *ap)
{
    for (at_air_port *port = ap->members; port != NULL; port = port->next_member)
        tell_lost(ap->host, port->mac);
}

/* ---- what the radio announces ---- */

static void start_hosting(at_air_port *host)
{
    at_air *air = host->air;
    at_air_port *next;

    host->hosting = true;
    host->own.power = true;
    host->own.on = true;
    air_add_up(&host->own);
    for (at_air_port *port = air->ports; port != NULL; port = next) {
        next = port->next;
        if (port->heard == &host->own) /* heard again before it was missed */
            at_timer_stop(air->config.loop, &port->beacon_timer);
    }
    air_update_power(&host->own);
    at_log(air->config.log, AT_LOG_INFO, "air", "access point %s (\"%.*s\") appears",
           host->own_def.name, (int)host->own_def.ssid.len, (const char *)host->own_def.ssid.bytes);
    air_event(air, "ap", "\"name\":\"%s\",\"on\":true", host->own_def.name);
}

void air_hosting_end(at_air_port *host)
{
    if (!host->hosting)
        return;
    host->hosting = false;
    host->own.on = false;
    air_lose_power(&host->own);
    for (at_air_port *port = host->air->ports; port != NULL; port = port->next) {
        if (port->silent_host == host)
            port->silent_host = NULL;
    }
    at_log(host->air->config.log, AT_LOG_INFO, "air", "access point %s is gone",
           host->own_def.name);
    air_event(host->air, "ap", "\"name\":\"%s\",\"on\":false", host->own_def.name);
}

static void announced(at_air_port *host, const at_mgmt *m)
{
    const at_bss *bss = &m->announce.bss;
    at_world_ap *def = &host->own_def;
    air_ap *other = m->announce.on ? air_find_bssid(host->air, bss->bssid) : NULL;

    if (!m->announce.on || memcmp(def->bssid, bss->bssid, 6) != 0)
        air_hosting_end(host);
    if (!m->announce.on)
        return;
    if (at_ether_is_multicast(bss->bssid) || bss->ssid.len == 0 ||
        (other != NULL && other != &host->own)) {
        at_log(host->air->config.log, AT_LOG_WARN, "air",
               "an access point of a radio is not shown: its BSSID is taken, or makes no sense");
        return;
    }
    memcpy(def->bssid, bss->bssid, 6);
    at_format_mac(def->name, def->bssid);
    def->ssid = bss->ssid;
    def->hidden = m->announce.hidden;
    def->channel = bss->channel;
    def->auth = bss->auth;
    def->protocols = bss->protocols;
    def->pmf = bss->pmf;
    def->wps = bss->wps;
    memcpy(def->country, bss->country, sizeof def->country);
    if (!host->hosting)
        start_hosting(host);
}

/* ---- what the radio says to its stations ---- */

/* To a radio that is no member: it may believe that it is one. */
static void deauth_stranger(at_air_port *host, const at_mgmt *m)
{
    for (at_air_port *port = host->air->ports; port != NULL; port = port->next) {
        if (port->ap != NULL || port->heard != &host->own || memcmp(port->mac, m->to, 6) != 0)
            continue;
        air_not_associated(port);
        return;
    }
}

static void member_answer(at_air_port *port, const at_mgmt *m)
{
    at_mgmt copy = *m;
    air_ap *ap = port->ap;

    if (m->type == AT_MGMT_KEYS) {
        if (port->state == AIR_HANDSHAKE)
            air_joined(port);
        return;
    }
    if (m->type == AT_MGMT_AUTH && port->state == AIR_AUTHENTICATED) {
        if (m->auth.status != AT_STATUS_OK)
            air_leave(port);
    } else if (m->type == AT_MGMT_ASSOC_ANSWER && port->state == AIR_ASSOCIATING) {
        port->aid = m->assoc_answer.aid;
        if (m->assoc_answer.status != AT_STATUS_OK) {
            air_leave(port);
        } else {
            port->heard = ap;
            air_set_state(port, AIR_HANDSHAKE);
        }
    } else if (m->type == AT_MGMT_DEAUTH) {
        air_tell(port, "is thrown out by", "");
        air_leave(port);
        port->heard = NULL;
    } else if (m->type != AT_MGMT_SA_QUERY) {
        return;
    }
    air_send_mgmt(port, ap->def->bssid, &copy);
}

bool air_hosting_mgmt(at_air_port *host, const at_mgmt *m)
{
    at_air_port *port;

    if (m->type == AT_MGMT_ANNOUNCE) {
        announced(host, m);
        return true;
    }
    if (!host->hosting || memcmp(m->from, host->own_def.bssid, 6) != 0)
        return false;
    port = host->own.on ? member_of(&host->own, m->to) : NULL;
    if (port != NULL)
        member_answer(port, m);
    else if (m->type == AT_MGMT_DEAUTH && host->own.on)
        deauth_stranger(host, m);
    return true;
}

static void eapol_out(at_air_port *host, const uint8_t *frame, size_t len)
{
    at_air_port *port = member_of(&host->own, frame);

    if (port != NULL && (port->state == AIR_HANDSHAKE || port->state == AIR_JOINED) &&
        !port->effects.kinds[AT_FAULT_NO_EAPOL])
        air_deliver(port, frame, len);
}

static void data_out(at_air_port *host, const uint8_t *frame, size_t len)
{
    bool group = at_ether_is_multicast(frame);
    at_air_port *next;

    for (at_air_port *port = host->own.members; port != NULL; port = next) {
        next = port->next_member;
        if (group ? memcmp(port->mac, frame + 6, 6) == 0 : memcmp(port->mac, frame, 6) != 0)
            continue;
        if (air_passes(port))
            air_pass(port, false, frame, len);
    }
}

bool air_hosting_frame(at_air_port *host, const uint8_t *frame, size_t len)
{
    const uint8_t *from = frame + 6;

    if (memcmp(from, host->own_def.bssid, 6) != 0 && member_of(&host->own, from) == NULL)
        return false;
    if (!host->own.on)
        return true;
    if (frame[12] == AT_ETHERTYPE_EAPOL >> 8 && frame[13] == (AT_ETHERTYPE_EAPOL & 0xFF))
        eapol_out(host, frame, len);
    else
        data_out(host, frame, len);
    return true;
}

/* ---- life ---- */

void air_hosted_init(at_air_port *port)
{
    port->own.air = port->air;
    port->own.def = &port->own_def;
    port->own.host = port;
    port->own.rssi = DEFAULT_RSSI;
    port->own_def.rssi = DEFAULT_RSSI;
    port->own_def.power = true;
    port->own_def.prefix = 24;
    port->own_def.uplink = AT_UPLINK_NONE;
    at_timer_init(&port->silence_timer, silence_over, port);
}

void air_hosted_forget(at_air_port *host)
{
    for (at_air_port *port = host->air->ports; port != NULL; port = port->next) {
        if (port->heard == &host->own)
            air_beacon_lost(port);
    }
}
