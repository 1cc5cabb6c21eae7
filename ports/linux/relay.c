/* Connections between this computer and an air.
 *
 * Each has two directions, each with a buffer of one block: `in` from the socket to the stream, `out`
 * from the stream to the socket. A direction reads only when its buffer is empty, so whoever does not
 * take its bytes holds the other side's window closed. An end in order is passed on behind the last byte;
 * when both directions have ended the connection is gone. A reset, or an error on either side, resets
 * the other side too. All of that is in step(), which every event ends up in. */
#include "ports/linux/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream_tcp.h"

enum { BLOCK = 16384, BACKLOG = 64 };

typedef struct half {
    uint8_t bytes[BLOCK];
    size_t at, len;
    bool ended, passed_on; /* its source has no more; its target knows */
} half;

typedef struct relayed {
    lx_relay *relay;
    struct relayed *next;
    lx_source source; /* the socket */
    at_stream *stream;
    bool open;
    half in, out;
} relayed;

struct lx_relay {
    lx_relay_config config;
    lx_source listener;
    uint16_t port;
    relayed *connections;
};

static void forget(relayed *r, bool reset)
{
    const struct linger hard = { .l_onoff = 1, .l_linger = 0 };
    relayed **link = &r->relay->connections;

    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
    if (r->stream != NULL && reset)
        r->stream->ops->abort(r->stream);
    else if (r->stream != NULL)
        r->stream->ops->close(r->stream);
    lx_source_remove(r->relay->config.poller, &r->source);
    if (reset)
        setsockopt(r->source.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(r->source.fd);
    free(r);
}

/* ---- the two directions; false: the connection is broken ---- */

static bool move_in(relayed *r)
{
    half *h = &r->in;

    for (;;) {
        if (h->at == h->len && !h->ended) {
            ssize_t got = recv(r->source.fd, h->bytes, sizeof h->bytes, MSG_DONTWAIT);

            if (got < 0)
                return errno == EAGAIN || errno == EINTR;
            h->at = 0;
            h->len = (size_t)got;
            h->ended = got == 0;
        }
        h->at += r->stream->ops->write(r->stream, h->bytes + h->at, h->len - h->at);
        if (h->at < h->len)
            return true; /* WRITABLE follows */
        if (h->ended) {
            if (!h->passed_on)
                (void)r->stream->ops->shutdown(r->stream);
            h->passed_on = true;
            return true;
        }
    }
}

static bool move_out(relayed *r)
{
    half *h = &r->out;

    for (;;) {
        if (h->at == h->len) {
            h->at = 0;
            h->len = r->stream->ops->read(r->stream, h->bytes, sizeof h->bytes);
        }
        if (h->len == 0) {
            if (h->ended && !h->passed_on)
                shutdown(r->source.fd, SHUT_WR);
            h->passed_on = h->ended;
            return true;
        }
        ssize_t sent =
            send(r->source.fd, h->bytes + h->at, h->len - h->at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        h->at += (size_t)sent;
    }
}

/* Moves what can be moved; may free r. */
static void step(relayed *r)
{
    bool whole = !r->open || (move_in(r) && move_out(r));
    short events = 0;

    if (!whole) {
        forget(r, true);
        return;
    }
    if (r->in.passed_on && r->out.passed_on) {
        forget(r, false);
        return;
    }
    if (r->open && r->in.at == r->in.len && !r->in.ended)
        events |= POLLIN;
    if (r->out.at < r->out.len)
        events |= POLLOUT;
    lx_source_set_events(r->relay->config.poller, &r->source, events);
}

static void on_socket(void *arg, short revents)
{
    relayed *r = arg;

    if ((revents & (POLLERR | POLLNVAL)) != 0)
        forget(r, true);
    else
        step(r);
}

static void on_stream(void *owner, at_stream *stream, unsigned events)
{
    relayed *r = owner;

    (void)stream;
    if ((events & AT_STREAM_OPENED) != 0)
        r->open = true;
    if ((events & AT_STREAM_ENDED) != 0)
        r->out.ended = true;
    if ((events & AT_STREAM_FAILED) != 0) {
        if (r->open)
            (void)move_out(r); /* what came before */
        forget(r, true);
        return;
    }
    step(r);
}

/* ---- new ones ---- */

static void carry(lx_relay *relay, int fd)
{
    relayed *r = calloc(1, sizeof *r);
    at_tcp_params params = { .to = relay->config.to,
                             .port = relay->config.to_port,
                             .options = { .nodelay = true },
                             .on_event = on_stream,
                             .owner = r };
    at_err err = AT_ERR_NOMEM;

    if (r == NULL) {
        close(fd);
        return;
    }
    r->relay = relay;
    r->source = (lx_source){ .fd = fd, .ready = on_socket, .arg = r };
    r->next = relay->connections;
    relay->connections = r;
    if (lx_source_add(relay->config.poller, &r->source))
        err = at_tcp_connect(relay->config.net, &params, &r->stream);
    if (err == AT_OK)
        return;
    at_log(relay->config.log, AT_LOG_WARN, "join", "a connection is refused: %s", at_err_text(err));
    r->stream = NULL;
    forget(r, true);
}

static void on_connection(void *arg, short revents)
{
    lx_relay *relay = arg;
    int fd = accept4(relay->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)revents;
    if (fd >= 0)
        carry(relay, fd);
}

lx_relay *lx_relay_open(const lx_relay_config *config, char *why, size_t room)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(config->host_port) };
    socklen_t len = sizeof address;
    const int on = 1;
    lx_relay *relay = calloc(1, sizeof *relay);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (relay != NULL && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, BACKLOG) == 0 && getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        relay->config = *config;
        relay->port = ntohs(address.sin_port);
        relay->listener =
            (lx_source){ .fd = fd, .events = POLLIN, .ready = on_connection, .arg = relay };
        if (lx_source_add(config->poller, &relay->listener))
            return relay;
    }
    snprintf(why, room, "cannot listen on 127.0.0.1:%u: %s", (unsigned)config->host_port,
             strerror(errno));
    if (fd >= 0)
        close(fd);
    free(relay);
    return NULL;
}

void lx_relay_close(lx_relay *relay)
{
    if (relay == NULL)
        return;
    for (relayed *c = relay->connections, *next; c != NULL; c = next) {
        next = c->next;
        forget(c, true);
    }
    lx_source_remove(relay->config.poller, &relay->listener);
    close(relay->listener.fd);
    free(relay);
}

uint16_t lx_relay_port(const lx_relay *relay)
{
    return relay->port;
}
