/* -- COMMAND: a child that finds the AT port in its environment and whose end is the end of the run.
 *
 * It runs in the bench's process group, so the terminal's Ctrl-C reaches it directly. A signal sent to the
 * bench alone is passed on (bench.c), and the bench goes on until the command has ended.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ports/linux/bench_priv.h"

static void on_command_end(void *arg, short revents)
{
    lx_bench *b = arg;
    int status = 0;

    (void)revents;
    while (waitpid(b->command, &status, 0) < 0 && errno == EINTR)
        continue;
    lx_source_remove(&b->poller, &b->command_end);
    close(b->command_end.fd);
    b->command = 0;
    bench_stop(b, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static _Noreturn void become_command(const lx_bench *b)
{
    char *const *command = b->options->command;
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setenv("ATTACHE_PORT", b->connector->path, 1);
    if (b->options->ctl != NULL)
        setenv("ATTACHE_CTL", b->options->ctl, 1);
    execvp(command[0], command);
    fprintf(stderr, "attache: cannot run %s: %s\n", command[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

bool bench_command_start(lx_bench *b, char *why, size_t room)
{
    b->command = fork();
    if (b->command == 0)
        become_command(b);
    if (b->command > 0) {
        b->command_end = (lx_source){
            .fd = pidfd_open(b->command, 0), .events = POLLIN, .ready = on_command_end, .arg = b
        };
        if (b->command_end.fd >= 0 && lx_source_add(&b->poller, &b->command_end))
            return true;
    }
    snprintf(why, room, "cannot start %s: %s", b->options->command[0], strerror(errno));
    return false;
}
