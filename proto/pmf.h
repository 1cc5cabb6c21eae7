/* Protection of robust management frames once both ends have keys (IEEE 802.11-2020 12.6.19): here
 * deauthentications and SA queries between a station and its access point.
 *
 * On a real radio such a frame is encrypted by CCMP with the pairwise key. The air of this project
 * encrypts nothing, so the frame is readable, but it carries what makes CCMP trustworthy: a packet
 * number that only goes up, and a MIC of AES-128-CMAC with that key over the whole frame. */
#ifndef PROTO_PMF_H
#define PROTO_PMF_H

#include "proto/mgmt.h"

/* One end of one association. The caller's; wipe it with at_wipe. All zero: not protected. */
typedef struct at_pmf {
    bool on;
    uint8_t key[16];
    uint64_t sent, received; /* packet numbers */
} at_pmf;

/* After keys were set. */
void at_pmf_start(at_pmf *p, const uint8_t tk[16]);
/* As at_mgmt_encode, protected when the frame is robust and protection is on. from and to are set. */
size_t at_pmf_encode(at_pmf *p, const at_mgmt *m, uint8_t *frame, size_t room);
/* Whether to believe a frame that was decoded: it is not robust, or protection is off and the frame has
 * none, or its MIC is right and its number new. */
bool at_pmf_accept(at_pmf *p, const at_mgmt *m);

#endif
