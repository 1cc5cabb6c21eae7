/* The TCP/IP family from inside: the state of its commands, shared by the files tcpip_*.c. */
#ifndef COMMANDS_TCPIP_PRIV_H
#define COMMANDS_TCPIP_PRIV_H

#include "commands/app.h"

typedef struct at_tcpip_family at_tcpip;

/* What a command remembers of one link beyond what net/link knows. */
typedef struct at_tcpip_link {
    at_tcpip *family;
    unsigned id;
    bool passive;   /* AT+CIPRECVTYPE */
    bool announced; /* passive: +IPD said, not read since */
    bool settled;   /* an open that was asked for has ended, with ... */
    at_err result;
    at_signal changed;   /* opened, failed, writable, gone, released */
    at_link_info opened; /* as it was when CONNECT was due */
    at_link_options options;
    /* To open the same connection again (passthrough). */
    at_link_open_params reopen;
    char host[AT_HOST_MAX + 1];
    at_notice connect, closed, ipd;
} at_tcpip_link;

struct at_tcpip_family {
    at_app *app;
    bool mux;                            /* AT+CIPMUX */
    bool passthrough;                    /* AT+CIPMODE=1: received data comes raw */
    bool dinfo;                          /* AT+CIPDINFO */
    bool had_link;                       /* for <stat> 4 of AT+CIPSTATUS */
    uint16_t interval_ms;                /* AT+TRANSINTVL */
    uint32_t report_size, transmit_size; /* AT+CIPSENDLCFG */
    uint8_t max_clients;                 /* AT+CIPSERVERMAXCONN */
    uint16_t timeout_s;                  /* AT+CIPSTO */
    at_tcpip_link link[AT_LINKS];
    unsigned next_link; /* whose data comes next */
    at_source received;
    at_notice turned_away;
};

static inline at_tcpip *at_tcpip_of(const at_call *call)
{
    return at_app_of(call)->tcpip;
}

/* tcpip_open.c */
at_result at_cipstart_set(at_call *call);
at_result at_cipstartex_set(at_call *call);
at_result at_cipclose_set(at_call *call);
at_result at_cipclose_execute(at_call *call);
/* Opens a link and waits for how it ends; *why says more of TLS. */
at_err at_tcpip_connect(at_call *call, at_tcpip_link *link, const at_link_open_params *params,
                        at_tls_reason *why);
/* Closes and says CLOSED, waits while it lingers. */
void at_tcpip_close(at_call *call, at_tcpip_link *link);

/* tcpip_send.c */
at_result at_cipsend_set(at_call *call);
at_result at_cipsendex_set(at_call *call);
/* The link of a send command and, for UDP, where to; false after at_fail. */
typedef struct at_send_target {
    at_tcpip_link *link;
    bool udp, to_given;
    at_addr to;
    uint16_t port;
    int32_t length;
} at_send_target;
bool at_send_target_of(at_call *call, at_send_target *target);

/* tcpip_stream.c: long data and passthrough */
at_result at_cipsendl_set(at_call *call);
at_result at_cipsend_execute(at_call *call);

/* Passthrough on a link until +++. at_boot: without a prompt, and the link is opened as link->reopen
 * says once there is an address. */
void at_tcpip_pass_through(at_call *call, at_tcpip_link *link, bool at_boot);

/* translink.c */
void at_translink_boot(at_app *app);

/* tcpip_receive.c */
void at_tcpip_receive_create(at_tcpip *family);
void at_tcpip_closed(at_tcpip_link *link);     /* says CLOSED, once */
void at_tcpip_data_waits(at_tcpip_link *link); /* after a change of mode: says +IPD or sends */
at_result at_ciprecvdata_set(at_call *call);
at_result at_ciprecvlen_query(at_call *call);
at_result at_ciprecvtype_query(at_call *call);
at_result at_ciprecvtype_set(at_call *call);
at_result at_ciprecvmode_query(at_call *call);
at_result at_ciprecvmode_set(at_call *call);

/* tcpip_server.c */
at_result at_cipserver_query(at_call *call);
at_result at_cipserver_set(at_call *call);
at_result at_cipservermaxconn_query(at_call *call);
at_result at_cipservermaxconn_set(at_call *call);
at_result at_cipsto_query(at_call *call);
at_result at_cipsto_set(at_call *call);

/* tcpip_config.c */
void at_tcpip_config_load(at_tcpip *family);
at_result at_transintvl_query(at_call *call);
at_result at_transintvl_set(at_call *call);
at_result at_cipsendlcfg_query(at_call *call);
at_result at_cipsendlcfg_set(at_call *call);
at_result at_cipmux_query(at_call *call);
at_result at_cipmux_set(at_call *call);
at_result at_cipmode_query(at_call *call);
at_result at_cipmode_set(at_call *call);
at_result at_cipdinfo_query(at_call *call);
at_result at_cipdinfo_set(at_call *call);
at_result at_ciptcpopt_query(at_call *call);
at_result at_ciptcpopt_set(at_call *call);
at_result at_cipreconnintv_query(at_call *call);
at_result at_cipreconnintv_set(at_call *call);
at_result at_cipstate_query(at_call *call);
at_result at_cipstatus_execute(at_call *call);
at_result at_cifsr_execute(at_call *call);

#endif
