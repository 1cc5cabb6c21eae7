/* AT+CIPV6 (guide 3.3.2): IPv6 on and off.
 *
 * Decisions where the guide is silent: it works in every mode and state, also while joined. Switched
 * on, the addresses come as after a join, one and two seconds later; switched off, they go and the
 * connections over them end with CLOSED. Commands that need IPv6 are ERROR while it is off.
 */
#include "commands/ip6.h"

#include "commands/wifi_priv.h"

/* wire */
static const char FMT_CIPV6[] = "+CIPV6:%d\r\n";

at_result at_cipv6_query(at_call *call)
{
    at_row(call, FMT_CIPV6, at_net_ip6_on(at_app_of(call)->net));
    return AT_RESULT_OK;
}

at_result at_cipv6_set(at_call *call)
{
    at_app *app = at_app_of(call);
    bool on = at_int(call, 0) == 1;
    at_err err = at_setting_set_int(app->settings, AT_SETTING_CIPV6, on);

    at_net_set_ip6(app->net, on);
    return at_wifi_stored(call, err);
}

at_result at_ip6_is_off(at_call *call)
{
    return at_fail(call, AT_SUB_EXEC_FAIL, 0, "IPv6 is off; AT+CIPV6=1 comes first");
}

bool at_ip6_allows(at_call *call, const at_addr *addr)
{
    if (addr->family != AT_IPV6 || at_net_ip6_on(at_app_of(call)->net))
        return true;
    at_ip6_is_off(call);
    return false;
}
