/* The inside of a page's processes: the composition that ports/linux makes for production, with the
 * lane's seams in place of the real clock, poller, terminal and air. Module and peer see no
 * difference. */
#include "tests/pages/runner_chip.h"

#include <unistd.h>

#include "module/module.h"
#include "ports/linux/fiber.h"
#include "ports/linux/random.h"
#include "tests/peer/peer.h"

static void measure(void *owner, lane_stats *stats)
{
    at_module **module = owner;
    at_module_usage usage;

    if (*module == NULL)
        return;
    at_module_measure(*module, &usage);
    *stats = (lane_stats){ .known = true,
                           .idle = at_module_idle(*module),
                           .blocks = usage.heap_blocks,
                           .timers = usage.timers,
                           .pcbs = usage.pcbs };
}

void chip_power_cut(void *arg)
{
    (void)arg;
    _exit(CHIP_LOST_POWER);
}

_Noreturn void chip_main(lane_seams *seams, const at_flashchip *flash, uint64_t seed)
{
    at_module *module = NULL;
    lx_random random;
    at_loop loop;
    at_module_config config = { .loop = &loop,
                                .port = &seams->port,
                                .radio = &seams->radio,
                                .flash = flash,
                                .random = &random.random,
                                .log = &seams->log,
                                .supervisor = &seams->supervisor,
                                .fibers = &lx_fiber_ops,
                                .uart = { .baud = 115200, .data = 8, .stop = 1 } };

    lx_random_seeded(&random, seed);
    at_loop_init(&loop, &seams->clock, &seams->waiter);
    seams->on_sleep = measure;
    seams->owner = &module;
    module = at_module_boot(&config);
    if (module != NULL)
        at_loop_run(&loop);
    _exit(1);
}

_Noreturn void peer_process_main(lane_seams *seams, uint64_t seed)
{
    lx_random random;
    const peer_seams given = { .clock = &seams->clock,
                               .waiter = &seams->waiter,
                               .random = &random.random,
                               .log = &seams->log,
                               .radio = &seams->radio,
                               .control = &seams->port };

    lx_random_seeded(&random, seed);
    _exit(peer_main(&given));
}
