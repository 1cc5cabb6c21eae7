/* The AT engine of one port: receives bytes, runs one command at a time on a fiber, writes messages.
 * Handlers (commands/) see this header; what is not said here they cannot do. */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "core/cmd.h"
#include "core/filter.h"
#include "core/heap.h"
#include "core/loop.h"
#include "iface/byteport.h"
#include "iface/fiber.h"
#include "iface/supervisor.h"

typedef enum at_mode {
    AT_MODE_COMMAND,     /* lines */
    AT_MODE_EXECUTING,   /* a handler waits: input is refused */
    AT_MODE_COUNTED,     /* exactly n bytes of data */
    AT_MODE_ESCAPED,     /* CIPSENDEX: n bytes or \0 */
    AT_MODE_STREAMED,    /* CIPSENDL: n bytes, passed on as they come */
    AT_MODE_PASSTHROUGH, /* until +++ */
    AT_MODE_SPECIFIC,    /* a user-defined command reads the port itself (guide 6.18) */
    AT_MODES
} at_mode;

const char *at_mode_name(at_mode mode);

typedef struct at_session_config {
    at_loop *loop;
    at_heap *heap;
    at_log *log;
    at_byteport *port;
    const at_fiber_ops *fibers;
    const at_supervisor *supervisor;
    const at_family_rows *const *families; /* names are unique over all of them */
    size_t family_count;
    uint8_t builds;      /* rows without one of these bits do not exist; AT_IN_ALL | 0x80: all */
    void *app;           /* handed to handlers */
    uint32_t guard_ms;   /* AT_GUARD_MS by default */
    uint32_t rx_reserve; /* bytes behind AT_RX_RING, together a power of two; 0: AT_RX_RESERVE */
    uint32_t
        data_timeout_ms; /* a data prompt without input ends as cancelled; 0: never (the part) */
} at_session_config;

at_session *at_session_create(const at_session_config *config); /* NULL: out of memory */
/* For tests: a chip never ends its session. Not from a handler; the loop must not run afterwards. */
void at_session_destroy(at_session *s);
/* Takes input from now on and writes "ready". */
void at_session_start(at_session *s);
/* Runs handler as a command would run, without a line (passthrough at power-on). Only from outside a
 * handler while in command mode; input is refused until it returns. */
void at_session_run(at_session *s, const at_cmd *row);
/* Makes the running handler's current and later waits return AT_ERR_CANCELLED and its writes vanish. */
void at_session_cancel(at_session *s);
at_mode at_session_mode(const at_session *s);
bool at_session_idle(const at_session *s); /* command mode, nothing unsent */
at_byteport *at_session_port(const at_session *s);

/* Iterates over the rows that exist in this build, in table order; NULL at the end. */
const at_cmd *at_session_row(const at_session *s, size_t index);

/* Settings of the engine (ATE, AT+SYSLOG, AT+SYSMSG). */
void at_session_set_echo(at_session *s, bool on);
bool at_session_syslog(const at_session *s);
void at_session_set_syslog(at_session *s, bool on);
unsigned at_session_sysmsg(const at_session *s);
void at_session_set_sysmsg(at_session *s, unsigned bits);
at_filters *at_session_filters(at_session *s);                           /* AT+SYSMSGFILTER */
enum { AT_SYSMSG_QUIT = 1, AT_SYSMSG_DETAIL = 2, AT_SYSMSG_STATUS = 4 }; /* guide 3.1.15 */

/* Asked before something is written that no command answers with: while it says true, notices and bulk
 * data wait. Not asked while a command runs (its host is awake), unless that is passthrough. */
typedef struct at_gate {
    bool (*closed)(void *arg);
    void *arg;
} at_gate;

/* Bytes outside of every message: neither filtered nor held back. false: no room now. */
bool at_session_write_raw(at_session *s, const void *data, size_t len);

/* NULL: none. To be called again with the same gate when it has opened. */
void at_session_set_gate(at_session *s, const at_gate *gate);

/* ---- what a handler may do; all of these only on the command fiber ---- */

/* One message of the answer, written whole; waits for room. Cut at AT_MESSAGE_MAX (asserted in
 * tests, logged). */
void at_row(at_call *call, const char *format, ...) AT_PRINTF(2, 3);
/* One message of any length; nothing comes between its bytes. */
void at_write(at_call *call, const void *data, size_t len);
void at_ok(at_call *call); /* "\r\nOK\r\n" before the handler is done; return AT_RESULT_SILENT */
/* Waits until everything written has left the port, at most timeout_ms. */
at_err at_drain(at_call *call, uint32_t timeout_ms);

/* Something a handler waits for: raised by events, stays raised until a wait takes it. Any number of
 * raises count as one. Owned by whoever raises it; zero-initialised. */
typedef struct at_signal {
    bool raised;
    at_session *waiter;
} at_signal;

void at_signal_raise(
    at_signal *signal); /* from events, tasks, timers; never runs the handler itself */
/* AT_OK: raised. AT_ERR_TIMEOUT; AT_ERR_CANCELLED. signal NULL: only time passes. */
at_err at_wait(at_call *call, at_signal *signal, uint32_t timeout_ms);
at_err at_wait_until(at_call *call, at_signal *signal,
                     uint64_t due_us); /* AT_WAIT_FOREVER allowed */
uint64_t at_now(const at_call *call);  /* microseconds */

/* Data after a prompt. ok_first: "\r\nOK\r\n\r\n>", else ">" alone (WIRE 3.3). Enters the mode before the
 * prompt is visible, reads exactly len bytes into buf, leaves the mode. AT_ERR_CANCELLED: a packet of
 * exactly +++ or the data time-out; *got says how many had come. */
at_err at_collect(at_call *call, bool ok_first, void *buf, size_t len, size_t *got);
/* More of the same data, right behind the last byte, without a prompt. */
at_err at_collect_more(at_call *call, void *buf, size_t len, size_t *got);
/* As at_collect until len bytes or \0, with \<any> -> <any> (guide 3.3.12). */
at_err at_collect_escaped(at_call *call, bool ok_first, void *buf, size_t len, size_t *got);

/* A consumer of bulk data from the host. Given everything that has arrived (one or two pieces);
 * returns how many bytes it took, 0: later (at_stream_poke). */
typedef struct at_sink {
    size_t (*consume)(void *arg, const uint8_t *first, size_t first_len, const uint8_t *second,
                      size_t second_len);
    void *arg;
} at_sink;

/* Prompts (ok_first as above), enters STREAMED (limit bytes) or PASSTHROUGH (limit 0) and feeds the
 * sink from the loop until at_stream_end. */
void at_stream_begin(at_call *call, at_mode mode, uint64_t limit, at_sink *sink);
/* The same without a prompt (passthrough at power-on). */
void at_stream_enter(at_call *call, at_mode mode, uint64_t limit, at_sink *sink);
void at_stream_poke(at_session *s); /* the sink may take bytes again; from anywhere */
/* Waits for the next of: +++ (AT_ERR_CANCELLED), limit reached and consumed (AT_ERR_CLOSED), signal
 * (AT_OK), time (AT_ERR_TIMEOUT). */
at_err at_stream_wait(at_call *call, at_signal *signal, uint32_t timeout_ms);
uint64_t at_stream_received(const at_session *s); /* bytes that arrived from the host since begin */
void at_stream_end(at_call *call);                /* drops what the sink did not take */

/* ---- what events may write; from anywhere but never from lwIP callbacks ---- */

/* An unsolicited message: state with a formatter, at most one pending per notice. */
typedef struct at_notice {
    /* Writes the whole message, returns its length (0: nothing after all). room >= AT_MESSAGE_MAX. */
    size_t (*format)(void *arg, char *buf, size_t room);
    void *arg;
    bool status; /* a connection status: not in passthrough unless SYSMSG bit 2 (guide 3.1.15) */
    bool queued;
    struct at_notice *next;
} at_notice;

/* Queues in order; written when it fits, before later rows of a running command. Posting a queued
 * notice again does nothing. */
void at_notice_post(at_session *s, at_notice *notice);

/* A producer of bulk data towards the host: +IPD, passthrough. */
typedef struct at_source {
    /* Fills at most room bytes with whole messages (header and data stay together), returns how many;
     * 0: nothing now, until at_source_ready. */
    size_t (*produce)(void *arg, uint8_t *buf, size_t room);
    void *arg;
    size_t need; /* smallest room worth asking for: longest header + AT_CHUNK_MAX */
    bool ready, known;
    struct at_source *next;
} at_source;

void at_source_ready(at_session *s,
                     at_source *source); /* produce will be called when room is there */

#endif
