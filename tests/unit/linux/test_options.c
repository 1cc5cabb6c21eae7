/* Options of the run command, and the forwards among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/cmd.h"
#include "ports/linux/options.h"

static lx_options o;
static char error[512];
static char *argv[32]; /* the options point into it */

#define PARSE(...) \
    parse((char *[]){ __VA_ARGS__ }, (int)(sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)))

static bool parse(char **words, int count)
{
    assert_true(count < 32);
    memcpy(argv, words, (size_t)count * sizeof *words);
    argv[count] = NULL;
    error[0] = '\0';
    return lx_options_parse(&o, count, argv, error, sizeof error);
}

/* The text names the option and says what would be right. */
static void refused(bool good, const char *option, const char *hint)
{
    assert_false(good);
    if (strstr(error, option) == NULL || strstr(error, hint) == NULL)
        fail_msg("'%s' should name %s and say '%s'", error, option, hint);
    assert_null(strchr(error, '\n'));
}

static void defaults_are_the_parts(void **state)
{
    static const uint8_t mac[6] = LX_DEFAULT_MAC;

    (void)state;
    assert_true(lx_options_parse(&o, 0, NULL, error, sizeof error));
    assert_int_equal(o.port, LX_PORT_PTY);
    assert_null(o.port_arg);
    assert_int_equal(o.policy, AT_POLICY_OPEN);
    assert_int_equal(o.log_level, AT_LOG_WARN);
    assert_memory_equal(o.mac, mac, 6);
    assert_int_equal(o.heap, 0);
    assert_int_equal(o.window, 0);
    assert_int_equal(o.builds, 0);
    assert_false(o.seed_given || o.pace || o.help);
    assert_null(o.command);
}

static void every_option_is_taken(void **state)
{
    static const uint8_t mac[6] = { 0x02, 0, 0, 0xaa, 0xbb, 0xcc };

    (void)state;
    assert_true(PARSE("--listen", "4000", "--module", "esp32c2-2mb", "--flash", "f", "--world",
                      "w.ini", "--policy", "local", "--mac", "02:00:00:AA:bb:cc", "--seed=7",
                      "--pcap", "p", "--wire-log=w", "--log", "debug", "--log-file", "l", "--heap",
                      "100000", "--window", "64240", "--guard", "50", "--pace"));
    assert_int_equal(o.port, LX_PORT_LISTEN);
    assert_string_equal(o.port_arg, "4000");
    assert_int_equal(o.builds, AT_IN_2MB);
    assert_int_equal(o.flash_size, 2 << 20);
    assert_string_equal(o.world, "w.ini");
    assert_int_equal(o.policy, AT_POLICY_LOCAL);
    assert_memory_equal(o.mac, mac, 6);
    assert_true(o.seed_given && o.seed == 7 && o.pace);
    assert_string_equal(o.wire_log, "w");
    assert_int_equal(o.log_level, AT_LOG_DEBUG);
    assert_int_equal(o.heap, 100000);
    assert_int_equal(o.window, 64240);
    assert_int_equal(o.guard_ms, 50);
    assert_true(PARSE("--data-timeout", "3000", "--ctl", "c", "--help"));
    assert_int_equal(o.data_timeout_ms, 3000);
    assert_string_equal(o.ctl, "c");
    assert_true(o.help);
}

static void the_link_of_a_pty_is_optional(void **state)
{
    (void)state;
    assert_true(PARSE("--pty"));
    assert_null(o.port_arg);
    assert_true(PARSE("--pty", "--pace"));
    assert_null(o.port_arg);
    assert_true(o.pace);
    assert_true(PARSE("--pty", "/tmp/link", "--pace"));
    assert_string_equal(o.port_arg, "/tmp/link");
    assert_true(PARSE("--pty=/tmp/link"));
    assert_string_equal(o.port_arg, "/tmp/link");
    assert_true(PARSE("--pty", "--", "true"));
    assert_null(o.port_arg);
    assert_string_equal(o.command[0], "true");
}

static void a_command_keeps_its_own_options(void **state)
{
    (void)state;
    assert_true(PARSE("--pace", "--", "pytest", "--seed", "x", "--"));
    assert_string_equal(o.command[0], "pytest");
    assert_string_equal(o.command[3], "--");
    assert_null(o.command[4]);
    refused(PARSE("--pace", "--"), "--", "command");
    refused(PARSE("--stdio", "--", "true"), "COMMAND", "--pty");
    refused(PARSE("pytest"), "pytest", "--");
}

static void errors_say_what_would_be_right(void **state)
{
    (void)state;
    refused(PARSE("--speed"), "--speed", "--help");
    refused(PARSE("--mac"), "--mac", "MAC");
    refused(PARSE("--mac", "1:2:3"), "--mac", "1a:fe:35:98:d3:7b");
    refused(PARSE("--mac", "01:00:00:00:00:01"), "--mac", "even");
    refused(PARSE("--policy", "closed"), "--policy", "open, local or none");
    refused(PARSE("--seed", "0"), "--seed", "from 1");
    refused(PARSE("--seed", "1x"), "--seed", "number");
    refused(PARSE("--window", "100"), "--window", "2880");
    refused(PARSE("--window", "-1"), "--window", "2880");
    refused(PARSE("--heap", "99999999999"), "--heap", "1073741824");
    refused(PARSE("--guard", "0"), "--guard", "from 1");
    refused(PARSE("--log", "loud"), "--log", "debug");
    refused(PARSE("--module", "esp32"), "--module", "esp32c2-4mb");
    refused(PARSE("--pace=1"), "--pace", "no value");
    refused(PARSE("--pcap="), "--pcap", "FILE");
    refused(PARSE("--pty", "--stdio"), "--stdio", "only one");
    refused(PARSE("--listen", "70000"), "--listen", "65535");
    refused(PARSE("--listen", "a:b:c"), "--listen", "65535");
}

static void forwards(void **state)
{
    char *many[66];

    (void)state;
    assert_true(PARSE("--forward", "8080:80", "--forward", "udp:10.0.0.1:0:5000", "--forward",
                      "127.0.0.2:22:2222"));
    assert_int_equal(o.forward_count, 3);
    assert_false(o.forwards[0].udp);
    assert_int_equal(o.forwards[0].host_addr, 0x7f000001);
    assert_int_equal(o.forwards[0].host_port, 8080);
    assert_int_equal(o.forwards[0].module_port, 80);
    assert_true(o.forwards[1].udp);
    assert_int_equal(o.forwards[1].host_addr, 0x0a000001);
    assert_int_equal(o.forwards[1].host_port, 0);
    assert_int_equal(o.forwards[1].module_port, 5000);
    assert_int_equal(o.forwards[2].host_addr, 0x7f000002);
    refused(PARSE("--forward", "80"), "--forward", "HOSTPORT:MODULEPORT");
    refused(PARSE("--forward", "80:"), "--forward", "HOSTPORT:MODULEPORT");
    refused(PARSE("--forward", "1:70000"), "--forward", "65535");
    refused(PARSE("--forward", "80:0"), "--forward", "1..65535");
    refused(PARSE("--forward", "sctp:1:2"), "--forward", "IPv4");
    for (size_t i = 0; i < 66; i += 2) {
        many[i] = "--forward";
        many[i + 1] = "0:80";
    }
    assert_false(lx_options_parse(&o, 66, many, error, sizeof error));
    assert_non_null(strstr(error, "32"));
}

static void help_names_every_option(void **state)
{
    char text[8192];
    FILE *to = fmemopen(text, sizeof text, "w");

    (void)state;
    assert_non_null(to);
    lx_options_help(to);
    fclose(to);
    assert_non_null(strstr(text, "--forward"));
    assert_non_null(strstr(text, "--pty [LINK]"));
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
        assert_true(end - line <= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_parts),
        cmocka_unit_test(every_option_is_taken),
        cmocka_unit_test(the_link_of_a_pty_is_optional),
        cmocka_unit_test(a_command_keeps_its_own_options),
        cmocka_unit_test(errors_say_what_would_be_right),
        cmocka_unit_test(forwards),
        cmocka_unit_test(help_names_every_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
