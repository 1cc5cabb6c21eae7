/* The DHCP server: a sequence of messages, each preceded by its length (two bytes) and by seconds that
 * pass (one byte). After each, no station holds two addresses. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/bytes.h"
#include "proto/dhcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const at_dhcps_config config = {
        .server = 0xC0A80301, .first = 0xC0A80370, .last = 0xC0A80373, .netmask = 0xFFFFFF00,
        .router = 0xC0A80301, .dns = 0xC0A80301, .lease_s = 120,
    };
    at_dhcps_lease leases[4];
    uint8_t answer[AT_DHCP_REPLY_MAX];
    at_reader r = at_reader_of(data, size);
    uint64_t now_s = 0;
    at_dhcps server;

    at_dhcps_init(&server, &config, leases, AT_COUNT(leases));
    while (r.left > 3) {
        size_t len = at_get16(&r);
        const uint8_t *payload;

        now_s += at_get8(&r);
        len = AT_MIN(len, r.left);
        payload = at_get(&r, len);
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
