/* A byte stream in both directions, as layers that stack: TCP at the bottom (net/stream_tcp.h), TLS
 * and WebSocket above it. Who opens a stream knows the layers; everybody after that sees this.
 *
 * A layer is a structure that begins with at_stream. A layer above another owns the stream below:
 * it sets its owner, reads and writes it, and closes it when it is closed itself. Constructors
 * differ, since each layer needs other things to open, and belong to the layers. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "net/addr.h"

typedef struct at_stream at_stream;

/* Events are a set of bits; on_event gets all that are pending in one call. */
#define AT_STREAM_OPENED   1u /* reading and writing work from now on */
#define AT_STREAM_READABLE 2u /* bytes arrived */
#define AT_STREAM_WRITABLE 4u /* room again after a short write */
#define AT_STREAM_ENDED    8u /* the peer closed its direction; unread bytes can still be read */
#define AT_STREAM_FAILED \
    16u /* the stream broke, error() says why; unread bytes can still be read */
#define AT_STREAM_CLOSED 32u /* after shutdown: both directions are closed in order */

/* Who talks to whom. */
typedef struct at_stream_ends {
    at_addr local, remote;
    uint16_t local_port, remote_port;
} at_stream_ends;

typedef struct at_stream_options {
    bool nodelay;
    uint16_t keep_alive_s; /* silence before the first probe, 0 off; interval 1 s, 3 probes */
} at_stream_options;

typedef struct at_stream_ops {
    size_t (*buffered)(const at_stream *stream); /* bytes a read would give now */
    /* Takes up to room bytes and opens the peer's window by as much. */
    size_t (*read)(at_stream *stream, void *buf, size_t room);
    /* Takes up to len bytes (copies) and returns how many; less than len: WRITABLE follows, unless
     * the stream is not open, which takes nothing. What was taken leaves before the loop waits. */
    size_t (*write)(at_stream *stream, const void *data, size_t len);
    void (*flush)(at_stream *stream); /* sends now instead */
    /* Closes our direction behind what was written. CLOSED (or FAILED) follows once the peer has
     * closed as well. AT_ERR_STATE: not open, or done already. */
    at_err (*shutdown)(at_stream *stream);
    /* Ends and frees; no event follows. What was written is still delivered in the background. A
     * peer whose bytes were left unread sees a reset (RFC 2525 section 2.17). */
    void (*close)(at_stream *stream);
    void (*abort)(at_stream *stream);         /* resets and frees; no event follows */
    at_err (*error)(const at_stream *stream); /* AT_OK unless FAILED */
    void (*set_options)(at_stream *stream, const at_stream_options *options);
    void (*ends)(const at_stream *stream, at_stream_ends *ends);
} at_stream_ops;

struct at_stream {
    const at_stream_ops *ops;
    /* From a task of the loop; may close the stream. */
    void (*on_event)(void *owner, at_stream *stream, unsigned events);
    void *owner;
};

#endif
