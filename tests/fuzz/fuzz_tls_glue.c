/* The TLS stream, as a client or a server, with a peer that sends anything, in pieces of any size: every
 * event in any order, reads and writes in between. The library has its own fuzzers; this is about our
 * states. Input: a byte (bit 7: server, else how many orders), the orders, what the peer sends. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/bytes.h"
#include "iface/current.h"
#include "net/tls.h"
#include "tests/unit/net/tls_credentials.h"

typedef struct feed { /* the stream below: what the input says */
    at_stream base;
    const uint8_t *data;
    size_t len, ready; /* ready: of len, readable now */
    size_t room;       /* what a write takes */
} feed;

typedef struct scene {
    at_loop loop;
    at_heap heap;
    at_clock clock;
    at_waiter waiter;
    at_random random;
    uint64_t now_us;
    feed below;
    at_stream *tls;
} scene;

static feed *of(const at_stream *stream)
{
    return AT_CONTAINER(stream, feed, base);
}

static size_t feed_buffered(const at_stream *stream)
{
    return of(stream)->ready;
}

static size_t feed_read(at_stream *stream, void *buf, size_t room)
{
    feed *f = of(stream);
    size_t len = AT_MIN(room, f->ready);

    memcpy(buf, f->data, len);
    f->data += len;
    f->len -= len;
    f->ready -= len;
    return len;
}

static size_t feed_write(at_stream *stream, const void *data, size_t len)
{
    size_t taken = AT_MIN(len, of(stream)->room);

    (void)data;
    of(stream)->room -= taken;
    return taken;
}

static void feed_nothing(at_stream *stream)
{
    (void)stream;
}

static at_err feed_shutdown(at_stream *stream)
{
    (void)stream;
    return AT_OK;
}

static at_err feed_error(const at_stream *stream)
{
    (void)stream;
    return AT_ERR_RESET;
}

static void feed_options(at_stream *stream, const at_stream_options *options)
{
    (void)stream;
    (void)options;
}

static void feed_ends(const at_stream *stream, at_stream_ends *ends)
{
    (void)stream;
    *ends = (at_stream_ends){ .local_port = 1 };
}

static const at_stream_ops feed_ops = { feed_buffered, feed_read,    feed_write,   feed_nothing,
                                        feed_shutdown, feed_nothing, feed_nothing, feed_error,
                                        feed_options,  feed_ends };

static uint64_t scene_now(void *ctx)
{
    return ((scene *)ctx)->now_us;
}

static void scene_wait(void *ctx, uint64_t deadline_us)
{
    (void)ctx;
    (void)deadline_us;
}

static void scene_random(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    memset(buf, 7, len);
}

static void on_tls(void *owner, at_stream *stream, unsigned events)
{
    (void)owner;
    (void)events;
    (void)stream;
}

static void play(scene *s, uint8_t order)
{
    uint8_t buf[64];
    feed *f = &s->below;

    f->ready = AT_MIN(f->len, f->ready + 1 + (order & 0x1f) * 8u);
    f->room = order & 0x20 ? 4096 : 0;
    f->base.on_event(f->base.owner, &f->base,
                     AT_STREAM_READABLE | AT_STREAM_WRITABLE |
                         (order == 0xff   ? AT_STREAM_FAILED
                          : order == 0xfe ? AT_STREAM_ENDED
                                          : 0));
    at_loop_turn(&s->loop);
    if (order & 0x40)
        (void)s->tls->ops->read(s->tls, buf, sizeof buf);
    if (order & 0x80)
        (void)s->tls->ops->write(s->tls, buf, sizeof buf);
}

/* Made once: reading the credentials takes longer than an input. */
static void set_up(scene *s, at_tls_config *configs[2])
{
    at_heap_init(&s->heap, SIZE_MAX);
    s->clock = (at_clock){ s, scene_now };
    s->waiter = (at_waiter){ s, scene_wait };
    s->random = (at_random){ s, scene_random };
    at_loop_init(&s->loop, &s->clock, &s->waiter);
    at_the_current.clock = &s->clock;
    at_the_current.random = &s->random;
    for (int server = 0; server < 2; server++) {
        at_tls_params params = { .server = server != 0,
                                 .verify = true,
                                 .ca = { ca_pem, sizeof ca_pem - 1 },
                                 .sni = "host" };
        at_tls_reason why;

        if (server) {
            params.cert = (at_tls_bytes){ cert_pem, sizeof cert_pem - 1 };
            params.key = (at_tls_bytes){ key_pem, sizeof key_pem - 1 };
        }
        if (at_tls_config_create(&s->loop, &s->heap, NULL, &params, &configs[server], &why) !=
            AT_OK)
            __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static scene s;
    static at_tls_config *configs[2]; /* client, server */
    size_t orders, blocks;

    if (size == 0)
        return 0;
    if (configs[0] == NULL)
        set_up(&s, configs);
    blocks = s.heap.blocks;
    orders = AT_MIN(size - 1, (size_t)(data[0] & 0x7f));
    s.below =
        (feed){ .base = { .ops = &feed_ops }, .data = data + 1 + orders, .len = size - 1 - orders };
    at_tls_open open = { .config = configs[data[0] >> 7],
                         .below = &s.below.base,
                         .below_open = true,
                         .host = "host",
                         .on_event = on_tls };
    if (at_tls_stream_open(&open, &s.tls) != AT_OK)
        __builtin_trap();
    for (size_t i = 0; i < orders; i++)
        play(&s, data[1 + i]);
    s.tls->ops->abort(s.tls);
    if (s.heap.blocks != blocks || s.loop.timer_count != 0)
        __builtin_trap();
    return 0;
}
