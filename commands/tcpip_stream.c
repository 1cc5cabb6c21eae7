/* Data that is passed on while it arrives: AT+CIPSENDL and passthrough (guide 3.3.9 to 3.3.11, WIRE 5).
 *
 * A sink takes the bytes from the receive ring straight to the stack: whole blocks of <transmit size>
 * at once, a shorter rest when AT+TRANSINTVL has passed since its first byte was seen. What the stack
 * does not take stays in the ring, and a full ring stops the host.
 *
 * AT+CIPSENDL with a lost link swallows the rest, as the guide asks. Passthrough with a lost link keeps
 * what arrives, opens the connection again every AT+CIPRECONNINTV and goes on; a server waits for its
 * next client. +++ drops what was not sent. */
#include "commands/tcpip_priv.h"

#include <string.h>

#include "commands/ssl.h"
#include "core/bytes.h"
#include "core/wire.h"

typedef struct sender {
    at_sink sink;
    at_tcpip_link *link;
    const at_send_target *target; /* NULL: the link's peer */
    at_timer interval;
    uint64_t since; /* when the first byte of an unsent rest was seen, 0: none */
    size_t block;   /* transmit size */
    uint64_t sent;
    uint64_t reported; /* of sent, in AT+CIPSENDL rows */
    bool udp, swallow; /* swallow: the link is lost, bytes are dropped */
    bool keep;         /* passthrough: with a lost link keep them instead */
    at_signal *progress;
} sender;

static void interval_over(void *arg)
{
    sender *s = arg;
    at_stream_poke(s->link->family->app->session);
}

static bool link_open(const at_tcpip_link *link)
{
    at_link_info info;
    at_link_get(link->family->app->links, link->id, &info);
    return info.state == AT_LINK_OPEN;
}

/* How many of total bytes are due now: whole blocks, and the rest when its time has come. */
static size_t due_bytes(sender *s, size_t total)
{
    at_app *app = s->link->family->app;
    uint64_t now = at_loop_now(app->loop), interval = s->link->family->interval_ms * 1000ull;
    size_t whole = total - total % s->block;
    if (s->since == 0)
        s->since = now;
    if (whole > 0 && whole < total)
        return whole;
    if (whole == total || now - s->since >= interval)
        return total;
    at_timer_at(app->loop, &s->interval, s->since + interval);
    return 0;
}

static size_t send_datagram(sender *s, const uint8_t *first, size_t first_len,
                            const uint8_t *second, size_t len)
{
    uint8_t joined[AT_CHUNK_MAX];
    at_links *links = s->link->family->app->links;
    const at_send_target *to = s->target;
    if (len > first_len) {
        memcpy(joined, first, first_len);
        memcpy(joined + first_len, second, len - first_len);
        first = joined;
    }
    at_err err =
        at_link_send_to(links, s->link->id, first, len, to != NULL && to->to_given ? &to->to : NULL,
                        to != NULL ? to->port : 0);
    if (err != AT_OK)
        at_log(s->link->family->app->log, AT_LOG_WARN, "tcpip",
               "link %u: datagram of %u bytes lost: %s", s->link->id, (unsigned)len,
               at_err_text(err));
    else
        s->sent += len;
    return len;
}

static size_t send_bytes(sender *s, const uint8_t *first, size_t first_len, const uint8_t *second,
                         size_t due)
{
    at_links *links = s->link->family->app->links;
    size_t head = AT_MIN(first_len, due), tail = due - head;
    size_t n = at_link_write(links, s->link->id, first, head);
    if (n == head && tail > 0)
        n += at_link_write(links, s->link->id, second, tail);
    at_link_flush(links, s->link->id);
    s->sent += n;
    return n;
}

static size_t consume(void *arg, const uint8_t *first, size_t first_len, const uint8_t *second,
                      size_t second_len)
{
    sender *s = arg;
    size_t total = first_len + second_len, n;
    bool open = !s->swallow && link_open(s->link);
    if (!open) {
        s->swallow = !s->keep;
        return s->keep ? 0 : total;
    }
    size_t due = due_bytes(s, total);
    if (due == 0)
        return 0;
    n = s->udp ? send_datagram(s, first, first_len, second, AT_MIN(due, s->block))
               : send_bytes(s, first, first_len, second, due);
    if (n > 0) {
        s->since = 0;
        at_signal_raise(s->progress);
    }
    return n;
}

static void sender_start(sender *s, at_tcpip_link *link)
{
    at_link_info info;
    at_link_get(link->family->app->links, link->id, &info);
    s->link = link;
    s->sink = (at_sink){ .consume = consume, .arg = s };
    s->udp = at_link_type_is_udp(info.state != AT_LINK_FREE ? info.type : link->reopen.type);
    s->progress = &link->changed;
    at_timer_init(&s->interval, interval_over, s);
}

static void sender_stop(at_call *call, sender *s)
{
    at_stream_end(call);
    at_timer_stop(s->link->family->app->loop, &s->interval);
}

/* --- AT+CIPSENDL --- */

static void report(at_call *call, sender *s, bool last)
{
    uint64_t size = s->link->family->report_size;
    while (s->sent - s->reported >= size || (last && s->sent > s->reported)) {
        s->reported = AT_MIN(s->reported + size, s->sent);
        at_row(call, "+CIPSENDL:%lu,%lu\r\n", (unsigned long)s->reported,
               (unsigned long)at_stream_received(call->session));
    }
}

at_result at_cipsendl_set(at_call *call)
{
    at_send_target target;
    at_tcpip *family = at_tcpip_of(call);
    if (!at_send_target_of(call, &target))
        return AT_RESULT_ERROR;
    sender s = { .target = &target, .block = family->transmit_size };
    sender_start(&s, target.link);
    at_stream_begin(call, AT_MODE_STREAMED, (uint64_t)target.length, &s.sink);
    at_err err;
    while ((err = at_stream_wait(call, &target.link->changed, UINT32_MAX)) == AT_OK)
        report(call, &s, false);
    report(call, &s, true);
    sender_stop(call, &s);
    at_wire_id id = err != AT_ERR_CLOSED                ? AT_WIRE_SEND_CANCELLED
                    : s.sent == (uint64_t)target.length ? AT_WIRE_SEND_OK
                                                        : AT_WIRE_SEND_FAIL;
    at_write(call, at_wire[id].text, at_wire[id].len);
    return AT_RESULT_SILENT;
}

/* --- passthrough --- */

/* The one link that passthrough uses: link 0, or with a server its one client. */
static at_tcpip_link *passthrough_link(at_tcpip *family)
{
    for (unsigned id = 0; id < (family->mux ? AT_LINKS : 1); id++)
        if (link_open(&family->link[id]))
            return &family->link[id];
    return NULL;
}

/* A client that lost its connection opens it again; a server's link comes back by itself. */
static void reconnect(at_tcpip_link *link)
{
    at_app *app = link->family->app;
    at_link_info info;
    at_link_get(app->links, link->id, &info);
    if (info.state != AT_LINK_FREE || link->opened.server)
        return;
    at_tls_reason why;
    at_err err = at_ssl_open(app, link->id, &link->reopen, &why);
    if (err != AT_OK)
        at_log(app->log, AT_LOG_INFO, "tcpip", "passthrough: no reconnection yet: %s",
               at_err_text(err));
}

static void keep_connected(at_call *call, at_tcpip_link *link)
{
    at_app *app = link->family->app;
    uint32_t interval = (uint32_t)at_setting_int(app->settings, AT_SETTING_RECONNINTV) * 100;
    at_err err = AT_OK;
    uint64_t next = 0;
    while (err != AT_ERR_CANCELLED) {
        if (link_open(link)) {
            next = 0;
            err = at_stream_wait(call, &link->changed, UINT32_MAX);
            continue;
        }
        uint64_t now = at_now(call);
        if (next == 0)
            next = now + interval * 1000ull;
        if (now >= next) {
            reconnect(link);
            next = now + interval * 1000ull;
        }
        err = at_stream_wait(call, &link->changed, (uint32_t)((next - now) / 1000 + 1));
        if (link_open(link))
            at_stream_poke(app->session);
    }
}

/* An attempt under way when the host leaves would open a connection nobody asked for any more. */
static void end_attempt(at_tcpip_link *link)
{
    at_link_info info;
    at_link_get(link->family->app->links, link->id, &info);
    if (info.state == AT_LINK_RESOLVING || info.state == AT_LINK_CONNECTING)
        at_link_close(link->family->app->links, link->id);
}

/* Whether the station has an address that the link can be opened from. A host that is a link-local
 * or group address needs no global one. */
static bool has_address(const at_tcpip_link *link)
{
    const at_net *net = link->family->app->net;
    at_ip_config config;
    at_addr host, own;
    if (at_link_type_is_v6(link->reopen.type)) {
        bool global = !at_addr_parse(link->host, &host) || !at_addr_is_local(&host);
        return at_net_ip6(net, AT_NETIF_STA, global, &own);
    }
    at_net_ip(net, AT_NETIF_STA, &config);
    return config.ip.family != AT_FAMILY_NONE;
}

static void open_at_boot(at_call *call, at_tcpip_link *link)
{
    at_err err = AT_OK;
    while (err == AT_OK && !has_address(link))
        err = at_stream_wait(call, &link->changed, UINT32_MAX);
    if (err == AT_OK)
        reconnect(link);
}

void at_tcpip_pass_through(at_call *call, at_tcpip_link *link, bool at_boot)
{
    sender s = { .block = AT_CHUNK_MAX, .keep = true };
    sender_start(&s, link);
    if (at_boot) {
        at_stream_enter(call, AT_MODE_PASSTHROUGH, 0, &s.sink);
        open_at_boot(call, link);
    } else {
        at_stream_begin(call, AT_MODE_PASSTHROUGH, 0, &s.sink);
    }
    keep_connected(call, link);
    end_attempt(link);
    sender_stop(call, &s);
    if (at_session_sysmsg(call->session) & AT_SYSMSG_QUIT)
        at_write(call, at_wire[AT_WIRE_QUITT].text, at_wire[AT_WIRE_QUITT].len);
}

at_result at_cipsend_execute(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    at_tcpip_link *link = passthrough_link(family);
    if (!family->passthrough)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "passthrough needs AT+CIPMODE=1");
    if (link == NULL)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "passthrough needs a connection");
    at_tcpip_pass_through(call, link, false);
    return AT_RESULT_SILENT;
}
