/* The log port of the guide: lines of text for a person. Secrets never reach it. */
#ifndef IFACE_LOG_H
#define IFACE_LOG_H

#include <stdbool.h>

typedef enum at_log_level {
    AT_LOG_ERROR, /* the module is at fault */
    AT_LOG_WARN,  /* every ERROR answer has one, with its reason */
    AT_LOG_INFO,  /* joins, addresses, links */
    AT_LOG_DEBUG, /* state machines: old -> new */
} at_log_level;

typedef struct at_log_sink {
    void *ctx;
    at_log_level level; /* more detailed lines are not formatted at all */
    /* area: "wifi", "cmd" ...; text has no line end. */
    void (*line)(void *ctx, at_log_level level, const char *area, const char *text);
} at_log_sink;

#endif
