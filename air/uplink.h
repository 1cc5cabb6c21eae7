/* The seam between an access point's switch and the network behind it: a slirp uplink per station
 * (its tables are small), a TAP uplink per access point, one resolver per air. */
#ifndef AIR_UPLINK_H
#define AIR_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"

typedef struct at_uplink at_uplink;

typedef struct at_uplink_config {
    at_loop *loop;
    uint32_t network, gateway; /* host byte order */
    uint8_t prefix;
    uint8_t gateway_mac[6], station_mac[6]; /* slirp */
    bool ipv6;
    uint8_t prefix6[16], gateway6[16]; /* slirp: of 64 bits, and an address in it */
    bool host_loopback; /* slirp: the gateway address reaches the computer's loopback services */
    const char *tap;    /* TAP: the interface's name, copied */
    /* A frame for the station, or of the network behind a TAP; from the loop, never from inside
     * input. */
    void (*deliver)(void *owner, const uint8_t *frame, size_t len);
    void *owner;
    void *port; /* the port's own, from at_uplink_ops */
} at_uplink_config;

typedef struct at_uplink_ops {
    void *port; /* handed to open in the configuration */
    /* NULL: not possible, error says why. */
    at_uplink *(*open)(const at_uplink_config *config, char *error, size_t room);
    void (*input)(at_uplink *uplink, const uint8_t *frame, size_t len); /* from a station */
    /* Listens on the host and forwards to the station; *port 0 becomes the one in use. The reason
     * of a refusal (port in use) is in error. udp: datagrams. addresses in host byte order. NULL,
     * both: of a TAP, where stations have addresses of the network. */
    bool (*forward)(at_uplink *uplink, bool udp, uint32_t host_addr, uint16_t *host_port,
                    uint32_t station_addr, uint16_t station_port, char *error, size_t room);
    void (*unforward)(at_uplink *uplink, bool udp, uint32_t host_addr, uint16_t host_port);
    void (*close)(at_uplink *uplink);
} at_uplink_ops;

typedef struct at_resolver {
    void *ctx;
    /* Forwards one DNS query to the computer's resolver; answer runs later from the loop with the
     * raw answer, or with len 0: no resolver, no answer. */
    void (*query)(void *ctx, const uint8_t *query, size_t len,
                  void (*answer)(void *arg, const uint8_t *data, size_t len), void *arg);
    /* Forgets the query that was given this arg; its answer will not run. */
    void (*cancel)(void *ctx, void *arg);
} at_resolver;

#endif
