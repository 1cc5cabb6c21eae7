/* The DNS answerer at the gateway's port 53.
 *
 * The world file's names come first, the names of its hosts with them; a name that has only an
 * address of the other family is answered with no records, as a real server does. Other names go
 * to the computer's resolver, as the raw query, when there is an uplink and the policy is open.
 * Without that, or when the resolver has no answer, the answer is SERVFAIL at once, and the log
 * says which name: a module must not wait for a time-out to learn that nobody knows.
 *
 * Names of the world under .local are also told to plain resolvers that ask the group of mDNS for
 * them (RFC 6762 section 6.7), as modules do.
 *
 * A query that is with the resolver belongs to its port, and ends with the membership.
 */
#include "air/air_priv.h"

#include <string.h>

#include "core/bytes.h"

#define TTL_S       60u
#define ANSWERS_MAX 8u

static void reply(at_air_port *port, const air_asker *to, const uint8_t *data, size_t len)
{
    at_ipv4 ip = { .from = port->ap->def->gateway, .to = to->from, .ttl = 64 };
    at_ipv6 ip6 = { .hop_limit = 64 };
    at_udp udp = { .from_port = to->mdns ? AIR_MDNS_PORT : AT_DNS_PORT,
                   .to_port = to->port,
                   .data = data,
                   .data_len = len };

    if (len == 0)
        return;
    if (!to->v6) {
        air_send_udp(port, port->mac, &ip, &udp);
        return;
    }
    memcpy(ip6.from, to->to6, 16);
    memcpy(ip6.to, to->from6, 16);
    air_send_udp6(port, &ip6, &udp);
}

static void reply_empty(at_air_port *port, const air_asker *to, const at_dns_query *query,
                        at_dns_rcode rcode)
{
    uint8_t out[AT_DNS_UDP_MAX];

    reply(port, to, out, at_dns_answer_empty(query, rcode, out, sizeof out));
}

/* ---- names of the world ---- */

typedef struct found {
    bool known; /* the name exists, perhaps in the other family */
    size_t v4_count, v6_count;
    uint32_t v4[ANSWERS_MAX];
    uint8_t v6[ANSWERS_MAX][16];
} found;

static void look_up(const air_ap *ap, const char *name, found *f)
{
    const at_world *world = &ap->air->world;

    for (uint32_t i = 0; i < world->name_count; i++) {
        const at_world_name *entry = &world->names[i];

        if (!at_dns_name_equal(entry->name, name))
            continue;
        f->known = true;
        if (entry->len == 4 && f->v4_count < ANSWERS_MAX) {
            at_reader r = at_reader_of(entry->address, 4);

            f->v4[f->v4_count++] = at_get32(&r);
        } else if (entry->len == 16 && f->v6_count < ANSWERS_MAX) {
            memcpy(f->v6[f->v6_count++], entry->address, 16);
        }
    }
    for (uint32_t i = 0; i < world->host_count && !f->known; i++) {
        if (at_dns_name_equal(world->hosts[i].name, name)) {
            f->known = true;
            f->v4[f->v4_count++] = world->hosts[i].address;
            if (air_host6_address(ap, world->hosts[i].address, f->v6[0]))
                f->v6_count = 1;
        }
    }
}

static size_t answer_from(const at_dns_query *query, const found *f, uint8_t *out, size_t room)
{
    if (query->type == AT_DNS_TYPE_AAAA && f->v6_count > 0)
        return at_dns_answer_aaaa(query, f->v6, f->v6_count, TTL_S, out, room);
    if ((query->type == AT_DNS_TYPE_A || query->type == AT_DNS_TYPE_ANY) && f->v4_count > 0)
        return at_dns_answer_a(query, f->v4, f->v4_count, TTL_S, out, room);
    return at_dns_answer_empty(query, AT_DNS_OK, out, room);
}

/* ---- other names ---- */

static void unlink_query(air_query *query)
{
    air_query **link = &query->air->queries;

    while (*link != query)
        link = &(*link)->next;
    *link = query->next;
    query->air->query_count--;
}

static void resolver_answered(void *arg, const uint8_t *data, size_t len)
{
    air_query *query = arg;
    at_air *air = query->air;

    unlink_query(query);
    if (len > 0) {
        reply(query->port, &query->asker, data, len);
    } else {
        at_log(air->config.log, AT_LOG_WARN, "air",
               "DNS: the computer's resolver has no answer for %s", query->query.name);
        reply_empty(query->port, &query->asker, &query->query, AT_DNS_SERVFAIL);
    }
    at_free(air->config.heap, query);
}

static bool forward(at_air_port *port, const air_asker *asker, const at_udp *udp,
                    const at_dns_query *parsed)
{
    at_air *air = port->air;
    const at_resolver *resolver = air->config.resolver;
    air_query *query;

    if (resolver == NULL || !air_has_uplink(port->ap) || air->config.policy != AT_POLICY_OPEN ||
        air->query_count >= AIR_QUERIES_MAX)
        return false;
    query = at_alloc(air->config.heap, sizeof *query);
    if (query == NULL)
        return false;
    *query = (air_query){
        .next = air->queries, .air = air, .port = port, .asker = *asker, .query = *parsed
    };
    air->queries = query;
    air->query_count++;
    resolver->query(resolver->ctx, udp->data, udp->data_len, resolver_answered, query);
    return true;
}

void air_dns_cancel(at_air_port *port)
{
    at_air *air = port->air;
    const at_resolver *resolver = air->config.resolver;
    air_query *next;

    for (air_query *query = air->queries; query != NULL; query = next) {
        next = query->next;
        if (query->port != port)
            continue;
        resolver->cancel(resolver->ctx, query);
        unlink_query(query);
        at_free(air->config.heap, query);
    }
}

static void poison(at_air_port *port, const air_asker *asker, const at_dns_query *query,
                   at_bad_dns kind)
{
    uint8_t out[AT_DNS_UDP_MAX];

    reply(port, asker, out, air_bad_dns(query, kind, out, sizeof out));
}

/* True: that is all the station gets. */
static bool poisoned(at_air_port *port, const air_asker *asker, const at_dns_query *query)
{
    at_bad_dns kind = port->effects.bad_dns;

    if (!port->effects.kinds[AT_FAULT_BAD_DNS])
        return false;
    if (kind != AT_BAD_DNS_SPOOFED) {
        poison(port, asker, query, kind);
        return true;
    }
    poison(port, asker, query, AT_BAD_DNS_ID);
    poison(port, asker, query, AT_BAD_DNS_QUESTION);
    return false;
}

void air_dns_input(at_air_port *port, const air_asker *asker, const at_udp *udp)
{
    at_air *air = port->air;
    uint8_t out[AT_DNS_UDP_MAX];
    at_dns_query query;
    found f = { .known = false };

    if (port->effects.kinds[AT_FAULT_NO_DNS])
        return;
    switch (at_dns_parse_query(&query, udp->data, udp->data_len)) {
    case AT_OK: break;
    case AT_ERR_UNSUPPORTED: reply_empty(port, asker, &query, AT_DNS_NOT_IMPLEMENTED); return;
    case AT_ERR_INVALID: reply_empty(port, asker, &query, AT_DNS_FORMAT_ERROR); return;
    default: air->counters.invalid++; return;
    }
    if (poisoned(port, asker, &query))
        return;
    look_up(port->ap, query.name, &f);
    if (f.known) {
        reply(port, asker, out, answer_from(&query, &f, out, sizeof out));
        return;
    }
    if (forward(port, asker, udp, &query))
        return;
    at_log(air->config.log, AT_LOG_WARN, "air",
           "DNS: %s is not in [names], and there is no resolver to ask", query.name);
    reply_empty(port, asker, &query, AT_DNS_SERVFAIL);
}

void air_mdns_input(at_air_port *port, const air_asker *asker, const at_udp *udp)
{
    uint8_t out[AT_DNS_UDP_MAX];
    at_dns_query query;
    found f = { .known = false };

    if (asker->port == AIR_MDNS_PORT ||
        at_dns_parse_query(&query, udp->data, udp->data_len) != AT_OK)
        return;
    look_up(port->ap, query.name, &f);
    if (f.known)
        reply(port, asker, out, answer_from(&query, &f, out, sizeof out));
}
