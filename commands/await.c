/* The callbacks of net/ turned into waits: each records its outcome and raises a signal. */
#include "commands/await.h"

typedef struct outcome {
    at_signal signal;
    bool done;
    at_err err;
    at_addr addr;
} outcome;

static void resolved(void *arg, at_err err, const at_addr *addr)
{
    outcome *out = arg;
    out->done = true;
    out->err = err;
    if (err == AT_OK)
        out->addr = *addr;
    at_signal_raise(&out->signal);
}

at_err at_await_address(at_call *call, const char *name, at_resolve_want want, uint32_t timeout_ms,
                        at_addr *addr)
{
    outcome out = { .err = AT_OK };
    at_resolve *query = NULL;
    if (at_addr_parse(name, addr) && (addr->family == AT_IPV4) == (want != AT_RESOLVE_V6))
        return AT_OK;
    at_err err =
        at_resolve_start(at_app_of(call)->net, name, want, timeout_ms, resolved, &out, &query);
    while (err == AT_OK && !out.done)
        err = at_wait_until(call, &out.signal, AT_WAIT_FOREVER);
    if (!out.done) {
        at_resolve_cancel(query);
        return err;
    }
    *addr = out.addr;
    return out.err;
}
