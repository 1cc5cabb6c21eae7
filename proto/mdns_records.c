/* The records of a host with one service (RFC 6762 section 6.1, RFC 6763).
 *
 *     _services._dns-sd._udp.local  PTR   TYPE.PROTO.local           shared
 *     TYPE.PROTO.local              PTR   INSTANCE.TYPE.PROTO.local  shared
 *     INSTANCE.TYPE.PROTO.local     SRV   HOST.local, port           ours alone
 *     INSTANCE.TYPE.PROTO.local     TXT   pairs                      ours alone
 *     HOST.local                    A, AAAA                          ours alone
 *     4.3.2.1.in-addr.arpa          PTR   HOST.local                 ours alone
 *
 * and for both names of ours an NSEC, which says that other types do not exist: a computer that asks
 * for an IPv6 address of a host without one needs not wait for an answer in vain.
 */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "proto/mdns_priv.h"

#define HOST_TTL_S    120u  /* of what says where the host is */
#define SERVICE_TTL_S 4500u /* of everything else (RFC 6762 section 10) */
#define LEGACY_TTL_S  10u   /* for those who do not know what a goodbye is (section 6.7) */

/* The longest name has three labels of ours and "local": 199 bytes. */
static void add_label(mdns_name *name, const char *label)
{
    size_t len = strlen(label);

    name->bytes[name->len] = (uint8_t)len;
    memcpy(name->bytes + name->len + 1, label, len);
    name->len = (uint8_t)(name->len + len + 1);
}

static void make_name(mdns_name *name, const char *const *labels, size_t count)
{
    name->len = 0;
    for (size_t i = 0; i < count; i++)
        add_label(name, labels[i]);
    name->bytes[name->len++] = 0;
}

static void make_reverse(mdns_records *own)
{
    const uint8_t *ip = own->addresses.ip4;
    char text[4][4];

    for (unsigned i = 0; i < 4; i++)
        (void)snprintf(text[i], sizeof text[i], "%u", ip[3 - i]);
    make_name(&own->reverse,
              (const char *const[]){ text[0], text[1], text[2], text[3], "in-addr", "arpa" }, 6);
}

void mdns_make_names(mdns_records *own)
{
    const at_mdns_service *s = &own->service;

    make_name(&own->host, (const char *const[]){ s->host, "local" }, 2);
    make_name(&own->type, (const char *const[]){ s->type, s->proto, "local" }, 3);
    make_name(&own->instance, (const char *const[]){ s->instance, s->type, s->proto, "local" }, 4);
    make_name(&own->services, (const char *const[]){ "_services", "_dns-sd", "_udp", "local" }, 4);
    make_reverse(own);
}

unsigned mdns_existing(const mdns_records *own)
{
    unsigned all = MDNS_SHARED | MDNS_INSTANCE | MDNS_NSECS;

    if (own->addresses.has_ip4)
        all |= MDNS_BIT(MDNS_REC_A) | MDNS_BIT(MDNS_REC_REVERSE);
    if (own->addresses.ip6_count > 0)
        all |= MDNS_BIT(MDNS_REC_AAAA);
    if (own->addresses.ip6_count > 1)
        all |= MDNS_BIT(MDNS_REC_AAAA_2);
    return all;
}

const mdns_name *mdns_name_of(const mdns_records *own, unsigned record)
{
    switch (record) {
    case MDNS_REC_TYPES: return &own->services;
    case MDNS_REC_PTR: return &own->type;
    case MDNS_REC_SRV:
    case MDNS_REC_TXT:
    case MDNS_REC_NSEC_SERVICE: return &own->instance;
    case MDNS_REC_REVERSE: return &own->reverse;
    default: return &own->host;
    }
}

uint16_t mdns_type_of(unsigned record)
{
    static const uint8_t types[MDNS_RECORDS] = {
        [MDNS_REC_TYPES] = MDNS_TYPE_PTR,
        [MDNS_REC_PTR] = MDNS_TYPE_PTR,
        [MDNS_REC_SRV] = MDNS_TYPE_SRV,
        [MDNS_REC_TXT] = MDNS_TYPE_TXT,
        [MDNS_REC_A] = MDNS_TYPE_A,
        [MDNS_REC_AAAA] = MDNS_TYPE_AAAA,
        [MDNS_REC_AAAA_2] = MDNS_TYPE_AAAA,
        [MDNS_REC_REVERSE] = MDNS_TYPE_PTR,
        [MDNS_REC_NSEC_HOST] = MDNS_TYPE_NSEC,
        [MDNS_REC_NSEC_SERVICE] = MDNS_TYPE_NSEC,
    };

    return types[record];
}

uint32_t mdns_ttl_of(unsigned record)
{
    const unsigned service = MDNS_SHARED | MDNS_BIT(MDNS_REC_TXT);

    return (MDNS_BIT(record) & service) != 0 ? SERVICE_TTL_S : HOST_TTL_S;
}

/* The name in the data of a record, NULL: none. */
static const mdns_name *target_of(const mdns_records *own, unsigned record)
{
    switch (record) {
    case MDNS_REC_TYPES: return &own->type;
    case MDNS_REC_PTR: return &own->instance;
    case MDNS_REC_SRV:
    case MDNS_REC_REVERSE:
    case MDNS_REC_NSEC_HOST: return &own->host;
    case MDNS_REC_NSEC_SERVICE: return &own->instance;
    default: return NULL;
    }
}

/* Of an NSEC, behind the name: a map of the types below 256 that exist (RFC 6762 section 6.1). */
static size_t put_map(const mdns_records *own, unsigned record, uint8_t *data)
{
    static const uint8_t types[] = { MDNS_TYPE_A, MDNS_TYPE_TXT, MDNS_TYPE_AAAA, MDNS_TYPE_SRV };
    const mdns_name *name = mdns_name_of(own, record);
    unsigned existing = mdns_existing(own) & ~MDNS_NSECS;
    uint8_t map[5] = { 0 };
    size_t len = 0;

    for (unsigned i = 0; i < MDNS_RECORDS; i++) {
        unsigned type = mdns_type_of(i);

        if ((existing & MDNS_BIT(i)) == 0 || mdns_name_of(own, i) != name ||
            memchr(types, (int)type, sizeof types) == NULL)
            continue;
        map[type / 8] |= (uint8_t)(0x80u >> type % 8);
        len = AT_MAX(len, type / 8 + 1);
    }
    data[0] = 0;
    data[1] = (uint8_t)len;
    memcpy(data + 2, map, len);
    return len > 0 ? len + 2 : 0;
}

/* The data up to a name. */
static size_t put_fixed(const mdns_records *own, unsigned record, uint8_t data[MDNS_DATA_MAX])
{
    const at_mdns_service *s = &own->service;

    switch (record) {
    case MDNS_REC_SRV:
        memset(data, 0, 4); /* priority, weight */
        data[4] = (uint8_t)(s->port >> 8);
        data[5] = (uint8_t)s->port;
        return 6;
    case MDNS_REC_TXT:
        data[0] = 0; /* nothing to say is one empty pair (RFC 6763 section 6.1) */
        memcpy(data, s->txt, s->txt_len);
        return AT_MAX(s->txt_len, 1u);
    case MDNS_REC_A: memcpy(data, own->addresses.ip4, 4); return 4;
    case MDNS_REC_AAAA:
    case MDNS_REC_AAAA_2: memcpy(data, own->addresses.ip6[record - MDNS_REC_AAAA], 16); return 16;
    default: return 0;
    }
}

size_t mdns_data_of(const mdns_records *own, unsigned record, uint8_t data[MDNS_DATA_MAX])
{
    const mdns_name *target = target_of(own, record);
    size_t len = put_fixed(own, record, data);

    if (target != NULL) {
        memcpy(data + len, target->bytes, target->len);
        len += target->len;
    }
    if ((MDNS_BIT(record) & MDNS_NSECS) != 0)
        len += put_map(own, record, data + len);
    return len;
}

void mdns_put_record(mdns_writer *w, const mdns_records *own, unsigned record, unsigned section,
                     mdns_ttl ttl)
{
    bool shared = (MDNS_BIT(record) & MDNS_SHARED) != 0;
    bool nsec = (MDNS_BIT(record) & MDNS_NSECS) != 0;
    bool flush = !shared && section != MDNS_AUTHORITIES && ttl != MDNS_TTL_LEGACY;
    const mdns_name *target = target_of(own, record);
    uint8_t data[MDNS_DATA_MAX];
    uint32_t ttl_s = mdns_ttl_of(record);
    size_t len_at, len = put_fixed(own, record, data);

    if (ttl == MDNS_TTL_LEGACY)
        ttl_s = LEGACY_TTL_S;
    if (ttl == MDNS_TTL_GOODBYE)
        ttl_s = 0;
    mdns_put_name(w, mdns_name_of(own, record), true);
    mdns_put16(w, mdns_type_of(record));
    mdns_put16(w, MDNS_CLASS_IN | (flush ? MDNS_TOP_BIT : 0));
    mdns_put16(w, ttl_s >> 16);
    mdns_put16(w, ttl_s);
    len_at = w->len;
    mdns_put16(w, 0);
    mdns_put(w, data, len);
    if (target != NULL) /* old resolvers know no compressed name in SRV (RFC 6762 section 18.14) */
        mdns_put_name(w, target, ttl != MDNS_TTL_LEGACY || record != MDNS_REC_SRV);
    if (nsec)
        mdns_put(w, data, put_map(own, record, data));
    if (!w->ok)
        return;
    w->out[len_at] = (uint8_t)((w->len - len_at - 2) >> 8);
    w->out[len_at + 1] = (uint8_t)(w->len - len_at - 2);
    mdns_count(w, section);
}

unsigned mdns_asked(const mdns_records *own, const mdns_entry *question)
{
    unsigned asked = 0, nsec = 0;

    if (question->class != MDNS_CLASS_IN && question->class != MDNS_CLASS_ANY)
        return 0;
    for (unsigned i = 0; i < MDNS_RECORDS; i++) {
        if ((mdns_existing(own) & MDNS_BIT(i)) == 0 ||
            !mdns_name_equal(&question->name, mdns_name_of(own, i)))
            continue;
        if ((MDNS_BIT(i) & MDNS_NSECS) != 0)
            nsec = MDNS_BIT(i);
        else if (question->type == mdns_type_of(i) || question->type == MDNS_TYPE_ANY)
            asked |= MDNS_BIT(i);
    }
    return asked != 0 ? asked : nsec;
}

unsigned mdns_same(const mdns_records *own, const mdns_entry *record)
{
    uint8_t data[MDNS_DATA_MAX];
    unsigned same = 0;

    if (record->class != MDNS_CLASS_IN)
        return 0;
    for (unsigned i = 0; i < MDNS_RECORDS; i++) {
        if ((mdns_existing(own) & MDNS_BIT(i)) != 0 && record->type == mdns_type_of(i) &&
            mdns_name_equal(&record->name, mdns_name_of(own, i)) &&
            mdns_same_data(record->type, data, mdns_data_of(own, i, data), record->data,
                           record->data_len))
            same |= MDNS_BIT(i);
    }
    return same;
}

void mdns_next_label(char label[AT_MDNS_LABEL_MAX + 1])
{
    size_t len = strlen(label), digits = len;
    unsigned number = 1;
    char tail[12];
    int tail_len;

    while (digits > 0 && label[digits - 1] >= '0' && label[digits - 1] <= '9')
        digits--;
    if (digits < len && len - digits <= 6 && digits > 1 && label[digits - 1] == '-') {
        number = 0;
        for (size_t i = digits; i < len; i++)
            number = number * 10 + (unsigned)(label[i] - '0');
        len = digits - 1;
    }
    tail_len = snprintf(tail, sizeof tail, "-%u", number + 1);
    if (len + (size_t)tail_len > AT_MDNS_LABEL_MAX) {
        len = AT_MDNS_LABEL_MAX - (size_t)tail_len;
        while (len > 1 && ((uint8_t)label[len] & 0xC0) == 0x80)
            len--; /* not through the middle of a character of UTF-8 */
    }
    memcpy(label + len, tail, (size_t)tail_len + 1);
}

bool at_mdns_add_txt(at_mdns_service *service, const char *key, const char *value)
{
    size_t key_len = strlen(key), value_len = strlen(value), len = key_len + 1 + value_len;
    uint8_t *at = service->txt + service->txt_len;

    if (len > 255 || len + 1 > sizeof service->txt - service->txt_len)
        return false;
    at[0] = (uint8_t)len;
    memcpy(at + 1, key, key_len);
    at[1 + key_len] = '=';
    memcpy(at + 2 + key_len, value, value_len);
    service->txt_len = (uint16_t)(service->txt_len + len + 1);
    return true;
}
