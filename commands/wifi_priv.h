/* The Wi-Fi family from inside: its state, shared by the files wifi*.c and stack_query.c. */
#ifndef COMMANDS_WIFI_PRIV_H
#define COMMANDS_WIFI_PRIV_H

#include "commands/app.h"
#include "core/wire.h"

typedef struct at_wifi_family at_wifi;

/* Words that wait for room on the port, in the order things happened. A port that nobody reads can
 * fill the row; then the newest gives way, so that the last word is always the truth. */
#define AT_WIFI_WORDS 8u

typedef struct at_wifi_word {
    at_notice notice;
    at_wire_id text;
} at_wifi_word;

typedef struct at_scan_options { /* AT+CWLAPOPT */
    bool by_rssi;
    uint32_t print_mask, auth_mask;
    int32_t rssi_floor; /* dBm */
} at_scan_options;

struct at_wifi_family {
    at_app *app;
    bool ready;          /* AT+CWINIT */
    bool joined, has_ip; /* as told by events, so that what is printed and what is said agree */
    uint32_t left_count; /* how often an association has ended */
    int join_error;      /* of the last attempt that failed, 0: none since the join began */
    bool off;            /* the module goes down: no more words */
    at_signal changed;   /* any event of station or address */
    char hostname[AT_HOSTNAME_MAX + 1];
    at_scan_options scan;
    at_wifi_word word[AT_WIFI_WORDS];
    unsigned newest; /* index of the word posted last */
};

/* What AT+CWJAP stores (setting STATION). */
typedef struct at_stored_join {
    at_join_params params;
    uint8_t timeout_high, timeout_low; /* <jap_timeout>, seconds */
} at_stored_join;

/* The settings STA_IP and AP_IP: addresses in network order, all zero when there is none. */
typedef struct at_stored_ip {
    uint8_t ip[4], gateway[4], netmask[4];
} at_stored_ip;

typedef struct at_stored_range { /* the setting DHCPS */
    uint8_t first[4], last[4], minutes_high, minutes_low;
} at_stored_range;

static inline at_wifi *at_wifi_of(const at_call *call)
{
    return at_app_of(call)->wifi;
}

/* wifi.c */
bool at_wifi_is_on(const at_app *app); /* station mode, initialised */
at_result at_wifi_not_on(at_call *call);
/* The result of a command that ended with storing a setting. */
at_result at_wifi_stored(at_call *call, at_err err);
void at_wifi_station_on(at_app *app); /* with the configured address; does not join */
void at_wifi_apply_reconnect(at_app *app);

/* wifi_join.c */
bool at_wifi_last_join(const at_app *app, at_stored_join *join);
void at_wifi_load_key(at_app *app);
void at_wifi_keep_key(at_app *app); /* while joined */
/* Leaves and waits until WIFI DISCONNECT is on its way. */
void at_wifi_leave(at_call *call);
at_result at_cwjap_query(at_call *call);
at_result at_cwjap_set(at_call *call);
at_result at_cwjap_execute(at_call *call);
at_result at_cwqap_execute(at_call *call);

/* wifi_scan.c */
void at_wifi_scan_defaults(at_scan_options *options);
at_result at_cwlapopt_set(at_call *call);
at_result at_cwlap_set(at_call *call);
at_result at_cwlap_execute(at_call *call);

/* wifi_address.c */
void at_wifi_mac(const at_app *app, uint8_t mac[6]);
void at_wifi_apply_ip(at_app *app);
/* An IPv4 address of parameter index; the three of AT+CIPSTA and AT+CIPAP. false after at_fail. */
/* The rows of AT+CIPSTA? and AT+CIPAP?. */
void at_wifi_print_ip(at_call *call, at_netif_id netif, const char *command);
bool at_wifi_take_ipv4(at_call *call, unsigned index, uint8_t bytes[4]);
bool at_wifi_take_ip(at_call *call, at_stored_ip *ip);
at_result at_cwdhcp_query(at_call *call);
at_result at_cwdhcp_set(at_call *call);
at_result at_cipstamac_query(at_call *call);
at_result at_cipstamac_set(at_call *call);
at_result at_cipsta_query(at_call *call);
at_result at_cipsta_set(at_call *call);
at_result at_cwhostname_query(at_call *call);
at_result at_cwhostname_set(at_call *call);

/* stack_query.c */
void at_wifi_apply_dns(at_app *app);
at_result at_cipdomain_set(at_call *call);
at_result at_cipdns_query(at_call *call);
at_result at_cipdns_set(at_call *call);
at_result at_ping_set(at_call *call);

#endif
