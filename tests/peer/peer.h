/* A peer of a test page: a small computer on the page's bench, made of our own net/ code, driven by
 * lines of text. It runs in a process of its own (lwIP is global) until the process is ended.
 *
 * What the runner passes in are the seams that a chip gets as well, so that a peer takes part in
 * virtual time and in the air exactly as a chip does. The radio's frames go to a *wired* port of
 * the simulated access point: no management frames, no keys.
 *
 * One command per line (LF; a CR before it is ignored; at most PEER_LINE_MAX bytes). Answer, when
 * the command completes: `ok`, or `fail REASON`. Commands for one endpoint run one after the other
 * in order, those behind an unfinished one wait in a queue (32 lines). A command may begin with
 * the name of an endpoint, `NAME: ` (letters, digits, _); its answer then begins with it too.
 * Endpoints come into being with their first use and are independent of each other; without a name
 * the endpoint is the nameless one. BYTES are the rest of the line, \xNN \r \n \t \\ escaped;
 * blanks count.
 *
 *     address ADDR/BITS [GATEWAY]   once, first; the interface is up when it answers
 *     ipv6 [ADDR]                   switches IPv6 on; answers when there is a global address by the
 *                                   router's prefix (a failure when it is not ADDR), or with a
 *                                   link-local ADDR when there is that
 *     listen tcp|tcp6 PORT          becomes a listener; `accept` on the same endpoint
 *     accept [NAME]                 waits for a client: this endpoint's connection (listening goes
 *                                   on), or with NAME the connection becomes that endpoint
 *     connect HOST PORT             TCP to an address; fail refused, timeout, unreachable
 *     send BYTES                    done when the stack took all of them
 *     expect BYTES                  exactly these come next on the stream, in any segmentation
 *     silence MS                    nothing arrives (no byte, datagram, client or end) for MS ms
 *     eof                           the peer closed in order, all data having been expected
 *     reset                         the connection was reset
 *     fin                           closes our direction only, reading goes on
 *     close                         closes in order (also: stops a listener, a UDP endpoint)
 *     abort                         resets
 *     window stop|go                stops or resumes taking bytes out of the stack's window
 *     fill N SEED                   sends N pseudo-random bytes
 *     drain N SEED                  the next N bytes are those of fill with the same seed
 *     udp|udp6 PORT [GROUP]         a UDP endpoint; with GROUP it joins the multicast group
 *     sendto HOST PORT BYTES        one datagram
 *     recvfrom HOST PORT BYTES      the next datagram is this one; HOST or PORT may be * for any
 *     fillto HOST PORT N SEED       one datagram of N pseudo-random bytes
 *     drainfrom HOST PORT N SEED    the next datagram is that
 *     ntp UNIX [FIELD=N ...]        the next datagram is a request of an NTP client; answers that it is
 *                                   UNIX. leap, stratum, mode: other than 0, 2, 4; kiss=CODE: a
 *                                   kiss of death; foreign: to another request; extra=N: N bytes
 *                                   more or less; via=NAME: sent by that endpoint
 *     mdns hear TEXT                the next datagram is this mDNS message (tests/peer/mdns.c says how
 *                                   it is written down)
 *     mdns ask NAME TYPE [unicast]  multicasts a question, from the endpoint's port
 *     mdns claim NAME ADDR          multicasts that the name has this address
 *     port PORT|*                   the port of the other end is PORT; *: answers `ok PORT`
 *     timeout MS                    how long commands of this endpoint wait before `fail timeout`
 *                                   (with what came instead); default 120000
 *
 * Pseudo-random bytes: x = SEED | 1 (32 bit); per byte x ^= x << 13, x ^= x >> 17, x ^= x << 5; the
 * byte is x >> 24. peer_random_byte() below is that, for runners that check a module's output. */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include <stdint.h>

#include "iface/byteport.h"
#include "iface/clock.h"
#include "iface/log.h"
#include "iface/radio.h"
#include "iface/random.h"
#include "iface/waiter.h"

#define PEER_LINE_MAX 20000u /* bytes of one command line */

typedef struct peer_seams {
    const at_clock *clock;
    const at_waiter *waiter; /* runs radio->on_frame and control->on_readable */
    const at_random *random;
    const at_log_sink *log; /* NULL: silent */
    at_radio *radio;        /* peer_main sets on_frame and owner; factory_mac is the peer's MAC */
    at_byteport *control;   /* peer_main sets its callbacks; ops drained and configure are not
                                 used. Answers are written at once, they must fit in the pipe */
} peer_seams;

/* Runs the peer. Returns only on the command line `quit` (0) or when it cannot start (1). Sets
 * at_the_current for its process. */
int peer_main(const peer_seams *seams);

/* Same, in two halves for runners with a loop of their own around it: NULL when it cannot start. */
typedef struct peer peer;
peer *peer_create(const peer_seams *seams);
void peer_turn(peer *p); /* one turn of its loop */

static inline uint8_t peer_random_byte(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return (uint8_t)(*state >> 24);
}

#endif
