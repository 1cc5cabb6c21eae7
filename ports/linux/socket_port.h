/* The AT port as a stream socket: a TCP listener that serves one client at a time, or a socket that is
 * connected from the start (the console, tests). */
#ifndef PORTS_LINUX_SOCKET_PORT_H
#define PORTS_LINUX_SOCKET_PORT_H

#include <stdbool.h>

#include "ports/linux/connector.h"

/* True when text has the form "[HOST:]PORT". */
bool lx_listen_valid(const char *where);

/* Listens on "[HOST:]PORT" (HOST 127.0.0.1; [HOST]:PORT for IPv6; PORT 0: any, see path). The listener
 * works in the bench's loop; send gives a new client's descriptor to the chip, which borrows it: send
 * copies. NULL with a line of text in why. */
lx_connector *lx_listen_open(const char *where, lx_poller *poller, const at_log *log,
                             void (*send)(void *ctx, int fd), void *ctx, char *why, size_t room);

/* Serves over fd, one end of a connected stream socket, which it takes over. NULL: no memory. */
lx_connector *lx_socket_open(int fd);

/* The host's side: connects to "HOST:PORT"; a non-blocking descriptor, or -1 with errno. */
int lx_socket_connect(const char *where);

#endif
