/* The DHCP server of the SoftAP's interface (proto/dhcp over UDP port 67). */
#ifndef NET_DHCP_SERVER_H
#define NET_DHCP_SERVER_H

#include "net/net.h"

#define AT_DHCP_SERVER_LEASES 100u /* addresses at most, as on the part */

typedef struct at_dhcp_server at_dhcp_server;

typedef struct at_dhcp_server_config {
    at_net *net;
    at_netif_id netif;
    /* A station has this address: new, or confirmed. From a task of the loop. */
    void (*on_lease)(void *owner, const uint8_t mac[6], const at_addr *ip);
    void *owner;
} at_dhcp_server_config;

typedef struct at_dhcp_range {
    at_addr first, last; /* both included */
    uint32_t lease_s;
} at_dhcp_range;

at_dhcp_server *at_dhcp_server_create(const at_dhcp_server_config *config); /* NULL: no memory */
/* Serves the interface's static network from now on; what was handed out before is forgotten.
 * AT_ERR_INVALID: the range is not one of that network, holds the server's own address, or more than
 * AT_DHCP_SERVER_LEASES. AT_ERR_EXISTS: a UDP link has the port. AT_ERR_NOMEM. */
at_err at_dhcp_server_start(at_dhcp_server *s, const at_dhcp_range *range);
void at_dhcp_server_stop(at_dhcp_server *s); /* allowed when off */
/* The same judgement as start's, without starting. */
bool at_dhcp_range_fits(const at_dhcp_range *range, const at_ip_config *server);
/* The addresses next to the server's, as many as there can be. */
void at_dhcp_range_default(at_dhcp_range *range, const at_ip_config *server);
/* What a station got; family NONE: nothing. */
at_addr at_dhcp_server_address_of(const at_dhcp_server *s, const uint8_t mac[6]);

#endif
