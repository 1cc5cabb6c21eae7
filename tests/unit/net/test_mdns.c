/* The module as a host of mDNS: what it costs, what it leaves behind, and short memory. The messages
 * themselves are tested in unit/proto/test_mdns.c. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "net/datagram.h"
#include "net/mdns_host.h"

static const at_mdns_service service = {
    .host = "espressif", .instance = "espressif", .type = "_iot", .proto = "_tcp", .port = 80
};

static int group_setup(void **state)
{
    bench_group_setup(state);
    bench_peer(*state, "g: udp 5353 224.0.0.251");
    return 0;
}

static const char probe[] =
    "g: mdns hear ? espressif.local ANY!; ? espressif._iot._tcp.local ANY!; ^ "
    "espressif._iot._tcp.local SRV 80 espressif.local 120; ^ espressif._iot._tcp.local TXT \"\" "
    "4500; ^ espressif.local A 192.168.3.112 120";

/* Takes what the group heard; returns how many messages. */
static unsigned drain(bench *b)
{
    unsigned count = 0;

    for (;;) {
        bench_tell(b, "g: silence 0");
        if (strcmp(bench_answer(b), "g: ok") == 0)
            return count;
        bench_tell(b, "g: mdns hear anything");
        (void)bench_answer(b);
        count++;
    }
}

static void it_probes_and_says_goodbye(void **state)
{
    bench *b = *state;
    at_mdns_host *host;

    assert_int_equal(at_mdns_host_open(b->net, &service, &host), AT_OK);
    bench_peer(b, probe);
    bench_run_ms(b, 5000);
    assert_int_equal(drain(b), 4);
    at_mdns_host_close(host);
    bench_run_ms(b, 10);
    assert_int_equal(drain(b), 1);
    at_mdns_host_close(NULL);
}

static void an_hour_costs_nothing(void **state)
{
    bench *b = *state;
    at_mdns_host *host;
    uint64_t waits;

    assert_int_equal(at_mdns_host_open(b->net, &service, &host), AT_OK);
    bench_run_ms(b, 60000);
    waits = b->waits;
    bench_run_ms(b, 3600000);
    print_message("announced and idle: %llu wake-ups in an hour\n",
                  (unsigned long long)(b->waits - waits));
    assert_in_range(b->waits - waits, 0, 3);
    at_mdns_host_close(host);
    drain(b);
}

static void the_port_may_be_taken(void **state)
{
    bench *b = *state;
    at_mdns_host *host;
    at_datagram_params params = { .local_port = 5353, .limit = 100 };
    at_datagram *other;

    assert_int_equal(at_datagram_open(b->net, &params, &other), AT_OK);
    assert_int_equal(at_mdns_host_open(b->net, &service, &host), AT_ERR_EXISTS);
    at_datagram_close(other);
    assert_int_equal(at_mdns_host_open(b->net, &service, &host), AT_OK);
    assert_int_equal(at_datagram_open(b->net, &params, &other), AT_ERR_EXISTS);
    at_mdns_host_close(host);
}

static void without_a_network_it_is_silent(void **state)
{
    bench *b = *state;
    at_mdns_host *host;

    at_net_link(b->net, AT_NETIF_STA, false);
    bench_run_ms(b, 10);
    assert_int_equal(at_mdns_host_open(b->net, &service, &host), AT_OK);
    bench_run_ms(b, 10000);
    assert_int_equal(drain(b), 0);
    at_net_link(b->net, AT_NETIF_STA, true);
    at_mdns_host_on_net(host, AT_NETIF_STA, AT_NET_GOT_IP);
    bench_peer(b, probe);
    bench_run_ms(b, 10000);
    drain(b);
    at_mdns_host_leave(host, AT_NETIF_STA);
    bench_run_ms(b, 10);
    assert_int_equal(drain(b), 1);
    at_mdns_host_on_net(host, AT_NETIF_STA, AT_NET_LOST_IP);
    at_mdns_host_close(host);
    bench_run_ms(b, 10);
    assert_int_equal(drain(b), 0);
}

/* Each allocation of a host's life fails once: it cannot begin, or a message is lost. */
static void memory_may_be_short(void **state)
{
    bench *b = *state;

    for (unsigned n = 1; n < 40; n++) {
        at_mdns_host *host = NULL;
        at_err err;

        b->heap.fail_at = b->heap.calls + n;
        err = at_mdns_host_open(b->net, &service, &host);
        assert_true(err == AT_OK || err == AT_ERR_NOMEM);
        if (err == AT_OK) {
            bench_run_ms(b, 3000);
            at_mdns_host_close(host);
        }
        b->heap.fail_at = 0;
        bench_run_ms(b, 3000);
    }
    drain(b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_probes_and_says_goodbye), TEST(an_hour_costs_nothing),
        TEST(the_port_may_be_taken),      TEST(without_a_network_it_is_silent),
        TEST(memory_may_be_short),
    };

    return cmocka_run_group_tests(tests, group_setup, bench_group_teardown);
}
