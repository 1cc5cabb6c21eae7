/* The parts of the mDNS responder: messages (mdns_message.c), our records (mdns_records.c), behaviour
 * (mdns.c). */
#ifndef PROTO_MDNS_PRIV_H
#define PROTO_MDNS_PRIV_H

#include "proto/mdns.h"

/* --- messages --- */

#define MDNS_TYPE_A    1u
#define MDNS_TYPE_PTR  12u
#define MDNS_TYPE_TXT  16u
#define MDNS_TYPE_AAAA 28u
#define MDNS_TYPE_SRV  33u
#define MDNS_TYPE_NSEC 47u
#define MDNS_TYPE_ANY  255u
#define MDNS_CLASS_IN  1u
#define MDNS_CLASS_ANY 255u
#define MDNS_TOP_BIT   0x8000u /* of a class: cache flush, or an answer by unicast is welcome */

#define MDNS_FLAG_RESPONSE      0x8000u
#define MDNS_FLAG_AUTHORITATIVE 0x0400u
#define MDNS_FLAG_TRUNCATED     0x0200u
#define MDNS_MASK_OPCODE_RCODE  0x780Fu

#define MDNS_NAME_MAX 255u
#define MDNS_DATA_MAX 336u /* bytes of the data of a record that is looked at: any of ours */

/* A name as it travels, without compression: labels behind their lengths, an empty one at the end. */
typedef struct mdns_name {
    uint8_t bytes[MDNS_NAME_MAX];
    uint8_t len; /* with the end */
} mdns_name;

bool mdns_name_equal(const mdns_name *a, const mdns_name *b); /* ASCII without case */

enum { MDNS_QUESTIONS, MDNS_ANSWERS, MDNS_AUTHORITIES, MDNS_ADDITIONALS, MDNS_SECTIONS };

typedef struct mdns_reader {
    const uint8_t *message;
    size_t len, at;
    uint16_t id, flags;
    uint16_t left[MDNS_SECTIONS]; /* entries not yet read */
} mdns_reader;

/* A question, or a record: then ttl_s and data are set. Names in the data of PTR and SRV are
 * expanded. */
typedef struct mdns_entry {
    unsigned section;
    mdns_name name;
    uint16_t type, class;
    bool top_bit;
    uint32_t ttl_s;
    uint8_t data[MDNS_DATA_MAX];
    uint16_t data_len;
} mdns_entry;

bool mdns_read_header(mdns_reader *r, const uint8_t *message, size_t len);
/* The next entry; false: that was the last, or the rest makes no sense. */
bool mdns_read(mdns_reader *r, mdns_entry *entry);
/* The same data of two records of this type. */
bool mdns_same_data(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

#define MDNS_SUFFIXES 24u

/* Names that are written have to live as long as the writer: later ones point at them. */
typedef struct mdns_writer {
    uint8_t out[AT_MDNS_MESSAGE_MAX];
    size_t len;
    bool ok;
    struct {
        const uint8_t *suffix;
        uint16_t len, at;
    } known[MDNS_SUFFIXES];
    unsigned known_count;
} mdns_writer;

void mdns_begin(mdns_writer *w, uint16_t id, uint16_t flags);
void mdns_count(mdns_writer *w, unsigned section); /* one more entry of it */
void mdns_put(mdns_writer *w, const void *data, size_t len);
void mdns_put16(mdns_writer *w, unsigned value);
void mdns_put_name(mdns_writer *w, const mdns_name *name, bool compress);

/* --- records --- */

/* What we own: as numbers for a table, as bits in sets. NSEC says which types a name has. */
enum {
    MDNS_REC_TYPES, /* _services._dns-sd._udp.local -> the type */
    MDNS_REC_PTR,   /* the type -> the instance */
    MDNS_REC_SRV,
    MDNS_REC_TXT,
    MDNS_REC_A,
    MDNS_REC_AAAA,
    MDNS_REC_AAAA_2,
    MDNS_REC_REVERSE, /* the IPv4 address -> the host */
    MDNS_REC_NSEC_HOST,
    MDNS_REC_NSEC_SERVICE,
    MDNS_RECORDS
};
#define MDNS_BIT(record) (1u << (record))
#define MDNS_SHARED      (MDNS_BIT(MDNS_REC_TYPES) | MDNS_BIT(MDNS_REC_PTR))
#define MDNS_AAAAS       (MDNS_BIT(MDNS_REC_AAAA) | MDNS_BIT(MDNS_REC_AAAA_2))
#define MDNS_ADDRESSES   (MDNS_BIT(MDNS_REC_A) | MDNS_AAAAS)
#define MDNS_INSTANCE    (MDNS_BIT(MDNS_REC_SRV) | MDNS_BIT(MDNS_REC_TXT))
#define MDNS_NSECS       (MDNS_BIT(MDNS_REC_NSEC_HOST) | MDNS_BIT(MDNS_REC_NSEC_SERVICE))

typedef struct mdns_records {
    at_mdns_service service;
    at_mdns_addresses addresses;
    mdns_name host, type, instance, services, reverse;
} mdns_records;

void mdns_make_names(mdns_records *own); /* after any change of service or addresses */
unsigned mdns_existing(const mdns_records *own);
const mdns_name *mdns_name_of(const mdns_records *own, unsigned record);
uint16_t mdns_type_of(unsigned record);
/* The data without compression; returns its length, at most MDNS_DATA_MAX. */
size_t mdns_data_of(const mdns_records *own, unsigned record, uint8_t data[MDNS_DATA_MAX]);
unsigned mdns_asked(const mdns_records *own, const mdns_entry *question);
unsigned mdns_same(const mdns_records *own, const mdns_entry *record); /* those equal to it */
typedef enum mdns_ttl { MDNS_TTL_FULL, MDNS_TTL_LEGACY, MDNS_TTL_GOODBYE } mdns_ttl;
uint32_t mdns_ttl_of(unsigned record);
void mdns_put_record(mdns_writer *w, const mdns_records *own, unsigned record, unsigned section,
                     mdns_ttl ttl);
/* The next name to try: "name" is followed by "name-2", that by "name-3". */
void mdns_next_label(char label[AT_MDNS_LABEL_MAX + 1]);

#endif
