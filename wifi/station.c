/* The Wi-Fi station: states, the reconnect policy, and what goes in and out.
 *
 *                     join, reconnect_now                    attempt (join.c)
 *   OFF -- start --> IDLE ------------> SCANNING -> AUTHENTICATING -> ASSOCIATING -> HANDSHAKE
 *                                          ^  \______________ failed ______________/    |
 *                                          |          |                                 v
 *                                       WAITING <-----+-- lost, interval > 0 -------- JOINED
 *                                          |          |                                 |
 *                                          +-> LOST <-+-- left, or interval 0 ----------+
 *
 * at_station_set_state is the only place where the state changes. One timer serves every state that
 * waits; entering a state sets or stops it.
 *
 * The reconnect policy (guide 3.2.6) works after a loss, at power-on and after a mode switch. An attempt
 * that a command asked for and that fails ends in LOST: the host has its answer and decides. After a
 * loss the first attempt comes one interval later; at power-on and mode switch at once.
 *
 * Events are queued and told from a task, in order, so that nobody is called back from inside a call.
 * The queue cannot fill from the air alone: what follows JOINED and LEFT waits for a timer or a command.
 *
 * With PMF a deauthentication counts only when it is protected by the keys. An unprotected one that says
 * that we are not associated makes the station ask (query.c): an access point that has lost its keys
 * cannot say so in any other way.
 *
 * Any bytes may come from the radio. Frames that are not for our address or a group, that are ours, or
 * that carry management of an access point we do not talk to, are dropped. Data passes while joined.
 */
#include "wifi/station_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

#define ETHERNET_HEADER    14u
#define LOG(s, level, ...) at_log((s)->config.log, level, "wifi", __VA_ARGS__)

const char *at_station_state_name(at_station_state state)
{
    static const char *const names[] = {
        [AT_STATION_OFF] = "off",
        [AT_STATION_IDLE] = "idle",
        [AT_STATION_SCANNING] = "scanning",
        [AT_STATION_AUTHENTICATING] = "authenticating",
        [AT_STATION_ASSOCIATING] = "associating",
        [AT_STATION_HANDSHAKE] = "handshake",
        [AT_STATION_JOINED] = "joined",
        [AT_STATION_WAITING] = "waiting",
        [AT_STATION_LOST] = "lost",
    };

    return (unsigned)state < AT_COUNT(names) ? names[state] : "?";
}

void at_station_set_state(at_station *s, at_station_state state)
{
    at_timer_stop(s->config.loop, &s->timer);
    if (s->state == state)
        return;
    LOG(s, AT_LOG_DEBUG, "station %s -> %s", at_station_state_name(s->state),
        at_station_state_name(state));
    s->state = state;
}

/* ---- events ---- */

static void tell_events(void *arg)
{
    at_station *s = arg;

    while (s->event_count > 0) {
        at_station_event event = s->events[0].event;
        int detail = s->events[0].detail;

        s->event_count--;
        memmove(s->events, s->events + 1, s->event_count * sizeof s->events[0]);
        s->config.on_event(s->config.owner, event, detail);
    }
}

void at_station_emit(at_station *s, at_station_event event, int detail)
{
    if (s->event_count == AT_STATION_EVENTS) {
        LOG(s, AT_LOG_ERROR, "an event was lost");
        return;
    }
    s->events[s->event_count].event = event;
    s->events[s->event_count].detail = detail;
    s->event_count++;
    at_loop_post(s->config.loop, &s->event_task);
}

/* ---- out ---- */

void at_station_transmit(at_station *s, const void *frame, size_t len)
{
    at_radio_piece piece = { frame, len };

    /* A frame that the radio cannot take is lost as on the air; timers repeat what matters. */
    (void)s->config.radio->ops->send(s->config.radio, &piece, 1);
}

void at_station_transmit_mgmt(at_station *s, const at_mgmt *m)
{
    at_mgmt own = *m;
    uint8_t frame[AT_MGMT_FRAME_MAX];
    size_t len;

    memcpy(own.from, s->mac, sizeof own.from);
    len = at_pmf_encode(&s->pmf, &own, frame, sizeof frame);
    if (len > 0)
        at_station_transmit(s, frame, len);
}

int at_station_send(at_station *s, const at_radio_piece *pieces, size_t count)
{
    if (s->state != AT_STATION_JOINED)
        return AT_ERR_STATE;
    return s->config.radio->ops->send(s->config.radio, pieces, count);
}

/* ---- ends of an association and of an attempt ---- */

void at_station_drop_link(at_station *s, bool tell)
{
    at_mgmt m = { .type = AT_MGMT_DEAUTH };

    if (tell && s->state >= AT_STATION_AUTHENTICATING && s->state <= AT_STATION_JOINED) {
        m.deauth.reason = AT_REASON_LEAVING;
        memcpy(m.to, s->bss.bssid, sizeof m.to);
        at_station_transmit_mgmt(s, &m);
    }
    at_eapol_clear(&s->eapol);
    at_sae_clear(&s->sae);
    at_wipe(&s->owe, sizeof s->owe);
    at_wipe(&s->pmf, sizeof s->pmf);
    s->queries = 0;
}

static void wait_for_next(at_station *s)
{
    if (s->interval_s == 0 || (s->repeat != 0 && s->attempts >= s->repeat)) {
        LOG(s, AT_LOG_INFO, "no further attempt to reconnect");
        at_station_set_state(s, AT_STATION_LOST);
        at_station_emit(s, AT_STATION_EV_GAVE_UP, 0);
        return;
    }
    at_station_set_state(s, AT_STATION_WAITING);
    at_timer_in(s->config.loop, &s->timer, (uint64_t)s->interval_s * 1000000u);
}

void at_station_attempt_failed(at_station *s, at_join_error error)
{
    at_station_drop_link(s, true);
    if (s->use_pmksa) /* it may have been the key's fault */
        s->pmksa.valid = false;
    at_station_emit(s, AT_STATION_EV_FAILED, (int)error);
    if (!s->by_policy) {
        at_station_set_state(s, AT_STATION_LOST);
        return;
    }
    s->attempts++;
    wait_for_next(s);
}

void at_station_now_joined(at_station *s)
{
    char bssid[18];

    at_format_mac(bssid, s->bss.bssid);
    LOG(s, AT_LOG_INFO, "joined \"%.*s\" at %s, channel %u, %d dBm, %s%s", (int)s->bss.ssid.len,
        (const char *)s->bss.ssid.bytes, bssid, s->bss.channel, s->bss.rssi,
        at_auth_mode_name(s->wanted), s->pmf.on ? ", PMF" : "");
    s->attempts = 0;
    at_station_set_state(s, AT_STATION_JOINED);
    at_station_emit(s, AT_STATION_EV_JOINED, 0);
}

void at_station_lost(at_station *s, const char *why)
{
    LOG(s, AT_LOG_WARN, "lost the access point: %s", why);
    at_station_drop_link(s, false);
    at_station_emit(s, AT_STATION_EV_LEFT, 0);
    s->attempts = 0;
    s->by_policy = true;
    if (s->interval_s == 0)
        at_station_set_state(s, AT_STATION_LOST);
    else
        wait_for_next(s);
}

static void on_timer(void *arg)
{
    at_station *s = arg;

    if (s->state == AT_STATION_JOINED)
        at_station_query_timer(s);
    else if (s->state != AT_STATION_WAITING)
        at_station_attempt_timer(s);
    else if (s->scan.active)
        at_timer_in(s->config.loop, &s->timer, AT_STATION_DEFER_US);
    else
        at_station_attempt(s);
}

/* Whatever goes on ends; the state is for the caller to set. */
static void break_off(at_station *s)
{
    at_scan_abort(s);
    if (s->state == AT_STATION_JOINED) {
        LOG(s, AT_LOG_INFO, "left \"%.*s\"", (int)s->bss.ssid.len, (const char *)s->bss.ssid.bytes);
        at_station_emit(s, AT_STATION_EV_LEFT, 0);
    }
    at_station_drop_link(s, true);
    s->by_policy = false;
    s->attempts = 0;
}

/* ---- in ---- */

static bool is_group(const uint8_t mac[6])
{
    return (mac[0] & 1u) != 0;
}

static void joined_mgmt(at_station *s, const at_mgmt *m)
{
    if (!at_pmf_accept(&s->pmf, m)) {
        LOG(s, AT_LOG_WARN, "a management frame that is not protected is not believed");
        if (m->type == AT_MGMT_DEAUTH && !m->deauth.protection.on &&
            (m->deauth.reason == AT_REASON_CLASS_2 || m->deauth.reason == AT_REASON_CLASS_3))
            at_station_query_begin(s);
    } else if (m->type == AT_MGMT_DEAUTH) {
        at_station_lost(s, "it deauthenticated us");
    } else if (m->type == AT_MGMT_BEACON_LOST) {
        at_station_lost(s, "no more beacons");
    } else if (m->type == AT_MGMT_QUALITY) {
        s->bss.rssi = m->quality.rssi;
    } else if (m->type == AT_MGMT_SA_QUERY) {
        at_station_query_input(s, m);
    }
}

static void on_mgmt(at_station *s, const at_mgmt *m)
{
    if (m->type == AT_MGMT_BEACON || m->type == AT_MGMT_SCAN_DONE) {
        at_scan_mgmt(s, m);
        return;
    }
    if (s->state < AT_STATION_AUTHENTICATING || s->state > AT_STATION_JOINED)
        return;
    if (memcmp(m->from, s->bss.bssid, sizeof m->from) != 0)
        return;
    if (s->state == AT_STATION_JOINED)
        joined_mgmt(s, m);
    else
        at_station_attempt_mgmt(s, m);
}

void at_station_input(at_station *s, uint8_t *frame, size_t len)
{
    uint16_t ether_type;
    at_mgmt m;

    if (s->state == AT_STATION_OFF || len < ETHERNET_HEADER)
        return;
    if ((!is_group(frame) && memcmp(frame, s->mac, 6) != 0) || memcmp(frame + 6, s->mac, 6) == 0)
        return;
    ether_type = (uint16_t)(frame[12] << 8 | frame[13]);
    if (ether_type == AT_ETHERTYPE_MGMT) {
        if (at_mgmt_decode(&m, frame, len))
            on_mgmt(s, &m);
    } else if (ether_type == AT_ETHERTYPE_EAPOL) {
        at_station_eapol(s, frame, len);
    } else if (s->state == AT_STATION_JOINED) {
        s->config.on_data(s->config.owner, frame, len);
    }
}

/* ---- what the owner asks for ---- */

at_station *at_station_create(const at_station_config *config)
{
    at_station *s = at_calloc(config->heap, 1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->config = *config;
    s->country = (at_country){ 0, "CN", 1, 13 };
    s->protocols = AT_PROTO_B | AT_PROTO_G | AT_PROTO_N;
    at_timer_init(&s->timer, on_timer, s);
    at_task_init(&s->event_task, tell_events, s);
    at_scan_init(s);
    return s;
}

void at_station_start(at_station *s, const uint8_t mac[6])
{
    at_station_stop(s);
    memcpy(s->mac, mac, sizeof s->mac);
    at_station_set_state(s, AT_STATION_IDLE);
}

void at_station_stop(at_station *s)
{
    if (s->state == AT_STATION_OFF)
        return;
    break_off(s);
    at_station_set_state(s, AT_STATION_OFF);
}

void at_station_mac(const at_station *s, uint8_t mac[6])
{
    memcpy(mac, s->mac, sizeof s->mac);
}

static void set_params(at_station *s, const at_join_params *params)
{
    s->params = *params; /* may be the pointer of at_station_params */
    s->has_params = true;
}

at_err at_station_join(at_station *s, const at_join_params *params)
{
    size_t len = strlen(params->passphrase);

    if (s->state == AT_STATION_OFF)
        return AT_ERR_STATE;
    if (len > 0 && len < 8)
        return AT_ERR_INVALID;
    break_off(s);
    set_params(s, params);
    at_station_attempt(s);
    return AT_OK;
}

at_err at_station_leave(at_station *s)
{
    if (s->state == AT_STATION_OFF)
        return AT_ERR_STATE;
    if (s->state == AT_STATION_IDLE)
        return AT_OK;
    if (at_station_attempting(s) || s->state == AT_STATION_JOINED)
        break_off(s);
    s->by_policy = false;
    at_station_set_state(s, AT_STATION_LOST);
    return AT_OK;
}

void at_station_set_reconnect(at_station *s, uint32_t interval_s, uint32_t repeat)
{
    s->interval_s = interval_s;
    s->repeat = repeat;
    if (s->state == AT_STATION_WAITING)
        wait_for_next(s);
}

at_err at_station_reconnect_now(at_station *s, const at_join_params *params)
{
    if (s->state == AT_STATION_OFF || (params == NULL && !s->has_params))
        return AT_ERR_STATE;
    break_off(s);
    if (params != NULL)
        set_params(s, params);
    s->by_policy = true;
    at_station_attempt(s);
    return AT_OK;
}

void at_station_set_protocols(at_station *s, uint8_t protocols)
{
    s->protocols = protocols;
}

at_station_state at_station_get(const at_station *s, at_bss *bss)
{
    if (bss != NULL && s->state == AT_STATION_JOINED)
        *bss = s->bss;
    else if (bss != NULL)
        memset(bss, 0, sizeof *bss);
    return s->state;
}

const at_join_params *at_station_params(const at_station *s)
{
    return s->has_params ? &s->params : NULL;
}

void at_station_set_country(at_station *s, const at_country *country)
{
    s->country = *country;
}

void at_station_country(const at_station *s, at_country *country)
{
    *country = s->country;
    /* Policy 0: the code of the access point while there is one (guide 3.2.27). */
    if (country->policy == 0 && s->state == AT_STATION_JOINED && s->bss.country[0] != '\0')
        at_copy_text(country->code, sizeof country->code, s->bss.country);
}
