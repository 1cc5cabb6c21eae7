/* The Linux waiter: file descriptors, and groups of them that change every turn (libslirp). */
#ifndef PORTS_LINUX_POLLER_H
#define PORTS_LINUX_POLLER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "iface/clock.h"
#include "iface/waiter.h"

#define LX_POLL_MAX   1024u /* descriptors of one process, all kinds: its usual limit of open files */
#define LX_CROWD_TURN 64    /* of a crowd that get a turn at once */

/* One descriptor, owned by the caller; fill fd, events, ready and arg, zero the rest. */
typedef struct lx_source {
    int fd;
    short events; /* POLLIN, POLLOUT, POLLRDHUP; 0: not watched at all, not even for hang-ups */
    short revents;
    void (*ready)(void *arg, short revents); /* also with POLLHUP, POLLERR, POLLNVAL */
    void *arg;
    bool crowd;  /* one of perhaps hundreds: costs nothing while it is idle, a bit more when not */
    size_t slot; /* the poller's, as all below */
    bool added, apart;
} lx_source;

/* Descriptors that somebody else keeps. Owned by the caller. */
typedef struct lx_group {
    /* Called before each wait. Writes at most room entries and returns how many; may lower
     * *deadline_us, in the clock's time. */
    size_t (*fill)(void *arg, struct pollfd *fds, size_t room, uint64_t *deadline_us);
    /* Called after a wait in which one of the entries became ready or the group's own deadline
     * passed. May add and remove sources and groups, also this one. */
    void (*done)(void *arg, const struct pollfd *fds, size_t count);
    void *arg;
    uint64_t deadline_us; /* the poller's, as first, count, next and link */
    size_t first, count;
    struct lx_group *next, **link;
} lx_group;

typedef struct lx_poller {
    const at_clock *clock;
    at_waiter waiter; /* give &poller->waiter to at_loop_init */
    size_t source_count, built;
    bool changed; /* fds no longer matches sources */
    lx_group *groups, *next_group;
    lx_source crowd; /* the epoll set; fd -1: not needed yet */
    struct epoll_event turn[LX_CROWD_TURN];
    size_t turn_count;
    lx_source *sources[LX_POLL_MAX];
    struct pollfd fds[LX_POLL_MAX];
} lx_poller;

void lx_poller_init(lx_poller *poller, const at_clock *clock);

/* All of these may be called from inside callbacks. A removed source is not called any more, not
 * even when it was found ready in this turn; an added one takes part from the next wait on. */
bool lx_source_add(lx_poller *poller, lx_source *source);    /* false: LX_POLL_MAX are in use */
void lx_source_remove(lx_poller *poller, lx_source *source); /* allowed when not added */
void lx_source_set_events(lx_poller *poller, lx_source *source, short events);

void lx_group_add(lx_poller *poller, lx_group *group);
void lx_group_remove(lx_poller *poller, lx_group *group); /* allowed when not added */

#endif
