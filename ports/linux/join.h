/* `attache join`: a plain computer's place in a shared air. It associates with an access point as any
 * station does and publishes addresses of that network on this computer. */
#ifndef PORTS_LINUX_JOIN_H
#define PORTS_LINUX_JOIN_H

/* argv[0] is the first word after `join`. Runs until a signal; the exit status. */
int lx_join_main(int argc, char **argv);

#endif
