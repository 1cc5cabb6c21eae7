/* A byte port that writes down what passes: stands between a session and another port. */
#ifndef PORTS_LINUX_WIRELOG_H
#define PORTS_LINUX_WIRELOG_H

#include "iface/byteport.h"
#include "iface/clock.h"

typedef struct lx_wirelog {
    at_byteport port; /* give &w->port to the session */
    at_byteport *inner;
    const at_clock *clock;
    uint64_t start_us;
    int fd;
} lx_wirelog;

/* Lines "SECONDS > text" (from the host) and "SECONDS < text" (to it) go to fd; seconds since start_us.
 * Bytes outside printable ASCII are \r, \n or \xNN, a backslash is doubled. One line per block that was
 * read or written. inner and fd must outlive w. */
void lx_wirelog_init(lx_wirelog *w, at_byteport *inner, const at_clock *clock, uint64_t start_us,
                     int fd);

/* Escapes as above into text, always ended; returns how many bytes of data fitted. */
size_t lx_escape(char *text, size_t room, const uint8_t *data, size_t len);

#endif
