/* The control socket: answers, waits, bad requests, clients that misbehave; and the shell's front. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "ports/linux/clock.h"
#include "ports/linux/ctl_client.h"
#include "ports/linux/ctl_server.h"

typedef struct fixture {
    lx_poller poller;
    at_loop loop;
    char folder[64], path[96];
    lx_ctl *ctl;
    int client;
    char text[8192];
    size_t len;
} fixture;

static bool verb(void *owner, const char *name, const cJSON *request, cJSON *answer, char *error,
                 size_t room)
{
    (void)owner;
    (void)request;
    if (strcmp(name, "double") != 0) {
        snprintf(error, room, "unknown verb: double");
        return false;
    }
    cJSON_AddNumberToObject(answer, "twice", 2);
    return true;
}

static int connect_client(const fixture *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, f->path, sizeof f->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    char why[256] = "";
    lx_ctl_config config;

    assert_non_null(f);
    snprintf(f->folder, sizeof f->folder, "/tmp/attache-ctl-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/ctl", f->folder);
    lx_poller_init(&f->poller, lx_clock());
    at_loop_init(&f->loop, lx_clock(), &f->poller.waiter);
    config = (lx_ctl_config){
        .loop = &f->loop, .poller = &f->poller, .path = f->path, .run = verb, .owner = f
    };
    f->ctl = lx_ctl_open(&config, why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(f->ctl);
    f->client = connect_client(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    lx_ctl_close(f->ctl);
    assert_int_not_equal(access(f->path, F_OK), 0);
    rmdir(f->folder);
    close(f->client);
    free(f);
    return 0;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void run(fixture *f, unsigned ms)
{
    at_timer timer;

    at_timer_init(&timer, nothing, f);
    at_timer_in(&f->loop, &timer, ms * 1000u);
    while (at_timer_running(&timer))
        at_loop_turn(&f->loop);
}

/* Sends text, and returns everything that is answered. */
static const char *ask(fixture *f, const char *text)
{
    ssize_t len;

    assert_int_equal(send(f->client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    run(f, 2);
    len = recv(f->client, f->text, sizeof f->text - 1, 0);
    f->text[len > 0 ? len : 0] = '\0';
    return f->text;
}

static void the_socket_is_the_owners(void **state)
{
    fixture *f = *state;
    struct stat there;

    assert_int_equal(stat(f->path, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0600);
}

static void verbs_answer(void **state)
{
    fixture *f = *state;

    assert_string_equal(ask(f, "{\"verb\":\"double\"}\n"), "{\"ok\":true,\"twice\":2}\n");
    assert_string_equal(
        ask(f, "{\"verb\":\"double\",\"id\":\"a\"}\n{\"verb\":\"double\",\"id\":7}\n"),
        "{\"ok\":true,\"id\":\"a\",\"twice\":2}\n{\"ok\":true,\"id\":7,\"twice\":2}\n");
    assert_string_equal(ask(f, "{\"verb\":\"dou"), "");
    assert_string_equal(ask(f, "ble\"}\r\n\n"), "{\"ok\":true,\"twice\":2}\n");
}

static void bad_requests_learn_what_is_right(void **state)
{
    static const char *const bad[] = {
        "hello\n",
        "[1]\n",
        "{\n",
        "{}\n",
        "{\"verb\":7}\n",
        "{\"verb\":\"dance\"}\n",
        "{\"verb\":\"wait\"}\n",
        "{\"verb\":\"wait\",\"event\":\"ip\",\"timeout_ms\":-1}\n",
        "{\"verb\":\"wait\",\"event\":\"ip\",\"timeout_ms\":1e99}\n",
        "{\"verb\":\"wait\",\"event\":\"ip\",\"match\":3}\n",
        "null\n",
        "\x01\xff\n",
    };
    fixture *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *answer = ask(f, bad[i]);

        if (strstr(answer, "{\"ok\":false,") != answer || strstr(answer, "error") == NULL)
            fail_msg("%s is answered with %s", bad[i], answer);
    }
    assert_string_equal(ask(f, "{\"verb\":\"double\"}\n"), "{\"ok\":true,\"twice\":2}\n");
}

static void a_long_line_is_refused(void **state)
{
    fixture *f = *state;
    static char line[LX_CTL_LINE + 1];
    char rest[8];

    memset(line, 'x', LX_CTL_LINE);
    assert_non_null(strstr(ask(f, line), "too long"));
    run(f, 1);
    assert_int_equal(recv(f->client, rest, sizeof rest, 0), 0); /* and dropped */
}

static void states_are_answered_at_once(void **state)
{
    fixture *f = *state;

    lx_ctl_event(f->ctl, "ready", "");
    lx_ctl_event(f->ctl, "ip", "\"ip\":\"1.2.3.4\"");
    assert_non_null(strstr(ask(f, "{\"verb\":\"wait\",\"event\":\"ip\"}\n"), "\"ip\":\"1.2.3.4\""));
    lx_ctl_event(f->ctl, "left", "");
    assert_string_equal(ask(f, "{\"verb\":\"wait\",\"event\":\"ip\"}\n"), "");
    lx_ctl_event(f->ctl, "ip", "\"ip\":\"1.2.3.5\"");
    run(f, 1);
    assert_non_null(strstr(ask(f, "\n"), "1.2.3.5"));
    lx_ctl_event(f->ctl, "exit", "");
    assert_non_null(
        strstr(ask(f, "{\"verb\":\"wait\",\"event\":\"ready\",\"timeout_ms\":1}\n"), "timeout"));
}

static void waits_match_members_and_the_past(void **state)
{
    fixture *f = *state;

    lx_ctl_event(f->ctl, "link", "\"id\":1,\"state\":\"open\"");
    lx_ctl_event(f->ctl, "link", "\"id\":2,\"state\":\"open\"");
    assert_int_equal(lx_ctl_last(f->ctl), 2);
    assert_non_null(
        strstr(ask(f, "{\"verb\":\"wait\",\"event\":\"link\",\"since\":0,\"match\":{\"id\":2}}\n"),
               "\"n\":2"));
    assert_string_equal(ask(f, "{\"verb\":\"wait\",\"event\":\"link\",\"match\":{\"id\":2}}\n"
                               "{\"verb\":\"double\"}\n"),
                        ""); /* not of the past; and the next request waits behind it */
    lx_ctl_event(f->ctl, "link", "\"id\":1");
    run(f, 1);
    assert_int_equal(recv(f->client, f->text, sizeof f->text, 0), -1);
    lx_ctl_event(f->ctl, "link", "\"id\":2");
    run(f, 1);
    assert_non_null(strstr(ask(f, "\n"), "\"twice\":2"));
}

static void subscribers_hear_everything(void **state)
{
    fixture *f = *state;
    ssize_t len;

    assert_string_equal(ask(f, "{\"verb\":\"subscribe\"}\n"), "{\"ok\":true}\n");
    lx_ctl_event(f->ctl, "ready", "");
    lx_ctl_event(f->ctl, "link", "\"id\":1");
    len = recv(f->client, f->text, sizeof f->text - 1, 0);
    assert_true(len > 0);
    f->text[len] = '\0';
    assert_non_null(strstr(f->text, "{\"event\":\"ready\",\"n\":1,"));
    assert_non_null(strstr(f->text, "\"id\":1}\n"));
}

static void a_slow_client_is_dropped(void **state)
{
    fixture *f = *state;
    ssize_t len = 1;
    int other = connect_client(f);

    ask(f, "{\"verb\":\"subscribe\"}\n");
    for (unsigned i = 0; i < 20000; i++)
        lx_ctl_event(f->ctl, "link", "\"text\":\"a quite long event that fills buffers\"");
    while (len > 0)
        len = recv(f->client, f->text, sizeof f->text, 0);
    assert_int_equal(len, 0);
    close(f->client);
    f->client = other;
    assert_string_equal(ask(f, "{\"verb\":\"double\"}\n"), "{\"ok\":true,\"twice\":2}\n");
}

static void many_clients(void **state)
{
    fixture *f = *state;
    int clients[20];
    char rest[8];

    for (size_t i = 0; i < 20; i++) {
        clients[i] = connect_client(f);
        run(f, 1);
    }
    assert_int_equal(recv(clients[19], rest, sizeof rest, 0), 0); /* more than there are places */
    for (size_t i = 0; i < 20; i++)
        close(clients[i]);
    run(f, 2);
    close(f->client);
    f->client = connect_client(f);
    assert_string_equal(ask(f, "{\"verb\":\"double\"}\n"), "{\"ok\":true,\"twice\":2}\n");
}

static void the_path_is_respected(void **state)
{
    fixture *f = *state;
    lx_ctl_config config = { .loop = &f->loop, .poller = &f->poller, .path = f->path, .run = verb };
    char why[256] = "", file[128];

    assert_null(lx_ctl_open(&config, why, sizeof why));
    assert_non_null(strstr(why, "in use"));
    snprintf(file, sizeof file, "%s/file", f->folder);
    close(creat(file, 0600));
    config.path = file;
    assert_null(lx_ctl_open(&config, why, sizeof why));
    assert_non_null(strstr(why, "not a socket"));
    unlink(file);
}

static void words_become_requests(void **state)
{
    static const struct {
        const char *words[8];
        const char *line; /* NULL: refused */
    } cases[] = {
        { { "status" }, "{\"verb\":\"status\"}\n" },
        { { "wait", "ip" }, "{\"verb\":\"wait\",\"event\":\"ip\"}\n" },
        { { "wait", "link", "500", "id=2", "state=open" },
          "{\"verb\":\"wait\",\"event\":\"link\",\"timeout_ms\":500,\"match\":{\"id\":2,\"state\":"
          "\"open\"}}\n" },
        { { "ap", "home", "off" }, "{\"verb\":\"ap\",\"name\":\"home\",\"on\":false}\n" },
        { { "ap", "home", "rssi", "-70" }, "{\"verb\":\"ap\",\"name\":\"home\",\"rssi\":-70}\n" },
        { { "fault", "f", "on" }, "{\"verb\":\"fault\",\"name\":\"f\",\"on\":true}\n" },
        { { "fault", "add", "f", "kind=loss", "value=5" },
          "{\"verb\":\"fault\",\"add\":{\"name\":\"f\",\"kind\":\"loss\",\"value\":5}}\n" },
        { { "power", "cycle" }, "{\"verb\":\"power\",\"state\":\"cycle\"}\n" },
        { { "events" }, "{\"verb\":\"subscribe\"}\n" },
        { { "status", "more" }, NULL },
        { { "wait" }, NULL },
        { { "ap", "home" }, NULL },
        { { "ap", "home", "maybe" }, NULL },
        { { "ap", "home", "rssi", "loud" }, NULL },
        { { "fault", "add" }, NULL },
        { { "fault", "add", "f", "loss" }, NULL },
        { { "dance" }, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char error[256] = "", *argv[8], *line;
        int argc = 0;

        while (argc < 8 && cases[i].words[argc] != NULL) {
            argv[argc] = strdup(cases[i].words[argc]);
            argc++;
        }
        line = lx_ctl_request(argc, argv, error, sizeof error);
        if (cases[i].line == NULL) {
            assert_null(line);
            assert_true(error[0] != '\0');
        } else {
            assert_non_null(line);
            assert_string_equal(line, cases[i].line);
        }
        free(line);
        while (argc > 0)
            free(argv[--argc]);
    }
}

int main(void)
{
#define CTL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CTL(the_socket_is_the_owners),
        CTL(verbs_answer),
        CTL(bad_requests_learn_what_is_right),
        CTL(a_long_line_is_refused),
        CTL(states_are_answered_at_once),
        CTL(waits_match_members_and_the_past),
        CTL(subscribers_hear_everything),
        CTL(a_slow_client_is_dropped),
        CTL(many_clients),
        CTL(the_path_is_respected),
        cmocka_unit_test(words_become_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
