/* ARP for IPv4 on Ethernet (RFC 826). */
#ifndef PROTO_ARP_H
#define PROTO_ARP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AT_ARP_LEN       28u /* bytes of a message */
#define AT_ARP_FRAME_LEN 42u /* with its Ethernet header */
#define AT_ARP_REQUEST   1u
#define AT_ARP_REPLY     2u

/* IPv4 addresses are numbers: 192.168.3.1 is 0xC0A80301. */
typedef struct at_arp {
    uint16_t operation;
    uint8_t sender_mac[6], target_mac[6];
    uint32_t sender_ip, target_ip;
} at_arp;

/* Takes what follows the Ethernet header. False: too short, or not IPv4 on Ethernet. */
bool at_arp_parse(at_arp *a, const uint8_t *payload, size_t len);
/* Builds the whole frame of AT_ARP_FRAME_LEN bytes to the Ethernet address `to`. */
size_t at_arp_build(const at_arp *a, const uint8_t to[6], uint8_t frame[AT_ARP_FRAME_LEN]);
/* The frame that answers a request: `mac` has the address that was asked for. */
size_t at_arp_answer(const at_arp *request, const uint8_t mac[6], uint8_t frame[AT_ARP_FRAME_LEN]);

#endif
