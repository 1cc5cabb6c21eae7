/* Links over a stream: connecting, what the stream reports, closing.
 *
 * Lingering (guide 3.3.39, so_linger > 0): our FIN goes out behind the data, and the link stays
 * until the peer has closed too or the time is over; then the connection is reset, as lwIP's
 * sockets do on the part. What arrives meanwhile is read and forgotten, or the peer's FIN could
 * wait for ever behind a full window.
 */
#include "net/link_priv.h"

/* A stream that failed with data unread stays below the DRAINED link until the last read. */
static void ended(net_link *link, unsigned events)
{
    at_err error = link->stream->ops->error(link->stream);

    link_gone(link, (events & AT_STREAM_FAILED) != 0 ? error : AT_ERR_CLOSED);
}

static void in_open(net_link *link, unsigned events)
{
    uint32_t life = link->life;

    if ((events & AT_STREAM_READABLE) != 0) {
        link_traffic(link);
        link_event(link, AT_LINK_READABLE, AT_OK);
    }
    if (link->life == life && link->state == AT_LINK_OPEN && (events & AT_STREAM_WRITABLE) != 0)
        link_event(link, AT_LINK_WRITABLE, AT_OK);
    if (link->life == life && link->state == AT_LINK_OPEN &&
        (events & (AT_STREAM_ENDED | AT_STREAM_FAILED)) != 0)
        ended(link, events);
}

static void in_connecting(net_link *link, unsigned events)
{
    at_stream_ends ends;
    uint32_t life = link->life;

    if ((events & AT_STREAM_OPENED) == 0) {
        link_tls_failed(link);
        link_fail(link, link->stream->ops->error(link->stream));
        return;
    }
    link->stream->ops->ends(link->stream, &ends);
    link->local_port = ends.local_port;
    at_timer_stop(link->links->loop, &link->deadline);
    link_set_state(link, AT_LINK_OPEN);
    link_event(link, AT_LINK_OPENED, AT_OK);
    if (link->life == life && link->state == AT_LINK_OPEN)
        link_idle_start(link);
    if (link->life == life && link->state == AT_LINK_OPEN)
        in_open(link, events);
}

static void in_lingering(net_link *link, unsigned events)
{
    uint8_t scrap[256];

    while (link->stream->ops->read(link->stream, scrap, sizeof scrap) > 0)
        ;
    if ((events & (AT_STREAM_CLOSED | AT_STREAM_FAILED)) == 0)
        return;
    link_release(link);
    link_event(link, AT_LINK_RELEASED, AT_OK);
}

void link_on_stream(void *owner, at_stream *stream, unsigned events)
{
    net_link *link = owner;

    (void)stream;
    switch (link->state) {
    case AT_LINK_CONNECTING: in_connecting(link, events); break;
    case AT_LINK_OPEN: in_open(link, events); break;
    case AT_LINK_LINGERING: in_lingering(link, events); break;
    case AT_LINK_DRAINED: /* ended already; a reset changes nothing */
    case AT_LINK_RESOLVING:
    case AT_LINK_FREE: break;
    }
}

at_err link_tcp_connect(net_link *link)
{
    at_tcp_params params = {
        .to = link->remote,
        .port = link->remote_port,
        .local = link->local,
        .local_port = 0,
        .options = { link->options.nodelay, link->options.keep_alive_s },
        .on_event = link_on_stream,
        .owner = link,
    };
    at_err err = at_tcp_connect(link->links->net, &params, &link->stream);

    if (err == AT_OK && link->tls != NULL)
        err = link_tls_connect(link, link->stream);
    if (err == AT_OK)
        link_set_state(link, AT_LINK_CONNECTING);
    return err;
}

void link_tcp_adopt(net_link *link, at_stream *stream)
{
    at_stream_ends ends;

    stream->ops->ends(stream, &ends);
    stream->on_event = link_on_stream;
    stream->owner = link;
    link->stream = stream;
    link->remote = ends.remote;
    link->remote_port = ends.remote_port;
    link->local = ends.local;
    link->local_port = ends.local_port;
    link_traffic(link);
    link_set_state(link, AT_LINK_OPEN);
    link_event(link, AT_LINK_OPENED, AT_OK);
}

at_err link_tcp_close(net_link *link)
{
    at_stream *stream = link->stream;
    uint8_t scrap[256];

    if (link->options.linger_s == 0) {
        link->stream = NULL;
        stream->ops->abort(stream);
        link_release(link);
        return AT_OK;
    }
    if (link->options.linger_s < 0 || stream->ops->shutdown(stream) != AT_OK) {
        link_release(link);
        return AT_OK;
    }
    while (stream->ops->read(stream, scrap, sizeof scrap) > 0)
        ;
    at_timer_stop(link->links->loop, &link->idle);
    link_set_state(link, AT_LINK_LINGERING);
    at_timer_in(link->links->loop, &link->deadline, (uint64_t)link->options.linger_s * 1000000u);
    return AT_ERR_AGAIN;
}
