/* The AT port as a pseudo-terminal (DESIGN 7, "PTY"). */
#ifndef PORTS_LINUX_PTY_H
#define PORTS_LINUX_PTY_H

#include "ports/linux/connector.h"

/* Opens a pseudo-terminal in raw mode; path is its slave. link (may be NULL) becomes a symbolic link to
 * it, replacing nothing but a symbolic link into /dev/pts. NULL with a line of text in why. */
lx_connector *lx_pty_open(const char *link, char *why, size_t room);

#endif
