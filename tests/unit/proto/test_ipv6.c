/* IPv6, ICMPv6 and neighbour discovery, and TCP and UDP over IPv6: published packets, extension headers,
 * rewriting, refusals, garbled packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "mutate.h"
#include "proto/icmp6.h"
#include "proto/ipv4.h"
#include "proto/ipv6.h"
#include "proto/tcp.h"
#include "proto/udp.h"

#define ROOM 1500u

static const uint8_t station[16] = { 0xFD, 0, 0x01, 0x92, [15] = 0x70 };
static const uint8_t gateway[16] = { 0xFD, 0, 0x01, 0x92, [15] = 1 };
static const uint8_t host[16] = { 0xFD, 0, 0x01, 0x92, [14] = 1, [15] = 2 };
static const uint8_t group[16] = { 0xFF, 2, [15] = 0xFB };
static const uint8_t any[16];
static const uint8_t mac[6] = { 0x52, 0x55, 192, 168, 3, 1 };

static at_ipv6 header_of(const uint8_t from[16], const uint8_t to[16], uint8_t protocol, size_t len)
{
    at_ipv6 ip = { .protocol = protocol, .hop_limit = 64, .payload_len = len };

    memcpy(ip.from, from, 16);
    memcpy(ip.to, to, 16);
    return ip;
}

static size_t udp_packet(uint8_t *packet, const char *text)
{
    const at_udp udp = { 1234, 53, (const uint8_t *)text, strlen(text) };
    const at_ipv6 ip = header_of(station, gateway, 0, 0);

    return at_udp_build6(&udp, &ip, packet, ROOM);
}

/* A payload with the checksum at `offset` made right. */
static size_t packet_of(const at_ipv6 *ip, uint8_t *payload, size_t offset, uint8_t *packet)
{
    uint16_t checksum;

    payload[offset] = payload[offset + 1] = 0;
    checksum = at_checksum_end(
        at_checksum_add(at_checksum_pseudo6(ip->from, ip->to, ip->protocol, ip->payload_len),
                        payload, ip->payload_len));
    payload[offset] = (uint8_t)(checksum >> 8);
    payload[offset + 1] = (uint8_t)checksum;
    assert_int_equal(at_ipv6_build(ip, packet, ROOM), AT_IPV6_HEADER);
    memcpy(packet + AT_IPV6_HEADER, payload, ip->payload_len);
    return AT_IPV6_HEADER + ip->payload_len;
}

static size_t tcp_packet(uint8_t *packet, uint8_t flags, const uint8_t to[16])
{
    uint8_t tcp[21] = { 0xC3, 0x50, 0, 80, 0, 0, 3, 0xE8, 0, 0, 7, 0xD0, 0x50, flags, 0x16, 0x80 };
    const at_ipv6 ip = header_of(station, to, AT_IPPROTO_TCP, sizeof tcp);

    return packet_of(&ip, tcp, 16, packet);
}

static size_t echo_packet(uint8_t *packet, const uint8_t from[16], const uint8_t to[16])
{
    uint8_t icmp[12] = { 128, 0, 0, 0, 0x12, 0x34, 0, 1, 'p', 'i', 'n', 'g' };
    const at_ipv6 ip = header_of(from, to, AT_IPPROTO_ICMPV6, sizeof icmp);

    return packet_of(&ip, icmp, 2, packet);
}

static size_t solicit_packet(uint8_t *packet, uint8_t hop_limit, uint8_t option_len)
{
    uint8_t icmp[32] = { 135, [24] = 1, [25] = option_len, [26] = 2 };
    at_ipv6 ip = header_of(station, group, AT_IPPROTO_ICMPV6, sizeof icmp);

    memcpy(icmp + 8, gateway, 16);
    ip.hop_limit = hop_limit;
    return packet_of(&ip, icmp, 2, packet);
}

/* ---- headers ---- */

/* The example of RFC 1071 style sums over RFC 8200's pseudo-header, computed by hand: an echo request
 * from ::1 to ::1 of 8 bytes has the sum 0x80 + 0x3A + 8 + 1 + 1 = 0x80C4 in its first byte's place. */
static void checksums(void **state)
{
    const uint8_t one[16] = { [15] = 1 };
    uint8_t icmp[8] = { 128 };

    (void)state;
    assert_int_equal(at_checksum_end(at_checksum_add(
                         at_checksum_pseudo6(one, one, AT_IPPROTO_ICMPV6, 8), icmp, 8)),
                     0xFFFF - (0x8000 + 0x3A + 8 + 1 + 1));
}

static void header(void **state)
{
    uint8_t packet[ROOM];
    size_t len = udp_packet(packet, "hello");
    at_ipv6 ip;

    (void)state;
    assert_true(at_ipv6_parse(&ip, packet, len + 6)); /* with padding */
    assert_memory_equal(ip.from, station, 16);
    assert_memory_equal(ip.to, gateway, 16);
    assert_int_equal(ip.protocol, AT_IPPROTO_UDP);
    assert_int_equal(ip.header_len, AT_IPV6_HEADER);
    assert_int_equal(ip.payload_len, 13);
    assert_false(at_ipv6_is_fragment(&ip));
    assert_false(at_ipv6_parse(&ip, packet, len - 1));
    packet[0] = 0x45;
    assert_false(at_ipv6_parse(&ip, packet, len));
    assert_int_equal(at_ipv6_build(&ip, packet, AT_IPV6_HEADER - 1), 0);
    ip.payload_len = 65536;
    assert_int_equal(at_ipv6_build(&ip, packet, ROOM), 0);
}

/* Puts extension headers between header and payload. */
static size_t extend(uint8_t *packet, size_t len, const uint8_t *extension, size_t extension_len,
                     uint8_t first)
{
    memmove(packet + AT_IPV6_HEADER + extension_len, packet + AT_IPV6_HEADER, len - AT_IPV6_HEADER);
    memcpy(packet + AT_IPV6_HEADER, extension, extension_len);
    packet[4] = (uint8_t)((len - AT_IPV6_HEADER + extension_len) >> 8);
    packet[5] = (uint8_t)(len - AT_IPV6_HEADER + extension_len);
    packet[6] = first;
    return len + extension_len;
}

static void extensions(void **state)
{
    const uint8_t router_alert[8] = { 58, 0, 5, 2, 0, 0, 1, 0 };
    const uint8_t chain[24] = { 60, 0, 1, 4, 0,  0, 0, 0, 44, 0, 1, 4,
                                0,  0, 0, 0, 17, 0, 0, 1, 0,  0, 0, 9 };
    const uint8_t later[8] = { 17, 0, 0x05, 0x50, 0, 0, 0, 9 };
    const uint8_t endless[8] = { 0, 255, 0, 0, 0, 0, 0, 0 };
    uint8_t packet[ROOM];
    at_ipv6 ip;
    at_udp udp;
    size_t len;

    (void)state;
    len = extend(packet, echo_packet(packet, station, gateway), router_alert, 8, 0);
    assert_true(at_ipv6_parse(&ip, packet, len));
    assert_int_equal(ip.protocol, AT_IPPROTO_ICMPV6);
    assert_int_equal(ip.header_len, 48);
    assert_int_equal(ip.payload_len, 12);

    len = extend(packet, udp_packet(packet, "first"), chain, 24, 0);
    assert_true(at_ipv6_parse(&ip, packet, len));
    assert_int_equal(ip.protocol, AT_IPPROTO_UDP);
    assert_int_equal(ip.header_len, 64);
    assert_true(ip.fragment && ip.more_fragments && at_ipv6_is_fragment(&ip));
    assert_int_equal(ip.fragment_id, 9);
    assert_false(at_udp_parse6(&udp, &ip));

    len = extend(packet, udp_packet(packet, "later"), later, 8, 44);
    assert_true(at_ipv6_parse(&ip, packet, len));
    assert_int_equal(ip.fragment_offset, 0x0550);
    assert_false(ip.more_fragments);
    assert_true(at_ipv6_is_fragment(&ip));

    len = extend(packet, udp_packet(packet, "x"), endless, 8, 0);
    assert_false(at_ipv6_parse(&ip, packet, len));
}

static void addresses(void **state)
{
    const uint8_t link_local[16] = { 0xFE, 0x80, [8] = 0, 0, 0, 0xFF, 0xFE, 0, 0, 1 };
    const uint8_t peer_mac[6] = { 2, 0, 0, 0, 0, 1 };
    uint8_t made[16], to[6];
    char text[AT_IPV6_TEXT];

    (void)state;
    at_ipv6_eui64(peer_mac, made);
    assert_memory_equal(made, link_local, 16);
    at_ipv6_group_mac(group, to);
    assert_memory_equal(to, ((uint8_t[6]){ 0x33, 0x33, 0, 0, 0, 0xFB }), 6);
    at_ipv6_text(host, text);
    assert_string_equal(text, "fd00:192:0:0:0:0:0:102");
    memset(made, 0xFF, 16);
    at_ipv6_text(made, text);
    assert_string_equal(text, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    assert_true(at_ipv6_is_link_local(link_local) && !at_ipv6_is_link_local(station));
    assert_true(at_ipv6_is_group(group) && !at_ipv6_is_group(station));
    assert_true(at_ipv6_is_any(any) && !at_ipv6_is_any(station));
}

/* ---- UDP and TCP ---- */

static void udp(void **state)
{
    uint8_t packet[ROOM];
    size_t len = udp_packet(packet, "hello");
    at_ipv6 ip;
    at_udp u;

    (void)state;
    assert_true(at_ipv6_parse(&ip, packet, len) && at_udp_parse6(&u, &ip));
    assert_int_equal(u.from_port, 1234);
    assert_int_equal(u.to_port, 53);
    assert_int_equal(u.data_len, 5);
    packet[len - 1] ^= 1;
    assert_false(at_udp_parse6(&u, &ip));
    packet[len - 1] ^= 1;
    packet[AT_IPV6_HEADER + 6] = packet[AT_IPV6_HEADER + 7] = 0; /* none is not allowed */
    assert_false(at_udp_parse6(&u, &ip));
    assert_int_equal(at_udp_build6(&u, &ip, packet, AT_IPV6_HEADER + 12), 0);
}

static void resets(void **state)
{
    uint8_t packet[ROOM], answer[AT_TCP_RESET6_LEN];
    size_t len = tcp_packet(packet, AT_TCP_SYN, gateway);
    at_ipv6 ip, back;
    at_tcp tcp, reset;

    (void)state;
    assert_true(at_ipv6_parse(&ip, packet, len) && at_tcp_parse6(&tcp, &ip));
    assert_int_equal(at_tcp_reset6(&tcp, &ip, answer, sizeof answer - 1), 0);
    assert_int_equal(at_tcp_reset6(&tcp, &ip, answer, sizeof answer), AT_TCP_RESET6_LEN);
    assert_true(at_ipv6_parse(&back, answer, sizeof answer) && at_tcp_parse6(&reset, &back));
    assert_memory_equal(back.from, gateway, 16);
    assert_memory_equal(back.to, station, 16);
    assert_int_equal(reset.from_port, 80);
    assert_int_equal(reset.flags, AT_TCP_RST | AT_TCP_ACK);
    assert_int_equal(reset.ack, 1000 + 1 + 1); /* a byte of data, and SYN */

    len = tcp_packet(packet, AT_TCP_RST, gateway);
    assert_true(at_ipv6_parse(&ip, packet, len) && at_tcp_parse6(&tcp, &ip));
    assert_int_equal(at_tcp_reset6(&tcp, &ip, answer, sizeof answer), 0);
    len = tcp_packet(packet, AT_TCP_SYN, group);
    assert_true(at_ipv6_parse(&ip, packet, len) && at_tcp_parse6(&tcp, &ip));
    assert_int_equal(at_tcp_reset6(&tcp, &ip, answer, sizeof answer), 0);
}

static void rewriting(void **state)
{
    uint8_t packet[ROOM];
    at_ipv6 ip;
    at_udp u;
    at_tcp t;
    size_t len = udp_packet(packet, "hello");

    (void)state;
    assert_true(at_ipv6_rewrite(packet, len, AT_IPV6_TO, host));
    assert_true(at_ipv6_rewrite(packet, len, AT_IPV6_FROM, gateway));
    assert_true(at_ipv6_parse(&ip, packet, len) && at_udp_parse6(&u, &ip));
    assert_memory_equal(ip.to, host, 16);
    assert_memory_equal(ip.from, gateway, 16);
    len = tcp_packet(packet, AT_TCP_SYN, gateway);
    assert_true(at_ipv6_rewrite(packet, len, AT_IPV6_TO, host));
    assert_true(at_ipv6_parse(&ip, packet, len) && at_tcp_parse6(&t, &ip));
    packet[AT_IPV6_HEADER + 16] ^= 0x55; /* what was wrong stays wrong */
    assert_true(at_ipv6_rewrite(packet, len, AT_IPV6_TO, gateway));
    assert_true(at_ipv6_parse(&ip, packet, len));
    assert_false(at_tcp_parse6(&t, &ip));
    assert_false(at_ipv6_rewrite(packet, len - 1, AT_IPV6_TO, host));
}

/* ---- ICMPv6 ---- */

static void echo(void **state)
{
    uint8_t packet[ROOM];
    at_ipv6 ip;
    size_t len = echo_packet(packet, station, gateway);

    (void)state;
    assert_true(at_icmp6_echo_reply(packet, len));
    assert_true(at_ipv6_parse(&ip, packet, len));
    assert_memory_equal(ip.from, gateway, 16);
    assert_memory_equal(ip.to, station, 16);
    assert_int_equal(ip.payload[0], 129);
    assert_memory_equal(ip.payload + 8, "ping", 4);
    assert_int_equal(at_checksum_end(at_checksum_add(
                         at_checksum_pseudo6(ip.from, ip.to, AT_IPPROTO_ICMPV6, ip.payload_len),
                         ip.payload, ip.payload_len)),
                     0);
    assert_false(at_icmp6_echo_reply(packet, len)); /* an answer is not answered */
    len = echo_packet(packet, station, group);
    assert_false(at_icmp6_echo_reply(packet, len));
    len = echo_packet(packet, any, gateway);
    assert_false(at_icmp6_echo_reply(packet, len));
    len = echo_packet(packet, station, gateway);
    packet[len - 1] ^= 1;
    assert_false(at_icmp6_echo_reply(packet, len));
}

static void unreachable(void **state)
{
    uint8_t packet[ROOM], answer[AT_ICMP6_UNREACHABLE_MAX];
    char text[1401];
    at_ipv6 ip;
    size_t len = udp_packet(packet, "hello"), answer_len;

    (void)state;
    answer_len = at_icmp6_unreachable(AT_ICMP6_PORT_UNREACHABLE, gateway, packet, len, answer,
                                      sizeof answer);
    assert_int_equal(answer_len, AT_IPV6_HEADER + AT_ICMP6_HEADER + len);
    assert_true(at_ipv6_parse(&ip, answer, answer_len));
    assert_memory_equal(ip.to, station, 16);
    assert_int_equal(ip.payload[0], 1);
    assert_int_equal(ip.payload[1], AT_ICMP6_PORT_UNREACHABLE);
    assert_memory_equal(ip.payload + 8, packet, len);
    /* never about an error */
    memcpy(packet, answer, answer_len);
    assert_int_equal(
        at_icmp6_unreachable(AT_ICMP6_NO_ROUTE, gateway, packet, answer_len, answer, sizeof answer),
        0);
    memset(text, 'x', sizeof text);
    text[1400] = '\0';
    len = udp_packet(packet, text);
    assert_int_equal(
        at_icmp6_unreachable(AT_ICMP6_NO_ROUTE, gateway, packet, len, answer, sizeof answer),
        AT_ICMP6_UNREACHABLE_MAX);
    assert_int_equal(
        at_icmp6_unreachable(AT_ICMP6_NO_ROUTE, gateway, packet, len, answer, sizeof answer - 1),
        0);
}

/* ---- neighbour discovery ---- */

static void neighbors(void **state)
{
    uint8_t packet[ROOM];
    at_ipv6 ip;
    at_nd nd;
    size_t len = solicit_packet(packet, 255, 1);

    (void)state;
    assert_true(at_ipv6_parse(&ip, packet, len));
    assert_int_equal(at_nd_parse(&nd, &ip), AT_ND_NEIGHBOR_SOLICIT);
    assert_memory_equal(nd.target, gateway, 16);
    len = solicit_packet(packet, 254, 1); /* came through a router */
    assert_true(at_ipv6_parse(&ip, packet, len));
    assert_int_equal(at_nd_parse(&nd, &ip), AT_ND_NONE);
    for (uint8_t bad = 0; bad < 3; bad += 2) { /* an option of no length, one that does not fit */
        len = solicit_packet(packet, 255, bad);
        assert_true(at_ipv6_parse(&ip, packet, len));
        assert_int_equal(at_nd_parse(&nd, &ip), AT_ND_NONE);
    }
    len = at_nd_advert(station, gateway, mac, true, packet, sizeof packet);
    assert_int_equal(len, AT_ND_NEIGHBOR_LEN);
    assert_true(at_ipv6_parse(&ip, packet, len));
    assert_int_equal(at_nd_parse(&nd, &ip), AT_ND_NEIGHBOR_ADVERT);
    assert_memory_equal(nd.target, gateway, 16);
    assert_memory_equal(ip.to, station, 16);
    assert_int_equal(ip.payload[4], 0xE0);
    assert_memory_equal(ip.payload + 26, mac, 6);
    len = at_nd_advert(any, gateway, mac, true, packet, sizeof packet);
    assert_true(at_ipv6_parse(&ip, packet, len));
    assert_memory_equal(ip.to, at_ipv6_all_nodes, 16);
    assert_int_equal(ip.payload[4], 0xA0);
    assert_int_equal(at_nd_announce(gateway, mac, packet, AT_ND_NEIGHBOR_LEN - 1), 0);
}

static void routers(void **state)
{
    at_nd_router router = { .lifetime_s = 1800, .prefix_valid_s = 3600, .prefix_preferred_s = 600 };
    uint8_t packet[ROOM];
    at_ipv6 ip;
    size_t len;

    (void)state;
    memcpy(router.mac, mac, 6);
    router.prefix[0] = 0xFD;
    memcpy(router.dns, gateway, 16);
    len = at_nd_router_advert(&router, at_ipv6_all_nodes, packet, sizeof packet);
    assert_int_equal(len, AT_ND_ROUTER_LEN);
    assert_true(at_ipv6_parse(&ip, packet, len));
    assert_int_equal(ip.hop_limit, 255);
    assert_int_equal(ip.payload[0], 134);
    assert_int_equal(ip.payload[6] << 8 | ip.payload[7], 1800);
    assert_int_equal(ip.payload[32], 3); /* prefix behind address and MTU */
    assert_int_equal(ip.payload[34], 64);
    assert_int_equal(ip.payload[35], 0xC0);
    assert_int_equal(ip.payload[64], 25);
    assert_memory_equal(ip.payload + 72, gateway, 16);
    assert_int_equal(at_nd_router_advert(&router, station, packet, AT_ND_ROUTER_LEN - 1), 0);
}

static void garbled(void **state)
{
    uint32_t seed = 66;

    (void)state;
    for (unsigned turn = 0; turn < MUTATIONS; turn++) {
        uint8_t packet[ROOM], answer[AT_ICMP6_UNREACHABLE_MAX], *exact;
        const uint8_t fragment[8] = { 17, 0, 0, 1, 0, 0, 0, 9 };
        at_ipv6 ip, quoted;
        at_udp u;
        at_tcp t;
        at_nd nd;
        size_t len;

        switch (turn % 5) {
        case 0: len = extend(packet, udp_packet(packet, "hello"), fragment, 8, 44); break;
        case 1: len = tcp_packet(packet, AT_TCP_SYN, gateway); break;
        case 3:
            len = tcp_packet(answer, AT_TCP_SYN, host);
            len = at_icmp6_unreachable(AT_ICMP6_NO_ROUTE, gateway, answer, len, packet, ROOM);
            break;
        case 2: len = solicit_packet(packet, 255, 1); break;
        default: len = echo_packet(packet, station, gateway); break;
        }
        len = mutate(&seed, packet, len);
        exact = malloc(len + 1);
        memcpy(exact, packet, len);
        (void)at_icmp6_unreachable(AT_ICMP6_NO_ROUTE, gateway, exact, len, answer, sizeof answer);
        if (at_ipv6_parse(&ip, exact, len)) {
            (void)at_udp_parse6(&u, &ip);
            (void)at_nd_parse(&nd, &ip);
            (void)at_icmp6_refused_syn(&ip, &quoted, &t);
            if (at_tcp_parse6(&t, &ip))
                (void)at_tcp_reset6(&t, &ip, answer, sizeof answer);
        }
        (void)at_ipv6_rewrite(exact, len, AT_IPV6_FROM, host);
        (void)at_icmp6_echo_reply(exact, len);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums), cmocka_unit_test(header),  cmocka_unit_test(extensions),
        cmocka_unit_test(addresses), cmocka_unit_test(udp),     cmocka_unit_test(resets),
        cmocka_unit_test(rewriting), cmocka_unit_test(echo),    cmocka_unit_test(unreachable),
        cmocka_unit_test(neighbors), cmocka_unit_test(routers), cmocka_unit_test(garbled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
