/* HTTP messages: requests as bytes, responses in pieces of every size, what is refused and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "proto/http.h"

/* A message as text: "200|name=value|...|{counted|body}" and how it ended. */
typedef struct story {
    char text[4096];
    size_t len;
} story;

static void tell(story *s, const char *format, const char *a, size_t a_len, const char *b)
{
    s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, format, (int)a_len, a, b);
    assert_true(s->len < sizeof s->text);
}

/* Parses with steps of at most size bytes; the end of the input is the end of the connection. */
static void read_message(story *s, at_http_method method, const char *text, size_t len, size_t size,
                         size_t room)
{
    static const char *const bodies[] = { "none", "counted", "chunked", "to end" };
    char line[512];
    at_http_parser p;
    size_t at = 0;
    at_http_step step = AT_HTTP_STEP_MORE;
    bool ended = false;
    *s = (story){ .len = 0 };
    at_http_parse_start(&p, method, line, room);
    while (step != AT_HTTP_STEP_END && step != AT_HTTP_STEP_ERROR) {
        size_t left = AT_MIN(size, len - at), before = left;
        const uint8_t *data = (const uint8_t *)text + at;
        step = at_http_parse(&p, &data, &left);
        assert_ptr_equal(data, text + at + (before - left));
        at += before - left;
        switch (step) {
        case AT_HTTP_STEP_STATUS: {
            char number[8];
            (void)snprintf(number, sizeof number, "%u", p.status);
            tell(s, "%.*s|%s", number, strlen(number), "");
            break;
        }
        case AT_HTTP_STEP_FIELD:
            tell(s, "%.*s=%s|", p.name, strlen(p.name), p.value);
            if (p.cut)
                tell(s, "%.*s%s", "cut|", 4, "");
            break;
        case AT_HTTP_STEP_HEAD:
            tell(s, "{%.*s|%s", bodies[p.body], strlen(bodies[p.body]), "");
            break;
        case AT_HTTP_STEP_BODY: tell(s, "%.*s%s", (const char *)p.piece, p.piece_len, ""); break;
        case AT_HTTP_STEP_MORE:
            if (at == len) {
                step = at_http_parse_end(&p);
                ended = true;
            }
            break;
        default: break;
        }
    }
    tell(s, "%.*s%s", step == AT_HTTP_STEP_END ? "}" : "!", 1,
         step == AT_HTTP_STEP_END ? "" : p.why);
    assert_int_equal(at_http_parse_end(&p), step);
    if (!ended && step == AT_HTTP_STEP_END && at < len)
        tell(s, "%.*s%s", "rest", 4, "");
}

static void expect(at_http_method method, const char *text, size_t len, const char *wanted)
{
    story s;
    for (size_t size = 1; size <= len + 1; size += size < 9 ? 1 : len / 2 + 1) {
        read_message(&s, method, text, len, size, 512);
        assert_string_equal(s.text, wanted);
    }
}

#define GET(text, wanted) expect(AT_HTTP_GET, text, sizeof(text) - 1, wanted)

static void bodies(void **state)
{
    (void)state;
    GET("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "200|Content-Length=5|{counted|hello}");
    GET("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP",
        "200|Content-Length=5|{counted|hello}rest");
    GET("HTTP/1.0 200 OK\r\n\r\nhello", "200|{to end|hello}");
    GET("HTTP/1.1 200\r\nA:b\r\n\r\n", "200|A=b|{to end|}");
    GET("HTTP/1.1 200 OK\nContent-Length:\t2 \n\nab", "200|Content-Length=2|{counted|ab}");
    GET("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404|Content-Length=0|{none|}");
    GET("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", "204|Content-Length=9|{none|}");
    GET("HTTP/1.1 304 \r\n\r\n", "304|{none|}");
    GET("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "200|Content-Length=3|Content-Length=3|{counted|abc}");
    expect(AT_HTTP_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 38,
           "200|Content-Length=5|{none|}");
}

static void chunks(void **state)
{
    (void)state;
    GET("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
        "5\r\nhello\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
        "200|Transfer-Encoding=Chunked|{chunked|hello0123456789}");
    GET("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 \na\n000\nTrailer: x\nB: y\n\n",
        "200|Transfer-Encoding=chunked|{chunked|a}");
    GET("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nrest",
        "200|Transfer-Encoding=chunked|{chunked|}rest");
}

static void interim_responses_are_passed_over(void **state)
{
    (void)state;
    GET("HTTP/1.1 100 Continue\r\nContent-Length: 7\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        "200|Content-Length=1|{counted|x}");
    GET("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\nxx",
        "101|Upgrade=websocket|{none|}rest");
}

static void what_is_refused(void **state)
{
    static const char framing[] = "200|Content-Length=3|!there are two different Content-Lengths";
    (void)state;
    GET("", "!the connection ended inside the header");
    GET("HTTP/1.1 200 OK\r\nA: b\r\n", "200|A=b|!the connection ended inside the header");
    GET("HTTP/2 200\r\n\r\n", "!the answer is not HTTP/1.x");
    GET("HTTP/1.1 20\r\n\r\n", "!the answer is not HTTP/1.x");
    GET("HTTP/1.1 2000 OK\r\n\r\n", "!the answer is not HTTP/1.x");
    GET("HTTP/1.1 099 OK\r\n\r\n", "!the answer is not HTTP/1.x");
    GET("SSH-2.0-x\r\n", "!the answer is not HTTP/1.x");
    GET("HTTP/1.1 200 \x01\r\n\r\n", "!the answer is not HTTP/1.x");
    GET("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "200|!a line of the header is not \"name: value\"");
    GET("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "200|!a line of the header is not \"name: value\"");
    GET("HTTP/1.1 200 OK\r\n: b\r\n\r\n", "200|!a line of the header is not \"name: value\"");
    GET("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "200|!a line of the header is not \"name: value\"");
    GET("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "200|A=b|!a line of the header is not \"name: value\"");
    GET("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", framing);
    GET("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n", "200|!Content-Length is not a number");
    GET("HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", "200|!Content-Length is not a number");
    GET("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "200|!Content-Length is not a number");
    GET("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "200|!Content-Length is not a number");
    GET("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "200|!the only Transfer-Encoding understood is chunked");
    GET("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        "200|Transfer-Encoding=chunked|Content-Length=3|!Transfer-Encoding beside a "
        "Content-Length, or in HTTP/1.0");
    GET("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "200|Transfer-Encoding=chunked|!Transfer-Encoding beside a Content-Length, or in HTTP/1.0");
    GET("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "200|Content-Length=5|{counted|hell!the connection ended inside the body");
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define TOLD    "200|Transfer-Encoding=chunked|{chunked|"

static void bad_chunks(void **state)
{
    (void)state;
    GET(CHUNKED "x\r\n", TOLD "!the size of a chunk is not a number");
    GET(CHUNKED "\r\n", TOLD "!the size of a chunk is not a number");
    GET(CHUNKED "-1\r\n", TOLD "!the size of a chunk is not a number");
    GET(CHUNKED "1x\r\n", TOLD "!the size of a chunk is not a number");
    GET(CHUNKED "10000000000000000\r\n", TOLD "!the size of a chunk is not a number");
    GET(CHUNKED "2\r\nabc\r\n", TOLD "ab!a chunk is longer than it says");
    GET(CHUNKED "2\r\nab\r\n", TOLD "ab!the connection ended inside the body");
    GET(CHUNKED "0\r\n", TOLD "!the connection ended inside the body");
    GET(CHUNKED "0\r\nbad\r\n\r\n", TOLD "!a line of the header is not \"name: value\"");
}

static void long_lines_are_cut(void **state)
{
    char text[2048], wanted[512];
    story s;
    (void)state;
    (void)snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nX: %0600d\r\nContent-Length: 1\r\n\r\ny",
                   0);
    (void)snprintf(wanted, sizeof wanted, "200|X=%0124d|cut|Content-Length=1|{counted|y}", 0);
    for (size_t size = 1; size < 200; size++) {
        read_message(&s, AT_HTTP_GET, text, strlen(text), size, AT_HTTP_LINE_MIN);
        assert_string_equal(s.text, wanted);
    }
    (void)snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %0600d\r\n\r\n", 1);
    read_message(&s, AT_HTTP_GET, text, strlen(text), 7, AT_HTTP_LINE_MIN);
    assert_string_equal(s.text, "200|!Content-Length is not a number");
}

static void a_header_has_an_end(void **state)
{
    char line[AT_HTTP_LINE_MIN];
    static const uint8_t field[] = "Name: value\r\n";
    static const uint8_t status[] = "HTTP/1.1 200 OK\r\n";
    at_http_parser p;
    size_t total = sizeof status - 1, len = total;
    const uint8_t *data = status;
    at_http_step step;
    (void)state;
    at_http_parse_start(&p, AT_HTTP_GET, line, sizeof line);
    assert_int_equal(at_http_parse(&p, &data, &len), AT_HTTP_STEP_STATUS);
    do {
        data = field;
        len = sizeof field - 1;
        step = at_http_parse(&p, &data, &len);
        total += sizeof field - 1;
    } while (step == AT_HTTP_STEP_FIELD);
    assert_int_equal(step, AT_HTTP_STEP_ERROR);
    assert_in_range(total, AT_HTTP_HEAD_MAX, AT_HTTP_HEAD_MAX + 32);
}

static void keeping_a_connection(void **state)
{
    static const struct {
        const char *text;
        bool keep;
    } table[] = { { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true },
                  { "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false },
                  { "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", false },
                  { "HTTP/1.1 200 OK\r\n\r\n", false } };
    (void)state;
    for (size_t i = 0; i < AT_COUNT(table); i++) {
        char line[AT_HTTP_LINE_MIN];
        at_http_parser p;
        const uint8_t *data = (const uint8_t *)table[i].text;
        size_t len = strlen(table[i].text);
        at_http_parse_start(&p, AT_HTTP_GET, line, sizeof line);
        while (at_http_parse(&p, &data, &len) != AT_HTTP_STEP_HEAD)
            assert_true(len > 0);
        assert_int_equal(p.keep, table[i].keep);
    }
}

static void requests(void **state)
{
    static const char base[] = "https://[::1]:8443?x";
    char text[256];
    const char *why;
    at_url url;
    at_http_request r = { .method = AT_HTTP_GET, .url = &url, .agent = "a/1" };
    size_t len;
    (void)state;
    assert_int_equal(at_url_parse("http://h/p", 10, &url, &why), AT_OK);
    len = at_http_request_head(&r, text, sizeof text);
    assert_string_equal(text, "GET /p HTTP/1.1\r\nHost: h\r\nUser-Agent: a/1\r\n"
                              "Connection: close\r\n\r\n");
    assert_int_equal(len, strlen(text));
    for (size_t room = 0; room <= len; room++)
        assert_int_equal(at_http_request_head(&r, text, room), 0);
    assert_int_equal(at_url_parse(base, strlen(base), &url, &why), AT_OK);
    r = (at_http_request){ .method = AT_HTTP_POST,
                           .url = &url,
                           .fields = "A: b\r\n",
                           .has_body = true,
                           .body_len = 4000000000u,
                           .keep = true };
    at_http_request_head(&r, text, sizeof text);
    assert_string_equal(text, "POST /?x HTTP/1.1\r\nHost: [::1]:8443\r\n"
                              "Content-Length: 4000000000\r\nA: b\r\n\r\n");
}

/* Ten thousand bent messages: no piece lies outside of what was given, and every message has an end. */
static void bent_messages(void **state)
{
    static const char whole[] = CHUNKED "5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n"
                                        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 10000; round++) {
        char text[sizeof whole];
        story s;
        memcpy(text, whole, sizeof text);
        for (int changes = rand() % 4; changes >= 0; changes--) {
            text[(size_t)rand() % (sizeof text - 1)] = (char)(rand() % 128);
        }
        read_message(&s, AT_HTTP_GET, text, sizeof text - 1, 1 + (size_t)rand() % 40, 512);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies),
        cmocka_unit_test(chunks),
        cmocka_unit_test(interim_responses_are_passed_over),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(bad_chunks),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(a_header_has_an_end),
        cmocka_unit_test(keeping_a_connection),
        cmocka_unit_test(requests),
        cmocka_unit_test(bent_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
