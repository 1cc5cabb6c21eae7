/* The system family from inside: state of sleep, radio power and pins, shared by system.c and
 * message_filter.c. */
#ifndef COMMANDS_SYSTEM_PRIV_H
#define COMMANDS_SYSTEM_PRIV_H

#include "commands/app.h"

#define AT_PIN_MAX 20u /* GPIO0 to GPIO20 */

typedef enum at_sleep_mode {
    AT_SLEEP_NONE,
    AT_SLEEP_MODEM,
    AT_SLEEP_LIGHT,
    AT_SLEEP_MODEM_LISTEN,
    AT_SLEEP_MODES
} at_sleep_mode;

typedef struct at_system_family {
    at_app *app;
    at_sleep_mode sleep;       /* AT+SLEEP */
    bool wake_set, wake_level; /* AT+SLEEPWKCFG */
    uint8_t wake_pin;
    bool asleep;      /* light sleep, and the wake-up pin does not say otherwise */
    uint8_t rf_power; /* as set, 0.25 dBm */
    /* One bit per pin: what we drive, which we drive, what is there from outside. */
    uint32_t out, enable, in;
} at_system;

static inline at_system *at_system_of(const at_call *call)
{
    return at_app_of(call)->system;
}

/* message_filter.c */
at_result at_sysmsgfilter_query(at_call *call);
at_result at_sysmsgfilter_set(at_call *call);
at_result at_sysmsgfiltercfg_query(at_call *call);
at_result at_sysmsgfiltercfg_set(at_call *call);
uint8_t at_sysmsgfiltercfg_select(const at_call *call);

/* translink.c */
at_result at_savetranslink_set(at_call *call);
uint8_t at_savetranslink_select(const at_call *call);

#endif
