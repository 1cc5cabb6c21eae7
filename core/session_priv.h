/* The inside of a session, shared by the files of core/ that make it: session.c (life, pump),
 * receive.c (port to ring), input.c (ring to lines and data), command.c (lines, forms, results), args.c,
 * writer.c, wait.c (fiber). */
#ifndef CORE_SESSION_PRIV_H
#define CORE_SESSION_PRIV_H

#include "core/filter.h"
#include "core/ring.h"
#include "core/session.h"
#include "core/wire.h"

typedef enum at_input {
    AT_INPUT_LINE,
    AT_INPUT_REFUSE,
    AT_INPUT_COLLECT,
    AT_INPUT_SINK,
    AT_INPUT_HOLD /* of no mode: the next byte or silence decides */
} at_input;
typedef enum at_escape { AT_ESCAPE_NONE, AT_ESCAPE_END } at_escape;
typedef enum at_urc { AT_URC_ALL, AT_URC_NO_STATUS } at_urc;

typedef struct at_mode_rules {
    const char *name;
    at_input input;
    at_escape escape;
    at_urc urc;
} at_mode_rules;

extern const at_mode_rules at_modes[AT_MODES];

/* Bytes towards the port: one linear buffer, so that a message is always contiguous. */
typedef struct at_writer {
    uint8_t *buffer;
    size_t head, tail; /* what the port has not taken yet */
    at_notice *notices, **last_notice;
    at_source *sources; /* every source ever ready, asked in turn */
    at_source *next_source;
    bool fiber_waits; /* the running command wants room: sources pause */
    bool hold;        /* a message is begun and goes on: no notice may come between */
    bool blocked;     /* the port took less than offered: wait for writable */
    at_notice busy;
} at_writer;

typedef struct at_receiver {
    at_ring ring;
    uint64_t last_us;        /* when the last block arrived */
    uint8_t plus;            /* a packet of this many + and nothing else ends the ring, 0: none */
    bool readable;           /* the port may have more */
    bool any;                /* something has arrived since boot */
    bool reserve;            /* the reserve may be filled */
    bool excess;             /* a data mode ended in this packet: what follows is no new line */
    bool refusing;           /* dropping to the next CRLF or silence */
    bool refused_cr;         /* the last dropped byte was CR */
    uint8_t restart_matched; /* bytes of AT+RST\r\n */
    at_timer guard;          /* after +, after a partial AT+RST, or to open the reserve */
} at_receiver;

/* A data mode under way. */
typedef struct at_data {
    uint8_t *buf;       /* COLLECT: the handler's */
    uint64_t want, got; /* bytes of data; streams: limit (0 none) and consumed */
    bool backslash;     /* ESCAPED: the last byte was an unescaped backslash */
    bool done, cancelled;
    at_sink *sink;
    at_timer idle; /* --data-timeout */
} at_data;

struct at_session {
    at_session_config config;
    at_log *log;
    at_loop *loop;
    at_byteport *port;
    const at_cmd **index; /* by name */
    size_t index_count;
    at_mode mode;
    bool echo, syslog, pumping, pump_again, restarting;
    unsigned sysmsg;
    at_filters filters;
    const at_gate *gate; /* NULL: none */
    at_receiver rx;
    at_writer tx;
    at_data data;
    char line[AT_LINE_MAX + 1];
    uint16_t line_len;
    bool line_over, line_cr; /* too long; its last byte so far is CR */
    at_call call;
    uint8_t args_typed; /* so many values of call are not those of omitted parameters */
    /* fiber */
    at_fiber *fiber;
    const at_cmd *boot_row; /* runs instead of a line */
    bool has_job, on_fiber, cancelled;
    at_task resume;
    at_timer wake;
    at_timer restart;
    uint64_t restart_due_us; /* then also with bytes that nobody took */
    at_prepare prepare;
};

/* session.c */
void at_session_pump(at_session *s);      /* does all that can be done now; may run a handler */
void at_session_pump_soon(at_session *s); /* the same, after the caller has returned */
void at_session_set_mode(at_session *s, at_mode mode);
void at_session_force_restart(at_session *s);

/* receive.c */
bool at_receive_init(at_session *s); /* false: out of memory */
void at_receive_end(at_session *s);
bool at_receive(at_session *s); /* reads the port into the ring; true when something came */
bool at_receive_has_room(at_session *s); /* for more; if not, looks again after the guard time */
void at_receive_watch(at_session *s);    /* tells after the guard time that the packet is over */

/* input.c */
bool at_input_consume(
    at_session *s);                /* gives the next bytes to the mode; true: something changed */
void at_input_busy(at_session *s); /* one "busy p..." */
void at_input_packet_over(at_session *s); /* silence: decides about what it held back */

/* command.c */
void at_command_index(at_session *s);
void at_command_execute(at_session *s); /* on the fiber: s->line to the result */

/* args.c: splits and types call->field/arg; false after at_fail. text is changed in place. */
bool at_args_split(at_call *call, char *text, size_t len);
bool at_args_type(at_call *call);
void at_args_clear(at_call *call); /* every value is omitted */

/* writer.c */
void at_writer_init(at_session *s);
uint8_t *at_writer_room(at_session *s, size_t len); /* NULL: would not fit now */
void at_writer_commit(at_session *s, size_t len);   /* bytes as they are: echo */
void at_writer_message(at_session *s, size_t len);  /* one whole message, through the filters */
void at_writer_flush(at_session *s);
bool at_writer_notices(at_session *s); /* writes queued ones; true when none is left */
void at_writer_sources(at_session *s);
bool at_writer_empty(const at_session *s);
void at_write_wire(at_call *call, at_wire_id id);

/* wait.c */
bool at_wait_init(at_session *s);
void at_resume_early(at_session *s); /* passthrough: what at_wake asked for, before a wait */
void at_fiber_start_job(at_session *s);
void at_fiber_continue(at_session *s); /* from the loop: what the handler waits for may have come */
typedef bool (*at_ready)(at_session *s, void *arg);
/* Yields until ready says true, time passes or cancel. */
at_err at_block(at_session *s, at_ready ready, void *arg, uint64_t due_us);
void at_wake(at_session *s); /* looks again at what the fiber waits for */

#endif
