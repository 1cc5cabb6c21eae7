/* The TLS stream against itself over a pipe: tiny buffers below, truncation, verification, and every
 * allocation failing once. Real peers are in tests/system/test_tls.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "crypto/platform.h"
#include "iface/current.h"
#include "net/tls.h"
#include "tests/unit/net/tls_credentials.h"

/* ---- a pipe ---- */

#define PIPE_ROOM 100u /* bytes: less than any flight, so everything is cut */

typedef struct pipe_end {
    at_stream base;
    struct pipe_end *other; /* NULL: closed there */
    struct scene *scene;
    at_task task;
    unsigned pending;
    uint8_t in[PIPE_ROOM];
    size_t in_len;
    bool want_write, open;
} pipe_end;

typedef struct tls_side {
    at_stream *tls;
    unsigned events; /* all so far */
} tls_side;

typedef struct scene {
    at_loop loop;
    at_heap heap;
    at_log log;
    at_clock clock;
    at_waiter waiter;
    at_random random;
    uint64_t now_us;
    uint32_t seed;
    pipe_end end[2];
    tls_side client, server;
    at_tls_config *configs[2];
    at_tls_memory *memory;
} scene;

static pipe_end *end_of(const at_stream *stream)
{
    return AT_CONTAINER(stream, pipe_end, base);
}

static void pipe_post(pipe_end *end, unsigned events)
{
    end->pending |= events;
    at_loop_post(&end->scene->loop, &end->task);
}

static void pipe_deliver(void *arg)
{
    pipe_end *end = arg;
    unsigned events = end->pending;

    end->pending = 0;
    if (end->open && end->base.on_event != NULL)
        end->base.on_event(end->base.owner, &end->base, events);
}

static size_t pipe_buffered(const at_stream *stream)
{
    return end_of(stream)->in_len;
}

static size_t pipe_read(at_stream *stream, void *buf, size_t room)
{
    pipe_end *end = end_of(stream);
    size_t len = AT_MIN(room, end->in_len);

    memcpy(buf, end->in, len);
    end->in_len -= len;
    memmove(end->in, end->in + len, end->in_len);
    if (len > 0 && end->other != NULL && end->other->want_write) {
        end->other->want_write = false;
        pipe_post(end->other, AT_STREAM_WRITABLE);
    }
    return len;
}

static size_t pipe_write(at_stream *stream, const void *data, size_t len)
{
    pipe_end *end = end_of(stream);
    size_t part;

    if (end->other == NULL)
        return 0;
    part = AT_MIN(len, PIPE_ROOM - end->other->in_len);
    memcpy(end->other->in + end->other->in_len, data, part);
    end->other->in_len += part;
    end->want_write = part < len;
    if (part > 0)
        pipe_post(end->other, AT_STREAM_READABLE);
    return part;
}

static void pipe_flush(at_stream *stream)
{
    (void)stream;
}

static at_err pipe_shutdown(at_stream *stream)
{
    if (end_of(stream)->other != NULL)
        pipe_post(end_of(stream)->other, AT_STREAM_ENDED);
    return AT_OK;
}

static void pipe_close(at_stream *stream)
{
    pipe_end *end = end_of(stream);

    end->open = false;
    at_loop_unpost(&end->scene->loop, &end->task);
    if (end->other == NULL)
        return;
    end->other->other = NULL;
    pipe_post(end->other, AT_STREAM_ENDED);
    end->other = NULL;
}

static at_err pipe_error(const at_stream *stream)
{
    (void)stream;
    return AT_OK;
}

static void pipe_options(at_stream *stream, const at_stream_options *options)
{
    (void)stream;
    (void)options;
}

static void pipe_ends(const at_stream *stream, at_stream_ends *ends)
{
    (void)stream;
    *ends = (at_stream_ends){ .local_port = 1 };
}

static const at_stream_ops pipe_ops = { pipe_buffered, pipe_read,  pipe_write, pipe_flush,
                                        pipe_shutdown, pipe_close, pipe_close, pipe_error,
                                        pipe_options,  pipe_ends };

/* ---- the scene ---- */

static uint64_t scene_now(void *ctx)
{
    return ((scene *)ctx)->now_us;
}

static void scene_wait(void *ctx, uint64_t deadline_us)
{
    scene *s = ctx;

    if (deadline_us != AT_WAIT_FOREVER && deadline_us > s->now_us)
        s->now_us = deadline_us;
}

static void scene_random(void *ctx, void *buf, size_t len)
{
    scene *s = ctx;

    for (size_t i = 0; i < len; i++) {
        s->seed = s->seed * 1664525u + 1013904223u;
        ((uint8_t *)buf)[i] = (uint8_t)(s->seed >> 24);
    }
}

static void on_tls(void *owner, at_stream *stream, unsigned events)
{
    (void)stream;
    ((tls_side *)owner)->events |= events;
}

static void run(scene *s)
{
    while (s->loop.first_task != NULL)
        at_loop_turn(&s->loop);
}

static at_tls_params client_params(bool verify)
{
    return (at_tls_params){ .verify = verify,
                            .ca = { ca_pem, sizeof ca_pem - 1 },
                            .name = verify ? "module.test" : "" };
}

static at_tls_params server_params(void)
{
    return (at_tls_params){ .server = true,
                            .cert = { cert_pem, sizeof cert_pem - 1 },
                            .key = { key_pem, sizeof key_pem - 1 } };
}

static at_err open_side(scene *s, unsigned index, const at_tls_params *params, tls_side *side)
{
    at_tls_reason why;
    at_tls_open open = { .below = &s->end[index].base,
                         .below_open = true,
                         .memory = params->server ? NULL : s->memory,
                         .host = "host",
                         .port = 443,
                         .on_event = on_tls,
                         .owner = side };
    at_err err =
        at_tls_config_create(&s->loop, &s->heap, &s->log, params, &s->configs[index], &why);

    if (err != AT_OK)
        return err;
    open.config = s->configs[index];
    return at_tls_stream_open(&open, &side->tls);
}

/* Both ends, up to where nothing happens any more. */
static at_err shake_hands(scene *s, const at_tls_params *client, const at_tls_params *server)
{
    at_err err;

    for (unsigned i = 0; i < 2; i++) {
        s->end[i] = (pipe_end){ .base = { .ops = &pipe_ops }, .scene = s, .open = true };
        s->end[i].other = &s->end[1 - i];
        at_task_init(&s->end[i].task, pipe_deliver, &s->end[i]);
    }
    err = open_side(s, 0, client, &s->client);
    if (err == AT_OK)
        err = open_side(s, 1, server, &s->server);
    if (err == AT_OK)
        pipe_post(&s->end[0], AT_STREAM_OPENED);
    run(s);
    return err;
}

static void tear_down(scene *s)
{
    for (unsigned i = 0; i < 2; i++) {
        tls_side *side = i == 0 ? &s->client : &s->server;

        if (side->tls != NULL)
            side->tls->ops->close(side->tls);
        else
            pipe_close(&s->end[i].base);
        run(s);
        at_tls_config_release(s->configs[i]);
        s->configs[i] = NULL;
        *side = (tls_side){ .tls = NULL };
    }
    while (s->loop.timer_count > 0) /* a close that waits for room */
        at_loop_turn(&s->loop);
    run(s);
}

static int setup(void **state)
{
    static scene the_scene; /* the hooks of the library point at it: one per process */
    scene *s = &the_scene;
    at_tls_params client = client_params(true), server = server_params();

    *s = (scene){ .seed = 1 };
    at_heap_init(&s->heap, SIZE_MAX);
    s->clock = (at_clock){ s, scene_now };
    s->waiter = (at_waiter){ s, scene_wait };
    s->random = (at_random){ s, scene_random };
    at_loop_init(&s->loop, &s->clock, &s->waiter);
    at_the_current.clock = &s->clock;
    at_the_current.random = &s->random;
    at_the_current.heap = (struct at_heap *)&s->heap;
    at_the_current.date_offset_us = 1790000000ll * 1000000;
    at_crypto_start();
    /* What the library keeps for good comes with the first handshake. */
    assert_int_equal(shake_hands(s, &client, &server), AT_OK);
    tear_down(s);
    *state = s;
    return 0;
}

/* ---- tests ---- */

static void read_exactly(scene *s, tls_side *from, uint8_t *buf, size_t len)
{
    size_t got = 0;

    while (got < len) {
        size_t n = from->tls->ops->read(from->tls, buf + got, AT_MIN(len - got, (size_t)700));

        got += n;
        if (n == 0) {
            assert_true(s->loop.first_task != NULL);
            at_loop_turn(&s->loop);
        }
    }
}

static void bytes_pass_through_a_narrow_pipe(void **state)
{
    scene *s = *state;
    at_tls_params client = client_params(true), server = server_params();
    uint8_t out[20000], in[20000];
    size_t blocks = s->heap.blocks, sent = 0;

    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (uint8_t)(i * 7 + i / 251);
    assert_int_equal(shake_hands(s, &client, &server), AT_OK);
    assert_true((s->client.events & AT_STREAM_OPENED) != 0);
    assert_true((s->server.events & AT_STREAM_OPENED) != 0);
    for (size_t got = 0; got < sizeof in;) {
        size_t n;

        if (sent < sizeof out)
            sent += s->client.tls->ops->write(s->client.tls, out + sent, sizeof out - sent);
        run(s);
        n = s->server.tls->ops->buffered(s->server.tls);
        assert_true(n <= 16384);
        read_exactly(s, &s->server, in + got, n);
        got += n;
    }
    assert_memory_equal(in, out, sizeof out);
    assert_int_equal(s->server.tls->ops->write(s->server.tls, "back", 4), 4);
    run(s);
    read_exactly(s, &s->client, in, 4);
    assert_memory_equal(in, "back", 4);
    tear_down(s);
    assert_int_equal(s->heap.blocks, blocks);
}

static void close_notify_goes_both_ways(void **state)
{
    scene *s = *state;
    at_tls_params client = client_params(false), server = server_params();
    uint8_t in[8];

    assert_int_equal(shake_hands(s, &client, &server), AT_OK);
    assert_int_equal(s->client.tls->ops->write(s->client.tls, "last", 4), 4);
    assert_int_equal(s->client.tls->ops->shutdown(s->client.tls), AT_OK);
    assert_int_equal(s->client.tls->ops->shutdown(s->client.tls), AT_ERR_STATE);
    assert_int_equal(s->client.tls->ops->write(s->client.tls, "more", 4), 0);
    run(s);
    read_exactly(s, &s->server, in, 4);
    run(s);
    assert_true((s->server.events & AT_STREAM_ENDED) != 0);
    assert_true((s->server.events & AT_STREAM_FAILED) == 0);
    tear_down(s);
}

static void closing_delivers_what_was_written(void **state)
{
    scene *s = *state;
    at_tls_params client = client_params(false), server = server_params();
    uint8_t out[2000], in[2000];

    memset(out, 0x42, sizeof out);
    assert_int_equal(shake_hands(s, &client, &server), AT_OK);
    assert_int_equal(s->client.tls->ops->write(s->client.tls, out, sizeof out), sizeof out);
    s->client.tls->ops->close(s->client.tls);
    s->client.tls = NULL;
    run(s);
    read_exactly(s, &s->server, in, sizeof in);
    assert_memory_equal(in, out, sizeof out);
    run(s);
    assert_true((s->server.events & AT_STREAM_ENDED) != 0);
    tear_down(s);
}

static void expect_failure(scene *s, const at_tls_params *client, at_tls_reason reason, at_err err)
{
    at_tls_params server = server_params();

    assert_int_equal(shake_hands(s, client, &server), AT_OK);
    assert_true((s->client.events & AT_STREAM_OPENED) == 0);
    assert_true((s->client.events & AT_STREAM_FAILED) != 0);
    assert_int_equal(at_tls_why(s->client.tls), reason);
    assert_int_equal(s->client.tls->ops->error(s->client.tls), err);
    assert_int_equal(s->client.tls->ops->write(s->client.tls, "x", 1), 0);
    tear_down(s);
}

static void verification_refuses(void **state)
{
    scene *s = *state;
    at_tls_params client = client_params(true);
    int64_t date = at_the_current.date_offset_us;

    client.name = "other.test";
    expect_failure(s, &client, AT_TLS_WRONG_NAME, AT_ERR_AUTH);
    client = client_params(true);
    client.ca = (at_tls_bytes){ cert_pem, sizeof cert_pem - 1 };
    client.name = "";
    expect_failure(s, &client, AT_TLS_UNKNOWN_CA, AT_ERR_AUTH);
    at_the_current.date_offset_us = 5000000000ll * 1000000; /* 2128 */
    client = client_params(true);
    expect_failure(s, &client, AT_TLS_EXPIRED, AT_ERR_AUTH);
    at_the_current.date_offset_us = -86400ll * 1000000 * 365; /* 1969 */
    expect_failure(s, &client, AT_TLS_CLOCK_NOT_SET, AT_ERR_AUTH);
    at_the_current.date_offset_us = date;
}

static void a_silent_peer_is_given_up(void **state)
{
    scene *s = *state;
    at_tls_params client = client_params(false), server = server_params();
    uint64_t start = s->now_us;

    assert_int_equal(shake_hands(s, &client, &server), AT_OK);
    tear_down(s);
    s->end[0] = (pipe_end){ .base = { .ops = &pipe_ops }, .scene = s, .open = true };
    s->end[1] = s->end[0];
    s->end[0].other = &s->end[1]; /* nobody reads there */
    at_task_init(&s->end[0].task, pipe_deliver, &s->end[0]);
    at_task_init(&s->end[1].task, pipe_deliver, &s->end[1]);
    start = s->now_us;
    assert_int_equal(open_side(s, 0, &client, &s->client), AT_OK);
    while ((s->client.events & AT_STREAM_FAILED) == 0)
        at_loop_turn(&s->loop);
    assert_int_equal(at_tls_why(s->client.tls), AT_TLS_TIMEOUT);
    assert_int_equal(s->now_us - start, AT_TLS_PATIENCE_MS * 1000u);
    tear_down(s);
}

/* A byte now and then is no silence, but the whole handshake has an end too. */
static void a_dripping_peer_is_given_up(void **state)
{
    scene *s = *state;
    at_tls_params client = client_params(false);
    static const uint8_t header[] = { 22, 3, 3, 16, 0 }; /* a record that takes for ever */
    uint64_t start = s->now_us;
    size_t sent = 0;

    for (unsigned i = 0; i < 2; i++) {
        s->end[i] = (pipe_end){ .base = { .ops = &pipe_ops }, .scene = s, .open = true };
        s->end[i].other = &s->end[1 - i];
        at_task_init(&s->end[i].task, pipe_deliver, &s->end[i]);
    }
    assert_int_equal(open_side(s, 0, &client, &s->client), AT_OK);
    for (; (s->client.events & AT_STREAM_FAILED) == 0; sent++) {
        (void)pipe_write(&s->end[1].base, sent < sizeof header ? &header[sent] : header, 1);
        run(s);
        s->now_us += (AT_TLS_PATIENCE_MS - 1) * 1000u;
    }
    assert_int_equal(at_tls_why(s->client.tls), AT_TLS_TIMEOUT);
    assert_in_range(s->now_us - start, AT_TLS_HANDSHAKE_MS * 1000u,
                    (AT_TLS_HANDSHAKE_MS + 2 * AT_TLS_PATIENCE_MS) * 1000u); /* seen late here */
    tear_down(s);
}

static void unreadable_credentials_are_told_apart(void **state)
{
    scene *s = *state;
    static const char junk[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    at_tls_bytes bad = { junk, sizeof junk - 1 }, none = { NULL, 0 };
    at_tls_params params[6];
    static const at_tls_reason expected[] = { AT_TLS_BAD_CERT, AT_TLS_BAD_KEY, AT_TLS_NO_KEY,
                                              AT_TLS_NO_CERT,  AT_TLS_BAD_CA,  AT_TLS_NO_CA };
    size_t blocks = s->heap.blocks;

    for (unsigned i = 0; i < 6; i++)
        params[i] = i < 4 ? server_params() : client_params(true);
    params[0].cert = bad;
    params[1].key = bad;
    params[2].key = none;
    params[3].cert = none;
    params[4].ca = bad;
    params[5].ca = none;
    for (unsigned i = 0; i < 6; i++) {
        at_tls_config *config = NULL;
        at_tls_reason why;

        assert_true(at_tls_config_create(&s->loop, &s->heap, &s->log, &params[i], &config, &why) <
                    0);
        assert_null(config);
        assert_int_equal(why, expected[i]);
        assert_int_equal(s->heap.blocks, blocks);
    }
}

/* Each allocation of two handshakes and an exchange fails once: an error, never a leak or a crash. */
static void every_allocation_fails_once(void **state)
{
    scene *s = *state;
    at_tls_params client = client_params(true), server = server_params();
    size_t blocks = s->heap.blocks;
    bool failed = true;

    for (uint64_t n = 1; failed; n++) {
        uint64_t at = s->heap.calls + n;
        at_err err;

        s->heap.fail_at = at;
        err = shake_hands(s, &client, &server);
        failed = s->heap.calls >= at;
        if (err == AT_OK && (s->client.events & AT_STREAM_OPENED) != 0)
            (void)s->client.tls->ops->write(s->client.tls, "hello", 5);
        run(s);
        tear_down(s);
        assert_int_equal(s->heap.blocks, blocks);
        if (n > 40) /* the first ones one by one, then in steps: there are thousands */
            n += 16;
    }
    s->heap.fail_at = 0;
}

/* Sessions are kept, bounded, and forgotten whole. */
static void sessions_are_given_back(void **state)
{
    scene *s = *state;
    at_tls_params client = client_params(true), server = server_params();
    size_t blocks = s->heap.blocks;

    s->memory = at_tls_memory_create(&s->heap, &s->loop);
    assert_non_null(s->memory);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(shake_hands(s, &client, &server), AT_OK);
        tear_down(s);
    }
    at_tls_memory_forget(s->memory);
    at_tls_memory_destroy(s->memory);
    at_tls_memory_destroy(NULL);
    s->memory = NULL;
    assert_int_equal(s->heap.blocks, blocks);
}

static void reasons_have_words(void **state)
{
    (void)state;
    assert_string_equal(at_tls_reason_text(AT_TLS_NO_CA), "there is no CA in mfg_nvs");
    assert_int_equal(at_tls_reason_error(AT_TLS_NOMEM), AT_ERR_NOMEM);
    assert_int_equal(at_tls_reason_error((at_tls_reason)0xEE), AT_ERR_IO);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_pass_through_a_narrow_pipe),
        cmocka_unit_test(close_notify_goes_both_ways),
        cmocka_unit_test(closing_delivers_what_was_written),
        cmocka_unit_test(verification_refuses),
        cmocka_unit_test(a_silent_peer_is_given_up),
        cmocka_unit_test(a_dripping_peer_is_given_up),
        cmocka_unit_test(unreadable_credentials_are_told_apart),
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(sessions_are_given_back),
        cmocka_unit_test(reasons_have_words),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
