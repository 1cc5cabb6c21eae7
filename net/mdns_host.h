/* The module as a host of mDNS (RFC 6762): proto/mdns.h on each interface (guide 3.3.38). */
#ifndef NET_MDNS_HOST_H
#define NET_MDNS_HOST_H

#include "net/net.h"
#include "proto/mdns.h"

typedef struct at_mdns_host at_mdns_host;

/* Makes the service known on every interface that has an address, now or later. AT_ERR_EXISTS: the
 * port 5353 is in use; AT_ERR_NOMEM. */
at_err at_mdns_host_open(at_net *net, const at_mdns_service *service, at_mdns_host **host);
void at_mdns_host_close(at_mdns_host *h); /* says goodbye; NULL is allowed */
/* Every event of the stack. */
void at_mdns_host_on_net(at_mdns_host *h, at_netif_id netif, at_net_event event);
/* The interface is about to go down: says goodbye there. */
void at_mdns_host_leave(at_mdns_host *h, at_netif_id netif);

#endif
