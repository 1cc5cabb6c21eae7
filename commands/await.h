/* Waiting for what net/ does, on the command fiber. */
#ifndef COMMANDS_AWAIT_H
#define COMMANDS_AWAIT_H

#include "commands/app.h"
#include "net/resolve.h"

/* Name or literal to an address. Errors of at_resolve_start, and AT_ERR_CANCELLED. */
at_err at_await_address(at_call *call, const char *name, at_resolve_want want, uint32_t timeout_ms,
                        at_addr *addr);

#endif
