/* Addresses of the station: AT+CWDHCP, AT+CIPSTA, AT+CIPSTAMAC, AT+CWHOSTNAME (guide 3.2.13, 3.2.18,
 * 3.2.20, 3.2.26).
 *
 * DHCP and the static address exclude each other and the last configuration wins: AT+CIPSTA switches the
 * station's DHCP off, AT+CWDHCP=1 drops the static address. Decisions where the guide is silent:
 *
 * - AT+CWDHCP and AT+CIPSTA work in null mode, since Zephyr sends them before the station is on (WIRE
 *   7.1). AT+CWHOSTNAME needs station mode to set, as the guide says, and so does AT+CIPSTAMAC, since
 *   the driver takes an address only for an interface that exists. All queries work in every mode.
 * - AT+CIPSTA while joined says WIFI GOT IP before its OK; with AT+CWDHCP=1,1 it follows the OK when the
 *   server has answered.
 * - AT+CWDHCP=0 with DHCP on leaves the station without an address until AT+CIPSTA gives one; with a
 *   static address in force it changes nothing. SoftAP's bit starts and stops its DHCP server.
 * - AT+CIPSTA with the address alone: gateway is its network's first host, netmask 255.255.255.0.
 *   Gateway and netmask come together.
 * - AT+CIPSTAMAC while joined leaves the network (WIFI DISCONNECT) and does not join again by itself:
 *   the driver has to stop for it, as on the part.
 */
#include "commands/wifi_priv.h"

#include <string.h>

#include "commands/softap_priv.h"

#include "core/bytes.h"

/* wire */
static const char FMT_CWDHCP[] = "+CWDHCP:%d\r\n";
static const char FMT_CIPSTAMAC[] = "+CIPSTAMAC:\"%s\"\r\n";
static const char FMT_IP[] = "+%s:%s:\"%s\"\r\n";
static const char FMT_CWHOSTNAME[] = "+CWHOSTNAME:%s\r\n";

#define DHCP_STATION 1
#define EVENT_MS     10u

static at_addr addr_of(const uint8_t bytes[4])
{
    return at_addr_v4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

void at_wifi_apply_ip(at_app *app)
{
    at_ip_config config = { .ip = { .family = AT_FAMILY_NONE } };
    at_stored_ip stored;

    at_net_set_hostname(app->net, AT_NETIF_STA, app->wifi->hostname);
    if (at_setting_int(app->settings, AT_SETTING_DHCP) & DHCP_STATION) {
        at_net_use_dhcp(app->net, AT_NETIF_STA, app->wifi->hostname);
        return;
    }
    if (at_setting_blob(app->settings, AT_SETTING_STA_IP, &stored, sizeof stored) &&
        stored.ip[0] != 0) {
        config.ip = addr_of(stored.ip);
        config.gateway = addr_of(stored.gateway);
        config.netmask = addr_of(stored.netmask);
    }
    at_net_use_static(app->net, AT_NETIF_STA, &config);
}

/* Puts both settings in force, in an order that a power cut cannot turn into a wrong address. */
static at_result change_ip(at_call *call, int dhcp, const at_stored_ip *stored)
{
    at_app *app = at_app_of(call);
    at_err err = at_setting_set_blob(app->settings, AT_SETTING_STA_IP, stored, sizeof *stored);
    at_err second = at_setting_set_int(app->settings, AT_SETTING_DHCP, dhcp);

    at_wifi_apply_ip(app);
    return at_wifi_stored(call, err != AT_OK ? err : second);
}

/* The event of a new static address comes in the next turn of the loop; there is none when the address
 * is the same as before. */
static void wait_for_word(at_call *call)
{
    at_wifi *wifi = at_wifi_of(call);

    if (!wifi->joined)
        return;
    wifi->changed.raised = false;
    (void)at_wait(call, &wifi->changed, EVENT_MS);
}

/* ---- AT+CWDHCP ---- */

at_result at_cwdhcp_query(at_call *call)
{
    at_row(call, FMT_CWDHCP, (int)at_setting_int(at_app_of(call)->settings, AT_SETTING_DHCP));
    return AT_RESULT_OK;
}

at_result at_cwdhcp_set(at_call *call)
{
    static const at_stored_ip none = { .ip = { 0 } };
    at_settings *settings = at_app_of(call)->settings;
    int before = at_setting_int(settings, AT_SETTING_DHCP);
    int after = at_int(call, 0) == 1 ? before | at_int(call, 1) : before & ~at_int(call, 1);

    at_result result;

    if ((before ^ after) & DHCP_STATION)
        result = change_ip(call, after, &none);
    else
        result = at_wifi_stored(call, at_setting_set_int(settings, AT_SETTING_DHCP, after));
    if ((before ^ after) & AT_DHCP_SOFTAP)
        at_softap_dhcp_changed(at_app_of(call));
    return result;
}

/* ---- AT+CIPSTA ---- */

static void print_addr(at_call *call, const char *command, const char *what, const at_addr *addr)
{
    char text[AT_ADDR_TEXT];

    at_addr_format(addr, text);
    at_row(call, FMT_IP, command, what, text);
}

void at_wifi_print_ip(at_call *call, at_netif_id netif, const char *command)
{
    const at_net *net = at_app_of(call)->net;
    at_ip_config config;
    at_addr addr;

    at_net_ip(net, netif, &config);
    print_addr(call, command, "ip", &config.ip);
    print_addr(call, command, "gateway", &config.gateway);
    print_addr(call, command, "netmask", &config.netmask);
    if (at_net_ip6(net, netif, 0, &addr))
        print_addr(call, command, "ip6ll", &addr);
    if (at_net_ip6(net, netif, 1, &addr))
        print_addr(call, command, "ip6gl", &addr);
}

at_result at_cipsta_query(at_call *call)
{
    at_wifi_print_ip(call, AT_NETIF_STA, "CIPSTA");
    return AT_RESULT_OK;
}

bool at_wifi_take_ipv4(at_call *call, unsigned index, uint8_t bytes[4])
{
    at_addr addr;

    if (!at_addr_parse(at_text(call, index), &addr) || addr.family != AT_IPV4) {
        at_fail(call, AT_SUB_PARAM_INVALID, index + 1, "not an IPv4 address");
        return false;
    }
    memcpy(bytes, addr.bytes, 4);
    return true;
}

static bool is_host(const uint8_t ip[4])
{
    return ip[0] != 0 && ip[0] != 127 && ip[0] < 224;
}

static bool is_netmask(const uint8_t mask[4])
{
    uint32_t bits =
        (uint32_t)mask[0] << 24 | (uint32_t)mask[1] << 16 | (uint32_t)mask[2] << 8 | mask[3];
    uint32_t rest = ~bits;

    return bits != 0 && (rest & (rest + 1)) == 0;
}

bool at_wifi_take_ip(at_call *call, at_stored_ip *ip)
{
    static const uint8_t usual_mask[4] = { 255, 255, 255, 0 };

    if (!at_wifi_take_ipv4(call, 0, ip->ip))
        return false;
    if (!is_host(ip->ip)) {
        at_fail(call, AT_SUB_PARAM_INVALID, 1, "not the address of a host");
        return false;
    }
    if (at_has(call, 1) != at_has(call, 2)) {
        at_fail(call, AT_SUB_PARAM_COUNT, 3 * 256 + call->given,
                "<gateway> and <netmask> come together");
        return false;
    }
    memcpy(ip->gateway, (uint8_t[4]){ ip->ip[0], ip->ip[1], ip->ip[2], 1 }, 4);
    memcpy(ip->netmask, usual_mask, 4);
    if (at_has(call, 1) &&
        (!at_wifi_take_ipv4(call, 1, ip->gateway) || !at_wifi_take_ipv4(call, 2, ip->netmask)))
        return false;
    if (!is_netmask(ip->netmask)) {
        at_fail(call, AT_SUB_PARAM_INVALID, 3, "not a netmask");
        return false;
    }
    return true;
}

at_result at_cipsta_set(at_call *call)
{
    at_stored_ip ip;
    int dhcp = at_setting_int(at_app_of(call)->settings, AT_SETTING_DHCP);
    at_result result;

    if (!at_wifi_take_ip(call, &ip))
        return AT_RESULT_ERROR;
    result = change_ip(call, dhcp & ~DHCP_STATION, &ip);
    wait_for_word(call);
    return result;
}

/* ---- AT+CIPSTAMAC ---- */

void at_wifi_mac(const at_app *app, uint8_t mac[6])
{
    if (!at_setting_blob(app->settings, AT_SETTING_STA_MAC, mac, 6))
        app->radio->ops->factory_mac(app->radio, mac);
}

at_result at_cipstamac_query(at_call *call)
{
    uint8_t mac[6];
    char text[18];

    at_wifi_mac(at_app_of(call), mac);
    at_format_mac(text, mac);
    at_row(call, FMT_CIPSTAMAC, text);
    return AT_RESULT_OK;
}

at_result at_cipstamac_set(at_call *call)
{
    static const uint8_t zeros[6];
    at_app *app = at_app_of(call);
    const uint8_t *mac = call->arg[0].mac;
    at_err err;

    if (!at_wifi_is_on(app))
        return at_wifi_not_on(call);
    /* FF:FF:FF:FF:FF:FF has bit 0 as well. */
    if ((mac[0] & 1u) != 0 || memcmp(mac, zeros, sizeof zeros) == 0)
        return at_fail(call, AT_SUB_PARAM_INVALID, 1,
                       "bit 0 of the first byte is 1, or all bytes are 0");
    err = at_setting_set_blob(app->settings, AT_SETTING_STA_MAC, mac, 6);
    at_wifi_leave(call);
    at_wifi_station_on(app);
    return at_wifi_stored(call, err);
}

/* ---- AT+CWHOSTNAME ---- */

at_result at_cwhostname_query(at_call *call)
{
    at_row(call, FMT_CWHOSTNAME, at_wifi_of(call)->hostname);
    return AT_RESULT_OK;
}

at_result at_cwhostname_set(at_call *call)
{
    at_app *app = at_app_of(call);
    const char *name = at_text(call, 0);

    if (!at_wifi_is_on(app))
        return at_wifi_not_on(call);
    for (unsigned i = 0; i < call->arg[0].len; i++)
        if ((uint8_t)name[i] < 0x20 || name[i] == 0x7F)
            return at_fail(call, AT_SUB_PARAM_INVALID, 1, "control bytes in the name");
    at_copy_text(app->wifi->hostname, sizeof app->wifi->hostname, name);
    at_net_set_hostname(app->net, AT_NETIF_STA, app->wifi->hostname);
    return AT_RESULT_OK;
}
