/* The link to a shared air.
 *
 *     CONNECTED -- the hub is gone --> LOST -- it is there again --> CONNECTED
 *
 * The radio cannot tell a dead hub from an air in which everybody fell silent, so that is what it gets:
 * its access point stops being heard (AT_MGMT_BEACON_LOST after six seconds, as with any access point),
 * the stations of its SoftAP do too. For that the link remembers the last association that it saw
 * granted, and who was granted one by its own radio. When a hub is there again, the radio's last
 * announcement is repeated, since a SoftAP announces itself only when something changes.
 *
 * Frames with the link's own EtherType never pass from or to the radio. */
#include "ports/linux/airlink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/frames.h"
#include "proto/mgmt.h"

enum { AGAIN_US = 1000000, BEACON_LOSS_US = 6000000, CLIENTS = 8 };

struct lx_airlink {
    lx_airlink_config config;
    lx_frames frames;
    bool up;
    at_timer again;  /* looks for the hub */
    at_timer silent; /* nobody was heard for long */
    uint8_t joined_bssid[6], joined_mac[6];
    bool joined;
    uint8_t announced[AT_MGMT_FRAME_MAX];
    size_t announced_len;
    uint8_t clients[CLIENTS][6]; /* stations that the radio's own access point granted */
    unsigned client_count;
};

/* ---- to the hub ---- */

static void send_bytes(lx_airlink *l, const void *data, size_t len)
{
    const at_radio_piece piece = { data, len };

    (void)lx_frames_send(&l->frames, &piece, 1);
}

static void send_op(lx_airlink *l, lx_link_op op, const at_forward *forward)
{
    uint8_t message[LX_LINK_LEN + 16];
    at_builder b = at_builder_of(message, sizeof message);

    at_put(&b, (uint8_t[6]){ 0 }, 6);
    at_put(&b, l->config.mac, 6);
    at_put16(&b, LX_ETHERTYPE_LINK);
    at_put8(&b, (uint8_t)op);
    if (forward != NULL) {
        at_put8(&b, forward->udp ? 1 : 0);
        at_put32(&b, forward->host_addr);
        at_put16(&b, forward->host_port);
        at_put16(&b, forward->module_port);
    }
    send_bytes(l, message, at_built(&b));
}

/* What has to be repeated after a loss, or undone by it. */
static void remember_out(lx_airlink *l, const at_mgmt *m, const uint8_t *frame, size_t len)
{
    if (m->type == AT_MGMT_ANNOUNCE && len <= sizeof l->announced) {
        memcpy(l->announced, frame, len);
        l->announced_len = m->announce.on ? len : 0;
        l->client_count = 0;
    } else if (m->type == AT_MGMT_ASSOC_ANSWER && m->assoc_answer.status == AT_STATUS_OK) {
        memcpy(l->clients[l->client_count % CLIENTS], m->to, 6);
        l->client_count++;
    } else if (m->type == AT_MGMT_AUTH || m->type == AT_MGMT_DEAUTH) {
        if (l->joined && memcmp(m->to, l->joined_bssid, 6) == 0)
            l->joined = false;
    }
}

static bool is_type(const uint8_t *frame, size_t len, unsigned type)
{
    return len >= LX_LINK_LEN && (unsigned)(frame[12] << 8 | frame[13]) == type;
}

void lx_airlink_send(lx_airlink *l, const uint8_t *frame, size_t len)
{
    at_mgmt m;

    if (is_type(frame, len, LX_ETHERTYPE_LINK))
        return;
    if (is_type(frame, len, AT_ETHERTYPE_MGMT) && at_mgmt_decode(&m, frame, len))
        remember_out(l, &m, frame, len);
    if (l->up)
        send_bytes(l, frame, len);
}

void lx_airlink_reset(lx_airlink *l)
{
    l->joined = false;
    l->announced_len = 0;
    l->client_count = 0;
    if (l->up)
        send_op(l, LX_LINK_RESET, NULL);
}

/* ---- from the hub ---- */

static void on_frame(void *owner, uint8_t *frame, size_t len)
{
    lx_airlink *l = owner;
    at_mgmt m;

    if (is_type(frame, len, LX_ETHERTYPE_LINK))
        return;
    if (is_type(frame, len, AT_ETHERTYPE_MGMT) && at_mgmt_decode(&m, frame, len) &&
        m.type == AT_MGMT_ASSOC_ANSWER && m.assoc_answer.status == AT_STATUS_OK) {
        memcpy(l->joined_bssid, m.from, 6);
        memcpy(l->joined_mac, m.to, 6);
        l->joined = true;
    }
    l->config.on_frame(l->config.owner, frame, len);
}

/* ---- losing and finding it ---- */

static void tell_radio(lx_airlink *l, at_mgmt_type type, const uint8_t from[6], const uint8_t to[6])
{
    at_mgmt m = { .type = type };
    uint8_t frame[AT_MGMT_FRAME_MAX];
    size_t len;

    memcpy(m.from, from, 6);
    memcpy(m.to, to, 6);
    len = at_mgmt_encode(&m, frame, sizeof frame);
    if (len > 0)
        l->config.on_frame(l->config.owner, frame, len);
}

static void nobody_heard(void *arg)
{
    lx_airlink *l = arg;
    at_mgmt own;

    if (l->joined)
        tell_radio(l, AT_MGMT_BEACON_LOST, l->joined_bssid, l->joined_mac);
    l->joined = false;
    if (l->announced_len > 0 && at_mgmt_decode(&own, l->announced, l->announced_len)) {
        for (unsigned i = 0; i < AT_MIN(l->client_count, (unsigned)CLIENTS); i++)
            tell_radio(l, AT_MGMT_STATION_LOST, l->clients[i], own.from);
    }
    l->client_count = 0;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct ucred peer;
    socklen_t len = sizeof peer;
    int fd;

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    at_copy_text(address.sun_path, sizeof address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0) {
        if (peer.uid == geteuid())
            return fd;
        errno = EPERM;
    }
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static bool start(lx_airlink *l)
{
    int fd = connect_to(l->config.path);

    if (fd < 0)
        return false;
    if (lx_frames_open(&l->frames, fd) != AT_OK) {
        close(fd);
        return false;
    }
    l->up = true;
    send_op(l, LX_LINK_HELLO, NULL);
    for (size_t i = 0; i < l->config.forward_count; i++)
        send_op(l, LX_LINK_FORWARD, &l->config.forwards[i]);
    if (l->announced_len > 0)
        send_bytes(l, l->announced, l->announced_len);
    return true;
}

static void look_again(void *arg)
{
    lx_airlink *l = arg;

    if (start(l))
        at_log(l->config.log, AT_LOG_INFO, "air", "the shared air is there again");
    else
        at_timer_in(l->config.loop, &l->again, AGAIN_US);
}

static void on_gone(void *owner)
{
    lx_airlink *l = owner;

    at_log(l->config.log, AT_LOG_WARN, "air", "the shared air at %s is gone", l->config.path);
    lx_frames_close(&l->frames);
    l->up = false;
    at_timer_in(l->config.loop, &l->silent, BEACON_LOSS_US);
    at_timer_in(l->config.loop, &l->again, AGAIN_US);
}

/* ---- life ---- */

lx_airlink *lx_airlink_open(const lx_airlink_config *config, char *why, size_t room)
{
    lx_airlink *l = calloc(1, sizeof *l);

    if (l == NULL ||
        lx_frames_init(&l->frames, config->loop, config->poller, on_frame, l) != AT_OK) {
        snprintf(why, room, "out of memory");
        free(l);
        return NULL;
    }
    l->config = *config;
    l->frames.on_gone = on_gone;
    at_timer_init(&l->again, look_again, l);
    at_timer_init(&l->silent, nobody_heard, l);
    if (start(l))
        return l;
    snprintf(why, room, "--air: no air at %s: %s; start it with attache air --air %s", config->path,
             strerror(errno), config->path);
    lx_airlink_close(l);
    return NULL;
}

void lx_airlink_close(lx_airlink *l)
{
    if (l == NULL)
        return;
    at_timer_stop(l->config.loop, &l->again);
    at_timer_stop(l->config.loop, &l->silent);
    lx_frames_flush(&l->frames);
    lx_frames_free(&l->frames);
    free(l);
}

bool lx_airlink_is_up(const lx_airlink *l)
{
    return l->up;
}
