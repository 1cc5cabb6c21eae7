/* The Wi-Fi family (guide 3.2): its rows, and the commands about the mode of the radio.
 *
 * The mode is the setting CWMODE; it is in force while Wi-Fi is initialised (AT+CWINIT, default 1).
 * Its two bits, station and SoftAP, are switched each on its own. Decisions where the guide is silent:
 *
 * - AT+CWINIT=0 leaves the network; =1 puts the mode in force again but does not join: the guide lets
 *   only a change of the mode and power-on connect.
 * - A bit of AT+CWMODE that stays as it is changes nothing: nothing is left or joined, and the SoftAP
 *   keeps its stations.
 * - Automatic connection at a change of mode starts after OK; AT+CWAUTOCONN is about power-on only.
 * - Queries answer in every mode, except AT+CWJAP?, which the guide ties to station mode.
 * - <auto_connect> and the policy (AT+CWRECONNCFG) go together: the first attempt is at once, others
 *   only with an interval.
 */
#include "commands/wifi_priv.h"

#include "commands/softap_priv.h"
#include "core/bytes.h"

/* wire */
static const char FMT_CWINIT[] = "+CWINIT:%d\r\n";
static const char FMT_CWMODE[] = "+CWMODE:%d\r\n";
static const char FMT_CWSTATE[] = "+CWSTATE:%d,\"%.*s\"\r\n";
static const char FMT_CWRECONNCFG[] = "+CWRECONNCFG:%d,%d\r\n";
static const char FMT_CWAUTOCONN[] = "+CWAUTOCONN:%d\r\n";
static const char FMT_CWCOUNTRY[] = "+CWCOUNTRY:%d,\"%s\",%d,%d\r\n";

/* ---- shared ---- */

bool at_wifi_is_on(const at_app *app)
{
    return at_station_get(app->station, NULL) != AT_STATION_OFF;
}

at_result at_wifi_not_on(at_call *call)
{
    if (!at_wifi_of(call)->ready)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "Wi-Fi is not initialised (AT+CWINIT=1)");
    return at_fail(call, AT_SUB_EXEC_FAIL, 0, "needs station mode (AT+CWMODE=1)");
}

at_result at_wifi_stored(at_call *call, at_err err)
{
    return err == AT_OK ? AT_RESULT_OK : at_fail_err(call, err, "in force, but not stored");
}

void at_wifi_station_on(at_app *app)
{
    uint8_t mac[6];

    at_wifi_mac(app, mac);
    (void)at_net_set_mac(app->net, AT_NETIF_STA, mac); /* fails only while the link is up */
    at_station_start(app->station, mac);
}

void at_wifi_apply_reconnect(at_app *app)
{
    at_station_set_reconnect(app->station,
                             (uint32_t)at_setting_int(app->settings, AT_SETTING_RECONN_INTERVAL),
                             (uint32_t)at_setting_int(app->settings, AT_SETTING_RECONN_REPEAT));
}

static void station_off(at_call *call)
{
    at_wifi_leave(call);
    at_station_stop(at_app_of(call)->station);
}

/* ---- AT+CWINIT ---- */

static at_result cwinit_query(at_call *call)
{
    at_row(call, FMT_CWINIT, at_wifi_of(call)->ready);
    return AT_RESULT_OK;
}

static at_result cwinit_set(at_call *call)
{
    at_app *app = at_app_of(call);
    int mode = at_setting_int(app->settings, AT_SETTING_CWMODE);
    bool ready = at_int(call, 0) == 1;

    if (ready == app->wifi->ready)
        return AT_RESULT_OK;
    if (!ready) {
        station_off(call);
        at_softap_change(call, at_softap_off);
    } else {
        if ((mode & AT_MODE_STATION) != 0)
            at_wifi_station_on(app);
        if ((mode & AT_MODE_SOFTAP) != 0)
            at_softap_on(app);
    }
    app->wifi->ready = ready;
    return AT_RESULT_OK;
}

/* ---- AT+CWMODE ---- */

static at_result cwmode_query(at_call *call)
{
    at_row(call, FMT_CWMODE, (int)at_setting_int(at_app_of(call)->settings, AT_SETTING_CWMODE));
    return AT_RESULT_OK;
}

static void connect_after_switch(at_app *app)
{
    at_stored_join join;

    if (at_wifi_last_join(app, &join))
        (void)at_station_reconnect_now(app->station, &join.params);
}

static at_result cwmode_set(at_call *call)
{
    at_app *app = at_app_of(call);
    int mode = at_int(call, 0);
    bool was_on = at_wifi_is_on(app), is_on = (mode & AT_MODE_STATION) != 0;
    bool softap = (mode & AT_MODE_SOFTAP) != 0;

    if (!app->wifi->ready)
        return at_wifi_not_on(call);
    if (is_on && !was_on) {
        at_wifi_station_on(app);
        if (at_int(call, 1) == 1)
            connect_after_switch(app);
    } else if (!is_on && was_on) {
        station_off(call);
    }
    if (softap != at_softap_is_on(app->softap))
        at_softap_change(call, softap ? at_softap_on : at_softap_off);
    return at_wifi_stored(call, at_setting_set_int(app->settings, AT_SETTING_CWMODE, mode));
}

/* ---- AT+CWSTATE ---- */

static int state_number(const at_app *app)
{
    switch (at_station_get(app->station, NULL)) {
    case AT_STATION_OFF:
    case AT_STATION_IDLE: return 0;
    case AT_STATION_JOINED: return app->wifi->has_ip ? 2 : 1;
    case AT_STATION_LOST: return 4;
    default: return 3;
    }
}

static at_result cwstate_query(at_call *call)
{
    const at_app *app = at_app_of(call);
    const at_join_params *params = at_station_params(app->station);
    int state = state_number(app);
    int len = state != 0 && params != NULL ? params->ssid.len : 0;

    at_row(call, FMT_CWSTATE, state, len, len > 0 ? (const char *)params->ssid.bytes : "");
    return AT_RESULT_OK;
}

/* ---- AT+CWRECONNCFG ---- */

static at_result cwreconncfg_query(at_call *call)
{
    const at_settings *settings = at_app_of(call)->settings;

    at_row(call, FMT_CWRECONNCFG, (int)at_setting_int(settings, AT_SETTING_RECONN_INTERVAL),
           (int)at_setting_int(settings, AT_SETTING_RECONN_REPEAT));
    return AT_RESULT_OK;
}

static at_result cwreconncfg_set(at_call *call)
{
    at_app *app = at_app_of(call);
    at_err err = at_setting_set_int(app->settings, AT_SETTING_RECONN_INTERVAL, at_int(call, 0));
    at_err second = at_setting_set_int(app->settings, AT_SETTING_RECONN_REPEAT, at_int(call, 1));

    at_wifi_apply_reconnect(app);
    return at_wifi_stored(call, err != AT_OK ? err : second);
}

/* ---- AT+CWAUTOCONN ---- */

static at_result cwautoconn_query(at_call *call)
{
    at_row(call, FMT_CWAUTOCONN,
           (int)at_setting_int(at_app_of(call)->settings, AT_SETTING_CWAUTOCONN));
    return AT_RESULT_OK;
}

static at_result cwautoconn_set(at_call *call)
{
    return at_wifi_stored(call, at_setting_set_int(at_app_of(call)->settings, AT_SETTING_CWAUTOCONN,
                                                   at_int(call, 0)));
}

/* ---- AT+CWCOUNTRY ---- */

static at_result cwcountry_query(at_call *call)
{
    at_country country;

    at_station_country(at_app_of(call)->station, &country);
    at_row(call, FMT_CWCOUNTRY, country.policy, country.code, country.first, country.count);
    return AT_RESULT_OK;
}

static at_result cwcountry_set(at_call *call)
{
    at_country country = {
        .policy = (uint8_t)at_int(call, 0),
        .first = (uint8_t)at_int(call, 2),
        .count = (uint8_t)at_int(call, 3),
    };

    if (!at_wifi_of(call)->ready)
        return at_wifi_not_on(call);
    if (country.first + country.count > 15)
        return at_fail(call, AT_SUB_PARAM_INVALID, 4, "%d channels from %d go beyond channel 14",
                       country.count, country.first);
    at_copy_text(country.code, sizeof country.code, at_text(call, 1));
    at_station_set_country(at_app_of(call)->station, &country);
    return AT_RESULT_OK;
}

/* arguments */
static const at_arg_spec cwinit_args[] = { AT_INT("init", 0, 1) };
static const at_shape cwinit_shapes[] = { AT_SHAPE(NULL, cwinit_args) };
static const at_arg_spec cwmode_args[] = { AT_INT("mode", 0, 3),
                                           AT_OPT_INT("auto_connect", 0, 1, 1) };
static const at_shape cwmode_shapes[] = { AT_SHAPE(NULL, cwmode_args) };
static const at_arg_spec cwjap_args[] = {
    AT_OPT_TEXT("ssid", 1, AT_SSID_MAX),
    AT_OPT_TEXT("pwd", 0, AT_PASSPHRASE_MAX),
    AT_OPT_MAC("bssid"),
    AT_OPT_INT("pci_en", 0, 1, 0),
    AT_OPT_INT("reconn_interval", 0, 7200, 1),
    AT_OPT_INT("listen_interval", 1, 100, 3),
    AT_OPT_INT("scan_mode", 0, 1, 0),
    AT_OPT_INT("jap_timeout", 3, 600, 15),
    AT_OPT_INT("pmf", 0, 3, 1),
};
static const at_shape cwjap_shapes[] = { AT_SHAPE(NULL, cwjap_args) };
static const at_arg_spec cwreconncfg_args[] = { AT_INT("interval_second", 0, 7200),
                                                AT_INT("repeat_count", 0, 1000) };
static const at_shape cwreconncfg_shapes[] = { AT_SHAPE(NULL, cwreconncfg_args) };
static const at_arg_spec cwlapopt_args[] = {
    AT_INT("reserved", 0, 1),
    AT_INT("print mask", 0, 0x7FF),
    AT_OPT_INT("rssi filter", -100, 40, -100),
    AT_OPT_INT("authmode mask", 0, 0xFFFF, 0xFFFF),
};
static const at_shape cwlapopt_shapes[] = { AT_SHAPE(NULL, cwlapopt_args) };
static const at_arg_spec cwlap_args[] = {
    AT_OPT_TEXT("ssid", 0, AT_SSID_MAX),     AT_OPT_MAC("mac"),
    AT_OPT_INT("channel", 0, 14, 0),         AT_OPT_INT("scan_type", 0, 1, 0),
    AT_OPT_INT("scan_time_min", 0, 1500, 0), AT_OPT_INT("scan_time_max", 0, 1500, 0),
};
static const at_shape cwlap_shapes[] = { AT_SHAPE(NULL, cwlap_args) };
static const at_arg_spec cwdhcp_args[] = { AT_INT("operate", 0, 1), AT_INT("mode", 1, 3) };
static const at_shape cwdhcp_shapes[] = { AT_SHAPE(NULL, cwdhcp_args) };
static const at_arg_spec cwautoconn_args[] = { AT_INT("enable", 0, 1) };
static const at_shape cwautoconn_shapes[] = { AT_SHAPE(NULL, cwautoconn_args) };
static const at_arg_spec cipstamac_args[] = { AT_MAC("mac") };
static const at_shape cipstamac_shapes[] = { AT_SHAPE(NULL, cipstamac_args) };
static const at_arg_spec cipsta_args[] = { AT_TEXT("ip", 7, 15), AT_OPT_TEXT("gateway", 7, 15),
                                           AT_OPT_TEXT("netmask", 7, 15) };
static const at_shape cipsta_shapes[] = { AT_SHAPE(NULL, cipsta_args) };
static const at_arg_spec cwhostname_args[] = { AT_TEXT("hostname", 1, AT_HOSTNAME_MAX) };
static const at_shape cwhostname_shapes[] = { AT_SHAPE(NULL, cwhostname_args) };
static const at_arg_spec cwcountry_args[] = {
    AT_INT("country_policy", 0, 1),
    AT_TEXT("country_code", 1, 3),
    AT_INT("start_channel", 1, 14),
    AT_INT("total_channel_count", 1, 14),
};
static const at_shape cwcountry_shapes[] = { AT_SHAPE(NULL, cwcountry_args) };
static const at_arg_spec cipdomain_args[] = {
    AT_TEXT("domain name", 1, 253),
    AT_OPT_INT("ip network", 1, 3, 1),
    AT_OPT_INT("timeout", 0, 60000, 0),
};
static const at_shape cipdomain_shapes[] = { AT_SHAPE(NULL, cipdomain_args) };
static const at_arg_spec ping_args[] = { AT_TEXT("host", 1, 253) };
static const at_shape ping_shapes[] = { AT_SHAPE(NULL, ping_args) };
static const at_arg_spec cipdns_args[] = {
    AT_INT("enable", 0, 1),
    AT_OPT_TEXT("DNS IP1", 2, 45),
    AT_OPT_TEXT("DNS IP2", 2, 45),
    AT_OPT_TEXT("DNS IP3", 2, 45),
};
static const at_shape cipdns_shapes[] = { AT_SHAPE(NULL, cipdns_args) };

/* rows */
static const at_cmd rows[] = {
    { .name = "+CWINIT",
      .query = cwinit_query,
      .set = cwinit_set,
      AT_SHAPES(cwinit_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.2.2",
      .summary = "Initialize or deinitialize the Wi-Fi driver" },
    { .name = "+CWMODE",
      .query = cwmode_query,
      .set = cwmode_set,
      AT_SHAPES(cwmode_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.3",
      .summary = "Query or set the Wi-Fi mode" },
    { .name = "+CWSTATE",
      .query = cwstate_query,
      .builds = AT_IN_WIFI,
      .guide = "3.2.4",
      .summary = "Query the Wi-Fi state and information" },
    { .name = "+CWJAP",
      .query = at_cwjap_query,
      .set = at_cwjap_set,
      .execute = at_cwjap_execute,
      AT_SHAPES(cwjap_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.5",
      .summary = "Connect to an access point" },
    { .name = "+CWRECONNCFG",
      .query = cwreconncfg_query,
      .set = cwreconncfg_set,
      AT_SHAPES(cwreconncfg_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.6",
      .summary = "Query or set how Wi-Fi reconnects" },
    { .name = "+CWLAPOPT",
      .set = at_cwlapopt_set,
      AT_SHAPES(cwlapopt_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.2.7",
      .summary = "Set what AT+CWLAP prints" },
    { .name = "+CWLAP",
      .set = at_cwlap_set,
      .execute = at_cwlap_execute,
      AT_SHAPES(cwlap_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.2.8",
      .summary = "List access points" },
    { .name = "+CWQAP",
      .execute = at_cwqap_execute,
      .builds = AT_IN_WIFI,
      .guide = "3.2.9",
      .summary = "Disconnect from the access point" },
    { .name = "+CWDHCP",
      .query = at_cwdhcp_query,
      .set = at_cwdhcp_set,
      AT_SHAPES(cwdhcp_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.13",
      .summary = "Enable or disable DHCP" },
    { .name = "+CWAUTOCONN",
      .query = cwautoconn_query,
      .set = cwautoconn_set,
      AT_SHAPES(cwautoconn_shapes),
      .flags = AT_SAVED_ALWAYS,
      .builds = AT_IN_WIFI,
      .guide = "3.2.15",
      .summary = "Connect to the access point when powered on" },
    { .name = "+CIPSTAMAC",
      .query = at_cipstamac_query,
      .set = at_cipstamac_set,
      AT_SHAPES(cipstamac_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.18",
      .summary = "Query or set the MAC address of the station" },
    { .name = "+CIPSTA",
      .query = at_cipsta_query,
      .set = at_cipsta_set,
      AT_SHAPES(cipsta_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.2.20",
      .summary = "Query or set the IP address of the station" },
    { .name = "+CWHOSTNAME",
      .query = at_cwhostname_query,
      .set = at_cwhostname_set,
      AT_SHAPES(cwhostname_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.2.26",
      .summary = "Query or set the host name of the station" },
    { .name = "+CWCOUNTRY",
      .query = cwcountry_query,
      .set = cwcountry_set,
      AT_SHAPES(cwcountry_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.2.27",
      .summary = "Query or set the Wi-Fi country code" },
    { .name = "+CIPDOMAIN",
      .set = at_cipdomain_set,
      AT_SHAPES(cipdomain_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.5",
      .summary = "Resolve a domain name" },
    { .name = "+PING",
      .set = at_ping_set,
      AT_SHAPES(ping_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.36",
      .summary = "Ping a remote host" },
    { .name = "+CIPDNS",
      .query = at_cipdns_query,
      .set = at_cipdns_set,
      AT_SHAPES(cipdns_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.3.37",
      .summary = "Query or set DNS servers" },
};

const at_family_rows at_wifi_rows = AT_FAMILY(rows);
