/* P-256 on Mbed TLS: its point multiplication, and the field arithmetic around it on its big numbers.
 *
 * What must not show in time. A password goes into at_p256_map, at_p256_try_x and, as a scalar, into
 * at_p256_mul. Multiplication is the library's comb method with constant-time selection and randomized
 * coordinates. The maps below do the same sequence of operations for every input: both candidates are
 * always computed, choices are made by masks over all bytes, and whether a number is a square is asked
 * of the number times a random square, or a random non-square, so that what is raised to a power is
 * random. The caller of at_p256_try_x always tries the same number of candidates. What is left: the
 * library's division (mbedtls_mpi_mod_mpi) is not constant in time, only its input's size is.
 *
 * Errors of the library are kept in a chain (op) and looked at once, at the end: after the first one
 * nothing else is computed.
 */
#include "crypto/p256.h"

#include <mbedtls/ecp.h>
#include <string.h>

#include "crypto/hmac.h"

#define SQUARE_WINDOW 8u /* bytes more than a number needs, so that modulo p is hardly biased */

/* One computation: the group and the first error. */
typedef struct op {
    mbedtls_ecp_group group;
    const at_random *random;
    int error;
} op;

static void begin(op *o, const at_random *random)
{
    mbedtls_ecp_group_init(&o->group);
    o->random = random;
    o->error = mbedtls_ecp_group_load(&o->group, MBEDTLS_ECP_DP_SECP256R1);
}

static at_err end(op *o)
{
    mbedtls_ecp_group_free(&o->group);
    if (o->error == 0)
        return AT_OK;
    return o->error == MBEDTLS_ERR_MPI_ALLOC_FAILED || o->error == MBEDTLS_ERR_ECP_ALLOC_FAILED
               ? AT_ERR_NOMEM
               : AT_ERR_INVALID;
}

/* DO(o, call): the call, unless something has failed before. */
#define DO(o, call)              \
    do {                         \
        if ((o)->error == 0)     \
            (o)->error = (call); \
    } while (0)

static int fill(void *ctx, unsigned char *buf, size_t len)
{
    const at_random *random = ctx;

    random->fill(random->ctx, buf, len);
    return 0;
}

/* ---- numbers modulo p ---- */

static void get(op *o, mbedtls_mpi *to, const uint8_t *from, size_t len)
{
    DO(o, mbedtls_mpi_read_binary(to, from, len));
}

static void put(op *o, const mbedtls_mpi *from, uint8_t to[AT_P256_LEN])
{
    DO(o, mbedtls_mpi_write_binary(from, to, AT_P256_LEN));
}

static void reduce(op *o, mbedtls_mpi *x)
{
    DO(o, mbedtls_mpi_mod_mpi(x, x, &o->group.P));
}

static void times(op *o, mbedtls_mpi *out, const mbedtls_mpi *a, const mbedtls_mpi *b)
{
    DO(o, mbedtls_mpi_mul_mpi(out, a, b));
    reduce(o, out);
}

static void plus(op *o, mbedtls_mpi *out, const mbedtls_mpi *a, const mbedtls_mpi *b)
{
    DO(o, mbedtls_mpi_add_mpi(out, a, b));
    reduce(o, out);
}

static void minus(op *o, mbedtls_mpi *out, const mbedtls_mpi *a)
{
    DO(o, mbedtls_mpi_sub_mpi(out, &o->group.P, a));
    reduce(o, out);
}

/* out = base ^ ((p + add) / divide): the exponents here are public. */
static void power(op *o, mbedtls_mpi *out, const mbedtls_mpi *base, int add, unsigned shift)
{
    mbedtls_mpi exponent;

    mbedtls_mpi_init(&exponent);
    DO(o, mbedtls_mpi_add_int(&exponent, &o->group.P, add));
    DO(o, mbedtls_mpi_shift_r(&exponent, shift));
    DO(o, mbedtls_mpi_exp_mod(out, base, &exponent, &o->group.P, NULL));
    mbedtls_mpi_free(&exponent);
}

/* Of 0 the inverse is 0 (Fermat), as the SSWU map wants. */
static void invert(op *o, mbedtls_mpi *out, const mbedtls_mpi *x)
{
    power(o, out, x, -2, 0);
}

/* p = 3 mod 4; of a number that is no square something else. */
static void root(op *o, mbedtls_mpi *out, const mbedtls_mpi *x)
{
    power(o, out, x, 1, 2);
}

/* The curve's y^2 = x^3 - 3x + b. */
static void right_side(op *o, mbedtls_mpi *out, const mbedtls_mpi *x)
{
    mbedtls_mpi three;

    mbedtls_mpi_init(&three);
    DO(o, mbedtls_mpi_lset(&three, 3));
    times(o, out, x, x);
    DO(o, mbedtls_mpi_sub_mpi(out, out, &three));
    DO(o, mbedtls_mpi_add_mpi(out, out, &o->group.P));
    times(o, out, out, x);
    plus(o, out, out, &o->group.B);
    mbedtls_mpi_free(&three);
}

static void random_number(op *o, mbedtls_mpi *out)
{
    DO(o, mbedtls_mpi_fill_random(out, AT_P256_LEN + SQUARE_WINDOW, fill, (void *)o->random));
    reduce(o, out);
}

/* Whether v is a square modulo p, 0 included: what is examined is v times a random square, times a
 * number that is none in half of all cases (12.4.4.2.2). -1 is no square modulo this p. */
static bool is_square(op *o, const mbedtls_mpi *v)
{
    mbedtls_mpi blind, negative, sign;
    uint8_t coin = 0, bytes[AT_P256_LEN] = { 0 };
    bool square, one;

    mbedtls_mpi_init(&blind);
    mbedtls_mpi_init(&negative);
    mbedtls_mpi_init(&sign);
    o->random->fill(o->random->ctx, &coin, 1);
    coin &= 1;
    random_number(o, &blind);
    times(o, &blind, &blind, &blind);
    times(o, &blind, &blind, v);
    minus(o, &negative, &blind);
    DO(o, mbedtls_mpi_safe_cond_assign(&blind, &negative, coin));
    power(o, &sign, &blind, -1, 1); /* 1, p - 1, or 0 */
    put(o, &sign, bytes);
    one = bytes[AT_P256_LEN - 1] == 1; /* p - 1 ends in 254 */
    square = (one != (coin == 1)) || mbedtls_mpi_cmp_int(&sign, 0) == 0;
    mbedtls_mpi_free(&blind);
    mbedtls_mpi_free(&negative);
    mbedtls_mpi_free(&sign);
    at_wipe(bytes, sizeof bytes);
    return square;
}

/* ---- points ---- */

static void get_point(op *o, mbedtls_ecp_point *to, const at_p256_point *from)
{
    uint8_t bytes[1 + sizeof *from] = { 4 }; /* SEC 1, uncompressed */

    memcpy(bytes + 1, from->x, AT_P256_LEN);
    memcpy(bytes + 1 + AT_P256_LEN, from->y, AT_P256_LEN);
    DO(o, mbedtls_ecp_point_read_binary(&o->group, to, bytes, sizeof bytes));
    at_wipe(bytes, sizeof bytes);
}

static void put_point(op *o, const mbedtls_ecp_point *from, at_p256_point *to)
{
    uint8_t bytes[1 + sizeof *to] = { 0 };
    size_t len = 0;

    DO(o, mbedtls_ecp_point_write_binary(&o->group, from, MBEDTLS_ECP_PF_UNCOMPRESSED, &len, bytes,
                                         sizeof bytes));
    if (o->error == 0 && len != sizeof bytes) /* infinity is one byte */
        o->error = MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
    memcpy(to->x, bytes + 1, AT_P256_LEN);
    memcpy(to->y, bytes + 1 + AT_P256_LEN, AT_P256_LEN);
    at_wipe(bytes, sizeof bytes);
}

at_err at_p256_check(const at_p256_point *p)
{
    mbedtls_ecp_point point;
    op o;

    begin(&o, NULL);
    mbedtls_ecp_point_init(&point);
    get_point(&o, &point, p);
    DO(&o, mbedtls_ecp_check_pubkey(&o.group, &point));
    mbedtls_ecp_point_free(&point);
    return end(&o);
}

at_err at_p256_from_x(const uint8_t x[AT_P256_LEN], at_p256_point *out)
{
    uint8_t bytes[1 + AT_P256_LEN] = { 2 }; /* SEC 1, compressed, even */
    mbedtls_ecp_point point;
    op o;

    begin(&o, NULL);
    mbedtls_ecp_point_init(&point);
    memcpy(bytes + 1, x, AT_P256_LEN);
    DO(&o, mbedtls_ecp_point_read_binary(&o.group, &point, bytes, sizeof bytes));
    DO(&o, mbedtls_ecp_check_pubkey(&o.group, &point)); /* the root may be none */
    put_point(&o, &point, out);
    mbedtls_ecp_point_free(&point);
    return end(&o);
}

at_err at_p256_mul(const uint8_t k[AT_P256_LEN], const at_p256_point *p, const at_random *random,
                   at_p256_point *out)
{
    mbedtls_ecp_point point, product;
    mbedtls_mpi factor;
    op o;

    begin(&o, random);
    mbedtls_ecp_point_init(&point);
    mbedtls_ecp_point_init(&product);
    mbedtls_mpi_init(&factor);
    get(&o, &factor, k, AT_P256_LEN);
    if (p != NULL)
        get_point(&o, &point, p);
    else
        DO(&o, mbedtls_ecp_copy(&point, &o.group.G));
    DO(&o, mbedtls_ecp_mul(&o.group, &product, &factor, &point, fill, (void *)random));
    put_point(&o, &product, out);
    mbedtls_mpi_free(&factor);
    mbedtls_ecp_point_free(&product);
    mbedtls_ecp_point_free(&point);
    return end(&o);
}

at_err at_p256_add(const at_p256_point *p, const at_p256_point *q, at_p256_point *out)
{
    mbedtls_ecp_point a, b, sum;
    mbedtls_mpi one;
    op o;

    begin(&o, NULL);
    mbedtls_ecp_point_init(&a);
    mbedtls_ecp_point_init(&b);
    mbedtls_ecp_point_init(&sum);
    mbedtls_mpi_init(&one);
    DO(&o, mbedtls_mpi_lset(&one, 1));
    get_point(&o, &a, p);
    get_point(&o, &b, q);
    /* With factors of 1 this is the addition alone: nothing is multiplied. */
    DO(&o, mbedtls_ecp_muladd(&o.group, &sum, &one, &a, &one, &b));
    put_point(&o, &sum, out);
    mbedtls_mpi_free(&one);
    mbedtls_ecp_point_free(&sum);
    mbedtls_ecp_point_free(&b);
    mbedtls_ecp_point_free(&a);
    return end(&o);
}

at_err at_p256_negate(at_p256_point *p)
{
    mbedtls_mpi y;
    op o;

    begin(&o, NULL);
    mbedtls_mpi_init(&y);
    get(&o, &y, p->y, AT_P256_LEN);
    minus(&o, &y, &y);
    put(&o, &y, p->y);
    mbedtls_mpi_free(&y);
    return end(&o);
}

/* ---- scalars ---- */

bool at_p256_scalar_ok(const uint8_t k[AT_P256_LEN])
{
    mbedtls_mpi value;
    bool good;
    op o;

    begin(&o, NULL);
    mbedtls_mpi_init(&value);
    get(&o, &value, k, AT_P256_LEN);
    good = o.error == 0 && mbedtls_mpi_cmp_int(&value, 1) > 0 &&
           mbedtls_mpi_cmp_mpi(&value, &o.group.N) < 0;
    mbedtls_mpi_free(&value);
    (void)end(&o);
    return good;
}

at_err at_p256_scalar_random(const at_random *random, uint8_t k[AT_P256_LEN])
{
    mbedtls_mpi value;
    op o;

    begin(&o, random);
    mbedtls_mpi_init(&value);
    DO(&o, mbedtls_mpi_random(&value, 2, &o.group.N, fill, (void *)random));
    put(&o, &value, k);
    mbedtls_mpi_free(&value);
    return end(&o);
}

at_err at_p256_scalar_add(const uint8_t a[AT_P256_LEN], const uint8_t b[AT_P256_LEN],
                          uint8_t out[AT_P256_LEN])
{
    mbedtls_mpi x, y;
    op o;

    begin(&o, NULL);
    mbedtls_mpi_init(&x);
    mbedtls_mpi_init(&y);
    get(&o, &x, a, AT_P256_LEN);
    get(&o, &y, b, AT_P256_LEN);
    DO(&o, mbedtls_mpi_add_mpi(&x, &x, &y));
    DO(&o, mbedtls_mpi_mod_mpi(&x, &x, &o.group.N));
    put(&o, &x, out);
    mbedtls_mpi_free(&y);
    mbedtls_mpi_free(&x);
    return end(&o);
}

at_err at_p256_scalar_of(const uint8_t value[AT_P256_LEN], uint8_t out[AT_P256_LEN])
{
    mbedtls_mpi x, modulus;
    op o;

    begin(&o, NULL);
    mbedtls_mpi_init(&x);
    mbedtls_mpi_init(&modulus);
    get(&o, &x, value, AT_P256_LEN);
    DO(&o, mbedtls_mpi_sub_int(&modulus, &o.group.N, 1));
    DO(&o, mbedtls_mpi_mod_mpi(&x, &x, &modulus));
    DO(&o, mbedtls_mpi_add_int(&x, &x, 1));
    put(&o, &x, out);
    mbedtls_mpi_free(&modulus);
    mbedtls_mpi_free(&x);
    return end(&o);
}

/* ---- secret bytes to points ---- */

/* y of x's point with the parity of odd; x and y into out. */
static void finish_point(op *o, const mbedtls_mpi *x, const mbedtls_mpi *square, unsigned odd,
                         at_p256_point *out)
{
    mbedtls_mpi y, other;

    mbedtls_mpi_init(&y);
    mbedtls_mpi_init(&other);
    root(o, &y, square);
    minus(o, &other, &y);
    if (o->error == 0)
        DO(o, mbedtls_mpi_safe_cond_assign(
                  &y, &other, (unsigned char)((unsigned)mbedtls_mpi_get_bit(&y, 0) ^ odd)));
    put(o, x, out->x);
    put(o, &y, out->y);
    mbedtls_mpi_free(&y);
    mbedtls_mpi_free(&other);
}

/* x1 = (-b/a)(1 + 1/m), or b/(za) when m = 0; with a = -3 and z = -10 these are (b/3)(1 + 1/m) and
 * b/30. Here m = z^2 u^4 + z u^2, and zu = z u^2. */
static void first_candidate(op *o, mbedtls_mpi *x1, const mbedtls_mpi *zu)
{
    mbedtls_mpi m, t, inverse;

    mbedtls_mpi_init(&m);
    mbedtls_mpi_init(&t);
    mbedtls_mpi_init(&inverse);
    times(o, &m, zu, zu);
    plus(o, &m, &m, zu);
    invert(o, &t, &m);
    DO(o, mbedtls_mpi_add_int(&t, &t, 1));
    DO(o, mbedtls_mpi_lset(&inverse, 3));
    invert(o, &inverse, &inverse);
    times(o, &inverse, &inverse, &o->group.B);
    times(o, x1, &t, &inverse);
    DO(o, mbedtls_mpi_lset(&t, 30));
    invert(o, &t, &t);
    times(o, &t, &t, &o->group.B);
    if (o->error == 0)
        DO(o, mbedtls_mpi_safe_cond_assign(x1, &t, mbedtls_mpi_cmp_int(&m, 0) == 0));
    mbedtls_mpi_free(&m);
    mbedtls_mpi_free(&t);
    mbedtls_mpi_free(&inverse);
}

at_err at_p256_map(const uint8_t *value, size_t len, const at_random *random, at_p256_point *out)
{
    mbedtls_mpi u, zu, x1, x2, g1, g2;
    unsigned char second = 0;
    op o;

    if (len > 2 * AT_P256_LEN)
        return AT_ERR_INVALID;
    begin(&o, random);
    mbedtls_mpi_init(&u);
    mbedtls_mpi_init(&zu);
    mbedtls_mpi_init(&x1);
    mbedtls_mpi_init(&x2);
    mbedtls_mpi_init(&g1);
    mbedtls_mpi_init(&g2);
    get(&o, &u, value, len);
    reduce(&o, &u);
    DO(&o, mbedtls_mpi_lset(&zu, 10));
    minus(&o, &zu, &zu);
    times(&o, &zu, &zu, &u);
    times(&o, &zu, &zu, &u);
    first_candidate(&o, &x1, &zu);
    right_side(&o, &g1, &x1);
    times(&o, &x2, &zu, &x1);
    right_side(&o, &g2, &x2);
    second = is_square(&o, &g1) ? 0 : 1;
    DO(&o, mbedtls_mpi_safe_cond_assign(&x1, &x2, second));
    DO(&o, mbedtls_mpi_safe_cond_assign(&g1, &g2, second));
    finish_point(&o, &x1, &g1, o.error == 0 ? (unsigned)mbedtls_mpi_get_bit(&u, 0) : 0, out);
    mbedtls_mpi_free(&g2);
    mbedtls_mpi_free(&g1);
    mbedtls_mpi_free(&x2);
    mbedtls_mpi_free(&x1);
    mbedtls_mpi_free(&zu);
    mbedtls_mpi_free(&u);
    return end(&o);
}

at_err at_p256_try_x(const uint8_t x[AT_P256_LEN], bool odd, const at_random *random, bool *found,
                     at_p256_point *out)
{
    mbedtls_mpi candidate, square;
    bool below;
    op o;

    begin(&o, random);
    mbedtls_mpi_init(&candidate);
    mbedtls_mpi_init(&square);
    get(&o, &candidate, x, AT_P256_LEN);
    below = o.error == 0 && mbedtls_mpi_cmp_mpi(&candidate, &o.group.P) < 0;
    right_side(&o, &square, &candidate);
    *found = is_square(&o, &square) && below;
    reduce(&o, &candidate);
    finish_point(&o, &candidate, &square, odd ? 1 : 0, out);
    mbedtls_mpi_free(&square);
    mbedtls_mpi_free(&candidate);
    return end(&o);
}
