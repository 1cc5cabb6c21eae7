/* ICMP for IPv4 (RFC 792): answering an echo, refusing a packet. */
#ifndef PROTO_ICMP_H
#define PROTO_ICMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ipv4.h"
#include "proto/tcp.h"

#define AT_ICMP_HEADER 8u /* bytes */
/* IPv4 header, ICMP header, the refused header with options, and 8 bytes of what it carried. */
#define AT_ICMP_UNREACHABLE_MAX (AT_IPV4_HEADER + AT_ICMP_HEADER + 60u + 8u)

typedef enum at_icmp_code {
    AT_ICMP_NET_UNREACHABLE = 0,
    AT_ICMP_HOST_UNREACHABLE = 1,
    AT_ICMP_PORT_UNREACHABLE = 3,
    AT_ICMP_ADMIN_PROHIBITED = 13, /* RFC 1812 5.2.7.1 */
} at_icmp_code;

/* Turns a valid echo request packet (from its IPv4 header on) into its reply, in place. False: it
 * is something else, a fragment, or wrong; nothing is changed. */
bool at_icmp_echo_reply(uint8_t *packet, size_t len);
/* Builds the IPv4 packet that tells the sender of `refused` why, as coming from the address `from`.
 * Returns its length; 0: refused is not a valid packet, is one that must not be answered (an ICMP
 * error, a later fragment, a group address: RFC 1122 3.2.2), or room is short. */
size_t at_icmp_unreachable(at_icmp_code code, uint32_t from, const uint8_t *refused, size_t len,
                           uint8_t *packet, size_t room);
/* Reads "destination unreachable" about the first segment of a connection: its addresses into
 * quoted, its header into tcp, for at_tcp_reset. False: something else. */
bool at_icmp_refused_syn(const at_ipv4 *icmp, at_ipv4 *quoted, at_tcp *tcp);

#endif
