/* The settings of the TCP/IP family, and the queries that show its state (guide 3.3). What is stored
 * lies in storage/settings; options as one blob for all links. */
#include "commands/tcpip_priv.h"

#include <string.h>

#include "core/bytes.h"

/* wire */
static const char FMT_TRANSINTVL[] = "+TRANSINTVL:%u\r\n";
static const char FMT_SENDLCFG[] = "+CIPSENDLCFG:%lu,%lu\r\n";
static const char FMT_MUX[] = "+CIPMUX:%d\r\n";
static const char FMT_MODE[] = "+CIPMODE:%d\r\n";
static const char FMT_DINFO[] = "+CIPDINFO:%s\r\n";
static const char FMT_TCPOPT[] = "+CIPTCPOPT:%u,%ld,%d,%ld,%u\r\n";
static const char FMT_RECONNINTV[] = "+CIPRECONNINTV:%ld\r\n";
static const char FMT_STATE[] = "+CIPSTATE:%u,\"%s\",\"%s\",%u,%u,%d\r\n";
static const char FMT_STATUS[] = "STATUS:%d\r\n";
static const char FMT_STATUS_ROW[] = "+CIPSTATUS:%u,\"%s\",\"%s\",%u,%u,%d\r\n";
static const char FMT_CIFSR[] = "+CIFSR:%s%s,\"%s\"\r\n";

/* --- stored --- */

typedef struct stored_options { /* one link of the blob TCPOPT; no padding */
    int32_t linger_s, send_timeout_ms;
    uint16_t keep_alive_s;
    uint8_t nodelay, reserved;
} stored_options;

static void load_options(at_tcpip *family)
{
    stored_options stored[AT_LINKS];
    bool known = at_setting_blob(family->app->settings, AT_SETTING_TCPOPT, stored, sizeof(stored));
    for (unsigned id = 0; id < AT_LINKS; id++) {
        at_link_options *to = &family->link[id].options;
        *to = (at_link_options){ .linger_s = -1 };
        if (!known)
            continue;
        to->linger_s = stored[id].linger_s;
        to->nodelay = stored[id].nodelay != 0;
        to->send_timeout_ms = stored[id].send_timeout_ms;
        to->keep_alive_s = stored[id].keep_alive_s;
    }
}

static at_err store_options(at_tcpip *family)
{
    stored_options stored[AT_LINKS];
    memset(stored, 0, sizeof(stored));
    for (unsigned id = 0; id < AT_LINKS; id++) {
        const at_link_options *from = &family->link[id].options;
        stored[id].linger_s = from->linger_s;
        stored[id].nodelay = from->nodelay;
        stored[id].send_timeout_ms = from->send_timeout_ms;
        stored[id].keep_alive_s = from->keep_alive_s;
    }
    return at_setting_set_blob(family->app->settings, AT_SETTING_TCPOPT, stored, sizeof(stored));
}

void at_tcpip_config_load(at_tcpip *family)
{
    load_options(family);
}

static at_result stored(at_call *call, at_err err)
{
    return err == AT_OK ? AT_RESULT_OK
                        : at_fail_err(call, err, "the setting is in use but not saved");
}

/* Links first to last that <link ID> at index 0 names; with AT+CIPMUX=0 link 0. */
static unsigned named_links(const at_call *call, unsigned *last)
{
    bool mux = at_tcpip_of(call)->mux;
    unsigned id = mux ? (unsigned)at_int(call, 0) : 0;
    *last = id == AT_LINKS ? AT_LINKS - 1 : id;
    return id == AT_LINKS ? 0 : id;
}

static unsigned shown_links(const at_tcpip *family)
{
    return family->mux ? AT_LINKS : 1;
}

/* --- small settings --- */

at_result at_transintvl_query(at_call *call)
{
    at_row(call, FMT_TRANSINTVL, at_tcpip_of(call)->interval_ms);
    return AT_RESULT_OK;
}

at_result at_transintvl_set(at_call *call)
{
    at_tcpip_of(call)->interval_ms = (uint16_t)at_int(call, 0);
    return AT_RESULT_OK;
}

at_result at_cipsendlcfg_query(at_call *call)
{
    const at_tcpip *family = at_tcpip_of(call);
    at_row(call, FMT_SENDLCFG, (unsigned long)family->report_size,
           (unsigned long)family->transmit_size);
    return AT_RESULT_OK;
}

at_result at_cipsendlcfg_set(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    family->report_size = (uint32_t)at_int(call, 0);
    family->transmit_size = (uint32_t)at_int(call, 1);
    return AT_RESULT_OK;
}

at_result at_cipmux_query(at_call *call)
{
    at_row(call, FMT_MUX, at_tcpip_of(call)->mux);
    return AT_RESULT_OK;
}

static bool any_link(const at_tcpip *family)
{
    at_link_info info;
    for (unsigned id = 0; id < AT_LINKS; id++) {
        at_link_get(family->app->links, id, &info);
        if (info.state != AT_LINK_FREE)
            return true;
    }
    return false;
}

at_result at_cipmux_set(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    bool mux = at_int(call, 0) == 1;
    if (mux == family->mux)
        return AT_RESULT_OK;
    if (any_link(family))
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "close all connections first");
    if (mux && family->passthrough)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "multiple connections need AT+CIPMODE=0");
    if (!mux && at_links_listening(family->app->links, NULL))
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "delete the server first");
    family->mux = mux;
    return AT_RESULT_OK;
}

at_result at_cipmode_query(at_call *call)
{
    at_row(call, FMT_MODE, at_tcpip_of(call)->passthrough);
    return AT_RESULT_OK;
}

/* With a server (AT+CIPMUX=1) passthrough is point to point: one client at most (guide 4.2.10). */
static const char *why_no_passthrough(const at_tcpip *family)
{
    at_link_info info;
    if (family->mux && !at_links_listening(family->app->links, NULL))
        return "passthrough needs a single connection, or a server";
    if (family->mux && family->max_clients != 1)
        return "passthrough of a server needs AT+CIPSERVERMAXCONN=1";
    at_link_get(family->app->links, 0, &info);
    if (info.state == AT_LINK_OPEN && info.udp_mode != 0)
        return "passthrough of UDP needs <mode> 0";
    return NULL;
}

at_result at_cipmode_set(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    bool passthrough = at_int(call, 0) == 1;
    const char *why = passthrough ? why_no_passthrough(family) : NULL;
    if (why != NULL)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "%s", why);
    family->passthrough = passthrough;
    for (unsigned id = 0; id < AT_LINKS; id++) {
        family->link[id].announced = false;
        if (at_link_buffered(family->app->links, id) > 0)
            at_tcpip_data_waits(&family->link[id]);
    }
    return AT_RESULT_OK;
}

at_result at_cipdinfo_query(at_call *call)
{
    at_row(call, FMT_DINFO, at_tcpip_of(call)->dinfo ? "true" : "false");
    return AT_RESULT_OK;
}

at_result at_cipdinfo_set(at_call *call)
{
    at_tcpip_of(call)->dinfo = at_int(call, 0) == 1;
    return AT_RESULT_OK;
}

at_result at_cipreconnintv_query(at_call *call)
{
    at_row(call, FMT_RECONNINTV,
           (long)at_setting_int(at_app_of(call)->settings, AT_SETTING_RECONNINTV));
    return AT_RESULT_OK;
}

at_result at_cipreconnintv_set(at_call *call)
{
    return stored(call, at_setting_set_int(at_app_of(call)->settings, AT_SETTING_RECONNINTV,
                                           at_int(call, 0)));
}

/* --- socket options --- */

at_result at_ciptcpopt_query(at_call *call)
{
    const at_tcpip *family = at_tcpip_of(call);
    for (unsigned id = 0; id < shown_links(family); id++) {
        const at_link_options *o = &family->link[id].options;
        at_row(call, FMT_TCPOPT, id, (long)o->linger_s, o->nodelay, (long)o->send_timeout_ms,
               o->keep_alive_s);
    }
    return AT_RESULT_OK;
}

at_result at_ciptcpopt_set(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    unsigned base = family->mux ? 1 : 0, last, id = named_links(call, &last);
    for (; id <= last; id++) {
        at_link_options *o = &family->link[id].options;
        o->linger_s = at_int(call, base);
        o->nodelay = at_int(call, base + 1) == 1;
        o->send_timeout_ms = at_int(call, base + 2);
        if (at_has(call, base + 3)) /* omitted: the last one stays (guide 3.3.39) */
            o->keep_alive_s = (uint16_t)at_int(call, base + 3);
        at_link_info info;
        at_link_get(family->app->links, id, &info);
        if (info.state == AT_LINK_OPEN && !at_link_type_is_udp(info.type))
            at_link_set_options(family->app->links, id, o);
    }
    return stored(call, store_options(family));
}

/* --- state --- */

static void write_links(at_call *call, const char *format)
{
    at_tcpip *family = at_tcpip_of(call);
    for (unsigned id = 0; id < AT_LINKS; id++) {
        at_link_info info;
        char remote[AT_ADDR_TEXT];
        at_link_get(family->app->links, id, &info);
        if (info.state != AT_LINK_OPEN && info.state != AT_LINK_DRAINED)
            continue;
        at_addr_format(&info.remote, remote);
        /* Both formats take the same six values. */
        if (format == FMT_STATE)
            at_row(call, FMT_STATE, id, at_link_type_name(info.type), remote, info.remote_port,
                   info.local_port, info.server);
        else
            at_row(call, FMT_STATUS_ROW, id, at_link_type_name(info.type), remote, info.remote_port,
                   info.local_port, info.server);
    }
}

at_result at_cipstate_query(at_call *call)
{
    write_links(call, FMT_STATE);
    return AT_RESULT_OK;
}

static bool has_stream_link(const at_tcpip *family)
{
    at_link_info info;
    for (unsigned id = 0; id < AT_LINKS; id++) {
        at_link_get(family->app->links, id, &info);
        if ((info.state == AT_LINK_OPEN || info.state == AT_LINK_DRAINED) &&
            !at_link_type_is_udp(info.type))
            return true;
    }
    return false;
}

static int status_of(const at_tcpip *family)
{
    at_ip_config ip;
    at_station_state state = at_station_get(family->app->station, NULL);
    at_net_ip(family->app->net, AT_NETIF_STA, &ip);
    if (state == AT_STATION_OFF)
        return 0;
    if (state == AT_STATION_IDLE)
        return 1;
    if (state != AT_STATION_JOINED || ip.ip.family == AT_FAMILY_NONE)
        return 5;
    if (has_stream_link(family))
        return 3;
    return family->had_link && !any_link(family) ? 4 : 2;
}

at_result at_cipstatus_execute(at_call *call)
{
    at_row(call, FMT_STATUS, status_of(at_tcpip_of(call)));
    write_links(call, FMT_STATUS_ROW);
    return AT_RESULT_OK;
}

/* One interface's rows; addresses of IPv6 only when there are some. */
static void write_interface(at_call *call, at_netif_id id, const char *name, const uint8_t mac[6])
{
    const at_net *net = at_app_of(call)->net;
    at_ip_config ip;
    at_addr addr;
    char text[AT_ADDR_TEXT], mac_text[18];
    at_net_ip(net, id, &ip);
    at_addr_format(&ip.ip, text);
    at_row(call, FMT_CIFSR, name, "IP", text);
    for (int i = 0; i < 2; i++) {
        if (!at_net_ip6(net, id, i, &addr))
            continue;
        at_addr_format(&addr, text);
        at_row(call, FMT_CIFSR, name, i == 0 ? "IP6LL" : "IP6GL", text);
    }
    at_format_mac(mac_text, mac);
    at_row(call, FMT_CIFSR, name, "MAC", mac_text);
}

at_result at_cifsr_execute(at_call *call)
{
    at_app *app = at_app_of(call);
    uint8_t mac[6];
    if (at_softap_is_on(app->softap)) { /* only interfaces that exist have rows */
        at_softap_bssid(app->softap, mac);
        write_interface(call, AT_NETIF_AP, "AP", mac);
    }
    if (at_station_get(app->station, NULL) == AT_STATION_OFF)
        return AT_RESULT_OK;
    at_station_mac(app->station, mac);
    write_interface(call, AT_NETIF_STA, "STA", mac);
    return AT_RESULT_OK;
}
