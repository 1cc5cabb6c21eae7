/* Received data towards the host: +IPD in its six forms, raw data of passthrough receiving, and the
 * passive commands (guide 3.3.33 to 3.3.35, WIRE 4 and 5).
 *
 * Active data is pulled: the writer asks the one source when it has room, the source asks the links in
 * turn, and bytes go from the stack's buffers straight into the transmit buffer. So a host that does
 * not read closes the TCP window.
 *
 * Passive: one +IPD until the data is read. When a read leaves data behind, the next +IPD follows at
 * once (seen on 4.2-dev; a host that only reacts to +IPD would hang otherwise). */
#include "commands/tcpip_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

/* wire */
static const char FMT_CONNECT[] = "CONNECT\r\n";
static const char FMT_ID_CONNECT[] = "%u,CONNECT\r\n";
static const char FMT_LINK_CONN[] = "+LINK_CONN:0,%u,\"%s\",%d,\"%s\",%u,%u\r\n";
static const char FMT_CLOSED[] = "CLOSED\r\n";
static const char FMT_ID_CLOSED[] = "%u,CLOSED\r\n";
static const char FMT_TURNED_AWAY[] = "Have %u Connections\r\n";
static const char FMT_RECVDATA[] = "+CIPRECVDATA:%u,";
static const char FMT_RECVDATA_FROM[] = "+CIPRECVDATA:%u,\"%s\",%u,";
static const char FMT_RECVLEN[] = "+CIPRECVLEN:%ld,%ld,%ld,%ld,%ld\r\n";
static const char FMT_RECVTYPE[] = "+CIPRECVTYPE:%u,%d\r\n";
static const char FMT_RECVMODE[] = "+CIPRECVMODE:%d\r\n";

enum { HEADER_MAX = 96 }; /* bytes of the longest +IPD or +CIPRECVDATA header */

/* --- notices --- */

static size_t printed(int len)
{
    return len > 0 ? (size_t)len : 0;
}

static size_t format_connect(void *arg, char *buf, size_t room)
{
    const at_tcpip_link *link = arg;
    const at_link_info *info = &link->opened;
    char remote[AT_ADDR_TEXT];
    if (at_session_sysmsg(link->family->app->session) & AT_SYSMSG_DETAIL) {
        at_addr_format(&info->remote, remote);
        return printed(snprintf(buf, room, FMT_LINK_CONN, link->id, at_link_type_name(info->type),
                                info->server, remote, info->remote_port, info->local_port));
    }
    if (link->family->mux)
        return printed(snprintf(buf, room, FMT_ID_CONNECT, link->id));
    return printed(snprintf(buf, room, FMT_CONNECT));
}

static size_t format_closed(void *arg, char *buf, size_t room)
{
    const at_tcpip_link *link = arg;
    if (link->family->mux)
        return printed(snprintf(buf, room, FMT_ID_CLOSED, link->id));
    return printed(snprintf(buf, room, FMT_CLOSED));
}

static size_t format_passive(void *arg, char *buf, size_t room)
{
    const at_tcpip_link *link = arg;
    size_t len = at_link_buffered(link->family->app->links, link->id);
    if (len == 0)
        return 0;
    if (link->family->mux)
        return printed(snprintf(buf, room, "\r\n+IPD,%u,%u\r\n", link->id, (unsigned)len));
    return printed(snprintf(buf, room, "\r\n+IPD,%u\r\n", (unsigned)len));
}

static size_t format_turned_away(void *arg, char *buf, size_t room)
{
    const at_tcpip *family = arg;
    return printed(snprintf(buf, room, FMT_TURNED_AWAY, family->max_clients));
}

void at_tcpip_closed(at_tcpip_link *link)
{
    link->announced = false;
    at_notice_post(link->family->app->session, &link->closed);
}

/* After reading: was that the last of a connection that is gone already? */
static void note_drained(at_tcpip_link *link)
{
    at_link_info info;
    at_link_get(link->family->app->links, link->id, &info);
    if (info.state == AT_LINK_FREE) {
        at_tcpip_closed(link);
        at_signal_raise(&link->changed);
    }
}

/* --- active --- */

static bool is_active(const at_tcpip_link *link)
{
    return !link->passive || link->family->passthrough;
}

static size_t ipd_header(const at_tcpip_link *link, const at_link_from *from, size_t len,
                         char *text, size_t room)
{
    const at_tcpip *family = link->family;
    size_t n = printed(snprintf(text, room, "\r\n+IPD,"));
    if (family->mux)
        n += printed(snprintf(text + n, room - n, "%u,", link->id));
    n += printed(snprintf(text + n, room - n, "%u", (unsigned)len));
    if (family->dinfo) {
        char remote[AT_ADDR_TEXT];
        at_addr_format(&from->addr, remote);
        n += printed(snprintf(text + n, room - n, ",\"%s\",%u", remote, from->port));
    }
    return n + printed(snprintf(text + n, room - n, ":"));
}

static size_t produce_link(at_tcpip_link *link, uint8_t *buf, size_t room)
{
    at_links *links = link->family->app->links;
    at_link_from from;
    size_t len = at_link_next(links, link->id, &from), header = 0;
    if (len == 0)
        return 0;
    if (link->family->passthrough) {
        len = AT_MIN(len, AT_MIN(room, (size_t)AT_SEND_MAX));
    } else {
        len = AT_MIN(len, AT_MIN(room - HEADER_MAX, (size_t)AT_CHUNK_MAX));
        header = ipd_header(link, &from, len, (char *)buf, HEADER_MAX);
    }
    size_t n = at_link_read(links, link->id, buf + header, len);
    note_drained(link);
    return header + n;
}

static size_t produce(void *arg, uint8_t *buf, size_t room)
{
    at_tcpip *family = arg;
    for (unsigned i = 0; i < AT_LINKS; i++) {
        at_tcpip_link *link = &family->link[(family->next_link + i) % AT_LINKS];
        if (!is_active(link))
            continue;
        size_t n = produce_link(link, buf, room);
        if (n > 0) {
            family->next_link = (link->id + 1) % AT_LINKS;
            return n;
        }
    }
    return 0;
}

void at_tcpip_data_waits(at_tcpip_link *link)
{
    at_session *session = link->family->app->session;
    if (is_active(link)) {
        at_source_ready(session, &link->family->received);
    } else if (!link->announced) {
        link->announced = true;
        at_notice_post(session, &link->ipd);
    }
}

void at_tcpip_receive_create(at_tcpip *family)
{
    family->received =
        (at_source){ .produce = produce, .arg = family, .need = HEADER_MAX + AT_CHUNK_MAX };
    family->turned_away = (at_notice){ .format = format_turned_away, .arg = family };
    for (unsigned id = 0; id < AT_LINKS; id++) {
        at_tcpip_link *link = &family->link[id];
        link->connect = (at_notice){ .format = format_connect, .arg = link, .status = true };
        link->closed = (at_notice){ .format = format_closed, .arg = link, .status = true };
        link->ipd = (at_notice){ .format = format_passive, .arg = link };
    }
}

/* --- passive --- */

static at_result write_received(at_call *call, at_tcpip_link *link, size_t len, uint8_t *buf)
{
    at_links *links = link->family->app->links;
    at_link_from from;
    char remote[AT_ADDR_TEXT];
    at_link_next(links, link->id, &from);
    at_addr_format(&from.addr, remote);
    size_t header = link->family->dinfo
                        ? printed(snprintf((char *)buf, HEADER_MAX, FMT_RECVDATA_FROM,
                                           (unsigned)len, remote, from.port))
                        : printed(snprintf((char *)buf, HEADER_MAX, FMT_RECVDATA, (unsigned)len));
    size_t n = at_link_read(links, link->id, buf + header, len);
    at_link_drop_rest(links, link->id);
    link->announced = false;
    at_write(call, buf, header + n);
    at_ok(call);
    note_drained(link);
    if (at_link_buffered(links, link->id) > 0)
        at_tcpip_data_waits(link);
    return AT_RESULT_SILENT;
}

at_result at_ciprecvdata_set(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    at_heap *heap = family->app->heap;
    unsigned base = family->mux ? 1 : 0;
    at_tcpip_link *link = &family->link[family->mux ? at_int(call, 0) : 0];
    if (!link->passive || family->passthrough)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "link %u is not in passive receive mode",
                       link->id);
    size_t len = at_link_next(family->app->links, link->id, NULL);
    len = AT_MIN(len, (size_t)at_int(call, base));
    if (len == 0)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "link %u has no data to read", link->id);
    uint8_t *buf = at_alloc(heap, len + HEADER_MAX);
    if (buf == NULL)
        return at_fail_err(call, AT_ERR_NOMEM, "alloc fail");
    at_result result = write_received(call, link, len, buf);
    at_free(heap, buf);
    return result;
}

at_result at_ciprecvlen_query(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    long len[AT_LINKS];
    for (unsigned id = 0; id < AT_LINKS; id++) {
        at_link_info info;
        at_link_get(family->app->links, id, &info);
        bool known = info.state == AT_LINK_OPEN || info.state == AT_LINK_DRAINED;
        len[id] = known ? (long)at_link_buffered(family->app->links, id) : -1;
    }
    at_row(call, FMT_RECVLEN, len[0], len[1], len[2], len[3], len[4]);
    return AT_RESULT_OK;
}

static void set_passive(at_tcpip_link *link, bool passive)
{
    if (link->passive == passive)
        return;
    link->passive = passive;
    link->announced = false;
    if (at_link_buffered(link->family->app->links, link->id) > 0)
        at_tcpip_data_waits(link);
}

static at_result set_type(at_call *call, unsigned first, unsigned last, bool passive)
{
    at_tcpip *family = at_tcpip_of(call);
    if (family->passthrough)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "not with AT+CIPMODE=1");
    for (unsigned id = first; id <= last; id++)
        set_passive(&family->link[id], passive);
    return AT_RESULT_OK;
}

at_result at_ciprecvtype_set(at_call *call)
{
    if (!at_tcpip_of(call)->mux)
        return set_type(call, 0, 0, at_int(call, 0) == 1);
    unsigned id = (unsigned)at_int(call, 0);
    bool all = id == AT_LINKS;
    return set_type(call, all ? 0 : id, all ? AT_LINKS - 1 : id, at_int(call, 1) == 1);
}

at_result at_ciprecvtype_query(at_call *call)
{
    at_tcpip *family = at_tcpip_of(call);
    for (unsigned id = 0; id < (family->mux ? AT_LINKS : 1); id++)
        at_row(call, FMT_RECVTYPE, id, family->link[id].passive);
    return AT_RESULT_OK;
}

at_result at_ciprecvmode_set(at_call *call)
{
    return set_type(call, 0, AT_LINKS - 1, at_int(call, 0) == 1);
}

at_result at_ciprecvmode_query(at_call *call)
{
    at_row(call, FMT_RECVMODE, at_tcpip_of(call)->link[0].passive);
    return AT_RESULT_OK;
}
