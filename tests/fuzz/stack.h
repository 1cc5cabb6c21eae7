/* A stack on an Ethernet of its own, for fuzzers of what travels in UDP: it is 192.168.3.112, the
 * fuzzer is everybody else. Time stands still unless the loop has nothing else to do. */
#ifndef TESTS_FUZZ_STACK_H
#define TESTS_FUZZ_STACK_H

#include <stdlib.h>
#include <string.h>

#include "core/heap.h"
#include "core/limits.h"
#include "core/loop.h"
#include "iface/current.h"
#include "net/net.h"
#include "proto/ether.h"
#include "proto/ipv4.h"
#include "proto/udp.h"

#define STACK_IP    0xC0A80370u
#define STACK_OTHER 0xC0A80366u

static const uint8_t stack_mac[6] = { 0x1a, 0xfe, 0x35, 0x98, 0xd3, 0x7b };
static const uint8_t other_mac[6] = { 0x02, 0, 0, 0, 0, 0x02 };

static struct {
    at_heap heap;
    at_loop loop;
    at_net *net;
    uint64_t now_us;
    uint8_t sent[1514]; /* UDP data of the last datagram */
    size_t sent_len;
    uint16_t from_port, to_port; /* of it */
    bool asked;                  /* an ARP request waits for its answer */
} stack;

static uint64_t stack_now(void *ctx)
{
    (void)ctx;
    return stack.now_us;
}

static void stack_jump(void *ctx, uint64_t deadline_us)
{
    (void)ctx;
    if (deadline_us != AT_WAIT_FOREVER && deadline_us > stack.now_us)
        stack.now_us = deadline_us;
}

static void stack_fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    memset(buf, 0x5a, len);
}

static int stack_sent(void *ctx, const at_radio_piece *pieces, size_t count)
{
    uint8_t frame[2000];
    size_t len = 0;
    at_ipv4 ip;
    at_udp udp;

    (void)ctx;
    for (size_t i = 0; i < count && len + pieces[i].len <= sizeof frame; i++) {
        memcpy(frame + len, pieces[i].data, pieces[i].len);
        len += pieces[i].len;
    }
    stack.asked |= len > 41 && frame[12] == 0x08 && frame[13] == 0x06 && frame[21] == 1 &&
                   memcmp(frame + 38, "\xc0\xa8\x03\x66", 4) == 0;
    if (len > 14 && frame[12] == 0x08 && frame[13] == 0x00 &&
        at_ipv4_parse(&ip, frame + 14, len - 14) && at_udp_parse(&udp, &ip)) {
        memcpy(stack.sent, udp.data, udp.data_len);
        stack.sent_len = udp.data_len;
        stack.from_port = udp.from_port;
        stack.to_port = udp.to_port;
    }
    return 0;
}

static void stack_event(void *owner, at_netif_id netif, at_net_event event)
{
    (void)owner;
    (void)netif;
    (void)event;
}

/* One turn; the other end's hardware address is told when it was asked for. */
static void stack_turn(void)
{
    static const uint8_t is_at[] = { 0, 1, 8, 0, 6, 4, 0, 2 };

    at_loop_turn(&stack.loop);
    if (!stack.asked)
        return;
    stack.asked = false;
    uint8_t frame[42];
    at_ether_build(frame, stack_mac, other_mac, 0x0806);
    memcpy(frame + 14, is_at, 8);
    memcpy(frame + 22, other_mac, 6);
    memcpy(frame + 28, "\xc0\xa8\x03\x66", 4);
    memcpy(frame + 32, stack_mac, 6);
    memcpy(frame + 38, "\xc0\xa8\x03\x70", 4);
    at_net_input(stack.net, AT_NETIF_STA, frame, sizeof frame);
    at_loop_turn(&stack.loop);
}

static void stack_start(void)
{
    static const at_clock clock = { .now_us = stack_now };
    static const at_waiter waiter = { .wait = stack_jump };
    static const at_random random = { .fill = stack_fill };
    static at_log log;
    at_ip_config address = { at_addr_v4(192, 168, 3, 112), at_addr_v4(192, 168, 3, 1),
                             at_addr_v4(255, 255, 255, 0) };
    at_net_config config = { .loop = &stack.loop,
                             .heap = &stack.heap,
                             .log = &log,
                             .window = AT_TCP_WINDOW,
                             .on_event = stack_event };

    stack.now_us = 1000000;
    at_heap_init(&stack.heap, SIZE_MAX);
    at_loop_init(&stack.loop, &clock, &waiter);
    at_the_current =
        (at_current){ .clock = &clock, .random = &random, .heap = &stack.heap, .log = &log };
    stack.net = at_net_create(&config);
    if (stack.net == NULL ||
        at_net_add_interface(stack.net, AT_NETIF_STA, stack_mac, stack_sent, NULL) != AT_OK)
        abort();
    at_net_use_static(stack.net, AT_NETIF_STA, &address);
    at_net_link(stack.net, AT_NETIF_STA, true);
    for (int i = 0; i < 100; i++)
        stack_turn();
}

/* A datagram from the other end, to the stack or a group. */
static inline void stack_datagram(uint32_t to, uint16_t from_port, uint16_t to_port,
                                  const uint8_t *data, size_t len)
{
    uint8_t frame[1514];
    at_udp udp = { .from_port = from_port, .to_port = to_port, .data = data, .data_len = len };
    at_ipv4 ip = { .from = STACK_OTHER, .to = to, .ttl = 255 };

    at_ether_build(frame, stack_mac, other_mac, AT_ETHERTYPE_IPV4);
    len = at_udp_build(&udp, &ip, frame + AT_ETHER_HEADER, sizeof frame - AT_ETHER_HEADER);
    at_net_input(stack.net, AT_NETIF_STA, frame, AT_ETHER_HEADER + len);
    at_loop_turn(&stack.loop);
}

#endif
