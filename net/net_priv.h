/* What the files of net/ share, and the only header that brings lwIP's types. */
#ifndef NET_NET_PRIV_H
#define NET_NET_PRIV_H

#include "lwip/opt.h"

#include "lwip/err.h"
#include "lwip/ip_addr.h"
#include "lwip/netif.h"

#include "core/limits.h"
#include "net/net.h"

#define NET_SEGMENTS_MIN 8u  /* send buffer at least, in segments */
#define NET_SEGMENTS_MAX 44u /* 63360 bytes: what 16 bits hold */

/* --- addresses and errors (glue.c) --- */
void net_to_lwip(const at_addr *addr, ip_addr_t *lwip); /* family NONE: 0.0.0.0 */
void net_from_lwip(const ip_addr_t *lwip, at_addr *addr);
/* A destination; link-local ones get the zone of the interface of `local` (NULL or NONE: the first
 * with IPv6). */
void net_to_scoped(const at_net *net, const at_addr *to, const at_addr *local, ip_addr_t *lwip);
at_err net_err(err_t err);

/* --- lwIP's hooks (lwip_port/hooks.c) --- */
bool net_hooks_ready(
    void); /* at_the_current says where time, random numbers and memory come from */

/* --- lwIP's timers (timers.c) --- */
#define NET_CYCLIC_COUNT 10u

typedef struct net_timeout net_timeout; /* one sys_timeout() under way */

typedef struct net_timers {
    at_timer timer;                     /* the next cyclic timer that is needed */
    uint64_t last_us[NET_CYCLIC_COUNT]; /* when each cyclic timer was due last */
    uint64_t sync_us;                   /* nothing is due before */
    uint64_t arp_until_us;              /* an ARP request of ours may be unanswered until then */
    unsigned dns_users;                 /* queries under way */
    bool dns_used;                      /* there may be cached answers, which age */
    bool running;                       /* inside a timer of lwIP's */
    net_timeout *timeouts;
} net_timers;

void net_timers_init(at_net *net);
/* Brings lwIP's time up to date. Every entry into the stack begins with it: timers that nothing
 * needed may have slept, and what the entry starts must not age by their sleep. */
void net_enter(at_net *net);
/* Arms the timer for what is needed next; before each wait of the loop. */
void net_timers_arm(at_net *net);
uint32_t net_timers_count(const at_net *net);
bool net_timers_nd6_idle(const at_net *net); /* nothing waits for the next tick of ND6 */
void net_timers_nd6_now(at_net *net);        /* a tick now; the others follow every second */

/* --- the interfaces (net.c) --- */
typedef struct net_interface {
    struct netif lwip;
    at_net *net;
    at_netif_id id;
    at_netif_send send;
    void *send_ctx;
    bool added, up, dhcp;
    bool lost;          /* an announced address went since the task ran last */
    at_addr announced;  /* the address of the last AT_NET_GOT_IP */
    uint8_t duplicates; /* bits: IPv6 addresses that somebody else has */
    at_addr announced6[LWIP_IPV6_NUM_ADDRESSES]; /* as told; the first is link-local */
    at_ip_config fixed;                          /* static configuration */
    at_task task;                                /* delivers events */
    at_timer retry;                              /* DHCP could not start for lack of memory */
    char hostname[AT_HOSTNAME_MAX + 1];
} net_interface;

/* Told when an interface loses its address, maybe twice, maybe inside lwIP: may only post a task.
 */
typedef struct net_watch {
    void (*lost)(void *arg, const at_addr *addr);
    void *arg;
    struct net_watch *next;
} net_watch;

/* Something with output to push before the loop waits. */
typedef struct net_flush {
    void (*run)(void *arg);
    void *arg;
    struct net_flush *next;
    bool queued;
} net_flush;

struct at_net {
    at_loop *loop;
    at_heap *heap;
    at_log *log;
    uint16_t window, send_buffer;
    void (*on_event)(void *owner, at_netif_id netif, at_net_event event);
    void *owner;
    at_prepare prepare;
    net_timers timers;
    net_interface interfaces[AT_NETIF_COUNT];
    net_watch *watches;
    net_flush *flushes;
    bool ip6; /* IPv6 is switched on */
    bool dns_manual, dns_told;
    at_addr dns[AT_DNS_SERVERS];      /* manual */
    at_addr dns_auto[AT_DNS_SERVERS]; /* what DHCP told last */
};

uint16_t net_window(const at_net *net);
uint16_t net_send_buffer(const at_net *net);
/* An address of this family, NONE: of any, on an interface that is up. */
bool net_has_address(const at_net *net, at_family family);
bool net_is_ours(const at_net *net, const at_addr *addr);
void net_tell_watches(at_net *net, const at_addr *lost);
void net_watch_add(at_net *net, net_watch *watch);
void net_flush_later(at_net *net, net_flush *flush);
void net_flush_cancel(at_net *net, net_flush *flush);

/* --- IPv6 of an interface (ip6.c) --- */
void net_ip6_start(net_interface *interface); /* when switched on and up */
void net_ip6_stop(net_interface *interface);
void net_ip6_changed(net_interface *interface); /* lwIP changed the state of an address */
bool net_ip6_deliver(net_interface *interface); /* told one event; false: there is none */
/* False: a destination beyond the link, and no global address. lwIP would send and send again. */
bool net_ip6_reaches(const at_net *net, const at_addr *to);
bool net_ip6_has_address(const net_interface *interface);
const net_interface *net_ip6_owner(const at_net *net, const at_addr *addr); /* NULL: not ours */

/* --- DNS servers (resolve.c's side of net.h) --- */
void net_dns_apply(at_net *net); /* gives lwIP the servers that count now */

#endif
