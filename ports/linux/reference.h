/* The command rows as text for people: `attache commands`, and help and completion of the console. */
#ifndef PORTS_LINUX_REFERENCE_H
#define PORTS_LINUX_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/cmd.h"

/* Row number index over all families, NULL at the end. */
const at_cmd *lx_reference_row(size_t index);
/* name with or without "AT", "+" and in any case; NULL: no such command. */
const at_cmd *lx_reference_find(const char *name);
/* Forms, parameters with ranges and defaults, saved flag, guide number. */
void lx_reference_show(FILE *to, const at_cmd *cmd);
void lx_reference_text(FILE *to);     /* one line per command */
void lx_reference_markdown(FILE *to); /* docs/commands.md */
void lx_reference_json(FILE *to);

#endif
