/* A session on a port that is an array, with a clock that only a test moves, and rows that do what a
 * handler can do. Shared by the tests of core/. */
#ifndef TESTS_UNIT_CORE_HARNESS_H
#define TESTS_UNIT_CORE_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/session.h"

#define RIG_BYTES 262144u

typedef struct rig {
    at_loop loop;
    at_clock clock;
    at_waiter waiter;
    at_heap heap;
    at_log log;
    at_log_sink log_sink;
    at_byteport port;
    at_supervisor supervisor;
    at_session_config config;
    at_session *s;

    uint64_t now, until; /* microseconds; time passes up to until */
    bool progress;       /* the last turn had something to do */

    /* the port */
    uint8_t in[RIG_BYTES];
    size_t in_len, in_at;
    size_t read_max; /* bytes of one read at most */
    bool want_read, want_write, undrained;
    char out[RIG_BYTES];
    size_t out_len;
    size_t room;      /* what the port takes until it is full */
    size_t write_max; /* bytes of one write at most */
    unsigned restarts;
    char reason[256]; /* members of the last "error" report */

    /* what the rows do */
    at_signal signal;
    at_err last;       /* of the last wait */
    at_call seen;      /* the last call of +ARGS, +MANY, +U: values point into the session's line */
    at_result outcome; /* of the last handler that tells */
    uint32_t wait_ms;  /* +COUNT, +ESC, +STREAM: waits after the data, before SEND OK; 0: not */
    uint8_t data[RIG_BYTES];
    size_t got;
    /* the sink of +STREAM, +PASS and +SPEC */
    at_sink sink;
    uint8_t sunk[RIG_BYTES];
    size_t sunk_len, sink_room;
} rig;

extern const at_family_rows rig_family;

/* Heap allocated, with a started session, echo off and "ready" already taken from the output. */
rig *rig_new(void);
/* The same with changes to config before the session is made; change may be NULL. */
rig *rig_new_with(void (*change)(at_session_config *config));
/* Checks that no timer of the session is left over, no byte of heap. */
void rig_free(rig *r);

/* Everything that can happen now happens; no time passes. */
void rig_run(rig *r);
void rig_advance(rig *r, uint32_t ms);
/* Bytes reach the port, then rig_run. */
void rig_feed(rig *r, const void *data, size_t len);
void rig_say(rig *r, const char *text);
/* The same in pieces of chunk bytes, each followed by rig_run. */
void rig_feed_chunked(rig *r, const void *data, size_t len, size_t chunk);
/* The same in pieces of seeded random length, 1..64 bytes. */
void rig_feed_random(rig *r, const void *data, size_t len, uint32_t seed);

/* Compares all output since the last look with text, then forgets it. */
void rig_expect_bytes(rig *r, const char *text, size_t len, const char *file, int line);
#define rig_expect(r, text) rig_expect_bytes(r, text, sizeof(text) - 1, __FILE__, __LINE__)
/* Says a line and expects its answer. */
#define rig_ask(r, line, answer) \
    do {                         \
        rig_say(r, line "\r\n"); \
        rig_expect(r, answer);   \
    } while (0)

#define OK        "\r\nOK\r\n"
#define ERROR     "\r\nERROR\r\n"
#define BUSY      "\r\nbusy p...\r\n"
#define PROMPT    "\r\nOK\r\n\r\n>"
#define CODE(hex) "ERR CODE:0x" hex "\r\n"

#endif
