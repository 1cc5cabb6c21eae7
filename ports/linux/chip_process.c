/* The inside of a chip's process: the seams of module/ in their Linux form, and the module.
 *
 * The process begins as a copy of the bench. It keeps the standard descriptors, the AT port's, its two
 * sockets and the log; everything else is closed, above all libslirp's connections, which
 * could not end while a copy is open here. It must not outlive its bench: the kernel kills it when
 * the bench dies.
 *
 * Reports and the last words are sent blocking: the bench never blocks on a chip, so it reads them, and
 * an event that a script waits for is never lost.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"
#include "module/module.h"
#include "ports/linux/chip_wire.h"
#include "ports/linux/clock.h"
#include "ports/linux/fiber.h"
#include "ports/linux/pace.h"
#include "ports/linux/random.h"
#include "ports/linux/wirelog.h"

/* A pseudo-terminal holds 12,288 bytes towards us; with AT_RX_RING a power of two. */
enum { RX_RESERVE = 24576 };

typedef struct process {
    const lx_chip_config *config;
    at_module *module;
    at_loop loop;
    lx_poller poller;
    lx_random random;
    lx_frames frames;
    at_radio radio;
    at_supervisor supervisor;
    lx_source bench; /* the supervisor's socket */
    lx_newcomers newcomers;
    lx_pace pace;
    lx_wirelog wirelog;
    at_prepare leave; /* reports the end of the port once the module is idle */
    char ended[128];  /* why the port ended; "": it did not */
} process;

/* ---- to the bench ---- */

static void tell(process *p, const void *message, size_t len)
{
    while (send(p->bench.fd, message, len, MSG_NOSIGNAL) < 0) {
        if (errno != EINTR)
            _exit(0); /* the bench is gone */
    }
}

static void report(void *ctx, const char *name, const char *members)
{
    process *p = ctx;
    char message[CHIP_MESSAGE_MAX];
    size_t name_len = strlen(name) + 1, len = strlen(members) + 1;

    if (1 + name_len + len > sizeof message) {
        at_log(p->config->log, AT_LOG_ERROR, "chip", "event %s is too long", name);
        return;
    }
    message[0] = CHIP_EVENT;
    memcpy(message + 1, name, name_len);
    memcpy(message + 1 + name_len, members, len);
    tell(p, message, 1 + name_len + len);
}

static void restart(void *ctx, at_boot_kind kind, uint64_t after_ms)
{
    process *p = ctx;
    chip_restart words;
    char message[1 + sizeof words];

    memset(&words, 0, sizeof words);
    words.after_ms = after_ms;
    words.kind = kind;
    lx_frames_flush(&p->frames);
    message[0] = CHIP_RESTART;
    memcpy(message + 1, &words, sizeof words);
    tell(p, message, sizeof message);
    _exit(0);
}

static void tell_ended(void *arg)
{
    process *p = arg;
    char message[1 + sizeof p->ended];
    size_t len = strlen(p->ended);

    if (len == 0 || p->module == NULL || !at_module_idle(p->module))
        return;
    message[0] = CHIP_ENDED;
    memcpy(message + 1, p->ended, len + 1);
    p->ended[0] = '\0';
    tell(p, message, len + 2);
}

static void port_ended(void *ctx, const char *why)
{
    process *p = ctx;

    at_copy_text(p->ended, sizeof p->ended, why);
}

/* ---- from the bench ---- */

static void on_bench(void *arg, short revents)
{
    process *p = arg;
    char data[16];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct iovec place = { data, sizeof data };
    struct msghdr head = {
        .msg_iov = &place, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    ssize_t len = recvmsg(p->bench.fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *c;
    int fd;

    (void)revents;
    if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
        _exit(0); /* the bench is gone */
    if (len == 3 && data[0] == CHIP_PIN && p->module != NULL)
        at_module_pin(p->module, (uint8_t)data[1], data[2] != 0);
    c = len > 0 ? CMSG_FIRSTHDR(&head) : NULL;
    if (c == NULL || data[0] != CHIP_CLIENT || c->cmsg_type != SCM_RIGHTS)
        return;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if (p->newcomers.take != NULL)
        p->newcomers.take(p->newcomers.ctx, fd);
    else
        close(fd);
}

/* ---- the radio ---- */

static void on_frame(void *owner, uint8_t *frame, size_t len)
{
    process *p = owner;

    if (p->radio.on_frame != NULL)
        p->radio.on_frame(p->radio.owner, frame, len);
}

static int radio_send(at_radio *radio, const at_radio_piece *pieces, size_t count)
{
    process *p = radio->ctx;
    at_err err = lx_frames_send(&p->frames, pieces, count);

    if (err == AT_ERR_AGAIN && p->frames.refused == 1)
        at_log(p->config->log, AT_LOG_WARN, "radio", "the air takes no frames: some are lost");
    return err == AT_ERR_CLOSED ? AT_ERR_AGAIN : err;
}

static void factory_mac(at_radio *radio, uint8_t mac[6])
{
    const process *p = radio->ctx;

    memcpy(mac, p->config->mac, 6);
}

/* ---- the process ---- */

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Closes all descriptors but the standard ones and keep[]. */
static void close_others(int *keep, size_t count)
{
    int next = STDERR_FILENO + 1;

    qsort(keep, count, sizeof *keep, by_number);
    for (size_t i = 0; i < count; i++) {
        if (keep[i] < next)
            continue;
        if (keep[i] > next)
            close_range((unsigned)next, (unsigned)keep[i] - 1, 0);
        next = keep[i] + 1;
    }
    close_range((unsigned)next, ~0u, 0);
}

static void cut_loose(const lx_chip_config *config, int radio_fd, int bench_fd)
{
    int keep[LX_CONNECTOR_FDS + 4];
    size_t count = config->connector->ops->fds(config->connector, keep);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "attache-chip");
    keep[count++] = radio_fd;
    keep[count++] = bench_fd;
    keep[count++] = config->log_fd;
    keep[count++] = config->wire_log_fd;
    close_others(keep, count);
}

static at_byteport *plug_port(process *p)
{
    const lx_chip_config *config = p->config;
    const lx_plug plug = {
        .loop = &p->loop,
        .poller = &p->poller,
        .log = config->log,
        .newcomers = &p->newcomers,
        .ended = port_ended,
        .ctx = p,
    };
    at_byteport *port = config->connector->ops->plug(config->connector, &plug);

    if (port != NULL && config->pace) {
        lx_pace_init(&p->pace, &p->loop, port);
        port = &p->pace.port;
    }
    if (port != NULL && config->wire_log_fd >= 0) {
        lx_wirelog_init(&p->wirelog, port, lx_clock(), config->wire_log_start_us,
                        config->wire_log_fd);
        port = &p->wirelog.port;
    }
    return port;
}

static bool open_links(process *p, int radio_fd, int bench_fd)
{
    static const at_radio_ops radio_ops = { .send = radio_send, .factory_mac = factory_mac };

    p->radio = (at_radio){ .ops = &radio_ops, .ctx = p };
    p->supervisor = (at_supervisor){ .ctx = p, .restart = restart, .report = report };
    p->bench = (lx_source){ .fd = bench_fd, .events = POLLIN, .ready = on_bench, .arg = p };
    p->leave = (at_prepare){ .run = tell_ended, .arg = p };
    at_loop_add_prepare(&p->loop, &p->leave);
    return lx_source_add(&p->poller, &p->bench) &&
           lx_frames_init(&p->frames, &p->loop, &p->poller, on_frame, p) == AT_OK &&
           lx_frames_open(&p->frames, radio_fd) == AT_OK;
}

static at_module *boot_module(process *p, at_byteport *port)
{
    const lx_chip_config *config = p->config;
    const at_module_config module = {
        .loop = &p->loop,
        .port = port,
        .radio = &p->radio,
        .flash = config->flash,
        .random = &p->random.random,
        .log = config->log->sink,
        .supervisor = &p->supervisor,
        .fibers = &lx_fiber_ops,
        .heap_budget = config->heap_budget,
        .window = config->window,
        .rx_reserve = RX_RESERVE,
        .guard_ms = config->guard_ms,
        .data_timeout_ms = config->data_timeout_ms,
        .builds = config->builds,
        .update_servers = config->update_servers,
        .update_token = config->update_token,
        .update_unverified = config->update_unverified,
        .uart = { .baud = 115200, .data = 8, .stop = 1 },
    };

    return at_module_boot(&module);
}

/* Before the first byte of the host is looked at, so that it finds the levels that are there. */
static void give_pins(const process *p)
{
    const lx_chip_config *config = p->config;

    for (uint8_t pin = 0; config->pins_given != NULL && pin < 32; pin++) {
        if ((*config->pins_given >> pin & 1) != 0)
            at_module_pin(p->module, pin, (*config->pins_in >> pin & 1) != 0);
    }
}

_Noreturn void lx_chip_process(const lx_chip_config *config, int radio_fd, int bench_fd,
                               uint32_t boot)
{
    process *p = calloc(1, sizeof *p);
    at_byteport *port;

    cut_loose(config, radio_fd, bench_fd);
    if (p == NULL)
        _exit(CHIP_EXIT_FAILED);
    p->config = config;
    lx_poller_init(&p->poller, lx_clock());
    at_loop_init(&p->loop, lx_clock(), &p->poller.waiter);
    if (config->seeded)
        lx_random_seeded(&p->random, config->seed + boot);
    else
        lx_random_system(&p->random);
    port = open_links(p, radio_fd, bench_fd) ? plug_port(p) : NULL;
    if (port == NULL) {
        at_log(config->log, AT_LOG_ERROR, "chip", "no memory or descriptors to boot with");
        _exit(CHIP_EXIT_FAILED);
    }
    p->module = boot_module(p, port);
    if (p->module == NULL)
        _exit(CHIP_EXIT_FAILED);
    give_pins(p);
    at_loop_run(&p->loop);
    _exit(CHIP_EXIT_FAILED); /* nobody stops a chip's loop */
}
