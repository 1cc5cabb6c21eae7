/* The mDNS responder: what needs more than one message to be seen, and messages that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutate.h"
#include "proto/mdns_priv.h"

#define SECOND_US 1000000ull

typedef struct rig {
    at_mdns *m;
    at_mdns_ops ops;
    uint64_t now_us;
    unsigned sent, renames;
    bool to_one;
    uint8_t last[AT_MDNS_MESSAGE_MAX];
    size_t last_len;
    char name[AT_MDNS_LABEL_MAX + 1];
} rig;

static const at_mdns_addresses home = { .has_ip4 = true, .ip4 = { 192, 168, 3, 112 } };
static const at_mdns_peer pc = { "pc", AT_MDNS_PORT };

static void on_send(void *ctx, const uint8_t *message, size_t len, const at_mdns_peer *to)
{
    rig *r = ctx;

    r->sent++;
    r->to_one = to != NULL;
    memcpy(r->last, message, len);
    r->last_len = len;
}

static uint32_t draw(void *ctx)
{
    (void)ctx;
    return 0;
}

static void on_renamed(void *ctx, bool is_host, const char *name)
{
    rig *r = ctx;

    (void)is_host;
    r->renames++;
    snprintf(r->name, sizeof r->name, "%s", name);
}

static rig *start_with(const at_mdns_addresses *addresses)
{
    at_mdns_service service = {
        .host = "espressif", .instance = "Dose 7.b", .type = "_iot", .proto = "_tcp", .port = 8080
    };
    rig *r = calloc(1, sizeof *r);

    r->ops = (at_mdns_ops){ r, on_send, draw, on_renamed };
    r->m = malloc(at_mdns_size());
    r->now_us = SECOND_US;
    assert_true(at_mdns_add_txt(&service, "path", "/"));
    at_mdns_init(r->m, &r->ops, &service);
    assert_true(at_mdns_due(r->m) == AT_MDNS_IDLE);
    at_mdns_start(r->m, r->now_us, addresses);
    return r;
}

static rig *start(void)
{
    return start_with(&home);
}

static void finish(rig *r)
{
    free(r->m);
    free(r);
}

/* Lets time pass; returns how many messages were sent. */
static unsigned pass(rig *r, uint64_t us)
{
    uint64_t end_us = r->now_us + us;
    unsigned before = r->sent;

    while (at_mdns_due(r->m) <= end_us) {
        uint64_t due_us = at_mdns_due(r->m);

        r->now_us = due_us > r->now_us ? due_us : r->now_us;
        at_mdns_run(r->m, r->now_us);
    }
    r->now_us = end_us;
    return r->sent - before;
}

static rig *owning(void)
{
    rig *r = start();

    assert_int_equal(pass(r, 10 * SECOND_US), 5); /* three probes, two announcements */
    assert_true(at_mdns_due(r->m) == AT_MDNS_IDLE);
    return r;
}

static mdns_name name_of(const char *text)
{
    mdns_name name = { .len = 0 };

    while (*text != '\0') {
        size_t len = strcspn(text, ".");

        name.bytes[name.len] = (uint8_t)len;
        memcpy(name.bytes + name.len + 1, text, len);
        name.len = (uint8_t)(name.len + len + 1);
        text += text[len] == '.' ? len + 1 : len;
    }
    name.bytes[name.len++] = 0;
    return name;
}

static void put_question(mdns_writer *w, const char *text, unsigned type)
{
    mdns_name name = name_of(text);

    mdns_put_name(w, &name, false);
    mdns_put16(w, type);
    mdns_put16(w, MDNS_CLASS_IN);
    mdns_count(w, MDNS_QUESTIONS);
}

static void put(mdns_writer *w, unsigned section, const char *text, unsigned type, uint32_t ttl_s,
                const void *data, size_t len)
{
    mdns_name name = name_of(text);

    mdns_put_name(w, &name, false);
    mdns_put16(w, type);
    mdns_put16(w, MDNS_CLASS_IN);
    mdns_put16(w, ttl_s >> 16);
    mdns_put16(w, ttl_s);
    mdns_put16(w, (unsigned)len);
    mdns_put(w, data, len);
    mdns_count(w, section);
}

static void say(rig *r, const mdns_writer *w)
{
    assert_true(w->ok);
    at_mdns_input(r->m, r->now_us, w->out, w->len, &pc);
}

static void ask(rig *r, const char *name, unsigned type)
{
    mdns_writer w;

    mdns_begin(&w, 0, 0);
    put_question(&w, name, type);
    say(r, &w);
}

/* How often this entry is in the last message. */
static unsigned told(const rig *r, unsigned section, const char *text, unsigned type)
{
    mdns_name name = name_of(text);
    mdns_reader reader;
    mdns_entry entry;
    unsigned count = 0;

    assert_true(mdns_read_header(&reader, r->last, r->last_len));
    while (mdns_read(&reader, &entry))
        count +=
            entry.section == section && entry.type == type && mdns_name_equal(&entry.name, &name);
    return count;
}

static void an_instance_may_have_dots_and_blanks(void **state)
{
    rig *r = owning();
    mdns_reader reader;
    mdns_entry entry;

    (void)state;
    ask(r, "_iot._tcp.local", MDNS_TYPE_PTR);
    assert_int_equal(pass(r, SECOND_US), 1);
    assert_true(mdns_read_header(&reader, r->last, r->last_len));
    assert_true(mdns_read(&reader, &entry));
    assert_memory_equal(entry.data,
                        "\x08"
                        "Dose 7.b"
                        "\x04_iot\x04_tcp\x05local",
                        26);
    finish(r);
}

static void known_answers_are_left_out(void **state)
{
    static const uint8_t instance[] = "\x08"
                                      "Dose 7.b"
                                      "\x04_iot\x04_tcp\x05local";
    rig *r = owning();
    mdns_writer w;

    (void)state;
    for (uint32_t ttl_s = 2249; ttl_s <= 2250; ttl_s++) { /* half of the life is left, or less */
        mdns_begin(&w, 0, 0);
        put_question(&w, "_iot._tcp.local", MDNS_TYPE_PTR);
        put(&w, MDNS_ANSWERS, "_iot._tcp.local", MDNS_TYPE_PTR, ttl_s, instance, sizeof instance);
        say(r, &w);
        assert_int_equal(pass(r, 2 * SECOND_US), ttl_s == 2249);
    }
    finish(r);
}

static void the_rest_of_a_truncated_query_counts(void **state)
{
    static const uint8_t instance[] = "\x08"
                                      "dose 7.B"
                                      "\x04_iot\x04_tcp\x05local";
    rig *r = owning();
    mdns_writer w;

    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        mdns_begin(&w, 0, MDNS_FLAG_TRUNCATED);
        put_question(&w, "_iot._tcp.local", MDNS_TYPE_PTR);
        say(r, &w);
        assert_int_equal(pass(r, 390000), 0);
        if (more > 0) {
            mdns_begin(&w, 0, 0);
            put(&w, MDNS_ANSWERS, "_iot._tcp.local", MDNS_TYPE_PTR, 4500, instance,
                sizeof instance);
            say(r, &w);
        }
        assert_int_equal(pass(r, 2 * SECOND_US), more == 0);
    }
    finish(r);
}

/* What one host knows already another may be waiting for. */
static void each_asker_knows_for_itself(void **state)
{
    static const uint8_t instance[] = "\x08"
                                      "Dose 7.b"
                                      "\x04_iot\x04_tcp\x05local";
    rig *r = owning();
    mdns_writer w;

    (void)state;
    ask(r, "_iot._tcp.local", MDNS_TYPE_PTR);
    mdns_begin(&w, 0, 0);
    put_question(&w, "_iot._tcp.local", MDNS_TYPE_PTR);
    put(&w, MDNS_ANSWERS, "_iot._tcp.local", MDNS_TYPE_PTR, 4500, instance, sizeof instance);
    say(r, &w);
    assert_int_equal(pass(r, SECOND_US), 1);
    assert_int_equal(told(r, MDNS_ANSWERS, "_iot._tcp.local", MDNS_TYPE_PTR), 1);
    finish(r);
}

static void probe_for(mdns_writer *w, const void *address)
{
    mdns_begin(w, 0, 0);
    put_question(w, "espressif.local", MDNS_TYPE_ANY);
    put(w, MDNS_AUTHORITIES, "espressif.local", MDNS_TYPE_A, 120, address, 4);
}

static void two_probe_at_once(void **state)
{
    static const struct {
        const char *address;
        unsigned probes; /* of ours in the next 750 ms */
    } others[] = {
        { "\xc0\xa8\x03\x6f", 3 }, /* 192.168.3.111: we win */
        { "\xc0\xa8\x03\x70", 3 }, /* our own: nothing to decide */
        { "\xc0\xa8\x03\x71", 0 }, /* 192.168.3.113: we wait a second */
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        rig *r = start();
        mdns_writer w;

        probe_for(&w, others[i].address);
        say(r, &w);
        assert_int_equal(pass(r, 740000), others[i].probes);
        assert_int_equal(r->renames, 0);
        if (others[i].probes == 0)
            assert_int_equal(pass(r, 10 * SECOND_US), 5);
        finish(r);
    }
}

static void a_name_is_defended_against_a_probe(void **state)
{
    rig *r = owning();
    mdns_writer w;

    (void)state;
    ask(r, "espressif.local", MDNS_TYPE_A);
    assert_int_equal(r->sent, 6);
    pass(r, 300000); /* less than the second that a mere question would have to wait */
    probe_for(&w, "\xc0\xa8\x03\x71");
    say(r, &w);
    assert_int_equal(r->sent, 7);
    assert_int_equal(told(r, MDNS_ANSWERS, "espressif.local", MDNS_TYPE_A), 1);
    finish(r);
}

static void claim(rig *r, unsigned number)
{
    char name[80];
    mdns_writer w;

    snprintf(name, sizeof name, number > 1 ? "espressif-%u.local" : "espressif.local", number);
    mdns_begin(&w, 0, MDNS_FLAG_RESPONSE);
    put(&w, MDNS_ANSWERS, name, MDNS_TYPE_A, 120, "\x0a\x00\x00\x01", 4);
    say(r, &w);
}

/* Section 8.1: after fifteen conflicts in a row, five seconds each. */
static void conflicts_slow_down(void **state)
{
    rig *r = start();

    (void)state;
    for (unsigned i = 1; i <= 20; i++) {
        claim(r, i);
        assert_int_equal(r->renames, i);
        if (i >= 15)
            assert_int_equal(pass(r, 4990000), 0);
        assert_int_equal(pass(r, 10000), 1);
    }
    assert_string_equal(r->name, "espressif-21");
    assert_int_equal(pass(r, 10 * SECOND_US), 4);
    finish(r);
}

/* Somebody who claims whatever comes next: fifteen names at once, then one in five seconds. */
static void a_storm_of_claims_is_no_storm_of_names(void **state)
{
    rig *r = owning();

    (void)state;
    r->sent = 0;
    for (unsigned i = 1; i <= 2000; i++) {
        claim(r, r->renames + 1);
        if (i % 100 == 0)
            pass(r, SECOND_US);
    }
    assert_in_range(r->renames, 15, 20);
    assert_in_range(r->sent, 0, 40);
    finish(r);
}

static void goodbyes_of_others_are_no_conflict(void **state)
{
    rig *r = owning();
    mdns_writer w;

    (void)state;
    mdns_begin(&w, 0, MDNS_FLAG_RESPONSE);
    put(&w, MDNS_ANSWERS, "espressif.local", MDNS_TYPE_A, 0, "\x0a\x00\x00\x01", 4);
    say(r, &w);
    assert_int_equal(pass(r, 10 * SECOND_US), 0);
    finish(r);
}

/* Resolvers that know nothing of mDNS: no compressed name in SRV (section 18.14), the question again,
 * its number, a short life. */
static void plain_resolvers_get_a_plain_answer(void **state)
{
    static const at_mdns_peer resolver = { "dig", 40000 };
    static const uint8_t target[] = "\x09"
                                    "espressif\x05local";
    rig *r = owning();
    mdns_reader reader;
    mdns_entry entry;
    mdns_writer w;
    bool whole = false;

    (void)state;
    mdns_begin(&w, 0x1234, 0x0100);
    put_question(&w, "Dose 7_b._iot._tcp.local", MDNS_TYPE_SRV);
    w.out[19] = '.'; /* what the helper cannot write */
    at_mdns_input(r->m, r->now_us, w.out, w.len, &resolver);
    assert_int_equal(r->sent, 6);
    assert_true(r->to_one);
    assert_int_equal(r->last[0] << 8 | r->last[1], 0x1234);
    assert_true(mdns_read_header(&reader, r->last, r->last_len));
    assert_true(mdns_read(&reader, &entry) && entry.section == MDNS_QUESTIONS);
    assert_true(mdns_read(&reader, &entry) && entry.type == MDNS_TYPE_SRV);
    assert_int_equal(entry.ttl_s, 10);
    assert_false(entry.top_bit);
    for (size_t i = 0; i + sizeof target <= r->last_len; i++)
        whole = whole || memcmp(r->last + i, target, sizeof target) == 0;
    assert_true(whole);
    assert_true(reader.at - sizeof target >= 6 &&
                memcmp(r->last + reader.at - sizeof target, target, sizeof target) == 0);
    finish(r);
}

static void labels_are_counted_up(void **state)
{
    static const struct {
        const char *before, *after;
    } labels[] = {
        { "a", "a-2" },
        { "a-2", "a-3" },
        { "a-9", "a-10" },
        { "a-", "a--2" },
        { "-2", "-2-2" },
        { "esp32", "esp32-2" },
        { "a-99999999", "a-99999999-2" },
        { "123456789012345678901234567890123456789012345678901234567890123",
          "1234567890123456789012345678901234567890123456789012345678901-2" },
        { "12345678901234567890123456789012345678901234567890123456789-999",
          "1234567890123456789012345678901234567890123456789012345678-1000" },
        { "12345678901234567890123456789012345678901234567890123456789\xe2\x82\xac.",
          "12345678901234567890123456789012345678901234567890123456789-2" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        char label[AT_MDNS_LABEL_MAX + 1];

        snprintf(label, sizeof label, "%s", labels[i].before);
        mdns_next_label(label);
        assert_string_equal(label, labels[i].after);
    }
}

static void ipv6_addresses_are_told_too(void **state)
{
    at_mdns_addresses both = home;
    rig *r = owning();

    (void)state;
    ask(r, "espressif.local", MDNS_TYPE_AAAA);
    assert_int_equal(told(r, MDNS_ANSWERS, "espressif.local", MDNS_TYPE_NSEC), 1);
    both.ip6_count = 2;
    both.ip6[0][0] = 0xFE;
    both.ip6[1][0] = 0x20;
    at_mdns_readdress(r->m, r->now_us, &both);
    assert_int_equal(pass(r, 10 * SECOND_US), 2);
    assert_int_equal(told(r, MDNS_ANSWERS, "espressif.local", MDNS_TYPE_AAAA), 2);
    finish(r);
}

static void goodbye_takes_back_what_was_said(void **state)
{
    rig *r = start();

    (void)state;
    at_mdns_stop(r->m, true);
    assert_int_equal(r->sent, 0); /* nothing was said yet */
    at_mdns_start(r->m, r->now_us, &home);
    pass(r, 10 * SECOND_US);
    r->sent = 0;
    at_mdns_stop(r->m, true);
    assert_int_equal(r->sent, 1);
    ask(r, "espressif.local", MDNS_TYPE_A);
    assert_int_equal(r->sent, 1);
    assert_true(at_mdns_due(r->m) == AT_MDNS_IDLE);
    finish(r);
}

/* The longest a service can be fits a message, and reads back. */
static void the_largest_service_fits(void **state)
{
    at_mdns_addresses both = home;
    at_mdns_service service = { .port = 1 };
    rig *r = calloc(1, sizeof *r);
    char value[250];

    (void)state;
    memset(service.host, 'h', AT_MDNS_LABEL_MAX);
    memset(service.instance, 'i', AT_MDNS_LABEL_MAX);
    memset(service.type, 't', AT_MDNS_LABEL_MAX);
    memset(service.proto, 'p', AT_MDNS_LABEL_MAX);
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = '\0';
    assert_true(at_mdns_add_txt(&service, "k", value));
    assert_true(at_mdns_add_txt(&service, "k", "60 bytes are left: a value of sixty-one"));
    assert_false(at_mdns_add_txt(&service, "k", value));
    both.ip6_count = 2;
    r->ops = (at_mdns_ops){ r, on_send, draw, on_renamed };
    r->m = malloc(at_mdns_size());
    at_mdns_init(r->m, &r->ops, &service);
    at_mdns_start(r->m, r->now_us, &both);
    assert_int_equal(pass(r, 10 * SECOND_US), 5);
    finish(r);
}

static void mutants_do_no_harm(void **state)
{
    rig *r = owning();
    mdns_writer w;
    uint32_t seed = 1;

    (void)state;
    mdns_begin(&w, 0, 0);
    put_question(&w, "espressif.local", MDNS_TYPE_ANY);
    put_question(&w, "_iot._tcp.local", MDNS_TYPE_PTR);
    put(&w, MDNS_ANSWERS, "_iot._tcp.local", MDNS_TYPE_PTR, 4500, "\xc0\x0c", 2);
    put(&w, MDNS_AUTHORITIES, "espressif.local", MDNS_TYPE_A, 120, "\x0a\x00\x00\x01", 4);
    put(&w, MDNS_ADDITIONALS, "espressif.local", MDNS_TYPE_SRV, 120, "\0\0\0\0\0\1\xc0\x0c", 8);
    for (unsigned i = 0; i < MUTATIONS; i++) {
        uint8_t *message = malloc(w.len); /* so that a sanitizer sees its end */
        size_t len;

        memcpy(message, w.out, w.len);
        len = mutate(&seed, message, w.len);
        message = realloc(message, len > 0 ? len : 1);
        at_mdns_input(r->m, r->now_us, message, len, &pc);
        free(message);
        if (i % 100 == 0)
            pass(r, SECOND_US);
    }
    finish(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instance_may_have_dots_and_blanks),
        cmocka_unit_test(known_answers_are_left_out),
        cmocka_unit_test(the_rest_of_a_truncated_query_counts),
        cmocka_unit_test(each_asker_knows_for_itself),
        cmocka_unit_test(two_probe_at_once),
        cmocka_unit_test(a_name_is_defended_against_a_probe),
        cmocka_unit_test(conflicts_slow_down),
        cmocka_unit_test(a_storm_of_claims_is_no_storm_of_names),
        cmocka_unit_test(goodbyes_of_others_are_no_conflict),
        cmocka_unit_test(plain_resolvers_get_a_plain_answer),
        cmocka_unit_test(labels_are_counted_up),
        cmocka_unit_test(ipv6_addresses_are_told_too),
        cmocka_unit_test(goodbye_takes_back_what_was_said),
        cmocka_unit_test(the_largest_service_fits),
        cmocka_unit_test(mutants_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
