#include "ports/linux/signals.h"

#include <signal.h>
#include <sys/signalfd.h>

bool lx_signals_watch(lx_poller *poller, lx_source *source, void (*ready)(void *arg, short revents),
                      void *arg)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *source = (lx_source){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                           .events = POLLIN,
                           .ready = ready,
                           .arg = arg };
    return source->fd >= 0 && lx_source_add(poller, source);
}
