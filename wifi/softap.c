/* The SoftAP: what is on the air, its table of stations, and where frames go.
 *
 *     FREE -AUTH-> AUTHENTICATED -ASSOC-> HANDSHAKE -keys-> JOINED
 *                                    `-- open network ------^
 *
 * Each station has a slot with that machine (softap_join.c has the steps); at_softap_set_state is the
 * only place where it moves, and where joining and leaving become events. Events wait in a queue and
 * are told from a task, in order. The queue has room for several changes of every slot between two
 * turns of the loop; a radio that floods beyond that loses events of stations it made up.
 *
 * The SoftAP is the switch of its network. A data frame of a joined station goes to the stack when it
 * is for the BSSID, to another joined station when that has the address, to the stack and all others
 * when it is for a group; to anybody else it is dropped. Frames of a station that is not joined are
 * answered with a deauthentication (class 3 frame), so that a station that missed a restart of this
 * module finds out.
 *
 * With PMF, which a station of WPA2 may have or not, deauthentications in both directions are
 * protected by the station's keys, and SA queries are answered (proto/pmf). A new authentication request
 * starts over all the same, in place of the access point's own SA query (11.13): the station's loss of an
 * association to a forged request is not modelled.
 *
 * The radio's other half, the station, never sees a frame that comes from one of ours or is for the
 * BSSID. Any bytes may come from the radio. */
#include "wifi/softap_priv.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

#define ETHERNET_HEADER    14u
#define REASON_AP_LEAVING  3u
#define LOG(s, level, ...) at_log((s)->config.log, level, "softap", __VA_ARGS__)
#define EACH_SLOT(s, slot) \
    for (at_softap_slot *slot = (s)->slots; slot < (s)->slots + AT_SOFTAP_SLOTS; slot++)

static const char *state_name(at_softap_state state)
{
    static const char *const names[AT_SOFTAP_STATES] = {
        [AT_SOFTAP_FREE] = "free",
        [AT_SOFTAP_AUTHENTICATED] = "authenticated",
        [AT_SOFTAP_HANDSHAKE] = "handshake",
        [AT_SOFTAP_JOINED] = "joined",
    };

    return (unsigned)state < AT_SOFTAP_STATES ? names[state] : "?";
}

/* ---- events ---- */

static void tell_events(void *arg)
{
    at_softap *s = arg;

    while (s->event_count > 0) {
        at_softap_event event = s->events[0].event;
        uint8_t mac[6];

        memcpy(mac, s->events[0].mac, sizeof mac);
        s->event_count--;
        memmove(s->events, s->events + 1, s->event_count * sizeof s->events[0]);
        s->config.on_event(s->config.owner, event, mac);
    }
}

static void emit(at_softap *s, at_softap_event event, const uint8_t mac[6])
{
    if (s->event_count == AT_SOFTAP_EVENTS) {
        LOG(s, AT_LOG_ERROR, "an event was lost");
        return;
    }
    s->events[s->event_count].event = event;
    memcpy(s->events[s->event_count].mac, mac, 6);
    s->event_count++;
    at_loop_post(s->config.loop, &s->event_task);
}

/* ---- stations ---- */

at_softap_slot *at_softap_find(at_softap *s, const uint8_t mac[6])
{
    EACH_SLOT(s, slot)
    {
        if (slot->state != AT_SOFTAP_FREE && memcmp(slot->mac, mac, 6) == 0)
            return slot;
    }
    return NULL;
}

unsigned at_softap_associated(const at_softap *s)
{
    unsigned count = 0;

    for (unsigned i = 0; i < AT_SOFTAP_SLOTS; i++)
        count += s->slots[i].state >= AT_SOFTAP_HANDSHAKE ? 1u : 0u;
    return count;
}

void at_softap_set_state(at_softap_slot *slot, at_softap_state state)
{
    at_softap *s = slot->softap;
    at_softap_state before = slot->state;
    char mac[18];

    at_timer_stop(s->config.loop, &slot->timer);
    if (before == state)
        return;
    at_format_mac(mac, slot->mac);
    LOG(s, AT_LOG_DEBUG, "%s: %s -> %s", mac, state_name(before), state_name(state));
    slot->state = state;
    if (state == AT_SOFTAP_JOINED) {
        slot->order = s->joins++;
        emit(s, AT_SOFTAP_EV_JOINED, slot->mac);
    } else if (before == AT_SOFTAP_JOINED) {
        emit(s, AT_SOFTAP_EV_LEFT, slot->mac);
    }
    if (state == AT_SOFTAP_FREE) {
        at_eapol_clear(&slot->eapol);
        at_wipe(&slot->protection, sizeof slot->protection);
    }
}

void at_softap_drop(at_softap_slot *slot, uint16_t reason, const char *why)
{
    at_softap *s = slot->softap;
    at_mgmt m = { .type = AT_MGMT_DEAUTH, .deauth = { .reason = reason } };
    char mac[18];

    at_format_mac(mac, slot->mac);
    LOG(s, AT_LOG_INFO, "%s (%s): %s", mac, state_name(slot->state), why);
    if (reason != 0)
        at_softap_transmit_mgmt(s, slot->mac, &m);
    at_softap_set_state(slot, AT_SOFTAP_FREE);
}

bool at_softap_station(const at_softap *s, unsigned index, uint8_t mac[6])
{
    const at_softap_slot *found = NULL;
    uint32_t from = 0;

    for (unsigned n = 0; n <= index; n++) {
        found = NULL;
        for (unsigned i = 0; i < AT_SOFTAP_SLOTS; i++) {
            const at_softap_slot *slot = &s->slots[i];

            if (slot->state == AT_SOFTAP_JOINED && slot->order >= from &&
                (found == NULL || slot->order < found->order))
                found = slot;
        }
        if (found == NULL)
            return false;
        from = found->order + 1;
    }
    memcpy(mac, found->mac, 6);
    return true;
}

at_err at_softap_kick(at_softap *s, const uint8_t mac[6])
{
    at_softap_slot *slot = at_softap_find(s, mac);

    if (slot == NULL || slot->state != AT_SOFTAP_JOINED)
        return AT_ERR_NOT_FOUND;
    at_softap_drop(slot, REASON_AP_LEAVING, "is thrown out by command");
    return AT_OK;
}

void at_softap_kick_all(at_softap *s)
{
    EACH_SLOT(s, slot)
    {
        if (slot->state != AT_SOFTAP_FREE)
            at_softap_drop(slot, REASON_AP_LEAVING, "is thrown out");
    }
}

/* ---- out ---- */

void at_softap_transmit(at_softap *s, const void *frame, size_t len)
{
    at_radio_piece piece = { frame, len };

    /* A frame that the radio cannot take is lost as on the air; timers repeat what matters. */
    (void)s->config.radio->ops->send(s->config.radio, &piece, 1);
}

void at_softap_transmit_mgmt(at_softap *s, const uint8_t to[6], at_mgmt *m)
{
    at_softap_slot *slot = at_softap_find(s, to);
    uint8_t frame[AT_MGMT_FRAME_MAX];
    size_t len;

    memcpy(m->from, s->bssid, 6);
    memcpy(m->to, to, 6);
    if (slot != NULL)
        len = at_pmf_encode(&slot->protection, m, frame, sizeof frame);
    else
        len = at_mgmt_encode(m, frame, sizeof frame);
    if (len > 0)
        at_softap_transmit(s, frame, len);
}

static bool is_group(const uint8_t mac[6])
{
    return (mac[0] & 1u) != 0;
}

static bool may_send_to(at_softap *s, const uint8_t mac[6])
{
    uint8_t any[6];
    const at_softap_slot *slot;

    if (is_group(mac))
        return at_softap_station(s, 0, any);
    slot = at_softap_find(s, mac);
    return slot != NULL && slot->state == AT_SOFTAP_JOINED;
}

int at_softap_send(at_softap *s, const at_radio_piece *pieces, size_t count)
{
    if (!s->on)
        return AT_ERR_STATE;
    if (count == 0 || pieces[0].len < ETHERNET_HEADER)
        return AT_ERR_INVALID;
    if (!may_send_to(s, pieces[0].data))
        return 0;
    return s->config.radio->ops->send(s->config.radio, pieces, count);
}

/* ---- in ---- */

static void data_input(at_softap *s, uint8_t *frame, size_t len)
{
    bool own = memcmp(frame, s->bssid, 6) == 0, group = is_group(frame);
    uint8_t other[6];

    /* Relayed before the stack may change the bytes. */
    if (group ? at_softap_station(s, 1, other) : !own && may_send_to(s, frame))
        at_softap_transmit(s, frame, len);
    if (own || group)
        s->config.on_data(s->config.owner, frame, len);
}

static void reject_stranger(at_softap *s, const uint8_t mac[6])
{
    at_mgmt m = { .type = AT_MGMT_DEAUTH, .deauth = { .reason = AT_REASON_CLASS_3 } };

    if (!is_group(mac))
        at_softap_transmit_mgmt(s, mac, &m);
}

bool at_softap_input(at_softap *s, uint8_t *frame, size_t len)
{
    const at_softap_slot *from;
    uint16_t ether_type;
    at_mgmt m;
    bool to_us;

    if (!s->on || len < ETHERNET_HEADER)
        return false;
    from = at_softap_find(s, frame + 6);
    to_us = memcmp(frame, s->bssid, 6) == 0;
    if (from == NULL && !to_us)
        return false;
    ether_type = (uint16_t)(frame[12] << 8 | frame[13]);
    if (ether_type == AT_ETHERTYPE_MGMT) {
        if (to_us && at_mgmt_decode(&m, frame, len))
            at_softap_mgmt(s, &m);
        return to_us;
    }
    if (ether_type == AT_ETHERTYPE_EAPOL)
        at_softap_eapol(s, frame, len);
    else if (from == NULL)
        reject_stranger(s, frame + 6);
    else if (from->state == AT_SOFTAP_JOINED)
        data_input(s, frame, len);
    return true;
}

/* ---- life ---- */

static void on_timer(void *arg)
{
    at_softap_timer(arg);
}

at_softap *at_softap_create(const at_softap_config *config)
{
    at_softap *s = at_calloc(config->heap, 1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->config = *config;
    at_task_init(&s->event_task, tell_events, s);
    EACH_SLOT(s, slot)
    {
        slot->softap = s;
        at_timer_init(&slot->timer, on_timer, slot);
    }
    return s;
}

void at_softap_describe(const at_softap *s, at_bss *bss)
{
    memset(bss, 0, sizeof *bss);
    memcpy(bss->bssid, s->bssid, 6);
    bss->ssid = s->params.ssid;
    bss->channel = s->params.channel;
    bss->auth = s->params.auth;
    bss->pairwise = (uint8_t)at_auth_pairwise(s->params.auth);
    bss->group = (uint8_t)at_auth_group(s->params.auth);
    bss->protocols = s->protocols;
    bss->pmf = s->params.auth >= AT_AUTH_WPA2_PSK ? AT_PMF_CAPABLE : 0;
    memcpy(bss->country, s->country, sizeof bss->country);
}

static void announce(at_softap *s, bool on)
{
    static const uint8_t everybody[6] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
    at_mgmt m = { .type = AT_MGMT_ANNOUNCE };

    m.announce.on = on;
    m.announce.hidden = s->params.hidden != 0;
    at_softap_describe(s, &m.announce.bss);
    at_softap_transmit_mgmt(s, everybody, &m);
}

void at_softap_start(at_softap *s, const uint8_t bssid[6], const at_softap_params *params,
                     uint8_t protocols, const char country[3])
{
    bool same_key = s->has_pmk && params->ssid.len == s->params.ssid.len &&
                    memcmp(params->ssid.bytes, s->params.ssid.bytes, params->ssid.len) == 0 &&
                    strcmp(params->passphrase, s->params.passphrase) == 0;

    at_softap_stop(s);
    memcpy(s->bssid, bssid, 6);
    s->params = *params;
    s->protocols = protocols;
    memcpy(s->country, country, sizeof s->country);
    s->country[2] = '\0';
    s->has_pmk = same_key;
    s->config.random->fill(s->config.random->ctx, &s->group, sizeof s->group);
    s->on = true;
    LOG(s, AT_LOG_INFO, "\"%.*s\" on channel %u, %s", (int)params->ssid.len,
        (const char *)params->ssid.bytes, params->channel, at_auth_mode_name(params->auth));
    announce(s, true);
}

void at_softap_stop(at_softap *s)
{
    if (!s->on)
        return;
    at_softap_kick_all(s);
    announce(s, false);
    s->on = false;
}

bool at_softap_is_on(const at_softap *s)
{
    return s->on;
}

void at_softap_bssid(const at_softap *s, uint8_t bssid[6])
{
    memcpy(bssid, s->bssid, 6);
}

void at_softap_set_channel(at_softap *s, uint8_t channel)
{
    if (!s->on || s->params.channel == channel)
        return;
    s->params.channel = channel;
    announce(s, true);
}
