/* What a process of the bench (a chip or a peer) shares with the runner, and the seams made of it.
 * Only one process of a bench runs at any moment, so nothing here needs locks. */
#ifndef TESTS_PAGES_RUNNER_LANE_H
#define TESTS_PAGES_RUNNER_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ring.h"
#include "iface/byteport.h"
#include "iface/clock.h"
#include "iface/log.h"
#include "iface/radio.h"
#include "iface/supervisor.h"
#include "iface/waiter.h"

#define LANE_PORT 4096u          /* bytes in a byte port's buffer, as in a pseudo-terminal */
#define LANE_PIPE (64u * 1024u)  /* bytes of a peer's line */
#define LANE_AIR  (512u * 1024u) /* bytes of frames in each direction */
#define LANE_LOG  (64u * 1024u)  /* bytes of log kept */

#define LANE_EPOCH_US 1000000u /* virtual time at which every page begins */

/* What a chip tells about itself each time it falls asleep. */
typedef struct lane_stats {
    bool known;
    bool blocked; /* waits for room in its byte port */
    bool idle;    /* no command runs and nothing waits to be sent */
    uint32_t blocks, timers, pcbs;
} lane_stats;

typedef struct lane {
    uint64_t now_us;      /* set by the runner: virtual time */
    uint64_t deadline_us; /* set by the child: when it wants to run next */
    uint64_t turn;        /* turns the child has had */
    bool want_read, want_write, write_armed;
    bool restart; /* the child ended on purpose */
    at_boot_kind restart_kind;
    uint64_t restart_after_ms;
    uint32_t warnings; /* log lines at warning level */
    uint64_t dropped;  /* frames that found no room */
    lane_stats stats;
    at_ring to_port, from_port;   /* bytes to and from the child */
    at_ring to_radio, from_radio; /* frames: two bytes of length, then the frame */
    at_ring log;
} lane;

lane *lane_create(size_t port_size); /* aborts when out of memory */
void lane_free(lane *l);
/* Empties everything for a new process in the same place; the log and the warnings stay. */
void lane_reset(lane *l);

/* False: no room, the frame is lost and counted. */
bool lane_put_frame(lane *l, at_ring *ring, const at_radio_piece *pieces, size_t count);
size_t lane_take_frame(at_ring *ring, uint8_t frame[AT_RADIO_FRAME_MAX]); /* 0: none */
/* A line of log of the bench; old lines make room. */
void lane_log(lane *l, at_log_level level, const char *area, const char *text);
/* True when the process has something to do now. */
bool lane_ready(const lane *l);

/* The child's side: clock, waiter, byte port, radio, log, all over one lane. */
typedef struct lane_seams {
    lane *lane;
    int token; /* socket: a byte received is the right to run, a byte sent gives it back */
    uint8_t mac[6];
    at_clock clock;
    at_waiter waiter;
    at_byteport port;
    at_radio radio;
    at_log_sink log;
    at_supervisor supervisor;
    /* Called before the token is given back; may be NULL. */
    void (*on_sleep)(void *owner, lane_stats *stats);
    void *owner;
} lane_seams;

void lane_seams_init(lane_seams *s, lane *l, int token, const uint8_t mac[6]);
/* Blocks until the runner gives the token; ends the process when the runner is gone. */
void lane_wait_token(lane_seams *s);

#endif
