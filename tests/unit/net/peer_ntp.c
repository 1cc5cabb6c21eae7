/* See peer_lines.c. */
#include "tests/peer/ntp.c"
