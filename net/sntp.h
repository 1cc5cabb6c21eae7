/* The module's clock from SNTP servers (RFC 4330, guide 3.3.20 to 3.3.22). */
#ifndef NET_SNTP_H
#define NET_SNTP_H

#include "net/net.h"

#define AT_SNTP_SERVERS    3u
#define AT_SNTP_INTERVAL_S 3600u /* until at_sntp_set_interval */

typedef struct at_sntp at_sntp;

typedef struct at_sntp_config {
    at_net *net;
    int64_t *date_offset_us;      /* is set: Unix time minus the loop's clock, in microseconds */
    void (*on_time)(void *owner); /* from a task of the loop, after each synchronisation */
    void *owner;
} at_sntp_config;

at_sntp *at_sntp_create(const at_sntp_config *config); /* NULL: out of memory. Lives for ever */
/* From now on the servers are asked, the first at once when online; names or addresses, not copied.
 * A start while running begins anew. count is at most AT_SNTP_SERVERS. */
void at_sntp_start(at_sntp *s, const char *const *servers, unsigned count);
void at_sntp_stop(at_sntp *s);
/* Offline nothing is sent. Online again: the next question is asked when it is due, at the earliest
 * at once. */
void at_sntp_online(at_sntp *s, bool online);
/* Counts from the last synchronisation, also from one in the past. */
void at_sntp_set_interval(at_sntp *s, uint32_t seconds);
uint32_t at_sntp_interval(const at_sntp *s);

#endif
