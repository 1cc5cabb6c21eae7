/* IPv6 from the network into the stack: lwIP's neighbour discovery, extension headers, fragments, MLD,
 * TCP and UDP, and our glue around them. The input is a sequence of pieces: a byte that says what the
 * next bytes are (bits 0-2) and who they go to (bit 3), their number, the bytes. Checksums are made
 * right, so that more than the first check is reached. Behind each input IPv6 is switched off, and no
 * memory may be left. */
#include "core/bytes.h"
#include "net/datagram.h"
#include "net/stream_tcp.h"
#include "proto/icmp6.h"
#include "proto/ipv6.h"
#include "stack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAME_MAX = 1514, PIECE_MAX = 255 };
enum { RAW, ICMP, ICMP_BEHIND_OPTIONS, UDP, TCP, FRAGMENT, ADVERT, TIME };

static const uint8_t router[16] = { 0xFE, 0x80, [15] = 1 };
static size_t used_at_first;
static at_datagram *endpoint;

static void send_frame(const uint8_t *packet, size_t len)
{
    uint8_t frame[FRAME_MAX];

    at_ether_build(frame, stack_mac, other_mac, AT_ETHERTYPE_IPV6);
    memcpy(frame + AT_ETHER_HEADER, packet, len);
    at_net_input(stack.net, AT_NETIF_STA, frame, AT_ETHER_HEADER + len);
    stack_turn();
}

/* A payload with its checksum at `offset` (0: none), behind `ext` bytes of extension headers. */
static void send_payload(bool group, uint8_t protocol, uint8_t *bytes, size_t len, size_t ext,
                         uint8_t next, size_t offset)
{
    uint8_t packet[AT_IPV6_HEADER + 2 * PIECE_MAX];
    at_ipv6 ip = { .protocol = protocol, .hop_limit = 255, .payload_len = len };
    uint16_t checksum;

    memcpy(ip.from, router, 16);
    memcpy(ip.to, at_ipv6_all_nodes, 16);
    if (!group)
        at_ipv6_eui64(stack_mac, ip.to);
    if (offset > 0 && len >= ext + offset + 2) {
        bytes[ext + offset] = bytes[ext + offset + 1] = 0;
        checksum = at_checksum_end(at_checksum_add(
            at_checksum_pseudo6(ip.from, ip.to, next, len - ext), bytes + ext, len - ext));
        bytes[ext + offset] = (uint8_t)(checksum >> 8);
        bytes[ext + offset + 1] = (uint8_t)checksum;
    }
    at_ipv6_build(&ip, packet, sizeof packet);
    memcpy(packet + AT_IPV6_HEADER, bytes, len);
    send_frame(packet, AT_IPV6_HEADER + len);
}

static void advertise(const uint8_t *data, size_t len)
{
    at_nd_router r = { .lifetime_s = 1800, .prefix_valid_s = 7200, .prefix_preferred_s = 3600 };
    uint8_t packet[AT_ND_ROUTER_LEN];

    memcpy(r.from, router, 16);
    memcpy(r.mac, other_mac, 6);
    memcpy(r.prefix, "\xFD\x77", 2);
    memcpy(r.prefix + 2, data, AT_MIN(len, 6u));
    at_nd_router_advert(&r, at_ipv6_all_nodes, packet, sizeof packet);
    send_frame(packet, sizeof packet);
}

static void piece(uint8_t how, const uint8_t *data, size_t len)
{
    uint8_t bytes[8 + PIECE_MAX];
    bool group = (how & 8u) != 0;

    memcpy(bytes, data, len);
    switch (how & 7u) {
    case RAW: send_frame(data, len); break;
    case ICMP: send_payload(group, 58, bytes, len, 0, 58, 2); break;
    case ICMP_BEHIND_OPTIONS:
        memmove(bytes + 8, bytes, len);
        memcpy(bytes, "\x3a\0\5\2\0\0\1\0", 8);
        send_payload(group, 0, bytes, len + 8, 8, 58, 2);
        break;
    case UDP:
        if (len > 8) {
            bytes[2] = 6000 >> 8;
            bytes[3] = 6000 & 255;
            bytes[4] = 0;
            bytes[5] = (uint8_t)len;
        }
        send_payload(group, 17, bytes, len, 0, 17, 6);
        break;
    case TCP:
        if (len > 4) {
            bytes[2] = 0;
            bytes[3] = 80;
        }
        send_payload(group, 6, bytes, len, 0, 6, 16);
        break;
    case FRAGMENT: send_payload(group, 44, bytes, len, 0, 0, 0); break;
    case ADVERT: advertise(data, len); break;
    default:
        at_loop_turn(&stack.loop);
        stack.now_us += len * 1000000u;
        stack_turn();
    }
}

static void pass(unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        stack.now_us += 1000000u;
        stack_turn();
    }
}

static void on_client(void *owner, at_stream *stream)
{
    (void)owner;
    stream->ops->abort(stream);
}

static void start(void)
{
    static const at_addr group = { .family = AT_IPV6, .bytes = { 0xFF, 2, [15] = 0xFC } };
    at_datagram_params udp = { .v6 = true, .local_port = 6000, .limit = 4000 };
    at_tcp_listen_params tcp = { .v6 = true, .port = 80, .backlog = 5, .on_client = on_client };
    at_tcp_listener *listener;

    stack_start();
    if (at_datagram_open(stack.net, &udp, &endpoint) != AT_OK ||
        at_datagram_join(endpoint, &group) != AT_OK ||
        at_tcp_listen(stack.net, &tcp, &listener) != AT_OK)
        abort();
}

/* Off, and everything that was under way has run out. */
static void end(void)
{
    at_addr from;
    uint16_t port;
    size_t len;

    at_net_set_ip6(stack.net, false);
    while (at_datagram_next(endpoint, &len, &from, &port))
        at_datagram_drop(endpoint);
    pass(200);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (stack.net == NULL) {
        start();
        end();
        used_at_first = stack.heap.used;
    }
    at_net_set_ip6(stack.net, true);
    pass(2);
    for (size_t at = 0; at + 2 < size;) {
        size_t len = AT_MIN((size_t)data[at + 1], size - at - 2);

        piece(data[at], data + at + 2, len);
        at += 2 + len;
    }
    end();
    if (stack.heap.used != used_at_first)
        __builtin_trap();
    return 0;
}
