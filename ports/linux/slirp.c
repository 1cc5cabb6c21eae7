/* libslirp as the uplink of one station.
 *
 * libslirp terminates the station's TCP and UDP and opens ordinary sockets on the computer, so it
 * needs no rights. Its own DHCP, DNS and TFTP are off; the access point does those. It never sees
 * ARP of the station either: when it asks for a hardware address it gets the station's, which is
 * all there is behind this instance. So its tables of 16 entries do not matter.
 *
 * Frames towards the station are queued while libslirp runs and delivered when it has returned
 * (deliver may lead to slirp_input, and libslirp is not re-entrant). The queue is one block of
 * bytes, each frame behind its 16-bit length: one copy per frame, no allocation in the steady
 * state, and the whole yield of a poll is handed over in one go. What does not fit is lost, as on
 * a wire. The other way, data segments wait for the end of the turn and reach libslirp joined.
 *
 * libslirp asks to be called every half second as long as it has a connection. Those calls count its timers,
 * the longest of which (the probe of a closed window) runs for 60 s and then shows as a frame. So when nothing at
 * all has passed for longer than that, no timer runs, and libslirp is called once a minute. What remains is
 * the end of forgotten UDP sockets after four minutes, which may come a minute late.
 *
 * IPv6 is the same: the access point is the router, libslirp gets the station's neighbour
 * advertisements from here, and what it says of itself (router advertisements, by its only timer)
 * is dropped. Its frames of IPv6 would carry a hardware address made from each sender's address;
 * they get the gateway's.
 *
 * The descriptors change with every connection, so an instance is a group of the poller.
 * The gateway's hardware address is libslirp's own: 52:55 and the four bytes of its IP address.
 */
#include "ports/linux/slirp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/merge.h"
#include "ports/linux/slirp_library.h"
#include "proto/arp.h"
#include "proto/ether.h"
#include "proto/icmp6.h"
#include "proto/ipv4.h"
#include "proto/ipv6.h"

#define QUEUE_FIRST (64u * 1024u)
#define QUEUE_MAX   (1024u * 1024u)
#define FRAME_MAX   1514u
#define QUIET_US    64000000u /* longer than any timer of libslirp that matters */
#define QUIET_MS    60000u    /* then it is called this often */
#define SLOW_MS     499u      /* what it asks for while only slow timers may run */

struct at_uplink {
    at_uplink_config config;
    lx_slirp_library lib;
    lx_slirp *port;
    Slirp *slirp;
    lx_group group;
    at_task drain;
    uint32_t station;        /* the address libslirp knows to be the station's */
    uint8_t station6[2][16]; /* and those of IPv6: link-local, global */
    uint8_t *queue;
    size_t used, size;
    uint64_t lost;
    lx_merge merge;   /* segments of the station */
    bool busy;        /* something passed since the last wait, ... */
    uint64_t busy_us; /* ... or by then */
};

/* ---- frames to the station ---- */

static bool grow(at_uplink *up, size_t wanted)
{
    size_t size = up->size == 0 ? QUEUE_FIRST : up->size;
    uint8_t *queue;

    while (size < wanted)
        size *= 2;
    if (size > QUEUE_MAX)
        return false;
    queue = at_realloc(up->port->heap, up->queue, size);
    if (queue == NULL)
        return false;
    up->queue = queue;
    up->size = size;
    return true;
}

static bool is_ipv6(const uint8_t *frame, size_t len)
{
    return len >= AT_ETHER_HEADER && frame[12] == 0x86 && frame[13] == 0xDD;
}

static void queue_frame(at_uplink *up, const uint8_t *frame, size_t len)
{
    uint16_t head = (uint16_t)len;

    if (len > FRAME_MAX ||
        (up->used + sizeof head + len > up->size && !grow(up, up->used + sizeof head + len))) {
        up->lost++;
        return;
    }
    memcpy(up->queue + up->used, &head, sizeof head);
    memcpy(up->queue + up->used + sizeof head, frame, len);
    if (is_ipv6(frame, len))
        memcpy(up->queue + up->used + sizeof head + 6, up->config.gateway_mac, 6);
    up->used += sizeof head + len;
    up->busy = true;
    at_loop_post(up->config.loop, &up->drain);
}

/* Tells libslirp where an address is, as a station does with a gratuitous ARP request. Otherwise
 * its first packet would wait for an answer and then, because that starts nothing, for its 500 ms
 * timer. */
static void tell_arp(at_uplink *up, uint32_t address)
{
    uint8_t frame[AT_ARP_FRAME_LEN];
    static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
    at_arp arp = { .operation = AT_ARP_REQUEST, .sender_ip = address, .target_ip = address };

    memcpy(arp.sender_mac, up->config.station_mac, 6);
    up->lib.input(up->slirp, frame, (int)at_arp_build(&arp, all, frame));
    up->station = address;
}

/* The same for IPv6: an advertisement nobody asked for. */
static void tell_neighbor(at_uplink *up, const uint8_t address[16])
{
    uint8_t frame[AT_ETHER_HEADER + AT_ND_NEIGHBOR_LEN], to[6];

    at_ipv6_group_mac(at_ipv6_all_nodes, to);
    at_ether_build(frame, to, up->config.station_mac, AT_ETHERTYPE_IPV6);
    (void)at_nd_announce(address, up->config.station_mac, frame + AT_ETHER_HEADER,
                         AT_ND_NEIGHBOR_LEN);
    up->lib.input(up->slirp, frame, (int)sizeof frame);
    memcpy(up->station6[at_ipv6_is_link_local(address) ? 0 : 1], address, 16);
}

static int no_events(int index, void *opaque)
{
    (void)index;
    (void)opaque;
    return 0;
}

/* libslirp asked all the same (its table is small): answers, and starts what waited for it. */
static void answer_arp(at_uplink *up, const uint8_t *frame, size_t len)
{
    at_arp arp;

    if (!at_arp_parse(&arp, frame + AT_ETHER_HEADER, len - AT_ETHER_HEADER) ||
        arp.operation != AT_ARP_REQUEST)
        return;
    tell_arp(up, arp.target_ip);
    up->lib.pollfds_poll(up->slirp, 1, no_events, NULL);
}

/* libslirp's own ICMPv6 for the link stays here; true: it was that. */
static bool took_neighbor(at_uplink *up, const uint8_t *frame, size_t len)
{
    at_ipv6 ip;
    at_nd nd;

    if (!is_ipv6(frame, len) ||
        !at_ipv6_parse(&ip, frame + AT_ETHER_HEADER, len - AT_ETHER_HEADER) ||
        ip.protocol != AT_IPPROTO_ICMPV6 || ip.payload_len == 0 || ip.payload[0] < AT_ND_FIRST ||
        ip.payload[0] > AT_ND_LAST)
        return false;
    if (at_nd_parse(&nd, &ip) == AT_ND_NEIGHBOR_SOLICIT) {
        tell_neighbor(up, nd.target);
        up->lib.pollfds_poll(up->slirp, 1, no_events, NULL);
    }
    return true;
}

/* ---- both ways ---- */

static void input_merged(at_uplink *up)
{
    size_t len;
    const uint8_t *frame = lx_merge_take(&up->merge, &len);

    if (frame != NULL)
        up->lib.input(up->slirp, frame, (int)len);
}

/* Runs in the loop, so libslirp may be called for ARP: the frame is not looked at after that. */
static void deliver_queue(at_uplink *up)
{
    size_t at = 0;

    while (at < up->used) {
        const uint8_t *frame = up->queue + at + 2;
        uint16_t len;

        memcpy(&len, up->queue + at, sizeof len);
        at += sizeof len + len;
        if (len >= AT_ARP_FRAME_LEN && frame[12] == 0x08 && frame[13] == 0x06)
            answer_arp(up, frame, len);
        else if (!took_neighbor(up, frame, len))
            up->config.deliver(up->config.owner, frame, len);
    }
    up->used = 0;
}

/* A delivered frame may bring the next segment at once. */
static void drain(void *arg)
{
    at_uplink *up = arg;

    do {
        input_merged(up);
        deliver_queue(up);
    } while (up->merge.len > 0);
    at_loop_unpost(up->config.loop, &up->drain);
}

/* ---- libslirp's callbacks ---- */

static ssize_t send_packet(const void *data, size_t len, void *opaque)
{
    queue_frame(opaque, data, len);
    return (ssize_t)len;
}

static void guest_error(const char *text, void *opaque)
{
    (void)text; /* what the station sent wrong is visible in a capture */
    (void)opaque;
}

static int64_t clock_get_ns(void *opaque)
{
    const at_uplink *up = opaque;

    return (int64_t)(at_loop_now(up->config.loop) * 1000u);
}

/* The only timer is for router advertisements, which are the access point's. */
static void *timer_new(SlirpTimerCb run, void *arg, void *opaque)
{
    (void)run;
    (void)arg;
    return opaque; /* a handle that is not NULL */
}

static void timer_free(void *handle, void *opaque)
{
    (void)handle;
    (void)opaque;
}

static void timer_mod(void *handle, int64_t expire_ms, void *opaque)
{
    (void)handle;
    (void)expire_ms;
    (void)opaque;
}

static void watch_fd(int fd, void *opaque)
{
    (void)fd; /* the group asks for all descriptors before each wait */
    (void)opaque;
}

static void notify(void *opaque)
{
    (void)opaque; /* one thread: the next wait sees what changed */
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_get_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = watch_fd,
    .unregister_poll_fd = watch_fd,
    .notify = notify,
};

/* ---- the poller's group ---- */

typedef struct fill_state {
    struct pollfd *fds;
    size_t count, room;
} fill_state;

static const struct {
    int slirp;
    short poll;
} event_map[] = {
    { SLIRP_POLL_IN, POLLIN },   { SLIRP_POLL_OUT, POLLOUT }, { SLIRP_POLL_PRI, POLLPRI },
    { SLIRP_POLL_ERR, POLLERR }, { SLIRP_POLL_HUP, POLLHUP },
};

static int add_poll(int fd, int events, void *opaque)
{
    fill_state *state = opaque;
    short wanted = 0;

    if (state->count == state->room)
        return -1;
    for (size_t i = 0; i < AT_COUNT(event_map); i++) {
        if ((events & event_map[i].slirp) != 0)
            wanted = (short)(wanted | event_map[i].poll);
    }
    state->fds[state->count] = (struct pollfd){ .fd = fd, .events = wanted };
    return (int)state->count++;
}

static size_t fill(void *arg, struct pollfd *fds, size_t room, uint64_t *deadline_us)
{
    at_uplink *up = arg;
    fill_state state = { .fds = fds, .room = room };
    uint32_t timeout_ms = UINT32_MAX;
    uint64_t now = at_loop_now(up->config.loop);

    up->lib.pollfds_fill(up->slirp, &timeout_ms, add_poll, &state);
    if (up->busy)
        up->busy_us = now;
    up->busy = false;
    if (timeout_ms >= SLOW_MS && now - up->busy_us > QUIET_US)
        timeout_ms = QUIET_MS;
    *deadline_us = now + (uint64_t)timeout_ms * 1000u;
    return state.count;
}

static int get_revents(int index, void *opaque)
{
    const fill_state *state = opaque;
    int events = 0;

    if (index < 0 || (size_t)index >= state->count)
        return 0;
    for (size_t i = 0; i < AT_COUNT(event_map); i++) {
        if ((state->fds[index].revents & event_map[i].poll) != 0)
            events |= event_map[i].slirp;
    }
    return events;
}

static void done(void *arg, const struct pollfd *fds, size_t count)
{
    at_uplink *up = arg;
    fill_state state = { .fds = (struct pollfd *)(uintptr_t)fds, .count = count };

    for (size_t i = 0; i < count; i++)
        up->busy = up->busy || fds[i].revents != 0;
    up->lib.pollfds_poll(up->slirp, 0, get_revents, &state);
    if (up->used > 0)
        drain(up);
}

/* ---- the uplink's operations ---- */

static struct in_addr in_addr_of(uint32_t address)
{
    return (struct in_addr){ .s_addr = htonl(address) };
}

static Slirp *new_slirp(at_uplink *up)
{
    const at_uplink_config *c = &up->config;
    uint32_t mask = UINT32_MAX << (32u - c->prefix);
    uint32_t spare = (c->network | ~mask) - 1;
    SlirpConfig config = {
        .version = 4,
        .in_enabled = true,
        .vnetwork = in_addr_of(c->network),
        .vnetmask = in_addr_of(mask),
        .vhost = in_addr_of(c->gateway),
        .if_mtu = 1500,
        .if_mru = 1500,
        .disable_host_loopback = !c->host_loopback,
        .disable_dns = true,
        .disable_dhcp = true,
        .in6_enabled = c->ipv6,
        .vprefix_len = 64,
    };

    /* Never used, but they must be addresses of the network other than the gateway's. */
    if (spare == c->gateway)
        spare--;
    config.vdhcp_start = in_addr_of(spare);
    config.vnameserver = in_addr_of(spare);
    memcpy(&config.vprefix_addr6, c->prefix6, 16);
    memcpy(&config.vhost6, c->gateway6, 16);
    memcpy(&config.vnameserver6, c->prefix6, 16);
    memset((uint8_t *)&config.vnameserver6 + 8, 0xFF, 8); /* never used either */
    return up->lib.new(&config, &callbacks, up);
}

static at_uplink *slirp_open(const at_uplink_config *config, char *error, size_t room)
{
    lx_slirp *port = config->port;
    at_uplink *up = at_calloc(port->heap, 1, sizeof *up);

    if (up == NULL) {
        (void)snprintf(error, room, "out of memory");
        return NULL;
    }
    up->config = *config;
    up->port = port;
    up->merge.heap = port->heap;
    at_task_init(&up->drain, drain, up);
    if (!lx_slirp_load(&up->lib, error, room)) {
        at_free(port->heap, up);
        return NULL;
    }
    up->slirp = new_slirp(up);
    if (up->slirp == NULL) {
        (void)snprintf(error, room, "libslirp did not start");
        at_free(port->heap, up);
        return NULL;
    }
    lx_slirp_settle(&up->lib);
    up->busy = true;
    up->group = (lx_group){ .fill = fill, .done = done, .arg = up };
    lx_group_add(port->poller, &up->group);
    return up;
}

/* Whose address it is libslirp has to know before it answers. */
static bool learn_sender(at_uplink *up, const uint8_t *frame, size_t len)
{
    uint32_t from;

    if (is_ipv6(frame, len)) {
        const uint8_t *address = frame + AT_ETHER_HEADER + 8;

        if (len < AT_ETHER_HEADER + AT_IPV6_HEADER)
            return false;
        if (memcmp(up->station6[at_ipv6_is_link_local(address) ? 0 : 1], address, 16) != 0)
            tell_neighbor(up, address);
        return true;
    }
    if (len < AT_ETHER_HEADER + AT_IPV4_HEADER)
        return false;
    memcpy(&from, frame + AT_ETHER_HEADER + 12, sizeof from);
    if (ntohl(from) != up->station)
        tell_arp(up, ntohl(from));
    return true;
}

static void slirp_take(at_uplink *up, const uint8_t *frame, size_t len)
{
    if (len > FRAME_MAX || !learn_sender(up, frame, len))
        return;
    up->busy = true;
    if (!lx_merge_add(&up->merge, frame, len)) {
        input_merged(up);
        if (!lx_merge_add(&up->merge, frame, len))
            up->lib.input(up->slirp, frame, (int)len);
    }
    if (up->merge.len > 0)
        at_loop_post(up->config.loop, &up->drain);
}

static int bind_once(bool udp, uint32_t address, uint16_t *port)
{
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr = in_addr_of(address) };
    socklen_t len = sizeof name;
    int fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    int result = -1;

    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&name, sizeof name) == 0 &&
        getsockname(fd, (struct sockaddr *)&name, &len) == 0) {
        *port = ntohs(name.sin_port);
        result = 0;
    }
    close(fd);
    return result;
}

/* libslirp does not tell which port it got for 0, so a free one is looked for first. */
static bool slirp_forward(at_uplink *up, bool udp, uint32_t host_addr, uint16_t *host_port,
                          uint32_t station_addr, uint16_t station_port, char *error, size_t room)
{
    uint16_t wanted = *host_port, port = wanted;
    char address[INET_ADDRSTRLEN] = "?";
    struct in_addr in = in_addr_of(host_addr);

    if (up->station != station_addr)
        tell_arp(up, station_addr);
    for (int tries = 0; tries < 8; tries++) {
        if (wanted == 0 && bind_once(udp, host_addr, &port) != 0)
            break;
        if (up->lib.add_hostfwd(up->slirp, udp ? 1 : 0, in, port, in_addr_of(station_addr),
                                station_port) == 0) {
            *host_port = port;
            return true;
        }
        if (wanted != 0)
            break;
    }
    (void)inet_ntop(AF_INET, &in, address, sizeof address);
    (void)snprintf(error, room, "cannot listen on %s port %s:%u: %s", udp ? "UDP" : "TCP", address,
                   (unsigned)port, strerror(errno));
    return false;
}

static void slirp_unforward(at_uplink *up, bool udp, uint32_t host_addr, uint16_t host_port)
{
    (void)up->lib.remove_hostfwd(up->slirp, udp ? 1 : 0, in_addr_of(host_addr), host_port);
}

static void slirp_close(at_uplink *up)
{
    at_heap *heap = up->port->heap;

    lx_group_remove(up->port->poller, &up->group);
    up->lib.cleanup(up->slirp);
    at_loop_unpost(up->config.loop, &up->drain);
    lx_merge_free(&up->merge);
    at_free(heap, up->queue);
    at_free(heap, up);
}

void lx_slirp_init(lx_slirp *s, lx_poller *poller, at_heap *heap)
{
    s->ops = (at_uplink_ops){
        .port = s,
        .open = slirp_open,
        .input = slirp_take,
        .forward = slirp_forward,
        .unforward = slirp_unforward,
        .close = slirp_close,
    };
    s->poller = poller;
    s->heap = heap;
}
