/* The computer's other addresses: which of them a station used for which flow, so that answers come
 * from the one that was asked. */
#ifndef AIR_ALIAS_H
#define AIR_ALIAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/heap.h"
#include "proto/ipv4.h"
#include "proto/ipv6.h"

#define AIR_ALIAS_SETS 64u
#define AIR_ALIAS_WAYS 4u

#define AIR_ALIAS_LINK_LOCAL UINT32_MAX /* fe80::1, in a table of IPv6 */

typedef struct air_flow {
    uint32_t alias; /* IPv4: the address; IPv6: the host's number. 0: free */
    uint16_t station_port, host_port;
    uint8_t protocol;
    uint32_t used; /* by the table's count: the smallest is replaced */
} air_flow;

/* One station's table of one family; memory only once an alias is used. */
typedef struct air_aliases {
    air_flow *flows;
    uint32_t count;
    uint32_t fragment_id; /* of the last datagram in pieces, towards the station */
    uint32_t fragment_alias;
} air_aliases;

void air_aliases_free(air_aliases *a, at_heap *heap);
/* A packet from the station to the host address `to`, which is an alias or the gateway itself. */
void air_alias_note(air_aliases *a, at_heap *heap, const at_ipv4 *ip, uint32_t gateway);
/* The address a packet of the gateway must show as its source; 0: leave it. */
uint32_t air_alias_of(air_aliases *a, const at_ipv4 *ip);

/* The same for IPv6, where hosts have numbers; 0 is the gateway. */
void air_alias6_note(air_aliases *a, at_heap *heap, const at_ipv6 *ip, uint32_t host);
uint32_t air_alias6_of(air_aliases *a, const at_ipv6 *ip);

#endif
