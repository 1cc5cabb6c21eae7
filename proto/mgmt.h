/* Wi-Fi management between a station and the air, as Ethernet frames of a local-experimental
 * EtherType (IEEE 802 "Local Experimental EtherType 1"). Field meanings are those of IEEE 802.11;
 * the encoding is ours: version, type, then the fields of the type in the order of the
 * structure. */
#ifndef PROTO_MGMT_H
#define PROTO_MGMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

#define AT_ETHERTYPE_MGMT  0x88B5u
#define AT_ETHERTYPE_EAPOL 0x888Eu
#define AT_MGMT_VERSION    1u
#define AT_MGMT_FRAME_MAX  256u /* bytes, Ethernet header included */
#define AT_AUTH_BODY_MAX   160u /* bytes of SAE in an authentication frame */
#define AT_PMKID_LEN       16u
#define AT_MGMT_MIC_LEN    16u

typedef enum at_mgmt_type {
    AT_MGMT_SCAN = 1,     /* station -> broadcast: tell me who is on this channel */
    AT_MGMT_BEACON,       /* air -> station: one access point (beacon or probe response) */
    AT_MGMT_SCAN_DONE,    /* air -> station: every answer to the scan with this token was sent */
    AT_MGMT_AUTH,         /* station -> BSSID and back (status valid in the answer) */
    AT_MGMT_ASSOC,        /* station -> BSSID */
    AT_MGMT_ASSOC_ANSWER, /* BSSID -> station */
    AT_MGMT_DEAUTH,       /* both ways */
    AT_MGMT_QUALITY,      /* air -> station: the RSSI of the associated access point is now this */
    AT_MGMT_BEACON_LOST,  /* air -> station: the receiver heard no beacon for its time-out */
    AT_MGMT_ANNOUNCE,     /* BSSID -> air: this radio is an access point now, or no longer */
    AT_MGMT_KEYS,         /* BSSID -> air: this station (to) has its keys, data may pass */
    AT_MGMT_STATION_LOST, /* air -> BSSID: this station (from) was not heard for long */
    AT_MGMT_SA_QUERY,     /* both ways: are our keys still yours? (11.13) */
} at_mgmt_type;

/* <ecn> of AT+CWLAP (guide 3.2.8). */
typedef enum at_auth_mode {
    AT_AUTH_OPEN,
    AT_AUTH_WEP,
    AT_AUTH_WPA_PSK,
    AT_AUTH_WPA2_PSK,
    AT_AUTH_WPA_WPA2_PSK,
    AT_AUTH_WPA2_ENTERPRISE,
    AT_AUTH_WPA3_PSK,
    AT_AUTH_WPA2_WPA3_PSK,
    AT_AUTH_WAPI_PSK,
    AT_AUTH_OWE,
    AT_AUTH_MODES
} at_auth_mode;

/* <pairwise_cipher>, <group_cipher> of AT+CWLAP. */
typedef enum at_cipher {
    AT_CIPHER_NONE,
    AT_CIPHER_WEP40,
    AT_CIPHER_WEP104,
    AT_CIPHER_TKIP,
    AT_CIPHER_CCMP,
    AT_CIPHER_TKIP_CCMP,
    AT_CIPHER_AES_CMAC_128,
    AT_CIPHER_UNKNOWN
} at_cipher;

#define AT_PMF_CAPABLE  1u /* bits of <pmf> (guide 3.2.5) */
#define AT_PMF_REQUIRED 2u
#define AT_PROTO_B      1u /* bits of <bgn> */
#define AT_PROTO_G      2u
#define AT_PROTO_N      4u
#define AT_SAE_LOOPING  1u /* ways from a password to a point that an access point takes */
#define AT_SAE_H2E      2u

typedef struct at_ssid {
    uint8_t len; /* 0..32 */
    uint8_t bytes[AT_SSID_MAX];
} at_ssid;

/* An access point as a scan shows it. */
typedef struct at_bss {
    uint8_t bssid[6];
    at_ssid ssid;            /* empty: hidden */
    uint8_t channel;         /* 1..14 */
    int8_t rssi;             /* dBm */
    uint8_t auth;            /* at_auth_mode */
    uint8_t pairwise, group; /* at_cipher */
    uint8_t protocols;       /* AT_PROTO_* */
    uint8_t pmf;             /* AT_PMF_* */
    uint8_t wps;             /* 1: offered */
    char country[3];         /* two letters and an end */
    uint8_t sae;             /* AT_SAE_*; 0 without SAE */
} at_bss;

/* Status codes of IEEE 802.11 (9.4.1.9) that occur here. */
#define AT_STATUS_OK             0u
#define AT_STATUS_FAILURE        1u
#define AT_STATUS_AUTH_ALGORITHM 13u
#define AT_STATUS_AP_FULL        17u
#define AT_STATUS_PMF_POLICY     31u
#define AT_STATUS_INVALID_AKMP   43u
#define AT_STATUS_INVALID_PMKID  53u
#define AT_STATUS_TOKEN_REQUIRED 76u  /* SAE: come back with this token */
#define AT_STATUS_GROUP          77u  /* SAE, OWE: not this finite cyclic group */
#define AT_STATUS_SAE_H2E        126u /* SAE: this commit is of hash-to-element */
/* Reason codes (9.4.1.7). */
#define AT_REASON_UNSPECIFIED  1u
#define AT_REASON_AUTH_EXPIRED 2u
#define AT_REASON_LEAVING      3u
#define AT_REASON_INACTIVITY   4u
#define AT_REASON_CLASS_2      6u /* a frame of somebody who is not authenticated */
#define AT_REASON_CLASS_3      7u /* of somebody who is not associated */
#define AT_REASON_4WAY_TIMEOUT 15u
#define AT_AUTH_ALG_OPEN       0u
#define AT_AUTH_ALG_SAE        3u

typedef struct at_mgmt_auth {
    uint8_t algorithm; /* AT_AUTH_ALG_* */
    uint16_t sequence;
    uint16_t status;
    uint8_t len; /* of body; 0 unless the algorithm is SAE */
    uint8_t body[AT_AUTH_BODY_MAX];
} at_mgmt_auth;

/* The OWE Diffie-Hellman parameter (RFC 8110 4.3): group 0 when there is none. */
typedef struct at_mgmt_dh {
    uint16_t group;
    uint8_t key[32]; /* x of the public point */
} at_mgmt_dh;

/* What protects a robust management frame once keys are set (proto/pmf.h). */
typedef struct at_mgmt_protection {
    bool on;
    uint64_t number; /* of the packet, 48 bits, never used twice with one key */
    uint8_t mic[AT_MGMT_MIC_LEN];
} at_mgmt_protection;

typedef struct at_mgmt {
    at_mgmt_type type;
    uint8_t from[6], to[6]; /* of the Ethernet header */
    union {
        struct {
            uint8_t token;
            uint8_t channel; /* 0: all */
            bool passive;
            at_ssid ssid; /* empty: any */
        } scan;
        struct {
            uint8_t token;
        } scan_done;
        struct {
            uint8_t token;
            at_bss bss;
        } beacon;
        at_mgmt_auth auth;
        struct {
            at_ssid ssid;
            uint8_t auth; /* at_auth_mode wanted; of WPA2 and WPA3 one, never the mixed mode */
            uint8_t pmf;
            uint8_t protocols;
            uint16_t listen_interval;
            bool has_pmkid; /* of keys that both ends may still have */
            uint8_t pmkid[AT_PMKID_LEN];
            at_mgmt_dh dh;
        } assoc;
        struct {
            uint16_t status;
            uint16_t aid;
            at_mgmt_dh dh;
        } assoc_answer;
        struct {
            uint16_t reason;
            at_mgmt_protection protection;
        } deauth;
        struct {
            bool answer;
            uint16_t id;
            at_mgmt_protection protection;
        } sa_query;
        struct {
            int8_t rssi;
        } quality;
        struct {
            bool on;
            bool hidden; /* scans show the SSID only when they name it */
            at_bss bss;  /* rssi is the air's business */
        } announce;
    };
} at_mgmt;

/* Builds the whole Ethernet frame; returns its length, 0 when room is short or a field is out of
 * range. */
size_t at_mgmt_encode(const at_mgmt *m, uint8_t *frame, size_t room);
/* Takes a whole Ethernet frame; false when it is not a valid management frame. */
bool at_mgmt_decode(at_mgmt *m, const uint8_t *frame, size_t len);
/* "WPA2_PSK" ...; "?" out of range. */
const char *at_auth_mode_name(unsigned mode);

/* What an access point of this mode (at_auth_mode) offers, as AT+CWLAP shows it. */
at_cipher at_auth_pairwise(unsigned mode);
at_cipher at_auth_group(unsigned mode);
/* Whether an access point of one mode takes a station that wants another. */
bool at_auth_fits(unsigned offered, unsigned wanted);
bool at_auth_has_password(unsigned mode); /* not OPEN, not OWE */

#endif
