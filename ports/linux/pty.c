/* A pseudo-terminal as a UART.
 *
 * The master is the module's end; the slave has a name that hosts open. Nobody here keeps the slave
 * open, so the kernel tells when the last host closes it. Measured on Linux 6 and relied on:
 *
 *  - Before the first open the master shows no hang-up and keeps what is written: `ready` is there
 *    for the host that opens a moment later.
 *  - After the last close, poll says POLLHUP for ever, reads give EIO once the host's last bytes are
 *    read, and writes still succeed for 18 KB, which the next opener would get as stale text.
 *  - Terminal settings survive a close. The next host would inherit an echo that feeds our own output
 *    back to us, so raw mode is set again.
 *
 * So opens and closes are learnt from inotify on the slave. `hosts` counts them as far as that is
 * possible (inotify merges equal events that follow each other); it lies in shared memory because
 * events of the time between two boots are read by the next chip. When it falls to 0 the output is
 * discarded from then on, and what was written and never read is flushed. That needs the slave for a
 * moment; the watch is off meanwhile, and whether a host came in that moment is asked of poll.
 *
 * Input needs no such care: it is read until EIO, and again after the next open.
 */
#include "ports/linux/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/stream.h"

typedef struct shared {
    int watch; /* inotify's number of the slave */
    int hosts; /* that have the slave open */
    bool gone; /* a host was there and went */
} shared;

typedef struct pty {
    lx_connector connector;
    int master, inotify;
    shared *shared;
    char *link; /* NULL: none */
    /* in the chip */
    lx_stream stream;
    lx_source events;
} pty;

/* ---- terminal settings and the slave ---- */

static int set_raw(int master)
{
    struct termios settings;

    /* On a master these work on the slave's settings, without opening it. */
    if (tcgetattr(master, &settings) != 0)
        return -1;
    cfmakeraw(&settings);
    cfsetspeed(&settings, B115200);
    return tcsetattr(master, TCSANOW, &settings);
}

static bool add_watch(pty *p)
{
    p->shared->watch = inotify_add_watch(p->inotify, p->connector.path, IN_OPEN | IN_CLOSE);
    return p->shared->watch >= 0;
}

static bool hung_up(const pty *p)
{
    struct pollfd look = { .fd = p->master };

    return poll(&look, 1, 0) > 0 && (look.revents & POLLHUP) != 0;
}

/* Throws away what hosts have not read, and forgets their settings. */
static void wash(pty *p)
{
    int slave = open(p->connector.path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (slave >= 0) {
        tcflush(slave, TCIFLUSH);
        set_raw(p->master); /* before the close: the next host finds no other settings */
        close(slave);
    }
}

typedef struct traffic {
    int opened, closed;
    int lowest; /* of opened minus closed at any moment, at most 0 */
} traffic;

static traffic read_traffic(pty *p)
{
    _Alignas(struct inotify_event) char buffer[1024];
    traffic t = { 0, 0, 0 };
    ssize_t len;

    while ((len = read(p->inotify, buffer, sizeof buffer)) > 0) {
        for (char *at = buffer; at < buffer + len;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;

            if (event->wd == p->shared->watch) { /* else of a watch that is gone */
                t.opened += (event->mask & IN_OPEN) != 0;
                t.closed += (event->mask & IN_CLOSE) != 0;
                if (t.opened - t.closed < t.lowest)
                    t.lowest = t.opened - t.closed;
            }
            at += sizeof *event + event->len;
        }
    }
    return t;
}

/* Washes without being counted as a host. A host that opens meanwhile is either seen by its event, or
 * by the missing hang-up when it came before the watch was renewed; who also left leaves washing. */
static void clean_slave(pty *p)
{
    traffic t;
    bool open;

    do {
        inotify_rm_watch(p->inotify, p->shared->watch);
        wash(p);
        add_watch(p);
        open = !hung_up(p);
        t = read_traffic(p);
    } while (t.closed > 0);
    p->shared->hosts = t.opened > 0 ? t.opened : open;
    p->shared->gone = p->shared->hosts == 0;
}

/* ---- opens and closes ---- */

static void read_events(pty *p)
{
    traffic t = read_traffic(p);
    bool was_alone = p->shared->hosts + t.lowest <= 0; /* for a moment nobody had it open */

    p->shared->hosts += t.opened - t.closed;
    if (t.opened > 0)
        p->shared->gone = false;
    if (t.closed > 0 && (was_alone || hung_up(p)))
        clean_slave(p);
}

static void on_events(void *arg, short revents)
{
    pty *p = arg;

    (void)revents;
    read_events(p);
    lx_stream_set_heard(&p->stream, !p->shared->gone);
    /* The last words of a host that is gone are still to be read; a hang-up ends that. */
    lx_stream_set_input(&p->stream, true);
}

/* ---- the chip's end ---- */

static ssize_t pty_read(lx_stream *s, void *buf, size_t room)
{
    return read(((pty *)s->ctx)->master, buf, room);
}

static ssize_t pty_write(lx_stream *s, const void *data, size_t len)
{
    return write(((pty *)s->ctx)->master, data, len);
}

static const lx_stream_kind pty_kind = { .read = pty_read, .write = pty_write };

static at_byteport *pty_plug(lx_connector *c, const lx_plug *plug)
{
    pty *p = AT_CONTAINER(c, pty, connector);

    p->events = (lx_source){ .fd = p->inotify, .events = POLLIN, .ready = on_events, .arg = p };
    if (!lx_source_add(plug->poller, &p->events) ||
        !lx_stream_init(&p->stream, &pty_kind, p, plug->loop, plug->poller, plug->log, p->master,
                        p->master))
        return NULL;
    on_events(p, 0);
    return &p->stream.port;
}

/* ---- the bench's end ---- */

static size_t pty_fds(const lx_connector *c, int fds[LX_CONNECTOR_FDS])
{
    const pty *p = AT_CONTAINER(c, pty, connector);

    fds[0] = p->master;
    fds[1] = p->inotify;
    return 2;
}

static void pty_flush(lx_connector *c)
{
    pty *p = AT_CONTAINER(c, pty, connector);
    char waste[4096];

    while (read(p->master, waste, sizeof waste) > 0)
        continue;
}

static bool points_into_pts(const char *link, char target[PATH_MAX])
{
    ssize_t len = readlink(link, target, PATH_MAX - 1);

    target[len > 0 ? len : 0] = '\0';
    return strncmp(target, "/dev/pts/", 9) == 0;
}

static bool make_link(pty *p, const char *link, char *why, size_t room)
{
    char target[PATH_MAX], next[PATH_MAX];
    struct stat there;

    if (lstat(link, &there) == 0 && !points_into_pts(link, target)) {
        snprintf(why, room, "%s exists and is not a symbolic link into /dev/pts: give a new name",
                 link);
        return false;
    }
    if ((size_t)snprintf(next, sizeof next, "%s.%ld", link, (long)getpid()) >= sizeof next ||
        symlink(p->connector.path, next) != 0) {
        snprintf(why, room, "cannot make the link %s: %s", link, strerror(errno));
        return false;
    }
    if (rename(next, link) != 0) {
        snprintf(why, room, "cannot make the link %s: %s", link, strerror(errno));
        unlink(next);
        return false;
    }
    p->link = strdup(link);
    return true;
}

static void pty_close(lx_connector *c)
{
    pty *p = AT_CONTAINER(c, pty, connector);
    char target[PATH_MAX];

    if (p->link != NULL && points_into_pts(p->link, target) &&
        strcmp(target, p->connector.path) == 0) /* not another's that replaced ours */
        unlink(p->link);
    free(p->link);
    if (p->master >= 0)
        close(p->master);
    if (p->inotify >= 0)
        close(p->inotify);
    if (p->shared != NULL)
        munmap(p->shared, sizeof *p->shared);
    free(p);
}

static bool open_pair(pty *p)
{
    p->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (p->master < 0 || grantpt(p->master) != 0 || unlockpt(p->master) != 0 ||
        ptsname_r(p->master, p->connector.path, sizeof p->connector.path) != 0 ||
        set_raw(p->master) != 0)
        return false;
    p->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    p->shared =
        mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p->shared == MAP_FAILED) {
        p->shared = NULL;
        return false;
    }
    return p->inotify >= 0 && add_watch(p);
}

lx_connector *lx_pty_open(const char *link, char *why, size_t room)
{
    static const lx_connector_ops ops = {
        .fds = pty_fds,
        .flush = pty_flush,
        .plug = pty_plug,
        .close = pty_close,
    };
    pty *p = calloc(1, sizeof *p);

    if (p == NULL) {
        snprintf(why, room, "out of memory");
        return NULL;
    }
    p->connector.ops = &ops;
    p->connector.label = "pty";
    p->master = p->inotify = -1;
    if (!open_pair(p)) {
        snprintf(why, room, "cannot open a pseudo-terminal: %s", strerror(errno));
    } else if (link == NULL || make_link(p, link, why, room)) {
        return &p->connector;
    }
    pty_close(&p->connector);
    return NULL;
}
