/* The hub: an air in a process of its own, in which any number of modules take part.
 *
 * Each client is a SEQPACKET connection of a process of the same user, one message a frame. Its first
 * message is a hello with the radio's factory address; only then it has a place in the air, and only
 * one radio at a time has an address. A client that goes away, however it ends, is a radio that is gone:
 * the others notice what they would notice on the air. Nothing a client sends or does not read may hold
 * the others up: sockets never block, and a queue that is full loses frames.
 *
 * The capture has every frame once: as its sender sent it, and what the air itself says or a TAP
 * brings. A frame that is relayed at once is recognised by its bytes, and so is a group frame that goes to
 * one station after the other. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/airlink.h"
#include "ports/linux/bench_priv.h"
#include "ports/linux/frames.h"
#include "proto/ether.h"

enum { WHY = 512, CLIENTS_MAX = 256, BACKLOG = 64 };
enum { GROUP_US = 5000 }; /* what it takes to send a group frame to all of them, with room */

typedef struct hub hub;

typedef struct hub_client {
    hub *hub;
    struct hub_client *next;
    lx_frames frames;
    at_air_port *port; /* NULL: no hello yet */
    uint8_t mac[6];
} hub_client;

struct hub {
    lx_bench bench; /* what it has in common with a run: log, signals, air, control */
    lx_source listener;
    bool bound;
    hub_client *clients;
    unsigned count;
    const uint8_t *current; /* the frame that is on its way into the air */
    size_t current_len;
    uint8_t group[AT_RADIO_FRAME_MAX]; /* the last group frame out of the air, and when it was */
    size_t group_len;
    uint64_t group_us;
};

/* ---- clients ---- */

static void drop(hub_client *c)
{
    hub_client **link = &c->hub->clients;

    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    c->hub->count--;
    if (c->port != NULL)
        at_air_detach(c->port);
    lx_frames_free(&c->frames);
    free(c);
}

static void on_gone(void *owner)
{
    hub_client *c = owner;
    char mac[18], members[64];

    if (c->port != NULL) {
        at_format_mac(mac, c->mac);
        at_log(&c->hub->bench.log.log, AT_LOG_INFO, "hub", "radio %s is gone", mac);
        snprintf(members, sizeof members, "\"mac\":\"%s\",\"on\":false", mac);
        bench_event(&c->hub->bench, "radio", members);
    }
    drop(c);
}

static void to_client(void *ctx, const uint8_t *frame, size_t len)
{
    hub_client *c = ctx;
    const at_radio_piece piece = { frame, len };

    (void)lx_frames_send(&c->frames, &piece, 1);
}

static bool is_taken(const hub *h, const uint8_t mac[6])
{
    for (const hub_client *c = h->clients; c != NULL; c = c->next) {
        if (c->port != NULL && memcmp(c->mac, mac, 6) == 0)
            return true;
    }
    return false;
}

static void hello(hub_client *c, const uint8_t mac[6])
{
    hub *h = c->hub;
    char text[18], members[64];

    at_format_mac(text, mac);
    if (c->port != NULL || at_ether_is_multicast(mac))
        return;
    if (is_taken(h, mac)) {
        at_log(&h->bench.log.log, AT_LOG_ERROR, "hub",
               "two radios with the address %s: the second one hears nothing; give it --mac", text);
        return;
    }
    memcpy(c->mac, mac, 6);
    c->port = at_air_attach_radio(h->bench.air, mac, to_client, c);
    at_log(&h->bench.log.log, AT_LOG_INFO, "hub", "radio %s", text);
    snprintf(members, sizeof members, "\"mac\":\"%s\",\"on\":true", text);
    bench_event(&h->bench, "radio", members);
}

static void add_forward(hub_client *c, at_reader *r)
{
    at_forward forward = { .udp = at_get8(r) != 0 };

    forward.host_addr = at_get32(r);
    forward.host_port = at_get16(r);
    forward.module_port = at_get16(r);
    if (r->ok && forward.module_port != 0 && c->port != NULL)
        (void)at_air_add_forward(c->port, &forward);
}

static void link_message(hub_client *c, const uint8_t *frame, size_t len)
{
    at_reader r = at_reader_of(frame + LX_LINK_LEN, len - LX_LINK_LEN);

    switch (at_get8(&r)) {
    case LX_LINK_HELLO: hello(c, frame + 6); break;
    case LX_LINK_RESET:
        if (c->port != NULL)
            at_air_reset_port(c->port);
        break;
    case LX_LINK_FORWARD: add_forward(c, &r); break;
    default: break;
    }
}

static void on_frame(void *owner, uint8_t *frame, size_t len)
{
    hub_client *c = owner;
    hub *h = c->hub;

    if (len > LX_LINK_LEN && (unsigned)(frame[12] << 8 | frame[13]) == LX_ETHERTYPE_LINK) {
        link_message(c, frame, len);
        return;
    }
    if (c->port == NULL)
        return;
    h->current = frame;
    h->current_len = len;
    at_air_input(c->port, frame, len);
    h->current = NULL;
}

/* ---- the listener ---- */

static bool is_own_user(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

static bool add_client(hub *h, int fd)
{
    hub_client *c = h->count < CLIENTS_MAX ? calloc(1, sizeof *c) : NULL;

    if (c == NULL)
        return false;
    c->hub = h;
    if (lx_frames_init(&c->frames, &h->bench.loop, &h->bench.poller, on_frame, c) != AT_OK) {
        free(c);
        return false;
    }
    c->frames.on_gone = on_gone;
    c->frames.crowd = true;
    c->next = h->clients;
    h->clients = c;
    h->count++;
    if (lx_frames_open(&c->frames, fd) == AT_OK)
        return true;
    drop(c);
    return false;
}

static void on_connection(void *arg, short revents)
{
    hub *h = arg;
    int fd = accept4(h->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)revents;
    if (fd < 0)
        return;
    if (!is_own_user(fd)) {
        at_log(&h->bench.log.log, AT_LOG_WARN, "hub", "another user is not let in");
        close(fd);
    } else if (!add_client(h, fd)) {
        at_log(&h->bench.log.log, AT_LOG_WARN, "hub", "no room for another radio");
        close(fd);
    }
}

/* Removes a socket that nobody serves; false: somebody does, or it is no socket. */
static bool clear_path(const struct sockaddr_un *address)
{
    struct stat info;
    bool served;
    int fd;

    if (lstat(address->sun_path, &info) != 0)
        return true;
    if (!S_ISSOCK(info.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    served = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    close(fd);
    if (!served)
        unlink(address->sun_path);
    return !served;
}

static bool listen_on(hub *h, const char *path, char *why, size_t room)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    mode_t mask;
    int bound;

    if (strlen(path) >= sizeof address.sun_path) {
        snprintf(why, room, "--air: %s is longer than %zu bytes", path,
                 sizeof address.sun_path - 1);
        return false;
    }
    at_copy_text(address.sun_path, sizeof address.sun_path, path);
    if (!clear_path(&address)) {
        snprintf(why, room, "--air: %s is in use: give another path", path);
        return false;
    }
    h->listener =
        (lx_source){ .fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                     .events = POLLIN,
                     .ready = on_connection,
                     .arg = h };
    mask = umask(0177);
    bound = bind(h->listener.fd, (const struct sockaddr *)&address, sizeof address);
    umask(mask);
    h->bound = bound == 0;
    if (h->bound && listen(h->listener.fd, BACKLOG) == 0 &&
        lx_source_add(&h->bench.poller, &h->listener))
        return true;
    snprintf(why, room, "--air: cannot listen on %s: %s", path, strerror(errno));
    return false;
}

/* ---- a run ---- */

/* Whether the same group frame has just gone to another station. */
static bool went_before(hub *h, const uint8_t *frame, size_t len)
{
    uint64_t now_us = at_loop_now(&h->bench.loop);

    if (!at_ether_is_multicast(frame) || len > sizeof h->group)
        return false;
    if (now_us - h->group_us < GROUP_US && h->group_len == len && memcmp(h->group, frame, len) == 0)
        return true;
    memcpy(h->group, frame, len);
    h->group_len = len;
    h->group_us = now_us;
    return false;
}

static void capture(void *owner, at_air_port *port, bool to_air, const uint8_t *frame, size_t len)
{
    hub *h = AT_CONTAINER(owner, hub, bench);

    (void)port;
    if (!to_air && went_before(h, frame, len))
        return;
    if (!to_air && h->current != NULL && len == h->current_len &&
        memcmp(frame, h->current, len) == 0)
        return;
    bench_air_capture(&h->bench, frame, len);
}

static bool set_up(hub *h, char *why, size_t room)
{
    lx_bench *b = &h->bench;
    int log_end;

    return bench_set_up_base(b, &log_end, why, room) && bench_air_make(b, capture, why, room) &&
           bench_open_ctl(b, why, room) && listen_on(h, b->options->air, why, room);
}

static void take_down(hub *h)
{
    lx_bench *b = &h->bench;

    for (hub_client *c = h->clients, *next; c != NULL; c = next) {
        next = c->next;
        drop(c);
    }
    lx_source_remove(&b->poller, &h->listener);
    if (h->listener.fd >= 0)
        close(h->listener.fd);
    if (h->bound)
        unlink(b->options->air);
    lx_ctl_event(b->ctl, "exit", "\"reason\":\"quit\"");
    lx_ctl_close(b->ctl);
    b->ctl = NULL;
    bench_air_close(b);
}

int lx_air_run(const lx_options *options)
{
    hub *h = calloc(1, sizeof *h);
    char why[WHY] = "out of memory";
    int status;

    if (h == NULL)
        return 1;
    h->bench.options = options;
    h->bench.pcap_fd = h->bench.wire_log_fd = h->bench.signals.fd = h->listener.fd = -1;
    h->bench.started = true; /* nothing waits for a module's "ready" */
    if (set_up(h, why, sizeof why)) {
        puts(options->air);
        fflush(stdout);
        bench_tell_seed(&h->bench);
        at_loop_run(&h->bench.loop);
    } else {
        fprintf(stderr, "attache air: %s\n", why);
        if (h->bench.exit_status == 0)
            h->bench.exit_status = 1;
    }
    take_down(h);
    status = h->bench.exit_status;
    free(h);
    return status;
}
