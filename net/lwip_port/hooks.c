/* What lwIP asks of the machine, without a context: time, random numbers, memory, assertions.
 *
 * The answers come from the one module of this process (iface/current.h). Memory is the module's
 * accounted heap, so a budget refuses lwIP as it refuses anybody else; every caller in lwIP's core
 * copes with that, and a unit test fails each allocation once to keep it so. Only timers have
 * nobody to tell (net/timers.c takes them from the reserve).
 *
 * The receive window is at_net_config.window. The send buffer follows it, since a user who wants
 * throughput wants it in both directions, but is never less than 8 segments: that takes two whole
 * blocks of 2920 bytes while four segments are on their way.
 */
#include <stdlib.h>

#include "lwip/opt.h"

#include "lwip/sys.h"
#include "lwip_hooks.h"

#include "core/heap.h"
#include "core/limits.h"
#include "core/log.h"
#include "iface/current.h"
#include "net/net_priv.h"
#include "proto/ipv4.h"

bool net_hooks_ready(void)
{
    return at_the_current.clock != NULL && at_the_current.random != NULL &&
           at_the_current.heap != NULL;
}

uint16_t at_lwip_checksum(const void *data, int len)
{
    return at_checksum_words(data, (size_t)len);
}

_Static_assert(TCP_MSS == AT_TCP_MSS, "one number, two headers");

void *at_lwip_malloc(size_t size)
{
    return at_alloc(at_the_current.heap, size);
}

void *at_lwip_calloc(size_t count, size_t size)
{
    return at_calloc(at_the_current.heap, count, size);
}

void at_lwip_free(void *block)
{
    at_free(at_the_current.heap, block);
}

/* Milliseconds; wraps around, which lwIP expects. */
u32_t sys_now(void)
{
    return (u32_t)(at_the_current.clock->now_us(at_the_current.clock->ctx) / 1000u);
}

uint32_t at_lwip_random(void)
{
    uint32_t value;

    at_the_current.random->fill(at_the_current.random->ctx, &value, sizeof value);
    return value;
}

uint16_t at_lwip_window(void)
{
    return net_window(at_the_current.net);
}

uint16_t at_lwip_send_buffer(void)
{
    return net_send_buffer(at_the_current.net);
}

_Noreturn void at_lwip_assert(const char *message, int line, const char *file)
{
    at_log(at_the_current.log, AT_LOG_ERROR, "net", "lwIP: %s (%s:%d)", message, file, line);
    abort();
}
