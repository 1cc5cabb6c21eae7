/* The loop: one thread that waits, fires timers, and runs posted tasks.
 *
 * Timers form an intrusive pairing heap: `child` is the first child, `next` the next sibling,
 * `link` the pointer that points at this timer (the root's is loop->timers), which makes stopping
 * any timer cheap without parent pointers. The order is (due_us, order of starting), so timers that
 * are due at the same time fire first in, first out.
 *
 * A turn takes what is due out of the heap first, into a list of its own, and fires it then. So a
 * timer that restarts itself in the past fires again in the next turn and cannot starve the rest.
 * The list uses the same next/link fields, so stopping or moving a timer that is on it needs no
 * special case. In the same way a turn runs the tasks that were posted before it began to run them;
 * what they post runs in the next turn, after the sources had a look.
 *
 * A task may be unposted or posted again from anywhere, also by the task that runs.
 */
#include "core/loop.h"

#include <stddef.h>

void at_loop_init(at_loop *loop, const at_clock *clock, const at_waiter *waiter)
{
    *loop = (at_loop){ .clock = clock, .waiter = waiter };
    loop->last_task = &loop->first_task;
}

uint64_t at_loop_now(const at_loop *loop)
{
    return loop->clock->now_us(loop->clock->ctx);
}

/* ---- the pairing heap ---- */

static bool fires_before(const at_timer *a, const at_timer *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

/* Melds two heaps (NULL: empty). The links of the result's root are for the caller to set. */
static at_timer *meld(at_timer *a, at_timer *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    if (fires_before(b, a)) {
        at_timer *swap = a;

        a = b;
        b = swap;
    }
    b->next = a->child;
    b->link = &a->child;
    if (b->next != NULL)
        b->next->link = &b->next;
    a->child = b;
    a->next = NULL;
    return a;
}

/* Melds a list of siblings: in pairs from left to right, then the pairs from right to left. */
static at_timer *meld_list(at_timer *list)
{
    at_timer *pairs = NULL, *heap = NULL;

    while (list != NULL) {
        at_timer *first = list, *second = list->next, *pair;

        list = second != NULL ? second->next : NULL;
        first->next = NULL;
        if (second != NULL)
            second->next = NULL;
        pair = meld(first, second);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs != NULL) {
        at_timer *pair = pairs;

        pairs = pair->next;
        pair->next = NULL;
        heap = meld(heap, pair);
    }
    return heap;
}

static void set_root(at_loop *loop, at_timer *root)
{
    loop->timers = root;
    if (root != NULL)
        root->link = &loop->timers;
}

/* Takes a timer out of the heap or of the list of a turn. */
static void take_out(at_loop *loop, at_timer *timer)
{
    at_timer *orphans = meld_list(timer->child);

    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
    timer->child = NULL;
    timer->next = NULL;
    timer->link = NULL;
    if (orphans != NULL)
        set_root(loop, meld(loop->timers, orphans));
}

/* ---- timers ---- */

void at_timer_init(at_timer *timer, void (*fire)(void *arg), void *arg)
{
    *timer = (at_timer){ .fire = fire, .arg = arg };
}

bool at_timer_running(const at_timer *timer)
{
    return timer->link != NULL;
}

void at_timer_at(at_loop *loop, at_timer *timer, uint64_t due_us)
{
    at_timer_stop(loop, timer);
    timer->due_us = due_us;
    timer->order = loop->timer_order++;
    loop->timer_count++;
    set_root(loop, meld(loop->timers, timer));
}

void at_timer_in(at_loop *loop, at_timer *timer, uint64_t delay_us)
{
    uint64_t now = at_loop_now(loop);

    at_timer_at(loop, timer, delay_us < UINT64_MAX - now ? now + delay_us : UINT64_MAX);
}

void at_timer_stop(at_loop *loop, at_timer *timer)
{
    if (timer->link == NULL)
        return;
    take_out(loop, timer);
    loop->timer_count--;
}

/* ---- tasks and prepare hooks ---- */

void at_task_init(at_task *task, void (*run)(void *arg), void *arg)
{
    *task = (at_task){ .run = run, .arg = arg };
}

void at_loop_post(at_loop *loop, at_task *task)
{
    if (task->queued)
        return;
    task->queued = true;
    task->next = NULL;
    *loop->last_task = task;
    loop->last_task = &task->next;
}

void at_loop_unpost(at_loop *loop, at_task *task)
{
    at_task **link = &loop->first_task;

    if (!task->queued)
        return;
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    if (loop->last_task == &task->next)
        loop->last_task = link;
    task->next = NULL;
    task->queued = false;
}

void at_loop_add_prepare(at_loop *loop, at_prepare *prepare)
{
    prepare->next = loop->prepare;
    loop->prepare = prepare;
}

/* ---- turns ---- */

static void run_prepare(at_loop *loop)
{
    for (at_prepare *prepare = loop->prepare, *next; prepare != NULL; prepare = next) {
        next = prepare->next;
        prepare->run(prepare->arg);
    }
}

static uint64_t next_deadline(const at_loop *loop)
{
    if (loop->first_task != NULL)
        return 0;
    return loop->timers != NULL ? loop->timers->due_us : AT_WAIT_FOREVER;
}

static void fire_timers(at_loop *loop)
{
    uint64_t now = at_loop_now(loop);
    at_timer *due = NULL, **end = &due;

    while (loop->timers != NULL && loop->timers->due_us <= now) {
        at_timer *timer = loop->timers;

        take_out(loop, timer);
        timer->link = end;
        *end = timer;
        end = &timer->next;
    }
    while (due != NULL) {
        at_timer *timer = due;

        at_timer_stop(loop, timer);
        timer->fire(timer->arg);
    }
}

static void run_tasks(at_loop *loop)
{
    /* A marker ends the batch: unposting from inside cannot confuse it, a counter could. */
    at_task marker = { .run = NULL };

    if (loop->first_task == NULL)
        return;
    at_loop_post(loop, &marker);
    while (loop->first_task != &marker) {
        at_task *task = loop->first_task;

        at_loop_unpost(loop, task);
        task->run(task->arg);
    }
    at_loop_unpost(loop, &marker);
}

void at_loop_turn(at_loop *loop)
{
    run_prepare(loop);
    loop->waiter->wait(loop->waiter->ctx, next_deadline(loop));
    fire_timers(loop);
    run_tasks(loop);
}

void at_loop_run(at_loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped)
        at_loop_turn(loop);
}

void at_loop_stop(at_loop *loop)
{
    loop->stopped = true;
}
