/* UDP (RFC 768) over IPv4 and IPv6. */
#ifndef PROTO_UDP_H
#define PROTO_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ipv4.h"
#include "proto/ipv6.h"

#define AT_UDP_HEADER 8u /* bytes */

typedef struct at_udp {
    uint16_t from_port, to_port;
    const uint8_t *data; /* in the packet that was parsed */
    size_t data_len;
} at_udp;

/* Takes a parsed packet. False: another protocol, a fragment, cut off, or a wrong checksum. */
bool at_udp_parse(at_udp *udp, const at_ipv4 *ip);
/* Builds the IPv4 and UDP headers and copies the data behind them (data may overlap packet). ip
 * gives from, to, ttl, tos, id and dont_fragment. Returns the packet's length, 0: room is short. */
size_t at_udp_build(const at_udp *udp, const at_ipv4 *ip, uint8_t *packet, size_t room);

/* The same over IPv6; ip gives from, to and hop_limit. */
bool at_udp_parse6(at_udp *udp, const at_ipv6 *ip);
size_t at_udp_build6(const at_udp *udp, const at_ipv6 *ip, uint8_t *packet, size_t room);

#endif
