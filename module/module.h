/* One module: the composition root of a chip. A port supplies the seams, boots, and runs the loop. */
#ifndef MODULE_MODULE_H
#define MODULE_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cmd.h"
#include "core/loop.h"
#include "iface/byteport.h"
#include "iface/fiber.h"
#include "iface/flashchip.h"
#include "iface/log.h"
#include "iface/radio.h"
#include "iface/random.h"
#include "iface/supervisor.h"

typedef struct at_module at_module;

/* Everything pointed to must outlive the module. */
typedef struct at_module_config {
    at_loop *loop;     /* initialised, with the port's clock and waiter */
    at_byteport *port; /* the AT port */
    at_radio *radio;
    const at_flashchip *flash; /* NULL: nothing survives a restart */
    const at_random *random;
    const at_log_sink *log; /* NULL: silent */
    const at_supervisor *supervisor;
    const at_fiber_ops *fibers;
    size_t heap_budget;       /* bytes; 0: unlimited */
    uint32_t window;          /* TCP receive window in bytes; 0: AT_TCP_WINDOW */
    uint32_t guard_ms;        /* silence around +++; 0: AT_GUARD_MS */
    uint32_t rx_reserve;      /* bytes; more than the port itself holds back, so that +++ behind a
                                   stalled passthrough is seen; 0: AT_RX_RESERVE */
    uint32_t data_timeout_ms; /* 0: a data prompt waits for ever, as on the part */
    uint8_t builds;           /* AT_IN_* of the profile; 0: every command */
    at_uart_settings uart;    /* what the port is set to at power-on */
    /* URLs of update servers, one per scheme, blanks between them; NULL: the factory's, else the build's */
    const char *update_servers;
    const char *update_token; /* for them; NULL: the factory's */
    bool update_unverified;   /* HTTPS servers need no certificate that verifies */
} at_module_config;

/* Boots: storage, stack, radio, commands, "ready"; then the port runs the loop. NULL: no memory, the
 * log says for what. One module per process (iface/current.h). */
at_module *at_module_boot(const at_module_config *config);

/* Somebody outside put a level on pin 0 to 20 of the chip. */
void at_module_pin(at_module *m, unsigned pin, bool level);

/* What a test compares with its value after boot. */
typedef struct at_module_usage {
    size_t heap_used, heap_peak;
    uint32_t heap_blocks, timers, pcbs;
} at_module_usage;

void at_module_measure(const at_module *m, at_module_usage *usage);
/* True when no command runs and nothing waits to be sent. */
bool at_module_idle(const at_module *m);

/* Every family of commands, for reference pages, completion and tests; no module needed. */
const at_family_rows *const *at_module_families(size_t *count);

#endif
