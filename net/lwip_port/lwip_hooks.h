/* What lwIP's core files include after their own headers: run-time values instead of constants.
 * lwIP checks TCP_WND and TCP_SND_BUF with #if in init.c, which does not include this file, so the
 * checks see the defaults of lwipopts.h and the code sees these. */
#ifndef NET_LWIP_PORT_LWIP_HOOKS_H
#define NET_LWIP_PORT_LWIP_HOOKS_H

#include <stdint.h>

uint16_t at_lwip_window(void);      /* bytes a peer may send ahead of our reader */
uint16_t at_lwip_send_buffer(void); /* bytes tcp_write takes ahead of the peer's acknowledgement */
uint32_t at_lwip_random(void);

#undef TCP_WND
#define TCP_WND at_lwip_window()
/* Of a large window, lwIP would announce every four segments that were read. */
#undef TCP_WND_UPDATE_THRESHOLD
#define TCP_WND_UPDATE_THRESHOLD (TCP_WND / 4)
#undef TCP_SND_BUF
#define TCP_SND_BUF at_lwip_send_buffer()
/* A fresh random start for every connection: lwIP's own counter starts at the same value after each
 * boot, and a restarted module would fall into the connections of its former life. */
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) at_lwip_random()

#endif
