/* Two processes in lock step.
 *
 * One socket carries everything in order: frames (F), lines for the peer (C), its answers (A), the
 * time alone (T) and "I am idle until then" (I). This side decides about time,
 * and every message to the peer begins with it. When it has nothing to do
 * it sends the time; the peer works until it is idle and says until when; frames it sent in between
 * lie before its I. Only when there were none, time jumps to the earlier of both deadlines.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iface/byteport.h"
#include "iface/current.h"
#include "iface/radio.h"
#include "tests/peer/peer.h"

#define HOUR_US  3600000000ull
#define START_US 1000000000ull

static const uint8_t own_mac[6] = { 0x02, 0, 0, 0, 0, 0x12 };
static const uint8_t peer_mac[6] = { 0x02, 0, 0, 0, 0, 0x02 };

static void send_message(int fd, char type, const void *data, size_t len)
{
    uint8_t message[24000];

    assert_true(len < sizeof message);
    message[0] = (uint8_t)type;
    if (len > 0)
        memcpy(message + 1, data, len);
    if (send(fd, message, len + 1, MSG_NOSIGNAL) != (ssize_t)len + 1)
        abort();
}

static uint64_t virtual_now(void *ctx)
{
    return *(uint64_t *)ctx;
}

static void seeded(void *ctx, void *buf, size_t len)
{
    uint32_t *state = ctx;

    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = peer_random_byte(state);
}

static void print_line(void *ctx, at_log_level level, const char *area, const char *text)
{
    (void)level;
    fprintf(stderr, "%s %s: %s\n", (const char *)ctx, area, text);
}

static at_log_sink sink_of(const char *who)
{
    const char *level = getenv("NET_TEST_LOG");

    return (at_log_sink){ .ctx = (void *)(uintptr_t)who,
                          .line = print_line,
                          .level = level != NULL ? (at_log_level)(level[0] - '0') : AT_LOG_ERROR };
}

/* ---- the peer's process ---- */

typedef struct far_side {
    int fd;
    uint64_t now_us;
    uint32_t random;
    bool owes_idle;
    at_radio radio;
    at_byteport control;
    uint8_t line[24000];
    size_t line_len;
} far_side;

static int far_send(at_radio *radio, const at_radio_piece *pieces, size_t count)
{
    far_side *far = radio->ctx;
    uint8_t frame[AT_RADIO_FRAME_MAX];
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        memcpy(frame + len, pieces[i].data, pieces[i].len);
        len += pieces[i].len;
    }
    send_message(far->fd, 'F', frame, len);
    return 0;
}

static void far_mac(at_radio *radio, uint8_t mac[6])
{
    (void)radio;
    memcpy(mac, peer_mac, 6);
}

static size_t far_read(at_byteport *port, uint8_t *buf, size_t room)
{
    far_side *far = port->ctx;
    size_t len = far->line_len < room ? far->line_len : room;

    memcpy(buf, far->line, len);
    memmove(far->line, far->line + len, far->line_len - len);
    far->line_len -= len;
    return len;
}

static size_t far_write(at_byteport *port, const uint8_t *data, size_t len)
{
    far_side *far = port->ctx;

    send_message(far->fd, 'A', data, len);
    return len;
}

static void far_want(at_byteport *port, bool want_read, bool want_write)
{
    (void)port;
    (void)want_read;
    (void)want_write;
}

static void far_message(far_side *far, uint8_t *message, size_t len)
{
    uint8_t *body = message + 1 + sizeof far->now_us;

    memcpy(&far->now_us, message + 1, sizeof far->now_us);
    len -= 1 + sizeof far->now_us;
    if (message[0] == 'F') {
        far->radio.on_frame(far->radio.owner, body, len);
    } else if (message[0] == 'C') {
        memcpy(far->line + far->line_len, body, len);
        far->line_len += len;
        far->control.on_readable(far->control.owner);
    } else {
        far->owes_idle = true;
    }
}

static void far_wait(void *ctx, uint64_t deadline_us)
{
    far_side *far = ctx;
    uint8_t message[24000];
    ssize_t len = recv(far->fd, message, sizeof message, MSG_DONTWAIT);

    if (len < 0 && deadline_us <= far->now_us)
        return;
    if (len < 0) {
        if (far->owes_idle)
            send_message(far->fd, 'I', &deadline_us, sizeof deadline_us);
        far->owes_idle = false;
        len = recv(far->fd, message, sizeof message, 0);
    }
    if (len <= 0)
        _exit(0);
    far_message(far, message, (size_t)len);
}

static void run_far_side(int fd)
{
    static const at_radio_ops radio_ops = { far_send, far_mac };
    static const at_byteport_ops control_ops = { .read = far_read,
                                                 .write = far_write,
                                                 .want = far_want };
    static far_side far;
    at_log_sink sink = sink_of("peer");
    at_clock clock = { &far.now_us, virtual_now };
    at_waiter waiter = { &far, far_wait };
    at_random random = { &far.random, seeded };
    peer_seams seams = { &clock, &waiter, &random, &sink, &far.radio, &far.control };

    far.fd = fd;
    far.now_us = START_US;
    far.random = 77;
    far.radio.ops = &radio_ops;
    far.radio.ctx = &far;
    far.control.ops = &control_ops;
    far.control.ctx = &far;
    _exit(peer_main(&seams));
}

/* ---- this process ---- */

static void queue_frame(bench *b, const uint8_t *frame, size_t len)
{
    assert_true(b->in_count < BENCH_FRAMES && len <= sizeof b->in[0].bytes);
    memcpy(b->in[b->in_count].bytes, frame, len);
    b->in[b->in_count++].len = len;
}

static void send_to_peer(bench *b, char type, const void *data, size_t len)
{
    uint8_t message[24000];

    assert_true(sizeof b->now_us + len < sizeof message);
    memcpy(message, &b->now_us, sizeof b->now_us);
    if (len > 0)
        memcpy(message + sizeof b->now_us, data, len);
    send_message(b->fd, type, message, sizeof b->now_us + len);
}

void bench_inject(bench *b, const uint8_t *frame, size_t len)
{
    queue_frame(b, frame, len);
}

static int near_send(void *ctx, const at_radio_piece *pieces, size_t count)
{
    bench *b = ctx;
    uint8_t frame[AT_RADIO_FRAME_MAX];
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        assert_true(len + pieces[i].len <= sizeof frame);
        memcpy(frame + len, pieces[i].data, pieces[i].len);
        len += pieces[i].len;
    }
    if (b->cut || (b->filter != NULL && !b->filter(b, frame, len, true)))
        return 0;
    send_to_peer(b, 'F', frame, len);
    return 0;
}

static void near_message(bench *b, const uint8_t *message, size_t len)
{
    if (message[0] == 'F') {
        if (!b->cut && (b->filter == NULL || b->filter(b, message + 1, len - 1, false)))
            queue_frame(b, message + 1, len - 1);
    } else if (message[0] == 'A') {
        assert_true(b->answers_len + len < sizeof b->answers);
        memcpy(b->answers + b->answers_len, message + 1, len - 1);
        b->answers_len += len - 1;
    }
}

static bool deliver_frames(bench *b)
{
    unsigned count = b->in_count;

    if (count == 0)
        return false;
    b->in_count = 0;
    for (unsigned i = 0; i < count; i++) {
        /* A copy of exact size, so that sanitizers see a read past its end. */
        uint8_t *frame = malloc(b->in[i].len);

        memcpy(frame, b->in[i].bytes, b->in[i].len);
        at_net_input(b->net, AT_NETIF_STA, frame, b->in[i].len);
        free(frame);
    }
    return true;
}

/* Lets the peer work at this time; returns until when it is idle. */
static uint64_t step_peer(bench *b)
{
    uint8_t message[24000];

    send_to_peer(b, 'T', NULL, 0);
    for (;;) {
        ssize_t len = recv(b->fd, message, sizeof message, 0);
        uint64_t deadline_us;

        if (len <= 0)
            fail_msg("the peer ended");
        if (message[0] != 'I') {
            near_message(b, message, (size_t)len);
            continue;
        }
        memcpy(&deadline_us, message + 1, sizeof deadline_us);
        return deadline_us;
    }
}

static void near_wait(void *ctx, uint64_t deadline_us)
{
    bench *b = ctx;
    uint64_t peer_us;

    if (deliver_frames(b) || deadline_us <= b->now_us)
        return;
    peer_us = step_peer(b);
    if (b->in_count > 0 || (b->answers_len > 0 && b->awaiting))
        return;
    if (deadline_us == AT_WAIT_FOREVER && peer_us == AT_WAIT_FOREVER)
        fail_msg("nobody waits for anything; last answer %s", b->answer);
    if (deadline_us <= peer_us)
        b->waits++;
    if (peer_us > b->now_us)
        b->now_us = deadline_us < peer_us ? deadline_us : peer_us;
}

static void on_link(void *owner, unsigned id, at_link_event event, at_err reason)
{
    bench *b = owner;
    bench_event *last = b->event_count > 0 ? &b->events[b->event_count - 1] : NULL;

    if (last != NULL && last->id == id && last->event == event)
        return; /* one of several READABLE or WRITABLE */
    assert_true(b->event_count < BENCH_EVENTS);
    b->events[b->event_count++] = (bench_event){ id, event, reason };
}

static void on_net(void *owner, at_netif_id netif, at_net_event event)
{
    bench *b = owner;

    (void)netif;
    b->net_events[event]++;
}

static bench *create(void)
{
    static bench table; /* the seams below keep pointers into it */
    static at_clock clock;
    static at_waiter waiter;
    static at_random random;
    static at_log_sink sink;
    bench *b = &table;
    int pair[2], size = 4 << 20;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    for (int i = 0; i < 2; i++)
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (fork() == 0) {
        close(pair[0]);
        run_far_side(pair[1]);
    }
    close(pair[1]);
    b->fd = pair[0];
    b->in = calloc(BENCH_FRAMES, sizeof *b->in);
    b->now_us = START_US;
    b->random = 4711;
    clock = (at_clock){ &b->now_us, virtual_now };
    waiter = (at_waiter){ b, near_wait };
    random = (at_random){ &b->random, seeded };
    sink = sink_of("module");
    b->log.sink = &sink;
    at_heap_init(&b->heap, SIZE_MAX);
    at_loop_init(&b->loop, &clock, &waiter);
    at_the_current =
        (at_current){ .clock = &clock, .random = &random, .heap = &b->heap, .log = &b->log };
    return b;
}

static int set_up_module(void **state, uint32_t window)
{
    bench *b = create();
    at_net_config config = { &b->loop, &b->heap, &b->log, window, on_net, b };
    at_links_config links = { NULL, &b->loop, &b->heap, &b->log, on_link, b };

    b->net = at_net_create(&config);
    assert_non_null(b->net);
    assert_null(at_net_create(&config));
    assert_int_equal(at_net_add_interface(b->net, AT_NETIF_STA, own_mac, near_send, b), AT_OK);
    links.net = b->net;
    b->links = at_links_create(&links);
    assert_non_null(b->links);
    *state = b;
    return 0;
}

int bench_group_setup_bare(void **state)
{
    return set_up_module(state, AT_TCP_WINDOW);
}

static int set_up_both(void **state, uint32_t window)
{
    at_ip_config config = { at_addr_v4(192, 168, 3, 112), at_addr_v4(192, 168, 3, 102),
                            at_addr_v4(255, 255, 255, 0) };
    bench *b;

    set_up_module(state, window);
    b = *state;
    bench_peer(b, "address 192.168.3.102/24");
    at_net_use_static(b->net, AT_NETIF_STA, &config);
    at_net_link(b->net, AT_NETIF_STA, true);
    bench_run_ms(b, 20000);
    assert_int_equal(b->net_events[AT_NET_GOT_IP], 1);
    return 0;
}

int bench_group_setup(void **state)
{
    return set_up_both(state, AT_TCP_WINDOW);
}

int bench_group_setup_wide(void **state)
{
    return set_up_both(state, 64240);
}

int bench_group_teardown(void **state)
{
    bench *b = *state;

    close(b->fd);
    free(b->in);
    (void)wait(NULL);
    return 0;
}

int bench_setup(void **state)
{
    bench *b = *state;

    b->event_count = 0;
    memset(b->net_events, 0, sizeof b->net_events);
    b->heap_used = b->heap.used;
    b->heap_blocks = b->heap.blocks;
    b->timers = b->loop.timer_count;
    return 0;
}

int bench_teardown(void **state)
{
    bench *b = *state;
    uint32_t pcbs, timers;

    b->cut = false;
    b->filter = NULL;
    b->heap.fail_at = 0;
    (void)at_links_unlisten(b->links);
    for (unsigned id = 0; id < AT_LINKS; id++)
        (void)at_link_close(b->links, id);
    bench_run_ms(b, 400000); /* LAST_ACK, TIME_WAIT, retransmissions to nobody */
    for (unsigned id = 0; id < AT_LINKS; id++)
        assert_int_equal(bench_state(b, id), AT_LINK_FREE);
    at_net_usage(b->net, &pcbs, &timers);
    assert_int_equal(b->heap.used, b->heap_used);
    assert_int_equal(b->heap.blocks, b->heap_blocks);
    assert_int_equal(b->loop.timer_count, b->timers);
    return 0;
}

/* ---- the peer ---- */

void bench_tell(bench *b, const char *line)
{
    char text[24000];

    send_to_peer(b, 'C', text, (size_t)snprintf(text, sizeof text, "%s\n", line));
}

const char *bench_answer(bench *b)
{
    uint64_t limit = b->now_us + HOUR_US;
    size_t len;

    b->awaiting = true;
    while (b->answers_len == 0) {
        if (b->now_us > limit)
            fail_msg("the peer does not answer");
        at_loop_turn(&b->loop);
        if (b->answers_len == 0 && b->loop.first_task == NULL && b->in_count == 0)
            (void)step_peer(b);
    }
    b->awaiting = false;
    len = (size_t)((char *)memchr(b->answers, '\n', b->answers_len) - b->answers);
    memcpy(b->answer, b->answers, len);
    b->answer[len] = '\0';
    b->answers_len -= len + 1;
    memmove(b->answers, b->answers + len + 1, b->answers_len);
    return b->answer;
}

void bench_peer(bench *b, const char *line)
{
    const char *answer;

    bench_tell(b, line);
    answer = bench_answer(b);
    if (strncmp(answer, "ok", 2) != 0 && strstr(answer, ": ok") == NULL)
        fail_msg("peer: %s -> %s", line, answer);
}

/* ---- time ---- */

static void nothing(void *arg)
{
    *(bool *)arg = true;
}

void bench_run_ms(bench *b, uint64_t ms)
{
    bool over = false;
    at_timer timer;

    at_timer_init(&timer, nothing, &over);
    at_timer_in(&b->loop, &timer, ms * 1000);
    while (!over)
        at_loop_turn(&b->loop);
}

void bench_settle(bench *b)
{
    bench_run_ms(b, 1);
}

/* ---- links ---- */

at_link_open_params bench_params(at_link_type type, const char *host, uint16_t port)
{
    return (at_link_open_params){
        .type = type, .host = host, .port = port, .options = { .linger_s = -1 }
    };
}

void bench_expect(bench *b, unsigned id, at_link_event event, at_err reason)
{
    uint64_t limit = b->now_us + HOUR_US;

    while (b->event_count == 0 && b->now_us < limit)
        at_loop_turn(&b->loop);
    assert_true(b->event_count > 0);
    assert_int_equal(b->events[0].event, event);
    assert_int_equal(b->events[0].id, id);
    assert_int_equal(b->events[0].reason, reason);
    b->event_count--;
    memmove(b->events, b->events + 1, b->event_count * sizeof b->events[0]);
}

void bench_expect_nothing(bench *b)
{
    bench_settle(b);
    assert_int_equal(b->event_count, 0);
}

void bench_open(bench *b, unsigned id, const at_link_open_params *params)
{
    assert_int_equal(at_link_open(b->links, id, params), AT_OK);
    bench_expect(b, id, AT_LINK_OPENED, AT_OK);
    assert_int_equal(bench_state(b, id), AT_LINK_OPEN);
}

at_link_state bench_state(bench *b, unsigned id)
{
    at_link_info info;

    at_link_get(b->links, id, &info);
    return info.state;
}

size_t bench_read(bench *b, unsigned id, void *buf, size_t len)
{
    uint64_t limit = b->now_us + HOUR_US;
    size_t done = 0;

    while (done < len && b->now_us < limit && bench_state(b, id) != AT_LINK_FREE) {
        size_t part = at_link_read(b->links, id, (uint8_t *)buf + done, len - done);

        done += part;
        if (part == 0)
            at_loop_turn(&b->loop);
    }
    return done;
}

void bench_write(bench *b, unsigned id, const void *data, size_t len)
{
    uint64_t limit = b->now_us + HOUR_US;
    size_t done = 0;

    while (done < len) {
        size_t part = at_link_write(b->links, id, (const uint8_t *)data + done, len - done);

        done += part;
        assert_true(b->now_us < limit);
        if (done < len)
            at_loop_turn(&b->loop);
    }
}
