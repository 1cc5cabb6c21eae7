/* Firmware updates: what the other families need to know of them. */
#ifndef COMMANDS_UPDATE_H
#define COMMANDS_UPDATE_H

#include "commands/app.h"
#include "net/update.h"

at_result at_userota_set(at_call *call);

/* An update writes, or is about to write, into that partition (NULL: none), or into an app slot. Commands
 * that would use it are refused from its start on, so none is under way when the bytes change. */
bool at_update_holds(const at_app *app, const at_partition *partition);
bool at_update_holds_slot(const at_app *app);

#endif
