/* The air as a whole: its access points, its ports, and what goes where first.
 *
 *     radio --> input --> management --> station.c    (authentication, association, scan)
 *                   |---> EAPOL -------> handshake.c  (four-way handshake)
 *                   `---> data --------> medium.c --> switch.c --> other members
 *     wire  --> input --------------------------------->  |------> gateway*.c (ARP, ND, DHCP, DNS, echo)
 *                                                         |------> uplink
 *                                                         `------> bridge.c (an uplink that is a TAP)
 *
 * A port is a radio or a computer on an access point's wire. A radio is the member of at most one
 * access point. `ap` is what the access point knows, `heard` what the radio believes: they differ
 * after the access point lost power, until the radio's beacon time-out, or until it comes back and
 * answers data of a station it does not know with a deauthentication.
 *
 * Nothing here keeps a pointer to a frame beyond the call that brought it. An owner's `send` must
 * not call back into the air; from anywhere else every function may be called.
 */
#include "air/air_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

/* ---- helpers for the other files ---- */

static air_ap *first_hosted(at_air_port *port)
{
    while (port != NULL && !port->hosting)
        port = port->next;
    return port != NULL ? &port->own : NULL;
}

air_ap *air_next_ap(const at_air *air, const air_ap *ap)
{
    if (ap != NULL && ap->host != NULL)
        return first_hosted(ap->host->next);
    ap = ap == NULL ? air->aps : ap + 1;
    if (ap < air->aps + air->world.ap_count)
        return (air_ap *)ap; /* the air's own, which nobody holds constant */
    return first_hosted(air->ports);
}

air_ap *air_find_ap(at_air *air, const char *name)
{
    for (air_ap *ap = air_next_ap(air, NULL); ap != NULL; ap = air_next_ap(air, ap)) {
        if (strcmp(ap->def->name, name) == 0)
            return ap;
    }
    return NULL;
}

air_ap *air_find_bssid(at_air *air, const uint8_t bssid[6])
{
    for (air_ap *ap = air_next_ap(air, NULL); ap != NULL; ap = air_next_ap(air, ap)) {
        if (ap->on && memcmp(ap->def->bssid, bssid, 6) == 0)
            return ap;
    }
    return NULL;
}

void air_event(at_air *air, const char *name, const char *format, ...)
{
    char members[256];
    va_list args;
    int len;

    if (air->config.on_event == NULL)
        return;
    va_start(args, format);
    len = vsnprintf(members, sizeof members, format, args);
    va_end(args);
    if (len >= 0 && (size_t)len < sizeof members)
        air->config.on_event(air->config.owner, name, members);
}

void air_deliver(at_air_port *port, const uint8_t *frame, size_t len)
{
    at_air *air = port->air;

    port->frames_out++;
    if (air->config.on_frame != NULL)
        air->config.on_frame(air->config.owner, port, false, frame, len);
    port->send(port->ctx, frame, len);
}

uint32_t air_random(at_air *air, uint32_t below)
{
    uint32_t value;

    air->config.random->fill(air->config.random->ctx, &value, sizeof value);
    return (uint32_t)((uint64_t)value * below >> 32);
}

/* ---- access points ---- */

static bool init_ap(at_air *air, uint32_t index)
{
    air_ap *ap = &air->aps[index];

    ap->air = air;
    ap->def = &air->world.aps[index];
    ap->power = ap->def->power;
    ap->on = ap->power;
    ap->rssi = ap->def->rssi;
    ap->netmask = UINT32_MAX << (32u - ap->def->prefix);
    ap->network = ap->def->gateway & ap->netmask;
    /* libslirp's address for its gateway, so that no frame of it needs another one. */
    ap->gateway_mac[0] = 0x52;
    ap->gateway_mac[1] = 0x55;
    for (unsigned i = 0; i < 4; i++)
        ap->gateway_mac[2 + i] = (uint8_t)(ap->def->gateway >> (24 - 8 * i));
    air->config.random->fill(air->config.random->ctx, &ap->group, sizeof ap->group);
    air->config.random->fill(air->config.random->ctx, ap->token_key, sizeof ap->token_key);
    air_handshake_init(ap);
    return air_gateway_init(ap);
}

at_air *at_air_create(const at_air_config *config)
{
    at_air *air = at_calloc(config->heap, 1, sizeof *air);

    if (air == NULL)
        return NULL;
    air->config = *config;
    air->world = *config->world;
    air->config.world = &air->world;
    for (uint32_t i = 0; i < air->world.ap_count; i++) {
        if (!init_ap(air, i)) {
            at_air_destroy(air);
            return NULL;
        }
    }
    air_faults_init(air);
    return air;
}

void at_air_destroy(at_air *air)
{
    if (air == NULL)
        return;
    while (air->ports != NULL)
        at_air_detach(air->ports);
    if (air->strike.run != NULL)
        air_faults_stop(air);
    for (uint32_t i = 0; i < air->world.ap_count; i++) {
        air_handshake_stop(&air->aps[i]);
        air_gateway6_stop(&air->aps[i]);
        air_bridge_close(&air->aps[i]);
        at_free(air->config.heap, air->aps[i].leases);
    }
    at_free(air->config.heap, air);
}

void air_lose_power(air_ap *ap)
{
    at_air *air = ap->air;

    if (ap->host != NULL)
        air_hosted_power(ap);
    air_pmksa_forget(ap);
    while (ap->members != NULL) {
        at_air_port *port = ap->members;
        bool believes = port->state >= AIR_HANDSHAKE && !port->wired;

        air_leave(port);
        if (!believes)
            continue;
        port->heard = ap;
        at_timer_in(air->config.loop, &port->beacon_timer,
                    (uint64_t)air->world.beacon_loss_ms * 1000u);
    }
}

static void gain_power(air_ap *ap)
{
    at_air *air = ap->air;

    for (at_air_port *port = air->ports; port != NULL; port = port->next) {
        if (port->wired && port->heard == ap)
            air_enter(port, ap);
        else if (port->heard == ap)
            at_timer_stop(air->config.loop, &port->beacon_timer);
    }
}

void air_update_power(air_ap *ap)
{
    bool on = ap->power && !ap->effects.kinds[AT_FAULT_AP_OFF];

    if (on == ap->on)
        return;
    ap->on = on;
    at_log(ap->air->config.log, AT_LOG_INFO, "air", "access point %s is %s", ap->def->name,
           on ? "on" : "off");
    air_event(ap->air, "ap", "\"name\":\"%s\",\"on\":%s", ap->def->name, on ? "true" : "false");
    if (on)
        gain_power(ap);
    else
        air_lose_power(ap);
}

at_err at_air_ap_power(at_air *air, const char *name, bool on)
{
    air_ap *ap = air_find_ap(air, name);

    if (ap == NULL)
        return AT_ERR_NOT_FOUND;
    ap->power = on;
    air_update_power(ap);
    return AT_OK;
}

static void tell_qualities(air_ap *ap)
{
    for (at_air_port *port = ap->members; port != NULL; port = port->next_member) {
        if (!port->wired && port->state >= AIR_HANDSHAKE)
            air_tell_quality(port);
    }
}

at_err at_air_ap_rssi(at_air *air, const char *name, int rssi)
{
    air_ap *ap = air_find_ap(air, name);

    if (ap == NULL)
        return AT_ERR_NOT_FOUND;
    if (rssi < -127 || rssi > 0)
        return AT_ERR_INVALID;
    if (ap->rssi == rssi)
        return AT_OK;
    ap->rssi = (int8_t)rssi;
    tell_qualities(ap);
    return AT_OK;
}

at_err at_air_link_rssi(at_air *air, const char *name, const uint8_t station[6], int rssi)
{
    air_ap *ap = air_find_ap(air, name);
    uint32_t i = 0;

    if (ap == NULL)
        return AT_ERR_NOT_FOUND;
    if (rssi < -127 || rssi > 0)
        return AT_ERR_INVALID;
    while (i < air->strength_count && (strcmp(air->strengths[i].ap, name) != 0 ||
                                       memcmp(air->strengths[i].station, station, 6) != 0))
        i++;
    if (i == AIR_STRENGTHS_MAX)
        return AT_ERR_NOMEM;
    if (i == air->strength_count)
        air->strength_count++;
    at_copy_text(air->strengths[i].ap, sizeof air->strengths[i].ap, name);
    memcpy(air->strengths[i].station, station, 6);
    air->strengths[i].rssi = (int8_t)rssi;
    tell_qualities(ap);
    return AT_OK;
}

/* ---- ports ---- */

static at_air_port *attach(at_air *air, void (*send)(void *ctx, const uint8_t *frame, size_t len),
                           void *ctx)
{
    at_air_port *port = at_calloc(air->config.heap, 1, sizeof *port), **link = &air->ports;

    if (port == NULL)
        return NULL;
    port->air = air;
    port->send = send;
    port->ctx = ctx;
    air_pipes_init(port);
    air_port_timers(port);
    while (*link != NULL)
        link = &(*link)->next;
    *link = port;
    return port;
}

at_air_port *at_air_attach_radio(at_air *air, const uint8_t mac[6],
                                 void (*send)(void *ctx, const uint8_t *frame, size_t len),
                                 void *ctx)
{
    at_air_port *port = attach(air, send, ctx);

    if (port == NULL)
        return NULL;
    memcpy(port->factory_mac, mac, 6);
    memcpy(port->mac, mac, 6);
    return port;
}

at_air_port *at_air_attach_wired(at_air *air, const char *name,
                                 void (*send)(void *ctx, const uint8_t *frame, size_t len),
                                 void *ctx)
{
    air_ap *ap = air_find_ap(air, name);
    at_air_port *port = ap != NULL && ap->host == NULL ? attach(air, send, ctx) : NULL;

    if (port == NULL)
        return NULL;
    port->wired = true;
    port->heard = ap; /* the cable stays when the access point has no power */
    if (ap->on)
        air_enter(port, ap);
    return port;
}

static void let_go(at_air_port *port)
{
    air_hosting_end(port);
    air_leave(port);
    port->heard = NULL;
    at_timer_stop(port->air->config.loop, &port->beacon_timer);
    at_timer_stop(port->air->config.loop, &port->scan_timer);
}

void at_air_reset_port(at_air_port *port)
{
    if (port->wired) /* a cable stays where it is */
        return;
    air_hosted_silent(port);
    let_go(port);
}

void at_air_detach(at_air_port *port)
{
    at_air_port **link = &port->air->ports;

    air_hosted_gone(port);
    let_go(port);
    air_hosted_forget(port);
    air_forwards_free(port);
    while (*link != port)
        link = &(*link)->next;
    *link = port->next;
    at_free(port->air->config.heap, port);
}

static void data_input(at_air_port *port, const uint8_t *frame, size_t len)
{
    at_air *air = port->air;

    if (port->wired) {
        if (port->state != AIR_JOINED)
            return;
        memcpy(port->mac, frame + 6, 6);
    } else if (!air_passes(port) || memcmp(frame + 6, port->mac, 6) != 0) {
        air->counters.unjoined++;
        if (port->ap == NULL)
            air_not_associated(port);
        return;
    }
    air_pass(port, true, frame, len);
}

void at_air_input(at_air_port *port, const uint8_t *frame, size_t len)
{
    at_air *air = port->air;
    at_ether ether;

    if (len > AT_RADIO_FRAME_MAX || !at_ether_parse(&ether, frame, len) ||
        at_ether_is_multicast(ether.from)) {
        air->counters.invalid++;
        return;
    }
    port->frames_in++;
    if (air->config.on_frame != NULL)
        air->config.on_frame(air->config.owner, port, true, frame, len);
    if (ether.type == AT_ETHERTYPE_MGMT && !port->wired)
        air_mgmt_input(port, frame, len);
    else if (port->hosting && air_hosting_frame(port, frame, len))
        return;
    else if (ether.type == AT_ETHERTYPE_EAPOL && !port->wired)
        air_eapol_input(port, frame, len);
    else
        data_input(port, frame, len);
}

bool at_air_busy(const at_air *air)
{
    return air->held > 0;
}
