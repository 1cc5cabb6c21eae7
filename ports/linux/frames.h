/* A link that carries Ethernet frames between two processes: as many frames as there are in a message of
 * a SEQPACKET pair. Lossless: what the socket does not take now waits in a queue. */
#ifndef PORTS_LINUX_FRAMES_H
#define PORTS_LINUX_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/loop.h"
#include "iface/radio.h"
#include "ports/linux/poller.h"

#define LX_FRAMES_QUEUE (4u << 20) /* bytes that may wait for the other end */

/* Owned by the caller; the counters are for reading. */
typedef struct lx_frames {
    at_loop *loop;
    lx_poller *poller;
    lx_source source;
    at_prepare prepare;
    /* A frame from the other end: valid during the call, may be modified. May close the link. */
    void (*on_frame)(void *owner, uint8_t *frame, size_t len);
    /* The other end is gone; nothing comes after it. May close and free the link. NULL: not told. */
    void (*on_gone)(void *owner);
    void *owner;
    bool crowd;   /* the process has many of these: poller.h */
    uint8_t *in;  /* room for one batch */
    uint8_t *out; /* records of length and bytes, from head to tail */
    size_t out_size, head, tail;
    uint32_t opened; /* times: tells a delivery that its link is gone */
    uint64_t sent, received;
    uint64_t refused; /* frames that found the queue full */
    uint64_t invalid; /* messages that were none, or only in part */
} lx_frames;

/* Makes a connected pair; 0, or -1 with errno. Both ends close on exec. */
int lx_frames_pair(int fds[2]);

/* AT_ERR_NOMEM. */
at_err lx_frames_init(lx_frames *f, at_loop *loop, lx_poller *poller,
                      void (*on_frame)(void *owner, uint8_t *frame, size_t len), void *owner);
/* Takes fd over. Frames that waited for an earlier end are dropped with it. AT_ERR_NOMEM: the poller is
 * full, fd is still the caller's. */
at_err lx_frames_open(lx_frames *f, int fd);
/* Closes; allowed when not open. Frames not sent yet are dropped. */
void lx_frames_close(lx_frames *f);

/* Closes, and gives back what init took. Not from inside on_frame. */
void lx_frames_free(lx_frames *f);

/* Queues one frame; it leaves before the loop waits next. AT_ERR_INVALID: empty or longer than
 * AT_RADIO_FRAME_MAX; AT_ERR_AGAIN: LX_FRAMES_QUEUE bytes wait already (counted in refused);
 * AT_ERR_CLOSED: nobody is there. */
at_err lx_frames_send(lx_frames *f, const at_radio_piece *pieces, size_t count);
/* Sends now what the socket takes. */
void lx_frames_flush(lx_frames *f);
/* Delivers what has arrived already: the last words of an end that is gone. */
void lx_frames_drain(lx_frames *f);
bool lx_frames_idle(const lx_frames *f); /* nothing waits to be sent */

#endif
