/* The DHCP server: the exchanges of RFC 2131, its refusals, exhaustion, expiry, garbled input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "mutate.h"
#include "proto/dhcp.h"

#define NET    0xC0A80300u /* 192.168.3.0 */
#define SERVER (NET + 1)
#define FIRST  (NET + 112)
#define BCAST  0xFFFFFFFFu

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM };

typedef struct world {
    at_dhcps server;
    at_dhcps_lease leases[4];
    uint8_t answer[AT_DHCP_REPLY_MAX];
    uint64_t now;
    at_dhcps_result result;
} world;

typedef struct message {
    uint8_t type, station;
    uint32_t ciaddr, requested, server_id, giaddr;
    uint16_t flags;
} message;

static const at_dhcps_config config = { .server = SERVER,
                                        .first = FIRST,
                                        .last = FIRST + 3,
                                        .netmask = 0xFFFFFF00,
                                        .router = SERVER,
                                        .dns = SERVER,
                                        .lease_s = 7200 };

static void start(world *w)
{
    memset(w, 0, sizeof *w);
    w->now = 1000;
    at_dhcps_init(&w->server, &config, w->leases, AT_COUNT(w->leases));
}

static size_t build(const message *m, uint8_t *out, size_t room)
{
    static const uint8_t zero[10 + 64 + 128];
    const uint8_t mac[6] = { 2, 0, 0, 0, 0, m->station };
    at_builder b = at_builder_of(out, room);

    at_put32(&b, 0x01010600);
    at_put32(&b, 0xDEADBEEF);
    at_put16(&b, 0);
    at_put16(&b, m->flags);
    at_put32(&b, m->ciaddr);
    at_put32(&b, 0);
    at_put32(&b, 0);
    at_put32(&b, m->giaddr);
    at_put(&b, mac, 6);
    at_put(&b, zero, sizeof zero);
    at_put32(&b, 0x63825363);
    at_put8(&b, 0); /* pad in the middle */
    at_put(&b, "\x35\x01", 2);
    at_put8(&b, m->type);
    if (m->requested != 0) {
        at_put(&b, "\x32\x04", 2);
        at_put32(&b, m->requested);
    }
    if (m->server_id != 0) {
        at_put(&b, "\x36\x04", 2);
        at_put32(&b, m->server_id);
    }
    at_put(&b,
           "\x0C\x03"
           "esp\xFF",
           6);
    return at_built(&b);
}

static at_dhcps_event send(world *w, message m)
{
    uint8_t payload[400];
    size_t len = build(&m, payload, sizeof payload);

    w->result = at_dhcps_input(&w->server, w->now, payload, len, w->answer);
    return w->result.event;
}

static at_dhcps_event say(world *w, uint8_t type, uint8_t station)
{
    return send(w, (message){ .type = type, .station = station });
}

/* Finds an option of the answer; 0 when it is not there. */
static uint32_t option(const world *w, uint8_t wanted)
{
    at_reader r = at_reader_of(w->answer + 240, w->result.len - 240);

    while (r.left > 0) {
        uint8_t code = at_get8(&r), len;
        uint32_t value = 0;

        if (code == 255)
            break;
        if (code == 0)
            continue;
        len = at_get8(&r);
        for (uint8_t i = 0; i < len; i++)
            value = value << 8 | at_get8(&r);
        if (code == wanted)
            return value;
    }
    return 0;
}

static void join(world *w, uint8_t station, uint32_t expected)
{
    assert_int_equal(say(w, DISCOVER, station), AT_DHCPS_OFFERED);
    assert_int_equal(w->result.ip, expected);
    assert_int_equal(
        send(w, (message){ REQUEST, station, .requested = expected, .server_id = SERVER }),
        AT_DHCPS_BOUND);
    assert_int_equal(w->result.ip, expected);
}

static void the_usual_exchange(void **state)
{
    const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
    at_reader r;
    world w;

    (void)state;
    start(&w);
    assert_int_equal(say(&w, DISCOVER, 1), AT_DHCPS_OFFERED);
    assert_true(w.result.len >= 300);
    assert_int_equal(option(&w, 53), OFFER);
    assert_int_equal(option(&w, 54), SERVER);
    assert_int_equal(w.result.to_ip, FIRST);
    assert_memory_equal(w.result.to_mac, mac, 6);
    assert_int_equal(at_dhcps_address_of(&w.server, w.now, mac), 0);
    assert_int_equal(
        send(&w, (message){ REQUEST, 1, .requested = FIRST, .server_id = SERVER, .flags = 0x8000 }),
        AT_DHCPS_BOUND);
    assert_int_equal(option(&w, 53), ACK);
    assert_int_equal(option(&w, 51), 7200);
    assert_int_equal(option(&w, 58), 3600);
    assert_int_equal(option(&w, 59), 6300);
    assert_int_equal(option(&w, 1), 0xFFFFFF00);
    assert_int_equal(option(&w, 3), SERVER);
    assert_int_equal(option(&w, 6), SERVER);
    assert_int_equal(w.result.to_ip, BCAST);
    assert_int_equal(w.result.to_mac[0], 0xFF);
    r = at_reader_of(w.answer, w.result.len);
    assert_int_equal(at_get32(&r), 0x02010600);
    assert_int_equal(at_get32(&r), 0xDEADBEEF);
    at_get(&r, 8);
    assert_int_equal(at_get32(&r), FIRST);
    assert_int_equal(at_dhcps_address_of(&w.server, w.now, mac), FIRST);
    assert_int_equal(at_dhcps_address_of(&w.server, w.now + 7200, mac), 0);
}

static void addresses_stick(void **state)
{
    const uint8_t preferred[6] = { 2, 0, 0, 0, 0, 9 };
    world w;

    (void)state;
    start(&w);
    assert_true(at_dhcps_prefer(&w.server, preferred, FIRST + 1));
    assert_true(at_dhcps_prefer(&w.server, preferred, FIRST)); /* changed its mind */
    assert_false(at_dhcps_prefer(&w.server, preferred, FIRST + 4));
    assert_false(at_dhcps_prefer(&w.server, (const uint8_t[6]){ 2 }, FIRST));
    join(&w, 1, FIRST + 1);
    join(&w, 9, FIRST);
    assert_int_equal(send(&w, (message){ RELEASE, 1, .ciaddr = FIRST + 1, .server_id = SERVER }),
                     AT_DHCPS_RELEASED);
    assert_int_equal(w.result.len, 0);
    join(&w, 2, FIRST + 2);
    join(&w, 1, FIRST + 1);
    /* An address asked for is given when nobody ever had it. */
    assert_int_equal(send(&w, (message){ DISCOVER, 3, .requested = FIRST + 3 }), AT_DHCPS_OFFERED);
    assert_int_equal(w.result.ip, FIRST + 3);
    assert_int_equal(send(&w, (message){ DISCOVER, 4, .requested = FIRST }), AT_DHCPS_EXHAUSTED);
}

static void refusals(void **state)
{
    world w;

    (void)state;
    start(&w);
    /* After a reboot: another network, no record, another address, the right one. */
    assert_int_equal(send(&w, (message){ REQUEST, 1, .requested = 0x0A000005 }), AT_DHCPS_REFUSED);
    assert_int_equal(option(&w, 53), NAK);
    assert_int_equal(option(&w, 51), 0);
    assert_int_equal(w.result.to_ip, BCAST);
    assert_int_equal(send(&w, (message){ REQUEST, 1, .requested = FIRST }), AT_DHCPS_IGNORED);
    join(&w, 1, FIRST);
    assert_int_equal(send(&w, (message){ REQUEST, 1, .requested = FIRST + 1 }), AT_DHCPS_REFUSED);
    assert_int_equal(send(&w, (message){ REQUEST, 1, .requested = FIRST }), AT_DHCPS_RENEWED);
    /* Selecting: not what was offered; never offered. */
    assert_int_equal(send(&w, (message){ REQUEST, 1, .requested = FIRST + 1, .server_id = SERVER }),
                     AT_DHCPS_REFUSED);
    assert_int_equal(send(&w, (message){ REQUEST, 2, .requested = FIRST + 1, .server_id = SERVER }),
                     AT_DHCPS_REFUSED);
    /* Renewing: another's, off the net, outside the pool. */
    assert_int_equal(send(&w, (message){ REQUEST, 2, .ciaddr = FIRST }), AT_DHCPS_REFUSED);
    assert_int_equal(send(&w, (message){ REQUEST, 2, .ciaddr = 0x0A000001 }), AT_DHCPS_REFUSED);
    assert_int_equal(send(&w, (message){ REQUEST, 2, .ciaddr = SERVER }), AT_DHCPS_IGNORED);
    assert_int_equal(send(&w, (message){ REQUEST, 2, .ciaddr = FIRST + 2 }), AT_DHCPS_BOUND);
    assert_int_equal(w.result.to_ip, FIRST + 2);
    /* Nothing said at all, and a relay. */
    assert_int_equal(say(&w, REQUEST, 2), AT_DHCPS_IGNORED);
    assert_int_equal(send(&w, (message){ DISCOVER, 2, .giaddr = SERVER }), AT_DHCPS_IGNORED);
    assert_int_equal(say(&w, OFFER, 2), AT_DHCPS_IGNORED);
    assert_int_equal(say(&w, 9, 2), AT_DHCPS_IGNORED);
}

static void another_server_chosen(void **state)
{
    world w;

    (void)state;
    start(&w);
    assert_int_equal(say(&w, DISCOVER, 1), AT_DHCPS_OFFERED);
    assert_int_equal(w.leases[0].state, AT_LEASE_OFFERED);
    assert_int_equal(send(&w, (message){ REQUEST, 1, .requested = FIRST, .server_id = NET + 2 }),
                     AT_DHCPS_IGNORED);
    assert_int_equal(w.leases[0].state, AT_LEASE_FREE);
}

static void exhaustion_and_expiry(void **state)
{
    world w;

    (void)state;
    start(&w);
    for (uint8_t i = 0; i < 4; i++) {
        join(&w, (uint8_t)(i + 1), FIRST + i);
        w.now++;
    }
    assert_int_equal(say(&w, DISCOVER, 5), AT_DHCPS_EXHAUSTED);
    assert_int_equal(w.result.len, 0);
    /* Station 1 renews; the lease of 2 is then the first to end. */
    assert_int_equal(send(&w, (message){ REQUEST, 1, .ciaddr = FIRST }), AT_DHCPS_RENEWED);
    w.now = 1000 + 7200;
    assert_int_equal(say(&w, DISCOVER, 5), AT_DHCPS_EXHAUSTED);
    w.now = 1001 + 7200;
    join(&w, 5, FIRST + 1);
    /* An offer that nobody takes comes back after a minute. */
    w.now += 7200;
    for (uint8_t i = 6; i < 10; i++)
        assert_int_equal(say(&w, DISCOVER, i), AT_DHCPS_OFFERED);
    assert_int_equal(say(&w, DISCOVER, 10), AT_DHCPS_EXHAUSTED);
    w.now += 60;
    assert_int_equal(say(&w, DISCOVER, 10), AT_DHCPS_OFFERED);
}

static void declined(void **state)
{
    world w;

    (void)state;
    start(&w);
    join(&w, 1, FIRST);
    assert_int_equal(send(&w, (message){ DECLINE, 2, .requested = FIRST, .server_id = SERVER }),
                     AT_DHCPS_IGNORED);
    assert_int_equal(send(&w, (message){ DECLINE, 1, .requested = FIRST, .server_id = SERVER }),
                     AT_DHCPS_DECLINED);
    join(&w, 1, FIRST + 1);
    assert_int_equal(send(&w, (message){ REQUEST, 2, .ciaddr = FIRST }), AT_DHCPS_REFUSED);
    w.now += 7200;
    assert_int_equal(send(&w, (message){ REQUEST, 2, .ciaddr = FIRST }), AT_DHCPS_BOUND);
}

static void inform(void **state)
{
    world w;

    (void)state;
    start(&w);
    assert_int_equal(send(&w, (message){ INFORM, 1, .ciaddr = NET + 50 }), AT_DHCPS_INFORMED);
    assert_int_equal(option(&w, 53), ACK);
    assert_int_equal(option(&w, 51), 0);
    assert_int_equal(option(&w, 6), SERVER);
    assert_int_equal(w.result.to_ip, NET + 50);
    assert_int_equal(say(&w, INFORM, 1), AT_DHCPS_IGNORED);
}

static void the_server_is_in_its_pool(void **state)
{
    world w;

    (void)state;
    start(&w);
    w.server.config.first = SERVER;
    w.server.config.last = SERVER + 1;
    join(&w, 1, SERVER + 1);
    assert_int_equal(say(&w, DISCOVER, 2), AT_DHCPS_EXHAUSTED);
    w.server.config.last = SERVER - 1;
    assert_int_equal(say(&w, DISCOVER, 3), AT_DHCPS_EXHAUSTED);
}

/* After anything at all: no two stations with one address, no station with two. */
static void garbled(void **state)
{
    uint32_t seed = 3;
    world w;

    (void)state;
    start(&w);
    for (unsigned turn = 0; turn < MUTATIONS; turn++) {
        message m = { .type = (uint8_t)(1 + mutate_random(&seed) % 8),
                      .station = (uint8_t)(mutate_random(&seed) % 6) };
        uint8_t payload[400], *exact;
        size_t len;

        m.requested = mutate_random(&seed) % 2 != 0 ? FIRST + mutate_random(&seed) % 5 : 0;
        m.server_id = mutate_random(&seed) % 2 != 0 ? SERVER : 0;
        m.ciaddr = mutate_random(&seed) % 2 != 0 ? FIRST + mutate_random(&seed) % 5 : 0;
        len = build(&m, payload, sizeof payload);
        if (turn % 2 != 0)
            len = mutate(&seed, payload, len);
        exact = malloc(len + 1);
        memcpy(exact, payload, len);
        w.now += mutate_random(&seed) % 1000;
        w.result = at_dhcps_input(&w.server, w.now, exact, len, w.answer);
        free(exact);
        assert_true(w.result.len <= sizeof w.answer);
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j < i; j++)
                assert_false(w.leases[i].known && w.leases[j].known &&
                             memcmp(w.leases[i].mac, w.leases[j].mac, 6) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_exchange),
        cmocka_unit_test(addresses_stick),
        cmocka_unit_test(refusals),
        cmocka_unit_test(another_server_chosen),
        cmocka_unit_test(exhaustion_and_expiry),
        cmocka_unit_test(declined),
        cmocka_unit_test(inform),
        cmocka_unit_test(the_server_is_in_its_pool),
        cmocka_unit_test(garbled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
