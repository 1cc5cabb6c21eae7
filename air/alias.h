/* The computer's other addresses: which of them a station used for which flow, so that answers come
 * from the one that was asked. */
#ifndef AIR_ALIAS_H
#define AIR_ALIAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/heap.h"
#include "proto/ipv4.h"

#define AIR_ALIAS_SETS 64u
#define AIR_ALIAS_WAYS 4u

typedef struct air_flow {
    uint32_t alias; /* 0: free */
    uint16_t station_port, host_port;
    uint8_t protocol;
    uint32_t used; /* by the table's count: the smallest is replaced */
} air_flow;

/* One station's table; memory only once an alias is used. */
typedef struct air_aliases {
    air_flow *flows;
    uint32_t count;
    uint16_t fragment_id; /* of the last datagram in pieces, towards the station */
    uint32_t fragment_alias;
} air_aliases;

void air_aliases_free(air_aliases *a, at_heap *heap);
/* A packet from the station to the host address `to`, which is an alias or the gateway itself. */
void air_alias_note(air_aliases *a, at_heap *heap, const at_ipv4 *ip, uint32_t gateway);
/* The address a packet of the gateway must show as its source; 0: leave it. */
uint32_t air_alias_of(air_aliases *a, const at_ipv4 *ip);

#endif
