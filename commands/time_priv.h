/* Time and names in the network from inside: SNTP (time.c) and mDNS (mdns.c). */
#ifndef COMMANDS_TIME_PRIV_H
#define COMMANDS_TIME_PRIV_H

#include "commands/app.h"
#include "net/sntp.h"

typedef struct at_time_family at_time;

struct at_time_family {
    at_app *app;
    at_sntp *sntp;
    bool enabled;                        /* AT+CIPSNTPCFG */
    bool announce;                       /* the next synchronisation is told */
    int zone_min;                        /* minutes east of UTC */
    const char *server[AT_SNTP_SERVERS]; /* in names, or the defaults */
    unsigned servers;
    char names[AT_LINE_MAX]; /* they came in one line */
    at_notice updated;
    struct at_mdns_host *mdns; /* NULL: disabled */
};

static inline at_time *at_time_of(const at_call *call)
{
    return at_app_of(call)->time;
}

#endif
