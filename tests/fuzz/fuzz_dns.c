/* The DNS answerer's codec: what is accepted can be answered, and reads back as the same
 * question. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint32_t address = 0xC0A80301;
    uint8_t out[AT_DNS_UDP_MAX];
    at_dns_query q, again;
    at_err err = at_dns_parse_query(&q, data, size);
    size_t len;

    if (err == AT_ERR_CORRUPT)
        return 0;
    if (at_dns_answer_empty(&q, AT_DNS_FORMAT_ERROR, out, sizeof out) == 0)
        __builtin_trap();
    if (err != AT_OK)
        return 0;
    len = at_dns_answer_a(&q, &address, 1, 60, out, sizeof out);
    out[2] &= 0x7F;
    if (at_dns_parse_query(&again, out, len) != AT_OK || strcmp(again.name, q.name) != 0)
        __builtin_trap();
    return 0;
}
