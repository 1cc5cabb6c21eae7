/* SAE and OWE: vectors, both ends against each other by both ways, and everything between them going
 * wrong. The vector of hunting-and-pecking is meant to be that of IEEE 802.11-2020 Annex J.10 (with its
 * password identifier behind the password): it was written down from memory, and one byte of its random
 * number was found by way of the commit. sae_reference.py, an independent implementation, gives the
 * same numbers, and those of hash-to-element and OWE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "crypto/hmac.h"
#include "proto/owe.h"
#include "proto/sae.h"
#include "tests/unit/vectors.h"

#define BOTH (AT_SAE_LOOPING | AT_SAE_H2E)

static const uint8_t ap_mac[6] = { 0x82, 0x7b, 0x91, 0x9d, 0xd4, 0xb9 };
static const uint8_t station_mac[6] = { 0x1e, 0xec, 0x49, 0xea, 0x64, 0x88 };
static const at_ssid byteme = { 6, "byteme" };
static uint64_t seed = 1;

static const at_random random_source = { &seed, fill };

/* ---- vectors ---- */

/* A station with rand and mask of the annex, whose commit is out; then the other one's comes. */
static void vector(at_sae *s, at_sae_secret *secret, bool h2e, const char *peer_commit)
{
    at_mgmt_auth in = { .algorithm = AT_AUTH_ALG_SAE, .sequence = 1 }, out;
    uint8_t rand[32], mask[32];

    memset(secret, 0, sizeof *secret);
    at_sae_secret_set(secret, &byteme, "mekmitasdigoatpsk4internet");
    memset(s, 0, sizeof *s);
    s->initiator = true;
    s->h2e = h2e;
    s->random = &random_source;
    s->secret = secret;
    memcpy(s->own, ap_mac, 6);
    memcpy(s->peer, station_mac, 6);
    hex("a906f61e4d3a5d4eb2965ff34cf917dd044445c878c17ca5d5b93786da9f83cf", rand);
    hex("4234b4fb17aa435c52fbfdebe64039b43478200e54ff7b6e07b69cad74153c15", mask);
    assert_int_equal(at_sae_password_element(s), AT_OK);
    assert_int_equal(at_sae_make_commit(s, rand, mask), AT_OK);
    s->state = AT_SAE_COMMITTED;
    in.status = h2e ? AT_STATUS_SAE_H2E : AT_STATUS_OK;
    in.len = (uint8_t)hex(peer_commit, in.body);
    assert_int_equal(at_sae_input(s, 0, &in, &out), AT_SAE_SEND);
    assert_int_equal(out.sequence, 2);
    assert_int_equal(out.len, 2 + 32);
}

static void annex_j_10(void **state)
{
    at_sae_secret secret;
    at_sae s;

    (void)state;
    vector(&s, &secret, false,
           "1300"
           "5564f045b2ea1e566cf1dd741f70d9be35d2df5b9a5502946ee03cf8dae27e1e"
           "05b8430eb7a99e24877ce69baf3dc580e309633d6b385f83ee1c3ec3591f1a53"
           "93c06e805ddceb2fde50930dd7cfebb987c6ff9666af164eb5184d8e6662ed6a");
    expect(&s.ours, "eb3bab1964e4a0ab05925ddf3339519138bc65d6cdc0f813dd6fd4344eb4bfe4"
                    "4b5c21597658f4e3eddfb4b99f25b4d6540f32ff1fd5c530c60a794448610bc6"
                    "de3d92bdbbd47d935980ca6cf8988ab6630be6764c885ceb9793970f695217ee");
    expect(s.kck, "599d6f1e27548be8499dceed2feccf94818ce1c79f1b4eb3d6a53228a09bf3ed");
    expect(s.pmk, "7aead86fba4c3221fc437f5f14d70d854ea5d5aac1690116793081eda4d557c5");
    expect(s.pmkid, "40a09b6017cebf0072843b5352aa2b4f");
}

static void hash_to_element(void **state)
{
    at_sae_secret secret;
    at_sae s;

    (void)state;
    vector(&s, &secret, true,
           "1300"
           "eb3bab1964e4a0ab05925ddf3339519138bc65d6cdc0f813dd6fd4344eb4bfe5"
           "6338e498b5cd4863acedbed4b275a63374042fe2f1f59279ab9d73c7c89be68a"
           "803d5036bdfa22227c845866c06697d3e1a6c436acb23aa61af7d4b06d4ed40d");
    expect(&secret.pt, "b6e38c98750c684b5d17c3d8c9a4100b39931279187ca6cced5f37ef46ddfa97"
                       "5687e972e50f73e3898861e7edad21bea7d5f622df88243bb804920ae8e647fa");
    expect(&s.pwe, "f640830005bd3060b5c57d1beadbaeb679dbe611c2d459df9ab96c57afd210c8"
                   "03359aae77b93f93c413946ecc65bc286e4b5723858ddee893aeb454312cb9df");
    expect(s.kck, "805b63b2b8eec480a10c1124eeab77184287e435fb8620b146984eee0866ce12");
    expect(s.pmk, "94ca086b9759dbb2b0379b3c70a49adb4e7faa97fa298b41fe63a4c28d539e8a");
    expect(s.pmkid, "d6775633c9c941550b24bbbe6672a322");
}

static void owe_vector(void **state)
{
    at_owe station, ap;
    uint8_t pmk[32];

    (void)state;
    hex("a906f61e4d3a5d4eb2965ff34cf917dd044445c878c17ca5d5b93786da9f83cf", station.secret);
    hex("4234b4fb17aa435c52fbfdebe64039b43478200e54ff7b6e07b69cad74153c15", ap.secret);
    station.own.group = ap.own.group = 19;
    hex("9536b4438ce7838aceec497fb6a457bac8f63666e96614ecdb9142d68b860790", station.own.key);
    hex("4eafd9ebf4af3ba1a795813d39ea141fa4acb2f775eded52fc4ad2cf397f4b07", ap.own.key);
    assert_int_equal(at_owe_finish(&station, true, &ap.own, &random_source, pmk), AT_OK);
    expect(pmk, "96b7eb1813be7c6a7a362807d9b1df69548b66519d05ee67271aa8b4f8c1f765");
    memset(pmk, 0, sizeof pmk);
    assert_int_equal(at_owe_finish(&ap, false, &station.own, &random_source, pmk), AT_OK);
    expect(pmk, "96b7eb1813be7c6a7a362807d9b1df69548b66519d05ee67271aa8b4f8c1f765");
}

static void owe_both_ends(void **state)
{
    uint8_t a[32], b[32];
    at_owe station, ap;
    at_mgmt_dh wrong;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(at_owe_start(&station, &random_source), AT_OK);
        assert_int_equal(at_owe_start(&ap, &random_source), AT_OK);
        assert_int_equal(at_owe_finish(&station, true, &ap.own, &random_source, a), AT_OK);
        assert_int_equal(at_owe_finish(&ap, false, &station.own, &random_source, b), AT_OK);
        assert_memory_equal(a, b, sizeof a);
    }
    wrong = ap.own;
    wrong.group = 20;
    assert_int_equal(at_owe_finish(&station, true, &wrong, &random_source, a), AT_ERR_UNSUPPORTED);
    wrong.group = 0;
    assert_int_equal(at_owe_finish(&station, true, &wrong, &random_source, a), AT_ERR_UNSUPPORTED);
    wrong = ap.own;
    memset(wrong.key, 0xFF, sizeof wrong.key);
    assert_int_equal(at_owe_finish(&station, true, &wrong, &random_source, a), AT_ERR_INVALID);
}

/* ---- both ends ---- */

typedef struct pair {
    at_sae_secret ap_secret, station_secret;
    at_sae ap, station;
    at_mgmt_auth frame;
} pair;

/* The station's commit is in p->frame afterwards. */
static void start(pair *p, bool h2e, const char *ap_word, const char *station_word)
{
    memset(p, 0, sizeof *p);
    at_sae_secret_set(&p->ap_secret, &byteme, ap_word);
    at_sae_secret_set(&p->station_secret, &byteme, station_word);
    at_sae_listen(&p->ap, ap_mac, station_mac, &p->ap_secret, &random_source);
    assert_int_equal(at_sae_start(&p->station, station_mac, ap_mac, &p->station_secret, h2e,
                                  &random_source, &p->frame),
                     AT_OK);
}

static at_sae_step give(pair *p, at_sae *to)
{
    return at_sae_input(to, BOTH, &p->frame, &p->frame);
}

static void both_ends(void **state)
{
    (void)state;
    for (unsigned h2e = 0; h2e <= 1; h2e++) {
        pair p;

        start(&p, h2e == 1, "secret88", "secret88");
        assert_int_equal(p.frame.status, h2e == 1 ? 126 : 0);
        assert_int_equal(p.frame.len, 2 + 96);
        assert_int_equal(give(&p, &p.ap), AT_SAE_SEND);
        assert_int_equal(give(&p, &p.station), AT_SAE_SEND);
        assert_int_equal(give(&p, &p.ap), AT_SAE_DONE);
        assert_int_equal(give(&p, &p.station), AT_SAE_DONE);
        assert_int_equal(p.ap.state, AT_SAE_ACCEPTED);
        assert_int_equal(p.station.state, AT_SAE_ACCEPTED);
        assert_memory_equal(p.ap.pmk, p.station.pmk, 32);
        assert_memory_equal(p.ap.pmkid, p.station.pmkid, 16);
        assert_int_equal(give(&p, &p.station), AT_SAE_IGNORED);
        at_sae_clear(&p.ap);
        for (size_t i = 0; i < sizeof p.ap; i++)
            assert_int_equal(((uint8_t *)&p.ap)[i], 0);
        assert_int_equal(give(&p, &p.ap), AT_SAE_IGNORED);
    }
}

static void another_password(void **state)
{
    (void)state;
    for (unsigned h2e = 0; h2e <= 1; h2e++) {
        pair p;

        start(&p, h2e == 1, "secret88", "secret89");
        assert_int_equal(give(&p, &p.ap), AT_SAE_SEND);
        assert_int_equal(give(&p, &p.station), AT_SAE_SEND);
        assert_int_equal(give(&p, &p.ap), AT_SAE_WRONG);
        assert_int_equal(p.frame.sequence, 2);
        assert_int_equal(p.frame.status, AT_STATUS_FAILURE);
        assert_int_equal(p.frame.len, 0);
        assert_int_equal(give(&p, &p.station), AT_SAE_WRONG);
    }
}

static void lost_and_repeated(void **state)
{
    at_mgmt_auth commit, confirm, again;
    at_mgmt_auth accepted;
    pair p;

    (void)state;
    start(&p, true, "secret88", "secret88");
    commit = p.frame;
    assert_true(at_sae_again(&p.station, &again));
    assert_memory_equal(&again, &commit, sizeof again);
    assert_false(at_sae_again(&p.ap, &again));
    assert_int_equal(give(&p, &p.ap), AT_SAE_SEND);
    again = p.frame;
    for (unsigned i = 0; i < AT_SAE_SYNC; i++) { /* the answer was lost: the same one again */
        p.frame = commit;
        assert_int_equal(give(&p, &p.ap), AT_SAE_SEND);
        assert_memory_equal(&p.frame, &again, sizeof again);
    }
    for (unsigned i = 0; i < 300; i++) { /* enough, however often it comes */
        p.frame = commit;
        assert_int_equal(give(&p, &p.ap), AT_SAE_IGNORED);
    }
    p.frame = again;
    assert_int_equal(give(&p, &p.station), AT_SAE_SEND);
    confirm = p.frame;
    assert_true(at_sae_again(&p.station, &p.frame));
    assert_int_equal(p.frame.body[0], 2); /* its counter went on */
    accepted = p.frame;
    assert_int_equal(give(&p, &p.ap), AT_SAE_DONE);
    p.frame = confirm; /* older than the last one */
    assert_int_equal(give(&p, &p.ap), AT_SAE_IGNORED);
    p.frame = accepted; /* the old one did not set the counter back */
    assert_int_equal(give(&p, &p.ap), AT_SAE_IGNORED);
    assert_true(at_sae_again(&p.station, &p.frame));
    assert_int_equal(give(&p, &p.ap), AT_SAE_SEND); /* the access point's was lost */
    assert_int_equal(give(&p, &p.station), AT_SAE_DONE);
    p.frame = commit;
    assert_int_equal(give(&p, &p.ap), AT_SAE_IGNORED); /* an old one of an exchange that is over */
    assert_int_equal(p.ap.state, AT_SAE_ACCEPTED);
}

static void the_station_begins_again(void **state)
{
    at_mgmt_auth commit;
    pair p;

    (void)state;
    start(&p, false, "secret88", "secret88");
    assert_int_equal(give(&p, &p.ap), AT_SAE_SEND);
    assert_int_equal(at_sae_start(&p.station, station_mac, ap_mac, &p.station_secret, true,
                                  &random_source, &commit),
                     AT_OK);
    p.frame = commit;
    assert_int_equal(give(&p, &p.ap), AT_SAE_SEND);
    assert_int_equal(give(&p, &p.station), AT_SAE_SEND);
    assert_int_equal(give(&p, &p.ap), AT_SAE_DONE);
    assert_int_equal(give(&p, &p.station), AT_SAE_DONE);
}

static void what_is_not_taken(void **state)
{
    at_mgmt_auth good, reflected;
    at_sae before;
    pair p;

    (void)state;
    start(&p, false, "secret88", "secret88");
    good = p.frame;
    reflected = good;
    assert_int_equal(give(&p, &p.station), AT_SAE_IGNORED); /* its own commit comes back */
    p.frame = good;
    assert_int_equal(give(&p, &p.ap), AT_SAE_SEND);
    reflected = p.frame;
    before = p.ap;
    assert_int_equal(give(&p, &p.ap), AT_SAE_IGNORED); /* the same trick on the access point */
    assert_memory_equal(&before, &p.ap, sizeof before);
#define IGNORED(change)                                                           \
    do {                                                                          \
        p.frame = good;                                                           \
        change;                                                                   \
        assert_int_equal(give(&p, &p.ap), AT_SAE_IGNORED);                        \
        assert_memory_equal(&before, &p.ap, sizeof before); /* nothing changed */ \
    } while (0)
    IGNORED(memset(p.frame.body + 2, 0, 32));         /* scalar 0 */
    IGNORED(memset(p.frame.body + 2, 0xFF, 32));      /* above the order */
    IGNORED(p.frame.body[2 + 32] ^= 1);               /* not on the curve */
    IGNORED(memset(p.frame.body + 2 + 32, 0, 64));    /* no point */
    IGNORED(memset(p.frame.body + 2 + 32, 0xFF, 64)); /* above p */
    IGNORED(p.frame.len--);                           /* cut short */
    IGNORED(p.frame.len = 1);
    IGNORED(p.frame.len = 0);
    IGNORED(p.frame.status = AT_STATUS_FAILURE);
    IGNORED(p.frame.sequence = 3);
    IGNORED(p.frame.algorithm = AT_AUTH_ALG_OPEN);
    IGNORED((p.frame.sequence = 2, p.frame.len = 33)); /* a confirm cut short */
#undef IGNORED
    p.frame = good;
    p.frame.body[0] = 20;
    assert_int_equal(give(&p, &p.ap), AT_SAE_REFUSED);
    assert_int_equal(p.frame.status, AT_STATUS_GROUP);
    assert_int_equal(p.frame.len, 2);
    assert_int_equal(p.frame.body[0], 20);
    assert_int_equal(give(&p, &p.station), AT_SAE_REFUSED);
    p.frame = good;
    assert_int_equal(at_sae_input(&p.ap, AT_SAE_H2E, &p.frame, &p.frame), AT_SAE_REFUSED);
    assert_int_equal(p.frame.status, AT_STATUS_FAILURE);
    p.frame = reflected; /* the exchange goes on in spite of all that */
    assert_int_equal(give(&p, &p.station), AT_SAE_SEND);
    assert_int_equal(give(&p, &p.ap), AT_SAE_DONE);
}

/* The station's answer must be of the way it asked for: no way down to looping. */
static void no_downgrade(void **state)
{
    pair p;

    (void)state;
    start(&p, true, "secret88", "secret88");
    assert_int_equal(give(&p, &p.ap), AT_SAE_SEND);
    p.frame.status = AT_STATUS_OK;
    assert_int_equal(give(&p, &p.station), AT_SAE_REFUSED);
}

static void tokens(void **state)
{
    static const uint8_t key[32] = { 1, 2, 3 }, other_key[32] = { 1, 2, 4 };

    (void)state;
    for (unsigned h2e = 0; h2e <= 1; h2e++) {
        at_mgmt_auth ask, bad;
        pair p;

        start(&p, h2e == 1, "secret88", "secret88");
        assert_false(at_sae_token_good(key, station_mac, &p.frame));
        at_sae_token_ask(key, station_mac, &p.frame, &ask);
        assert_int_equal(ask.status, AT_STATUS_TOKEN_REQUIRED);
        for (uint8_t len = 0; len <= 2 + (h2e == 1 ? 3 : 0); len++) { /* no token in it */
            bad = ask;
            bad.len = len;
            p.frame = bad;
            assert_int_equal(give(&p, &p.station), AT_SAE_IGNORED);
        }
        at_sae_start(&p.station, station_mac, ap_mac, &p.station_secret, h2e == 1, &random_source,
                     &p.frame);
        p.frame = ask;
        assert_int_equal(give(&p, &p.station), AT_SAE_SEND);
        assert_true(at_sae_token_good(key, station_mac, &p.frame));
        assert_false(at_sae_token_good(other_key, station_mac, &p.frame));
        assert_false(at_sae_token_good(key, ap_mac, &p.frame));
        assert_int_equal(give(&p, &p.ap), AT_SAE_SEND);
        assert_int_equal(give(&p, &p.station), AT_SAE_SEND);
        assert_int_equal(give(&p, &p.ap), AT_SAE_DONE);

        start(&p, h2e == 1, "secret88", "secret88");
        for (unsigned i = 0; i < AT_SAE_SYNC; i++) {
            p.frame = ask;
            assert_int_equal(give(&p, &p.station), AT_SAE_SEND);
        }
        p.frame = ask; /* somebody plays games */
        assert_int_equal(give(&p, &p.station), AT_SAE_IGNORED);
    }
}

static void a_secret_is_kept_with_its_point(void **state)
{
    const at_ssid other = { 5, "other" };
    pair p;

    (void)state;
    start(&p, true, "secret88", "secret88");
    assert_true(p.station_secret.has_pt);
    at_sae_secret_set(&p.station_secret, &byteme, "secret88");
    assert_true(p.station_secret.has_pt);
    at_sae_secret_set(&p.station_secret, &other, "secret88");
    assert_false(p.station_secret.has_pt);
    at_sae_secret_set(&p.ap_secret, &byteme, "secret89");
    assert_false(p.ap_secret.has_pt);
    assert_string_equal(p.ap_secret.password, "secret89");
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Nothing that is garbled on the way may end in acceptance, nor in a crash. */
static void garbled(void **state)
{
    uint32_t dice = 1;

    (void)state;
    for (unsigned turn = 0; turn < 120; turn++) {
        unsigned steps = turn % 4;
        at_sae *to;
        pair p;

        start(&p, turn % 8 > 3, "secret88", "secret88");
        to = &p.ap;
        for (unsigned i = 0; i < steps; i++) {
            (void)give(&p, to);
            to = to == &p.ap ? &p.station : &p.ap;
        }
        for (uint32_t n = 1 + next_random(&dice) % 3; n > 0; n--)
            p.frame.body[next_random(&dice) % p.frame.len] ^=
                (uint8_t)(1 + next_random(&dice) % 255);
        if (next_random(&dice) % 4 == 0)
            p.frame.len = (uint8_t)(next_random(&dice) % p.frame.len);
        assert_int_not_equal(give(&p, to), AT_SAE_DONE);
        assert_true(p.frame.len <= AT_AUTH_BODY_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(annex_j_10),
        cmocka_unit_test(hash_to_element),
        cmocka_unit_test(owe_vector),
        cmocka_unit_test(owe_both_ends),
        cmocka_unit_test(both_ends),
        cmocka_unit_test(another_password),
        cmocka_unit_test(lost_and_repeated),
        cmocka_unit_test(the_station_begins_again),
        cmocka_unit_test(what_is_not_taken),
        cmocka_unit_test(no_downgrade),
        cmocka_unit_test(tokens),
        cmocka_unit_test(a_secret_is_kept_with_its_point),
        cmocka_unit_test(garbled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
