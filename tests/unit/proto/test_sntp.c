/* SNTP: which answers count, and what they say (RFC 4330, RFC 5905). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "mutate.h"
#include "proto/sntp.h"

static const uint8_t nonce[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

/* 2021-10-18 12:12:27.5 UTC; received a quarter of a second before. */
static const uint8_t answer[48] = {
    0x24, 2,    6,    0xE9, 0,    0, 0, 1, 0,    0,    0,    2,    127,  127, 1, 1,
    0,    0,    0,    0,    0,    0, 0, 0, 1,    2,    3,    4,    5,    6,   7, 8,
    0xE5, 0x17, 0xE3, 0x2B, 0x40, 0, 0, 0, 0xE5, 0x17, 0xE3, 0x2B, 0x80, 0,   0, 0,
};

static void a_request_says_nothing_of_us(void **state)
{
    uint8_t message[AT_SNTP_LEN], expected[AT_SNTP_LEN] = { 0x23 };

    (void)state;
    memcpy(expected + 40, nonce, 8);
    at_sntp_request(message, nonce);
    assert_memory_equal(message, expected, sizeof message);
}

static void time_stamps_have_two_eras(void **state)
{
    static const struct {
        uint32_t seconds, fraction;
        int64_t unix_us;
    } vectors[] = {
        { 2208988800u, 0, 0 },
        { 3843547947u, 0, 1634559147000000 },
        { 0xFFFFFFFFu, 0x80000000u, 2085978495500000 }, /* 2036-02-07 06:28:15.5 */
        { 0, 0, 2085978496000000 },                     /* a second later: the next era */
        { 0x7FFFFFFFu, 0, 4233462143000000 },           /* 2104-02-26 09:42:23 */
        { 0x80000000u, 0, -61505152000000 },            /* 1968-01-20 03:14:08 */
        { 2208988800u, 0xFFFFFFFFu, 999999 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        assert_true(at_sntp_unix_us(vectors[i].seconds, vectors[i].fraction) == vectors[i].unix_us);
}

static at_sntp_verdict verdict_with(size_t at, uint8_t value, size_t len)
{
    uint8_t message[48];
    at_sntp_answer told;

    memcpy(message, answer, sizeof message);
    message[at] = value;
    return at_sntp_judge(message, len, nonce, &told);
}

static void a_good_answer_is_read(void **state)
{
    at_sntp_answer told;

    (void)state;
    assert_int_equal(at_sntp_judge(answer, sizeof answer, nonce, &told), AT_SNTP_GOOD);
    assert_true(told.unix_us == 1634559147500000);
    assert_true(told.held_us == 250000);
}

static void bad_answers_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(verdict_with(0, 0x1C, 48), AT_SNTP_GOOD); /* version 3 */
    assert_int_equal(verdict_with(0, 0x64, 48), AT_SNTP_GOOD); /* a leap second is coming */
    assert_int_equal(verdict_with(0, 0xE4, 48), AT_SNTP_UNUSABLE);
    assert_int_equal(verdict_with(0, 0x23, 48), AT_SNTP_FOREIGN);
    assert_int_equal(verdict_with(0, 0x25, 48), AT_SNTP_FOREIGN);
    assert_int_equal(verdict_with(0, 0x24, 47), AT_SNTP_FOREIGN);
    assert_int_equal(verdict_with(24, 9, 48), AT_SNTP_FOREIGN);
    assert_int_equal(verdict_with(31, 9, 48), AT_SNTP_FOREIGN);
    assert_int_equal(verdict_with(1, 15, 48), AT_SNTP_GOOD);
    assert_int_equal(verdict_with(1, 16, 48), AT_SNTP_UNUSABLE);
    assert_int_equal(verdict_with(32, 0xE6, 48),
                     AT_SNTP_UNUSABLE); /* sent before it was received */
    assert_int_equal(verdict_with(40, 0x83, 48), AT_SNTP_UNUSABLE); /* 1969 */
}

static at_sntp_verdict kiss(const char *code, uint8_t first_of_nonce)
{
    uint8_t message[48];
    at_sntp_answer told;

    memcpy(message, answer, sizeof message);
    message[1] = 0;
    message[24] = first_of_nonce;
    memcpy(message + 12, code, 4);
    return at_sntp_judge(message, sizeof message, nonce, &told);
}

static void a_kiss_of_death_has_to_be_for_us(void **state)
{
    (void)state;
    assert_int_equal(kiss("RATE", 1), AT_SNTP_RATE);
    assert_int_equal(kiss("DENY", 1), AT_SNTP_DENIED);
    assert_int_equal(kiss("RSTR", 1), AT_SNTP_DENIED);
    assert_int_equal(kiss("STEP", 1), AT_SNTP_UNUSABLE);
    assert_int_equal(kiss("DENY", 2), AT_SNTP_FOREIGN);
}

static void mutants_do_no_harm(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (unsigned i = 0; i < MUTATIONS; i++) {
        uint8_t message[48];
        at_sntp_answer told;
        size_t len;

        memcpy(message, answer, sizeof message);
        len = mutate(&seed, message, sizeof message);
        if (at_sntp_judge(message, len, nonce, &told) == AT_SNTP_GOOD)
            assert_true(told.unix_us >= 0 && told.held_us >= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_says_nothing_of_us),
        cmocka_unit_test(time_stamps_have_two_eras),
        cmocka_unit_test(a_good_answer_is_read),
        cmocka_unit_test(bad_answers_are_told_apart),
        cmocka_unit_test(a_kiss_of_death_has_to_be_for_us),
        cmocka_unit_test(mutants_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
