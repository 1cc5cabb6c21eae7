/* Listening: clients of lwIP's accept callback become streams.
 *
 * A client is a stream from the moment lwIP reports it, so bytes that come with it are kept. It
 * waits in a short list for the task that hands it over; what happened to it meanwhile is told to
 * its new owner. Whether the client is welcome is the owner's decision, made outside lwIP.
 */
#include "net/net_priv.h"

#include <string.h>

#include "lwip/tcp.h"

#include "core/bytes.h"
#include "net/stream_tcp_priv.h"

struct at_tcp_listener {
    at_net *net;
    struct tcp_pcb *pcb;
    at_stream_options options;
    void (*on_client)(void *owner, at_stream *stream);
    void *owner;
    at_task task;
    at_stream *clients[AT_LINKS]; /* connected, not yet handed over; in order */
    unsigned count;
};

/* From lwIP. Refusing is left to lwIP as well: any error resets the client. */
static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    at_tcp_listener *listener = arg;
    at_stream *stream;

    if (err != ERR_OK || pcb == NULL || listener->count == AT_COUNT(listener->clients))
        return ERR_MEM;
    stream = tcp_stream_adopt(listener->net, pcb, &listener->options);
    if (stream == NULL)
        return ERR_MEM;
    listener->clients[listener->count++] = stream;
    at_loop_post(listener->net->loop, &listener->task);
    return ERR_OK;
}

static at_stream *first_client(at_tcp_listener *listener)
{
    at_stream *stream = listener->clients[0];

    listener->count--;
    memmove(listener->clients, listener->clients + 1,
            listener->count * sizeof listener->clients[0]);
    return stream;
}

/* One client per turn: the callee may stop listening. */
static void hand_over(void *arg)
{
    at_tcp_listener *listener = arg;
    at_stream *stream = first_client(listener);

    if (listener->count > 0)
        at_loop_post(listener->net->loop, &listener->task);
    tcp_stream_announce(stream);
    listener->on_client(listener->owner, stream);
}

static void close_listener(at_tcp_listener *listener)
{
    if (listener->pcb != NULL)
        (void)tcp_close(listener->pcb); /* cannot fail for a listener */
    at_free(listener->net->heap, listener);
}

at_err at_tcp_listen(at_net *net, const at_tcp_listen_params *params, at_tcp_listener **listener)
{
    at_tcp_listener *l = at_calloc(net->heap, 1, sizeof *l);
    struct tcp_pcb *listening;
    ip_addr_t local;
    err_t err = ERR_MEM;

    if (l == NULL)
        return AT_ERR_NOMEM;
    net_enter(net);
    l->net = net;
    l->options = params->options;
    l->on_client = params->on_client;
    l->owner = params->owner;
    at_task_init(&l->task, hand_over, l);
    l->pcb = tcp_new_ip_type(params->v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
    if (l->pcb == NULL)
        goto failed;
    ip_set_option(l->pcb, SOF_REUSEADDR); /* clients of a former listener may still be connected */
    net_to_lwip(&params->local, &local);
    if (params->local.family == AT_FAMILY_NONE)
        ip_addr_set_any(params->v6, &local);
    err = tcp_bind(l->pcb, &local, params->port);
    if (err != ERR_OK)
        goto failed;
    listening = tcp_listen_with_backlog_and_err(l->pcb, params->backlog, &err);
    if (listening == NULL)
        goto failed;
    l->pcb = listening;
    tcp_arg(l->pcb, l);
    tcp_accept(l->pcb, on_accept);
    *listener = l;
    return AT_OK;
failed:
    close_listener(l);
    return net_err(err);
}

static void refuse(at_stream *stream)
{
    stream->ops->abort(stream);
}

void at_tcp_unlisten(at_tcp_listener *listener)
{
    if (listener == NULL)
        return;
    net_enter(listener->net);
    while (listener->count > 0)
        refuse(first_client(listener));
    at_loop_unpost(listener->net->loop, &listener->task);
    close_listener(listener);
}
