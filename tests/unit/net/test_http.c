/* The HTTP client against a real stack at the other end that says what the test says. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "net/http.h"

typedef struct client {
    bench *b;
    at_http *http;
    unsigned events; /* all so far */
    char fields[512];
    bool close_now; /* in the next event */
} client;

static void on_event(void *owner, unsigned events)
{
    client *c = owner;

    c->events |= events;
    if (c->close_now) {
        at_http_close(c->http);
        c->http = NULL;
    }
}

static void on_field(void *owner, const char *name, const char *value, bool cut)
{
    client *c = owner;
    size_t len = strlen(c->fields);

    (void)snprintf(c->fields + len, sizeof c->fields - len, "%s=%s%s|", name, value,
                   cut ? " (cut)" : "");
}

static at_err try_request(bench *b, client *c, const char *text, uint32_t patience_ms,
                          at_http_request request)
{
    const char *why;
    at_url url;
    at_http_params params = { .net = b->net,
                              .loop = &b->loop,
                              .heap = &b->heap,
                              .log = &b->log,
                              .request = request,
                              .patience_ms = patience_ms,
                              .on_event = on_event,
                              .on_field = on_field,
                              .owner = c };

    *c = (client){ .b = b };
    assert_int_equal(at_url_parse(text, strlen(text), &url, &why), AT_OK);
    params.request.url = &url;
    return at_http_open(&params, &c->http, NULL);
}

static at_err try_open(bench *b, client *c, const char *text, uint32_t patience_ms)
{
    return try_request(b, c, text, patience_ms, (at_http_request){ .method = AT_HTTP_GET });
}

static void wait_events(client *c, unsigned events)
{
    uint64_t limit = c->b->now_us + 600000000u;

    while ((c->events & events) == 0 && c->b->now_us < limit)
        at_loop_turn(&c->b->loop);
    assert_int_not_equal(c->events & events, 0);
}

#define REQUEST \
    "p: expect GET /x HTTP/1.1\\r\\nHost: 192.168.3.102:%u\\r\\nConnection: close\\r\\n\\r\\n"

/* Opens, and the peer has read the request. */
static void ask(bench *b, client *c, uint16_t port)
{
    char line[160];

    (void)snprintf(line, sizeof line, "l: listen tcp %u", port);
    bench_peer(b, line);
    (void)snprintf(line, sizeof line, "http://192.168.3.102:%u/x", port);
    assert_int_equal(try_open(b, c, line, 30000), AT_OK);
    bench_peer(b, "l: accept p");
    (void)snprintf(line, sizeof line, REQUEST, port);
    bench_peer(b, line);
    assert_int_equal(c->events, AT_HTTP_RESOLVED | AT_HTTP_OPENED);
}

static void done(client *c)
{
    at_http_close(c->http);
    bench_peer(c->b, "l: close");
    bench_peer(c->b, "p: close");
}

/* Reads the body to its end with pieces of at most room bytes. */
static at_err read_all(client *c, char *text, size_t size, size_t room)
{
    uint64_t limit = c->b->now_us + 600000000u;
    size_t at = 0, len;
    at_err err;

    while ((err = at_http_read(c->http, text + at, AT_MIN(room, size - at), &len)) == AT_OK ||
           err == AT_ERR_AGAIN) {
        assert_true(err == AT_ERR_AGAIN || (len > 0 && len <= room));
        assert_true(c->b->now_us < limit);
        at += len;
        if (err == AT_ERR_AGAIN)
            at_loop_turn(&c->b->loop);
    }
    text[at] = '\0';
    return err;
}

static void a_counted_body(void **state)
{
    bench *b = *state;
    client c;
    char text[64];

    ask(b, &c, 8001);
    bench_peer(b, "p: send HTTP/1.1 200 OK\\r\\nContent-Length: 11\\r\\nX: y\\r\\n\\r\\nhello");
    wait_events(&c, AT_HTTP_ANSWERED);
    assert_int_equal(at_http_response_of(c.http)->status, 200);
    assert_int_equal(at_http_response_of(c.http)->length, 11);
    assert_string_equal(c.fields, "Content-Length=11|X=y|");
    bench_peer(b, "p: send  world and more");
    assert_int_equal(read_all(&c, text, sizeof text, 3), AT_ERR_CLOSED);
    assert_string_equal(text, "hello world");
    assert_int_equal(read_all(&c, text, sizeof text, 3), AT_ERR_CLOSED);
    done(&c);
}

static void a_chunked_body(void **state)
{
    bench *b = *state;
    client c;
    char text[64];

    ask(b, &c, 8002);
    bench_peer(b,
               "p: send HTTP/1.1 100 Continue\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\nTransfer-Encoding: "
               "chunked\\r\\n\\r\\n5\\r\\nhel");
    wait_events(&c, AT_HTTP_ANSWERED);
    bench_peer(b, "p: send lo\\r\\n6;x\\r\\n world\\r\\n0\\r\\n\\r\\n");
    assert_int_equal(read_all(&c, text, sizeof text, 4), AT_ERR_CLOSED);
    assert_string_equal(text, "hello world");
    done(&c);
}

static void a_body_to_the_end(void **state)
{
    bench *b = *state;
    client c;
    char text[64];

    ask(b, &c, 8003);
    bench_peer(b, "p: send HTTP/1.0 200 OK\\r\\n\\r\\nhello");
    bench_peer(b, "p: fin");
    assert_int_equal((wait_events(&c, AT_HTTP_ANSWERED), read_all(&c, text, sizeof text, 64)),
                     AT_ERR_CLOSED);
    assert_string_equal(text, "hello");
    done(&c);
    ask(b, &c, 8004);
    bench_peer(b, "p: send HTTP/1.0 200 OK\\r\\n\\r\\nhello");
    wait_events(&c, AT_HTTP_ANSWERED);
    bench_peer(b, "p: abort");
    assert_int_equal(read_all(&c, text, sizeof text, 64), AT_ERR_RESET);
    at_http_close(c.http);
    bench_peer(b, "l: close");
}

static void a_big_body_waits_in_the_window(void **state)
{
    enum { SIZE = 100000 };
    static uint8_t body[SIZE];
    bench *b = *state;
    client c;
    uint32_t seed = 9 | 1;
    size_t at = 0, len;
    at_err err = AT_ERR_AGAIN;
    char line[96];

    ask(b, &c, 8005);
    (void)snprintf(line, sizeof line, "p: send HTTP/1.1 200 OK\\r\\nContent-Length: %u\\r\\n\\r\\n",
                   SIZE);
    bench_peer(b, line);
    bench_tell(b, "p: fill 100000 9");
    wait_events(&c, AT_HTTP_ANSWERED);
    size_t used = b->heap.used;
    bench_run_ms(b, 100000); /* longer than the patience: it is our turn, not the peer's */
    assert_in_range(b->heap.used, 0, used + 3 * AT_TCP_WINDOW);
    while (err == AT_OK || err == AT_ERR_AGAIN) {
        err = at_http_read(c.http, body + at, AT_MIN(1000u, SIZE - at), &len);
        at += len;
        if (err == AT_ERR_AGAIN)
            at_loop_turn(&b->loop);
    }
    assert_int_equal(err, AT_ERR_CLOSED);
    assert_int_equal(at, SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        assert_int_equal(body[i], (uint8_t)(seed >> 24));
    }
    assert_non_null(bench_answer(b));
    done(&c);
}

/* The peer takes nothing at first: what does not fit is told, and goes on when there is room. */
static void a_body_is_sent_as_there_is_room(void **state)
{
    enum { SIZE = 100000 };
    static uint8_t body[SIZE];
    bench *b = *state;
    client c;
    char text[64];
    uint32_t seed = 7 | 1;
    size_t done;
    at_http_request post = { .method = AT_HTTP_POST, .has_body = true, .body_len = SIZE };

    for (size_t i = 0; i < SIZE; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        body[i] = (uint8_t)(seed >> 24);
    }
    bench_peer(b, "l: listen tcp 8020");
    assert_int_equal(try_request(b, &c, "http://192.168.3.102:8020/up", 30000, post), AT_OK);
    assert_int_equal(at_http_write(c.http, body, SIZE), 0);
    bench_peer(b, "l: accept p");
    bench_peer(b, "p: window stop");
    wait_events(&c, AT_HTTP_OPENED);
    c.events = 0;
    done = at_http_write(c.http, body, SIZE);
    assert_in_range(done, 1, SIZE - 1);
    bench_run_ms(b, 1000);
    bench_peer(b, "p: window go");
    bench_peer(b, "p: expect POST /up HTTP/1.1\\r\\nHost: 192.168.3.102:8020\\r\\nConnection: "
                  "close\\r\\nContent-Length: 100000\\r\\n\\r\\n");
    bench_tell(b, "p: drain 100000 7");
    while (done < SIZE) {
        wait_events(&c, AT_HTTP_WRITABLE);
        c.events = 0;
        done += at_http_write(c.http, body + done, SIZE - done);
    }
    assert_string_equal(bench_answer(b), "p: ok");
    bench_peer(b, "p: send HTTP/1.1 201 Created\\r\\nContent-Length: 2\\r\\n\\r\\nok");
    wait_events(&c, AT_HTTP_ANSWERED);
    assert_int_equal(at_http_response_of(c.http)->status, 201);
    assert_int_equal(read_all(&c, text, sizeof text, 64), AT_ERR_CLOSED);
    assert_string_equal(text, "ok");
    done = at_http_write(c.http, body, 1);
    assert_int_equal(done, 0); /* it is over */
    at_http_close(c.http);
    bench_peer(b, "l: close");
    bench_peer(b, "p: close");
}

static void an_answer_may_come_before_the_body_is_sent(void **state)
{
    bench *b = *state;
    client c;
    char text[64];
    at_http_request put = { .method = AT_HTTP_PUT, .has_body = true, .body_len = 1000 };

    bench_peer(b, "l: listen tcp 8021");
    assert_int_equal(try_request(b, &c, "http://192.168.3.102:8021/up", 30000, put), AT_OK);
    bench_peer(b, "l: accept p");
    bench_peer(b, "p: send HTTP/1.1 413 Too Large\\r\\nContent-Length: 2\\r\\n\\r\\nno");
    wait_events(&c, AT_HTTP_ANSWERED);
    assert_int_equal(at_http_response_of(c.http)->status, 413);
    assert_int_equal(read_all(&c, text, sizeof text, 64), AT_ERR_CLOSED);
    assert_string_equal(text, "no");
    at_http_close(c.http);
    bench_peer(b, "l: close");
    bench_peer(b, "p: close");
}

static void head_has_no_body(void **state)
{
    bench *b = *state;
    client c;
    char text[64];
    at_http_request head = { .method = AT_HTTP_HEAD };

    bench_peer(b, "l: listen tcp 8022");
    assert_int_equal(try_request(b, &c, "http://192.168.3.102:8022/", 30000, head), AT_OK);
    bench_peer(b, "l: accept p");
    bench_peer(b, "p: send HTTP/1.1 200 OK\\r\\nContent-Length: 1000\\r\\n\\r\\n");
    wait_events(&c, AT_HTTP_ANSWERED);
    assert_int_equal(at_http_response_of(c.http)->length, 1000);
    assert_int_equal(at_http_response_of(c.http)->body, AT_HTTP_BODY_NONE);
    assert_int_equal(read_all(&c, text, sizeof text, 64), AT_ERR_CLOSED);
    assert_string_equal(text, "");
    at_http_close(c.http);
    bench_peer(b, "l: close");
    bench_peer(b, "p: close");
}

static void failures_say_why(void **state)
{
    bench *b = *state;
    client c;
    char text[64];
    uint64_t start;

    assert_int_equal(try_open(b, &c, "http://192.168.3.102:9/x", 30000), AT_OK);
    wait_events(&c, AT_HTTP_FAILED);
    assert_int_equal(at_http_error(c.http), AT_ERR_REFUSED);
    at_http_close(c.http);

    ask(b, &c, 8006);
    bench_peer(b, "p: send SSH-2.0\\r\\n");
    wait_events(&c, AT_HTTP_FAILED);
    assert_int_equal(at_http_error(c.http), AT_ERR_CORRUPT);
    assert_string_equal(at_http_why(c.http), "the answer is not HTTP/1.x");
    done(&c);

    ask(b, &c, 8007);
    bench_peer(b, "p: send HTTP/1.1 200 OK\\r\\n");
    bench_peer(b, "p: close");
    wait_events(&c, AT_HTTP_FAILED);
    assert_int_equal(at_http_error(c.http), AT_ERR_CLOSED);
    at_http_close(c.http);
    bench_peer(b, "l: close");

    ask(b, &c, 8008);
    start = b->now_us;
    wait_events(&c, AT_HTTP_FAILED);
    assert_int_equal(at_http_error(c.http), AT_ERR_TIMEOUT);
    assert_in_range(b->now_us - start, 29000000, 30000000);
    done(&c);

    ask(b, &c, 8009);
    bench_peer(b, "p: send HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nhello");
    wait_events(&c, AT_HTTP_ANSWERED);
    assert_int_equal(read_all(&c, text, sizeof text, 64), AT_ERR_TIMEOUT);
    assert_string_equal(text, "hello");
    done(&c);
}

static void it_can_be_closed_at_any_event(void **state)
{
    bench *b = *state;
    client c;

    assert_int_equal(try_open(b, &c, "http://192.168.3.102:9/x", 30000), AT_OK);
    at_http_close(c.http);
    assert_int_equal(try_open(b, &c, "http://192.168.3.102:9/x", 30000), AT_OK);
    c.close_now = true;
    wait_events(&c, AT_HTTP_RESOLVED);
    assert_null(c.http);
    ask(b, &c, 8010);
    c.close_now = true;
    bench_peer(b, "p: send HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nhello");
    wait_events(&c, AT_HTTP_ANSWERED);
    assert_null(c.http);
    bench_peer(b, "l: close");
    bench_peer(b, "p: close");
}

static void what_cannot_be_asked(void **state)
{
    bench *b = *state;
    client c;
    char line[100] = "https://";

    assert_int_equal(try_open(b, &c, "https://192.168.3.102/", 30000), AT_ERR_INVALID);
    memset(line + 8, 'a', AT_TLS_NAME_MAX + 1);
    assert_int_equal(try_open(b, &c, line, 30000), AT_ERR_INVALID);
}

static void every_allocation_can_fail(void **state)
{
    bench *b = *state;
    client c;

    for (unsigned nth = 1; nth <= 4; nth++) {
        b->heap.fail_at = b->heap.calls + nth;
        if (try_open(b, &c, "http://192.168.3.102:9/x", 30000) == AT_OK) {
            wait_events(&c, AT_HTTP_FAILED);
            at_http_close(c.http);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_counted_body, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(a_chunked_body, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(a_body_to_the_end, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(a_big_body_waits_in_the_window, bench_setup,
                                        bench_teardown),
        cmocka_unit_test_setup_teardown(a_body_is_sent_as_there_is_room, bench_setup,
                                        bench_teardown),
        cmocka_unit_test_setup_teardown(an_answer_may_come_before_the_body_is_sent, bench_setup,
                                        bench_teardown),
        cmocka_unit_test_setup_teardown(head_has_no_body, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(failures_say_why, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(it_can_be_closed_at_any_event, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_asked, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(every_allocation_can_fail, bench_setup, bench_teardown),
    };

    return cmocka_run_group_tests(tests, bench_group_setup, bench_group_teardown);
}
