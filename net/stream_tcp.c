/* TCP streams over lwIP's raw API.
 *
 * Model. A stream owns a pcb until one of them ends. lwIP's callbacks only note what happened in
 * `pending` and post the stream's task; the owner hears of it from there. When lwIP frees the pcb
 * (error callback) or will free it without telling (TIME_WAIT), the stream forgets it at that
 * moment: a pointer to a pcb is never kept longer than lwIP keeps the pcb.
 *
 *     CONNECTING --> OPEN --> ENDED (peer's FIN)      any --> FAILED (no pcb any more)
 *                                                     OPEN, ENDED --> FINISHED (both FINs, no pcb)
 *
 * Receiving. Segments stay in the pbufs they came in. The queue is one chain linked by hand: pbufs
 * that arrive are appended at the tail and taken off one by one at the head, so tot_len of a queued
 * pbuf says nothing and no pbuf function that relies on it is used (pbuf_free of a single pbuf does
 * not). tcp_recved is called for what the owner has read and for nothing else: that is the whole
 * back-pressure. An owner that does not read stops the peer after one window.
 *
 * Sending. tcp_write copies, with as large pieces as the send buffer takes; segments leave in the
 * prepare hook or by flush, once per burst. When a write was cut, room is reported by the `sent`
 * callback; when memory was short and nothing is in flight, by a timer, as no acknowledgement will
 * come.
 *
 * Closing. tcp_close sends FIN behind the data, and lwIP takes care of the rest. With bytes unread
 * lwIP sends RST instead, which is what the part (and BSD) does.
 */
#include "net/net_priv.h"

#include <string.h>

#include "lwip/tcp.h"

#include "core/bytes.h"
#include "net/stream_tcp_priv.h"

#define MEMORY_RETRY_US        100000u
#define KEEP_ALIVE_INTERVAL_MS 1000u /* guide 3.3.39 */
#define KEEP_ALIVE_PROBES      3u

typedef enum tcp_phase { CONNECTING, OPEN, ENDED, FAILED, FINISHED } tcp_phase;

static const char *const phase_names[] = { "connecting", "open", "ended", "failed", "finished" };

typedef struct tcp_stream {
    at_stream base;
    at_net *net;
    struct tcp_pcb *pcb; /* NULL: lwIP has freed it, or it is no longer ours */
    tcp_phase phase;
    at_err error;
    unsigned pending; /* events for the task */
    bool shut;        /* our FIN is sent or queued */
    bool want_write;  /* the last write was cut */
    at_task task;
    at_timer retry; /* memory was short */
    net_flush output;
    struct pbuf *head, *tail;
    size_t head_offset; /* bytes of head already read */
    size_t buffered;
    at_stream_ends ends;
} tcp_stream;

static tcp_stream *of(const at_stream *stream)
{
    return AT_CONTAINER(stream, tcp_stream, base);
}

static void set_phase(tcp_stream *s, tcp_phase phase)
{
    at_log(s->net->log, AT_LOG_DEBUG, "tcp", "port %u: %s -> %s", s->ends.local_port,
           phase_names[s->phase], phase_names[phase]);
    s->phase = phase;
}

static void post(tcp_stream *s, unsigned events)
{
    s->pending |= events;
    at_loop_post(s->net->loop, &s->task);
}

static void deliver(void *arg)
{
    tcp_stream *s = arg;
    unsigned events = s->pending;

    if (s->base.on_event == NULL)
        return; /* a client not yet handed over: hand_over posts again */
    s->pending = 0;
    if (events != 0)
        s->base.on_event(s->base.owner, &s->base, events); /* may free the stream */
}

/* ---- from lwIP: note and post, nothing else ---- */

static struct tcp_pcb *release_pcb(tcp_stream *s)
{
    struct tcp_pcb *pcb = s->pcb;

    s->pcb = NULL;
    net_flush_cancel(s->net, &s->output);
    if (pcb != NULL) {
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_sent(pcb, NULL);
        tcp_err(pcb, NULL);
    }
    return pcb;
}

static void append(tcp_stream *s, struct pbuf *p)
{
    if (s->head == NULL)
        s->head = p;
    else
        s->tail->next = p;
    s->buffered += p->tot_len;
    while (p->next != NULL)
        p = p->next;
    s->tail = p;
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    tcp_stream *s = arg;

    (void)pcb;
    (void)err;
    if (p != NULL) {
        append(s, p);
        post(s, AT_STREAM_READABLE);
        return ERR_OK;
    }
    if (s->shut) {
        /* Both FINs are out; lwIP finishes alone and frees the pcb without a word. */
        (void)release_pcb(s);
        set_phase(s, FINISHED);
        post(s, AT_STREAM_ENDED | AT_STREAM_CLOSED);
        return ERR_OK;
    }
    set_phase(s, ENDED);
    post(s, AT_STREAM_ENDED);
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
    tcp_stream *s = arg;

    (void)pcb;
    (void)len;
    if (s->want_write) {
        s->want_write = false;
        post(s, AT_STREAM_WRITABLE);
    }
    return ERR_OK;
}

static at_err failure(const tcp_stream *s, err_t err)
{
    if (err == ERR_RST)
        return s->phase == CONNECTING ? AT_ERR_REFUSED : AT_ERR_RESET;
    /* lwIP aborts connections of an address that goes, and those whose peer is silent. */
    return net_is_ours(s->net, &s->ends.local) ? AT_ERR_TIMEOUT : AT_ERR_UNREACHABLE;
}

static void on_err(void *arg, err_t err)
{
    tcp_stream *s = arg;

    s->pcb = NULL; /* freed by lwIP */
    net_flush_cancel(s->net, &s->output);
    if (err == ERR_CLSD) {
        set_phase(s, FINISHED);
        post(s, AT_STREAM_CLOSED);
        return;
    }
    s->error = failure(s, err);
    set_phase(s, FAILED);
    post(s, AT_STREAM_FAILED);
}

static void note_ends(tcp_stream *s)
{
    net_from_lwip(&s->pcb->local_ip, &s->ends.local);
    net_from_lwip(&s->pcb->remote_ip, &s->ends.remote);
    s->ends.local_port = s->pcb->local_port;
    s->ends.remote_port = s->pcb->remote_port;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    tcp_stream *s = arg;

    (void)pcb;
    (void)err;
    note_ends(s);
    set_phase(s, OPEN);
    post(s, AT_STREAM_OPENED);
    return ERR_OK;
}

/* ---- the stream's operations ---- */

static size_t tcp_buffered(const at_stream *stream)
{
    return of(stream)->buffered;
}

/* The first pbuf was read to its end. */
static void drop_head(tcp_stream *s)
{
    struct pbuf *next = s->head->next;

    s->head->next = NULL;
    pbuf_free(s->head);
    s->head = next;
    s->head_offset = 0;
    if (next == NULL)
        s->tail = NULL;
}

static void open_window(tcp_stream *s, size_t len)
{
    while (len > 0 && s->pcb != NULL) {
        u16_t part = (u16_t)AT_MIN(len, (size_t)UINT16_MAX);

        tcp_recved(s->pcb, part);
        len -= part;
    }
}

static size_t tcp_read(at_stream *stream, void *buf, size_t room)
{
    tcp_stream *s = of(stream);
    size_t len = 0;

    while (s->head != NULL && len < room) {
        size_t part = AT_MIN(s->head->len - s->head_offset, room - len);

        memcpy((uint8_t *)buf + len, (uint8_t *)s->head->payload + s->head_offset, part);
        len += part;
        s->head_offset += part;
        if (s->head_offset == s->head->len)
            drop_head(s);
    }
    s->buffered -= len;
    net_enter(s->net);
    open_window(s, len);
    return len;
}

static void output(void *arg)
{
    tcp_stream *s = arg;

    tcp_output(s->pcb);
}

static void memory_again(void *arg)
{
    tcp_stream *s = arg;

    if (s->want_write) {
        s->want_write = false;
        post(s, AT_STREAM_WRITABLE);
    }
}

/* One tcp_write of as much as goes; 0 when nothing does. */
static size_t write_some(tcp_stream *s, const uint8_t *data, size_t len)
{
    size_t part = AT_MIN(len, (size_t)tcp_sndbuf(s->pcb));

    while (part > 0) {
        err_t err = tcp_write(s->pcb, data, (u16_t)part, TCP_WRITE_FLAG_COPY);

        if (err == ERR_OK)
            return part;
        if (err != ERR_MEM || part <= 64)
            return 0;
        part = part > AT_TCP_MSS ? AT_TCP_MSS : part / 2; /* memory for less may be there */
    }
    return 0;
}

static size_t tcp_write_stream(at_stream *stream, const void *data, size_t len)
{
    tcp_stream *s = of(stream);
    size_t done = 0, part;

    if (s->pcb == NULL || s->phase == CONNECTING || s->shut)
        return 0;
    net_enter(s->net);
    if (s->pcb == NULL) /* the missed timers ended it */
        return 0;
    while (done < len && (part = write_some(s, (const uint8_t *)data + done, len - done)) > 0)
        done += part;
    if (done > 0)
        net_flush_later(s->net, &s->output);
    s->want_write = done < len;
    if (s->want_write && s->pcb->unacked == NULL && s->pcb->unsent == NULL)
        at_timer_in(s->net->loop, &s->retry, MEMORY_RETRY_US);
    return done;
}

static void tcp_flush(at_stream *stream)
{
    tcp_stream *s = of(stream);

    if (!s->output.queued)
        return;
    net_flush_cancel(s->net, &s->output);
    tcp_output(s->pcb);
}

static at_err tcp_shutdown_stream(at_stream *stream)
{
    tcp_stream *s = of(stream);

    net_enter(s->net);
    if (s->pcb == NULL || s->phase == CONNECTING || s->shut)
        return AT_ERR_STATE;
    s->shut = true;
    return net_err(tcp_shutdown(s->pcb, 0, 1));
}

static void free_stream(tcp_stream *s)
{
    while (s->head != NULL)
        drop_head(s);
    at_loop_unpost(s->net->loop, &s->task);
    at_timer_stop(s->net->loop, &s->retry);
    at_free(s->net->heap, s);
}

static void tcp_close_stream(at_stream *stream)
{
    tcp_stream *s = of(stream);
    struct tcp_pcb *pcb;

    net_enter(s->net);
    pcb = release_pcb(s);
    if (pcb != NULL && tcp_close(pcb) != ERR_OK)
        tcp_abort(pcb);
    free_stream(s);
}

static void tcp_abort_stream(at_stream *stream)
{
    tcp_stream *s = of(stream);
    struct tcp_pcb *pcb;

    net_enter(s->net);
    pcb = release_pcb(s);
    if (pcb != NULL && s->phase == CONNECTING)
        (void)tcp_close(pcb); /* nothing to reset yet; cannot fail in this state */
    else if (pcb != NULL)
        tcp_abort(pcb);
    free_stream(s);
}

static at_err tcp_error(const at_stream *stream)
{
    return of(stream)->error;
}

static void apply_options(struct tcp_pcb *pcb, const at_stream_options *options)
{
    if (options->nodelay)
        tcp_nagle_disable(pcb);
    else
        tcp_nagle_enable(pcb);
    pcb->keep_idle = options->keep_alive_s * 1000u;
    pcb->keep_intvl = KEEP_ALIVE_INTERVAL_MS;
    pcb->keep_cnt = KEEP_ALIVE_PROBES;
    if (options->keep_alive_s > 0)
        ip_set_option(pcb, SOF_KEEPALIVE);
    else
        ip_reset_option(pcb, SOF_KEEPALIVE);
}

static void tcp_set_options(at_stream *stream, const at_stream_options *options)
{
    tcp_stream *s = of(stream);

    net_enter(s->net);
    if (s->pcb != NULL)
        apply_options(s->pcb, options);
}

static void tcp_ends(const at_stream *stream, at_stream_ends *ends)
{
    *ends = of(stream)->ends;
}

static const at_stream_ops tcp_ops = {
    .buffered = tcp_buffered,
    .read = tcp_read,
    .write = tcp_write_stream,
    .flush = tcp_flush,
    .shutdown = tcp_shutdown_stream,
    .close = tcp_close_stream,
    .abort = tcp_abort_stream,
    .error = tcp_error,
    .set_options = tcp_set_options,
    .ends = tcp_ends,
};

/* ---- constructors ---- */

static tcp_stream *create(at_net *net, struct tcp_pcb *pcb, tcp_phase phase)
{
    tcp_stream *s = at_calloc(net->heap, 1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->base.ops = &tcp_ops;
    s->net = net;
    s->pcb = pcb;
    s->phase = phase;
    s->output = (net_flush){ .run = output, .arg = s };
    at_task_init(&s->task, deliver, s);
    at_timer_init(&s->retry, memory_again, s);
    tcp_arg(pcb, s);
    tcp_recv(pcb, on_recv);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_err);
    return s;
}

static err_t start_connecting(tcp_stream *s, const at_tcp_params *params)
{
    ip_addr_t local, to;
    err_t err;

    net_to_lwip(&params->local, &local);
    net_to_scoped(s->net, &params->to, &params->local, &to);
    if (params->local.family == AT_FAMILY_NONE)
        ip_addr_set_any(params->to.family == AT_IPV6, &local);
    if (params->local.family != AT_FAMILY_NONE && !net_is_ours(s->net, &params->local))
        return ERR_RTE;
    if (at_addr_is_any(&params->to) || at_addr_is_broadcast(&params->to) ||
        at_addr_is_multicast(&params->to))
        return ERR_RTE; /* a connection is with one other end */
    if (params->local.family != AT_FAMILY_NONE || params->local_port != 0) {
        err = tcp_bind(s->pcb, &local, params->local_port);
        if (err != ERR_OK)
            return err;
    }
    apply_options(s->pcb, &params->options);
    return tcp_connect(s->pcb, &to, params->port, on_connected);
}

at_err at_tcp_connect(at_net *net, const at_tcp_params *params, at_stream **stream)
{
    struct tcp_pcb *pcb;
    tcp_stream *s;
    err_t err;

    net_enter(net);
    pcb = tcp_new_ip_type(params->to.family == AT_IPV6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
    if (pcb == NULL)
        return AT_ERR_NOMEM;
    s = create(net, pcb, CONNECTING);
    if (s == NULL) {
        (void)tcp_close(pcb);
        return AT_ERR_NOMEM;
    }
    s->base.on_event = params->on_event;
    s->base.owner = params->owner;
    err = start_connecting(s, params);
    if (err != ERR_OK) {
        tcp_abort_stream(&s->base);
        return net_err(err);
    }
    note_ends(s);
    *stream = &s->base;
    return AT_OK;
}

at_stream *tcp_stream_adopt(at_net *net, struct tcp_pcb *pcb, const at_stream_options *options)
{
    tcp_stream *s = create(net, pcb, OPEN);

    if (s == NULL)
        return NULL;
    note_ends(s);
    apply_options(pcb, options);
    return &s->base;
}

void tcp_stream_announce(at_stream *stream)
{
    at_loop_post(of(stream)->net->loop, &of(stream)->task);
}
