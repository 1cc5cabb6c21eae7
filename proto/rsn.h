/* What an association is protected with: key management, cipher and PMF, and the RSN elements in
 * which both ends say so (IEEE 802.11-2020 9.4.2.24, 9.4.2.241). */
#ifndef PROTO_RSN_H
#define PROTO_RSN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/mgmt.h"

#define AT_RSN_MAX 64u /* bytes of an RSN element and the extension element behind it */

/* Suite types of OUI 00-0F-AC (table 9-151). */
typedef enum at_akm {
    AT_AKM_NONE = 0, /* open */
    AT_AKM_PSK = 2,
    AT_AKM_SAE = 8,
    AT_AKM_OWE = 18,
} at_akm;

/* Elements as they are in a beacon, in an association request, and once more in messages 2 and 3 of
 * the four-way handshake. */
typedef struct at_rsn {
    uint8_t len;
    uint8_t bytes[AT_RSN_MAX];
} at_rsn;

/* Everything that both ends agree upon before the four-way handshake. */
typedef struct at_suite {
    at_akm akm;
    bool mfp; /* management frames are protected */
    at_rsn ap, station;
    bool has_pmkid; /* message 1 names the key: it came out of SAE or OWE */
    uint8_t pmkid[AT_PMKID_LEN];
} at_suite;

/* The key management of the mode an association request asks for. */
at_akm at_akm_of(unsigned auth);
/* The mode that a station asks an access point for; pmf: its own, 0 leaves WPA2 of a mixed network. */
uint8_t at_auth_wanted(unsigned offered, unsigned pmf);
/* bss: auth, pmf and sae of the access point; wanted, pmf, pmkid (NULL: none): the station's. The
 * same for both ends, as both know both. */
void at_suite_make(at_suite *suite, const at_bss *bss, unsigned wanted, unsigned pmf,
                   const uint8_t *pmkid);

#endif
