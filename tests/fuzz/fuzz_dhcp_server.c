/* The DHCP server: a sequence of messages, each preceded by its length (one byte) and by seconds
 * that pass (one byte, the highest bit: the message starts at its options, with a valid head of a
 * station named by its first byte). After each, no station holds two addresses. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/bytes.h"
#include "proto/dhcp.h"

#define HEAD_LEN 240u

/* A BOOTP head up to the magic cookie. */
static void put_head(uint8_t *payload, uint8_t station)
{
    memset(payload, 0, HEAD_LEN);
    memcpy(payload, "\x01\x01\x06", 3);
    payload[33] = station & 7;
    /* Renewing is told by the client address. */
    if ((station & 8) != 0)
        memcpy(payload + 12, "\xC0\xA8\x03\x71", 4);
    memcpy(payload + 236, "\x63\x82\x53\x63", 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const at_dhcps_config config = {
        .server = 0xC0A80301,
        .first = 0xC0A80370,
        .last = 0xC0A80373,
        .netmask = 0xFFFFFF00,
        .router = 0xC0A80301,
        .dns = 0xC0A80301,
        .lease_s = 120,
    };
    at_dhcps_lease leases[4];
    uint8_t answer[AT_DHCP_REPLY_MAX];
    at_reader r = at_reader_of(data, size);
    uint64_t now_s = 0;
    at_dhcps server;

    at_dhcps_init(&server, &config, leases, AT_COUNT(leases));
    while (r.left > 2) {
        uint8_t payload[HEAD_LEN + 256];
        size_t len = at_get8(&r);
        uint8_t seconds = at_get8(&r);
        bool headed = (seconds & 0x80) != 0 && r.left > 0 && len > 0;

        now_s += seconds & 0x7F;
        len = AT_MIN(len, r.left);
        if (headed)
            put_head(payload, r.at[0]);
        at_get_copy(&r, payload + (headed ? HEAD_LEN : 0), len);
        len += headed ? HEAD_LEN : 0;
        if (at_dhcps_input(&server, now_s, payload, len, answer).len > sizeof answer)
            __builtin_trap();
        for (size_t i = 0; i < AT_COUNT(leases); i++)
            for (size_t j = 0; j < i; j++)
                if (leases[i].known && leases[j].known &&
                    memcmp(leases[i].mac, leases[j].mac, 6) == 0)
                    __builtin_trap();
    }
    return 0;
}
