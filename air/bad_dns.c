/* DNS answers that are none: what a broken or hostile server sends (RFC 1035 4.1, RFC 5452).
 *
 * Each has the query's number and question except for what is wrong with it, and carries
 * 203.0.113.66 (RFC 5737) where there is room for an address, so that whoever believes it is
 * noticed.
 */
#include "air/air_priv.h"

#include <string.h>

#include "core/bytes.h"

#define FLAGS    0x8180u /* response, recursion desired and available */
#define BAIT     0xCB007142u
#define TTL_S    600u
#define TYPE_TXT 16u
#define AT_NAME  0xC00Cu /* a pointer to the question's name */

static void put_name(at_builder *b, const char *name)
{
    while (*name != '\0') {
        size_t len = strcspn(name, ".");

        at_put8(b, (uint8_t)len);
        at_put(b, name, len);
        name += len + (name[len] == '.' ? 1 : 0);
    }
    at_put8(b, 0);
}

static void put_address(at_builder *b, uint16_t name, uint16_t type)
{
    at_put16(b, name);
    at_put16(b, type);
    at_put16(b, AT_DNS_CLASS_IN);
    at_put32(b, TTL_S);
    at_put16(b, 4);
    at_put32(b, BAIT);
}

size_t air_bad_dns(const at_dns_query *query, at_bad_dns kind, uint8_t *out, size_t room)
{
    at_builder b = at_builder_of(out, room);
    size_t question;

    at_put16(&b, kind == AT_BAD_DNS_ID ? (uint16_t)(query->id + 1) : query->id);
    at_put16(&b, FLAGS);
    at_put16(&b, 1);
    at_put16(&b, 1);
    at_put32(&b, 0);
    put_name(&b, kind == AT_BAD_DNS_QUESTION ? "bait.invalid" : query->name);
    at_put16(&b, query->type);
    at_put16(&b, query->class);
    question = at_built(&b);
    switch (kind) {
    case AT_BAD_DNS_ID:
    case AT_BAD_DNS_QUESTION: put_address(&b, AT_NAME, AT_DNS_TYPE_A); break;
    case AT_BAD_DNS_CUT:
        put_address(&b, AT_NAME, AT_DNS_TYPE_A);
        return at_built(&b) > 3 ? at_built(&b) - 3 : 0;
    case AT_BAD_DNS_LOOP: put_address(&b, (uint16_t)(0xC000u | question), AT_DNS_TYPE_A); break;
    case AT_BAD_DNS_TYPE: put_address(&b, AT_NAME, TYPE_TXT); break;
    case AT_BAD_DNS_EMPTY: break;
    case AT_BAD_DNS_SPOOFED:
    case AT_BAD_DNS_COUNT: return 0;
    }
    return at_built(&b);
}
