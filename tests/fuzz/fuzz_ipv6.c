/* IPv6 as a router reads it: any packet, and what is built from it reads back. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/icmp6.h"
#include "proto/ipv6.h"
#include "proto/tcp.h"
#include "proto/udp.h"

static void expect(bool condition)
{
    if (!condition)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t gateway[16] = { 0xFD, [15] = 1 };
    uint8_t out[AT_ICMP6_UNREACHABLE_MAX], copy[2048];
    at_ipv6 ip, again, quoted;
    at_nd nd;
    at_udp udp;
    at_tcp tcp;
    size_t len;

    if (size > sizeof copy || !at_ipv6_parse(&ip, data, size))
        return 0;
    expect(ip.header_len + ip.payload_len <= size);
    (void)at_nd_parse(&nd, &ip);
    (void)at_udp_parse6(&udp, &ip);
    if (at_icmp6_refused_syn(&ip, &quoted, &tcp))
        (void)at_tcp_reset6(&tcp, &quoted, out, sizeof out);
    len = at_icmp6_unreachable(AT_ICMP6_NO_ROUTE, gateway, data, size, out, sizeof out);
    expect(len == 0 || (at_ipv6_parse(&again, out, len) && memcmp(again.to, ip.from, 16) == 0));
    if (at_tcp_parse6(&tcp, &ip)) {
        len = at_tcp_reset6(&tcp, &ip, out, sizeof out);
        expect(len == 0 || (at_ipv6_parse(&again, out, len) && at_tcp_parse6(&tcp, &again)));
    }
    memcpy(copy, data, size);
    expect(at_ipv6_rewrite(copy, size, AT_IPV6_TO, gateway));
    expect(at_ipv6_parse(&again, copy, size) && memcmp(again.to, gateway, 16) == 0);
    memcpy(copy, data, size);
    if (at_icmp6_echo_reply(copy, size))
        expect(at_ipv6_parse(&again, copy, size) && !at_icmp6_echo_reply(copy, size));
    return 0;
}
