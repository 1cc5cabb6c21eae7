/* Ethernet, ARP, IPv4, UDP, TCP and ICMP: published packets, checksums, rewriting, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "mutate.h"
#include "proto/arp.h"
#include "proto/ether.h"
#include "proto/icmp.h"
#include "proto/ipv4.h"
#include "proto/tcp.h"
#include "proto/udp.h"

#define STATION 0xC0A80370u
#define GATEWAY 0xC0A80301u
#define ALIAS   0x7F000001u

static size_t udp_packet(uint8_t *packet, size_t room, const char *text)
{
    const at_udp udp = { 1234, 53, (const uint8_t *)text, strlen(text) };
    const at_ipv4 ip = { .from = STATION, .to = GATEWAY, .ttl = 64, .id = 7 };

    return at_udp_build(&udp, &ip, packet, room);
}

/* A segment with a right checksum. */
static size_t tcp_packet(uint8_t *packet, uint8_t flags, const char *text)
{
    size_t len = AT_TCP_HEADER + strlen(text);
    const at_ipv4 ip = {
        .from = STATION, .to = GATEWAY, .ttl = 64, .protocol = AT_IPPROTO_TCP, .payload_len = len
    };
    at_builder b = at_builder_of(packet + AT_IPV4_HEADER, len);
    uint16_t checksum;

    at_ipv4_build(&ip, packet, AT_IPV4_HEADER);
    at_put16(&b, 50000);
    at_put16(&b, 80);
    at_put32(&b, 1000);
    at_put32(&b, 2000);
    at_put8(&b, 0x50);
    at_put8(&b, flags);
    at_put16(&b, 5760);
    at_put32(&b, 0);
    at_put(&b, text, strlen(text));
    checksum = at_checksum_end(at_checksum_add(
        at_checksum_pseudo(STATION, GATEWAY, AT_IPPROTO_TCP, len), packet + AT_IPV4_HEADER, len));
    packet[AT_IPV4_HEADER + 16] = (uint8_t)(checksum >> 8);
    packet[AT_IPV4_HEADER + 17] = (uint8_t)checksum;
    return AT_IPV4_HEADER + len;
}

static size_t echo_packet(uint8_t *packet, const char *text)
{
    size_t len = AT_ICMP_HEADER + strlen(text);
    const at_ipv4 ip = {
        .from = STATION, .to = GATEWAY, .ttl = 64, .protocol = AT_IPPROTO_ICMP, .payload_len = len
    };
    uint8_t *icmp = packet + AT_IPV4_HEADER;
    uint16_t checksum;

    at_ipv4_build(&ip, packet, AT_IPV4_HEADER);
    memcpy(icmp, "\x08\x00\x00\x00\x12\x34\x00\x01", 8);
    memcpy(icmp + 8, text, strlen(text));
    checksum = at_checksum_end(at_checksum_add(0, icmp, len));
    icmp[2] = (uint8_t)(checksum >> 8);
    icmp[3] = (uint8_t)checksum;
    return AT_IPV4_HEADER + len;
}

static void ethernet(void **state)
{
    const uint8_t to[6] = { 1, 2, 3, 4, 5, 6 }, from[6] = { 2, 2, 2, 2, 2, 2 };
    uint8_t frame[AT_ETHER_HEADER + 1];
    at_ether e;

    (void)state;
    at_ether_build(frame, to, from, AT_ETHERTYPE_IPV6);
    assert_true(at_ether_parse(&e, frame, sizeof frame));
    assert_memory_equal(e.to, to, 6);
    assert_memory_equal(e.from, from, 6);
    assert_int_equal(e.type, 0x86DD);
    assert_int_equal(e.payload_len, 1);
    assert_ptr_equal(e.payload, frame + 14);
    assert_false(at_ether_parse(&e, frame, 13));
    frame[12] = 5; /* a length: 802.3 with LLC */
    assert_false(at_ether_parse(&e, frame, sizeof frame));
    assert_true(at_ether_is_multicast(to));
    assert_false(at_ether_is_multicast(from));
}

static void arp(void **state)
{
    const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 }, gateway[6] = { 2, 9, 9, 9, 9, 9 };
    const at_arp ask = { AT_ARP_REQUEST, { 2, 1, 1, 1, 1, 1 }, { 0 }, STATION, GATEWAY };
    uint8_t frame[AT_ARP_FRAME_LEN];
    at_arp got;

    (void)state;
    assert_int_equal(at_arp_build(&ask, all, frame), 42);
    assert_memory_equal(frame + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
    assert_true(at_arp_parse(&got, frame + 14, 28));
    assert_memory_equal(&got, &ask, sizeof ask);
    assert_int_equal(at_arp_answer(&got, gateway, frame), 42);
    assert_memory_equal(frame, ask.sender_mac, 6);
    assert_true(at_arp_parse(&got, frame + 14, 28));
    assert_int_equal(got.operation, AT_ARP_REPLY);
    assert_memory_equal(got.sender_mac, gateway, 6);
    assert_int_equal(got.sender_ip, GATEWAY);
    assert_int_equal(got.target_ip, STATION);
    for (size_t len = 0; len < 28; len++)
        assert_false(at_arp_parse(&got, frame + 14, len));
    for (size_t i = 0; i < 6; i++) { /* the fixed fields */
        frame[14 + i] ^= 1;
        assert_false(at_arp_parse(&got, frame + 14, 28));
        frame[14 + i] ^= 1;
    }
}

/* The example of RFC 1071 section 3, and a header known from textbooks. */
static void checksums(void **state)
{
    static const uint8_t rfc[] = { 0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7 };
    static const uint8_t header[] = { 0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                                      0xB8, 0x61, 0xC0, 0xA8, 0x00, 0x01, 0xC0, 0xA8, 0x00, 0xC7 };
    static uint8_t ones[65536];

    (void)state;
    assert_int_equal(at_checksum_end(at_checksum_add(0, rfc, sizeof rfc)), 0x220D);
    assert_int_equal(at_checksum_end(at_checksum_add(0, rfc, 3)), 0x0DFE);
    assert_int_equal(at_checksum_end(at_checksum_add(0, header, sizeof header)), 0);
    memset(ones, 0xFF, sizeof ones);
    assert_int_equal(at_checksum_end(at_checksum_add(0xFFFF0000, ones, sizeof ones)), 0);
}

/* Byte by byte, as RFC 1071 defines it, beside what is used: every length, even and odd addresses. */
static void checksums_of_every_length(void **state)
{
    uint8_t data[1501];

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 151 ^ i >> 3);
    for (size_t len = 0; len < sizeof data; len++) {
        const uint8_t *from = data + len / 2 % 2;
        uint32_t sum = 0;

        for (size_t i = 0; i < len; i++)
            sum += i % 2 == 0 ? (uint32_t)from[i] << 8 : from[i];
        assert_int_equal(at_checksum_end(at_checksum_add(0, from, len)), at_checksum_end(sum));
    }
}

static void ipv4(void **state)
{
    const at_ipv4 want = { .from = STATION,
                           .to = GATEWAY,
                           .protocol = 99,
                           .ttl = 3,
                           .tos = 4,
                           .id = 5,
                           .fragment_offset = 1480,
                           .more_fragments = true,
                           .payload_len = 6 };
    uint8_t packet[64];
    at_ipv4 got;

    (void)state;
    memset(packet, 0, sizeof packet);
    assert_int_equal(at_ipv4_build(&want, packet, sizeof packet), 20);
    assert_int_equal(at_ipv4_build(&want, packet, 19), 0);
    assert_int_equal(at_ipv4_build(&want, packet, sizeof packet), 20);
    assert_true(at_ipv4_parse(&got, packet, sizeof packet));
    assert_int_equal(got.from, want.from);
    assert_int_equal(got.to, want.to);
    assert_int_equal(got.protocol, 99);
    assert_int_equal(got.ttl, 3);
    assert_int_equal(got.tos, 4);
    assert_int_equal(got.id, 5);
    assert_int_equal(got.fragment_offset, 1480);
    assert_true(got.more_fragments && !got.dont_fragment && at_ipv4_is_fragment(&got));
    assert_int_equal(got.payload_len, 6); /* not what pads the frame */
    for (size_t len = 0; len < 26; len++)
        assert_false(at_ipv4_parse(&got, packet, len));
    for (size_t bit = 0; bit < 160; bit++) {
        packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(at_ipv4_parse(&got, packet, sizeof packet));
        packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(at_ipv4_is_group(0xE00000FB) && at_ipv4_is_group(0xFFFFFFFF) &&
                at_ipv4_is_group(0) && !at_ipv4_is_group(STATION));
}

static void udp(void **state)
{
    uint8_t packet[64];
    at_ipv4 ip;
    at_udp got;
    size_t len = udp_packet(packet, sizeof packet, "hello");

    (void)state;
    assert_int_equal(len, 33);
    assert_int_equal(udp_packet(packet, 32, "hello"), 0);
    assert_true(at_ipv4_parse(&ip, packet, len));
    assert_true(at_udp_parse(&got, &ip));
    assert_int_equal(got.from_port, 1234);
    assert_int_equal(got.to_port, 53);
    assert_int_equal(got.data_len, 5);
    assert_memory_equal(got.data, "hello", 5);
    packet[len - 1] ^= 1;
    assert_false(at_udp_parse(&got, &ip));
    packet[26] = packet[27] = 0; /* no checksum */
    assert_true(at_udp_parse(&got, &ip));
    packet[25] = 7;
    assert_false(at_udp_parse(&got, &ip));
    packet[25] = 14;
    assert_false(at_udp_parse(&got, &ip));
}

static void rewriting(void **state)
{
    uint32_t seed = 5;

    (void)state;
    for (unsigned turn = 0; turn < 20000; turn++) {
        uint32_t address = mutate_random(&seed) << 12 ^ mutate_random(&seed);
        uint16_t port = (uint16_t)mutate_random(&seed);
        at_ipv4_end end = turn % 2 != 0 ? AT_IPV4_FROM : AT_IPV4_TO;
        uint8_t packet[64];
        at_ipv4 ip;
        size_t len;

        len = turn % 4 < 2 ? udp_packet(packet, sizeof packet, "data!")
                           : tcp_packet(packet, AT_TCP_ACK, "data!");
        assert_true(at_ipv4_rewrite(packet, len, end, address));
        assert_true(at_ipv4_rewrite_port(packet, len, end, port));
        assert_true(at_ipv4_parse(&ip, packet, len));
        assert_int_equal(end == AT_IPV4_FROM ? ip.from : ip.to, address);
        if (turn % 4 < 2) {
            at_udp got;

            assert_true(at_udp_parse(&got, &ip));
            assert_int_equal(end == AT_IPV4_FROM ? got.from_port : got.to_port, port);
            assert_true(packet[26] != 0 || packet[27] != 0);
        } else {
            at_tcp got;

            assert_true(at_tcp_parse(&got, &ip));
            assert_int_equal(end == AT_IPV4_FROM ? got.from_port : got.to_port, port);
        }
    }
}

static void rewriting_leaves_wrong_ones_wrong(void **state)
{
    uint8_t packet[64], before[64];
    at_ipv4 ip;
    at_udp got;
    size_t len = udp_packet(packet, sizeof packet, "data!");

    (void)state;
    packet[len - 1] ^= 1;
    assert_true(at_ipv4_rewrite(packet, len, AT_IPV4_TO, ALIAS));
    assert_true(at_ipv4_parse(&ip, packet, len));
    assert_false(at_udp_parse(&got, &ip));
    packet[26] = packet[27] = 0;
    assert_true(at_ipv4_rewrite(packet, len, AT_IPV4_TO, GATEWAY));
    assert_true(packet[26] == 0 && packet[27] == 0);
    packet[10] ^= 1;
    memcpy(before, packet, sizeof packet);
    assert_false(at_ipv4_rewrite(packet, len, AT_IPV4_TO, ALIAS));
    assert_false(at_ipv4_rewrite_port(packet, len, AT_IPV4_TO, 1));
    assert_memory_equal(before, packet, sizeof packet);
    len = echo_packet(packet, "ping");
    assert_true(at_ipv4_rewrite(packet, len, AT_IPV4_TO, ALIAS));
    assert_true(at_ipv4_parse(&ip, packet, len));
    assert_false(at_ipv4_rewrite_port(packet, len, AT_IPV4_TO, 1));
    assert_true(at_icmp_echo_reply(packet, len)); /* ICMP has no pseudo-header */
}

static void resets(void **state)
{
    uint8_t packet[64], answer[64];
    at_ipv4 ip;
    at_tcp tcp;
    size_t len = tcp_packet(packet, AT_TCP_SYN, "");

    (void)state;
    assert_true(at_ipv4_parse(&ip, packet, len));
    assert_true(at_tcp_parse(&tcp, &ip));
    assert_int_equal(tcp.window, 5760);
    assert_int_equal(at_tcp_reset(&tcp, &ip, answer, 39), 0);
    assert_int_equal(at_tcp_reset(&tcp, &ip, answer, sizeof answer), 40);
    assert_true(at_ipv4_parse(&ip, answer, 40));
    assert_true(at_tcp_parse(&tcp, &ip));
    assert_int_equal(ip.from, GATEWAY);
    assert_int_equal(ip.to, STATION);
    assert_int_equal(tcp.from_port, 80);
    assert_int_equal(tcp.to_port, 50000);
    assert_int_equal(tcp.flags, AT_TCP_RST | AT_TCP_ACK);
    assert_int_equal(tcp.seq, 0);
    assert_int_equal(tcp.ack, 1001);
    assert_int_equal(at_tcp_reset(&tcp, &ip, packet, sizeof packet), 0); /* none for a reset */

    len = tcp_packet(packet, AT_TCP_ACK | AT_TCP_FIN, "abc");
    assert_true(at_ipv4_parse(&ip, packet, len));
    assert_true(at_tcp_parse(&tcp, &ip));
    assert_int_equal(tcp.data_len, 3);
    assert_int_equal(at_tcp_reset(&tcp, &ip, answer, sizeof answer), 40);
    assert_true(at_ipv4_parse(&ip, answer, 40));
    assert_true(at_tcp_parse(&tcp, &ip));
    assert_int_equal(tcp.flags, AT_TCP_RST);
    assert_int_equal(tcp.seq, 2000);

    packet[AT_IPV4_HEADER + 12] = 0x40; /* header shorter than a header */
    assert_true(at_ipv4_parse(&ip, packet, len));
    assert_false(at_tcp_parse(&tcp, &ip));
    packet[AT_IPV4_HEADER + 12] = 0xF0; /* longer than the segment */
    assert_false(at_tcp_parse(&tcp, &ip));
}

static void echo(void **state)
{
    uint8_t packet[64];
    size_t len = echo_packet(packet, "ping!");
    at_ipv4 ip;

    (void)state;
    assert_true(at_icmp_echo_reply(packet, len));
    assert_true(at_ipv4_parse(&ip, packet, len));
    assert_int_equal(ip.from, GATEWAY);
    assert_int_equal(ip.to, STATION);
    assert_int_equal(ip.payload[0], 0);
    assert_int_equal(at_checksum_end(at_checksum_add(0, ip.payload, ip.payload_len)), 0);
    assert_memory_equal(ip.payload + 4, "\x12\x34\x00\x01ping!", 9);
    assert_false(at_icmp_echo_reply(packet, len)); /* a reply has no reply */
    len = echo_packet(packet, "ping!");
    packet[len - 1] ^= 1;
    assert_false(at_icmp_echo_reply(packet, len));
}

static void unreachable(void **state)
{
    uint8_t packet[64], answer[AT_ICMP_UNREACHABLE_MAX];
    size_t len = udp_packet(packet, sizeof packet, "hello");
    at_ipv4 ip;

    (void)state;
    assert_int_equal(
        at_icmp_unreachable(AT_ICMP_PORT_UNREACHABLE, GATEWAY, packet, len, answer, sizeof answer),
        20 + 8 + 28);
    assert_true(at_ipv4_parse(&ip, answer, 56));
    assert_int_equal(ip.to, STATION);
    assert_memory_equal(ip.payload, "\x03\x03", 2);
    assert_memory_equal(ip.payload + 8, packet, 28);
    assert_int_equal(at_checksum_end(at_checksum_add(0, ip.payload, ip.payload_len)), 0);
    assert_int_equal(
        at_icmp_unreachable(AT_ICMP_PORT_UNREACHABLE, GATEWAY, packet, len, answer, 55), 0);
    /* Never about an error. */
    assert_int_equal(
        at_icmp_unreachable(AT_ICMP_HOST_UNREACHABLE, GATEWAY, answer, 56, packet, sizeof packet),
        0);
    len = echo_packet(packet, "");
    assert_int_equal(
        at_icmp_unreachable(AT_ICMP_ADMIN_PROHIBITED, GATEWAY, packet, len, answer, sizeof answer),
        56);
    assert_true(at_ipv4_rewrite(packet, len, AT_IPV4_TO, 0xE0000001));
    assert_int_equal(
        at_icmp_unreachable(AT_ICMP_ADMIN_PROHIBITED, GATEWAY, packet, len, answer, sizeof answer),
        0);
}

static void refused_connections(void **state)
{
    uint8_t packet[64], error[AT_IPV4_HEADER + AT_ICMP_HEADER + 40] = { 0 }, *icmp = error + 20;
    at_ipv4 ip = { .from = GATEWAY,
                   .to = STATION,
                   .ttl = 64,
                   .protocol = AT_IPPROTO_ICMP,
                   .payload_len = AT_ICMP_HEADER + 40 };
    at_ipv4 quoted;
    at_tcp tcp;

    (void)state;
    (void)tcp_packet(packet, AT_TCP_SYN, "");
    at_ipv4_build(&ip, error, sizeof error);
    icmp[0] = 3;
    memcpy(icmp + AT_ICMP_HEADER, packet, 40);
    assert_true(at_ipv4_parse(&ip, error, sizeof error));
    assert_true(at_icmp_refused_syn(&ip, &quoted, &tcp));
    assert_int_equal(quoted.from, STATION);
    assert_int_equal(quoted.to, GATEWAY);
    assert_int_equal(tcp.from_port, 50000);
    assert_int_equal(tcp.seq, 1000);
    icmp[AT_ICMP_HEADER + 33] = AT_TCP_ACK; /* of a connection that is there */
    assert_false(at_icmp_refused_syn(&ip, &quoted, &tcp));
    icmp[AT_ICMP_HEADER + 33] = AT_TCP_SYN;
    icmp[0] = 11; /* time exceeded */
    assert_false(at_icmp_refused_syn(&ip, &quoted, &tcp));
    icmp[0] = 3;
    ip.payload_len--; /* not all of the header is quoted */
    assert_false(at_icmp_refused_syn(&ip, &quoted, &tcp));
}

static void repair_header(uint8_t *packet, size_t len)
{
    size_t header = (packet[0] & 15u) * 4u;
    uint16_t checksum;

    if (len < 20 || header > len)
        return;
    packet[10] = packet[11] = 0;
    checksum = at_checksum_end(at_checksum_add(0, packet, header));
    packet[10] = (uint8_t)(checksum >> 8);
    packet[11] = (uint8_t)checksum;
}

static void garbled(void **state)
{
    uint32_t seed = 6;

    (void)state;
    for (unsigned turn = 0; turn < MUTATIONS; turn++) {
        uint8_t packet[64], answer[AT_ICMP_UNREACHABLE_MAX], *exact;
        at_ether ether;
        at_arp a;
        at_ipv4 ip, quoted;
        at_udp u;
        at_tcp t;
        size_t len;

        if (turn % 3 == 0)
            len = udp_packet(packet, sizeof packet, "hello");
        else
            len = turn % 3 == 1 ? tcp_packet(packet, AT_TCP_SYN, "x") : echo_packet(packet, "p");
        len = mutate(&seed, packet, len);
        if (turn % 2 != 0)
            repair_header(packet, len); /* so that more than the first check is reached */
        exact = malloc(len + 1);
        memcpy(exact, packet, len);
        (void)at_ether_parse(&ether, exact, len);
        (void)at_arp_parse(&a, exact, len);
        (void)at_icmp_unreachable(AT_ICMP_NET_UNREACHABLE, GATEWAY, exact, len, answer,
                                  sizeof answer);
        if (at_ipv4_parse(&ip, exact, len)) {
            (void)at_udp_parse(&u, &ip);
            (void)at_icmp_refused_syn(&ip, &quoted, &t);
            if (at_tcp_parse(&t, &ip))
                (void)at_tcp_reset(&t, &ip, answer, sizeof answer);
        }
        (void)at_ipv4_rewrite(exact, len, AT_IPV4_FROM, ALIAS);
        (void)at_ipv4_rewrite_port(exact, len, AT_IPV4_TO, 9);
        (void)at_icmp_echo_reply(exact, len);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ethernet),    cmocka_unit_test(arp),
        cmocka_unit_test(checksums),   cmocka_unit_test(checksums_of_every_length),
        cmocka_unit_test(ipv4),        cmocka_unit_test(udp),
        cmocka_unit_test(rewriting),   cmocka_unit_test(rewriting_leaves_wrong_ones_wrong),
        cmocka_unit_test(resets),      cmocka_unit_test(echo),
        cmocka_unit_test(unreachable), cmocka_unit_test(refused_connections),
        cmocka_unit_test(garbled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
