/* The curve NIST P-256 (IANA group 19) as SAE and OWE use it: points, scalars, and two ways from
 * secret bytes to a point. All numbers are 32 bytes, big endian. Points are affine; the point at
 * infinity does not exist here, an operation that would give it fails.
 *
 * Temporary memory comes from Mbed TLS's allocator (crypto/platform.h) and is given back wiped
 * before a call returns. Every function that can run out of it says AT_ERR_NOMEM; out is then
 * undefined. Nothing is kept between calls. */
#ifndef CRYPTO_P256_H
#define CRYPTO_P256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "iface/random.h"

#define AT_P256_LEN   32u
#define AT_P256_GROUP 19u

typedef struct at_p256_point {
    uint8_t x[AT_P256_LEN], y[AT_P256_LEN];
} at_p256_point;

/* AT_OK: both coordinates are below p and the point is on the curve. AT_ERR_INVALID: not. */
at_err at_p256_check(const at_p256_point *p);
/* The point with this x and an even y. AT_ERR_INVALID: there is none. */
at_err at_p256_from_x(const uint8_t x[AT_P256_LEN], at_p256_point *out);
/* k times p (NULL: the generator), 1 <= k < order; p must be a valid point. random blinds the
 * coordinates against side channels. AT_ERR_INVALID: k out of range. */
at_err at_p256_mul(const uint8_t k[AT_P256_LEN], const at_p256_point *p, const at_random *random,
                   at_p256_point *out);
/* AT_ERR_INVALID: the sum is the point at infinity. */
at_err at_p256_add(const at_p256_point *p, const at_p256_point *q, at_p256_point *out);
at_err at_p256_negate(at_p256_point *p);

/* ---- scalars, modulo the order r ---- */

/* 1 < k < r, what SAE asks of a scalar from the air (12.4.5.4). Public values only. */
bool at_p256_scalar_ok(const uint8_t k[AT_P256_LEN]);
/* A random k with 1 < k < r. */
at_err at_p256_scalar_random(const at_random *random, uint8_t k[AT_P256_LEN]);
at_err at_p256_scalar_add(const uint8_t a[AT_P256_LEN], const uint8_t b[AT_P256_LEN],
                          uint8_t out[AT_P256_LEN]);
/* value mod (r - 1), plus 1. */
at_err at_p256_scalar_of(const uint8_t value[AT_P256_LEN], uint8_t out[AT_P256_LEN]);

/* ---- secret bytes to points ---- */

/* Hash-to-element: the simplified SWU map (802.11-2020 12.4.4.2.3, the same as RFC 9380 6.6.2 with
 * Z = -10) of value modulo p. Any length of value up to 64 bytes. */
at_err at_p256_map(const uint8_t *value, size_t len, const at_random *random, at_p256_point *out);
/* Hunting-and-pecking's test of one candidate: *found when x < p is that of a point; out is then
 * the one whose y has the parity of odd, else undefined. Takes the same steps either way. */
at_err at_p256_try_x(const uint8_t x[AT_P256_LEN], bool odd, const at_random *random, bool *found,
                     at_p256_point *out);

#endif
