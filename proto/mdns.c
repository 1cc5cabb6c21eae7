/* The behaviour of an mDNS responder (RFC 6762).
 *
 *     OFF --start--> PROBING --three probes, nobody objects--> ANNOUNCING --two announcements--> OWNING
 *                      ^  |                                                                        |
 *                      |  +--another has the name: the next name, again                            |
 *                      +-----------------another claims one of our names---------------------------+
 *
 * Probing (section 8): three queries 250 ms apart, with the records we mean to have. Two hosts that
 * probe for one name at the same time compare these records; who has the lesser ones waits a second.
 * After 15 conflicts in a row each further attempt comes 5 s later, and claims are not heard until then.
 *
 * Answering (section 6): records that are ours alone at once, shared ones after 20 to 120 ms, after a
 * truncated query 400 to 500 ms, so that more known answers can come. What somebody said to know is
 * left out. A record is not multicast again within a second, except when it is defended against a
 * probe. Queries from other ports than 5353 are those of plain resolvers: they get a plain answer.
 *
 * There is no refreshing: records are asked for again by whoever needs them. So owning costs nothing.
 */
#include "proto/mdns.h"

#include <string.h>

#include "core/bytes.h"
#include "proto/mdns_priv.h"

#define MS              1000ull
#define PROBES          3u
#define PROBE_GAP_US    (250 * MS)
#define ANNOUNCEMENTS   2u
#define ANNOUNCE_GAP_US (1000 * MS)
#define LOST_PROBE_US   (1000 * MS) /* after a lost comparison */
#define CONFLICTS_MAX   15u
#define CONFLICT_US     (5000 * MS)
#define QUIET_US        (1000 * MS) /* between two multicasts of a record */
#define DEFENCE_US      (250 * MS)

typedef enum state { OFF, PROBING, ANNOUNCING, OWNING } state;

struct at_mdns {
    const at_mdns_ops *ops;
    state state;
    unsigned sent; /* probes or announcements of this state */
    unsigned conflicts;
    bool announced; /* others may have our records in their caches */
    uint64_t step_us;
    unsigned pending; /* records that will be multicast at answer_us */
    uint64_t answer_us;
    uint64_t told_us[MDNS_RECORDS]; /* when each was multicast last, 0: never */
    mdns_records own;
    mdns_entry entry;   /* of the message that is being read */
    mdns_writer writer; /* of the message that is being built */
};

size_t at_mdns_size(void)
{
    return sizeof(at_mdns);
}

void at_mdns_init(at_mdns *m, const at_mdns_ops *ops, const at_mdns_service *service)
{
    memset(m, 0, sizeof *m);
    m->ops = ops;
    m->own.service = *service;
    mdns_make_names(&m->own);
}

static void send_built(at_mdns *m, const at_mdns_peer *to)
{
    if (m->writer.ok) /* it always is: what a command line holds fits a frame */
        m->ops->send(m->ops->ctx, m->writer.out, m->writer.len, to);
}

/* ---- messages of our own ---- */

static void put_records(at_mdns *m, unsigned records, unsigned section, mdns_ttl ttl)
{
    for (unsigned i = 0; i < MDNS_RECORDS; i++) {
        if ((records & MDNS_BIT(i)) != 0)
            mdns_put_record(&m->writer, &m->own, i, section, ttl);
    }
}

static void put_question(mdns_writer *w, const mdns_name *name, unsigned type, unsigned class)
{
    mdns_put_name(w, name, true);
    mdns_put16(w, type);
    mdns_put16(w, class);
    mdns_count(w, MDNS_QUESTIONS);
}

static void send_probe(at_mdns *m)
{
    unsigned class = MDNS_CLASS_IN | (m->sent == 0 ? MDNS_TOP_BIT : 0);

    mdns_begin(&m->writer, 0, 0);
    put_question(&m->writer, &m->own.host, MDNS_TYPE_ANY, class);
    put_question(&m->writer, &m->own.instance, MDNS_TYPE_ANY, class);
    put_records(m, mdns_existing(&m->own) & (MDNS_ADDRESSES | MDNS_INSTANCE), MDNS_AUTHORITIES,
                MDNS_TTL_FULL);
    send_built(m, NULL);
}

/* What who asks for these records will ask for next (RFC 6763 section 12). */
static unsigned companions(unsigned answers, unsigned existing)
{
    unsigned more = 0;

    if ((answers & MDNS_BIT(MDNS_REC_PTR)) != 0)
        more |= MDNS_INSTANCE;
    if (((answers | more) & MDNS_BIT(MDNS_REC_SRV)) != 0)
        more |= MDNS_ADDRESSES | MDNS_BIT(MDNS_REC_NSEC_SERVICE);
    if (((answers | more) & MDNS_ADDRESSES) != 0)
        more |= MDNS_ADDRESSES | MDNS_BIT(MDNS_REC_NSEC_HOST);
    return more & existing & ~answers;
}

static void multicast(at_mdns *m, uint64_t now_us, unsigned records, mdns_ttl ttl)
{
    if (records == 0)
        return;
    mdns_begin(&m->writer, 0, MDNS_FLAG_RESPONSE | MDNS_FLAG_AUTHORITATIVE);
    put_records(m, records, MDNS_ANSWERS, ttl);
    if (ttl == MDNS_TTL_FULL)
        put_records(m, companions(records, mdns_existing(&m->own)), MDNS_ADDITIONALS, ttl);
    for (unsigned i = 0; i < MDNS_RECORDS; i++) {
        if ((records & MDNS_BIT(i)) != 0)
            m->told_us[i] = now_us;
    }
    send_built(m, NULL);
}

static void say_goodbye(at_mdns *m, unsigned records)
{
    multicast(m, 0, records & mdns_existing(&m->own) & ~MDNS_NSECS, MDNS_TTL_GOODBYE);
}

/* ---- names become ours ---- */

static void probe_from(at_mdns *m, uint64_t due_us)
{
    m->state = PROBING;
    m->sent = 0;
    m->pending = 0;
    m->step_us = due_us;
}

void at_mdns_start(at_mdns *m, uint64_t now_us, const at_mdns_addresses *addresses)
{
    m->own.addresses = *addresses;
    mdns_make_names(&m->own);
    memset(m->told_us, 0, sizeof m->told_us);
    m->conflicts = 0;
    probe_from(m, now_us + m->ops->random(m->ops->ctx) % PROBE_GAP_US);
}

static void announce(at_mdns *m, uint64_t now_us)
{
    multicast(m, now_us, mdns_existing(&m->own) & ~MDNS_NSECS, MDNS_TTL_FULL);
    m->announced = true;
    if (++m->sent == ANNOUNCEMENTS)
        m->state = OWNING;
    m->step_us = now_us + ANNOUNCE_GAP_US;
}

static void step(at_mdns *m, uint64_t now_us)
{
    if (m->state == PROBING && m->sent < PROBES) {
        send_probe(m);
        m->sent++;
        m->step_us = now_us + PROBE_GAP_US;
        return;
    }
    if (m->state == PROBING) {
        m->state = ANNOUNCING;
        m->sent = 0;
        m->conflicts = 0;
    }
    announce(m, now_us);
}

void at_mdns_readdress(at_mdns *m, uint64_t now_us, const at_mdns_addresses *addresses)
{
    m->own.addresses = *addresses;
    mdns_make_names(&m->own);
    if (m->state < ANNOUNCING)
        return;
    m->state = ANNOUNCING;
    m->sent = 0;
    m->step_us = now_us;
}

void at_mdns_stop(at_mdns *m, bool goodbye)
{
    if (goodbye && m->announced && m->state != OFF)
        say_goodbye(m, ~0u);
    m->announced = false;
    m->state = OFF;
    m->pending = 0;
}

/* ---- conflicts ---- */

/* Another host has a name. One that is ours already is probed for again first: the other may give
 * way; one that we only want is changed. */
static void conflict(at_mdns *m, uint64_t now_us, bool is_host)
{
    char *label = is_host ? m->own.service.host : m->own.service.instance;
    uint64_t pause_us = m->ops->random(m->ops->ctx) % PROBE_GAP_US;

    if (m->state == PROBING) {
        if (m->announced)
            say_goodbye(m, MDNS_BIT(MDNS_REC_PTR));
        mdns_next_label(label);
        mdns_make_names(&m->own);
        m->ops->renamed(m->ops->ctx, is_host, label);
    }
    if (++m->conflicts >= CONFLICTS_MAX)
        pause_us = CONFLICT_US;
    probe_from(m, now_us + pause_us);
}

static bool of_host(unsigned type)
{
    return type == MDNS_TYPE_A || type == MDNS_TYPE_AAAA;
}

/* After too many conflicts, before the next probe: whoever has that name too will answer the probe, and
 * until then there is nothing to change. So a host that claims every name makes no more work than one
 * that claims the next. */
static bool rests(const at_mdns *m)
{
    return m->state == PROBING && m->sent == 0 && m->conflicts >= CONFLICTS_MAX;
}

/* A record of another host under a name of ours, with other data than ours. */
static void take_response(at_mdns *m, uint64_t now_us, mdns_reader *r)
{
    if (rests(m))
        return;
    while (mdns_read(r, &m->entry)) {
        const mdns_entry *e = &m->entry;
        bool host, instance;

        if (e->section == MDNS_QUESTIONS || e->class != MDNS_CLASS_IN || e->ttl_s == 0 ||
            e->type == MDNS_TYPE_NSEC)
            continue;
        host = mdns_name_equal(&e->name, &m->own.host);
        instance = mdns_name_equal(&e->name, &m->own.instance);
        if (!host && !instance)
            continue;
        if (m->state != PROBING && host != of_host(e->type))
            continue; /* a type that we say nothing about */
        if (mdns_same(&m->own, e) != 0)
            continue;
        conflict(m, now_us, host);
        return; /* the rest was said to the old name */
    }
}

/* Compares our records of a name with those in a probe of another host, in the order of type and
 * data (section 8.2). Negative: ours come earlier, which loses. */
typedef struct ranked {
    uint16_t type, len;
    const uint8_t *data;
} ranked;

#define RANKED_MAX 6u

static int compare(const ranked *a, const ranked *b)
{
    int order;

    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    order = memcmp(a->data, b->data, AT_MIN(a->len, b->len));
    return order != 0 ? order : (int)a->len - (int)b->len;
}

static void insert(ranked *list, unsigned *count, ranked one)
{
    unsigned at = *count;

    if (*count == RANKED_MAX)
        return;
    while (at > 0 && compare(&one, &list[at - 1]) < 0) {
        list[at] = list[at - 1];
        at--;
    }
    list[at] = one;
    (*count)++;
}

static int compare_lists(const ranked *ours, unsigned our_count, const ranked *theirs,
                         unsigned their_count)
{
    for (unsigned i = 0; i < our_count && i < their_count; i++) {
        int order = compare(&ours[i], &theirs[i]);

        if (order != 0)
            return order;
    }
    return (int)our_count - (int)their_count;
}

static int compare_probe(at_mdns *m, mdns_reader r, const mdns_name *name)
{
    static const uint8_t records[] = { MDNS_REC_A, MDNS_REC_AAAA, MDNS_REC_AAAA_2, MDNS_REC_SRV,
                                       MDNS_REC_TXT };
    uint8_t our_data[AT_COUNT(records)][MDNS_DATA_MAX], their_data[RANKED_MAX][MDNS_DATA_MAX];
    ranked ours[RANKED_MAX], theirs[RANKED_MAX];
    unsigned our_count = 0, their_count = 0, taken = 0;

    for (unsigned i = 0; i < AT_COUNT(records); i++) {
        unsigned record = records[i];

        if ((mdns_existing(&m->own) & MDNS_BIT(record)) == 0 ||
            mdns_name_of(&m->own, record) != name)
            continue;
        insert(ours, &our_count,
               (ranked){ mdns_type_of(record), (uint16_t)mdns_data_of(&m->own, record, our_data[i]),
                         our_data[i] });
    }
    while (taken < RANKED_MAX && mdns_read(&r, &m->entry)) {
        const mdns_entry *e = &m->entry;

        if (e->section != MDNS_AUTHORITIES || e->class != MDNS_CLASS_IN ||
            !mdns_name_equal(&e->name, name))
            continue;
        memcpy(their_data[taken], e->data, e->data_len);
        insert(theirs, &their_count, (ranked){ e->type, e->data_len, their_data[taken] });
        taken++;
    }
    return their_count > 0 ? compare_lists(ours, our_count, theirs, their_count) : 0;
}

static void take_probe(at_mdns *m, uint64_t now_us, const mdns_reader *r)
{
    if (compare_probe(m, *r, &m->own.host) < 0 || compare_probe(m, *r, &m->own.instance) < 0)
        probe_from(m, now_us + LOST_PROBE_US);
}

/* ---- answers ---- */

static void answer_later(at_mdns *m, uint64_t now_us, unsigned records, unsigned least_ms,
                         unsigned most_ms)
{
    uint64_t due_us =
        now_us + (least_ms + m->ops->random(m->ops->ctx) % (most_ms - least_ms + 1)) * MS;

    m->answer_us = m->pending != 0 ? AT_MIN(m->answer_us, due_us) : due_us;
    m->pending |= records;
}

static unsigned without_recent(const at_mdns *m, uint64_t now_us, unsigned records,
                               uint64_t quiet_us)
{
    for (unsigned i = 0; i < MDNS_RECORDS; i++) {
        if (m->told_us[i] != 0 && now_us - m->told_us[i] < quiet_us)
            records &= ~MDNS_BIT(i);
    }
    return records;
}

static void answer_one(at_mdns *m, const mdns_reader *query, unsigned records, bool legacy,
                       const at_mdns_peer *to)
{
    mdns_reader again;
    unsigned flags = MDNS_FLAG_RESPONSE | MDNS_FLAG_AUTHORITATIVE;
    mdns_ttl ttl = legacy ? MDNS_TTL_LEGACY : MDNS_TTL_FULL;

    mdns_begin(&m->writer, legacy ? query->id : 0, (uint16_t)flags);
    if (legacy && mdns_read_header(&again, query->message, query->len) &&
        mdns_read(&again, &m->entry))
        put_question(&m->writer, &m->entry.name, m->entry.type, m->entry.class);
    put_records(m, records, MDNS_ANSWERS, ttl);
    put_records(m, companions(records, mdns_existing(&m->own)), MDNS_ADDITIONALS, ttl);
    send_built(m, to);
}

typedef struct wanted {
    unsigned to_all, to_one;
    bool probe; /* somebody wants a name, and has records for it */
} wanted;

static wanted read_query(at_mdns *m, mdns_reader *r, bool legacy)
{
    wanted w = { .probe = r->left[MDNS_AUTHORITIES] > 0 };
    bool rest = r->left[MDNS_QUESTIONS] == 0; /* of a truncated query (section 7.2) */

    while (mdns_read(r, &m->entry)) {
        const mdns_entry *e = &m->entry;
        unsigned same;

        if (e->section == MDNS_QUESTIONS) {
            unsigned asked = mdns_asked(&m->own, e);

            *(legacy || e->top_bit ? &w.to_one : &w.to_all) |= asked;
            continue;
        }
        if (e->section != MDNS_ANSWERS)
            break;
        same = mdns_same(&m->own, e);
        for (unsigned i = 0; i < MDNS_RECORDS; i++) {
            if ((same & MDNS_BIT(i)) == 0 || e->ttl_s < mdns_ttl_of(i) / 2)
                continue;
            w.to_all &= ~MDNS_BIT(i);
            w.to_one &= ~MDNS_BIT(i);
            if (rest) /* else somebody else may wait for it, and know nothing */
                m->pending &= ~MDNS_BIT(i);
        }
    }
    return w;
}

static void take_query(at_mdns *m, uint64_t now_us, mdns_reader *r, const at_mdns_peer *from)
{
    bool legacy = from->port != AT_MDNS_PORT;
    mdns_reader query = *r;
    wanted w = read_query(m, r, legacy);

    if (w.to_one != 0)
        answer_one(m, &query, w.to_one, legacy, from);
    w.to_all = without_recent(m, now_us, w.to_all, w.probe ? DEFENCE_US : QUIET_US);
    if (w.to_all == 0)
        return;
    if ((query.flags & MDNS_FLAG_TRUNCATED) != 0)
        answer_later(m, now_us, w.to_all, 400, 500);
    else if ((w.to_all & MDNS_SHARED) != 0)
        answer_later(m, now_us, w.to_all, 20, 120);
    else
        multicast(m, now_us, w.to_all, MDNS_TTL_FULL);
}

void at_mdns_input(at_mdns *m, uint64_t now_us, const uint8_t *message, size_t len,
                   const at_mdns_peer *from)
{
    mdns_reader r;

    if (m->state == OFF || !mdns_read_header(&r, message, len) ||
        (r.flags & MDNS_MASK_OPCODE_RCODE) != 0)
        return;
    if ((r.flags & MDNS_FLAG_RESPONSE) != 0) {
        if (from->port == AT_MDNS_PORT)
            take_response(m, now_us, &r);
    } else if (m->state != PROBING) {
        take_query(m, now_us, &r, from);
    } else if (r.left[MDNS_AUTHORITIES] > 0) {
        take_probe(m, now_us, &r);
    }
}

/* ---- time ---- */

uint64_t at_mdns_due(const at_mdns *m)
{
    uint64_t due_us = AT_MDNS_IDLE;

    if (m->state == PROBING || m->state == ANNOUNCING)
        due_us = m->step_us;
    if (m->pending != 0)
        due_us = AT_MIN(due_us, m->answer_us);
    return due_us;
}

void at_mdns_run(at_mdns *m, uint64_t now_us)
{
    if (m->pending != 0 && m->answer_us <= now_us) {
        unsigned records = m->pending & mdns_existing(&m->own);

        m->pending = 0;
        multicast(m, now_us, without_recent(m, now_us, records, QUIET_US), MDNS_TTL_FULL);
    }
    if ((m->state == PROBING || m->state == ANNOUNCING) && m->step_us <= now_us)
        step(m, now_us);
}
