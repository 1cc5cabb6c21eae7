/* ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861) as a router speaks them: echo, refusing a
 * packet, answering solicitations, advertising itself. */
#ifndef PROTO_ICMP6_H
#define PROTO_ICMP6_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ipv6.h"
#include "proto/tcp.h"

#define AT_ICMP6_HEADER 8u   /* bytes */
#define AT_ND_FIRST     133u /* types of neighbour discovery: router solicitation */
#define AT_ND_LAST      137u /* redirect */
/* As much of the refused packet is quoted as fits in the least MTU. */
#define AT_ICMP6_UNREACHABLE_MAX 1280u
#define AT_ND_NEIGHBOR_LEN       (AT_IPV6_HEADER + 32u)
#define AT_ND_ROUTER_LEN         (AT_IPV6_HEADER + 16u + 8u + 8u + 32u + 24u)

typedef enum at_icmp6_code {
    AT_ICMP6_NO_ROUTE = 0,
    AT_ICMP6_ADMIN_PROHIBITED = 1,
    AT_ICMP6_BEYOND_SCOPE = 2,
    AT_ICMP6_ADDRESS_UNREACHABLE = 3,
    AT_ICMP6_PORT_UNREACHABLE = 4,
} at_icmp6_code;

/* Turns a valid echo request packet into its reply, in place. False: it is something else, a
 * fragment, to a group, or wrong; nothing is changed. */
bool at_icmp6_echo_reply(uint8_t *packet, size_t len);
/* Builds the packet that tells the sender of `refused` why, as coming from `from`. Returns its
 * length; 0: refused is not a valid packet, must not be answered (RFC 4443 2.4 e), or room is
 * short. */
size_t at_icmp6_unreachable(at_icmp6_code code, const uint8_t from[16], const uint8_t *refused,
                            size_t len, uint8_t *packet, size_t room);

/* Reads "destination unreachable" about the first segment of a connection: its addresses into
 * quoted, its header into tcp, for at_tcp_reset6. False: something else. */
bool at_icmp6_refused_syn(const at_ipv6 *icmp, at_ipv6 *quoted, at_tcp *tcp);

typedef enum at_nd_kind {
    AT_ND_NONE, /* something else, or not valid */
    AT_ND_ROUTER_SOLICIT,
    AT_ND_NEIGHBOR_SOLICIT,
    AT_ND_NEIGHBOR_ADVERT,
} at_nd_kind;

typedef struct at_nd {
    uint8_t target[16]; /* of neighbour messages */
} at_nd;

/* Takes a parsed packet: hop limit 255, checksum, lengths and addresses are checked. */
at_nd_kind at_nd_parse(at_nd *nd, const at_ipv6 *ip);
/* Builds the advertisement that answers a solicitation from `asker` for `target`, which has `mac`;
 * asker ::: to all nodes (RFC 4861 7.2.4). Returns AT_ND_NEIGHBOR_LEN, 0: room is short. */
size_t at_nd_advert(const uint8_t asker[16], const uint8_t target[16], const uint8_t mac[6],
                    bool router, uint8_t *packet, size_t room);
/* The same by a host unasked: `target` has `mac`. */
size_t at_nd_announce(const uint8_t target[16], const uint8_t mac[6], uint8_t *packet, size_t room);

typedef struct at_nd_router {
    uint8_t from[16]; /* link-local */
    uint8_t mac[6];
    uint8_t prefix[16];                          /* of 64 bits */
    uint8_t dns[16];                             /* RFC 8106 */
    uint16_t lifetime_s;                         /* as a default router */
    uint32_t prefix_valid_s, prefix_preferred_s; /* UINT32_MAX: for ever */
} at_nd_router;

/* Builds a router advertisement: on-link prefix for autoconfiguration, MTU 1500, DNS server. to:
 * who asked, or all nodes. Returns AT_ND_ROUTER_LEN, 0: room is short. */
size_t at_nd_router_advert(const at_nd_router *router, const uint8_t to[16], uint8_t *packet,
                           size_t room);

extern const uint8_t at_ipv6_all_nodes[16]; /* ff02::1 */

#endif
