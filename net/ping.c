/* One ICMP echo at a time, on a raw pcb of its own.
 *
 * The identifier is random and the sequence number 1, so answers to others, or to an earlier ping
 * that timed out, do not count. The time is taken when the answer enters the stack, not when its
 * owner hears of it.
 *
 * Echo of ICMPv6 (RFC 4443) differs from that of ICMP in its numbers and in that the checksum covers
 * the addresses, which lwIP does.
 */
#include "net/net_priv.h"

#include <stddef.h>
#include <string.h>

#include "lwip/icmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/prot/icmp.h"
#include "lwip/prot/icmp6.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/raw.h"

#include "core/bytes.h"
#include "net/ping.h"

#define DATA_LEN 32u

struct at_ping {
    at_net *net;
    struct raw_pcb *pcb;
    bool v6;
    void (*done)(void *arg, at_err err, uint32_t round_trip_us);
    void *arg;
    uint16_t id;
    uint64_t sent_us;
    bool finished;
    at_err err;
    uint32_t round_trip_us;
    at_task task;
    at_timer timeout;
};

static void finish(at_ping *ping, at_err err)
{
    if (ping->finished)
        return;
    ping->finished = true;
    ping->err = err;
    at_loop_post(ping->net->loop, &ping->task);
}

static void timed_out(void *arg)
{
    finish(arg, AT_ERR_TIMEOUT);
}

void at_ping_cancel(at_ping *ping)
{
    if (ping == NULL)
        return;
    if (ping->pcb != NULL)
        raw_remove(ping->pcb);
    at_loop_unpost(ping->net->loop, &ping->task);
    at_timer_stop(ping->net->loop, &ping->timeout);
    at_free(ping->net->heap, ping);
}

static void deliver(void *arg)
{
    at_ping *ping = arg;
    void (*done)(void *, at_err, uint32_t) = ping->done;
    void *done_arg = ping->arg;
    at_err err = ping->err;
    uint32_t round_trip_us = ping->round_trip_us;

    at_ping_cancel(ping);
    done(done_arg, err, round_trip_us);
}

/* From lwIP: an ICMP packet with its IP header. Returns 1 when it was ours and is freed. */
static u8_t on_recv(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    at_ping *ping = arg;
    struct icmp_echo_hdr echo;
    u16_t header;

    (void)from;
    (void)pcb;
    if (p->len < IP_HLEN)
        return 0;
    header = ping->v6 ? IP6_HLEN : IPH_HL_BYTES((const struct ip_hdr *)p->payload);
    if (pbuf_copy_partial(p, &echo, sizeof echo, header) != sizeof echo)
        return 0;
    if (echo.type != (ping->v6 ? ICMP6_TYPE_EREP : ICMP_ER) || echo.id != lwip_htons(ping->id) ||
        echo.seqno != PP_HTONS(1))
        return 0;
    ping->round_trip_us = (uint32_t)(at_loop_now(ping->net->loop) - ping->sent_us);
    finish(ping, AT_OK);
    pbuf_free(p);
    return 1;
}

static err_t send_echo(at_ping *ping, const at_addr *to)
{
    struct pbuf *p = pbuf_alloc(PBUF_IP, sizeof(struct icmp_echo_hdr) + DATA_LEN, PBUF_RAM);
    struct icmp_echo_hdr *echo;
    ip_addr_t lwip;
    err_t err;

    if (p == NULL)
        return ERR_MEM;
    echo = p->payload;
    *echo = (struct icmp_echo_hdr){ .type = ping->v6 ? ICMP6_TYPE_EREQ : ICMP_ECHO,
                                    .id = lwip_htons(ping->id),
                                    .seqno = PP_HTONS(1) };
    for (uint8_t i = 0; i < DATA_LEN; i++)
        ((uint8_t *)(echo + 1))[i] = (uint8_t)('a' + i % 23);
    if (!ping->v6)
        echo->chksum = inet_chksum(echo, p->len);
    net_to_scoped(ping->net, to, NULL, &lwip);
    ping->sent_us = at_loop_now(ping->net->loop);
    err = raw_sendto(ping->pcb, p, &lwip);
    pbuf_free(p);
    return err;
}

at_err at_ping_start(at_net *net, const at_addr *to, uint32_t timeout_ms,
                     void (*done)(void *arg, at_err err, uint32_t round_trip_us), void *arg,
                     at_ping **ping)
{
    at_ping *p;
    err_t err;

    if (to->family == AT_IPV6 && !net->ip6)
        return AT_ERR_UNSUPPORTED;
    p = at_calloc(net->heap, 1, sizeof *p);
    if (p == NULL)
        return AT_ERR_NOMEM;
    net_enter(net);
    p->net = net;
    p->done = done;
    p->arg = arg;
    p->v6 = to->family == AT_IPV6;
    p->id = (uint16_t)LWIP_RAND();
    at_task_init(&p->task, deliver, p);
    at_timer_init(&p->timeout, timed_out, p);
    p->pcb = p->v6 ? raw_new_ip_type(IPADDR_TYPE_V6, IP6_NEXTH_ICMP6) : raw_new(IP_PROTO_ICMP);
    if (p->pcb == NULL) {
        at_ping_cancel(p);
        return AT_ERR_NOMEM;
    }
    if (p->v6) { /* lwIP knows the addresses that the checksum covers */
        p->pcb->chksum_reqd = 1;
        p->pcb->chksum_offset = offsetof(struct icmp_echo_hdr, chksum);
    }
    raw_recv(p->pcb, on_recv, p);
    err = net_ip6_reaches(net, to) ? send_echo(p, to) : ERR_RTE;
    if (err == ERR_MEM) {
        at_ping_cancel(p);
        return AT_ERR_NOMEM;
    }
    if (err != ERR_OK)
        finish(p, AT_ERR_UNREACHABLE);
    at_timer_in(net->loop, &p->timeout, (uint64_t)timeout_ms * 1000u);
    *ping = p;
    return AT_OK;
}
