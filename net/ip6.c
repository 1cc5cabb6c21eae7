/* IPv6 of the module's interfaces: switched on and off, addresses and their events, scopes.
 *
 * Off (the part's default) an interface has no IPv6 address, its frames are dropped at the door
 * (at_net_input) and no timer of IPv6 runs. On, every interface that is up gets its link-local
 * address by EUI-64 (RFC 4291 appendix A), and the station asks for routers and forms a global
 * address for each prefix they advertise (RFC 4862); the SoftAP does not, it has no router.
 *
 * Pace. An address is told, and usable, when duplicate address detection has passed: one second
 * after its probe, as RFC 4862 has it and as on the part. lwIP probes at its next second; here the
 * tick begins with the interface, so the link-local address is there after one second and the
 * global one after two, whenever that was; only when another interface is at it, the tick is that
 * one's.
 *
 * An address that goes (off, link down, lifetime over) ends the connections over it like a lost
 * IPv4 address does. An address that somebody else has is never used; the log says so.
 *
 * Link-local destinations of commands carry no zone, and lwIP does not guess: net_to_scoped takes
 * the interface of the local address when one is given, else the first that has IPv6, which is the
 * station.
 */
#include "net/net_priv.h"

#include "lwip/nd6.h"

static at_addr address_at(const net_interface *interface, int index)
{
    at_addr addr = { 0 };

    if (interface->added && interface->net->ip6 &&
        ip6_addr_isvalid(netif_ip6_addr_state(&interface->lwip, index)))
        net_from_lwip(netif_ip_addr6(&interface->lwip, index), &addr);
    return addr;
}

/* ---- events ---- */

static void note_duplicate(net_interface *interface, int index)
{
    uint8_t bit = (uint8_t)(1u << index), before = interface->duplicates & bit;
    at_addr addr;
    char text[AT_ADDR_TEXT];

    interface->duplicates &= (uint8_t)~bit;
    if (!ip6_addr_isduplicated(netif_ip6_addr_state(&interface->lwip, index)))
        return;
    interface->duplicates |= bit;
    net_from_lwip(netif_ip_addr6(&interface->lwip, index), &addr);
    at_addr_format(&addr, text);
    if (before == 0)
        at_log(interface->net->log, AT_LOG_WARN, "net",
               "%.2s: somebody else has our address %s; it is not used", interface->lwip.name,
               text);
}

/* Tells the connections over addresses that went; the interface may be inside lwIP. */
void net_ip6_changed(net_interface *interface)
{
    for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        at_addr now = address_at(interface, i), *announced = &interface->announced6[i];
        at_addr lost = *announced;

        note_duplicate(interface, i);
        if (lost.family == AT_FAMILY_NONE || at_addr_equal(&now, &lost))
            continue;
        *announced = (at_addr){ 0 };
        net_tell_watches(interface->net, &lost);
    }
}

bool net_ip6_deliver(net_interface *interface)
{
    at_net *net = interface->net;
    char text[AT_ADDR_TEXT];

    for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        at_addr now = address_at(interface, i);

        if (now.family == AT_FAMILY_NONE || interface->announced6[i].family != AT_FAMILY_NONE)
            continue;
        interface->announced6[i] = now;
        at_addr_format(&now, text);
        at_log(net->log, AT_LOG_INFO, "net", "%.2s: address %s", interface->lwip.name, text);
        at_loop_post(net->loop, &interface->task); /* there may be another one */
        net->on_event(net->owner, interface->id, i == 0 ? AT_NET_GOT_IP6_LL : AT_NET_GOT_IP6_GL);
        return true;
    }
    return false;
}

/* ---- on and off ---- */

void net_ip6_start(net_interface *interface)
{
    struct netif *lwip = &interface->lwip;
    bool idle;

    if (!interface->up || !interface->net->ip6)
        return;
    idle = net_timers_nd6_idle(interface->net); /* or an early tick would cut its wait short */
    netif_set_ip6_autoconfig_enabled(lwip, interface->id == AT_NETIF_STA);
    if (interface->id != AT_NETIF_STA)
        lwip->rs_count = 0;
    else
        nd6_restart_netif(lwip);
    netif_create_ip6_linklocal_address(lwip, 1);
    if (idle)
        net_timers_nd6_now(interface->net);
}

void net_ip6_stop(net_interface *interface)
{
    for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        at_addr lost = interface->announced6[i];

        interface->announced6[i] = (at_addr){ 0 };
        if (lost.family != AT_FAMILY_NONE) /* before lwIP aborts connections in its own order */
            net_tell_watches(interface->net, &lost);
        netif_ip6_addr_set_state(&interface->lwip, (s8_t)i, IP6_ADDR_INVALID);
    }
    nd6_cleanup_netif(&interface->lwip);
}

void at_net_set_ip6(at_net *net, bool on)
{
    if (net->ip6 == on)
        return;
    net_enter(net);
    net->ip6 = on; /* connections over an address that goes look whether there is another one */
    for (int i = 0; i < AT_NETIF_COUNT && !on; i++) {
        if (net->interfaces[i].added)
            net_ip6_stop(&net->interfaces[i]);
    }
    for (int i = 0; i < AT_NETIF_COUNT && on; i++)
        net_ip6_start(&net->interfaces[i]);
}

bool at_net_ip6_on(const at_net *net)
{
    return net->ip6;
}

/* ---- questions ---- */

bool at_net_ip6(const at_net *net, at_netif_id id, int index, at_addr *addr)
{
    const net_interface *interface = &net->interfaces[id];

    if (index == 0) {
        *addr = address_at(interface, 0);
        return addr->family != AT_FAMILY_NONE;
    }
    /* Of several global addresses the first that is still preferred counts. */
    *addr = (at_addr){ 0 };
    for (int i = LWIP_IPV6_NUM_ADDRESSES - 1; i > 0; i--) {
        at_addr one = address_at(interface, i);

        if (one.family != AT_FAMILY_NONE &&
            (addr->family == AT_FAMILY_NONE ||
             ip6_addr_ispreferred(netif_ip6_addr_state(&interface->lwip, i))))
            *addr = one;
    }
    return addr->family != AT_FAMILY_NONE;
}

bool net_ip6_has_address(const net_interface *interface)
{
    for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        if (address_at(interface, i).family != AT_FAMILY_NONE)
            return true;
    }
    return false;
}

const net_interface *net_ip6_owner(const at_net *net, const at_addr *addr)
{
    for (int i = 0; i < AT_NETIF_COUNT; i++) {
        for (int k = 0; k < LWIP_IPV6_NUM_ADDRESSES; k++) {
            at_addr own = address_at(&net->interfaces[i], k);

            if (own.family != AT_FAMILY_NONE && at_addr_equal(&own, addr))
                return &net->interfaces[i];
        }
    }
    return NULL;
}

bool net_ip6_reaches(const at_net *net, const at_addr *to)
{
    at_addr own;

    if (to->family != AT_IPV6 || at_addr_is_local(to) || at_addr_is_multicast(to))
        return true;
    for (int i = 0; i < AT_NETIF_COUNT; i++) {
        if (at_net_ip6(net, (at_netif_id)i, 1, &own))
            return true;
    }
    return false;
}

void net_to_scoped(const at_net *net, const at_addr *to, const at_addr *local, ip_addr_t *lwip)
{
    const net_interface *interface = NULL;

    net_to_lwip(to, lwip);
    if (to->family != AT_IPV6 || !ip6_addr_lacks_zone(ip_2_ip6(lwip), IP6_UNKNOWN))
        return;
    if (local != NULL && local->family == AT_IPV6)
        interface = net_ip6_owner(net, local);
    for (int i = 0; i < AT_NETIF_COUNT && interface == NULL; i++) {
        if (net->interfaces[i].up && net_ip6_has_address(&net->interfaces[i]))
            interface = &net->interfaces[i];
    }
    if (interface != NULL)
        ip6_addr_assign_zone(ip_2_ip6(lwip), IP6_UNKNOWN, &interface->lwip);
}
