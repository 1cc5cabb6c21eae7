/* P-256 for SAE and OWE: the map of RFC 9380, the group's laws, ranges, and every allocation that
 * fails. The KDFs beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/heap.h"
#include "crypto/kdf.h"
#include "crypto/p256.h"
#include "crypto/platform.h"
#include "iface/current.h"
#include "tests/unit/vectors.h"

static uint64_t seed = 1;

static const at_random random_source = { &seed, fill };

static at_p256_point point(const char *x, const char *y)
{
    at_p256_point p;

    hex(x, p.x);
    hex(y, p.y);
    return p;
}

static const char order[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
static const char prime[] = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";

/* RFC 9380 J.1.1, msg = "": u[0], u[1], Q0, Q1 and their sum. */
static void the_map_of_rfc_9380(void **state)
{
    at_p256_point q0 = point("ab640a12220d3ff283510ff3f4b1953d09fad35795140b1c5d64f313967934d5",
                             "dccb558863804a881d4fff3455716c836cef230e5209594ddd33d85c565b19b1");
    at_p256_point q1 = point("51cce63c50d972a6e51c61334f0f4875c9ac1cd2d3238412f84e31da7d980ef5",
                             "b45d1a36d00ad90e5ec7840a60a4de411917fbe7c82c3949a6e699e5a1b66aac");
    at_p256_point sum = point("2c15230b26dbc6fc9a37051158c95b79656e17a1a920b11394ca91c44247d3e4",
                              "8a7a74985cc5c776cdfe4b1f19884970453912e9d31528c060be9ab5c43e8415");
    uint8_t u[32];
    at_p256_point got, other;

    (void)state;
    hex("ad5342c66a6dd0ff080df1da0ea1c04b96e0330dd89406465eeba11582515009", u);
    for (unsigned i = 0; i < 16; i++) { /* whatever the blinding draws */
        assert_int_equal(at_p256_map(u, sizeof u, &random_source, &got), AT_OK);
        assert_memory_equal(&got, &q0, sizeof got);
    }
    hex("8c0f1d43204bd6f6ea70ae8013070a1518b43873bcd850aafa0a9e220e2eea5a", u);
    assert_int_equal(at_p256_map(u, sizeof u, &random_source, &other), AT_OK);
    assert_memory_equal(&other, &q1, sizeof other);
    assert_int_equal(at_p256_add(&got, &other, &got), AT_OK);
    assert_memory_equal(&got, &sum, sizeof got);
    assert_int_equal(at_p256_check(&got), AT_OK);
}

static void the_map_of_corner_values(void **state)
{
    uint8_t u[64];
    at_p256_point zero, got;

    (void)state;
    memset(u, 0, sizeof u);
    assert_int_equal(at_p256_map(u, 48, &random_source, &zero), AT_OK); /* m = 0 */
    assert_int_equal(at_p256_check(&zero), AT_OK);
    hex(prime, u);
    assert_int_equal(at_p256_map(u, 32, &random_source, &got), AT_OK); /* the same modulo p */
    assert_memory_equal(&got, &zero, sizeof got);
    memset(u, 0xFF, sizeof u);
    assert_int_equal(at_p256_map(u, 64, &random_source, &got), AT_OK);
    assert_int_equal(at_p256_check(&got), AT_OK);
    assert_int_equal(at_p256_map(u, 65, &random_source, &got), AT_ERR_INVALID);
}

static void the_laws_of_the_group(void **state)
{
    uint8_t a[32], b[32], sum[32];
    at_p256_point pa, pb, p, q, got;

    (void)state;
    assert_int_equal(at_p256_scalar_random(&random_source, a), AT_OK);
    assert_int_equal(at_p256_scalar_random(&random_source, b), AT_OK);
    assert_true(at_p256_scalar_ok(a));
    assert_int_equal(at_p256_scalar_add(a, b, sum), AT_OK);
    assert_int_equal(at_p256_mul(a, NULL, &random_source, &pa), AT_OK);
    assert_int_equal(at_p256_mul(b, NULL, &random_source, &pb), AT_OK);
    assert_int_equal(at_p256_mul(sum, NULL, &random_source, &p), AT_OK);
    assert_int_equal(at_p256_add(&pa, &pb, &got), AT_OK);
    assert_memory_equal(&got, &p, sizeof got);
    /* Diffie-Hellman, and a point from its x alone: y may be the other one, x is the same. */
    assert_int_equal(at_p256_mul(a, &pb, &random_source, &p), AT_OK);
    assert_int_equal(at_p256_from_x(pa.x, &q), AT_OK);
    assert_int_equal(q.y[31] & 1, 0);
    assert_int_equal(at_p256_mul(b, &q, &random_source, &got), AT_OK);
    assert_memory_equal(got.x, p.x, 32);
    /* Doubling, and the inverse. */
    memset(sum, 0, sizeof sum);
    sum[31] = 2;
    assert_int_equal(at_p256_mul(sum, &pa, &random_source, &p), AT_OK);
    assert_int_equal(at_p256_add(&pa, &pa, &got), AT_OK);
    assert_memory_equal(&got, &p, sizeof got);
    q = pa;
    assert_int_equal(at_p256_negate(&q), AT_OK);
    assert_int_equal(at_p256_check(&q), AT_OK);
    assert_int_equal(at_p256_add(&pa, &q, &got), AT_ERR_INVALID);
}

static void what_is_no_point_or_scalar(void **state)
{
    at_p256_point p, got;
    uint8_t k[32];

    (void)state;
    memset(k, 0, sizeof k);
    assert_false(at_p256_scalar_ok(k));
    assert_int_equal(at_p256_mul(k, NULL, &random_source, &got), AT_ERR_INVALID);
    k[31] = 1;
    assert_false(at_p256_scalar_ok(k));
    assert_int_equal(at_p256_mul(k, NULL, &random_source, &p), AT_OK);
    k[31] = 2;
    assert_true(at_p256_scalar_ok(k));
    hex(order, k);
    assert_false(at_p256_scalar_ok(k));
    assert_int_equal(at_p256_mul(k, NULL, &random_source, &got), AT_ERR_INVALID);
    k[31]--;
    assert_true(at_p256_scalar_ok(k));
    /* value mod (r - 1) + 1: r - 1 becomes 1, r becomes 2. */
    assert_int_equal(at_p256_scalar_of(k, got.x), AT_OK);
    assert_int_equal(got.x[31], 1);
    k[31]++;
    assert_int_equal(at_p256_scalar_of(k, got.x), AT_OK);
    assert_int_equal(got.x[31], 2);

    assert_int_equal(at_p256_check(&p), AT_OK);
    p.y[31] ^= 1;
    assert_int_equal(at_p256_check(&p), AT_ERR_INVALID);
    memset(&p, 0, sizeof p);
    assert_int_equal(at_p256_check(&p), AT_ERR_INVALID);
    hex(prime, p.x);
    assert_int_equal(at_p256_check(&p), AT_ERR_INVALID);
    assert_int_equal(at_p256_from_x(p.x, &got), AT_ERR_INVALID);
    memset(k, 0, sizeof k);
    k[31] = 1; /* 1 - 3 + b is no square */
    assert_int_equal(at_p256_from_x(k, &got), AT_ERR_INVALID);
}

static void candidates_are_found_or_not(void **state)
{
    unsigned founds = 0;

    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        uint8_t x[32] = { 0 };
        at_p256_point got, even;
        bool found;

        x[31] = (uint8_t)i;
        assert_int_equal(at_p256_try_x(x, i % 3 == 0, &random_source, &found, &got), AT_OK);
        assert_int_equal(found, at_p256_from_x(x, &even) == AT_OK);
        if (!found)
            continue;
        founds++;
        assert_int_equal(got.y[31] & 1, i % 3 == 0);
        assert_int_equal(at_p256_check(&got), AT_OK);
    }
    assert_true(founds > 20 && founds < 44);
    for (unsigned i = 0; i < 4; i++) {
        uint8_t x[32];
        at_p256_point got;
        bool found = true;

        hex(prime, x);
        memset(x + 4, 0xFF, i); /* p itself, then above it */
        assert_int_equal(at_p256_try_x(x, false, &random_source, &found, &got), AT_OK);
        assert_false(found);
    }
}

static void no_memory(void **state)
{
    static const uint8_t u[32] = { 1, 2, 3 };
    size_t needed = 0;
    at_heap heap;
    at_p256_point got;
    at_err err = AT_ERR_NOMEM;

    (void)state;
    at_crypto_start();
    at_heap_init(&heap, SIZE_MAX);
    at_the_current.heap = &heap;
    for (size_t budget = 0; err == AT_ERR_NOMEM; budget += 256) {
        at_heap_init(&heap, budget);
        err = at_p256_map(u, sizeof u, &random_source, &got);
        assert_int_equal(heap.blocks, 0);
        needed = budget;
    }
    assert_int_equal(err, AT_OK);
    assert_true(needed > 256 && needed < 16384);
    for (size_t budget = 0; budget < needed; budget += 256) {
        at_heap_init(&heap, budget);
        err = at_p256_mul(u, NULL, &random_source, &got);
        assert_true(err == AT_ERR_NOMEM || err == AT_OK);
        assert_int_equal(heap.blocks, 0);
    }
    at_the_current.heap = NULL;
}

/* RFC 5869 A.1, and the 802.11 KDF against an independent implementation. */
static void derivation(void **state)
{
    uint8_t ikm[22], salt[13], prk[32], expected[64], okm[64];

    (void)state;
    memset(ikm, 0x0b, sizeof ikm);
    hex("000102030405060708090a0b0c", salt);
    at_hkdf_extract(salt, sizeof salt, ikm, 10, ikm + 10, 12, prk);
    hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", expected);
    assert_memory_equal(prk, expected, 32);
    at_hkdf_expand(prk, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9", okm, 42);
    hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        expected);
    assert_memory_equal(okm, expected, 42);
    at_kdf_sha256((const uint8_t *)"key", 3, "label", (const uint8_t *)"context", 7, okm, 48);
    hex("ad70f82068962a805fa9656eedec3f8a0781bece89bb573d138d8fb5c9fa04658147921124562a5036168bff31"
        "d836a4",
        expected);
    assert_memory_equal(okm, expected, 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_map_of_rfc_9380),
        cmocka_unit_test(the_map_of_corner_values),
        cmocka_unit_test(the_laws_of_the_group),
        cmocka_unit_test(what_is_no_point_or_scalar),
        cmocka_unit_test(candidates_are_found_or_not),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(derivation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
