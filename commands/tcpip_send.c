/* AT+CIPSEND=..., AT+CIPSENDEX (guide 3.3.9, 3.3.12, WIRE 5): data of a known length, kept whole until
 * it is complete, then handed to the stack.
 *
 * Decisions: a link that is lost while data comes in does not end the data mode (a host that goes on
 * sending would have its data read as commands); the answer after the last byte is ERROR. A stack that
 * refuses complete data is SEND FAIL. */
#include "commands/tcpip_priv.h"

#include "commands/await.h"
#include "core/wire.h"

static bool is_open(const at_tcpip_link *link, at_link_info *info)
{
    at_link_get(link->family->app->links, link->id, info);
    return info->state == AT_LINK_OPEN;
}

static bool take_remote(at_call *call, at_send_target *target, at_resolve_want want, unsigned index)
{
    bool host = at_has(call, index), port = at_has(call, index + 1);
    if (!host && !port)
        return true;
    if (!target->udp) {
        at_fail(call, AT_SUB_PARAM_INVALID, index + 1, "<remote host> is for UDP only");
        return false;
    }
    if (!host || !port) {
        at_fail(call, AT_SUB_PARAM_INVALID, index + 1 + host,
                "<remote host> and <remote port> go together");
        return false;
    }
    at_err err = at_await_address(call, at_text(call, index), want, 0, &target->to);
    if (err != AT_OK) {
        at_fail_err(call, err, "<remote host> has no address");
        return false;
    }
    target->port = (uint16_t)at_int(call, index + 1);
    target->to_given = true;
    return true;
}

bool at_send_target_of(at_call *call, at_send_target *target)
{
    at_tcpip *family = at_tcpip_of(call);
    unsigned base = family->mux ? 1 : 0;
    at_link_info info;
    *target = (at_send_target){
        .link = &family->link[family->mux ? at_int(call, 0) : 0],
        .length = at_int(call, base),
    };
    if (family->passthrough) {
        at_fail(call, AT_SUB_EXEC_FAIL, 0, "with AT+CIPMODE=1 only AT+CIPSEND without parameters");
        return false;
    }
    if (!is_open(target->link, &info)) {
        at_fail(call, AT_SUB_EXEC_FAIL, 0, "link %u is not connected", target->link->id);
        return false;
    }
    target->udp = at_link_type_is_udp(info.type);
    return take_remote(call, target, at_link_type_is_v6(info.type) ? AT_RESOLVE_V6 : AT_RESOLVE_V4,
                       base + 1);
}

/* Everything to the stack, waiting for room as long as the link lives (and so_sndtimeo allows). */
static at_err send_stream(at_call *call, at_tcpip_link *link, const uint8_t *data, size_t len)
{
    at_links *links = link->family->app->links;
    int32_t limit_ms = link->options.send_timeout_ms;
    uint64_t due = limit_ms > 0 ? at_now(call) + (uint64_t)limit_ms * 1000 : AT_WAIT_FOREVER;
    at_link_info info;
    at_err err = AT_OK;
    while (err == AT_OK && len > 0) {
        if (!is_open(link, &info))
            return AT_ERR_CLOSED;
        size_t n = at_link_write(links, link->id, data, len);
        data += n;
        len -= n;
        if (n == 0)
            err = at_wait_until(call, &link->changed, due);
    }
    at_link_flush(links, link->id);
    return err;
}

static at_err send_all(at_call *call, const at_send_target *target, const uint8_t *data, size_t len)
{
    at_links *links = target->link->family->app->links;
    if (!target->udp)
        return send_stream(call, target->link, data, len);
    return at_link_send_to(links, target->link->id, data, len,
                           target->to_given ? &target->to : NULL, target->port);
}

static at_result send_collected(at_call *call, const at_send_target *target, const uint8_t *data,
                                size_t len)
{
    at_link_info info;
    if (!is_open(target->link, &info))
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "link %u was lost before the data was complete",
                       target->link->id);
    at_row(call, "\r\nRecv %u bytes\r\n", (unsigned)len);
    at_err err = send_all(call, target, data, len);
    if (err != AT_OK)
        at_log(target->link->family->app->log, AT_LOG_WARN, "tcpip", "link %u: SEND FAIL: %s",
               target->link->id, at_err_text(err));
    at_wire_text text = at_wire[err == AT_OK ? AT_WIRE_SEND_OK : AT_WIRE_SEND_FAIL];
    at_write(call, text.text, text.len);
    return AT_RESULT_SILENT;
}

static at_result send_set(at_call *call, bool escaped)
{
    at_send_target target;
    at_heap *heap = at_app_of(call)->heap;
    size_t got = 0;
    if (!at_send_target_of(call, &target))
        return AT_RESULT_ERROR;
    uint8_t *data = at_alloc(heap, (size_t)target.length);
    if (data == NULL)
        return at_fail_err(call, AT_ERR_NOMEM, "alloc fail");
    at_err err = escaped ? at_collect_escaped(call, true, data, (size_t)target.length, &got)
                         : at_collect(call, true, data, (size_t)target.length, &got);
    at_result result = AT_RESULT_SILENT;
    if (err == AT_OK)
        result = send_collected(call, &target, data, got);
    else
        at_write(call, at_wire[AT_WIRE_SEND_CANCELED].text, at_wire[AT_WIRE_SEND_CANCELED].len);
    at_free(heap, data);
    return result;
}

at_result at_cipsend_set(at_call *call)
{
    return send_set(call, false);
}

at_result at_cipsendex_set(at_call *call)
{
    return send_set(call, true);
}
