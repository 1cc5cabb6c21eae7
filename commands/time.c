/* The clock: AT+CIPSNTPCFG, AT+CIPSNTPTIME, AT+CIPSNTPINTV (guide 3.3.20 to 3.3.22).
 *
 * There is one clock, the module's own, in Unix time. SNTP, AT+SYSTIMESTAMP and the judgement of
 * certificates share it; the time zone is only for showing it. It begins at 1970 with every boot.
 *
 * Readings of the guide, and decisions where it is silent:
 *
 * - <timezone> in the second format, hhmm, is shown as its whole hours: the guide's own example,
 *   015, is UTC+00:15 and shown as 0. Minutes have the sign of the whole number.
 * - Nothing is stored (the commands are not among those of guide 3.1.26).
 * - +TIME_UPDATED comes once, with the first synchronisation after AT+CIPSNTPCFG=1 (guide 3.14:
 *   "only after sending the AT+CIPSNTPCFG command or power on"); later ones are silent. It counts
 *   as a status, so passthrough data stays clean.
 * - The servers are asked while the station has an address; before that the configuration waits.
 * - AT+CIPSNTPTIME? answers in every state: it shows the clock.
 */
#include "commands/time_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/wire.h"
#include "net/mdns_host.h"

/* wire */
static const char FMT_CIPSNTPCFG[] = "+CIPSNTPCFG:%d,%d%s\r\n";
static const char FMT_CIPSNTPTIME[] = "+CIPSNTPTIME:%s %s %2d %02d:%02d:%02d %lld\r\n";
static const char FMT_CIPSNTPINTV[] = "+CIPSNTPINTV:%lu\r\n";

#define DAY_S 86400ll

static const char *const default_servers[AT_SNTP_SERVERS] = {
    "cn.ntp.org.cn",
    "ntp.sjtu.edu.cn",
    "us.pool.ntp.org",
};

/* ---- AT+CIPSNTPCFG ---- */

static at_result cipsntpcfg_query(at_call *call)
{
    const at_time *time = at_time_of(call);
    char list[AT_LINE_MAX + AT_SNTP_SERVERS * 3] = "";
    size_t len = 0;

    for (unsigned i = 0; i < time->servers; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, ",\"%s\"", time->server[i]);
    at_row(call, FMT_CIPSNTPCFG, time->enabled, time->zone_min / 60, list);
    return AT_RESULT_OK;
}

/* Minutes east of UTC, of whole hours or of hhmm. */
static bool zone_of(int value, int *minutes)
{
    int hours = value / 100, rest = value % 100;

    if (value >= -12 && value <= 14) {
        *minutes = value * 60;
        return true;
    }
    *minutes = hours * 60 + rest;
    return rest > -60 && rest < 60;
}

static void take_servers(at_time *time, const at_call *call)
{
    size_t used = 0;

    time->servers = 0;
    for (unsigned i = 2; i < 2 + AT_SNTP_SERVERS; i++) {
        if (!at_has(call, i))
            continue;
        time->server[time->servers++] = time->names + used;
        used += at_copy_text(time->names + used, sizeof time->names - used, at_text(call, i)) + 1;
    }
    if (time->servers > 0)
        return;
    memcpy(time->server, default_servers, sizeof time->server);
    time->servers = AT_SNTP_SERVERS;
}

static at_result cipsntpcfg_set(at_call *call)
{
    at_time *time = at_time_of(call);
    int zone;

    if (!zone_of(at_int(call, 1), &zone))
        return at_fail(call, AT_SUB_PARAM_INVALID, 2,
                       "a time zone is -12 to 14 hours, or hhmm with at most 59 minutes");
    at_sntp_stop(time->sntp); /* it holds the names */
    time->zone_min = zone;
    time->enabled = time->announce = at_int(call, 0) == 1;
    take_servers(time, call);
    if (time->enabled)
        at_sntp_start(time->sntp, time->server, time->servers);
    return AT_RESULT_OK;
}

/* ---- AT+CIPSNTPTIME ---- */

/* Year, month 0 to 11 and day of the month of days since 1970, in the calendar that is repeated
 * every 400 years (146097 days). Years here begin in March, so the leap day is their last. */
static void date_of(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t since = days + 719468; /* since 0000-03-01 */
    int64_t era = (since >= 0 ? since : since - 146096) / 146097;
    int64_t in_era = since - era * 146097;
    int64_t years = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (years * 365 + years / 4 - years / 100);
    int64_t march = (5 * in_year + 2) / 153; /* months since March */

    *day = (int)(in_year - (153 * march + 2) / 5 + 1);
    *month = (int)((march + 2) % 12);
    *year = years + era * 400 + (march >= 10 ? 1 : 0);
}

static at_result cipsntptime_query(at_call *call)
{
    static const char days[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    int64_t us = *at_app_of(call)->date_offset_us + (int64_t)at_now(call);
    int64_t local_s = us / 1000000 + at_time_of(call)->zone_min * 60;
    int64_t day = (local_s >= 0 ? local_s : local_s - (DAY_S - 1)) / DAY_S;
    int64_t year;
    int second = (int)(local_s - day * DAY_S), month, of_month;

    date_of(day, &year, &month, &of_month);
    at_row(call, FMT_CIPSNTPTIME, days[(day % 7 + 7) % 7], months[month], of_month, second / 3600,
           second / 60 % 60, second % 60, (long long)year);
    return AT_RESULT_OK;
}

/* ---- AT+CIPSNTPINTV ---- */

static at_result cipsntpintv_query(at_call *call)
{
    at_row(call, FMT_CIPSNTPINTV, (unsigned long)at_sntp_interval(at_time_of(call)->sntp));
    return AT_RESULT_OK;
}

static at_result cipsntpintv_set(at_call *call)
{
    at_sntp_set_interval(at_time_of(call)->sntp, (uint32_t)at_int(call, 0));
    return AT_RESULT_OK;
}

/* ---- life and events ---- */

static size_t format_updated(void *arg, char *buf, size_t room)
{
    const at_wire_text *text = &at_wire[AT_WIRE_TIME_UPDATED];

    (void)arg;
    if (text->len > room)
        return 0;
    memcpy(buf, text->text, text->len);
    return text->len;
}

static void on_time(void *owner)
{
    at_time *time = owner;
    at_app *app = time->app;
    char members[40];

    snprintf(members, sizeof members, "\"unix\":%lld",
             (long long)((*app->date_offset_us + (int64_t)at_loop_now(app->loop)) / 1000000));
    app->supervisor->report(app->supervisor->ctx, "time", members);
    if (time->announce)
        at_notice_post(app->session, &time->updated);
    time->announce = false;
}

at_err at_time_family_create(at_app *app)
{
    at_time *time = at_calloc(app->heap, 1, sizeof *time);
    at_sntp_config config = {
        .net = app->net, .date_offset_us = app->date_offset_us, .on_time = on_time, .owner = time
    };

    if (time == NULL)
        return AT_ERR_NOMEM;
    time->app = app;
    time->sntp = at_sntp_create(&config);
    memcpy(time->server, default_servers, sizeof time->server);
    time->servers = AT_SNTP_SERVERS;
    time->updated.format = format_updated;
    time->updated.status = true;
    app->time = time;
    return time->sntp != NULL ? AT_OK : AT_ERR_NOMEM;
}

void at_time_on_net(at_app *app, at_netif_id netif, at_net_event event)
{
    if (app->time->mdns != NULL)
        at_mdns_host_on_net(app->time->mdns, netif, event);
    if (netif != AT_NETIF_STA)
        return;
    if (event == AT_NET_GOT_IP)
        at_sntp_online(app->time->sntp, true);
    else if (event == AT_NET_LOST_IP)
        at_sntp_online(app->time->sntp, false);
}

/* arguments */
static const at_arg_spec cipsntpcfg_args[] = {
    AT_INT("enable", 0, 1),
    AT_INT("timezone", -1259, 1459),
    AT_OPT_TEXT("SNTP server1", 1, 253),
    AT_OPT_TEXT("SNTP server2", 1, 253),
    AT_OPT_TEXT("SNTP server3", 1, 253),
};
static const at_shape cipsntpcfg_shapes[] = { AT_SHAPE(NULL, cipsntpcfg_args) };
static const at_arg_spec cipsntpintv_args[] = { AT_INT("interval second", 15, 4294967) };
static const at_shape cipsntpintv_shapes[] = { AT_SHAPE(NULL, cipsntpintv_args) };

/* rows */
static const at_cmd rows[] = {
    { .name = "+CIPSNTPCFG",
      .query = cipsntpcfg_query,
      .set = cipsntpcfg_set,
      AT_SHAPES(cipsntpcfg_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.20",
      .summary = "Query or set the time zone and the SNTP servers" },
    { .name = "+CIPSNTPTIME",
      .query = cipsntptime_query,
      .builds = AT_IN_WIFI,
      .guide = "3.3.21",
      .summary = "Query the time" },
    { .name = "+CIPSNTPINTV",
      .query = cipsntpintv_query,
      .set = cipsntpintv_set,
      AT_SHAPES(cipsntpintv_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.22",
      .summary = "Query or set the interval of synchronisation" },
};

const at_family_rows at_time_rows = AT_FAMILY(rows);
