/* Firmware versions (guide 5.3.1), and the list of them that an update server keeps (docs/UPDATES.md):
 * a text with one version a line. */
#ifndef PROTO_RELEASE_H
#define PROTO_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define AT_RELEASE_MAX      31u    /* characters of a version */
#define AT_RELEASES         16u    /* versions of a list that are kept: the newest */
#define AT_RELEASE_LIST_MAX 65536u /* bytes of a list */

/* "v", a digit, then letters, digits, '.', '_', '-', '+': nothing that means something in a path. */
bool at_release_valid(const char *text);
/* Below, equal to or above 0: a is older than, as old as, newer than b. Numbers between the dots count
 * one by one, a missing one as 0; what follows them ("-dev") makes a version older than the plain one. */
int at_release_compare(const char *a, const char *b);

typedef struct at_release_list {
    char version[AT_RELEASES][AT_RELEASE_MAX + 1]; /* newest first */
    unsigned count;
    bool found; /* the wanted version is in it, also when it is not among the newest */
    unsigned line_number;

    /* Its own. */
    const char *wanted;
    char line[AT_RELEASE_MAX + 1];
    uint32_t len, total;
    bool skip; /* the rest of the line: a comment */
    bool broken;
} at_release_list;

/* wanted, which is kept, or NULL. */
void at_release_start(at_release_list *list, const char *wanted);
/* Takes a piece of the text. Empty lines and those that begin with '#' are left out; lines end with LF or
 * CR LF. AT_ERR_CORRUPT: line_number is not a version, or the list is too long; nothing more is taken. */
at_err at_release_add(at_release_list *list, const void *data, size_t len);
/* The text is over: its last line counts without an end as well. */
at_err at_release_end(at_release_list *list);

#endif
