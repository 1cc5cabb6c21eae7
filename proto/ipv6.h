/* The IPv6 header with its extension headers (RFC 8200), addresses of 16 bytes in network order. */
#ifndef PROTO_IPV6_H
#define PROTO_IPV6_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AT_IPV6_HEADER    40u /* bytes without extensions */
#define AT_IPPROTO_ICMPV6 58u
#define AT_IPV6_TEXT      40u /* bytes of an address as eight groups, with its end */

typedef struct at_ipv6 {
    uint8_t from[16], to[16];
    uint8_t protocol; /* behind the extension headers */
    uint8_t hop_limit;
    bool fragment; /* has a fragment header; the rest of the line is valid then */
    bool more_fragments;
    uint16_t fragment_offset; /* bytes */
    uint32_t fragment_id;
    size_t header_len;      /* extension headers included */
    const uint8_t *payload; /* in the packet that was parsed */
    size_t payload_len;     /* by the header's length: Ethernet padding is not in it */
} at_ipv6;

/* Takes what follows the Ethernet header. False: cut off, another version, or an extension header
 * that does not fit. Behind a fragment header of a later piece nothing is looked at. */
bool at_ipv6_parse(at_ipv6 *ip, const uint8_t *packet, size_t len);
/* Writes a header without extensions for ip->payload_len bytes of ip->protocol that follow it.
 * Returns AT_IPV6_HEADER, 0: room is short or payload_len over 65535. */
size_t at_ipv6_build(const at_ipv6 *ip, uint8_t *packet, size_t room);

bool at_ipv6_is_group(const uint8_t address[16]);      /* ff00::/8 */
bool at_ipv6_is_any(const uint8_t address[16]);        /* :: */
bool at_ipv6_is_link_local(const uint8_t address[16]); /* fe80::/10 */
bool at_ipv6_is_fragment(const at_ipv6 *ip);           /* not all of the datagram */
/* Where a group's frames go (RFC 2464 7). */
void at_ipv6_group_mac(const uint8_t group[16], uint8_t mac[6]);
/* fe80:: and the EUI-64 of a hardware address (RFC 4291 appendix A). */
void at_ipv6_eui64(const uint8_t mac[6], uint8_t address[16]);
/* Eight groups without shortening, for logs. */
void at_ipv6_text(const uint8_t address[16], char text[AT_IPV6_TEXT]);

/* The sum of the pseudo-header (RFC 8200 8.1) over len bytes; goes on with at_checksum_add. */
uint32_t at_checksum_pseudo6(const uint8_t from[16], const uint8_t to[16], uint8_t protocol,
                             size_t len);

typedef enum at_ipv6_end { AT_IPV6_FROM, AT_IPV6_TO } at_ipv6_end;
/* Replaces an address in a packet that at_ipv6_parse accepts, and keeps the checksums of TCP, UDP
 * and ICMPv6 right. False: not a valid packet, nothing is changed. */
bool at_ipv6_rewrite(uint8_t *packet, size_t len, at_ipv6_end end, const uint8_t address[16]);

#endif
