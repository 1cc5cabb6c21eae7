/* ARP (RFC 826), the one form that occurs: hardware Ethernet, protocol IPv4.
 *
 * Whether to answer is the caller's decision; the codec only says what was asked. An answer goes to
 * the one that asked, taken from the message and not from the frame around it.
 */
#include "proto/arp.h"

#include <string.h>

#include "core/bytes.h"
#include "proto/ether.h"

#define HARDWARE_ETHERNET 1u

bool at_arp_parse(at_arp *a, const uint8_t *payload, size_t len)
{
    at_reader r = at_reader_of(payload, len);
    bool known = at_get16(&r) == HARDWARE_ETHERNET;

    known = at_get16(&r) == AT_ETHERTYPE_IPV4 && known;
    known = at_get8(&r) == 6 && known;
    known = at_get8(&r) == 4 && known;
    a->operation = at_get16(&r);
    at_get_copy(&r, a->sender_mac, 6);
    a->sender_ip = at_get32(&r);
    at_get_copy(&r, a->target_mac, 6);
    a->target_ip = at_get32(&r);
    return r.ok && known;
}

size_t at_arp_build(const at_arp *a, const uint8_t to[6], uint8_t frame[AT_ARP_FRAME_LEN])
{
    at_builder b = at_builder_of(frame + AT_ETHER_HEADER, AT_ARP_LEN);

    at_ether_build(frame, to, a->sender_mac, AT_ETHERTYPE_ARP);
    at_put16(&b, HARDWARE_ETHERNET);
    at_put16(&b, AT_ETHERTYPE_IPV4);
    at_put8(&b, 6);
    at_put8(&b, 4);
    at_put16(&b, a->operation);
    at_put(&b, a->sender_mac, 6);
    at_put32(&b, a->sender_ip);
    at_put(&b, a->target_mac, 6);
    at_put32(&b, a->target_ip);
    return AT_ETHER_HEADER + at_built(&b);
}

size_t at_arp_answer(const at_arp *request, const uint8_t mac[6], uint8_t frame[AT_ARP_FRAME_LEN])
{
    at_arp reply = { .operation = AT_ARP_REPLY,
                     .sender_ip = request->target_ip,
                     .target_ip = request->sender_ip };

    memcpy(reply.sender_mac, mac, 6);
    memcpy(reply.target_mac, request->sender_mac, 6);
    return at_arp_build(&reply, request->sender_mac, frame);
}
