/* The Wi-Fi station: scan, join, four-way handshake, loss and reconnect. An explicit state machine
 * over management frames (proto/mgmt.h); data frames pass only while keys are set. */
#ifndef WIFI_STATION_H
#define WIFI_STATION_H

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/loop.h"
#include "iface/radio.h"
#include "iface/random.h"
#include "proto/mgmt.h"

typedef struct at_station at_station;

typedef enum at_station_state {
    AT_STATION_OFF,      /* Wi-Fi not initialised, or mode without station */
    AT_STATION_IDLE,     /* on, no join asked for */
    AT_STATION_SCANNING, /* looking for the access point to join */
    AT_STATION_AUTHENTICATING,
    AT_STATION_ASSOCIATING,
    AT_STATION_HANDSHAKE, /* EAPOL */
    AT_STATION_JOINED,    /* data passes */
    AT_STATION_WAITING,   /* between two attempts to reconnect */
    AT_STATION_LOST,      /* left, lost or failed, and no further attempt */
} at_station_state;

/* <error code> of AT+CWJAP (guide 3.2.5). */
typedef enum at_join_error {
    AT_JOIN_TIMEOUT = 1,
    AT_JOIN_PASSWORD = 2,
    AT_JOIN_NOT_FOUND = 3,
    AT_JOIN_FAILED = 4
} at_join_error;

typedef enum at_station_event {
    AT_STATION_EV_JOINED,
    AT_STATION_EV_LEFT,    /* was joined, is not any more: by us, by the access point, by loss */
    AT_STATION_EV_FAILED,  /* an attempt failed; detail is an at_join_error */
    AT_STATION_EV_GAVE_UP, /* the reconnect policy ends */
} at_station_event;

typedef struct at_station_config {
    at_loop *loop;
    at_heap *heap;
    at_log *log;
    const at_random *random;
    at_radio *radio;
    void (*on_event)(void *owner, at_station_event event, int detail); /* from a task of the loop */
    void (*on_data)(void *owner, uint8_t *frame, size_t len); /* a data frame for the stack */
    void *owner;
} at_station_config;

at_station *at_station_create(const at_station_config *config); /* NULL: out of memory */

/* The parameters of AT+CWJAP. Stored as a blob (storage/settings.def), so no padding. */
typedef struct at_join_params {
    at_ssid ssid;        /* 33 bytes */
    char passphrase[64]; /* with its end; "": open */
    uint8_t bssid[6];    /* all zero: any */
    uint8_t use_bssid, pci, scan_mode, pmf, listen_interval;
} at_join_params;

/* Switches the station on with this address, or off (leaves first, without an event LEFT when it was
 * not joined). */
void at_station_start(at_station *s, const uint8_t mac[6]);
void at_station_stop(at_station *s);
void at_station_mac(const at_station *s, uint8_t mac[6]);

/* Starts one attempt; JOINED or FAILED follows. A station that is joined leaves first (LEFT).
 * AT_ERR_STATE: off. AT_ERR_INVALID: passphrase shorter than 8 bytes and not empty. */
at_err at_station_join(at_station *s, const at_join_params *params);
/* Leaves, or ends an attempt and the reconnect policy. AT_ERR_STATE: off. */
at_err at_station_leave(at_station *s);
/* After a loss: every interval_s seconds (0 never), repeat times (0 without end) (guide 3.2.6). */
void at_station_set_reconnect(at_station *s, uint32_t interval_s, uint32_t repeat);
/* Starts the policy as after a loss (mode switch, power on). AT_ERR_STATE: off or no parameters. */
at_err at_station_reconnect_now(at_station *s, const at_join_params *params);
/* AT_PROTO_* asked for in the next association; default all. */
void at_station_set_protocols(at_station *s, uint8_t protocols);
at_station_state at_station_get(const at_station *s, at_bss *bss /* joined one, may be NULL */);
const at_join_params *at_station_params(const at_station *s); /* NULL: no join yet */
const char *at_station_state_name(at_station_state state);

/* The key of a network, worth keeping: it takes 4096 rounds of PBKDF2 to compute. Stored as a blob
 * (storage/settings.def), so no padding. */
typedef struct at_pmk_record {
    at_ssid ssid;
    char passphrase[64]; /* with its end */
    uint8_t pmk[32];
} at_pmk_record;

/* The key computed or set last; false: there is none. */
bool at_station_pmk(const at_station *s, at_pmk_record *record);
/* A key from an earlier boot; used when SSID and passphrase of a join are those of the record. */
void at_station_set_pmk(at_station *s, const at_pmk_record *record);

typedef struct at_scan_params {
    at_ssid ssid; /* empty: any */
    uint8_t bssid[6];
    bool use_bssid;
    uint8_t channel; /* 0: all of the country's */
    bool passive;
    uint16_t time_min_ms,
        time_max_ms; /* 0: 120 active, 360 passive; what the air waits with --pace */
} at_scan_params;

/* found runs for each access point heard (a hidden one with an empty SSID only when asked for by
 * BSSID or its SSID), then done, both from the loop. AT_ERR_STATE: off, joining, or scanning. */
at_err at_station_scan(at_station *s, const at_scan_params *params,
                       void (*found)(void *arg, const at_bss *bss),
                       void (*done)(void *arg, at_err err), void *arg);
void at_station_scan_cancel(at_station *s);

/* A frame of the radio for the station's address or a group. */
void at_station_input(at_station *s, uint8_t *frame, size_t len);
/* A data frame of the stack: AT_ERR_STATE while keys are not set, else as at_radio_ops.send. */
int at_station_send(at_station *s, const at_radio_piece *pieces, size_t count);

typedef struct at_country {
    uint8_t policy;
    char code[4];
    uint8_t first, count;
} at_country;
void at_station_set_country(at_station *s, const at_country *country);
void at_station_country(const at_station *s, at_country *country); /* default 0,"CN",1,13 */

#endif
