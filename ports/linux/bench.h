/* The bench: everything that stands around one chip, for the length of a run (DESIGN 1). */
#ifndef PORTS_LINUX_BENCH_H
#define PORTS_LINUX_BENCH_H

#include "ports/linux/options.h"

/* Runs until a signal, `quit`, the end of COMMAND or of the AT port. Returns the exit status: 0, 1 (the
 * run failed), 2 (an option cannot work), or the command's (128 + signal when that ended it). Says
 * why on stderr. */
int lx_bench_run(const lx_options *options);
/* `attache air`: an air for any number of modules, until a signal or the verb quit. Status as above. */
int lx_air_run(const lx_options *options);

#endif
