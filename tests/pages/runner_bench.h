/* A page's bench: one chip with its flash and power, any number of peers, the air between them, the
 * host's end of the AT port, and virtual time. */
#ifndef TESTS_PAGES_RUNNER_BENCH_H
#define TESTS_PAGES_RUNNER_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/pages/runner_lane.h"
#include "tests/pages/runner_text.h"

#define CHUNK_WHOLE  0u
#define CHUNK_RANDOM SIZE_MAX

typedef struct bench bench;
typedef struct process process; /* the chip or a peer */

/* Reads the world and switches the chip on; nothing has run yet. NULL: error says why. chunk: how many
 * bytes of what the host sends the module sees at once. */
bench *bench_open(const char *world, uint64_t seed, size_t chunk, char *error, size_t room);
void bench_close(bench *b);

/* Why the bench cannot go on (a process crashed or hangs); NULL: all is well. */
const char *bench_broken(const bench *b);
uint64_t bench_now(const bench *b); /* microseconds */

/* The host's end of the AT port. */
void bench_send(bench *b, const void *data, size_t len);
/* In front of the chip at once, even in the middle of an instant; len is small. */
void bench_send_now(bench *b, const void *data, size_t len);
bytes *bench_output(bench *b); /* what came and was not taken yet */

/* pause(owner) runs each time the chip has given the token back, in the middle of an instant. */
void bench_on_pause(bench *b, void (*pause)(void *owner), void *owner);
/* Lets every process run until nothing has anything to do at this instant. */
void bench_settle(bench *b);
/* Moves time to the next instant at which something happens, not beyond limit_us; false: there is
 * none, time stays. */
bool bench_advance(bench *b, uint64_t limit_us);
/* Lets us microseconds pass. */
void bench_pass(bench *b, uint64_t us);

/* Control verbs (README.md, block fault). False: error says what is wrong with the line. */
bool bench_control(bench *b, const char *line, char *error, size_t room);
bool bench_has_power(const bench *b);
/* Power fails in the count-th flash operation from now. */
void bench_cut_flash(bench *b, unsigned count);
bool bench_lost_power(const bench *b);         /* that happened since power was last on */
const lane_stats *bench_stats(const bench *b); /* of the running chip */
uint32_t bench_warnings(const bench *b);
uint32_t bench_boots(const bench *b);

/* The peer of that name, started when it is new, on access point ap (NULL: the first). NULL: error. */
process *bench_peer(bench *b, const char *name, const char *ap, char *error, size_t room);
void bench_peer_write(process *peer, const void *data, size_t len);
bytes *bench_peer_output(process *peer);

/* True when the log of the bench holds this text. */
bool bench_log_has(const bench *b, const char *text);
/* The last lines of the log of chip and air. */
void bench_print_log(const bench *b, FILE *to, size_t most);

#endif
