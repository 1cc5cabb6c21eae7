/* The four-way handshake, both ends, IEEE 802.11-2020 12.7.6.
 *
 *     authenticator                          supplicant
 *     1  ANonce, PMKID                 ->    derives the PTK
 *     derives, checks the MIC          <-    2  SNonce, RSN element, MIC
 *     3  RSN element, GTK, IGTK, MIC   ->    checks, takes the group's keys
 *     keys are set                     <-    4  MIC                         keys are set
 *
 * An EAPOL-Key frame is 95 bytes behind its EAPOL header (12.7.2), then the key data. The MIC
 * covers the EAPOL header to the end of the data with its own field zero. Key data of message 3 is
 * wrapped with the KEK. The PTK is KCK | KEK | TK.
 *
 * Replay counters: the authenticator uses a new one for every frame it sends, also for a
 * repetition, and accepts an answer to any repetition of the message that waits now, to nothing
 * older. The supplicant accepts message 3 only above the last counter it accepted; message 1 has no
 * MIC and moves nothing but the nonce. A repeated message 3 is answered, yet keys are never set a
 * second time (that would reset packet numbers: CVE-2017-13077).
 *
 * The elements of the suite (proto/rsn.h) must match exactly: what the station asked for, and what the
 * access point's beacon said. That is the check against a downgrade which 12.7.6.4 asks for. Message 1
 * of SAE names its key; one that names another is ignored. With PMF message 3 brings the IGTK.
 */
#include "proto/eapol.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/aes.h"
#include "crypto/hmac.h"
#include "crypto/kdf.h"
#include "crypto/keywrap.h"
#include "crypto/pbkdf2.h"
#include "proto/mgmt.h"

#define ETHERNET_LEN     14u
#define EAPOL_HEADER_LEN 4u
#define KEY_FRAME_LEN    95u
#define MIC_LEN          16u
#define MIC_OFFSET       (EAPOL_HEADER_LEN + 77u) /* from the EAPOL header */
#define EAPOL_VERSION    2u
#define EAPOL_TYPE_KEY   3u
#define DESCRIPTOR_RSN   2u
#define KDE_HEAD_LEN     6u /* element id, length, OUI, type */
#define KEY_DATA_MAX     (AT_EAPOL_FRAME_MAX - ETHERNET_LEN - EAPOL_HEADER_LEN - KEY_FRAME_LEN)

/* Key information (12.7.2 b) without the descriptor version. */
#define INFO_PAIRWISE  0x0008u
#define INFO_INSTALL   0x0040u
#define INFO_ACK       0x0080u
#define INFO_MIC       0x0100u
#define INFO_SECURE    0x0200u
#define INFO_ENCRYPTED 0x1000u
#define INFO_VERSIONS  0x0007u
#define INFO_1         (INFO_PAIRWISE | INFO_ACK)
#define INFO_2         (INFO_PAIRWISE | INFO_MIC)
#define INFO_3         (INFO_1 | INFO_INSTALL | INFO_MIC | INFO_SECURE | INFO_ENCRYPTED)
#define INFO_4         (INFO_2 | INFO_SECURE)

/* Heads of KDEs (12.7.2, table 12-9): element, length, OUI, type; then the fields before the key. */
static const uint8_t gtk_head[] = { 0xDD, 22, 0x00, 0x0F, 0xAC, 1, 1, 0 }; /* key id 1 */
static const uint8_t igtk_head[] = { 0xDD, 28, 0x00, 0x0F, 0xAC, 9, 4, 0, 0, 0, 0, 0, 0, 0 };
static const uint8_t pmkid_head[] = { 0xDD, 20, 0x00, 0x0F, 0xAC, 4 };

/* A received EAPOL-Key frame; pointers into it. */
typedef struct key_frame {
    const uint8_t *eapol; /* header, MIC and data: what the MIC covers */
    size_t eapol_len;
    uint16_t info;
    uint64_t replay;
    const uint8_t *nonce, *mic, *data;
    size_t data_len;
} key_frame;

/* ---- keys ---- */

void at_prf_sha1(const uint8_t *key, size_t key_len, const char *label, const uint8_t *data,
                 size_t data_len, uint8_t *out, size_t out_len)
{
    uint8_t block[AT_SHA1_LEN];
    at_hmac hmac;

    at_hmac_start(&hmac, AT_HASH_SHA1, key, key_len);
    for (uint8_t i = 0; out_len > 0; i++) {
        size_t part = AT_MIN(out_len, sizeof block);

        at_hmac_add(&hmac, label, strlen(label) + 1); /* the label's end is part of it */
        at_hmac_add(&hmac, data, data_len);
        at_hmac_add(&hmac, &i, 1);
        at_hmac_finish(&hmac, block);
        memcpy(out, block, part);
        out += part;
        out_len -= part;
    }
    at_wipe(block, sizeof block);
    at_hmac_clear(&hmac);
}

static void put_in_order(at_builder *b, const uint8_t *x, const uint8_t *y, size_t len)
{
    bool x_first = memcmp(x, y, len) < 0;

    at_put(b, x_first ? x : y, len);
    at_put(b, x_first ? y : x, len);
}

/* The PTK out of PMK, both addresses and both nonces (12.7.1.3); leaves the group's alone. */
static void derive_keys(at_eapol *e)
{
    static const char label[] = "Pairwise key expansion";
    uint8_t data[2 * 6 + 2 * AT_NONCE_LEN], ptk[48];
    at_builder b = at_builder_of(data, sizeof data);

    put_in_order(&b, e->own, e->peer, 6);
    put_in_order(&b, e->anonce, e->snonce, AT_NONCE_LEN);
    if (e->suite.akm == AT_AKM_PSK)
        at_prf_sha1(e->pmk, sizeof e->pmk, label, data, sizeof data, ptk, sizeof ptk);
    else
        at_kdf_sha256(e->pmk, sizeof e->pmk, label, data, sizeof data, ptk, sizeof ptk);
    memcpy(e->keys.kck, ptk, 16);
    memcpy(e->keys.kek, ptk + 16, 16);
    memcpy(e->keys.tk, ptk + 32, 16);
    at_wipe(ptk, sizeof ptk);
}

bool at_pmk_from_passphrase(const char *passphrase, const uint8_t *ssid, size_t ssid_len,
                            uint8_t pmk[AT_PMK_LEN])
{
    size_t len = strlen(passphrase);

    if (len == 2 * AT_PMK_LEN)
        return at_parse_hex(passphrase, AT_PMK_LEN, pmk);
    if (len < 8 || len > AT_PASSPHRASE_MAX || ssid_len == 0 || ssid_len > AT_SSID_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (passphrase[i] < 0x20 || passphrase[i] > 0x7E)
            return false;
    }
    return at_pbkdf2(AT_HASH_SHA1, passphrase, len, ssid, ssid_len, 4096, pmk, AT_PMK_LEN) == AT_OK;
}

/* ---- frames ---- */

static uint16_t version_of(const at_eapol *e)
{
    return e->suite.akm == AT_AKM_PSK ? 2 : 0;
}

/* Of a frame of at most AT_EAPOL_FRAME_MAX bytes. */
static void make_mic(const at_eapol *e, const uint8_t *eapol, size_t len, uint8_t mic[MIC_LEN])
{
    uint8_t copy[AT_EAPOL_FRAME_MAX], full[AT_HASH_MAX] = { 0 };

    memcpy(copy, eapol, len);
    memset(copy + MIC_OFFSET, 0, MIC_LEN);
    if (e->suite.akm == AT_AKM_SAE)
        (void)at_aes_cmac(e->keys.kck, sizeof e->keys.kck, copy, len, full);
    else
        at_hmac_of(e->suite.akm == AT_AKM_OWE ? AT_HASH_SHA256 : AT_HASH_SHA1, e->keys.kck,
                   sizeof e->keys.kck, copy, len, full);
    memcpy(mic, full, MIC_LEN);
}

static bool mic_good(const at_eapol *e, const key_frame *k)
{
    uint8_t mic[MIC_LEN];

    make_mic(e, k->eapol, k->eapol_len, mic);
    return at_equal_secret(mic, k->mic, MIC_LEN);
}

/* Builds one EAPOL-Key frame of AT_EAPOL_FRAME_MAX room. nonce may be NULL (zeroes). */
static size_t build(const at_eapol *e, uint16_t info, const uint8_t *nonce, const uint8_t *data,
                    size_t data_len, uint8_t *frame)
{
    static const uint8_t zero[AT_NONCE_LEN];
    at_builder b = at_builder_of(frame, AT_EAPOL_FRAME_MAX);
    uint8_t *eapol = frame + ETHERNET_LEN;

    at_put(&b, e->peer, 6);
    at_put(&b, e->own, 6);
    at_put16(&b, AT_ETHERTYPE_EAPOL);
    at_put8(&b, EAPOL_VERSION);
    at_put8(&b, EAPOL_TYPE_KEY);
    at_put16(&b, (uint16_t)(KEY_FRAME_LEN + data_len));
    at_put8(&b, DESCRIPTOR_RSN);
    at_put16(&b, info | version_of(e));
    at_put16(&b, (info & INFO_ACK) != 0 ? 16 : 0); /* key length: CCMP's, from the authenticator */
    at_put32(&b, (uint32_t)(e->replay >> 32));
    at_put32(&b, (uint32_t)e->replay);
    at_put(&b, nonce != NULL ? nonce : zero, AT_NONCE_LEN);
    at_put(&b, zero, 16 + 8 + 8); /* IV, RSC, reserved */
    at_put(&b, zero, MIC_LEN);
    at_put16(&b, (uint16_t)data_len);
    at_put(&b, data, data_len);
    if ((info & INFO_MIC) != 0 && at_built(&b) > 0)
        make_mic(e, eapol, at_built(&b) - ETHERNET_LEN, eapol + MIC_OFFSET);
    return at_built(&b);
}

static bool parse(const at_eapol *e, const uint8_t *frame, size_t len, key_frame *k)
{
    at_reader r = at_reader_of(frame, len);
    const uint8_t *to = at_get(&r, 6), *from = at_get(&r, 6);
    uint16_t type = at_get16(&r);
    size_t body_len;

    if (!r.ok || type != AT_ETHERTYPE_EAPOL || memcmp(to, e->own, 6) != 0 ||
        memcmp(from, e->peer, 6) != 0)
        return false;
    k->eapol = r.at;
    (void)at_get8(&r); /* any version: 802.1X receivers must not care */
    if (at_get8(&r) != EAPOL_TYPE_KEY)
        return false;
    body_len = at_get16(&r);
    k->eapol_len = EAPOL_HEADER_LEN + body_len;
    if (body_len < KEY_FRAME_LEN || body_len > r.left || k->eapol_len > AT_EAPOL_FRAME_MAX)
        return false;
    r.left = body_len; /* what follows is Ethernet padding */
    if (at_get8(&r) != DESCRIPTOR_RSN)
        return false;
    k->info = at_get16(&r);
    if ((k->info & INFO_VERSIONS) != version_of(e))
        return false;
    k->info &= (uint16_t)~INFO_VERSIONS;
    (void)at_get16(&r); /* key length */
    k->replay = (uint64_t)at_get32(&r) << 32;
    k->replay |= at_get32(&r);
    k->nonce = at_get(&r, AT_NONCE_LEN);
    (void)at_get(&r, 16 + 8 + 8); /* IV, RSC, reserved */
    k->mic = at_get(&r, MIC_LEN);
    k->data_len = at_get16(&r);
    k->data = at_get(&r, k->data_len);
    return r.ok && r.left == 0;
}

/* ---- the authenticator ---- */

static size_t send_1(at_eapol *e, uint8_t *frame)
{
    uint8_t data[sizeof pmkid_head + AT_PMKID_LEN];

    e->replay++;
    memcpy(data, pmkid_head, sizeof pmkid_head);
    memcpy(data + sizeof pmkid_head, e->suite.pmkid, AT_PMKID_LEN);
    return build(e, INFO_1, e->anonce, data, e->suite.has_pmkid ? sizeof data : 0, frame);
}

static size_t send_3(at_eapol *e, uint8_t *frame)
{
    uint8_t plain[KEY_DATA_MAX], wrapped[KEY_DATA_MAX];
    at_builder b = at_builder_of(plain, sizeof plain - AT_KEYWRAP_EXTRA);
    size_t len;

    at_put(&b, e->suite.ap.bytes, e->suite.ap.len);
    at_put(&b, gtk_head, sizeof gtk_head);
    at_put(&b, e->keys.group.gtk, sizeof e->keys.group.gtk);
    if (e->suite.mfp) {
        at_put(&b, igtk_head, sizeof igtk_head);
        at_put(&b, e->keys.group.igtk, sizeof e->keys.group.igtk);
    }
    /* Padded to a multiple of 8 with DD 00 00... (12.7.2 j). */
    for (uint8_t pad = 0xDD; at_built(&b) % 8 != 0; pad = 0)
        at_put8(&b, pad);
    len = at_built(&b);
    at_keywrap(e->keys.kek, sizeof e->keys.kek, plain, len, wrapped);
    at_wipe(plain, sizeof plain);
    e->replay++;
    return build(e, INFO_3, e->anonce, wrapped, len + AT_KEYWRAP_EXTRA, frame);
}

static bool same_elements(const at_rsn *rsn, const uint8_t *data, size_t len)
{
    return len == rsn->len && memcmp(data, rsn->bytes, len) == 0;
}

static at_eapol_step take_2(at_eapol *e, const key_frame *k, uint8_t *reply, size_t *reply_len)
{
    if (k->info != INFO_2)
        return AT_EAPOL_IGNORED;
    memcpy(e->snonce, k->nonce, AT_NONCE_LEN);
    derive_keys(e);
    if (!mic_good(e, k))
        return AT_EAPOL_BAD_MIC;
    if (!same_elements(&e->suite.station, k->data, k->data_len))
        return AT_EAPOL_IGNORED;
    e->replay_first = e->replay + 1;
    *reply_len = send_3(e, reply);
    e->state = AT_EAPOL_WAIT_4;
    return AT_EAPOL_REPLY;
}

static at_eapol_step take_4(at_eapol *e, const key_frame *k)
{
    if (k->info != INFO_4)
        return AT_EAPOL_IGNORED;
    if (!mic_good(e, k))
        return AT_EAPOL_BAD_MIC;
    e->state = AT_EAPOL_SET;
    return AT_EAPOL_DONE;
}

static at_eapol_step authenticator_input(at_eapol *e, const key_frame *k, uint8_t *reply,
                                         size_t *reply_len)
{
    if (k->replay < e->replay_first || k->replay > e->replay)
        return AT_EAPOL_IGNORED;
    if (e->state == AT_EAPOL_WAIT_2)
        return take_2(e, k, reply, reply_len);
    if (e->state == AT_EAPOL_WAIT_4)
        return take_4(e, k);
    return AT_EAPOL_IGNORED;
}

/* ---- the supplicant ---- */

/* Without a PMKID of ours anything goes: an access point may name the key of a PSK as well. */
static bool names_our_key(const at_eapol *e, const key_frame *k)
{
    if (!e->suite.has_pmkid)
        return true;
    return k->data_len == sizeof pmkid_head + AT_PMKID_LEN &&
           memcmp(k->data, pmkid_head, sizeof pmkid_head) == 0 &&
           memcmp(k->data + sizeof pmkid_head, e->suite.pmkid, AT_PMKID_LEN) == 0;
}

static at_eapol_step take_1(at_eapol *e, const key_frame *k, uint8_t *reply, size_t *reply_len)
{
    uint64_t accepted = e->replay;

    if (e->state == AT_EAPOL_SET || k->replay <= accepted || !names_our_key(e, k))
        return AT_EAPOL_IGNORED;
    memcpy(e->anonce, k->nonce, AT_NONCE_LEN);
    derive_keys(e);
    e->replay = k->replay; /* an answer carries the counter of the question */
    *reply_len = build(e, INFO_2, e->snonce, e->suite.station.bytes, e->suite.station.len, reply);
    e->replay = accepted;
    e->state = AT_EAPOL_WAIT_3;
    return AT_EAPOL_REPLY;
}

/* The key of a KDE that begins as head does; false: it is another one. */
static bool take_kde(const uint8_t *element, size_t len, const uint8_t *head, size_t head_len,
                     uint8_t key[16])
{
    if (len != head_len + 16 || memcmp(element, head, KDE_HEAD_LEN) != 0)
        return false;
    memcpy(key, element + head_len, 16);
    return true;
}

/* Finds elements and keys in unwrapped key data; false when one is missing or wrong. */
static bool take_key_data(const at_suite *suite, const uint8_t *data, size_t len,
                          at_group_keys *group)
{
    bool rsn = len >= suite->ap.len && memcmp(data, suite->ap.bytes, suite->ap.len) == 0;
    bool gtk = false, igtk = false;
    at_reader r = at_reader_of(data + suite->ap.len, rsn ? len - suite->ap.len : 0);

    while (r.left >= 2) {
        const uint8_t *element = r.at;
        uint8_t id = at_get8(&r), body_len = at_get8(&r);

        if (id == 0xDD && body_len == 0)
            break; /* the padding */
        if (at_get(&r, body_len) == NULL || id != 0xDD)
            return false; /* an element more than the beacon had */
        gtk |= take_kde(element, body_len + 2u, gtk_head, sizeof gtk_head, group->gtk);
        igtk |= take_kde(element, body_len + 2u, igtk_head, sizeof igtk_head, group->igtk);
    }
    return rsn && gtk && igtk == suite->mfp;
}

static bool unwrap_key_data(const at_eapol *e, const key_frame *k, at_group_keys *group)
{
    uint8_t plain[KEY_DATA_MAX];
    bool good = false;

    if (k->data_len <= sizeof plain &&
        at_keyunwrap(e->keys.kek, sizeof e->keys.kek, k->data, k->data_len, plain) == AT_OK)
        good = take_key_data(&e->suite, plain, k->data_len - AT_KEYWRAP_EXTRA, group);
    at_wipe(plain, sizeof plain);
    return good;
}

static at_eapol_step take_3(at_eapol *e, const key_frame *k, uint8_t *reply, size_t *reply_len)
{
    at_group_keys group = { 0 };
    bool repeated = e->state == AT_EAPOL_SET;

    if (e->state == AT_EAPOL_WAIT_1 || k->replay <= e->replay ||
        memcmp(k->nonce, e->anonce, AT_NONCE_LEN) != 0)
        return AT_EAPOL_IGNORED;
    if (!mic_good(e, k))
        return AT_EAPOL_BAD_MIC;
    if (!unwrap_key_data(e, k, &group))
        return AT_EAPOL_IGNORED;
    e->replay = k->replay;
    *reply_len = build(e, INFO_4, NULL, NULL, 0, reply);
    if (!repeated)
        e->keys.group = group;
    at_wipe(&group, sizeof group);
    e->state = AT_EAPOL_SET;
    return repeated ? AT_EAPOL_REPLY : AT_EAPOL_DONE;
}

/* ---- both ---- */

static void start(at_eapol *e, const uint8_t own[6], const uint8_t peer[6], const at_suite *suite,
                  const uint8_t pmk[AT_PMK_LEN])
{
    at_eapol_clear(e);
    memcpy(e->own, own, 6);
    memcpy(e->peer, peer, 6);
    e->suite = *suite;
    memcpy(e->pmk, pmk, AT_PMK_LEN);
}

void at_eapol_start_supplicant(at_eapol *e, const uint8_t own[6], const uint8_t peer[6],
                               const at_suite *suite, const uint8_t pmk[AT_PMK_LEN],
                               const uint8_t nonce[AT_NONCE_LEN])
{
    start(e, own, peer, suite, pmk);
    memcpy(e->snonce, nonce, AT_NONCE_LEN);
    e->state = AT_EAPOL_WAIT_1;
}

size_t at_eapol_start_authenticator(at_eapol *e, const uint8_t own[6], const uint8_t peer[6],
                                    const at_suite *suite, const uint8_t pmk[AT_PMK_LEN],
                                    const uint8_t nonce[AT_NONCE_LEN], const at_group_keys *group,
                                    uint8_t *first)
{
    start(e, own, peer, suite, pmk);
    e->authenticator = true;
    memcpy(e->anonce, nonce, AT_NONCE_LEN);
    e->keys.group = *group;
    e->replay_first = 1;
    e->state = AT_EAPOL_WAIT_2;
    return send_1(e, first);
}

at_eapol_step at_eapol_input(at_eapol *e, const uint8_t *frame, size_t len, uint8_t *reply,
                             size_t *reply_len)
{
    key_frame k;

    *reply_len = 0;
    if (e->state == AT_EAPOL_OFF || !parse(e, frame, len, &k))
        return AT_EAPOL_IGNORED;
    if (e->authenticator)
        return authenticator_input(e, &k, reply, reply_len);
    if (k.info == INFO_1)
        return take_1(e, &k, reply, reply_len);
    if (k.info == INFO_3)
        return take_3(e, &k, reply, reply_len);
    return AT_EAPOL_IGNORED;
}

size_t at_eapol_again(at_eapol *e, uint8_t *frame)
{
    if (e->authenticator && e->state == AT_EAPOL_WAIT_2)
        return send_1(e, frame);
    if (e->authenticator && e->state == AT_EAPOL_WAIT_4)
        return send_3(e, frame);
    return 0;
}

void at_eapol_clear(at_eapol *e)
{
    at_wipe(e, sizeof *e);
}
