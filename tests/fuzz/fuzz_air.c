/* The air, as a radio and a computer on the wire can reach it: a sequence of frames, each preceded
 * by its length (one byte) and a byte that says who sends it (bits 0-1: the radio, the wire, the
 * radio after a proper association, the uplink), whether its Ethernet header is made a proper one
 * (bits 2-4: the type), and how much time passes (the rest). The second byte of all switches a fault
 * on, and makes one access point a bridge, with its own DHCP or without. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "air/air.h"
#include "core/bytes.h"
#include "core/heap.h"
#include "proto/ether.h"

struct at_uplink {
    at_uplink_config config;
    bool open;
};

typedef struct bench {
    uint64_t now_us, seed;
    at_loop loop;
    at_uplink uplinks[3]; /* one per port, and a bridge */
} bench;

static uint64_t now_us(void *ctx)
{
    return ((bench *)ctx)->now_us;
}

static void wait_until(void *ctx, uint64_t deadline_us)
{
    (void)ctx;
    (void)deadline_us;
}

static void fill(void *ctx, void *buf, size_t len)
{
    bench *b = ctx;

    for (size_t i = 0; i < len; i++) {
        b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)buf)[i] = (uint8_t)(b->seed >> 56);
    }
}

static void receive(void *ctx, const uint8_t *frame, size_t len)
{
    at_ether ether;

    (void)ctx;
    assert(len <= AT_ETHER_HEADER + AT_ETHER_MTU);
    assert(at_ether_parse(&ether, frame, len));
}

static at_uplink *uplink_open(const at_uplink_config *config, char *error, size_t room)
{
    bench *b = config->port;
    at_uplink *up = b->uplinks;

    (void)error;
    (void)room;
    while (up->open)
        assert(++up < b->uplinks + AT_COUNT(b->uplinks));
    up->open = true;
    up->config = *config;
    return up;
}

static void uplink_input(at_uplink *up, const uint8_t *frame, size_t len)
{
    (void)up;
    receive(NULL, frame, len);
}

static bool uplink_forward(at_uplink *up, bool udp, uint32_t host_addr, uint16_t *host_port,
                           uint32_t station_addr, uint16_t station_port, char *error, size_t room)
{
    (void)up, (void)udp, (void)host_addr, (void)host_port, (void)station_addr, (void)station_port;
    (void)error, (void)room;
    return true;
}

static void uplink_unforward(at_uplink *up, bool udp, uint32_t host_addr, uint16_t host_port)
{
    (void)up, (void)udp, (void)host_addr, (void)host_port;
}

static void uplink_close(at_uplink *up)
{
    up->open = false;
}

static void pass_time(bench *b, uint64_t us)
{
    b->now_us += us;
    for (int i = 0; i < 8; i++)
        at_loop_turn(&b->loop);
}

static void associate(at_air_port *port, const uint8_t mac[6], const at_world_ap *ap)
{
    at_mgmt m = { .type = AT_MGMT_AUTH, .auth = { .sequence = 1 } };
    uint8_t frame[AT_MGMT_FRAME_MAX];

    memcpy(m.from, mac, 6);
    memcpy(m.to, ap->bssid, 6);
    at_air_input(port, frame, at_mgmt_encode(&m, frame, sizeof frame));
    m.type = AT_MGMT_ASSOC;
    memset(&m.assoc, 0, sizeof m.assoc);
    m.assoc.ssid = ap->ssid;
    m.assoc.auth = ap->auth;
    m.assoc.pmf = AT_PMF_CAPABLE;
    m.assoc.dh = (at_mgmt_dh){ 19, { 1, 2, 3 } };
    at_air_input(port, frame, at_mgmt_encode(&m, frame, sizeof frame));
}

static void feed(bench *b, at_air_port *const ports[2], const at_world *world, at_reader *r)
{
    static const uint16_t types[8] = { 0, 0x88B5, 0x888E, 0x0806, 0x0800, 0x0800, 0x86DD, 0x9000 };
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
    static const uint8_t gateway_mac[6] = { 0x52, 0x55, 192, 168, 3, 1 };
    uint8_t len = at_get8(r), how = at_get8(r);
    uint8_t frame[256 + AT_ETHER_HEADER];
    const uint8_t *bytes = at_get(r, len);
    uint16_t type = types[how >> 2 & 7];
    const at_world_ap *ap = &world->aps[how >> 5 & 1];
    size_t head = type != 0 ? AT_ETHER_HEADER : 0;

    if (bytes == NULL)
        return;
    memcpy(frame + head, bytes, len);
    if (type != 0)
        at_ether_build(frame, type == 0x0800 || type == 0x0806 ? gateway_mac : ap->bssid, mac,
                       type);
    if ((how & 3) == 2)
        associate(ports[0], mac, ap);
    if ((how & 3) == 3) {
        const at_uplink *up = &b->uplinks[how >> 5 & 1];

        if (up->open && head + len >= AT_ETHER_HEADER)
            up->config.deliver(up->config.owner, frame, head + len);
    } else {
        at_air_input(ports[how & 1], frame, head + len);
    }
    pass_time(b, (uint64_t)(how >> 6) * 700000u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* 64 digits are the key itself: nothing to derive, so thousands of runs per second. */
    static const char text[] = "[ap espressif]\npassword = "
                               "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
                               "[ap open]\n"
                               "[fault l]\nkind = delay\nvalue = 900\nap = open\narmed = no\n";
    static const char wpa3[] = "[ap espressif]\nauth = wpa3-psk\npassword = secret88\nsae = h2e\n"
                               "[ap open]\nauth = owe\n"
                               "[fault l]\nkind = deauth\nap = open\narmed = no\n";
    at_world world;
    bench b = { .now_us = 1, .seed = 1 };
    at_clock clock = { &b, now_us };
    at_waiter waiter = { &b, wait_until };
    at_random random = { &b, fill };
    at_log log = { NULL };
    at_heap heap;
    at_uplink_ops ops = { &b,          uplink_open, uplink_input, uplink_forward, uplink_unforward,
                          uplink_close };
    at_air_config config = { .loop = &b.loop,
                             .heap = &heap,
                             .log = &log,
                             .random = &random,
                             .world = &world,
                             .slirp = &ops,
                             .tap = &ops };
    at_air_port *ports[2];
    at_reader r = at_reader_of(data, size);
    char error[100];
    uint8_t options;

    config.policy = (at_policy)(at_get8(&r) % 3);
    options = at_get8(&r);
    if ((options & 8) != 0)
        assert(at_world_parse(&world, "t", wpa3, sizeof wpa3 - 1, error, sizeof error));
    else
        assert(at_world_parse(&world, "t", text, sizeof text - 1, error, sizeof error));
    at_heap_init(&heap, SIZE_MAX);
    at_loop_init(&b.loop, &clock, &waiter);
    world.faults[0].armed = (options & 1) != 0;
    if ((options & 2) != 0)
        world.aps[1].uplink = AT_UPLINK_TAP;
    world.aps[1].dhcp_given = (options & 4) != 0;
    at_air *air = at_air_create(&config);

    assert(air != NULL && at_air_open_bridges(air, error, sizeof error));
    ports[0] = at_air_attach_radio(air, (const uint8_t[6]){ 2, 0, 0, 0, 0, 1 }, receive, &b);
    ports[1] = at_air_attach_wired(air, "open", receive, &b);
    while (r.ok && r.left > 0)
        feed(&b, ports, &world, &r);
    at_air_destroy(air);
    assert(heap.used == 0 && b.loop.timer_count == 0);
    return 0;
}
