/* What every scenario has to satisfy without saying so, and the injection of restarts.
 *
 * After its last step a scenario has read everything, its peers have answered everything, and the
 * module answers AT. Every ERROR had its reason on the log, and passwords are not there. "leaves: nothing" adds that heap blocks, timers and control blocks are back at
 * their value after boot or at `! mark`; TIME_WAIT and the like may take their time, which is virtual.
 *
 * A restart can be forced at any wait of any command (WIRE 1): with option --inject-restart the bench
 * asks here each time the chip has nothing to do for the moment. While a command runs, that is a wait
 * of it; at the chosen one AT+RST goes out, in the middle of the instant. The scenario is then over:
 * what it expects next cannot come any more.
 */
#include <string.h>

#include "tests/pages/runner_play_priv.h"

#define POINTS_PER_STEP 12 /* a wait of a minute has hundreds of pauses that are all alike */

static bool has(const bytes *b, const char *text, size_t *end)
{
    const uint8_t *found = b->len > 0 ? memmem(bytes_at(b), b->len, text, strlen(text)) : NULL;

    if (found != NULL)
        *end = (size_t)(found - bytes_at(b)) + strlen(text);
    return found != NULL;
}

/* Lets time pass until text has come; takes everything up to its end. false also when never came
 * before it. */
static bool wait_for_only(play *p, const char *text, const char *never, uint64_t most_us)
{
    bytes *output = bench_output(p->b);
    uint64_t limit = bench_now(p->b) + most_us;
    size_t end, never_end;

    play_settle(p);
    while (!p->failed && !has(output, text, &end)) {
        if (!bench_advance(p->b, limit))
            return false;
        play_settle(p);
    }
    if (p->failed || (never != NULL && has(output, never, &never_end) && never_end < end))
        return false;
    bytes_drop(output, end);
    return true;
}

static void drop_output(play *p)
{
    bytes_drop(bench_output(p->b), bench_output(p->b)->len);
}

static void check_alive(play *p)
{
    static const char *const answers[] = { "\r\nOK\r\n", "AT\r\n\r\nOK\r\n" };
    bytes *output = bench_output(p->b);

    bench_send(p->b, "AT\r\n", 4);
    bench_pass(p->b, 100000);
    play_settle(p);
    for (size_t i = 0; i < 2 && !p->failed; i++) {
        size_t len = strlen(answers[i]);

        if (output->len == len && memcmp(bytes_at(output), answers[i], len) == 0) {
            drop_output(p);
            return;
        }
    }
    play_fail(p, "AT is not answered with OK after the scenario");
}

/* Every ERROR has a reason on the log, and no secret of a page is there. */
static void check_log(play *p)
{
    static const char *const secrets[] = { "1234567890", "secret88", "0000000000" };

    if (p->errors > bench_warnings(p->b))
        play_fail(p, "%u ERROR answers, but only %u warnings in the log", p->errors,
                  bench_warnings(p->b));
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        if (bench_log_has(p->b, secrets[i]))
            play_fail(p, "a password is in the log");
    }
}

static void leave_data_mode(play *p)
{
    bench_pass(p->b, 1000000);
    bench_send(p->b, "+++", 3);
    bench_pass(p->b, 1000000);
    play_settle(p);
    drop_output(p);
}

static bool as_marked(const play *p)
{
    const lane_stats *now = bench_stats(p->b), *then = &p->mark;

    return now->blocks == then->blocks && now->timers == then->timers && now->pcbs == then->pcbs;
}

static void check_leaves_nothing(play *p)
{
    const lane_stats *now = bench_stats(p->b), *then = &p->mark;
    uint64_t limit = bench_now(p->b) + WAIT_MAX_US;

    play_settle(p);
    while (!p->failed && !as_marked(p) && bench_advance(p->b, limit))
        play_settle(p);
    if (!as_marked(p))
        play_fail(p,
                  "something is left: %u heap blocks (%u before), %u timers (%u), "
                  "%u control blocks (%u)",
                  now->blocks, then->blocks, now->timers, then->timers, now->pcbs, then->pcbs);
}

void after_scenario(play *p)
{
    const bytes *output = bench_output(p->b);

    play_settle(p);
    check_log(p);
    if (!p->failed && output->len > 0)
        play_fail(p, "output that no line expects");
    if (!p->failed && p->pending_count > 0) {
        p->step = p->pending[0].step;
        play_fail(p, "peer %s never answered \"%.*s\"", p->step->who, (int)p->step->len - 1,
                  (const char *)p->step->data);
    }
    if (p->failed || p->scenario->end == END_OFF || !bench_has_power(p->b))
        return;
    if (p->scenario->end == END_DATA)
        leave_data_mode(p);
    check_alive(p);
    if (!p->failed && p->scenario->leaves_nothing)
        check_leaves_nothing(p);
}

/* A command line went out, and neither its answer nor a prompt has come. (A chip that waits for room may
 * be done with the command and only have its answer left to write.) */
static bool command_runs(const play *p)
{
    const lane_stats *stats = bench_stats(p->b);
    const bytes *output = bench_output(p->b);
    bool bare_prompt = output->len > 0 && output->data[0] == '>'; /* WIRE 3.3: without OK */
    size_t end;

    return p->sent != NULL && p->sent->len > 4 && memcmp(p->sent->data, "AT", 2) == 0 &&
           p->sent->data[p->sent->len - 1] == '\n' && !p->prompted && stats->known &&
           !stats->idle && !stats->blocked && !bare_prompt && !has(output, "\n>", &end);
}

bool is_own_step(const play *p)
{
    return p->step != NULL && strcmp(p->step->file, p->scenario->file) == 0;
}

void maybe_restart(void *owner)
{
    play *p = owner;

    if (p->options->inject == 0 || p->injected || p->step_points == POINTS_PER_STEP ||
        !is_own_step(p) || !command_runs(p))
        return;
    p->step_points++;
    if (++p->points != p->options->inject)
        return;
    p->injected = true;
    bench_send_now(p->b, "AT+RST\r\n", 8);
}

bool restart_forced(play *p)
{
    if (!p->injected || p->failed)
        return p->injected;
    if (!wait_for_only(p, "\r\nWill force to restart!!!\r\n", NULL, 5000000))
        play_fail(p, "a forced restart is not announced");
    else if (!wait_for_only(p, "\r\nready\r\n", "busy", 5000000))
        play_fail(p, "not ready after a forced restart, or busy before it");
    bench_send(p->b, "AT\r\n", 4);
    if (!p->failed && !wait_for_only(p, "\r\nOK\r\n", "ERROR", 1000000))
        play_fail(p, "AT is not answered with OK after a forced restart");
    return true;
}

bool power_failed(const play *p)
{
    return p->options->cut > 0 && bench_lost_power(p->b);
}

void power_returns(play *p)
{
    char error[100];

    if (!power_failed(p) || p->failed)
        return;
    p->injected = true;
    drop_output(p);
    bench_control(p->b, "power on", error, sizeof(error));
    if (!wait_for_only(p, "\r\nready\r\n", NULL, 5000000)) {
        play_fail(p, "not ready after a power cut");
        return;
    }
    bench_send(p->b, "AT\r\n", 4);
    if (!wait_for_only(p, "\r\nOK\r\n", "ERROR", 1000000))
        play_fail(p, "AT is not answered with OK after a power cut");
}
