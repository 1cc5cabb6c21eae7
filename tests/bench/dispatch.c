/* Lines parsed and dispatched per second: a session in this process with the names of the real table,
 * a port that hands out the same lines for ever and forgets the answers, the real fiber. The handlers
 * are stand-ins (a row and OK), so what is measured is core/. Prints the median of seven runs, per second of
 * one core's time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/bytes.h"
#include "core/session.h"
#include "module/module.h"
#include "ports/linux/fiber.h"

enum { RUNS = 7, LINES = 1000000, ROWS_MAX = 512 };

/* What drivers ask most: a query, a set with numbers, one with text, the bare AT. */
static const char *const lines[] = {
    "AT+CIPMUX?\r\n", "AT+CIPMUX=1\r\n",  "AT+CIPSTART=0,\"TCP\",\"192.168.3.102\",8080\r\n",
    "AT\r\n",         "AT+CIPSTATE?\r\n",
};

typedef struct bench {
    at_loop loop;
    at_clock clock;
    at_waiter waiter;
    at_heap heap;
    at_byteport port;
    at_session *session;
    char text[8192]; /* whole lines, read again and again */
    size_t text_len, text_at;
    uint64_t fed, left; /* lines */
    uint64_t written;   /* bytes */
} bench;

static at_result answer_query(at_call *call)
{
    at_row(call, "%s:%d\r\n", call->cmd->name, 1);
    return AT_RESULT_OK;
}

static at_result answer(at_call *call)
{
    (void)call;
    return AT_RESULT_OK;
}

static size_t port_read(at_byteport *port, uint8_t *buf, size_t room)
{
    bench *b = port->ctx;
    size_t n = b->left > 0 ? AT_MIN(room, b->text_len - b->text_at) : 0;
    memcpy(buf, b->text + b->text_at, n);
    for (const char *at = b->text + b->text_at, *end = at + n;
         (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        b->left -= b->left > 0;
    b->text_at = (b->text_at + n) % b->text_len;
    return n;
}

static size_t port_write(at_byteport *port, const uint8_t *data, size_t len)
{
    (void)data;
    ((bench *)port->ctx)->written += len;
    return len;
}

static void port_want(at_byteport *port, bool want_read, bool want_write)
{
    (void)port;
    (void)want_read;
    (void)want_write;
}

static bool port_drained(at_byteport *port)
{
    (void)port;
    return true;
}

static uint64_t now_us(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void wait_for_input(void *ctx, uint64_t deadline_us)
{
    bench *b = ctx;
    (void)deadline_us;
    b->port.on_readable(b->port.owner);
}

static const at_shape *shapes_of(const char *name)
{
    static const at_arg_spec number[] = { AT_INT("mode", 0, 1) };
    static const at_arg_spec open[] = { AT_INT("link ID", 0, 4), AT_TEXT("type", 1, 6),
                                        AT_TEXT("remote host", 1, 64),
                                        AT_INT("remote port", 1, 65535) };
    static const at_shape number_shape = AT_SHAPE(NULL, number), open_shape = AT_SHAPE(NULL, open);
    return strcmp(name, "+CIPSTART") == 0 ? &open_shape : &number_shape;
}

/* The real names, every form present. */
static size_t stand_ins(at_cmd *rows)
{
    size_t families, count = 0;
    const at_family_rows *const *family = at_module_families(&families);
    for (size_t f = 0; f < families; f++)
        for (size_t i = 0; i < family[f]->count && count < ROWS_MAX; i++)
            rows[count++] = (at_cmd){ .name = family[f]->rows[i].name,
                                      .query = answer_query,
                                      .set = answer,
                                      .execute = answer,
                                      .shapes = shapes_of(family[f]->rows[i].name),
                                      .shape_count = 1 };
    return count;
}

static void boot(bench *b, const at_family_rows *const *families)
{
    static const at_byteport_ops ops = { port_read, port_write, port_want, port_drained, NULL };
    b->clock = (at_clock){ b, now_us };
    b->waiter = (at_waiter){ b, wait_for_input };
    b->port.ops = &ops;
    b->port.ctx = b;
    at_loop_init(&b->loop, &b->clock, &b->waiter);
    at_heap_init(&b->heap, SIZE_MAX);
    at_session_config config = {
        .loop = &b->loop,
        .heap = &b->heap,
        .port = &b->port,
        .fibers = &lx_fiber_ops,
        .families = families,
        .family_count = 1,
        .builds = 0x80,
        .guard_ms = AT_GUARD_MS,
    };
    b->session = at_session_create(&config);
    if (b->session == NULL)
        exit(1);
    at_session_start(b->session);
    at_session_set_echo(b->session, false);
}

static uint64_t cpu_us(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000u + (uint64_t)used.tv_nsec / 1000u;
}

static double run(bench *b)
{
    uint64_t start = cpu_us();
    b->left = LINES;
    while (b->left > 0)
        at_loop_turn(&b->loop);
    return LINES * 1e6 / (double)(cpu_us() - start);
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(bench *b, const char *const *list, size_t count)
{
    double result[RUNS];
    b->text_len = b->text_at = 0;
    for (size_t i = 0; b->text_len + strlen(list[i % count]) < sizeof(b->text) - 64; i++) {
        memcpy(b->text + b->text_len, list[i % count], strlen(list[i % count]));
        b->text_len += strlen(list[i % count]);
    }
    for (int i = 0; i < RUNS; i++)
        result[i] = run(b);
    qsort(result, RUNS, sizeof(result[0]), by_size);
    return result[RUNS / 2];
}

int main(void)
{
    static at_cmd rows[ROWS_MAX];
    static bench b;
    at_family_rows family = { rows, stand_ins(rows) };
    const at_family_rows *const families[] = { &family };

    boot(&b, families);
    printf("dispatch: %zu rows, lines per second of one core, median of %d runs\n", family.count,
           RUNS);
    for (size_t i = 0; i < AT_COUNT(lines); i++)
        printf("%10.0f  %.*s\n", median(&b, &lines[i], 1), (int)strlen(lines[i]) - 2, lines[i]);
    printf("%10.0f  all of them in turn\n", median(&b, lines, AT_COUNT(lines)));
    at_session_destroy(b.session);
    return 0;
}
