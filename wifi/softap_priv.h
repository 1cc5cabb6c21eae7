/* The SoftAP from inside: one structure, shared by its files. */
#ifndef WIFI_SOFTAP_PRIV_H
#define WIFI_SOFTAP_PRIV_H

#include "proto/eapol.h"
#include "proto/pmf.h"
#include "wifi/softap.h"

/* Room for stations that are still authenticating while the table of joined ones is full. */
#define AT_SOFTAP_SLOTS  (2u * AT_SOFTAP_STATIONS)
#define AT_SOFTAP_EVENTS (4u * AT_SOFTAP_SLOTS)

typedef enum at_softap_state {
    AT_SOFTAP_FREE,
    AT_SOFTAP_AUTHENTICATED, /* waits for its association request */
    AT_SOFTAP_HANDSHAKE,     /* associated, no keys: EAPOL only */
    AT_SOFTAP_JOINED,        /* data passes */
    AT_SOFTAP_STATES
} at_softap_state;

typedef struct at_softap_slot {
    at_softap *softap;
    at_softap_state state;
    uint8_t mac[6];
    uint32_t order; /* of joining */
    uint8_t tries;
    uint8_t wanted, pmf; /* of the association request */
    at_timer timer;
    at_eapol eapol;
    at_pmf protection; /* on while joined with protected management frames */
} at_softap_slot;

struct at_softap {
    at_softap_config config;
    bool on;
    uint8_t bssid[6];
    at_softap_params params;
    uint8_t protocols;
    char country[3];
    bool has_pmk;
    uint8_t pmk[AT_PMK_LEN];
    at_group_keys group;
    uint32_t joins;
    at_softap_slot slots[AT_SOFTAP_SLOTS];

    at_task event_task;
    struct {
        at_softap_event event;
        uint8_t mac[6];
    } events[AT_SOFTAP_EVENTS];
    unsigned event_count;
};

/* softap.c */
at_softap_slot *at_softap_find(at_softap *s, const uint8_t mac[6]); /* NULL: unknown */
void at_softap_transmit(at_softap *s, const void *frame, size_t len);
void at_softap_transmit_mgmt(at_softap *s, const uint8_t to[6], at_mgmt *m);
/* The only place where a station's state changes. Stops its timer; tells joining and leaving. */
void at_softap_set_state(at_softap_slot *slot, at_softap_state state);
/* Ends it from any state, with a word to the station (reason) or without (0). */
void at_softap_drop(at_softap_slot *slot, uint16_t reason, const char *why);
unsigned at_softap_associated(const at_softap *s);
void at_softap_describe(const at_softap *s, at_bss *bss); /* as its beacon does */

/* softap_join.c: one station, from authentication to its keys. */
void at_softap_mgmt(at_softap *s, const at_mgmt *m);
void at_softap_eapol(at_softap *s, const uint8_t *frame, size_t len);
void at_softap_timer(at_softap_slot *slot);

#endif
