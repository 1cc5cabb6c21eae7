/* The flow table of host addresses.
 *
 * A station talks to 192.168.3.102; the uplink knows this computer as the gateway. The packet's
 * destination is changed on the way out, and the source of the answer on the way in. What comes
 * back carries only protocol and ports, so (protocol, station port, host port) is the key. A
 * station that uses the same pair of ports to two addresses at once gets the later one: it takes a
 * module that binds a port and talks to two addresses of one computer to see that.
 *
 * 64 sets of 4, the least recently used of a set makes room: a fixed 4 KiB per station that used an
 * alias, and none for others. When there is no memory for it, answers come from the gateway.
 *
 * A datagram in pieces has ports only in its first; the identification of the last one seen
 * carries the address over to the other pieces.
 */
#include "air/alias.h"

#include "core/bytes.h"

void air_aliases_free(air_aliases *a, at_heap *heap)
{
    at_free(heap, a->flows);
    *a = (air_aliases){ .flows = NULL };
}

/* The two ports of a first fragment of TCP or UDP. */
static bool ports_of(const at_ipv4 *ip, uint16_t *from, uint16_t *to)
{
    at_reader r = at_reader_of(ip->payload, ip->payload_len);

    if ((ip->protocol != AT_IPPROTO_TCP && ip->protocol != AT_IPPROTO_UDP) ||
        ip->fragment_offset != 0)
        return false;
    *from = at_get16(&r);
    *to = at_get16(&r);
    return r.ok;
}

static air_flow *set_of(const air_aliases *a, uint8_t protocol, uint16_t station_port,
                        uint16_t host_port)
{
    unsigned hash = station_port ^ host_port * 7u ^ protocol;

    return a->flows + (hash ^ hash >> 6) % AIR_ALIAS_SETS * AIR_ALIAS_WAYS;
}

static air_flow *find(const air_aliases *a, uint8_t protocol, uint16_t station_port,
                      uint16_t host_port)
{
    air_flow *set = set_of(a, protocol, station_port, host_port);

    for (unsigned i = 0; i < AIR_ALIAS_WAYS; i++) {
        if (set[i].alias != 0 && set[i].protocol == protocol &&
            set[i].station_port == station_port && set[i].host_port == host_port)
            return &set[i];
    }
    return NULL;
}

static air_flow *oldest(air_flow *set)
{
    air_flow *best = set;

    for (unsigned i = 0; i < AIR_ALIAS_WAYS; i++) {
        if (set[i].alias == 0)
            return &set[i];
        if (set[i].used < best->used)
            best = &set[i];
    }
    return best;
}

void air_alias_note(air_aliases *a, at_heap *heap, const at_ipv4 *ip, uint32_t gateway)
{
    uint16_t from, to;
    air_flow *flow;

    if (!ports_of(ip, &from, &to))
        return;
    if (a->flows == NULL) {
        if (ip->to == gateway)
            return;
        a->flows = at_calloc(heap, AIR_ALIAS_SETS * AIR_ALIAS_WAYS, sizeof *a->flows);
        if (a->flows == NULL)
            return;
    }
    flow = find(a, ip->protocol, from, to);
    if (ip->to == gateway) {
        if (flow != NULL)
            flow->alias = 0;
        return;
    }
    if (flow == NULL)
        flow = oldest(set_of(a, ip->protocol, from, to));
    *flow = (air_flow){ .alias = ip->to,
                        .station_port = from,
                        .host_port = to,
                        .protocol = ip->protocol,
                        .used = ++a->count };
}

uint32_t air_alias_of(air_aliases *a, const at_ipv4 *ip)
{
    uint16_t from, to;
    air_flow *flow;

    if (a->flows == NULL)
        return 0;
    if (ip->fragment_offset != 0)
        return ip->id == a->fragment_id ? a->fragment_alias : 0;
    if (!ports_of(ip, &from, &to))
        return 0;
    flow = find(a, ip->protocol, to, from);
    if (flow != NULL)
        flow->used = ++a->count;
    if (ip->more_fragments) {
        a->fragment_id = ip->id;
        a->fragment_alias = flow != NULL ? flow->alias : 0;
    }
    return flow != NULL ? flow->alias : 0;
}
