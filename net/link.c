/* The five links: one state machine per link, the table, and what is the same for every type.
 *
 *   FREE -> RESOLVING -> CONNECTING -> OPEN -> FREE               opened and ended
 *                                      OPEN -> DRAINED -> FREE    ended with data unread
 *                                      OPEN -> LINGERING -> FREE  closed with so_linger > 0
 *
 * Every change goes through link_set_state, which traces it. A link occupies a stream (link_tcp.c)
 * or a datagram endpoint (link_udp.c) below it; the server (link_server.c) gives its clients the
 * lowest free link.
 *
 * Events are told from tasks only, as net/ tells us things from tasks. The owner may do anything
 * with the link inside on_event, also close and open it again: who has more to do after an event
 * compares `life` before.
 *
 * When the interface loses its address (Wi-Fi went), every link over it ends with
 * AT_ERR_UNREACHABLE, in the order of their numbers, as on the part. link.c watches for that; lwIP
 * aborts the connections of the address as well, which the streams report later, to links that do
 * not listen any more.
 *
 * Received data of a connection that ended stays readable (DRAINED), which is what lets commands/
 * withhold CLOSED in passive mode (guide 3.3.33). The last read frees the link.
 */
#include "net/link_priv.h"

#include <string.h>

#include "core/bytes.h"

static const char *const state_names[] = { "free", "resolving", "connecting",
                                           "open", "drained",   "lingering" };

static const char *const type_names[AT_LINK_TYPES] = { "TCP",   "TCPv6", "UDP",
                                                       "UDPv6", "SSL",   "SSLv6" };

const char *at_link_type_name(at_link_type type)
{
    return type_names[type];
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool same_name(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return *a == '\0' && *b == '\0';
}

int at_link_type_parse(const char *name)
{
    for (int type = 0; type < AT_LINK_TYPES; type++) {
        if (same_name(name, type_names[type]))
            return type;
    }
    return -1;
}

bool at_link_type_is_udp(at_link_type type)
{
    return type == AT_LINK_UDP || type == AT_LINK_UDPV6;
}

bool at_link_type_is_v6(at_link_type type)
{
    return type == AT_LINK_TCPV6 || type == AT_LINK_UDPV6 || type == AT_LINK_SSLV6;
}

static at_family family_of(at_link_type type)
{
    return at_link_type_is_v6(type) ? AT_IPV6 : AT_IPV4;
}

/* ---- the state machine ---- */

void link_set_state(net_link *link, at_link_state state)
{
    at_log(link->links->log, AT_LOG_DEBUG, "link", "%u: %s -> %s", link->id,
           state_names[link->state], state_names[state]);
    link->state = state;
}

void link_event(net_link *link, at_link_event event, at_err reason)
{
    link->links->on_event(link->links->owner, link->id, event, reason);
}

void link_release(net_link *link)
{
    at_loop *loop = link->links->loop;

    at_timer_stop(loop, &link->deadline);
    at_timer_stop(loop, &link->idle);
    at_loop_unpost(loop, &link->task);
    at_resolve_cancel(link->resolve);
    at_datagram_close(link->datagram);
    if (link->stream != NULL)
        link->stream->ops->close(link->stream);
    link->resolve = NULL;
    link->datagram = NULL;
    link->stream = NULL;
    at_tls_config_release(link->tls);
    link->tls = NULL;
    link->life++;
    link_set_state(link, AT_LINK_FREE);
}

void link_fail(net_link *link, at_err reason)
{
    at_log(link->links->log, AT_LOG_INFO, "link", "%u: cannot open: %s", link->id,
           at_err_text(reason));
    link_release(link);
    if (!link->server) /* of a client whose handshake failed nobody has heard */
        link_event(link, AT_LINK_FAILED, reason);
}

void link_gone(net_link *link, at_err reason)
{
    at_log(link->links->log, AT_LOG_INFO, "link", "%u: ended: %s", link->id, at_err_text(reason));
    if (at_link_buffered(link->links, link->id) > 0) {
        at_timer_stop(link->links->loop, &link->idle);
        link_set_state(link, AT_LINK_DRAINED);
    } else {
        link_release(link);
    }
    link_event(link, AT_LINK_GONE, reason);
}

void link_traffic(net_link *link)
{
    link->traffic_us = at_loop_now(link->links->loop);
}

/* The interface lost its address; from a task. */
static void tell_unreachable(void *arg)
{
    net_link *link = arg;

    if (link->state == AT_LINK_RESOLVING || link->state == AT_LINK_CONNECTING)
        link_fail(link, AT_ERR_UNREACHABLE);
    else if (link->state == AT_LINK_OPEN)
        link_gone(link, AT_ERR_UNREACHABLE);
}

/* Whether the link cannot go on without this address. */
static bool depends_on(const net_link *link, const at_addr *addr)
{
    at_stream_ends ends;

    if (link->stream != NULL) {
        link->stream->ops->ends(link->stream, &ends);
        return at_addr_equal(&ends.local, addr);
    }
    return at_addr_equal(&link->local, addr) ||
           !net_has_address(link->links->net, family_of(link->type));
}

/* Maybe from inside the stack: take notes. */
static void address_lost(void *arg, const at_addr *addr)
{
    at_links *links = arg;

    for (unsigned id = 0; id < AT_LINKS; id++) {
        net_link *link = &links->link[id];

        if (link->state == AT_LINK_FREE || link->state == AT_LINK_DRAINED ||
            link->state == AT_LINK_LINGERING || !depends_on(link, addr))
            continue;
        at_loop_post(links->loop, &link->task);
    }
}

static void deadline_passed(void *arg)
{
    net_link *link = arg;

    if (link->state == AT_LINK_LINGERING) {
        at_log(link->links->log, AT_LOG_INFO, "link", "%u: the peer did not close in time",
               link->id);
        link->stream->ops->abort(link->stream);
        link->stream = NULL;
        link_release(link);
        link_event(link, AT_LINK_RELEASED, AT_ERR_TIMEOUT);
        return;
    }
    link_fail(link, AT_ERR_TIMEOUT);
}

at_links *at_links_create(const at_links_config *config)
{
    at_links *links = at_calloc(config->heap, 1, sizeof *links);

    if (links == NULL)
        return NULL;
    links->net = config->net;
    links->loop = config->loop;
    links->heap = config->heap;
    links->log = config->log;
    links->on_event = config->on_event;
    links->owner = config->owner;
    links->sessions = at_tls_memory_create(links->heap, links->loop);
    links->watch = (net_watch){ .lost = address_lost, .arg = links };
    net_watch_add(links->net, &links->watch);
    for (unsigned id = 0; id < AT_LINKS; id++) {
        net_link *link = &links->link[id];

        link->links = links;
        link->id = (uint8_t)id;
        at_timer_init(&link->deadline, deadline_passed, link);
        at_timer_init(&link->idle, link_idle_fired, link);
        at_task_init(&link->task, tell_unreachable, link);
    }
    return links;
}

/* ---- opening ---- */

static void resolved(void *arg, at_err err, const at_addr *addr)
{
    net_link *link = arg;

    link->resolve = NULL;
    if (err == AT_OK && !net_ip6_reaches(link->links->net, addr))
        err = AT_ERR_UNREACHABLE;
    if (err == AT_OK) {
        link->remote = *addr;
        err = at_link_type_is_udp(link->type) ? link_udp_connect(link) : link_tcp_connect(link);
    }
    if (err != AT_OK)
        link_fail(link, err);
}

static void fill(net_link *link, const at_link_open_params *params)
{
    link->type = params->type;
    link->server = false;
    link->options = params->options;
    link->local = params->local;
    link->remote = (at_addr){ 0 };
    link->remote_port = params->port;
    link->local_port = params->local_port;
    link->udp_mode = params->udp_mode;
    link->udp_changed = false;
    link_traffic(link);
}

at_err at_link_open(at_links *links, unsigned id, const at_link_open_params *params)
{
    net_link *link = &links->link[id];
    at_err err = AT_OK;

    if (link->state != AT_LINK_FREE)
        return AT_ERR_STATE;
    link->tls_reason = AT_TLS_FINE;
    if (at_link_type_is_v6(params->type) && !at_net_ip6_on(links->net))
        return AT_ERR_UNSUPPORTED;
    if (!net_has_address(links->net, family_of(params->type)))
        return AT_ERR_UNREACHABLE;
    fill(link, params);
    if (at_link_type_is_udp(params->type))
        err = link_udp_open(link);
    else if (params->local.family != AT_FAMILY_NONE && !net_is_ours(links->net, &params->local))
        err = AT_ERR_UNREACHABLE;
    if (err == AT_OK && at_link_type_is_tls(params->type))
        err = link_tls_prepare(link, params);
    if (err == AT_OK)
        err = at_resolve_start(links->net, params->host,
                               at_link_type_is_v6(params->type) ? AT_RESOLVE_V6 : AT_RESOLVE_V4, 0,
                               resolved, link, &link->resolve);
    if (err != AT_OK) {
        at_datagram_close(link->datagram);
        link->datagram = NULL;
        at_tls_config_release(link->tls);
        link->tls = NULL;
        return err;
    }
    link_set_state(link, AT_LINK_RESOLVING);
    if (params->timeout_ms > 0)
        at_timer_in(links->loop, &link->deadline, (uint64_t)params->timeout_ms * 1000u);
    return AT_OK;
}

/* ---- the owner's operations ---- */

at_err at_link_close(at_links *links, unsigned id)
{
    net_link *link = &links->link[id];

    if (link->state == AT_LINK_FREE)
        return AT_ERR_STATE;
    if (link->state == AT_LINK_LINGERING)
        return AT_ERR_AGAIN;
    if (link->stream != NULL && link->state != AT_LINK_CONNECTING)
        return link_tcp_close(link);
    link_release(link);
    return AT_OK;
}

void at_link_get(const at_links *links, unsigned id, at_link_info *info)
{
    const net_link *link = &links->link[id];

    *info = (at_link_info){ .state = link->state, .type = link->type };
    if (link->state == AT_LINK_FREE)
        return;
    info->server = link->server;
    info->remote = link->remote;
    info->remote_port = link->remote_port;
    info->local_port = link->local_port;
    info->udp_mode = link->udp_mode;
}

at_err at_link_set_options(at_links *links, unsigned id, const at_link_options *options)
{
    net_link *link = &links->link[id];

    if (link->state == AT_LINK_FREE)
        return AT_ERR_STATE;
    link->options = *options;
    if (link->stream != NULL) {
        at_stream_options below = { options->nodelay, options->keep_alive_s };

        link->stream->ops->set_options(link->stream, &below);
    }
    return AT_OK;
}

size_t at_link_write(at_links *links, unsigned id, const void *data, size_t len)
{
    net_link *link = &links->link[id];
    size_t taken;

    if (link->stream == NULL || (link->state != AT_LINK_OPEN && link->state != AT_LINK_DRAINED))
        return 0;
    taken = link->stream->ops->write(link->stream, data, len);
    if (taken > 0)
        link_traffic(link);
    return taken;
}

at_err at_link_send_to(at_links *links, unsigned id, const void *data, size_t len,
                       const at_addr *to, uint16_t port)
{
    net_link *link = &links->link[id];

    if (link->datagram == NULL || link->state != AT_LINK_OPEN)
        return AT_ERR_STATE;
    return at_datagram_send(link->datagram, data, len, to != NULL ? to : &link->remote,
                            to != NULL ? port : link->remote_port);
}

void at_link_flush(at_links *links, unsigned id)
{
    net_link *link = &links->link[id];

    if (link->stream != NULL)
        link->stream->ops->flush(link->stream);
}

size_t at_link_buffered(const at_links *links, unsigned id)
{
    const net_link *link = &links->link[id];

    if (link->stream != NULL && link->state != AT_LINK_LINGERING)
        return link->stream->ops->buffered(link->stream);
    return link->datagram != NULL ? at_datagram_buffered(link->datagram) : 0;
}

size_t at_link_next(const at_links *links, unsigned id, at_link_from *from)
{
    const net_link *link = &links->link[id];
    at_link_from sender = { link->remote, link->remote_port };
    size_t len = 0;

    if (link->datagram != NULL)
        (void)at_datagram_next(link->datagram, &len, &sender.addr, &sender.port);
    else
        len = at_link_buffered(links, id);
    if (from != NULL)
        *from = sender;
    return len;
}

static void free_when_drained(net_link *link)
{
    if (link->state == AT_LINK_DRAINED && at_link_buffered(link->links, link->id) == 0)
        link_release(link);
}

size_t at_link_read(at_links *links, unsigned id, void *buf, size_t room)
{
    net_link *link = &links->link[id];
    size_t len = 0;

    if (link->state != AT_LINK_OPEN && link->state != AT_LINK_DRAINED)
        return 0;
    if (link->stream != NULL)
        len = link->stream->ops->read(link->stream, buf, room);
    else if (link->datagram != NULL)
        len = at_datagram_read(link->datagram, buf, room);
    free_when_drained(link);
    return len;
}

void at_link_drop_rest(at_links *links, unsigned id)
{
    net_link *link = &links->link[id];

    if (link->datagram == NULL || !at_datagram_touched(link->datagram))
        return;
    at_datagram_drop(link->datagram);
    free_when_drained(link);
}
