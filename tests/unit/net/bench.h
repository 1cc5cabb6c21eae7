/* A module's network side on a table: at_net and at_links in this process, a peer (tests/peer) in a
 * forked one, frames between them over a socket, one virtual clock for both. */
#ifndef TESTS_UNIT_NET_BENCH_H
#define TESTS_UNIT_NET_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/heap.h"
#include "core/log.h"
#include "core/loop.h"
#include "net/link.h"
#include "net/net.h"

#define BENCH_EVENTS 128
#define BENCH_FRAMES 256

typedef struct bench_event {
    unsigned id;
    at_link_event event;
    at_err reason;
} bench_event;

typedef struct bench_frame {
    size_t len;
    uint8_t bytes[1600];
} bench_frame;

typedef struct bench bench;

struct bench {
    at_loop loop;
    at_heap heap;
    at_log log;
    at_net *net;
    at_links *links;
    uint64_t now_us;
    uint64_t waits; /* how often the loop slept until a timer */
    int fd;         /* to the peer's process */
    uint32_t random;
    bench_frame *in; /* frames for this side, in order */
    unsigned in_count;
    bool cut; /* the wire between the two is cut */
    /* Sees every frame; false: it is lost. NULL: all pass. */
    bool (*filter)(bench *b, const uint8_t *frame, size_t len, bool outgoing);
    void *filter_arg;
    bench_event events[BENCH_EVENTS];
    unsigned event_count;
    unsigned net_events[4];
    char answers[4096]; /* of the peer, lines not yet looked at */
    size_t answers_len;
    char answer[512]; /* the last one looked at */
    bool awaiting;
    /* values at the start of the test */
    size_t heap_used;
    uint32_t heap_blocks, timers;
};

/* cmocka: a bench for a group of tests (lwIP lives once per process), and checks around each test.
 */
int bench_group_setup(void **state);      /* peer 192.168.3.102, this side static 192.168.3.112 */
int bench_group_setup_wide(void **state); /* the same with a window of 64240 bytes */
int bench_group_setup_bare(void **state); /* neither has an address yet */
int bench_group_teardown(void **state);
int bench_setup(void **state);
int bench_teardown(void **state); /* everything closed and expired: heap and timers as before */

void bench_tell(bench *b, const char *line); /* to the peer */
const char *bench_answer(bench *b);          /* waits for its next answer */
void bench_peer(bench *b, const char *line); /* tell, and the answer is ok */
void bench_run_ms(bench *b, uint64_t ms);
void bench_settle(bench *b); /* until no time passes without something to do */
void bench_inject(bench *b, const uint8_t *frame, size_t len); /* arrives here */

at_link_open_params bench_params(at_link_type type, const char *host, uint16_t port);
/* Opens and waits for OPENED. */
void bench_open(bench *b, unsigned id, const at_link_open_params *params);
/* Waits (at most an hour of virtual time) for the next event and checks it. */
void bench_expect(bench *b, unsigned id, at_link_event event, at_err reason);
void bench_expect_nothing(bench *b); /* no event is pending */
at_link_state bench_state(bench *b, unsigned id);
/* Reads until len bytes came or the link has no more; returns how many. */
size_t bench_read(bench *b, unsigned id, void *buf, size_t len);
/* Writes all, waiting for room. */
void bench_write(bench *b, unsigned id, const void *data, size_t len);

#endif
