/* Frames from the network into the stack while its DHCP client asks: lwIP's client and our glue around
 * it, with answers that are almost right. The first byte of the input chooses between a raw frame and
 * options inside an answer for the transaction under way, behind those of a valid OFFER and ACK or
 * alone. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/heap.h"
#include "core/limits.h"
#include "core/loop.h"
#include "iface/current.h"
#include "net/net.h"
#include "proto/ether.h"
#include "proto/ipv4.h"
#include "proto/udp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAME_MAX = 1514, BOOTP_LEN = 240, HEADERS = 14 + 20 + 8 };

static uint64_t now_us;
static uint8_t xid[4];

static uint64_t read_now(void *ctx)
{
    (void)ctx;
    return now_us;
}

static void jump(void *ctx, uint64_t deadline_us)
{
    (void)ctx;
    if (deadline_us != AT_WAIT_FOREVER && deadline_us > now_us)
        now_us = deadline_us;
}

static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    memset(buf, 0x5a, len);
}

/* What the stack sends: the transaction number of its DISCOVER or REQUEST is remembered. */
static int sent(void *ctx, const at_radio_piece *pieces, size_t count)
{
    uint8_t frame[FRAME_MAX + 100];
    size_t len = 0;

    (void)ctx;
    for (size_t i = 0; i < count && len + pieces[i].len <= sizeof frame; i++) {
        memcpy(frame + len, pieces[i].data, pieces[i].len);
        len += pieces[i].len;
    }
    if (len >= HEADERS + BOOTP_LEN && frame[12] == 0x08 && frame[23] == 17)
        memcpy(xid, frame + HEADERS + 4, 4);
    return 0;
}

static void on_event(void *owner, at_netif_id netif, at_net_event event)
{
    (void)owner;
    (void)netif;
    (void)event;
}

/* What an answer needs to be believed: OFFER or ACK, server, lease time, netmask. */
static const uint8_t good[] = { 0x35, 1, 2,  0x36, 4, 192, 168, 3,   1,   0x33, 4,
                                0,    0, 14, 16,   1, 4,   255, 255, 255, 0 };

static size_t answer(const uint8_t mac[6], const uint8_t *options, size_t len, uint8_t *frame)
{
    uint8_t *bootp = frame + HEADERS;

    memset(frame, 0, HEADERS + BOOTP_LEN);
    bootp[0] = 2;
    bootp[1] = 1;
    bootp[2] = 6;
    memcpy(bootp + 4, xid, 4);
    memcpy(bootp + 16, "\xc0\xa8\x03\x70", 4);
    memcpy(bootp + 28, mac, 6);
    memcpy(bootp + 236, "\x63\x82\x53\x63", 4);
    memcpy(bootp + BOOTP_LEN, options, len);
    len += BOOTP_LEN;
    memcpy(frame, mac, 6);
    memcpy(frame + 6, "\x52\x55\xc0\xa8\x03\x01", 6);
    frame[12] = 0x08;
    uint8_t *ip = frame + 14;
    ip[0] = 0x45;
    ip[2] = (uint8_t)((len + 28) >> 8);
    ip[3] = (uint8_t)(len + 28);
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, "\xc0\xa8\x03\x01\xff\xff\xff\xff", 8);
    uint32_t sum = 0;
    for (unsigned i = 0; i < 20; i += 2)
        sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~(sum + (sum >> 16)) & 0xffff;
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
    memcpy(frame + 34, "\x00\x43\x00\x44", 4); /* ports 67 and 68, no checksum */
    frame[38] = (uint8_t)((len + 8) >> 8);
    frame[39] = (uint8_t)(len + 8);
    return HEADERS + len;
}

static struct {
    at_heap heap;
    at_loop loop;
    at_net *net;
} bench;

static void start(const uint8_t mac[6])
{
    static const at_clock clock = { .now_us = read_now };
    static const at_waiter waiter = { .wait = jump };
    static const at_random random = { .fill = fill };
    static at_log log;

    at_heap_init(&bench.heap, SIZE_MAX);
    at_loop_init(&bench.loop, &clock, &waiter);
    at_the_current.clock = &clock;
    at_the_current.random = &random;
    at_the_current.heap = &bench.heap;
    at_the_current.log = &log;
    at_net_config config = {
        .loop = &bench.loop,
        .heap = &bench.heap,
        .log = &log,
        .window = AT_TCP_WINDOW,
        .on_event = on_event,
    };
    bench.net = at_net_create(&config);
    if (bench.net == NULL ||
        at_net_add_interface(bench.net, AT_NETIF_STA, mac, sent, NULL) != AT_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t mac[6] = { 0x1a, 0xfe, 0x35, 0x98, 0xd3, 0x7b };
    uint8_t frame[FRAME_MAX];
    unsigned count = 0;

    if (size < 2 || size > FRAME_MAX - HEADERS - BOOTP_LEN)
        return 0;
    if (bench.net == NULL)
        start(mac); /* one stack per process; each input is one join */
    at_net_use_dhcp(bench.net, AT_NETIF_STA, "fuzz");
    at_net_link(bench.net, AT_NETIF_STA, true);
    at_loop_turn(&bench.loop);
    for (size_t at = 1; at < size;) { /* pieces of up to 255 bytes, each an answer */
        size_t len = AT_MIN((size_t)data[at], size - at - 1);

        at++;
        if (data[0] & 1) {
            at_net_input(bench.net, AT_NETIF_STA, data + at, len);
        } else {
            uint8_t options[sizeof good + 255];
            size_t head = (data[0] & 2) != 0 ? sizeof good : 0;
            memcpy(options, good, head);
            if (head > 0 && count++ % 2 == 1)
                options[2] = 5;
            memcpy(options + head, data + at, len);
            at_net_input(bench.net, AT_NETIF_STA, frame, answer(mac, options, head + len, frame));
        }
        at_loop_turn(&bench.loop);
        at += len;
    }
    at_net_link(bench.net, AT_NETIF_STA, false);
    at_loop_turn(&bench.loop);
    return 0;
}
