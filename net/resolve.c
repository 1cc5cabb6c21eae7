/* Names to addresses: literals are answered here, names by lwIP's resolver.
 *
 * lwIP cannot cancel a query, so the structure of a query lives until lwIP has called back,
 * whatever its owner did: a cancelled or timed-out query just has no `done` any more. While lwIP
 * has queries the DNS timer is kept running (net_timers.dns_users).
 *
 *     WAITING (lwIP has it)  --answer-->  ANSWERED (task posted)  --task--> freed
 *        | time-out, cancel: done = NULL, freed by the answer
 *
 * lwIP reports a name that does not exist and servers that do not answer in the same way. They
 * differ in when that happens: the first while an answer comes in, the second inside the DNS
 * timer.
 */
#include "net/net_priv.h"

#include <string.h>

#include "lwip/dns.h"

#include "core/bytes.h"
#include "net/resolve.h"

struct at_resolve {
    at_net *net;
    void (*done)(void *arg, at_err err, const at_addr *addr);
    void *arg;
    bool waiting;  /* lwIP will call back */
    bool finished; /* err and addr are the answer */
    at_err err;
    at_addr addr;
    at_task task;
    at_timer timeout;
};

static void release(at_resolve *query)
{
    at_loop_unpost(query->net->loop, &query->task);
    at_timer_stop(query->net->loop, &query->timeout);
    if (!query->waiting)
        at_free(query->net->heap, query);
}

static void finish(at_resolve *query, at_err err)
{
    query->finished = true;
    query->err = err;
    at_loop_post(query->net->loop, &query->task);
}

static void deliver(void *arg)
{
    at_resolve *query = arg;
    void (*done)(void *, at_err, const at_addr *) = query->done;
    void *done_arg = query->arg;
    at_addr addr = query->addr;
    at_err err = query->err;

    query->done = NULL;
    release(query);
    if (done != NULL)
        done(done_arg, err, &addr);
}

static void timed_out(void *arg)
{
    at_resolve *query = arg;

    if (!query->finished)
        finish(query, AT_ERR_TIMEOUT);
}

/* From lwIP. */
static void on_found(const char *name, const ip_addr_t *found, void *arg)
{
    at_resolve *query = arg;

    (void)name;
    query->waiting = false;
    query->net->timers.dns_users--;
    if (query->done == NULL) {
        release(query);
        return;
    }
    if (query->finished)
        return;
    if (found != NULL)
        net_from_lwip(found, &query->addr);
    if (found != NULL)
        finish(query, AT_OK);
    else
        finish(query, query->net->timers.running ? AT_ERR_TIMEOUT : AT_ERR_NOT_FOUND);
}

/* IPv4 first falls back to IPv6 only while IPv6 is on: an address nobody can reach is no answer. */
static u8_t type_for(const at_net *net, at_resolve_want want)
{
    if (want == AT_RESOLVE_V4_FIRST && net->ip6)
        return LWIP_DNS_ADDRTYPE_IPV4_IPV6;
    return want == AT_RESOLVE_V6 ? LWIP_DNS_ADDRTYPE_IPV6 : LWIP_DNS_ADDRTYPE_IPV4;
}

static at_err ask(at_resolve *query, const char *name, at_resolve_want want)
{
    at_net *net = query->net;
    ip_addr_t found;
    err_t err;

    net_enter(net);
    net_dns_apply(net);
    net->timers.dns_used = true;
    err = dns_gethostbyname_addrtype(name, &found, on_found, query, type_for(net, want));
    if (err == ERR_OK) {
        net_from_lwip(&found, &query->addr);
        finish(query, AT_OK);
        return AT_OK;
    }
    if (err == ERR_INPROGRESS) {
        query->waiting = true;
        net->timers.dns_users++;
        return AT_OK;
    }
    if (err == ERR_MEM)
        return AT_ERR_NOMEM;
    finish(query, AT_ERR_NOT_FOUND); /* no name of the DNS */
    return AT_OK;
}

static bool wanted(at_resolve_want want, const at_addr *addr)
{
    return want == AT_RESOLVE_V4_FIRST || (addr->family == AT_IPV6) == (want == AT_RESOLVE_V6);
}

static at_err begin(at_resolve *query, const char *name, at_resolve_want want)
{
    at_addr literal;

    if (at_addr_parse(name, &literal)) {
        query->addr = literal;
        finish(query, wanted(want, &literal) ? AT_OK : AT_ERR_NOT_FOUND);
        return AT_OK;
    }
    if (!net_has_address(query->net, AT_FAMILY_NONE)) {
        finish(query, AT_ERR_UNREACHABLE);
        return AT_OK;
    }
    return ask(query, name, want);
}

at_err at_resolve_start(at_net *net, const char *name, at_resolve_want want, uint32_t timeout_ms,
                        void (*done)(void *arg, at_err err, const at_addr *addr), void *arg,
                        at_resolve **query)
{
    at_resolve *q = at_calloc(net->heap, 1, sizeof *q);
    at_err err;

    if (q == NULL)
        return AT_ERR_NOMEM;
    q->net = net;
    q->done = done;
    q->arg = arg;
    at_task_init(&q->task, deliver, q);
    at_timer_init(&q->timeout, timed_out, q);
    err = begin(q, name, want);
    if (err != AT_OK) {
        release(q);
        return err;
    }
    if (timeout_ms > 0)
        at_timer_in(net->loop, &q->timeout, (uint64_t)timeout_ms * 1000u);
    *query = q;
    return AT_OK;
}

void at_resolve_cancel(at_resolve *query)
{
    if (query == NULL)
        return;
    query->done = NULL;
    release(query);
}
