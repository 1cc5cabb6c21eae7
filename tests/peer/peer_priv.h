/* The two halves of a peer: peer.c reads lines and queues them, endpoint.c carries them out. */
#ifndef TESTS_PEER_PRIV_H
#define TESTS_PEER_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/heap.h"
#include "core/log.h"
#include "core/loop.h"
#include "net/datagram.h"
#include "net/net.h"
#include "net/stream_tcp.h"
#include "tests/peer/peer.h"

#define PEER_NAME_MAX    31u
#define PEER_QUEUE_MAX   32u
#define PEER_CLIENTS_MAX 8u
#define PEER_REASON_MAX  1200u

typedef struct peer_line {
    struct peer_line *next;
    char text[]; /* the command without the endpoint's name */
} peer_line;

typedef enum peer_step { PEER_WAIT, PEER_OK, PEER_FAIL } peer_step;

typedef struct peer_endpoint peer_endpoint;

/* One command: step is called when it starts and whenever something happened to the endpoint. */
typedef struct peer_command {
    const char *name;
    bool (*parse)(peer_endpoint *e, char *args); /* false: a usage error */
    peer_step (*step)(peer_endpoint *e);
} peer_command;

struct peer_endpoint {
    struct peer *peer;
    peer_endpoint *next;
    char name[PEER_NAME_MAX + 1];
    /* lines */
    peer_line *first, **last;
    unsigned queued;
    const peer_command *command; /* under way */
    at_timer limit;
    uint32_t timeout_ms;
    char reason[PEER_REASON_MAX]; /* of a failure; or what follows ok */
    /* the command's parameters and progress */
    uint8_t *bytes; /* of the line, unescaped */
    size_t len, done;
    bool random; /* bytes come from seed, not from the line */
    uint32_t seed;
    char host[64];
    uint16_t port;
    char other[PEER_NAME_MAX + 1];
    bool v6; /* of listen and udp */
    bool started, expired;
    /* the network side */
    at_stream *stream;
    at_tcp_listener *listener;
    at_stream *clients[PEER_CLIENTS_MAX];
    unsigned clients_count;
    at_datagram *datagram;
    bool opened, ended, stopped;
    at_err error;
    uint8_t *in; /* bytes taken out of the stack */
    size_t in_len, in_room;
};

struct peer {
    at_loop loop;
    at_heap heap;
    at_log log;
    at_net *net;
    at_radio *radio;
    at_byteport *control;
    bool quit, addressed;
    peer_endpoint *endpoints;
    size_t line_len;
    char line[PEER_LINE_MAX + 1];
};

/* --- peer.c --- */
peer_endpoint *peer_find(struct peer *p, const char *name); /* made when new; NULL: no memory */
void peer_advance(peer_endpoint *e); /* goes on with the command under way, and those behind it */

/* --- arguments.c --- */
peer_step peer_fail(peer_endpoint *e, const char *reason); /* PEER_FAIL */
peer_step peer_fail_err(peer_endpoint *e, at_err err);
void peer_append(peer_endpoint *e, const char *label, const uint8_t *bytes, size_t len);
void peer_describe(peer_endpoint *e); /* what came instead, into reason */
/* Each takes its part off the front of *args; false: it is none. */
char *peer_word(char **args);
bool peer_take_number(char **args, int64_t least, int64_t most, int64_t *value);
bool peer_take_port(peer_endpoint *e, char **args);
bool peer_take_host(peer_endpoint *e, char **args);
bool peer_take_random(peer_endpoint *e, char **args);     /* "N SEED" */
bool peer_take_bytes(peer_endpoint *e, const char *text); /* all of it, unescaped */
/* The next part of what the command sends or expects; returns its length. */
size_t peer_next_part(peer_endpoint *e, uint8_t *buf, size_t room);

/* --- ntp.c --- */
bool peer_ntp_parse(peer_endpoint *e, char *args);
peer_step peer_ntp_step(peer_endpoint *e);

/* --- mdns.c --- */
bool peer_mdns_parse(peer_endpoint *e, char *args);
peer_step peer_mdns_step(peer_endpoint *e);

/* --- endpoint.c --- */
const peer_command *peer_command_find(const char *name);

#endif
