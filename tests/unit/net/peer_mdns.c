/* See peer_lines.c. */
#include "tests/peer/mdns.c"
