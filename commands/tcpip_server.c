/* AT+CIPSERVER, AT+CIPSERVERMAXCONN, AT+CIPSTO (guide 3.3.16, 3.3.17, 3.3.19).
 *
 * Decisions: a second server and the deletion of none are ERROR (WIRE 3.1: "no change" belongs to the
 * log). AT+CIPSTO= without a server is ERROR, as observed on the part. AT+CIPSERVER=0,1 closes the
 * server's clients, not the module's own connections. */
#include "commands/tcpip_priv.h"

#include "commands/ip6.h"
#include "commands/ssl.h"

/* wire */
static const char FMT_SERVER_OFF[] = "+CIPSERVER:0\r\n";
static const char FMT_SERVER[] = "+CIPSERVER:1,%u,\"%s\"\r\n";
static const char FMT_SERVER_CA[] = "+CIPSERVER:1,%u,\"%s\",%d\r\n";
static const char FMT_MAXCONN[] = "+CIPSERVERMAXCONN:%u\r\n";
static const char FMT_STO[] = "+CIPSTO:%u\r\n";

enum { DEFAULT_PORT = 333 };

at_result at_cipserver_query(at_call *call)
{
    at_listen_params params;
    if (!at_links_listening(at_app_of(call)->links, &params))
        at_row(call, FMT_SERVER_OFF);
    else if (at_link_type_is_tls(params.type))
        at_row(call, FMT_SERVER_CA, params.port, at_link_type_name(params.type), params.ca);
    else
        at_row(call, FMT_SERVER, params.port, at_link_type_name(params.type));
    return AT_RESULT_OK;
}

static at_result create(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    int type = at_has(call, 2) ? at_link_type_parse(at_text(call, 2)) : AT_LINK_TCP;
    int32_t port = at_has(call, 1) ? at_int(call, 1) : DEFAULT_PORT;
    if (!family->mux)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "a server needs AT+CIPMUX=1");
    if (port == 0)
        return at_fail(call, AT_SUB_PARAM_INVALID, 2, "port 0 cannot be listened on");
    if (type < 0 || at_link_type_is_udp((at_link_type)type))
        return at_fail(call, AT_SUB_PARAM_INVALID, 3, "<type> is none of TCP, TCPv6, SSL, SSLv6");
    if (at_link_type_is_v6((at_link_type)type) && !at_net_ip6_on(family->app->net))
        return at_ip6_is_off(call);
    at_listen_params params = {
        .type = (at_link_type)type,
        .port = (uint16_t)port,
        .max_clients = family->max_clients,
        .timeout_s = family->timeout_s,
        .ca = at_int(call, 3) == 1,
        .options = family->link[0].options,
    };
    at_tls_reason why;
    at_err err = at_ssl_listen(family->app, &params, &why);
    return err == AT_OK ? AT_RESULT_OK
                        : at_ssl_fail(call, err, why, "the server cannot be created");
}

static void close_clients(at_call *call, at_tcpip *family)
{
    at_link_info info;
    for (unsigned id = 0; id < AT_LINKS; id++) {
        at_link_get(family->app->links, id, &info);
        if (info.server && (info.state == AT_LINK_OPEN || info.state == AT_LINK_DRAINED))
            at_tcpip_close(call, &family->link[id]);
        else if (info.server && info.state == AT_LINK_CONNECTING) /* nobody heard of it yet */
            at_link_close(family->app->links, id);
    }
}

static at_result destroy(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    int32_t close_all = at_has(call, 1) ? at_int(call, 1) : 0;
    if (at_has(call, 2) || at_has(call, 3))
        return at_fail(call, AT_SUB_PARAM_COUNT, 2 * 256u + call->given,
                       "<type> and <CA enable> must be omitted when a server is deleted");
    if (close_all > 1)
        return at_fail(call, AT_SUB_PARAM_INVALID, 2, "<param2> is %ld, allowed are 0 and 1",
                       (long)close_all);
    at_err err = at_links_unlisten(family->app->links);
    if (err != AT_OK)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "there is no server");
    if (close_all == 1)
        close_clients(call, family);
    return AT_RESULT_OK;
}

at_result at_cipserver_set(at_call *call)
{
    return at_int(call, 0) == 1 ? create(call) : destroy(call);
}

at_result at_cipservermaxconn_query(at_call *call)
{
    at_row(call, FMT_MAXCONN, at_tcpip_of(call)->max_clients);
    return AT_RESULT_OK;
}

at_result at_cipservermaxconn_set(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    if (at_links_listening(family->app->links, NULL))
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "set it before the server is created");
    family->max_clients = (uint8_t)at_int(call, 0);
    return AT_RESULT_OK;
}

at_result at_cipsto_query(at_call *call)
{
    at_row(call, FMT_STO, at_tcpip_of(call)->timeout_s);
    return AT_RESULT_OK;
}

at_result at_cipsto_set(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    if (!at_links_listening(family->app->links, NULL))
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "there is no server");
    family->timeout_s = (uint16_t)at_int(call, 0);
    at_links_set_server_timeout(family->app->links, family->timeout_s);
    return AT_RESULT_OK;
}
