/* The options of `attache run`. */
#ifndef PORTS_LINUX_OPTIONS_H
#define PORTS_LINUX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "air/air.h"
#include "iface/log.h"

#define LX_FORWARDS    32u
#define LX_UPDATE_TEXT 512u
#define LX_DEFAULT_MAC                     \
    {                                      \
        0x1a, 0xfe, 0x35, 0x98, 0xd3, 0x7b \
    } /* the guide's, locally administered */

typedef enum lx_port_kind {
    LX_PORT_PTY,
    LX_PORT_SERIAL,
    LX_PORT_LISTEN,
    LX_PORT_STDIO,
    LX_PORT_CONSOLE,
} lx_port_kind;

/* Strings point into argv. */
typedef struct lx_options {
    lx_port_kind port;
    bool port_given;
    const char *port_arg; /* link, device, [host:]port; NULL */
    const char *world, *pcap, *wire_log, *log_file, *ctl, *flash; /* NULL: not given */
    const char *air; /* path of a shared air; NULL: one of its own */
    at_forward forwards[LX_FORWARDS];
    size_t forward_count;
    at_policy policy;
    uint8_t mac[6];
    bool seed_given, log_level_given, pace, mac_given;
    uint64_t seed;
    at_log_level log_level;
    size_t heap;                                /* bytes, 0: unlimited */
    uint32_t window, guard_ms, data_timeout_ms; /* 0: the part's */
    uint8_t builds;                             /* AT_IN_*; 0: all */
    uint32_t flash_size;                        /* bytes */
    char update_servers[LX_UPDATE_TEXT]; /* "": not given; else URLs with blanks between them */
    char update_token[LX_UPDATE_TEXT];   /* "": not given */
    bool update_unverified;
    char **command; /* NULL: none; ends with NULL */
    bool help;
} lx_options;

/* argv[0] is the first word after `run`. On failure false, and error is one line that names the
 * option and says what would be right. */
bool lx_options_parse(lx_options *o, int argc, char **argv, char *error, size_t room);
void lx_options_help(FILE *to);

#endif
