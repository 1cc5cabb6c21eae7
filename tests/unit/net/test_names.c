/* DHCP, DNS, ping, the DNS server list, and what an idle module costs. The far end is a small
 * gateway of proto/ codecs that sees our frames and answers them. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "net/ping.h"
#include "net/resolve.h"
#include "proto/dhcp.h"
#include "proto/dns.h"
#include "proto/ether.h"
#include "proto/ipv4.h"
#include "proto/udp.h"

#define GATEWAY 0xC0A80301u
#define PEER_IP 0xC0A80366u

static const uint8_t gateway_mac[6] = { 0x02, 0, 0, 0, 0, 0x01 };

typedef struct gateway {
    at_dhcps dhcp;
    at_dhcps_lease leases[16];
    bool dhcp_off, dns_off;
    unsigned dhcp_count, dns_count;
    bool from_other_dns; /* a query went to 9.9.9.9 */
} gateway;

static void answer_udp(bench *b, const at_udp *to, const at_ipv4 *ip, uint32_t target,
                       const uint8_t mac[6], const uint8_t *data, size_t len)
{
    uint8_t frame[1514];
    at_udp udp = {
        .from_port = to->to_port, .to_port = to->from_port, .data = data, .data_len = len
    };
    at_ipv4 header = { .from = ip->to == AT_IPV4_BROADCAST ? GATEWAY : ip->to,
                       .to = target,
                       .ttl = 64 };
    size_t packet;

    at_ether_build(frame, mac, gateway_mac, AT_ETHERTYPE_IPV4);
    packet = at_udp_build(&udp, &header, frame + AT_ETHER_HEADER, sizeof frame - AT_ETHER_HEADER);
    assert_true(packet > 0);
    bench_inject(b, frame, AT_ETHER_HEADER + packet);
}

static void serve_dhcp(bench *b, gateway *g, const at_ether *ether, const at_ipv4 *ip,
                       const at_udp *udp)
{
    uint8_t reply[AT_DHCP_REPLY_MAX];
    at_dhcps_result result;

    g->dhcp_count++;
    if (g->dhcp_off)
        return;
    result = at_dhcps_input(&g->dhcp, b->now_us / 1000000, udp->data, udp->data_len, reply);
    if (result.len > 0)
        answer_udp(b, udp, ip, AT_IPV4_BROADCAST, ether->from, reply, result.len);
}

static void serve_dns(bench *b, gateway *g, const at_ether *ether, const at_ipv4 *ip,
                      const at_udp *udp)
{
    static const uint32_t address = 0x0A010203;
    uint8_t out[AT_DNS_UDP_MAX];
    at_dns_query query;
    size_t len;

    g->dns_count++;
    g->from_other_dns = ip->to == 0x09090909;
    if (g->dns_off || at_dns_parse_query(&query, udp->data, udp->data_len) != AT_OK)
        return;
    if (strcmp(query.name, "host.example") == 0)
        len = at_dns_answer_a(&query, &address, 1, 600, out, sizeof out);
    else
        len = at_dns_answer_empty(&query, AT_DNS_NXDOMAIN, out, sizeof out);
    answer_udp(b, udp, ip, ip->from, ether->from, out, len);
}

static void answer_arp(bench *b, const at_ether *ether)
{
    uint8_t frame[42];

    if (ether->payload_len < 28 || ether->payload[27] != 1) /* who has ...1? */
        return;
    at_ether_build(frame, ether->from, gateway_mac, AT_ETHERTYPE_ARP);
    memcpy(frame + 14, ether->payload, 28);
    frame[21] = 2;
    memcpy(frame + 22, gateway_mac, 6);
    memcpy(frame + 28, ether->payload + 24, 4);
    memcpy(frame + 32, ether->payload + 8, 10);
    bench_inject(b, frame, sizeof frame);
}

/* The wire: what goes to the gateway is answered here and does not reach the peer. */
static bool gateway_filter(bench *b, const uint8_t *frame, size_t len, bool outgoing)
{
    gateway *g = b->filter_arg;
    at_ether ether;
    at_ipv4 ip;
    at_udp udp;

    if (!outgoing || !at_ether_parse(&ether, frame, len))
        return true;
    if (ether.type == AT_ETHERTYPE_ARP)
        answer_arp(b, &ether);
    if (ether.type != AT_ETHERTYPE_IPV4 || !at_ipv4_parse(&ip, ether.payload, ether.payload_len) ||
        !at_udp_parse(&udp, &ip))
        return true;
    if (udp.to_port == AT_DHCP_SERVER_PORT)
        serve_dhcp(b, g, &ether, &ip, &udp);
    else if (udp.to_port == AT_DNS_PORT)
        serve_dns(b, g, &ether, &ip, &udp);
    else
        return true;
    return false;
}

static gateway *gateway_of(bench *b)
{
    return b->filter_arg;
}

static int group_setup(void **state)
{
    static gateway g;
    at_dhcps_config config = { .server = GATEWAY,
                               .first = 0xC0A80370,
                               .last = 0xC0A8037F,
                               .netmask = 0xFFFFFF00,
                               .router = GATEWAY,
                               .dns = GATEWAY,
                               .lease_s = 7200 };
    bench *b;

    bench_group_setup_bare(state);
    b = *state;
    bench_peer(b, "address 192.168.3.102/24");
    at_dhcps_init(&g.dhcp, &config, g.leases, AT_COUNT(g.leases));
    b->filter_arg = &g;
    return 0;
}

/* As the bench's, and joined with an address of DHCP before the test. */
static int setup(void **state)
{
    bench *b = *state;
    gateway *g = gateway_of(b);

    b->filter = gateway_filter;
    g->dhcp_off = g->dns_off = false;
    g->dns_count = g->dhcp_count = 0;
    at_net_set_dns(b->net, NULL, 0);
    at_net_use_dhcp(b->net, AT_NETIF_STA, "espressif");
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 20000);
    return bench_setup(state);
}

static int teardown(void **state)
{
    bench *b = *state;
    void *g = b->filter_arg;
    int failed = bench_teardown(state);

    at_net_link(b->net, AT_NETIF_STA, false);
    bench_run_ms(b, 20000);
    b->filter_arg = g;
    return failed;
}

/* ---- addresses ---- */

static void check_ip(bench *b, uint8_t last)
{
    at_ip_config config;

    at_net_ip(b->net, AT_NETIF_STA, &config);
    if (last == 0) {
        assert_int_equal(config.ip.family, AT_FAMILY_NONE);
        return;
    }
    assert_memory_equal(config.ip.bytes, ((uint8_t[]){ 192, 168, 3, last }), 4);
    assert_memory_equal(config.netmask.bytes, ((uint8_t[]){ 255, 255, 255, 0 }), 4);
}

static void dhcp_gives_an_address(void **state)
{
    bench *b = *state;

    check_ip(b, 0x70);
    assert_int_equal(gateway_of(b)->dhcp_count, 2); /* discover, request */
    at_net_link(b->net, AT_NETIF_STA, false);
    check_ip(b, 0);
    bench_settle(b);
    assert_int_equal(b->net_events[AT_NET_LOST_IP], 1);
    assert_int_equal(gateway_of(b)->dhcp_count, 2); /* a lost link releases nothing */
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 10);
    assert_int_equal(b->net_events[AT_NET_GOT_IP], 1);
    check_ip(b, 0x70);
}

static void dhcp_waits_for_a_server(void **state)
{
    bench *b = *state;

    gateway_of(b)->dhcp_off = true;
    at_net_link(b->net, AT_NETIF_STA, false);
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 100000);
    check_ip(b, 0);
    assert_in_range(gateway_of(b)->dhcp_count, 4, 20);
    gateway_of(b)->dhcp_off = false;
    bench_run_ms(b, 100000);
    check_ip(b, 0x70);
    assert_int_equal(b->net_events[AT_NET_GOT_IP], 1);
}

static void dhcp_survives_failing_allocations(void **state)
{
    bench *b = *state;

    for (unsigned n = 1; n <= 25; n++) {
        at_net_link(b->net, AT_NETIF_STA, false);
        b->heap.fail_at = b->heap.calls + n;
        at_net_link(b->net, AT_NETIF_STA, true);
        bench_run_ms(b, 30000);
        check_ip(b, 0x70);
    }
}

static void a_lease_is_renewed_and_can_end(void **state)
{
    bench *b = *state;

    bench_run_ms(b, 4000000); /* half of 7200 s is over */
    assert_int_equal(gateway_of(b)->dhcp_count, 3);
    assert_int_equal(b->net_events[AT_NET_LOST_IP], 0);
    gateway_of(b)->dhcp_off = true;
    bench_run_ms(b, 7500000);
    assert_int_equal(b->net_events[AT_NET_LOST_IP], 1);
    check_ip(b, 0);
    gateway_of(b)->dhcp_off = false;
    bench_run_ms(b, 70000);
    assert_int_equal(b->net_events[AT_NET_GOT_IP], 1);
}

static void a_static_address_replaces_dhcp(void **state)
{
    bench *b = *state;
    at_ip_config config = { at_addr_v4(192, 168, 3, 50), at_addr_v4(192, 168, 3, 1),
                            at_addr_v4(255, 255, 255, 0) };

    at_net_use_static(b->net, AT_NETIF_STA, &config);
    bench_run_ms(b, 100);
    check_ip(b, 50);
    assert_int_equal(b->net_events[AT_NET_GOT_IP], 1);
    at_net_link(b->net, AT_NETIF_STA, false);
    check_ip(b, 50); /* shown while the link is down */
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 100);
    assert_int_equal(b->net_events[AT_NET_GOT_IP], 2);
    at_net_use_dhcp(b->net, AT_NETIF_STA, NULL);
    bench_run_ms(b, 100);
    check_ip(b, 0x70);
}

static void dns_servers_follow_the_guide(void **state)
{
    bench *b = *state;
    at_addr servers[AT_DNS_SERVERS], manual[2] = { at_addr_v4(9, 9, 9, 9), at_addr_v4(1, 1, 1, 1) };

    assert_int_equal(at_net_dns(b->net, servers), 1);
    assert_int_equal(servers[0].bytes[3], 1);
    at_net_set_dns(b->net, manual, 2);
    assert_int_equal(at_net_dns(b->net, servers), 2);
    assert_true(at_addr_equal(&servers[1], &manual[1]));
    at_net_link(b->net, AT_NETIF_STA, false);
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 100);
    assert_int_equal(at_net_dns(b->net, servers), 2); /* DHCP does not change manual ones */
    at_net_set_dns(b->net, NULL, 0);
    assert_int_equal(at_net_dns(b->net, servers), 2);
    assert_memory_equal(servers[0].bytes, ((uint8_t[]){ 208, 67, 222, 222 }), 4);
    assert_memory_equal(servers[1].bytes, ((uint8_t[]){ 8, 8, 8, 8 }), 4);
}

/* ---- names ---- */

typedef struct outcome {
    unsigned calls;
    at_err err;
    at_addr addr;
    uint32_t time_us;
} outcome;

static void on_name(void *arg, at_err err, const at_addr *addr)
{
    outcome *o = arg;

    o->calls++;
    o->err = err;
    o->addr = *addr;
}

static outcome look_up(bench *b, const char *name, at_resolve_want want, uint32_t timeout_ms)
{
    outcome o = { 0 };
    at_resolve *query;

    assert_int_equal(at_resolve_start(b->net, name, want, timeout_ms, on_name, &o, &query), AT_OK);
    assert_int_equal(o.calls, 0);
    for (int turn = 0; turn < 10000 && o.calls == 0; turn++)
        at_loop_turn(&b->loop);
    bench_run_ms(b, 100000);
    assert_int_equal(o.calls, 1);
    return o;
}

static void literals_need_no_network(void **state)
{
    bench *b = *state;
    outcome o = look_up(b, "1.2.3.4", AT_RESOLVE_V4_FIRST, 0);

    assert_int_equal(o.err, AT_OK);
    assert_int_equal(o.addr.bytes[3], 4);
    assert_int_equal(look_up(b, "1.2.3.4", AT_RESOLVE_V6, 0).err, AT_ERR_NOT_FOUND);
    assert_int_equal(look_up(b, "fe80::1", AT_RESOLVE_V4, 0).err, AT_ERR_NOT_FOUND);
    assert_int_equal(look_up(b, "fe80::1", AT_RESOLVE_V4_FIRST, 0).err, AT_OK);
    assert_int_equal(gateway_of(b)->dns_count, 0);
}

static void names_are_asked_for_once(void **state)
{
    bench *b = *state;
    outcome o = look_up(b, "host.example", AT_RESOLVE_V4_FIRST, 0);
    char text[AT_ADDR_TEXT];

    assert_int_equal(o.err, AT_OK);
    at_addr_format(&o.addr, text);
    assert_string_equal(text, "10.1.2.3");
    assert_int_equal(look_up(b, "host.example", AT_RESOLVE_V4, 0).err, AT_OK);
    assert_int_equal(gateway_of(b)->dns_count, 1);
    bench_run_ms(b, 700000); /* its life of 600 s is over */
    assert_int_equal(look_up(b, "host.example", AT_RESOLVE_V4, 0).err, AT_OK);
    assert_int_equal(gateway_of(b)->dns_count, 2);
}

static void unknown_names_are_not_found(void **state)
{
    bench *b = *state;

    assert_int_equal(look_up(b, "no.example", AT_RESOLVE_V4, 0).err, AT_ERR_NOT_FOUND);
    assert_int_equal(look_up(b, "", AT_RESOLVE_V4, 0).err, AT_ERR_NOT_FOUND);
}

static void a_silent_server_is_a_time_out(void **state)
{
    bench *b = *state;
    uint64_t start;

    gateway_of(b)->dns_off = true;
    assert_int_equal(look_up(b, "slow.example", AT_RESOLVE_V4, 0).err, AT_ERR_TIMEOUT);
    assert_in_range(gateway_of(b)->dns_count, 3, 8);
    start = b->now_us;
    assert_int_equal(look_up(b, "other.example", AT_RESOLVE_V4, 1500).err, AT_ERR_TIMEOUT);
    assert_in_range(b->now_us - start, 1500000, 102000000);
}

static void a_cancelled_query_is_silent(void **state)
{
    bench *b = *state;
    outcome o = { 0 };
    at_resolve *query;

    assert_int_equal(
        at_resolve_start(b->net, "host2.example", AT_RESOLVE_V4, 0, on_name, &o, &query), AT_OK);
    at_resolve_cancel(query);
    at_resolve_cancel(NULL);
    bench_run_ms(b, 100000);
    assert_int_equal(o.calls, 0);
}

static void manual_servers_are_asked(void **state)
{
    bench *b = *state;
    at_addr manual = at_addr_v4(9, 9, 9, 9);

    at_net_set_dns(b->net, &manual, 1);
    (void)look_up(b, "third.example", AT_RESOLVE_V4, 0);
    assert_true(gateway_of(b)->from_other_dns);
}

static void no_address_is_unreachable(void **state)
{
    bench *b = *state;

    at_net_link(b->net, AT_NETIF_STA, false);
    assert_int_equal(look_up(b, "host.example", AT_RESOLVE_V4, 0).err, AT_ERR_UNREACHABLE);
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 1000);
}

static void a_link_opens_by_name(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_UDP, "host.example", 7);
    at_link_info info;

    params.timeout_ms = 5000;
    bench_open(b, 0, &params);
    at_link_get(b->links, 0, &info);
    assert_int_equal(info.remote.bytes[0], 10);
    params.host = "no.example";
    assert_int_equal(at_link_open(b->links, 1, &params), AT_OK);
    bench_expect(b, 1, AT_LINK_FAILED, AT_ERR_NOT_FOUND);
    gateway_of(b)->dns_off = true;
    params.host = "late.example";
    assert_int_equal(at_link_open(b->links, 1, &params), AT_OK);
    assert_int_equal(at_link_close(b->links, 1), AT_OK);
    assert_int_equal(at_link_open(b->links, 1, &params), AT_OK);
    bench_expect(b, 1, AT_LINK_FAILED, AT_ERR_TIMEOUT);
}

/* ---- ping ---- */

static void on_ping(void *arg, at_err err, uint32_t round_trip_us)
{
    outcome *o = arg;

    o->calls++;
    o->err = err;
    o->time_us = round_trip_us;
}

static outcome ping(bench *b, uint8_t last, uint32_t timeout_ms)
{
    at_addr to = at_addr_v4(192, 168, 3, last);
    outcome o = { 0 };
    at_ping *p;

    assert_int_equal(at_ping_start(b->net, &to, timeout_ms, on_ping, &o, &p), AT_OK);
    assert_int_equal(o.calls, 0);
    bench_run_ms(b, 20000);
    assert_int_equal(o.calls, 1);
    return o;
}

static void ping_answers_and_times_out(void **state)
{
    bench *b = *state;
    at_addr v6;
    at_ping *p;
    outcome o = { 0 };

    assert_int_equal(ping(b, 102, 1000).err, AT_OK);
    assert_int_equal(ping(b, 77, 1000).err, AT_ERR_TIMEOUT);
    assert_true(at_addr_parse("fe80::1", &v6));
    assert_int_equal(at_ping_start(b->net, &v6, 1, on_ping, &o, &p), AT_ERR_UNSUPPORTED);
    v6 = at_addr_v4(192, 168, 3, 102);
    assert_int_equal(at_ping_start(b->net, &v6, 1000, on_ping, &o, &p), AT_OK);
    at_ping_cancel(p);
    bench_run_ms(b, 5000);
    assert_int_equal(o.calls, 0);
    at_net_link(b->net, AT_NETIF_STA, false);
    assert_int_equal(ping(b, 102, 1000).err, AT_ERR_UNREACHABLE);
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 1000);
}

/* ---- idle ---- */

static void an_idle_module_sleeps(void **state)
{
    bench *b = *state;
    uint64_t waits;

    bench_run_ms(b, 60000);
    waits = b->waits;
    bench_run_ms(b, 3400000);
    print_message("joined and idle: %llu wake-ups in an hour\n",
                  (unsigned long long)(b->waits - waits));
    assert_in_range(b->waits - waits, 0, 3);
}

static void garbage_does_no_harm(void **state)
{
    bench *b = *state;
    uint32_t random = 1;

    for (unsigned round = 0; round < 20000; round++) {
        uint8_t frame[1600];
        size_t len;

        for (size_t i = 0; i < 64; i++) {
            random = random * 1664525u + 1013904223u;
            frame[i] = (uint8_t)(random >> 24);
        }
        len = (random >> 8) % 64;
        memcpy(frame, ((uint8_t[]){ 0x02, 0, 0, 0, 0, 0x12 }), 6);
        frame[12] = 0x08;
        frame[13] = (random & 1u) != 0 ? 0x00 : 0x06;
        if ((random & 2u) != 0) {
            frame[14] = 0x45;
            frame[23] = (uint8_t[]){ 1, 2, 6, 17 }[(random >> 2) & 3u];
        }
        at_net_input(b->net, AT_NETIF_STA, frame, len);
    }
    at_net_input(b->net, AT_NETIF_STA, (uint8_t[1600]){ 0 }, 1600);
    at_net_input(b->net, AT_NETIF_STA, (uint8_t[1]){ 0 }, 0);
    assert_int_equal(ping(b, 102, 1000).err, AT_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dhcp_gives_an_address),
        TEST(dhcp_waits_for_a_server),
        TEST(dhcp_survives_failing_allocations),
        TEST(a_lease_is_renewed_and_can_end),
        TEST(a_static_address_replaces_dhcp),
        TEST(dns_servers_follow_the_guide),
        TEST(literals_need_no_network),
        TEST(names_are_asked_for_once),
        TEST(unknown_names_are_not_found),
        TEST(a_silent_server_is_a_time_out),
        TEST(a_cancelled_query_is_silent),
        TEST(manual_servers_are_asked),
        TEST(no_address_is_unreachable),
        TEST(a_link_opens_by_name),
        TEST(ping_answers_and_times_out),
        TEST(an_idle_module_sleeps),
        TEST(garbage_does_no_harm),
    };

    if (getenv("NET_TEST_ONLY") != NULL)
        cmocka_set_test_filter(getenv("NET_TEST_ONLY"));
    return cmocka_run_group_tests(tests, group_setup, bench_group_teardown);
}
