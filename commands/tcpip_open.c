/* AT+CIPSTART, AT+CIPSTARTEX, AT+CIPCLOSE (guide 3.3.6, 3.3.7, 3.3.13).
 *
 * Decisions: <mode> 1 and 2 of UDP need <local port> (the guide's note), 0 does not. <keep_alive> is
 * remembered for the link as AT+CIPTCPOPT would. AT+CIPCLOSE=5 with nothing open is OK. */
#include "commands/tcpip_priv.h"

#include <string.h>

#include "commands/ip6.h"
#include "commands/ssl.h"

#include "core/bytes.h"

at_err at_tcpip_connect(at_call *call, at_tcpip_link *link, const at_link_open_params *params,
                        at_tls_reason *why)
{
    at_app *app = link->family->app;
    at_links *links = app->links;
    link->settled = false;
    at_err err = at_ssl_open(app, link->id, params, why);
    while (err == AT_OK && !link->settled)
        err = at_wait_until(call, &link->changed, AT_WAIT_FOREVER);
    if (err == AT_ERR_CANCELLED)
        at_link_close(links, link->id);
    if (err == AT_OK && link->result != AT_OK && at_link_type_is_tls(params->type))
        *why = at_link_tls_reason(links, link->id);
    return err == AT_OK ? link->result : err;
}

void at_tcpip_close(at_call *call, at_tcpip_link *link)
{
    at_links *links = link->family->app->links;
    at_link_info info;
    at_err err = at_link_close(links, link->id);
    while (err == AT_ERR_AGAIN) {
        if (at_wait_until(call, &link->changed, AT_WAIT_FOREVER) != AT_OK)
            return;
        at_link_get(links, link->id, &info);
        if (info.state != AT_LINK_LINGERING)
            break;
    }
    at_tcpip_closed(link);
}

/* --- parameters to an open --- */

typedef struct start {
    at_tcpip_link *link;
    unsigned base; /* index of <type> */
    at_link_open_params params;
} start;

static bool take_local_address(at_call *call, start *s, unsigned index)
{
    if (!at_has(call, index) || call->arg[index].len == 0) /* "Null is also valid" */
        return true;
    at_family family = at_link_type_is_v6(s->params.type) ? AT_IPV6 : AT_IPV4;
    if (at_addr_parse(at_text(call, index), &s->params.local) && s->params.local.family == family)
        return true;
    at_fail(call, AT_SUB_PARAM_INVALID, index + 1, "<local IP> is not an %s address",
            family == AT_IPV6 ? "IPv6" : "IPv4");
    return false;
}

static bool take_tcp(at_call *call, start *s)
{
    unsigned tail = s->base + 3;
    if (at_has(call, tail))
        s->link->options.keep_alive_s = (uint16_t)at_int(call, tail);
    s->params.timeout_ms = (uint32_t)at_int(call, tail + 2);
    return take_local_address(call, s, tail + 1);
}

static bool take_udp(at_call *call, start *s)
{
    unsigned tail = s->base + 3;
    s->params.local_port = (uint16_t)at_int(call, tail);
    s->params.udp_mode = (uint8_t)at_int(call, tail + 1);
    s->params.timeout_ms = (uint32_t)at_int(call, tail + 3);
    if (s->params.udp_mode != 0 && s->params.local_port == 0) {
        at_fail(call, AT_SUB_PARAM_INVALID, tail + 2, "<mode> %u needs <local port>",
                s->params.udp_mode);
        return false;
    }
    if (s->params.udp_mode != 0 && at_tcpip_of(call)->passthrough) {
        at_fail(call, AT_SUB_PARAM_INVALID, tail + 2, "with AT+CIPMODE=1 <mode> has to be 0");
        return false;
    }
    return take_local_address(call, s, tail + 2);
}

static bool take_params(at_call *call, start *s)
{
    int type = at_link_type_parse(at_text(call, s->base));
    if (type < 0) {
        at_fail(call, AT_SUB_PARAM_INVALID, s->base + 1,
                "<type> is none of TCP, TCPv6, UDP, UDPv6, SSL, SSLv6");
        return false;
    }
    s->params.type = (at_link_type)type;
    s->params.port = (uint16_t)at_int(call, s->base + 2);
    bool ok = at_link_type_is_udp(s->params.type) ? take_udp(call, s) : take_tcp(call, s);
    s->params.options = s->link->options;
    return ok;
}

static at_result start_link(at_call *call, at_tcpip_link *link, unsigned base)
{
    start s = { .link = link, .base = base };
    at_link_info info;
    at_link_get(link->family->app->links, link->id, &info);
    if (info.state != AT_LINK_FREE)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "link %u is already connected", link->id);
    if (!take_params(call, &s))
        return AT_RESULT_ERROR;
    if (at_link_type_is_v6(s.params.type) && !at_net_ip6_on(link->family->app->net))
        return at_ip6_is_off(call);
    at_copy_text(link->host, sizeof(link->host), at_text(call, base + 1));
    s.params.host = link->host;
    link->reopen = s.params;
    at_tls_reason why;
    at_err err = at_tcpip_connect(call, link, &s.params, &why);
    if (err == AT_ERR_EXISTS)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0,
                       "local port %u is in use: by another link, the SoftAP's DHCP or mDNS",
                       (unsigned)s.params.local_port);
    return err == AT_OK ? AT_RESULT_OK
                        : at_ssl_fail(call, err, why, "the connection cannot be established");
}

at_result at_cipstart_set(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    unsigned id = family->mux ? (unsigned)at_int(call, 0) : 0;
    return start_link(call, &family->link[id], family->mux ? 1 : 0);
}

at_result at_cipstartex_set(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    at_link_info info;
    for (unsigned id = 0; id < (family->mux ? AT_LINKS : 1); id++) {
        at_link_get(family->app->links, id, &info);
        if (info.state == AT_LINK_FREE)
            return start_link(call, &family->link[id], 0);
    }
    return at_fail(call, AT_SUB_EXEC_FAIL, 0, "no link is free");
}

/* --- closing --- */

static bool is_connected(const at_tcpip_link *link)
{
    at_link_info info;
    at_link_get(link->family->app->links, link->id, &info);
    return info.state == AT_LINK_OPEN || info.state == AT_LINK_DRAINED;
}

static at_result close_one(at_call *call, at_tcpip_link *link)
{
    if (!is_connected(link))
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "link %u is not connected", link->id);
    at_tcpip_close(call, link);
    return AT_RESULT_OK;
}

at_result at_cipclose_set(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    unsigned id = (unsigned)at_int(call, 0);
    if (!family->mux)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "with AT+CIPMUX=0 close without a link ID");
    if (id < AT_LINKS)
        return close_one(call, &family->link[id]);
    for (id = 0; id < AT_LINKS; id++)
        if (is_connected(&family->link[id]))
            at_tcpip_close(call, &family->link[id]);
    return AT_RESULT_OK;
}

at_result at_cipclose_execute(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    if (family->mux)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "with AT+CIPMUX=1 a link ID is needed");
    return close_one(call, &family->link[0]);
}
