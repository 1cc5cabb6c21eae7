/* attache: the program. Finds the command in the first word, run being the default. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "commands/version.h"
#include "ports/linux/bench.h"
#include "ports/linux/clock.h"
#include "ports/linux/console.h"
#include "ports/linux/ctl_client.h"
#include "ports/linux/flash_tool.h"
#include "ports/linux/join.h"
#include "ports/linux/reference.h"
#include "ports/linux/socket_port.h"

enum { EXIT_USAGE = 2 };

static bool wants_help(int argc, char **argv)
{
    return argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
}

static int run(int argc, char **argv)
{
    lx_options options;
    char error[512];

    if (!lx_options_parse(&options, argc, argv, error, sizeof error)) {
        fprintf(stderr, "attache: %s\n", error);
        return EXIT_USAGE;
    }
    if (options.help) {
        lx_options_help(stdout);
        return 0;
    }
    if (options.air != NULL && options.world != NULL) {
        fputs("attache: --world belongs to `attache air` when there is --air\n", stderr);
        return EXIT_USAGE;
    }
    return lx_bench_run(&options);
}

static int air(int argc, char **argv)
{
    lx_options options;
    char error[512];

    if (wants_help(argc, argv)) {
        fputs(
            "usage: attache air --air PATH [--world FILE] [--policy P] [--seed N] [--pcap FILE]\n"
            "                   [--ctl PATH] [--log LEVEL] [--log-file FILE]\n\n"
            "An air for any number of modules: attache run --air PATH. PATH is printed when it is\n"
            "ready. --pcap writes every frame once.\n",
            stdout);
        return 0;
    }
    if (!lx_options_parse(&options, argc, argv, error, sizeof error)) {
        fprintf(stderr, "attache air: %s\n", error);
        return EXIT_USAGE;
    }
    if (options.air == NULL || options.port_given || options.command != NULL ||
        options.forward_count > 0 || options.flash != NULL) {
        fputs("attache air: needs --air PATH, and takes no options of a module\n", stderr);
        return EXIT_USAGE;
    }
    return lx_air_run(&options);
}

/* ---- attache console ---- */

static int open_device(const char *path)
{
    struct termios settings;
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && tcgetattr(fd, &settings) == 0) {
        speed_t speed = cfgetospeed(&settings);

        cfmakeraw(&settings);
        cfsetspeed(&settings, speed);
        tcsetattr(fd, TCSANOW, &settings);
    }
    return fd;
}

static int console(int argc, char **argv)
{
    const char *path = argc > 0 ? argv[0] : getenv("ATTACHE_PORT");
    static lx_poller poller; /* large */
    at_loop loop;
    lx_console_config config = { .loop = &loop, .poller = &poller, .log_fd = -1 };
    lx_console *c;
    char why[256];

    if (wants_help(argc, argv) || argc > 1 || path == NULL) {
        fputs("usage: attache console [PORT]\n\nA terminal for an AT port: a device like "
              "/dev/pts/3, or "
              "socket://HOST:PORT.\nPORT is $ATTACHE_PORT by default.\n",
              wants_help(argc, argv) ? stdout : stderr);
        return wants_help(argc, argv) ? 0 : EXIT_USAGE;
    }
    lx_poller_init(&poller, lx_clock());
    at_loop_init(&loop, lx_clock(), &poller.waiter);
    config.port_fd =
        strncmp(path, "socket://", 9) == 0 ? lx_socket_connect(path + 9) : open_device(path);
    if (config.port_fd < 0) {
        fprintf(stderr, "attache console: cannot open %s: %s\n", path, strerror(errno));
        return 1;
    }
    c = lx_console_open(&config, why, sizeof why);
    if (c == NULL) {
        fprintf(stderr, "attache console: %s\n", why);
        return 1;
    }
    lx_console_run(c);
    lx_console_close(c);
    return 0;
}

/* ---- the others ---- */

static int commands(int argc, char **argv)
{
    if (argc == 0) {
        lx_reference_text(stdout);
    } else if (argc == 1 && strcmp(argv[0], "--markdown") == 0) {
        lx_reference_markdown(stdout);
    } else if (argc == 1 && strcmp(argv[0], "--json") == 0) {
        lx_reference_json(stdout);
    } else if (argc == 1 && argv[0][0] != '-' && lx_reference_find(argv[0]) != NULL) {
        lx_reference_show(stdout, lx_reference_find(argv[0]));
    } else if (argc == 1 && argv[0][0] != '-') {
        fprintf(stderr, "attache commands: no command '%s': attache commands lists them\n",
                argv[0]);
        return EXIT_USAGE;
    } else {
        bool help = wants_help(argc, argv);

        fputs(
            "usage: attache commands [NAME | --markdown | --json]\n\nThe AT commands: one with its "
            "parameters, or all: a line each, as Markdown, as JSON.\n",
            help ? stdout : stderr);
        return help ? 0 : EXIT_USAGE;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

static int ctl(int argc, char **argv)
{
    if (wants_help(argc, argv)) {
        lx_ctl_help(stdout);
        return 0;
    }
    return lx_ctl_main(argc, argv);
}

static int version(int argc, char **argv)
{
    bool asked = argc > 0 && wants_help(argc, argv);

    if (argc > 0) {
        fputs("usage: attache version\n", asked ? stdout : stderr);
        return asked ? 0 : EXIT_USAGE;
    }
    printf("%s, ESP-AT %s for %s\n", AT_VERSION_SDK, AT_VERSION_CORE, AT_VERSION_CHIP);
    return 0;
}

static int help(void)
{
    fputs("attache: an open ESP-AT module\n\n"
          "  attache [run] [options] [-- COMMAND...]   a module; --help lists the options\n"
          "  attache console [PORT]                    a terminal for an AT port\n"
          "  attache ctl PATH VERB...                  control a running module\n"
          "  attache air --air PATH [options]          an air that modules share\n"
          "  attache join --air PATH --ssid SSID ...   a plain computer in a shared air\n"
          "  attache commands [NAME | --markdown | --json]\n"
          "                                            the AT commands\n"
          "  attache flash VERB FILE...                make, read and change flash images\n"
          "  attache version\n\n"
          "Try `attache --console` and type AT.\n\n",
          stdout);
    lx_options_help(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*main)(int argc, char **argv);
    } verbs[] = {
        { "run", run },           { "console", console },     { "ctl", ctl },
        { "commands", commands }, { "flash", lx_flash_main }, { "version", version },
        { "air", air },           { "join", lx_join_main },
    };

    if (argc > 1 && wants_help(argc - 1, argv + 1))
        return help();
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return version(0, NULL);
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].main(argc - 2, argv + 2);
    }
    if (argc > 1 && argv[1][0] != '-') {
        fprintf(stderr,
                "attache: unknown command '%s': run, air, join, console, ctl, commands, flash or "
                "version\n",
                argv[1]);
        return EXIT_USAGE;
    }
    return run(argc - 1, argv + 1);
}
