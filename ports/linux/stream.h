/* What all AT ports over file descriptors share: a byte port (iface/byteport) with its poll sources.
 * The kinds (pseudo-terminal, serial device, socket, stdio) differ in four small functions. */
#ifndef PORTS_LINUX_STREAM_H
#define PORTS_LINUX_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/log.h"
#include "core/loop.h"
#include "iface/byteport.h"
#include "ports/linux/poller.h"

typedef struct lx_stream lx_stream;

typedef struct lx_stream_kind {
    /* As read(2) and write(2), never blocking: -1 with EAGAIN when nothing goes now. */
    ssize_t (*read)(lx_stream *s, void *buf, size_t room);
    ssize_t (*write)(lx_stream *s, const void *data, size_t len);
    /* The input ended or failed with error (0: end). Called from inside read; NULL: nothing to do. */
    void (*ended)(lx_stream *s, int error);
    bool (*drained)(lx_stream *s); /* NULL: what was written is with the peer */
    /* NULL: any settings are accepted and mean nothing. */
    int (*configure)(lx_stream *s, const at_uart_settings *wanted, at_uart_settings *actual);
} lx_stream_kind;

struct lx_stream {
    at_byteport port;
    const lx_stream_kind *kind;
    void *ctx; /* the kind's */
    at_loop *loop;
    lx_poller *poller;
    const at_log *log;
    lx_source in, out; /* out is only used when the descriptors differ */
    at_task writable;  /* tells the owner that a port nobody listens to takes everything */
    bool want_read, want_write;
    bool input_open; /* false: not watched, reads as nothing */
    bool heard;      /* false: output is discarded like on a wire nobody listens to */
};

/* in_fd and out_fd stay the caller's; -1: none yet. Both must not block, or kind sees to it. */
bool lx_stream_init(lx_stream *s, const lx_stream_kind *kind, void *ctx, at_loop *loop,
                    lx_poller *poller, const at_log *log, int in_fd, int out_fd);
/* Other descriptors (-1: none), from outside of the kind's functions. */
void lx_stream_replace(lx_stream *s, int in_fd, int out_fd);
void lx_stream_set_input(lx_stream *s, bool open);
void lx_stream_set_heard(lx_stream *s, bool heard);

#endif
