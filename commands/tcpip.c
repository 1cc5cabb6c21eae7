/* TCP/IP commands (guide 3.3): the rows, and the events of links turned into messages.
 *
 * Readings of the guide (docs/SPEC.md):
 * - Commands that take <link ID> only with AT+CIPMUX=1 have one shape per mode; the wrong one is a
 *   parameter count or type error, as on the part.
 * - CONNECT and CLOSED are connection status: in passthrough they need SYSMSG bit 2.
 * - CLOSED comes after the last received byte: in passive mode it waits for AT+CIPRECVDATA. */
#include "commands/ip6.h"
#include "commands/tcpip_priv.h"

#include "core/bytes.h"

/* --- parameters --- */

#define LINK_ID        AT_INT("link ID", 0, AT_LINKS - 1)
#define LINK_ID_OR_ALL AT_INT("link ID", 0, AT_LINKS)
#define REMOTE         AT_TEXT("remote host", 1, AT_HOST_MAX), AT_INT("remote port", 1, 65535)
#define TCP_TAIL                                                           \
    AT_OPT_INT("keep_alive", 0, 7200, -1), AT_OPT_TEXT("local IP", 0, 45), \
        AT_OPT_INT("timeout", 0, 60000, 0)
#define UDP_TAIL                                                        \
    AT_OPT_INT("local port", 1, 65535, 0), AT_OPT_INT("mode", 0, 2, 0), \
        AT_OPT_TEXT("local IP", 0, 45), AT_OPT_INT("timeout", 0, 60000, 0)
#define TYPE      AT_TEXT("type", 1, 6)
#define SEND_TAIL AT_OPT_TEXT("remote host", 1, 255), AT_OPT_INT("remote port", 1, 65535, 0)
#define SINGLE    "AT+CIPMUX=0"
#define MULTIPLE  "AT+CIPMUX=1"

static const at_arg_spec start_tcp[] = { TYPE, REMOTE, TCP_TAIL };
static const at_arg_spec start_udp[] = { TYPE, REMOTE, UDP_TAIL };
static const at_arg_spec start_id_tcp[] = { LINK_ID, TYPE, REMOTE, TCP_TAIL };
static const at_arg_spec start_id_udp[] = { LINK_ID, TYPE, REMOTE, UDP_TAIL };
static const at_shape start_shapes[] = {
    AT_SHAPE(SINGLE ", TCP or SSL", start_tcp),
    AT_SHAPE(SINGLE ", UDP", start_udp),
    AT_SHAPE(MULTIPLE ", TCP or SSL", start_id_tcp),
    AT_SHAPE(MULTIPLE ", UDP", start_id_udp),
};
static const at_shape startex_shapes[] = {
    AT_SHAPE("TCP or SSL", start_tcp),
    AT_SHAPE("UDP", start_udp),
};
static const at_arg_spec send_single[] = { AT_INT("length", 1, AT_SEND_MAX), SEND_TAIL };
static const at_arg_spec send_multiple[] = { LINK_ID, AT_INT("length", 1, AT_SEND_MAX), SEND_TAIL };
static const at_shape send_shapes[] = { AT_SHAPE(SINGLE, send_single),
                                        AT_SHAPE(MULTIPLE, send_multiple) };
static const at_arg_spec sendl_single[] = { AT_INT("length", 1, INT32_MAX), SEND_TAIL };
static const at_arg_spec sendl_multiple[] = { LINK_ID, AT_INT("length", 1, INT32_MAX), SEND_TAIL };
static const at_shape sendl_shapes[] = { AT_SHAPE(SINGLE, sendl_single),
                                         AT_SHAPE(MULTIPLE, sendl_multiple) };
static const at_arg_spec sendlcfg_args[] = {
    AT_INT("report size", 100, 1 << 20),
    AT_OPT_INT("transmit size", 100, AT_CHUNK_MAX, AT_CHUNK_MAX),
};
static const at_shape sendlcfg_shapes[] = { AT_SHAPE(NULL, sendlcfg_args) };
static const at_arg_spec close_args[] = { LINK_ID_OR_ALL };
static const at_shape close_shapes[] = { AT_SHAPE(MULTIPLE, close_args) };
static const at_arg_spec mux_args[] = { AT_INT("mode", 0, 1) };
static const at_shape mux_shapes[] = { AT_SHAPE(NULL, mux_args) };
static const at_arg_spec ip6_args[] = { AT_INT("enable", 0, 1) };
static const at_shape ip6_shapes[] = { AT_SHAPE(NULL, ip6_args) };
static const at_arg_spec server_args[] = {
    AT_INT("mode", 0, 1),
    AT_OPT_INT("param2", 0, 65535, -1),
    AT_OPT_TEXT("type", 1, 6),
    AT_OPT_INT("CA enable", 0, 1, 0),
};
static const at_shape server_shapes[] = { AT_SHAPE(NULL, server_args) };
static const at_arg_spec maxconn_args[] = { AT_INT("num", 1, AT_LINKS) };
static const at_shape maxconn_shapes[] = { AT_SHAPE(NULL, maxconn_args) };
static const at_arg_spec sto_args[] = { AT_INT("time", 0, 7200) };
static const at_shape sto_shapes[] = { AT_SHAPE(NULL, sto_args) };
static const at_arg_spec recvtype_single[] = { AT_INT("mode", 0, 1) };
static const at_arg_spec recvtype_multiple[] = { LINK_ID_OR_ALL, AT_INT("mode", 0, 1) };
static const at_shape recvtype_shapes[] = { AT_SHAPE(SINGLE, recvtype_single),
                                            AT_SHAPE(MULTIPLE, recvtype_multiple) };
static const at_shape recvmode_shapes[] = { AT_SHAPE(NULL, recvtype_single) };
static const at_arg_spec recvdata_single[] = { AT_INT("len", 1, INT32_MAX) };
static const at_arg_spec recvdata_multiple[] = { LINK_ID, AT_INT("len", 1, INT32_MAX) };
static const at_shape recvdata_shapes[] = { AT_SHAPE(SINGLE, recvdata_single),
                                            AT_SHAPE(MULTIPLE, recvdata_multiple) };
#define TCPOPT                                                                  \
    AT_OPT_INT("so_linger", -1, 32767, -1), AT_OPT_INT("tcp_nodelay", 0, 1, 0), \
        AT_OPT_INT("so_sndtimeo", 0, INT32_MAX, 0), AT_OPT_INT("keep_alive", 0, 7200, -1)
static const at_arg_spec tcpopt_single[] = { TCPOPT };
static const at_arg_spec tcpopt_multiple[] = { LINK_ID_OR_ALL, TCPOPT };
static const at_shape tcpopt_shapes[] = { AT_SHAPE(SINGLE, tcpopt_single),
                                          AT_SHAPE(MULTIPLE, tcpopt_multiple) };
static const at_arg_spec reconnintv_args[] = { AT_INT("interval", 1, 36000) };
static const at_shape reconnintv_shapes[] = { AT_SHAPE(NULL, reconnintv_args) };
static const at_arg_spec transintvl_args[] = { AT_INT("interval", 0, 1000) };
static const at_shape transintvl_shapes[] = { AT_SHAPE(NULL, transintvl_args) };

static uint8_t by_mux(const at_call *call)
{
    return at_tcpip_of(call)->mux ? 1 : 0;
}

static uint8_t udp_at(const at_call *call, unsigned index)
{
    char type[8];
    int parsed = at_link_type_parse(at_peek(call, index, type, sizeof(type)));
    return parsed >= 0 && at_link_type_is_udp((at_link_type)parsed) ? 1 : 0;
}

static uint8_t by_mux_and_type(const at_call *call)
{
    return (uint8_t)(2 * by_mux(call) + udp_at(call, by_mux(call)));
}

static uint8_t by_type(const at_call *call)
{
    return udp_at(call, 0);
}

/* --- rows --- */

static const at_cmd rows[] = {
    { .name = "+CIPV6",
      .query = at_cipv6_query,
      .set = at_cipv6_set,
      AT_SHAPES(ip6_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.3.2",
      .summary = "Enable or disable IPv6" },
    { .name = "+CIPSTATE",
      .query = at_cipstate_query,
      .builds = AT_IN_WIFI,
      .guide = "3.3.3",
      .summary = "Obtain the TCP/UDP/SSL connection information" },
    { .name = "+CIPSTATUS",
      .execute = at_cipstatus_execute,
      .builds = AT_IN_WIFI,
      .guide = "3.3.4",
      .summary = "Obtain the connection status and information (deprecated)" },
    { .name = "+CIPSTART",
      .set = at_cipstart_set,
      AT_SHAPES(start_shapes),
      .select = by_mux_and_type,
      .builds = AT_IN_WIFI,
      .guide = "3.3.6",
      .summary = "Establish a TCP or SSL connection, or UDP transmission" },
    { .name = "+CIPSTARTEX",
      .set = at_cipstartex_set,
      AT_SHAPES(startex_shapes),
      .select = by_type,
      .builds = AT_IN_WIFI,
      .guide = "3.3.7",
      .summary = "The same with an automatically assigned link ID" },
    { .name = "+CIPSEND",
      .set = at_cipsend_set,
      .execute = at_cipsend_execute,
      AT_SHAPES(send_shapes),
      .select = by_mux,
      .builds = AT_IN_WIFI,
      .guide = "3.3.9",
      .summary = "Send data of a known length, or enter passthrough mode" },
    { .name = "+CIPSENDL",
      .set = at_cipsendl_set,
      AT_SHAPES(sendl_shapes),
      .select = by_mux,
      .builds = AT_IN_WIFI,
      .guide = "3.3.10",
      .summary = "Send long data while it arrives" },
    { .name = "+CIPSENDLCFG",
      .query = at_cipsendlcfg_query,
      .set = at_cipsendlcfg_set,
      AT_SHAPES(sendlcfg_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.11",
      .summary = "Configure AT+CIPSENDL" },
    { .name = "+CIPSENDEX",
      .set = at_cipsendex_set,
      AT_SHAPES(send_shapes),
      .select = by_mux,
      .builds = AT_IN_WIFI,
      .guide = "3.3.12",
      .summary = "Send data up to a length or \\0" },
    { .name = "+CIPCLOSE",
      .set = at_cipclose_set,
      .execute = at_cipclose_execute,
      AT_SHAPES(close_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.13",
      .summary = "Close a connection" },
    { .name = "+CIFSR",
      .execute = at_cifsr_execute,
      .builds = AT_IN_WIFI,
      .guide = "3.3.14",
      .summary = "Obtain the local IP and MAC addresses" },
    { .name = "+CIPMUX",
      .query = at_cipmux_query,
      .set = at_cipmux_set,
      AT_SHAPES(mux_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.15",
      .summary = "Enable or disable multiple connections" },
    { .name = "+CIPSERVER",
      .query = at_cipserver_query,
      .set = at_cipserver_set,
      AT_SHAPES(server_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.16",
      .summary = "Create or delete a TCP/SSL server" },
    { .name = "+CIPSERVERMAXCONN",
      .query = at_cipservermaxconn_query,
      .set = at_cipservermaxconn_set,
      AT_SHAPES(maxconn_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.17",
      .summary = "Maximum number of connections of the server" },
    { .name = "+CIPMODE",
      .query = at_cipmode_query,
      .set = at_cipmode_set,
      AT_SHAPES(mux_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.18",
      .summary = "Normal or passthrough transmission" },
    { .name = "+CIPSTO",
      .query = at_cipsto_query,
      .set = at_cipsto_set,
      AT_SHAPES(sto_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.19",
      .summary = "Time-out of idle clients of the server" },
    { .name = "+CIPDINFO",
      .query = at_cipdinfo_query,
      .set = at_cipdinfo_set,
      AT_SHAPES(mux_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.25",
      .summary = "Show the remote address in +IPD" },
    { .name = "+CIPRECONNINTV",
      .query = at_cipreconnintv_query,
      .set = at_cipreconnintv_set,
      AT_SHAPES(reconnintv_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.3.32",
      .summary = "Reconnection interval of passthrough mode" },
    { .name = "+CIPRECVTYPE",
      .query = at_ciprecvtype_query,
      .set = at_ciprecvtype_set,
      AT_SHAPES(recvtype_shapes),
      .select = by_mux,
      .builds = AT_IN_WIFI,
      .guide = "3.3.33",
      .summary = "Active or passive receiving" },
    { .name = "+CIPRECVMODE",
      .query = at_ciprecvmode_query,
      .set = at_ciprecvmode_set,
      AT_SHAPES(recvmode_shapes),
      .flags = AT_EXTRA,
      .builds = AT_IN_WIFI,
      .guide = "3.3.33",
      .summary = "Active or passive receiving of every link (older name)" },
    { .name = "+CIPRECVDATA",
      .set = at_ciprecvdata_set,
      AT_SHAPES(recvdata_shapes),
      .select = by_mux,
      .builds = AT_IN_WIFI,
      .guide = "3.3.34",
      .summary = "Read received data in passive mode" },
    { .name = "+CIPRECVLEN",
      .query = at_ciprecvlen_query,
      .builds = AT_IN_WIFI,
      .guide = "3.3.35",
      .summary = "Length of received data in passive mode" },
    { .name = "+CIPTCPOPT",
      .query = at_ciptcpopt_query,
      .set = at_ciptcpopt_set,
      AT_SHAPES(tcpopt_shapes),
      .select = by_mux,
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_WIFI,
      .guide = "3.3.39",
      .summary = "Socket options" },
    { .name = "+TRANSINTVL",
      .query = at_transintvl_query,
      .set = at_transintvl_set,
      AT_SHAPES(transintvl_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.10",
      .summary = "Data transmission interval of passthrough mode" },
};

const at_family_rows at_tcpip_rows = AT_FAMILY(rows);

/* --- life and events --- */

at_err at_tcpip_family_create(at_app *app)
{
    at_tcpip *family = at_calloc(app->heap, 1, sizeof(*family));
    if (family == NULL)
        return AT_ERR_NOMEM;
    app->tcpip = family;
    family->app = app;
    family->interval_ms = 20;
    family->report_size = 1024;
    family->transmit_size = AT_CHUNK_MAX;
    family->max_clients = AT_LINKS;
    family->timeout_s = 180;
    for (unsigned id = 0; id < AT_LINKS; id++) {
        family->link[id].family = family;
        family->link[id].id = id;
    }
    at_tcpip_receive_create(family);
    at_tcpip_config_load(family);
    return AT_OK;
}

void at_tcpip_boot(at_app *app)
{
    at_translink_boot(app);
}

void at_tcpip_on_net(at_app *app, at_netif_id netif, at_net_event event)
{
    (void)netif; /* links notice the loss of their interface themselves */
    (void)event;
    at_signal_raise(&app->tcpip->link[0].changed); /* passthrough at power-up waits for it */
}

static void opened(at_tcpip_link *link)
{
    at_app *app = link->family->app;
    link->announced = false;
    link->family->had_link = true;
    at_link_get(app->links, link->id, &link->opened);
    if (link->opened.server)
        at_link_set_options(app->links, link->id, &link->options);
    at_notice_post(app->session, &link->connect);
    app->supervisor->report(app->supervisor->ctx, "link",
                            link->opened.server ? "\"state\":\"open\",\"server\":true"
                                                : "\"state\":\"open\",\"server\":false");
}

static void gone(at_tcpip_link *link)
{
    at_app *app = link->family->app;
    at_link_info info;
    app->supervisor->report(app->supervisor->ctx, "link", "\"state\":\"closed\"");
    at_link_get(app->links, link->id, &info);
    if (info.state == AT_LINK_DRAINED)
        at_tcpip_data_waits(link);
    else
        at_tcpip_closed(link);
}

void at_tcpip_on_link(at_app *app, unsigned id, at_link_event event, at_err reason)
{
    if (event == AT_LINK_TURNED_AWAY) {
        at_notice_post(app->session, &app->tcpip->turned_away);
        return;
    }
    at_tcpip_link *link = &app->tcpip->link[id];
    switch (event) {
    case AT_LINK_OPENED: opened(link); break;
    case AT_LINK_READABLE: at_tcpip_data_waits(link); break;
    case AT_LINK_GONE: gone(link); break;
    case AT_LINK_FAILED:
    case AT_LINK_WRITABLE:
    case AT_LINK_RELEASED:
    case AT_LINK_TURNED_AWAY: break;
    }
    if (event == AT_LINK_OPENED || event == AT_LINK_FAILED) {
        link->settled = true;
        link->result = reason;
    }
    if (event != AT_LINK_READABLE)
        at_signal_raise(&link->changed);
    if (event == AT_LINK_WRITABLE)
        at_stream_poke(app->session);
}
