/* The server: clients become links; limits, time-outs, ends. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static at_listen_params listen_on(uint16_t port, uint8_t max_clients, uint16_t timeout_s)
{
    return (at_listen_params){ .type = AT_LINK_TCP,
                               .port = port,
                               .max_clients = max_clients,
                               .timeout_s = timeout_s,
                               .options = { .linger_s = -1 } };
}

static void start(bench *b, uint8_t max_clients, uint16_t timeout_s)
{
    at_listen_params params = listen_on(333, max_clients, timeout_s);

    assert_int_equal(at_links_listen(b->links, &params), AT_OK);
}

static void clients_take_the_lowest_free_link(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_UDP, "192.168.3.102", 9);
    at_link_info info;
    char text[8];

    bench_open(b, 1, &params);
    start(b, 5, 0);
    bench_peer(b, "a: connect 192.168.3.112 333");
    bench_expect(b, 0, AT_LINK_OPENED, AT_OK);
    bench_peer(b, "b: connect 192.168.3.112 333");
    bench_expect(b, 2, AT_LINK_OPENED, AT_OK);
    at_link_get(b->links, 2, &info);
    assert_true(info.server);
    assert_int_equal(info.local_port, 333);
    assert_int_equal(info.remote.bytes[3], 102);
    bench_peer(b, "b: send hi");
    bench_expect(b, 2, AT_LINK_READABLE, AT_OK);
    assert_int_equal(at_link_read(b->links, 2, text, 8), 2);
    assert_int_equal(at_link_write(b->links, 2, "ho", 2), 2);
    bench_peer(b, "b: expect ho");
    bench_peer(b, "a: close");
    bench_expect(b, 0, AT_LINK_GONE, AT_ERR_CLOSED);
    bench_peer(b, "c: connect 192.168.3.112 333");
    bench_expect(b, 0, AT_LINK_OPENED, AT_OK);
    assert_int_equal(at_links_unlisten(b->links), AT_OK);
    assert_int_equal(bench_state(b, 0), AT_LINK_OPEN); /* clients stay */
    bench_peer(b, "c: close");
    bench_peer(b, "b: close");
}

static void data_that_came_with_the_client_is_told(void **state)
{
    bench *b = *state;

    start(b, 5, 0);
    bench_tell(b, "a: connect 192.168.3.112 333");
    bench_tell(b, "a: send early");
    bench_tell(b, "a: close");
    for (int i = 0; i < 3; i++)
        assert_string_equal(bench_answer(b), "a: ok");
    bench_expect(b, 0, AT_LINK_OPENED, AT_OK);
    bench_expect(b, 0, AT_LINK_READABLE, AT_OK);
    bench_expect(b, 0, AT_LINK_GONE, AT_ERR_CLOSED);
    assert_int_equal(bench_state(b, 0), AT_LINK_DRAINED);
    assert_int_equal(at_link_buffered(b->links, 0), 5);
}

static void clients_beyond_the_limit_are_reset(void **state)
{
    bench *b = *state;

    start(b, 1, 0);
    bench_peer(b, "a: connect 192.168.3.112 333");
    bench_expect(b, 0, AT_LINK_OPENED, AT_OK);
    bench_peer(b, "b: connect 192.168.3.112 333");
    bench_peer(b, "b: reset");
    bench_expect(b, AT_LINKS, AT_LINK_TURNED_AWAY, AT_ERR_REFUSED);
    bench_peer(b, "b: close");
    assert_int_equal(at_link_close(b->links, 0), AT_OK);
    bench_peer(b, "a: eof");
    bench_peer(b, "a: close");
    bench_peer(b, "b: connect 192.168.3.112 333");
    bench_expect(b, 0, AT_LINK_OPENED, AT_OK);
    bench_peer(b, "b: close");
}

static void a_full_table_turns_clients_away(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_UDP, "192.168.3.102", 9);

    for (unsigned id = 0; id < AT_LINKS; id++)
        bench_open(b, id, &params);
    start(b, 5, 0);
    bench_peer(b, "a: connect 192.168.3.112 333");
    bench_peer(b, "a: reset");
    bench_expect(b, AT_LINKS, AT_LINK_TURNED_AWAY, AT_ERR_REFUSED);
    bench_peer(b, "a: close");
}

static void idle_clients_are_closed(void **state)
{
    bench *b = *state;
    uint64_t start_us;
    char text[4];

    start(b, 5, 10);
    bench_peer(b, "a: connect 192.168.3.112 333");
    bench_expect(b, 0, AT_LINK_OPENED, AT_OK);
    bench_run_ms(b, 8000);
    assert_int_equal(at_link_write(b->links, 0, "x", 1), 1); /* restarts the clock */
    bench_run_ms(b, 8000);
    bench_peer(b, "a: send y"); /* so does this */
    bench_expect(b, 0, AT_LINK_READABLE, AT_OK);
    assert_int_equal(at_link_read(b->links, 0, text, 4), 1);
    start_us = b->now_us;
    bench_expect(b, 0, AT_LINK_GONE, AT_ERR_TIMEOUT);
    assert_in_range(b->now_us - start_us, 9900000, 10100000);
    bench_peer(b, "a: expect x");
    bench_peer(b, "a: eof");
    bench_peer(b, "a: close");
}

static void the_time_out_can_change(void **state)
{
    bench *b = *state;
    at_listen_params now;

    start(b, 5, 0);
    bench_peer(b, "a: connect 192.168.3.112 333");
    bench_expect(b, 0, AT_LINK_OPENED, AT_OK);
    bench_run_ms(b, 100000);
    assert_int_equal(bench_state(b, 0), AT_LINK_OPEN);
    at_links_set_server_timeout(b->links, 5);
    assert_true(at_links_listening(b->links, &now));
    assert_int_equal(now.timeout_s, 5);
    bench_expect(b, 0, AT_LINK_GONE, AT_ERR_TIMEOUT);
    bench_peer(b, "a: close");
}

static void there_is_one_server(void **state)
{
    bench *b = *state;
    at_listen_params params = listen_on(333, 5, 0);

    assert_false(at_links_listening(b->links, NULL));
    assert_int_equal(at_links_unlisten(b->links), AT_ERR_STATE);
    start(b, 5, 0);
    assert_int_equal(at_links_listen(b->links, &params), AT_ERR_STATE);
    assert_int_equal(at_links_unlisten(b->links), AT_OK);
    bench_tell(b, "a: connect 192.168.3.112 333");
    assert_string_equal(bench_answer(b), "a: fail refused");
    params.type = AT_LINK_SSLV6;
    assert_int_equal(at_links_listen(b->links, &params), AT_ERR_UNSUPPORTED);
    params.type = AT_LINK_SSL; /* without saying how */
    assert_int_equal(at_links_listen(b->links, &params), AT_ERR_INVALID);
    start(b, 5, 0); /* at once, on the same port, with a client still connected */
    bench_peer(b, "a: connect 192.168.3.112 333");
    bench_expect(b, 0, AT_LINK_OPENED, AT_OK);
    assert_int_equal(at_links_unlisten(b->links), AT_OK);
    start(b, 5, 0);
    bench_peer(b, "a: close");
}

static void a_link_to_ourselves(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_TCP, "192.168.3.112", 333);
    char text[8] = "";

    start(b, 5, 0);
    assert_int_equal(at_link_open(b->links, 4, &params), AT_OK);
    while (b->event_count < 2)
        at_loop_turn(&b->loop);
    assert_int_equal(bench_state(b, 0), AT_LINK_OPEN);
    assert_int_equal(bench_state(b, 4), AT_LINK_OPEN);
    assert_int_equal(at_link_write(b->links, 4, "me", 2), 2);
    assert_int_equal(bench_read(b, 0, text, 2), 2);
    assert_string_equal(text, "me");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(clients_take_the_lowest_free_link),
        TEST(data_that_came_with_the_client_is_told),
        TEST(clients_beyond_the_limit_are_reset),
        TEST(a_full_table_turns_clients_away),
        TEST(idle_clients_are_closed),
        TEST(the_time_out_can_change),
        TEST(there_is_one_server),
        TEST(a_link_to_ourselves),
    };

    if (getenv("NET_TEST_ONLY") != NULL)
        cmocka_set_test_filter(getenv("NET_TEST_ONLY"));
    return cmocka_run_group_tests(tests, bench_group_setup, bench_group_teardown);
}
