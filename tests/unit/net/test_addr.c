/* Addresses as text: RFC 4291 section 2.2, RFC 5952 section 4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "net/addr.h"

static void texts_that_are_addresses(void **state)
{
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        { "192.168.3.1", "192.168.3.1" },
        { "0.0.0.0", "0.0.0.0" },
        { "255.255.255.255", "255.255.255.255" },
        { "::", "::" },
        { "::1", "::1" },
        { "1::", "1::" },
        { "2001:DB8::8:800:200C:417A", "2001:db8::8:800:200c:417a" },
        { "FF01:0:0:0:0:0:0:101", "ff01::101" },
        { "2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
        { "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
        { "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
        { "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
        { "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
        { "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
        { "::ffff:129.144.52.38", "::ffff:129.144.52.38" },
        { "::13.1.68.3", "::d01:4403" },
        { "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304" },
        { "fe80::860d:8eff:fe9d:cd90", "fe80::860d:8eff:fe9d:cd90" },
    };
    char text[AT_ADDR_TEXT];

    (void)state;
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        at_addr addr, again;

        assert_true(at_addr_parse(cases[i].text, &addr));
        at_addr_format(&addr, text);
        assert_string_equal(text, cases[i].canonical);
        assert_true(at_addr_parse(text, &again));
        assert_true(at_addr_equal(&addr, &again));
    }
}

static void texts_that_are_not(void **state)
{
    static const char *const texts[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.",
        ".1.2.3",
        "1..2.3",
        "01.2.3.4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.0x4",
        "0001.2.3.4",
        ":",
        ":::",
        "1",
        "1:2",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "::1::",
        "1::2::3",
        ":1::",
        "1:",
        "::1:",
        "12345::",
        "g::",
        "::1.2.3",
        "1.2.3.4::",
        "::1.2.3.4:5",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4::5:6:7:8:9",
        "fe80::1%st",
        "1:2:3:4:5:6:7:8::",
        "::1.2.3.256",
        "example.org",
    };
    at_addr addr;

    (void)state;
    for (size_t i = 0; i < AT_COUNT(texts); i++) {
        if (at_addr_parse(texts[i], &addr))
            fail_msg("%s is taken for an address", texts[i]);
    }
}

static void kinds(void **state)
{
    at_addr none = { 0 }, any = at_addr_v4(0, 0, 0, 0), group = at_addr_v4(239, 1, 1, 1);
    at_addr all = at_addr_v4(255, 255, 255, 255), host = at_addr_v4(192, 168, 3, 1), v6;
    char text[AT_ADDR_TEXT];

    (void)state;
    assert_true(at_addr_is_any(&none));
    assert_true(at_addr_is_any(&any));
    assert_false(at_addr_is_any(&host));
    assert_true(at_addr_is_multicast(&group));
    assert_false(at_addr_is_multicast(&host));
    assert_false(at_addr_is_multicast(&all));
    assert_true(at_addr_is_broadcast(&all));
    assert_false(at_addr_is_broadcast(&none));
    assert_true(at_addr_parse("ff02::fc", &v6));
    assert_true(at_addr_is_multicast(&v6));
    assert_true(at_addr_parse("::", &v6));
    assert_true(at_addr_is_any(&v6));
    assert_false(at_addr_equal(&v6, &any));
    at_addr_format(&none, text);
    assert_string_equal(text, "0.0.0.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_that_are_addresses),
        cmocka_unit_test(texts_that_are_not),
        cmocka_unit_test(kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
