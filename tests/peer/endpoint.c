/* What a peer's endpoints can do: the rows of the command table.
 *
 * Bytes of a stream are taken out of the stack as they arrive and kept in `in` until a command
 * expects them, so a peer's window is open unless `window stop` says otherwise. Comparing commands
 * consume what matched and fail at the first byte that differs.
 */
#include "tests/peer/peer_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"

/* ---- what arrives ---- */

static void pull(peer_endpoint *e)
{
    size_t len;

    if (e->stream == NULL || e->stopped)
        return;
    while ((len = e->stream->ops->buffered(e->stream)) > 0) {
        if (e->in_len + len > e->in_room) {
            uint8_t *more = at_realloc(&e->peer->heap, e->in, 2 * (e->in_len + len));

            if (more == NULL)
                return;
            e->in = more;
            e->in_room = 2 * (e->in_len + len);
        }
        e->in_len += e->stream->ops->read(e->stream, e->in + e->in_len, len);
    }
}

static void on_stream(void *owner, at_stream *stream, unsigned events)
{
    peer_endpoint *e = owner;

    e->opened = e->opened || (events & AT_STREAM_OPENED) != 0;
    e->ended = e->ended || (events & AT_STREAM_ENDED) != 0;
    if ((events & AT_STREAM_FAILED) != 0)
        e->error = stream->ops->error(stream);
    pull(e);
    peer_advance(e);
}

static void on_datagram(void *owner)
{
    peer_advance(owner);
}

static void on_client(void *owner, at_stream *stream)
{
    peer_endpoint *e = owner;

    if (e->clients_count == PEER_CLIENTS_MAX) {
        stream->ops->abort(stream);
        return;
    }
    e->clients[e->clients_count++] = stream;
    peer_advance(e);
}

/* Gives the endpoint a stream of its own, as new. */
static void adopt(peer_endpoint *e, at_stream *stream)
{
    if (e->stream != NULL)
        e->stream->ops->close(e->stream);
    e->stream = stream;
    e->in_len = 0;
    e->opened = e->ended = e->stopped = false;
    e->error = AT_OK;
}

static bool no_parameters(peer_endpoint *e, char *args)
{
    (void)e;
    return *args == '\0';
}

/* ---- address, listen, accept, connect ---- */

static int send_frame(void *ctx, const at_radio_piece *pieces, size_t count)
{
    at_radio *radio = ctx;

    return radio->ops->send(radio, pieces, count);
}

static bool address_parse(peer_endpoint *e, char *args)
{
    at_ip_config config = { 0 };
    char *slash = strchr(args, '/'), *gateway;
    uint8_t mac[6];
    uint32_t mask;
    int64_t bits;

    if (slash == NULL || e->peer->addressed)
        return false;
    *slash++ = '\0';
    if (!at_addr_parse(args, &config.ip) || !peer_take_number(&slash, 1, 30, &bits))
        return false;
    gateway = slash;
    if (*gateway != '\0' && !at_addr_parse(gateway, &config.gateway))
        return false;
    mask = UINT32_MAX << (32 - bits);
    config.netmask = at_addr_v4((uint8_t)(mask >> 24), (uint8_t)(mask >> 16), (uint8_t)(mask >> 8),
                                (uint8_t)mask);
    e->peer->radio->ops->factory_mac(e->peer->radio, mac);
    if (at_net_add_interface(e->peer->net, AT_NETIF_STA, mac, send_frame, e->peer->radio) != AT_OK)
        return false;
    e->peer->addressed = true;
    at_net_use_static(e->peer->net, AT_NETIF_STA, &config);
    at_net_link(e->peer->net, AT_NETIF_STA, true);
    return true;
}

static peer_step done_step(peer_endpoint *e)
{
    (void)e;
    return PEER_OK;
}

static bool ipv6_parse(peer_endpoint *e, char *args)
{
    at_addr addr;

    at_copy_text(e->host, sizeof e->host, args);
    return e->peer->addressed && (*args == '\0' || at_addr_parse(args, &addr));
}

static peer_step ipv6_step(peer_endpoint *e)
{
    at_addr wanted = { 0 }, own;
    char text[AT_ADDR_TEXT];

    at_net_set_ip6(e->peer->net, true);
    (void)at_addr_parse(e->host, &wanted);
    if (!at_net_ip6(e->peer->net, AT_NETIF_STA, at_addr_is_local(&wanted) ? 0 : 1, &own))
        return PEER_WAIT;
    if (wanted.family == AT_FAMILY_NONE || at_addr_equal(&wanted, &own))
        return PEER_OK;
    at_addr_format(&own, text);
    return peer_fail(e, text);
}

static bool listen_parse(peer_endpoint *e, char *args)
{
    const char *kind = peer_word(&args);

    e->v6 = strcmp(kind, "tcp6") == 0;
    return (e->v6 || strcmp(kind, "tcp") == 0) && peer_take_port(e, &args) && e->listener == NULL;
}

static peer_step listen_step(peer_endpoint *e)
{
    at_tcp_listen_params params = { .v6 = e->v6,
                                    .port = e->port,
                                    .backlog = 5,
                                    .options = { .nodelay = true },
                                    .on_client = on_client,
                                    .owner = e };
    at_err err = at_tcp_listen(e->peer->net, &params, &e->listener);

    return err == AT_OK ? PEER_OK : peer_fail_err(e, err);
}

static bool accept_parse(peer_endpoint *e, char *args)
{
    at_copy_text(e->other, sizeof e->other, *args != '\0' ? args : e->name);
    return e->listener != NULL;
}

static peer_step accept_step(peer_endpoint *e)
{
    peer_endpoint *to = peer_find(e->peer, e->other);
    at_stream *stream = e->clients[0];

    if (to == NULL)
        return peer_fail(e, "no memory");
    if (e->clients_count == 0)
        return PEER_WAIT;
    e->clients_count--;
    memmove(e->clients, e->clients + 1, e->clients_count * sizeof e->clients[0]);
    adopt(to, stream);
    to->opened = true;
    stream->owner = to;
    stream->on_event = on_stream;
    pull(to);
    return PEER_OK;
}

static bool host_port_parse(peer_endpoint *e, char *args)
{
    return peer_take_host(e, &args) && peer_take_port(e, &args);
}

static peer_step connect_start(peer_endpoint *e)
{
    at_tcp_params params = {
        .port = e->port, .options = { .nodelay = true }, .on_event = on_stream, .owner = e
    };
    at_stream *stream;
    at_err err;

    if (!at_addr_parse(e->host, &params.to))
        return peer_fail(e, "no address");
    err = at_tcp_connect(e->peer->net, &params, &stream);
    if (err != AT_OK)
        return peer_fail_err(e, err);
    adopt(e, stream);
    return PEER_WAIT;
}

static peer_step connect_step(peer_endpoint *e)
{
    if (!e->started)
        return connect_start(e);
    if (e->error != AT_OK)
        return peer_fail_err(e, e->error);
    return e->opened ? PEER_OK : PEER_WAIT;
}

/* ---- stream data ---- */

static bool bytes_parse(peer_endpoint *e, char *args)
{
    return e->stream != NULL && peer_take_bytes(e, args);
}

static bool random_parse(peer_endpoint *e, char *args)
{
    return e->stream != NULL && peer_take_random(e, &args);
}

static peer_step send_step(peer_endpoint *e)
{
    while (e->done < e->len) {
        uint8_t part[2048];
        uint32_t seed = e->seed;
        size_t len = peer_next_part(e, part, sizeof part), taken;

        if (e->error != AT_OK)
            return peer_fail_err(e, e->error);
        taken = e->stream->ops->write(e->stream, part, len);
        e->done += taken;
        if (taken == len)
            continue;
        e->seed = seed; /* the rest again when there is room */
        for (size_t i = 0; e->random && i < taken; i++)
            (void)peer_random_byte(&e->seed);
        return PEER_WAIT;
    }
    return PEER_OK;
}

static peer_step mismatch(peer_endpoint *e, const uint8_t *wanted, size_t len, size_t at)
{
    (void)snprintf(e->reason, sizeof e->reason, "byte %zu differs; expected: ", e->done + at);
    peer_append(e, "", wanted + at, AT_MIN(len - at, 40u));
    peer_append(e, "; got: ", e->in + at, AT_MIN(e->in_len - at, 40u));
    return PEER_FAIL;
}

static peer_step expect_step(peer_endpoint *e)
{
    uint8_t wanted[2048];

    pull(e);
    while (e->done < e->len && e->in_len > 0) {
        size_t len = peer_next_part(e, wanted, AT_MIN(sizeof wanted, e->in_len));

        for (size_t i = 0; i < len; i++) {
            if (wanted[i] != e->in[i])
                return mismatch(e, wanted, len, i);
        }
        e->done += len;
        e->in_len -= len;
        memmove(e->in, e->in + len, e->in_len);
    }
    if (e->done == e->len)
        return PEER_OK;
    if (e->ended || e->error != AT_OK) {
        (void)snprintf(e->reason, sizeof e->reason, "%zu of %zu bytes came", e->done, e->len);
        peer_describe(e);
        return PEER_FAIL;
    }
    return PEER_WAIT;
}

static bool silence_parse(peer_endpoint *e, char *args)
{
    int64_t ms;

    if (!peer_take_number(&args, 0, 100000000, &ms))
        return false;
    e->len = (size_t)ms;
    return true;
}

static bool heard_something(const peer_endpoint *e)
{
    size_t len;
    at_addr from;
    uint16_t port;

    return e->in_len > 0 || e->ended || e->error != AT_OK || e->clients_count > 0 ||
           (e->datagram != NULL && at_datagram_next(e->datagram, &len, &from, &port));
}

static peer_step silence_step(peer_endpoint *e)
{
    if (!e->started)
        at_timer_in(&e->peer->loop, &e->limit, (uint64_t)e->len * 1000u);
    pull(e);
    if (heard_something(e)) {
        (void)snprintf(e->reason, sizeof e->reason, "no silence");
        peer_describe(e);
        return PEER_FAIL;
    }
    return e->expired ? PEER_OK : PEER_WAIT;
}

/* ---- ends ---- */

static bool stream_parse(peer_endpoint *e, char *args)
{
    return e->stream != NULL && *args == '\0';
}

static peer_step eof_step(peer_endpoint *e)
{
    pull(e);
    if (e->in_len > 0 || e->error != AT_OK) {
        (void)snprintf(e->reason, sizeof e->reason, "no end");
        peer_describe(e);
        return PEER_FAIL;
    }
    return e->ended ? PEER_OK : PEER_WAIT;
}

static peer_step reset_step(peer_endpoint *e)
{
    if (e->error == AT_ERR_RESET)
        return PEER_OK;
    if (e->error != AT_OK || e->ended) {
        (void)snprintf(e->reason, sizeof e->reason, "no reset");
        peer_describe(e);
        return PEER_FAIL;
    }
    return PEER_WAIT;
}

static peer_step fin_step(peer_endpoint *e)
{
    at_err err = e->stream->ops->shutdown(e->stream);

    return err == AT_OK ? PEER_OK : peer_fail_err(e, err);
}

static void close_listener(peer_endpoint *e)
{
    at_tcp_unlisten(e->listener);
    e->listener = NULL;
    while (e->clients_count > 0) {
        at_stream *client = e->clients[--e->clients_count];

        client->ops->abort(client);
    }
}

static peer_step close_step(peer_endpoint *e)
{
    if (e->stream != NULL)
        e->stream->ops->close(e->stream);
    else if (e->datagram != NULL)
        at_datagram_close(e->datagram);
    else if (e->listener != NULL)
        close_listener(e);
    else
        return peer_fail(e, "nothing is open");
    if (e->stream == NULL)
        e->datagram = NULL;
    e->stream = NULL;
    return PEER_OK;
}

static peer_step abort_step(peer_endpoint *e)
{
    e->stream->ops->abort(e->stream);
    e->stream = NULL;
    return PEER_OK;
}

static bool window_parse(peer_endpoint *e, char *args)
{
    if (strcmp(args, "stop") != 0 && strcmp(args, "go") != 0)
        return false;
    e->stopped = args[0] == 's';
    return true;
}

static peer_step window_step(peer_endpoint *e)
{
    pull(e);
    return PEER_OK;
}

/* ---- datagrams ---- */

static bool udp_parse(peer_endpoint *e, char *args)
{
    e->v6 = false;
    return e->datagram == NULL && peer_take_port(e, &args) && peer_take_host(e, &args);
}

static bool udp6_parse(peer_endpoint *e, char *args)
{
    bool ok = udp_parse(e, args);

    e->v6 = true;
    return ok;
}

static peer_step udp_step(peer_endpoint *e)
{
    at_datagram_params params = {
        .v6 = e->v6, .local_port = e->port, .limit = 1000000, .on_readable = on_datagram, .owner = e
    };
    at_addr group;
    at_err err = at_datagram_open(e->peer->net, &params, &e->datagram);

    if (err == AT_OK && e->host[0] != '\0') {
        if (!at_addr_parse(e->host, &group))
            return peer_fail(e, "no address");
        err = at_datagram_join(e->datagram, &group);
    }
    return err == AT_OK ? PEER_OK : peer_fail_err(e, err);
}

/* HOST PORT, each may be *, then bytes or N SEED. */
static bool datagram_bytes(peer_endpoint *e, char *args, bool random)
{
    if (e->datagram == NULL || !peer_take_host(e, &args))
        return false;
    e->port = 0;
    if (args[0] == '*' && args[1] == ' ')
        args += 2;
    else if (!peer_take_port(e, &args))
        return false;
    if (random ? !peer_take_random(e, &args) : !peer_take_bytes(e, args))
        return false;
    if (!e->random)
        return true;
    e->bytes = at_alloc(&e->peer->heap, e->len + 1);
    for (size_t i = 0; e->bytes != NULL && i < e->len; i++)
        e->bytes[i] = peer_random_byte(&e->seed);
    return e->bytes != NULL;
}

static bool sendto_parse(peer_endpoint *e, char *args)
{
    return datagram_bytes(e, args, false);
}

static bool fillto_parse(peer_endpoint *e, char *args)
{
    return datagram_bytes(e, args, true);
}

static peer_step sendto_step(peer_endpoint *e)
{
    at_addr to;
    at_err err;

    if (!at_addr_parse(e->host, &to))
        return peer_fail(e, "no address");
    err = at_datagram_send(e->datagram, e->bytes, e->len, &to, e->port);
    return err == AT_OK ? PEER_OK : peer_fail_err(e, err);
}

static bool came_from(const peer_endpoint *e, const at_addr *from, uint16_t port)
{
    at_addr wanted;

    if (strcmp(e->host, "*") != 0 &&
        (!at_addr_parse(e->host, &wanted) || !at_addr_equal(&wanted, from)))
        return false;
    return e->port == 0 || e->port == port;
}

static peer_step recvfrom_step(peer_endpoint *e)
{
    uint8_t *got;
    char sender[AT_ADDR_TEXT];
    at_addr from;
    uint16_t port;
    size_t len;
    bool same;

    if (!at_datagram_next(e->datagram, &len, &from, &port))
        return PEER_WAIT;
    got = at_alloc(&e->peer->heap, len + 1);
    if (got == NULL)
        return peer_fail(e, "no memory");
    (void)at_datagram_read(e->datagram, got, len);
    same = came_from(e, &from, port) && len == e->len && memcmp(got, e->bytes, len) == 0;
    if (!same) {
        at_addr_format(&from, sender);
        (void)snprintf(e->reason, sizeof e->reason, "%zu bytes from %s %u: ", len, sender, port);
        peer_append(e, "", got, AT_MIN(len, 80u));
    }
    at_free(&e->peer->heap, got);
    return same ? PEER_OK : PEER_FAIL;
}

/* ---- questions and settings ---- */

static bool port_parse(peer_endpoint *e, char *args)
{
    at_copy_text(e->host, sizeof e->host, args);
    return e->stream != NULL;
}

static peer_step port_step(peer_endpoint *e)
{
    at_stream_ends ends;

    e->stream->ops->ends(e->stream, &ends);
    (void)snprintf(e->reason, sizeof e->reason, "%u", ends.remote_port);
    if (strcmp(e->host, "*") == 0 || strcmp(e->host, e->reason) == 0)
        return PEER_OK;
    return PEER_FAIL;
}

static bool timeout_parse(peer_endpoint *e, char *args)
{
    int64_t ms;

    if (!peer_take_number(&args, 1, 100000000, &ms))
        return false;
    e->timeout_ms = (uint32_t)ms;
    return true;
}

static const peer_command commands[] = {
    { "ipv6", ipv6_parse, ipv6_step },          { "udp6", udp6_parse, udp_step },
    { "address", address_parse, done_step },    { "listen", listen_parse, listen_step },
    { "accept", accept_parse, accept_step },    { "connect", host_port_parse, connect_step },
    { "send", bytes_parse, send_step },         { "expect", bytes_parse, expect_step },
    { "fill", random_parse, send_step },        { "drain", random_parse, expect_step },
    { "silence", silence_parse, silence_step }, { "eof", stream_parse, eof_step },
    { "reset", stream_parse, reset_step },      { "fin", stream_parse, fin_step },
    { "close", no_parameters, close_step },     { "abort", stream_parse, abort_step },
    { "window", window_parse, window_step },    { "udp", udp_parse, udp_step },
    { "sendto", sendto_parse, sendto_step },    { "recvfrom", sendto_parse, recvfrom_step },
    { "fillto", fillto_parse, sendto_step },    { "drainfrom", fillto_parse, recvfrom_step },
    { "port", port_parse, port_step },          { "timeout", timeout_parse, done_step },
    { "ntp", peer_ntp_parse, peer_ntp_step },   { "mdns", peer_mdns_parse, peer_mdns_step },
};

const peer_command *peer_command_find(const char *name)
{
    for (size_t i = 0; i < AT_COUNT(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}
