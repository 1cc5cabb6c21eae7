/* Management frames: every type there and back, ranges, padding, garbled input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "mutate.h"
#include "proto/mgmt.h"

static at_mgmt sample(at_mgmt_type type)
{
    at_mgmt m;

    memset(&m, 0, sizeof m);
    m.type = type;
    memset(m.from, 0x02, 6);
    memset(m.to, 0xFF, 6);
    switch (type) {
    case AT_MGMT_SCAN:
        m.scan.token = 7;
        m.scan.channel = 14;
        m.scan.passive = true;
        m.scan.ssid = (at_ssid){ 4, "home" };
        break;
    case AT_MGMT_BEACON:
        m.beacon.token = 7;
        m.beacon.bss = (at_bss){ { 2, 0, 0, 0, 0, 9 },
                                 { 32, "01234567890123456789012345678901" },
                                 6,
                                 -61,
                                 AT_AUTH_WPA2_PSK,
                                 AT_CIPHER_CCMP,
                                 AT_CIPHER_TKIP,
                                 7,
                                 1,
                                 1,
                                 "CN",
                                 AT_SAE_H2E };
        break;
    case AT_MGMT_SCAN_DONE: m.scan_done.token = 9; break;
    case AT_MGMT_AUTH:
        m.auth.algorithm = AT_AUTH_ALG_SAE;
        m.auth.sequence = 2;
        m.auth.status = AT_STATUS_AUTH_ALGORITHM;
        m.auth.len = AT_AUTH_BODY_MAX;
        memset(m.auth.body, 0x5A, sizeof m.auth.body);
        break;
    case AT_MGMT_ASSOC:
        m.assoc.ssid = (at_ssid){ 9, "espressif" };
        m.assoc.auth = AT_AUTH_OWE;
        m.assoc.pmf = 3;
        m.assoc.protocols = 7;
        m.assoc.listen_interval = 100;
        m.assoc.has_pmkid = true;
        memset(m.assoc.pmkid, 0x77, sizeof m.assoc.pmkid);
        m.assoc.dh.group = 19;
        memset(m.assoc.dh.key, 0x66, sizeof m.assoc.dh.key);
        break;
    case AT_MGMT_ASSOC_ANSWER:
        m.assoc_answer.status = AT_STATUS_AP_FULL;
        m.assoc_answer.aid = 2007;
        m.assoc_answer.dh.group = 19;
        memset(m.assoc_answer.dh.key, 0x55, sizeof m.assoc_answer.dh.key);
        break;
    case AT_MGMT_DEAUTH: m.deauth.reason = AT_REASON_4WAY_TIMEOUT; break;
    case AT_MGMT_SA_QUERY:
        m.sa_query.answer = true;
        m.sa_query.id = 0xABCD;
        m.sa_query.protection.on = true;
        m.sa_query.protection.number = 0x123456789ABC;
        memset(m.sa_query.protection.mic, 0x44, AT_MGMT_MIC_LEN);
        break;
    case AT_MGMT_QUALITY: m.quality.rssi = -128; break;
    case AT_MGMT_ANNOUNCE:
        m.announce.on = true;
        m.announce.hidden = true;
        m.announce.bss = sample(AT_MGMT_BEACON).beacon.bss;
        break;
    case AT_MGMT_BEACON_LOST:
    case AT_MGMT_KEYS:
    case AT_MGMT_STATION_LOST: break;
    }
    return m;
}

static void there_and_back(void **state)
{
    (void)state;
    for (unsigned type = AT_MGMT_SCAN; type <= AT_MGMT_SA_QUERY; type++) {
        at_mgmt m = sample((at_mgmt_type)type), got;
        uint8_t frame[AT_MGMT_FRAME_MAX];
        size_t len = at_mgmt_encode(&m, frame, sizeof frame);

        assert_true(len >= 16);
        assert_true(at_mgmt_decode(&got, frame, len));
        assert_memory_equal(&got, &m, sizeof m);
        for (size_t cut = 0; cut < len; cut++) {
            assert_false(at_mgmt_decode(&got, frame, cut));
            assert_int_equal(at_mgmt_encode(&m, frame, cut), 0);
        }
        at_mgmt_encode(&m, frame, sizeof frame);
        memset(frame + len, 0, sizeof frame - len); /* Ethernet padding */
        assert_true(at_mgmt_decode(&got, frame, sizeof frame));
    }
}

static void out_of_range(void **state)
{
    uint8_t frame[AT_MGMT_FRAME_MAX];
    at_mgmt m;

    (void)state;
#define REFUSED(kind, change)                                         \
    do {                                                              \
        m = sample(kind);                                             \
        change;                                                       \
        assert_int_equal(at_mgmt_encode(&m, frame, sizeof frame), 0); \
    } while (0)
    REFUSED(AT_MGMT_SCAN, m.type = (at_mgmt_type)0);
    REFUSED(AT_MGMT_SCAN, m.type = (at_mgmt_type)(AT_MGMT_SA_QUERY + 1));
    REFUSED(AT_MGMT_SCAN, m.scan.channel = 15);
    REFUSED(AT_MGMT_SCAN, m.scan.ssid.len = 33);
    REFUSED(AT_MGMT_BEACON, m.beacon.bss.ssid.len = 33);
    REFUSED(AT_MGMT_BEACON, m.beacon.bss.channel = 0);
    REFUSED(AT_MGMT_BEACON, m.beacon.bss.channel = 15);
    REFUSED(AT_MGMT_BEACON, m.beacon.bss.auth = AT_AUTH_MODES);
    REFUSED(AT_MGMT_BEACON, m.beacon.bss.pairwise = AT_CIPHER_UNKNOWN + 1);
    REFUSED(AT_MGMT_BEACON, m.beacon.bss.group = 255);
    REFUSED(AT_MGMT_BEACON, m.beacon.bss.country[2] = 'X');
    REFUSED(AT_MGMT_BEACON, m.beacon.bss.sae = 4);
    REFUSED(AT_MGMT_AUTH, m.auth.len = AT_AUTH_BODY_MAX + 1);
    REFUSED(AT_MGMT_DEAUTH, m.deauth.protection.number = 1ull << 48);
    REFUSED(AT_MGMT_ASSOC, m.assoc.ssid.len = 33);
    REFUSED(AT_MGMT_ASSOC, m.assoc.auth = AT_AUTH_MODES);
}

static void names(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < AT_AUTH_MODES; mode++)
        assert_string_not_equal(at_auth_mode_name(mode), "?");
    assert_string_equal(at_auth_mode_name(AT_AUTH_WPA2_PSK), "WPA2_PSK");
    assert_string_equal(at_auth_mode_name(AT_AUTH_MODES), "?");
}

static void garbled(void **state)
{
    uint32_t seed = 2;

    (void)state;
    for (unsigned turn = 0; turn < MUTATIONS; turn++) {
        at_mgmt m = sample((at_mgmt_type)(1 + turn % AT_MGMT_SA_QUERY)), got;
        uint8_t frame[AT_MGMT_FRAME_MAX], back[AT_MGMT_FRAME_MAX], *exact;
        size_t len = mutate(&seed, frame, at_mgmt_encode(&m, frame, sizeof frame));

        exact = malloc(len + 1);
        memcpy(exact, frame, len);
        /* What is accepted is in range, so it encodes again. */
        if (at_mgmt_decode(&got, exact, len))
            assert_true(at_mgmt_encode(&got, back, sizeof back) <= len);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(out_of_range),
        cmocka_unit_test(names),
        cmocka_unit_test(garbled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
