/* The Linux waiter, clock and random sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "ports/linux/clock.h"
#include "ports/linux/poller.h"
#include "ports/linux/random.h"

typedef struct fixture {
    lx_poller poller;
    lx_source a, b;
    int pipe_a[2], pipe_b[2];
    int calls_a, calls_b, group_calls;
    lx_group group;
    uint64_t group_deadline;
} fixture;

static void wait_for(fixture *f, uint64_t deadline)
{
    f->poller.waiter.wait(f->poller.waiter.ctx, deadline);
}

static void ready_a(void *arg, short revents)
{
    fixture *f = arg;

    assert_true(revents & POLLIN);
    f->calls_a++;
    lx_source_remove(&f->poller, &f->b); /* found ready in the same turn, must not be called */
}

static void ready_b(void *arg, short revents)
{
    fixture *f = arg;

    (void)revents;
    f->calls_b++;
}

static size_t group_fill(void *arg, struct pollfd *fds, size_t room, uint64_t *deadline_us)
{
    fixture *f = arg;

    assert_true(room > 0);
    fds[0] = (struct pollfd){ .fd = f->pipe_b[0], .events = POLLIN };
    *deadline_us = f->group_deadline;
    return 1;
}

static void group_done(void *arg, const struct pollfd *fds, size_t count)
{
    fixture *f = arg;

    assert_int_equal(count, 1);
    assert_int_equal(fds[0].fd, f->pipe_b[0]);
    f->group_calls++;
    lx_group_remove(&f->poller, &f->group);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_int_equal(pipe(f->pipe_a), 0);
    assert_int_equal(pipe(f->pipe_b), 0);
    lx_poller_init(&f->poller, lx_clock());
    f->a = (lx_source){ .fd = f->pipe_a[0], .events = POLLIN, .ready = ready_a, .arg = f };
    f->b = (lx_source){ .fd = f->pipe_b[0], .events = POLLIN, .ready = ready_b, .arg = f };
    f->group = (lx_group){ .fill = group_fill, .done = group_done, .arg = f };
    f->group_deadline = AT_WAIT_FOREVER;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        close(f->pipe_a[i]);
        close(f->pipe_b[i]);
    }
    free(f);
    return 0;
}

static void removal_inside_a_callback_is_final(void **state)
{
    fixture *f = *state;

    assert_true(lx_source_add(&f->poller, &f->a));
    assert_true(lx_source_add(&f->poller, &f->b));
    assert_int_equal(write(f->pipe_a[1], "x", 1), 1);
    assert_int_equal(write(f->pipe_b[1], "x", 1), 1);
    wait_for(f, 0);
    assert_int_equal(f->calls_a, 1);
    assert_int_equal(f->calls_b, 0);
    assert_true(lx_source_add(&f->poller, &f->b));
    lx_source_remove(&f->poller, &f->a);
    wait_for(f, 0);
    assert_int_equal(f->calls_b, 1);
}

static void no_events_means_not_watched(void **state)
{
    fixture *f = *state;

    assert_true(lx_source_add(&f->poller, &f->b));
    wait_for(f, 0);
    lx_source_set_events(&f->poller, &f->b, 0);
    close(f->pipe_b[1]);
    f->pipe_b[1] = -1;
    wait_for(f, 0);
    assert_int_equal(f->calls_b, 0);
    lx_source_set_events(&f->poller, &f->b, POLLIN);
    wait_for(f, 0);
    assert_int_equal(f->calls_b, 1);
}

static void deadlines_have_microseconds(void **state)
{
    fixture *f = *state;
    const at_clock *clock = lx_clock();
    uint64_t start = clock->now_us(clock->ctx);

    wait_for(f, start + 3000);
    assert_true(clock->now_us(clock->ctx) >= start + 3000);
}

static void groups_are_polled_and_timed(void **state)
{
    fixture *f = *state;

    lx_group_add(&f->poller, &f->group);
    wait_for(f, 0);
    assert_int_equal(f->group_calls, 0);
    assert_int_equal(write(f->pipe_b[1], "x", 1), 1);
    wait_for(f, AT_WAIT_FOREVER);
    assert_int_equal(f->group_calls, 1);
    assert_int_equal(read(f->pipe_b[0], &(char){ 0 }, 1), 1);
    f->group_deadline = lx_clock()->now_us(NULL) + 1000;
    lx_group_add(&f->poller, &f->group);
    wait_for(f, AT_WAIT_FOREVER);
    assert_int_equal(f->group_calls, 2);
    assert_null(f->poller.groups);
}

/* ---- a crowd ---- */

enum { CROWD = 100 };

typedef struct member {
    struct crowd *crowd;
    lx_source source;
    int pipe[2];
    int calls;
} member;

typedef struct crowd {
    lx_poller poller;
    member members[CROWD];
    bool remove; /* who is called removes all others */
} crowd;

static void member_ready(void *arg, short revents)
{
    member *m = arg;
    crowd *c = m->crowd;

    assert_true(m->source.added);
    assert_true(revents & POLLIN);
    m->calls++;
    for (int i = 0; i < CROWD && c->remove; i++) {
        if (&c->members[i] != m)
            lx_source_remove(&c->poller, &c->members[i].source);
    }
}

static int setup_crowd(void **state)
{
    crowd *c = calloc(1, sizeof *c);

    assert_non_null(c);
    lx_poller_init(&c->poller, lx_clock());
    for (int i = 0; i < CROWD; i++) {
        member *m = &c->members[i];

        m->crowd = c;
        assert_int_equal(pipe(m->pipe), 0);
        m->source = (lx_source){
            .fd = m->pipe[0], .events = POLLIN, .ready = member_ready, .arg = m, .crowd = true
        };
        assert_true(lx_source_add(&c->poller, &m->source));
    }
    *state = c;
    return 0;
}

static int teardown_crowd(void **state)
{
    crowd *c = *state;

    for (int i = 0; i < CROWD; i++) {
        lx_source_remove(&c->poller, &c->members[i].source);
        close(c->members[i].pipe[0]);
        close(c->members[i].pipe[1]);
    }
    close(c->poller.crowd.fd);
    free(c);
    return 0;
}

static int crowd_calls(crowd *c)
{
    int calls = 0;

    c->poller.waiter.wait(c->poller.waiter.ctx, 0);
    for (int i = 0; i < CROWD; i++) {
        calls += c->members[i].calls;
        c->members[i].calls = 0;
    }
    return calls;
}

static void a_crowd_costs_ppoll_little(void **state)
{
    crowd *c = *state;

    assert_in_range(c->poller.source_count, 2, 20);
    assert_int_equal(crowd_calls(c), 0);
    for (int i = 0; i < CROWD; i += 10)
        assert_int_equal(write(c->members[i].pipe[1], "x", 1), 1);
    assert_int_equal(crowd_calls(c), 10);
    assert_int_equal(crowd_calls(c), 10); /* nobody has read */
    for (int i = 0; i < CROWD; i += 20)
        lx_source_set_events(&c->poller, &c->members[i].source, 0);
    assert_int_equal(crowd_calls(c), 5);
    close(c->members[40].pipe[1]); /* a hang-up of one that is not watched */
    c->members[40].pipe[1] = -1;
    assert_int_equal(crowd_calls(c), 5);
    for (int i = 0; i < CROWD; i += 20)
        lx_source_set_events(&c->poller, &c->members[i].source, POLLIN);
    assert_int_equal(crowd_calls(c), 10);
}

static void all_of_a_crowd_get_a_turn(void **state)
{
    crowd *c = *state;
    int served = 0;

    for (int i = 0; i < CROWD; i++)
        assert_int_equal(write(c->members[i].pipe[1], "x", 1), 1);
    for (int turn = 0; turn < 3; turn++)
        c->poller.waiter.wait(c->poller.waiter.ctx, 0);
    for (int i = 0; i < CROWD; i++)
        served += c->members[i].calls > 0;
    assert_int_equal(served, CROWD);
}

static void removal_from_a_crowd_is_final(void **state)
{
    crowd *c = *state;

    c->remove = true;
    for (int i = 50; i < CROWD; i++)
        assert_int_equal(write(c->members[i].pipe[1], "x", 1), 1);
    assert_int_equal(crowd_calls(c), 1);
    assert_int_equal(crowd_calls(c), 1); /* the one that stayed */
}

static void a_seed_repeats_and_a_fork_does_not(void **state)
{
    lx_random one, two;
    uint8_t a[16], b[16];
    int channel[2];

    (void)state;
    lx_random_seeded(&one, 7);
    lx_random_seeded(&two, 7);
    one.random.fill(one.random.ctx, a, sizeof a);
    two.random.fill(two.random.ctx, b, sizeof b);
    assert_memory_equal(a, b, sizeof a);
    lx_random_system(&one);
    one.random.fill(one.random.ctx, a, 4);
    assert_int_equal(pipe(channel), 0);
    if (fork() == 0) {
        one.random.fill(one.random.ctx, b, sizeof b);
        _exit(write(channel[1], b, sizeof b) == (ssize_t)sizeof b ? 0 : 1);
    }
    assert_int_equal(read(channel[0], b, sizeof b), sizeof b);
    wait(NULL);
    one.random.fill(one.random.ctx, a, sizeof a);
    assert_memory_not_equal(a, b, sizeof a);
    close(channel[0]);
    close(channel[1]);
    assert_true(lx_random_new_seed() != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(removal_inside_a_callback_is_final, setup, teardown),
        cmocka_unit_test_setup_teardown(no_events_means_not_watched, setup, teardown),
        cmocka_unit_test_setup_teardown(deadlines_have_microseconds, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_are_polled_and_timed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crowd_costs_ppoll_little, setup_crowd, teardown_crowd),
        cmocka_unit_test_setup_teardown(all_of_a_crowd_get_a_turn, setup_crowd, teardown_crowd),
        cmocka_unit_test_setup_teardown(removal_from_a_crowd_is_final, setup_crowd, teardown_crowd),
        cmocka_unit_test(a_seed_repeats_and_a_fork_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
