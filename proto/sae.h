/* Simultaneous Authentication of Equals (IEEE 802.11-2020 12.4) with group 19, for a station
 * (initiator) and an access point (responder), without I/O: bodies of authentication frames go in and
 * come out.
 *
 *     station                                   access point
 *     commit: group, scalar, element     ->     checks, makes its own, derives
 *     checks, derives                    <-     commit
 *     confirm                            ->     checks: here a wrong password shows
 *     checks: accepted                   <-     confirm: accepted
 *
 * Both ways to the password element are here: hash-to-element (status 126 in commits) and hunting
 * and pecking ("looping"). Anti-clogging tokens and the refusal of other groups are the access point's. */
#ifndef PROTO_SAE_H
#define PROTO_SAE_H

#include "core/error.h"
#include "crypto/p256.h"
#include "iface/random.h"
#include "proto/mgmt.h"

#define AT_SAE_KEY_LEN   32u
#define AT_SAE_TOKEN_LEN 32u /* of our access points; up to AT_SAE_TOKEN_MAX of others */
#define AT_SAE_TOKEN_MAX 48u
#define AT_SAE_SYNC      5u /* repetitions that one exchange answers (dot11RSNASAESync) */

/* What a network's password is to SAE. The caller's, lives as long as an exchange that uses it;
 * wipe it with at_wipe. Keeps the point of hash-to-element once it was needed. */
typedef struct at_sae_secret {
    at_ssid ssid;
    char password[64]; /* with its end */
    bool has_pt;
    at_p256_point pt;
} at_sae_secret;

/* Forgets the point only when SSID or password differ. password: at most 63 bytes. */
void at_sae_secret_set(at_sae_secret *secret, const at_ssid *ssid, const char *password);

typedef enum at_sae_state {
    AT_SAE_NOTHING,
    AT_SAE_COMMITTED, /* our commit is out (responder: with theirs taken) */
    AT_SAE_CONFIRMED, /* initiator: our confirm is out */
    AT_SAE_ACCEPTED   /* pmk and pmkid are valid */
} at_sae_state;

typedef enum at_sae_step {
    AT_SAE_IGNORED, /* malformed, replayed, reflected, out of order: nothing changes */
    AT_SAE_SEND,    /* send out, go on */
    AT_SAE_DONE,    /* accepted; the responder sends out */
    AT_SAE_WRONG,   /* another password; the responder sends out and forgets the station */
    AT_SAE_REFUSED, /* over: the status of what came, or of out, says why; the responder sends out */
    AT_SAE_FAILED   /* over: no memory */
} at_sae_step;

typedef struct at_sae_commit {
    uint8_t scalar[AT_P256_LEN];
    at_p256_point element;
} at_sae_commit;

/* One end of one exchange. The structure is the caller's; wipe it with at_sae_clear. */
typedef struct at_sae {
    at_sae_state state;
    bool initiator, h2e;
    uint8_t own[6], peer[6];
    const at_random *random;
    at_sae_secret *secret;
    at_p256_point pwe;
    uint8_t rand[AT_P256_LEN];
    at_sae_commit ours, theirs;
    uint8_t kck[AT_SAE_KEY_LEN], pmk[AT_SAE_KEY_LEN], pmkid[AT_PMKID_LEN];
    uint16_t send_confirm, peer_confirm; /* counters of the last one out and in */
    uint8_t sync;
    uint8_t token_len, token[AT_SAE_TOKEN_MAX];
} at_sae;

/* The station's first commit, into out. AT_ERR_NOMEM. Both starts forget what the structure held. */
at_err at_sae_start(at_sae *s, const uint8_t own[6], const uint8_t peer[6], at_sae_secret *secret,
                    bool h2e, const at_random *random, at_mgmt_auth *out);
/* The access point's end, which waits for a commit. accepts: AT_SAE_LOOPING, AT_SAE_H2E. */
void at_sae_listen(at_sae *s, const uint8_t own[6], const uint8_t peer[6], at_sae_secret *secret,
                   const at_random *random);
/* One authentication frame of algorithm SAE. accepts is the responder's, AT_SAE_*; the initiator's
 * is ignored. out may be the same as in. */
at_sae_step at_sae_input(at_sae *s, unsigned accepts, const at_mgmt_auth *in, at_mgmt_auth *out);
/* The initiator's last frame again, for a lost one; a confirm counts on. False: there is none. */
bool at_sae_again(at_sae *s, at_mgmt_auth *out);
void at_sae_clear(at_sae *s);

/* ---- anti-clogging (12.4.6), kept without state about the station ---- */

/* Whether a commit brings the token made of secret and the station's address. */
bool at_sae_token_good(const uint8_t secret[AT_SAE_KEY_LEN], const uint8_t station[6],
                       const at_mgmt_auth *commit);
/* The answer to a commit without one. */
void at_sae_token_ask(const uint8_t secret[AT_SAE_KEY_LEN], const uint8_t station[6],
                      const at_mgmt_auth *commit, at_mgmt_auth *out);

/* ---- for published vectors: the steps that draw random numbers, with given ones ---- */

at_err at_sae_password_element(at_sae *s);
at_err at_sae_make_commit(at_sae *s, const uint8_t rand[AT_P256_LEN],
                          const uint8_t mask[AT_P256_LEN]);

#endif
