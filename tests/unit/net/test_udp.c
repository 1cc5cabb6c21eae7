/* UDP links: modes, boundaries, bounds, fragments, broadcast and groups. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/peer/peer.h"

#define PEER "192.168.3.102"

static void open_udp(bench *b, unsigned id, const char *host, uint16_t port, uint16_t local_port,
                     uint8_t mode)
{
    at_link_open_params params = bench_params(AT_LINK_UDP, host, port);

    params.local_port = local_port;
    params.udp_mode = mode;
    bench_open(b, id, &params);
}

static uint16_t remote_port(bench *b, unsigned id)
{
    at_link_info info;

    at_link_get(b->links, id, &info);
    return info.remote_port;
}

static void send(bench *b, unsigned id, const char *text)
{
    assert_int_equal(at_link_send_to(b->links, id, text, strlen(text), NULL, 0), AT_OK);
}

static void read_text(bench *b, unsigned id, const char *text)
{
    char got[64] = "";

    assert_int_equal(at_link_next(b->links, id, NULL), strlen(text));
    assert_int_equal(at_link_read(b->links, id, got, sizeof got - 1), strlen(text));
    assert_string_equal(got, text);
}

static void two_senders(bench *b)
{
    bench_peer(b, "one: udp 5001");
    bench_peer(b, "two: udp 5002");
}

static void close_both(bench *b, unsigned id)
{
    bench_peer(b, "one: close");
    bench_peer(b, "two: close");
    assert_int_equal(at_link_close(b->links, id), AT_OK);
}

static void mode_0_keeps_its_peer(void **state)
{
    bench *b = *state;
    at_link_from from;

    two_senders(b);
    open_udp(b, 0, PEER, 5001, 6000, 0);
    bench_peer(b, "two: sendto 192.168.3.112 6000 hello");
    bench_expect(b, 0, AT_LINK_READABLE, AT_OK);
    assert_int_equal(at_link_next(b->links, 0, &from), 5);
    assert_int_equal(from.port, 5002);
    assert_int_equal(from.addr.bytes[3], 102);
    read_text(b, 0, "hello");
    assert_int_equal(remote_port(b, 0), 5001);
    send(b, 0, "answer");
    bench_peer(b, "one: recvfrom 192.168.3.112 6000 answer");
    close_both(b, 0);
}

static void mode_1_changes_once(void **state)
{
    bench *b = *state;

    two_senders(b);
    bench_peer(b, "three: udp 5003");
    open_udp(b, 0, PEER, 5001, 6000, 1);
    bench_peer(b, "one: sendto 192.168.3.112 6000 a");
    bench_settle(b);
    assert_int_equal(remote_port(b, 0), 5001);
    bench_peer(b, "two: sendto 192.168.3.112 6000 b");
    bench_settle(b);
    assert_int_equal(remote_port(b, 0), 5002);
    bench_peer(b, "three: sendto 192.168.3.112 6000 c");
    bench_peer(b, "one: sendto 192.168.3.112 6000 d");
    bench_settle(b);
    assert_int_equal(remote_port(b, 0), 5002);
    send(b, 0, "for two");
    bench_peer(b, "two: recvfrom 192.168.3.112 6000 for two");
    bench_peer(b, "three: close");
    close_both(b, 0);
}

static void mode_2_follows_every_sender(void **state)
{
    bench *b = *state;

    two_senders(b);
    open_udp(b, 0, PEER, 5009, 6000, 2);
    bench_peer(b, "one: sendto 192.168.3.112 6000 a");
    bench_settle(b);
    send(b, 0, "1");
    bench_peer(b, "one: recvfrom * * 1");
    bench_peer(b, "two: sendto 192.168.3.112 6000 b");
    bench_settle(b);
    send(b, 0, "2");
    bench_peer(b, "two: recvfrom * * 2");
    close_both(b, 0);
}

static void boundaries_are_kept(void **state)
{
    bench *b = *state;
    char text[8];

    two_senders(b);
    open_udp(b, 3, PEER, 5001, 6000, 0);
    bench_peer(b, "one: sendto 192.168.3.112 6000 first");
    bench_peer(b, "two: sendto 192.168.3.112 6000 second");
    bench_peer(b, "one: sendto 192.168.3.112 6000 third");
    bench_settle(b);
    assert_int_equal(at_link_buffered(b->links, 3), 16);
    at_link_drop_rest(b->links, 3); /* nothing was read of the first one */
    assert_int_equal(at_link_buffered(b->links, 3), 16);
    assert_int_equal(at_link_read(b->links, 3, text, 2), 2);
    assert_memory_equal(text, "fi", 2);
    assert_int_equal(at_link_next(b->links, 3, NULL), 3);
    at_link_drop_rest(b->links, 3);
    assert_int_equal(at_link_buffered(b->links, 3), 11);
    read_text(b, 3, "second");
    read_text(b, 3, "third");
    assert_int_equal(at_link_next(b->links, 3, NULL), 0);
    assert_int_equal(at_link_read(b->links, 3, text, 8), 0);
    close_both(b, 3);
}

static void the_newest_is_lost_when_full(void **state)
{
    bench *b = *state;

    two_senders(b);
    open_udp(b, 0, PEER, 5001, 6000, 0);
    bench_peer(b, "one: fillto 192.168.3.112 6000 1400 1");
    bench_peer(b, "one: fillto 192.168.3.112 6000 1400 2");
    bench_peer(b, "one: fillto 192.168.3.112 6000 1400 3");
    bench_peer(b, "one: fillto 192.168.3.112 6000 1400 4");
    bench_peer(b, "one: fillto 192.168.3.112 6000 1400 5");
    bench_peer(b, "one: sendto 192.168.3.112 6000 small");
    bench_settle(b);
    assert_int_equal(at_link_buffered(b->links, 0), 4 * 1400 + 5);
    close_both(b, 0);
}

static void large_datagrams_travel_in_fragments(void **state)
{
    bench *b = *state;
    uint8_t data[8192];
    uint32_t seed = 6 | 1u;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = peer_random_byte(&seed);
    two_senders(b);
    open_udp(b, 0, PEER, 5001, 6000, 0);
    assert_int_equal(at_link_send_to(b->links, 0, data, sizeof data, NULL, 0), AT_OK);
    bench_peer(b, "one: drainfrom 192.168.3.112 6000 8192 6");
    bench_peer(b, "one: fillto 192.168.3.112 6000 5000 6");
    bench_expect(b, 0, AT_LINK_READABLE, AT_OK);
    memset(data, 0, sizeof data);
    assert_int_equal(at_link_read(b->links, 0, data, sizeof data), 5000);
    seed = 6 | 1u;
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(data[i], peer_random_byte(&seed));
    assert_int_equal(at_link_send_to(b->links, 0, data, 65508, NULL, 0), AT_ERR_INVALID);
    close_both(b, 0);
}

static void a_datagram_can_go_to_anybody(void **state)
{
    bench *b = *state;
    at_addr to = at_addr_v4(192, 168, 3, 102);

    two_senders(b);
    open_udp(b, 0, PEER, 5001, 0, 0);
    assert_int_equal(at_link_send_to(b->links, 0, "x", 1, &to, 5002), AT_OK);
    bench_peer(b, "two: recvfrom 192.168.3.112 * x");
    assert_int_equal(remote_port(b, 0), 5001);
    assert_int_equal(at_link_write(b->links, 0, "x", 1), 0);
    close_both(b, 0);
}

static void a_local_port_is_used_once(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_UDP, PEER, 5001);

    params.local_port = 6000;
    bench_open(b, 0, &params);
    assert_int_equal(at_link_open(b->links, 1, &params), AT_ERR_EXISTS);
    assert_int_equal(bench_state(b, 1), AT_LINK_FREE);
    assert_int_equal(at_link_close(b->links, 0), AT_OK);
    bench_open(b, 1, &params);
    assert_int_equal(at_link_close(b->links, 1), AT_OK);
    params.local = at_addr_v4(192, 168, 3, 111);
    assert_int_equal(at_link_open(b->links, 1, &params), AT_ERR_UNREACHABLE);
    params.local = at_addr_v4(192, 168, 3, 112);
    bench_open(b, 1, &params);
    assert_int_equal(at_link_close(b->links, 1), AT_OK);
}

static void broadcast_reaches_and_is_heard(void **state)
{
    bench *b = *state;

    two_senders(b);
    open_udp(b, 0, "255.255.255.255", 5001, 6000, 0);
    send(b, 0, "all");
    bench_peer(b, "one: recvfrom 192.168.3.112 6000 all");
    bench_peer(b, "two: sendto 255.255.255.255 6000 limited");
    bench_expect(b, 0, AT_LINK_READABLE, AT_OK);
    read_text(b, 0, "limited");
    bench_peer(b, "two: sendto 192.168.3.255 6000 subnet");
    bench_expect(b, 0, AT_LINK_READABLE, AT_OK);
    read_text(b, 0, "subnet");
    close_both(b, 0);
}

static void a_group_is_joined_and_left(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_UDP, "239.1.2.3", 5001);

    bench_peer(b, "one: udp 5001 239.1.2.3");
    bench_peer(b, "two: udp 5002");
    params.local_port = 6000;
    params.local = at_addr_v4(192, 168, 3, 112);
    bench_open(b, 0, &params);
    send(b, 0, "group");
    bench_peer(b, "one: recvfrom 192.168.3.112 6000 group");
    bench_peer(b, "two: sendto 239.1.2.3 6000 to the group");
    bench_expect(b, 0, AT_LINK_READABLE, AT_OK);
    read_text(b, 0, "to the group");
    bench_peer(b, "two: sendto 192.168.3.112 6000 to me");
    bench_expect(b, 0, AT_LINK_READABLE, AT_OK);
    read_text(b, 0, "to me");
    bench_peer(b, "two: sendto 239.9.9.9 6000 other group");
    bench_expect_nothing(b);
    close_both(b, 0);
}

static void losing_the_address_ends_the_link(void **state)
{
    bench *b = *state;

    two_senders(b);
    open_udp(b, 0, PEER, 5001, 6000, 0);
    open_udp(b, 1, PEER, 5001, 6001, 0);
    bench_peer(b, "one: sendto 192.168.3.112 6001 unread");
    bench_expect(b, 1, AT_LINK_READABLE, AT_OK);
    at_net_link(b->net, AT_NETIF_STA, false);
    bench_expect(b, 0, AT_LINK_GONE, AT_ERR_UNREACHABLE);
    bench_expect(b, 1, AT_LINK_GONE, AT_ERR_UNREACHABLE);
    assert_int_equal(bench_state(b, 0), AT_LINK_FREE);
    assert_int_equal(bench_state(b, 1), AT_LINK_DRAINED);
    read_text(b, 1, "unread");
    assert_int_equal(bench_state(b, 1), AT_LINK_FREE);
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_peer(b, "one: close");
    bench_peer(b, "two: close");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mode_0_keeps_its_peer),
        TEST(mode_1_changes_once),
        TEST(mode_2_follows_every_sender),
        TEST(boundaries_are_kept),
        TEST(the_newest_is_lost_when_full),
        TEST(large_datagrams_travel_in_fragments),
        TEST(a_datagram_can_go_to_anybody),
        TEST(a_local_port_is_used_once),
        TEST(broadcast_reaches_and_is_heard),
        TEST(a_group_is_joined_and_left),
        TEST(losing_the_address_ends_the_link),
    };

    return cmocka_run_group_tests(tests, bench_group_setup, bench_group_teardown);
}
