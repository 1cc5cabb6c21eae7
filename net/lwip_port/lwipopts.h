/* lwIP 2.2.1 as one module uses it: raw API, no operating system, one thread. What is not named
 * here keeps lwIP's default. Sources of the values: the guide (window, links), the part's SDK
 * (MSS, retries), and measurements (conflict detection off, IPV6_FRAG_COPYHEADER). */
#ifndef NET_LWIP_PORT_LWIPOPTS_H
#define NET_LWIP_PORT_LWIPOPTS_H

#include <stddef.h>
#include <stdint.h>

/* --- no system below --- */
#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN         0
#define LWIP_SOCKET          0
#define LWIP_ALTCP           0
/* sys_timeout and the cyclic timers are net/timers.c, on the module's own loop. */
#define LWIP_TIMERS        1
#define LWIP_TIMERS_CUSTOM 1

/* --- memory: everything from the module's accounted heap, no pools of lwIP's own --- */
#define MEM_ALIGNMENT        8
#define MEM_CUSTOM_ALLOCATOR 1
#define MEM_CUSTOM_MALLOC    at_lwip_malloc
#define MEM_CUSTOM_CALLOC    at_lwip_calloc
#define MEM_CUSTOM_FREE      at_lwip_free
#define MEMP_MEM_MALLOC      1
void *at_lwip_malloc(size_t size);
void *at_lwip_calloc(size_t count, size_t size);
void at_lwip_free(void *block);

uint16_t at_lwip_checksum(const void *data, int len); /* the sum over it, not inverted */

/* --- link and addresses --- */
#define LWIP_IPV4                      1
#define LWIP_IPV6                      1 /* its frames are dropped until it is switched on */
#define ETH_PAD_SIZE                   0
#define LWIP_SINGLE_NETIF              0
#define LWIP_NETIF_HOSTNAME            1
#define LWIP_NETIF_STATUS_CALLBACK     1
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1
#define LWIP_NUM_NETIF_CLIENT_DATA     4
#define LWIP_NETIF_LOOPBACK            1 /* a link to the module's own address */
#define LWIP_HAVE_LOOPIF               1
#define LWIP_CHKSUM                    at_lwip_checksum
#define ARP_QUEUEING                   1
#define ARP_QUEUE_LEN                  16 /* every fragment of an 8192-byte datagram waits */
#define LWIP_IGMP                      1
#define LWIP_IPV6_MLD                  1
#define LWIP_RAW                       1
#define LWIP_ICMP                      1

/* --- fragments --- */
#define IP_REASSEMBLY        1
#define IP_FRAG              1
#define IP_REASS_MAX_PBUFS   16
#define IPV6_FRAG_COPYHEADER 1 /* the in-place header does not fit 64-bit pointers */

/* --- DHCP and DNS --- */
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK \
    0 /* it costs seven seconds; the part's delay is the air's matter */
#define LWIP_DHCP_GET_NTP_SRV 0
/* In seconds, as the part counts: lwIP's own minutes let a lease of a minute or two run out before it
 * is renewed. */
#define DHCP_COARSE_TIMER_SECS 1
#define DHCP_TIMEOUT_SIZE_T    u32_t
#define DHCP_DEFINE_CUSTOM_TIMEOUTS
#define DHCP_AT_LEAST_A_SECOND(result, seconds) ((result) = LWIP_MAX((seconds), 1u))
#define DHCP_SET_TIMEOUT_FROM_OFFERED_T0_LEASE(result, dhcp) \
    DHCP_AT_LEAST_A_SECOND(result, (dhcp)->offered_t0_lease)
#define DHCP_SET_TIMEOUT_FROM_OFFERED_T1_RENEW(result, dhcp) \
    DHCP_AT_LEAST_A_SECOND(result, (dhcp)->offered_t1_renew)
#define DHCP_SET_TIMEOUT_FROM_OFFERED_T2_REBIND(result, dhcp) \
    DHCP_AT_LEAST_A_SECOND(result, (dhcp)->offered_t2_rebind)
#define DHCP_NEXT_TIMEOUT_THRESHOLD          60u
#define DHCP_REQUEST_BACKOFF_SEQUENCE(tries) (u16_t)(((tries) < 6 ? 1 << (tries) : 60) * 1000)
#define LWIP_DNS                             1
#define DNS_MAX_SERVERS                      3 /* guide 3.3.37 */
#define DNS_TABLE_SIZE                       8 /* five links, PING, CIPDOMAIN and one spare */
#define DNS_MAX_NAME_LENGTH                  256
#define LWIP_DNS_SUPPORT_MDNS_QUERIES        1 /* names under .local, as the part's SDK */

/* --- TCP --- */
#define TCP_MSS 1440 /* AT_TCP_MSS (hooks.c checks), signed for lwIP */
/* The default; lwip_hooks.h replaces it by the run-time value where the stack uses it. */
#define TCP_WND              (4 * TCP_MSS)
#define TCP_SND_BUF          (8 * TCP_MSS)
#define TCP_TMR_INTERVAL     250
#define TCP_SYNMAXRTX        12
#define TCP_MAXRTX           12
#define LWIP_TCP_RTO_TIME    1500
#define TCP_MSL              60000UL
#define TCP_FIN_WAIT_TIMEOUT 20000
#define TCP_LISTEN_BACKLOG   1
#define LWIP_TCP_KEEPALIVE   1
#define TCP_QUEUE_OOSEQ      1
#define SO_REUSE             1
#define LWIP_HOOK_FILENAME   "lwip_hooks.h"

/* --- only the counters of the pools: they say which timers are needed (net/timers.c) --- */
#define LWIP_STATS     1
#define MEMP_STATS     1
#define MEM_STATS      0
#define SYS_STATS      0
#define LINK_STATS     0
#define ETHARP_STATS   0
#define IP_STATS       0
#define IPFRAG_STATS   0
#define ICMP_STATS     0
#define IGMP_STATS     0
#define UDP_STATS      0
#define TCP_STATS      0
#define IP6_STATS      0
#define ICMP6_STATS    0
#define IP6_FRAG_STATS 0
#define MLD6_STATS     0
#define ND6_STATS      0

#endif
