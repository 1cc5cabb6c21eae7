/* The SoftAP family from inside: its state, and what the Wi-Fi family's commands ask it for. */
#ifndef COMMANDS_SOFTAP_PRIV_H
#define COMMANDS_SOFTAP_PRIV_H

#include "commands/app.h"
#include "net/dhcp_server.h"
#include "wifi/softap.h"

#define AT_MODE_STATION 1 /* bits of <mode> of AT+CWMODE */
#define AT_MODE_SOFTAP  2
#define AT_DHCP_SOFTAP  2 /* bit of <mode> of AT+CWDHCP */

/* Messages that wait for room on the port; when all wait, the newest gives way. */
#define AT_SOFTAP_WORDS 16u

typedef enum at_softap_word_kind {
    AT_SOFTAP_CONNECTED,
    AT_SOFTAP_ADDRESS,
    AT_SOFTAP_DISCONNECTED,
    AT_SOFTAP_WORD_KINDS
} at_softap_word_kind;

typedef struct at_softap_word {
    at_notice notice;
    at_softap_word_kind kind;
    uint8_t mac[6];
    at_addr ip;
} at_softap_word;

typedef struct at_softap_family {
    at_app *app;
    bool off;          /* the module goes down: no more words */
    at_signal changed; /* a station joined or left */
    at_softap_word word[AT_SOFTAP_WORDS];
    unsigned newest;
    struct { /* addresses that were told, so that a renewal is not told again */
        uint8_t mac[6];
        at_addr ip;
    } told[AT_SOFTAP_STATIONS];
    unsigned next_told;
} at_softap_family;

/* softap_events.c */
/* Puts the mode in force: switches the SoftAP on with its stored configuration, or off. */
void at_softap_on(at_app *app);
void at_softap_off(at_app *app);
/* Address and DHCP server as the settings say. */
void at_softap_apply_ip(at_app *app);
/* AT+CWDHCP changed the SoftAP's bit; switched on, the server brings the default address back. */
void at_softap_dhcp_changed(at_app *app);
void at_softap_mac(const at_app *app, uint8_t mac[6]);
void at_softap_conf(const at_app *app, at_softap_params *params);
void at_softap_ip_conf(const at_app *app, at_ip_config *config);
void at_softap_dhcp_range(const at_app *app, at_dhcp_range *range);
bool at_softap_dhcp_runs(const at_app *app); /* AT+CWDHCP bit 1, and the SoftAP is on */
/* Runs change(call's app) and waits until what it causes is on its way to the host. */
void at_softap_change(at_call *call, void (*change)(at_app *app));

#endif
