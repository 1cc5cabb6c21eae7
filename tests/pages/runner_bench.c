/* The bench: processes in lock step around the air.
 *
 * A round moves frames between the processes and the air, lets the air's loop run, collects what the
 * module wrote, and hands the token to every process that has something to do. When a round did
 * nothing, the host's next chunk goes out; when there is none either, the instant is over
 * (bench_settle) and time may move to the earliest deadline of a process or of the air
 * (bench_advance). The order of processes is fixed - chip, then peers as they appeared - so a page is
 * repeatable from its seed.
 *
 * Power: the chip is forked for each boot, as in production. A chip that ends itself left a restart
 * request in its lane; one that was cut by the flash model loses power; any other end breaks the
 * bench. The lane and the flash outlive the process, the radio's place in the air does too.
 *
 * Real time matters only for a watchdog: a process that does not give the token back is ended and
 * reported.
 */
#include "tests/pages/runner_bench.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "air/air.h"
#include "core/bytes.h"
#include "ports/linux/random.h"
#include "tests/pages/runner_bench_priv.h"
#include "tests/pages/runner_chip.h"

#define WATCHDOG_S 60      /* real time one turn of a process may take */
#define ROUNDS_MAX 2000000 /* rounds within one instant before it counts as endless */
#define OUTPUT_MAX (64u * 1024u * 1024u)

static const uint8_t chip_mac[6] = { 0x08, 0x3a, 0x8d, 0x96, 0x0a, 0x10 };

/* ---- the air ---- */

static uint64_t air_now(void *ctx)
{
    return ((bench *)ctx)->now_us;
}

static void air_wait(void *ctx, uint64_t deadline_us)
{
    (void)ctx; /* the bench decides when the air's loop runs */
    (void)deadline_us;
}

static void air_line(void *ctx, at_log_level level, const char *area, const char *text)
{
    lane_log(((bench *)ctx)->chip.lane, level, area, text);
}

static void air_event(void *owner, const char *name, const char *members)
{
    char text[256];

    snprintf(text, sizeof(text), "%s {%s}", name, members);
    lane_log(((bench *)owner)->chip.lane, AT_LOG_INFO, "event", text);
}

static void deliver(void *ctx, const uint8_t *frame, size_t len)
{
    process *p = ctx;
    const at_radio_piece piece = { frame, len };

    if (p->alive)
        lane_put_frame(p->lane, &p->lane->to_radio, &piece, 1);
}

static bool open_air(bench *b, const char *text, char *error, size_t room)
{
    const at_air_config config = { .loop = &b->loop,
                                   .heap = &b->heap,
                                   .log = &b->log,
                                   .random = &b->random.random,
                                   .world = &b->world,
                                   .policy = AT_POLICY_OPEN,
                                   .on_event = air_event,
                                   .owner = b };

    at_world_default(&b->world);
    if (text[0] != '\0' && !at_world_parse(&b->world, "world", text, strlen(text), error, room))
        return false;
    b->world.host_count = 0; /* the computer that runs the test is not on its bench */
    for (uint32_t i = 0; i < b->world.ap_count; i++)
        b->world.aps[i].uplink = AT_UPLINK_NONE;
    b->air = at_air_create(&config);
    if (b->air == NULL) {
        snprintf(error, room, "the air could not be made");
        return false;
    }
    return true;
}

static bool air_has_work(const bench *b)
{
    return b->loop.first_task != NULL ||
           (b->loop.timers != NULL && b->loop.timers->due_us <= b->now_us);
}

/* ---- bytes and frames ---- */

static bool move_frames(process *p)
{
    uint8_t frame[AT_RADIO_FRAME_MAX];
    bool worked = false;
    size_t len;

    while ((len = lane_take_frame(&p->lane->from_radio, frame)) > 0) {
        at_air_input(p->air, frame, len);
        worked = true;
    }
    return worked;
}

static bool collect(at_ring *from, bytes *to)
{
    const uint8_t *data;
    size_t len;
    bool worked = false;

    while ((len = at_ring_span(from, 0, &data)) > 0) {
        bytes_add(to, data, len);
        at_ring_drop(from, len);
        worked = true;
    }
    return worked;
}

/* ---- processes ---- */

static void bench_break(bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void bench_break(bench *b, const char *format, ...)
{
    va_list args;

    if (b->broken[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(b->broken, sizeof(b->broken), format, args);
    va_end(args);
}

static void fork_process(bench *b, process *p)
{
    const struct timeval watchdog = { .tv_sec = WATCHDOG_S };
    uint64_t seed = b->seed * 1000003u + p->number * 1009u + p->boots++;
    int ends[2];

    lane_reset(p->lane);
    p->lane->now_us = b->now_us;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 || (p->pid = fork()) < 0) {
        bench_break(b, "no process: %s", strerror(errno));
        return;
    }
    if (p->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        lane_seams_init(&b->seams, p->lane, ends[1], p->mac);
        lane_wait_token(&b->seams);
        if (p == &b->chip)
            chip_main(&b->seams, at_flashfile_chip(b->flash), seed);
        peer_process_main(&b->seams, seed);
    }
    close(ends[1]);
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &watchdog, sizeof(watchdog));
    p->token = ends[0];
    p->alive = true;
}

/* Ends the process, however it is; returns its wait status. */
static int reap(process *p, bool end)
{
    int status = 0;

    if (end)
        kill(p->pid, SIGKILL);
    waitpid(p->pid, &status, 0);
    close(p->token);
    p->alive = false;
    if (p->air != NULL)
        at_air_reset_port(p->air);
    return status;
}

static void chip_ended(bench *b, int status)
{
    const lane *l = b->chip.lane;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && l->restart) {
        b->boot_at_us = b->now_us + l->restart_after_ms * 1000u;
        if (l->restart_kind == AT_BOOT_DOWNLOAD)
            b->boot_at_us = AT_WAIT_FOREVER; /* the ROM's loader waits for a programmer */
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHIP_LOST_POWER) {
        b->powered = false;
        b->lost_power = true;
        return;
    }
    if (WIFSIGNALED(status))
        bench_break(b, "the chip died of signal %d (%s)", WTERMSIG(status),
                    strsignal(WTERMSIG(status)));
    else
        bench_break(b, "the chip ended with status %d", WEXITSTATUS(status));
}

static void give_token(bench *b, process *p)
{
    char byte = 0;
    ssize_t got = -1;
    int status;

    if (send(p->token, &byte, 1, MSG_NOSIGNAL) == 1)
        got = recv(p->token, &byte, 1, 0);
    if (got == 1) {
        if (p == &b->chip && b->pause != NULL) {
            if (!b->host_stopped) /* the owner wants to see what was said last */
                collect(&p->lane->from_port, &p->output);
            b->pause(b->pause_owner);
        }
        return;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        reap(p, true);
        bench_break(b, "%s does not come to rest: %d s of real time within one instant", p->name,
                    WATCHDOG_S);
        return;
    }
    move_frames(p); /* what it sent before its end is on its way */
    if (p == &b->chip && !b->host_stopped)
        collect(&p->lane->from_port, &p->output);
    status = reap(p, false);
    if (p == &b->chip)
        chip_ended(b, status);
    else
        bench_break(b, "peer %s ended (status %d)", p->name, status);
}

/* ---- rounds ---- */

/* A peer's line has no flow control to test: it gets all at once. */
static bool feed(process *p)
{
    size_t room = at_ring_room(&p->lane->to_port);
    size_t len = AT_MIN(p->input.len, room);

    if (p->number == 0 || len == 0)
        return false;
    at_ring_write(&p->lane->to_port, bytes_at(&p->input), len);
    bytes_drop(&p->input, len);
    return true;
}

static bool boot_when_due(bench *b)
{
    if (b->chip.alive || !b->powered || b->boot_at_us > b->now_us || b->broken[0] != '\0')
        return false;
    fork_process(b, &b->chip);
    return true;
}

static bool run_round(bench *b)
{
    bool worked = boot_when_due(b);

    for (process *p = &b->chip; p != NULL; p = p->next)
        worked = move_frames(p) || worked;
    while (air_has_work(b)) {
        at_loop_turn(&b->loop);
        worked = true;
    }
    if (!b->host_stopped && collect(&b->chip.lane->from_port, &b->chip.output))
        worked = true;
    for (process *p = &b->chip; p != NULL; p = p->next) {
        if (!p->alive)
            continue;
        p->lane->now_us = b->now_us;
        if (p->number != 0 && collect(&p->lane->from_port, &p->output))
            worked = true;
        worked = feed(p) || worked;
        if (lane_ready(p->lane)) {
            give_token(b, p);
            worked = true;
        }
    }
    return worked;
}

static size_t next_chunk(bench *b)
{
    uint8_t random;

    if (b->chunk == CHUNK_WHOLE)
        return SIZE_MAX;
    if (b->chunk != CHUNK_RANDOM)
        return b->chunk;
    b->split.random.fill(b->split.random.ctx, &random, 1);
    return 1u + random % 40u;
}

/* A UART that nobody powers takes the bytes too; they are lost at the next boot. */
static bool push_chunk(bench *b)
{
    process *chip = &b->chip;
    size_t len;

    if (chip->input.len == 0)
        return false;
    len = next_chunk(b); /* once: it may draw a random number */
    len = AT_MIN(chip->input.len, len);
    if (!chip->alive) {
        bytes_drop(&chip->input, chip->input.len);
        return true;
    }
    len = at_ring_write(&chip->lane->to_port, bytes_at(&chip->input), len);
    bytes_drop(&chip->input, len);
    return len > 0;
}

void bench_on_pause(bench *b, void (*pause)(void *owner), void *owner)
{
    b->pause = pause;
    b->pause_owner = owner;
}

void bench_settle(bench *b)
{
    for (uint32_t rounds = 0; b->broken[0] == '\0'; rounds++) {
        if (!run_round(b) && !push_chunk(b))
            return;
        if (rounds == ROUNDS_MAX)
            bench_break(b, "no end of activity within one instant");
        if (b->chip.output.len > OUTPUT_MAX)
            bench_break(b, "no end of output");
    }
}

bool bench_advance(bench *b, uint64_t limit_us)
{
    uint64_t next = AT_WAIT_FOREVER;

    if (b->broken[0] != '\0')
        return false;
    for (const process *p = &b->chip; p != NULL; p = p->next) {
        if (p->alive)
            next = AT_MIN(next, p->lane->deadline_us);
    }
    if (b->loop.timers != NULL)
        next = AT_MIN(next, b->loop.timers->due_us);
    if (!b->chip.alive && b->powered)
        next = AT_MIN(next, b->boot_at_us);
    if (next > limit_us || next == AT_WAIT_FOREVER)
        return false;
    b->now_us = AT_MAX(next, b->now_us);
    return true;
}

void bench_pass(bench *b, uint64_t us)
{
    uint64_t end = b->now_us + us;

    do
        bench_settle(b);
    while (bench_advance(b, end));
    b->now_us = end;
    bench_settle(b);
}

/* ---- opening and closing ---- */

static void init_process(process *p, const char *name, unsigned number, size_t port_size)
{
    p->lane = lane_create(port_size);
    p->number = number;
    snprintf(p->name, sizeof(p->name), "%s", name);
}

bench *bench_open(const char *world, uint64_t seed, size_t chunk, char *error, size_t room)
{
    bench *b = calloc(1, sizeof(*b));

    if (b == NULL)
        abort();
    b->seed = seed;
    b->chunk = chunk;
    b->now_us = LANE_EPOCH_US;
    b->powered = true;
    b->clock = (at_clock){ .ctx = b, .now_us = air_now };
    b->waiter = (at_waiter){ .ctx = b, .wait = air_wait };
    b->sink = (at_log_sink){ .ctx = b, .level = AT_LOG_DEBUG, .line = air_line };
    b->log = (at_log){ .sink = &b->sink };
    lx_random_seeded(&b->random, seed);
    lx_random_seeded(&b->split, seed ^ 0x5eedu);
    at_heap_init(&b->heap, SIZE_MAX);
    at_loop_init(&b->loop, &b->clock, &b->waiter);
    b->flash = at_flashfile_volatile(AT_FLASHFILE_4MB, error, room);
    init_process(&b->chip, "the chip", 0, LANE_PORT);
    b->chip.lane->now_us = b->now_us;
    memcpy(b->chip.mac, chip_mac, 6);
    if (b->flash == NULL || !open_air(b, world, error, room)) {
        bench_close(b);
        return NULL;
    }
    b->chip.air = at_air_attach_radio(b->air, b->chip.mac, deliver, &b->chip);
    return b;
}

static void close_process(process *p)
{
    if (p->alive)
        reap(p, true);
    if (p->air != NULL)
        at_air_detach(p->air);
    bytes_free(&p->input);
    bytes_free(&p->output);
    lane_free(p->lane);
}

void bench_close(bench *b)
{
    for (process *p = b->chip.next, *next; p != NULL; p = next) {
        next = p->next;
        close_process(p);
        free(p);
    }
    close_process(&b->chip);
    if (b->air != NULL)
        at_air_destroy(b->air);
    at_flashfile_close(b->flash);
    free(b);
}

void bench_power(bench *b, bool on)
{
    if (b->chip.alive && !on)
        reap(&b->chip, true);
    if (on && !b->powered)
        b->boot_at_us = b->now_us;
    b->lost_power = false;
    b->powered = on;
    collect(&b->chip.lane->from_port, &b->chip.output);
}

/* ---- peers ---- */

process *bench_peer(bench *b, const char *name, const char *ap, char *error, size_t room)
{
    process **end = &b->chip.next;
    process *p;

    for (; *end != NULL; end = &(*end)->next) {
        if (strcmp((*end)->name, name) == 0)
            return *end;
    }
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        abort();
    init_process(p, name, ++b->peer_count, LANE_PIPE);
    *end = p;
    p->mac[0] = 0x02;
    p->mac[5] = (uint8_t)p->number;
    p->air = at_air_attach_wired(b->air, ap != NULL ? ap : b->world.aps[0].name, deliver, p);
    if (p->air == NULL) {
        snprintf(error, room, "peer %s: no access point %s", name, ap != NULL ? ap : "at all");
        return NULL;
    }
    fork_process(b, p);
    return p;
}

void bench_peer_write(process *peer, const void *data, size_t len)
{
    bytes_add(&peer->input, data, len);
}

bytes *bench_peer_output(process *peer)
{
    return &peer->output;
}

/* ---- what the player asks ---- */

const char *bench_broken(const bench *b)
{
    return b->broken[0] != '\0' ? b->broken : NULL;
}

uint64_t bench_now(const bench *b)
{
    return b->now_us;
}

void bench_send(bench *b, const void *data, size_t len)
{
    bytes_add(&b->chip.input, data, len);
}

void bench_send_now(bench *b, const void *data, size_t len)
{
    at_ring_write(&b->chip.lane->to_port, data, len);
}

bytes *bench_output(bench *b)
{
    return &b->chip.output;
}

void bench_cut_flash(bench *b, unsigned count)
{
    at_flashfile_cut_after(b->flash, count, (uint32_t)b->seed, chip_power_cut, NULL);
}

bool bench_lost_power(const bench *b)
{
    return b->lost_power;
}

bool bench_has_power(const bench *b)
{
    return b->powered;
}

const lane_stats *bench_stats(const bench *b)
{
    return &b->chip.lane->stats;
}

uint32_t bench_warnings(const bench *b)
{
    return b->chip.lane->warnings;
}

uint32_t bench_boots(const bench *b)
{
    return b->chip.boots;
}

bool bench_log_has(const bench *b, const char *text)
{
    at_ring *log = &b->chip.lane->log;
    size_t used = at_ring_used(log);
    char *copy = malloc(used + 1);
    bool found = false;

    if (copy != NULL) {
        at_ring_peek(log, 0, copy, used);
        found = memmem(copy, used, text, strlen(text)) != NULL;
    }
    free(copy);
    return found;
}

void bench_print_log(const bench *b, FILE *to, size_t most)
{
    at_ring *log = &b->chip.lane->log;
    size_t used = at_ring_used(log), len = AT_MIN(used, most);
    char *text = malloc(len + 1);
    const char *from = text;

    if (text == NULL)
        return;
    at_ring_peek(log, used - len, text, len);
    text[len] = '\0';
    if (used > len && strchr(text, '\n') != NULL) /* the first line may be cut */
        from = strchr(text, '\n') + 1;
    while (*from != '\0') {
        int line = (int)strcspn(from, "\n");

        fprintf(to, "      | %.*s\n", line, from);
        from += line + (from[line] == '\n');
    }
    free(text);
}
