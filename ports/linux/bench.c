/* The life of a run.
 *
 * The order of setting up follows what depends on what: log, signals, AT port, flash, air, control,
 * chip. Whatever fails says why in one line and the run is over before a chip exists. The first "ready"
 * starts the rest: the path is printed (everything about the port is in place by then), and COMMAND runs.
 *
 * All ends meet in bench_stop(), which leaves the loop; taking down is the reverse of setting up and
 * is the same for all. Signals come through a descriptor like everything else, so no handler exists. With
 * a COMMAND a signal is passed on to it, and its end decides the status.
 *
 * With --console the terminal belongs to the console: log lines go through a pipe to it. With a COMMAND
 * the log goes to memory and is shown only when the command failed.
 */
#include "ports/linux/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/bench_priv.h"
#include "ports/linux/clock.h"
#include "ports/linux/pty.h"
#include "ports/linux/serial.h"
#include "ports/linux/signals.h"
#include "ports/linux/socket_port.h"
#include "ports/linux/stdio_port.h"

enum { WHY = 512, REASON = 400 };

void bench_stop(lx_bench *b, int exit_status)
{
    if (b->loop.stopped)
        return;
    b->exit_status = exit_status;
    at_loop_stop(&b->loop);
}

/* ---- signals ---- */

static void on_signal(void *arg, short revents)
{
    lx_bench *b = arg;
    struct signalfd_siginfo info;

    (void)revents;
    if (read(b->signals.fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (b->command > 0)
        kill(b->command, (int)info.ssi_signo);
    else
        bench_stop(b, 0);
}

/* ---- log files ---- */

static bool open_console_log(lx_bench *b, int *read_end)
{
    int fds[2];

    /* Only our end must not block: the chip may wait for a slow terminal, and its log is whole. */
    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    *read_end = fds[0];
    b->log.fd = fds[1];
    return true;
}

static bool open_log(lx_bench *b, int *console_end, char *why, size_t room)
{
    const lx_options *o = b->options;
    at_log_level level = o->log_level;

    *console_end = -1;
    if (o->command != NULL && !o->log_level_given)
        level = AT_LOG_INFO; /* it is only shown after a failure, and tells the story then */
    lx_logfile_init(&b->log, level, lx_clock(), STDERR_FILENO);
    if (o->log_file != NULL)
        b->log.fd = open(o->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    else if (o->command != NULL)
        b->log.fd = memfd_create("attache-log", MFD_CLOEXEC);
    else if (o->port == LX_PORT_CONSOLE && lx_console_is_interactive())
        open_console_log(b, console_end);
    if (b->log.fd >= 0)
        return true;
    snprintf(why, room, "--log-file: cannot write %s: %s",
             o->log_file != NULL ? o->log_file : "a log in memory", strerror(errno));
    b->log.fd = STDERR_FILENO;
    return false;
}

static bool open_wire_log(lx_bench *b, char *why, size_t room)
{
    const char *path = b->options->wire_log;

    if (path == NULL)
        return true;
    b->wire_log_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (b->wire_log_fd >= 0)
        return true;
    snprintf(why, room, "--wire-log: cannot write %s: %s", path, strerror(errno));
    return false;
}

static void show_log(const lx_bench *b)
{
    char block[4096];
    ssize_t len;
    off_t at = 0;

    while ((len = pread(b->log.fd, block, sizeof block, at)) > 0) {
        if (write(STDERR_FILENO, block, (size_t)len) < 0)
            return;
        at += len;
    }
}

/* ---- the AT port ---- */

static void send_client(void *ctx, int fd)
{
    lx_bench *b = ctx;

    if (b->chip != NULL)
        lx_chip_send_client(b->chip, fd);
}

static lx_connector *open_console(lx_bench *b, int log_end, char *why, size_t room)
{
    int fds[2];
    lx_console_config config = {
        .loop = &b->loop, .poller = &b->poller, .log_fd = log_end, .boots = true
    };

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
        snprintf(why, room, "%s", strerror(errno));
        return NULL;
    }
    config.port_fd = fds[0];
    b->console = lx_console_open(&config, why, room);
    return b->console != NULL ? lx_socket_open(fds[1]) : NULL;
}

static bool open_port(lx_bench *b, int log_end, char *why, size_t room)
{
    static const char *const names[] = { "--pty", "--serial", "--listen", "--stdio", "--console" };
    const lx_options *o = b->options;
    char reason[REASON] = "out of memory";

    switch (o->port) {
    case LX_PORT_PTY: b->connector = lx_pty_open(o->port_arg, reason, sizeof reason); break;
    case LX_PORT_SERIAL: b->connector = lx_serial_open(o->port_arg, reason, sizeof reason); break;
    case LX_PORT_LISTEN:
        b->connector = lx_listen_open(o->port_arg, &b->poller, &b->log.log, send_client, b, reason,
                                      sizeof reason);
        break;
    case LX_PORT_STDIO: b->connector = lx_stdio_open(); break;
    case LX_PORT_CONSOLE: b->connector = open_console(b, log_end, reason, sizeof reason); break;
    }
    if (b->connector != NULL)
        return true;
    snprintf(why, room, "%s: %s", names[o->port], reason);
    return false;
}

/* ---- the chip ---- */

static void start_rest(lx_bench *b)
{
    const lx_options *o = b->options;
    char why[WHY];

    b->started = true;
    if (o->command == NULL && (o->port == LX_PORT_PTY || o->port == LX_PORT_LISTEN)) {
        puts(b->connector->path);
        fflush(stdout);
    }
    if (o->command != NULL && !bench_command_start(b, why, sizeof why)) {
        fprintf(stderr, "attache: %s\n", why);
        bench_stop(b, 1);
    }
}

/* The value of "ip":"..." in the members of an event. */
static void note_address(lx_bench *b, const char *members)
{
    const char *at = strstr(members, "\"ip\":\""), *end;

    b->address[0] = '\0';
    if (at == NULL || (end = strchr(at + 6, '"')) == NULL)
        return;
    snprintf(b->address, sizeof b->address, "%.*s", (int)(end - (at + 6)), at + 6);
}

static void note_asleep(lx_bench *b, const cJSON *event)
{
    const char *state = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "state"));

    at_copy_text(b->sleep, sizeof b->sleep, state != NULL ? state : "");
    b->asleep = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(event, "asleep"));
}

static void note_pin(lx_bench *b, const cJSON *event)
{
    const cJSON *pin = cJSON_GetObjectItemCaseSensitive(event, "pin");
    const cJSON *level = cJSON_GetObjectItemCaseSensitive(event, "level");
    uint32_t bit;

    if (!cJSON_IsNumber(pin) || pin->valueint < 0 || pin->valueint > 31 || !cJSON_IsNumber(level))
        return;
    bit = 1u << pin->valueint;
    b->pins_driven |= bit;
    b->pins_out = level->valueint != 0 ? b->pins_out | bit : b->pins_out & ~bit;
}

/* Events that say what `status` shows. */
static void note_state(lx_bench *b, const char *name, const char *members)
{
    char text[128];
    cJSON *event;

    if (strcmp(name, "exit") == 0) {
        at_copy_text(b->sleep, sizeof b->sleep, "active");
        b->asleep = false;
        b->pins_driven = b->pins_out = 0;
        return;
    }
    snprintf(text, sizeof text, "{%s}", members);
    event = cJSON_Parse(text);
    if (strcmp(name, "sleep") == 0)
        note_asleep(b, event);
    else
        note_pin(b, event);
    cJSON_Delete(event);
}

void bench_event(void *owner, const char *name, const char *members)
{
    lx_bench *b = owner;

    if (strcmp(name, "ip") == 0)
        note_address(b, members);
    else if (strcmp(name, "left") == 0 || strcmp(name, "exit") == 0)
        b->address[0] = '\0';
    if (strcmp(name, "sleep") == 0 || strcmp(name, "pin") == 0 || strcmp(name, "exit") == 0)
        note_state(b, name, members);
    at_log(&b->log.log, AT_LOG_DEBUG, "event", "%s %s", name, members);
    lx_ctl_event(b->ctl, name, members);
    if (!b->started && strcmp(name, "ready") == 0)
        start_rest(b);
}

static void on_ending(void *owner, lx_ending ending, int status)
{
    lx_bench *b = owner;

    (void)status;
    bench_air_reset(b);
    if (ending == LX_ENDING_FAILED) {
        fprintf(stderr, "attache: the module does not run%s\n",
                b->options->log_file != NULL ? ": see the log file" : "");
        bench_stop(b, 1);
    }
}

static void on_port_ended(void *owner, const char *why)
{
    lx_bench *b = owner;
    bool orderly = b->options->port != LX_PORT_SERIAL;

    at_log(&b->log.log, orderly ? AT_LOG_INFO : AT_LOG_ERROR, "port", "the AT port ended: %s", why);
    bench_stop(b, orderly ? 0 : 1);
}

static bool open_flash(lx_bench *b, char *why, size_t room)
{
    const lx_options *o = b->options;
    char reason[REASON];

    b->flash = o->flash != NULL ? at_flashfile_open(o->flash, o->flash_size, reason, sizeof reason)
                                : at_flashfile_volatile(o->flash_size, reason, sizeof reason);
    if (b->flash != NULL)
        return true;
    snprintf(why, room, "--flash: %s", reason);
    return false;
}

bool bench_open_ctl(lx_bench *b, char *why, size_t room)
{
    const lx_ctl_config config = { .loop = &b->loop,
                                   .poller = &b->poller,
                                   .log = &b->log.log,
                                   .path = b->options->ctl,
                                   .run = bench_verb,
                                   .owner = b };
    char reason[REASON] = "out of memory";

    if (b->options->ctl == NULL)
        return true;
    b->ctl = lx_ctl_open(&config, reason, sizeof reason);
    if (b->ctl != NULL)
        return true;
    snprintf(why, room, "--ctl: %s", reason);
    return false;
}

static bool open_chip(lx_bench *b, char *why, size_t room)
{
    const lx_options *o = b->options;
    lx_chip_config config = {
        .loop = &b->loop,
        .poller = &b->poller,
        .log = &b->log.log,
        .connector = b->connector,
        .flash = at_flashfile_chip(b->flash),
        .seeded = o->seed_given,
        .seed = b->seed,
        .heap_budget = o->heap,
        .window = o->window,
        .guard_ms = o->guard_ms,
        .data_timeout_ms = o->data_timeout_ms,
        .builds = o->builds,
        .update_servers = o->update_servers[0] != '\0' ? o->update_servers : NULL,
        .update_token = o->update_token[0] != '\0' ? o->update_token : NULL,
        .update_unverified = o->update_unverified,
        .pins_given = &b->pins_given,
        .pins_in = &b->pins_in,
        .pace = o->pace,
        .log_fd = b->log.fd,
        .wire_log_fd = b->wire_log_fd,
        .wire_log_start_us = b->log.start_us,
        .on_frame = bench_air_frame,
        .on_event = bench_event,
        .on_ending = on_ending,
        .on_port_ended = on_port_ended,
        .owner = b,
    };

    bench_mac(b, config.mac);
    b->chip = lx_chip_create(&config);
    if (b->chip != NULL && lx_chip_power(b->chip, true) == AT_OK)
        return true;
    snprintf(why, room, "cannot start the module: %s", strerror(errno));
    return false;
}

/* ---- a run ---- */

bool bench_set_up_base(lx_bench *b, int *console_end, char *why, size_t room)
{
    lx_poller_init(&b->poller, lx_clock());
    at_loop_init(&b->loop, lx_clock(), &b->poller.waiter);
    at_heap_init(&b->heap, SIZE_MAX);
    if (!open_log(b, console_end, why, room) || !open_wire_log(b, why, room))
        return false;
    if (!lx_signals_watch(&b->poller, &b->signals, on_signal, b)) {
        snprintf(why, room, "no descriptors");
        return false;
    }
    return true;
}

static bool set_up(lx_bench *b, char *why, size_t room)
{
    int log_end;

    return bench_set_up_base(b, &log_end, why, room) && open_port(b, log_end, why, room) &&
           open_flash(b, why, room) && bench_air_open(b, why, room) &&
           bench_open_ctl(b, why, room) && open_chip(b, why, room);
}

static void take_down(lx_bench *b)
{
    lx_chip_close(b->chip);
    b->chip = NULL;
    if (b->command > 0)
        kill(b->command, SIGTERM);
    lx_ctl_event(b->ctl, "exit", "\"reason\":\"quit\"");
    lx_ctl_close(b->ctl);
    b->ctl = NULL;
    bench_air_close(b);
    if (b->connector != NULL)
        b->connector->ops->close(b->connector);
    at_flashfile_close(b->flash);
    lx_console_close(b->console);
}

/* Whoever wants to repeat this run needs it, so it is told at every level. */
void bench_tell_seed(const lx_bench *b)
{
    char line[48];

    snprintf(line, sizeof line, "seed %llu", (unsigned long long)b->seed);
    b->log.sink.line(b->log.sink.ctx, AT_LOG_INFO, "bench", line);
}

static void warn_about(const lx_bench *b)
{
    const lx_options *o = b->options;

    if (o->port == LX_PORT_LISTEN && strstr(b->connector->path, "//127.") == NULL &&
        strstr(b->connector->path, "//localhost:") == NULL &&
        strstr(b->connector->path, "//[::1]:") == NULL)
        fprintf(stderr,
                "attache: warning: --listen: everybody who reaches %s reaches this computer's "
                "network through the module\n",
                b->connector->path);
}

/* libslirp makes a buffer of 128 KB per connection and then asks for a little more. When the first one
 * fits into the padding behind the heap, asking for more copies it, and touches all of it. */
static void pad_less(void)
{
    mallopt(M_TOP_PAD, 64 * 1024);
}

int lx_bench_run(const lx_options *options)
{
    lx_bench *b = calloc(1, sizeof *b);
    char why[WHY] = "out of memory";
    int status;

    pad_less();
    if (b == NULL)
        return 1;
    b->options = options;
    at_copy_text(b->sleep, sizeof b->sleep, "active");
    b->pcap_fd = b->wire_log_fd = b->signals.fd = -1;
    if (!set_up(b, why, sizeof why)) {
        fprintf(stderr, "attache: %s\n", why);
        if (b->exit_status == 0)
            b->exit_status = 1;
    } else {
        bench_tell_seed(b);
        warn_about(b);
        if (b->console != NULL)
            lx_console_run(b->console);
        else
            at_loop_run(&b->loop);
    }
    take_down(b);
    status = b->exit_status;
    if (status != 0 && options->command != NULL && options->log_file == NULL)
        show_log(b);
    free(b);
    return status;
}
