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

/* What a flow is known by, and to which datagram a piece belongs. */
typedef struct flow_key {
    uint8_t protocol;
    bool later, more; /* a later piece; one that others follow */
    uint32_t id;
    uint16_t from, to; /* ports; of a first piece */
    bool ports;
} flow_key;

static void read_ports(flow_key *key, const uint8_t *payload, size_t len)
{
    at_reader r = at_reader_of(payload, len);

    if ((key->protocol != AT_IPPROTO_TCP && key->protocol != AT_IPPROTO_UDP) || key->later)
        return;
    key->from = at_get16(&r);
    key->to = at_get16(&r);
    key->ports = r.ok;
}

static flow_key key_of(const at_ipv4 *ip)
{
    flow_key key = { .protocol = ip->protocol,
                     .later = ip->fragment_offset != 0,
                     .more = ip->more_fragments,
                     .id = ip->id };

    read_ports(&key, ip->payload, ip->payload_len);
    return key;
}

static flow_key key_of6(const at_ipv6 *ip)
{
    flow_key key = { .protocol = ip->protocol,
                     .later = ip->fragment_offset != 0,
                     .more = ip->more_fragments,
                     .id = ip->fragment_id };

    read_ports(&key, ip->payload, ip->payload_len);
    return key;
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

/* alias 0: the flow is with the gateway itself. */
static void note(air_aliases *a, at_heap *heap, const flow_key *key, uint32_t alias)
{
    air_flow *flow;

    if (!key->ports)
        return;
    if (a->flows == NULL) {
        if (alias == 0)
            return;
        a->flows = at_calloc(heap, AIR_ALIAS_SETS * AIR_ALIAS_WAYS, sizeof *a->flows);
        if (a->flows == NULL)
            return;
    }
    flow = find(a, key->protocol, key->from, key->to);
    if (alias == 0) {
        if (flow != NULL)
            flow->alias = 0;
        return;
    }
    if (flow == NULL)
        flow = oldest(set_of(a, key->protocol, key->from, key->to));
    *flow = (air_flow){ .alias = alias,
                        .station_port = key->from,
                        .host_port = key->to,
                        .protocol = key->protocol,
                        .used = ++a->count };
}

static uint32_t look_up(air_aliases *a, const flow_key *key)
{
    air_flow *flow;

    if (a->flows == NULL)
        return 0;
    if (key->later)
        return key->id == a->fragment_id ? a->fragment_alias : 0;
    if (!key->ports)
        return 0;
    flow = find(a, key->protocol, key->to, key->from);
    if (flow != NULL)
        flow->used = ++a->count;
    if (key->more) {
        a->fragment_id = key->id;
        a->fragment_alias = flow != NULL ? flow->alias : 0;
    }
    return flow != NULL ? flow->alias : 0;
}

void air_alias_note(air_aliases *a, at_heap *heap, const at_ipv4 *ip, uint32_t gateway)
{
    flow_key key = key_of(ip);

    note(a, heap, &key, ip->to == gateway ? 0 : ip->to);
}

uint32_t air_alias_of(air_aliases *a, const at_ipv4 *ip)
{
    flow_key key = key_of(ip);

    return look_up(a, &key);
}

void air_alias6_note(air_aliases *a, at_heap *heap, const at_ipv6 *ip, uint32_t host)
{
    flow_key key = key_of6(ip);

    note(a, heap, &key, host);
}

uint32_t air_alias6_of(air_aliases *a, const at_ipv6 *ip)
{
    flow_key key = key_of6(ip);

    return look_up(a, &key);
}
