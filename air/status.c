/* The state of the air as one JSON object, for the control socket.
 *
 * Written with a bounded printf into the caller's room; the first thing that does not fit spoils
 * the whole, so a reader never sees half an object. Names need no escapes: the world file's parser
 * and at_air_add_fault refuse quotes, backslashes and control characters in them.
 */
#include "air/air_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

typedef struct text {
    char *at;
    size_t left;
    bool ok;
} text;

static void add(text *t, const char *format, ...) AT_PRINTF(2, 3);

static void add(text *t, const char *format, ...)
{
    va_list args;
    int len;

    if (!t->ok)
        return;
    va_start(args, format);
    len = vsnprintf(t->at, t->left, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= t->left) {
        t->ok = false;
        return;
    }
    t->at += len;
    t->left -= (size_t)len;
}

static void add_ip(text *t, const char *name, uint32_t ip)
{
    add(t, "\"%s\":\"%u.%u.%u.%u\"", name, (unsigned)(ip >> 24), (unsigned)(ip >> 16 & 255),
        (unsigned)(ip >> 8 & 255), (unsigned)(ip & 255));
}

static void add_forwards(text *t, const at_air_port *port)
{
    add(t, ",\"forwards\":[");
    for (const air_forward *f = port->forwards; f != NULL; f = f->next) {
        add(t, "%s{\"udp\":%s,", f != port->forwards ? "," : "", f->what.udp ? "true" : "false");
        add_ip(t, "host", f->what.host_addr);
        add(t, ",\"port\":%u,\"to\":%u,\"open\":%s}", (unsigned)f->what.host_port,
            (unsigned)f->what.module_port, f->open ? "true" : "false");
    }
    add(t, "]");
}

static void add_port(text *t, const at_air_port *port)
{
    char mac[18];

    at_format_mac(mac, port->mac);
    add(t, "{\"mac\":\"%s\",\"wired\":%s,\"state\":\"%s\",\"ap\":\"%s\",", mac,
        port->wired ? "true" : "false", air_state_name(port->state),
        port->ap != NULL ? port->ap->def->name : "");
    add_ip(t, "ip", port->ip);
    if (port->ap != NULL && !port->wired)
        add(t, ",\"rssi\":%d", air_rssi(port->ap, port));
    add(t, ",\"uplink\":%s,\"frames_in\":%llu,\"frames_out\":%llu",
        port->uplink != NULL ? "true" : "false", (unsigned long long)port->frames_in,
        (unsigned long long)port->frames_out);
    add_forwards(t, port);
    add(t, "}");
}

static void add_leases(text *t, const air_ap *ap)
{
    const char *comma = "";

    add(t, ",\"leases\":[");
    for (size_t i = 0; i < ap->dhcps.lease_count; i++) {
        const at_dhcps_lease *lease = &ap->leases[i];
        char mac[18];

        if (lease->state != AT_LEASE_BOUND)
            continue;
        at_format_mac(mac, lease->mac);
        add(t, "%s{\"mac\":\"%s\",", comma, mac);
        add_ip(t, "ip", ap->def->pool_first + (uint32_t)i);
        add(t, "}");
        comma = ",";
    }
    add(t, "]");
}

static void add_ap(text *t, const air_ap *ap)
{
    static const char *const uplinks[] = {
        [AT_UPLINK_NONE] = "none", [AT_UPLINK_SLIRP] = "slirp", [AT_UPLINK_TAP] = "tap"
    };
    char bssid[18];

    at_format_mac(bssid, ap->def->bssid);
    add(t,
        "{\"name\":\"%s\",\"bssid\":\"%s\",\"on\":%s,\"rssi\":%d,\"channel\":%u,"
        "\"auth\":\"%s\",\"uplink\":\"%s\",",
        ap->def->name, bssid, ap->on ? "true" : "false", ap->rssi, (unsigned)ap->def->channel,
        at_world_auth_name(ap->def->auth), uplinks[ap->def->uplink]);
    if (ap->uplink != NULL)
        add(t, "\"interface\":\"%s\",", ap->def->tap);
    add_ip(t, "gateway", ap->def->gateway);
    add(t, ",\"stations\":%u", (unsigned)ap->associated);
    if (ap->host != NULL) {
        at_format_mac(bssid, ap->host->factory_mac);
        add(t, ",\"radio\":\"%s\"", bssid);
    }
    add_leases(t, ap);
    add(t, "}");
}

static void add_fault(text *t, const air_fault *fault)
{
    char mac[18];

    add(t, "{\"name\":\"%s\",\"ap\":\"%s\",", fault->def.name, fault->def.ap);
    if (fault->def.one_station) {
        at_format_mac(mac, fault->def.station);
        add(t, "\"station\":\"%s\",", mac);
    }
    add(t, "\"kind\":\"%s\",\"value\":%u,\"state\":\"%s\"}", at_fault_kind_name(fault->def.kind),
        (unsigned)fault->def.value, air_fault_state_name(fault->state));
}

static void add_faults(text *t, const at_air *air)
{
    add(t, ",\"faults\":[");
    for (uint32_t i = 0; i < air->fault_count; i++) {
        add(t, "%s", i > 0 ? "," : "");
        add_fault(t, &air->faults[i]);
    }
    add(t, "]");
}

size_t at_air_status(const at_air *air, char *buffer, size_t room)
{
    text t = { .at = buffer, .left = room, .ok = room > 0 };
    const air_counters *c = &air->counters;

    add(&t, "{\"aps\":[");
    for (air_ap *ap = air_next_ap(air, NULL); ap != NULL; ap = air_next_ap(air, ap)) {
        add(&t, "%s", ap != air->aps ? "," : "");
        add_ap(&t, ap);
    }
    add(&t, "],\"ports\":[");
    for (const at_air_port *port = air->ports; port != NULL; port = port->next) {
        add(&t, "%s", port != air->ports ? "," : "");
        add_port(&t, port);
    }
    add(&t, "]");
    add_faults(&t, air);
    add(&t,
        ",\"lost\":{\"invalid\":%llu,\"unjoined\":%llu,\"faults\":%llu,\"overflow\":%llu,"
        "\"refused\":%llu},\"held\":%u}",
        (unsigned long long)c->invalid, (unsigned long long)c->unjoined,
        (unsigned long long)c->faulted, (unsigned long long)c->overflow,
        (unsigned long long)c->refused, (unsigned)air->held);
    if (!t.ok)
        return 0;
    return (size_t)(t.at - buffer);
}
