/* The DNS answerer: queries, answers, names that loop or do not end, garbled input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "mutate.h"
#include "proto/dns.h"

#define QUERY                                          \
    "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" \
    "\x03www\x07"                                      \
    "Example\x03"                                      \
    "org\x00\x00\x01\x00\x01"

static const uint8_t query[] = QUERY;
#define QUERY_LEN (sizeof query - 1)

static void a_query_and_its_answer(void **state)
{
    static const uint8_t expected[] =
        "\x12\x34\x85\x80\x00\x01\x00\x02\x00\x00\x00\x00"
        "\x03www\x07"
        "Example\x03"
        "org\x00\x00\x01\x00\x01"
        "\xC0\x0C\x00\x01\x00\x01\x00\x00\x00\x3C\x00\x04\xC0\xA8\x03\x66"
        "\xC0\x0C\x00\x01\x00\x01\x00\x00\x00\x3C\x00\x04\xC0\xA8\x03\x67";
    const uint32_t addresses[] = { 0xC0A80366, 0xC0A80367 };
    uint8_t out[AT_DNS_UDP_MAX];
    at_dns_query q;
    size_t len;

    (void)state;
    assert_int_equal(at_dns_parse_query(&q, query, QUERY_LEN), AT_OK);
    assert_string_equal(q.name, "www.Example.org");
    assert_int_equal(q.id, 0x1234);
    assert_int_equal(q.type, AT_DNS_TYPE_A);
    assert_int_equal(q.class, AT_DNS_CLASS_IN);
    len = at_dns_answer_a(&q, addresses, 2, 60, out, sizeof out);
    assert_int_equal(len, sizeof expected - 1);
    assert_memory_equal(out, expected, len);
    for (size_t room = 0; room < QUERY_LEN; room++)
        assert_int_equal(at_dns_answer_a(&q, addresses, 2, 60, out, room), 0);
    /* What does not fit is left out, and said so. */
    len = at_dns_answer_a(&q, addresses, 2, 60, out, QUERY_LEN + 16);
    assert_int_equal(len, QUERY_LEN + 16);
    assert_int_equal(out[2], 0x87);
    assert_int_equal(out[7], 1);
}

static void other_answers(void **state)
{
    const uint8_t six[1][16] = { { 0xFE, 0x80, [15] = 1 } };
    uint8_t out[AT_DNS_UDP_MAX];
    at_dns_query q;

    (void)state;
    assert_int_equal(at_dns_parse_query(&q, query, QUERY_LEN), AT_OK);
    q.type = AT_DNS_TYPE_AAAA;
    assert_int_equal(at_dns_answer_aaaa(&q, six, 1, 60, out, sizeof out), QUERY_LEN + 28);
    assert_memory_equal(out + QUERY_LEN + 12, six[0], 16);
    for (unsigned rcode = 0; rcode <= AT_DNS_REFUSED; rcode++) {
        assert_int_equal(at_dns_answer_empty(&q, (at_dns_rcode)rcode, out, sizeof out), QUERY_LEN);
        assert_int_equal(out[3], 0x80 | rcode);
        assert_int_equal(out[7], 0);
    }
}

static void not_a_query(void **state)
{
    uint8_t copy[QUERY_LEN], out[AT_DNS_UDP_MAX];
    at_dns_query q;

    (void)state;
    for (size_t len = 0; len < QUERY_LEN; len++)
        assert_int_equal(at_dns_parse_query(&q, query, len),
                         len < 12 ? AT_ERR_CORRUPT : AT_ERR_INVALID);
    memcpy(copy, query, QUERY_LEN);
    copy[2] |= 0x80;
    assert_int_equal(at_dns_parse_query(&q, copy, QUERY_LEN), AT_ERR_CORRUPT);
    copy[2] = 0x10; /* STATUS */
    assert_int_equal(at_dns_parse_query(&q, copy, QUERY_LEN), AT_ERR_UNSUPPORTED);
    assert_int_equal(at_dns_answer_empty(&q, AT_DNS_NOT_IMPLEMENTED, out, sizeof out), 12);
    assert_memory_equal(out, "\x12\x34\x90\x84\x00\x00", 6);
    memcpy(copy, query, QUERY_LEN);
    copy[5] = 2;
    assert_int_equal(at_dns_parse_query(&q, copy, QUERY_LEN), AT_ERR_UNSUPPORTED);
}

static bool reads(const char *bytes, size_t len, size_t from, const char *expected, size_t behind)
{
    char text[AT_DNS_NAME_MAX];
    size_t offset = from;

    if (!at_dns_read_name((const uint8_t *)bytes, len, &offset, text))
        return false;
    return strcmp(text, expected) == 0 && offset == behind;
}

static void names(void **state)
{
    char text[AT_DNS_NAME_MAX];
    uint8_t longest[300];
    size_t offset;

    (void)state;
    assert_true(reads("\0", 1, 0, "", 1));
    assert_true(reads("\1a\0\1b\xC0\0", 7, 3, "b.a", 7));
    assert_true(reads("\1a\0\1b\xC0\0\xC0\3", 9, 7, "b.a", 9));
    assert_false(reads("\xC0\0", 2, 0, "", 2));       /* itself */
    assert_false(reads("\1a\xC0\0", 4, 0, "", 4));    /* round and round */
    assert_false(reads("\xC0\2\0", 3, 0, "", 2));     /* forwards */
    assert_false(reads("\xC0\2\xC0\0", 4, 2, "", 4)); /* two that point at each other */
    assert_false(reads("\1a", 2, 0, "", 2));
    assert_false(reads("\5ab", 3, 0, "", 3));
    assert_false(reads("\1.\0", 3, 0, "", 3));
    assert_false(reads("\1\0\0", 3, 0, "", 3));
    assert_false(reads("\1 \0", 3, 0, "", 3));
    assert_false(reads("\x41"
                       "a\0",
                       3, 0, "", 3)); /* reserved label types */
    assert_false(reads("\x81"
                       "a\0",
                       3, 0, "", 3));
    assert_false(reads("", 0, 0, "", 0));
    /* 253 characters are the most, as 126 labels of one and one of one. */
    for (size_t i = 0; i < sizeof longest; i += 2) {
        longest[i] = 1;
        longest[i + 1] = 'x';
    }
    longest[254] = 0;
    offset = 0;
    assert_true(at_dns_read_name(longest, 255, &offset, text));
    assert_int_equal(strlen(text), 253);
    longest[254] = 1;
    longest[256] = 0;
    offset = 0;
    assert_false(at_dns_read_name(longest, 257, &offset, text));
}

static void comparing(void **state)
{
    (void)state;
    assert_true(at_dns_name_equal("WWW.example.org", "www.EXAMPLE.org."));
    assert_true(at_dns_name_equal("", "."));
    assert_false(at_dns_name_equal("a.b", "a.bc"));
    assert_false(at_dns_name_equal("a.b", "a"));
    assert_false(at_dns_name_equal("a[", "a{")); /* only letters have a case */
}

static void garbled(void **state)
{
    uint32_t seed = 4;

    (void)state;
    for (unsigned turn = 0; turn < MUTATIONS; turn++) {
        uint8_t copy[QUERY_LEN + 2], out[AT_DNS_UDP_MAX], *exact;
        at_dns_query q, again;
        size_t len = QUERY_LEN;

        memcpy(copy, query, QUERY_LEN);
        if (turn % 2 == 0) { /* a pointer somewhere into the message instead of the last label */
            copy[24] = 0xC0;
            copy[25] = (uint8_t)(mutate_random(&seed) % 40);
        }
        len = mutate(&seed, copy, len);
        exact = malloc(len + 1);
        memcpy(exact, copy, len);
        /* What is accepted can be written back and says the same. */
        if (at_dns_parse_query(&q, exact, len) == AT_OK) {
            len = at_dns_answer_empty(&q, AT_DNS_OK, out, sizeof out);
            out[2] &= 0x7F;
            assert_int_equal(at_dns_parse_query(&again, out, len), AT_OK);
            assert_string_equal(again.name, q.name);
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_and_its_answer),
        cmocka_unit_test(other_answers),
        cmocka_unit_test(not_a_query),
        cmocka_unit_test(names),
        cmocka_unit_test(comparing),
        cmocka_unit_test(garbled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
