/* The Wi-Fi family's life: creation, boot, events, shutdown.
 *
 * Events of the station and of the stack become words for the host (WIRE 4), reports for the bench and
 * flags that handlers wait for. The words are connection statuses: in passthrough the writer drops them
 * unless AT+SYSMSG bit 2 asks for them.
 *
 * An address that comes while no access point is joined is not told (a static one is set then, or the
 * event is older than the loss). Boot joins by itself, after "ready", when the stored mode has a station,
 * AT+CWAUTOCONN is 1 and there is a configuration; the first attempt is at once, the policy of
 * AT+CWRECONNCFG decides about more.
 */
#include "commands/wifi_priv.h"

#include <stdio.h>
#include <string.h>

#include "commands/softap_priv.h"
#include "core/bytes.h"

/* ---- words ---- */

static size_t format_word(void *arg, char *buf, size_t room)
{
    const at_wifi_word *word = arg;
    const at_wire_text *text = &at_wire[word->text];

    if (text->len > room)
        return 0;
    memcpy(buf, text->text, text->len);
    return text->len;
}

static void say(at_wifi *wifi, at_wire_id text)
{
    at_wifi_word *word = &wifi->word[wifi->newest];

    if (wifi->off)
        return;
    for (unsigned i = 0; i < AT_WIFI_WORDS; i++) {
        unsigned next = (wifi->newest + 1 + i) % AT_WIFI_WORDS;

        if (!wifi->word[next].notice.queued) {
            wifi->newest = next;
            word = &wifi->word[next];
            break;
        }
    }
    word->text = text; /* all queued: the newest word changes, the last one said stays true */
    at_notice_post(wifi->app->session, &word->notice);
}

/* ---- reports ---- */

/* JSON text of bytes: what is not plain ASCII becomes \u00xx. */
static void json_text(char *to, size_t room, const uint8_t *bytes, size_t len)
{
    size_t at = 0;

    for (size_t i = 0; i < len && at + 7 <= room; i++) {
        bool plain = bytes[i] >= 0x20 && bytes[i] < 0x7F && bytes[i] != '"' && bytes[i] != '\\';

        at += (size_t)snprintf(to + at, room - at, plain ? "%c" : "\\u%04x", bytes[i]);
    }
    to[at] = '\0';
}

static void report(const at_app *app, const char *name, const char *members)
{
    if (app->supervisor != NULL && app->supervisor->report != NULL)
        app->supervisor->report(app->supervisor->ctx, name, members);
}

static void report_joined(const at_app *app)
{
    char ssid[AT_SSID_MAX * 6 + 1], bssid[18], members[300];
    at_bss bss;

    at_station_get(app->station, &bss);
    json_text(ssid, sizeof ssid, bss.ssid.bytes, bss.ssid.len);
    at_format_mac(bssid, bss.bssid);
    snprintf(members, sizeof members, "\"ssid\":\"%s\",\"bssid\":\"%s\",\"channel\":%d,\"rssi\":%d",
             ssid, bssid, bss.channel, bss.rssi);
    report(app, "joined", members);
}

static void report_ip(const at_app *app)
{
    char ip[AT_ADDR_TEXT], gateway[AT_ADDR_TEXT], members[128];
    at_ip_config config;

    at_net_ip(app->net, AT_NETIF_STA, &config);
    at_addr_format(&config.ip, ip);
    at_addr_format(&config.gateway, gateway);
    snprintf(members, sizeof members, "\"ip\":\"%s\",\"gateway\":\"%s\"", ip, gateway);
    report(app, "ip", members);
}

static void report_ip6(const at_app *app, bool global)
{
    char text[AT_ADDR_TEXT], members[64];
    at_addr addr;

    (void)at_net_ip6(app->net, AT_NETIF_STA, global, &addr);
    at_addr_format(&addr, text);
    snprintf(members, sizeof members, "\"ip6\":\"%s\"", text);
    report(app, global ? "ip6" : "ip6ll", members);
}

/* ---- events ---- */

void at_wifi_on_station(at_app *app, at_station_event event, int detail)
{
    at_wifi *wifi = app->wifi;

    switch (event) {
    case AT_STATION_EV_JOINED:
        wifi->joined = true;
        wifi->has_ip = false;
        say(wifi, AT_WIRE_WIFI_CONNECTED);
        report_joined(app);
        at_wifi_keep_key(app);
        break;
    case AT_STATION_EV_LEFT:
        wifi->joined = false;
        wifi->has_ip = false;
        wifi->left_count++;
        say(wifi, AT_WIRE_WIFI_DISCONNECT);
        report(app, "left", "");
        break;
    case AT_STATION_EV_FAILED:
        wifi->join_error = detail;
        at_log(app->log, AT_LOG_INFO, "wifi", "the attempt to join failed, error code %d", detail);
        break;
    case AT_STATION_EV_GAVE_UP: break;
    }
    at_signal_raise(&wifi->changed);
}

void at_wifi_on_net(at_app *app, at_netif_id netif, at_net_event event)
{
    at_wifi *wifi = app->wifi;

    if (netif != AT_NETIF_STA || !wifi->joined)
        return;
    switch (event) {
    case AT_NET_GOT_IP:
        wifi->has_ip = true;
        say(wifi, AT_WIRE_WIFI_GOT_IP);
        report_ip(app);
        break;
    case AT_NET_LOST_IP: wifi->has_ip = false; break;
    case AT_NET_GOT_IP6_LL:
        say(wifi, AT_WIRE_WIFI_GOT_IP6_LL);
        report_ip6(app, false);
        break;
    case AT_NET_GOT_IP6_GL:
        say(wifi, AT_WIRE_WIFI_GOT_IP6_GL);
        report_ip6(app, true);
        break;
    }
    at_signal_raise(&wifi->changed);
}

/* ---- life ---- */

at_err at_wifi_family_create(at_app *app)
{
    at_wifi *wifi = at_calloc(app->heap, 1, sizeof *wifi);

    if (wifi == NULL)
        return AT_ERR_NOMEM;
    wifi->app = app;
    wifi->ready = true;
    at_copy_text(wifi->hostname, sizeof wifi->hostname, "espressif");
    at_wifi_scan_defaults(&wifi->scan);
    for (unsigned i = 0; i < AT_WIFI_WORDS; i++) {
        wifi->word[i].notice.format = format_word;
        wifi->word[i].notice.arg = &wifi->word[i];
        wifi->word[i].notice.status = true;
    }
    app->wifi = wifi;
    return AT_OK;
}

void at_wifi_boot(at_app *app)
{
    at_stored_join join;

    at_net_set_ip6(app->net, at_setting_int(app->settings, AT_SETTING_CIPV6) == 1);
    at_wifi_apply_ip(app);
    at_wifi_apply_dns(app);
    at_wifi_apply_reconnect(app);
    at_wifi_load_key(app);
    at_station_set_protocols(app->station,
                             (uint8_t)at_setting_int(app->settings, AT_SETTING_STA_PROTO));
    if ((at_setting_int(app->settings, AT_SETTING_CWMODE) & AT_MODE_STATION) == 0)
        return;
    at_wifi_station_on(app);
    if (at_setting_int(app->settings, AT_SETTING_CWAUTOCONN) == 1 && at_wifi_last_join(app, &join))
        (void)at_station_reconnect_now(app->station, &join.params);
}

void at_wifi_shutdown(at_app *app)
{
    at_wifi *wifi = app->wifi;

    if (wifi->joined)
        say(wifi, AT_WIRE_WIFI_DISCONNECT); /* here, since the event would come too late */
    wifi->off = true;
    at_time_leaving(app);
    at_station_stop(app->station);
    at_softap_shutdown(app);
}
