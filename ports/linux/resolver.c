/* A DNS forwarder that keeps queries as they are.
 *
 * Each query has a UDP socket of its own (so a random port), connected to one server after the
 * other: all name servers of resolv.conf in their order, 2 seconds each, the next at once when the
 * kernel reports an error or the server answers SERVFAIL or REFUSED. The last such answer is
 * handed on when no server has a better one; silence of all is an answer of length 0.
 *
 * The number of queries in flight is bounded; what comes above that fails at once. Even then the
 * answer is called from the loop, never from inside query. Answers that are cut (TC) are handed on
 * as they are: what asks through the air is a module with a small resolver.
 */
#include "ports/linux/resolver.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"

#define QUERY_MAX     512u
#define ANSWER_MAX    1460u
#define SERVERS_MAX   8u
#define IN_FLIGHT_MAX 64u
#define SERVER_US     2000000u

typedef struct server {
    struct sockaddr_storage address;
    socklen_t len;
} server;

struct lx_query {
    lx_resolver *owner;
    lx_query *next;
    lx_source source;
    at_timer timer;
    void (*answer)(void *arg, const uint8_t *data, size_t len);
    void *arg;
    server servers[SERVERS_MAX];
    size_t server_count, current;
    size_t query_len, kept_len;
    uint8_t query[QUERY_MAX];
    uint8_t kept[ANSWER_MAX]; /* the last refusal */
};

static void close_socket(lx_query *q)
{
    lx_source_remove(q->owner->poller, &q->source);
    if (q->source.fd >= 0)
        close(q->source.fd);
    q->source.fd = -1;
}

static void forget(lx_query *q)
{
    lx_resolver *r = q->owner;
    lx_query **link = &r->first;

    while (*link != q)
        link = &(*link)->next;
    *link = q->next;
    r->count--;
    close_socket(q);
    at_timer_stop(r->loop, &q->timer);
}

static void finish(lx_query *q, const uint8_t *data, size_t len)
{
    at_heap *heap = q->owner->heap;

    forget(q);
    q->answer(q->arg, data, len);
    at_free(heap, q);
}

static void ready(void *arg, short revents);

static bool send_to(lx_query *q, const server *to)
{
    int fd = socket(to->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    q->source = (lx_source){ .fd = fd, .events = POLLIN, .ready = ready, .arg = q };
    if (connect(fd, (const struct sockaddr *)&to->address, to->len) == 0 &&
        send(fd, q->query, q->query_len, MSG_NOSIGNAL) == (ssize_t)q->query_len &&
        lx_source_add(q->owner->poller, &q->source)) {
        at_timer_in(q->owner->loop, &q->timer, q->owner->server_us);
        return true;
    }
    close_socket(q);
    return false;
}

/* The first server when none was asked yet, else the one behind the current. */
static void ask_next(void *arg)
{
    lx_query *q = arg;

    close_socket(q);
    while (q->current < q->server_count) {
        if (send_to(q, &q->servers[q->current++]))
            return;
    }
    finish(q, q->kept, q->kept_len);
}

static void ready(void *arg, short revents)
{
    lx_query *q = arg;
    uint8_t data[ANSWER_MAX];
    ssize_t got = recv(q->source.fd, data, sizeof data, 0);
    unsigned rcode;

    (void)revents;
    if (got < 0) { /* an ICMP error; nothing there only after a bad checksum */
        ask_next(q);
        return;
    }
    if (got < 12 || memcmp(data, q->query, 2) != 0 || (data[2] & 0x80) == 0)
        return;
    rcode = data[3] & 15u;
    if (rcode == 2 || rcode == 5) {
        memcpy(q->kept, data, (size_t)got);
        q->kept_len = (size_t)got;
        ask_next(q);
        return;
    }
    finish(q, data, (size_t)got);
}

static void read_servers(lx_query *q)
{
    FILE *file = fopen(q->owner->path, "re");
    char line[256];

    if (file == NULL)
        return;
    while (q->server_count < SERVERS_MAX && fgets(line, sizeof line, file) != NULL) {
        struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                  .ai_socktype = SOCK_DGRAM };
        struct addrinfo *info = NULL;
        char address[80];

        if (sscanf(line, " nameserver %79s", address) != 1 ||
            getaddrinfo(address, q->owner->port, &hints, &info) != 0)
            continue;
        if (info->ai_addrlen <= sizeof q->servers[0].address) {
            server *s = &q->servers[q->server_count++];

            memcpy(&s->address, info->ai_addr, info->ai_addrlen);
            s->len = info->ai_addrlen;
        }
        freeaddrinfo(info);
    }
    fclose(file);
}

/* The promise that answers never come from inside query, when there is no memory to keep it: none.
 * */
static void query(void *ctx, const uint8_t *data, size_t len,
                  void (*answer)(void *arg, const uint8_t *data, size_t len), void *arg)
{
    lx_resolver *r = ctx;
    lx_query *q = at_alloc_reserve(r->heap, sizeof *q);

    if (q == NULL)
        return;
    memset(q, 0, sizeof *q);
    q->owner = r;
    q->answer = answer;
    q->arg = arg;
    q->source.fd = -1;
    at_timer_init(&q->timer, ask_next, q);
    q->next = r->first;
    r->first = q;
    if (len <= sizeof q->query && len >= 12 && r->count < IN_FLIGHT_MAX) {
        memcpy(q->query, data, len);
        q->query_len = len;
        read_servers(q);
    }
    r->count++;
    at_timer_in(r->loop, &q->timer, 0);
}

static void cancel(void *ctx, void *arg)
{
    lx_resolver *r = ctx;

    for (lx_query *q = r->first; q != NULL; q = q->next) {
        if (q->arg == arg) {
            forget(q);
            at_free(r->heap, q);
            return;
        }
    }
}

void lx_resolver_init(lx_resolver *r, at_loop *loop, lx_poller *poller, at_heap *heap,
                      const char *path)
{
    *r = (lx_resolver){
        .resolver = { .ctx = r, .query = query, .cancel = cancel },
        .loop = loop,
        .poller = poller,
        .heap = heap,
        .path = path != NULL ? path : "/etc/resolv.conf",
        .port = "53",
        .server_us = SERVER_US,
    };
}

void lx_resolver_close(lx_resolver *r)
{
    while (r->first != NULL) {
        lx_query *q = r->first;

        forget(q);
        at_free(r->heap, q);
    }
}
