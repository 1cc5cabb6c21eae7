/* Joining TCP segments.
 *
 * A batch of the radio is often twenty segments of one connection, and libslirp makes a system call
 * and an acknowledgement of each. Joined they cost one of both.
 *
 * Segments are joined when nothing is lost by it: same addresses, ports, acknowledgement and
 * window, no options, no flags but ACK and PSH, and data that continues the held data. The first
 * segment's header stays; length, PSH and checksums are corrected when the frame is taken. A lone
 * segment is taken as it came.
 *
 * The checksum of the data is not computed: a segment's checksum makes the sum of its pseudo-header,
 * header and data zero, so the complement of the sum of the first two is the sum of the third. A
 * segment that came in wrong therefore stays wrong. Sums of 16-bit words can be added up as long as
 * all pieces but the last have an even length.
 */
#include "ports/linux/merge.h"

#include <string.h>

#include "core/bytes.h"
#include "proto/ether.h"
#include "proto/ipv4.h"
#include "proto/tcp.h"

enum {
    IP = AT_ETHER_HEADER,
    TCP = IP + AT_IPV4_HEADER,
    DATA = TCP + AT_TCP_HEADER,
    /* in the TCP header */
    SEQ = 4,
    ACK = 8,
    OFFSET = 12,
    FLAGS = 13,
    WINDOW = 14,
    CHECKSUM = 16,
};

typedef struct segment {
    at_ipv4 ip;
    uint32_t seq;
    size_t data_len;
    uint32_t data_sum;
} segment;

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t pseudo_sum(const at_ipv4 *ip, size_t len)
{
    return at_checksum_pseudo(ip->from, ip->to, AT_IPPROTO_TCP, len);
}

/* False: not a plain segment with data. */
static bool parse(segment *s, const uint8_t *frame, size_t len)
{
    const uint8_t *tcp = frame + TCP;
    at_reader r;

    if (len <= DATA || frame[12] != 0x08 || frame[13] != 0x00 ||
        !at_ipv4_parse(&s->ip, frame + IP, len - IP) || s->ip.header_len != AT_IPV4_HEADER ||
        s->ip.protocol != AT_IPPROTO_TCP || at_ipv4_is_fragment(&s->ip) ||
        s->ip.payload_len <= AT_TCP_HEADER)
        return false;
    if (tcp[OFFSET] != AT_TCP_HEADER / 4 << 4 || (tcp[FLAGS] & ~AT_TCP_PSH) != AT_TCP_ACK)
        return false;
    r = at_reader_of(tcp + SEQ, 4);
    s->seq = at_get32(&r);
    s->data_len = s->ip.payload_len - AT_TCP_HEADER;
    s->data_sum =
        at_checksum_end(at_checksum_add(pseudo_sum(&s->ip, s->ip.payload_len), tcp, AT_TCP_HEADER));
    return true;
}

/* Does the segment continue the held one? */
static bool follows(const lx_merge *m, const uint8_t *frame, const segment *s)
{
    const uint8_t *held = m->frame;

    return s->seq == m->next_seq && m->len % 2 == 0 && s->data_len <= LX_MERGE_MAX - m->len &&
           memcmp(held, frame, IP + 2) == 0 &&              /* Ethernet; version, type of service */
           memcmp(held + IP + 6, frame + IP + 6, 4) == 0 && /* fragment, time to live, protocol */
           memcmp(held + IP + 12, frame + IP + 12, 8) == 0 && /* addresses */
           memcmp(held + TCP, frame + TCP, SEQ) == 0 &&       /* ports */
           memcmp(held + TCP + ACK, frame + TCP + ACK, 4) == 0 &&
           memcmp(held + TCP + WINDOW, frame + TCP + WINDOW, 2) == 0;
}

static bool hold(lx_merge *m, const uint8_t *frame, const segment *s)
{
    if (m->frame == NULL)
        m->frame = at_alloc(m->heap, LX_MERGE_MAX);
    if (m->frame == NULL)
        return false;
    m->len = DATA + s->data_len;
    m->joined = false;
    m->data_sum = s->data_sum;
    memcpy(m->frame, frame, m->len);
    return true;
}

static void join(lx_merge *m, const uint8_t *frame, const segment *s)
{
    memcpy(m->frame + m->len, frame + DATA, s->data_len);
    m->len += s->data_len;
    m->data_sum += s->data_sum;
    m->frame[TCP + FLAGS] |= frame[TCP + FLAGS];
    m->joined = true;
}

bool lx_merge_add(lx_merge *m, const uint8_t *frame, size_t len)
{
    segment s;

    if (!parse(&s, frame, len))
        return false;
    if (m->len == 0) {
        if (!hold(m, frame, &s))
            return false;
    } else if (follows(m, frame, &s)) {
        join(m, frame, &s);
    } else {
        return false;
    }
    m->next_seq = s.seq + (uint32_t)s.data_len;
    return true;
}

/* Makes the first segment's header one for all the data. */
static void correct_header(lx_merge *m)
{
    uint8_t *tcp = m->frame + TCP;
    size_t len = m->len - TCP;
    at_ipv4 ip;

    at_ipv4_parse(&ip, m->frame + IP, m->len - IP);
    ip.payload_len = len;
    at_ipv4_build(&ip, m->frame + IP, AT_IPV4_HEADER);
    put16(tcp + CHECKSUM, 0);
    put16(tcp + CHECKSUM,
          at_checksum_end(at_checksum_add(pseudo_sum(&ip, len) + m->data_sum, tcp, AT_TCP_HEADER)));
}

const uint8_t *lx_merge_take(lx_merge *m, size_t *len)
{
    if (m->len == 0)
        return NULL;
    if (m->joined)
        correct_header(m);
    *len = m->len;
    m->len = 0;
    return m->frame;
}

void lx_merge_free(lx_merge *m)
{
    at_free(m->heap, m->frame);
    m->frame = NULL;
    m->len = 0;
}
