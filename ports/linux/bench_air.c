/* The air around one chip: world file, uplinks, the chip's radio, forwards and the packet capture. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ports/linux/bench_priv.h"

enum {
    WORLD_MAX = 1024 * 1024, /* bytes of a world file */
    KEYS_US = 20000,         /* from the start to the first key, and from one to the next */
};

/* ---- the world ---- */

static bool read_all(int fd, char *text, size_t room, size_t *len)
{
    ssize_t got;

    *len = 0;
    while ((got = read(fd, text + *len, room - *len)) > 0)
        *len += (size_t)got;
    return got == 0;
}

static bool read_world(lx_bench *b, char *why, size_t room)
{
    const char *path = b->options->world;
    char *text;
    size_t len;
    bool good = false;
    int fd;

    at_world_default(&b->world);
    if (path == NULL)
        return true;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    text = malloc(WORLD_MAX);
    if (fd < 0 || text == NULL || !read_all(fd, text, WORLD_MAX, &len))
        snprintf(why, room, "--world: cannot read %s: %s", path, strerror(errno));
    else if (len == WORLD_MAX)
        snprintf(why, room, "--world: %s is larger than a world file can be (1 MB)", path);
    else if (!(good = at_world_parse(&b->world, path, text, len, why, room)))
        b->exit_status = 2; /* like a bad option */
    free(text);
    if (fd >= 0)
        close(fd);
    return good;
}

static void choose_seed(lx_bench *b)
{
    b->seed = b->options->seed_given ? b->options->seed
              : b->world.seed != 0   ? b->world.seed
                                     : lx_random_new_seed();
    b->world.seed = b->seed;
    lx_random_seeded(&b->random, b->seed);
}

/* ---- captures ---- */

static void write_capture(void *ctx, const void *data, size_t len)
{
    lx_bench *b = ctx;

    if (b->pcap_fd >= 0 && write(b->pcap_fd, data, len) != (ssize_t)len) {
        at_log(&b->log.log, AT_LOG_ERROR, "pcap", "cannot write: %s", strerror(errno));
        close(b->pcap_fd);
        b->pcap_fd = -1;
    }
}

static bool open_capture(lx_bench *b, char *why, size_t room)
{
    const char *path = b->options->pcap;

    if (path == NULL)
        return true;
    b->pcap_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (b->pcap_fd < 0) {
        snprintf(why, room, "--pcap: cannot write %s: %s", path, strerror(errno));
        return false;
    }
    b->capture = (at_capture){ .write = write_capture, .ctx = b };
    at_capture_start(&b->capture);
    return true;
}

void bench_air_capture(lx_bench *b, const uint8_t *frame, size_t len)
{
    struct timespec now;

    if (b->pcap_fd < 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    at_capture_frame(&b->capture, (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u,
                     frame, len);
}

static void capture_frame(void *owner, at_air_port *port, bool to_air, const uint8_t *frame,
                          size_t len)
{
    lx_bench *b = owner;

    (void)to_air;
    if (port == b->radio)
        bench_air_capture(b, frame, len);
}

/* ---- the chip's radio ---- */

static void send_to_chip(void *ctx, const uint8_t *frame, size_t len)
{
    lx_bench *b = ctx;

    lx_chip_send(b->chip, frame, len);
}

void bench_air_frame(void *owner, uint8_t *frame, size_t len)
{
    lx_bench *b = owner;

    if (b->link == NULL) {
        at_air_input(b->radio, frame, len);
        return;
    }
    bench_air_capture(b, frame, len);
    lx_airlink_send(b->link, frame, len);
}

static void from_shared_air(void *owner, uint8_t *frame, size_t len)
{
    lx_bench *b = owner;

    bench_air_capture(b, frame, len);
    lx_chip_send(b->chip, frame, len);
}

void bench_air_reset(lx_bench *b)
{
    if (b->link != NULL)
        lx_airlink_reset(b->link);
    else
        at_air_reset_port(b->radio);
}

static bool add_forwards(lx_bench *b, char *why, size_t room)
{
    for (size_t i = 0; i < b->options->forward_count; i++) {
        at_err err = at_air_add_forward(b->radio, &b->options->forwards[i]);

        if (err != AT_OK) {
            snprintf(why, room, "--forward: %s", at_err_text(err));
            return false;
        }
    }
    return true;
}

/* On a shared air two radios must not have one address: without --mac it follows from the process.
 * Even, since the SoftAP has the next one. */
void bench_mac(const lx_bench *b, uint8_t mac[6])
{
    uint32_t number = (uint32_t)getpid() << 1;

    memcpy(mac, b->options->mac, 6);
    if (b->options->air == NULL || b->options->mac_given)
        return;
    mac[3] = (uint8_t)(number >> 16);
    mac[4] = (uint8_t)(number >> 8);
    mac[5] = (uint8_t)number;
}

/* A chip in somebody else's air: only a link to it. */
static bool open_link(lx_bench *b, char *why, size_t room)
{
    lx_airlink_config config = { .loop = &b->loop,
                                 .poller = &b->poller,
                                 .log = &b->log.log,
                                 .path = b->options->air,
                                 .forwards = b->options->forwards,
                                 .forward_count = b->options->forward_count,
                                 .on_frame = from_shared_air,
                                 .owner = b };

    bench_mac(b, config.mac);
    b->link = lx_airlink_open(&config, why, room);
    return b->link != NULL;
}

static void make_key(void *arg)
{
    lx_bench *b = arg;

    if (at_air_make_key(b->air))
        at_timer_in(&b->loop, &b->keys, KEYS_US);
}

bool bench_air_make(lx_bench *b,
                    void (*on_frame)(void *owner, at_air_port *port, bool to_air,
                                     const uint8_t *frame, size_t len),
                    char *why, size_t room)
{
    at_air_config config = {
        .loop = &b->loop,
        .heap = &b->heap,
        .log = &b->log.log,
        .random = &b->random.random,
        .world = &b->world,
        .slirp = &b->slirp.ops,
        .tap = &b->tap.ops,
        .resolver = &b->resolver.resolver,
        .policy = b->options->policy,
        .on_event = bench_event,
        .on_frame = b->options->pcap != NULL ? on_frame : NULL,
        .owner = b,
    };

    if (!read_world(b, why, room) || !open_capture(b, why, room))
        return false;
    choose_seed(b);
    lx_slirp_init(&b->slirp, &b->poller, &b->heap);
    lx_tap_init(&b->tap, &b->poller, &b->heap, &b->log.log);
    lx_resolver_init(&b->resolver, &b->loop, &b->poller, &b->heap, NULL);
    b->air = at_air_create(&config);
    if (b->air == NULL) {
        snprintf(why, room, "out of memory");
        return false;
    }
    at_timer_init(&b->keys, make_key, b);
    at_timer_in(&b->loop, &b->keys, KEYS_US);
    return at_air_open_bridges(b->air, why, room);
}

bool bench_air_open(lx_bench *b, char *why, size_t room)
{
    if (b->options->air != NULL) {
        choose_seed(b);
        return open_capture(b, why, room) && open_link(b, why, room);
    }
    if (!bench_air_make(b, capture_frame, why, room))
        return false;
    b->radio = at_air_attach_radio(b->air, b->options->mac, send_to_chip, b);
    if (b->radio == NULL) {
        snprintf(why, room, "out of memory");
        return false;
    }
    return add_forwards(b, why, room);
}

void bench_air_close(lx_bench *b)
{
    lx_airlink_close(b->link);
    b->link = NULL;
    at_timer_stop(&b->loop, &b->keys);
    if (b->air != NULL)
        at_air_destroy(b->air);
    if (b->resolver.loop != NULL)
        lx_resolver_close(&b->resolver);
    if (b->pcap_fd >= 0)
        close(b->pcap_fd);
    if (b->wire_log_fd >= 0)
        close(b->wire_log_fd);
}
