/* Joined TCP segments: what is joined, and that the result is a segment as good as its parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "ports/linux/merge.h"
#include "proto/ether.h"
#include "proto/ipv4.h"
#include "proto/tcp.h"

#define STATION 0xC0A80370u
#define SERVER  0xC0A80301u

typedef struct fixture {
    at_heap heap;
    lx_merge merge;
    uint8_t frame[1536];
    size_t len;
} fixture;

static int setup(void **state)
{
    static fixture f;

    f = (fixture){ 0 };
    at_heap_init(&f.heap, SIZE_MAX);
    f.merge.heap = &f.heap;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    lx_merge_free(&f->merge);
    assert_int_equal(f->heap.used, 0);
    return 0;
}

/* A segment whose data are the numbers from seq on. */
static void make(fixture *f, uint32_t seq, size_t data_len, uint8_t flags)
{
    static const uint8_t to[6] = { 2, 0, 0, 0, 0, 1 }, from[6] = { 2, 0, 0, 0, 0, 2 };
    const at_ipv4 ip = { .from = STATION,
                         .to = SERVER,
                         .protocol = AT_IPPROTO_TCP,
                         .ttl = 255,
                         .id = (uint16_t)seq,
                         .payload_len = AT_TCP_HEADER + data_len };
    uint8_t *tcp = f->frame + AT_ETHER_HEADER + AT_IPV4_HEADER;
    at_builder b = at_builder_of(tcp, AT_TCP_HEADER + data_len);
    uint16_t checksum;

    at_ether_build(f->frame, to, from, AT_ETHERTYPE_IPV4);
    at_ipv4_build(&ip, f->frame + AT_ETHER_HEADER, AT_IPV4_HEADER);
    at_put16(&b, 50000);
    at_put16(&b, 80);
    at_put32(&b, seq);
    at_put32(&b, 77);
    at_put8(&b, AT_TCP_HEADER / 4 << 4);
    at_put8(&b, flags);
    at_put16(&b, 5760);
    at_put32(&b, 0);
    for (size_t i = 0; i < data_len; i++)
        at_put8(&b, (uint8_t)(seq + i));
    checksum = at_checksum_end(at_checksum_add(
        at_checksum_pseudo(STATION, SERVER, AT_IPPROTO_TCP, ip.payload_len), tcp, ip.payload_len));
    tcp[16] = (uint8_t)(checksum >> 8);
    tcp[17] = (uint8_t)checksum;
    f->len = AT_ETHER_HEADER + AT_IPV4_HEADER + ip.payload_len;
}

static bool add(fixture *f, uint32_t seq, size_t data_len, uint8_t flags)
{
    make(f, seq, data_len, flags);
    return lx_merge_add(&f->merge, f->frame, f->len);
}

/* Takes the held frame; it must be valid and carry data_len bytes from seq on. */
static void expect(fixture *f, uint32_t seq, size_t data_len, uint8_t flags)
{
    size_t len;
    const uint8_t *frame = lx_merge_take(&f->merge, &len);
    at_ipv4 ip;
    at_tcp tcp;

    assert_non_null(frame);
    assert_true(at_ipv4_parse(&ip, frame + AT_ETHER_HEADER, len - AT_ETHER_HEADER));
    assert_true(at_tcp_parse(&tcp, &ip));
    assert_int_equal(tcp.seq, seq);
    assert_int_equal(tcp.flags, flags);
    assert_int_equal(tcp.data_len, data_len);
    for (size_t i = 0; i < data_len; i++)
        assert_int_equal(tcp.data[i], (uint8_t)(seq + i));
    assert_null(lx_merge_take(&f->merge, &len));
}

static void test_joins_what_follows(void **state)
{
    fixture *f = *state;

    assert_true(add(f, 1000, 1440, AT_TCP_ACK));
    assert_true(add(f, 2440, 1440, AT_TCP_ACK));
    assert_true(add(f, 3880, 33, AT_TCP_ACK | AT_TCP_PSH)); /* the last may be odd */
    assert_false(add(f, 3913, 10, AT_TCP_ACK));
    expect(f, 1000, 2913, AT_TCP_ACK | AT_TCP_PSH);
}

static void test_sequence_numbers_wrap(void **state)
{
    fixture *f = *state;

    assert_true(add(f, 0xFFFFFF00u, 0x200, AT_TCP_ACK));
    assert_true(add(f, 0x100, 2, AT_TCP_ACK));
    expect(f, 0xFFFFFF00u, 0x202, AT_TCP_ACK);
}

static void test_a_lone_segment_stays_as_it_is(void **state)
{
    fixture *f = *state;
    const uint8_t *frame;
    size_t len;

    assert_true(add(f, 7, 5, AT_TCP_ACK));
    frame = lx_merge_take(&f->merge, &len);
    assert_non_null(frame);
    assert_int_equal(len, f->len);
    assert_memory_equal(frame, f->frame, len);
}

static void test_the_largest(void **state)
{
    fixture *f = *state;
    uint32_t seq = 1;

    while (add(f, seq, 1440, AT_TCP_ACK))
        seq += 1440;
    assert_true(seq - 1 > LX_MERGE_MAX - 2 * 1440);
    assert_true(f->merge.len <= LX_MERGE_MAX);
    expect(f, 1, seq - 1, AT_TCP_ACK);
}

static void test_what_is_not_joined(void **state)
{
    fixture *f = *state;

    assert_false(add(f, 1, 0, AT_TCP_ACK)); /* no data */
    assert_false(add(f, 1, 10, AT_TCP_ACK | AT_TCP_FIN));
    assert_false(add(f, 1, 10, AT_TCP_ACK | AT_TCP_URG));
    assert_true(add(f, 1, 10, AT_TCP_ACK));
    assert_false(add(f, 12, 10, AT_TCP_ACK)); /* a gap */
    assert_false(add(f, 1, 10, AT_TCP_ACK));  /* again */
    make(f, 11, 10, AT_TCP_ACK);
    f->frame[AT_ETHER_HEADER + AT_IPV4_HEADER + 1] ^= 1; /* another port */
    assert_false(lx_merge_add(&f->merge, f->frame, f->len));
    make(f, 11, 10, AT_TCP_ACK);
    f->frame[AT_ETHER_HEADER + AT_IPV4_HEADER + 11] ^= 1; /* another acknowledgement */
    assert_false(lx_merge_add(&f->merge, f->frame, f->len));
    make(f, 11, 10, AT_TCP_ACK);
    f->frame[AT_ETHER_HEADER + 8] ^= 1; /* a wrong header */
    assert_false(lx_merge_add(&f->merge, f->frame, f->len));
    make(f, 11, 10, AT_TCP_ACK);
    assert_false(lx_merge_add(&f->merge, f->frame, f->len - 1)); /* cut off */
    expect(f, 1, 10, AT_TCP_ACK);
}

static void test_wrong_data_stays_wrong(void **state)
{
    fixture *f = *state;
    const uint8_t *frame;
    size_t len;
    at_ipv4 ip;
    at_tcp tcp;

    assert_true(add(f, 1, 10, AT_TCP_ACK));
    make(f, 11, 10, AT_TCP_ACK);
    f->frame[f->len - 1] ^= 0x10;
    assert_true(lx_merge_add(&f->merge, f->frame, f->len));
    frame = lx_merge_take(&f->merge, &len);
    assert_true(at_ipv4_parse(&ip, frame + AT_ETHER_HEADER, len - AT_ETHER_HEADER));
    assert_false(at_tcp_parse(&tcp, &ip));
}

static void test_no_memory(void **state)
{
    fixture *f = *state;

    at_heap_init(&f->heap, 64);
    assert_false(add(f, 1, 10, AT_TCP_ACK));
    assert_int_equal(f->merge.len, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_joins_what_follows),
        TEST(test_sequence_numbers_wrap),
        TEST(test_a_lone_segment_stays_as_it_is),
        TEST(test_the_largest),
        TEST(test_what_is_not_joined),
        TEST(test_wrong_data_stays_wrong),
        TEST(test_no_memory),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
