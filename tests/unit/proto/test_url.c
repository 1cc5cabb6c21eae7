/* URLs: what is accepted, what is refused and why, references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "proto/url.h"

static void good_urls(void **state)
{
    static const struct {
        const char *text, *host, *target;
        bool https, literal, v6;
        uint16_t port;
    } good[] = {
        { "http://example.com", "example.com", "", false, false, false, 80 },
        { "HTTPS://Example.COM/a/b?c=d#e", "Example.COM", "/a/b?c=d", true, false, false, 443 },
        { "http://10.0.0.1:8080/x", "10.0.0.1", "/x", false, true, false, 8080 },
        { "http://[fe80::1]:81/x", "fe80::1", "/x", false, true, true, 81 },
        { "http://[::1]", "::1", "", false, true, true, 80 },
        { "https://h:/", "h", "/", true, false, false, 443 },
        { "http://h?q", "h", "?q", false, false, false, 80 },
        { "http://a_b-c.d:65535/%20'()*", "a_b-c.d", "/%20'()*", false, false, false, 65535 },
    };
    (void)state;
    for (size_t i = 0; i < AT_COUNT(good); i++) {
        at_url url;
        const char *why = NULL;
        assert_int_equal(at_url_parse(good[i].text, strlen(good[i].text), &url, &why), AT_OK);
        assert_int_equal(url.host_len, strlen(good[i].host));
        assert_memory_equal(url.host, good[i].host, url.host_len);
        assert_int_equal(url.target_len, strlen(good[i].target));
        assert_memory_equal(url.target, good[i].target, url.target_len);
        assert_int_equal(url.https, good[i].https);
        assert_int_equal(url.literal, good[i].literal);
        assert_int_equal(url.v6, good[i].v6);
        assert_int_equal(url.port, good[i].port);
    }
}

static void bad_urls(void **state)
{
    static const struct {
        const char *text;
        at_err err;
    } bad[] = {
        { "", AT_ERR_UNSUPPORTED },
        { "ftp://h/", AT_ERR_UNSUPPORTED },
        { "http:/h/", AT_ERR_UNSUPPORTED },
        { "http://", AT_ERR_INVALID },
        { "http:///x", AT_ERR_INVALID },
        { "http://:80/", AT_ERR_INVALID },
        { "http://h:0/", AT_ERR_INVALID },
        { "http://h:65536/", AT_ERR_INVALID },
        { "http://h:99999999999999999999/", AT_ERR_INVALID },
        { "http://h:8x/", AT_ERR_INVALID },
        { "http://h:-1/", AT_ERR_INVALID },
        { "http://u:p@h/", AT_ERR_INVALID },
        { "http://h/a b", AT_ERR_INVALID },
        { "http://h/\r\nX: y", AT_ERR_INVALID },
        { "http://h/\xc3\xa4", AT_ERR_INVALID },
        { "http://h;x/", AT_ERR_INVALID },
        { "http://[::1/", AT_ERR_INVALID },
        { "http://[::1]x/", AT_ERR_INVALID },
        { "http://[]/", AT_ERR_INVALID },
        { "http://[g::]/", AT_ERR_INVALID },
    };
    char longest[300] = "http://";
    at_url url;
    const char *why;
    (void)state;
    for (size_t i = 0; i < AT_COUNT(bad); i++) {
        why = NULL;
        assert_int_equal(at_url_parse(bad[i].text, strlen(bad[i].text), &url, &why), bad[i].err);
        assert_non_null(why);
    }
    memset(longest + 7, 'a', AT_URL_HOST_MAX);
    assert_int_equal(at_url_parse(longest, 7 + AT_URL_HOST_MAX, &url, &why), AT_OK);
    longest[7 + AT_URL_HOST_MAX] = 'a';
    assert_int_equal(at_url_parse(longest, 8 + AT_URL_HOST_MAX, &url, &why), AT_ERR_INVALID);
    assert_int_equal(at_url_parse("http://h/\0x", 11, &url, &why), AT_ERR_INVALID);
}

/* The examples of RFC 3986 section 5.4, with a base that has a host. */
static void references(void **state)
{
    static const struct {
        const char *reference, *result;
    } table[] = {
        { "g", "http://a:80/b/c/g" },
        { "./g", "http://a:80/b/c/g" },
        { "g/", "http://a:80/b/c/g/" },
        { "/g", "http://a:80/g" },
        { "//g", "http://g" },
        { "?y", "http://a:80/b/c/d;p?y" },
        { "g?y", "http://a:80/b/c/g?y" },
        { "#s", "http://a:80/b/c/d;p?q" },
        { "g#s", "http://a:80/b/c/g" },
        { ";x", "http://a:80/b/c/;x" },
        { "", "http://a:80/b/c/d;p?q" },
        { ".", "http://a:80/b/c/" },
        { "./", "http://a:80/b/c/" },
        { "..", "http://a:80/b/" },
        { "../g", "http://a:80/b/g" },
        { "../..", "http://a:80/" },
        { "../../g", "http://a:80/g" },
        { "../../../g", "http://a:80/g" },
        { "/./g", "http://a:80/g" },
        { "/../g", "http://a:80/g" },
        { "g.", "http://a:80/b/c/g." },
        { "..g", "http://a:80/b/c/..g" },
        { "./../g", "http://a:80/b/g" },
        { "g/./h", "http://a:80/b/c/g/h" },
        { "g/../h", "http://a:80/b/c/h" },
        { "g?y/../x", "http://a:80/b/c/g?y/../x" },
        { "https://b/x", "https://b/x" },
    };
    static const char base_text[] = "http://a/b/c/d;p?q";
    const char *why;
    char text[64];
    at_url base, empty;
    (void)state;
    assert_int_equal(at_url_parse(base_text, strlen(base_text), &base, &why), AT_OK);
    for (size_t i = 0; i < AT_COUNT(table); i++) {
        assert_int_equal(at_url_resolve(&base, table[i].reference, text, sizeof text), AT_OK);
        assert_string_equal(text, table[i].result);
        for (size_t room = 0; room <= strlen(table[i].result); room++)
            (void)at_url_resolve(&base, table[i].reference, text, room);
    }
    assert_int_equal(at_url_resolve(&base, "a b", text, sizeof text), AT_ERR_INVALID);
    assert_int_equal(at_url_resolve(&base, "/\r\n", text, sizeof text), AT_ERR_INVALID);
    assert_int_equal(at_url_resolve(&base, "g", text, 17), AT_ERR_NOMEM);
    assert_int_equal(at_url_parse("http://[::1]:8", 14, &empty, &why), AT_OK);
    assert_int_equal(at_url_resolve(&empty, "x", text, sizeof text), AT_OK);
    assert_string_equal(text, "http://[::1]:8/x");
}

static void origins(void **state)
{
    static const char *const texts[] = { "http://a/x", "http://A:80/y", "https://a:80/",
                                         "http://b/",  "http://a:81/",  "http://ab/" };
    const char *why;
    at_url url[AT_COUNT(texts)];
    (void)state;
    for (size_t i = 0; i < AT_COUNT(texts); i++) {
        assert_int_equal(at_url_parse(texts[i], strlen(texts[i]), &url[i], &why), AT_OK);
        assert_int_equal(at_url_same_origin(&url[0], &url[i]), i < 2);
    }
}

static void escaping(void **state)
{
    char text[16] = "/";
    size_t len = 1;
    (void)state;
    assert_true(at_url_escape("a-B_9.~", text, sizeof text, &len));
    assert_string_equal(text, "/a-B_9.~");
    assert_true(at_url_escape("/\xe4", text, sizeof text, &len));
    assert_string_equal(text, "/a-B_9.~%2F%E4");
    assert_false(at_url_escape("?", text, sizeof text, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls), cmocka_unit_test(bad_urls), cmocka_unit_test(references),
        cmocka_unit_test(origins),   cmocka_unit_test(escaping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
