/* What runs inside the processes of a bench: a boot of the chip, or a peer. */
#ifndef TESTS_PAGES_RUNNER_CHIP_H
#define TESTS_PAGES_RUNNER_CHIP_H

#include <stdint.h>

#include "iface/flashchip.h"
#include "tests/pages/runner_lane.h"

#define CHIP_LOST_POWER 77 /* exit status: the flash model cut the power */

/* Runs a boot of the chip until it restarts or is ended. */
_Noreturn void chip_main(lane_seams *seams, const at_flashchip *flash, uint64_t seed);
_Noreturn void peer_process_main(lane_seams *seams, uint64_t seed);
/* For at_flashfile_cut_after. */
void chip_power_cut(void *arg);

#endif
