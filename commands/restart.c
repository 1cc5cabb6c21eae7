/* The end of a boot, as every command that restarts wants it (WIRE 1): OK is complete before the chip
 * goes, WIFI DISCONNECT follows it when there was a network, and nobody waits longer than 3 s for a
 * host that does not read. */
#include "commands/app.h"

void at_app_restart(at_call *call, at_boot_kind kind, uint64_t after_ms)
{
    at_app *app = at_app_of(call);

    at_ok(call);
    at_update_shutdown(app);
    if (app->wifi != NULL)
        at_wifi_shutdown(app);
    (void)at_drain(call, AT_RESTART_DRAIN_MS);
    app->supervisor->restart(app->supervisor->ctx, kind, after_ms);
}
