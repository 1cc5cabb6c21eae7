/* A terminal for an AT port: line editing, history, completion and help from the command rows; a raw mode
 * for data. Works line by line when standard input is not a terminal. */
#ifndef PORTS_LINUX_CONSOLE_H
#define PORTS_LINUX_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/loop.h"
#include "ports/linux/poller.h"

typedef struct lx_console lx_console;

typedef struct lx_console_config {
    at_loop *loop;
    lx_poller *poller;
    int port_fd; /* our end of the AT port, non-blocking; taken over */
    int log_fd;  /* lines to show between the module's output, non-blocking; taken over; -1: none */
    bool boots;  /* the module says "ready" before it takes lines (batch input waits for it) */
} lx_console_config;

/* NULL with a line of text in why. */
lx_console *lx_console_open(const lx_console_config *config, char *why, size_t room);
/* True when standard input and output are a terminal: only then a log_fd makes sense. */
bool lx_console_is_interactive(void);
/* Runs the loop until it is stopped, the input ends, or the port's other end is gone. */
void lx_console_run(lx_console *console);
/* Restores the terminal and saves the history. NULL is allowed. */
void lx_console_close(lx_console *console);

#endif
