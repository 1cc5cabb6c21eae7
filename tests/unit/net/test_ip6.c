/* IPv6 of the stack: addresses come and go, duplicates, what wakes the loop, every allocation. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

#include "net/ping.h"
#include "net/resolve.h"
#include "proto/ether.h"
#include "proto/icmp6.h"

#define PEER_LL  "fe80::ff:fe00:2" /* the bench's peer has 02:00:00:00:00:02 */
#define HOUR_MS  3600000u
#define ROUND_MS 400000u

static const uint8_t router_ll[16] = { 0xFE, 0x80, [15] = 1 };
static const uint8_t router_mac[6] = { 0x52, 0x55, 1, 2, 3, 4 };

/* A router advertisement with the prefix fd77::/64. */
static void advertise(bench *b, uint32_t valid_s, uint32_t preferred_s)
{
    at_nd_router router = { .lifetime_s = 1800,
                            .prefix = { 0xFD, 0x77 },
                            .prefix_valid_s = valid_s,
                            .prefix_preferred_s = preferred_s };
    uint8_t frame[AT_ETHER_HEADER + AT_ND_ROUTER_LEN], to[6];

    memcpy(router.from, router_ll, 16);
    memcpy(router.mac, router_mac, 6);
    at_ipv6_group_mac(at_ipv6_all_nodes, to);
    at_ether_build(frame, to, router_mac, AT_ETHERTYPE_IPV6);
    assert_int_equal(
        at_nd_router_advert(&router, at_ipv6_all_nodes, frame + AT_ETHER_HEADER, AT_ND_ROUTER_LEN),
        AT_ND_ROUTER_LEN);
    bench_inject(b, frame, sizeof frame);
}

static void forget_events(bench *b)
{
    memset(b->net_events, 0, sizeof b->net_events);
}

static void off(bench *b)
{
    at_net_set_ip6(b->net, false);
    bench_run_ms(b, 1000);
    forget_events(b);
}

/* ---- coming and going ---- */

static void link_local_after_one_second(void **state)
{
    bench *b = *state;
    at_addr addr;
    char text[AT_ADDR_TEXT];

    forget_events(b);
    at_net_set_ip6(b->net, true);
    bench_run_ms(b, 999);
    assert_int_equal(b->net_events[AT_NET_GOT_IP6_LL], 0);
    assert_false(at_net_ip6(b->net, AT_NETIF_STA, 0, &addr));
    bench_run_ms(b, 2);
    assert_int_equal(b->net_events[AT_NET_GOT_IP6_LL], 1);
    assert_true(at_net_ip6(b->net, AT_NETIF_STA, 0, &addr));
    at_addr_format(&addr, text);
    assert_int_equal(strncmp(text, "fe80::", 6), 0);
    at_net_set_ip6(b->net, true); /* nothing more */
    bench_run_ms(b, 20000);
    assert_int_equal(b->net_events[AT_NET_GOT_IP6_LL], 1);
    assert_int_equal(b->net_events[AT_NET_GOT_IP6_GL], 0);
    at_net_link(b->net, AT_NETIF_STA, false);
    assert_false(at_net_ip6(b->net, AT_NETIF_STA, 0, &addr));
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 1001);
    assert_int_equal(b->net_events[AT_NET_GOT_IP6_LL], 2);
    off(b);
    assert_false(at_net_ip6(b->net, AT_NETIF_STA, 0, &addr));
}

static void a_global_address_lives_as_long_as_the_router_said(void **state)
{
    bench *b = *state;
    at_addr addr;

    at_net_set_ip6(b->net, true);
    bench_run_ms(b, 500);
    advertise(b, 10800, 3600);
    bench_run_ms(b, 2000);
    assert_int_equal(b->net_events[AT_NET_GOT_IP6_GL], 1);
    assert_true(at_net_ip6(b->net, AT_NETIF_STA, 1, &addr));
    assert_int_equal(addr.bytes[0], 0xFD);
    bench_run_ms(b, 2 * HOUR_MS); /* deprecated, still there */
    assert_true(at_net_ip6(b->net, AT_NETIF_STA, 1, &addr));
    advertise(b, 10800, 3600); /* again: no new address */
    bench_run_ms(b, 2 * HOUR_MS);
    assert_true(at_net_ip6(b->net, AT_NETIF_STA, 1, &addr));
    assert_int_equal(b->net_events[AT_NET_GOT_IP6_GL], 1);
    bench_run_ms(b, 2 * HOUR_MS);
    assert_false(at_net_ip6(b->net, AT_NETIF_STA, 1, &addr));
    assert_true(at_net_ip6(b->net, AT_NETIF_STA, 0, &addr));
    off(b);
}

static void an_address_of_somebody_else_is_not_used(void **state)
{
    bench *b = *state;
    uint8_t own[16], frame[AT_ETHER_HEADER + AT_ND_NEIGHBOR_LEN], to[6];
    at_addr addr;

    at_net_set_ip6(b->net, true);
    bench_run_ms(b, 1001);
    assert_true(at_net_ip6(b->net, AT_NETIF_STA, 0, &addr));
    memcpy(own, addr.bytes, 16);
    off(b);
    at_net_set_ip6(b->net, true);
    bench_run_ms(b, 500);
    at_ipv6_group_mac(at_ipv6_all_nodes, to);
    at_ether_build(frame, to, router_mac, AT_ETHERTYPE_IPV6);
    (void)at_nd_announce(own, router_mac, frame + AT_ETHER_HEADER, AT_ND_NEIGHBOR_LEN);
    bench_inject(b, frame, sizeof frame);
    bench_run_ms(b, 10000);
    assert_int_equal(b->net_events[AT_NET_GOT_IP6_LL], 0);
    assert_false(at_net_ip6(b->net, AT_NETIF_STA, 0, &addr));
    off(b);
}

static void frames_are_dropped_while_it_is_off(void **state)
{
    bench *b = *state;
    at_addr addr;

    forget_events(b);
    advertise(b, 10800, 3600);
    bench_run_ms(b, 5000);
    assert_int_equal(b->net_events[AT_NET_GOT_IP6_GL], 0);
    assert_false(at_net_ip6(b->net, AT_NETIF_STA, 1, &addr));
}

/* ---- what wakes the loop ---- */

static void an_idle_module_sleeps(void **state)
{
    bench *b = *state;
    uint64_t waits;

    at_net_set_ip6(b->net, true);
    bench_run_ms(b, 500);
    advertise(b, 100 * 3600, 50 * 3600);
    bench_run_ms(b, 60000); /* addresses, reports of groups, solicitations that nobody answers */
    waits = b->waits;
    bench_run_ms(b, 24 * HOUR_MS);
    assert_in_range(b->waits - waits, 0, 2);
    off(b);
    waits = b->waits;
    bench_run_ms(b, 24 * HOUR_MS);
    assert_in_range(b->waits - waits, 0, 2);
}

static void neighbors_age_while_nobody_wakes(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_UDPV6, PEER_LL, 5001);

    bench_peer(b, "ipv6 " PEER_LL);
    at_net_set_ip6(b->net, true);
    bench_run_ms(b, 1001);
    bench_peer(b, "u: udp6 5001");
    params.local_port = 6000;
    bench_open(b, 0, &params);
    for (unsigned i = 0; i < 3; i++) { /* found, stale, and used again after an hour */
        assert_int_equal(at_link_send_to(b->links, 0, "x", 1, NULL, 0), AT_OK);
        bench_peer(b, "u: recvfrom * 6000 x");
        bench_run_ms(b, HOUR_MS);
    }
    bench_peer(b, "u: close");
    assert_int_equal(at_link_close(b->links, 0), AT_OK);
    off(b);
}

/* ---- memory ---- */

static void on_ping(void *arg, at_err err, uint32_t round_trip_us)
{
    (void)err;
    (void)round_trip_us;
    *(bool *)arg = true;
}

static void echo(bench *b)
{
    bool pinged = false;
    at_addr to;
    at_ping *p;

    assert_true(at_addr_parse(PEER_LL, &to));
    if (at_ping_start(b->net, &to, 1000, on_ping, &pinged, &p) == AT_OK) {
        bench_run_ms(b, 3000);
        assert_true(pinged);
    }
}

static void client(bench *b)
{
    at_link_open_params params = bench_params(AT_LINK_TCPV6, PEER_LL, 8080);
    static uint8_t data[6000];

    bench_tell(b, "l: accept p");
    if (at_link_open(b->links, 0, &params) != AT_OK)
        return;
    bench_run_ms(b, 20000);
    bench_tell(b, "p: fill 2000 1");
    (void)at_link_write(b->links, 0, data, sizeof data);
    bench_run_ms(b, 5000);
    (void)at_link_read(b->links, 0, data, sizeof data);
    (void)at_link_close(b->links, 0);
    bench_tell(b, "p: close");
}

static void group(bench *b)
{
    at_link_open_params params = bench_params(AT_LINK_UDPV6, "ff02::fc", 5001);
    static uint8_t data[3000];

    params.local_port = 6000;
    if (at_link_open(b->links, 1, &params) != AT_OK)
        return;
    bench_run_ms(b, 10);
    (void)at_link_send_to(b->links, 1, data, sizeof data, NULL, 0);
    bench_run_ms(b, 1000);
    (void)at_link_close(b->links, 1);
}

static void busy_minute(bench *b)
{
    at_net_set_ip6(b->net, true);
    bench_run_ms(b, 500);
    advertise(b, 10800, 3600);
    bench_run_ms(b, 3000);
    client(b);
    group(b);
    echo(b);
    at_net_set_ip6(b->net, false);
    for (unsigned id = 0; id < AT_LINKS; id++)
        (void)at_link_close(b->links, id);
    bench_run_ms(b, ROUND_MS);
    b->event_count = 0;
    b->answers_len = 0;
}

static void every_allocation_fails_once(void **state)
{
    bench *b = *state;
    uint64_t calls = 0;
    unsigned round = 0;

    bench_peer(b, "l: listen tcp6 8080");
    bench_peer(b, "l: timeout 5000");
    busy_minute(b);
    for (round = 1; round == 1 || calls >= round; round++) {
        size_t used = b->heap.used;
        uint64_t start = b->heap.calls;

        b->heap.fail_at = start + round;
        busy_minute(b);
        calls = b->heap.calls - start;
        b->heap.fail_at = 0;
        if (b->heap.used != used)
            fail_msg("allocation %u of a round failed: %zu bytes before, %zu after", round, used,
                     b->heap.used);
    }
    print_message("%u allocations failed, one in each round\n", round - 1);
    assert_in_range(round, 30, 5000);
    bench_tell(b, "l: close");
    bench_run_ms(b, 100);
    b->answers_len = 0;
    forget_events(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(link_local_after_one_second, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(a_global_address_lives_as_long_as_the_router_said,
                                        bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(an_address_of_somebody_else_is_not_used, bench_setup,
                                        bench_teardown),
        cmocka_unit_test_setup_teardown(frames_are_dropped_while_it_is_off, bench_setup,
                                        bench_teardown),
        cmocka_unit_test_setup_teardown(an_idle_module_sleeps, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(neighbors_age_while_nobody_wakes, bench_setup,
                                        bench_teardown),
        cmocka_unit_test_setup_teardown(every_allocation_fails_once, bench_setup, bench_teardown),
    };

    return cmocka_run_group_tests(tests, bench_group_setup, bench_group_teardown);
}
