/* Both ends of the four-way handshake. The first byte chooses the end and how far the handshake is;
 * the rest is one frame, with the addresses of the other end filled in so that it is looked at. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/eapol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t ap_mac[6] = { 2, 0, 0, 0, 0, 1 }, station_mac[6] = { 2, 0, 0, 0, 0, 2 };
    static const uint8_t pmk[AT_PMK_LEN], anonce[AT_NONCE_LEN] = { 1 },
                                          snonce[AT_NONCE_LEN] = { 2 };
    static const uint8_t gtk[16];
    uint8_t frame[AT_EAPOL_FRAME_MAX], reply[AT_EAPOL_FRAME_MAX], given[512];
    at_eapol ap, station;
    at_eapol *to;
    size_t len, reply_len;
    unsigned steps;

    if (size < 1 || size > sizeof given - 12)
        return 0;
    at_eapol_start_supplicant(&station, station_mac, ap_mac, pmk, snonce);
    len = at_eapol_start_authenticator(&ap, ap_mac, station_mac, pmk, anonce, gtk, frame);
    steps = data[0] % 5;
    to = &station;
    for (unsigned i = 0; i < steps; i++) {
        at_eapol_input(to, frame, len, reply, &reply_len);
        memcpy(frame, reply, len = reply_len);
        to = to == &station ? &ap : &station;
    }
    if ((data[0] & 0x80) != 0)
        to = to == &station ? &ap : &station;
    memcpy(given, to->own, 6);
    memcpy(given + 6, to->peer, 6);
    memcpy(given + 12, data + 1, size - 1);
    at_eapol_input(to, given, 12 + size - 1, reply, &reply_len);
    if (reply_len > sizeof reply)
        __builtin_trap();
    at_eapol_again(to, reply);
    return 0;
}
