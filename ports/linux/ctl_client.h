/* `attache ctl PATH VERB...`: the control socket from a shell. */
#ifndef PORTS_LINUX_CTL_CLIENT_H
#define PORTS_LINUX_CTL_CLIENT_H

#include <stddef.h>
#include <stdio.h>

/* Builds the request line (malloc'ed, with its line end) from the words of the command line. NULL: error
 * is a line that says what would be right. */
char *lx_ctl_request(int argc, char **argv, char *error, size_t room);
/* argv[0] is PATH. Prints the answer; exit status 0: ok, 1: not, 2: usage. */
int lx_ctl_main(int argc, char **argv);
void lx_ctl_help(FILE *to);

#endif
