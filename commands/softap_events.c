/* The SoftAP family's life: creation, configuration in force, events, shutdown.
 *
 * The configuration is what the settings hold; without one the defaults follow from the MAC address.
 * Applying it is idempotent: on, off and a changed address put interface, access point and DHCP server
 * into the state that the settings ask for, in an order that lets nobody in before there is an address.
 *
 * Words (WIRE 4): +STA_CONNECTED when a station has its keys, +DIST_STA_IP when the DHCP server
 * confirms an address that was not told since the station connected, +STA_DISCONNECTED when it is gone.
 * They are connection statuses: in passthrough only with AT+SYSMSG bit 2. */
#include "commands/softap_priv.h"

#include <stdio.h>
#include <string.h>

#include "commands/wifi_priv.h"
#include "core/bytes.h"

/* wire */
static const char FMT_CONNECTED[] = "+STA_CONNECTED:\"%s\"\r\n";
static const char FMT_ADDRESS[] = "+DIST_STA_IP:\"%s\",\"%s\"\r\n";
static const char FMT_DISCONNECTED[] = "+STA_DISCONNECTED:\"%s\"\r\n";

#define EVENT_MS        10u
#define DEFAULT_CHANNEL 1u
#define DEFAULT_LEASE_S 7200u /* 120 minutes, as the part */

/* ---- words ---- */

static size_t format_word(void *arg, char *buf, size_t room)
{
    const at_softap_word *word = arg;
    char mac[18], ip[AT_ADDR_TEXT];
    int len = 0;

    at_format_mac(mac, word->mac);
    at_addr_format(&word->ip, ip);
    switch (word->kind) {
    case AT_SOFTAP_CONNECTED: len = snprintf(buf, room, FMT_CONNECTED, mac); break;
    case AT_SOFTAP_ADDRESS: len = snprintf(buf, room, FMT_ADDRESS, mac, ip); break;
    case AT_SOFTAP_DISCONNECTED: len = snprintf(buf, room, FMT_DISCONNECTED, mac); break;
    case AT_SOFTAP_WORD_KINDS: break;
    }
    return len > 0 && (size_t)len < room ? (size_t)len : 0;
}

static void say(at_softap_family *family, at_softap_word_kind kind, const uint8_t mac[6],
                const at_addr *ip)
{
    at_softap_word *word = &family->word[family->newest];

    if (family->off)
        return;
    for (unsigned i = 0; i < AT_SOFTAP_WORDS; i++) {
        unsigned next = (family->newest + 1 + i) % AT_SOFTAP_WORDS;

        if (!family->word[next].notice.queued) {
            family->newest = next;
            word = &family->word[next];
            break;
        }
    }
    word->kind = kind;
    memcpy(word->mac, mac, 6);
    word->ip = ip != NULL ? *ip : (at_addr){ .family = AT_FAMILY_NONE };
    at_notice_post(family->app->session, &word->notice);
}

/* ---- events ---- */

static void forget_told(at_softap_family *family, const uint8_t mac[6])
{
    for (unsigned i = 0; i < AT_SOFTAP_STATIONS; i++) {
        if (memcmp(family->told[i].mac, mac, 6) == 0)
            family->told[i].ip = (at_addr){ .family = AT_FAMILY_NONE };
    }
}

/* True when it was not told already. */
static bool tell_once(at_softap_family *family, const uint8_t mac[6], const at_addr *ip)
{
    unsigned at = AT_SOFTAP_STATIONS;

    for (unsigned i = 0; i < AT_SOFTAP_STATIONS; i++) {
        if (memcmp(family->told[i].mac, mac, 6) == 0)
            at = i;
    }
    if (at < AT_SOFTAP_STATIONS && at_addr_equal(&family->told[at].ip, ip))
        return false;
    if (at == AT_SOFTAP_STATIONS) {
        at = family->next_told;
        family->next_told = (at + 1) % AT_SOFTAP_STATIONS;
    }
    memcpy(family->told[at].mac, mac, 6);
    family->told[at].ip = *ip;
    return true;
}

void at_softap_on_event(at_app *app, at_softap_event event, const uint8_t mac[6])
{
    at_softap_family *family = app->ap;

    forget_told(family, mac);
    say(family, event == AT_SOFTAP_EV_JOINED ? AT_SOFTAP_CONNECTED : AT_SOFTAP_DISCONNECTED, mac,
        NULL);
    at_signal_raise(&family->changed);
}

void at_softap_on_lease(at_app *app, const uint8_t mac[6], const at_addr *ip)
{
    if (tell_once(app->ap, mac, ip))
        say(app->ap, AT_SOFTAP_ADDRESS, mac, ip);
}

/* One radio, one channel: the station's when it is joined. */
void at_softap_on_station(at_app *app)
{
    at_bss bss;

    if (at_station_get(app->station, &bss) == AT_STATION_JOINED)
        at_softap_set_channel(app->softap, bss.channel);
}

/* ---- configuration ---- */

void at_softap_mac(const at_app *app, uint8_t mac[6])
{
    if (at_setting_blob(app->settings, AT_SETTING_AP_MAC, mac, 6))
        return;
    app->radio->ops->factory_mac(app->radio, mac);
    mac[5]++; /* iface/radio.h */
}

void at_softap_conf(const at_app *app, at_softap_params *params)
{
    uint8_t mac[6];
    char ssid[AT_SSID_MAX];

    if (at_setting_blob(app->settings, AT_SETTING_AP_CONF, params, sizeof *params))
        return;
    app->radio->ops->factory_mac(app->radio, mac);
    *params = (at_softap_params){ .channel = DEFAULT_CHANNEL,
                                  .auth = AT_AUTH_OPEN,
                                  .max_stations = AT_SOFTAP_STATIONS };
    params->ssid.len = (uint8_t)snprintf(ssid, sizeof ssid, "ESP_%02X%02X%02X", mac[3], mac[4],
                                         (mac[5] + 1u) & 0xFFu);
    memcpy(params->ssid.bytes, ssid, params->ssid.len);
}

static at_addr addr_of(const uint8_t bytes[4])
{
    return at_addr_v4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

void at_softap_ip_conf(const at_app *app, at_ip_config *config)
{
    at_stored_ip stored = { { 192, 168, 4, 1 }, { 192, 168, 4, 1 }, { 255, 255, 255, 0 } };

    (void)at_setting_blob(app->settings, AT_SETTING_AP_IP, &stored, sizeof stored);
    config->ip = addr_of(stored.ip);
    config->gateway = addr_of(stored.gateway);
    config->netmask = addr_of(stored.netmask);
}

void at_softap_dhcp_range(const at_app *app, at_dhcp_range *range)
{
    at_ip_config own;
    at_stored_range stored;

    at_softap_ip_conf(app, &own);
    if (at_setting_blob(app->settings, AT_SETTING_DHCPS, &stored, sizeof stored)) {
        range->first = addr_of(stored.first);
        range->last = addr_of(stored.last);
        range->lease_s = 60u * ((uint32_t)stored.minutes_high << 8 | stored.minutes_low);
        if (at_dhcp_range_fits(range, &own))
            return;
    }
    range->lease_s = DEFAULT_LEASE_S;
    at_dhcp_range_default(range, &own);
}

/* ---- in force ---- */

bool at_softap_dhcp_runs(const at_app *app)
{
    return at_softap_is_on(app->softap) &&
           (at_setting_int(app->settings, AT_SETTING_DHCP) & AT_DHCP_SOFTAP) != 0;
}

void at_softap_apply_ip(at_app *app)
{
    at_ip_config config;
    at_dhcp_range range;
    at_err err;

    at_softap_ip_conf(app, &config);
    at_net_use_static(app->net, AT_NETIF_AP, &config);
    at_dhcp_server_stop(app->dhcp_server);
    if (!at_softap_dhcp_runs(app))
        return;
    at_softap_dhcp_range(app, &range);
    err = at_dhcp_server_start(app->dhcp_server, &range);
    if (err != AT_OK)
        at_log(app->log, AT_LOG_WARN, "softap", "the DHCP server cannot start: %s",
               at_err_text(err));
}

void at_softap_dhcp_changed(at_app *app)
{
    if ((at_setting_int(app->settings, AT_SETTING_DHCP) & AT_DHCP_SOFTAP) != 0)
        (void)at_setting_set_blob(app->settings, AT_SETTING_AP_IP, NULL, 0);
    at_softap_apply_ip(app);
}

void at_softap_on(at_app *app)
{
    at_softap_params params;
    at_country country;
    uint8_t mac[6];

    at_softap_off(app);
    at_softap_conf(app, &params);
    at_softap_mac(app, mac);
    at_station_country(app->station, &country);
    (void)at_net_set_mac(app->net, AT_NETIF_AP, mac); /* the link is down */
    at_softap_start(app->softap, mac, &params,
                    (uint8_t)at_setting_int(app->settings, AT_SETTING_AP_PROTO), country.code);
    at_net_link(app->net, AT_NETIF_AP, true);
    at_softap_apply_ip(app);
    at_softap_on_station(app);
}

void at_softap_off(at_app *app)
{
    at_dhcp_server_stop(app->dhcp_server);
    at_softap_stop(app->softap);
    at_net_link(app->net, AT_NETIF_AP, false);
}

void at_softap_change(at_call *call, void (*change)(at_app *app))
{
    at_app *app = at_app_of(call);
    uint8_t mac[6];
    bool waits = at_softap_station(app->softap, 0, mac);

    app->ap->changed.raised = false;
    change(app);
    if (waits && !at_softap_station(app->softap, 0, mac))
        (void)at_wait(call, &app->ap->changed, EVENT_MS);
}

/* ---- life ---- */

at_err at_softap_family_create(at_app *app)
{
    at_softap_family *family = at_calloc(app->heap, 1, sizeof *family);

    if (family == NULL)
        return AT_ERR_NOMEM;
    family->app = app;
    for (unsigned i = 0; i < AT_SOFTAP_WORDS; i++) {
        family->word[i].notice.format = format_word;
        family->word[i].notice.arg = &family->word[i];
        family->word[i].notice.status = true;
    }
    app->ap = family;
    return AT_OK;
}

void at_softap_boot(at_app *app)
{
    if ((at_setting_int(app->settings, AT_SETTING_CWMODE) & AT_MODE_SOFTAP) != 0)
        at_softap_on(app);
    else
        at_softap_apply_ip(app); /* AT+CIPAP? shows it */
}

void at_softap_shutdown(at_app *app)
{
    app->ap->off = true;
    at_softap_stop(app->softap);
}
