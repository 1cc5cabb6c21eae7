/* SAE from inside: what sae.c asks of sae_keys.c. */
#ifndef PROTO_SAE_PRIV_H
#define PROTO_SAE_PRIV_H

#include "proto/sae.h"

/* KCK, PMK and PMKID out of both commits. AT_ERR_INVALID: the shared point is at infinity. */
at_err at_sae_derive(at_sae *s);
/* The HMAC of a confirm: the sender's counter and commit, then the receiver's commit. */
void at_sae_confirm_mac(const at_sae *s, uint16_t counter, const at_sae_commit *sender,
                        const at_sae_commit *receiver, uint8_t mac[AT_SAE_KEY_LEN]);

#endif
