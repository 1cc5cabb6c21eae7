/* The Ethernet II header.
 *
 * Types below 0x0600 are lengths of IEEE 802.3 frames with an LLC header; nothing here speaks LLC,
 * so such frames are refused. There is no check sequence at this seam and no minimum length: a
 * radio has neither, and padding that a sender added simply stays behind the payload.
 */
#include "proto/ether.h"

#include <string.h>

#include "core/bytes.h"

#define FIRST_TYPE 0x0600u

bool at_ether_parse(at_ether *e, const uint8_t *frame, size_t len)
{
    at_reader r = at_reader_of(frame, len);

    at_get_copy(&r, e->to, 6);
    at_get_copy(&r, e->from, 6);
    e->type = at_get16(&r);
    e->payload = r.at;
    e->payload_len = r.left;
    return r.ok && e->type >= FIRST_TYPE;
}

void at_ether_build(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint16_t type)
{
    at_builder b = at_builder_of(frame, AT_ETHER_HEADER);

    at_put(&b, to, 6);
    at_put(&b, from, 6);
    at_put16(&b, type);
}

bool at_ether_is_multicast(const uint8_t mac[6])
{
    return (mac[0] & 1) != 0;
}
