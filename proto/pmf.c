/* The MIC covers the encoded frame up to itself: addresses, type, fields, packet number. The addresses
 * keep a frame from being sent back to where it came from, the number from being used again. To check
 * one, the decoded frame is encoded again, which gives the same bytes whatever padding it had. */
#include "proto/pmf.h"

#include <string.h>

#include "crypto/aes.h"
#include "crypto/hmac.h"

void at_pmf_start(at_pmf *p, const uint8_t tk[16])
{
    *p = (at_pmf){ .on = true };
    memcpy(p->key, tk, sizeof p->key);
}

static at_mgmt_protection *protection_of(at_mgmt *m)
{
    if (m->type == AT_MGMT_DEAUTH)
        return &m->deauth.protection;
    return m->type == AT_MGMT_SA_QUERY ? &m->sa_query.protection : NULL;
}

/* The frame with its MIC, which is its end. */
static size_t seal(const at_pmf *p, const at_mgmt *m, uint8_t *frame, size_t room)
{
    size_t len = at_mgmt_encode(m, frame, room);

    if (len > AT_MGMT_MIC_LEN)
        (void)at_aes_cmac(p->key, sizeof p->key, frame, len - AT_MGMT_MIC_LEN,
                          frame + len - AT_MGMT_MIC_LEN);
    return len;
}

size_t at_pmf_encode(at_pmf *p, const at_mgmt *m, uint8_t *frame, size_t room)
{
    at_mgmt copy = *m;
    at_mgmt_protection *protection = protection_of(&copy);

    if (protection == NULL || !p->on)
        return at_mgmt_encode(m, frame, room);
    protection->on = true;
    protection->number = ++p->sent;
    return seal(p, &copy, frame, room);
}

bool at_pmf_accept(at_pmf *p, const at_mgmt *m)
{
    uint8_t frame[AT_MGMT_FRAME_MAX];
    at_mgmt copy = *m;
    const at_mgmt_protection *protection = protection_of(&copy);
    size_t len;

    if (protection == NULL)
        return true;
    if (!p->on || !protection->on)
        return !p->on && !protection->on;
    if (protection->number <= p->received)
        return false;
    len = seal(p, &copy, frame, sizeof frame);
    if (len == 0 ||
        !at_equal_secret(frame + len - AT_MGMT_MIC_LEN, protection->mic, AT_MGMT_MIC_LEN))
        return false;
    p->received = protection->number;
    return true;
}
