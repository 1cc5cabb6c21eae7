/* Which access points a join may use: rules without state.
 *
 * A network is named by its SSID (and BSSID when given). Of the access points with that name
 *
 * - some are *unwanted* because the parameters of AT+CWJAP exclude them (pci_en=1: no OPEN and no WEP;
 *   PMF required: the access point must be capable). They count as not found, like on the part, where
 *   the driver's scan filters them;
 * - some are *refused* because this station cannot join them: the log says what is missing. Joining is
 *   then answered as failed (4), which is what an association refused by the access point gives too;
 * - a protected one without a password given is a wrong password (2).
 *
 * An open access point, or one with OWE, is joined even when a password was given (guide 3.2.5: pci_en=0
 * connects to all encryption methods). WPA_PSK and mixed modes use the handshake of WPA2: the air's frames
 * are not encrypted, so the older ciphers make no difference here. WPA3 and OWE are defined with PMF only,
 * so pmf=0 rules them out; of a network that is WPA2 and WPA3, pmf=0 leaves WPA2.
 */
#include "wifi/station_priv.h"

#include <string.h>

static const char *missing_for(unsigned auth)
{
    switch (auth) {
    case AT_AUTH_WEP: return "WEP is not supported";
    case AT_AUTH_WPA2_ENTERPRISE: return "WPA2 Enterprise needs EAP (AT+CWJEAP)";
    case AT_AUTH_WAPI_PSK: return "WAPI is not supported (guide 3.2.5)";
    default: return NULL;
    }
}

static at_verdict say(const char **why, at_verdict verdict, const char *text)
{
    *why = text;
    return verdict;
}

at_verdict at_station_judge(const at_join_params *params, const at_bss *bss, const char **why)
{
    const char *missing = missing_for(bss->auth);

    *why = NULL;
    if (bss->ssid.len != params->ssid.len ||
        memcmp(bss->ssid.bytes, params->ssid.bytes, bss->ssid.len) != 0)
        return AT_VERDICT_OTHER;
    if (params->use_bssid && memcmp(bss->bssid, params->bssid, sizeof bss->bssid) != 0)
        return AT_VERDICT_OTHER;
    if (params->pci && (bss->auth == AT_AUTH_OPEN || bss->auth == AT_AUTH_WEP))
        return say(why, AT_VERDICT_UNWANTED, "pci_en=1 excludes OPEN and WEP");
    if ((params->pmf & AT_PMF_REQUIRED) && !(bss->pmf & (AT_PMF_CAPABLE | AT_PMF_REQUIRED)))
        return say(why, AT_VERDICT_UNWANTED, "it is not capable of the PMF that pmf requires");
    if (missing != NULL)
        return say(why, AT_VERDICT_REFUSED, missing);
    if ((bss->pmf & AT_PMF_REQUIRED) && params->pmf == 0)
        return say(why, AT_VERDICT_REFUSED, "it requires PMF, pmf=0 disables it");
    if (at_auth_has_password(bss->auth) && params->passphrase[0] == '\0')
        return say(why, AT_VERDICT_PASSWORD, "it wants a password, none was given");
    return AT_VERDICT_GOOD;
}
