/* The SNTP client against a peer that answers, lies or is silent; what it costs while it waits. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "net/sntp.h"

#define NOON 1634558400ll /* 2021-10-18 12:00:00 UTC */

static int64_t offset_us;
static unsigned synchronisations;
static at_sntp *sntp;

static void on_time(void *owner)
{
    (void)owner;
    synchronisations++;
}

static int64_t unix_s(const bench *b)
{
    return (offset_us + (int64_t)b->now_us) / 1000000;
}

static int group_setup(void **state)
{
    bench *b;
    at_sntp_config config = { .date_offset_us = &offset_us, .on_time = on_time };

    bench_group_setup(state);
    b = *state;
    config.net = b->net;
    sntp = at_sntp_create(&config);
    bench_peer(b, "n: udp 123");
    return sntp == NULL;
}

static int setup(void **state)
{
    synchronisations = 0;
    offset_us = 0;
    at_sntp_set_interval(sntp, 3600);
    at_sntp_online(sntp, true);
    return bench_setup(state);
}

static int teardown(void **state)
{
    at_sntp_stop(sntp);
    return bench_teardown(state);
}

static void start(const char *first, const char *second)
{
    const char *const servers[] = { first, second };

    at_sntp_start(sntp, servers, second != NULL ? 2 : 1);
}

static void one_answer_sets_the_clock(void **state)
{
    bench *b = *state;

    start("192.168.3.102", NULL);
    assert_int_equal(synchronisations, 0);
    bench_peer(b, "n: ntp 1634558400");
    bench_run_ms(b, 1000);
    assert_int_equal(synchronisations, 1);
    assert_in_range(unix_s(b), NOON, NOON + 2);
}

/* The answer is on its way for two seconds: half of them have passed since it was sent. */
static void half_of_the_way_is_added(void **state)
{
    bench *b = *state;

    start("192.168.3.102", NULL);
    bench_run_ms(b, 2000);
    bench_peer(b, "n: ntp 1634558400");
    bench_settle(b);
    assert_int_equal(synchronisations, 1);
    assert_in_range(offset_us + (int64_t)b->now_us, (NOON * 1000 + 990) * 1000,
                    (NOON * 1000 + 1010) * 1000);
}

static void an_hour_costs_one_wake_up_and_one_answer(void **state)
{
    bench *b = *state;
    uint64_t waits;

    start("192.168.3.102", NULL);
    bench_peer(b, "n: ntp 1634558400");
    bench_run_ms(b, 60000);
    waits = b->waits;
    bench_run_ms(b, 3539000);
    assert_int_equal(synchronisations, 1);
    print_message("synchronised and idle: %llu wake-ups in 59 minutes\n",
                  (unsigned long long)(b->waits - waits));
    assert_in_range(b->waits - waits, 0, 3);
    bench_tell(b, "n: ntp 1634562000");
    bench_run_ms(b, 2000);
    (void)bench_answer(b);
    assert_int_equal(synchronisations, 2);
}

static void a_silent_server_is_followed_by_the_next(void **state)
{
    bench *b = *state;

    start("192.168.3.77", "192.168.3.102");
    bench_run_ms(b, 4990);
    bench_peer(b, "n: silence 0");
    bench_peer(b, "n: ntp 1634558400");
    bench_run_ms(b, 100);
    assert_int_equal(synchronisations, 1);
    /* The one that answered stays the first to be asked. */
    at_sntp_set_interval(sntp, 15);
    bench_peer(b, "n: ntp 1634558415");
    bench_run_ms(b, 100);
    assert_int_equal(synchronisations, 2);
}

static void a_shorter_interval_counts_from_the_last_time(void **state)
{
    bench *b = *state;

    start("192.168.3.102", NULL);
    bench_peer(b, "n: ntp 1634558400");
    bench_run_ms(b, 100000);
    at_sntp_set_interval(sntp, 60); /* overdue: at once */
    bench_tell(b, "n: ntp 1634558500");
    bench_run_ms(b, 10);
    (void)bench_answer(b);
    assert_int_equal(synchronisations, 2);
}

/* A cancelled question leaves a query with lwIP; it must not come back to life. */
static void stopping_while_a_name_is_looked_up(void **state)
{
    bench *b = *state;
    at_addr silent = at_addr_v4(192, 168, 3, 102);

    at_net_set_dns(b->net, &silent, 1);
    start("time.example", NULL);
    bench_run_ms(b, 100);
    at_sntp_stop(sntp);
    bench_run_ms(b, 60000);
    start("other.example", NULL);
    bench_run_ms(b, 100);
    at_sntp_online(sntp, false);
    bench_run_ms(b, 60000);
    bench_peer(b, "n: silence 0");
    at_net_set_dns(b->net, NULL, 0);
}

static void answers_from_elsewhere_do_not_count(void **state)
{
    bench *b = *state;

    bench_peer(b, "o: udp 124");
    start("192.168.3.102", NULL);
    bench_peer(b, "n: ntp 1000000000 via=o");
    bench_run_ms(b, 4000);
    assert_int_equal(synchronisations, 0);
    bench_peer(b, "o: close");
}

/* Every allocation of a synchronisation fails once; it succeeds at last, with nothing lost. */
static void memory_may_be_short(void **state)
{
    bench *b = *state;

    for (unsigned n = 1; n < 12; n++) {
        synchronisations = 0;
        start("192.168.3.102", NULL);
        b->heap.fail_at = b->heap.calls + n;
        bench_tell(b, "n: timeout 600000");
        (void)bench_answer(b);
        bench_peer(b, "n: ntp 1634558400");
        bench_run_ms(b, 1000);
        b->heap.fail_at = 0;
        if (synchronisations == 0) { /* the answer itself was lost */
            bench_peer(b, "n: ntp 1634558400");
            bench_run_ms(b, 1000);
        }
        assert_int_equal(synchronisations, 1);
        at_sntp_stop(sntp);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_answer_sets_the_clock),
        TEST(half_of_the_way_is_added),
        TEST(an_hour_costs_one_wake_up_and_one_answer),
        TEST(a_silent_server_is_followed_by_the_next),
        TEST(a_shorter_interval_counts_from_the_last_time),
        TEST(stopping_while_a_name_is_looked_up),
        TEST(answers_from_elsewhere_do_not_count),
        TEST(memory_may_be_short),
    };

    return cmocka_run_group_tests(tests, group_setup, bench_group_teardown);
}
