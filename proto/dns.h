/* DNS messages for an answerer (RFC 1035, AAAA of RFC 3596): reads one query, builds its answer.
 * Queries that are forwarded stay raw bytes. */
#ifndef PROTO_DNS_H
#define PROTO_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define AT_DNS_PORT     53u
#define AT_DNS_NAME_MAX 254u /* bytes of a name as text, its end included */
#define AT_DNS_UDP_MAX  512u /* bytes of a message over UDP */

#define AT_DNS_TYPE_A    1u
#define AT_DNS_TYPE_AAAA 28u
#define AT_DNS_TYPE_ANY  255u
#define AT_DNS_CLASS_IN  1u

typedef enum at_dns_rcode {
    AT_DNS_OK = 0,
    AT_DNS_FORMAT_ERROR = 1,
    AT_DNS_SERVFAIL = 2,
    AT_DNS_NXDOMAIN = 3,
    AT_DNS_NOT_IMPLEMENTED = 4,
    AT_DNS_REFUSED = 5,
} at_dns_rcode;

typedef struct at_dns_query {
    uint16_t id;
    bool recursion_desired;
    uint8_t opcode;
    bool has_question;          /* the fields below are valid */
    char name[AT_DNS_NAME_MAX]; /* "www.example.org", without a last dot; "" is the root */
    uint16_t type, class;
} at_dns_query;

/* Reads a message. AT_ERR_CORRUPT: not a query at all, do not answer. AT_ERR_UNSUPPORTED: a query
 * of another kind (opcode, number of questions), AT_ERR_INVALID: its question makes no sense; both
 * can be answered, with AT_DNS_NOT_IMPLEMENTED and AT_DNS_FORMAT_ERROR, as q->id is valid. */
at_err at_dns_parse_query(at_dns_query *q, const uint8_t *message, size_t len);

/* Each builds a whole message into out, returns its length, 0 when room is short. Room of
 * AT_DNS_UDP_MAX is enough for all, except many addresses: those that do not fit are left out and
 * the answer is marked as cut. ttl_s in seconds. */
size_t at_dns_answer_a(const at_dns_query *q, const uint32_t *addresses, size_t count,
                       uint32_t ttl_s, uint8_t *out, size_t room); /* 192.168.3.1 is 0xC0A80301 */
size_t at_dns_answer_aaaa(const at_dns_query *q, const uint8_t (*addresses)[16], size_t count,
                          uint32_t ttl_s, uint8_t *out, size_t room);
/* No records: AT_DNS_OK says that the name exists but has none of this type. */
size_t at_dns_answer_empty(const at_dns_query *q, at_dns_rcode rcode, uint8_t *out, size_t room);

/* Reads the possibly compressed name at *offset of a message into text and moves *offset behind it.
 * False: cut off, too long, a pointer that does not point backwards, or a label with a dot, a zero
 * or a byte that is not printable ASCII in it. */
bool at_dns_read_name(const uint8_t *message, size_t len, size_t *offset,
                      char text[AT_DNS_NAME_MAX]);
/* As DNS compares: ASCII without case; one last dot does not matter. */
bool at_dns_name_equal(const char *a, const char *b);

#endif
