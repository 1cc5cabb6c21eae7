/* A DHCP server without I/O (RFC 2131, options of RFC 2132): one UDP payload in, at most one out.
 * Used by the access points of the air and by the module's SoftAP. */
#ifndef PROTO_DHCP_H
#define PROTO_DHCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AT_DHCP_SERVER_PORT 67u
#define AT_DHCP_CLIENT_PORT 68u
#define AT_DHCP_REPLY_MAX   336u /* bytes of the longest answer */

typedef enum at_dhcps_lease_state {
    AT_LEASE_FREE,    /* may carry the address of the last station that had it */
    AT_LEASE_OFFERED, /* kept for the station for a minute */
    AT_LEASE_BOUND,
    AT_LEASE_DECLINED, /* somebody else was found to use it; not given out for one lease time */
} at_dhcps_lease_state;

typedef struct at_dhcps_lease {
    uint8_t state; /* at_dhcps_lease_state */
    uint8_t mac[6];
    bool known;         /* mac is valid */
    uint64_t expires_s; /* by the clock of the caller; after it the lease counts as free */
} at_dhcps_lease;

/* IPv4 addresses are numbers: 192.168.3.1 is 0xC0A80301. May be changed between inputs. */
typedef struct at_dhcps_config {
    uint32_t server;      /* this end's address */
    uint32_t first, last; /* the pool, both included */
    uint32_t netmask;
    uint32_t router, dns; /* 0: option left out */
    uint32_t lease_s;     /* at least 1 */
} at_dhcps_config;

typedef struct at_dhcps {
    at_dhcps_config config;
    at_dhcps_lease *leases; /* the caller's; entry i is the address config.first + i */
    size_t lease_count;
} at_dhcps;

typedef enum at_dhcps_event {
    AT_DHCPS_IGNORED, /* malformed, not for this server, or to be passed over in silence */
    AT_DHCPS_OFFERED,
    AT_DHCPS_BOUND,   /* a lease is new */
    AT_DHCPS_RENEWED, /* the station had it already */
    AT_DHCPS_REFUSED, /* NAK */
    AT_DHCPS_RELEASED,
    AT_DHCPS_DECLINED,
    AT_DHCPS_INFORMED,
    AT_DHCPS_EXHAUSTED, /* no address left: no answer */
} at_dhcps_event;

/* What at_dhcps_input did and, when len > 0, where its answer goes. */
typedef struct at_dhcps_result {
    at_dhcps_event event;
    uint8_t mac[6];    /* of the station */
    uint32_t ip;       /* the address this is about, 0: none */
    size_t len;        /* bytes of the answer, 0: none */
    uint32_t to_ip;    /* 0xFFFFFFFF: broadcast */
    uint8_t to_mac[6]; /* all ones: broadcast */
} at_dhcps_result;

/* leases: lease_count entries, zeroed here. Addresses of the pool beyond them are not given out.
 * The server's own address is never given out. */
void at_dhcps_init(at_dhcps *s, const at_dhcps_config *config, at_dhcps_lease *leases,
                   size_t lease_count);
/* Makes ip the first choice for mac (a reservation while the pool is not exhausted). False: ip is
 * not in the pool, or is taken. */
bool at_dhcps_prefer(at_dhcps *s, const uint8_t mac[6], uint32_t ip);
/* One payload that came to port 67. now_s: any clock in seconds that does not go back. answer has
 * room for AT_DHCP_REPLY_MAX bytes and goes from port 67 to port 68. */
at_dhcps_result at_dhcps_input(at_dhcps *s, uint64_t now_s, const uint8_t *payload, size_t len,
                               uint8_t *answer);
/* The address that is bound to a station now, 0: none. */
uint32_t at_dhcps_address_of(const at_dhcps *s, uint64_t now_s, const uint8_t mac[6]);

#endif
