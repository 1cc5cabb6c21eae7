/* Frames in batches.
 *
 * send only appends to a queue; a prepare hook of the loop hands the queue to the kernel, many frames in
 * one message, so a turn of the loop that made twenty segments costs one system call, one copy and one
 * buffer of the kernel. What the kernel does not take stays, POLLOUT is asked for, and nothing is lost: a
 * lost frame would cost lwIP and libslirp a 500 ms timer. Only a queue of several megabytes refuses, and
 * counts.
 *
 * A message is a sequence of records: two bytes of length in the machine's order, the frame, and what is
 * missing to a multiple of four, so that the IP header of every frame is aligned. The queue is a plain
 * buffer of the same records from head to tail, and a message is a piece of it. It starts over at 0
 * whenever it runs empty, which is nearly always.
 *
 * Receiving takes one batch per turn, so that the loop's prepare hooks (and with them the
 * acknowledgements) run in between and neither side can starve the other.
 */
#include "ports/linux/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEAD = 2,                /* bytes of a record before its frame */
    MESSAGE_MAX = 32 * 1024, /* bytes: 21 full frames */
    BATCH = 4,               /* messages taken in a turn */
    OUT_START = 64 * 1024,
    SOCKET_BUFFER = 2 * 1024 * 1024, /* asked for; the kernel's limit may be lower */
};

int lx_frames_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
}

static size_t record_size(size_t frame_len)
{
    return (HEAD + frame_len + 3) & ~(size_t)3;
}

static size_t frame_len(const uint8_t *record)
{
    uint16_t len;

    memcpy(&len, record, sizeof len);
    return len;
}

/* ---- receiving ---- */

static int receive_batch(lx_frames *f, struct mmsghdr *heads, struct iovec *places)
{
    memset(heads, 0, BATCH * sizeof *heads);
    for (size_t i = 0; i < BATCH; i++) {
        places[i] = (struct iovec){ f->in + i * MESSAGE_MAX, MESSAGE_MAX };
        heads[i].msg_hdr.msg_iov = &places[i];
        heads[i].msg_hdr.msg_iovlen = 1;
    }
    return recvmmsg(f->source.fd, heads, BATCH, MSG_DONTWAIT, NULL);
}

/* Hands over the frames of a message; false: a frame closed the link. */
static bool deliver_message(lx_frames *f, uint8_t *message, size_t len)
{
    uint32_t opened = f->opened;

    for (size_t at = 0; at < len;) {
        size_t frame = len - at > HEAD ? frame_len(message + at) : 0;

        if (frame == 0 || frame > AT_RADIO_FRAME_MAX || record_size(frame) > len - at) {
            f->invalid++; /* and nothing behind it can be found */
            return true;
        }
        f->received++;
        f->on_frame(f->owner, message + at + HEAD, frame);
        if (f->opened != opened)
            return false;
        at += record_size(frame);
    }
    return true;
}

/* Returns false when the other end is gone. */
static bool deliver_batch(lx_frames *f)
{
    struct mmsghdr heads[BATCH];
    struct iovec places[BATCH];
    int count = receive_batch(f, heads, places);

    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    for (int i = 0; i < count; i++) {
        if (heads[i].msg_len == 0)
            return false;
        if ((heads[i].msg_hdr.msg_flags & MSG_TRUNC) != 0)
            f->invalid++;
        else if (!deliver_message(f, places[i].iov_base, heads[i].msg_len))
            return true;
    }
    return true;
}

void lx_frames_drain(lx_frames *f)
{
    uint64_t before;

    do {
        before = f->received;
        if (!f->source.added || !deliver_batch(f))
            return;
    } while (f->received != before);
}

static void on_ready(void *arg, short revents)
{
    lx_frames *f = arg;

    if ((revents & POLLOUT) != 0)
        lx_frames_flush(f);
    if ((revents & (POLLIN | POLLHUP | POLLERR)) == 0 || !f->source.added)
        return;
    if (deliver_batch(f) || !f->source.added)
        return;
    lx_source_remove(f->poller, &f->source); /* the descriptor is closed by lx_frames_close */
    if (f->on_gone != NULL)
        f->on_gone(f->owner);
}

/* ---- sending ---- */

static void set_watch(lx_frames *f, bool writable)
{
    lx_source_set_events(f->poller, &f->source, writable ? POLLIN | POLLOUT : POLLIN);
}

/* The whole records at the head of the queue that fit into limit, at least one; counts them. */
static size_t first_records(const lx_frames *f, size_t limit, size_t *count)
{
    size_t len = 0;

    for (*count = 0; f->head + len < f->tail; (*count)++) {
        size_t next = record_size(frame_len(f->out + f->head + len));

        if (*count > 0 && len + next > limit)
            break;
        len += next;
    }
    return len;
}

/* Returns how many bytes of the queue the kernel took, 0: none now; -1: nobody is there. */
static ssize_t send_message(lx_frames *f)
{
    size_t limit = MESSAGE_MAX, len, count;
    ssize_t sent;

    do {
        len = first_records(f, limit, &count);
        sent = send(f->source.fd, f->out + f->head, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        limit /= 2;
    } while (sent < 0 && errno == EMSGSIZE && count > 1); /* a computer with tiny socket buffers */
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1;
    f->sent += count;
    return sent;
}

void lx_frames_flush(lx_frames *f)
{
    while (f->head < f->tail) {
        ssize_t sent = f->source.added ? send_message(f) : -1;

        if (sent == 0) {
            set_watch(f, true);
            return;
        }
        if (sent < 0) {
            f->head = f->tail;
            break;
        }
        f->head += (size_t)sent;
    }
    f->head = f->tail = 0;
    if (f->source.added)
        set_watch(f, false);
}

static void on_prepare(void *arg)
{
    lx_frames *f = arg;

    if (f->head < f->tail && (f->source.events & POLLOUT) == 0)
        lx_frames_flush(f);
}

/* Makes room for len more bytes behind tail. */
static bool make_room(lx_frames *f, size_t len)
{
    size_t used = f->tail - f->head, size = f->out_size;
    uint8_t *grown;

    if (f->out_size - f->tail >= len)
        return true;
    if (f->head > 0) {
        memmove(f->out, f->out + f->head, used);
        f->head = 0;
        f->tail = used;
    }
    while (size - used < len)
        size *= 2;
    if (size == f->out_size)
        return true;
    if (size > LX_FRAMES_QUEUE)
        return false;
    grown = realloc(f->out, size);
    if (grown == NULL)
        return false;
    f->out = grown;
    f->out_size = size;
    return true;
}

at_err lx_frames_send(lx_frames *f, const at_radio_piece *pieces, size_t count)
{
    size_t len = 0;
    uint16_t head;
    uint8_t *at;

    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len > AT_RADIO_FRAME_MAX - len)
            return AT_ERR_INVALID;
        len += pieces[i].len;
    }
    if (len == 0)
        return AT_ERR_INVALID;
    if (!f->source.added)
        return AT_ERR_CLOSED;
    if (!make_room(f, record_size(len))) {
        f->refused++;
        return AT_ERR_AGAIN;
    }
    at = f->out + f->tail;
    head = (uint16_t)len;
    memcpy(at, &head, HEAD);
    at += HEAD;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len > 0)
            memcpy(at, pieces[i].data, pieces[i].len);
        at += pieces[i].len;
    }
    memset(at, 0, record_size(len) - HEAD - len);
    f->tail += record_size(len);
    return AT_OK;
}

bool lx_frames_idle(const lx_frames *f)
{
    return f->head == f->tail;
}

/* ---- life ---- */

at_err lx_frames_init(lx_frames *f, at_loop *loop, lx_poller *poller,
                      void (*on_frame)(void *owner, uint8_t *frame, size_t len), void *owner)
{
    *f = (lx_frames){ .loop = loop, .poller = poller, .on_frame = on_frame, .owner = owner };
    f->in = malloc((size_t)BATCH * MESSAGE_MAX);
    f->out = malloc(OUT_START);
    if (f->in == NULL || f->out == NULL) {
        free(f->in);
        free(f->out);
        return AT_ERR_NOMEM;
    }
    f->out_size = OUT_START;
    f->prepare = (at_prepare){ .run = on_prepare, .arg = f };
    at_loop_add_prepare(loop, &f->prepare);
    f->source.fd = -1;
    return AT_OK;
}

/* Best effort: the queue carries what does not fit. */
static void widen(int fd)
{
    const int size = SOCKET_BUFFER;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

at_err lx_frames_open(lx_frames *f, int fd)
{
    lx_frames_close(f);
    f->source =
        (lx_source){ .fd = fd, .events = POLLIN, .ready = on_ready, .arg = f, .crowd = f->crowd };
    if (!lx_source_add(f->poller, &f->source)) {
        f->source.fd = -1;
        return AT_ERR_NOMEM;
    }
    widen(fd);
    return AT_OK;
}

void lx_frames_close(lx_frames *f)
{
    lx_source_remove(f->poller, &f->source);
    if (f->source.fd >= 0)
        close(f->source.fd);
    f->source.fd = -1;
    f->head = f->tail = 0;
    f->opened++;
}

void lx_frames_free(lx_frames *f)
{
    at_prepare **link = &f->loop->prepare;

    lx_frames_close(f);
    while (*link != NULL && *link != &f->prepare)
        link = &(*link)->next;
    if (*link != NULL)
        *link = f->prepare.next;
    free(f->in);
    free(f->out);
    f->in = f->out = NULL;
}
