/* A TAP interface as the uplink of an access point (Linux, Documentation/networking/tuntap.rst).
 *
 * Frames that the kernel sends into the interface are read here, and what is written here the kernel
 * receives from it. TUNSETIFF attaches an interface that is there (a persistent one, which an owner
 * without rights may have) and makes one that is not, for whoever may; such a one is set up here and
 * goes with the process. The kernel says little about a refusal, so the reason is looked for: is the
 * interface there, is it a TAP, whose is it.
 *
 * An interface that is taken away or set down is no end: frames are lost and the log says so once;
 * a lost one is looked for every second. It is not made anew then, since somebody removed it.
 */
#include "ports/linux/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"
#include "iface/radio.h"

#define DEVICE       "/dev/net/tun"
#define RETRY_US     1000000u
#define FRAMES_BURST 64 /* read in one go, so that nobody else starves */

struct at_uplink {
    at_uplink_config config;
    lx_tap *port;
    char name[IFNAMSIZ];
    lx_source source; /* fd -1: the interface is gone */
    at_timer retry;
    bool told_down, told_long;
};

/* ---- the interface ---- */

static void name_request(struct ifreq *request, const char *name)
{
    memset(request, 0, sizeof *request);
    at_copy_text(request->ifr_name, sizeof request->ifr_name, name);
}

/* Flags of the interface, IFF_UP among them; sets IFF_UP when up. -1: it cannot be known. */
static int flags_of(const char *name, bool up)
{
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), flags = -1;

    name_request(&request, name);
    if (fd < 0)
        return -1;
    if (ioctl(fd, SIOCGIFFLAGS, &request) == 0)
        flags = (unsigned short)request.ifr_flags;
    if (up && flags >= 0 && (flags & IFF_UP) == 0) {
        request.ifr_flags = (short)(flags | IFF_UP);
        if (ioctl(fd, SIOCSIFFLAGS, &request) == 0)
            flags |= IFF_UP;
    }
    close(fd);
    return flags;
}

static void explain(const char *name, bool there, int error, char *why, size_t room)
{
    if (error == EBUSY)
        (void)snprintf(why, room, "another process has %s open", name);
    else if (error == EINVAL && there)
        (void)snprintf(why, room, "%s is there, but it is not a TAP interface", name);
    else if (error == EPERM && there)
        (void)snprintf(why, room,
                       "%s belongs to another user; `ip tuntap add dev %s mode tap user %u` makes "
                       "one for you",
                       name, name, (unsigned)geteuid());
    else if (error == EPERM)
        (void)snprintf(
            why, room,
            "there is no %s, and making one needs rights; as root: `ip tuntap add dev %s "
            "mode tap user %u; ip link set %s up`",
            name, name, (unsigned)geteuid(), name);
    else
        (void)snprintf(why, room, "cannot open it: %s", strerror(error));
}

static int open_device(char *why, size_t room)
{
    int fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
        (void)snprintf(why, room,
                       "this system has no " DEVICE " (as root: modprobe tun; a container needs "
                       "the device handed in)");
    else
        (void)snprintf(why, room, "cannot open " DEVICE ": %s", strerror(errno));
    return -1;
}

static int attach(const char *name, char *why, size_t room)
{
    struct ifreq request;
    bool there = if_nametoindex(name) != 0;
    int fd = open_device(why, room);

    if (fd < 0)
        return -1;
    name_request(&request, name);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (ioctl(fd, TUNSETIFF, &request) == 0) {
        if (!there)
            (void)flags_of(name, true);
        return fd;
    }
    explain(name, there, errno, why, room);
    close(fd);
    return -1;
}

bool lx_tap_address(const char *name, uint8_t mac[6])
{
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool known;

    name_request(&request, name);
    known = fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &request) == 0;
    if (known)
        memcpy(mac, request.ifr_hwaddr.sa_data, 6);
    if (fd >= 0)
        close(fd);
    return known;
}

/* ---- frames ---- */

static void tell_state(at_uplink *up)
{
    int flags = flags_of(up->name, false);

    if (flags < 0 || (flags & IFF_UP) != 0 || up->told_down)
        return;
    up->told_down = true;
    at_log(up->port->log, AT_LOG_WARN, "tap", "%s is down: ip link set %s up", up->name, up->name);
}

static void lose(at_uplink *up, int error)
{
    at_log(up->port->log, AT_LOG_ERROR, "tap", "%s is gone (%s): looking for it", up->name,
           strerror(error));
    lx_source_remove(up->port->poller, &up->source);
    close(up->source.fd);
    up->source.fd = -1;
    at_timer_in(up->config.loop, &up->retry, RETRY_US);
}

/* One frame to the access point; false: there are no more for now. */
static bool read_frame(at_uplink *up)
{
    uint8_t frame[AT_RADIO_FRAME_MAX + 1];
    ssize_t len = read(up->source.fd, frame, sizeof frame);

    if (len < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != EIO)
            lose(up, errno);
        return false;
    }
    if ((size_t)len < sizeof frame) {
        up->config.deliver(up->config.owner, frame, (size_t)len);
    } else if (!up->told_long) {
        up->told_long = true;
        at_log(up->port->log, AT_LOG_WARN, "tap",
               "%s sends frames that are too long for the air: ip link set %s mtu 1500", up->name,
               up->name);
    }
    return true;
}

static void on_readable(void *arg, short revents)
{
    at_uplink *up = arg;

    (void)revents; /* an interface that was removed says so to a read */
    for (int i = 0; i < FRAMES_BURST && up->source.fd >= 0; i++) {
        if (!read_frame(up))
            break;
    }
}

static void tap_input(at_uplink *up, const uint8_t *frame, size_t len)
{
    if (up->source.fd < 0)
        return;
    if (write(up->source.fd, frame, len) >= 0)
        up->told_down = false;
    else if (errno == EIO) /* what a network does that is switched off: nothing */
        tell_state(up);
}

/* ---- life ---- */

static bool watch(at_uplink *up, int fd)
{
    up->source = (lx_source){ .fd = fd, .events = POLLIN, .ready = on_readable, .arg = up };
    if (!lx_source_add(up->port->poller, &up->source))
        return false;
    tell_state(up);
    return true;
}

static void retry(void *arg)
{
    at_uplink *up = arg;
    char why[200];
    int fd = if_nametoindex(up->name) != 0 ? attach(up->name, why, sizeof why) : -1;

    if (fd >= 0 && watch(up, fd)) {
        at_log(up->port->log, AT_LOG_WARN, "tap", "%s is back", up->name);
        return;
    }
    if (fd >= 0)
        close(fd);
    up->source.fd = -1;
    at_timer_in(up->config.loop, &up->retry, RETRY_US);
}

static at_uplink *tap_open(const at_uplink_config *config, char *error, size_t room)
{
    lx_tap *port = config->port;
    at_uplink *up = at_calloc(port->heap, 1, sizeof *up);
    int fd;

    if (up == NULL) {
        (void)snprintf(error, room, "out of memory");
        return NULL;
    }
    up->config = *config;
    up->config.tap = up->name;
    up->port = port;
    at_copy_text(up->name, sizeof up->name, config->tap);
    at_timer_init(&up->retry, retry, up);
    fd = attach(up->name, error, room);
    if (fd >= 0 && watch(up, fd))
        return up;
    if (fd >= 0) {
        (void)snprintf(error, room, "too many open descriptors");
        close(fd);
    }
    at_free(port->heap, up);
    return NULL;
}

static void tap_close(at_uplink *up)
{
    lx_source_remove(up->port->poller, &up->source);
    at_timer_stop(up->config.loop, &up->retry);
    if (up->source.fd >= 0)
        close(up->source.fd);
    at_free(up->port->heap, up);
}

void lx_tap_init(lx_tap *t, lx_poller *poller, at_heap *heap, at_log *log)
{
    t->ops = (at_uplink_ops){ .port = t, .open = tap_open, .input = tap_input, .close = tap_close };
    t->poller = poller;
    t->heap = heap;
    t->log = log;
}
