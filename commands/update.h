/* Firmware updates: what the other families need to know of them. */
#ifndef COMMANDS_UPDATE_H
#define COMMANDS_UPDATE_H

#include "commands/app.h"
#include "net/update.h"

at_result at_userota_set(at_call *call);

/* An update is writing, or about to write, into an app slot; or into that partition. */
bool at_update_holds(const at_app *app, const at_partition *partition);
bool at_update_holds_slot(const at_app *app);

#endif
