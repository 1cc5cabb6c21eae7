/* The window is a run-time value (--window), and the send buffer follows it. */
#include "bench.h"

#include <stdlib.h>

#include "tests/peer/peer.h"

static void a_wider_window_holds_more(void **state)
{
    bench *b = *state;
    at_link_open_params params = bench_params(AT_LINK_TCP, "192.168.3.102", 8080);
    enum { TOTAL = 500000 };
    uint8_t *data = malloc(TOTAL);
    uint32_t seed = 3 | 1u;

    bench_peer(b, "l: listen tcp 8080");
    bench_open(b, 0, &params);
    bench_peer(b, "l: accept p");
    bench_peer(b, "p: timeout 100000000");
    bench_tell(b, "p: fill 500000 3");
    bench_run_ms(b, 60000);
    assert_int_equal(at_link_buffered(b->links, 0), 64240);
    assert_int_equal(bench_read(b, 0, data, TOTAL), TOTAL);
    for (size_t i = 0; i < TOTAL; i++)
        assert_int_equal(data[i], peer_random_byte(&seed));
    bench_peer(b, "p: window stop");
    assert_int_equal(at_link_write(b->links, 0, data, TOTAL), 44 * AT_TCP_MSS);
    bench_tell(b, "p: window go");
    bench_peer(b, "p: drain 63360 3");
    free(data);
    bench_peer(b, "p: close");
    bench_peer(b, "l: close");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_wider_window_holds_more, bench_setup, bench_teardown),
    };

    return cmocka_run_group_tests(tests, bench_group_setup_wide, bench_group_teardown);
}
