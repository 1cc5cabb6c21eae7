/* Links over TLS: the TLS stream between the link and its TCP stream.
 *
 * The configuration is made when opening starts, before anything is sent, so a certificate that cannot
 * be read is an error of the command and not of the network. A server's configuration is shared by its
 * clients, which may live longer than the server.
 *
 * A client of the server holds its link from the TCP handshake on, in state CONNECTING; the owner hears
 * of it when TLS is done, and never when it fails.
 */
#include "net/link_priv.h"

#include "core/bytes.h"

bool at_link_type_is_tls(at_link_type type)
{
    return type == AT_LINK_SSL || type == AT_LINK_SSLV6;
}

at_tls_reason at_link_tls_reason(const at_links *links, unsigned id)
{
    return links->link[id].tls_reason;
}

at_tls_reason at_links_tls_reason(const at_links *links)
{
    return links->server_tls_reason;
}

at_err link_tls_prepare(net_link *link, const at_link_open_params *params)
{
    at_links *links = link->links;

    if (params->tls == NULL)
        return AT_ERR_INVALID;
    at_copy_text(link->host, sizeof link->host, params->host);
    return at_tls_config_create(links->loop, links->heap, links->log, params->tls, &link->tls,
                                &link->tls_reason);
}

static at_err wrap(net_link *link, at_tls_config *config, at_stream *below, bool below_open)
{
    at_tls_open open = {
        .config = config,
        .below = below,
        .below_open = below_open,
        .memory = link->links->sessions,
        .host = link->host,
        .port = link->remote_port,
        .on_event = link_on_stream,
        .owner = link,
    };
    at_err err = at_tls_stream_open(&open, &link->stream);

    if (err == AT_ERR_NOMEM)
        link->tls_reason = AT_TLS_NOMEM;
    return err;
}

at_err link_tls_connect(net_link *link, at_stream *below)
{
    at_err err = wrap(link, link->tls, below, false);

    if (err != AT_OK) {
        link->stream = NULL;
        below->ops->abort(below);
    }
    return err;
}

void link_tls_adopt(net_link *link, at_stream *below)
{
    at_stream_ends ends;

    below->ops->ends(below, &ends);
    link->remote = ends.remote;
    link->remote_port = ends.remote_port;
    link->local = ends.local;
    link->local_port = ends.local_port;
    at_addr_format(&ends.remote, link->host);
    link_traffic(link);
    if (wrap(link, link->links->server_tls, below, true) != AT_OK) {
        at_log(link->links->log, AT_LOG_WARN, "link", "%u: a client was turned away: %s", link->id,
               at_err_text(AT_ERR_NOMEM));
        below->ops->abort(below);
        return;
    }
    link_set_state(link, AT_LINK_CONNECTING);
}

void link_tls_failed(net_link *link)
{
    if (at_link_type_is_tls(link->type))
        link->tls_reason = at_tls_why(link->stream);
}

at_err link_tls_listen(at_links *links, const at_listen_params *params)
{
    if (params->tls == NULL)
        return AT_ERR_INVALID;
    return at_tls_config_create(links->loop, links->heap, links->log, params->tls,
                                &links->server_tls, &links->server_tls_reason);
}
