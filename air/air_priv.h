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
#include "proto/ipv6.h"
#include "proto/mgmt.h"
#include "proto/owe.h"
#include "proto/pmf.h"
#include "proto/sae.h"
#include "proto/udp.h"

#define AIR_ERROR_ROOM    160u
#define AIR_LEASES_MAX    4096u
#define AIR_STRENGTHS_MAX 64u
#define AIR_MDNS_GROUP    0xE00000FBu /* 224.0.0.251 */
#define AIR_MDNS_PORT     5353u
#define AIR_QUERIES_MAX   32u /* DNS queries with the resolver at the same time */

typedef struct air_ap air_ap;

/* Where a radio stands with its access point. A wired port is always joined. */
typedef enum air_state {
    AIR_IDLE,           /* no access point knows it */
    AIR_AUTHENTICATING, /* SAE: commits were exchanged */
    AIR_AUTHENTICATED,  /* authentication passed, open system or SAE */
    AIR_ASSOCIATING,    /* the answer waits for join_ms */
    AIR_HANDSHAKE,      /* associated, keys not set: EAPOL only */
    AIR_JOINED,         /* data may pass */
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

typedef struct air_effects {  /* all active faults of an access point, or of a link, together */
    uint32_t loss, duplicate; /* percent */
    uint32_t rate;            /* bytes per second, 0: none */
    uint64_t delay_us;
    at_bad_dns bad_dns; /* with AT_FAULT_BAD_DNS */
    bool kinds[AT_FAULT_KINDS];
} air_effects;

struct air_ap {
    at_air *air;
    const at_world_ap *def;
    at_air_port *host; /* the radio that is this access point; NULL: the world's */
    bool power;        /* the switch; a fault may take it away as well */
    bool on;
    int8_t rssi;
    uint8_t gateway_mac[6];
    uint32_t netmask, network;
    at_uplink *uplink; /* of a bridge; NULL: none, or one per member */
    at_air_port *members;
    uint32_t associated;
    uint16_t last_aid, ip_id;
    at_group_keys group;
    uint8_t pmk[AT_PMK_LEN];
    bool pmk_ready, derive_waited;
    at_sae_secret secret;
    uint8_t token_key[AT_SAE_KEY_LEN];
    at_task derive;
    air_effects effects;
    at_dhcps dhcps;
    at_dhcps_lease *leases;
    at_timer router_timer; /* renews what router advertisements promised */
};

/* A key that SAE made, kept by the access point for the station's next association. */
typedef struct air_pmksa {
    const air_ap *ap; /* NULL: none */
    uint8_t mac[6];
    uint8_t pmk[AT_PMK_LEN], pmkid[AT_PMKID_LEN];
} air_pmksa;

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
    uint8_t wanted, pmf;     /* of the association request */
    uint8_t pmk[AT_PMK_LEN]; /* of SAE or OWE */
    at_mgmt_dh dh;           /* OWE: the access point's half */
    at_sae sae;
    air_pmksa pmksa;
    at_eapol eapol;
    at_pmf protection; /* on while joined with protected management frames */
    at_timer timer;    /* join_ms, handshake answers */
    at_timer beacon_timer;

    at_timer scan_timer;
    uint8_t scan_token, scan_channel;
    bool scan_passive;
    at_ssid scan_ssid;

    air_effects effects; /* on the link to its access point */
    air_pipe pipes[2];   /* to the station, to the air */
    uint32_t ip;         /* 0: not known yet */
    at_uplink *uplink;
    bool uplink_failed;
    air_aliases aliases, aliases6;
    uint64_t last_refused; /* address and port, for the log */
    air_forward *forwards;
    uint64_t frames_in, frames_out;

    at_air_port *silent_host; /* whose member it was when it lost power, until it is missed */
    uint8_t silent_mac[6];
    at_timer silence_timer;
    bool hosting; /* the radio is an access point itself (hosted.c) */
    at_world_ap own_def;
    air_ap own;
};

typedef struct air_strength { /* how strong one radio hears one access point */
    char ap[AT_WORLD_NAME];
    uint8_t station[6];
    int8_t rssi;
} air_strength;

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
    bool healed; /* was active, and kept members from hearing the router */
} air_fault;

typedef struct air_asker { /* whose DNS query it is, and which of our addresses was asked */
    bool v6, mdns;
    uint32_t from;
    uint8_t from6[16], to6[16];
    uint16_t port;
} air_asker;

typedef struct air_query { /* a DNS query that is with the resolver */
    struct air_query *next;
    at_air *air;
    at_air_port *port;
    air_asker asker;
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
    uint32_t keys_made; /* of aps, by at_air_make_key */
    at_air_port *ports;
    air_fault faults[AT_WORLD_FAULTS];
    uint32_t fault_count, counting; /* faults that wait for bytes */
    at_task strike;
    air_strength strengths[AIR_STRENGTHS_MAX];
    uint32_t strength_count;
    air_query *queries;
    uint32_t query_count;
    uint32_t held; /* frames in pipes */
    air_counters counters;
};

/* ---- air.c ---- */
air_ap *air_find_ap(at_air *air, const char *name);
air_ap *air_find_bssid(at_air *air, const uint8_t bssid[6]); /* only when it has power */
/* Walks over the world's access points and those of radios; NULL begins and ends. */
air_ap *air_next_ap(const at_air *air, const air_ap *ap);
void air_lose_power(air_ap *ap);
/* Makes power and faults true: throws members off or lets radios hear it again. */
void air_update_power(air_ap *ap);
void air_add_up(air_ap *ap); /* fault.c: the effects of all faults on one access point */
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
int8_t air_rssi(const air_ap *ap, const at_air_port *port); /* as this radio hears it */
void air_beacon_lost(at_air_port *port);                    /* the radio gives up what it heard */
void air_learn_ip(at_air_port *port, uint32_t ip);          /* 0: has none any more */

void air_joined(at_air_port *port);
void air_send_mgmt(at_air_port *port, const uint8_t from[6], at_mgmt *m);
bool air_same_ssid(const at_ssid *a, const at_ssid *b);
/* A log line: the station's address, what it did, its access point, and why ("": nothing). */
void air_tell(at_air_port *port, const char *what, const char *why);

/* What was between this radio and an access point ends, and it authenticates with another one, or
 * anew. */
void air_start_over(at_air_port *port, air_ap *ap, const uint8_t mac[6]);
/* The access point as its beacon shows it. */
void air_describe(const air_ap *ap, at_bss *bss);

/* ---- sae.c ---- */
void air_sae_input(at_air_port *port, air_ap *ap, const at_mgmt *m);
void air_sae_timeout(at_air_port *port);
/* Finds the key of an association request of WPA3 or OWE; a status, and why. */
uint16_t air_assoc_key(at_air_port *port, const at_mgmt *m, const char **why);
void air_pmksa_forget(air_ap *ap);

/* ---- hosted.c ---- */
void air_hosted_init(at_air_port *port);
/* A management frame that only an access point sends, from the radio that is one; false: other. */
bool air_hosting_mgmt(at_air_port *host, const at_mgmt *m);
/* EAPOL or data of the radio's access point; false: of its station. */
bool air_hosting_frame(at_air_port *host, const uint8_t *frame, size_t len);
void air_hosting_end(at_air_port *host);
void air_hosted_auth(at_air_port *port, air_ap *ap, const at_mgmt *m);
void air_hosted_assoc(at_air_port *port, const at_mgmt *m);
void air_hosted_relay(air_ap *ap, const at_mgmt *m); /* to the radio, as it is */
void air_hosted_left(at_air_port *port);             /* it throws the member out by itself */
void air_hosted_power(air_ap *ap);                   /* it does not hear its members any more */
/* The member's radio lost power; its access point notices by silence. */
void air_hosted_silent(at_air_port *port);
/* The radio turns to another access point, or is gone for good. */
void air_hosted_gone(at_air_port *port);
void air_hosted_forget(at_air_port *host); /* the radio goes: nobody may point to it */

/* ---- handshake.c ---- */
void air_handshake_init(air_ap *ap);
void air_handshake_stop(air_ap *ap);
void air_handshake_start(at_air_port *port);
void air_handshake_timeout(at_air_port *port);
void air_eapol_input(at_air_port *port, const uint8_t *frame, size_t len);

/* ---- medium.c ---- */
/* Whether data may pass. A radio that is an access point judges itself when a station has its keys:
 * the station's first data is right behind its last handshake message. */
bool air_passes(const at_air_port *port);
void air_pipes_init(at_air_port *port);
void air_pipes_flush(at_air_port *port);
/* A data frame between a member and its access point: comes out in air_switch_input or
 * air_deliver. */
void air_pass(at_air_port *port, bool to_air, const uint8_t *frame, size_t len);

/* ---- fault.c ---- */
void air_faults_init(at_air *air);
void air_faults_stop(at_air *air);
void air_add_up_link(at_air_port *port); /* it is a member now */
void air_count_bytes(const at_air_port *port, size_t len);
const char *air_fault_state_name(air_fault_state state);

/* ---- switch.c ---- */
void air_switch_input(at_air_port *port, const uint8_t *frame, size_t len);
void air_switch_flood(at_air_port *port, const uint8_t *frame, size_t len); /* the other members */
/* False: no member has this address. */
bool air_switch_to_member(at_air_port *port, const uint8_t *frame, size_t len);
void air_to_uplink(at_air_port *port, const uint8_t *frame, size_t len, const at_ipv4 *ip,
                   uint32_t alias);
/* host: to this computer, by the address alias says. */
void air_to_uplink6(at_air_port *port, const uint8_t *frame, size_t len, const at_ipv6 *ip,
                    bool host, uint32_t alias);
/* The member's own; opens it when needed; NULL: there is none. */
at_uplink *air_uplink(at_air_port *port);
bool air_has_uplink(const air_ap *ap);
/* The gateway, or one of the addresses of this computer. */
bool air_is_host(const air_ap *ap, uint32_t address);
void air_uplink_close(at_air_port *port);

/* ---- bridge.c ---- */
void air_bridge_input(at_air_port *port, const uint8_t *frame, size_t len); /* from a member */
void air_bridge_close(air_ap *ap);

/* ---- gateway.c ---- */
bool air_gateway_init(air_ap *ap); /* false: out of memory */
/* A frame for the access point itself, or for all. */
void air_gateway_input(at_air_port *port, const uint8_t *frame, size_t len);
/* One UDP datagram from the access point to a member. */
void air_send_udp(at_air_port *port, const uint8_t to_mac[6], const at_ipv4 *ip, const at_udp *udp);
void air_dhcp_mode(air_ap *ap); /* after a change of the faults */
bool air_serves_dhcp(const air_ap *ap);
void air_gateway_dhcp(at_air_port *port, const at_udp *udp);
/* A station seems to have this address. */
void air_gateway_learn(at_air_port *port, uint32_t address);
/* The policy forbids it: a reset or an ICMP error. */
void air_gateway_refuse(at_air_port *port, const at_ether *ether, const at_ipv4 *ip,
                        const char *why);

/* ---- gateway6.c ---- */
void air_gateway6_init(air_ap *ap);
void air_gateway6_stop(air_ap *ap);
/* What the router says reaches the member again: it says it. */
void air_gateway6_heard(at_air_port *port);
void air_gateway6_input(at_air_port *port, const at_ether *ether, const uint8_t *frame, size_t len);
void air_gateway6_address(const air_ap *ap, uint8_t address[16]);
bool air_gateway6_in_prefix(const air_ap *ap, const uint8_t address[16]);
/* The policy forbids it: a reset or an ICMP error. */
void air_gateway6_refuse(at_air_port *port, const at_ether *ether, const at_ipv6 *ip,
                         const char *why);
/* The IPv6 address of a host of this computer; false: it has none at this access point. */
bool air_host6_address(const air_ap *ap, uint32_t ipv4, uint8_t address[16]);
/* The router or a host of this computer. *alias: 0 the router's address, AIR_ALIAS_LINK_LOCAL, or
 * the number of the host from 1. */
bool air_is_host6(const air_ap *ap, const uint8_t address[16], uint32_t *alias);
void air_alias6_address(const air_ap *ap, uint32_t alias, uint8_t address[16]);
void air_send_udp6(at_air_port *port, const at_ipv6 *ip, const at_udp *udp);

/* ---- nameserver.c ---- */
void air_dns_input(at_air_port *port, const air_asker *asker, const at_udp *udp);
/* A question for the group of mDNS. */
void air_mdns_input(at_air_port *port, const air_asker *asker, const at_udp *udp);
void air_dns_cancel(at_air_port *port);

/* ---- bad_dns.c ---- */
/* A message that is not the answer; 0: of AT_BAD_DNS_SPOOFED there is none. */
size_t air_bad_dns(const at_dns_query *query, at_bad_dns kind, uint8_t *out, size_t room);

/* ---- forward.c ---- */
void air_forwards_open(at_air_port *port);
void air_forwards_close(at_air_port *port);
void air_forwards_free(at_air_port *port);

#endif
