/* See peer_lines.c. */
#include "tests/peer/arguments.c"
