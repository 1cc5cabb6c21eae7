/* What a Wi-Fi driver offers: Ethernet frames in and out. Management travels as frames of
 * EtherType AT_ETHERTYPE_MGMT (proto/mgmt.h), EAPOL and data as themselves. */
#ifndef IFACE_RADIO_H
#define IFACE_RADIO_H

#include <stddef.h>
#include <stdint.h>

#define AT_RADIO_FRAME_MAX 1536u /* bytes, Ethernet header included, no FCS */

typedef struct at_radio_piece {
    const void *data;
    size_t len;
} at_radio_piece;

typedef struct at_radio at_radio;

typedef struct at_radio_ops {
    /* Sends one frame gathered from count pieces; the bytes are copied before it returns. Returns 0,
     * AT_ERR_INVALID (too long), or AT_ERR_AGAIN: the queue is full, the frame is lost as on the air. */
    int (*send)(at_radio *radio, const at_radio_piece *pieces, size_t count);
    /* The address burnt into the chip; station address, SoftAP uses the same with the last byte + 1. */
    void (*factory_mac)(at_radio *radio, uint8_t mac[6]);
} at_radio_ops;

struct at_radio {
    const at_radio_ops *ops;
    void *ctx;
    /* Set by the owner (module/): one received frame, valid during the call, may be modified.
     * Called from the loop only, never from inside send. */
    void (*on_frame)(void *owner, uint8_t *frame, size_t len);
    void *owner;
};

#endif
