/* An access point with a TAP: what goes out, what comes in, and what it still does itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "fake.h"
#include "proto/ether.h"

#define KERNEL  0xC0A80302u /* 192.168.3.2, on the network behind the TAP */
#define OUTSIDE 0x08080808u

#define LAB "[ap lab]\nuplink = tap:tap0\n"

static const uint8_t everybody[6] = { 255, 255, 255, 255, 255, 255 };
static const uint8_t somebody[6] = { 0x02, 0xEE, 0, 0, 0, 1 };

static fake_air *start(const char *world, at_policy policy)
{
    fake_air *bench = fake_start(world, policy, true);
    char error[256];

    assert_true(at_air_open_bridges(bench->air, error, sizeof error));
    return bench;
}

static fake_station *joined(fake_air *bench)
{
    fake_station *s = fake_radio(bench);

    assert_true(fake_join(s, "lab", ""));
    s->in_count = 0;
    return s;
}

/* A frame of an EtherType that nobody here knows. */
static size_t frame_to(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint16_t type)
{
    at_ether_build(frame, to, from, type);
    memset(frame + AT_ETHER_HEADER, 0x55, 50);
    return AT_ETHER_HEADER + 50;
}

static void send_to(fake_station *s, const uint8_t to[6])
{
    uint8_t frame[64];

    fake_send(s, frame, frame_to(frame, to, s->mac, 0x9000));
}

static void network_sends(fake_air *bench, const uint8_t to[6], uint16_t type)
{
    uint8_t frame[64];

    bench->uplink.config.deliver(bench->uplink.config.owner, frame,
                                 frame_to(frame, to, somebody, type));
}

static void one_bridge_for_all(void **state)
{
    fake_air *bench = start(LAB, AT_POLICY_OPEN);
    fake_station *one = joined(bench), *two = joined(bench);

    (void)state;
    assert_int_equal(bench->uplink.opened, 1);
    assert_string_equal(bench->uplink.config.tap, "tap0");
    send_to(one, somebody); /* unknown here */
    assert_int_equal(bench->uplink.count, 1);
    assert_int_equal(two->in_count, 0);
    send_to(one, two->mac);
    assert_int_equal(bench->uplink.count, 1);
    assert_int_equal(two->in_count, 1);
    send_to(one, everybody);
    assert_int_equal(bench->uplink.count, 2);
    assert_int_equal(two->in_count, 2);
    send_to(one, bench->world.aps[0].bssid); /* has no address, so nobody is there */
    assert_int_equal(bench->uplink.count, 2);
    fake_stop(bench);
}

static void what_comes_in(void **state)
{
    fake_air *bench = start(LAB, AT_POLICY_OPEN);
    fake_station *one = joined(bench), *two = joined(bench);
    uint8_t runt[8] = { 0 };

    (void)state;
    network_sends(bench, one->mac, 0x9000);
    assert_int_equal(one->in_count, 1);
    assert_int_equal(two->in_count, 0);
    network_sends(bench, everybody, 0x9000);
    assert_int_equal(one->in_count, 2);
    assert_int_equal(two->in_count, 1);
    network_sends(bench, somebody, 0x9000);
    network_sends(bench, everybody, AT_ETHERTYPE_MGMT);
    network_sends(bench, one->mac, 0x888E);
    bench->uplink.config.deliver(bench->uplink.config.owner, runt, sizeof runt);
    assert_int_equal(one->in_count, 2);
    assert_int_equal(two->in_count, 1);
    fake_stop(bench);
}

static void isolation_keeps_the_network(void **state)
{
    fake_air *bench = start(LAB "isolate = on\n", AT_POLICY_OPEN);
    fake_station *one = joined(bench), *two = joined(bench);

    (void)state;
    send_to(one, two->mac);
    send_to(one, everybody);
    assert_int_equal(two->in_count, 0);
    assert_int_equal(bench->uplink.count, 1);
    fake_stop(bench);
}

static void dhcp_is_the_networks_unless_asked_for(void **state)
{
    fake_air *bench = start(LAB, AT_POLICY_OPEN);
    fake_station *s = joined(bench);

    (void)state;
    assert_false(fake_dhcp(s));
    assert_true(bench->uplink.count > 0);
    fake_stop(bench);

    bench = start(LAB "dhcp = on\n", AT_POLICY_OPEN);
    s = joined(bench);
    assert_true(fake_dhcp(s));
    assert_int_equal(bench->uplink.count, 0); /* no message of it went out */
    fake_ping(s, FAKE_GATEWAY);
    assert_int_equal(bench->uplink.count, 1);
    assert_int_equal(s->in_count, 0);
    fake_stop(bench);
}

static void servers_that_are_lost(void **state)
{
    fake_air *bench =
        start(LAB "[fault a]\nkind = no_dhcp\n[fault b]\nkind = no_dns\n", AT_POLICY_OPEN);
    fake_station *s = joined(bench);

    (void)state;
    s->ip = 0xC0A80370u;
    fake_udp(s, AT_IPV4_BROADCAST, 68, 67, "discover", 8);
    fake_udp(s, KERNEL, 5000, 53, "query", 5);
    assert_int_equal(bench->uplink.count, 0);
    fake_udp(s, KERNEL, 5000, 54, "other", 5);
    assert_int_equal(bench->uplink.count, 1);
    fake_stop(bench);
}

static void ipv6(fake_station *s, const uint8_t to[16])
{
    uint8_t frame[AT_ETHER_HEADER + 40] = { 0 };

    at_ether_build(frame, somebody, s->mac, AT_ETHERTYPE_IPV6);
    frame[AT_ETHER_HEADER] = 0x60;
    frame[AT_ETHER_HEADER + 6] = AT_IPPROTO_UDP;
    memcpy(frame + AT_ETHER_HEADER + 8, (uint8_t[16]){ 0xFE, 0x80, [15] = 7 }, 16);
    memcpy(frame + AT_ETHER_HEADER + 24, to, 16);
    fake_send(s, frame, sizeof frame);
}

static void local_is_the_access_points_network(void **state)
{
    fake_air *bench = start(LAB, AT_POLICY_LOCAL);
    fake_station *s = joined(bench);
    at_ipv4 ip;

    (void)state;
    s->ip = 0xC0A80370u;
    fake_udp(s, KERNEL, 5000, 9, "near", 4);
    fake_udp(s, 0xC0A803FFu, 5000, 9, "all", 3);
    fake_udp(s, 0xEFFFFFFAu, 5000, 9, "group", 5);
    assert_int_equal(bench->uplink.count, 3);
    fake_udp(s, OUTSIDE, 5000, 9, "far", 3);
    assert_int_equal(bench->uplink.count, 3);
    assert_true(fake_ip(s, 0, &ip));
    assert_int_equal(ip.protocol, AT_IPPROTO_ICMP);
    ipv6(s, (uint8_t[16]){ 0xFE, 0x80, 1 });
    ipv6(s, (uint8_t[16]){ 0xFF, 0x02, 1 });
    assert_int_equal(bench->uplink.count, 5);
    ipv6(s, (uint8_t[16]){ 0xFD, 0, 0x01, 0x92, 0x01, 0x68, 0, 0x03, [15] = 9 });
    assert_int_equal(bench->uplink.count, 6);
    s->in_count = 0;
    ipv6(s, (uint8_t[16]){ 0x20, 0x01, 1 });
    assert_int_equal(s->in_count, 1); /* an ICMP error */
    ipv6(s, (uint8_t[16]){ 0xFF, 0x0E, 1 });
    assert_int_equal(bench->uplink.count, 6);
    fake_stop(bench);
}

/* What cannot be judged does not leave: a tag would hide where a packet goes. */
static void local_has_no_back_door(void **state)
{
    fake_air *bench = start(LAB, AT_POLICY_LOCAL);
    fake_station *one = joined(bench), *two = joined(bench);
    uint8_t frame[64];

    (void)state;
    fake_send(one, frame, frame_to(frame, somebody, one->mac, 0x8100));  /* a VLAN's */
    fake_send(one, frame, frame_to(frame, everybody, one->mac, 0x8863)); /* PPPoE */
    assert_int_equal(bench->uplink.count, 0);
    assert_int_equal(two->in_count, 1); /* among stations everything passes */
    fake_send(one, frame, frame_to(frame, everybody, one->mac, AT_ETHERTYPE_ARP));
    assert_int_equal(bench->uplink.count, 1);
    fake_stop(bench);
}

static void none_is_an_access_point_without_uplink(void **state)
{
    fake_air *bench = start(LAB, AT_POLICY_NONE);
    fake_station *s = joined(bench);
    at_ipv4 ip;

    (void)state;
    assert_int_equal(bench->uplink.opened, 0);
    assert_true(fake_logged(bench, "policy is none"));
    assert_true(fake_dhcp(s));
    s->in_count = 0;
    fake_ping(s, FAKE_GATEWAY);
    assert_true(fake_ip(s, 0, &ip));
    fake_stop(bench);
}

static void forwards_are_not_needed(void **state)
{
    fake_air *bench = start(LAB "dhcp = on\n", AT_POLICY_OPEN);
    fake_station *s = joined(bench);
    const at_forward forward = { .host_port = 8080, .module_port = 80 };

    (void)state;
    assert_int_equal(at_air_add_forward(s->port, &forward), AT_OK);
    assert_true(fake_dhcp(s));
    assert_true(fake_logged(bench, "module's own address"));
    assert_true(fake_event(bench, "\"error\":true"));
    fake_stop(bench);
}

static void no_tap_no_start(void **state)
{
    fake_air *bench = fake_start(LAB, AT_POLICY_OPEN, false);
    char error[256] = "";

    (void)state;
    assert_true(at_air_open_bridges(bench->air, error, sizeof error)); /* it has no uplink */
    fake_stop(bench);
    bench = fake_start(LAB, AT_POLICY_OPEN, true);
    at_air_destroy(bench->air);
    bench->air = at_air_create(&(at_air_config){ .loop = &bench->loop,
                                                 .heap = &bench->heap,
                                                 .log = &bench->log,
                                                 .random = &bench->random,
                                                 .world = &bench->world });
    assert_false(at_air_open_bridges(bench->air, error, sizeof error));
    assert_string_equal(error, "[ap lab] uplink = tap:tap0: TAP is not built in");
    fake_stop(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bridge_for_all),
        cmocka_unit_test(what_comes_in),
        cmocka_unit_test(isolation_keeps_the_network),
        cmocka_unit_test(dhcp_is_the_networks_unless_asked_for),
        cmocka_unit_test(servers_that_are_lost),
        cmocka_unit_test(local_is_the_access_points_network),
        cmocka_unit_test(local_has_no_back_door),
        cmocka_unit_test(none_is_an_access_point_without_uplink),
        cmocka_unit_test(forwards_are_not_needed),
        cmocka_unit_test(no_tap_no_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
