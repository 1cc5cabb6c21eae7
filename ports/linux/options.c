/* Options come from one table: name, what its value is called, how it is taken, and its help text. A
 * name with "[VALUE]" takes the next word unless that looks like an option; `--name=value` works for
 * all. What a taker refuses is reported with the option's name in front.
 */
#include "ports/linux/options.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/bytes.h"
#include "core/cmd.h"
#include "core/limits.h"
#include "ports/linux/flashfile.h"
#include "ports/linux/logfile.h"
#include "ports/linux/socket_port.h"
#include "proto/url.h"

typedef struct taker {
    lx_options *o;
    const char *value; /* NULL: none given */
    char *error;
    size_t room;
} taker;

static AT_PRINTF(2, 3) bool refuse(const taker *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(t->error, t->room, format, args);
    va_end(args);
    return false;
}

/* ---- takers ---- */

static bool take_port(const taker *t, lx_port_kind kind)
{
    if (t->o->port_given)
        return refuse(t, "there is one AT port: give only one of --pty, --serial, --listen, "
                         "--stdio and --console");
    t->o->port_given = true;
    t->o->port = kind;
    t->o->port_arg = t->value;
    return true;
}

static bool take_pty(const taker *t)
{
    return take_port(t, LX_PORT_PTY);
}

static bool take_serial(const taker *t)
{
    return take_port(t, LX_PORT_SERIAL);
}

static bool take_listen(const taker *t)
{
    if (!lx_listen_valid(t->value))
        return refuse(t, "'%s' is not [HOST:]PORT with a port of 0 to 65535", t->value);
    return take_port(t, LX_PORT_LISTEN);
}

static bool take_stdio(const taker *t)
{
    return take_port(t, LX_PORT_STDIO);
}

static bool take_console(const taker *t)
{
    return take_port(t, LX_PORT_CONSOLE);
}

static bool take_world(const taker *t)
{
    t->o->world = t->value;
    return true;
}

static bool take_air(const taker *t)
{
    t->o->air = t->value;
    return true;
}

static bool take_forward(const taker *t)
{
    if (t->o->forward_count == LX_FORWARDS)
        return refuse(t, "more than %u forwards", LX_FORWARDS);
    if (!at_forward_parse(&t->o->forwards[t->o->forward_count], t->value, t->error, t->room))
        return false;
    t->o->forward_count++;
    return true;
}

static bool take_policy(const taker *t)
{
    static const char *const names[] = { "open", "local", "none" };

    for (unsigned i = 0; i < AT_COUNT(names); i++) {
        if (strcmp(t->value, names[i]) == 0) {
            t->o->policy = (at_policy)i;
            return true;
        }
    }
    return refuse(t, "'%s' is no policy: open, local or none", t->value);
}

static bool take_mac(const taker *t)
{
    if (strlen(t->value) != 17 || !at_parse_mac(t->value, t->o->mac))
        return refuse(t, "'%s' is no MAC address: write it like 1a:fe:35:98:d3:7b", t->value);
    if ((t->o->mac[0] & 1) != 0)
        return refuse(t, "%s is a group address: the first byte must be even", t->value);
    t->o->mac_given = true;
    return true;
}

static bool take_number(const taker *t, uint64_t min, uint64_t max, const char *what,
                        uint64_t *number)
{
    int64_t parsed;

    if (!at_parse_int(t->value, strlen(t->value), &parsed) || parsed < 0 ||
        (uint64_t)parsed < min || (uint64_t)parsed > max)
        return refuse(t, "'%s' is not a number of %s from %llu to %llu", t->value, what,
                      (unsigned long long)min, (unsigned long long)max);
    *number = (uint64_t)parsed;
    return true;
}

static bool take_seed(const taker *t)
{
    t->o->seed_given = true;
    return take_number(t, 1, INT64_MAX, "a seed", &t->o->seed);
}

static bool take_pcap(const taker *t)
{
    t->o->pcap = t->value;
    return true;
}

static bool take_wire_log(const taker *t)
{
    t->o->wire_log = t->value;
    return true;
}

static bool take_log(const taker *t)
{
    t->o->log_level_given = true;
    if (lx_log_level_parse(t->value, &t->o->log_level))
        return true;
    return refuse(t, "'%s' is no level: error, warn, info or debug", t->value);
}

static bool take_log_file(const taker *t)
{
    t->o->log_file = t->value;
    return true;
}

enum { HEAP_MIN = 98304 }; /* with less the module may not boot, or not join */

static bool take_heap(const taker *t)
{
    uint64_t number = 0;

    if (!take_number(t, HEAP_MIN, 1u << 30, "bytes", &number))
        return false;
    t->o->heap = (size_t)number;
    return true;
}

static bool take_window(const taker *t)
{
    uint64_t number = 0;

    if (!take_number(t, 2 * AT_TCP_MSS, 65535, "bytes", &number))
        return false;
    t->o->window = (uint32_t)number;
    return true;
}

static bool take_guard(const taker *t)
{
    uint64_t number = 0;

    if (!take_number(t, 1, 10000, "milliseconds", &number))
        return false;
    t->o->guard_ms = (uint32_t)number;
    return true;
}

static bool take_data_timeout(const taker *t)
{
    uint64_t number = 0;

    if (!take_number(t, 0, 86400000, "milliseconds", &number))
        return false;
    t->o->data_timeout_ms = (uint32_t)number;
    return true;
}

static bool take_pace(const taker *t)
{
    t->o->pace = true;
    return true;
}

static bool take_ctl(const taker *t)
{
    t->o->ctl = t->value;
    return true;
}

static bool take_module(const taker *t)
{
    static const struct {
        const char *name;
        uint8_t builds;
        uint32_t flash_size;
    } profiles[] = {
        { "full", 0, AT_FLASHFILE_4MB },
        { "esp32c2-4mb", AT_IN_4MB, AT_FLASHFILE_4MB },
        { "esp32c2-2mb", AT_IN_2MB, AT_FLASHFILE_2MB },
        { "esp32c2-ble-2mb", AT_IN_BLE, AT_FLASHFILE_2MB },
    };

    for (size_t i = 0; i < AT_COUNT(profiles); i++) {
        if (strcmp(t->value, profiles[i].name) == 0) {
            t->o->builds = profiles[i].builds;
            t->o->flash_size = profiles[i].flash_size;
            return true;
        }
    }
    return refuse(t, "'%s' is no module: full, esp32c2-4mb, esp32c2-2mb or esp32c2-ble-2mb",
                  t->value);
}

static bool take_flash(const taker *t)
{
    t->o->flash = t->value;
    return true;
}

static bool take_update_server(const taker *t)
{
    char *servers = t->o->update_servers;
    size_t len = strlen(servers);
    const char *why = "";
    at_url url;

    if (at_url_parse(t->value, strlen(t->value), &url, &why) != AT_OK)
        return refuse(t, "'%s': %s", t->value, why);
    if (strchr(t->value, '?') != NULL || strchr(t->value, '#') != NULL)
        return refuse(t, "'%s': the files are below that URL, it has no '?' and no '#'", t->value);
    if (strlen(t->value) > 255)
        return refuse(t, "the URL is longer than 255 characters");
    if (strstr(servers, url.https ? "https://" : "http://") != NULL)
        return refuse(t, "there is a server for %s already", url.https ? "https" : "http");
    /* Two of them fit. The scheme in small letters, as it is looked for. */
    snprintf(servers + len, LX_UPDATE_TEXT - len, "%s%s%s", len > 0 ? " " : "",
             url.https ? "https" : "http", strchr(t->value, ':'));
    return true;
}

/* A secret is not given on the command line, where everybody sees it. */
static bool take_update_token(const taker *t)
{
    char *token = t->o->update_token;
    FILE *file = fopen(t->value, "re");
    size_t len = file != NULL ? fread(token, 1, LX_UPDATE_TEXT - 1, file) : 0;

    if (file == NULL)
        return refuse(t, "cannot read %s: %s", t->value, strerror(errno));
    fclose(file);
    token[len] = '\0';
    token[strcspn(token, "\r\n")] = '\0';
    if (token[0] == '\0' || strlen(token) > 255 || strpbrk(token, " \t") != NULL)
        return refuse(t, "the first line of %s is not a token of 1 to 255 characters", t->value);
    return true;
}

static bool take_update_insecure(const taker *t)
{
    t->o->update_unverified = true;
    return true;
}

static bool take_help(const taker *t)
{
    t->o->help = true;
    return true;
}

/* ---- the table ---- */

typedef struct option {
    const char *name;
    const char *value; /* NULL: none; in brackets: optional */
    bool (*take)(const taker *t);
    const char *help;
} option;

static const option options[] = {
    { "--pty", "[LINK]", take_pty,
      "the AT port is a new pseudo-terminal (default); LINK points at it" },
    { "--serial", "DEV", take_serial, "the AT port is a serial device" },
    { "--listen", "[HOST:]PORT", take_listen,
      "the AT port is a TCP listener for one client; without HOST on 127.0.0.1" },
    { "--stdio", NULL, take_stdio, "the AT port is standard input and output" },
    { "--console", NULL, take_console, "the AT port is this terminal, with history and help" },
    { "--module", "NAME", take_module,
      "full (default), esp32c2-4mb, esp32c2-2mb or esp32c2-ble-2mb" },
    { "--flash", "FILE", take_flash, "keep the flash in FILE; made when missing" },
    { "--world", "FILE", take_world, "access points, hosts, names and faults of the air" },
    { "--air", "PATH", take_air, "take part in the air of `attache air --air PATH`" },
    { "--forward", "[udp:][ADDR:]HOSTPORT:MODULEPORT", take_forward,
      "reach a port of the module through one of this computer; repeatable" },
    { "--policy", "P", take_policy, "where the module may connect to: open, local or none" },
    { "--mac", "MAC", take_mac, "station address burnt into the chip" },
    { "--seed", "N", take_seed, "repeat a run: every random number follows from N" },
    { "--pcap", "FILE", take_pcap, "write every frame of the radio" },
    { "--wire-log", "FILE", take_wire_log, "write what passes the AT port, with times" },
    { "--log", "LEVEL", take_log, "error, warn (default), info or debug" },
    { "--log-file", "FILE", take_log_file, "log to FILE instead of standard error" },
    { "--heap", "BYTES", take_heap, "budget of the module's memory; default unlimited" },
    { "--window", "BYTES", take_window, "TCP receive window; default 5760, the part's" },
    { "--guard", "MS", take_guard, "silence around +++ and between packets; default 20" },
    { "--data-timeout", "MS", take_data_timeout,
      "a data prompt without input is cancelled; default 0: never, as on the part" },
    { "--pace", NULL, take_pace, "as slow as the UART's baud rate" },
    { "--update-server", "URL", take_update_server,
      "where AT+CIUPDATE finds firmware; once with http, once with https" },
    { "--update-token", "FILE", take_update_token, "what that server asks for: FILE's first line" },
    { "--update-insecure", NULL, take_update_insecure,
      "AT+CIUPDATE and AT+USEROTA do not verify HTTPS servers" },
    { "--ctl", "PATH", take_ctl, "control socket for `attache ctl`" },
    { "--help", NULL, take_help, "this text" },
};

void lx_options_help(FILE *to)
{
    fputs(
        "usage: attache [run] [options] [-- COMMAND...]\n\n"
        "Runs a module. The path of its AT port is the only line on standard output. With\n"
        "COMMAND, runs that with ATTACHE_PORT (and ATTACHE_CTL) set and exits with its status.\n\n",
        to);
    for (size_t i = 0; i < AT_COUNT(options); i++) {
        char left[64];

        snprintf(left, sizeof left, "%s%s%s", options[i].name, options[i].value != NULL ? " " : "",
                 options[i].value != NULL ? options[i].value : "");
        fprintf(to, strlen(left) <= 22 ? "  %-22s  %s\n" : "  %s\n                          %s\n",
                left, options[i].help);
    }
}

static const option *find(const char *word, size_t len)
{
    for (size_t i = 0; i < AT_COUNT(options); i++) {
        if (strlen(options[i].name) == len && memcmp(options[i].name, word, len) == 0)
            return &options[i];
    }
    return NULL;
}

/* Takes the option at argv[*at] with its value, and moves *at behind both. */
static bool take_one(lx_options *o, int argc, char **argv, int *at, char *error, size_t room)
{
    const char *word = argv[(*at)++];
    const char *equals = strchr(word, '=');
    const option *found = find(word, equals != NULL ? (size_t)(equals - word) : strlen(word));
    char reason[256] = "";
    taker t = { .o = o, .error = reason, .room = sizeof reason };
    bool optional;

    if (found == NULL) {
        snprintf(error, room, "unknown option %s: see --help", word);
        return false;
    }
    optional = found->value != NULL && found->take == take_pty;
    if (equals != NULL)
        t.value = equals + 1;
    else if (found->value != NULL && *at < argc && (!optional || argv[*at][0] != '-'))
        t.value = argv[(*at)++];
    if (found->value == NULL && t.value != NULL) {
        snprintf(error, room, "%s takes no value", found->name);
    } else if (found->value != NULL && !optional && (t.value == NULL || t.value[0] == '\0')) {
        snprintf(error, room, "%s needs a value: %s %s", found->name, found->name, found->value);
    } else if (found->take(&t)) {
        return true;
    } else {
        snprintf(error, room, "%s: %s", found->name, reason);
    }
    return false;
}

bool lx_options_parse(lx_options *o, int argc, char **argv, char *error, size_t room)
{
    int at = 0;

    *o = (lx_options){ .mac = LX_DEFAULT_MAC,
                       .log_level = AT_LOG_WARN,
                       .flash_size = AT_FLASHFILE_4MB };
    while (at < argc) {
        if (strcmp(argv[at], "--") == 0) {
            if (at + 1 == argc) {
                snprintf(error, room, "-- needs a command behind it");
                return false;
            }
            o->command = argv + at + 1;
            break;
        }
        if (argv[at][0] != '-') {
            snprintf(error, room, "unexpected word '%s': a command to run comes behind --",
                     argv[at]);
            return false;
        }
        if (!take_one(o, argc, argv, &at, error, room))
            return false;
    }
    if (o->command != NULL && (o->port == LX_PORT_STDIO || o->port == LX_PORT_CONSOLE)) {
        snprintf(error, room, "-- COMMAND needs an AT port it can open: use --pty or --listen");
        return false;
    }
    return true;
}
