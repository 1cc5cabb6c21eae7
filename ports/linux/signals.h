/* The signals that end a program, as a source of a poller. */
#ifndef PORTS_LINUX_SIGNALS_H
#define PORTS_LINUX_SIGNALS_H

#include "ports/linux/poller.h"

/* SIGINT, SIGTERM and SIGHUP make source ready (its fd is a signalfd, the caller's to close); SIGPIPE
 * is ignored. false: no descriptor, or no room in the poller. */
bool lx_signals_watch(lx_poller *poller, lx_source *source, void (*ready)(void *arg, short revents),
                      void *arg);

#endif
