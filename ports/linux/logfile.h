/* The log as lines of text on a descriptor: stderr, a file, a pipe to the console. */
#ifndef PORTS_LINUX_LOGFILE_H
#define PORTS_LINUX_LOGFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/log.h"
#include "iface/clock.h"

typedef struct lx_logfile {
    at_log_sink sink; /* give &l->sink away; must stay where it is */
    at_log log;       /* for code that wants one */
    const at_clock *clock;
    uint64_t start_us;
    int fd;
} lx_logfile;

/* Lines are "SECONDS level area: text"; each is one write, so bench and chip may share fd. */
void lx_logfile_init(lx_logfile *l, at_log_level level, const at_clock *clock, int fd);
/* "error", "warn", "info", "debug". */
bool lx_log_level_parse(const char *text, at_log_level *level);

#endif
