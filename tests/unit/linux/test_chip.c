/* A chip on the smallest bench: boots, restarts, the power switch, the watchdog, a radio that nobody
 * answers. The AT port is one end of a socket pair. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "ports/linux/chip.h"
#include "ports/linux/clock.h"
#include "ports/linux/flashfile.h"
#include "ports/linux/logfile.h"
#include "ports/linux/socket_port.h"

typedef struct fixture {
    lx_poller poller;
    at_loop loop;
    at_log log; /* silent */
    at_log_sink sink;
    lx_connector *connector;
    at_flashfile *flash;
    lx_chip *chip;
    int host;
    char text[4096]; /* what the host heard */
    size_t text_len;
    unsigned ready, exits, frames;
    lx_ending ending;
    int status;
    lx_source host_source;
} fixture;

static void no_line(void *ctx, at_log_level level, const char *area, const char *text)
{
    (void)ctx;
    (void)level;
    (void)area;
    (void)text;
}

static void on_frame(void *owner, uint8_t *frame, size_t len)
{
    fixture *f = owner;

    (void)frame;
    assert_in_range(len, 14, AT_RADIO_FRAME_MAX);
    f->frames++;
}

static void on_event(void *owner, const char *name, const char *members)
{
    fixture *f = owner;

    (void)members;
    if (strcmp(name, "ready") == 0)
        f->ready++;
    if (strcmp(name, "exit") == 0)
        f->exits++;
}

static void on_ending(void *owner, lx_ending ending, int status)
{
    fixture *f = owner;

    f->ending = ending;
    f->status = status;
}

static void on_port_ended(void *owner, const char *why)
{
    (void)owner;
    fail_msg("the port ended: %s", why);
}

static void on_host(void *arg, short revents)
{
    fixture *f = arg;
    ssize_t len =
        recv(f->host, f->text + f->text_len, sizeof f->text - 1 - f->text_len, MSG_DONTWAIT);

    (void)revents;
    if (len > 0)
        f->text_len += (size_t)len;
    f->text[f->text_len] = '\0';
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    char why[256];
    int fds[2];
    lx_chip_config config = { .loop = NULL };

    assert_non_null(f);
    lx_poller_init(&f->poller, lx_clock());
    at_loop_init(&f->loop, lx_clock(), &f->poller.waiter);
    f->sink = (at_log_sink){ .level = AT_LOG_ERROR, .line = no_line };
    f->log.sink = &f->sink;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->host = fds[0];
    f->host_source = (lx_source){ .fd = f->host, .events = POLLIN, .ready = on_host, .arg = f };
    assert_true(lx_source_add(&f->poller, &f->host_source));
    f->connector = lx_socket_open(fds[1]);
    f->flash = at_flashfile_volatile(AT_FLASHFILE_4MB, why, sizeof why);
    assert_non_null(f->connector);
    assert_non_null(f->flash);
    config = (lx_chip_config){ .loop = &f->loop,
                               .poller = &f->poller,
                               .log = &f->log,
                               .connector = f->connector,
                               .flash = at_flashfile_chip(f->flash),
                               .mac = { 0x1a, 0xfe, 0x35, 0x98, 0xd3, 0x7b },
                               .seeded = true,
                               .seed = 1,
                               .log_fd = STDERR_FILENO,
                               .wire_log_fd = -1,
                               .on_frame = on_frame,
                               .on_event = on_event,
                               .on_ending = on_ending,
                               .on_port_ended = on_port_ended,
                               .owner = f };
    f->chip = lx_chip_create(&config);
    assert_non_null(f->chip);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    lx_chip_close(f->chip);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, no zombie */
    assert_int_equal(errno, ECHILD);
    f->connector->ops->close(f->connector);
    at_flashfile_close(f->flash);
    close(f->host);
    free(f);
    return 0;
}

static void give_up(void *arg)
{
    (void)arg;
    fail_msg("nothing happened within ten seconds");
}

/* Turns until the host has heard text; forgets everything up to its end. */
static void hear(fixture *f, const char *text)
{
    at_timer limit;
    char *found;

    at_timer_init(&limit, give_up, f);
    at_timer_in(&f->loop, &limit, 10000000);
    while ((found = strstr(f->text, text)) == NULL)
        at_loop_turn(&f->loop);
    at_timer_stop(&f->loop, &limit);
    found += strlen(text);
    f->text_len -= (size_t)(found - f->text);
    memmove(f->text, found, f->text_len + 1);
}

static void until(fixture *f, const unsigned *counter, unsigned value)
{
    at_timer limit;

    at_timer_init(&limit, give_up, f);
    at_timer_in(&f->loop, &limit, 10000000);
    while (*counter < value)
        at_loop_turn(&f->loop);
    at_timer_stop(&f->loop, &limit);
}

static void say(fixture *f, const char *text)
{
    assert_int_equal(send(f->host, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void boot(fixture *f)
{
    assert_int_equal(lx_chip_power(f->chip, true), AT_OK);
    hear(f, "\r\nready\r\n");
    until(f, &f->ready, 1);
}

static void it_boots_and_answers(void **state)
{
    fixture *f = *state;

    assert_int_equal(lx_chip_state(f->chip), LX_POWER_OFF);
    boot(f);
    assert_int_equal(lx_chip_state(f->chip), LX_POWER_ON);
    assert_true(lx_chip_ready(f->chip));
    say(f, "AT\r\n");
    hear(f, "AT\r\n\r\nOK\r\n");
}

static void a_restart_is_a_new_process(void **state)
{
    fixture *f = *state;
    pid_t before;

    boot(f);
    before = lx_chip_pid(f->chip);
    for (unsigned i = 2; i <= 20; i++) {
        say(f, "AT+RST\r\n");
        hear(f, "\r\nOK\r\n");
        hear(f, "\r\nready\r\n");
        until(f, &f->ready, i);
        assert_int_equal(f->ending, LX_ENDING_RESTART);
        assert_int_equal(lx_chip_boots(f->chip), i);
    }
    assert_int_not_equal(lx_chip_pid(f->chip), before);
    say(f, "AT\r\n");
    hear(f, "\r\nOK\r\n");
}

static void the_power_switch(void **state)
{
    fixture *f = *state;

    boot(f);
    assert_int_equal(lx_chip_power(f->chip, true), AT_OK); /* on already */
    assert_int_equal(lx_chip_boots(f->chip), 1);
    assert_int_equal(lx_chip_power(f->chip, false), AT_OK);
    assert_int_equal(lx_chip_pid(f->chip), 0);
    assert_int_equal(f->ending, LX_ENDING_POWER);
    assert_int_equal(f->exits, 1);
    say(f, "AT+GMR\r\n"); /* to a chip that is off: lost */
    assert_int_equal(lx_chip_power(f->chip, true), AT_OK);
    hear(f, "\r\nready\r\n");
    until(f, &f->ready, 2);
    say(f, "AT\r\n");
    hear(f, "AT\r\n\r\nOK\r\n");
    assert_null(strstr(f->text, "version"));
}

static void the_watchdog_boots_again(void **state)
{
    fixture *f = *state;

    boot(f);
    assert_int_equal(kill(lx_chip_pid(f->chip), SIGKILL), 0);
    hear(f, "\r\nready\r\n");
    assert_int_equal(f->ending, LX_ENDING_CRASH);
    say(f, "AT\r\n");
    hear(f, "\r\nOK\r\n");
}

static void a_chip_that_never_gets_ready_stays_off(void **state)
{
    fixture *f = *state;

    assert_int_equal(lx_chip_power(f->chip, true), AT_OK);
    for (unsigned i = 1; i <= LX_CHIP_CRASHES; i++) {
        assert_int_equal(kill(lx_chip_pid(f->chip), SIGKILL), 0);
        until(f, &f->exits, i);
        if (i < LX_CHIP_CRASHES)
            while (lx_chip_pid(f->chip) == 0)
                at_loop_turn(&f->loop);
        f->ready = 0;
    }
    assert_true(f->ending == LX_ENDING_FAILED || f->ready > 0);
}

static void download_mode_waits_for_a_power_cycle(void **state)
{
    fixture *f = *state;

    boot(f);
    say(f, "AT+RST=1,0\r\n");
    until(f, &f->exits, 1);
    if (f->ending != LX_ENDING_DOWNLOAD)
        skip(); /* AT+RST has no such form here */
    assert_int_equal(lx_chip_state(f->chip), LX_POWER_DOWNLOAD);
    assert_int_equal(lx_chip_power(f->chip, true), AT_OK);
    until(f, &f->ready, 2);
}

static void its_radio_sends(void **state)
{
    fixture *f = *state;
    static const uint8_t nonsense[60] = { 1, 2, 3 };

    boot(f);
    lx_chip_send(f->chip, nonsense, sizeof nonsense);
    say(f, "ATE0\r\n");
    hear(f, "\r\nOK\r\n");
    say(f, "AT+CWMODE=1\r\n");
    hear(f, "\r\nOK\r\n");
    say(f, "AT+CWLAP\r\n");
    hear(f, "OK\r\n");
    assert_true(f->frames > 0);
    assert_int_equal(lx_chip_frames(f->chip)->received, f->frames);
}

static void it_does_not_outlive_its_bench(void **state)
{
    fixture *f = *state;
    int tell[2];
    pid_t bench, chip = 0;

    assert_int_equal(pipe(tell), 0);
    bench = fork();
    assert_true(bench >= 0);
    if (bench == 0) {
        lx_chip_power(f->chip, true);
        chip = lx_chip_pid(f->chip);
        if (write(tell[1], &chip, sizeof chip) == (ssize_t)sizeof chip)
            raise(SIGKILL);
        _exit(1);
    }
    assert_int_equal(read(tell[0], &chip, sizeof chip), (ssize_t)sizeof chip);
    assert_int_equal(waitpid(bench, NULL, 0), bench);
    close(tell[1]);
    /* The chip holds no copy of the pipe; that it is gone shows at the AT port. */
    f->connector->ops->close(f->connector);
    f->connector = lx_socket_open(-1);
    assert_non_null(f->connector);
    while (recv(f->host, f->text, sizeof f->text, 0) > 0)
        continue; /* ends when the last holder of the other end is gone */
    close(tell[0]);
}

int main(void)
{
#define CHIP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CHIP(it_boots_and_answers),
        CHIP(a_restart_is_a_new_process),
        CHIP(the_power_switch),
        CHIP(the_watchdog_boots_again),
        CHIP(a_chip_that_never_gets_ready_stays_off),
        CHIP(download_mode_waits_for_a_power_cycle),
        CHIP(its_radio_sends),
        CHIP(it_does_not_outlive_its_bench),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
