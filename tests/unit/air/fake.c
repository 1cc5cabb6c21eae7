/* The bench of fake.h: what a chip's Wi-Fi would do, in its shortest form. */
#include "fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "proto/arp.h"
#include "proto/ether.h"
#include "proto/udp.h"

static uint64_t now_us(void *ctx)
{
    return ((fake_air *)ctx)->now_us;
}

static void wait_until(void *ctx, uint64_t deadline_us)
{
    fake_air *bench = ctx;

    if (deadline_us != AT_WAIT_FOREVER && deadline_us > bench->now_us)
        bench->now_us = deadline_us;
}

static void fill(void *ctx, void *buf, size_t len)
{
    fake_air *bench = ctx;

    for (size_t i = 0; i < len; i++) {
        bench->seed = bench->seed * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)buf)[i] = (uint8_t)(bench->seed >> 56);
    }
}

static void append(char *text, size_t room, const char *more)
{
    size_t used = strlen(text);

    (void)snprintf(text + used, room - used, "%s\n", more);
}

static void log_line(void *ctx, at_log_level level, const char *area, const char *line)
{
    fake_air *bench = ctx;

    (void)level;
    (void)area;
    append(bench->log_text, sizeof bench->log_text, line);
}

static void on_event(void *owner, const char *name, const char *members)
{
    fake_air *bench = owner;
    char line[400];

    (void)snprintf(line, sizeof line, "%s {%s}", name, members);
    append(bench->events, sizeof bench->events, line);
}

/* ---- uplink and resolver ---- */

static at_uplink *uplink_open(const at_uplink_config *config, char *error, size_t room)
{
    fake_air *bench = config->port;

    (void)error;
    (void)room;
    bench->uplink.config = *config;
    bench->uplink.open++;
    bench->uplink.opened++;
    return (at_uplink *)(void *)bench;
}

static void uplink_input(at_uplink *up, const uint8_t *frame, size_t len)
{
    fake_uplink *u = &((fake_air *)(void *)up)->uplink;

    if (u->count == FAKE_INBOX || len > sizeof u->sent[0].data)
        return;
    memcpy(u->sent[u->count].data, frame, len);
    u->sent[u->count++].len = len;
}

static bool uplink_forward(at_uplink *up, bool udp, uint32_t host_addr, uint16_t *host_port,
                           uint32_t station_addr, uint16_t station_port, char *error, size_t room)
{
    fake_uplink *u = &((fake_air *)(void *)up)->uplink;

    (void)udp;
    (void)host_addr;
    (void)station_addr;
    if (*host_port == 1) {
        (void)snprintf(error, room, "cannot listen on port 1");
        return false;
    }
    if (*host_port == 0)
        *host_port = 40000;
    u->forwards++;
    u->forwarded_port = station_port;
    return true;
}

static void uplink_unforward(at_uplink *up, bool udp, uint32_t host_addr, uint16_t host_port)
{
    (void)udp;
    (void)host_addr;
    (void)host_port;
    ((fake_air *)(void *)up)->uplink.forwards--;
}

static void uplink_close(at_uplink *up)
{
    ((fake_air *)(void *)up)->uplink.open--;
}

static void resolver_query(void *ctx, const uint8_t *query, size_t len,
                           void (*answer)(void *arg, const uint8_t *data, size_t len), void *arg)
{
    fake_air *bench = ctx;

    (void)query;
    (void)len;
    bench->dns_queries++;
    bench->dns_answer = answer;
    bench->dns_arg = arg;
}

static void resolver_cancel(void *ctx, void *arg)
{
    fake_air *bench = ctx;

    if (bench->dns_arg == arg)
        bench->dns_answer = NULL;
}

/* ---- start and stop ---- */

fake_air *fake_start(const char *text, at_policy policy, bool with_uplink)
{
    fake_air *bench = calloc(1, sizeof *bench);
    char error[256];
    at_air_config config;

    assert_non_null(bench);
    at_heap_init(&bench->heap, SIZE_MAX);
    bench->now_us = 1000000;
    bench->clock = (at_clock){ bench, now_us };
    bench->waiter = (at_waiter){ bench, wait_until };
    bench->random = (at_random){ bench, fill };
    bench->sink = (at_log_sink){ bench, AT_LOG_INFO, log_line };
    bench->log.sink = &bench->sink;
    at_loop_init(&bench->loop, &bench->clock, &bench->waiter);
    if (!at_world_parse(&bench->world, "test", text != NULL ? text : "",
                        text != NULL ? strlen(text) : 0, error, sizeof error))
        fail_msg("%s", error);
    for (uint32_t i = 0; i < bench->world.ap_count && !with_uplink; i++)
        bench->world.aps[i].uplink = AT_UPLINK_NONE;
    bench->uplink_ops = (at_uplink_ops){ bench,          uplink_open,      uplink_input,
                                         uplink_forward, uplink_unforward, uplink_close };
    bench->resolver = (at_resolver){ bench, resolver_query, resolver_cancel };
    config = (at_air_config){ .loop = &bench->loop,
                              .heap = &bench->heap,
                              .log = &bench->log,
                              .random = &bench->random,
                              .world = &bench->world,
                              .slirp = with_uplink ? &bench->uplink_ops : NULL,
                              .tap = with_uplink ? &bench->uplink_ops : NULL,
                              .resolver = &bench->resolver,
                              .policy = policy,
                              .on_event = on_event,
                              .owner = bench };
    bench->air = at_air_create(&config);
    assert_non_null(bench->air);
    return bench;
}

void fake_stop(fake_air *bench)
{
    at_air_destroy(bench->air);
    assert_int_equal(bench->uplink.open, 0);
    assert_int_equal(bench->uplink.forwards, 0);
    assert_int_equal(bench->heap.used, 0);
    assert_int_equal(bench->loop.timer_count, 0);
    assert_null(bench->loop.first_task);
    free(bench);
}

void fake_run(fake_air *bench, uint64_t ms)
{
    uint64_t end = bench->now_us + ms * 1000u;

    for (;;) {
        uint64_t due = bench->loop.timers != NULL ? bench->loop.timers->due_us : UINT64_MAX;

        if (bench->loop.first_task == NULL && due > end)
            break;
        at_loop_turn(&bench->loop);
    }
    bench->now_us = end;
}

/* ---- the station ---- */

static void mgmt_received(fake_station *s, const at_mgmt *m)
{
    if (m->type == AT_MGMT_AUTH || m->type == AT_MGMT_ASSOC_ANSWER || m->type == AT_MGMT_DEAUTH ||
        m->type == AT_MGMT_SA_QUERY) {
        s->last = *m;
        s->lasts++;
    }
    switch (m->type) {
    case AT_MGMT_BEACON:
        if (s->found_count < AT_COUNT(s->found))
            s->found[s->found_count++] = m->beacon.bss;
        break;
    case AT_MGMT_SCAN_DONE: s->scan_done = m->scan_done.token; break;
    case AT_MGMT_AUTH: s->auth_status = m->auth.status; break;
    case AT_MGMT_ASSOC_ANSWER: s->assoc_status = m->assoc_answer.status; break;
    case AT_MGMT_DEAUTH:
        s->reason = m->deauth.reason;
        s->deauths++;
        s->joined = false;
        break;
    case AT_MGMT_QUALITY: s->rssi = m->quality.rssi; break;
    case AT_MGMT_BEACON_LOST: s->beacon_lost++; break;
    case AT_MGMT_SA_QUERY: break;
    default: fail_msg("management frame %d to a station", m->type);
    }
}

static void receive(void *ctx, const uint8_t *frame, size_t len)
{
    fake_station *s = ctx;

    assert_true(len <= sizeof s->inbox[0].data);
    if (s->in_count == FAKE_INBOX)
        return;
    memcpy(s->inbox[s->in_count].data, frame, len);
    s->inbox[s->in_count++].len = len;
}

/* Handles what is no data: the air's send must not call back, so this runs afterwards. */
static void work(fake_station *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->in_count; i++) {
        fake_frame f = s->inbox[i];
        uint8_t reply[AT_EAPOL_FRAME_MAX];
        size_t reply_len = 0;
        at_mgmt m;
        at_eapol_step step;

        if (at_mgmt_decode(&m, f.data, f.len)) {
            mgmt_received(s, &m);
            continue;
        }
        if (f.data[12] != 0x88 || f.data[13] != 0x8E) {
            s->inbox[kept++] = f;
            continue;
        }
        if (s->quiet_eapol)
            continue;
        step = at_eapol_input(&s->eapol, f.data, f.len, reply, &reply_len);
        s->joined = s->joined || step == AT_EAPOL_DONE;
        if (reply_len > 0)
            at_air_input(s->port, reply, reply_len);
    }
    s->in_count = kept;
}

static fake_station *new_station(fake_air *bench)
{
    size_t index = bench->station_count++;
    fake_station *s = &bench->stations[index];

    assert_true(index < FAKE_STATIONS);
    s->bench = bench;
    memcpy(s->mac, (uint8_t[6]){ 0x02, 0, 0, 0, 1, (uint8_t)index }, 6);
    s->auth_status = s->assoc_status = s->reason = 0xFFFF;
    return s;
}

fake_station *fake_radio(fake_air *bench)
{
    fake_station *s = new_station(bench);

    s->port = at_air_attach_radio(bench->air, s->mac, receive, s);
    assert_non_null(s->port);
    return s;
}

fake_station *fake_wired(fake_air *bench, const char *ap)
{
    fake_station *s = new_station(bench);

    s->port = at_air_attach_wired(bench->air, ap, receive, s);
    assert_non_null(s->port);
    return s;
}

void fake_send(fake_station *s, const uint8_t *frame, size_t len)
{
    at_air_input(s->port, frame, len);
    fake_run(s->bench, 0);
    for (size_t i = 0; i < s->bench->station_count; i++)
        work(&s->bench->stations[i]);
}

void fake_send_mgmt(fake_station *s, at_mgmt *m)
{
    uint8_t frame[AT_MGMT_FRAME_MAX];
    size_t len;

    memcpy(m->from, s->mac, 6);
    len = at_mgmt_encode(m, frame, sizeof frame);
    assert_true(len > 0);
    fake_send(s, frame, len);
}

static at_ssid ssid_of(const char *text)
{
    at_ssid ssid = { .len = (uint8_t)strlen(text) };

    memcpy(ssid.bytes, text, ssid.len);
    return ssid;
}

void fake_scan(fake_station *s, uint8_t token, uint8_t channel, const char *ssid)
{
    at_mgmt m = { .type = AT_MGMT_SCAN, .scan = { .token = token, .channel = channel } };

    s->found_count = 0;
    s->scan_done = 0;
    m.scan.ssid = ssid_of(ssid);
    memset(m.to, 0xFF, 6);
    fake_send_mgmt(s, &m);
}

void fake_auth(fake_station *s, const uint8_t bssid[6], uint16_t algorithm)
{
    at_mgmt m = { .type = AT_MGMT_AUTH,
                  .auth = { .algorithm = (uint8_t)algorithm, .sequence = 1 } };

    memcpy(m.to, bssid, 6);
    memcpy(s->bssid, bssid, 6);
    fake_send_mgmt(s, &m);
}

static const at_world_ap *ap_of(const fake_air *bench, const char *ssid)
{
    for (uint32_t i = 0; i < bench->world.ap_count; i++) {
        const at_ssid *name = &bench->world.aps[i].ssid;

        if (name->len == strlen(ssid) && memcmp(name->bytes, ssid, name->len) == 0)
            return &bench->world.aps[i];
    }
    return NULL;
}

bool fake_join(fake_station *s, const char *ssid, const char *password)
{
    const at_world_ap *ap = ap_of(s->bench, ssid);
    uint8_t pmk[AT_PMK_LEN], nonce[AT_NONCE_LEN] = { 7 };
    at_mgmt m = { .type = AT_MGMT_ASSOC };

    assert_non_null(ap);
    s->joined = false;
    s->auth_status = s->assoc_status = s->reason = 0xFFFF;
    fake_auth(s, ap->bssid, AT_AUTH_ALG_OPEN);
    if (password[0] != '\0') {
        const at_bss bss = { .auth = ap->auth, .pmf = ap->pmf };
        at_suite suite;

        at_suite_make(&suite, &bss, AT_AUTH_WPA2_PSK, AT_PMF_CAPABLE, NULL);
        assert_true(at_pmk_from_passphrase(password, (const uint8_t *)ssid, strlen(ssid), pmk));
        at_eapol_start_supplicant(&s->eapol, s->mac, ap->bssid, &suite, pmk, nonce);
    }
    memcpy(m.to, ap->bssid, 6);
    m.assoc.ssid = ssid_of(ssid);
    m.assoc.auth = password[0] != '\0' ? AT_AUTH_WPA2_PSK : AT_AUTH_OPEN;
    m.assoc.pmf = AT_PMF_CAPABLE;
    m.assoc.protocols = 7;
    fake_send_mgmt(s, &m);
    for (int i = 0; i < 4; i++)
        work(s);
    if (password[0] == '\0')
        s->joined = s->assoc_status == 0;
    return s->joined;
}

void fake_udp(fake_station *s, uint32_t to, uint16_t from_port, uint16_t to_port, const void *data,
              size_t len)
{
    uint8_t frame[1600];
    const uint8_t gateway_mac[6] = { 0x52, 0x55, 192, 168, 3, 1 };
    const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
    at_ipv4 ip = { .from = s->ip, .to = to, .ttl = 64 };
    at_udp udp = { from_port, to_port, data, len };
    size_t used = at_udp_build(&udp, &ip, frame + 14, sizeof frame - 14);

    assert_true(used > 0);
    at_ether_build(frame, to == AT_IPV4_BROADCAST ? all : gateway_mac, s->mac, AT_ETHERTYPE_IPV4);
    fake_send(s, frame, used + 14);
}

bool fake_ip(const fake_station *s, size_t i, at_ipv4 *ip)
{
    return i < s->in_count && s->inbox[i].data[12] == 8 && s->inbox[i].data[13] == 0 &&
           at_ipv4_parse(ip, s->inbox[i].data + 14, s->inbox[i].len - 14);
}

/* ---- protocols, from the station's side ---- */

static bool dhcp_exchange(fake_station *s, uint8_t type, uint32_t *yours, uint32_t *server)
{
    uint8_t message[300] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78 };
    at_builder b = at_builder_of(message + 236, 64);
    at_ipv4 ip;
    at_udp udp;
    uint32_t own = s->ip;

    memcpy(message + 28, s->mac, 6);
    at_put32(&b, 0x63825363);
    at_put(&b, (const uint8_t[3]){ 53, 1, type }, 3);
    if (type == 3) {
        at_put(&b, (const uint8_t[2]){ 50, 4 }, 2);
        at_put32(&b, *yours);
        at_put(&b, (const uint8_t[2]){ 54, 4 }, 2);
        at_put32(&b, *server);
    }
    at_put8(&b, 255);
    s->in_count = 0;
    s->ip = 0;
    fake_udp(s, AT_IPV4_BROADCAST, 68, 67, message, sizeof message);
    s->ip = own;
    if (!fake_ip(s, 0, &ip) || !at_udp_parse(&udp, &ip) || udp.to_port != 68)
        return false;
    *yours = (uint32_t)udp.data[16] << 24 | (uint32_t)udp.data[17] << 16 |
             (uint32_t)udp.data[18] << 8 | udp.data[19];
    *server = ip.from;
    return true;
}

bool fake_dhcp(fake_station *s)
{
    uint32_t yours = 0, server = 0;

    if (!dhcp_exchange(s, 1, &yours, &server) || !dhcp_exchange(s, 3, &yours, &server))
        return false;
    s->ip = yours;
    s->in_count = 0;
    return true;
}

void fake_arp(fake_station *s, uint32_t target)
{
    at_arp arp = { .operation = AT_ARP_REQUEST, .sender_ip = s->ip, .target_ip = target };
    const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
    uint8_t frame[AT_ARP_FRAME_LEN];

    memcpy(arp.sender_mac, s->mac, 6);
    fake_send(s, frame, at_arp_build(&arp, all, frame));
}

void fake_ping(fake_station *s, uint32_t to)
{
    uint8_t frame[14 + 28 + 8];
    at_ipv4 ip = {
        .from = s->ip, .to = to, .ttl = 64, .protocol = AT_IPPROTO_ICMP, .payload_len = 16
    };
    uint8_t *icmp = frame + 34;
    uint16_t sum;

    memset(frame, 0, sizeof frame);
    at_ether_build(frame, (const uint8_t[6]){ 0x52, 0x55, 192, 168, 3, 1 }, s->mac,
                   AT_ETHERTYPE_IPV4);
    assert_int_equal(at_ipv4_build(&ip, frame + 14, 20), 20);
    icmp[0] = 8;
    sum = at_checksum_end(at_checksum_add(0, icmp, 16));
    icmp[2] = (uint8_t)(sum >> 8);
    icmp[3] = (uint8_t)sum;
    fake_send(s, frame, sizeof frame);
}

bool fake_logged(const fake_air *bench, const char *text)
{
    return strstr(bench->log_text, text) != NULL;
}

bool fake_event(const fake_air *bench, const char *text)
{
    return strstr(bench->events, text) != NULL;
}
