/* The four-way handshake: published vectors, both ends against each other, and everything between
 * them going wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "crypto/hash.h"
#include "proto/eapol.h"

static const uint8_t ap_mac[6] = { 2, 0, 0, 0, 0, 1 }, station_mac[6] = { 2, 0, 0, 0, 0, 2 };
static const at_group_keys group = {
    { 'g', 'r', 'o', 'u', 'p', ' ', 'k', 'e', 'y', 1, 2, 3, 4, 5, 6, 7 },
    { 'o', 'f', ' ', 'm', 'g', 'm', 't', ' ', 'f', 'r', 'a', 'm', 'e', 's', 8, 9 },
};

/* What the tests are run with, each with the numbers that follow from it. */
typedef struct kind {
    at_bss bss;
    uint8_t wanted, pmf;
    bool pmkid;
    size_t data[4]; /* key data of messages 1 to 4 */
} kind;

static const kind kinds[] = {
    { { .auth = AT_AUTH_WPA2_PSK }, AT_AUTH_WPA2_PSK, 0, false, { 0, 22, 56, 0 } },
    { { .auth = AT_AUTH_WPA2_PSK, .pmf = 1 }, AT_AUTH_WPA2_PSK, 1, false, { 0, 28, 96, 0 } },
    { { .auth = AT_AUTH_WPA3_PSK, .pmf = 3, .sae = 3 },
      AT_AUTH_WPA3_PSK,
      1,
      true,
      { 22, 28 + 16 + 3, 96, 0 } },
    { { .auth = AT_AUTH_WPA2_WPA3_PSK, .pmf = 1, .sae = 1 },
      AT_AUTH_WPA3_PSK,
      3,
      true,
      { 22, 28 + 16, 96, 0 } },
    { { .auth = AT_AUTH_OWE, .pmf = 3 }, AT_AUTH_OWE, 1, false, { 0, 28, 96, 0 } },
};
static const kind *now = &kinds[0];

typedef struct pair {
    at_eapol ap, station;
    uint8_t frame[AT_EAPOL_FRAME_MAX], reply[AT_EAPOL_FRAME_MAX];
    size_t len, reply_len;
} pair;

/* Message 1 is in p->frame afterwards. */
static void start(pair *p, const char *ap_word, const char *station_word)
{
    static const uint8_t pmkid[AT_PMKID_LEN] = { 0xAB, 0xCD };
    uint8_t pmk[AT_PMK_LEN], nonce[AT_NONCE_LEN];
    at_suite suite;
    at_reader word;

    memset(p, 0, sizeof *p);
    at_suite_make(&suite, &now->bss, now->wanted, now->pmf, now->pmkid ? pmkid : NULL);
    word = at_reader_of(ap_word, strlen(ap_word));
    memset(pmk, 0x55, sizeof pmk);
    at_get_copy(&word, pmk, strlen(ap_word));
    memset(nonce, 0xA1, sizeof nonce);
    p->len = at_eapol_start_authenticator(&p->ap, ap_mac, station_mac, &suite, pmk, nonce, &group,
                                          p->frame);
    word = at_reader_of(station_word, strlen(station_word));
    memset(pmk, 0x55, sizeof pmk);
    at_get_copy(&word, pmk, strlen(station_word));
    memset(nonce, 0x52, sizeof nonce);
    at_eapol_start_supplicant(&p->station, station_mac, ap_mac, &suite, pmk, nonce);
}

/* Gives p->frame to one end and moves its reply into p->frame. */
static at_eapol_step give(pair *p, at_eapol *to)
{
    at_eapol_step step = at_eapol_input(to, p->frame, p->len, p->reply, &p->reply_len);

    memcpy(p->frame, p->reply, p->reply_len);
    p->len = p->reply_len;
    return step;
}

static void pmk_vectors(void **state)
{
    static const uint8_t ieee[] = {
        0xf4, 0x2c, 0x6f, 0xc5, 0x2d, 0xf0, 0xeb, 0xef, 0x9e, 0xbb, 0x4b,
        0x90, 0xb3, 0x8a, 0x5f, 0x90, 0x2e, 0x83, 0xfe, 0x1b, 0x13, 0x5a,
        0x70, 0xe2, 0x3a, 0xed, 0x76, 0x2e, 0x97, 0x10, 0xa1, 0x2e,
    };
    static const uint8_t assid[] = {
        0x0d, 0xc0, 0xd6, 0xeb, 0x90, 0x55, 0x5e, 0xd6, 0x41, 0x97, 0x56,
        0xb9, 0xa1, 0x5e, 0xc3, 0xe3, 0x20, 0x9b, 0x63, 0xdf, 0x70, 0x7d,
        0xd5, 0x08, 0xd1, 0x45, 0x81, 0xf8, 0x98, 0x27, 0x21, 0xaf,
    };
    uint8_t pmk[AT_PMK_LEN];

    (void)state;
    assert_true(at_pmk_from_passphrase("password", (const uint8_t *)"IEEE", 4, pmk));
    assert_memory_equal(pmk, ieee, sizeof pmk);
    assert_true(at_pmk_from_passphrase("ThisIsAPassword", (const uint8_t *)"ThisIsASSID", 11, pmk));
    assert_memory_equal(pmk, assid, sizeof pmk);
}

static void pmk_bounds(void **state)
{
    const uint8_t *ssid = (const uint8_t *)"0123456789012345678901234567890123";
    char text[66];
    uint8_t pmk[AT_PMK_LEN];

    (void)state;
    memset(text, 'a', sizeof text);
    for (size_t len = 0; len < sizeof text; len++) {
        text[len] = '\0';
        assert_int_equal(at_pmk_from_passphrase(text, ssid, 4, pmk), len >= 8 && len <= 64);
        text[len] = 'a';
    }
    text[64] = '\0';
    assert_int_equal(pmk[0], 0xAA);
    text[63] = 'g';
    assert_false(at_pmk_from_passphrase(text, ssid, 4, pmk));
    assert_false(at_pmk_from_passphrase("12345678", ssid, 0, pmk));
    assert_true(at_pmk_from_passphrase("12345678", ssid, 32, pmk));
    assert_false(at_pmk_from_passphrase("12345678", ssid, 33, pmk));
    assert_false(at_pmk_from_passphrase("1234567\t", ssid, 4, pmk));
}

static void prf_vectors(void **state)
{
    static const uint8_t expected[] = {
        0xbc, 0xd4, 0xc6, 0x50, 0xb3, 0x0b, 0x96, 0x84, 0x95, 0x18, 0x29,
        0xe0, 0xd7, 0x5f, 0x9d, 0x54, 0xb8, 0x62, 0x17, 0x5e, 0xd9, 0xf0,
        0x06, 0x06, 0xe1, 0x7d, 0x8d, 0xa3, 0x54, 0x02, 0xff, 0xee,
    };
    static const uint8_t jefe[] = {
        0x51, 0xf4, 0xde, 0x5b, 0x33, 0xf2, 0x49, 0xad,
        0xf8, 0x1a, 0xeb, 0x71, 0x3a, 0x3c, 0x20, 0xf4,
    };
    uint8_t key[20], out[32];

    (void)state;
    memset(key, 0x0b, sizeof key);
    at_prf_sha1(key, sizeof key, "prefix", (const uint8_t *)"Hi There", 8, out, 32);
    assert_memory_equal(out, expected, sizeof expected);
    at_prf_sha1((const uint8_t *)"Jefe", 4, "prefix",
                (const uint8_t *)"what do ya want for nothing?", 28, out, 16);
    assert_memory_equal(out, jefe, sizeof jefe);
}

static void both_ends(void **state)
{
    pair p;

    (void)state;
    for (now = kinds; now < kinds + AT_COUNT(kinds); now++) {
        start(&p, "secret", "secret");
        assert_int_equal(p.len, 113 + now->data[0]);
        assert_int_equal(give(&p, &p.station), AT_EAPOL_REPLY);
        assert_int_equal(p.len, 113 + now->data[1]);
        assert_int_equal(give(&p, &p.ap), AT_EAPOL_REPLY);
        assert_int_equal(p.len, 113 + now->data[2]);
        assert_null(memmem(p.frame, p.len, group.gtk, sizeof group.gtk));
        assert_int_equal(give(&p, &p.station), AT_EAPOL_DONE);
        assert_int_equal(p.len, 113 + now->data[3]);
        assert_int_equal(give(&p, &p.ap), AT_EAPOL_DONE);
        assert_int_equal(p.len, 0);
        assert_int_equal(p.ap.state, AT_EAPOL_SET);
        assert_int_equal(p.station.state, AT_EAPOL_SET);
        assert_memory_equal(p.station.keys.group.gtk, group.gtk, sizeof group.gtk);
        assert_int_equal(p.station.suite.mfp, now->pmf != 0);
        if (now->pmf == 0) /* there is none, and none was made up */
            memset(&p.ap.keys.group.igtk, 0, sizeof group.igtk);
        assert_memory_equal(&p.ap.keys, &p.station.keys, sizeof p.ap.keys);
        at_eapol_clear(&p.ap);
        for (size_t i = 0; i < sizeof p.ap; i++)
            assert_int_equal(((uint8_t *)&p.ap)[i], 0);
    }
    now = kinds;
}

/* Two ends that do not mean the same: other key management, other PMF, a mixed network's beacon that
 * somebody cut down to WPA2, hash-to-element hidden. */
static void ends_that_disagree(void **state)
{
    static const kind views[][2] = {
        { { { .auth = AT_AUTH_WPA2_PSK }, AT_AUTH_WPA2_PSK, 0, false, { 0 } },
          { { .auth = AT_AUTH_WPA2_PSK, .pmf = 1 }, AT_AUTH_WPA2_PSK, 0, false, { 0 } } },
        { { { .auth = AT_AUTH_WPA2_PSK, .pmf = 1 }, AT_AUTH_WPA2_PSK, 1, false, { 0 } },
          { { .auth = AT_AUTH_WPA2_WPA3_PSK, .pmf = 1, .sae = 3 },
            AT_AUTH_WPA2_PSK,
            1,
            false,
            { 0 } } },
        { { { .auth = AT_AUTH_WPA3_PSK, .pmf = 3, .sae = 1 }, AT_AUTH_WPA3_PSK, 1, true, { 0 } },
          { { .auth = AT_AUTH_WPA3_PSK, .pmf = 3, .sae = 3 }, AT_AUTH_WPA3_PSK, 1, true, { 0 } } },
        { { { .auth = AT_AUTH_OWE, .pmf = 3 }, AT_AUTH_OWE, 1, false, { 0 } },
          { { .auth = AT_AUTH_WPA2_PSK, .pmf = 3 }, AT_AUTH_WPA2_PSK, 1, false, { 0 } } },
    };

    (void)state;
    for (size_t i = 0; i < AT_COUNT(views); i++) {
        for (unsigned swap = 0; swap < 2; swap++) {
            unsigned replies = 0;
            at_eapol station;
            pair p;

            now = &views[i][swap];
            start(&p, "secret", "secret");
            station = p.station;
            now = &views[i][1 - swap];
            start(&p, "secret", "secret");
            p.station = station;
            while (replies < 4 && give(&p, replies % 2 == 0 ? &p.station : &p.ap) == AT_EAPOL_REPLY)
                replies++;
            assert_true(replies < 3);
            assert_int_not_equal(p.station.state, AT_EAPOL_SET);
            assert_int_not_equal(p.ap.state, AT_EAPOL_SET);
        }
    }
    now = kinds;
}

/* The elements agree, yet the group's keys are not those that PMF needs, or message 1 names a key that
 * is not ours. */
static void keys_that_are_missing_or_others(void **state)
{
    pair p;

    (void)state;
    for (unsigned mfp = 0; mfp <= 1; mfp++) {
        now = &kinds[mfp];
        start(&p, "secret", "secret");
        p.ap.suite.mfp = mfp == 0;
        assert_int_equal(give(&p, &p.station), AT_EAPOL_REPLY);
        assert_int_equal(give(&p, &p.ap), AT_EAPOL_REPLY);
        assert_int_equal(give(&p, &p.station), AT_EAPOL_IGNORED);
    }
    now = &kinds[2];
    start(&p, "secret", "secret");
    p.station.suite.pmkid[15] ^= 1;
    assert_int_equal(give(&p, &p.station), AT_EAPOL_IGNORED);
    start(&p, "secret", "secret");
    p.ap.suite.has_pmkid = false;
    p.len = at_eapol_again(&p.ap, p.frame);
    assert_int_equal(give(&p, &p.station), AT_EAPOL_IGNORED);
    now = kinds;
}

static void wrong_passphrase(void **state)
{
    pair p;

    (void)state;
    start(&p, "secret", "sekret");
    assert_int_equal(give(&p, &p.station), AT_EAPOL_REPLY);
    assert_int_equal(give(&p, &p.ap), AT_EAPOL_BAD_MIC);
    assert_int_equal(p.ap.state, AT_EAPOL_WAIT_2);
    assert_int_equal(p.reply_len, 0);
    /* The access point may try again, with the same result. */
    p.len = at_eapol_again(&p.ap, p.frame);
    assert_int_equal(give(&p, &p.station), AT_EAPOL_REPLY);
    assert_int_equal(give(&p, &p.ap), AT_EAPOL_BAD_MIC);
}

static void replayed(void **state)
{
    uint8_t second[AT_EAPOL_FRAME_MAX], third[AT_EAPOL_FRAME_MAX];
    size_t second_len, third_len;
    at_eapol_keys keys;
    pair p;

    (void)state;
    start(&p, "secret", "secret");
    give(&p, &p.station);
    memcpy(second, p.frame, second_len = p.len);
    give(&p, &p.ap);
    memcpy(third, p.frame, third_len = p.len);
    assert_int_equal(at_eapol_input(&p.ap, second, second_len, p.reply, &p.reply_len),
                     AT_EAPOL_IGNORED);
    assert_int_equal(give(&p, &p.station), AT_EAPOL_DONE);
    keys = p.station.keys;
    assert_int_equal(at_eapol_input(&p.station, third, third_len, p.reply, &p.reply_len),
                     AT_EAPOL_IGNORED);
    /* Message 4 was lost: message 3 comes again, is answered, and sets no keys. */
    p.len = at_eapol_again(&p.ap, p.frame);
    assert_true(p.len > 0);
    assert_int_equal(give(&p, &p.station), AT_EAPOL_REPLY);
    assert_memory_equal(&keys, &p.station.keys, sizeof keys);
    assert_int_equal(give(&p, &p.ap), AT_EAPOL_DONE);
    assert_int_equal(at_eapol_again(&p.ap, p.frame), 0);
    assert_int_equal(at_eapol_again(&p.station, p.frame), 0);
}

static void late_answer_to_a_repeated_message(void **state)
{
    uint8_t again[AT_EAPOL_FRAME_MAX];
    pair p;

    (void)state;
    start(&p, "secret", "secret");
    assert_int_equal(give(&p, &p.station), AT_EAPOL_REPLY);
    assert_true(at_eapol_again(&p.ap, again) > 0); /* sent before the answer came */
    assert_int_equal(give(&p, &p.ap), AT_EAPOL_REPLY);
    assert_int_equal(give(&p, &p.station), AT_EAPOL_DONE);
    assert_int_equal(give(&p, &p.ap), AT_EAPOL_DONE);
}

static void not_for_us(void **state)
{
    pair p;

    (void)state;
    start(&p, "secret", "secret");
    p.frame[0] ^= 1; /* destination */
    assert_int_equal(give(&p, &p.station), AT_EAPOL_IGNORED);
    start(&p, "secret", "secret");
    p.frame[11] ^= 1; /* source */
    assert_int_equal(give(&p, &p.station), AT_EAPOL_IGNORED);
    start(&p, "secret", "secret");
    at_eapol_clear(&p.station);
    assert_int_equal(give(&p, &p.station), AT_EAPOL_IGNORED);
}

/* Every single changed bit of every message must be noticed, apart from fields that mean
 * nothing. */
static void every_bit_of(const kind *which)
{
    now = which;
    for (unsigned message = 2; message <= 4; message++) {
        for (size_t bit = 8 * 14;; bit++) {
            at_eapol_step step;
            pair p;

            start(&p, "secret", "secret");
            for (unsigned i = 1; i < message; i++)
                assert_int_not_equal(give(&p, i % 2 != 0 ? &p.station : &p.ap), AT_EAPOL_IGNORED);
            if (bit >= 8 * p.len)
                break;
            p.frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
            step = give(&p, message % 2 != 0 ? &p.station : &p.ap);
            assert_true(step == AT_EAPOL_IGNORED || step == AT_EAPOL_BAD_MIC);
            assert_int_equal(p.len, 0);
        }
    }
    now = kinds;
}

static void every_bit_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < AT_COUNT(kinds); i++)
        every_bit_of(&kinds[i]);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void garbled(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (unsigned turn = 0; turn < 100000; turn++) {
        at_eapol_step step;
        at_eapol *to;
        pair p;

        now = &kinds[turn % AT_COUNT(kinds)];
        start(&p, "secret", "secret");
        to = &p.station;
        if (turn % 3 > 0 && give(&p, to) == AT_EAPOL_REPLY)
            to = &p.ap;
        if (turn % 3 > 1 && give(&p, to) == AT_EAPOL_REPLY)
            to = &p.station;
        for (uint32_t n = next_random(&seed) % 4; n > 0; n--)
            p.frame[14 + next_random(&seed) % (p.len - 14)] = (uint8_t)next_random(&seed);
        if (next_random(&seed) % 4 == 0)
            p.len = next_random(&seed) % (p.len + 1);
        step = give(&p, to);
        assert_true(p.len <= AT_EAPOL_FRAME_MAX);
        if (step == AT_EAPOL_IGNORED || step == AT_EAPOL_BAD_MIC)
            assert_int_equal(p.len, 0);
    }
    now = kinds;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pmk_vectors),
        cmocka_unit_test(pmk_bounds),
        cmocka_unit_test(prf_vectors),
        cmocka_unit_test(both_ends),
        cmocka_unit_test(ends_that_disagree),
        cmocka_unit_test(keys_that_are_missing_or_others),
        cmocka_unit_test(wrong_passphrase),
        cmocka_unit_test(replayed),
        cmocka_unit_test(late_answer_to_a_repeated_message),
        cmocka_unit_test(not_for_us),
        cmocka_unit_test(every_bit_changed),
        cmocka_unit_test(garbled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
