/* AT+CWJAP and AT+CWQAP: joining and leaving (guide 3.2.5, 3.2.9).
 *
 * The station does the work and tells events; wifi_events.c turns them into words and flags, and the
 * handler here waits for the flags. So the words always come before OK, and OK means that the IPv4
 * address is there. Decisions where the guide is silent or open:
 *
 * - The parameters become the last configuration (and are stored) before the attempt, whatever comes of
 *   it: AT+CWJAP without parameters tries the same again.
 * - Omitted <ssid>: that of the last configuration, with its password unless one is given. Given <ssid>
 *   without <pwd>: an open network. The other parameters take their defaults, not the last values.
 * - A password of 1 to 7 bytes is a wrong length: ERROR at once, nothing is changed or left.
 * - Joined, but no address until <jap_timeout>: the station leaves again (WIFI DISCONNECT), then
 *   +CWJAP:1. After an ERROR of AT+CWJAP nothing goes on behind the host's back.
 * - When the access point goes while the address is awaited, the reconnect policy may bring it back
 *   within the time; without a policy the command fails with 4 at once.
 * - The key of a network that was joined is stored with the configuration (setting STA_PMK), so that a
 *   boot joins at once.
 * - AT+CWJAP? prints the SSID as it is, without escapes, as the core's format does (WIRE 3.4).
 */
#include "commands/wifi_priv.h"

#include <string.h>

#include "core/bytes.h"

/* wire */
static const char FMT_CWJAP[] = "+CWJAP:\"%.*s\",\"%s\",%d,%d,%d,%d,%d,%d,%d\r\n";
static const char FMT_CWJAP_ERROR[] = "+CWJAP:%d\r\n";

/* Stored as they are: no padding, within the sizes of settings.def. */
_Static_assert(sizeof(at_stored_join) == 110, "setting STATION");
_Static_assert(sizeof(at_pmk_record) == 129, "setting STA_PMK");

enum { SSID, PWD, BSSID, PCI_EN, RECONN_INTERVAL, LISTEN_INTERVAL, SCAN_MODE, JAP_TIMEOUT, PMF };

#define LEAVE_MS 1000u /* the event of leaving comes in the next turn of the loop */

bool at_wifi_last_join(const at_app *app, at_stored_join *join)
{
    return at_setting_blob(app->settings, AT_SETTING_STATION, join, sizeof *join) &&
           join->params.ssid.len >= 1 && join->params.ssid.len <= AT_SSID_MAX &&
           memchr(join->params.passphrase, 0, sizeof join->params.passphrase) != NULL;
}

void at_wifi_load_key(at_app *app)
{
    at_pmk_record record;

    if (at_setting_blob(app->settings, AT_SETTING_STA_PMK, &record, sizeof record))
        at_station_set_pmk(app->station, &record);
}

void at_wifi_keep_key(at_app *app)
{
    at_pmk_record record;
    at_bss bss;

    at_station_get(app->station, &bss);
    if (bss.auth == AT_AUTH_OPEN || !at_station_pmk(app->station, &record))
        return;
    if (at_setting_set_blob(app->settings, AT_SETTING_STA_PMK, &record, sizeof record) != AT_OK)
        at_log(app->log, AT_LOG_WARN, "wifi", "the key is not stored, the next boot computes it");
}

void at_wifi_leave(at_call *call)
{
    at_wifi *wifi = at_wifi_of(call);
    uint32_t before = wifi->left_count;
    bool told = wifi->joined || at_station_get(wifi->app->station, NULL) == AT_STATION_JOINED;

    at_time_leaving(wifi->app);
    (void)at_station_leave(wifi->app->station);
    while (told && wifi->left_count == before && at_wait(call, &wifi->changed, LEAVE_MS) == AT_OK) {
    }
}

/* ---- joining ---- */

/* 0 when the address is there, else an at_join_error; AT_JOIN_TIMEOUT also when cancelled. */
static int wait_for_address(at_call *call, uint64_t due_us)
{
    at_wifi *wifi = at_wifi_of(call);
    at_err err = AT_OK;

    while (err == AT_OK) {
        err = at_wait_until(call, &wifi->changed, due_us);
        if (wifi->joined && wifi->has_ip)
            return 0;
        if (wifi->join_error != 0)
            return wifi->join_error;
        if (at_station_get(wifi->app->station, NULL) == AT_STATION_LOST)
            return AT_JOIN_FAILED;
    }
    return AT_JOIN_TIMEOUT;
}

static const char *join_error_text(int error)
{
    switch (error) {
    case AT_JOIN_TIMEOUT: return "connection timeout";
    case AT_JOIN_PASSWORD: return "wrong password";
    case AT_JOIN_NOT_FOUND: return "cannot find the target access point";
    default: return "connection failed";
    }
}

static at_result join_and_wait(at_call *call, const at_stored_join *join)
{
    at_wifi *wifi = at_wifi_of(call);
    uint64_t timeout_s = (uint64_t)join->timeout_high << 8 | join->timeout_low;
    uint64_t due_us = at_now(call) + timeout_s * 1000000u;
    bool was_joined;
    int error;
    at_err err = at_station_join(wifi->app->station, &join->params);

    if (err != AT_OK)
        return at_fail_err(call, err, "the station cannot join");
    wifi->join_error = 0;
    wifi->has_ip = false;
    error = wait_for_address(call, due_us);
    if (error == 0)
        return AT_RESULT_OK;
    was_joined = wifi->joined;
    at_wifi_leave(call);
    at_row(call, FMT_CWJAP_ERROR, error);
    return at_fail(call, AT_SUB_EXEC_FAIL, 0, "%s%s", join_error_text(error),
                   was_joined ? ", joined but no IPv4 address came" : "");
}

/* ---- AT+CWJAP ---- */

at_result at_cwjap_query(at_call *call)
{
    const at_app *app = at_app_of(call);
    const at_join_params *params = at_station_params(app->station);
    at_bss bss;
    char bssid[18];

    if (!at_wifi_is_on(app))
        return at_wifi_not_on(call);
    if (at_station_get(app->station, &bss) != AT_STATION_JOINED)
        return AT_RESULT_OK;
    at_format_mac(bssid, bss.bssid);
    at_row(call, FMT_CWJAP, (int)bss.ssid.len, (const char *)bss.ssid.bytes, bssid, bss.channel,
           bss.rssi, params->pci, (int)at_setting_int(app->settings, AT_SETTING_RECONN_INTERVAL),
           params->listen_interval, params->scan_mode, params->pmf);
    return AT_RESULT_OK;
}

/* SSID and password of the call, or of the last configuration. false after at_fail. */
static bool take_network(at_call *call, at_join_params *params)
{
    at_stored_join last;
    size_t len = call->arg[PWD].len;

    if (at_has(call, SSID)) {
        params->ssid.len = (uint8_t)call->arg[SSID].len;
        memcpy(params->ssid.bytes, at_text(call, SSID), params->ssid.len);
    } else if (at_wifi_last_join(at_app_of(call), &last)) {
        params->ssid = last.params.ssid;
        if (!at_has(call, PWD))
            memcpy(params->passphrase, last.params.passphrase, sizeof params->passphrase);
    } else {
        at_fail(call, AT_SUB_PARAM_INVALID, SSID + 1, "no <ssid>, and no last configuration");
        return false;
    }
    if (!at_has(call, PWD))
        return true;
    if ((len > 0 && len < 8) || strlen(at_text(call, PWD)) != len) {
        at_fail(call, AT_SUB_PARAM_LENGTH, PWD + 1, "a password has 8 to 63 bytes");
        return false;
    }
    at_copy_text(params->passphrase, sizeof params->passphrase, at_text(call, PWD));
    return true;
}

static void take_options(const at_call *call, at_stored_join *join)
{
    at_join_params *params = &join->params;
    unsigned timeout_s = (unsigned)at_int(call, JAP_TIMEOUT);

    params->use_bssid = at_has(call, BSSID);
    memcpy(params->bssid, call->arg[BSSID].mac, sizeof params->bssid);
    params->pci = (uint8_t)at_int(call, PCI_EN);
    params->listen_interval = (uint8_t)at_int(call, LISTEN_INTERVAL);
    params->scan_mode = (uint8_t)at_int(call, SCAN_MODE);
    params->pmf = (uint8_t)at_int(call, PMF);
    join->timeout_high = (uint8_t)(timeout_s >> 8);
    join->timeout_low = (uint8_t)timeout_s;
}

at_result at_cwjap_set(at_call *call)
{
    at_app *app = at_app_of(call);
    at_stored_join join;
    at_err err, second;

    memset(&join, 0, sizeof join);
    if (!at_wifi_is_on(app))
        return at_wifi_not_on(call);
    if (!take_network(call, &join.params))
        return AT_RESULT_ERROR;
    take_options(call, &join);
    err = at_setting_set_blob(app->settings, AT_SETTING_STATION, &join, sizeof join);
    second = at_setting_set_int(app->settings, AT_SETTING_RECONN_INTERVAL,
                                at_int(call, RECONN_INTERVAL));
    if (err != AT_OK || second != AT_OK)
        at_log(app->log, AT_LOG_ERROR, "wifi", "the configuration is not stored: %s",
               at_err_text(err != AT_OK ? err : second));
    at_wifi_apply_reconnect(app);
    return join_and_wait(call, &join);
}

at_result at_cwjap_execute(at_call *call)
{
    at_stored_join join;

    if (!at_wifi_is_on(at_app_of(call)))
        return at_wifi_not_on(call);
    if (!at_wifi_last_join(at_app_of(call), &join))
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "there is no last configuration");
    return join_and_wait(call, &join);
}

/* ---- AT+CWQAP ---- */

at_result at_cwqap_execute(at_call *call)
{
    if (!at_wifi_is_on(at_app_of(call)))
        return at_wifi_not_on(call);
    at_wifi_leave(call);
    return AT_RESULT_OK;
}
