/* Formatting front of the log seam. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdarg.h>

#include "iface/log.h"

typedef struct at_log {
    const at_log_sink *sink; /* NULL: silent */
} at_log;

#if defined(__GNUC__)
#define AT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define AT_PRINTF(fmt, args)
#endif

/* Lines are cut at 240 bytes; bytes outside printable ASCII are shown as \xNN. log may be NULL:
 * silent. Code writes at_log(log, level, area, format, ...): a macro, since a type has the name. */
#define at_log(...) at_log_line(__VA_ARGS__)
void at_log_line(const at_log *log, at_log_level level, const char *area, const char *format, ...)
    AT_PRINTF(4, 5);
void at_vlog(const at_log *log, at_log_level level, const char *area, const char *format,
             va_list args);

#endif
