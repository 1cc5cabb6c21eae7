/* The loop: order of timers and tasks, stopping and moving anything at any time, deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/loop.h"

#define MANY 500u

typedef struct world {
    at_loop loop;
    at_clock clock;
    at_waiter waiter;
    uint64_t now, deadline;
    char trail[64];
    uint64_t last_due, last_order;
    uint32_t fired;
} world;

typedef struct item {
    world *w;
    at_timer timer;
    at_task task;
    char mark;
    void (*also)(struct item *item);
    struct item *other;
} item;

static uint64_t now_us(void *ctx)
{
    return ((world *)ctx)->now;
}

/* Time passes only here, to the deadline at most. */
static void wait_until(void *ctx, uint64_t deadline_us)
{
    world *w = ctx;

    w->deadline = deadline_us;
    if (deadline_us != AT_WAIT_FOREVER && deadline_us > w->now)
        w->now = deadline_us;
}

static void start(world *w)
{
    memset(w, 0, sizeof *w);
    w->now = 1000;
    w->clock = (at_clock){ w, now_us };
    w->waiter = (at_waiter){ w, wait_until };
    at_loop_init(&w->loop, &w->clock, &w->waiter);
}

static void note(void *arg)
{
    item *i = arg;
    size_t len = strlen(i->w->trail);

    if (len + 1 < sizeof i->w->trail)
        i->w->trail[len] = i->mark;
    if (i->also != NULL)
        i->also(i);
}

static void init(item *i, world *w, char mark)
{
    *i = (item){ .w = w, .mark = mark };
    at_timer_init(&i->timer, note, i);
    at_task_init(&i->task, note, i);
}

static void same_due_first_in_first_out(void **state)
{
    item items[26];
    world w;

    (void)state;
    start(&w);
    for (size_t i = 0; i < 26; i++) {
        init(&items[i], &w, (char)('a' + i));
        at_timer_in(&w.loop, &items[i].timer, 100);
    }
    at_timer_in(&w.loop, &items[3].timer, 100); /* moved: last now */
    at_timer_stop(&w.loop, &items[5].timer);
    at_timer_stop(&w.loop, &items[5].timer);
    assert_int_equal(w.loop.timer_count, 25);
    at_loop_turn(&w.loop);
    assert_int_equal(w.deadline, 1100);
    assert_string_equal(w.trail, "abceghijklmnopqrstuvwxyzd");
    assert_int_equal(w.loop.timer_count, 0);
    assert_false(at_timer_running(&items[0].timer));
    at_loop_turn(&w.loop);
    assert_true(w.deadline == AT_WAIT_FOREVER);
}

static void restart_in_the_past(item *i)
{
    at_timer_at(&i->w->loop, &i->timer, 0);
    at_loop_post(&i->w->loop, &i->task);
}

static void a_timer_cannot_starve_the_rest(void **state)
{
    item a, b;
    world w;

    (void)state;
    start(&w);
    init(&a, &w, 'a');
    init(&b, &w, 'b');
    a.also = restart_in_the_past;
    at_timer_at(&w.loop, &a.timer, 10);
    at_timer_at(&w.loop, &b.timer, 20);
    at_loop_turn(&w.loop); /* timers a and b; the task of a, which moves the timer again */
    assert_string_equal(w.trail, "aba");
    at_loop_turn(&w.loop);
    assert_int_equal(w.deadline, 0); /* a task is queued */
    assert_string_equal(w.trail, "abaaa");
    assert_int_equal(w.loop.timer_count, 1);
}

static void stop_other(item *i)
{
    at_timer_stop(&i->w->loop, &i->other->timer);
}

static void move_other(item *i)
{
    at_timer_in(&i->w->loop, &i->other->timer, 50);
}

static void a_timer_that_is_due_can_be_stopped_and_moved(void **state)
{
    item a, b, c;
    world w;

    (void)state;
    start(&w);
    init(&a, &w, 'a');
    init(&b, &w, 'b');
    init(&c, &w, 'c');
    a.also = stop_other;
    a.other = &b;
    at_timer_in(&w.loop, &a.timer, 1);
    at_timer_in(&w.loop, &b.timer, 1);
    at_timer_in(&w.loop, &c.timer, 1);
    at_loop_turn(&w.loop);
    assert_string_equal(w.trail, "ac");
    a.also = move_other;
    at_timer_in(&w.loop, &a.timer, 1);
    at_timer_in(&w.loop, &b.timer, 1);
    at_loop_turn(&w.loop);
    assert_string_equal(w.trail, "aca");
    at_loop_turn(&w.loop);
    assert_string_equal(w.trail, "acab");
    assert_int_equal(w.now, 1052);
}

static void a_far_timer_does_not_wrap(void **state)
{
    item a;
    world w;

    (void)state;
    start(&w);
    init(&a, &w, 'a');
    at_timer_in(&w.loop, &a.timer, UINT64_MAX);
    assert_true(a.timer.due_us == UINT64_MAX);
    at_timer_stop(&w.loop, &a.timer);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void check_order(item *i)
{
    const at_timer *timer = &i->timer;
    world *w = i->w;

    assert_true(timer->due_us <= w->now);
    assert_true(timer->due_us > w->last_due ||
                (timer->due_us == w->last_due && timer->order > w->last_order));
    w->last_due = timer->due_us;
    w->last_order = timer->order;
    w->fired++;
}

/* Random starts, moves and stops against a plain count; then all fire in order. */
static void random_heap(void **state)
{
    item items[MANY];
    uint32_t seed = 7, running;
    world w;

    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        start(&w);
        running = 0;
        for (size_t i = 0; i < MANY; i++) {
            init(&items[i], &w, '.');
            items[i].also = check_order;
        }
        for (unsigned step = 0; step < 4 * MANY; step++) {
            item *i = &items[next_random(&seed) % MANY];

            if (next_random(&seed) % 3 == 0)
                at_timer_stop(&w.loop, &i->timer);
            else
                at_timer_in(&w.loop, &i->timer, next_random(&seed) % 50);
        }
        for (size_t i = 0; i < MANY; i++)
            running += at_timer_running(&items[i].timer) ? 1 : 0;
        assert_int_equal(w.loop.timer_count, running);
        while (w.loop.timer_count > 0)
            at_loop_turn(&w.loop);
        assert_int_equal(w.fired, running);
    }
}

static void post_self_and_other(item *i)
{
    at_loop_post(&i->w->loop, &i->task);
    if (i->other != NULL)
        at_loop_post(&i->w->loop, &i->other->task);
}

static void tasks_posted_by_tasks_run_in_the_next_turn(void **state)
{
    item a, b;
    world w;

    (void)state;
    start(&w);
    init(&a, &w, 'a');
    init(&b, &w, 'b');
    a.also = post_self_and_other;
    a.other = &b;
    at_loop_post(&w.loop, &a.task);
    at_loop_post(&w.loop, &a.task);
    at_loop_turn(&w.loop);
    assert_string_equal(w.trail, "a");
    at_loop_turn(&w.loop);
    assert_int_equal(w.deadline, 0);
    assert_string_equal(w.trail, "aab");
    at_loop_unpost(&w.loop, &a.task);
    at_loop_unpost(&w.loop, &a.task);
    at_loop_turn(&w.loop);
    assert_string_equal(w.trail, "aab");
    assert_true(w.deadline == AT_WAIT_FOREVER);
}

static void unpost_other(item *i)
{
    at_loop_unpost(&i->w->loop, &i->other->task);
}

static void a_task_can_be_unposted_by_another(void **state)
{
    item a, b, c;
    world w;

    (void)state;
    start(&w);
    init(&a, &w, 'a');
    init(&b, &w, 'b');
    init(&c, &w, 'c');
    a.also = unpost_other;
    a.other = &c;
    at_loop_post(&w.loop, &a.task);
    at_loop_post(&w.loop, &b.task);
    at_loop_post(&w.loop, &c.task);
    at_loop_turn(&w.loop);
    assert_string_equal(w.trail, "ab");
    at_loop_post(&w.loop, &c.task);
    at_loop_turn(&w.loop);
    assert_string_equal(w.trail, "abc");
}

static void stop_loop(item *i)
{
    at_loop_stop(&i->w->loop);
}

static void prepare_hooks_run_before_the_wait(void **state)
{
    at_prepare first, second;
    item a, b, c;
    world w;

    (void)state;
    start(&w);
    init(&a, &w, 'a');
    init(&b, &w, 'b');
    init(&c, &w, 'c');
    first = (at_prepare){ .run = note, .arg = &a };
    second = (at_prepare){ .run = note, .arg = &b };
    at_loop_add_prepare(&w.loop, &first);
    at_loop_add_prepare(&w.loop, &second);
    c.also = stop_loop;
    at_timer_in(&w.loop, &c.timer, 5);
    at_loop_run(&w.loop);
    assert_string_equal(w.trail, "bac"); /* the last added first */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_due_first_in_first_out),
        cmocka_unit_test(a_timer_cannot_starve_the_rest),
        cmocka_unit_test(a_timer_that_is_due_can_be_stopped_and_moved),
        cmocka_unit_test(a_far_timer_does_not_wrap),
        cmocka_unit_test(random_heap),
        cmocka_unit_test(tasks_posted_by_tasks_run_in_the_next_turn),
        cmocka_unit_test(a_task_can_be_unposted_by_another),
        cmocka_unit_test(prepare_hooks_run_before_the_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
