/* The air in motion: access points with their switches, DHCP and DNS, the medium between radios and
 * access points with its faults, forwards, captures. Runs in the bench's loop. */
#ifndef AIR_AIR_H
#define AIR_AIR_H

#include "air/uplink.h"
#include "air/world.h"
#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/loop.h"
#include "iface/random.h"

typedef struct at_air at_air;
typedef struct at_air_port at_air_port; /* one radio, or one computer on an access point's wire */

typedef enum at_policy { AT_POLICY_OPEN, AT_POLICY_LOCAL, AT_POLICY_NONE } at_policy;

typedef struct at_air_config {
    at_loop *loop;
    at_heap *heap;
    at_log *log;
    const at_random *random;          /* seeded */
    const at_world *world;            /* copied */
    const at_uplink_ops *slirp, *tap; /* NULL: not built */
    const at_resolver *resolver;      /* NULL: names only */
    at_policy policy;
    /* Events as JSON: "station" {"mac","ap","joined"}, "lease" {"mac","ip"}, "forward"
     * {"host","port","to"}, "fault" {...}. */
    void (*on_event)(void *owner, const char *name, const char *members);
    /* Every frame a port sent (to_air) or was sent, for captures; may be NULL. */
    void (*on_frame)(void *owner, at_air_port *port, bool to_air, const uint8_t *frame, size_t len);
    void *owner;
} at_air_config;

at_air *at_air_create(const at_air_config *config); /* NULL: out of memory */
/* Opens the TAP of each access point that has one; false: error names it and says what would be
 * right. Before that such an access point has no uplink. */
bool at_air_open_bridges(at_air *air, char *error, size_t room);
void at_air_destroy(at_air *air);
/* Makes the key of one more access point, which takes 2 ms: for idle moments, so that the first join
 * does not wait for it. False: there is none left to make. */
bool at_air_make_key(at_air *air);

/* send: a frame for the port's owner; copies or drops. mac: the radio's factory address (its
 * frames may carry another, AT+CIPSTAMAC). */
at_air_port *at_air_attach_radio(at_air *air, const uint8_t mac[6],
                                 void (*send)(void *ctx, const uint8_t *frame, size_t len),
                                 void *ctx);
/* A computer on the wire of an access point; NULL: no such access point, or out of memory. */
at_air_port *at_air_attach_wired(at_air *air, const char *ap,
                                 void (*send)(void *ctx, const uint8_t *frame, size_t len),
                                 void *ctx);
/* A frame from the port's owner. Any bytes may come; nonsense is dropped and counted. */
void at_air_input(at_air_port *port, const uint8_t *frame, size_t len);
/* The radio lost power (chip restart): its associations vanish silently, as on the air. */
void at_air_reset_port(at_air_port *port);
void at_air_detach(at_air_port *port);

typedef struct at_forward { /* --forward [udp:][ADDR:]HOSTPORT:MODULEPORT */
    bool udp;
    uint32_t host_addr; /* host byte order */
    uint16_t host_port; /* 0: any free one, reported by event "forward" */
    uint16_t module_port;
} at_forward;
/* "ok" or false with the reason in error. */
bool at_forward_parse(at_forward *f, const char *text, char *error, size_t room);
/* Active while the radio's station has an address; opened again after a restart. */
at_err at_air_add_forward(at_air_port *port, const at_forward *forward);

/* Control verbs. AT_ERR_NOT_FOUND: no such name. */
at_err at_air_ap_power(at_air *air, const char *ap, bool on);
at_err at_air_ap_rssi(at_air *air, const char *ap, int rssi);
/* As one radio hears it, by its address; at most 64 such links, AT_ERR_NOMEM. */
at_err at_air_link_rssi(at_air *air, const char *ap, const uint8_t station[6], int rssi);
at_err at_air_fault(at_air *air, const char *name, bool on);
/* A fault made at run time, kind and value as in a world file; replaces one of the same name. */
at_err at_air_add_fault(at_air *air, const at_world_fault *fault);
/* JSON object with access points, stations, leases, counters; returns its length, 0: no room. */
size_t at_air_status(const at_air *air, char *text, size_t room);
/* True while frames wait inside (delays, rate): lock-step needs to know nothing else. */
bool at_air_busy(const at_air *air);

#endif
