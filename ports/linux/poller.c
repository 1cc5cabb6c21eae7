/* The waiter over ppoll.
 *
 * Why ppoll and not epoll: what a module waits for changes all the time (want-read and want-write
 * of the AT port, libslirp's whole set), and with ppoll a change costs a store while epoll wants a
 * system call for each. A process here has a handful of descriptors. Only the hub of a shared air has
 * hundreds, for which each ppoll takes 25 us: its clients are a crowd, and of a crowd only the first few are
 * with the others. The rest is in an epoll set, which is one more descriptor for ppoll. The set is level
 * triggered like poll and serves its members in turn. It lives as long as the process.
 *
 * sources[] is the truth. fds[] is its image: entry i belongs to sources[i] as long as `changed` is
 * false; behind the image, each wait puts the groups' entries. Callbacks only touch sources[] (a
 * removed source leaves NULL, an added one is appended) and set `changed`, so the results of the
 * running turn in fds[] stay where they are. The next wait closes the gaps.
 *
 * Groups are a list; `next_group` lets the walk survive the removal of any of them.
 */
#include "ports/linux/poller.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { FEW = 16 }; /* sources for which ppoll alone is cheaper */

static void build(lx_poller *poller)
{
    size_t kept = 0;

    for (size_t i = 0; i < poller->source_count; i++) {
        lx_source *source = poller->sources[i];

        if (source == NULL)
            continue;
        source->slot = kept;
        poller->sources[kept] = source;
        poller->fds[kept] = (struct pollfd){ .fd = source->events != 0 ? source->fd : -1,
                                             .events = source->events };
        kept++;
    }
    poller->source_count = kept;
    poller->built = kept;
    poller->changed = false;
}

static size_t fill_groups(lx_poller *poller, uint64_t *deadline_us)
{
    size_t used = poller->built;

    for (lx_group *group = poller->groups; group != NULL; group = group->next) {
        group->deadline_us = AT_WAIT_FOREVER;
        group->first = used;
        group->count =
            group->fill(group->arg, poller->fds + used, LX_POLL_MAX - used, &group->deadline_us);
        used += group->count;
        if (group->deadline_us < *deadline_us)
            *deadline_us = group->deadline_us;
    }
    return used;
}

static int wait_until(lx_poller *poller, size_t count, uint64_t deadline_us)
{
    struct timespec span = { 0, 0 };
    uint64_t now, left;

    if (deadline_us == AT_WAIT_FOREVER)
        return ppoll(poller->fds, count, NULL, NULL);
    if (deadline_us == 0)
        return ppoll(poller->fds, count, &span, NULL);
    now = poller->clock->now_us(poller->clock->ctx);
    left = deadline_us > now ? deadline_us - now : 0;
    span.tv_sec = (time_t)(left / 1000000u);
    span.tv_nsec = (long)(left % 1000000u) * 1000;
    return ppoll(poller->fds, count, &span, NULL);
}

static void run_sources(lx_poller *poller)
{
    size_t count = poller->built;

    for (size_t i = 0; i < count; i++) {
        short revents = poller->fds[i].revents;
        lx_source *source = poller->sources[i];

        if (revents == 0 || source == NULL)
            continue;
        source->revents = revents;
        source->ready(source->arg, revents);
    }
}

static bool group_ready(const lx_poller *poller, const lx_group *group, uint64_t now)
{
    if (group->deadline_us <= now)
        return true;
    for (size_t i = 0; i < group->count; i++) {
        if (poller->fds[group->first + i].revents != 0)
            return true;
    }
    return false;
}

static void run_groups(lx_poller *poller)
{
    uint64_t now;

    if (poller->groups == NULL)
        return;
    now = poller->clock->now_us(poller->clock->ctx);
    for (lx_group *group = poller->groups; group != NULL; group = poller->next_group) {
        poller->next_group = group->next;
        if (group_ready(poller, group, now))
            group->done(group->arg, poller->fds + group->first, group->count);
    }
}

static void wait_once(void *ctx, uint64_t deadline_us)
{
    lx_poller *poller = ctx;
    size_t count;
    int ready;

    if (poller->changed)
        build(poller);
    count = fill_groups(poller, &deadline_us);
    ready = wait_until(poller, count, deadline_us);
    if (ready < 0) /* a signal, or no memory for the moment: the caller looks again */
        return;
    if (ready > 0)
        run_sources(poller);
    run_groups(poller);
}

void lx_poller_init(lx_poller *poller, const at_clock *clock)
{
    poller->clock = clock;
    poller->waiter = (at_waiter){ .ctx = poller, .wait = wait_once };
    poller->source_count = 0;
    poller->built = 0;
    poller->changed = false;
    poller->groups = NULL;
    poller->next_group = NULL;
    poller->crowd = (lx_source){ .fd = -1 };
    poller->turn_count = 0;
}

/* ---- the crowd ---- */

static void run_crowd(void *arg, short revents)
{
    lx_poller *poller = arg;
    int count = epoll_wait(poller->crowd.fd, poller->turn, LX_CROWD_TURN, 0);

    (void)revents;
    poller->turn_count = count > 0 ? (size_t)count : 0;
    for (size_t i = 0; i < poller->turn_count; i++) {
        lx_source *source = poller->turn[i].data.ptr;

        if (source == NULL) /* removed in this turn */
            continue;
        source->revents = (short)poller->turn[i].events; /* epoll's bits are poll's */
        source->ready(source->arg, source->revents);
    }
    poller->turn_count = 0;
}

static bool watch_apart(const lx_poller *poller, lx_source *source, short before)
{
    struct epoll_event event = { .events = (uint16_t)source->events, .data = { .ptr = source } };
    int change = before == 0 ? EPOLL_CTL_ADD : source->events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

    return before == source->events || epoll_ctl(poller->crowd.fd, change, source->fd, &event) == 0;
}

static bool has_crowd(lx_poller *poller)
{
    if (poller->crowd.fd >= 0)
        return true;
    poller->crowd = (lx_source){
        .fd = epoll_create1(EPOLL_CLOEXEC), .events = POLLIN, .ready = run_crowd, .arg = poller
    };
    if (poller->crowd.fd >= 0 && lx_source_add(poller, &poller->crowd))
        return true;
    if (poller->crowd.fd >= 0)
        close(poller->crowd.fd);
    poller->crowd.fd = -1;
    return false;
}

/* False: it has to be with the others. */
static bool add_apart(lx_poller *poller, lx_source *source)
{
    source->apart = source->crowd && poller->source_count >= FEW && has_crowd(poller) &&
                    watch_apart(poller, source, 0);
    return source->apart;
}

static void remove_apart(lx_poller *poller, lx_source *source)
{
    short before = source->events;

    source->events = 0;
    (void)watch_apart(poller, source, before);
    source->events = before;
    source->apart = false;
    for (size_t i = 0; i < poller->turn_count; i++) {
        if (poller->turn[i].data.ptr == source)
            poller->turn[i].data.ptr = NULL;
    }
}

/* ---- sources and groups ---- */

bool lx_source_add(lx_poller *poller, lx_source *source)
{
    if (source->added)
        return true;
    source->added = add_apart(poller, source);
    if (source->added)
        return true;
    if (poller->source_count == LX_POLL_MAX)
        return false;
    source->slot = poller->source_count;
    source->added = true;
    poller->sources[poller->source_count++] = source;
    poller->changed = true;
    return true;
}

void lx_source_remove(lx_poller *poller, lx_source *source)
{
    if (!source->added)
        return;
    source->added = false;
    if (source->apart) {
        remove_apart(poller, source);
        return;
    }
    poller->sources[source->slot] = NULL;
    poller->changed = true;
}

void lx_source_set_events(lx_poller *poller, lx_source *source, short events)
{
    short before = source->events;

    if (before == events)
        return;
    source->events = events;
    if (source->apart) {
        (void)watch_apart(poller, source, before);
        return;
    }
    if (!source->added || poller->changed)
        return;
    poller->fds[source->slot].fd = events != 0 ? source->fd : -1;
    poller->fds[source->slot].events = events;
}

void lx_group_add(lx_poller *poller, lx_group *group)
{
    if (group->link != NULL)
        return;
    group->count = 0; /* added during a turn: nothing of it is ready in that one */
    group->deadline_us = AT_WAIT_FOREVER;
    group->next = poller->groups;
    group->link = &poller->groups;
    if (group->next != NULL)
        group->next->link = &group->next;
    poller->groups = group;
}

void lx_group_remove(lx_poller *poller, lx_group *group)
{
    if (group->link == NULL)
        return;
    if (poller->next_group == group)
        poller->next_group = group->next;
    *group->link = group->next;
    if (group->next != NULL)
        group->next->link = group->link;
    group->next = NULL;
    group->link = NULL;
}
