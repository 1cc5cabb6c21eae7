/* Shared by ctl_server.c (connections and requests) and ctl_events.c (events and waits). */
#ifndef PORTS_LINUX_CTL_PRIV_H
#define PORTS_LINUX_CTL_PRIV_H

#include "ports/linux/ctl_server.h"

enum { CTL_CLIENTS = 16, CTL_HISTORY = 128, CTL_STATES = 5 };

typedef struct ctl_client {
    lx_ctl *ctl;
    lx_source source; /* fd -1: free */
    char in[LX_CTL_LINE];
    size_t in_len;
    char *out;
    size_t out_len, out_size;
    bool subscribed;
    bool doomed;    /* closed once its output is gone */
    cJSON *waiting; /* the wait request that is not answered yet; NULL: none */
    at_timer limit; /* of the wait */
} ctl_client;

typedef struct ctl_event {
    unsigned number;
    char *text;
} ctl_event;

struct lx_ctl {
    lx_ctl_config config;
    lx_source listener;
    uint64_t start_us;
    unsigned last;                  /* number of the last event */
    ctl_event history[CTL_HISTORY]; /* event n at n % CTL_HISTORY */
    char *states[CTL_STATES]; /* the event that made ready, joined, ip ... true; NULL: not so */
    ctl_client clients[CTL_CLIENTS];
};

/* Queues one line for a client (text without the line end); drops a client that does not read. */
void ctl_client_line(ctl_client *c, const char *text);
void ctl_client_answer(ctl_client *c, const cJSON *request, bool ok, cJSON *members);
void ctl_client_refuse(ctl_client *c, const cJSON *request, const char *reason);
/* Goes on with the lines that came during a wait. */
void ctl_client_continue(ctl_client *c);

/* Answers at once or lets the client wait; takes request over. */
void ctl_wait(ctl_client *c, cJSON *request);
void ctl_wait_end(ctl_client *c); /* forgets a wait without an answer */
void ctl_events_free(lx_ctl *ctl);

#endif
