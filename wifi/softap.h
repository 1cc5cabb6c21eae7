/* The SoftAP: stations associate with this radio, prove the password in a four-way handshake, and
 * reach the stack and each other. Each station has a state machine of its own. */
#ifndef WIFI_SOFTAP_H
#define WIFI_SOFTAP_H

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/loop.h"
#include "iface/radio.h"
#include "iface/random.h"
#include "proto/mgmt.h"

#define AT_SOFTAP_STATIONS 4u /* the part's limit (ESP_WIFI_MAX_CONN_NUM of the ESP32-C2) */

typedef struct at_softap at_softap;

typedef enum at_softap_event {
    AT_SOFTAP_EV_JOINED, /* a station has its keys, data passes */
    AT_SOFTAP_EV_LEFT,   /* it was joined: left, thrown out, lost, or the SoftAP stopped */
} at_softap_event;

typedef struct at_softap_config {
    at_loop *loop;
    at_heap *heap;
    at_log *log;
    const at_random *random;
    at_radio *radio;
    /* From a task of the loop, never from inside a call. */
    void (*on_event)(void *owner, at_softap_event event, const uint8_t mac[6]);
    void (*on_data)(void *owner, uint8_t *frame, size_t len); /* a data frame for the stack */
    void *owner;
} at_softap_config;

/* The parameters of AT+CWSAP. Stored as a blob (storage/settings.def), so no padding. */
typedef struct at_softap_params {
    at_ssid ssid;        /* 1..32 bytes */
    char passphrase[64]; /* with its end; 8..63 bytes unless auth is open */
    uint8_t channel;     /* 1..14 */
    uint8_t auth;        /* AT_AUTH_OPEN, _WPA_PSK, _WPA2_PSK, _WPA_WPA2_PSK */
    uint8_t max_stations, hidden;
} at_softap_params;

at_softap *at_softap_create(const at_softap_config *config); /* NULL: out of memory */

/* Appears on the air with this BSSID; one that is on stops first (its stations are told). */
void at_softap_start(at_softap *s, const uint8_t bssid[6], const at_softap_params *params,
                     uint8_t protocols, const char country[3]);
/* Throws everybody out and disappears; allowed when off. */
void at_softap_stop(at_softap *s);
bool at_softap_is_on(const at_softap *s);
void at_softap_bssid(const at_softap *s, uint8_t bssid[6]);
/* Moves to another channel, stations stay (a radio has one channel: its station's counts). */
void at_softap_set_channel(at_softap *s, uint8_t channel);

/* Throws a station out. AT_ERR_NOT_FOUND: it is not joined. */
at_err at_softap_kick(at_softap *s, const uint8_t mac[6]);
void at_softap_kick_all(at_softap *s);
/* The joined station number index, in the order of joining; false: there is none. */
bool at_softap_station(const at_softap *s, unsigned index, uint8_t mac[6]);

/* A frame of the radio; true: it was for the SoftAP, not for the station. */
bool at_softap_input(at_softap *s, uint8_t *frame, size_t len);
/* A data frame of the stack, to a joined station or a group; as at_radio_ops.send. Frames to nobody
 * are dropped. AT_ERR_STATE: off. */
int at_softap_send(at_softap *s, const at_radio_piece *pieces, size_t count);

#endif
