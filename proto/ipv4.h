/* The IPv4 header (RFC 791), the Internet checksum (RFC 1071) and its update (RFC 1624).
 * Addresses are numbers: 192.168.3.1 is 0xC0A80301. */
#ifndef PROTO_IPV4_H
#define PROTO_IPV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AT_IPV4_HEADER    20u /* bytes without options */
#define AT_IPV4_BROADCAST 0xFFFFFFFFu
#define AT_IPPROTO_ICMP   1u
#define AT_IPPROTO_TCP    6u
#define AT_IPPROTO_UDP    17u

typedef struct at_ipv4 {
    uint32_t from, to;
    uint8_t protocol, ttl, tos;
    uint16_t id;
    uint16_t fragment_offset; /* bytes */
    bool more_fragments, dont_fragment;
    size_t header_len;
    const uint8_t *payload; /* in the packet that was parsed */
    size_t payload_len;     /* by the header's total length: Ethernet padding is not in it */
} at_ipv4;

/* Takes what follows the Ethernet header. False: cut off, another version, impossible lengths, or a
 * wrong header checksum. */
bool at_ipv4_parse(at_ipv4 *ip, const uint8_t *packet, size_t len);
/* Writes a header of 20 bytes (no options) for ip->payload_len bytes that follow it; payload and
 * header_len are not looked at. Returns AT_IPV4_HEADER, 0: room is short or payload_len over
 * 65515. */
size_t at_ipv4_build(const at_ipv4 *ip, uint8_t *packet, size_t room);
/* True for 224.0.0.0/4, 255.255.255.255 and 0.0.0.0: never the source of anything to answer. */
bool at_ipv4_is_group(uint32_t address);
bool at_ipv4_is_fragment(const at_ipv4 *ip);

/* Sum of 16-bit big endian words onto sum (start with 0); an odd last byte counts as a high byte,
 * so only the last piece may be odd. */
uint32_t at_checksum_add(uint32_t sum, const void *data, size_t len);
/* The same from 0, folded to 16 bits, in the machine's byte order. */
uint16_t at_checksum_words(const void *data, size_t len);
uint16_t at_checksum_end(uint32_t sum); /* the complement, ready for the header */
/* The sum of the pseudo-header of TCP and UDP over len bytes of header and data. */
uint32_t at_checksum_pseudo(uint32_t from, uint32_t to, uint8_t protocol, size_t len);

/* Which end of a packet is rewritten. */
typedef enum at_ipv4_end { AT_IPV4_FROM, AT_IPV4_TO } at_ipv4_end;

/* Replaces an address in a packet that at_ipv4_parse accepts, and keeps the checksums of IPv4, TCP
 * and UDP right (a UDP checksum of 0 stays 0). False: not a valid packet, nothing is changed. */
bool at_ipv4_rewrite(uint8_t *packet, size_t len, at_ipv4_end end, uint32_t address);
/* The same for the port of a TCP or UDP packet. False also for another protocol or a later
 * fragment. */
bool at_ipv4_rewrite_port(uint8_t *packet, size_t len, at_ipv4_end end, uint16_t port);

#endif
