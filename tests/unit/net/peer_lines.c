/* The peer is built into these tests: the process that a test forks runs it (bench.c). */
#include "tests/peer/peer.c"
