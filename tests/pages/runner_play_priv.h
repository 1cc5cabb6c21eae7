/* State of one scenario being played, shared by runner_play.c, runner_peers.c and runner_after.c. */
#ifndef TESTS_PAGES_RUNNER_PLAY_PRIV_H
#define TESTS_PAGES_RUNNER_PLAY_PRIV_H

#include "tests/pages/runner_bench.h"
#include "tests/pages/runner_play.h"

#define PENDING_MAX 256
#define WAIT_MAX_US (10u * 60u * 1000000ull) /* longer than any documented time-out */

typedef struct pending { /* a line given to a peer and not answered yet */
    process *peer;
    const step *step;
    char endpoint[24]; /* "": the nameless one */
} pending;

typedef struct play {
    bench *b;
    const scenario *scenario;
    const play_options *options;
    FILE *report;
    const step *step; /* being played; NULL: before the first or after the last */
    bool failed;
    lane_stats mark; /* after boot, or where the page says `! mark` */
    pending pending[PENDING_MAX];
    size_t pending_count;
    process *peers[16];
    size_t peer_count;
    const step *sent;     /* the last thing the host sent */
    bool prompted;        /* a prompt was taken since */
    uint8_t last_taken;   /* the last byte taken since */
    bool armed;           /* the power cut of this replay */
    unsigned repeats;     /* of a `<*` line so far */
    unsigned errors;      /* ERROR answers so far */
    unsigned points;      /* waits of running commands so far, for the injection of restarts */
    unsigned step_points; /* of them in this step */
    bool injected;
} play;

/* Reports the first failure with everything needed to repeat it; later ones are ignored. */
void play_fail(play *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void play_settle(play *p);

void peers_give(play *p, const step *s); /* a STEP_PEER */
bool peers_waiting(const play *p,
                   const step *s); /* the answers that s waits for are not there yet */
void peers_listen(play *p);        /* takes answers, fails on bad ones */

/* After the last step: nothing unread, the module alive, everything given back. */
void after_scenario(play *p);
/* The step is written in the page, not in the openings: disturbed there, they are disturbed in the pages
 * about their commands, once is enough. */
bool is_own_step(const play *p);
/* For bench_on_pause: forces a restart when this is the wait to do so. */
void maybe_restart(void *owner);
/* True when a restart was forced: the scenario is over, what had to follow was checked. */
bool restart_forced(play *p);
/* True when the power cut of this replay happened. */
bool power_failed(const play *p);
/* After it: power on, and the module boots. */
void power_returns(play *p);

#endif
