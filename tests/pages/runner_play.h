/* Plays one scenario on a bench of its own. */
#ifndef TESTS_PAGES_RUNNER_PLAY_H
#define TESTS_PAGES_RUNNER_PLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/pages/runner_page.h"

typedef struct play_options {
    uint64_t seed;
    size_t chunk;    /* as in bench_open */
    unsigned inject; /* force a restart at the inject-th wait of a running command; 0: never */
    unsigned cut;    /* power fails in the cut-th flash operation; 0: never */
    bool verbose;    /* the report ends with the whole log, also of a scenario that passed */
} play_options;

typedef struct play_result {
    bool passed;
    bool injected; /* there was such a wait, or such an operation */
} play_result;

/* What went wrong is written to report, nothing when the scenario passed. */
play_result play_scenario(const scenario *s, const play_options *options, FILE *report);

#endif
