/* What a joined station finds: addresses, names, other stations, the way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "fake.h"
#include "proto/arp.h"
#include "proto/dns.h"
#include "proto/ether.h"
#include "proto/tcp.h"
#include "proto/udp.h"

#define PC      0xC0A80366u /* 192.168.3.102 */
#define OUTSIDE 0x08080808u

static fake_station *joined(fake_air *bench)
{
    fake_station *s = fake_radio(bench);

    assert_true(fake_join(s, "espressif", "1234567890"));
    s->in_count = 0;
    return s;
}

static fake_station *with_address(fake_air *bench)
{
    fake_station *s = joined(bench);

    assert_true(fake_dhcp(s));
    return s;
}

/* A SYN from port 5000. */
static void syn(fake_station *s, uint32_t to, uint16_t port)
{
    uint8_t frame[14 + 40];
    at_ipv4 ip = {
        .from = s->ip, .to = to, .ttl = 64, .protocol = AT_IPPROTO_TCP, .payload_len = 20
    };
    at_builder b = at_builder_of(frame + 34, 20);
    uint32_t sum;

    at_ether_build(frame, (const uint8_t[6]){ 0x52, 0x55, 192, 168, 3, 1 }, s->mac,
                   AT_ETHERTYPE_IPV4);
    assert_int_equal(at_ipv4_build(&ip, frame + 14, 20), 20);
    at_put16(&b, 5000);
    at_put16(&b, port);
    at_put32(&b, 1000);
    at_put32(&b, 0);
    at_put16(&b, 0x5002);
    at_put16(&b, 5760);
    at_put32(&b, 0);
    sum = at_checksum_add(at_checksum_pseudo(ip.from, ip.to, 6, 20), frame + 34, 20);
    frame[34 + 16] = (uint8_t)(at_checksum_end(sum) >> 8);
    frame[34 + 17] = (uint8_t)at_checksum_end(sum);
    s->in_count = 0;
    fake_send(s, frame, sizeof frame);
}

static bool got_reset(const fake_station *s)
{
    at_ipv4 ip;
    at_tcp tcp;

    return fake_ip(s, 0, &ip) && at_tcp_parse(&tcp, &ip) && (tcp.flags & AT_TCP_RST) != 0 &&
           tcp.ack == 1001 && tcp.to_port == 5000;
}

static int icmp_code(const fake_station *s)
{
    at_ipv4 ip;

    if (!fake_ip(s, 0, &ip) || ip.protocol != AT_IPPROTO_ICMP || ip.payload[0] != 3)
        return -1;
    return ip.payload[1];
}

static void a_lease_and_the_gateway(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, true);
    fake_station *s = with_address(bench);
    at_ipv4 ip;
    at_arp arp;

    (void)state;
    assert_int_equal(s->ip, 0xC0A80370);
    assert_true(
        fake_event(bench, "lease {\"mac\":\"02:00:00:00:01:00\",\"ip\":\"192.168.3.112\"}"));
    fake_arp(s, FAKE_GATEWAY);
    assert_true(at_arp_parse(&arp, s->inbox[0].data + 14, s->inbox[0].len - 14));
    assert_memory_equal(arp.sender_mac, "\x52\x55\xC0\xA8\x03\x01", 6);
    fake_arp(s, PC);
    assert_int_equal(s->in_count, 2);
    fake_arp(s, 0xC0A80377);
    assert_int_equal(s->in_count, 2);
    s->in_count = 0;
    fake_ping(s, FAKE_GATEWAY);
    assert_true(fake_ip(s, 0, &ip));
    assert_int_equal(ip.payload[0], 0);
    fake_ping(s, PC);
    assert_true(fake_ip(s, 1, &ip));
    assert_int_equal(ip.from, PC);
    assert_int_equal(bench->uplink.opened, 0);
    bench->events[0] = '\0';
    at_air_reset_port(s->port);
    assert_true(fake_join(s, "espressif", "1234567890"));
    assert_true(fake_dhcp(s));
    assert_true(fake_event(bench, "\"ip\":\"192.168.3.112\"")); /* the same lease, told again */
    fake_stop(bench);
}

static void two_stations_and_isolation(void **state)
{
    for (int isolate = 0; isolate < 2; isolate++) {
        fake_air *bench =
            fake_start(isolate ? "[ap espressif]\npassword = 1234567890\nisolate = on" : NULL,
                       AT_POLICY_OPEN, false);
        fake_station *a = with_address(bench), *b = with_address(bench);
        fake_station *wire = fake_wired(bench, "espressif");
        uint8_t frame[60] = { 0 };

        (void)state;
        a->in_count = 0; /* the other's DHCP broadcasts */
        assert_int_equal(b->ip, a->ip + 1);
        at_ether_build(frame, b->mac, a->mac, 0x9000);
        fake_send(a, frame, sizeof frame);
        assert_int_equal(b->in_count, isolate ? 0 : 1);
        fake_arp(a, b->ip);
        assert_int_equal(b->in_count, isolate ? 0 : 2);
        assert_int_equal(wire->in_count, 1);
        assert_int_equal(a->in_count, 0);
        fake_arp(wire, a->ip);
        assert_int_equal(a->in_count, 1);
        memset(frame, 0x66, 6); /* nobody */
        fake_send(a, frame, sizeof frame);
        assert_int_equal(wire->in_count, 1);
        fake_stop(bench);
    }
}

static size_t dns_query(uint8_t *out, const char *name, uint16_t type)
{
    at_builder b = at_builder_of(out, 300);

    at_put16(&b, 0x1234);
    at_put16(&b, 0x0100);
    at_put16(&b, 1);
    at_put16(&b, 0);
    at_put32(&b, 0);
    while (*name != '\0') {
        size_t len = strcspn(name, ".");

        at_put8(&b, (uint8_t)len);
        at_put(&b, name, len);
        name += len + (name[len] == '.' ? 1 : 0);
    }
    at_put8(&b, 0);
    at_put16(&b, type);
    at_put16(&b, 1);
    return at_built(&b);
}

/* Returns the response code, -1: no answer; *address is the last four bytes. */
static int ask(fake_station *s, const char *name, uint16_t type, uint32_t *address)
{
    uint8_t query[300];
    at_ipv4 ip;
    at_udp udp;

    s->in_count = 0;
    fake_udp(s, FAKE_GATEWAY, 3333, 53, query, dns_query(query, name, type));
    if (!fake_ip(s, 0, &ip) || !at_udp_parse(&udp, &ip) || udp.to_port != 3333)
        return -1;
    *address = (uint32_t)udp.data[udp.data_len - 4] << 24 |
               (uint32_t)udp.data[udp.data_len - 3] << 16 |
               (uint32_t)udp.data[udp.data_len - 2] << 8 | udp.data[udp.data_len - 1];
    return udp.data[3] & 15;
}

static void names(void **state)
{
    fake_air *bench = fake_start("[names]\nwww.test = 10.0.0.9\n", AT_POLICY_OPEN, true);
    fake_station *s = with_address(bench);
    uint32_t address = 0;
    uint8_t answer[64] = { 0x12, 0x34, 0x81, 0x83 };

    (void)state;
    assert_int_equal(ask(s, "WWW.test", 1, &address), 0);
    assert_int_equal(address, 0x0A000009);
    assert_int_equal(ask(s, "pc", 1, &address), 0);
    assert_int_equal(address, PC);
    assert_int_equal(ask(s, "www.test", 28, &address), 0);
    assert_int_equal(ask(s, "example.org", 1, &address), -1);
    assert_int_equal(bench->dns_queries, 1);
    bench->dns_answer(bench->dns_arg, answer, sizeof answer);
    assert_int_equal(s->in_count, 1);
    assert_int_equal(ask(s, "example.org", 1, &address), -1);
    bench->dns_answer(bench->dns_arg, NULL, 0);
    assert_int_equal(s->in_count, 1);
    assert_int_equal(s->inbox[0].data[42 + 3] & 15, AT_DNS_SERVFAIL);
    assert_true(fake_logged(bench, "no answer for example.org"));
    assert_int_equal(ask(s, "left.org", 1, &address), -1);
    at_air_reset_port(s->port); /* cancels what is still asked for */
    assert_null(bench->dns_answer);
    fake_stop(bench);
}

static void names_without_a_way_out(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_LOCAL, true);
    fake_station *s = with_address(bench);
    uint32_t address;

    (void)state;
    assert_int_equal(ask(s, "example.org", 1, &address), AT_DNS_SERVFAIL);
    assert_int_equal(bench->dns_queries, 0);
    assert_true(fake_logged(bench, "example.org is not in [names]"));
    fake_stop(bench);
}

static void policies(void **state)
{
    static const struct {
        at_policy policy;
        bool uplink, host, outside;
    } cases[] = {
        { AT_POLICY_OPEN, true, true, true },
        { AT_POLICY_LOCAL, true, true, false },
        { AT_POLICY_NONE, true, false, false },
        { AT_POLICY_OPEN, false, false, false },
    };

    (void)state;
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        fake_air *bench = fake_start(NULL, cases[i].policy, cases[i].uplink);
        fake_station *s = with_address(bench);

        syn(s, FAKE_GATEWAY, 80);
        assert_int_equal(got_reset(s), !cases[i].host);
        syn(s, OUTSIDE, 80);
        assert_int_equal(got_reset(s), !cases[i].outside);
        s->in_count = 0;
        fake_udp(s, OUTSIDE, 4000, 123, "x", 1);
        assert_int_equal(icmp_code(s), cases[i].outside ? -1 : cases[i].uplink ? 13 : 0);
        syn(s, 0xC0A803C8, 80);
        assert_true(got_reset(s));
        assert_int_equal(bench->uplink.opened, cases[i].host ? 1 : 0);
        s->in_count = 0;
        fake_ping(s, FAKE_GATEWAY); /* the access point itself always answers */
        assert_int_equal(s->in_count, 1);
        fake_stop(bench);
    }
}

/* The uplink's answer to the last packet it was given: ends and ports exchanged. */
static void answer_last(fake_air *bench, fake_station *s)
{
    fake_frame *f = &bench->uplink.sent[bench->uplink.count - 1];
    uint8_t frame[200];
    at_ipv4 ip;
    at_udp udp;
    size_t len;

    assert_true(at_ipv4_parse(&ip, f->data + 14, f->len - 14));
    assert_true(at_udp_parse(&udp, &ip));
    at_ether_build(frame, s->mac, f->data, AT_ETHERTYPE_IPV4);
    ip = (at_ipv4){ .from = ip.to, .to = ip.from, .ttl = 64 };
    udp = (at_udp){ udp.to_port, udp.from_port, (const uint8_t *)"yes", 3 };
    len = at_udp_build(&udp, &ip, frame + 14, sizeof frame - 14);
    s->in_count = 0;
    bench->uplink.config.deliver(bench->uplink.config.owner, frame, len + 14);
}

static void answers_come_from_the_alias_that_was_asked(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_LOCAL, true);
    fake_station *s = with_address(bench);
    at_ipv4 ip;
    at_udp udp;

    (void)state;
    fake_udp(s, PC, 4000, 7, "hello", 5);
    assert_int_equal(bench->uplink.count, 1);
    assert_true(
        at_ipv4_parse(&ip, bench->uplink.sent[0].data + 14, bench->uplink.sent[0].len - 14));
    assert_int_equal(ip.to, FAKE_GATEWAY);
    assert_true(at_udp_parse(&udp, &ip)); /* its checksum is right */
    answer_last(bench, s);
    assert_true(fake_ip(s, 0, &ip));
    assert_int_equal(ip.from, PC);
    assert_true(at_udp_parse(&udp, &ip));
    fake_udp(s, FAKE_GATEWAY, 4000, 7, "hello", 5); /* the same ports, the gateway itself */
    answer_last(bench, s);
    assert_true(fake_ip(s, 0, &ip));
    assert_int_equal(ip.from, FAKE_GATEWAY);
    for (uint16_t port = 1; port <= 2000; port++) /* the table is bounded */
        fake_udp(s, PC, port, 9, "x", 1);
    fake_udp(s, PC, 4000, 7, "hello", 5);
    bench->uplink.count = 0;
    fake_udp(s, PC, 4000, 7, "hello", 5);
    answer_last(bench, s);
    assert_true(fake_ip(s, 0, &ip));
    assert_int_equal(ip.from, PC);
    fake_stop(bench);
}

static void forwards_follow_the_address(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, true);
    fake_station *s = fake_radio(bench);
    at_forward f;
    char error[160], status[4096];

    (void)state;
    assert_false(at_forward_parse(&f, "8080", error, sizeof error));
    assert_string_equal(error, "'8080' is not [udp:][ADDR:]HOSTPORT:MODULEPORT, like 8080:80 "
                               "(HOSTPORT 0..65535, MODULEPORT 1..65535)");
    assert_false(at_forward_parse(&f, "1.2.3:1:2", error, sizeof error));
    assert_false(at_forward_parse(&f, "80:0", error, sizeof error));
    assert_false(at_forward_parse(&f, "80:65536", error, sizeof error));
    assert_false(at_forward_parse(&f, "udp::80", error, sizeof error));
    assert_true(at_forward_parse(&f, "udp:0.0.0.0:99:98", error, sizeof error));
    assert_true(f.udp && f.host_addr == 0 && f.host_port == 99 && f.module_port == 98);
    assert_true(at_forward_parse(&f, "0:333", error, sizeof error));
    assert_int_equal(at_air_add_forward(s->port, &f), AT_OK);
    assert_true(fake_join(s, "espressif", "1234567890"));
    assert_int_equal(bench->uplink.forwards, 0);
    assert_true(fake_dhcp(s));
    assert_int_equal(bench->uplink.forwards, 1);
    assert_true(fake_event(bench, "forward {\"protocol\":\"tcp\",\"host\":\"127.0.0.1\","
                                  "\"port\":40000,\"to\":\"192.168.3.112:333\"}"));
    at_air_reset_port(s->port);
    assert_int_equal(bench->uplink.forwards, 0);
    assert_int_equal(bench->uplink.open, 0);
    assert_true(fake_join(s, "espressif", "1234567890"));
    s->ip = 0xC0A80332; /* a static address shows in ARP */
    fake_arp(s, s->ip);
    assert_int_equal(bench->uplink.forwards, 1);
    assert_true(at_forward_parse(&f, "1:80", error, sizeof error));
    assert_int_equal(at_air_add_forward(s->port, &f), AT_OK);
    assert_true(fake_logged(bench, "cannot listen on port 1"));
    assert_true(at_air_status(bench->air, status, sizeof status) > 0);
    assert_non_null(strstr(status, "\"ip\":\"192.168.3.50\""));
    assert_non_null(strstr(status, "\"port\":40000,\"to\":333,\"open\":true"));
    assert_int_equal(at_air_status(bench->air, status, 100), 0);
    fake_stop(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_and_the_gateway),
        cmocka_unit_test(two_stations_and_isolation),
        cmocka_unit_test(names),
        cmocka_unit_test(names_without_a_way_out),
        cmocka_unit_test(policies),
        cmocka_unit_test(answers_come_from_the_alias_that_was_asked),
        cmocka_unit_test(forwards_follow_the_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
