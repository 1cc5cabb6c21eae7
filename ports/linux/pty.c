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
 * So opens and closes are learnt from inotify on the slave, ours included; the count lies in shared
 * memory because events of the time between two boots are read by the next chip. Where it falls to 0,
 * what was written and never read is flushed and raw mode is set, even when the next host is there by
 * then: it finds nothing of the last. inotify merges equal events that follow each other unread, so the
 * count may be wrong for a moment; a hang-up puts it right. While nobody is there output is discarded.
 *
 * Input needs no such care: it is read until EIO, and again after the next open. But what was read may be
 * the next host's when the last one's leaving is still an event in the queue, and the answer would be
 * washed away with it. So after a read the queue is looked at before anybody answers, if it is not
 * empty: inotify raises SIGIO with each event, and a signal is delivered before the read returns at
 * the latest. A system call to ask the queue itself would cost a quarter of a short command.
 */
#include "ports/linux/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/auxv.h>
#include <termios.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/stream.h"

typedef struct shared {
    int hosts; /* opens minus closes of the slave, as far as events have been read; ours count too */
    int opened; /* since the last wash, ours included */
    int closed;
    bool own;  /* our own open and close since the last wash are still to be read */
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
    bool signalled; /* events raise SIGIO; else each read has to look for them */
} pty;

/* Events are in the queue since it was last read. A signal handler gets no context, and a process has
 * one pseudo-terminal. */
static volatile sig_atomic_t events_queued;

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

static bool hung_up(const pty *p)
{
    struct pollfd look = { .fd = p->master };

    return poll(&look, 1, 0) > 0 && (look.revents & POLLHUP) != 0;
}

/* Throws away what hosts have not read, and forgets their settings. */
static void wash(pty *p)
{
    int slave = open(p->connector.path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    p->shared->opened = p->shared->closed = 0;
    p->shared->own = slave >= 0;
    if (slave >= 0) {
        tcflush(slave, TCIFLUSH);
        set_raw(p->master); /* before the close: the next host finds no other settings */
        close(slave);
    }
}

/* ---- opens and closes ---- */

/* Every open and close of the slave is an event, in the order in which they happened, those of wash()
 * too. So whenever the count reaches zero nobody has the slave open at that point of the story, and
 * what the hosts before left behind is washed away, even when the next one is there by now. Only our
 * own open and close with nothing else between wash nothing. */
static void take_event(pty *p, uint32_t mask)
{
    shared *now = p->shared;

    if ((mask & IN_OPEN) != 0) {
        now->hosts++;
        now->opened++;
    }
    if ((mask & IN_CLOSE) == 0)
        return;
    now->closed++;
    if (now->hosts > 0)
        now->hosts--;
    if (now->hosts > 0)
        return;
    if (now->own && now->opened == 1 && now->closed == 1)
        now->own = false;
    else
        wash(p);
}

static void read_events(pty *p)
{
    _Alignas(struct inotify_event) char buffer[1024];
    ssize_t len;
    bool any = false;

    events_queued = 0; /* before the queue is looked at */
    while ((len = read(p->inotify, buffer, sizeof buffer)) > 0) {
        for (char *at = buffer; at < buffer + len;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;

            take_event(p, event->mask);
            at += sizeof *event + event->len;
        }
        any = true;
    }
    if (!any)
        return;
    p->shared->gone = hung_up(p);
    if (p->shared->gone && p->shared->hosts > 0) { /* a merged event was a close */
        p->shared->hosts = 0;
        wash(p);
    }
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

/* ---- being told of events by SIGIO ---- */

static void on_sigio(int number)
{
    (void)number;
    events_queued = 1;
}

/* The handler must not need room on the stack of a fiber. The stack stays until the chip ends. */
static bool give_signal_stack(void)
{
    static const size_t least = 16384;
    size_t size = AT_MAX((size_t)getauxval(AT_MINSIGSTKSZ) + 4096, least);
    stack_t stack = { .ss_size = size };

    if (sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE) == 0)
        return true;
    stack = (stack_t){ .ss_size = size };
    stack.ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    return stack.ss_sp != MAP_FAILED && sigaltstack(&stack, NULL) == 0;
}

/* The signals go to the process that asked last: the chip that runs. */
static bool ask_for_signals(int fd)
{
    struct sigaction action = { .sa_handler = on_sigio, .sa_flags = SA_RESTART | SA_ONSTACK };
    int flags = fcntl(fd, F_GETFL);

    return give_signal_stack() && sigaction(SIGIO, &action, NULL) == 0 &&
           fcntl(fd, F_SETOWN, getpid()) == 0 && fcntl(fd, F_SETFL, flags | O_ASYNC) == 0;
}

/* ---- the chip's end ---- */

static ssize_t pty_read(lx_stream *s, void *buf, size_t room)
{
    pty *p = s->ctx;
    ssize_t n = read(p->master, buf, room);

    /* Before it is answered: who wrote this may have come while the last host left, and an answer
     * must neither be unheard nor be washed away with the last host's. */
    if (n > 0 && (events_queued || !p->signalled)) {
        read_events(p);
        lx_stream_set_heard(s, !p->shared->gone);
    }
    return n;
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
    p->signalled = ask_for_signals(p->inotify);
    on_events(p, 0); /* those of the time before, too */
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

static bool open_pair(pty *p, char *why, size_t room)
{
    p->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (p->master >= 0 && grantpt(p->master) == 0 && unlockpt(p->master) == 0 &&
        ptsname_r(p->master, p->connector.path, sizeof p->connector.path) == 0 &&
        set_raw(p->master) == 0)
        return true;
    snprintf(why, room, "cannot open a pseudo-terminal: %s", strerror(errno));
    return false;
}

/* The kernel's words for the limit that a rack of modules meets first ("Too many open files") mislead. */
static void explain_inotify(char *why, size_t room)
{
    static const char limit[] = "/proc/sys/fs/inotify/max_user_instances";
    int error = errno, fd = open(limit, O_RDONLY | O_CLOEXEC);
    char text[16] = "";
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;

    if (fd >= 0)
        close(fd);
    text[len > 0 ? len - 1 : 0] = '\0'; /* without the line feed */
    if (error == EMFILE && fd >= 0)
        snprintf(why, room,
                 "cannot watch the pseudo-terminal: all inotify instances of this user are taken "
                 "(%s, one for each "
                 "pseudo-terminal): sysctl fs.inotify.max_user_instances=1024, or use --listen",
                 text);
    else
        snprintf(why, room, "cannot watch the pseudo-terminal: %s", strerror(error));
}

static bool watch(pty *p, char *why, size_t room)
{
    p->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (p->inotify >= 0 &&
        inotify_add_watch(p->inotify, p->connector.path, IN_OPEN | IN_CLOSE) >= 0)
        return true;
    explain_inotify(why, room);
    return false;
}

static bool share(pty *p, char *why, size_t room)
{
    p->shared =
        mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p->shared != MAP_FAILED)
        return true;
    p->shared = NULL;
    snprintf(why, room, "out of memory");
    return false;
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
    if (open_pair(p, why, room) && watch(p, why, room) && share(p, why, room) &&
        (link == NULL || make_link(p, link, why, room)))
        return &p->connector;
    pty_close(&p->connector);
    return NULL;
}
