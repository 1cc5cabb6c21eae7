/* The DHCP server engine (RFC 2131).
 *
 * The lease table has one entry per address of the pool, so a lease needs no address field and no
 * two leases can ever hold the same one. A station is known by its hardware address (client
 * identifiers are not looked at: a radio has one address per station). An entry keeps its station's
 * address after the lease ended; a station that comes back gets what it had (RFC 2131 4.3.1). The
 * order of choice is:
 *   the entry that carries the station's address, the address asked for, the first entry that
 * nobody
 *   ever had, the free entry that ended longest ago.
 *
 * A REQUEST is told apart by what it carries (RFC 2131 4.3.2, table 4):
 *   server id                    selecting: ours is bound or refused, another's frees our offer
 *   requested address only       after a reboot: wrong network or wrong address is refused, a
 * station
 *                                without a record is passed over in silence
 *   client address               renewing: extended; refused when another has it or it is off the
 * net
 *
 * Options are searched in the options field only: overload (option 52) is for options that do not
 * fit, and what a server reads always fits. Relays (giaddr) are not served; there are none in an
 * air.
 */
#include "proto/dhcp.h"

#include <string.h>

#include "core/bytes.h"

#define MESSAGE_MIN    300u /* bytes; BOOTP clients drop shorter answers (RFC 1542 2.1) */
#define MAGIC          0x63825363u
#define FLAG_BROADCAST 0x8000u
#define OFFER_S        60u
#define BROADCAST      0xFFFFFFFFu

enum {
    OPT_PAD = 0,
    OPT_NETMASK = 1,
    OPT_ROUTER = 3,
    OPT_DNS = 6,
    OPT_REQUESTED_IP = 50,
    OPT_LEASE_TIME = 51,
    OPT_TYPE = 53,
    OPT_SERVER_ID = 54,
    OPT_RENEWAL = 58,
    OPT_REBINDING = 59,
    OPT_END = 255,
};

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM };

/* What a message of a client says. */
typedef struct request {
    uint8_t type;
    uint32_t xid, ciaddr;
    uint16_t flags;
    uint8_t mac[6];
    uint32_t requested, server_id; /* 0: option not there */
} request;

/* ---- the table ---- */

static size_t pool_size(const at_dhcps *s)
{
    size_t span;

    if (s->config.last < s->config.first)
        return 0;
    span = (size_t)(s->config.last - s->config.first);
    return span < s->lease_count ? span + 1 : s->lease_count;
}

static at_dhcps_lease *lease_at(const at_dhcps *s, uint32_t ip)
{
    if (ip < s->config.first || ip == s->config.server || ip - s->config.first >= pool_size(s))
        return NULL;
    return &s->leases[ip - s->config.first];
}

static uint32_t address_of(const at_dhcps *s, const at_dhcps_lease *lease)
{
    return s->config.first + (uint32_t)(lease - s->leases);
}

static bool is_free(const at_dhcps_lease *lease, uint64_t now_s)
{
    return lease->state == AT_LEASE_FREE || lease->expires_s <= now_s;
}

static bool belongs_to(const at_dhcps_lease *lease, const uint8_t mac[6])
{
    return lease->known && memcmp(lease->mac, mac, 6) == 0;
}

/* The entry that carries the station's address, whether its lease runs or not. */
static at_dhcps_lease *find_station(const at_dhcps *s, const uint8_t mac[6])
{
    for (size_t i = 0; i < pool_size(s); i++) {
        if (belongs_to(&s->leases[i], mac) && lease_at(s, s->config.first + (uint32_t)i) != NULL)
            return &s->leases[i];
    }
    return NULL;
}

static at_dhcps_lease *find_unused(const at_dhcps *s, uint64_t now_s)
{
    at_dhcps_lease *oldest = NULL;

    for (size_t i = 0; i < pool_size(s); i++) {
        at_dhcps_lease *lease = lease_at(s, s->config.first + (uint32_t)i);

        if (lease == NULL || !is_free(lease, now_s))
            continue;
        if (!lease->known)
            return lease;
        if (oldest == NULL || lease->expires_s < oldest->expires_s)
            oldest = lease;
    }
    return oldest;
}

static at_dhcps_lease *choose(const at_dhcps *s, uint64_t now_s, const request *q)
{
    at_dhcps_lease *lease = find_station(s, q->mac);

    if (lease != NULL)
        return lease;
    lease = lease_at(s, q->requested);
    if (lease != NULL && is_free(lease, now_s) && !lease->known)
        return lease;
    return find_unused(s, now_s);
}

/* Gives an entry to a station. Its other entry, if any, is let go of: one station, one address. */
static void assign(at_dhcps *s, at_dhcps_lease *lease, const uint8_t mac[6],
                   at_dhcps_lease_state state, uint64_t expires_s)
{
    at_dhcps_lease *other = find_station(s, mac);

    if (other != NULL && other != lease)
        *other = (at_dhcps_lease){ .state = AT_LEASE_FREE };
    lease->state = (uint8_t)state;
    lease->expires_s = expires_s;
    lease->known = true;
    memcpy(lease->mac, mac, 6);
}

void at_dhcps_init(at_dhcps *s, const at_dhcps_config *config, at_dhcps_lease *leases,
                   size_t lease_count)
{
    *s = (at_dhcps){ .config = *config, .leases = leases, .lease_count = lease_count };
    if (lease_count > 0)
        memset(leases, 0, lease_count * sizeof *leases);
}

bool at_dhcps_prefer(at_dhcps *s, const uint8_t mac[6], uint32_t ip)
{
    at_dhcps_lease *lease = lease_at(s, ip);

    if (lease == NULL || lease->state != AT_LEASE_FREE || (lease->known && !belongs_to(lease, mac)))
        return false;
    assign(s, lease, mac, AT_LEASE_FREE, 0);
    return true;
}

uint32_t at_dhcps_address_of(const at_dhcps *s, uint64_t now_s, const uint8_t mac[6])
{
    const at_dhcps_lease *lease = find_station(s, mac);

    if (lease == NULL || lease->state != AT_LEASE_BOUND || is_free(lease, now_s))
        return 0;
    return address_of(s, lease);
}

/* ---- messages ---- */

static bool parse_options(at_reader *r, request *q)
{
    while (r->left > 0) {
        uint8_t code = at_get8(r), len;
        at_reader value;

        if (code == OPT_PAD)
            continue;
        if (code == OPT_END)
            break;
        len = at_get8(r);
        value = at_reader_of(at_get(r, len), len);
        if (!r->ok)
            return false;
        if (code == OPT_TYPE)
            q->type = at_get8(&value);
        else if (code == OPT_REQUESTED_IP)
            q->requested = at_get32(&value);
        else if (code == OPT_SERVER_ID)
            q->server_id = at_get32(&value);
        if (!value.ok)
            return false;
    }
    return q->type >= DISCOVER && q->type <= INFORM;
}

static bool parse(const uint8_t *payload, size_t len, request *q)
{
    at_reader r = at_reader_of(payload, len);
    bool request_op, relayed;

    memset(q, 0, sizeof *q);
    request_op = at_get8(&r) == 1;
    request_op = at_get8(&r) == 1 && request_op; /* Ethernet */
    request_op = at_get8(&r) == 6 && request_op;
    (void)at_get8(&r); /* hops */
    q->xid = at_get32(&r);
    (void)at_get16(&r); /* seconds */
    q->flags = at_get16(&r);
    q->ciaddr = at_get32(&r);
    (void)at_get(&r, 4 + 4); /* yiaddr, siaddr */
    relayed = at_get32(&r) != 0;
    at_get_copy(&r, q->mac, 6);
    (void)at_get(&r, 10 + 64 + 128); /* rest of chaddr, sname, file */
    if (at_get32(&r) != MAGIC || !request_op || relayed)
        return false;
    return parse_options(&r, q);
}

static void put_address(at_builder *b, uint8_t code, uint32_t value)
{
    at_put8(b, code);
    at_put8(b, 4);
    at_put32(b, value);
}

static void put_times(at_builder *b, const at_dhcps *s)
{
    uint32_t t = s->config.lease_s;

    put_address(b, OPT_LEASE_TIME, t);
    put_address(b, OPT_RENEWAL, t / 2);
    put_address(b, OPT_REBINDING, (uint32_t)((uint64_t)t * 7 / 8));
}

static void put_header(at_builder *b, const request *q, uint32_t ciaddr, uint32_t yiaddr,
                       uint32_t server)
{
    static const uint8_t zero[128];

    at_put8(b, 2);
    at_put8(b, 1);
    at_put8(b, 6);
    at_put8(b, 0);
    at_put32(b, q->xid);
    at_put16(b, 0);
    at_put16(b, q->flags);
    at_put32(b, ciaddr);
    at_put32(b, yiaddr);
    at_put32(b, server);
    at_put32(b, 0);
    at_put(b, q->mac, 6);
    at_put(b, zero, 10);
    at_put(b, zero, 64);
    at_put(b, zero, 128);
    at_put32(b, MAGIC);
}

/* Builds an answer and says where it goes (RFC 2131 4.1). yiaddr 0: an INFORM's or a NAK. */
static void answer_with(const at_dhcps *s, const request *q, uint8_t type, uint32_t yiaddr,
                        uint8_t *answer, at_dhcps_result *result)
{
    at_builder b = at_builder_of(answer, AT_DHCP_REPLY_MAX);
    uint32_t ciaddr = type == ACK ? q->ciaddr : 0;

    put_header(&b, q, ciaddr, yiaddr, type == NAK ? 0 : s->config.server);
    at_put8(&b, OPT_TYPE);
    at_put8(&b, 1);
    at_put8(&b, type);
    put_address(&b, OPT_SERVER_ID, s->config.server);
    if (yiaddr != 0)
        put_times(&b, s);
    if (type != NAK) {
        put_address(&b, OPT_NETMASK, s->config.netmask);
        if (s->config.router != 0)
            put_address(&b, OPT_ROUTER, s->config.router);
        if (s->config.dns != 0)
            put_address(&b, OPT_DNS, s->config.dns);
    }
    at_put8(&b, OPT_END);
    while (at_built(&b) < MESSAGE_MIN)
        at_put8(&b, OPT_PAD);
    result->len = at_built(&b);
    result->to_ip = ciaddr != 0 ? ciaddr : yiaddr;
    memcpy(result->to_mac, q->mac, 6);
    if (type == NAK || (ciaddr == 0 && (q->flags & FLAG_BROADCAST) != 0)) {
        result->to_ip = BROADCAST;
        memset(result->to_mac, 0xFF, 6);
    }
}

/* ---- what each message does ---- */

static at_dhcps_event refuse(const at_dhcps *s, const request *q, uint8_t *answer,
                             at_dhcps_result *result)
{
    answer_with(s, q, NAK, 0, answer, result);
    return AT_DHCPS_REFUSED;
}

static at_dhcps_event bind(at_dhcps *s, uint64_t now_s, at_dhcps_lease *lease, const request *q,
                           uint8_t *answer, at_dhcps_result *result)
{
    bool had = lease->state == AT_LEASE_BOUND && !is_free(lease, now_s);

    assign(s, lease, q->mac, AT_LEASE_BOUND, now_s + s->config.lease_s);
    result->ip = address_of(s, lease);
    answer_with(s, q, ACK, result->ip, answer, result);
    return had ? AT_DHCPS_RENEWED : AT_DHCPS_BOUND;
}

static at_dhcps_event on_discover(at_dhcps *s, uint64_t now_s, const request *q, uint8_t *answer,
                                  at_dhcps_result *result)
{
    at_dhcps_lease *lease = choose(s, now_s, q);

    if (lease == NULL)
        return AT_DHCPS_EXHAUSTED;
    /* A running lease stays bound: an offer of it must not shorten it. */
    if (is_free(lease, now_s) || lease->state == AT_LEASE_OFFERED)
        assign(s, lease, q->mac, AT_LEASE_OFFERED, now_s + OFFER_S);
    result->ip = address_of(s, lease);
    answer_with(s, q, OFFER, result->ip, answer, result);
    return AT_DHCPS_OFFERED;
}

static at_dhcps_event on_selecting(at_dhcps *s, uint64_t now_s, const request *q, uint8_t *answer,
                                   at_dhcps_result *result)
{
    at_dhcps_lease *lease = find_station(s, q->mac);

    if (q->server_id != s->config.server) {
        if (lease != NULL && lease->state == AT_LEASE_OFFERED)
            lease->state = AT_LEASE_FREE;
        return AT_DHCPS_IGNORED;
    }
    if (lease == NULL || address_of(s, lease) != q->requested || lease->state == AT_LEASE_DECLINED)
        return refuse(s, q, answer, result);
    return bind(s, now_s, lease, q, answer, result);
}

static at_dhcps_event on_reboot(at_dhcps *s, uint64_t now_s, const request *q, uint8_t *answer,
                                at_dhcps_result *result)
{
    at_dhcps_lease *lease = find_station(s, q->mac);

    if (((q->requested ^ s->config.server) & s->config.netmask) != 0)
        return refuse(s, q, answer, result);
    if (lease == NULL)
        return AT_DHCPS_IGNORED;
    if (address_of(s, lease) != q->requested || lease->state == AT_LEASE_DECLINED)
        return refuse(s, q, answer, result);
    return bind(s, now_s, lease, q, answer, result);
}

static at_dhcps_event on_renewing(at_dhcps *s, uint64_t now_s, const request *q, uint8_t *answer,
                                  at_dhcps_result *result)
{
    at_dhcps_lease *lease = lease_at(s, q->ciaddr);

    if (((q->ciaddr ^ s->config.server) & s->config.netmask) != 0)
        return refuse(s, q, answer, result);
    if (lease == NULL)
        return AT_DHCPS_IGNORED;
    if (!belongs_to(lease, q->mac) && !is_free(lease, now_s))
        return refuse(s, q, answer, result);
    return bind(s, now_s, lease, q, answer, result);
}

static at_dhcps_event on_request(at_dhcps *s, uint64_t now_s, const request *q, uint8_t *answer,
                                 at_dhcps_result *result)
{
    if (q->server_id != 0)
        return on_selecting(s, now_s, q, answer, result);
    if (q->ciaddr != 0)
        return on_renewing(s, now_s, q, answer, result);
    return q->requested != 0 ? on_reboot(s, now_s, q, answer, result) : AT_DHCPS_IGNORED;
}

static at_dhcps_event on_decline(at_dhcps *s, uint64_t now_s, const request *q,
                                 at_dhcps_result *result)
{
    at_dhcps_lease *lease = lease_at(s, q->requested);

    if (q->server_id != s->config.server || lease == NULL || !belongs_to(lease, q->mac))
        return AT_DHCPS_IGNORED;
    *lease = (at_dhcps_lease){ .state = AT_LEASE_DECLINED, .expires_s = now_s + s->config.lease_s };
    result->ip = q->requested;
    return AT_DHCPS_DECLINED;
}

static at_dhcps_event on_release(at_dhcps *s, uint64_t now_s, const request *q,
                                 at_dhcps_result *result)
{
    at_dhcps_lease *lease = lease_at(s, q->ciaddr);

    if (q->server_id != s->config.server || lease == NULL || !belongs_to(lease, q->mac))
        return AT_DHCPS_IGNORED;
    lease->state = AT_LEASE_FREE;
    lease->expires_s = now_s;
    result->ip = q->ciaddr;
    return AT_DHCPS_RELEASED;
}

static at_dhcps_event on_inform(const at_dhcps *s, const request *q, uint8_t *answer,
                                at_dhcps_result *result)
{
    if (q->ciaddr == 0)
        return AT_DHCPS_IGNORED;
    result->ip = q->ciaddr;
    answer_with(s, q, ACK, 0, answer, result);
    return AT_DHCPS_INFORMED;
}

at_dhcps_result at_dhcps_input(at_dhcps *s, uint64_t now_s, const uint8_t *payload, size_t len,
                               uint8_t *answer)
{
    at_dhcps_result result = { .event = AT_DHCPS_IGNORED };
    request q;

    if (!parse(payload, len, &q))
        return result;
    memcpy(result.mac, q.mac, 6);
    switch (q.type) {
    case DISCOVER: result.event = on_discover(s, now_s, &q, answer, &result); break;
    case REQUEST: result.event = on_request(s, now_s, &q, answer, &result); break;
    case DECLINE: result.event = on_decline(s, now_s, &q, &result); break;
    case RELEASE: result.event = on_release(s, now_s, &q, &result); break;
    case INFORM: result.event = on_inform(s, &q, answer, &result); break;
    default: break; /* what only servers send */
    }
    return result;
}
