/* AT+SAVETRANSLINK: passthrough at power-up (guide 3.1.9).
 *
 * The set form stores a link; at the next boot the module enters passthrough right behind "ready", without
 * a prompt (WIRE 5): what the host sends is kept, what the air does is not told (SYSMSG bit 2), as soon as
 * there is an address the link is opened, and again every AT+CIPRECONNINTV when it is lost. +++ leaves as
 * ever, with or without a link; AT+CIPMODE=1 stays.
 *
 * Decisions where the guide is silent:
 *
 * - <mode> 0 needs no other parameter and forgets the link. <mode> 2 is an ERROR: Bluetooth LE is not
 *   in this build.
 * - Nothing is asked of the present state; a link that needs IPv6 waits for an address as long as it is
 *   off.
 * - <keep_alive> counts for this link at every boot; omitted, AT+CIPTCPOPT decides.
 */
#include <string.h>

#include "commands/system_priv.h"
#include "commands/tcpip_priv.h"
#include "core/bytes.h"

typedef struct stored_link { /* the setting TRANSLINK; no padding */
    uint8_t type, reserved;
    uint16_t port, local_port;
    int16_t keep_alive_s; /* -1: omitted */
    char host[AT_HOST_MAX + 1];
    uint8_t end;
} stored_link;

_Static_assert(sizeof(stored_link) == 74, "setting TRANSLINK");

enum { MODE, HOST, PORT, TYPE, TAIL };

/* ---- the set form ---- */

static at_result store(at_call *call, const stored_link *link)
{
    at_err err = at_setting_set_blob(at_app_of(call)->settings, AT_SETTING_TRANSLINK, link,
                                     link != NULL ? sizeof *link : 0);

    return err == AT_OK ? AT_RESULT_OK : at_fail_err(call, err, "not stored");
}

at_result at_savetranslink_set(at_call *call)
{
    stored_link link;
    int type = at_has(call, TYPE) ? at_link_type_parse(at_text(call, TYPE)) : AT_LINK_TCP;

    if (at_int(call, MODE) == 0)
        return store(call, NULL);
    if (at_int(call, MODE) == 2)
        return at_fail(call, AT_SUB_PARAM_INVALID, MODE + 1,
                       "passthrough of Bluetooth LE is not in this build");
    if (type < 0)
        return at_fail(call, AT_SUB_PARAM_INVALID, TYPE + 1,
                       "<type> is none of TCP, TCPv6, UDP, UDPv6, SSL, SSLv6");
    memset(&link, 0, sizeof link);
    link.type = (uint8_t)type;
    link.port = (uint16_t)at_int(call, PORT);
    at_copy_text(link.host, sizeof link.host, at_text(call, HOST));
    link.keep_alive_s = -1;
    if (at_link_type_is_udp((at_link_type)type))
        link.local_port = (uint16_t)at_int(call, TAIL);
    else
        link.keep_alive_s = (int16_t)at_int(call, TAIL);
    return store(call, &link);
}

uint8_t at_savetranslink_select(const at_call *call)
{
    char text[8];
    int type;

    switch (at_peek(call, MODE, text, sizeof text)[0]) {
    case '0': return 0;
    case '2': return 3;
    default: break;
    }
    type = at_link_type_parse(at_peek(call, TYPE, text, sizeof text));
    return type >= 0 && at_link_type_is_udp((at_link_type)type) ? 2 : 1;
}

/* ---- power-up ---- */

static bool is_sound(const stored_link *link)
{
    return link->type < AT_LINK_TYPES && link->port != 0 && link->host[0] != '\0' &&
           memchr(link->host, 0, sizeof link->host) != NULL;
}

/* What passthrough opens: link 0, as AT+CIPSTART would. */
static void prepare(at_tcpip_link *link, const stored_link *stored)
{
    if (stored->keep_alive_s >= 0)
        link->options.keep_alive_s = (uint16_t)stored->keep_alive_s;
    at_copy_text(link->host, sizeof link->host, stored->host);
    link->reopen = (at_link_open_params){
        .type = (at_link_type)stored->type,
        .host = link->host,
        .port = stored->port,
        .local_port = stored->local_port,
        .options = link->options,
    };
}

static at_result run(at_call *call)
{
    at_tcpip_pass_through(call, &at_tcpip_of(call)->link[0], true);
    return AT_RESULT_SILENT;
}

void at_translink_boot(at_app *app)
{
    static const at_cmd row = { .name = "+SAVETRANSLINK", .execute = run };
    stored_link link;

    if (!at_setting_blob(app->settings, AT_SETTING_TRANSLINK, &link, sizeof link))
        return;
    if (!is_sound(&link)) {
        at_log(app->log, AT_LOG_WARN, "tcpip", "the stored passthrough link is unusable");
        return;
    }
    prepare(&app->tcpip->link[0], &link);
    app->tcpip->passthrough = true;
    at_session_run(app->session, &row);
}
