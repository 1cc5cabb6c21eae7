/* The air with the real uplink and the real resolver, against sockets of this computer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "air/air.h"
#include "core/bytes.h"
#include "ports/linux/clock.h"
#include "ports/linux/poller.h"
#include "ports/linux/random.h"
#include "ports/linux/resolver.h"
#include "ports/linux/slirp.h"
#include "proto/arp.h"
#include "proto/ether.h"
#include "proto/ipv4.h"
#include "proto/tcp.h"
#include "proto/udp.h"

#define OWN     0xC0A80332u /* 192.168.3.50 */
#define GATEWAY 0xC0A80301u
#define PC      0xC0A80366u

static const uint8_t own_mac[6] = { 2, 0, 0, 0, 0, 50 };
static const uint8_t gateway_mac[6] = { 0x52, 0x55, 192, 168, 3, 1 };

typedef struct bench {
    at_clock clock; /* the computer's, and what the test lets pass */
    uint64_t passed_us;
    at_heap heap;
    at_loop loop;
    at_log log;
    lx_poller poller;
    lx_random random;
    lx_slirp slirp;
    lx_resolver resolver;
    at_world world;
    at_air *air;
    at_air_port *port;
    uint8_t frame[1600];
    size_t len; /* of the last IPv4 frame */
    uint16_t forwarded;
    char name[64];
} bench;

static void receive(void *ctx, const uint8_t *frame, size_t len)
{
    bench *b = ctx;

    if (frame[12] != 8 || frame[13] != 0)
        return;
    memcpy(b->frame, frame, len);
    b->len = len;
}

static void on_event(void *owner, const char *name, const char *members)
{
    bench *b = owner;
    const char *port = strstr(members, "\"port\":");

    if (strcmp(name, "forward") == 0 && port != NULL)
        b->forwarded = (uint16_t)strtoul(port + 7, NULL, 10);
}

static uint64_t now_us(void *ctx)
{
    return lx_clock()->now_us(lx_clock()->ctx) + ((bench *)ctx)->passed_us;
}

static int setup(void **state)
{
    bench *b = calloc(1, sizeof *b);
    at_air_config config;
    FILE *file;
    int fd;

    assert_non_null(b);
    at_heap_init(&b->heap, SIZE_MAX);
    b->clock = (at_clock){ .ctx = b, .now_us = now_us };
    lx_poller_init(&b->poller, &b->clock);
    at_loop_init(&b->loop, &b->clock, &b->poller.waiter);
    lx_random_seeded(&b->random, 1);
    lx_slirp_init(&b->slirp, &b->poller, &b->heap);
    memcpy(b->name, "/tmp/attache-resolv-XXXXXX", 27);
    fd = mkstemp(b->name);
    assert_true(fd >= 0);
    file = fdopen(fd, "w");
    fputs("# two servers, the first is dead\nnameserver 127.0.0.2\nnameserver 127.0.0.1\n", file);
    fclose(file);
    lx_resolver_init(&b->resolver, &b->loop, &b->poller, &b->heap, b->name);
    b->resolver.server_us = 20000;
    at_world_default(&b->world);
    config = (at_air_config){ .loop = &b->loop,
                              .heap = &b->heap,
                              .log = &b->log,
                              .random = &b->random.random,
                              .world = &b->world,
                              .slirp = &b->slirp.ops,
                              .resolver = &b->resolver.resolver,
                              .on_event = on_event,
                              .owner = b };
    b->air = at_air_create(&config);
    assert_non_null(b->air);
    b->port = at_air_attach_wired(b->air, "espressif", receive, b);
    assert_non_null(b->port);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bench *b = *state;

    at_air_destroy(b->air);
    lx_resolver_close(&b->resolver);
    assert_int_equal(b->heap.used, 0);
    assert_int_equal(b->loop.timer_count, 0);
    unlink(b->name);
    free(b);
    return 0;
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Turns until a frame came or the time is over. */
static bool frame_within(bench *b, unsigned ms)
{
    uint64_t end = at_loop_now(&b->loop) + ms * 1000u;
    at_timer timer;

    b->len = 0;
    at_timer_init(&timer, nothing, NULL);
    at_timer_at(&b->loop, &timer, end);
    while (b->len == 0 && at_timer_running(&timer))
        at_loop_turn(&b->loop);
    at_timer_stop(&b->loop, &timer);
    return b->len > 0;
}

static void send_udp(bench *b, uint32_t to, uint16_t port, const void *data, size_t len)
{
    uint8_t frame[1600];
    at_ipv4 ip = { .from = OWN, .to = to, .ttl = 64 };
    at_udp udp = { 4000, port, data, len };

    at_ether_build(frame, gateway_mac, own_mac, AT_ETHERTYPE_IPV4);
    at_air_input(b->port, frame, 14 + at_udp_build(&udp, &ip, frame + 14, sizeof frame - 14));
}

static int udp_socket(const char *address, uint16_t *port)
{
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr = { inet_addr(address) } };
    socklen_t len = sizeof name;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    name.sin_port = htons(*port);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    *port = ntohs(name.sin_port);
    return fd;
}

static void a_datagram_to_an_alias_and_back(void **state)
{
    bench *b = *state;
    uint16_t port = 0;
    int fd = udp_socket("127.0.0.1", &port);
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    char text[16];
    at_ipv4 ip;
    at_udp udp;

    send_udp(b, PC, port, "hello", 5);
    assert_int_equal(recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&from, &from_len), 5);
    assert_int_equal(sendto(fd, "answer", 6, 0, (struct sockaddr *)&from, from_len), 6);
    assert_true(frame_within(b, 2000));
    assert_true(at_ipv4_parse(&ip, b->frame + 14, b->len - 14));
    assert_true(at_udp_parse(&udp, &ip));
    assert_int_equal(ip.from, PC);
    assert_int_equal(udp.from_port, port);
    assert_memory_equal(udp.data, "answer", 6);
    close(fd);
}

static int tcp_listener(uint16_t *port)
{
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr = { htonl(0x7F000001) } };
    socklen_t len = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    *port = ntohs(name.sin_port);
    return fd;
}

static void send_tcp(bench *b, uint16_t port, uint8_t flags, uint32_t sequence, uint32_t ack)
{
    uint8_t frame[14 + 40];
    const at_ipv4 ip = {
        .from = OWN, .to = PC, .ttl = 64, .protocol = AT_IPPROTO_TCP, .payload_len = 20
    };
    at_builder t = at_builder_of(frame + 34, 20);
    uint16_t sum;

    at_ether_build(frame, gateway_mac, own_mac, AT_ETHERTYPE_IPV4);
    assert_int_equal(at_ipv4_build(&ip, frame + 14, 20), 20);
    at_put16(&t, 5000);
    at_put16(&t, port);
    at_put32(&t, sequence);
    at_put32(&t, ack);
    at_put16(&t, (uint16_t)(0x5000 | flags));
    at_put16(&t, 5760);
    at_put32(&t, 0);
    sum = at_checksum_end(at_checksum_add(at_checksum_pseudo(OWN, PC, 6, 20), frame + 34, 20));
    frame[50] = (uint8_t)(sum >> 8);
    frame[51] = (uint8_t)sum;
    at_air_input(b->port, frame, sizeof frame);
}

static at_tcp expect_tcp(bench *b, uint8_t flags)
{
    at_ipv4 ip;
    at_tcp tcp;

    assert_true(frame_within(b, 2000));
    assert_true(at_ipv4_parse(&ip, b->frame + 14, b->len - 14));
    assert_true(at_tcp_parse(&tcp, &ip));
    assert_int_equal(ip.from, PC);
    assert_int_equal(tcp.flags, flags);
    return tcp;
}

/* libslirp keeps what it cannot address for its 500 ms timer; it must not have to. */
static void a_connection_is_answered_at_once(void **state)
{
    bench *b = *state;
    uint64_t start = at_loop_now(&b->loop);
    uint16_t port;
    int fd = tcp_listener(&port);

    send_tcp(b, port, AT_TCP_SYN, 1000, 0);
    expect_tcp(b, AT_TCP_SYN | AT_TCP_ACK);
    assert_true(at_loop_now(&b->loop) - start < 400000);
    close(fd);
}

/* How long the uplink lets the poller sleep, in ms. */
static uint64_t sleep_ms(bench *b)
{
    uint64_t now = at_loop_now(&b->loop);

    at_loop_post(&b->loop, &(at_task){ .run = nothing }); /* so that this turn does not */
    at_loop_turn(&b->loop);
    return (b->poller.groups->deadline_us - now) / 1000;
}

static void an_idle_connection_wakes_nobody(void **state)
{
    bench *b = *state;
    uint16_t port;
    int fd = tcp_listener(&port), peer;
    at_tcp tcp;

    send_tcp(b, port, AT_TCP_SYN, 1000, 0);
    tcp = expect_tcp(b, AT_TCP_SYN | AT_TCP_ACK);
    send_tcp(b, port, AT_TCP_ACK, 1001, tcp.seq + 1);
    peer = accept(fd, NULL, NULL);
    assert_true(peer >= 0);
    assert_in_range(sleep_ms(b), 1, 5000); /* timers may run */
    b->passed_us += 30000000;
    assert_in_range(sleep_ms(b), 1, 5000);
    b->passed_us += 35000000;
    assert_in_range(sleep_ms(b), 50000, 70000);
    assert_int_equal(send(peer, "x", 1, 0), 1);
    assert_int_equal(expect_tcp(b, AT_TCP_ACK | AT_TCP_PSH).data_len, 1);
    assert_in_range(sleep_ms(b), 1, 5000); /* until it is acknowledged, as far as we know */
    close(peer);
    close(fd);
}

static void a_forward_brings_a_connection(void **state)
{
    bench *b = *state;
    at_forward forward = { .host_addr = 0x7F000001, .module_port = 333 };
    at_arp arp = { .operation = AT_ARP_REQUEST, .sender_ip = OWN, .target_ip = OWN };
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr = { htonl(0x7F000001) } };
    uint8_t frame[AT_ARP_FRAME_LEN];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    at_ipv4 ip;
    at_tcp tcp;

    memcpy(arp.sender_mac, own_mac, 6);
    assert_int_equal(at_air_add_forward(b->port, &forward), AT_OK);
    assert_int_equal(b->forwarded, 0);
    at_air_input(b->port, frame,
                 at_arp_build(&arp, (const uint8_t *)"\xFF\xFF\xFF\xFF\xFF\xFF", frame));
    assert_int_not_equal(b->forwarded, 0);
    name.sin_port = htons(b->forwarded);
    (void)connect(fd, (struct sockaddr *)&name, sizeof name);
    assert_true(frame_within(b, 2000));
    assert_true(at_ipv4_parse(&ip, b->frame + 14, b->len - 14));
    assert_true(at_tcp_parse(&tcp, &ip));
    assert_int_equal(tcp.to_port, 333);
    assert_int_equal(tcp.flags, AT_TCP_SYN);
    assert_memory_equal(b->frame, own_mac, 6);
    close(fd);
    /* A port in use is said so, by number. */
    forward.host_port = b->forwarded;
    b->forwarded = 0;
    assert_int_equal(at_air_add_forward(b->port, &forward), AT_OK);
    assert_int_equal(b->forwarded, forward.host_port); /* the event with the error */
}

static void the_second_name_server_answers(void **state)
{
    bench *b = *state;
    uint16_t port = 0;
    int dead = udp_socket("127.0.0.2", &port), fd = udp_socket("127.0.0.1", &port);
    char text[8];
    uint8_t query[29] = { 0x12, 0x34, 1,   0,   0,   1, 0,   0,   0,   0, 0, 0, 7, 'e', 'x',
                          'a',  'm',  'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1, 0, 1 };
    uint8_t got[512];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    at_ipv4 ip;
    at_udp udp;

    (void)snprintf(text, sizeof text, "%u", (unsigned)port);
    b->resolver.port = text;
    send_udp(b, GATEWAY, 53, query, sizeof query);
    assert_true(frame_within(b, 2000)); /* both are silent: SERVFAIL after both time-outs */
    assert_int_equal(b->frame[42 + 3] & 15, 2);
    assert_int_equal(
        recvfrom(fd, got, sizeof got, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len),
        sizeof query);
    assert_memory_equal(got, query, sizeof query);
    close(dead);
    close(fd);
    /* Both refuse at once: the kernel says so, and the answer is SERVFAIL. */
    send_udp(b, GATEWAY, 53, query, sizeof query);
    assert_true(frame_within(b, 2000));
    assert_true(at_ipv4_parse(&ip, b->frame + 14, b->len - 14));
    assert_true(at_udp_parse(&udp, &ip));
    assert_int_equal(udp.to_port, 4000);
    assert_int_equal(udp.data[3] & 15, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_datagram_to_an_alias_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_connection_is_answered_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(an_idle_connection_wakes_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_forward_brings_a_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(the_second_name_server_answers, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
