/* The TCP/IP stack of one module: interfaces, addresses, DHCP client, DNS servers. lwIP below it is
 * global, so there is one at_net per process. */
#ifndef NET_NET_H
#define NET_NET_H

#include "core/heap.h"
#include "core/log.h"
#include "core/loop.h"
#include "iface/radio.h"
#include "net/addr.h"

typedef struct at_net at_net;

typedef enum at_netif_id { AT_NETIF_STA, AT_NETIF_AP, AT_NETIF_COUNT } at_netif_id;

typedef enum at_net_event {
    AT_NET_GOT_IP,     /* an IPv4 address is usable: DHCP bound with a new address, or static */
    AT_NET_LOST_IP,    /* the address went: link down, lease expired */
    AT_NET_GOT_IP6_LL, /* a link-local address is usable */
    AT_NET_GOT_IP6_GL, /* a global one; once for each */
} at_net_event;

typedef struct at_net_config {
    at_loop *loop;
    at_heap *heap;
    at_log *log;
    uint32_t window; /* TCP receive window in bytes, AT_TCP_WINDOW by default; at most 64240 */
    /* From a task of the loop, never from inside a call into net/. */
    void (*on_event)(void *owner, at_netif_id netif, at_net_event event);
    void *owner;
} at_net_config;

/* NULL: out of memory, or a second one in this process. There is no destroy: a chip is a process.
 * at_the_current's clock, random and heap are set before; its net is set here. */
at_net *at_net_create(const at_net_config *config);

/* How an interface sends a frame; returns as at_radio_ops.send. */
typedef int (*at_netif_send)(void *ctx, const at_radio_piece *pieces, size_t count);

at_err at_net_add_interface(at_net *net, at_netif_id id, const uint8_t mac[6], at_netif_send send,
                            void *ctx);
/* Only while the link is down. */
at_err at_net_set_mac(at_net *net, at_netif_id id, const uint8_t mac[6]);
/* A received Ethernet frame; the bytes are copied. */
void at_net_input(at_net *net, at_netif_id id, const uint8_t *frame, size_t len);
/* Up: starts DHCP, or announces the static address. Down: loses the address at once. */
void at_net_link(at_net *net, at_netif_id id, bool up);
bool at_net_is_up(const at_net *net, at_netif_id id);

typedef struct at_ip_config {
    at_addr ip, gateway, netmask; /* family NONE: not set */
} at_ip_config;

/* DHCP from the next link up on, or at once when the link is up. */
void at_net_use_dhcp(at_net *net, at_netif_id id, const char *hostname);
/* A static IPv4 configuration, at once when the link is up; switches DHCP off. */
void at_net_use_static(at_net *net, at_netif_id id, const at_ip_config *config);
/* What is in use now; all NONE without an address. A static one shows while the link is down. */
void at_net_ip(const at_net *net, at_netif_id id, at_ip_config *config);
void at_net_set_hostname(at_net *net, at_netif_id id, const char *hostname); /* copied */
/* Index 0 link-local, 1 global; false when there is none yet. */
bool at_net_ip6(const at_net *net, at_netif_id id, int index, at_addr *addr);
/* IPv6 on every interface (guide 3.3.2, off at first): link-local addresses by EUI-64, and for the
 * station global ones by router advertisements (RFC 4862); told by events one and two seconds
 * later. Off: the addresses and the connections over them end at once. */
void at_net_set_ip6(at_net *net, bool on);
bool at_net_ip6_on(const at_net *net);

#define AT_DNS_SERVERS 3
/* Manual servers win over what DHCP tells; NULL and 0: automatic (guide 3.3.37, defaults
 * 208.67.222.222 and 8.8.8.8 until DHCP tells). */
void at_net_set_dns(at_net *net, const at_addr *servers, int count);
int at_net_dns(const at_net *net, at_addr servers[AT_DNS_SERVERS]);

/* Live protocol control blocks, pbufs and lwIP timers: a test compares with the value after boot.
 */
void at_net_usage(const at_net *net, uint32_t *pcbs, uint32_t *timers);

#endif
