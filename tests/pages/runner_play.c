/* The player: steps in page order against a bench.
 *
 * Time stands still except while the page waits: for output (`<`), for a peer's answer, or because it
 * says so (`~`). A wait lets the present instant come to rest, then moves to the next one, until what
 * is waited for has come, something else has come instead, or nothing will happen any more within the
 * longest documented time-out.
 *
 * A failure is reported once, with the line of the page, what was expected and what came, and the
 * command that repeats it. A page that is about the runner says `must fail: TEXT`; then the report is
 * compared instead (runner_main.c).
 */
#include "tests/pages/runner_play.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pages/runner_play_priv.h"
#include "tests/peer/peer.h"

#define SHOWN 300u /* bytes of output in a report */

static void print_chunk(FILE *to, size_t chunk)
{
    if (chunk == CHUNK_WHOLE)
        fputs("whole", to);
    else if (chunk == CHUNK_RANDOM)
        fputs("random", to);
    else
        fprintf(to, "%zu", chunk);
}

static void print_origin(play *p)
{
    const play_options *o = p->options;

    fprintf(p->report, "    at %.3f ms, seed %" PRIu64 ", chunk ",
            (double)(bench_now(p->b) - LANE_EPOCH_US) / 1000.0, o->seed);
    print_chunk(p->report, o->chunk);
    fprintf(p->report, "; repeat: page-runner --seed %" PRIu64 " --chunk ", o->seed);
    print_chunk(p->report, o->chunk);
    if (o->inject > 0)
        fprintf(p->report, " --inject-restart");
    if (o->cut > 0)
        fprintf(p->report, " --power-cuts");
    fprintf(p->report, " --page ':%d:' %s\n", p->scenario->line, p->scenario->file);
}

void play_fail(play *p, const char *format, ...)
{
    const step *at = p->step != NULL ? p->step : p->scenario->last;
    const bytes *output = bench_output(p->b);
    va_list args;

    if (p->failed)
        return;
    p->failed = true;
    if (at != NULL)
        fprintf(p->report, "%s:%d: ", at->file, at->line);
    fprintf(p->report, "%s: ", p->scenario->title);
    va_start(args, format);
    vfprintf(p->report, format, args);
    va_end(args);
    fputc('\n', p->report);
    if (p->sent != NULL) {
        fputs("    sent     ", p->report);
        text_print(p->report, p->sent->data, p->sent->len, SHOWN);
        fputc('\n', p->report);
    }
    if (p->step != NULL && p->step->kind == STEP_EXPECT) {
        fputs("    expected ", p->report);
        text_print(p->report, p->step->data, p->step->len, SHOWN);
        fputc('\n', p->report);
    }
    fputs("    got      ", p->report);
    text_print(p->report, output->len > 0 ? bytes_at(output) : NULL, output->len, SHOWN);
    fputc('\n', p->report);
    print_origin(p);
    bench_print_log(p->b, p->report, p->options->verbose ? SIZE_MAX : 2000);
}

void play_settle(play *p)
{
    bench_settle(p->b);
    peers_listen(p);
    if (bench_broken(p->b) != NULL)
        play_fail(p, "%s", bench_broken(p->b));
}

/* True when the wait of this step is over, one way or the other. */
typedef bool wait_over(play *p, const step *s);

static void run_until(play *p, wait_over *over, const step *s)
{
    uint64_t limit = bench_now(p->b) + WAIT_MAX_US;

    for (;;) {
        play_settle(p);
        if (p->failed || p->injected || power_failed(p) || over(p, s) || p->failed)
            return;
        if (!bench_advance(p->b, limit)) {
            play_fail(p, "nothing more will happen");
            return;
        }
    }
}

/* ---- what the module says ---- */

/* A page may take the prompt in two steps: what came before counts. */
static void watch_prompt(play *p, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        p->prompted = p->prompted || (data[i] == '>' && p->last_taken == '\n');
        p->last_taken = data[i];
    }
}

static bool expect_over(play *p, const step *s)
{
    bytes *output = bench_output(p->b);
    const uint8_t *data = output->len > 0 ? bytes_at(output) : NULL;
    size_t used = 0;

    switch (text_match(s->data, s->len, s->fields, data, output->len, &used)) {
    case MATCH_YES:
        watch_prompt(p, data, used);
        bytes_drop(output, used);
        p->repeats++;
        p->errors += s->len == 7 && memcmp(s->data, "ERROR\r\n", 7) == 0;
        return !s->repeated || expect_over(p, s);
    case MATCH_NO:
        if (s->repeated && p->repeats > 0)
            return true;
        play_fail(p, "other output: the first difference is at byte %zu", used);
        return true;
    default: return false;
    }
}

typedef struct drain {
    size_t left;
    uint32_t state;
} drain;

/* Compares as it comes: a drain may be longer than anything buffered. */
static bool drain_some(play *p, drain *d, size_t count)
{
    bytes *output = bench_output(p->b);

    while (d->left > 0 && output->len > 0) {
        uint8_t wanted = peer_random_byte(&d->state);

        if (*bytes_at(output) != wanted) {
            play_fail(p, "other output: byte %zu of %zu is not 0x%02X", count - d->left, count,
                      wanted);
            return false;
        }
        bytes_drop(output, 1);
        d->left--;
    }
    return d->left > 0;
}

static void play_drain(play *p, const step *s)
{
    drain d = { s->count, s->seed | 1u };
    uint64_t limit = bench_now(p->b) + WAIT_MAX_US;

    play_settle(p);
    while (!p->failed && drain_some(p, &d, s->count)) {
        if (!bench_advance(p->b, limit))
            play_fail(p, "nothing more will happen: %zu of %zu bytes came", s->count - d.left,
                      s->count);
        play_settle(p);
    }
}

/* ---- what the page does ---- */

static void play_fill(play *p, const step *s)
{
    uint32_t state = s->seed | 1u;

    p->sent = NULL; /* no command line: no restart is forced in what follows */
    for (size_t i = 0; i < s->count; i++) {
        uint8_t byte = peer_random_byte(&state);

        bench_send(p->b, &byte, 1);
    }
    play_settle(p);
}

static bool answered(play *p, const step *s)
{
    return !peers_waiting(p, s);
}

static void play_time(play *p, const step *s)
{
    uint64_t end = bench_now(p->b) + s->us;

    play_settle(p);
    while (!p->failed && bench_advance(p->b, end))
        play_settle(p);
    if (!p->failed)
        bench_pass(p->b, end - bench_now(p->b));
    play_settle(p);
}

static void play_step(play *p, const step *s)
{
    char error[200];

    p->step = s;
    if (p->options->cut > 0 && !p->armed && is_own_step(p)) {
        p->armed = true;
        bench_cut_flash(p->b, p->options->cut);
    }
    p->step_points = 0;
    p->repeats = 0;
    switch (s->kind) {
    case STEP_SEND:
        p->sent = s;
        p->prompted = false;
        p->last_taken = 0;
        bench_send(p->b, s->data, s->len);
        play_settle(p);
        break;
    case STEP_EXPECT: run_until(p, expect_over, s); break;
    case STEP_FILL: play_fill(p, s); break;
    case STEP_DRAIN: play_drain(p, s); break;
    case STEP_QUIET:
        play_settle(p);
        if (bench_output(p->b)->len > 0)
            play_fail(p, "output at a moment of silence");
        break;
    case STEP_TIME: play_time(p, s); break;
    case STEP_PEER:
        peers_give(p, s);
        play_settle(p);
        if (!s->background && !p->failed)
            run_until(p, answered, s);
        break;
    case STEP_JOIN: run_until(p, answered, s); break;
    case STEP_FAULT:
        play_settle(p);
        if (strcmp((const char *)s->data, "mark") == 0)
            p->mark = *bench_stats(p->b);
        else if (!bench_control(p->b, (const char *)s->data, error, sizeof(error)))
            play_fail(p, "%s", error);
        play_settle(p);
        break;
    default: break;
    }
}

play_result play_scenario(const scenario *s, const play_options *options, FILE *report)
{
    char error[300];
    play p = { .scenario = s, .options = options, .report = report };

    p.b = bench_open(s->world, options->seed, options->chunk, error, sizeof(error));
    if (p.b == NULL) {
        fprintf(report, "%s:%d: %s: %s\n", s->file, s->line, s->title, error);
        return (play_result){ 0 };
    }
    play_settle(&p);
    p.mark = *bench_stats(p.b);
    bench_on_pause(p.b, maybe_restart, &p);
    for (const step *next = s->first; next != NULL && !p.failed && !p.injected; next = next->next) {
        play_step(&p, next);
        restart_forced(&p);
        power_returns(&p);
    }
    p.step = NULL;
    if (!p.failed && !p.injected)
        after_scenario(&p);
    if (!p.failed && options->verbose)
        bench_print_log(p.b, report, SIZE_MAX);
    bench_close(p.b);
    return (play_result){ .passed = !p.failed, .injected = p.injected };
}
