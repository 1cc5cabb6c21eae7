/* The four-way handshake of WPA2 and WPA3 (IEEE 802.11-2020 12.7.6) for both ends, without I/O.
 *
 *     key management   key descriptor   PTK                MIC
 *     PSK              2                PRF-384 (SHA-1)    HMAC-SHA-1-128
 *     SAE              0                KDF-SHA-256-384    AES-128-CMAC
 *     OWE              0                KDF-SHA-256-384    HMAC-SHA-256-128 (RFC 8110 4.4)
 *
 * Key data is wrapped by NIST AES key wrap in all of them. */
#ifndef PROTO_EAPOL_H
#define PROTO_EAPOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/rsn.h"

#define AT_PMK_LEN         32u
#define AT_NONCE_LEN       32u
#define AT_EAPOL_FRAME_MAX 256u /* bytes of an EAPOL frame here, Ethernet header included */

typedef enum at_eapol_step {
    AT_EAPOL_IGNORED, /* not for us, replayed, malformed: nothing changes */
    AT_EAPOL_REPLY,   /* send reply, go on */
    AT_EAPOL_DONE,    /* (send reply when reply_len > 0;) keys are set */
    AT_EAPOL_BAD_MIC, /* the other end has another PMK */
} at_eapol_step;

/* What an access point shares with all of its stations: group key, and with PMF the key of group
 * management frames. */
typedef struct at_group_keys {
    uint8_t gtk[16], igtk[16];
} at_group_keys;

typedef struct at_eapol_keys {
    uint8_t kck[16], kek[16], tk[16];
    at_group_keys group;
} at_eapol_keys;

typedef enum at_eapol_state {
    AT_EAPOL_OFF,
    AT_EAPOL_WAIT_1,
    AT_EAPOL_WAIT_2,
    AT_EAPOL_WAIT_3,
    AT_EAPOL_WAIT_4,
    AT_EAPOL_SET
} at_eapol_state;

/* One end. The structure is the caller's; wipe with at_eapol_clear. */
typedef struct at_eapol {
    at_eapol_state state;
    bool authenticator;
    uint8_t own[6], peer[6];
    at_suite suite;
    uint8_t pmk[AT_PMK_LEN];
    uint8_t anonce[AT_NONCE_LEN], snonce[AT_NONCE_LEN];
    uint64_t replay;       /* authenticator: last counter sent; supplicant: last one accepted */
    uint64_t replay_first; /* authenticator: the first counter of the message that waits */
    at_eapol_keys keys;    /* valid in AT_EAPOL_SET; a supplicant that is set answers a repeated
                            * message 3 (AT_EAPOL_REPLY) but never sets keys again */
} at_eapol;

/* Both starts forget what the structure held. suite: not of an open network. nonce: AT_NONCE_LEN
 * fresh random bytes. */
void at_eapol_start_supplicant(at_eapol *e, const uint8_t own[6], const uint8_t peer[6],
                               const at_suite *suite, const uint8_t pmk[AT_PMK_LEN],
                               const uint8_t nonce[AT_NONCE_LEN]);
/* group: sent in message 3. Writes message 1 into first (room of AT_EAPOL_FRAME_MAX bytes), returns
 * its length. */
size_t at_eapol_start_authenticator(at_eapol *e, const uint8_t own[6], const uint8_t peer[6],
                                    const at_suite *suite, const uint8_t pmk[AT_PMK_LEN],
                                    const uint8_t nonce[AT_NONCE_LEN], const at_group_keys *group,
                                    uint8_t *first);
/* One received Ethernet frame of EtherType 0x888E. reply has room for AT_EAPOL_FRAME_MAX bytes. */
at_eapol_step at_eapol_input(at_eapol *e, const uint8_t *frame, size_t len, uint8_t *reply,
                             size_t *reply_len);
/* The authenticator's last message again (it had no answer); 0 when there is none. */
size_t at_eapol_again(at_eapol *e, uint8_t *frame);
void at_eapol_clear(at_eapol *e);
/* The PRF of IEEE 802.11-2020 12.7.1.2: out_len bytes from a key, a label and data. */
void at_prf_sha1(const uint8_t *key, size_t key_len, const char *label, const uint8_t *data,
                 size_t data_len, uint8_t *out, size_t out_len);
/* PMK of a passphrase of 8..63 bytes or 64 hex digits (IEEE 802.11-2020 J.4). False:
 * another length, other characters (printable ASCII), or an SSID of 0 or more than 32 bytes. Takes
 * some milliseconds: keep the result. */
bool at_pmk_from_passphrase(const char *passphrase, const uint8_t *ssid, size_t ssid_len,
                            uint8_t pmk[AT_PMK_LEN]);

#endif
