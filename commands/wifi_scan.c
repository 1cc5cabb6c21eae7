/* AT+CWLAPOPT and AT+CWLAP: what is on the air (guide 3.2.7, 3.2.8).
 *
 * The answers are collected while the scan runs and printed when it has ended, so a scan that fails
 * prints nothing. Decisions where the guide is silent:
 *
 * - The first parameter of AT+CWLAPOPT is "reserved", its example calls 1 the order by RSSI: 1 orders,
 *   0 leaves the order in which the air answered. Default 1, as the part's driver orders by itself.
 * - An access point heard twice is one row. At most 64 are kept, with order the strongest.
 * - freq_offset and freqcal_val are reserved: -1 both.
 * - SSIDs are printed as they are, without escapes, as the core's format does (WIRE 3.4).
 * - An empty <ssid> and <channel> 0 mean any.
 * - The station may be joined or wait for a reconnect, but not be joining: ERROR, as the driver says.
 */
#include "commands/wifi_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

/* wire */
static const char CWLAP_BEGIN[] = "+CWLAP:(";
static const char CWLAP_END[] = ")\r\n";

enum { SSID, MAC, CHANNEL, SCAN_TYPE, SCAN_TIME_MIN, SCAN_TIME_MAX };

enum { /* bits of <print mask> */
       SHOW_ECN,
       SHOW_SSID,
       SHOW_RSSI,
       SHOW_MAC,
       SHOW_CHANNEL,
       SHOW_FREQ_OFFSET,
       SHOW_FREQCAL,
       SHOW_PAIRWISE,
       SHOW_GROUP,
       SHOW_BGN,
       SHOW_WPS,
       SHOW_COUNT
};

#define APS_MAX       64u
#define SCAN_LIMIT_MS 60000u /* longer than any scan: the station ends it by its own timer */

typedef struct ap_list {
    const at_scan_options *options;
    at_bss *aps;
    unsigned count;
    bool done;
    at_err err;
    at_signal signal;
} ap_list;

void at_wifi_scan_defaults(at_scan_options *options)
{
    *options = (at_scan_options){
        .by_rssi = true, .print_mask = 0x7FF, .auth_mask = 0xFFFF, .rssi_floor = -100
    };
}

at_result at_cwlapopt_set(at_call *call)
{
    at_wifi_of(call)->scan = (at_scan_options){
        .by_rssi = at_int(call, 0) == 1,
        .print_mask = (uint32_t)at_int(call, 1),
        .rssi_floor = at_int(call, 2),
        .auth_mask = (uint32_t)at_int(call, 3),
    };
    return AT_RESULT_OK;
}

/* ---- collecting ---- */

static bool is_known(const ap_list *list, const at_bss *bss)
{
    for (unsigned i = 0; i < list->count; i++)
        if (memcmp(list->aps[i].bssid, bss->bssid, sizeof bss->bssid) == 0)
            return true;
    return false;
}

static void on_found(void *arg, const at_bss *bss)
{
    ap_list *list = arg;
    unsigned at = list->count;

    if (bss->rssi < list->options->rssi_floor || !(list->options->auth_mask >> bss->auth & 1u) ||
        is_known(list, bss))
        return;
    while (list->options->by_rssi && at > 0 && list->aps[at - 1].rssi < bss->rssi)
        at--;
    if (at == APS_MAX)
        return;
    if (list->count < APS_MAX)
        list->count++;
    memmove(&list->aps[at + 1], &list->aps[at], (list->count - at - 1) * sizeof list->aps[0]);
    list->aps[at] = *bss;
}

static void on_done(void *arg, at_err err)
{
    ap_list *list = arg;

    list->done = true;
    list->err = err;
    at_signal_raise(&list->signal);
}

static at_err collect(at_call *call, const at_scan_params *params, ap_list *list)
{
    at_station *station = at_app_of(call)->station;
    at_err err = at_station_scan(station, params, on_found, on_done, list);

    if (err != AT_OK)
        return err;
    err = at_wait(call, &list->signal, SCAN_LIMIT_MS);
    if (list->done)
        return list->err;
    at_station_scan_cancel(station);
    return err;
}

/* ---- printing ---- */

static int field(unsigned which, const at_bss *bss, char *to, size_t room)
{
    char mac[18];

    switch (which) {
    case SHOW_SSID:
        return snprintf(to, room, "\"%.*s\"", (int)bss->ssid.len, (const char *)bss->ssid.bytes);
    case SHOW_MAC: at_format_mac(mac, bss->bssid); return snprintf(to, room, "\"%s\"", mac);
    case SHOW_ECN: return snprintf(to, room, "%d", bss->auth);
    case SHOW_RSSI: return snprintf(to, room, "%d", bss->rssi);
    case SHOW_CHANNEL: return snprintf(to, room, "%d", bss->channel);
    case SHOW_PAIRWISE: return snprintf(to, room, "%d", bss->pairwise);
    case SHOW_GROUP: return snprintf(to, room, "%d", bss->group);
    case SHOW_BGN: return snprintf(to, room, "%d", bss->protocols);
    case SHOW_WPS: return snprintf(to, room, "%d", bss->wps);
    default: return snprintf(to, room, "-1");
    }
}

static void print(at_call *call, const at_bss *bss, uint32_t mask)
{
    char text[160]; /* the longest row has 110 bytes */
    size_t len = 0;

    for (unsigned which = 0; which < SHOW_COUNT; which++) {
        if (!(mask >> which & 1u))
            continue;
        if (len > 0)
            text[len++] = ',';
        len += (size_t)field(which, bss, text + len, sizeof text - len);
    }
    at_row(call, "%s%.*s%s", CWLAP_BEGIN, (int)len, text, CWLAP_END);
}

/* ---- AT+CWLAP ---- */

static at_result list_aps(at_call *call, const at_scan_params *params)
{
    at_app *app = at_app_of(call);
    ap_list list = { .options = &app->wifi->scan };
    at_err err;

    if (!at_wifi_is_on(app))
        return at_wifi_not_on(call);
    list.aps = at_alloc(app->heap, APS_MAX * sizeof list.aps[0]);
    if (list.aps == NULL)
        return at_fail_err(call, AT_ERR_NOMEM, "no room for the list");
    err = collect(call, params, &list);
    for (unsigned i = 0; err == AT_OK && i < list.count; i++)
        print(call, &list.aps[i], list.options->print_mask);
    at_free(app->heap, list.aps);
    if (err == AT_ERR_STATE)
        return at_fail_err(call, err, "the station is joining");
    return err == AT_OK ? AT_RESULT_OK : at_fail_err(call, err, "scan");
}

at_result at_cwlap_set(at_call *call)
{
    at_scan_params params = {
        .use_bssid = at_has(call, MAC),
        .channel = (uint8_t)at_int(call, CHANNEL),
        .passive = at_int(call, SCAN_TYPE) == 1,
        .time_min_ms = (uint16_t)at_int(call, SCAN_TIME_MIN),
        .time_max_ms = (uint16_t)at_int(call, SCAN_TIME_MAX),
    };

    if (!params.passive && params.time_max_ms != 0 && params.time_min_ms > params.time_max_ms)
        return at_fail(call, AT_SUB_PARAM_INVALID, SCAN_TIME_MIN + 1,
                       "<scan_time_min> is larger than <scan_time_max>");
    params.ssid.len = (uint8_t)call->arg[SSID].len;
    memcpy(params.ssid.bytes, at_text(call, SSID), params.ssid.len);
    memcpy(params.bssid, call->arg[MAC].mac, sizeof params.bssid);
    return list_aps(call, &params);
}

at_result at_cwlap_execute(at_call *call)
{
    static const at_scan_params any = { .channel = 0 };

    return list_aps(call, &any);
}
