/* The pseudo-terminal as a wire: what hosts see when they open, close and come back. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "ports/linux/clock.h"
#include "ports/linux/pty.h"

typedef struct fixture {
    lx_poller poller;
    at_waiter counted; /* the loop's: counts its sleeps */
    unsigned waits;
    at_loop loop;
    lx_connector *connector;
    at_byteport *port;
    char got[4096]; /* what the module's end read */
    size_t got_len;
    unsigned writable;
} fixture;

static const uint8_t block[65536];

static void counted_wait(void *ctx, uint64_t deadline_us)
{
    fixture *f = ctx;

    f->waits++;
    f->poller.waiter.wait(f->poller.waiter.ctx, deadline_us);
}

static void on_readable(void *owner)
{
    fixture *f = owner;

    f->got_len +=
        f->port->ops->read(f->port, (uint8_t *)f->got + f->got_len, sizeof f->got - f->got_len);
}

static void on_writable(void *owner)
{
    fixture *f = owner;

    f->writable++;
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Lets the loop run for a while; returns how often it slept. */
static unsigned run(fixture *f, unsigned ms)
{
    unsigned before = f->waits;
    at_timer timer;

    at_timer_init(&timer, nothing, f);
    at_timer_in(&f->loop, &timer, ms * 1000u);
    while (at_timer_running(&timer))
        at_loop_turn(&f->loop);
    return f->waits - before;
}

static void say(fixture *f, const char *text)
{
    size_t len = strlen(text);

    assert_int_equal(f->port->ops->write(f->port, (const uint8_t *)text, len), len);
}

static int open_host(const fixture *f)
{
    int fd = open(f->connector->path, O_RDWR | O_NOCTTY | O_NONBLOCK);

    assert_true(fd >= 0);
    return fd;
}

/* Everything the host can read now. */
static const char *heard(int fd)
{
    static char text[32768];
    ssize_t len = read(fd, text, sizeof text - 1);

    text[len > 0 ? len : 0] = '\0';
    return text;
}

/* Writes until nothing more fits; the kernel moves bytes on between its buffers for a while. */
/* Until it stays full: the kernel moves bytes to the slave's side some time after a write. */
static void fill(fixture *f)
{
    unsigned refused = 0;

    while (refused < 5) {
        if (f->port->ops->write(f->port, block, sizeof block) > 0) {
            refused = 0;
            continue;
        }
        refused++;
        run(f, 10);
    }
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    char why[256];
    lx_plug plug;

    assert_non_null(f);
    lx_poller_init(&f->poller, lx_clock());
    f->counted = (at_waiter){ .ctx = f, .wait = counted_wait };
    at_loop_init(&f->loop, lx_clock(), &f->counted);
    f->connector = lx_pty_open(NULL, why, sizeof why);
    assert_non_null(f->connector);
    plug = (lx_plug){ .loop = &f->loop, .poller = &f->poller };
    f->port = f->connector->ops->plug(f->connector, &plug);
    assert_non_null(f->port);
    f->port->on_readable = on_readable;
    f->port->on_writable = on_writable;
    f->port->owner = f;
    f->port->ops->want(f->port, true, false);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    f->connector->ops->close(f->connector);
    free(f);
    return 0;
}

static void output_before_the_first_open_is_kept(void **state)
{
    fixture *f = *state;
    int host;

    run(f, 1);
    say(f, "\r\nready\r\n");
    run(f, 1);
    host = open_host(f);
    run(f, 1);
    assert_string_equal(heard(host), "\r\nready\r\n");
    close(host);
}

static void raw_before_anybody_opens(void **state)
{
    fixture *f = *state;
    int host = open_host(f);
    struct termios t;

    assert_int_equal(tcgetattr(host, &t), 0);
    assert_false(t.c_lflag & (ECHO | ICANON | ISIG));
    assert_false(t.c_oflag & OPOST);
    assert_false(t.c_iflag & (ICRNL | IXON));
    close(host);
}

static void nobody_hears_after_a_hang_up(void **state)
{
    fixture *f = *state;
    int host = open_host(f);

    run(f, 1);
    say(f, "one");
    assert_string_equal(heard(host), "one");
    say(f, "never read");
    close(host);
    run(f, 1);
    say(f, "said to nobody");
    host = open_host(f);
    run(f, 1);
    assert_string_equal(heard(host), "");
    say(f, "two");
    assert_string_equal(heard(host), "two");
    close(host);
}

/* A close and an open that the module learns of together. */
static void a_quick_change_of_hosts(void **state)
{
    fixture *f = *state;
    int host = open_host(f);

    run(f, 1);
    say(f, "stale");
    close(host);
    host = open_host(f);
    run(f, 1);
    assert_string_equal(heard(host), "");
    say(f, "fresh");
    assert_string_equal(heard(host), "fresh");
    close(host);
}

/* The next host's question is read while the last one's leaving is still an event that nobody has read:
 * here without the loop in between, which could have seen it. */
static void an_answer_to_the_next_host_reaches_it(void **state)
{
    fixture *f = *state;
    int host = open_host(f);
    uint8_t question[8];

    run(f, 1);
    say(f, "stale");
    run(f, 1);
    close(host);
    host = open_host(f);
    assert_int_equal(write(host, "AT\r\n", 4), 4);
    while (f->port->ops->read(f->port, question, sizeof question) == 0)
        continue; /* the kernel is still carrying it over */
    say(f, "answer");
    run(f, 1);
    assert_string_equal(heard(host), "answer");
    close(host);
}

static void a_second_host_takes_nothing_away(void **state)
{
    fixture *f = *state;
    int host = open_host(f), other;

    run(f, 1);
    say(f, "for the first");
    other = open_host(f); /* like `stty -F` beside a terminal program */
    run(f, 1);
    close(other);
    run(f, 1);
    assert_string_equal(heard(host), "for the first");
    close(host);
}

static void last_words_of_a_host_are_read(void **state)
{
    fixture *f = *state;
    int host = open_host(f);

    assert_int_equal(write(host, "AT+RST\r\n", 8), 8);
    close(host);
    run(f, 2);
    assert_int_equal(f->got_len, 8);
    assert_memory_equal(f->got, "AT+RST\r\n", 8);
    host = open_host(f);
    assert_int_equal(write(host, "AT\r\n", 4), 4);
    run(f, 2);
    assert_int_equal(f->got_len, 12);
    close(host);
}

static void a_closed_port_costs_nothing(void **state)
{
    fixture *f = *state;
    int host = open_host(f);

    run(f, 1);
    close(host);
    run(f, 5);
    assert_in_range(run(f, 50), 0, 3);
    f->port->ops->want(f->port, false, false); /* nor while the ring is full */
    host = open_host(f);
    assert_int_equal(write(host, "x", 1), 1);
    close(host);
    run(f, 5);
    assert_in_range(run(f, 50), 0, 3);
    f->port->ops->want(f->port, true, false);
    run(f, 5);
    assert_int_equal(f->got_len, 1);
    assert_in_range(run(f, 50), 0, 3);
}

static void waiting_for_room_ends_with_the_host(void **state)
{
    fixture *f = *state;
    int host = open_host(f);

    run(f, 1);
    fill(f);
    f->port->ops->want(f->port, true, true);
    run(f, 5);
    assert_int_equal(f->writable, 0);
    close(host);
    run(f, 5);
    assert_int_equal(f->writable, 1); /* once */
    assert_int_equal(f->port->ops->write(f->port, block, sizeof block), sizeof block);
    assert_true(f->port->ops->drained(f->port));
}

static void room_is_told_once(void **state)
{
    fixture *f = *state;
    int host = open_host(f);

    run(f, 1);
    fill(f);
    f->port->ops->want(f->port, true, true);
    while (heard(host)[0] != '\0' || f->writable == 0) {
        static char waste[65536];

        if (read(host, waste, sizeof waste) < 0)
            assert_int_equal(errno, EAGAIN);
        run(f, 1);
    }
    run(f, 5);
    assert_int_equal(f->writable, 1);
    close(host);
}

static void settings_of_a_host_are_forgotten(void **state)
{
    fixture *f = *state;
    int host = open_host(f);
    struct termios t;

    run(f, 1);
    assert_int_equal(tcgetattr(host, &t), 0);
    t.c_lflag |= ECHO | ICANON;
    assert_int_equal(tcsetattr(host, TCSANOW, &t), 0);
    close(host);
    run(f, 2);
    host = open_host(f);
    assert_int_equal(tcgetattr(host, &t), 0);
    assert_false(t.c_lflag & (ECHO | ICANON));
    close(host);
}

static void a_thousand_cycles(void **state)
{
    fixture *f = *state;

    for (unsigned i = 0; i < 1000; i++) {
        char line[16];
        int host = open_host(f), len = snprintf(line, sizeof line, "%u\r\n", i);

        f->got_len = 0;
        assert_int_equal(write(host, line, (size_t)len), len);
        while (f->got_len < (size_t)len)
            run(f, 0);
        f->got[f->got_len] = '\0';
        assert_string_equal(f->got, line);
        say(f, line);
        while (i % 3 != 0 && *heard(host) == '\0') /* every third leaves its answer unread */
            run(f, 0);
        close(host);
        if (i % 2 == 0)
            run(f, 0);
        if (i % 5 == 0)
            say(f, "to nobody");
    }
    run(f, 2);
    say(f, "the end");
    {
        int host = open_host(f);

        run(f, 2);
        assert_string_equal(heard(host), "");
        close(host);
    }
}

static void links(void **state)
{
    char name[] = "/tmp/attache-link-XXXXXX", link[64], target[256] = "", why[256];
    lx_connector *first, *second;

    (void)state;
    assert_non_null(mkdtemp(name));
    snprintf(link, sizeof link, "%s/port", name);
    first = lx_pty_open(link, why, sizeof why);
    assert_non_null(first);
    assert_true(readlink(link, target, sizeof target - 1) > 0);
    assert_string_equal(target, first->path);
    second = lx_pty_open(link, why, sizeof why); /* replaces a link into /dev/pts */
    assert_non_null(second);
    first->ops->close(first); /* not its own any more: stays */
    assert_int_equal(access(link, F_OK), 0);
    second->ops->close(second);
    assert_int_not_equal(access(link, F_OK), 0);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_null(lx_pty_open(link, why, sizeof why));
    assert_non_null(strstr(why, link));
    assert_int_equal(unlink(link), 0);
    assert_int_equal(mkdir(link, 0700), 0);
    assert_null(lx_pty_open(link, why, sizeof why));
    rmdir(link);
    rmdir(name);
}

/* In a user namespace of its own the limit can be lowered without disturbing anybody. */
static bool take_inotify_away(void)
{
    int fd = -1;
    bool taken = unshare(CLONE_NEWUSER) == 0 &&
                 (fd = open("/proc/sys/user/max_inotify_instances", O_WRONLY | O_CLOEXEC)) >= 0 &&
                 write(fd, "0", 1) == 1;

    if (fd >= 0)
        close(fd);
    return taken;
}

static void the_limit_of_instances_is_named(void **state)
{
    enum { GOOD, BAD, IMPOSSIBLE };
    char why[256] = "";
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        if (!take_inotify_away())
            _exit(IMPOSSIBLE);
        if (lx_pty_open(NULL, why, sizeof why) != NULL)
            _exit(BAD);
        _exit(strstr(why, "fs.inotify.max_user_instances") != NULL ? GOOD : BAD);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == IMPOSSIBLE)
        skip();
    assert_int_equal(WEXITSTATUS(status), GOOD);
}

int main(void)
{
#define WIRE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WIRE(output_before_the_first_open_is_kept),
        WIRE(raw_before_anybody_opens),
        WIRE(nobody_hears_after_a_hang_up),
        WIRE(a_quick_change_of_hosts),
        WIRE(an_answer_to_the_next_host_reaches_it),
        WIRE(a_second_host_takes_nothing_away),
        WIRE(last_words_of_a_host_are_read),
        WIRE(a_closed_port_costs_nothing),
        WIRE(waiting_for_room_ends_with_the_host),
        WIRE(room_is_told_once),
        WIRE(settings_of_a_host_are_forgotten),
        WIRE(a_thousand_cycles),
        cmocka_unit_test(links),
        cmocka_unit_test(the_limit_of_instances_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
