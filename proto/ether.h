/* The Ethernet II header (IEEE 802.3 3.1.1; EtherTypes of RFC 9542). */
#ifndef PROTO_ETHER_H
#define PROTO_ETHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AT_ETHER_HEADER   14u   /* bytes */
#define AT_ETHER_MTU      1500u /* bytes of payload */
#define AT_ETHERTYPE_IPV4 0x0800u
#define AT_ETHERTYPE_ARP  0x0806u
#define AT_ETHERTYPE_IPV6 0x86DDu
/* AT_ETHERTYPE_EAPOL and AT_ETHERTYPE_MGMT are in proto/mgmt.h. */

typedef struct at_ether {
    uint8_t to[6], from[6];
    uint16_t type;
    const uint8_t *payload; /* in the frame that was parsed; padding included */
    size_t payload_len;
} at_ether;

/* False when the frame is shorter than a header or carries a length instead of a type. */
bool at_ether_parse(at_ether *e, const uint8_t *frame, size_t len);
/* Writes the header of 14 bytes. */
void at_ether_build(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint16_t type);
bool at_ether_is_multicast(const uint8_t mac[6]); /* broadcast included */

#endif
