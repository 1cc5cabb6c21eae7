/* SoftAPs and stations, both real, on a real air: what the one half of wifi/ says to the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "air/air.h"
#include "core/bytes.h"
#include "core/heap.h"
#include "wifi/softap.h"
#include "wifi/station.h"

#define MODULES 12
#define QUEUE   256
#define SECOND  1000000u

typedef struct bench bench;

typedef struct module { /* a radio with both halves */
    bench *bench;
    at_radio radio;
    at_air_port *port;
    uint8_t mac[6], bssid[6];
    at_station *station;
    at_softap *softap;
    unsigned joined, left, failed, ap_joined, ap_left, founds;
    int error;
    at_bss found[24];
    bool scanned;
    unsigned station_data, ap_data;
    uint8_t last_data[64];
} module;

typedef struct packet {
    module *to; /* NULL: from, to the air */
    module *from;
    size_t len;
    uint8_t bytes[AT_RADIO_FRAME_MAX];
} packet;

struct bench {
    uint64_t now_us;
    at_clock clock;
    at_waiter waiter;
    at_loop loop;
    at_heap heap;
    at_log log;
    at_random random;
    uint32_t state;
    at_world world;
    at_air *air;
    module modules[MODULES];
    packet queue[QUEUE];
    unsigned head, count;
};

static uint64_t now(void *ctx)
{
    return ((bench *)ctx)->now_us;
}

static void wait(void *ctx, uint64_t due)
{
    (void)ctx;
    (void)due;
}

static void fill(void *ctx, void *to, size_t len)
{
    bench *b = ctx;
    for (size_t i = 0; i < len; i++) {
        b->state = b->state * 1664525u + 1013904223u;
        ((uint8_t *)to)[i] = (uint8_t)(b->state >> 24);
    }
}

static packet *put(bench *b)
{
    assert_true(b->count < QUEUE);
    return &b->queue[(b->head + b->count++) % QUEUE];
}

static int radio_send(at_radio *radio, const at_radio_piece *pieces, size_t count)
{
    module *m = radio->ctx;
    packet *p = put(m->bench);
    *p = (packet){ .from = m };
    for (size_t i = 0; i < count; i++) {
        memcpy(p->bytes + p->len, pieces[i].data, pieces[i].len);
        p->len += pieces[i].len;
    }
    return 0;
}

static void radio_mac(at_radio *radio, uint8_t mac[6])
{
    memcpy(mac, ((module *)radio->ctx)->mac, 6);
}

static void to_radio(void *ctx, const uint8_t *frame, size_t len)
{
    module *m = ctx;
    packet *p = put(m->bench);
    *p = (packet){ .to = m, .len = len };
    memcpy(p->bytes, frame, len);
}

static void on_station(void *owner, at_station_event event, int detail)
{
    module *m = owner;
    m->joined += event == AT_STATION_EV_JOINED;
    m->left += event == AT_STATION_EV_LEFT;
    if (event == AT_STATION_EV_FAILED) {
        m->failed++;
        m->error = detail;
    }
}

static void on_station_data(void *owner, uint8_t *frame, size_t len)
{
    module *m = owner;
    m->station_data++;
    memcpy(m->last_data, frame, AT_MIN(len, sizeof m->last_data));
}

static void on_softap(void *owner, at_softap_event event, const uint8_t mac[6])
{
    module *m = owner;
    (void)mac;
    m->ap_joined += event == AT_SOFTAP_EV_JOINED;
    m->ap_left += event == AT_SOFTAP_EV_LEFT;
}

static void on_softap_data(void *owner, uint8_t *frame, size_t len)
{
    module *m = owner;
    m->ap_data++;
    memcpy(m->last_data, frame, AT_MIN(len, sizeof m->last_data));
}

static void run(bench *b, uint64_t us)
{
    uint64_t end = b->now_us + us;
    for (;;) {
        while (b->count > 0 || b->loop.first_task != NULL ||
               (b->loop.timers != NULL && b->loop.timers->due_us <= b->now_us)) {
            if (b->count > 0) {
                packet p = b->queue[b->head];
                b->head = (b->head + 1) % QUEUE;
                b->count--;
                if (p.to == NULL)
                    at_air_input(p.from->port, p.bytes, p.len);
                else if (!at_softap_input(p.to->softap, p.bytes, p.len))
                    at_station_input(p.to->station, p.bytes, p.len);
                continue;
            }
            at_loop_turn(&b->loop);
        }
        if (b->loop.timers == NULL || b->loop.timers->due_us > end)
            break;
        b->now_us = b->loop.timers->due_us;
    }
    b->now_us = end;
}

static void add_module(bench *b, unsigned i)
{
    static const at_radio_ops ops = { .send = radio_send, .factory_mac = radio_mac };
    module *m = &b->modules[i];
    at_station_config station = { .loop = &b->loop,
                                  .heap = &b->heap,
                                  .log = &b->log,
                                  .random = &b->random,
                                  .radio = &m->radio,
                                  .on_event = on_station,
                                  .on_data = on_station_data,
                                  .owner = m };
    at_softap_config softap = { .loop = &b->loop,
                                .heap = &b->heap,
                                .log = &b->log,
                                .random = &b->random,
                                .radio = &m->radio,
                                .on_event = on_softap,
                                .on_data = on_softap_data,
                                .owner = m };
    m->bench = b;
    m->radio = (at_radio){ .ops = &ops, .ctx = m };
    memcpy(m->mac, (uint8_t[6]){ 2, 0, 0, 0, (uint8_t)i, 0x10 }, 6);
    memcpy(m->bssid, (uint8_t[6]){ 2, 0, 0, 0, (uint8_t)i, 0x11 }, 6);
    m->station = at_station_create(&station);
    m->softap = at_softap_create(&softap);
    m->port = at_air_attach_radio(b->air, m->mac, to_radio, m);
    at_station_start(m->station, m->mac);
}

static int setup(void **state)
{
    bench *b = calloc(1, sizeof *b);
    at_air_config config = { .loop = &b->loop,
                             .heap = &b->heap,
                             .log = &b->log,
                             .random = &b->random,
                             .world = &b->world,
                             .owner = b };
    b->clock = (at_clock){ .ctx = b, .now_us = now };
    b->waiter = (at_waiter){ .ctx = b, .wait = wait };
    b->random = (at_random){ .ctx = b, .fill = fill };
    b->now_us = SECOND;
    at_loop_init(&b->loop, &b->clock, &b->waiter);
    at_heap_init(&b->heap, SIZE_MAX);
    at_world_default(&b->world);
    b->world.aps[0].uplink = AT_UPLINK_NONE;
    b->air = at_air_create(&config);
    for (unsigned i = 0; i < MODULES; i++)
        add_module(b, i);
    *state = b;
    return 0;
}

/* Everything goes, and nothing is left. */
static int teardown(void **state)
{
    bench *b = *state;
    for (unsigned i = 0; i < MODULES; i++) {
        at_softap_stop(b->modules[i].softap);
        at_station_stop(b->modules[i].station);
    }
    run(b, SECOND);
    for (unsigned i = 0; i < MODULES; i++) {
        at_free(&b->heap, b->modules[i].softap);
        at_free(&b->heap, b->modules[i].station);
    }
    at_air_destroy(b->air);
    assert_int_equal(b->loop.timer_count, 0);
    assert_int_equal(b->heap.blocks, 0);
    free(b);
    return 0;
}

static at_ssid ssid_of(const char *text)
{
    at_ssid ssid = { .len = (uint8_t)strlen(text) };
    memcpy(ssid.bytes, text, ssid.len);
    return ssid;
}

static void softap_on(bench *b, unsigned i, const char *ssid, const char *password, unsigned max)
{
    module *m = &b->modules[i];
    at_softap_params p = { .ssid = ssid_of(ssid),
                           .channel = 5,
                           .auth = password[0] != '\0' ? AT_AUTH_WPA2_PSK : AT_AUTH_OPEN,
                           .max_stations = (uint8_t)max };
    at_copy_text(p.passphrase, sizeof p.passphrase, password);
    at_softap_start(m->softap, m->bssid, &p, 7, "CN");
    run(b, 1000);
}

static bool join(bench *b, unsigned i, const char *ssid, const char *password)
{
    module *m = &b->modules[i];
    at_join_params p = { .ssid = ssid_of(ssid), .pmf = 1, .listen_interval = 3 };
    at_copy_text(p.passphrase, sizeof p.passphrase, password);
    at_station_join(m->station, &p);
    run(b, 1000);
    return at_station_get(m->station, NULL) == AT_STATION_JOINED;
}

static void send_data(bench *b, const module *m, bool as_softap, const uint8_t *to)
{
    uint8_t frame[60] = { 0 };
    at_radio_piece piece = { frame, sizeof frame };
    memcpy(frame, to, 6);
    memcpy(frame + 6, as_softap ? m->bssid : m->mac, 6);
    frame[12] = 0x08;
    if (as_softap)
        at_softap_send(m->softap, &piece, 1);
    else
        at_station_send(m->station, &piece, 1);
    run(b, 1000);
}

static void found(void *arg, const at_bss *bss)
{
    module *m = arg;
    m->found[m->founds++ % AT_COUNT(m->found)] = *bss;
}

static void scanned(void *arg, at_err err)
{
    ((module *)arg)->scanned = err == AT_OK;
}

static unsigned scan(bench *b, unsigned i, const char *ssid)
{
    module *m = &b->modules[i];
    at_scan_params p = { .ssid = ssid_of(ssid) };
    m->founds = 0;
    m->scanned = false;
    at_station_scan(m->station, &p, found, scanned, m);
    run(b, SECOND);
    assert_true(m->scanned);
    return m->founds;
}

/* ---- tests ---- */

static void joins_and_talks(void **state)
{
    bench *b = *state;
    module *ap = &b->modules[0], *a = &b->modules[1], *c = &b->modules[2];
    static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
    uint8_t mac[6];

    softap_on(b, 0, "soft", "1234567890", 4);
    assert_true(join(b, 1, "soft", "1234567890"));
    assert_true(join(b, 2, "soft", "1234567890"));
    assert_int_equal(ap->ap_joined, 2);
    assert_true(at_softap_station(ap->softap, 0, mac) && memcmp(mac, a->mac, 6) == 0);
    assert_true(at_softap_station(ap->softap, 1, mac) && memcmp(mac, c->mac, 6) == 0);
    assert_false(at_softap_station(ap->softap, 2, mac));

    send_data(b, a, false, ap->bssid);
    assert_int_equal(ap->ap_data, 1);
    send_data(b, a, false, c->mac); /* relayed by the SoftAP */
    assert_int_equal(c->station_data, 1);
    assert_memory_equal(c->last_data + 6, a->mac, 6);
    assert_int_equal(ap->ap_data, 1);
    send_data(b, a, false, all);
    assert_int_equal(ap->ap_data, 2);
    assert_int_equal(c->station_data, 2);
    assert_int_equal(a->station_data, 0);
    send_data(b, ap, true, all);
    assert_int_equal(a->station_data, 1);
    assert_int_equal(c->station_data, 3);
    send_data(b, ap, true, a->mac);
    assert_int_equal(a->station_data, 2);
    assert_int_equal(c->station_data, 3);
}

static void an_open_one_needs_no_key(void **state)
{
    bench *b = *state;
    softap_on(b, 0, "open", "", 4);
    assert_true(join(b, 1, "open", ""));
    send_data(b, &b->modules[1], false, b->modules[0].bssid);
    assert_int_equal(b->modules[0].ap_data, 1);
}

static void a_wrong_password_is_refused(void **state)
{
    bench *b = *state;
    softap_on(b, 0, "soft", "1234567890", 4);
    assert_false(join(b, 1, "soft", "0987654321"));
    assert_int_equal(b->modules[1].error, AT_JOIN_PASSWORD);
    assert_int_equal(b->modules[0].ap_joined, 0);
    assert_int_equal(b->modules[0].ap_left, 0);
    assert_true(join(b, 1, "soft", "1234567890"));
}

static void each_label_of_cwsap_is_joined(void **state)
{
    bench *b = *state;
    module *ap = &b->modules[0];
    for (uint8_t auth = AT_AUTH_WPA_PSK; auth <= AT_AUTH_WPA_WPA2_PSK; auth++) {
        at_softap_params p = {
            .ssid = ssid_of("soft"), .channel = 5, .auth = auth, .max_stations = 4
        };
        at_copy_text(p.passphrase, sizeof p.passphrase, "1234567890");
        at_softap_start(ap->softap, ap->bssid, &p, 7, "CN");
        run(b, 1000);
        assert_true(join(b, 1, "soft", "1234567890"));
    }
}

static void a_hidden_one_is_joined_by_name(void **state)
{
    bench *b = *state;
    module *ap = &b->modules[0];
    at_softap_params p = { .ssid = ssid_of("shy"), .channel = 5, .max_stations = 4, .hidden = 1 };
    unsigned seen;

    at_softap_start(ap->softap, ap->bssid, &p, 7, "CN");
    run(b, 1000);
    seen = scan(b, 1, "");
    for (unsigned i = 0; i < seen; i++)
        assert_int_not_equal(b->modules[1].found[i].ssid.len, 3);
    assert_int_equal(scan(b, 1, "shy"), 1);
    assert_true(join(b, 1, "shy", ""));
}

static void no_more_than_max_conn(void **state)
{
    bench *b = *state;
    softap_on(b, 0, "soft", "1234567890", 2);
    assert_true(join(b, 1, "soft", "1234567890"));
    assert_true(join(b, 2, "soft", "1234567890"));
    assert_false(join(b, 3, "soft", "1234567890"));
    assert_int_equal(b->modules[3].error, AT_JOIN_FAILED);
    at_station_leave(b->modules[1].station);
    run(b, 1000);
    assert_true(join(b, 3, "soft", "1234567890"));
    softap_on(b, 4, "four", "1234567890", 4);
    for (unsigned i = 5; i < 9; i++)
        assert_true(join(b, i, "four", "1234567890"));
    assert_false(join(b, 9, "four", "1234567890"));
}

static void kicked_and_told(void **state)
{
    bench *b = *state;
    module *ap = &b->modules[0];
    softap_on(b, 0, "soft", "1234567890", 4);
    join(b, 1, "soft", "1234567890");
    join(b, 2, "soft", "1234567890");
    assert_int_equal(at_softap_kick(ap->softap, b->modules[3].mac), AT_ERR_NOT_FOUND);
    assert_int_equal(at_softap_kick(ap->softap, b->modules[1].mac), AT_OK);
    run(b, 1000);
    assert_int_equal(b->modules[1].left, 1);
    assert_int_equal(b->modules[2].left, 0);
    assert_int_equal(ap->ap_left, 1);
    at_softap_kick_all(ap->softap);
    run(b, 1000);
    assert_int_equal(b->modules[2].left, 1);
    assert_int_equal(ap->ap_left, 2);
}

static void a_station_that_leaves_is_told(void **state)
{
    bench *b = *state;
    softap_on(b, 0, "soft", "1234567890", 4);
    join(b, 1, "soft", "1234567890");
    at_station_leave(b->modules[1].station);
    run(b, 1000);
    assert_int_equal(b->modules[0].ap_left, 1);
    join(b, 1, "soft", "1234567890"); /* turning to another access point is leaving, too */
    join(b, 1, "espressif", "1234567890");
    assert_int_equal(b->modules[0].ap_left, 2);
    assert_int_equal(at_station_get(b->modules[1].station, NULL), AT_STATION_JOINED);
}

static void losses_are_noticed(void **state)
{
    bench *b = *state;
    module *ap = &b->modules[0], *a = &b->modules[1];
    softap_on(b, 0, "soft", "1234567890", 4);
    join(b, 1, "soft", "1234567890");
    at_air_reset_port(a->port); /* power cut: silence */
    run(b, 299 * SECOND);
    assert_int_equal(ap->ap_left, 0);
    run(b, 2 * SECOND);
    assert_int_equal(ap->ap_left, 1);

    join(b, 2, "soft", "1234567890");
    at_air_reset_port(ap->port);
    run(b, 5 * SECOND);
    assert_int_equal(b->modules[2].left, 0);
    run(b, 2 * SECOND);
    assert_int_equal(b->modules[2].left, 1);
    assert_int_equal(scan(b, 2, "soft"), 0);
}

static void a_radio_that_goes_for_good(void **state)
{
    bench *b = *state;
    module *ap = &b->modules[0], *a = &b->modules[1];
    softap_on(b, 0, "soft", "1234567890", 4);
    join(b, 1, "soft", "1234567890");
    join(b, 2, "soft", "1234567890");
    at_air_detach(a->port);
    a->port = at_air_attach_radio(b->air, a->mac, to_radio, a);
    run(b, 1000);
    assert_int_equal(ap->ap_left, 1);
    at_air_detach(ap->port);
    ap->port = at_air_attach_radio(b->air, ap->mac, to_radio, ap);
    run(b, 1000);
    assert_int_equal(b->modules[2].left, 1);
}

static void power_and_faults_by_name(void **state)
{
    bench *b = *state;
    module *ap = &b->modules[0];
    at_world_fault half = { .name = "half", .kind = AT_FAULT_HALF_OPEN, .armed = true };
    char name[18];

    at_format_mac(name, ap->bssid);
    softap_on(b, 0, "soft", "1234567890", 4);
    join(b, 1, "soft", "1234567890");
    at_copy_text(half.ap, sizeof half.ap, name);
    assert_int_equal(at_air_add_fault(b->air, &half), AT_OK);
    send_data(b, &b->modules[1], false, ap->bssid);
    assert_int_equal(ap->ap_data, 0);
    assert_int_equal(at_air_fault(b->air, "half", false), AT_OK);
    send_data(b, &b->modules[1], false, ap->bssid);
    assert_int_equal(ap->ap_data, 1);
    assert_int_equal(at_air_ap_rssi(b->air, name, -77), AT_OK);
    assert_int_equal(scan(b, 2, "soft"), 1);
    assert_int_equal(b->modules[2].found[0].rssi, -77);
    assert_int_equal(at_air_ap_power(b->air, name, false), AT_OK);
    run(b, 7 * SECOND);
    assert_int_equal(b->modules[1].left, 1);
    assert_int_equal(ap->ap_left, 1);
}

/* A deauthentication that anybody could have sent; returns its length. */
static size_t forge(uint8_t *frame, const uint8_t *from, const uint8_t *to, uint16_t reason)
{
    at_mgmt m = { .type = AT_MGMT_DEAUTH, .deauth = { .reason = reason } };

    memcpy(m.from, from, 6);
    memcpy(m.to, to, 6);
    return at_mgmt_encode(&m, frame, AT_MGMT_FRAME_MAX);
}

static void forged_deauthentications_are_not_believed(void **state)
{
    bench *b = *state;
    module *ap = &b->modules[0], *a = &b->modules[1];
    at_world_fault out = { .name = "out", .kind = AT_FAULT_DEAUTH, .armed = true };
    uint8_t frame[AT_MGMT_FRAME_MAX];
    size_t len;

    softap_on(b, 0, "soft", "1234567890", 4);
    assert_true(join(b, 1, "soft", "1234567890"));
    len = forge(frame, a->mac, ap->bssid, AT_REASON_LEAVING);
    assert_true(at_softap_input(ap->softap, frame, len));
    len = forge(frame, ap->bssid, a->mac, AT_REASON_LEAVING);
    at_station_input(a->station, frame, len);
    len = forge(frame, ap->bssid, a->mac, AT_REASON_CLASS_3); /* the station asks, by the air */
    at_station_input(a->station, frame, len);
    run(b, 3 * SECOND);
    assert_int_equal(a->left, 0);
    assert_int_equal(ap->ap_left, 0);
    /* The air has no keys: its fault makes the SoftAP throw its stations out. */
    at_format_mac(out.ap, ap->bssid);
    assert_int_equal(at_air_add_fault(b->air, &out), AT_OK);
    run(b, 1000);
    assert_int_equal(a->left, 1);
    assert_int_equal(ap->ap_left, 1);
}

static void both_halves_at_once(void **state)
{
    bench *b = *state;
    module *both = &b->modules[0];
    softap_on(b, 0, "soft", "1234567890", 4);
    assert_true(join(b, 0, "espressif", "1234567890"));
    assert_true(join(b, 1, "soft", "1234567890"));
    send_data(b, &b->modules[1], false, both->bssid);
    assert_int_equal(both->ap_data, 1);
    assert_int_equal(both->station_data, 0);
    assert_int_equal(scan(b, 0, "soft"), 0); /* not its own */
    at_softap_set_channel(both->softap, 6);
    run(b, 1000);
    assert_int_equal(scan(b, 2, "soft"), 1);
    assert_int_equal(b->modules[2].found[0].channel, 6);
    assert_int_equal(b->modules[1].left, 0);
}

static void a_switch_off_is_told_at_once(void **state)
{
    bench *b = *state;
    softap_on(b, 0, "soft", "1234567890", 4);
    join(b, 1, "soft", "1234567890");
    at_softap_stop(b->modules[0].softap);
    run(b, 1000);
    assert_int_equal(b->modules[1].left, 1);
    assert_int_equal(b->modules[0].ap_left, 1);
    assert_int_equal(scan(b, 1, "soft"), 0);
}

static void any_bytes_may_come(void **state)
{
    bench *b = *state;
    module *ap = &b->modules[0];
    uint8_t frame[200];
    softap_on(b, 0, "soft", "1234567890", 4);
    join(b, 1, "soft", "1234567890");
    for (unsigned i = 0; i < 20000; i++) {
        size_t len = i % sizeof frame;
        fill(b, frame, sizeof frame);
        memcpy(frame, ap->bssid, 6);
        memcpy(frame + 6, (i & 1) ? b->modules[1].mac : b->modules[i % MODULES].mac, 6);
        if (i % 3 == 0)
            memcpy(frame + 12, (uint8_t[4]){ 0x88, 0xB5, 1, (uint8_t)(1 + i % 13) }, 4);
        else if (i % 3 == 1)
            memcpy(frame + 12, (uint8_t[2]){ 0x88, 0x8E }, 2);
        if (!at_softap_input(ap->softap, frame, len))
            at_station_input(ap->station, frame, len);
        run(b, 100);
    }
    run(b, 20 * SECOND);
    for (unsigned i = 1; i < 4; i++)
        at_station_leave(b->modules[i].station);
    run(b, SECOND);
    assert_true(join(b, 1, "soft", "1234567890"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(joins_and_talks),
        TEST(an_open_one_needs_no_key),
        TEST(a_wrong_password_is_refused),
        TEST(each_label_of_cwsap_is_joined),
        TEST(a_hidden_one_is_joined_by_name),
        TEST(no_more_than_max_conn),
        TEST(kicked_and_told),
        TEST(a_station_that_leaves_is_told),
        TEST(losses_are_noticed),
        TEST(a_radio_that_goes_for_good),
        TEST(power_and_faults_by_name),
        TEST(forged_deauthentications_are_not_believed),
        TEST(both_halves_at_once),
        TEST(a_switch_off_is_told_at_once),
        TEST(any_bytes_may_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
