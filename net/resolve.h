/* Name to address: literals at once, names by DNS (RFC 1035) through lwIP's resolver. */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "net/net.h"

/* <ip network> of AT+CIPDOMAIN (guide 3.3.5). */
typedef enum at_resolve_want {
    AT_RESOLVE_V4_FIRST = 1,
    AT_RESOLVE_V4 = 2,
    AT_RESOLVE_V6 = 3,
} at_resolve_want;

typedef struct at_resolve at_resolve; /* one query under way */

/* done runs once from a task of the loop, never before this returns, and not after a cancel.
 * err: AT_OK, AT_ERR_NOT_FOUND (no such name, or a literal of the other family), AT_ERR_TIMEOUT,
 * AT_ERR_UNREACHABLE (no interface). timeout_ms 0: as long as the stack tries. */
at_err at_resolve_start(at_net *net, const char *name, at_resolve_want want, uint32_t timeout_ms,
                        void (*done)(void *arg, at_err err, const at_addr *addr), void *arg,
                        at_resolve **query);
void at_resolve_cancel(at_resolve *query); /* NULL is allowed */

#endif
