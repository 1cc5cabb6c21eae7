/* The module as a host of mDNS: what it costs, what it leaves behind, and short memory. The messages
 * themselves are tested in unit/proto/test_mdns.c. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "net/datagram.h"
#include "net/mdns_host.h"
#include "proto/ether.h"
#include "proto/ipv4.h"
#include "proto/udp.h"

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

/* ---- frames ---- */

#define GROUP 0xE00000FBu
#define OWN   0xC0A80370u
#define PC    0xC0A80366u

/* Messages of the module, and the least hop limit among them. */
typedef struct heard {
    unsigned count;
    uint8_t hops;
} heard;

static bool hear(bench *b, const uint8_t *frame, size_t len, bool outgoing)
{
    heard *h = b->filter_arg;
    at_ipv4 ip;
    at_udp udp;

    if (outgoing && frame[12] == 0x08 && frame[13] == 0 &&
        at_ipv4_parse(&ip, frame + AT_ETHER_HEADER, len - AT_ETHER_HEADER) &&
        at_udp_parse(&udp, &ip) && udp.from_port == 5353) {
        h->count++;
        h->hops = ip.ttl < h->hops ? ip.ttl : h->hops;
    }
    return true;
}

static void inject(bench *b, uint32_t from, uint32_t to, const char *message, size_t len)
{
    static const uint8_t mac[6] = { 0x02, 0, 0, 0, 0, 0x12 },
                         pc_mac[6] = { 0x02, 0, 0, 0, 0, 0x02 };
    uint8_t frame[1514];
    at_udp udp = { 5353, 5353, (const uint8_t *)message, len };
    at_ipv4 ip = { .from = from, .to = to, .ttl = 255 };

    at_ether_build(frame, mac, pc_mac, AT_ETHERTYPE_IPV4);
    len = at_udp_build(&udp, &ip, frame + AT_ETHER_HEADER, sizeof frame - AT_ETHER_HEADER);
    bench_inject(b, frame, AT_ETHER_HEADER + len);
    bench_run_ms(b, 2000);
}

static void where_messages_come_from_counts(void **state)
{
    static const char question[] = "\0\0\0\0\0\1\0\0\0\0\0\0\x09"
                                   "espressif\5local\0\0\1\0\1";
    static const char claim[] = "\0\0\x84\0\0\0\0\1\0\0\0\0\x09"
                                "espressif\5local\0\0\1\0\1"
                                "\0\0\0\x78\0\4\x0a\0\0\1";
    bench *b = *state;
    heard h = { .hops = 255 };
    at_mdns_host *host;

    assert_int_equal(at_mdns_host_open(b->net, &service, &host), AT_OK);
    bench_run_ms(b, 5000);
    b->filter = hear;
    b->filter_arg = &h;
    inject(b, PC, GROUP, question, sizeof question - 1);
    assert_int_equal(h.count, 1);
    inject(b, PC, OWN, question, sizeof question - 1);
    assert_int_equal(h.count, 2);
    inject(b, 0x08080808, OWN, question, sizeof question - 1); /* straight from another network */
    assert_int_equal(h.count, 2);
    inject(b, OWN, GROUP, claim, sizeof claim - 1); /* our own, sent back by an access point */
    assert_int_equal(h.count, 2);
    inject(b, PC, GROUP, claim, sizeof claim - 1);
    assert_true(h.count > 2);
    at_mdns_host_close(host);
    assert_int_equal(h.hops, 255);
    drain(b);
}

static void a_unicast_answer_has_all_its_hops(void **state)
{
    static const char question[] = "\0\0\0\0\0\1\0\0\0\0\0\0\x09"
                                   "espressif\5local\0\0\1\x80\1";
    bench *b = *state;
    heard h = { .hops = 255 };
    at_mdns_host *host;

    assert_int_equal(at_mdns_host_open(b->net, &service, &host), AT_OK);
    bench_run_ms(b, 5000);
    b->filter = hear;
    b->filter_arg = &h;
    inject(b, PC, GROUP, question, sizeof question - 1);
    assert_int_equal(h.count, 1);
    assert_int_equal(h.hops, 255);
    at_mdns_host_close(host);
    drain(b);
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
        TEST(it_probes_and_says_goodbye),
        TEST(an_hour_costs_nothing),
        TEST(the_port_may_be_taken),
        TEST(without_a_network_it_is_silent),
        TEST(where_messages_come_from_counts),
        TEST(a_unicast_answer_has_all_its_hops),
        TEST(memory_may_be_short),
    };

    return cmocka_run_group_tests(tests, group_setup, bench_group_teardown);
}
