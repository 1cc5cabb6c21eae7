/* Running out of memory: every allocation of a busy minute fails once, and nothing breaks or
 * leaks. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iface/current.h"
#include "net/ping.h"
#include "net/resolve.h"

#define ROUND_MS 400000u /* everything of a round has expired after that */

static void on_name(void *arg, at_err err, const at_addr *addr)
{
    (void)err;
    (void)addr;
    *(bool *)arg = true;
}

static void on_ping(void *arg, at_err err, uint32_t round_trip_us)
{
    (void)err;
    (void)round_trip_us;
    *(bool *)arg = true;
}

static void tcp_client(bench *b)
{
    at_link_open_params params = bench_params(AT_LINK_TCP, "192.168.3.102", 8080);
    static uint8_t data[20000];

    bench_tell(b, "l: accept p");
    if (at_link_open(b->links, 0, &params) != AT_OK)
        return;
    bench_run_ms(b, 20000);
    bench_tell(b, "p: fill 3000 1");
    (void)at_link_write(b->links, 0, data, sizeof data);
    bench_run_ms(b, 5000);
    (void)at_link_write(b->links, 0, data, 100);
    (void)at_link_read(b->links, 0, data, sizeof data);
    bench_run_ms(b, 5000);
    (void)at_link_close(b->links, 0);
    bench_tell(b, "p: close");
}

static void server(bench *b)
{
    at_listen_params params = { .type = AT_LINK_TCP,
                                .port = 333,
                                .max_clients = 5,
                                .timeout_s = 30,
                                .options = { .linger_s = 2 } };

    if (at_links_listen(b->links, &params) == AT_OK) {
        bench_tell(b, "c: connect 192.168.3.112 333");
        bench_tell(b, "c: send hello");
        bench_run_ms(b, 20000);
        (void)at_link_close(b->links, 0);
        bench_run_ms(b, 5000);
        (void)at_links_unlisten(b->links);
    }
    bench_tell(b, "c: close");
}

static void datagrams(bench *b)
{
    at_link_open_params params = bench_params(AT_LINK_UDP, "239.1.2.3", 5001);
    static uint8_t data[5000];

    params.local_port = 6000;
    if (at_link_open(b->links, 1, &params) != AT_OK)
        return;
    bench_run_ms(b, 10);
    bench_tell(b, "u: fillto 192.168.3.112 6000 4000 1");
    (void)at_link_send_to(b->links, 1, data, sizeof data, NULL, 0);
    bench_run_ms(b, 10);
    (void)at_link_read(b->links, 1, data, sizeof data);
    (void)at_link_close(b->links, 1);
}

static void questions(bench *b)
{
    at_addr to = at_addr_v4(192, 168, 3, 102);
    bool named = false, pinged = false;
    at_resolve *query;
    at_ping *p;
    at_err name_err =
        at_resolve_start(b->net, "some.example", AT_RESOLVE_V4, 3000, on_name, &named, &query);
    at_err ping_err = at_ping_start(b->net, &to, 1000, on_ping, &pinged, &p);

    bench_run_ms(b, 60000);
    assert_true(named == (name_err == AT_OK));
    assert_true(pinged == (ping_err == AT_OK));
}

static void busy_minute(bench *b)
{
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 10);
    tcp_client(b);
    server(b);
    datagrams(b);
    questions(b);
    at_net_link(b->net, AT_NETIF_STA, false);
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

    bench_peer(b, "l: listen tcp 8080");
    bench_peer(b, "l: timeout 5000");
    bench_peer(b, "u: udp 5001");
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
        for (unsigned id = 0; id < AT_LINKS; id++)
            assert_int_equal(bench_state(b, id), AT_LINK_FREE);
    }
    print_message("%u allocations failed, one in each round\n", round - 1);
    assert_in_range(round, 50, 5000);
    at_net_link(b->net, AT_NETIF_STA, true);
}

static void a_full_heap_is_an_error(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_TCP, "192.168.3.102", 8080);

    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 1000);
    b->heap.budget = b->heap.used;
    assert_int_equal(at_link_open(b->links, 0, &params), AT_ERR_NOMEM);
    params.type = AT_LINK_UDP;
    assert_int_equal(at_link_open(b->links, 0, &params), AT_ERR_NOMEM);
    b->heap.budget = SIZE_MAX;
    params.type = AT_LINK_TCP;
    bench_open(b, 0, &params);
    b->heap.budget = b->heap.used;
    assert_int_equal(at_link_write(b->links, 0, "x", 1), 0);
    bench_run_ms(b, 1000);
    b->heap.budget = SIZE_MAX;
    bench_expect(b, 0, AT_LINK_WRITABLE, AT_OK);
    assert_int_equal(at_link_write(b->links, 0, "x", 1), 1);
    (void)at_link_close(b->links, 0);
    bench_tell(b, "l: accept p");
    bench_run_ms(b, 1000);
    bench_tell(b, "p: close");
    at_net_link(b->net, AT_NETIF_STA, false);
}

static void what_a_link_costs(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_TCP, "192.168.3.102", 8080);
    size_t used;

    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 20000);
    used = b->heap.used;
    print_message("stack, links and interface: %zu bytes\n", used);
    bench_open(b, 0, &params);
    bench_settle(b);
    print_message("an open TCP link: %zu bytes\n", b->heap.used - used);
    used = b->heap.used;
    params.type = AT_LINK_UDP;
    bench_open(b, 1, &params);
    print_message("an open UDP link: %zu bytes\n", b->heap.used - used);
    (void)at_link_close(b->links, 0);
    bench_tell(b, "l: accept p");
    bench_run_ms(b, 1000);
    bench_tell(b, "p: close");
    (void)at_link_close(b->links, 1);
    at_net_link(b->net, AT_NETIF_STA, false);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_allocation_fails_once),
        TEST(a_full_heap_is_an_error),
        TEST(what_a_link_costs),
    };

    return cmocka_run_group_tests(tests, bench_group_setup, bench_group_teardown);
}
