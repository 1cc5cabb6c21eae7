/* Inside of the bench, for runner_bench.c and runner_control.c. */
#ifndef TESTS_PAGES_RUNNER_BENCH_PRIV_H
#define TESTS_PAGES_RUNNER_BENCH_PRIV_H

#include <sys/types.h>

#include "air/air.h"
#include "ports/linux/flashfile.h"
#include "ports/linux/random.h"
#include "tests/pages/runner_bench.h"
#include "tests/pages/runner_lane.h"

struct process {
    char name[32];
    unsigned number; /* 0: the chip */
    lane *lane;      /* outlives the process */
    pid_t pid;
    int token;
    bool alive;
    uint32_t boots;
    uint8_t mac[6];
    at_air_port *air;
    bytes input, output; /* not yet taken by the process; not yet taken by the page */
    process *next;
};

struct bench {
    uint64_t seed, now_us, boot_at_us;
    size_t chunk;
    bool powered, host_stopped, lost_power;
    char broken[256];
    at_clock clock; /* of the air's loop */
    at_waiter waiter;
    at_log_sink sink;
    at_log log;
    at_heap heap;
    at_loop loop;
    lx_random random, split;
    at_world world;
    at_air *air;
    at_flashfile *flash;
    process chip; /* head of the list of processes */
    unsigned peer_count;
    void (*pause)(void *owner);
    void *pause_owner;
    lane_seams seams; /* of the child, used after the fork only */
};

void bench_power(bench *b, bool on);

#endif
