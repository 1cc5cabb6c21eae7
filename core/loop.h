/* One thread, one loop: ready sources (by the port's waiter), timers, posted tasks, prepare
 * hooks. */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "iface/clock.h"
#include "iface/waiter.h"

typedef struct at_loop at_loop;

/* Owned by the caller, zero-initialised then at_timer_init. One shot. */
typedef struct at_timer {
    uint64_t due_us;
    void (*fire)(void *arg);
    void *arg;
    struct at_timer *child, *next, **link; /* pairing heap; link NULL when not running */
    uint64_t order; /* of starting: timers due at the same time fire in this order */
} at_timer;

/* Runs once per post, in the same turn of the loop, after the caller returned. */
typedef struct at_task {
    void (*run)(void *arg);
    void *arg;
    struct at_task *next;
    bool queued;
} at_task;

/* Called each time before the loop waits: flush what was batched, arm what follows. */
typedef struct at_prepare {
    void (*run)(void *arg);
    void *arg;
    struct at_prepare *next;
} at_prepare;

struct at_loop {
    const at_clock *clock;
    const at_waiter *waiter;
    at_timer *timers;     /* root of the pairing heap */
    uint64_t timer_order; /* timers started so far */
    uint32_t timer_count; /* running timers: a test compares it with its value after boot */
    at_task *first_task, **last_task;
    at_prepare *prepare;
    bool stopped;
};

void at_loop_init(at_loop *loop, const at_clock *clock, const at_waiter *waiter);
uint64_t at_loop_now(const at_loop *loop); /* microseconds */

void at_timer_init(at_timer *timer, void (*fire)(void *arg), void *arg);
bool at_timer_running(const at_timer *timer);
/* Starts, or moves when running. A time in the past fires in the next turn. */
void at_timer_at(at_loop *loop, at_timer *timer, uint64_t due_us);
void at_timer_in(at_loop *loop, at_timer *timer, uint64_t delay_us);
void at_timer_stop(at_loop *loop, at_timer *timer); /* allowed when not running */

void at_task_init(at_task *task, void (*run)(void *arg), void *arg);
void at_loop_post(at_loop *loop, at_task *task); /* posting a queued task again does nothing */
void at_loop_unpost(at_loop *loop, at_task *task);
/* The last added runs first: what a layer flushes goes to the layers that were there before it. */
void at_loop_add_prepare(at_loop *loop, at_prepare *prepare);

/* One turn: prepare hooks, wait (not at all when tasks are queued), timers that are due, tasks. */
void at_loop_turn(at_loop *loop);
void at_loop_run(at_loop *loop); /* turns until at_loop_stop */
void at_loop_stop(at_loop *loop);

#endif
