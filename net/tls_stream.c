/* The TLS stream.
 *
 *     WAITING --> SHAKING --> OPEN --> FAILED           (any --> FAILED)
 *     (the stream below       |
 *      is connecting)         +--> LEAVING (closed by its owner, the last record is not out yet)
 *
 * Nothing here blocks: the library is driven by the events of the stream below and says "want read"
 * when it has no more to do. Its state is the state of the handshake.
 *
 * Receiving. The library takes what it needs of a record from below, piece by piece into its own
 * buffer of one record, so the TCP window opens while a record of 16 KB arrives through a window of
 * 5760 bytes. A complete record is decrypted ahead of being read (`pump`): that makes buffered() exact
 * and finds close_notify and session tickets. The next record waits below until this one is read: that
 * is the back-pressure.
 *
 * Sending. A record, once made, has to leave: the library would want the same call again. So what the
 * stream below does not take is kept here (`rest`, at most one record), and a write is taken only when
 * there is no rest. The rest is memory from the reserve: by then the bytes are promised.
 *
 * Closing. close_notify goes out in order behind the data, then the FIN. A stream closed by its owner
 * with a rest stays, unseen, until the rest is gone (LEAVING) or ten seconds are over. The peer's
 * close_notify or FIN is ENDED; a FIN without close_notify may hide a truncation, which the log tells.
 */
#include <mbedtls/error.h>
#include <mbedtls/platform_util.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/limits.h"
#include "net/tls_priv.h"

#define LEAVING_US    10000000u
#define NO_ALERT      0xffu
#define RECORD_HEADER 5u
#define RECORD_ALERT  21u

typedef enum tls_phase { WAITING, SHAKING, OPEN, FAILED, LEAVING } tls_phase;

static const char *const phase_names[] = { "waiting", "handshake", "open", "failed", "leaving" };

typedef struct tls_stream {
    at_stream base;
    at_stream *below;
    at_tls_config *config;
    mbedtls_ssl_context ssl;
    tls_phase phase;
    at_err error;
    at_tls_reason reason;
    tls_judge judge;
    unsigned pending; /* events for the task */
    bool below_gone;  /* no byte comes after what is buffered below */
    bool dry;         /* the library was told so */
    bool ended;       /* ENDED has been told */
    bool shut;        /* our direction is to be closed */
    bool notified;    /* close_notify is made */
    bool below_shut;
    bool want_write; /* the owner's last write was cut */
    bool received;   /* bytes came since the last look: the peer is alive */
    uint8_t alert;   /* the last one in clear */
    uint8_t sniffed; /* bytes of an alert record's header that matched */
    uint8_t *rest;
    size_t rest_len, rest_at;
    at_task task;
    at_timer patience;
    uint64_t shaken_due_us; /* the end of all patience with the handshake */
    at_tls_memory *memory;
    char host[AT_HOST_MAX + 1];
    uint16_t port;
} tls_stream;

static const at_stream_ops tls_ops;

static tls_stream *of(const at_stream *stream)
{
    return AT_CONTAINER(stream, tls_stream, base);
}

static void set_phase(tls_stream *s, tls_phase phase)
{
    at_log(s->config->log, AT_LOG_DEBUG, "tls", "%s -> %s", phase_names[s->phase],
           phase_names[phase]);
    s->phase = phase;
}

static void post(tls_stream *s, unsigned events)
{
    s->pending |= events;
    at_loop_post(s->config->loop, &s->task);
}

static void deliver(void *arg)
{
    tls_stream *s = arg;
    unsigned events = s->pending;

    s->pending = 0;
    if (events != 0 && s->base.on_event != NULL)
        s->base.on_event(s->base.owner, &s->base, events); /* may free the stream */
}

/* ---- ends ---- */

static void drop_rest(tls_stream *s)
{
    at_free(s->config->heap, s->rest);
    s->rest = NULL;
    s->rest_len = s->rest_at = 0;
}

static void free_stream(tls_stream *s)
{
    at_tls_config *config = s->config;

    at_loop_unpost(config->loop, &s->task);
    at_timer_stop(config->loop, &s->patience);
    drop_rest(s);
    mbedtls_ssl_free(&s->ssl);
    mbedtls_platform_zeroize(s, sizeof *s);
    at_free(config->heap, s);
    at_tls_config_release(config);
}

static void fail_reason(tls_stream *s, at_tls_reason reason)
{
    if (s->phase == FAILED)
        return;
    at_timer_stop(s->config->loop, &s->patience);
    s->reason = reason;
    s->error = at_tls_reason_error(reason);
    if (reason == AT_TLS_BROKEN)
        s->error = s->below->ops->error(s->below);
    if (s->phase == SHAKING)
        at_log(s->config->log, AT_LOG_WARN, "tls", "handshake with %s:%u failed: %s", s->host,
               s->port, at_tls_reason_text(reason));
    tls_memory_drop(s->memory, s->host, s->port);
    if (reason == AT_TLS_NOMEM && s->memory != NULL)
        at_tls_memory_forget(s->memory);
    set_phase(s, FAILED);
    post(s, AT_STREAM_FAILED);
}

static void fail_code(tls_stream *s, int code)
{
    tls_failure failure = {
        .code = code,
        .alert = s->alert,
        .verdict = s->judge.verdict,
        .offered_cert = s->config->cert.version != 0,
        .offered_psk = s->config->psk,
    };
    const char *high = mbedtls_high_level_strerr(code);

    failure.verdict.flags |= mbedtls_ssl_get_verify_result(&s->ssl) & 0x7fffffffu;
    if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
        tls_verdict_log(s->config->log, &failure.verdict);
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE && s->alert != NO_ALERT)
        at_log(s->config->log, AT_LOG_WARN, "tls", "alert of the peer: %s (%u)",
               tls_alert_text(s->alert), s->alert);
    else
        at_log(s->config->log, AT_LOG_INFO, "tls", "-0x%04x: %.120s", (unsigned)-code,
               high != NULL ? high : "low-level error");
    /* The one failure of which the library (3.6.6) tells a 1.2 peer nothing. */
    if (code == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE &&
        mbedtls_ssl_get_version_number(&s->ssl) == MBEDTLS_SSL_VERSION_TLS1_2)
        (void)mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                             MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
    fail_reason(s, tls_reason_of(&failure));
}

/* ---- between the library and the stream below ---- */

static bool flush_rest(tls_stream *s)
{
    if (s->rest == NULL)
        return true;
    s->rest_at += s->below->ops->write(s->below, s->rest + s->rest_at, s->rest_len - s->rest_at);
    if (s->rest_at < s->rest_len)
        return false;
    drop_rest(s);
    return true;
}

static bool keep_rest(tls_stream *s, const unsigned char *data, size_t len)
{
    s->rest = at_alloc_reserve(s->config->heap, len);
    if (s->rest == NULL)
        return false;
    memcpy(s->rest, data, len);
    s->rest_len = len;
    s->rest_at = 0;
    return true;
}

static int send_below(void *ctx, const unsigned char *data, size_t len)
{
    tls_stream *s = ctx;
    size_t taken;

    if (!flush_rest(s))
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    taken = s->below->ops->write(s->below, data, len);
    if (taken < len && !keep_rest(s, data + taken, len - taken))
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    return (int)len;
}

/* The library asks for the header of a record and then for its body; alerts in clear are seen here. */
static void sniff(tls_stream *s, const unsigned char *data, size_t len)
{
    if (s->sniffed == RECORD_HEADER && len == 2)
        s->alert = data[1];
    s->sniffed = 0;
    if (len == RECORD_HEADER && data[0] == RECORD_ALERT && data[3] == 0 && data[4] == 2)
        s->sniffed = RECORD_HEADER;
}

static int receive_below(void *ctx, unsigned char *buf, size_t room)
{
    tls_stream *s = ctx;
    size_t len = s->below->ops->read(s->below, buf, room);

    if (len > 0) {
        s->received = true;
        sniff(s, buf, len);
        return (int)len;
    }
    if (!s->below_gone)
        return MBEDTLS_ERR_SSL_WANT_READ;
    s->dry = true;
    return 0;
}

/* ---- receiving ---- */

/* Once, behind the last record: the owner may know by then that there is not much more to come. */
static void end(tls_stream *s, bool in_order)
{
    s->dry = true;
    if (!in_order)
        at_log(s->config->log, AT_LOG_WARN, "tls",
               "%s:%u closed without close_notify: data may be missing", s->host, s->port);
    if (s->ended)
        return;
    s->ended = true;
    post(s, AT_STREAM_ENDED);
}

static void take_ticket(tls_stream *s)
{
    tls_memory_keep(s->memory, s->config, s->host, s->port, &s->ssl);
}

/* Decrypts ahead until there is something to read, or nothing more to decrypt. */
static void pump(tls_stream *s)
{
    /* A connection that broke may have left whole records. */
    bool readable = s->phase == OPEN || s->reason == AT_TLS_BROKEN;

    while (readable && !s->dry && mbedtls_ssl_get_bytes_avail(&s->ssl) == 0) {
        int code;

        s->received = false;
        code = mbedtls_ssl_read(&s->ssl, NULL, 0);
        if (code == MBEDTLS_ERR_SSL_WANT_READ && s->received)
            continue; /* a session ticket is taken in two calls */
        if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE)
            return;
        if (code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            take_ticket(s);
        } else if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            end(s, true);
        } else if (code == MBEDTLS_ERR_SSL_CONN_EOF || (code == 0 && s->dry)) {
            end(s, false);
        } else if (code < 0) {
            s->dry = true;
            fail_code(s, code);
        } else if (mbedtls_ssl_get_bytes_avail(&s->ssl) > 0) {
            post(s, AT_STREAM_READABLE);
        }
    }
}

static size_t tls_buffered(const at_stream *stream)
{
    const tls_stream *s = of(stream);

    return s->phase == OPEN || s->phase == FAILED ? mbedtls_ssl_get_bytes_avail(&s->ssl) : 0;
}

static size_t tls_read(at_stream *stream, void *buf, size_t room)
{
    tls_stream *s = of(stream);
    size_t done = 0;

    while (done < room && tls_buffered(stream) > 0) {
        int len = mbedtls_ssl_read(&s->ssl, (unsigned char *)buf + done, room - done);

        if (len <= 0)
            break;
        done += (size_t)len;
        pump(s);
    }
    return done;
}

/* ---- sending ---- */

static size_t tls_write(at_stream *stream, const void *data, size_t len)
{
    tls_stream *s = of(stream);
    size_t done = 0;

    if (s->phase != OPEN || s->shut)
        return 0;
    while (done < len && flush_rest(s)) {
        int taken = mbedtls_ssl_write(&s->ssl, (const unsigned char *)data + done, len - done);

        if (taken == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            take_ticket(s);
            continue;
        }
        if (taken == MBEDTLS_ERR_SSL_WANT_READ || taken == MBEDTLS_ERR_SSL_WANT_WRITE)
            break;
        if (taken < 0) {
            fail_code(s, taken);
            break;
        }
        done += (size_t)taken;
    }
    s->want_write = done < len;
    return done;
}

static void tls_flush(at_stream *stream)
{
    tls_stream *s = of(stream);

    s->below->ops->flush(s->below);
}

/* close_notify, then the FIN, as far as there is room. True: both are on their way. */
static bool finish(tls_stream *s)
{
    if (!flush_rest(s))
        return false;
    if (!s->notified) {
        s->notified = true;
        (void)mbedtls_ssl_close_notify(&s->ssl);
    }
    if (!flush_rest(s))
        return false;
    if (!s->below_shut) {
        s->below_shut = true;
        (void)s->below->ops->shutdown(s->below);
    }
    return true;
}

static at_err tls_shutdown(at_stream *stream)
{
    tls_stream *s = of(stream);

    if (s->phase != OPEN || s->shut)
        return AT_ERR_STATE;
    s->shut = true;
    (void)finish(s);
    return AT_OK;
}

/* Bytes that nobody will read would make closing a reset, and a reset overtakes our alert. */
static void discard(tls_stream *s)
{
    uint8_t scrap[256];

    while (s->below->ops->read(s->below, scrap, sizeof scrap) > 0)
        ;
}

static void tls_close(at_stream *stream)
{
    tls_stream *s = of(stream);

    if (s->phase == OPEN) {
        s->shut = true;
        s->below_shut = true; /* closing below sends the FIN */
        if (!finish(s)) {
            s->base.on_event = NULL;
            s->base.owner = NULL;
            set_phase(s, LEAVING);
            at_timer_in(s->config->loop, &s->patience, LEAVING_US);
            return;
        }
    }
    if (s->phase == FAILED)
        discard(s);
    s->below->ops->close(s->below);
    free_stream(s);
}

static void tls_abort(at_stream *stream)
{
    tls_stream *s = of(stream);

    s->below->ops->abort(s->below);
    free_stream(s);
}

/* ---- what the stream below reports ---- */

static void opened(tls_stream *s)
{
    char text[120];

    at_timer_stop(s->config->loop, &s->patience);
    set_phase(s, OPEN);
    at_tls_describe(&s->base, text, sizeof text);
    at_log(s->config->log, AT_LOG_INFO, "tls", "%s:%u: %s%s", s->host, s->port, text,
           s->config->verify ? ""
           : s->config->psk  ? ", by pre-shared key"
                             : ", peer not verified");
    if (mbedtls_ssl_get_version_number(&s->ssl) == MBEDTLS_SSL_VERSION_TLS1_2)
        take_ticket(s);
    post(s, AT_STREAM_OPENED);
    pump(s);
}

static void begin_shaking(tls_stream *s)
{
    set_phase(s, SHAKING);
    s->shaken_due_us = at_loop_now(s->config->loop) + AT_TLS_HANDSHAKE_MS * 1000ull;
}

static void be_patient(tls_stream *s)
{
    uint64_t due_us = at_loop_now(s->config->loop) + AT_TLS_PATIENCE_MS * 1000ull;

    at_timer_at(s->config->loop, &s->patience, AT_MIN(due_us, s->shaken_due_us));
}

static void shake(tls_stream *s)
{
    int code = mbedtls_ssl_handshake(&s->ssl);

    if (code == 0) {
        opened(s);
    } else if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE) {
        if (s->received || !at_timer_running(&s->patience))
            be_patient(s);
        s->received = false;
    } else {
        fail_code(s, code);
    }
}

static void on_patience(void *arg)
{
    tls_stream *s = arg;

    if (s->phase == LEAVING)
        tls_abort(&s->base);
    else
        fail_reason(s, AT_TLS_TIMEOUT);
}

static void in_open(tls_stream *s, unsigned events)
{
    bool room = flush_rest(s);

    if (room && s->shut) {
        (void)finish(s);
        s->below->ops->flush(s->below);
    }
    if (room && s->want_write) {
        s->want_write = false;
        post(s, AT_STREAM_WRITABLE);
    }
    pump(s);
    if (s->phase == OPEN && (events & AT_STREAM_FAILED) != 0) {
        fail_reason(s, AT_TLS_BROKEN);
        return;
    }
    /* The owner has bytes to read first, but nothing will come after what is here. */
    if (s->phase == OPEN && (events & AT_STREAM_ENDED) != 0 && !s->ended) {
        s->ended = true;
        post(s, AT_STREAM_ENDED);
    }
    if ((events & AT_STREAM_CLOSED) != 0)
        post(s, AT_STREAM_CLOSED);
}

static void in_shaking(tls_stream *s, unsigned events)
{
    (void)flush_rest(s);
    shake(s);
    if (s->phase == SHAKING && (events & AT_STREAM_FAILED) != 0)
        fail_reason(s, AT_TLS_BROKEN);
    s->below->ops->flush(s->below); /* a whole flight, or our alert */
}

static void in_leaving(tls_stream *s)
{
    if (!finish(s) && !s->below_gone)
        return;
    s->below->ops->close(s->below);
    free_stream(s);
}

static void on_below(void *owner, at_stream *below, unsigned events)
{
    tls_stream *s = owner;

    (void)below;
    if ((events & (AT_STREAM_ENDED | AT_STREAM_FAILED)) != 0)
        s->below_gone = true;
    if (s->phase == WAITING && (events & AT_STREAM_OPENED) != 0)
        begin_shaking(s);
    switch (s->phase) {
    case WAITING:
        if ((events & AT_STREAM_FAILED) != 0) {
            fail_reason(s, AT_TLS_BROKEN);
            s->reason = AT_TLS_FINE; /* TLS had not begun */
        }
        break;
    case SHAKING: in_shaking(s, events); break;
    case OPEN: in_open(s, events); break;
    case LEAVING: in_leaving(s); break;
    case FAILED: break;
    }
}

/* ---- the rest of the stream's operations ---- */

static at_err tls_error(const at_stream *stream)
{
    return of(stream)->error;
}

static void tls_set_options(at_stream *stream, const at_stream_options *options)
{
    tls_stream *s = of(stream);

    s->below->ops->set_options(s->below, options);
}

static void tls_ends(const at_stream *stream, at_stream_ends *ends)
{
    const tls_stream *s = of(stream);

    s->below->ops->ends(s->below, ends);
}

static const at_stream_ops tls_ops = {
    .buffered = tls_buffered,
    .read = tls_read,
    .write = tls_write,
    .flush = tls_flush,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .abort = tls_abort,
    .error = tls_error,
    .set_options = tls_set_options,
    .ends = tls_ends,
};

at_tls_reason at_tls_why(const at_stream *stream)
{
    return of(stream)->reason;
}

void at_tls_describe(const at_stream *stream, char *text, size_t room)
{
    const tls_stream *s = of(stream);
    const char *alpn = mbedtls_ssl_get_alpn_protocol(&s->ssl);

    (void)snprintf(text, room, "%s, %s%s%s", mbedtls_ssl_get_version(&s->ssl),
                   mbedtls_ssl_get_ciphersuite(&s->ssl), alpn != NULL ? ", ALPN " : "",
                   alpn != NULL ? alpn : "");
}

/* ---- opening ---- */

static int prepare(tls_stream *s)
{
    at_tls_config *config = s->config;
    int code = mbedtls_ssl_setup(&s->ssl, &config->ssl);

    /* The name is judged in tls_verify.c; NULL says that the library need not. */
    if (code == 0 && !config->server)
        code = mbedtls_ssl_set_hostname(&s->ssl, config->sni[0] != 0 ? config->sni : NULL);
    if (code != 0)
        return code;
    mbedtls_ssl_set_verify(&s->ssl, tls_judge_certificate, &s->judge);
    mbedtls_ssl_set_bio(&s->ssl, s, send_below, receive_below, NULL);
    if (!config->server)
        tls_memory_offer(s->memory, config, s->host, s->port, &s->ssl);
    return 0;
}

at_err at_tls_stream_open(const at_tls_open *open, at_stream **stream)
{
    at_tls_config *config = open->config;
    tls_stream *s = at_calloc(config->heap, 1, sizeof *s);

    if (s == NULL)
        return AT_ERR_NOMEM;
    tls_config_retain(config);
    s->base = (at_stream){ .ops = &tls_ops, .on_event = open->on_event, .owner = open->owner };
    s->config = config;
    s->below = open->below;
    s->judge.config = config;
    s->alert = NO_ALERT;
    s->memory = config->psk || config->server ? NULL : open->memory;
    s->port = open->port;
    at_copy_text(s->host, sizeof s->host, open->host);
    at_task_init(&s->task, deliver, s);
    at_timer_init(&s->patience, on_patience, s);
    mbedtls_ssl_init(&s->ssl);
    if (prepare(s) != 0) {
        free_stream(s);
        return AT_ERR_NOMEM;
    }
    s->below->owner = s;
    s->below->on_event = on_below;
    if (open->below_open) {
        begin_shaking(s);
        be_patient(s);
    }
    *stream = &s->base;
    return AT_OK;
}
