/* One scan: a request with a token to the air, an answer per access point, and the end.
 *
 * The air says SCAN_DONE when it has sent every answer (at once, or after the dwell times of the
 * channels with --pace). A timer with all dwell times and some reserve ends the scan when that frame
 * does not come: a scan is lost on the air like everything else, and then it has heard nothing. Answers
 * that carry another token belong to an earlier scan and are ignored.
 *
 * A join and AT+CWLAP share the one scan there is. The join's goes first: at_station_scan refuses while
 * an attempt is under way, a reconnect waits for the end of the host's scan (station.c), and a new join
 * ends the host's scan as cancelled. Access points on channels outside the country's are not heard.
 */
#include "wifi/station_priv.h"

#include <string.h>

#include "core/bytes.h"

#define DWELL_ACTIVE_MS  120u
#define DWELL_PASSIVE_MS 360u
#define RESERVE_MS       2000u

static void finish(at_station *s, at_err err)
{
    at_scan_run *scan = &s->scan;

    at_scan_end(s);
    scan->done(scan->arg, err);
}

static void on_timer(void *arg)
{
    at_station *s = arg;

    at_log(s->config.log, AT_LOG_DEBUG, "wifi", "scan %u: the air did not say it is done",
           s->scan.token);
    finish(s, AT_OK);
}

void at_scan_init(at_station *s)
{
    at_timer_init(&s->scan.timer, on_timer, s);
}

static uint64_t longest_us(const at_station *s, const at_scan_params *params)
{
    uint32_t dwell = params->time_max_ms;
    uint32_t channels = params->channel != 0 ? 1 : s->country.count;

    if (dwell == 0)
        dwell = params->passive ? DWELL_PASSIVE_MS : DWELL_ACTIVE_MS;
    return ((uint64_t)channels * dwell + RESERVE_MS) * 1000u;
}

void at_scan_begin(at_station *s, const at_scan_params *params,
                   void (*found)(void *arg, const at_bss *bss), void (*done)(void *arg, at_err err),
                   void *arg)
{
    at_scan_run *scan = &s->scan;
    at_mgmt m = { .type = AT_MGMT_SCAN };

    scan->active = true;
    scan->token++;
    scan->params = *params;
    scan->found = found;
    scan->done = done;
    scan->arg = arg;
    at_timer_in(s->config.loop, &scan->timer, longest_us(s, params));

    memset(m.to, 0xFF, sizeof m.to);
    m.scan.token = scan->token;
    m.scan.channel = params->channel;
    m.scan.passive = params->passive;
    m.scan.ssid = params->ssid;
    at_station_transmit_mgmt(s, &m);
}

void at_scan_end(at_station *s)
{
    s->scan.active = false;
    at_timer_stop(s->config.loop, &s->scan.timer);
}

void at_scan_abort(at_station *s)
{
    if (!s->scan.active)
        return;
    if (s->state == AT_STATION_SCANNING)
        at_scan_end(s);
    else
        finish(s, AT_ERR_CANCELLED);
}

static bool wanted(const at_station *s, const at_bss *bss)
{
    const at_scan_params *want = &s->scan.params;

    if (bss->channel < s->country.first || bss->channel >= s->country.first + s->country.count)
        return false;
    if (want->channel != 0 && bss->channel != want->channel)
        return false;
    if (want->use_bssid && memcmp(bss->bssid, want->bssid, sizeof bss->bssid) != 0)
        return false;
    if (want->ssid.len != 0)
        return bss->ssid.len == want->ssid.len &&
               memcmp(bss->ssid.bytes, want->ssid.bytes, bss->ssid.len) == 0;
    return bss->ssid.len != 0 || want->use_bssid;
}

void at_scan_mgmt(at_station *s, const at_mgmt *m)
{
    at_scan_run *scan = &s->scan;

    if (!scan->active)
        return;
    if (m->type == AT_MGMT_BEACON && m->beacon.token == scan->token) {
        if (wanted(s, &m->beacon.bss))
            scan->found(scan->arg, &m->beacon.bss); /* may end the scan */
    } else if (m->type == AT_MGMT_SCAN_DONE && m->scan_done.token == scan->token) {
        finish(s, AT_OK);
    }
}

at_err at_station_scan(at_station *s, const at_scan_params *params,
                       void (*found)(void *arg, const at_bss *bss),
                       void (*done)(void *arg, at_err err), void *arg)
{
    if (s->state == AT_STATION_OFF || at_station_attempting(s) || s->scan.active)
        return AT_ERR_STATE;
    at_scan_begin(s, params, found, done, arg);
    return AT_OK;
}

void at_station_scan_cancel(at_station *s)
{
    if (s->scan.active && s->state != AT_STATION_SCANNING)
        at_scan_end(s);
}
