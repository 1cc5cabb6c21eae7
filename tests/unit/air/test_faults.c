/* Each kind of fault, their triggers, and frames that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "fake.h"
#include "proto/ether.h"
#include "proto/udp.h"

static fake_station *with_address(fake_air *bench)
{
    fake_station *s = fake_radio(bench);

    assert_true(fake_join(s, "espressif", "1234567890"));
    assert_true(fake_dhcp(s));
    return s;
}

static void add(fake_air *bench, at_fault_kind kind, uint32_t value)
{
    at_world_fault fault = { .name = "f", .kind = kind, .value = value, .armed = true };

    assert_int_equal(at_air_add_fault(bench->air, &fault), AT_OK);
}

static int pings(fake_station *s, int count)
{
    int answers = 0;

    for (int i = 0; i < count; i++) {
        s->in_count = 0;
        fake_ping(s, FAKE_GATEWAY);
        answers += (int)s->in_count;
    }
    return answers;
}

static void loss_and_duplicates(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = with_address(bench);
    int answers;

    (void)state;
    add(bench, AT_FAULT_LOSS, 100);
    assert_int_equal(pings(s, 10), 0);
    add(bench, AT_FAULT_LOSS, 50);
    answers = pings(s, 1000);
    assert_in_range(answers, 200, 300);
    add(bench, AT_FAULT_DUPLICATE, 100);
    assert_int_equal(pings(s, 1), 4);
    assert_int_equal(at_air_fault(bench->air, "f", false), AT_OK);
    assert_int_equal(pings(s, 10), 10);
    assert_int_equal(at_air_fault(bench->air, "g", false), AT_ERR_NOT_FOUND);
    fake_stop(bench);
}

static void delay_keeps_the_order(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = with_address(bench);
    uint64_t start = bench->now_us;

    (void)state;
    add(bench, AT_FAULT_DELAY, 20);
    s->in_count = 0;
    fake_ping(s, FAKE_GATEWAY);
    assert_true(at_air_busy(bench->air));
    assert_int_equal(at_air_fault(bench->air, "f", false), AT_OK);
    fake_arp(s, FAKE_GATEWAY); /* not delayed any more, but it waits behind the ping */
    fake_run(bench, 19);
    assert_int_equal(s->in_count, 0);
    fake_run(bench, 1);
    assert_int_equal(s->in_count, 2);
    assert_int_equal(s->inbox[0].data[13], 0x00);
    assert_int_equal(s->inbox[1].data[13], 0x06);
    assert_false(at_air_busy(bench->air));
    assert_int_equal(bench->now_us - start, 20000);
    fake_stop(bench);
}

static void rate(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = with_address(bench);

    (void)state;
    add(bench, AT_FAULT_RATE, 1000); /* a ping has 50 bytes: 50 ms each way */
    s->in_count = 0;
    for (int i = 0; i < 10; i++)
        fake_ping(s, FAKE_GATEWAY);
    fake_run(bench, 499);
    assert_int_equal(s->in_count, 8);
    fake_run(bench, 51);
    assert_int_equal(s->in_count, 10);
    for (int i = 0; i < 20000; i++) /* the queue is bounded */
        fake_ping(s, FAKE_GATEWAY);
    assert_true(bench->heap.used < 4u << 20);
    fake_stop(bench);
}

static void half_open_leaves_the_association(void **state)
{
    fake_air *bench =
        fake_start("[fault dead]\nkind = half_open\narmed = no\n", AT_POLICY_OPEN, false);
    fake_station *s = with_address(bench);

    (void)state;
    assert_int_equal(pings(s, 3), 3);
    assert_int_equal(at_air_fault(bench->air, "dead", true), AT_OK);
    assert_int_equal(pings(s, 3), 0);
    fake_run(bench, 60000);
    assert_int_equal(s->beacon_lost + s->deauths, 0);
    assert_int_equal(at_air_fault(bench->air, "dead", false), AT_OK);
    assert_int_equal(pings(s, 3), 3);
    fake_stop(bench);
}

static void access_point_off_after_bytes(void **state)
{
    fake_air *bench =
        fake_start("[fault gone]\nkind = ap_off\nafter_bytes = 10000\n", AT_POLICY_OPEN, false);
    fake_station *s = with_address(bench);
    int answers = pings(s, 300);

    (void)state;
    assert_in_range(answers, 80, 95); /* 100 bytes each, and the lease before */
    fake_run(bench, 6000);
    fake_scan(s, 1, 0, "");
    assert_int_equal(s->found_count, 0);
    assert_int_equal(s->beacon_lost, 1);
    assert_true(fake_event(bench, "fault {\"name\":\"gone\",\"kind\":\"ap_off\",\"active\":true}"));
    assert_int_equal(at_air_fault(bench->air, "gone", false), AT_OK);
    fake_scan(s, 2, 0, "");
    assert_int_equal(s->found_count, 1);
    fake_stop(bench);
}

static void deauth_after_time(void **state)
{
    fake_air *bench =
        fake_start("[fault out]\nkind = deauth\nafter_ms = 5000\n", AT_POLICY_OPEN, false);
    fake_station *s = with_address(bench);

    (void)state;
    fake_run(bench, 5000);
    fake_scan(s, 1, 0, "");
    assert_int_equal(s->reason, AT_REASON_UNSPECIFIED);
    assert_true(fake_join(s, "espressif", "1234567890"));
    fake_run(bench, 60000);
    assert_int_equal(s->deauths, 1);
    fake_stop(bench);
}

static void dhcp_silent_and_wrong(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    assert_true(fake_join(s, "espressif", "1234567890"));
    add(bench, AT_FAULT_NO_DHCP, 0);
    assert_false(fake_dhcp(s));
    add(bench, AT_FAULT_BAD_DHCP, 0);
    assert_true(fake_dhcp(s));
    assert_int_equal(s->ip & 0xFFFFFF00, 0x0A636300);
    at_air_fault(bench->air, "f", false);
    s->ip = 0;
    assert_true(fake_dhcp(s));
    assert_int_equal(s->ip & 0xFFFFFF00, 0xC0A80300);
    fake_stop(bench);
}

static void no_association_no_handshake(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *s = fake_radio(bench);

    (void)state;
    add(bench, AT_FAULT_NO_ASSOC, 0);
    assert_false(fake_join(s, "espressif", "1234567890"));
    assert_int_equal(s->auth_status, 0);
    assert_int_equal(s->assoc_status, 0xFFFF);
    add(bench, AT_FAULT_NO_EAPOL, 0);
    assert_false(fake_join(s, "espressif", "1234567890"));
    assert_int_equal(s->assoc_status, 0);
    fake_run(bench, 4000);
    fake_scan(s, 1, 0, "");
    assert_int_equal(s->reason, AT_REASON_4WAY_TIMEOUT);
    fake_stop(bench);
}

static void faults_that_cannot_be(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    at_world_fault fault = { .name = "f", .kind = AT_FAULT_LOSS, .value = 101 };

    (void)state;
    assert_int_equal(at_air_add_fault(bench->air, &fault), AT_ERR_INVALID);
    fault.value = 1;
    memcpy(fault.ap, "nowhere", 8);
    assert_int_equal(at_air_add_fault(bench->air, &fault), AT_ERR_NOT_FOUND);
    fault.ap[0] = '\0';
    for (unsigned i = 0; i < AT_WORLD_FAULTS; i++) {
        fault.name[0] = (char)('0' + i);
        assert_int_equal(at_air_add_fault(bench->air, &fault), AT_OK);
    }
    fault.name[0] = 'x';
    assert_int_equal(at_air_add_fault(bench->air, &fault), AT_ERR_NOMEM);
    fake_stop(bench);
}

static void every_allocation_fails_once(void **state)
{
    bool failed = true;

    (void)state;
    for (uint64_t at = 1; failed; at++) {
        fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, true);
        fake_station *s = fake_radio(bench);
        at_forward forward = { .module_port = 80 };

        bench->heap.fail_at = bench->heap.calls + at;
        (void)at_air_add_forward(s->port, &forward);
        assert_true(fake_join(s, "espressif", "1234567890"));
        (void)fake_dhcp(s);
        s->ip = 0xC0A80370;
        fake_udp(s, 0xC0A80366, 1, 2, "x", 1);
        add(bench, AT_FAULT_DELAY, 1);
        fake_ping(s, FAKE_GATEWAY);
        fake_run(bench, 10);
        failed = bench->heap.calls >= bench->heap.fail_at;
        fake_stop(bench);
    }
}

static void one_link_of_two(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *a = with_address(bench), *b = with_address(bench);
    at_world_fault fault = {
        .name = "f", .kind = AT_FAULT_LOSS, .value = 100, .one_station = true, .armed = true
    };

    (void)state;
    memcpy(fault.station, a->mac, 6);
    assert_int_equal(at_air_add_fault(bench->air, &fault), AT_OK);
    assert_int_equal(pings(a, 10), 0);
    assert_int_equal(pings(b, 10), 10);
    fault.kind = AT_FAULT_DEAUTH;
    assert_int_equal(at_air_add_fault(bench->air, &fault), AT_OK);
    fake_run(bench, 0);
    fake_arp(b, FAKE_GATEWAY);
    assert_int_equal(a->deauths, 1);
    assert_int_equal(b->deauths, 0);
    fault.kind = AT_FAULT_NO_ASSOC;
    assert_int_equal(at_air_add_fault(bench->air, &fault), AT_OK);
    assert_false(fake_join(a, "espressif", "1234567890"));
    fault.kind = AT_FAULT_AP_OFF;
    assert_int_equal(at_air_add_fault(bench->air, &fault), AT_ERR_INVALID);
    fake_stop(bench);
}

static void strength_of_one_link(void **state)
{
    fake_air *bench = fake_start(NULL, AT_POLICY_OPEN, false);
    fake_station *a = with_address(bench), *b = with_address(bench);

    (void)state;
    assert_int_equal(at_air_link_rssi(bench->air, "espressif", a->mac, -80), AT_OK);
    fake_arp(a, FAKE_GATEWAY); /* takes in what came */
    assert_int_equal(a->rssi, -80);
    fake_scan(a, 1, 0, "");
    assert_int_equal(a->found[0].rssi, -80);
    fake_scan(b, 2, 0, "");
    assert_int_equal(b->found[0].rssi, -40);
    assert_int_equal(at_air_ap_rssi(bench->air, "espressif", -50), AT_OK);
    fake_scan(b, 3, 0, "");
    assert_int_equal(b->found[0].rssi, -50);
    fake_scan(a, 4, 0, "");
    assert_int_equal(a->found[0].rssi, -80);
    assert_int_equal(at_air_link_rssi(bench->air, "espressif", a->mac, 1), AT_ERR_INVALID);
    assert_int_equal(at_air_link_rssi(bench->air, "nobody", a->mac, -1), AT_ERR_NOT_FOUND);
    for (unsigned i = 0; i < 63; i++)
        assert_int_equal(at_air_link_rssi(bench->air, "espressif",
                                          (uint8_t[6]){ 2, 2, 2, 2, 2, (uint8_t)i }, -1),
                         AT_OK);
    assert_int_equal(at_air_link_rssi(bench->air, "espressif", b->mac, -1), AT_ERR_NOMEM);
    assert_int_equal(at_air_link_rssi(bench->air, "espressif", a->mac, -2), AT_OK);
    fake_stop(bench);
}

static const uint8_t question[] = { 0x12, 0x34, 1, 0,   0,   1, 0, 0, 0, 0,
                                    0,    0,    2, 'p', 'c', 0, 0, 1, 0, 1 };

/* Each answer is read; returns how many, and of the last one whether it has the host's address. */
static size_t dns_answers(fake_station *s, bool *right)
{
    at_ipv4 ip;
    at_udp udp;

    s->in_count = 0;
    fake_udp(s, FAKE_GATEWAY, 3333, 53, question, sizeof question);
    for (size_t i = 0; i < s->in_count; i++) {
        assert_true(fake_ip(s, i, &ip) && at_udp_parse(&udp, &ip));
        assert_true(udp.data_len > 12);
        *right = memcmp(udp.data + udp.data_len - 4, "\xC0\xA8\x03\x66", 4) == 0;
    }
    return s->in_count;
}

static void poisoned_names(void **state)
{
    fake_air *bench = fake_start("[host pc]\naddress = 192.168.3.102\n", AT_POLICY_OPEN, true);
    fake_station *s = with_address(bench);
    bool right = false;

    (void)state;
    assert_int_equal(dns_answers(s, &right), 1);
    assert_true(right);
    for (uint32_t kind = 1; kind < AT_BAD_DNS_COUNT; kind++) {
        add(bench, AT_FAULT_BAD_DNS, kind);
        assert_int_equal(dns_answers(s, &right), 1);
        assert_false(right);
    }
    add(bench, AT_FAULT_BAD_DNS, AT_BAD_DNS_SPOOFED);
    assert_int_equal(dns_answers(s, &right), 3);
    assert_true(right);
    fake_stop(bench);
}

/* Frames that begin like real ones and go wrong somewhere. */
static void garbage(void **state)
{
    static const uint16_t types[] = { 0x0800, 0x0806, 0x86DD, 0x888E, 0x88B5, 0x0001, 0x9000 };
    fake_air *bench = fake_start("[world]\nscan_ms = 1\njoin_ms = 1\n[ap espressif]\npassword = "
                                 "1234567890\n[ap open]\n[fault l]\nkind = delay\nvalue = 2\n",
                                 AT_POLICY_OPEN, true);
    fake_station *a = fake_radio(bench), *b = fake_wired(bench, "open");
    uint8_t frame[1600];
    const uint8_t gateway_mac[6] = { 0x52, 0x55, 192, 168, 3, 1 };

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        fake_station *s = i % 3 == 0 ? b : a;
        uint8_t dice[16];
        size_t len;
        uint16_t type;

        bench->random.fill(bench, dice, sizeof dice);
        len = (size_t)(dice[0] << 8 | dice[1]) % (dice[2] < 200 ? 120 : sizeof frame);
        bench->random.fill(bench, frame, sizeof frame);
        type = types[dice[3] % AT_COUNT(types)];
        at_ether_build(frame, dice[4] % 3 == 0 ? gateway_mac : bench->world.aps[dice[4] & 1].bssid,
                       s->mac, type);
        if (type == 0x88B5) {
            frame[14] = 1;
            frame[15] = (uint8_t)(dice[5] % 10);
        } else if (type == 0x0800) {
            at_ipv4 ip = { .from = 0xC0A80370,
                           .to = dice[5] & 1 ? FAKE_GATEWAY : 0xFFFFFFFF,
                           .protocol = dice[6] & 1   ? 17
                                       : dice[6] & 2 ? 6
                                                     : 1,
                           .ttl = 1,
                           .payload_len = dice[7] };
            (void)at_ipv4_build(&ip, frame + 14, 200);
            frame[36] = 0;
            frame[37] = dice[8] & 1 ? 67 : 53;
            frame[40] = frame[41] = 0;
        }
        at_air_input(s->port, frame, len);
        bench->uplink.count = 0;
        a->in_count = b->in_count = 0;
        if (i % 16 == 0)
            fake_run(bench, 1);
    }
    fake_stop(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_and_duplicates),
        cmocka_unit_test(delay_keeps_the_order),
        cmocka_unit_test(rate),
        cmocka_unit_test(half_open_leaves_the_association),
        cmocka_unit_test(access_point_off_after_bytes),
        cmocka_unit_test(deauth_after_time),
        cmocka_unit_test(dhcp_silent_and_wrong),
        cmocka_unit_test(no_association_no_handshake),
        cmocka_unit_test(faults_that_cannot_be),
        cmocka_unit_test(one_link_of_two),
        cmocka_unit_test(strength_of_one_link),
        cmocka_unit_test(poisoned_names),
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(garbage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
