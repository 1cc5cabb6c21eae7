/* AT+CIPV6, and what other commands ask about IPv6. */
#ifndef COMMANDS_IP6_H
#define COMMANDS_IP6_H

#include "commands/app.h"

at_result at_cipv6_query(at_call *call);
at_result at_cipv6_set(at_call *call);
/* The error of a command that needs IPv6 while it is off (guide 3.3.2). */
at_result at_ip6_is_off(at_call *call);
/* Whether an IPv6 address can be looked at as a destination: IPv6 is on. false after at_fail. */
bool at_ip6_allows(at_call *call, const at_addr *addr);

#endif
