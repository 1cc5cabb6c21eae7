/* The SoftAP family (guide 3.2.10 to 3.2.12, 3.2.14, 3.2.16, 3.2.17, 3.2.19, 3.2.21).
 *
 * Decisions where the guide is silent:
 *
 * - AT+CWSAP, AT+CWLIF, AT+CWQIF and AT+CWDHCPS answer ERROR, queries as well, without SoftAP mode,
 *   because the guide ties them to it; AT+CWDHCPS also needs the DHCP server. AT+CIPAP, as AT+CIPSTA,
 *   works in every mode. The MAC and the protocol can be set only for an interface that exists.
 * - AT+CWSAP, AT+CIPAPMAC and AT+CWAPPROTO start the SoftAP again: its stations are thrown out, and
 *   +STA_DISCONNECTED comes before OK.
 * - With <ecn> 0 a password is kept and not used. <max conn> is 1 to 4, the part's limit, 4 when it is
 *   left out. The channel has to be one of AT+CWCOUNTRY; while the station is joined, the SoftAP is on
 *   the station's channel, and AT+CWSAP? shows the configured one.
 * - AT+CWLIF lists stations with an address of the DHCP server, in the order of connecting.
 * - AT+CWQIF with the address of nobody: ERROR.
 * - AT+CIPAP stops the DHCP server and AT+CWDHCP=1,2 returns to 192.168.4.1, as the guide says.
 * - A range of AT+CWDHCPS has at most 100 addresses, the SoftAP's own is not among them. A range that
 *   does not fit the network any more counts as not set. Setting one starts the server again: leases
 *   are forgotten.
 * - The protocol is b, bg or bgn (1, 3, 7): what the driver takes. */
#include "commands/softap_priv.h"

#include <string.h>

#include "commands/wifi_priv.h"
#include "core/bytes.h"

/* wire */
static const char FMT_CWSAP[] = "+CWSAP:\"%.*s\",\"%s\",%d,%d,%d,%d\r\n";
static const char FMT_CWLIF[] = "+CWLIF:%s,%s\r\n";
static const char FMT_CWDHCPS[] = "+CWDHCPS:%lu,%s,%s\r\n";
static const char FMT_CWAPPROTO[] = "+CWAPPROTO:%d\r\n";
static const char FMT_CWSTAPROTO[] = "+CWSTAPROTO:%d\r\n";
static const char FMT_CIPAPMAC[] = "+CIPAPMAC:\"%s\"\r\n";

#define LEASE_MINUTES_MAX 2880

static bool is_on(at_call *call)
{
    return at_softap_is_on(at_app_of(call)->softap);
}

static at_result not_on(at_call *call)
{
    if (!at_wifi_of(call)->ready)
        return at_wifi_not_on(call);
    return at_fail(call, AT_SUB_EXEC_FAIL, 0, "needs SoftAP mode (AT+CWMODE=2 or 3)");
}

/* ---- AT+CWSAP ---- */

static at_result cwsap_query(at_call *call)
{
    at_softap_params p;

    if (!is_on(call))
        return not_on(call);
    at_softap_conf(at_app_of(call), &p);
    at_row(call, FMT_CWSAP, (int)p.ssid.len, (const char *)p.ssid.bytes, p.passphrase, p.channel,
           p.auth, p.max_stations, p.hidden);
    return AT_RESULT_OK;
}

static const char *bad_password(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((uint8_t)text[i] < 0x20 || (uint8_t)text[i] > 0x7E)
            return "the password has to be printable ASCII";
    }
    return NULL;
}

static at_result check_cwsap(at_call *call)
{
    at_country country;
    int channel = at_int(call, 2), ecn = at_int(call, 3);
    const char *why = bad_password(at_text(call, 1), call->arg[1].len);

    at_station_country(at_app_of(call)->station, &country);
    if (ecn == AT_AUTH_WEP)
        return at_fail(call, AT_SUB_PARAM_INVALID, 4,
                       "there is no WEP here: <ecn> is 0, 2, 3 or 4");
    if (ecn != AT_AUTH_OPEN && call->arg[1].len < 8)
        return at_fail(call, AT_SUB_PARAM_LENGTH, 2, "a password has 8 to 63 bytes");
    if (why != NULL)
        return at_fail(call, AT_SUB_PARAM_INVALID, 2, "%s", why);
    if (channel < country.first || channel >= country.first + country.count)
        return at_fail(call, AT_SUB_PARAM_INVALID, 3, "AT+CWCOUNTRY allows channels %d to %d",
                       country.first, country.first + country.count - 1);
    return AT_RESULT_OK;
}

static at_result cwsap_set(at_call *call)
{
    at_app *app = at_app_of(call);
    at_softap_params p = { .hidden = (uint8_t)at_int(call, 5) };
    at_err err;

    if (!is_on(call))
        return not_on(call);
    if (check_cwsap(call) != AT_RESULT_OK)
        return AT_RESULT_ERROR;
    p.ssid.len = (uint8_t)call->arg[0].len;
    memcpy(p.ssid.bytes, at_text(call, 0), p.ssid.len);
    at_copy_text(p.passphrase, sizeof p.passphrase, at_text(call, 1));
    p.channel = (uint8_t)at_int(call, 2);
    p.auth = (uint8_t)at_int(call, 3);
    p.max_stations = (uint8_t)at_int(call, 4);
    err = at_setting_set_blob(app->settings, AT_SETTING_AP_CONF, &p, sizeof p);
    at_softap_change(call, at_softap_on);
    return at_wifi_stored(call, err);
}

/* ---- AT+CWLIF, AT+CWQIF ---- */

static at_result cwlif_execute(at_call *call)
{
    at_app *app = at_app_of(call);
    uint8_t mac[6];

    if (!is_on(call))
        return not_on(call);
    for (unsigned i = 0; at_softap_station(app->softap, i, mac); i++) {
        at_addr ip = at_dhcp_server_address_of(app->dhcp_server, mac);
        char ip_text[AT_ADDR_TEXT], mac_text[18];

        if (ip.family == AT_FAMILY_NONE)
            continue;
        at_addr_format(&ip, ip_text);
        at_format_mac(mac_text, mac);
        at_row(call, FMT_CWLIF, ip_text, mac_text);
    }
    return AT_RESULT_OK;
}

static void kick_all(at_app *app)
{
    at_softap_kick_all(app->softap);
}

static at_result cwqif_execute(at_call *call)
{
    if (!is_on(call))
        return not_on(call);
    at_softap_change(call, kick_all);
    return AT_RESULT_OK;
}

static at_result cwqif_set(at_call *call)
{
    at_app *app = at_app_of(call);

    if (!is_on(call))
        return not_on(call);
    app->ap->changed.raised = false;
    if (at_softap_kick(app->softap, call->arg[0].mac) != AT_OK)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "no such station is connected (AT+CWLIF)");
    (void)at_wait(call, &app->ap->changed, 10);
    return AT_RESULT_OK;
}

/* ---- AT+CWDHCPS ---- */

static at_result no_server(at_call *call)
{
    if (!is_on(call))
        return not_on(call);
    return at_fail(call, AT_SUB_EXEC_FAIL, 0, "needs the SoftAP's DHCP server (AT+CWDHCP=1,2)");
}

static at_result cwdhcps_query(at_call *call)
{
    at_dhcp_range range;
    char first[AT_ADDR_TEXT], last[AT_ADDR_TEXT];

    if (!at_softap_dhcp_runs(at_app_of(call)))
        return no_server(call);
    at_softap_dhcp_range(at_app_of(call), &range);
    at_addr_format(&range.first, first);
    at_addr_format(&range.last, last);
    at_row(call, FMT_CWDHCPS, (unsigned long)range.lease_s / 60u, first, last);
    return AT_RESULT_OK;
}

static at_result take_range(at_call *call, at_stored_range *stored)
{
    at_dhcp_range range = { .lease_s = 60u * (uint32_t)at_int(call, 1) };
    at_ip_config own;

    if (!at_has(call, 1) || !at_has(call, 2) || !at_has(call, 3))
        return at_fail(call, AT_SUB_PARAM_COUNT, 4 * 256 + call->given,
                       "<enable> 1 needs <lease time>, <start IP> and <end IP>");
    if (!at_wifi_take_ipv4(call, 2, stored->first) || !at_wifi_take_ipv4(call, 3, stored->last))
        return AT_RESULT_ERROR;
    memcpy(range.first.bytes, stored->first, 4);
    memcpy(range.last.bytes, stored->last, 4);
    range.first.family = range.last.family = AT_IPV4;
    at_softap_ip_conf(at_app_of(call), &own);
    if (!at_dhcp_range_fits(&range, &own))
        return at_fail(call, AT_SUB_PARAM_INVALID, 3,
                       "not up to %u addresses of the SoftAP's network without its own",
                       AT_DHCP_SERVER_LEASES);
    stored->minutes_high = (uint8_t)(at_int(call, 1) >> 8);
    stored->minutes_low = (uint8_t)at_int(call, 1);
    return AT_RESULT_OK;
}

static at_result cwdhcps_set(at_call *call)
{
    at_app *app = at_app_of(call);
    at_stored_range stored;
    bool enable = at_int(call, 0) == 1;
    at_err err;

    if (!at_softap_dhcp_runs(app))
        return no_server(call);
    if (enable && take_range(call, &stored) != AT_RESULT_OK)
        return AT_RESULT_ERROR;
    err = at_setting_set_blob(app->settings, AT_SETTING_DHCPS, &stored, enable ? sizeof stored : 0);
    at_softap_apply_ip(app);
    return at_wifi_stored(call, err);
}

/* ---- AT+CWAPPROTO, AT+CWSTAPROTO ---- */

static at_result set_protocol(at_call *call, at_setting id)
{
    int protocol = at_int(call, 0);

    if (protocol != 1 && protocol != 3 && protocol != 7)
        return at_fail(call, AT_SUB_PARAM_INVALID, 1, "b, bg or bgn: 1, 3 or 7");
    return at_wifi_stored(call, at_setting_set_int(at_app_of(call)->settings, id, protocol));
}

static at_result cwapproto_query(at_call *call)
{
    at_row(call, FMT_CWAPPROTO,
           (int)at_setting_int(at_app_of(call)->settings, AT_SETTING_AP_PROTO));
    return AT_RESULT_OK;
}

static at_result cwapproto_set(at_call *call)
{
    at_result result;

    if (!is_on(call))
        return not_on(call);
    result = set_protocol(call, AT_SETTING_AP_PROTO);
    if (result == AT_RESULT_OK)
        at_softap_change(call, at_softap_on);
    return result;
}

static at_result cwstaproto_query(at_call *call)
{
    at_row(call, FMT_CWSTAPROTO,
           (int)at_setting_int(at_app_of(call)->settings, AT_SETTING_STA_PROTO));
    return AT_RESULT_OK;
}

static at_result cwstaproto_set(at_call *call)
{
    at_app *app = at_app_of(call);
    at_result result;

    if (!at_wifi_is_on(app))
        return at_wifi_not_on(call);
    result = set_protocol(call, AT_SETTING_STA_PROTO);
    at_station_set_protocols(app->station,
                             (uint8_t)at_setting_int(app->settings, AT_SETTING_STA_PROTO));
    return result;
}

/* ---- AT+CIPAPMAC ---- */

static at_result cipapmac_query(at_call *call)
{
    uint8_t mac[6];
    char text[18];

    at_softap_mac(at_app_of(call), mac);
    at_format_mac(text, mac);
    at_row(call, FMT_CIPAPMAC, text);
    return AT_RESULT_OK;
}

static at_result cipapmac_set(at_call *call)
{
    static const uint8_t zeros[6];
    at_app *app = at_app_of(call);
    const uint8_t *mac = call->arg[0].mac;
    uint8_t station[6];
    at_err err;

    if (!is_on(call))
        return not_on(call);
    /* FF:FF:FF:FF:FF:FF has bit 0 as well. */
    if ((mac[0] & 1u) != 0 || memcmp(mac, zeros, sizeof zeros) == 0)
        return at_fail(call, AT_SUB_PARAM_INVALID, 1,
                       "bit 0 of the first byte is 1, or all bytes are 0");
    at_wifi_mac(app, station);
    if (memcmp(mac, station, sizeof station) == 0)
        return at_fail(call, AT_SUB_PARAM_INVALID, 1, "this is the station's address");
    err = at_setting_set_blob(app->settings, AT_SETTING_AP_MAC, mac, 6);
    at_softap_change(call, at_softap_on);
    return at_wifi_stored(call, err);
}

/* ---- AT+CIPAP ---- */

static at_result cipap_query(at_call *call)
{
    at_wifi_print_ip(call, AT_NETIF_AP, "CIPAP");
    return AT_RESULT_OK;
}

static at_result cipap_set(at_call *call)
{
    at_app *app = at_app_of(call);
    int dhcp = at_setting_int(app->settings, AT_SETTING_DHCP);
    at_stored_ip ip;
    at_err err, second;

    if (!at_wifi_take_ip(call, &ip))
        return AT_RESULT_ERROR;
    if (!at_has(call, 1))
        memcpy(ip.gateway, ip.ip, sizeof ip.gateway);
    err = at_setting_set_blob(app->settings, AT_SETTING_AP_IP, &ip, sizeof ip);
    second = at_setting_set_int(app->settings, AT_SETTING_DHCP, dhcp & ~AT_DHCP_SOFTAP);
    at_softap_apply_ip(app);
    return at_wifi_stored(call, err != AT_OK ? err : second);
}

/* arguments */
static const at_arg_spec cwsap_args[] = {
    AT_TEXT("ssid", 1, AT_SSID_MAX),
    AT_TEXT("pwd", 0, AT_PASSPHRASE_MAX),
    AT_INT("chl", 1, 14),
    AT_INT("ecn", 0, 4),
    AT_OPT_INT("max conn", 1, AT_SOFTAP_STATIONS, AT_SOFTAP_STATIONS),
    AT_OPT_INT("ssid hidden", 0, 1, 0),
};
static const at_shape cwsap_shapes[] = { AT_SHAPE(NULL, cwsap_args) };
static const at_arg_spec mac_args[] = { AT_MAC("mac") };
static const at_shape mac_shapes[] = { AT_SHAPE(NULL, mac_args) };
static const at_arg_spec cwdhcps_args[] = {
    AT_INT("enable", 0, 1),
    AT_OPT_INT("lease time", 1, LEASE_MINUTES_MAX, 0),
    AT_OPT_TEXT("start IP", 7, 15),
    AT_OPT_TEXT("end IP", 7, 15),
};
static const at_shape cwdhcps_shapes[] = { AT_SHAPE(NULL, cwdhcps_args) };
static const at_arg_spec protocol_args[] = { AT_INT("protocol", 1, 7) };
static const at_shape protocol_shapes[] = { AT_SHAPE(NULL, protocol_args) };
static const at_arg_spec cipap_args[] = { AT_TEXT("ip", 7, 15), AT_OPT_TEXT("gateway", 7, 15),
                                          AT_OPT_TEXT("netmask", 7, 15) };
static const at_shape cipap_shapes[] = { AT_SHAPE(NULL, cipap_args) };

/* rows */
static const at_cmd rows[] = {
    { .name = "+CWSAP",
      .query = cwsap_query,
      .set = cwsap_set,
      AT_SHAPES(cwsap_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.10",
      .summary = "Query or set the configuration of the SoftAP" },
    { .name = "+CWLIF",
      .execute = cwlif_execute,
      .builds = AT_IN_WIFI,
      .guide = "3.2.11",
      .summary = "List the stations of the SoftAP" },
    { .name = "+CWQIF",
      .set = cwqif_set,
      .execute = cwqif_execute,
      AT_SHAPES(mac_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.2.12",
      .summary = "Disconnect stations from the SoftAP" },
    { .name = "+CWDHCPS",
      .query = cwdhcps_query,
      .set = cwdhcps_set,
      AT_SHAPES(cwdhcps_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.14",
      .summary = "Query or set what the SoftAP's DHCP server hands out" },
    { .name = "+CWAPPROTO",
      .query = cwapproto_query,
      .set = cwapproto_set,
      AT_SHAPES(protocol_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.16",
      .summary = "Query or set the 802.11 protocols of the SoftAP" },
    { .name = "+CWSTAPROTO",
      .query = cwstaproto_query,
      .set = cwstaproto_set,
      AT_SHAPES(protocol_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.17",
      .summary = "Query or set the 802.11 protocols of the station" },
    { .name = "+CIPAPMAC",
      .query = cipapmac_query,
      .set = cipapmac_set,
      AT_SHAPES(mac_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.19",
      .summary = "Query or set the MAC address of the SoftAP" },
    { .name = "+CIPAP",
      .query = cipap_query,
      .set = cipap_set,
      AT_SHAPES(cipap_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.21",
      .summary = "Query or set the IP address of the SoftAP" },
};

const at_family_rows at_softap_rows = AT_FAMILY(rows);
