/* What the files of air/ share: access points, ports, faults. */
#ifndef AIR_AIR_PRIV_H
#define AIR_AIR_PRIV_H

#include "air/air.h"
#include "air/alias.h"
#include "core/limits.h"
#include "iface/radio.h"
#include "proto/dhcp.h"
#include "proto/dns.h"
#include "proto/eapol.h"
#include "proto/ether.h"
#include "proto/ipv4.h"
#include "proto/mgmt.h"
#include "proto/udp.h"

#define AIR_ERROR_ROOM            160u
#define AIR_LEASES_MAX            4096u
#define AIR_QUERIES_MAX           32u /* DNS queries with the resolver at the same time */
#define AIR_REASON_NOT_ASSOCIATED 7u  /* class 3 frame from a station that is not associated */

typedef struct air_ap air_ap;

/* Where a radio stands with its access point. A wired port is always joined. */
typedef enum air_state {
    AIR_IDLE,          /* no access point knows it */
    AIR_AUTHENTICATED, /* open authentication passed */
    AIR_ASSOCIATING,   /* the answer waits for join_ms */
    AIR_HANDSHAKE,     /* associated, keys not set: EAPOL only */
    AIR_JOINED,        /* data may pass */
    AIR_STATES
} air_state;

typedef struct air_held { /* a frame that is delayed */
    struct air_held *next;
    uint64_t due_us;
    size_t len;
    uint8_t data[];
} air_held;

/* One direction of a radio's medium. */
typedef struct air_pipe {
    at_air_port *port;
    bool to_air;
    at_timer timer;
    air_held *first, **last;
    size_t bytes;
    uint64_t free_us; /* when the rate has let the last frame through */
    uint64_t last_due_us;
} air_pipe;

typedef struct air_forward {
    struct air_forward *next;
    at_forward what;
    bool open;
    bool reported; /* its failure was, for this address */
} air_forward;

struct at_air_port {
    at_air *air;
    at_air_port *next, *next_member;
    bool wired;
    uint8_t factory_mac[6];
    void (*send)(void *ctx, const uint8_t *frame, size_t len);
    void *ctx;

    air_state state;
    air_ap *ap;     /* whose member it is */
    air_ap *heard;  /* the access point that the radio believes to be associated with */
    uint8_t mac[6]; /* the station's address */
    uint16_t aid, status;
    uint8_t tries;
    at_eapol eapol;
    at_timer timer; /* join_ms, handshake answers */
    at_timer beacon_timer;

    at_timer scan_timer;
    uint8_t scan_token, scan_channel;
    bool scan_passive;
    at_ssid scan_ssid;

    air_pipe pipes[2]; /* to the station, to the air */
    uint32_t ip;       /* 0: not known yet */
    at_uplink *uplink;
    bool uplink_failed;
    air_aliases aliases;
    uint64_t last_refused; /* address and port, for the log */
    air_forward *forwards;
    uint64_t frames_in, frames_out;
};

typedef struct air_effects {  /* all active faults of one access point together */
    uint32_t loss, duplicate; /* percent */
    uint32_t rate;            /* bytes per second, 0: none */
    uint64_t delay_us;
    bool kinds[AT_FAULT_KINDS];
} air_effects;

struct air_ap {
    at_air *air;
    const at_world_ap *def;
    bool power; /* the switch; a fault may take it away as well */
    bool on;
    int8_t rssi;
    uint8_t gateway_mac[6];
    uint32_t netmask, network;
    at_air_port *members;
    uint32_t associated;
    uint16_t last_aid, ip_id;
    uint8_t gtk[16], pmk[AT_PMK_LEN];
    bool pmk_ready, derive_waited;
    at_task derive;
    air_effects effects;
    at_dhcps dhcps;
    at_dhcps_lease *leases;
};

typedef enum air_fault_state {
    AIR_FAULT_OFF,
    AIR_FAULT_WAIT_TIME,
    AIR_FAULT_WAIT_BYTES,
    AIR_FAULT_ACTIVE,
    AIR_FAULT_STATES
} air_fault_state;

typedef struct air_fault {
    at_air *air;
    at_world_fault def;
    air_fault_state state;
    at_timer timer;
    uint64_t bytes_left;
    bool strike; /* became active, what it does to members waits for the task */
} air_fault;

typedef struct air_query { /* a DNS query that is with the resolver */
    struct air_query *next;
    at_air *air;
    at_air_port *port;
    uint32_t from, to;
    uint16_t from_port;
    at_dns_query query;
} air_query;

typedef struct air_counters {
    uint64_t invalid;  /* frames that make no sense */
    uint64_t unjoined; /* data of radios that are not joined */
    uint64_t faulted;  /* lost by a fault */
    uint64_t overflow; /* lost because a queue was full */
    uint64_t refused;  /* by policy or for want of an uplink */
} air_counters;

struct at_air {
    at_air_config config;
    at_world world;
    air_ap aps[AT_WORLD_APS];
    at_air_port *ports;
    air_fault faults[AT_WORLD_FAULTS];
    uint32_t fault_count, counting; /* faults that wait for bytes */
    at_task strike;
    air_query *queries;
    uint32_t query_count;
    uint32_t held; /* frames in pipes */
    air_counters counters;
};

/* ---- air.c ---- */
air_ap *air_find_ap(at_air *air, const char *name);
air_ap *air_find_bssid(at_air *air, const uint8_t bssid[6]); /* only when it has power */
/* Makes power and faults true: throws members off or lets radios hear it again. */
void air_update_power(air_ap *ap);
void air_event(at_air *air, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A frame for the port's owner, as it is. */
void air_deliver(at_air_port *port, const uint8_t *frame, size_t len);
uint32_t air_random(at_air *air, uint32_t below); /* 0 .. below - 1; below > 0 */

/* ---- station.c ---- */
void air_port_timers(at_air_port *port); /* sets up what belongs to a new port */
void air_mgmt_input(at_air_port *port, const uint8_t *frame, size_t len);
/* A data frame came from a radio that is nobody's member. */
void air_not_associated(at_air_port *port);
void air_deauth(at_air_port *port, uint16_t reason);
void air_leave(at_air_port *port); /* without a word to the radio; allowed when not a member */
void air_enter(at_air_port *port, air_ap *ap); /* becomes a member */
void air_set_state(at_air_port *port, air_state state);
const char *air_state_name(air_state state);
void air_tell_quality(at_air_port *port);
void air_learn_ip(at_air_port *port, uint32_t ip); /* 0: has none any more */

void air_joined(at_air_port *port);
bool air_same_ssid(const at_ssid *a, const at_ssid *b);
/* A log line: the station's address, what it did, its access point, and why ("": nothing). */
void air_tell(at_air_port *port, const char *what, const char *why);

/* ---- handshake.c ---- */
void air_handshake_init(air_ap *ap);
void air_handshake_stop(air_ap *ap);
void air_handshake_start(at_air_port *port);
void air_handshake_timeout(at_air_port *port);
void air_eapol_input(at_air_port *port, const uint8_t *frame, size_t len);

/* ---- medium.c ---- */
void air_pipes_init(at_air_port *port);
void air_pipes_flush(at_air_port *port);
/* A data frame between a member and its access point: comes out in air_switch_input or
 * air_deliver. */
void air_pass(at_air_port *port, bool to_air, const uint8_t *frame, size_t len);

/* ---- fault.c ---- */
void air_faults_init(at_air *air);
void air_faults_stop(at_air *air);
void air_count_bytes(air_ap *ap, size_t len);
const char *air_fault_state_name(air_fault_state state);

/* ---- switch.c ---- */
void air_switch_input(at_air_port *port, const uint8_t *frame, size_t len);
void air_to_uplink(at_air_port *port, const uint8_t *frame, size_t len, const at_ipv4 *ip,
                   uint32_t alias);
at_uplink *air_uplink(at_air_port *port); /* opens it when needed; NULL: there is none */
bool air_has_uplink(const air_ap *ap);
/* The gateway, or one of the addresses of this computer. */
bool air_is_host(const air_ap *ap, uint32_t address);
void air_uplink_close(at_air_port *port);

/* ---- gateway.c ---- */
bool air_gateway_init(air_ap *ap); /* false: out of memory */
/* A frame for the access point itself, or for all. */
void air_gateway_input(at_air_port *port, const uint8_t *frame, size_t len);
/* One UDP datagram from the access point to a member. */
void air_send_udp(at_air_port *port, const uint8_t to_mac[6], const at_ipv4 *ip, const at_udp *udp);
void air_dhcp_mode(air_ap *ap); /* after a change of the faults */

/* ---- nameserver.c ---- */
void air_dns_input(at_air_port *port, const at_ipv4 *ip, const at_udp *udp);
void air_dns_cancel(at_air_port *port);

/* ---- forward.c ---- */
void air_forwards_open(at_air_port *port);
void air_forwards_close(at_air_port *port);
void air_forwards_free(at_air_port *port);

#endif
