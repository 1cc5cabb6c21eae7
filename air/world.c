/* The world: its defaults, and the walk over a world file.
 *
 * A file starts from the built-in world, so a page of three lines is enough to change one thing.
 * The first [ap ...] removes the built-in access point, the first [host ...] the built-in
 * addresses of this computer: whoever names some means just those. [world] and [names] may be
 * opened again; an access point, host or fault may not, because the second one would be a typing
 * error.
 *
 * Keys are rows of tables in world_keys.c. What depends on several keys (password and
 * authentication, pool and network, the access point a fault names) is checked at the end, and
 * reported with the line of its section. The first error ends the parse.
 */
#include "air/world_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

#define IPV4(a, b, c, d) \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* ---- defaults ---- */

void world_pool_default(at_world_ap *ap)
{
    uint32_t mask = ap->prefix == 0 ? 0 : UINT32_MAX << (32u - ap->prefix);
    uint32_t network = ap->gateway & mask, last = network | ~mask;

    if (last - network >= 255) {
        ap->pool_first = network + 112;
        ap->pool_last = network + 254;
    } else { /* small networks: everything but the gateway, above it if that is more */
        bool above = last - ap->gateway > ap->gateway - network;

        ap->pool_first = above ? ap->gateway + 1 : network + 1;
        ap->pool_last = above ? last - 1 : ap->gateway - 1;
    }
}

void world_digits6(uint8_t group[2], uint8_t number)
{
    group[0] = number / 100u;
    group[1] = (uint8_t)(number / 10u % 10u << 4 | number % 10u);
}

void world_prefix6_default(at_world_ap *ap)
{
    memset(ap->prefix6, 0, sizeof ap->prefix6);
    ap->prefix6[0] = 0xFD;
    for (unsigned i = 0; i < 3; i++)
        world_digits6(ap->prefix6 + 2 + 2 * i, (uint8_t)(ap->gateway >> (24 - 8 * i)));
}

void world_ap_default(at_world_ap *ap, unsigned index, const char *name)
{
    memset(ap, 0, sizeof *ap);
    at_copy_text(ap->name, sizeof ap->name, name);
    ap->ssid.len = (uint8_t)AT_MIN(strlen(name), AT_SSID_MAX);
    memcpy(ap->ssid.bytes, name, ap->ssid.len);
    /* A locally administered block; the number keeps access points of one file apart. */
    memcpy(ap->bssid, (const uint8_t[6]){ 0x02, 0xA7, 0x7A, 0xC4, 0xE0, (uint8_t)(index + 1) }, 6);
    ap->channel = 6;
    ap->rssi = -40;
    ap->auth = AT_AUTH_OPEN;
    ap->protocols = AT_PROTO_B | AT_PROTO_G | AT_PROTO_N;
    ap->pmf = AT_PMF_CAPABLE;
    ap->power = true;
    ap->dhcp = true;
    at_copy_text(ap->country, sizeof ap->country, "CN");
    ap->gateway = IPV4(192, 168, 3, 1);
    ap->prefix = 24;
    ap->lease_s = 7200;
    ap->uplink = AT_UPLINK_SLIRP;
    ap->max_stations = 255;
    ap->sae = AT_SAE_LOOPING | AT_SAE_H2E;
    ap->sae_tokens = 5;
    ap->ipv6 = true;
    world_pool_default(ap);
    world_prefix6_default(ap);
}

static void add_host(at_world *world, const char *name, uint32_t address)
{
    at_world_host *host = &world->hosts[world->host_count++];

    at_copy_text(host->name, sizeof host->name, name);
    host->address = address;
}

void at_world_default(at_world *world)
{
    memset(world, 0, sizeof *world);
    world->beacon_loss_ms = 6000;
    world->ap_count = 1;
    world_ap_default(&world->aps[0], 0, "espressif");
    world->aps[0].auth = AT_AUTH_WPA2_PSK;
    at_copy_text(world->aps[0].password, sizeof world->aps[0].password, "1234567890");
    add_host(world, "gateway", IPV4(192, 168, 3, 1));
    add_host(world, "pc", IPV4(192, 168, 3, 102));
    add_host(world, "pc2", IPV4(192, 168, 3, 103));
}

/* ---- messages ---- */

bool world_fail(world_parse *p, uint32_t line, const char *format, ...)
{
    va_list args;
    int used;

    if (p->room == 0)
        return false;
    used = snprintf(p->error, p->room, "%.80s:%u: ", p->name, (unsigned)line);
    if (used < 0 || (size_t)used >= p->room)
        return false;
    va_start(args, format);
    (void)vsnprintf(p->error + used, p->room - (size_t)used, format, args);
    va_end(args);
    return false;
}

/* Edit distance, for short words only; anything long is far away. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[32];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len >= AT_COUNT(row) || b_len >= AT_COUNT(row))
        return UINT32_MAX;
    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned change = corner + (a[i - 1] == b[j - 1] ? 0u : 1u);

            corner = row[j];
            row[j] = AT_MIN(change, AT_MIN(row[j], row[j - 1]) + 1u);
        }
    }
    return row[b_len];
}

static bool fail_unknown_key(world_parse *p, const char *name)
{
    const world_section *section = p->section;
    const char *nearest = NULL;
    unsigned best = 3; /* two slips of the finger, but not half of a short word */
    char list[320];
    size_t used = 0;

    list[0] = '\0';
    for (size_t i = 0; i < section->key_count; i++) {
        const char *key = section->keys[i].name;
        unsigned far = distance(name, key);

        if (far < best && far < strlen(key)) {
            best = far;
            nearest = key;
        }
        used += at_copy_text(list + used, sizeof list - used, i > 0 ? ", " : "");
        used += at_copy_text(list + used, sizeof list - used, key);
    }
    if (nearest != NULL)
        return world_fail(p, p->ini.line,
                          "unknown key '%.60s' in [%s]; did you mean '%s'? known keys: %s", name,
                          p->section_text, nearest, list);
    return world_fail(p, p->ini.line, "unknown key '%.60s' in [%s]; known keys: %s", name,
                      p->section_text, list);
}

/* ---- sections ---- */

bool at_world_name_ok(const char *name)
{
    for (; *name != '\0'; name++) {
        if ((unsigned char)*name < 0x20 || *name == '"' || *name == '\\' || *name == 0x7F)
            return false;
    }
    return true;
}

static bool open_section(world_parse *p)
{
    char word[16];
    const char *text = p->ini.section;
    size_t len = strcspn(text, " \t");
    const char *name = text + len + strspn(text + len, " \t");

    word[0] = '\0';
    if (len < sizeof word) {
        memcpy(word, text, len);
        word[len] = '\0';
    }
    if (strcmp(p->section_text, "world") == 0)
        p->world_seen = p->seen;
    p->seen = strcmp(word, "world") == 0 ? p->world_seen : 0;
    p->section = world_section_find(word);
    if (p->section == NULL)
        return world_fail(p, p->ini.line, "unknown section [%.40s]; known sections: %s", text,
                          world_section_list);
    at_copy_text(p->section_text, sizeof p->section_text, text);
    if (p->section->named && name[0] == '\0')
        return world_fail(p, p->ini.line, "section [%s] needs a name: [%s NAME]", word, word);
    if (!p->section->named && name[0] != '\0')
        return world_fail(p, p->ini.line, "section [%s] takes no name", word);
    if (strlen(name) >= AT_WORLD_NAME)
        return world_fail(p, p->ini.line, "name of more than %u bytes in [%.40s]",
                          AT_WORLD_NAME - 1, text);
    if (!at_world_name_ok(name))
        return world_fail(p, p->ini.line,
                          "quotes, backslashes and control characters cannot be in "
                          "a name");
    return p->section->open(p, name);
}

bool world_open_ap(world_parse *p, const char *name)
{
    at_world *world = p->world;

    if (!p->own_aps)
        world->ap_count = 0;
    p->own_aps = true;
    for (uint32_t i = 0; i < world->ap_count; i++) {
        if (strcmp(world->aps[i].name, name) == 0)
            return world_fail(p, p->ini.line, "second section [ap %s]; the first is at line %u",
                              name, (unsigned)p->ap_lines[i]);
    }
    if (world->ap_count == AT_WORLD_APS)
        return world_fail(p, p->ini.line, "more than %u access points", AT_WORLD_APS);
    p->ap_lines[world->ap_count] = p->ini.line;
    p->target = &world->aps[world->ap_count];
    world_ap_default(p->target, world->ap_count++, name);
    return true;
}

bool world_open_host(world_parse *p, const char *name)
{
    at_world *world = p->world;

    if (!p->own_hosts)
        world->host_count = 0;
    p->own_hosts = true;
    for (uint32_t i = 0; i < world->host_count; i++) {
        if (strcmp(world->hosts[i].name, name) == 0)
            return world_fail(p, p->ini.line, "second section [host %s]; the first is at line %u",
                              name, (unsigned)p->host_lines[i]);
    }
    if (world->host_count == AT_WORLD_HOSTS)
        return world_fail(p, p->ini.line, "more than %u hosts", AT_WORLD_HOSTS);
    p->host_lines[world->host_count] = p->ini.line;
    p->target = &world->hosts[world->host_count];
    add_host(world, name, 0);
    return true;
}

bool world_open_fault(world_parse *p, const char *name)
{
    at_world *world = p->world;
    at_world_fault *fault;

    for (uint32_t i = 0; i < world->fault_count; i++) {
        if (strcmp(world->faults[i].name, name) == 0)
            return world_fail(p, p->ini.line, "second section [fault %s]; the first is at line %u",
                              name, (unsigned)p->fault_lines[i]);
    }
    if (world->fault_count == AT_WORLD_FAULTS)
        return world_fail(p, p->ini.line, "more than %u faults", AT_WORLD_FAULTS);
    p->fault_lines[world->fault_count] = p->ini.line;
    fault = &world->faults[world->fault_count++];
    memset(fault, 0, sizeof *fault);
    at_copy_text(fault->name, sizeof fault->name, name);
    fault->kind = AT_FAULT_KINDS; /* not given yet */
    fault->armed = true;
    p->target = fault;
    return true;
}

/* ---- what depends on several keys ---- */

static bool is_hex(const char *text)
{
    return strspn(text, "0123456789abcdefABCDEF") == strlen(text);
}

static bool check_password(world_parse *p, const at_world_ap *ap, uint32_t line)
{
    size_t len = strlen(ap->password);

    if (ap->auth == AT_AUTH_OPEN || ap->auth == AT_AUTH_OWE) {
        if (len != 0)
            return world_fail(p, line, "[ap %s] has a password, but auth = %s takes none", ap->name,
                              at_world_auth_name(ap->auth));
    } else if (ap->auth == AT_AUTH_WEP) {
        if (len != 5 && len != 13 && !((len == 10 || len == 26) && is_hex(ap->password)))
            return world_fail(p, line,
                              "[ap %s]: a WEP key has 5 or 13 bytes, or 10 or 26 "
                              "hexadecimal digits",
                              ap->name);
    } else if (ap->auth == AT_AUTH_WPA3_PSK || ap->auth == AT_AUTH_WPA2_WPA3_PSK) {
        if (len < 8 || len > AT_PASSPHRASE_MAX) /* SAE has no key to give instead */
            return world_fail(p, line, "[ap %s]: password of %u bytes; %s wants 8..63", ap->name,
                              (unsigned)len, at_world_auth_name(ap->auth));
    } else if (ap->auth != AT_AUTH_WPA2_ENTERPRISE) {
        if (len < 8 || (len == 64 && !is_hex(ap->password)))
            return world_fail(p, line,
                              "[ap %s]: password of %u bytes; %s wants 8..63, or 64 "
                              "hexadecimal digits",
                              ap->name, (unsigned)len, at_world_auth_name(ap->auth));
    }
    return true;
}

/* WPA3 and OWE are defined with PMF only. */
static bool check_pmf(world_parse *p, at_world_ap *ap, bool given, uint32_t line)
{
    bool required = ap->auth == AT_AUTH_WPA3_PSK || ap->auth == AT_AUTH_OWE;

    if (required && !given)
        ap->pmf = AT_PMF_CAPABLE | AT_PMF_REQUIRED;
    if (required && (ap->pmf & AT_PMF_REQUIRED) == 0)
        return world_fail(p, line, "[ap %s]: auth = %s goes with pmf = required only", ap->name,
                          at_world_auth_name(ap->auth));
    if (ap->auth == AT_AUTH_WPA2_WPA3_PSK && ap->pmf == 0)
        return world_fail(p, line, "[ap %s]: auth = %s goes with pmf = capable or required",
                          ap->name, at_world_auth_name(ap->auth));
    return true;
}

static bool check_network(world_parse *p, const at_world_ap *ap, uint32_t line)
{
    uint32_t mask = UINT32_MAX << (32u - ap->prefix);
    uint32_t network = ap->gateway & mask, last = network | ~mask;

    if (ap->gateway == network || ap->gateway == last || ap->gateway >> 28 >= 14 ||
        ap->gateway >> 24 == 0 || ap->gateway >> 24 == 127)
        return world_fail(p, line,
                          "[ap %s]: the gateway is not an address a computer can have "
                          "in its network",
                          ap->name);
    if (ap->pool_first <= network || ap->pool_last >= last || ap->pool_first > ap->pool_last)
        return world_fail(p, line,
                          "[ap %s]: the pool must be FIRST - LAST within the gateway's "
                          "network of prefix %u",
                          ap->name, ap->prefix);
    if (ap->gateway >= ap->pool_first && ap->gateway <= ap->pool_last)
        return world_fail(p, line, "[ap %s]: the pool contains the gateway", ap->name);
    return true;
}

static bool finish_ap(world_parse *p, uint32_t index)
{
    at_world *world = p->world;
    at_world_ap *ap = &world->aps[index];
    uint32_t line = p->ap_lines[index];

    if (!p->ap_auth[index] && ap->password[0] != '\0')
        ap->auth = AT_AUTH_WPA2_PSK;
    if (!p->ap_pool[index])
        world_pool_default(ap);
    if (!ap->prefix6_given)
        world_prefix6_default(ap);
    for (uint32_t i = 0; i < index; i++) {
        if (memcmp(world->aps[i].bssid, ap->bssid, 6) == 0)
            return world_fail(p, line, "[ap %s] has the BSSID of [ap %s]", ap->name,
                              world->aps[i].name);
        if (ap->uplink == AT_UPLINK_TAP && strcmp(world->aps[i].tap, ap->tap) == 0)
            return world_fail(p, line, "[ap %s] has the TAP of [ap %s]: each needs its own",
                              ap->name, world->aps[i].name);
    }
    return check_password(p, ap, line) && check_pmf(p, ap, p->ap_pmf[index], line) &&
           check_network(p, ap, line);
}

static bool finish_fault(world_parse *p, uint32_t index)
{
    const at_world *world = p->world;
    const at_world_fault *fault = &world->faults[index];
    uint32_t line = p->fault_lines[index];
    bool found = fault->ap[0] == '\0';

    if (fault->kind == AT_FAULT_KINDS)
        return world_fail(p, line, "[fault %s] has no kind = ...", fault->name);
    if (at_fault_problem(fault) != NULL)
        return world_fail(p, line, "[fault %s]: %s %s", fault->name,
                          at_fault_kind_name(fault->kind), at_fault_problem(fault));
    for (uint32_t i = 0; i < world->ap_count; i++)
        found = found || strcmp(world->aps[i].name, fault->ap) == 0;
    if (!found)
        return world_fail(p, line, "[fault %s]: there is no [ap %s]", fault->name, fault->ap);
    return true;
}

static bool finish(world_parse *p)
{
    if (p->own_aps) {
        for (uint32_t i = 0; i < p->world->ap_count; i++) {
            if (!finish_ap(p, i))
                return false;
        }
    }
    for (uint32_t i = 0; p->own_hosts && i < p->world->host_count; i++) {
        if (p->world->hosts[i].address == 0)
            return world_fail(p, p->host_lines[i], "[host %s] has no address = ...",
                              p->world->hosts[i].name);
    }
    for (uint32_t i = 0; i < p->world->fault_count; i++) {
        if (!finish_fault(p, i))
            return false;
    }
    return true;
}

/* ---- the walk ---- */

static bool set_key(world_parse *p)
{
    const world_section *section = p->section;
    const char *name = p->ini.key;

    if (section == NULL)
        return world_fail(p, p->ini.line, "key '%.60s' before any section; known sections: %s",
                          name, world_section_list);
    if (section->keys == NULL)
        return section->set_any(p, name, p->ini.value);
    for (size_t i = 0; i < section->key_count; i++) {
        const world_key *key = &section->keys[i];
        bool again;

        if (strcmp(key->name, name) != 0)
            continue;
        again = (p->seen >> i & 1u) != 0;
        p->seen |= 1u << i;
        if (again)
            return world_fail(p, p->ini.line, "key '%s' given twice in [%s]", name,
                              p->section_text);
        return key->set(p, key, p->ini.value);
    }
    return fail_unknown_key(p, name);
}

bool at_world_parse(at_world *world, const char *name, const char *text, size_t len, char *error,
                    size_t room)
{
    world_parse parse = { .world = world, .name = name, .error = error, .room = room };

    if (room > 0)
        error[0] = '\0';
    at_world_default(world);
    at_ini_init(&parse.ini, text, len);
    for (;;) {
        switch (at_ini_next(&parse.ini)) {
        case AT_INI_END: return finish(&parse);
        case AT_INI_ERROR: return world_fail(&parse, parse.ini.line, "%s", parse.ini.error);
        case AT_INI_SECTION:
            if (!open_section(&parse))
                return false;
            break;
        case AT_INI_KEY:
            if (!set_key(&parse))
                return false;
            break;
        }
    }
}
