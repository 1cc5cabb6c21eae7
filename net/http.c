/* The client is a small state machine: RESOLVING -> CONNECTING -> ASKING (the request's head leaves, the
 * response's header comes in) -> ANSWERING (its body) -> OVER.
 *
 * The header is read in small pieces; what comes behind it in the last piece is kept (rest) and given
 * first. From then on the body is read straight into the owner's buffer and decoded there in place: what
 * a chunk's frame took is closed up.
 *
 * Patience runs while the peer is expected to do something: it is restarted by everything that arrives,
 * and stands still while the owner has bytes to read.
 */
#include "net/http.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"
#include "net/resolve.h"
#include "net/stream_tcp.h"

#define HEAD_PIECE 512u

typedef enum phase { RESOLVING, CONNECTING, ASKING, ANSWERING, OVER } phase;

struct at_http {
    at_http_params params; /* request, tls: not after opening */
    phase phase;
    bool https;
    uint16_t port;
    char host[AT_URL_HOST_MAX + 1];
    at_tls_config *tls;
    at_resolve *query;
    at_stream *stream;
    at_timer patience;
    at_http_parser parser;
    at_http_response response;
    char *head; /* of the request; NULL: it has left */
    size_t head_len, head_done;
    bool ended; /* the stream has, in order or not */
    at_err error;
    at_tls_reason tls_reason;
    const char *why;
    size_t rest_at, rest_len;
    uint8_t rest[HEAD_PIECE];
    char line[AT_HTTP_FIELD_MAX];
};

static void set_phase(at_http *h, phase to)
{
    static const char *const names[] = { "resolving", "connecting", "asking", "answering", "over" };

    at_log(h->params.log, AT_LOG_DEBUG, "http", "%s: %s -> %s", h->host, names[h->phase],
           names[to]);
    h->phase = to;
}

static void wait_for_peer(at_http *h)
{
    if (h->params.patience_ms > 0 && h->phase != OVER)
        at_timer_in(h->params.loop, &h->patience, h->params.patience_ms * 1000ull);
}

static void tell(at_http *h, unsigned events)
{
    h->params.on_event(h->params.owner, events);
}

/* Notes why; the owner hears of it before the answer, and reads it afterwards. */
static void note_failure(at_http *h, at_err error, const char *why)
{
    if (h->phase == OVER)
        return;
    at_timer_stop(h->params.loop, &h->patience);
    set_phase(h, OVER);
    h->error = error;
    h->why = why;
}

static void fail(at_http *h, at_err error, const char *why)
{
    bool answered = h->phase == ANSWERING;

    note_failure(h, error, why);
    tell(h, answered ? AT_HTTP_READABLE : AT_HTTP_FAILED);
}

static void on_patience(void *arg)
{
    at_http *h = arg;

    fail(h, AT_ERR_TIMEOUT, "the server is silent");
}

/* ---- the request ---- */

/* It may hold what nobody else is to know (Authorization). */
static void forget_head(at_http *h)
{
    if (h->head != NULL)
        at_wipe(h->head, h->head_len);
    at_free(h->params.heap, h->head);
    h->head = NULL;
}

static void send_head(at_http *h)
{
    if (h->head == NULL)
        return;
    h->head_done +=
        h->stream->ops->write(h->stream, h->head + h->head_done, h->head_len - h->head_done);
    if (h->head_done < h->head_len)
        return;
    forget_head(h);
}

size_t at_http_write(at_http *h, const void *data, size_t len)
{
    if (h->stream == NULL || h->head != NULL || h->phase < ASKING || h->phase == OVER)
        return 0;
    return h->stream->ops->write(h->stream, data, len);
}

/* ---- the response ---- */

static void answered(at_http *h)
{
    h->response = (at_http_response){ h->parser.status, h->parser.body, h->parser.length };
    at_log(h->params.log, AT_LOG_INFO, "http", "%s: status %u", h->host, h->parser.status);
    set_phase(h, ANSWERING);
}

/* Parses what is in rest; true: the header is complete, or it failed. */
static bool parse_head(at_http *h)
{
    const uint8_t *data = h->rest;
    size_t left = h->rest_len;
    at_http_step step;

    for (;;) {
        step = at_http_parse(&h->parser, &data, &left);
        if (step == AT_HTTP_STEP_FIELD && h->params.on_field != NULL)
            h->params.on_field(h->params.owner, h->parser.name, h->parser.value, h->parser.cut);
        if (step != AT_HTTP_STEP_STATUS && step != AT_HTTP_STEP_FIELD)
            break;
    }
    h->rest_at = h->rest_len - left;
    if (step == AT_HTTP_STEP_HEAD)
        answered(h);
    else if (step == AT_HTTP_STEP_ERROR)
        note_failure(h, AT_ERR_CORRUPT, h->parser.why);
    return step != AT_HTTP_STEP_MORE;
}

/* Reads the header as far as it is there; returns what to tell. */
static unsigned read_head(at_http *h)
{
    do {
        h->rest_at = 0;
        h->rest_len = h->stream->ops->read(h->stream, h->rest, sizeof h->rest);
        if (h->rest_len == 0)
            return 0;
    } while (!parse_head(h));
    return h->phase == ANSWERING ? AT_HTTP_ANSWERED | AT_HTTP_READABLE : AT_HTTP_FAILED;
}

/* The body's bytes among the len of buf, moved to its beginning; their number. */
static size_t decode(at_http *h, uint8_t *buf, size_t len, at_http_step *step)
{
    const uint8_t *data = buf;
    size_t left = len, body = 0;

    while ((*step = at_http_parse(&h->parser, &data, &left)) == AT_HTTP_STEP_BODY) {
        memmove(buf + body, h->parser.piece, h->parser.piece_len);
        body += h->parser.piece_len;
    }
    return body;
}

static size_t take_bytes(at_http *h, uint8_t *buf, size_t room)
{
    size_t kept = AT_MIN(room, h->rest_len - h->rest_at);

    if (kept == 0)
        return h->stream->ops->read(h->stream, buf, room);
    memcpy(buf, h->rest + h->rest_at, kept);
    h->rest_at += kept;
    return kept;
}

static at_http_step body_ended(at_http *h)
{
    at_err error = h->stream->ops->error(h->stream);

    if (error == AT_OK)
        return at_http_parse_end(&h->parser);
    note_failure(h, error, "the connection broke inside the body");
    return AT_HTTP_STEP_ERROR;
}

at_err at_http_read(at_http *h, void *buf, size_t room, size_t *len)
{
    at_http_step step = AT_HTTP_STEP_MORE;

    *len = 0;
    if (h->phase != ANSWERING)
        return h->error != AT_OK ? h->error : AT_ERR_CLOSED;
    while (*len == 0 && step == AT_HTTP_STEP_MORE) {
        size_t raw = take_bytes(h, buf, room);

        *len = decode(h, buf, raw, &step);
        if (raw == 0 && step == AT_HTTP_STEP_MORE && !h->ended) {
            wait_for_peer(h);
            return AT_ERR_AGAIN;
        }
        if (raw == 0 && step == AT_HTTP_STEP_MORE)
            step = body_ended(h);
    }
    if (*len > 0)
        return AT_OK; /* what step says is said again next time */
    if (step == AT_HTTP_STEP_ERROR) {
        note_failure(h, AT_ERR_CORRUPT, h->parser.why);
        return h->error;
    }
    at_timer_stop(h->params.loop, &h->patience);
    set_phase(h, OVER);
    return AT_ERR_CLOSED;
}

/* ---- the connection ---- */

static void failed_to_open(at_http *h)
{
    at_err error = h->stream->ops->error(h->stream);

    if (h->https)
        h->tls_reason = at_tls_why(h->stream);
    fail(h, error,
         h->tls_reason != AT_TLS_FINE ? at_tls_reason_text(h->tls_reason)
                                      : "no connection to the server");
}

static unsigned in_asking(at_http *h, unsigned events)
{
    unsigned told;
    at_err error;

    if ((events & AT_STREAM_WRITABLE) != 0)
        send_head(h);
    told = read_head(h);
    if (h->phase == ASKING && h->ended) {
        error = h->stream->ops->error(h->stream);
        note_failure(h, error != AT_OK ? error : AT_ERR_CLOSED,
                     "the connection ended before the answer");
        told |= AT_HTTP_FAILED;
    }
    return told;
}

static void on_stream(void *owner, at_stream *stream, unsigned events)
{
    at_http *h = owner;
    unsigned told = 0;

    (void)stream;
    if ((events & (AT_STREAM_ENDED | AT_STREAM_FAILED)) != 0)
        h->ended = true;
    if (h->phase == OVER)
        return;
    if (h->phase == CONNECTING && (events & AT_STREAM_OPENED) == 0) {
        failed_to_open(h);
        return;
    }
    wait_for_peer(h);
    if (h->phase == CONNECTING) {
        set_phase(h, ASKING);
        send_head(h);
        told = AT_HTTP_OPENED;
    }
    if (h->phase == ASKING)
        told |= in_asking(h, events);
    else if (h->phase == ANSWERING)
        told |= AT_HTTP_READABLE;
    if ((events & AT_STREAM_WRITABLE) != 0 && h->head == NULL && h->phase != OVER)
        told |= AT_HTTP_WRITABLE;
    if ((told & AT_HTTP_READABLE) != 0)
        at_timer_stop(h->params.loop, &h->patience); /* it is the owner's turn */
    if (told != 0)
        tell(h, told);
}

static at_err connect_to(at_http *h, const at_addr *to)
{
    at_tcp_params tcp = {
        .to = *to, .port = h->port, .on_event = on_stream, .owner = h, .options.nodelay = true
    };
    at_err err = at_tcp_connect(h->params.net, &tcp, &h->stream);

    if (err != AT_OK || !h->https)
        return err;
    at_stream *below = h->stream;
    at_tls_open open = { .config = h->tls,
                         .below = below,
                         .host = h->host,
                         .port = h->port,
                         .on_event = on_stream,
                         .owner = h };
    err = at_tls_stream_open(&open, &h->stream);
    if (err != AT_OK) {
        h->stream = NULL;
        below->ops->abort(below);
    }
    return err;
}

static void on_address(void *arg, at_err err, const at_addr *addr)
{
    at_http *h = arg;

    h->query = NULL;
    if (err != AT_OK) {
        fail(h, err, "the server's name has no address");
        return;
    }
    set_phase(h, CONNECTING);
    err = connect_to(h, addr);
    if (err != AT_OK)
        fail(h, err, "no connection to the server");
    else
        tell(h, AT_HTTP_RESOLVED);
}

/* ---- life ---- */

static at_err make_head(at_http *h, const at_http_request *request)
{
    size_t room = 512 + request->url->target_len + request->url->host_len +
                  (request->fields != NULL ? strlen(request->fields) : 0);

    h->head = at_alloc(h->params.heap, room);
    if (h->head == NULL)
        return AT_ERR_NOMEM;
    h->head_len = at_http_request_head(request, h->head, room);
    return h->head_len > 0 ? AT_OK : AT_ERR_INVALID;
}

static at_err make_tls(at_http *h, const at_tls_params *given, bool literal, at_tls_reason *why)
{
    at_tls_params params;

    if (given == NULL || strlen(h->host) > AT_TLS_NAME_MAX)
        return AT_ERR_INVALID;
    params = *given;
    params.server = false;
    params.name = given->verify ? h->host : "";
    params.sni = literal ? "" : h->host;
    return at_tls_config_create(h->params.loop, h->params.heap, h->params.log, &params, &h->tls,
                                why);
}

static at_err start(at_http *h, at_tls_reason *why)
{
    const at_http_request *request = &h->params.request;
    const at_url *url = request->url;
    at_err err;

    memcpy(h->host, url->host, url->host_len);
    h->https = url->https;
    h->port = url->port;
    h->why = "";
    at_timer_init(&h->patience, on_patience, h);
    at_http_parse_start(&h->parser, request->method, h->line, sizeof h->line);
    err = make_head(h, request);
    if (err == AT_OK && h->https)
        err = make_tls(h, h->params.tls, url->literal, why);
    if (err == AT_OK)
        err = at_resolve_start(h->params.net, h->host, AT_RESOLVE_V4_FIRST, 0, on_address, h,
                               &h->query);
    if (err == AT_OK)
        wait_for_peer(h);
    return err;
}

at_err at_http_open(const at_http_params *params, at_http **http, at_tls_reason *why)
{
    at_tls_reason ignored;
    at_http *h = at_calloc(params->heap, 1, sizeof *h);
    at_err err;

    why = why != NULL ? why : &ignored;
    *why = AT_TLS_FINE;
    if (h == NULL)
        return AT_ERR_NOMEM;
    h->params = *params;
    err = start(h, why);
    h->params.request = (at_http_request){ .url = NULL };
    h->params.tls = NULL;
    if (err != AT_OK) {
        at_http_close(h);
        return err;
    }
    *http = h;
    return AT_OK;
}

void at_http_close(at_http *h)
{
    if (h == NULL)
        return;
    at_timer_stop(h->params.loop, &h->patience);
    at_resolve_cancel(h->query);
    if (h->stream != NULL)
        h->stream->ops->close(h->stream);
    at_tls_config_release(h->tls);
    forget_head(h);
    at_free(h->params.heap, h);
}

const at_http_response *at_http_response_of(const at_http *h)
{
    return &h->response;
}

at_err at_http_error(const at_http *h)
{
    return h->error;
}

const char *at_http_why(const at_http *h)
{
    return h->why;
}

at_tls_reason at_http_tls_reason(const at_http *h)
{
    return h->tls_reason;
}
