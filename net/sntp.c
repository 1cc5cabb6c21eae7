/* Asking SNTP servers, one after the other, until one tells the time; then again after the interval.
 *
 *     OFF --start--> WAITING --due--> RESOLVING --address--> ASKING --good answer--> WAITING
 *                       ^                  |                    |
 *                       |<- all were asked-+--no address--------+--time-out, no time: next server
 *
 * One that answered well stays the one to ask. When all of a round failed the next round comes
 * after 15 s, then 30, up to 150 s, as long as the failures go on. A server that denies service
 * (kiss of death) is not asked again until the next start; RATE makes the pause the longest one.
 *
 * An endpoint is open only while an answer is awaited, on a random port: a module that is
 * synchronised costs one timer. The answer's source has to be the one asked, its originate stamp
 * our nonce (proto/sntp.h). Half of the time that the network took is added to the server's.
 */
#include "net/net_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "iface/current.h"
#include "iface/random.h"
#include "net/datagram.h"
#include "net/resolve.h"
#include "net/sntp.h"
#include "proto/sntp.h"

#define SECOND_US   1000000ull
#define ANSWER_US   (5 * SECOND_US)
#define RETRY_S     15u
#define RETRY_MAX_S 150u
#define ANSWER_MAX  128u /* bytes that are looked at: more than any extension a server adds */
#define QUEUE_MAX   1024u

struct at_sntp {
    at_net *net;
    int64_t *date_offset_us;
    void (*on_time)(void *owner);
    void *owner;
    const char *server[AT_SNTP_SERVERS];
    unsigned count, current;
    unsigned asked;  /* servers asked in this round */
    unsigned denied; /* bit per server */
    bool online, synchronised;
    uint32_t interval_s, retry_s;
    uint64_t synchronised_us; /* when, by the loop's clock */
    uint64_t due_us;          /* of the next round */
    /* the question under way */
    at_resolve *query;
    at_datagram *socket;
    at_addr to;
    uint64_t sent_us;
    uint8_t nonce[AT_SNTP_NONCE];
    at_timer timer; /* WAITING: the next round; ASKING: no answer came */
};

static void ask(at_sntp *s);

static void drop_question(at_sntp *s)
{
    at_resolve_cancel(s->query);
    s->query = NULL;
    at_datagram_close(s->socket);
    s->socket = NULL;
    at_timer_stop(s->net->loop, &s->timer);
}

static void wait_until(at_sntp *s, uint64_t due_us)
{
    s->due_us = due_us;
    s->asked = 0;
    if (s->online)
        at_timer_at(s->net->loop, &s->timer, due_us);
}

static bool next_server(at_sntp *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        s->current = (s->current + 1) % s->count;
        if ((s->denied & 1u << s->current) == 0)
            return true;
    }
    return false;
}

/* On to the next server, or after the last one to the next round. */
static void failed(at_sntp *s, const char *why)
{
    unsigned usable = 0;

    at_log(s->net->log, AT_LOG_WARN, "sntp", "%s: %s", s->server[s->current], why);
    drop_question(s);
    if (!next_server(s)) {
        at_log(s->net->log, AT_LOG_WARN, "sntp", "every server refuses to be asked: stopped");
        s->count = 0;
        return;
    }
    for (unsigned i = 0; i < s->count; i++)
        usable += (s->denied & 1u << i) == 0;
    if (++s->asked < usable) {
        ask(s);
        return;
    }
    wait_until(s, at_loop_now(s->net->loop) + s->retry_s * SECOND_US);
    s->retry_s = AT_MIN(2 * s->retry_s, RETRY_MAX_S);
}

static void time_over(void *arg)
{
    at_sntp *s = arg;

    if (s->socket != NULL)
        failed(s, "no answer");
    else
        ask(s);
}

static void take_time(at_sntp *s, const at_sntp_answer *answer)
{
    uint64_t now_us = at_loop_now(s->net->loop);
    int64_t away_us = (int64_t)(now_us - s->sent_us) - answer->held_us;

    *s->date_offset_us = answer->unix_us + AT_MAX(away_us, 0) / 2 - (int64_t)now_us;
    s->synchronised = true;
    s->synchronised_us = now_us;
    s->retry_s = RETRY_S;
    at_log(s->net->log, AT_LOG_INFO, "sntp", "synchronised by %s", s->server[s->current]);
    drop_question(s);
    wait_until(s, now_us + s->interval_s * SECOND_US);
    s->on_time(s->owner);
}

static void judge(at_sntp *s, const uint8_t *message, size_t len)
{
    at_sntp_answer answer;

    switch (at_sntp_judge(message, len, s->nonce, &answer)) {
    case AT_SNTP_GOOD: take_time(s, &answer); break;
    case AT_SNTP_FOREIGN: break;
    case AT_SNTP_UNUSABLE: failed(s, "it is not synchronised itself"); break;
    case AT_SNTP_RATE:
        s->retry_s = RETRY_MAX_S;
        failed(s, "asked too often");
        break;
    case AT_SNTP_DENIED:
        s->denied |= 1u << s->current;
        failed(s, "it refuses service");
        break;
    }
}

static void on_readable(void *owner)
{
    at_sntp *s = owner;
    uint8_t message[ANSWER_MAX];
    at_datagram *socket = s->socket;
    at_addr from;
    uint16_t port;
    size_t len;

    /* A verdict may close the endpoint, or open another one. */
    while (socket != NULL && s->socket == socket && at_datagram_next(socket, &len, &from, &port)) {
        len = at_datagram_read(socket, message, sizeof message);
        if (at_datagram_touched(socket))
            at_datagram_drop(socket);
        if (port == AT_SNTP_PORT && at_addr_equal(&from, &s->to))
            judge(s, message, len);
    }
}

static at_err send_request(at_sntp *s)
{
    at_datagram_params params = {
        .v6 = s->to.family == AT_IPV6, .limit = QUEUE_MAX, .on_readable = on_readable, .owner = s
    };
    uint8_t message[AT_SNTP_LEN];
    at_err err = at_datagram_open(s->net, &params, &s->socket);

    if (err != AT_OK)
        return err;
    at_the_current.random->fill(at_the_current.random->ctx, s->nonce, sizeof s->nonce);
    at_sntp_request(message, s->nonce);
    s->sent_us = at_loop_now(s->net->loop);
    at_timer_in(s->net->loop, &s->timer, ANSWER_US);
    return at_datagram_send(s->socket, message, sizeof message, &s->to, AT_SNTP_PORT);
}

static void resolved(void *arg, at_err err, const at_addr *addr)
{
    at_sntp *s = arg;

    s->query = NULL;
    if (err == AT_OK) {
        s->to = *addr;
        err = send_request(s);
    }
    if (err != AT_OK)
        failed(s, at_err_text(err));
}

static void ask(at_sntp *s)
{
    at_err err = at_resolve_start(s->net, s->server[s->current], AT_RESOLVE_V4_FIRST, 0, resolved,
                                  s, &s->query);

    if (err == AT_OK)
        return;
    /* Not `failed`: the next server would fare no better. */
    at_log(s->net->log, AT_LOG_WARN, "sntp", "%s: %s", s->server[s->current], at_err_text(err));
    s->query = NULL;
    wait_until(s, at_loop_now(s->net->loop) + s->retry_s * SECOND_US);
}

at_sntp *at_sntp_create(const at_sntp_config *config)
{
    at_sntp *s = at_calloc(config->net->heap, 1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->net = config->net;
    s->date_offset_us = config->date_offset_us;
    s->on_time = config->on_time;
    s->owner = config->owner;
    s->interval_s = AT_SNTP_INTERVAL_S;
    at_timer_init(&s->timer, time_over, s);
    return s;
}

void at_sntp_start(at_sntp *s, const char *const *servers, unsigned count)
{
    drop_question(s);
    s->count = count;
    memcpy(s->server, servers, count * sizeof *servers);
    s->current = s->denied = 0;
    s->synchronised = false;
    s->retry_s = RETRY_S;
    wait_until(s, at_loop_now(s->net->loop));
}

void at_sntp_stop(at_sntp *s)
{
    drop_question(s);
    s->count = 0;
}

void at_sntp_online(at_sntp *s, bool online)
{
    s->online = online;
    if (!online)
        drop_question(s);
    else if (s->count > 0 && s->query == NULL && s->socket == NULL) {
        s->retry_s = RETRY_S;
        /* What failed before failed for want of a network. */
        wait_until(s, s->synchronised ? s->due_us : at_loop_now(s->net->loop));
    }
}

void at_sntp_set_interval(at_sntp *s, uint32_t seconds)
{
    bool waiting = s->count > 0 && s->synchronised && s->query == NULL && s->socket == NULL;
    uint64_t before_us = s->synchronised_us + s->interval_s * SECOND_US;

    s->interval_s = seconds;
    if (waiting && s->due_us == before_us) /* not a retry after a failure */
        wait_until(s, s->synchronised_us + seconds * SECOND_US);
}

uint32_t at_sntp_interval(const at_sntp *s)
{
    return s->interval_s;
}
