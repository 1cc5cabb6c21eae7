/* TCP links against a real stack at the other end. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/peer/peer.h"

static void open_to_peer(bench *b, unsigned id, uint16_t port, const at_link_options *options)
{
    at_link_open_params params = bench_params(AT_LINK_TCP, "192.168.3.102", port);
    char line[64];

    if (options != NULL)
        params.options = *options;
    (void)snprintf(line, sizeof line, "l%u: listen tcp %u", port, port);
    bench_peer(b, line);
    bench_open(b, id, &params);
    (void)snprintf(line, sizeof line, "l%u: accept p", port);
    bench_peer(b, line);
    (void)snprintf(line, sizeof line, "l%u: close", port);
    bench_peer(b, line);
}

static void connects_and_exchanges_bytes(void **state)
{
    bench *b = *state;
    at_link_info info;
    char text[16] = "";

    open_to_peer(b, 2, 8080, NULL);
    at_link_get(b->links, 2, &info);
    assert_int_equal(info.type, AT_LINK_TCP);
    assert_false(info.server);
    assert_int_equal(info.remote_port, 8080);
    assert_in_range(info.local_port, 49152, 65535);
    assert_int_equal(at_link_write(b->links, 2, "hello", 5), 5);
    bench_peer(b, "p: expect hello");
    bench_peer(b, "p: send world\\x00!");
    bench_expect(b, 2, AT_LINK_READABLE, AT_OK);
    assert_int_equal(at_link_buffered(b->links, 2), 7);
    assert_int_equal(at_link_next(b->links, 2, NULL), 7);
    assert_int_equal(at_link_read(b->links, 2, text, 3), 3);
    assert_int_equal(at_link_read(b->links, 2, text + 3, 13), 4);
    assert_memory_equal(text, "world\0!", 7);
    assert_int_equal(at_link_open(b->links, 2, &(at_link_open_params){ .type = AT_LINK_TCP }),
                     AT_ERR_STATE);
    assert_int_equal(at_link_close(b->links, 2), AT_OK);
    assert_int_equal(bench_state(b, 2), AT_LINK_FREE);
    bench_peer(b, "p: eof");
    bench_peer(b, "p: close");
    assert_int_equal(at_link_close(b->links, 2), AT_ERR_STATE);
    bench_expect_nothing(b);
}

static void a_refused_connection_says_so(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_TCP, "192.168.3.102", 1);

    assert_int_equal(at_link_open(b->links, 0, &params), AT_OK);
    bench_expect(b, 0, AT_LINK_FAILED, AT_ERR_REFUSED);
    assert_int_equal(bench_state(b, 0), AT_LINK_FREE);
}

static void nobody_there_is_a_time_out(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_TCP, "192.168.3.77", 80);
    uint64_t start = b->now_us;

    params.timeout_ms = 5000;
    assert_int_equal(at_link_open(b->links, 0, &params), AT_OK);
    bench_expect(b, 0, AT_LINK_FAILED, AT_ERR_TIMEOUT);
    assert_int_equal(b->now_us - start, 5000000);
    params.timeout_ms = 0;
    assert_int_equal(at_link_open(b->links, 0, &params), AT_OK);
    bench_expect(b, 0, AT_LINK_FAILED, AT_ERR_TIMEOUT);
}

static void an_opening_link_can_be_given_up(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_TCP, "192.168.3.77", 80);

    assert_int_equal(at_link_open(b->links, 0, &params), AT_OK);
    assert_int_equal(at_link_close(b->links, 0), AT_OK);
    assert_int_equal(at_link_open(b->links, 0, &params), AT_OK);
    bench_run_ms(b, 100);
    assert_int_equal(bench_state(b, 0), AT_LINK_CONNECTING);
    assert_int_equal(at_link_close(b->links, 0), AT_OK);
    bench_run_ms(b, 300000);
    assert_int_equal(b->event_count, 0);
}

static void what_cannot_be_opened_is_refused_at_once(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_TCPV6, "::1", 80);

    assert_int_equal(at_link_open(b->links, 0, &params), AT_ERR_UNSUPPORTED);
    params.type = AT_LINK_SSLV6;
    assert_int_equal(at_link_open(b->links, 0, &params), AT_ERR_UNSUPPORTED);
    params.type = AT_LINK_SSL; /* without saying how */
    assert_int_equal(at_link_open(b->links, 0, &params), AT_ERR_INVALID);
    params = bench_params(AT_LINK_TCP, "192.168.3.102", 80);
    params.local = at_addr_v4(10, 0, 0, 1);
    assert_int_equal(at_link_open(b->links, 0, &params), AT_ERR_UNREACHABLE);
    params.host = "fe80::1";
    params.local = (at_addr){ 0 };
    assert_int_equal(at_link_open(b->links, 0, &params), AT_OK);
    bench_expect(b, 0, AT_LINK_FAILED, AT_ERR_NOT_FOUND);
}

static void the_peers_end_leaves_data_readable(void **state)
{
    bench *b = *state;
    char text[8];

    open_to_peer(b, 1, 8081, NULL);
    bench_peer(b, "p: send last");
    bench_peer(b, "p: close");
    bench_expect(b, 1, AT_LINK_READABLE, AT_OK);
    bench_expect(b, 1, AT_LINK_GONE, AT_ERR_CLOSED);
    assert_int_equal(bench_state(b, 1), AT_LINK_DRAINED);
    assert_int_equal(at_link_buffered(b->links, 1), 4);
    assert_int_equal(at_link_read(b->links, 1, text, 3), 3);
    assert_int_equal(bench_state(b, 1), AT_LINK_DRAINED);
    assert_int_equal(at_link_read(b->links, 1, text, 8), 1);
    assert_int_equal(bench_state(b, 1), AT_LINK_FREE);
    bench_expect_nothing(b);
}

static void a_half_closed_peer_still_receives(void **state)
{
    bench *b = *state;
    char text[8];

    open_to_peer(b, 1, 8082, NULL);
    bench_peer(b, "p: send q");
    bench_peer(b, "p: fin");
    bench_expect(b, 1, AT_LINK_READABLE, AT_OK);
    bench_expect(b, 1, AT_LINK_GONE, AT_ERR_CLOSED);
    assert_int_equal(at_link_write(b->links, 1, "late", 4), 4);
    bench_peer(b, "p: expect late");
    assert_int_equal(at_link_read(b->links, 1, text, 8), 1);
    bench_peer(b, "p: eof");
    bench_peer(b, "p: close");
}

static void a_reset_is_told_and_data_survives_it(void **state)
{
    bench *b = *state;
    char text[8];

    open_to_peer(b, 0, 8083, NULL);
    bench_peer(b, "p: send abc");
    bench_peer(b, "p: abort");
    bench_expect(b, 0, AT_LINK_READABLE, AT_OK);
    bench_expect(b, 0, AT_LINK_GONE, AT_ERR_RESET);
    assert_int_equal(bench_state(b, 0), AT_LINK_DRAINED);
    assert_int_equal(at_link_write(b->links, 0, "x", 1), 0);
    assert_int_equal(at_link_read(b->links, 0, text, 8), 3);
    assert_int_equal(bench_state(b, 0), AT_LINK_FREE);
}

static void linger_zero_resets(void **state)
{
    bench *b = *state;

    open_to_peer(b, 0, 8084, &(at_link_options){ .linger_s = 0 });
    assert_int_equal(at_link_close(b->links, 0), AT_OK);
    bench_peer(b, "p: reset");
    bench_peer(b, "p: close");
}

static void lingering_waits_for_the_peers_end(void **state)
{
    bench *b = *state;

    open_to_peer(b, 0, 8085, &(at_link_options){ .linger_s = 60 });
    assert_int_equal(at_link_write(b->links, 0, "bye", 3), 3);
    bench_tell(b, "p: fill 20000 9"); /* unread data must not block the end */
    assert_int_equal(at_link_close(b->links, 0), AT_ERR_AGAIN);
    assert_int_equal(bench_state(b, 0), AT_LINK_LINGERING);
    assert_string_equal(bench_answer(b), "p: ok");
    bench_peer(b, "p: expect bye");
    bench_peer(b, "p: eof");
    bench_run_ms(b, 3000);
    assert_int_equal(bench_state(b, 0), AT_LINK_LINGERING);
    bench_peer(b, "p: close");
    bench_expect(b, 0, AT_LINK_RELEASED, AT_OK);
    assert_int_equal(bench_state(b, 0), AT_LINK_FREE);
}

static void lingering_has_an_end(void **state)
{
    bench *b = *state;
    uint64_t start;

    open_to_peer(b, 0, 8086, &(at_link_options){ .linger_s = 7 });
    start = b->now_us;
    assert_int_equal(at_link_close(b->links, 0), AT_ERR_AGAIN);
    assert_int_equal(at_link_close(b->links, 0), AT_ERR_AGAIN);
    bench_peer(b, "p: eof"); /* our FIN comes first */
    bench_expect(b, 0, AT_LINK_RELEASED, AT_ERR_TIMEOUT);
    assert_int_equal(b->now_us - start, 7000000);
    bench_peer(b, "p: reset");
    bench_peer(b, "p: close");
}

static void keep_alive_finds_a_dead_peer(void **state)
{
    bench *b = *state;
    uint64_t start;

    open_to_peer(b, 3, 8087, &(at_link_options){ .linger_s = -1, .keep_alive_s = 60 });
    bench_run_ms(b, 600000);
    assert_int_equal(bench_state(b, 3), AT_LINK_OPEN); /* the peer answers */
    b->cut = true;
    start = b->now_us;
    bench_expect(b, 3, AT_LINK_GONE, AT_ERR_TIMEOUT);
    assert_in_range(b->now_us - start, 3000000, 65000000);
    b->cut = false;
    bench_peer(b, "p: abort");
}

static void without_keep_alive_a_dead_peer_is_not_noticed(void **state)
{
    bench *b = *state;
    uint64_t waits;

    open_to_peer(b, 3, 8088, NULL);
    b->cut = true;
    bench_run_ms(b, 10000);
    waits = b->waits;
    bench_run_ms(b, 3600000);
    assert_in_range(b->waits - waits, 0, 3); /* and the open link costs no wake-ups */
    assert_int_equal(bench_state(b, 3), AT_LINK_OPEN);
    assert_int_equal(at_link_write(b->links, 3, "x", 1), 1);
    bench_expect(b, 3, AT_LINK_GONE, AT_ERR_TIMEOUT);
    b->cut = false;
    bench_peer(b, "p: abort");
}

static void an_unread_window_stops_the_peer(void **state)
{
    bench *b = *state;
    enum { TOTAL = 200000 };
    uint8_t *got = malloc(TOTAL);
    uint32_t seed = 5 | 1u;
    size_t used;

    open_to_peer(b, 0, 8089, NULL);
    bench_peer(b, "p: timeout 1000000");
    bench_tell(b, "p: fill 200000 5");
    bench_run_ms(b, 60000);
    assert_int_equal(at_link_buffered(b->links, 0), AT_TCP_WINDOW);
    used = b->heap.used;
    bench_run_ms(b, 60000);
    assert_int_equal(b->heap.used, used);
    assert_int_equal(bench_read(b, 0, got, TOTAL), TOTAL);
    for (size_t i = 0; i < TOTAL; i++)
        assert_int_equal(got[i], peer_random_byte(&seed));
    free(got);
    assert_string_equal(bench_answer(b), "p: ok");
    bench_peer(b, "p: close");
}

static void a_stopped_peer_stops_us(void **state)
{
    bench *b = *state;
    enum { TOTAL = 300000 };
    uint8_t *data = malloc(TOTAL);
    uint32_t seed = 8 | 1u;
    size_t taken;

    for (size_t i = 0; i < TOTAL; i++)
        data[i] = peer_random_byte(&seed);
    open_to_peer(b, 0, 8090, NULL);
    bench_peer(b, "p: window stop");
    taken = at_link_write(b->links, 0, data, TOTAL);
    assert_int_equal(taken, 8 * AT_TCP_MSS); /* the send buffer */
    bench_expect(b, 0, AT_LINK_WRITABLE, AT_OK);
    for (int round = 0; round < 10; round++) {
        taken += at_link_write(b->links, 0, data + taken, TOTAL - taken);
        bench_run_ms(b, 10000);
    }
    assert_int_equal(taken, 8 * AT_TCP_MSS + AT_TCP_WINDOW);
    assert_int_equal(at_link_write(b->links, 0, data, 1), 0);
    b->event_count = 0;
    bench_peer(b, "p: window go");
    bench_tell(b, "p: drain 300000 8");
    bench_write(b, 0, data + taken, TOTAL - taken);
    assert_string_equal(bench_answer(b), "p: ok");
    free(data);
    b->event_count = 0;
    (void)at_link_close(b->links, 0);
    bench_peer(b, "p: eof");
    bench_peer(b, "p: close");
}

static void bulk_arrives_byte_exact(void **state)
{
    bench *b = *state;
    enum { TOTAL = 1000000 };
    uint8_t *data = malloc(TOTAL);
    uint32_t seed = 21 | 1u;

    for (size_t i = 0; i < TOTAL; i++)
        data[i] = peer_random_byte(&seed);
    open_to_peer(b, 4, 8091, NULL);
    bench_tell(b, "p: drain 1000000 21");
    for (size_t i = 0; i < TOTAL; i += 2920)
        bench_write(b, 4, data + i, TOTAL - i < 2920 ? TOTAL - i : 2920);
    assert_string_equal(bench_answer(b), "p: ok");
    free(data);
    (void)at_link_close(b->links, 4);
    bench_peer(b, "p: eof");
    bench_peer(b, "p: close");
}

/* Every 7th frame is lost, in both directions. */
static bool lossy(bench *b, const uint8_t *frame, size_t len, bool outgoing)
{
    unsigned *count = b->filter_arg;

    (void)frame;
    (void)len;
    (void)outgoing;
    return ++*count % 7 != 0;
}

static void loss_costs_time_but_no_bytes(void **state)
{
    bench *b = *state;
    enum { TOTAL = 50000 };
    uint8_t *data = malloc(TOTAL);
    uint32_t seed = 3 | 1u;
    unsigned count = 0;

    open_to_peer(b, 0, 8092, NULL);
    b->filter = lossy;
    b->filter_arg = &count;
    bench_tell(b, "p: fill 50000 3");
    assert_int_equal(bench_read(b, 0, data, TOTAL), TOTAL);
    for (size_t i = 0; i < TOTAL; i++)
        assert_int_equal(data[i], peer_random_byte(&seed));
    assert_string_equal(bench_answer(b), "p: ok");
    bench_tell(b, "p: drain 50000 3");
    bench_write(b, 0, data, TOTAL);
    assert_string_equal(bench_answer(b), "p: ok");
    b->filter = NULL;
    free(data);
    (void)at_link_close(b->links, 0);
    bench_peer(b, "p: eof");
    bench_peer(b, "p: close");
}

static void losing_the_address_ends_links(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_TCP, "192.168.3.77", 80);

    open_to_peer(b, 0, 8093, NULL);
    assert_int_equal(at_link_open(b->links, 1, &params), AT_OK);
    bench_run_ms(b, 10);
    at_net_link(b->net, AT_NETIF_STA, false);
    bench_expect(b, 0, AT_LINK_GONE, AT_ERR_UNREACHABLE);
    bench_expect(b, 1, AT_LINK_FAILED, AT_ERR_UNREACHABLE);
    assert_int_equal(at_link_open(b->links, 1, &params), AT_ERR_UNREACHABLE);
    assert_int_equal(b->net_events[AT_NET_LOST_IP], 1);
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 10);
    assert_int_equal(b->net_events[AT_NET_GOT_IP], 1);
    bench_peer(b, "p: abort");
    open_to_peer(b, 0, 8093, NULL);
    (void)at_link_close(b->links, 0);
    bench_peer(b, "p: close");
}

static void type_names(void **state)
{
    (void)state;
    assert_string_equal(at_link_type_name(AT_LINK_SSLV6), "SSLv6");
    assert_int_equal(at_link_type_parse("TCPV6"), AT_LINK_TCPV6);
    assert_int_equal(at_link_type_parse("udp"), AT_LINK_UDP);
    assert_int_equal(at_link_type_parse("TCP4"), -1);
    assert_int_equal(at_link_type_parse(""), -1);
    assert_true(at_link_type_is_udp(AT_LINK_UDPV6));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connects_and_exchanges_bytes),
        TEST(a_refused_connection_says_so),
        TEST(nobody_there_is_a_time_out),
        TEST(an_opening_link_can_be_given_up),
        TEST(what_cannot_be_opened_is_refused_at_once),
        TEST(the_peers_end_leaves_data_readable),
        TEST(a_half_closed_peer_still_receives),
        TEST(a_reset_is_told_and_data_survives_it),
        TEST(linger_zero_resets),
        TEST(lingering_waits_for_the_peers_end),
        TEST(lingering_has_an_end),
        TEST(keep_alive_finds_a_dead_peer),
        TEST(without_keep_alive_a_dead_peer_is_not_noticed),
        TEST(an_unread_window_stops_the_peer),
        TEST(a_stopped_peer_stops_us),
        TEST(bulk_arrives_byte_exact),
        TEST(loss_costs_time_but_no_bytes),
        TEST(losing_the_address_ends_links),
        TEST(type_names),
    };

    if (getenv("NET_TEST_ONLY") != NULL)
        cmocka_set_test_filter(getenv("NET_TEST_ONLY"));
    return cmocka_run_group_tests(tests, bench_group_setup, bench_group_teardown);
}
