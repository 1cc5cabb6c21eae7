/* SA queries (IEEE 802.11-2020 11.13): is this access point still the one that has our keys?
 *
 * With PMF a station does not believe an unprotected deauthentication, because anybody can send one. But
 * an access point that restarted has no keys left to protect it with. So the station asks, protected: five
 * times, 201 TU apart. The access point that has the keys answers, and nothing happened; silence means
 * that it has forgotten us, and the association is lost.
 */
#include "wifi/station_priv.h"

#include <string.h>

#include "core/bytes.h"

#define LOG(s, level, ...) at_log((s)->config.log, level, "wifi", __VA_ARGS__)

static void send_query(at_station *s, bool answer, uint16_t id)
{
    at_mgmt m = { .type = AT_MGMT_SA_QUERY, .sa_query = { .answer = answer, .id = id } };

    memcpy(m.to, s->bss.bssid, sizeof m.to);
    at_station_transmit_mgmt(s, &m);
}

static void ask(at_station *s)
{
    s->queries++;
    at_timer_in(s->config.loop, &s->timer, AT_STATION_QUERY_US);
    send_query(s, false, s->query);
}

void at_station_query_begin(at_station *s)
{
    if (s->queries > 0)
        return;
    s->config.random->fill(s->config.random->ctx, &s->query, sizeof s->query);
    ask(s);
}

void at_station_query_timer(at_station *s)
{
    if (s->queries < AT_STATION_QUERIES)
        ask(s);
    else
        at_station_lost(s, "it does not answer SA queries, it has lost our keys");
}

void at_station_query_input(at_station *s, const at_mgmt *m)
{
    if (!m->sa_query.answer) {
        send_query(s, true, m->sa_query.id);
    } else if (s->queries > 0 && m->sa_query.id == s->query) {
        LOG(s, AT_LOG_INFO, "the access point still has our keys, the deauthentication was forged");
        s->queries = 0;
        at_timer_stop(s->config.loop, &s->timer);
    }
}
