/* Questions to the network: AT+CIPDOMAIN, AT+CIPDNS, AT+PING (guide 3.3.5, 3.3.36, 3.3.37).
 *
 * Decisions where the guide is silent:
 *
 * - +PING:TIMEOUT is the answer to a name that cannot be resolved and to an echo that does not come back
 *   (guide 3.3.36). Without any address of our own the answer is ERROR alone. The echo has 4 s, as long
 *   as the shortest driver time-out (5 s) allows. The time is rounded up, so a reply is never 0 ms.
 * - AT+CIPDNS=1 keeps the servers in the order given, omitted ones are left out; without any the two
 *   defaults serve. Equal servers are an error. With 0 given servers are not looked at.
 */
#include "commands/await.h"
#include "commands/ip6.h"
#include "commands/wifi_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "net/ping.h"

/* wire */
static const char FMT_CIPDOMAIN[] = "+CIPDOMAIN:\"%s\"\r\n";
static const char FMT_CIPDNS[] = "+CIPDNS:%d%s\r\n";
static const char FMT_PING[] = "+PING:%lu\r\n";
static const char FMT_PING_TIMEOUT[] = "+PING:TIMEOUT\r\n";

#define PING_TIMEOUT_MS 4000u

/* ---- AT+CIPDOMAIN ---- */

at_result at_cipdomain_set(at_call *call)
{
    at_addr addr;
    char text[AT_ADDR_TEXT];
    at_err err;

    if (at_int(call, 1) == AT_RESOLVE_V6 && !at_net_ip6_on(at_app_of(call)->net))
        return at_ip6_is_off(call);
    err = at_await_address(call, at_text(call, 0), (at_resolve_want)at_int(call, 1),
                           (uint32_t)at_int(call, 2), &addr);
    if (err != AT_OK)
        return at_fail_err(call, err, "the name is not resolved");
    at_addr_format(&addr, text);
    at_row(call, FMT_CIPDOMAIN, text);
    return AT_RESULT_OK;
}

/* ---- AT+PING ---- */

typedef struct echo {
    at_signal signal;
    bool done;
    at_err err;
    uint32_t round_trip_us;
} echo;

static void on_echo(void *arg, at_err err, uint32_t round_trip_us)
{
    echo *e = arg;

    e->done = true;
    e->err = err;
    e->round_trip_us = round_trip_us;
    at_signal_raise(&e->signal);
}

static at_err ping(at_call *call, const at_addr *to, uint32_t *round_trip_us)
{
    echo e = { .done = false };
    at_ping *request = NULL;
    at_err err = at_ping_start(at_app_of(call)->net, to, PING_TIMEOUT_MS, on_echo, &e, &request);

    if (err != AT_OK)
        return err;
    /* net/ ends it in time; twice that is only against waiting for ever. */
    err = at_wait(call, &e.signal, 2 * PING_TIMEOUT_MS);
    if (!e.done) {
        at_ping_cancel(request);
        return err;
    }
    *round_trip_us = e.round_trip_us;
    return e.err;
}

at_result at_ping_set(at_call *call)
{
    at_addr addr;
    uint32_t us = 0;
    bool resolved = false;
    at_err err = at_await_address(call, at_text(call, 0), AT_RESOLVE_V4_FIRST, 0, &addr);

    if (err == AT_OK && !at_ip6_allows(call, &addr))
        return AT_RESULT_ERROR;
    if (err == AT_OK) {
        resolved = true;
        err = ping(call, &addr, &us);
    }
    if (err == AT_OK) {
        at_row(call, FMT_PING, ((unsigned long)us + 999u) / 1000u);
        return AT_RESULT_OK;
    }
    if (err == AT_ERR_TIMEOUT || (!resolved && err != AT_ERR_UNREACHABLE))
        at_row(call, FMT_PING_TIMEOUT);
    return at_fail_err(call, err, resolved ? "no echo" : "the name is not resolved");
}

/* ---- AT+CIPDNS ---- */

/* The setting DNS. */
typedef struct stored_dns {
    uint8_t manual, count;
    at_addr server[AT_DNS_SERVERS];
} stored_dns;

_Static_assert(sizeof(stored_dns) == 56, "setting DNS holds at most 64 bytes");

static void load_dns(const at_app *app, stored_dns *dns)
{
    if (!at_setting_blob(app->settings, AT_SETTING_DNS, dns, sizeof *dns) ||
        dns->count > AT_DNS_SERVERS)
        memset(dns, 0, sizeof *dns);
}

void at_wifi_apply_dns(at_app *app)
{
    stored_dns dns;

    load_dns(app, &dns);
    if (dns.manual)
        at_net_set_dns(app->net, dns.server, dns.count);
    else
        at_net_set_dns(app->net, NULL, 0);
}

at_result at_cipdns_query(at_call *call)
{
    const at_app *app = at_app_of(call);
    char list[AT_DNS_SERVERS * (AT_ADDR_TEXT + 3) + 1] = "", text[AT_ADDR_TEXT];
    at_addr server[AT_DNS_SERVERS];
    stored_dns dns;
    int count = at_net_dns(app->net, server);
    size_t len = 0;

    load_dns(app, &dns);
    for (int i = 0; i < count; i++) {
        at_addr_format(&server[i], text);
        len += (size_t)snprintf(list + len, sizeof list - len, ",\"%s\"", text);
    }
    at_row(call, FMT_CIPDNS, dns.manual, list);
    return AT_RESULT_OK;
}

/* The servers of the call. false after at_fail. */
static bool take_servers(at_call *call, stored_dns *dns)
{
    for (unsigned i = 1; i <= AT_DNS_SERVERS; i++) {
        at_addr *server = &dns->server[dns->count];

        if (!at_has(call, i))
            continue;
        if (!at_addr_parse(at_text(call, i), server) || at_addr_is_any(server) ||
            at_addr_is_multicast(server) || at_addr_is_broadcast(server)) {
            at_fail(call, AT_SUB_PARAM_INVALID, i + 1, "not the address of a server");
            return false;
        }
        if (!at_ip6_allows(call, server))
            return false;
        for (unsigned k = 0; k < dns->count; k++)
            if (at_addr_equal(server, &dns->server[k])) {
                at_fail(call, AT_SUB_PARAM_INVALID, i + 1, "the same server twice");
                return false;
            }
        dns->count++;
    }
    return true;
}

at_result at_cipdns_set(at_call *call)
{
    at_app *app = at_app_of(call);
    stored_dns dns;
    at_err err;

    memset(&dns, 0, sizeof dns); /* stored: no byte may be left to chance */
    dns.manual = (uint8_t)at_int(call, 0);
    if (dns.manual && !take_servers(call, &dns))
        return AT_RESULT_ERROR;
    if (dns.manual && dns.count == 0) {
        dns.server[dns.count++] = at_addr_v4(208, 67, 222, 222);
        dns.server[dns.count++] = at_addr_v4(8, 8, 8, 8);
    }
    err = at_setting_set_blob(app->settings, AT_SETTING_DNS, &dns, sizeof dns);
    at_wifi_apply_dns(app);
    return at_wifi_stored(call, err);
}
