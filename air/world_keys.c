/* The keys of a world file: one row each, with its range, and the setters behind them.
 *
 * A row either writes a number into the section's structure by offset and size, or has a setter of
 * its own. Every setter checks its whole text and says in its error what would be right. Names of
 * modes and kinds may be written with '-' or '_'.
 */
#include "air/world_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

const char world_section_list[] = "[world], [ap NAME], [host NAME], [names], [fault NAME]";

static const char *const auth_names[AT_AUTH_MODES] = {
    [AT_AUTH_OPEN] = "open",
    [AT_AUTH_WEP] = "wep",
    [AT_AUTH_WPA_PSK] = "wpa-psk",
    [AT_AUTH_WPA2_PSK] = "wpa2-psk",
    [AT_AUTH_WPA_WPA2_PSK] = "wpa-wpa2-psk",
    [AT_AUTH_WPA2_ENTERPRISE] = "wpa2-enterprise",
    [AT_AUTH_WPA3_PSK] = "wpa3-psk",
    [AT_AUTH_WPA2_WPA3_PSK] = "wpa2-wpa3-psk",
    [AT_AUTH_WAPI_PSK] = "wapi-psk",
    [AT_AUTH_OWE] = "owe",
};

static const char *const kind_names[AT_FAULT_KINDS] = {
    [AT_FAULT_LOSS] = "loss",           [AT_FAULT_DELAY] = "delay",
    [AT_FAULT_DUPLICATE] = "duplicate", [AT_FAULT_RATE] = "rate",
    [AT_FAULT_HALF_OPEN] = "half_open", [AT_FAULT_AP_OFF] = "ap_off",
    [AT_FAULT_NO_DHCP] = "no_dhcp",     [AT_FAULT_BAD_DHCP] = "bad_dhcp",
    [AT_FAULT_DEAUTH] = "deauth",       [AT_FAULT_NO_ASSOC] = "no_assoc",
    [AT_FAULT_NO_EAPOL] = "no_eapol",   [AT_FAULT_NO_DNS] = "no_dns",
    [AT_FAULT_NO_RA] = "no_ra",         [AT_FAULT_BAD_DNS] = "bad_dns",
};

const char *at_fault_kind_name(at_fault_kind kind)
{
    return (unsigned)kind < AT_FAULT_KINDS ? kind_names[kind] : "?";
}

const char *at_world_auth_name(unsigned auth)
{
    return auth < AT_AUTH_MODES ? auth_names[auth] : "?";
}

/* Equal, with '-' and '_' as one. */
static bool same_name(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b))
            return false;
    }
    return *a == *b;
}

const char *at_fault_problem(const at_world_fault *fault)
{
    switch (fault->kind) {
    case AT_FAULT_LOSS:
    case AT_FAULT_DUPLICATE: return fault->value > 100 ? "is in percent, 0..100" : NULL;
    case AT_FAULT_RATE: return fault->value == 0 ? "is in bytes per second, from 1" : NULL;
    case AT_FAULT_BAD_DNS: return fault->value >= AT_BAD_DNS_COUNT ? "has values 0..6" : NULL;
    case AT_FAULT_AP_OFF:
    case AT_FAULT_BAD_DHCP: return fault->one_station ? "is of a whole access point" : NULL;
    default: return (unsigned)fault->kind < AT_FAULT_KINDS ? NULL : "is no kind of fault";
    }
}

bool at_fault_kind_parse(const char *text, at_fault_kind *kind)
{
    for (unsigned i = 0; i < AT_FAULT_KINDS; i++) {
        if (same_name(kind_names[i], text)) {
            *kind = (at_fault_kind)i;
            return true;
        }
    }
    return false;
}

/* ---- values ---- */

bool world_parse_ipv4(const char *text, uint32_t *address)
{
    uint32_t sum = 0;

    for (int part = 0; part < 4; part++) {
        size_t len = strspn(text, "0123456789");
        int64_t value;

        if (len == 0 || len > 3 || !at_parse_int(text, len, &value) || value > 255)
            return false;
        sum = sum << 8 | (uint32_t)value;
        text += len;
        if (*text != (part < 3 ? '.' : '\0'))
            return false;
        text += part < 3 ? 1 : 0;
    }
    *address = sum;
    return true;
}

/* One group of an IPv6 address: 1..4 hexadecimal digits; returns how many, 0: none. */
static size_t parse_group(const char *text, uint16_t *value)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    unsigned sum = 0;
    size_t len = 0;

    for (; len < 5 && text[len] != '\0'; len++) {
        const char *digit = strchr(digits, text[len]);

        if (digit == NULL)
            break;
        sum = sum << 4 | (unsigned)((digit - digits) % 16);
    }
    *value = (uint16_t)sum;
    return len <= 4 ? len : 0;
}

/* RFC 4291 2.2, forms 1 and 2. */
static bool parse_ipv6(const char *text, uint8_t address[16])
{
    uint16_t groups[8] = { 0 };
    unsigned count = 0, gap = 8;

    if (strncmp(text, "::", 2) == 0) {
        gap = 0;
        text += 2;
    }
    while (*text != '\0') {
        size_t len = count < 8 ? parse_group(text, &groups[count]) : 0;

        if (len == 0)
            return false;
        count++;
        text += len;
        if (*text == '\0')
            break;
        if (*text++ != ':' || *text == '\0')
            return false;
        if (*text == ':') {
            if (gap != 8)
                return false;
            gap = count;
            text++;
        }
    }
    if (gap == 8 ? count != 8 : count == 8)
        return false;
    memset(address, 0, 16);
    for (unsigned i = 0; i < count; i++) {
        unsigned at = i < gap ? i : 8 - count + i;

        address[2 * at] = (uint8_t)(groups[i] >> 8);
        address[2 * at + 1] = (uint8_t)groups[i];
    }
    return true;
}

static bool fail_value(world_parse *p, const world_key *key, const char *wanted)
{
    return world_fail(p, p->ini.line, "[%s] %s = '%.60s' is not %s", p->section_text, key->name,
                      p->ini.value, wanted);
}

static bool set_number(world_parse *p, const world_key *key, const char *value)
{
    uint8_t *to = (uint8_t *)p->target + key->offset;
    char wanted[80];
    int64_t number;

    if (!at_parse_int(value, strlen(value), &number) || number < key->low || number > key->high) {
        (void)snprintf(wanted, sizeof wanted, "a number of %lld..%lld", (long long)key->low,
                       (long long)key->high);
        return fail_value(p, key, wanted);
    }
    /* The range in the row fits the member, so cutting to its size loses nothing. */
    if (key->size == 1)
        *to = (uint8_t)number;
    else if (key->size == 2)
        memcpy(to, &(uint16_t){ (uint16_t)number }, 2);
    else if (key->size == 4)
        memcpy(to, &(uint32_t){ (uint32_t)number }, 4);
    else
        memcpy(to, &(uint64_t){ (uint64_t)number }, 8);
    return true;
}

static bool set_switch(world_parse *p, const world_key *key, const char *value)
{
    static const char *const on[] = { "on", "yes", "true", "1" };
    static const char *const off[] = { "off", "no", "false", "0" };
    uint8_t *to = (uint8_t *)p->target + key->offset;

    for (size_t i = 0; i < AT_COUNT(on); i++) {
        bool is_on = strcmp(value, on[i]) == 0;

        if (is_on || strcmp(value, off[i]) == 0) {
            *(bool *)to = is_on;
            return true;
        }
    }
    return fail_value(p, key, "on or off");
}

static bool set_address(world_parse *p, const world_key *key, const char *value)
{
    uint32_t address;

    if (!world_parse_ipv4(value, &address) || address == 0)
        return fail_value(p, key, "an IPv4 address");
    memcpy((uint8_t *)p->target + key->offset, &address, sizeof address);
    return true;
}

/* ---- [ap] ---- */

static bool set_ssid(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;
    size_t len = strlen(value);

    if (len == 0 || len > AT_SSID_MAX)
        return fail_value(p, key, "an SSID of 1..32 bytes");
    ap->ssid.len = (uint8_t)len;
    memcpy(ap->ssid.bytes, value, len);
    return true;
}

static bool set_bssid(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;
    uint8_t mac[6];

    if (!at_parse_mac(value, mac) || (mac[0] & 1) != 0)
        return fail_value(p, key, "a unicast address like 02:00:00:00:00:01");
    memcpy(ap->bssid, mac, sizeof mac);
    return true;
}

static bool set_auth(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;

    for (unsigned i = 0; i < AT_AUTH_MODES; i++) {
        if (same_name(auth_names[i], value)) {
            ap->auth = (uint8_t)i;
            p->ap_auth[p->world->ap_count - 1] = true;
            return true;
        }
    }
    return fail_value(p, key,
                      "open, wep, wpa-psk, wpa2-psk, wpa-wpa2-psk, wpa2-enterprise, "
                      "wpa3-psk, wpa2-wpa3-psk, wapi-psk or owe");
}

static bool set_password(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;

    if (strlen(value) >= sizeof ap->password)
        return world_fail(p, p->ini.line, "[%s] %s of more than 64 bytes", p->section_text,
                          key->name);
    at_copy_text(ap->password, sizeof ap->password, value);
    return true;
}

static bool set_pmf(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;

    if (strcmp(value, "off") == 0 || strcmp(value, "no") == 0)
        ap->pmf = 0;
    else if (strcmp(value, "capable") == 0)
        ap->pmf = AT_PMF_CAPABLE;
    else if (strcmp(value, "required") == 0)
        ap->pmf = AT_PMF_CAPABLE | AT_PMF_REQUIRED;
    else
        return fail_value(p, key, "off, capable or required");
    p->ap_pmf[p->world->ap_count - 1] = true;
    return true;
}

static bool set_sae(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;

    if (strcmp(value, "both") == 0)
        ap->sae = AT_SAE_LOOPING | AT_SAE_H2E;
    else if (strcmp(value, "h2e") == 0)
        ap->sae = AT_SAE_H2E;
    else if (strcmp(value, "looping") == 0)
        ap->sae = AT_SAE_LOOPING;
    else
        return fail_value(p, key, "both, h2e or looping");
    return true;
}

static bool set_protocols(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;
    unsigned bits = 0;

    for (const char *at = value; *at != '\0'; at++) {
        const char *letter = strchr("bgn", *at);

        if (letter == NULL)
            return fail_value(p, key, "letters of bgn");
        bits |= 1u << (letter - "bgn");
    }
    if (bits == 0)
        return fail_value(p, key, "letters of bgn");
    ap->protocols = (uint8_t)bits;
    return true;
}

static bool set_wps(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;
    bool on = false;
    world_key row = *key;
    void *target = p->target;

    row.offset = 0; /* wps is a number in the beacon, a switch here */
    p->target = &on;
    if (!set_switch(p, &row, value))
        return false;
    p->target = target;
    ap->wps = on ? 1 : 0;
    return true;
}

static bool set_dhcp(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;

    ap->dhcp_given = true;
    return set_switch(p, key, value);
}

static bool set_country(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    if (strlen(value) != 2 || strspn(value, letters) != 2)
        return fail_value(p, key, "two capital letters");
    at_copy_text(ap->country, sizeof ap->country, value);
    return true;
}

static bool set_gateway(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;
    const char *slash = strchr(value, '/');
    char address[16];
    size_t len = slash != NULL ? (size_t)(slash - value) : strlen(value);
    int64_t prefix = ap->prefix;

    if (len < sizeof address) {
        memcpy(address, value, len);
        address[len] = '\0';
    }
    if (len >= sizeof address || !world_parse_ipv4(address, &ap->gateway) ||
        (slash != NULL &&
         (!at_parse_int(slash + 1, strlen(slash + 1), &prefix) || prefix < 8 || prefix > 30)))
        return fail_value(p, key,
                          "an address, or an address with a prefix of 8..30, like "
                          "192.168.3.1/24");
    ap->prefix = (uint8_t)prefix;
    return true;
}

static bool set_pool(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;
    char first[16];
    size_t len = strcspn(value, " \t-");
    const char *rest = value + len + strspn(value + len, " \t");

    if (len < sizeof first && *rest == '-') {
        memcpy(first, value, len);
        first[len] = '\0';
        rest++;
        rest += strspn(rest, " \t");
        if (world_parse_ipv4(first, &ap->pool_first) && world_parse_ipv4(rest, &ap->pool_last)) {
            p->ap_pool[p->world->ap_count - 1] = true;
            return true;
        }
    }
    return fail_value(p, key, "FIRST - LAST, like 192.168.3.112 - 192.168.3.254");
}

static bool set_uplink(world_parse *p, const world_key *key, const char *value)
{
    at_world_ap *ap = p->target;

    if (strcmp(value, "none") == 0) {
        ap->uplink = AT_UPLINK_NONE;
    } else if (strcmp(value, "slirp") == 0) {
        ap->uplink = AT_UPLINK_SLIRP;
    } else if (strncmp(value, "tap:", 4) == 0 && value[4] != '\0' &&
               strlen(value + 4) < sizeof ap->tap && strpbrk(value + 4, "/%: \t") == NULL &&
               at_world_name_ok(value)) {
        ap->uplink = AT_UPLINK_TAP;
        at_copy_text(ap->tap, sizeof ap->tap, value + 4);
    } else {
        return fail_value(p, key, "none, slirp or tap:INTERFACE (a name of 1..15 bytes)");
    }
    return true;
}

static bool set_prefix6(world_parse *p, const world_key *key, const char *value)
{
    static const uint8_t zeros[8];
    at_world_ap *ap = p->target;
    char text[48];

    at_copy_text(text, sizeof text, value);
    if (strlen(value) < sizeof text && strlen(text) > 3 &&
        strcmp(text + strlen(text) - 3, "/64") == 0)
        text[strlen(text) - 3] = '\0';
    if (!parse_ipv6(text, ap->prefix6) || memcmp(ap->prefix6 + 8, zeros, 8) != 0 ||
        ap->prefix6[0] == 0 || ap->prefix6[0] >= 0xFE)
        return fail_value(p, key, "a prefix of 64 bits, like fd00:192:168:3::/64");
    ap->prefix6_given = true;
    return true;
}

/* ---- [names], [fault] ---- */

static bool set_name(world_parse *p, const char *key, const char *value)
{
    at_world *world = p->world;
    at_world_name *name;
    uint32_t v4;

    if (strlen(key) >= sizeof name->name)
        return world_fail(p, p->ini.line, "[names]: a name of more than 253 bytes");
    if (world->name_count == AT_WORLD_NAMES)
        return world_fail(p, p->ini.line, "more than %u names", AT_WORLD_NAMES);
    name = &world->names[world->name_count];
    memset(name, 0, sizeof *name);
    at_copy_text(name->name, sizeof name->name, key);
    if (world_parse_ipv4(value, &v4)) {
        name->len = 4;
        for (unsigned i = 0; i < 4; i++)
            name->address[i] = (uint8_t)(v4 >> (24 - 8 * i));
    } else if (parse_ipv6(value, name->address)) {
        name->len = 16;
    } else {
        return world_fail(p, p->ini.line,
                          "[names] %.60s = '%.60s' is neither an IPv4 nor an IPv6 "
                          "address",
                          key, value);
    }
    world->name_count++;
    return true;
}

static bool set_fault_ap(world_parse *p, const world_key *key, const char *value)
{
    at_world_fault *fault = p->target;

    if (strlen(value) >= sizeof fault->ap)
        return fail_value(p, key, "the name of an [ap NAME]");
    at_copy_text(fault->ap, sizeof fault->ap, value);
    return true;
}

static bool set_fault_station(world_parse *p, const world_key *key, const char *value)
{
    at_world_fault *fault = p->target;

    fault->one_station = at_parse_mac(value, fault->station);
    return fault->one_station || fail_value(p, key, "an address like 1a:fe:35:00:00:10");
}

static bool set_kind(world_parse *p, const world_key *key, const char *value)
{
    at_world_fault *fault = p->target;

    if (!at_fault_kind_parse(value, &fault->kind))
        return fail_value(p, key,
                          "loss, delay, duplicate, rate, half_open, ap_off, no_dhcp, "
                          "bad_dhcp, deauth, no_assoc, no_eapol, no_dns, no_ra or bad_dns");
    return true;
}

/* "loss = 5" is short for "kind = loss" and "value = 5". */
static bool set_kind_and_value(world_parse *p, const world_key *key, const char *value)
{
    at_world_fault *fault = p->target;
    at_fault_kind kind = AT_FAULT_KINDS;
    char name[16];

    at_copy_text(name, sizeof name, key->name);
    name[strcspn(name, "_")] = '\0'; /* delay_ms is of kind delay */
    if (!at_fault_kind_parse(name, &kind) || (fault->kind != AT_FAULT_KINDS && fault->kind != kind))
        return world_fail(p, p->ini.line, "[%s]: '%s' does not go with kind = %s", p->section_text,
                          key->name, at_fault_kind_name(fault->kind));
    fault->kind = kind;
    return set_number(p, key, value);
}

/* ---- the tables ---- */

#define AT_MEMBER(type, member) offsetof(type, member), sizeof(((type *)NULL)->member)
#define WORLD(member)           AT_MEMBER(at_world, member)
#define AP(member)              AT_MEMBER(at_world_ap, member)
#define FAULT(member)           AT_MEMBER(at_world_fault, member)
#define NOTHING                 0, 0

static const world_key world_keys[] = {
    { "seed", set_number, WORLD(seed), 0, INT64_MAX },
    { "scan_ms", set_number, WORLD(scan_ms), 0, 10000 },
    { "join_ms", set_number, WORLD(join_ms), 0, 600000 },
    { "beacon_loss_ms", set_number, WORLD(beacon_loss_ms), 0, 600000 },
};

static const world_key ap_keys[] = {
    { "ssid", set_ssid, NOTHING, 0, 0 },
    { "bssid", set_bssid, NOTHING, 0, 0 },
    { "channel", set_number, AP(channel), 1, 14 },
    { "rssi", set_number, AP(rssi), -127, 0 },
    { "auth", set_auth, NOTHING, 0, 0 },
    { "password", set_password, NOTHING, 0, 0 },
    { "pmf", set_pmf, NOTHING, 0, 0 },
    { "protocols", set_protocols, NOTHING, 0, 0 },
    { "wps", set_wps, NOTHING, 0, 0 },
    { "hidden", set_switch, AP(hidden), 0, 1 },
    { "power", set_switch, AP(power), 0, 1 },
    { "dhcp", set_dhcp, AP(dhcp), 0, 1 },
    { "isolate", set_switch, AP(isolate), 0, 1 },
    { "country", set_country, NOTHING, 0, 0 },
    { "gateway", set_gateway, NOTHING, 0, 0 },
    { "prefix", set_number, AP(prefix), 8, 30 },
    { "pool", set_pool, NOTHING, 0, 0 },
    { "lease_s", set_number, AP(lease_s), 10, UINT32_MAX },
    { "uplink", set_uplink, NOTHING, 0, 0 },
    { "ipv6", set_switch, AP(ipv6), 0, 1 },
    { "prefix6", set_prefix6, NOTHING, 0, 0 },
    { "max_stations", set_number, AP(max_stations), 0, 2007 },
    { "sae", set_sae, NOTHING, 0, 0 },
    { "sae_tokens", set_number, AP(sae_tokens), 0, 2007 },
};

static const world_key host_keys[] = {
    { "address", set_address, AT_MEMBER(at_world_host, address), 0, 0 },
};

static const world_key fault_keys[] = {
    { "ap", set_fault_ap, NOTHING, 0, 0 },
    { "station", set_fault_station, NOTHING, 0, 0 },
    { "kind", set_kind, NOTHING, 0, 0 },
    { "value", set_number, FAULT(value), 0, UINT32_MAX },
    { "loss", set_kind_and_value, FAULT(value), 0, 100 },
    { "delay_ms", set_kind_and_value, FAULT(value), 0, 3600000 },
    { "duplicate", set_kind_and_value, FAULT(value), 0, 100 },
    { "rate", set_kind_and_value, FAULT(value), 1, UINT32_MAX },
    { "after_ms", set_number, FAULT(after_ms), 0, UINT32_MAX },
    { "after_bytes", set_number, FAULT(after_bytes), 0, INT64_MAX },
    { "armed", set_switch, FAULT(armed), 0, 1 },
};

static bool open_world(world_parse *p, const char *name)
{
    (void)name;
    p->target = p->world;
    return true;
}

static const world_section sections[] = {
    { "world", false, open_world, world_keys, AT_COUNT(world_keys), NULL },
    { "ap", true, world_open_ap, ap_keys, AT_COUNT(ap_keys), NULL },
    { "host", true, world_open_host, host_keys, AT_COUNT(host_keys), NULL },
    { "names", false, open_world, NULL, 0, set_name },
    { "fault", true, world_open_fault, fault_keys, AT_COUNT(fault_keys), NULL },
};

const world_section *world_section_find(const char *word)
{
    for (size_t i = 0; i < AT_COUNT(sections); i++) {
        if (strcmp(sections[i].name, word) == 0)
            return &sections[i];
    }
    return NULL;
}
