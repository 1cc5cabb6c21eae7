/* RSN elements, built only: what was in a beacon or an association request travels as fields of
 * proto/mgmt.h, and both ends make the same element of them. The bytes count in the handshake, which
 * compares them whole; that is the check against a downgrade (12.7.6.4).
 *
 *     version 1 · group cipher CCMP · one pairwise cipher CCMP · one AKM, or PSK and SAE ·
 *     capabilities: bit 6 PMF required, bit 7 PMF capable · with PMF: PMKIDs, group management BIP-CMAC-128
 *
 * The extension element behind it has the one bit that SAE needs: hash-to-element. The older ciphers
 * of WPA networks are not told apart, because the air's frames are not encrypted.
 */
#include "proto/rsn.h"

#include <string.h>

#include "core/bytes.h"

#define ELEMENT_RSN  48u
#define ELEMENT_RSNX 244u
#define VERSION      1u
#define OUI          0x000FAC00u
#define CIPHER_CCMP  4u
#define CIPHER_BIP   6u
#define CAP_REQUIRED 0x0040u
#define CAP_CAPABLE  0x0080u
#define RSNX_H2E     0x20u

at_akm at_akm_of(unsigned auth)
{
    switch (auth) {
    case AT_AUTH_WPA_PSK:
    case AT_AUTH_WPA2_PSK:
    case AT_AUTH_WPA_WPA2_PSK: return AT_AKM_PSK;
    case AT_AUTH_WPA3_PSK: return AT_AKM_SAE;
    case AT_AUTH_OWE: return AT_AKM_OWE;
    default: return AT_AKM_NONE;
    }
}

uint8_t at_auth_wanted(unsigned offered, unsigned pmf)
{
    if (offered == AT_AUTH_WPA_WPA2_PSK)
        return AT_AUTH_WPA2_PSK;
    if (offered == AT_AUTH_WPA2_WPA3_PSK)
        return pmf != 0 ? AT_AUTH_WPA3_PSK : AT_AUTH_WPA2_PSK;
    return (uint8_t)offered;
}

static void put_suites(at_builder *b, const uint8_t *types, uint16_t count)
{
    at_put16le(b, count);
    for (uint16_t i = 0; i < count; i++)
        at_put32(b, OUI | types[i]);
}

static void build(at_rsn *rsn, const uint8_t *akms, uint16_t akm_count, unsigned pmf,
                  const uint8_t *pmkid, bool h2e)
{
    static const uint8_t ccmp[] = { CIPHER_CCMP };
    at_builder b = at_builder_of(rsn->bytes, sizeof rsn->bytes);
    uint16_t capabilities = 0;

    if (pmf != 0)
        capabilities = CAP_CAPABLE;
    if ((pmf & AT_PMF_REQUIRED) != 0)
        capabilities |= CAP_REQUIRED;
    at_put8(&b, ELEMENT_RSN);
    at_put8(&b, 0); /* its length, below */
    at_put16le(&b, VERSION);
    at_put32(&b, OUI | CIPHER_CCMP);
    put_suites(&b, ccmp, 1);
    put_suites(&b, akms, akm_count);
    at_put16le(&b, capabilities);
    if (pmf != 0 || pmkid != NULL) {
        at_put16le(&b, pmkid != NULL ? 1 : 0);
        at_put(&b, pmkid, pmkid != NULL ? AT_PMKID_LEN : 0);
    }
    if (pmf != 0)
        at_put32(&b, OUI | CIPHER_BIP);
    rsn->bytes[1] = (uint8_t)(at_built(&b) - 2);
    if (h2e) {
        at_put8(&b, ELEMENT_RSNX);
        at_put8(&b, 1);
        at_put8(&b, RSNX_H2E); /* the low four bits say: one byte */
    }
    rsn->len = (uint8_t)at_built(&b);
}

void at_suite_make(at_suite *suite, const at_bss *bss, unsigned wanted, unsigned pmf,
                   const uint8_t *pmkid)
{
    static const uint8_t mixed[] = { AT_AKM_PSK, AT_AKM_SAE };
    bool h2e = (bss->sae & AT_SAE_H2E) != 0;
    uint8_t akm = (uint8_t)at_akm_of(wanted);

    memset(suite, 0, sizeof *suite);
    suite->akm = (at_akm)akm;
    if (akm == AT_AKM_NONE)
        return;
    suite->mfp = pmf != 0 && bss->pmf != 0;
    if (bss->auth == AT_AUTH_WPA2_WPA3_PSK)
        build(&suite->ap, mixed, 2, bss->pmf, NULL, h2e);
    else
        build(&suite->ap, &akm, 1, bss->pmf, NULL, h2e);
    build(&suite->station, &akm, 1, pmf, pmkid, h2e && akm == AT_AKM_SAE);
    suite->has_pmkid = pmkid != NULL;
    if (pmkid != NULL)
        memcpy(suite->pmkid, pmkid, AT_PMKID_LEN);
}
