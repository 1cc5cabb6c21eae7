/* The description of an air, from a world file (INI). The built-in one is the guide's: access point
 * espressif / 1234567890, 192.168.3.0/24. Plain data; air.h brings it to life. */
#ifndef AIR_WORLD_H
#define AIR_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/heap.h"
#include "proto/mgmt.h"

#define AT_WORLD_APS    16u
#define AT_WORLD_HOSTS  16u
#define AT_WORLD_NAMES  64u
#define AT_WORLD_FAULTS 32u
#define AT_WORLD_NAME   33u /* a section's name with its end */

typedef enum at_uplink_kind { AT_UPLINK_NONE, AT_UPLINK_SLIRP, AT_UPLINK_TAP } at_uplink_kind;

typedef struct at_world_ap { /* [ap NAME] */
    char name[AT_WORLD_NAME];
    at_ssid ssid; /* ssid = ..., default the section's name */
    uint8_t bssid[6];
    uint8_t channel; /* 1..14, default 6 */
    int8_t rssi;     /* dBm, default -40 */
    uint8_t auth;    /* auth = open | wpa-psk | wpa2-psk | wpa-wpa2-psk | wpa3-psk ... */
    char password[65];
    uint8_t pmf, protocols, wps;
    bool hidden, power, isolate;
    bool dhcp, dhcp_given; /* a TAP brings its own unless dhcp = on is given */
    char country[3];
    uint32_t gateway;               /* host byte order, default 192.168.3.1 */
    uint8_t prefix;                 /* default 24 */
    uint32_t pool_first, pool_last; /* DHCP pool, default .112 to .254 */
    uint32_t lease_s;
    bool ipv6, prefix6_given;
    uint8_t
        prefix6[16]; /* 64 bits; by default fd00:192:168:3::, the gateway's network as written */
    at_uplink_kind uplink;
    char tap[16];
    uint16_t max_stations; /* more are refused as "full"; default 255 */
    uint8_t sae;           /* AT_SAE_* that WPA3 takes; default both */
    uint16_t sae_tokens;   /* so many stations in SAE, then commits need a token; default 5 */
} at_world_ap;

typedef struct at_world_host { /* [host NAME] address = ...: this computer, seen from the air */
    char name[AT_WORLD_NAME];
    uint32_t address;
} at_world_host;

typedef struct at_world_name { /* [names] NAME = ADDRESS */
    char name[254];
    uint8_t len; /* 4 or 16 */
    uint8_t address[16];
} at_world_name;

typedef enum at_fault_kind {
    AT_FAULT_LOSS,      /* loss = percent, both ways */
    AT_FAULT_DELAY,     /* delay_ms */
    AT_FAULT_DUPLICATE, /* duplicate = percent */
    AT_FAULT_RATE,      /* rate = bytes per second */
    AT_FAULT_HALF_OPEN, /* frames vanish, the association stays */
    AT_FAULT_AP_OFF,    /* the access point loses power */
    AT_FAULT_NO_DHCP,   /* the DHCP server is silent */
    AT_FAULT_BAD_DHCP,  /* it hands out an address of another network */
    AT_FAULT_DEAUTH,    /* stations are thrown out once */
    AT_FAULT_NO_ASSOC,  /* association requests are not answered */
    AT_FAULT_NO_EAPOL,  /* handshake frames are not sent */
    AT_FAULT_NO_DNS,    /* the DNS answerer is silent */
    AT_FAULT_NO_RA,     /* the IPv6 router sends no advertisements */
    AT_FAULT_BAD_DNS,   /* it answers nonsense; value: which, at_bad_dns */
    AT_FAULT_KINDS
} at_fault_kind;

/* What a poisoned DNS answer is like. */
typedef enum at_bad_dns {
    AT_BAD_DNS_SPOOFED,  /* ID and QUESTION, and then the right answer */
    AT_BAD_DNS_ID,       /* another query's number */
    AT_BAD_DNS_QUESTION, /* another name */
    AT_BAD_DNS_CUT,      /* ends in the middle of a record */
    AT_BAD_DNS_LOOP,     /* the record's name is a pointer to itself */
    AT_BAD_DNS_TYPE,     /* a record of another type */
    AT_BAD_DNS_EMPTY,    /* records announced, none there */
    AT_BAD_DNS_COUNT
} at_bad_dns;

typedef struct at_world_fault { /* [fault NAME] ap, station, kind, value, after_ms, after_bytes */
    char name[AT_WORLD_NAME], ap[AT_WORLD_NAME];
    bool one_station; /* only the link of this one */
    uint8_t station[6];
    at_fault_kind kind;
    uint32_t value;
    uint32_t after_ms;
    uint64_t after_bytes;
    bool armed; /* from the start (world file: armed = no waits for the control verb) */
} at_world_fault;

typedef struct at_world {
    uint64_t seed;           /* [world] seed = ...; 0: drawn at start and printed */
    uint32_t scan_ms;        /* what a channel takes; 0: at once */
    uint32_t join_ms;        /* delay of an association answer */
    uint32_t beacon_loss_ms; /* default 6000 */
    uint32_t ap_count, host_count, name_count, fault_count;
    at_world_ap aps[AT_WORLD_APS];
    at_world_host hosts[AT_WORLD_HOSTS];
    at_world_name names[AT_WORLD_NAMES];
    at_world_fault faults[AT_WORLD_FAULTS];
} at_world;

void at_world_default(at_world *world);
/* The names of kinds and modes as world files write them; "?" out of range. */
const char *at_fault_kind_name(at_fault_kind kind);
const char *at_world_auth_name(unsigned auth);
/* A section's name goes into JSON as it is: no quotes, backslashes or control characters. */
bool at_world_name_ok(const char *name);
/* NULL, or what is wrong with the fault: value out of range, a kind that one station cannot have. */
const char *at_fault_problem(const at_world_fault *fault);
/* "half_open" or "half-open" ...: false when there is no such kind. */
bool at_fault_kind_parse(const char *text, at_fault_kind *kind);
/* Starts from the default world; the first [ap ...] section replaces its access points, the first
 * [host ...] its hosts. On failure false, and error says "NAME:LINE: what is wrong, what would be
 * right". text needs no end. */
bool at_world_parse(at_world *world, const char *name, const char *text, size_t len, char *error,
                    size_t room);

#endif
