/* Lines of a control client: whatever comes, every complete line has one answer, and the server goes on.
 * The bytes go through a real socket, as the server owns it; a second client asks for help afterwards
 * and has to be answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/heap.h"
#include "ports/linux/clock.h"
#include "ports/linux/ctl_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool run_verb(void *owner, const char *verb, const cJSON *request, cJSON *answer,
                     char *error, size_t room)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(request, "name");

    (void)owner;
    if (cJSON_IsString(name))
        cJSON_AddStringToObject(answer, "name", name->valuestring);
    snprintf(error, room, "unknown verb '%.40s'", verb);
    return verb[0] == 's';
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        abort();
    return fd;
}

static void do_nothing(void *arg)
{
    (void)arg;
}

static void turns(at_loop *loop, unsigned count)
{
    at_task nothing;

    at_task_init(&nothing, do_nothing, NULL);
    while (count-- > 0) {
        at_loop_post(loop, &nothing); /* so that the turn does not wait */
        at_loop_turn(loop);
    }
}

/* Feeds all of data and takes answers away, until the server closes or everything is sent. */
static void feed(at_loop *loop, int fd, const uint8_t *data, size_t size)
{
    char answers[4096];

    for (unsigned tries = 0; size > 0 && tries < 1000; tries++) {
        ssize_t n = send(fd, data, size < 700 ? size : 700, MSG_NOSIGNAL);

        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
        turns(loop, 2);
        n = recv(fd, answers, sizeof answers, 0);
        if (n == 0)
            return;
    }
    turns(loop, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], why[160], answer[4096] = "";
    lx_poller poller;
    at_loop loop;
    at_log log = { 0 };

    lx_poller_init(&poller, lx_clock());
    at_loop_init(&loop, lx_clock(), &poller.waiter);
    snprintf(path, sizeof path, "/tmp/fuzz-ctl-%d", (int)getpid());
    lx_ctl_config config = {
        .loop = &loop,
        .poller = &poller,
        .log = &log,
        .path = path,
        .verbs = "s...",
        .run = run_verb,
    };
    lx_ctl *ctl = lx_ctl_open(&config, why, sizeof why);
    if (ctl == NULL)
        abort();
    int fd = connect_to(path);
    feed(&loop, fd, data, size);
    lx_ctl_event(ctl, "ready", "");
    lx_ctl_event(ctl, "ip", "\"ip\":\"192.168.3.112\"");
    turns(&loop, 2);
    close(fd);
    fd = connect_to(path);
    turns(&loop, 2);
    if (send(fd, "{\"verb\":\"help\"}\n", 16, MSG_NOSIGNAL) != 16)
        abort();
    turns(&loop, 3);
    if (recv(fd, answer, sizeof answer - 1, 0) <= 0 || answer[0] != '{')
        abort();
    close(fd);
    turns(&loop, 2);
    lx_ctl_close(ctl);
    return 0;
}
