/* Stream sockets as a UART.
 *
 * The listener stays with the bench, the connection goes to the chip (by inheritance at a boot, by
 * SCM_RIGHTS while one runs), so no byte is relayed. The bench keeps its own descriptor of the client
 * for the next boot and watches it only for the end.
 *
 * A client that has closed its sending side may be a `printf | nc` that still waits for the answers, or
 * gone for good; TCP cannot tell. So it keeps the port until somebody else connects. A client that is
 * still sending keeps it against all others, who are told so in one line.
 *
 * What the module says before the first client of a boot (`ready`) is kept for it, like a
 * pseudo-terminal does; after a client went, output is discarded.
 */
#include "ports/linux/socket_port.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/stream.h"

typedef struct socket_port {
    lx_connector connector;
    lx_poller *poller; /* the bench's */
    const at_log *log;
    lx_source listener; /* fd -1: a single connection */
    lx_source client;   /* fd -1: nobody */
    bool client_ended;  /* sends no more */
    void (*send)(void *ctx, int fd);
    void *send_ctx;
    /* in the chip */
    lx_stream stream;
    lx_plug plug;
    bool had_client;
    uint8_t early[512]; /* output before the first client */
    size_t early_len;
} socket_port;

/* ---- the chip's end ---- */

static ssize_t socket_read(lx_stream *s, void *buf, size_t room)
{
    return recv(s->in.fd, buf, room, MSG_DONTWAIT);
}

static ssize_t socket_write(lx_stream *s, const void *data, size_t len)
{
    socket_port *p = s->ctx;

    if (!p->had_client) {
        size_t kept = AT_MIN(len, sizeof p->early - p->early_len);

        memcpy(p->early + p->early_len, data, kept);
        p->early_len += kept;
        return (ssize_t)len;
    }
    return send(s->out.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void socket_ended(lx_stream *s, int error)
{
    socket_port *p = s->ctx;

    if (p->listener.fd < 0)
        p->plug.ended(p->plug.ctx, error != 0 ? strerror(error) : "the other end closed");
}

static const lx_stream_kind socket_kind = {
    .read = socket_read,
    .write = socket_write,
    .ended = socket_ended,
};

static void take_newcomer(void *ctx, int fd)
{
    socket_port *p = ctx;
    int old = p->stream.in.fd;

    lx_stream_replace(&p->stream, fd, fd);
    if (old >= 0)
        close(old);
    if (!p->had_client && p->early_len > 0)
        send(fd, p->early, p->early_len, MSG_DONTWAIT | MSG_NOSIGNAL); /* fits an empty buffer */
    p->had_client = true;
}

static at_byteport *socket_plug(lx_connector *c, const lx_plug *plug)
{
    socket_port *p = AT_CONTAINER(c, socket_port, connector);
    int fd = p->client.fd;

    p->plug = *plug;
    p->had_client = fd >= 0;
    if (!lx_stream_init(&p->stream, &socket_kind, p, plug->loop, plug->poller, plug->log, fd, fd))
        return NULL;
    if (p->listener.fd >= 0) {
        lx_stream_set_heard(&p->stream, true); /* see socket_write */
        *plug->newcomers = (lx_newcomers){ .take = take_newcomer, .ctx = p };
    }
    return &p->stream.port;
}

/* ---- the bench's end ---- */

static size_t socket_fds(const lx_connector *c, int fds[LX_CONNECTOR_FDS])
{
    const socket_port *p = AT_CONTAINER(c, socket_port, connector);

    if (p->client.fd < 0)
        return 0;
    fds[0] = p->client.fd;
    return 1;
}

static void socket_flush(lx_connector *c)
{
    socket_port *p = AT_CONTAINER(c, socket_port, connector);
    char waste[4096];

    while (p->client.fd >= 0 && recv(p->client.fd, waste, sizeof waste, MSG_DONTWAIT) > 0)
        continue;
}

static void drop_client(socket_port *p)
{
    lx_source_remove(p->poller, &p->client);
    if (p->client.fd >= 0)
        close(p->client.fd);
    p->client.fd = -1;
}

static void socket_close(lx_connector *c)
{
    socket_port *p = AT_CONTAINER(c, socket_port, connector);

    drop_client(p);
    lx_source_remove(p->poller, &p->listener);
    if (p->listener.fd >= 0)
        close(p->listener.fd);
    free(p);
}

static void on_client_end(void *arg, short revents)
{
    socket_port *p = arg;

    (void)revents;
    p->client_ended = true;
    lx_source_remove(p->poller, &p->client); /* poll would say it for ever */
}

static void refuse(int fd)
{
    static const char text[] = "attache: the AT port is in use by another client\r\n";

    send(fd, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

static void on_listener(void *arg, short revents)
{
    socket_port *p = arg;
    const int on = 1;
    int fd = accept4(p->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)revents;
    if (fd < 0)
        return;
    if (p->client.fd >= 0 && !p->client_ended) {
        refuse(fd);
        return;
    }
    drop_client(p);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    p->client = (lx_source){ .fd = fd, .events = POLLRDHUP, .ready = on_client_end, .arg = p };
    p->client_ended = false;
    lx_source_add(p->poller, &p->client);
    at_log(p->log, AT_LOG_INFO, "port", "a client connected");
    p->send(p->send_ctx, fd);
}

/* ---- opening ---- */

/* Splits "[HOST:]PORT"; host "" when there is none. */
static bool split_where(const char *where, char *host, size_t host_room, char *port,
                        size_t port_room)
{
    const char *colon = strrchr(where, ':');
    const char *from = where;
    size_t len = colon != NULL ? (size_t)(colon - where) : 0;
    int64_t number;

    if (len >= 2 && where[0] == '[' && where[len - 1] == ']') {
        from = where + 1;
        len -= 2;
    }
    if (len >= host_room)
        return false;
    memcpy(host, from, len);
    host[len] = '\0';
    at_copy_text(port, port_room, colon != NULL ? colon + 1 : where);
    return at_parse_int(port, strlen(port), &number) && number >= 0 && number <= 65535;
}

bool lx_listen_valid(const char *where)
{
    char host[128], port[16];

    return split_where(where, host, sizeof host, port, sizeof port);
}

static int bind_to(const char *host, const char *port, char *why, size_t room)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *found = NULL;
    const int on = 1;
    int error = getaddrinfo(host, port, &hints, &found), fd;

    if (error != 0) {
        snprintf(why, room, "no such address %s: %s", host, gai_strerror(error));
        return -1;
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 8) != 0) {
        snprintf(why, room, "cannot listen on %s port %s: %s", host, port, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static void describe(socket_port *p, const char *host)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    unsigned port = 0;

    memset(&address, 0, sizeof address);
    if (getsockname(p->listener.fd, (struct sockaddr *)&address, &len) == 0)
        port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                   : ((struct sockaddr_in *)&address)->sin_port);
    snprintf(p->connector.path, sizeof p->connector.path,
             strchr(host, ':') != NULL ? "socket://[%s]:%u" : "socket://%s:%u", host, port);
}

static socket_port *make(void)
{
    static const lx_connector_ops ops = {
        .fds = socket_fds,
        .flush = socket_flush,
        .plug = socket_plug,
        .close = socket_close,
    };
    socket_port *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    p->connector.ops = &ops;
    p->listener.fd = p->client.fd = -1;
    return p;
}

lx_connector *lx_listen_open(const char *where, lx_poller *poller, const at_log *log,
                             void (*send)(void *ctx, int fd), void *ctx, char *why, size_t room)
{
    char host[128], port[16];
    socket_port *p;

    if (!split_where(where, host, sizeof host, port, sizeof port)) {
        snprintf(why, room, "'%s' is not [HOST:]PORT", where);
        return NULL;
    }
    if (host[0] == '\0')
        at_copy_text(host, sizeof host, "127.0.0.1");
    p = make();
    if (p == NULL) {
        snprintf(why, room, "out of memory");
        return NULL;
    }
    p->poller = poller;
    p->log = log;
    p->send = send;
    p->send_ctx = ctx;
    p->connector.label = "listen";
    p->listener = (lx_source){
        .fd = bind_to(host, port, why, room), .events = POLLIN, .ready = on_listener, .arg = p
    };
    if (p->listener.fd < 0 || !lx_source_add(poller, &p->listener)) {
        socket_close(&p->connector);
        return NULL;
    }
    describe(p, host);
    return &p->connector;
}

lx_connector *lx_socket_open(int fd)
{
    socket_port *p = make();

    if (p == NULL)
        return NULL;
    p->connector.label = "socket";
    p->client.fd = fd;
    return &p->connector;
}

int lx_socket_connect(const char *where)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    char host[128], port[16];
    struct addrinfo *found = NULL;
    int fd;

    if (!split_where(where, host, sizeof host, port, sizeof port) ||
        getaddrinfo(host, port, &hints, &found) != 0) {
        errno = EINVAL;
        return -1;
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (connect(fd, found->ai_addr, found->ai_addrlen) != 0 ||
                    fcntl(fd, F_SETFL, O_NONBLOCK) != 0)) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}
