/* Opportunistic Wireless Encryption (RFC 8110) with group 19: a Diffie-Hellman exchange in the
 * association request and its answer, for both ends. No password, so nobody is authenticated. */
#ifndef PROTO_OWE_H
#define PROTO_OWE_H

#include "core/error.h"
#include "crypto/p256.h"
#include "iface/random.h"
#include "proto/mgmt.h"

#define AT_OWE_PMK_LEN 32u

/* One end's key pair. The caller's; wipe it with at_wipe. */
typedef struct at_owe {
    uint8_t secret[AT_P256_LEN];
    at_mgmt_dh own; /* what goes into the frame */
} at_owe;

/* A new key pair. AT_ERR_NOMEM. */
at_err at_owe_start(at_owe *o, const at_random *random);
/* The PMK out of both ends. station: this end is the station. AT_ERR_UNSUPPORTED: another group;
 * AT_ERR_INVALID: no point of the curve; AT_ERR_NOMEM. */
at_err at_owe_finish(const at_owe *o, bool station, const at_mgmt_dh *theirs,
                     const at_random *random, uint8_t pmk[AT_OWE_PMK_LEN]);

#endif
