/* The TCP header (RFC 9293 3.1) over IPv4 and IPv6, and the reset that refuses a segment (3.10.7.1). */
#ifndef PROTO_TCP_H
#define PROTO_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ipv4.h"
#include "proto/ipv6.h"

#define AT_TCP_HEADER     20u /* bytes without options */
#define AT_TCP_FIN        0x01u
#define AT_TCP_SYN        0x02u
#define AT_TCP_RST        0x04u
#define AT_TCP_PSH        0x08u
#define AT_TCP_ACK        0x10u
#define AT_TCP_URG        0x20u
#define AT_TCP_RESET_LEN  (AT_IPV4_HEADER + AT_TCP_HEADER)
#define AT_TCP_RESET6_LEN (AT_IPV6_HEADER + AT_TCP_HEADER)

typedef struct at_tcp {
    uint16_t from_port, to_port;
    uint32_t seq, ack;
    uint8_t flags;   /* AT_TCP_* */
    uint16_t window; /* as it is in the header, not scaled */
    size_t header_len;
    const uint8_t *data; /* in the packet that was parsed */
    size_t data_len;
} at_tcp;

/* Takes a parsed packet. False: another protocol, a fragment, cut off, or a wrong checksum. */
bool at_tcp_parse(at_tcp *tcp, const at_ipv4 *ip);
/* The first segment of a connection, of which an ICMP error quotes the header and perhaps no more.
 * False: it is none, or cut too short to know. */
bool at_tcp_read_syn(at_tcp *tcp, const uint8_t *segment, size_t len);
/* Builds the IPv4 packet that tells the sender of a segment that it is refused. Returns its length,
 * 0 when there must be none (the segment is a reset itself, or has a group address) or room is
 * short. */
size_t at_tcp_reset(const at_tcp *tcp, const at_ipv4 *ip, uint8_t *packet, size_t room);

/* The same over IPv6. */
bool at_tcp_parse6(at_tcp *tcp, const at_ipv6 *ip);
size_t at_tcp_reset6(const at_tcp *tcp, const at_ipv6 *ip, uint8_t *packet, size_t room);

#endif
