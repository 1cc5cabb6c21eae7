/* The codec of management frames (proto/mgmt.h).
 *
 *     destination 6 · source 6 · EtherType 2 · version 1 · type 1 · fields of the type
 *
 * Numbers are big endian, an SSID is its length and its bytes. One function per direction walks the
 * fields of a type in the order of the structure, so the two stay mirror images. A frame may be
 * longer than its fields (Ethernet pads to 60 bytes), never shorter. Values out of range make a
 * frame invalid in both directions: what was decoded is safe to index tables with. There is no
 * state here; what protects a deauthentication or an SA query is made and checked in proto/pmf.c.
 */
#include "proto/mgmt.h"

#include <string.h>

#include "core/bytes.h"

static bool ssid_ok(const at_ssid *ssid)
{
    return ssid->len <= AT_SSID_MAX;
}

static bool bss_ok(const at_bss *bss)
{
    return ssid_ok(&bss->ssid) && bss->channel >= 1 && bss->channel <= 14 &&
           bss->auth < AT_AUTH_MODES && bss->pairwise <= AT_CIPHER_UNKNOWN &&
           bss->group <= AT_CIPHER_UNKNOWN && bss->wps <= 1 && bss->country[2] == '\0' &&
           bss->sae <= (AT_SAE_LOOPING | AT_SAE_H2E);
}

static bool protection_ok(const at_mgmt_protection *p)
{
    return p->number >> 48 == 0;
}

static bool fields_ok(const at_mgmt *m)
{
    switch (m->type) {
    case AT_MGMT_SCAN: return m->scan.channel <= 14 && ssid_ok(&m->scan.ssid);
    case AT_MGMT_BEACON: return bss_ok(&m->beacon.bss);
    case AT_MGMT_AUTH: return m->auth.len <= AT_AUTH_BODY_MAX;
    case AT_MGMT_ASSOC: return ssid_ok(&m->assoc.ssid) && m->assoc.auth < AT_AUTH_MODES;
    case AT_MGMT_ANNOUNCE: /* one that goes off the air need not say more than a name that fits */
        return ssid_ok(&m->announce.bss.ssid) && (!m->announce.on || bss_ok(&m->announce.bss));
    case AT_MGMT_KEYS:
    case AT_MGMT_STATION_LOST:
    case AT_MGMT_SCAN_DONE:
    case AT_MGMT_ASSOC_ANSWER:
    case AT_MGMT_QUALITY:
    case AT_MGMT_BEACON_LOST: return true;
    case AT_MGMT_DEAUTH: return protection_ok(&m->deauth.protection);
    case AT_MGMT_SA_QUERY: return protection_ok(&m->sa_query.protection);
    }
    return false;
}

static void put_ssid(at_builder *b, const at_ssid *ssid)
{
    at_put8(b, ssid->len);
    at_put(b, ssid->bytes, ssid->len);
}

static void get_ssid(at_reader *r, at_ssid *ssid)
{
    ssid->len = at_get8(r);
    if (ssid_ok(ssid))
        at_get_copy(r, ssid->bytes, ssid->len);
}

static void put_bss(at_builder *b, const at_bss *bss)
{
    at_put(b, bss->bssid, sizeof bss->bssid);
    put_ssid(b, &bss->ssid);
    at_put8(b, bss->channel);
    at_put8(b, (uint8_t)bss->rssi);
    at_put8(b, bss->auth);
    at_put8(b, bss->pairwise);
    at_put8(b, bss->group);
    at_put8(b, bss->protocols);
    at_put8(b, bss->pmf);
    at_put8(b, bss->wps);
    at_put(b, bss->country, sizeof bss->country);
    at_put8(b, bss->sae);
}

static void get_bss(at_reader *r, at_bss *bss)
{
    at_get_copy(r, bss->bssid, sizeof bss->bssid);
    get_ssid(r, &bss->ssid);
    bss->channel = at_get8(r);
    bss->rssi = (int8_t)at_get8(r);
    bss->auth = at_get8(r);
    bss->pairwise = at_get8(r);
    bss->group = at_get8(r);
    bss->protocols = at_get8(r);
    bss->pmf = at_get8(r);
    bss->wps = at_get8(r);
    at_get_copy(r, bss->country, sizeof bss->country);
    bss->sae = at_get8(r);
}

static void put_dh(at_builder *b, const at_mgmt_dh *dh)
{
    at_put16(b, dh->group);
    if (dh->group != 0)
        at_put(b, dh->key, sizeof dh->key);
}

static void get_dh(at_reader *r, at_mgmt_dh *dh)
{
    dh->group = at_get16(r);
    if (dh->group != 0)
        at_get_copy(r, dh->key, sizeof dh->key);
}

static void put_protection(at_builder *b, const at_mgmt_protection *p)
{
    at_put8(b, p->on ? 1 : 0);
    if (!p->on)
        return;
    at_put16(b, (uint16_t)(p->number >> 32));
    at_put32(b, (uint32_t)p->number);
    at_put(b, p->mic, sizeof p->mic);
}

static void get_protection(at_reader *r, at_mgmt_protection *p)
{
    p->on = at_get8(r) != 0;
    if (!p->on)
        return;
    p->number = (uint64_t)at_get16(r) << 32;
    p->number |= at_get32(r);
    at_get_copy(r, p->mic, sizeof p->mic);
}

static void put_fields(at_builder *b, const at_mgmt *m)
{
    switch (m->type) {
    case AT_MGMT_SCAN:
        at_put8(b, m->scan.token);
        at_put8(b, m->scan.channel);
        at_put8(b, m->scan.passive ? 1 : 0);
        put_ssid(b, &m->scan.ssid);
        break;
    case AT_MGMT_BEACON:
        at_put8(b, m->beacon.token);
        put_bss(b, &m->beacon.bss);
        break;
    case AT_MGMT_SCAN_DONE: at_put8(b, m->scan_done.token); break;
    case AT_MGMT_AUTH:
        at_put8(b, m->auth.algorithm);
        at_put16(b, m->auth.sequence);
        at_put16(b, m->auth.status);
        at_put8(b, m->auth.len);
        at_put(b, m->auth.body, m->auth.len);
        break;
    case AT_MGMT_ASSOC:
        put_ssid(b, &m->assoc.ssid);
        at_put8(b, m->assoc.auth);
        at_put8(b, m->assoc.pmf);
        at_put8(b, m->assoc.protocols);
        at_put16(b, m->assoc.listen_interval);
        at_put8(b, m->assoc.has_pmkid ? 1 : 0);
        at_put(b, m->assoc.pmkid, m->assoc.has_pmkid ? AT_PMKID_LEN : 0);
        put_dh(b, &m->assoc.dh);
        break;
    case AT_MGMT_ASSOC_ANSWER:
        at_put16(b, m->assoc_answer.status);
        at_put16(b, m->assoc_answer.aid);
        put_dh(b, &m->assoc_answer.dh);
        break;
    case AT_MGMT_DEAUTH:
        at_put16(b, m->deauth.reason);
        put_protection(b, &m->deauth.protection);
        break;
    case AT_MGMT_SA_QUERY:
        at_put8(b, m->sa_query.answer ? 1 : 0);
        at_put16(b, m->sa_query.id);
        put_protection(b, &m->sa_query.protection);
        break;
    case AT_MGMT_QUALITY: at_put8(b, (uint8_t)m->quality.rssi); break;
    case AT_MGMT_ANNOUNCE:
        at_put8(b, m->announce.on ? 1 : 0);
        at_put8(b, m->announce.hidden ? 1 : 0);
        put_bss(b, &m->announce.bss);
        break;
    case AT_MGMT_BEACON_LOST:
    case AT_MGMT_KEYS:
    case AT_MGMT_STATION_LOST: break;
    }
}

static void get_fields(at_reader *r, at_mgmt *m)
{
    switch (m->type) {
    case AT_MGMT_SCAN:
        m->scan.token = at_get8(r);
        m->scan.channel = at_get8(r);
        m->scan.passive = at_get8(r) != 0;
        get_ssid(r, &m->scan.ssid);
        break;
    case AT_MGMT_BEACON:
        m->beacon.token = at_get8(r);
        get_bss(r, &m->beacon.bss);
        break;
    case AT_MGMT_SCAN_DONE: m->scan_done.token = at_get8(r); break;
    case AT_MGMT_AUTH:
        m->auth.algorithm = at_get8(r);
        m->auth.sequence = at_get16(r);
        m->auth.status = at_get16(r);
        m->auth.len = at_get8(r);
        if (m->auth.len <= AT_AUTH_BODY_MAX)
            at_get_copy(r, m->auth.body, m->auth.len);
        break;
    case AT_MGMT_ASSOC:
        get_ssid(r, &m->assoc.ssid);
        m->assoc.auth = at_get8(r);
        m->assoc.pmf = at_get8(r);
        m->assoc.protocols = at_get8(r);
        m->assoc.listen_interval = at_get16(r);
        m->assoc.has_pmkid = at_get8(r) != 0;
        at_get_copy(r, m->assoc.pmkid, m->assoc.has_pmkid ? AT_PMKID_LEN : 0);
        get_dh(r, &m->assoc.dh);
        break;
    case AT_MGMT_ASSOC_ANSWER:
        m->assoc_answer.status = at_get16(r);
        m->assoc_answer.aid = at_get16(r);
        get_dh(r, &m->assoc_answer.dh);
        break;
    case AT_MGMT_DEAUTH:
        m->deauth.reason = at_get16(r);
        get_protection(r, &m->deauth.protection);
        break;
    case AT_MGMT_SA_QUERY:
        m->sa_query.answer = at_get8(r) != 0;
        m->sa_query.id = at_get16(r);
        get_protection(r, &m->sa_query.protection);
        break;
    case AT_MGMT_QUALITY: m->quality.rssi = (int8_t)at_get8(r); break;
    case AT_MGMT_ANNOUNCE:
        m->announce.on = at_get8(r) != 0;
        m->announce.hidden = at_get8(r) != 0;
        get_bss(r, &m->announce.bss);
        break;
    case AT_MGMT_BEACON_LOST:
    case AT_MGMT_KEYS:
    case AT_MGMT_STATION_LOST: break;
    }
}

size_t at_mgmt_encode(const at_mgmt *m, uint8_t *frame, size_t room)
{
    at_builder b = at_builder_of(frame, room);

    if (!fields_ok(m))
        return 0;
    at_put(&b, m->to, sizeof m->to);
    at_put(&b, m->from, sizeof m->from);
    at_put16(&b, AT_ETHERTYPE_MGMT);
    at_put8(&b, AT_MGMT_VERSION);
    at_put8(&b, (uint8_t)m->type);
    put_fields(&b, m);
    return at_built(&b);
}

bool at_mgmt_decode(at_mgmt *m, const uint8_t *frame, size_t len)
{
    at_reader r = at_reader_of(frame, len);
    uint8_t type;

    memset(m, 0, sizeof *m);
    at_get_copy(&r, m->to, sizeof m->to);
    at_get_copy(&r, m->from, sizeof m->from);
    if (at_get16(&r) != AT_ETHERTYPE_MGMT || at_get8(&r) != AT_MGMT_VERSION)
        return false;
    type = at_get8(&r);
    if (type < AT_MGMT_SCAN || type > AT_MGMT_SA_QUERY)
        return false;
    m->type = (at_mgmt_type)type;
    get_fields(&r, m);
    return r.ok && fields_ok(m);
}

const char *at_auth_mode_name(unsigned mode)
{
    static const char *const names[AT_AUTH_MODES] = {
        "OPEN",     "WEP",           "WPA_PSK",  "WPA2_PSK", "WPA_WPA2_PSK", "WPA2_ENTERPRISE",
        "WPA3_PSK", "WPA2_WPA3_PSK", "WAPI_PSK", "OWE",
    };

    return mode < AT_AUTH_MODES ? names[mode] : "?";
}

at_cipher at_auth_pairwise(unsigned mode)
{
    switch (mode) {
    case AT_AUTH_OPEN: return AT_CIPHER_NONE;
    case AT_AUTH_WEP: return AT_CIPHER_WEP40;
    case AT_AUTH_WPA_PSK: return AT_CIPHER_TKIP;
    case AT_AUTH_WPA_WPA2_PSK: return AT_CIPHER_TKIP_CCMP;
    case AT_AUTH_WAPI_PSK: return AT_CIPHER_UNKNOWN; /* SMS4 is not among those of CWLAP */
    default: return AT_CIPHER_CCMP;
    }
}

at_cipher at_auth_group(unsigned mode)
{
    at_cipher pairwise = at_auth_pairwise(mode);

    return pairwise == AT_CIPHER_TKIP_CCMP ? AT_CIPHER_TKIP : pairwise;
}

bool at_auth_fits(unsigned offered, unsigned wanted)
{
    bool wpa = wanted == AT_AUTH_WPA_PSK || wanted == AT_AUTH_WPA_WPA2_PSK;
    bool wpa2 = wanted == AT_AUTH_WPA2_PSK || wanted == AT_AUTH_WPA_WPA2_PSK;
    bool wpa3 = wanted == AT_AUTH_WPA3_PSK;

    switch (offered) {
    case AT_AUTH_OPEN: return wanted == AT_AUTH_OPEN;
    case AT_AUTH_WPA_PSK: return wpa;
    case AT_AUTH_WPA2_PSK: return wpa2;
    case AT_AUTH_WPA_WPA2_PSK: return wpa || wpa2;
    case AT_AUTH_WPA3_PSK: return wpa3;
    case AT_AUTH_WPA2_WPA3_PSK: return wpa2 || wpa3;
    case AT_AUTH_OWE: return wanted == AT_AUTH_OWE;
    default: return false;
    }
}

bool at_auth_has_password(unsigned mode)
{
    return mode != AT_AUTH_OPEN && mode != AT_AUTH_OWE;
}
