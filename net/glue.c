/* Between our types and lwIP's: addresses and error numbers. */
#include "net/net_priv.h"

#include <string.h>

void net_to_lwip(const at_addr *addr, ip_addr_t *lwip)
{
    memset(lwip, 0, sizeof *lwip);
    if (addr->family == AT_IPV6) {
        IP_SET_TYPE_VAL(*lwip, IPADDR_TYPE_V6);
        memcpy(ip_2_ip6(lwip)->addr, addr->bytes, 16);
#if LWIP_IPV6_SCOPES
        ip6_addr_set_zone(ip_2_ip6(lwip), addr->zone);
#endif
        return;
    }
    IP_SET_TYPE_VAL(*lwip, IPADDR_TYPE_V4);
    if (addr->family == AT_IPV4)
        memcpy(&ip_2_ip4(lwip)->addr, addr->bytes, 4);
}

void net_from_lwip(const ip_addr_t *lwip, at_addr *addr)
{
    *addr = (at_addr){ 0 };
    if (IP_IS_V6(lwip)) {
        addr->family = AT_IPV6;
        memcpy(addr->bytes, ip_2_ip6(lwip)->addr, 16);
#if LWIP_IPV6_SCOPES
        addr->zone = ip6_addr_zone(ip_2_ip6(lwip));
#endif
        return;
    }
    addr->family = AT_IPV4;
    memcpy(addr->bytes, &ip_2_ip4(lwip)->addr, 4);
}

at_err net_err(err_t err)
{
    switch (err) {
    case ERR_OK: return AT_OK;
    case ERR_MEM:
    case ERR_BUF: return AT_ERR_NOMEM;
    case ERR_RTE:
    case ERR_IF: return AT_ERR_UNREACHABLE;
    case ERR_USE: return AT_ERR_EXISTS;
    case ERR_TIMEOUT: return AT_ERR_TIMEOUT;
    case ERR_RST: return AT_ERR_RESET;
    case ERR_CLSD: return AT_ERR_CLOSED;
    case ERR_CONN:
    case ERR_ISCONN: return AT_ERR_STATE;
    default: return AT_ERR_INVALID;
    }
}
