/* Both ends of the four-way handshake. The first byte chooses the end, the key management and how far
 * the handshake is; the rest is one frame, with the addresses of the other end filled in so that it is looked at. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/eapol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t ap_mac[6] = { 2, 0, 0, 0, 0, 1 }, station_mac[6] = { 2, 0, 0, 0, 0, 2 };
    static const uint8_t pmk[AT_PMK_LEN], anonce[AT_NONCE_LEN] = { 1 },
                                          snonce[AT_NONCE_LEN] = { 2 };
    static const at_group_keys group;
    static const at_bss psk = { .auth = AT_AUTH_WPA2_PSK, .pmf = 1 };
    static const at_bss sae = { .auth = AT_AUTH_WPA3_PSK, .pmf = 3, .sae = 3 };
    static const uint8_t pmkid[AT_PMKID_LEN];
    at_suite suite;
    uint8_t frame[AT_EAPOL_FRAME_MAX], reply[AT_EAPOL_FRAME_MAX], given[512];
    at_eapol ap, station;
    at_eapol *to;
    size_t len, reply_len;
    unsigned steps;

    if (size < 1 || size > sizeof given - 12)
        return 0;
    if ((data[0] & 0x40) != 0)
        at_suite_make(&suite, &sae, AT_AUTH_WPA3_PSK, 1, pmkid);
    else
        at_suite_make(&suite, &psk, AT_AUTH_WPA2_PSK, (data[0] & 0x20) != 0, NULL);
    at_eapol_start_supplicant(&station, station_mac, ap_mac, &suite, pmk, snonce);
    len =
        at_eapol_start_authenticator(&ap, ap_mac, station_mac, &suite, pmk, anonce, &group, frame);
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
