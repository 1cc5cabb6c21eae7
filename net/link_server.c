/* The one server (guide 3.3.16 to 3.3.19): clients become links.
 *
 * A client takes the lowest free link. When there is none, or max_clients have one already, it is
 * reset and the owner is told (TURNED_AWAY). Its handshake is complete by then, as on the part,
 * whose sockets accept before they look for a link.
 *
 * Idle clients are closed by the server after the time-out. The clock restarts with data in either
 * direction; a timer per link looks at the time of the last data when it fires instead of being
 * moved with every block.
 */
#include "net/link_priv.h"

#define SERVER_BACKLOG AT_LINKS

void link_idle_start(net_link *link)
{
    at_links *links = link->links;

    if (!link->server || link->state != AT_LINK_OPEN || links->server_timeout_s == 0) {
        at_timer_stop(links->loop, &link->idle);
        return;
    }
    at_timer_at(links->loop, &link->idle, link->traffic_us + links->server_timeout_s * 1000000ull);
}

void link_idle_fired(void *arg)
{
    net_link *link = arg;
    uint64_t limit_us = link->links->server_timeout_s * 1000000ull;

    if (at_loop_now(link->links->loop) < link->traffic_us + limit_us) {
        link_idle_start(link);
        return;
    }
    if (at_link_buffered(link->links, link->id) > 0)
        (void)link->stream->ops->shutdown(link->stream); /* the link stays for the unread data */
    link_gone(link, AT_ERR_TIMEOUT);
}

static net_link *free_link(at_links *links)
{
    unsigned clients = 0;
    net_link *lowest = NULL;

    for (unsigned id = 0; id < AT_LINKS; id++) {
        net_link *link = &links->link[id];

        if (link->state == AT_LINK_FREE)
            lowest = lowest != NULL ? lowest : link;
        else if (link->server)
            clients++;
    }
    return clients < links->server.max_clients ? lowest : NULL;
}

static void on_client(void *owner, at_stream *stream)
{
    at_links *links = owner;
    net_link *link = free_link(links);

    if (link == NULL) {
        at_log(links->log, AT_LOG_WARN, "link",
               "a client was turned away: no link is free, or the "
               "server has its %u clients",
               links->server.max_clients);
        stream->ops->abort(stream);
        links->on_event(links->owner, AT_LINKS, AT_LINK_TURNED_AWAY, AT_ERR_REFUSED);
        return;
    }
    link->type = links->server.type;
    link->server = true;
    link->options = links->server.options;
    link->udp_mode = 0;
    if (links->server_tls != NULL)
        link_tls_adopt(link, stream);
    else
        link_tcp_adopt(link, stream); /* may end the link: the owner hears of it */
    link_idle_start(link);
}

static void release_tls(at_links *links)
{
    at_tls_config_release(links->server_tls);
    links->server_tls = NULL;
}

at_err at_links_listen(at_links *links, const at_listen_params *params)
{
    at_tcp_listen_params below = {
        .v6 = at_link_type_is_v6(params->type),
        .port = params->port,
        .backlog = SERVER_BACKLOG,
        .options = { params->options.nodelay, params->options.keep_alive_s },
        .on_client = on_client,
        .owner = links,
    };
    at_err err;

    if (links->listener != NULL)
        return AT_ERR_STATE;
    links->server_tls_reason = AT_TLS_FINE;
    if (at_link_type_is_udp(params->type) ||
        (at_link_type_is_v6(params->type) && !at_net_ip6_on(links->net)))
        return AT_ERR_UNSUPPORTED;
    if (at_link_type_is_tls(params->type) && (err = link_tls_listen(links, params)) != AT_OK)
        return err;
    err = at_tcp_listen(links->net, &below, &links->listener);
    if (err != AT_OK) {
        release_tls(links);
        return err;
    }
    links->server = *params;
    links->server.tls = NULL;
    at_links_set_server_timeout(links, params->timeout_s);
    return AT_OK;
}

at_err at_links_unlisten(at_links *links)
{
    if (links->listener == NULL)
        return AT_ERR_STATE;
    at_tcp_unlisten(links->listener);
    links->listener = NULL;
    release_tls(links);
    return AT_OK;
}

bool at_links_listening(const at_links *links, at_listen_params *params)
{
    if (links->listener != NULL && params != NULL)
        *params = links->server;
    return links->listener != NULL;
}

void at_links_set_server_timeout(at_links *links, uint16_t timeout_s)
{
    links->server_timeout_s = timeout_s;
    links->server.timeout_s = timeout_s;
    for (unsigned id = 0; id < AT_LINKS; id++)
        link_idle_start(&links->link[id]);
}
