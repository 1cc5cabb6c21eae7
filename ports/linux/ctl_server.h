/* The control socket: one JSON line per request and answer, and event lines for those who subscribed.
 * Knows the verbs wait, subscribe and help; everything else is the owner's. */
#ifndef PORTS_LINUX_CTL_SERVER_H
#define PORTS_LINUX_CTL_SERVER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/log.h"
#include "core/loop.h"
#include "ports/linux/poller.h"

#define LX_CTL_LINE 4096u /* bytes of a request with its line end */

typedef struct lx_ctl lx_ctl;

typedef struct lx_ctl_config {
    at_loop *loop;
    lx_poller *poller;
    const at_log *log;
    const char *path;  /* of the socket; kept by the caller */
    const char *verbs; /* the owner's, for the answer to an unknown one */
    /* Runs one of the owner's verbs. true: answer (an object) got the members of the answer; false:
     * error says what would be right. */
    bool (*run)(void *owner, const char *verb, const cJSON *request, cJSON *answer, char *error,
                size_t room);
    void *owner;
} lx_ctl_config;

/* Makes the socket with mode 0600, replacing one that nobody serves. NULL with a line in why. */
lx_ctl *lx_ctl_open(const lx_ctl_config *config, char *why, size_t room);
/* Sends what can be sent at once, and removes the socket. NULL is allowed. */
void lx_ctl_close(lx_ctl *ctl);
/* members: JSON members without braces, or "". Answers waits, goes to subscribers. ctl may be NULL. */
void lx_ctl_event(lx_ctl *ctl, const char *name, const char *members);
/* Number of the last event, for `since`. */
unsigned lx_ctl_last(const lx_ctl *ctl);

#endif
