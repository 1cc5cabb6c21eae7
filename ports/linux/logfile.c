/* One line, one write: processes that share the descriptor do not mix their lines, and nothing is lost
 * in a buffer when a chip is killed. A log that cannot be written is given up silently: there is
 * nobody to tell.
 */
#include "ports/linux/logfile.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static void line(void *ctx, at_log_level level, const char *area, const char *text)
{
    const lx_logfile *l = ctx;
    uint64_t us = l->clock->now_us(l->clock->ctx) - l->start_us;
    char buffer[512];
    int len = snprintf(buffer, sizeof buffer, "%llu.%06u %s %s: %s\n",
                       (unsigned long long)(us / 1000000u), (unsigned)(us % 1000000u),
                       level_names[level], area, text);

    if (len <= 0)
        return;
    if ((size_t)len >= sizeof buffer) {
        len = (int)sizeof buffer - 1;
        buffer[len - 1] = '\n';
    }
    if (write(l->fd, buffer, (size_t)len) < 0)
        return;
}

void lx_logfile_init(lx_logfile *l, at_log_level level, const at_clock *clock, int fd)
{
    *l = (lx_logfile){ .clock = clock, .start_us = clock->now_us(clock->ctx), .fd = fd };
    l->sink = (at_log_sink){ .ctx = l, .level = level, .line = line };
    l->log.sink = &l->sink;
}

bool lx_log_level_parse(const char *text, at_log_level *level)
{
    for (unsigned i = 0; i < AT_COUNT(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (at_log_level)i;
            return true;
        }
    }
    return false;
}
