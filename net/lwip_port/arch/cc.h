/* lwIP's view of the compiler and the machine. No host headers: nothing to conflict with. */
#ifndef NET_LWIP_PORT_ARCH_CC_H
#define NET_LWIP_PORT_ARCH_CC_H

#include <stdint.h>

uint32_t at_lwip_random(void);
/* Logs and ends the process: an assertion in the stack is a bug, never a peer's doing. */
_Noreturn void at_lwip_assert(const char *message, int line, const char *file);

#define LWIP_RAND()                   at_lwip_random()
#define LWIP_PLATFORM_DIAG(x)         ((void)0)
#define LWIP_PLATFORM_ASSERT(message) at_lwip_assert(message, __LINE__, __FILE__)

#endif
