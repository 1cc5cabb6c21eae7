/* The world file: what it says, and how it complains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "air/world.h"

static char error[512];
static at_world world;

static bool parse(const char *text)
{
    return at_world_parse(&world, "w.ini", text, strlen(text), error, sizeof error);
}

static void refused(const char *text, const char *expected)
{
    assert_false(parse(text));
    assert_string_equal(error, expected);
}

static void an_empty_file_is_the_guides_world(void **state)
{
    (void)state;
    assert_true(parse("# nothing\n"));
    assert_int_equal(world.ap_count, 1);
    assert_string_equal(world.aps[0].name, "espressif");
    assert_string_equal(world.aps[0].password, "1234567890");
    assert_int_equal(world.aps[0].auth, AT_AUTH_WPA2_PSK);
    assert_int_equal(world.aps[0].gateway, 0xC0A80301);
    assert_int_equal(world.aps[0].pool_first, 0xC0A80370);
    assert_int_equal(world.host_count, 3);
    assert_int_equal(world.hosts[1].address, 0xC0A80366);
    assert_int_equal(world.beacon_loss_ms, 6000);
}

static void sections_and_keys(void **state)
{
    (void)state;
    assert_true(parse("\xEF\xBB\xBF[world]\r\nseed = 7\r\nscan_ms=20\n"
                      "[ap home]\n  password = secret88\n  power = off ; not yet\n"
                      "[ap open air]\nssid = \" a ; b \"\nhidden = yes\nchannel=11\nrssi=-71\n"
                      "gateway = 10.1.2.1/28\nuplink = tap:tap0\nprotocols = bg\n"
                      "bssid = 02:00:00:00:00:99\nwps = on\n"
                      "[names]\nwww.example.org = 192.168.3.102\nsix = 2001:db8::1\n"
                      "[fault lossy]\nap = home\nloss = 5\nafter_ms = 100\n"
                      "[fault gone]\nkind = ap-off\narmed = no\n"
                      "[fault near]\nkind = bad_dns\nstation = 02:00:00:00:00:10\n"
                      "[host broker]\naddress = 192.168.3.50\n[world]\njoin_ms = 3\n"));
    assert_int_equal(world.seed, 7);
    assert_int_equal(world.join_ms, 3);
    assert_int_equal(world.ap_count, 2);
    assert_int_equal(world.aps[0].auth, AT_AUTH_WPA2_PSK);
    assert_false(world.aps[0].power);
    assert_int_equal(world.aps[1].ssid.len, 7);
    assert_memory_equal(world.aps[1].ssid.bytes, " a ; b ", 7);
    assert_int_equal(world.aps[1].auth, AT_AUTH_OPEN);
    assert_int_equal(world.aps[1].prefix, 28);
    assert_int_equal(world.aps[1].pool_first, 0x0A010202);
    assert_int_equal(world.aps[1].pool_last, 0x0A01020E);
    assert_int_equal(world.aps[1].uplink, AT_UPLINK_TAP);
    assert_string_equal(world.aps[1].tap, "tap0");
    assert_int_equal(world.aps[1].rssi, -71);
    assert_int_equal(world.name_count, 2);
    assert_int_equal(world.names[1].len, 16);
    assert_int_equal(world.names[1].address[0], 0x20);
    assert_int_equal(world.names[1].address[15], 1);
    assert_int_equal(world.faults[0].kind, AT_FAULT_LOSS);
    assert_int_equal(world.faults[0].value, 5);
    assert_true(world.faults[0].armed);
    assert_int_equal(world.faults[1].kind, AT_FAULT_AP_OFF);
    assert_false(world.faults[1].armed);
    assert_int_equal(world.host_count, 1);
}

static void errors_say_where_and_what_would_be_right(void **state)
{
    (void)state;
    refused("[fault a]\nkind = ap_off\nstation = 02:00:00:00:00:10\n",
            "w.ini:1: [fault a]: ap_off is of a whole access point");
    refused("[fault a]\nkind = bad_dns\nvalue = 7\n",
            "w.ini:1: [fault a]: bad_dns has values 0..6");
    refused("[ap a]\nuplink = tap:x\n[ap b]\nuplink = tap:x\n",
            "w.ini:3: [ap b] has the TAP of [ap a]: each needs its own");
    refused("[ap a]\nuplink = tap:a%d\n",
            "w.ini:2: [ap a] uplink = 'tap:a%d' is not none, slirp or tap:INTERFACE (a name of "
            "1..15 bytes)");
    refused(
        "[ap home]\nrssl = -40\n",
        "w.ini:2: unknown key 'rssl' in [ap home]; did you mean 'rssi'? known keys: ssid, bssid, "
        "channel, rssi, auth, password, pmf, protocols, wps, hidden, power, dhcp, isolate, "
        "country, gateway, prefix, pool, lease_s, uplink, ipv6, prefix6, max_stations, sae, "
        "sae_tokens");
    refused("[world]\nxyz = 1\n",
            "w.ini:2: unknown key 'xyz' in [world]; known keys: seed, scan_ms, "
            "join_ms, beacon_loss_ms");
    refused("[app home]\n", "w.ini:1: unknown section [app home]; known sections: [world], "
                            "[ap NAME], [host NAME], [names], [fault NAME]");
    refused("[ap]\n", "w.ini:1: section [ap] needs a name: [ap NAME]");
    refused("[world x]\n", "w.ini:1: section [world] takes no name");
    refused("channel = 6\n", "w.ini:1: key 'channel' before any section; known sections: [world], "
                             "[ap NAME], [host NAME], [names], [fault NAME]");
    refused("[ap a]\n[world]\n[ap a]\n", "w.ini:3: second section [ap a]; the first is at line 1");
    refused("[ap a]\nchannel = 6\nchannel = 7\n", "w.ini:3: key 'channel' given twice in [ap a]");
    refused("[ap a]\nchannel = 15\n", "w.ini:2: [ap a] channel = '15' is not a number of 1..14");
    refused("[ap a]\nhidden = maybe\n", "w.ini:2: [ap a] hidden = 'maybe' is not on or off");
    refused("[ap a]\n\npassword = short\n",
            "w.ini:1: [ap a]: password of 5 bytes; wpa2-psk wants 8..63, or 64 hexadecimal digits");
    refused("[ap a]\nauth = open\npassword = 12345678\n",
            "w.ini:1: [ap a] has a password, but auth = open takes none");
    refused("[ap a]\nauth = owe\npassword = 12345678\n",
            "w.ini:1: [ap a] has a password, but auth = owe takes none");
    refused("[ap a]\nauth = wpa3-psk\npassword = 1234567\n",
            "w.ini:1: [ap a]: password of 7 bytes; wpa3-psk wants 8..63");
    refused("[ap a]\nauth = wpa2-wpa3-psk\npassword = "
            "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
            "w.ini:1: [ap a]: password of 64 bytes; wpa2-wpa3-psk wants 8..63");
    refused("[ap a]\nauth = wpa3-psk\npassword = 12345678\npmf = capable\n",
            "w.ini:1: [ap a]: auth = wpa3-psk goes with pmf = required only");
    refused("[ap a]\nauth = wpa2-wpa3-psk\npassword = 12345678\npmf = off\n",
            "w.ini:1: [ap a]: auth = wpa2-wpa3-psk goes with pmf = capable or required");
    refused("[ap a]\nsae = no\n", "w.ini:2: [ap a] sae = 'no' is not both, h2e or looping");
    refused("[ap a]\ngateway = 1.2.3.4/33\n",
            "w.ini:2: [ap a] gateway = '1.2.3.4/33' is not an address, or an address with a prefix "
            "of 8..30, like 192.168.3.1/24");
    refused("[fault f]\nkind = loss\nvalue = 101\n",
            "w.ini:1: [fault f]: loss is in percent, 0..100");
    refused("[fault f]\nkind = loss\ndelay_ms = 101\n",
            "w.ini:3: [fault f]: 'delay_ms' does not go with kind = loss");
    refused("[fault f]\n", "w.ini:1: [fault f] has no kind = ...");
    refused("[fault f]\nkind = loss\nap = nowhere\n",
            "w.ini:1: [fault f]: there is no [ap nowhere]");
    refused("[host h]\n", "w.ini:1: [host h] has no address = ...");
    refused("[names]\na = 1.2.3\n",
            "w.ini:2: [names] a = '1.2.3' is neither an IPv4 nor an IPv6 address");
    refused("[names]\na = 1:2\n",
            "w.ini:2: [names] a = '1:2' is neither an IPv4 nor an IPv6 address");
    refused("[world\n", "w.ini:1: a section without its ']'");
    refused("[world]\nseed\n", "w.ini:2: neither [section], nor key = value, nor # comment");
    refused("[ap a]\nssid = \"x\n",
            "w.ini:2: a value that begins with a double quote must end with one");
    assert_false(at_world_parse(&world, "w.ini", "a\0b", 3, error, sizeof error));
    assert_string_equal(error, "w.ini:1: a zero byte; a world file is text");
}

static void tables_have_ends(void **state)
{
    char text[8192];
    int used = 0;

    (void)state;
    for (int i = 0; i < 17; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "[ap a%d]\n", i);
    assert_false(parse(text));
    assert_string_equal(error, "w.ini:17: more than 16 access points");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_is_the_guides_world),
        cmocka_unit_test(sections_and_keys),
        cmocka_unit_test(errors_say_where_and_what_would_be_right),
        cmocka_unit_test(tables_have_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
