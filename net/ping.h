/* ICMP echo (RFC 792, RFC 4443). */
#ifndef NET_PING_H
#define NET_PING_H

#include "net/net.h"

typedef struct at_ping at_ping;

/* Sends one echo request of 32 data bytes. done runs once from a task: AT_OK with the round trip in
 * microseconds, AT_ERR_TIMEOUT, AT_ERR_UNREACHABLE. */
at_err at_ping_start(at_net *net, const at_addr *to, uint32_t timeout_ms,
                     void (*done)(void *arg, at_err err, uint32_t round_trip_us), void *arg,
                     at_ping **ping);
void at_ping_cancel(at_ping *ping);

#endif
