/* OWE, RFC 8110 4.4: z = x of the shared point, prk = HKDF-extract(C | A | group, z) with C the
 * station's and A the access point's public key, PMK = HKDF-expand(prk, "OWE Key Generation").
 *
 * Public keys are x coordinates alone (RFC 6090 compact form): either point with that x gives the same
 * shared x, so the even one is taken.
 */
#include "proto/owe.h"

#include <string.h>

#include "crypto/hmac.h"
#include "crypto/kdf.h"

at_err at_owe_start(at_owe *o, const at_random *random)
{
    at_p256_point own;
    at_err err = at_p256_scalar_random(random, o->secret);

    if (err == AT_OK)
        err = at_p256_mul(o->secret, NULL, random, &own);
    if (err != AT_OK)
        return err;
    o->own.group = AT_P256_GROUP;
    memcpy(o->own.key, own.x, sizeof o->own.key);
    return AT_OK;
}

at_err at_owe_finish(const at_owe *o, bool station, const at_mgmt_dh *theirs,
                     const at_random *random, uint8_t pmk[AT_OWE_PMK_LEN])
{
    const at_mgmt_dh *first = station ? &o->own : theirs, *second = station ? theirs : &o->own;
    uint8_t salt[2 * AT_P256_LEN + 2], prk[AT_KDF_PRK_LEN];
    at_p256_point shared;
    at_err err;

    if (theirs->group != AT_P256_GROUP)
        return AT_ERR_UNSUPPORTED;
    err = at_p256_from_x(theirs->key, &shared);
    if (err == AT_OK)
        err = at_p256_mul(o->secret, &shared, random, &shared);
    if (err != AT_OK)
        return err;
    memcpy(salt, first->key, AT_P256_LEN);
    memcpy(salt + AT_P256_LEN, second->key, AT_P256_LEN);
    salt[2 * AT_P256_LEN] = AT_P256_GROUP; /* little endian */
    salt[2 * AT_P256_LEN + 1] = 0;
    at_hkdf_extract(salt, sizeof salt, shared.x, sizeof shared.x, NULL, 0, prk);
    at_hkdf_expand(prk, "OWE Key Generation", pmk, AT_OWE_PMK_LEN);
    at_wipe(&shared, sizeof shared);
    at_wipe(prk, sizeof prk);
    return AT_OK;
}
