/* See peer_lines.c. */
#include "tests/peer/endpoint.c"
