/* The access point as an IPv6 router: neighbours, advertisements, echo, names, the way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "fake.h"
#include "proto/dns.h"
#include "proto/ether.h"
#include "proto/icmp.h"
#include "proto/icmp6.h"
#include "proto/tcp.h"
#include "proto/udp.h"

static const uint8_t gateway_mac[6] = { 0x52, 0x55, 192, 168, 3, 1 };
static const uint8_t gateway[16] = { 0xFD, 0, 0x01, 0x92, 0x01, 0x68, 0, 3, [15] = 1 };
static const uint8_t pc[16] = { 0xFD, 0, 0x01, 0x92, 0x01, 0x68, 0, 3, [14] = 1, 2 };
static const uint8_t nobody[16] = { 0xFD, 0, 0x01, 0x92, 0x01, 0x68, 0, 3, [15] = 0x77 };
static const uint8_t station[16] = { 0xFD, 0, 0x01, 0x92, 0x01, 0x68, 0, 3, [15] = 0x70 };
static const uint8_t outside[16] = { 0x20, 1, 0x0D, 0xB8, [15] = 1 };
static const uint8_t link_local[16] = { 0xFE, 0x80, [15] = 1 };
static const uint8_t all_routers[16] = { 0xFF, 2, [15] = 2 };
static const uint8_t any[16];

static fake_station *joined(fake_air *bench)
{
    fake_station *s = fake_radio(bench);

    assert_true(fake_join(s, "espressif", "1234567890"));
    s->in_count = 0;
    return s;
}

/* Sends a payload whose checksum is at `offset`. */
static void send6(fake_station *s, const uint8_t from[16], const uint8_t to[16], uint8_t protocol,
                  uint8_t hop_limit, uint8_t *payload, size_t len, size_t offset)
{
    uint8_t frame[AT_ETHER_HEADER + AT_IPV6_HEADER + 600], mac[6];
    at_ipv6 ip = { .protocol = protocol, .hop_limit = hop_limit, .payload_len = len };
    uint16_t checksum;

    memcpy(ip.from, from, 16);
    memcpy(ip.to, to, 16);
    memcpy(mac, gateway_mac, 6);
    if (at_ipv6_is_group(to))
        at_ipv6_group_mac(to, mac);
    at_ether_build(frame, mac, s->mac, AT_ETHERTYPE_IPV6);
    at_ipv6_build(&ip, frame + AT_ETHER_HEADER, AT_IPV6_HEADER);
    payload[offset] = payload[offset + 1] = 0;
    checksum = at_checksum_end(
        at_checksum_add(at_checksum_pseudo6(from, to, protocol, len), payload, len));
    payload[offset] = (uint8_t)(checksum >> 8);
    payload[offset + 1] = (uint8_t)checksum;
    memcpy(frame + AT_ETHER_HEADER + AT_IPV6_HEADER, payload, len);
    s->in_count = 0;
    fake_send(s, frame, AT_ETHER_HEADER + AT_IPV6_HEADER + len);
}

static void solicit_router(fake_station *s, const uint8_t from[16])
{
    uint8_t icmp[8] = { 133 };

    send6(s, from, all_routers, AT_IPPROTO_ICMPV6, 255, icmp, sizeof icmp, 2);
}

static void solicit(fake_station *s, const uint8_t from[16], const uint8_t target[16])
{
    uint8_t icmp[24] = { 135 }, to[16] = { 0xFF, 2, [11] = 1, 0xFF };

    memcpy(icmp + 8, target, 16);
    memcpy(to + 13, target + 13, 3);
    send6(s, from, to, AT_IPPROTO_ICMPV6, 255, icmp, sizeof icmp, 2);
}

static void ping(fake_station *s, const uint8_t to[16])
{
    uint8_t icmp[12] = { 128, 0, 0, 0, 1, 2, 0, 1, 'p', 'i', 'n', 'g' };

    send6(s, station, to, AT_IPPROTO_ICMPV6, 64, icmp, sizeof icmp, 2);
}

static void syn(fake_station *s, const uint8_t from[16], const uint8_t to[16])
{
    uint8_t tcp[20] = {
        0x13, 0x88, 0, 80, 0, 0, 3, 0xE8, 0, 0, 0, 0, 0x50, AT_TCP_SYN, 0x16, 0x80
    };

    send6(s, from, to, AT_IPPROTO_TCP, 64, tcp, sizeof tcp, 16);
}

static void datagram(fake_station *s, const uint8_t to[16], uint16_t port, const void *data,
                     size_t len)
{
    uint8_t udp[600] = { 0x13,
                         0x88,
                         (uint8_t)(port >> 8),
                         (uint8_t)port,
                         (uint8_t)((len + 8) >> 8),
                         (uint8_t)(len + 8) };

    memcpy(udp + 8, data, len);
    send6(s, station, to, AT_IPPROTO_UDP, 64, udp, len + 8, 6);
}

/* The only frame that came back is this IPv6 packet. */
static void answer(const fake_station *s, at_ipv6 *ip)
{
    at_ether ether;

    assert_int_equal(s->in_count, 1);
    assert_true(at_ether_parse(&ether, s->inbox[0].data, s->inbox[0].len));
    assert_int_equal(ether.type, AT_ETHERTYPE_IPV6);
    assert_memory_equal(ether.from, gateway_mac, 6);
    assert_true(at_ipv6_parse(ip, ether.payload, ether.payload_len));
}

static void solicitations_are_answered(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, true);
    fake_station *s = joined(bench);
    at_ipv6 ip;
    at_nd nd;

    (void)state;
    solicit_router(s, station);
    answer(s, &ip);
    assert_memory_equal(ip.from, link_local, 16);
    assert_memory_equal(ip.to, station, 16);
    assert_int_equal(ip.payload[0], 134);
    assert_memory_equal(ip.payload + 48, gateway, 8); /* the prefix */
    solicit_router(s, any);
    answer(s, &ip);
    assert_memory_equal(ip.to, at_ipv6_all_nodes, 16);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *target = i == 0 ? gateway : i == 1 ? pc : link_local;

        solicit(s, station, target);
        answer(s, &ip);
        assert_int_equal(at_nd_parse(&nd, &ip), AT_ND_NEIGHBOR_ADVERT);
        assert_memory_equal(nd.target, target, 16);
    }
    solicit(s, any, gateway); /* somebody wants the router's address */
    answer(s, &ip);
    assert_memory_equal(ip.to, at_ipv6_all_nodes, 16);
    solicit(s, station, nobody);
    assert_int_equal(s->in_count, 0);
    fake_stop(bench);
}

static void promises_are_renewed(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = joined(bench);
    at_ipv6 ip;

    (void)state;
    fake_run(bench, 7 * 3600 * 1000);
    assert_int_equal(s->in_count, 0); /* nobody asked */
    solicit_router(s, station);
    s->in_count = 0;
    fake_run(bench, 6 * 3600 * 1000 - 1000);
    assert_int_equal(s->in_count, 0);
    fake_run(bench, 2000);
    answer(s, &ip);
    assert_int_equal(ip.payload[0], 134);
    assert_memory_equal(ip.to, at_ipv6_all_nodes, 16);
    fake_stop(bench);
}

static void echo_of_hosts(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, true);
    fake_station *s = joined(bench);
    at_ipv6 ip;

    (void)state;
    ping(s, gateway);
    answer(s, &ip);
    assert_int_equal(ip.payload[0], 129);
    assert_memory_equal(ip.from, gateway, 16);
    ping(s, pc);
    answer(s, &ip);
    assert_memory_equal(ip.from, pc, 16);
    ping(s, nobody);
    answer(s, &ip);
    assert_int_equal(ip.payload[0], 1);
    assert_int_equal(ip.payload[1], AT_ICMP6_ADDRESS_UNREACHABLE);
    fake_stop(bench);
}

static void names_over_ipv6(void **state)
{
    fake_air *bench = fake_start("[names]\nwww = fd00::9\n", AT_POLICY_OPEN, true);
    fake_station *s = joined(bench);
    const uint8_t www[] = { 0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 'w', 'w', 'w', 0, 0, 28, 0, 1 };
    const uint8_t host[] = { 0, 8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 'p', 'c', 0, 0, 28, 0, 1 };
    const uint8_t other[] = { 0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 28, 0, 1 };
    at_ipv6 ip;
    at_udp udp;

    (void)state;
    datagram(s, gateway, 53, www, sizeof www);
    answer(s, &ip);
    assert_true(at_udp_parse6(&udp, &ip));
    assert_int_equal(udp.data[7], 1);
    assert_int_equal(udp.data[udp.data_len - 1], 9);
    datagram(s, link_local, 53, host, sizeof host);
    answer(s, &ip);
    assert_memory_equal(ip.from, link_local, 16);
    assert_true(at_udp_parse6(&udp, &ip));
    assert_memory_equal(udp.data + udp.data_len - 16, pc, 16);
    datagram(s, gateway, 53, other, sizeof other); /* to the computer's resolver */
    assert_int_equal(s->in_count, 0);
    assert_int_equal(bench->dns_queries, 1);
    bench->dns_answer(bench->dns_arg, other, sizeof other);
    answer(s, &ip);
    assert_true(at_udp_parse6(&udp, &ip));
    assert_memory_equal(udp.data, other, sizeof other);
    fake_stop(bench);
}

static void expect_refused(fake_station *s, const uint8_t from[16], const uint8_t to[16])
{
    at_ipv6 ip;
    at_tcp tcp;

    syn(s, from, to);
    answer(s, &ip);
    assert_true(at_tcp_parse6(&tcp, &ip));
    assert_int_equal(tcp.flags, AT_TCP_RST | AT_TCP_ACK);
    assert_memory_equal(ip.from, to, 16);
}

static void policies(void **state)
{
    const at_policy all[] = { AT_POLICY_OPEN, AT_POLICY_LOCAL, AT_POLICY_NONE };

    (void)state;
    for (unsigned i = 0; i < AT_COUNT(all); i++) {
        fake_air *bench = fake_start(NULL, all[i], true);
        fake_station *s = joined(bench);
        size_t expected = 0;

        if (all[i] == AT_POLICY_NONE)
            expect_refused(s, station, pc);
        else
            syn(s, station, pc), expected++;
        if (all[i] == AT_POLICY_OPEN)
            syn(s, station, outside), expected++;
        else
            expect_refused(s, station, outside);
        expect_refused(s, station, nobody);
        expect_refused(s, link_local, outside); /* a link-local sender stays on the link */
        assert_int_equal(bench->uplink.count, expected);
        fake_stop(bench);
    }
}

/* The uplink has no echo of IPv6: said at once, not by a time-out. */
static void an_echo_beyond_is_refused(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, true);
    fake_station *s = joined(bench);
    at_ipv6 ip;

    (void)state;
    ping(s, outside);
    answer(s, &ip);
    assert_int_equal(ip.protocol, AT_IPPROTO_ICMPV6);
    assert_int_equal(ip.payload[0], 1); /* destination unreachable, */
    assert_int_equal(ip.payload[1], 1); /* administratively prohibited */
    assert_int_equal(bench->uplink.count, 0);
    fake_stop(bench);
}

static void answers_come_from_the_host_that_was_asked(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, true);
    fake_station *s = joined(bench);
    uint8_t back[14 + AT_TCP_RESET6_LEN];
    at_ipv6 ip;
    at_tcp tcp;

    (void)state;
    syn(s, station, pc);
    assert_int_equal(bench->uplink.count, 1);
    assert_true(
        at_ipv6_parse(&ip, bench->uplink.sent[0].data + 14, bench->uplink.sent[0].len - 14));
    assert_memory_equal(ip.to, gateway, 16); /* the only one the uplink knows */
    assert_true(at_tcp_parse6(&tcp, &ip));
    at_ether_build(back, s->mac, gateway_mac, AT_ETHERTYPE_IPV6);
    assert_int_equal(at_tcp_reset6(&tcp, &ip, back + 14, sizeof back - 14), AT_TCP_RESET6_LEN);
    s->in_count = 0;
    bench->uplink.config.deliver(bench->uplink.config.owner, back, sizeof back);
    answer(s, &ip);
    assert_memory_equal(ip.from, pc, 16);
    assert_true(at_tcp_parse6(&tcp, &ip));
    fake_stop(bench);
}

static void no_way_to_an_address_is_a_reset(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, true);
    fake_station *s = joined(bench);
    uint8_t back[14 + AT_ICMP6_UNREACHABLE_MAX];
    const fake_frame *sent = &bench->uplink.sent[0];
    at_ipv6 ip;
    at_tcp tcp;
    size_t len;

    (void)state;
    syn(s, station, outside);
    at_ether_build(back, s->mac, gateway_mac, AT_ETHERTYPE_IPV6);
    len = at_icmp6_unreachable(AT_ICMP6_NO_ROUTE, link_local, sent->data + 14, sent->len - 14,
                               back + 14, sizeof back - 14);
    s->in_count = 0;
    bench->uplink.config.deliver(bench->uplink.config.owner, back, 14 + len);
    answer(s, &ip);
    assert_memory_equal(ip.from, outside, 16);
    assert_true(at_tcp_parse6(&tcp, &ip));
    assert_int_equal(tcp.flags, AT_TCP_RST | AT_TCP_ACK);
    assert_int_equal(tcp.ack, 1001);
    fake_stop(bench);
}

static void off_is_silent(void **state)
{
    fake_air *bench =
        fake_start("[ap espressif]\npassword = 1234567890\nipv6 = off\nuplink = slirp\n",
                   AT_POLICY_OPEN, true);
    fake_station *s = joined(bench);

    (void)state;
    solicit_router(s, station);
    solicit(s, station, gateway);
    ping(s, gateway);
    syn(s, station, pc);
    assert_int_equal(s->in_count, 0);
    assert_int_equal(bench->uplink.count, 0);
    fake_stop(bench);
}

static void addresses_follow_the_network(void **state)
{
    fake_air *bench = fake_start("[ap home]\ngateway = 10.20.30.254/16\nprefix6 = fd77::/64\n"
                                 "uplink = slirp\n[host lab]\naddress = 10.20.255.7\n",
                                 AT_POLICY_OPEN, true);
    fake_station *s = fake_radio(bench);
    const uint8_t own[16] = { 0xFD, 0x77, [13] = 0x30, 0x02, 0x54 };
    const uint8_t lab[16] = { 0xFD, 0x77, [12] = 0x02, 0x55, 0, 7 };
    const uint8_t mac[6] = { 0x52, 0x55, 10, 20, 30, 254 };

    (void)state;
    assert_true(fake_join(s, "home", ""));
    solicit(s, station, own);
    assert_int_equal(s->in_count, 1);
    assert_memory_equal(s->inbox[0].data + 6, mac, 6);
    solicit(s, station, lab);
    assert_int_equal(s->in_count, 1);
    fake_stop(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solicitations_are_answered),
        cmocka_unit_test(promises_are_renewed),
        cmocka_unit_test(echo_of_hosts),
        cmocka_unit_test(names_over_ipv6),
        cmocka_unit_test(policies),
        cmocka_unit_test(an_echo_beyond_is_refused),
        cmocka_unit_test(answers_come_from_the_host_that_was_asked),
        cmocka_unit_test(no_way_to_an_address_is_a_reset),
        cmocka_unit_test(off_is_silent),
        cmocka_unit_test(addresses_follow_the_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
