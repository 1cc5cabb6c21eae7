/* Forwards: ports of this computer that lead to a module.
 *
 * A forward belongs to a radio and lasts as long as that. It listens only while the radio's
 * station has an IPv4 address, because an open port of a module that is not there would accept and
 * then hang. A host port of 0 is chosen with the first opening and kept, so a test that learned it
 * can use it after a restart of the module. What cannot be opened is reported once per address and
 * tried again with the next one.
 */
#include "air/air_priv.h"

#include <stdio.h>
#include <string.h>

#include "air/world_priv.h"
#include "core/bytes.h"

static const at_uplink_ops *ops_of(const at_air_port *port)
{
    return port->air->config.slirp;
}

static void report(at_air_port *port, const air_forward *f)
{
    uint32_t host = f->what.host_addr, ip = port->ip;

    air_event(port->air, "forward",
              "\"protocol\":\"%s\",\"host\":\"%u.%u.%u.%u\",\"port\":%u,"
              "\"to\":\"%u.%u.%u.%u:%u\"",
              f->what.udp ? "udp" : "tcp", (unsigned)(host >> 24), (unsigned)(host >> 16 & 255),
              (unsigned)(host >> 8 & 255), (unsigned)(host & 255), (unsigned)f->what.host_port,
              (unsigned)(ip >> 24), (unsigned)(ip >> 16 & 255), (unsigned)(ip >> 8 & 255),
              (unsigned)(ip & 255), (unsigned)f->what.module_port);
    at_log(port->air->config.log, AT_LOG_INFO, "air", "%s port %u leads to port %u of the module",
           f->what.udp ? "UDP" : "TCP", (unsigned)f->what.host_port, (unsigned)f->what.module_port);
}

static void open_one(at_air_port *port, air_forward *f)
{
    at_uplink *uplink = air_uplink(port);
    char error[AIR_ERROR_ROOM];

    if (f->open || f->reported)
        return;
    (void)snprintf(error, sizeof error, "%s",
                   port->ap->uplink != NULL
                       ? "behind a TAP the module's own address is reached, without a forward"
                       : "the access point has no uplink");
    if (uplink != NULL)
        f->open = ops_of(port)->forward(uplink, f->what.udp, f->what.host_addr, &f->what.host_port,
                                        port->ip, f->what.module_port, error, sizeof error);
    if (f->open) {
        report(port, f);
        return;
    }
    f->reported = true;
    at_log(port->air->config.log, AT_LOG_ERROR, "air", "forward to port %u: %s",
           (unsigned)f->what.module_port, error);
    air_event(port->air, "forward", "\"port\":%u,\"error\":true", (unsigned)f->what.host_port);
}

void air_forwards_open(at_air_port *port)
{
    for (air_forward *f = port->forwards; f != NULL; f = f->next)
        open_one(port, f);
}

void air_forwards_close(at_air_port *port)
{
    for (air_forward *f = port->forwards; f != NULL; f = f->next) {
        if (f->open)
            ops_of(port)->unforward(port->uplink, f->what.udp, f->what.host_addr,
                                    f->what.host_port);
        f->open = false;
        f->reported = false;
    }
}

void air_forwards_free(at_air_port *port)
{
    while (port->forwards != NULL) {
        air_forward *f = port->forwards;

        port->forwards = f->next;
        at_free(port->air->config.heap, f);
    }
}

at_err at_air_add_forward(at_air_port *port, const at_forward *forward)
{
    air_forward *f = at_calloc(port->air->config.heap, 1, sizeof *f), **link = &port->forwards;

    if (f == NULL)
        return AT_ERR_NOMEM;
    f->what = *forward;
    while (*link != NULL)
        link = &(*link)->next;
    *link = f;
    if (port->ip != 0)
        open_one(port, f);
    return AT_OK;
}

/* ---- the option's text ---- */

static bool parse_port(const char *text, size_t len, uint16_t low, uint16_t *port)
{
    int64_t value;

    if (strspn(text, "0123456789") < len || !at_parse_int(text, len, &value) || value < low ||
        value > 65535)
        return false;
    *port = (uint16_t)value;
    return true;
}

bool at_forward_parse(at_forward *f, const char *text, char *error, size_t room)
{
    const char *at = text, *colon, *last = strrchr(text, ':');
    char address[16];

    *f = (at_forward){ .host_addr = 0x7F000001u };
    if (strncmp(at, "udp:", 4) == 0 || strncmp(at, "tcp:", 4) == 0) {
        f->udp = at[0] == 'u';
        at += 4;
    }
    colon = strchr(at, ':');
    if (colon != NULL && colon != last) {
        size_t len = (size_t)(colon - at);

        if (len < sizeof address)
            memcpy(address, at, len);
        address[AT_MIN(len, sizeof address - 1)] = '\0';
        if (len >= sizeof address || !world_parse_ipv4(address, &f->host_addr)) {
            (void)snprintf(error, room, "'%.40s': ADDR is not an IPv4 address", text);
            return false;
        }
        at = colon + 1;
        colon = strchr(at, ':');
    }
    if (colon == NULL || !parse_port(at, (size_t)(colon - at), 0, &f->host_port) ||
        !parse_port(colon + 1, strlen(colon + 1), 1, &f->module_port)) {
        (void)snprintf(error, room,
                       "'%.40s' is not [udp:][ADDR:]HOSTPORT:MODULEPORT, "
                       "like 8080:80 (HOSTPORT 0..65535, MODULEPORT 1..65535)",
                       text);
        return false;
    }
    return true;
}
