/* The update engine against a peer that plays the server, with a flash chip in memory: every allocation
 * fails once, the connection breaks, somebody gives up. The old firmware always boots. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "net/update.h"
#include "ports/linux/flashfile.h"

#define SERVER "http://192.168.3.102:8070"

typedef struct board {
    bench *b;
    at_flashfile *flash;
    const at_flashchip *chip;
    at_partitions *partitions;
    at_ota ota;
    at_pki pki;
    at_update *update;
    at_update_stage stage;
    unsigned overs, writes;
} board;

static void on_stage(void *owner, at_update_stage stage)
{
    board *d = owner;

    assert_true(stage > d->stage);
    d->stage = stage;
}

static void on_over(void *owner)
{
    board *d = owner;

    assert_false(at_update_is_running(d->update));
    d->overs++;
}

static void on_write(void *owner, const at_partition *partition)
{
    board *d = owner;

    assert_non_null(partition);
    d->writes++;
}

static int boot(board *d)
{
    at_ota_boot(&d->ota, d->chip, d->partitions, &d->b->log);
    return d->ota.running;
}

static void begin(board *d, bench *b)
{
    char why[128];
    uint8_t image[AT_IMAGE_LEN_MIN];

    *d = (board){ .b = b };
    d->flash = at_flashfile_volatile(AT_FLASHFILE_4MB, why, sizeof why);
    assert_non_null(d->flash);
    d->chip = at_flashfile_chip(d->flash);
    assert_int_equal(at_partitions_open(&d->partitions, &b->heap, &b->log, d->chip), AT_OK);
    assert_int_equal(at_image_build("v1", "esp-at", "v5.4", image), AT_OK);
    d->chip->program(d->chip->ctx, 0x60000, image, sizeof image);
    assert_int_equal(boot(d), 0);
    d->pki.heap = &b->heap;
    d->pki.mfg = at_mfg_create(&b->heap, &b->log, d->chip, d->partitions);
    assert_non_null(d->pki.mfg);
    at_update_config config = { .net = b->net,
                                .loop = &b->loop,
                                .heap = &b->heap,
                                .log = &b->log,
                                .chip = d->chip,
                                .ota = &d->ota,
                                .pki = &d->pki,
                                .agent = "test",
                                .on_stage = on_stage,
                                .on_over = on_over,
                                .on_write = on_write,
                                .owner = d };
    d->update = at_update_create(&config);
    assert_non_null(d->update);
}

static void end(board *d)
{
    at_update_destroy(d->update);
    at_mfg_destroy(d->pki.mfg);
    at_partitions_close(d->partitions);
    at_flashfile_close(d->flash);
}

static at_err start(board *d, bool list_only)
{
    at_update_params params = { .server = SERVER,
                                .module = "M 1",
                                .version = list_only ? NULL : "v2",
                                .name = "ota",
                                .list_only = list_only };

    d->stage = AT_UPDATE_NOTHING;
    return at_update_start(d->update, &params);
}

/* The rest of a line "NAME: send ..." as escapes. */
static void send_bytes(bench *b, const char *name, const uint8_t *data, size_t len)
{
    char line[4 * AT_IMAGE_LEN_MIN + 32];
    size_t at = (size_t)snprintf(line, sizeof line, "%s: send ", name);

    for (size_t i = 0; i < len; i++)
        at += (size_t)snprintf(line + at, sizeof line - at, "\\x%02x", data[i]);
    bench_peer(b, line);
}

static void serve(bench *b)
{
    bench_peer(b, "l: listen tcp 8070");
}

static void serve_versions(bench *b)
{
    bench_peer(b, "l: accept v");
    bench_peer(b, "v: expect GET /M%201/versions HTTP/1.1\\r\\n");
    bench_peer(b, "v: send HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nv2\\n");
}

static void serve_image(bench *b, const char *version, size_t len)
{
    uint8_t image[AT_IMAGE_LEN_MIN];

    assert_int_equal(at_image_build(version, "esp-at", "v5.4", image), AT_OK);
    bench_peer(b, "l: accept f");
    bench_peer(b, "f: send HTTP/1.1 200 OK\\r\\nContent-Length: 336\\r\\n\\r\\n");
    send_bytes(b, "f", image, len);
}

static void hang_up(bench *b)
{
    static const char *const lines[] = { "l: abort", "l: close", "v: close", "f: close" };

    for (unsigned i = 0; i < AT_COUNT(lines); i++) {
        bench_tell(b, lines[i]);
        (void)bench_answer(b); /* fails where there is nothing to close */
    }
}

static void wait_over(board *d)
{
    uint64_t limit = d->b->now_us + 600000000u;

    while (d->overs == 0 && d->b->now_us < limit)
        at_loop_turn(&d->b->loop);
    assert_int_equal(d->overs, 1);
}

static void an_update(void **state)
{
    bench *b = *state;
    board d;

    begin(&d, b);
    serve(b);
    assert_int_equal(start(&d, false), AT_OK);
    assert_int_equal(start(&d, false), AT_ERR_STATE);
    assert_string_equal(at_update_target(d.update)->label, "ota_1");
    serve_versions(b);
    serve_image(b, "v2", AT_IMAGE_LEN_MIN);
    wait_over(&d);
    assert_int_equal(at_update_error(d.update), AT_OK);
    assert_int_equal(d.stage, AT_UPDATE_DONE);
    assert_int_equal(d.writes, 1);
    assert_null(at_update_target(d.update));
    assert_int_equal(boot(&d), 1);
    assert_string_equal(d.ota.info.version, "v2");
    end(&d);
    hang_up(b);
}

static void memory_of_an_update(void **state)
{
    bench *b = *state;
    board d;

    begin(&d, b);
    size_t before = b->heap.used;
    b->heap.peak = before;
    serve(b);
    assert_int_equal(start(&d, false), AT_OK);
    serve_versions(b);
    serve_image(b, "v2", AT_IMAGE_LEN_MIN);
    wait_over(&d);
    print_message("at most %lu bytes while it runs\n", (unsigned long)(b->heap.peak - before));
    assert_in_range(b->heap.peak - before, 4096, 16384);
    end(&d);
    hang_up(b);
}

/* Only the last byte of the image is missing. */
static void a_cut(void **state)
{
    bench *b = *state;
    board d;

    begin(&d, b);
    serve(b);
    assert_int_equal(start(&d, false), AT_OK);
    serve_versions(b);
    serve_image(b, "v2", AT_IMAGE_LEN_MIN - 1);
    bench_peer(b, "f: close");
    wait_over(&d);
    assert_int_equal(at_update_error(d.update), AT_ERR_CORRUPT);
    assert_int_equal(d.stage, AT_UPDATE_VERSION);
    assert_int_equal(boot(&d), 0);
    end(&d);
    hang_up(b);
}

/* Nothing in chunks says no length before it is over; a partition keeps what it has. */
static void an_empty_file_in_chunks(void **state)
{
    bench *b = *state;
    const at_partition *partition;
    at_update_params params = { .url = SERVER "/x" };
    uint8_t before[4] = { 1, 2, 3, 4 }, after[4];
    board d;

    begin(&d, b);
    serve(b);
    partition = at_partitions_find(d.partitions, "mfg_nvs");
    assert_non_null(partition);
    params.partition = partition;
    d.chip->erase(d.chip->ctx, partition->offset, 4096);
    d.chip->program(d.chip->ctx, partition->offset, before, sizeof before);
    assert_int_equal(at_update_start(d.update, &params), AT_OK);
    bench_peer(b, "l: accept f");
    bench_peer(b,
               "f: send HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n");
    wait_over(&d);
    assert_int_equal(at_update_error(d.update), AT_ERR_CORRUPT);
    assert_string_equal(at_update_why(d.update), "the file is empty");
    assert_int_equal(d.writes, 0);
    d.chip->read(d.chip->ctx, partition->offset, after, sizeof after);
    assert_memory_equal(before, after, sizeof before);
    end(&d);
    hang_up(b);
}

/* What one answer says is not for the next: neither where to go, nor how it is encoded. */
static void each_answer_for_itself(void **state)
{
    bench *b = *state;
    at_update_params params = { .url = SERVER "/x" };
    board d;

    begin(&d, b);
    serve(b);
    assert_int_equal(start(&d, false), AT_OK);
    bench_peer(b, "l: accept v");
    bench_peer(b,
               "v: send HTTP/1.1 200 OK\\r\\nLocation: /y\\r\\nContent-Length: 3\\r\\n\\r\\nv2\\n");
    bench_peer(b, "l: accept f");
    bench_peer(b, "f: send HTTP/1.1 302 Found\\r\\nContent-Length: 0\\r\\n\\r\\n");
    wait_over(&d);
    assert_string_equal(at_update_why(d.update), "a redirect without a usable Location");
    d.overs = 0;
    d.stage = AT_UPDATE_NOTHING;
    assert_int_equal(at_update_start(d.update, &params), AT_OK);
    bench_peer(b, "l: accept g");
    bench_peer(b, "g: send HTTP/1.1 200 OK\\r\\nContent-Encoding: gzip\\r\\n"
                  "Content-Encoding: identity\\r\\nContent-Length: 336\\r\\n\\r\\n");
    wait_over(&d);
    assert_int_equal(at_update_error(d.update), AT_ERR_UNSUPPORTED);
    bench_peer(b, "g: close");
    end(&d);
    hang_up(b);
}

static void another_version_than_promised(void **state)
{
    bench *b = *state;
    board d;

    begin(&d, b);
    serve(b);
    assert_int_equal(start(&d, false), AT_OK);
    serve_versions(b);
    serve_image(b, "v3", AT_IMAGE_LEN_MIN);
    wait_over(&d);
    assert_string_equal(at_update_why(d.update), "the image is v3, not v2 as the server says");
    assert_int_equal(boot(&d), 0);
    end(&d);
    hang_up(b);
}

static void it_can_be_given_up_at_any_time(void **state)
{
    bench *b = *state;

    for (unsigned steps = 0; steps < 4; steps++) {
        board d;

        begin(&d, b);
        serve(b);
        assert_int_equal(start(&d, false), AT_OK);
        if (steps > 0)
            bench_settle(b);
        if (steps > 1)
            serve_versions(b);
        if (steps > 2)
            serve_image(b, "v2", 100);
        if (steps > 1)
            bench_settle(b);
        at_update_cancel(d.update);
        at_update_cancel(d.update);
        assert_false(at_update_is_running(d.update));
        bench_run_ms(b, 200000);
        assert_int_equal(d.overs, 0);
        assert_int_equal(boot(&d), 0);
        /* The next one is not disturbed. */
        end(&d);
        hang_up(b);
    }
}

static void answer_on_one_connection(bench *b, bool list)
{
    uint8_t image[AT_IMAGE_LEN_MIN];
    char line[4 * AT_IMAGE_LEN_MIN + 128];
    int at;

    bench_tell(b, "l: timeout 1000");
    bench_tell(b, "l: accept");
    if (list) {
        bench_tell(b, "l: send HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nv2\\n");
        return;
    }
    assert_int_equal(at_image_build("v2", "esp-at", "v5.4", image), AT_OK);
    at =
        snprintf(line, sizeof line, "l: send HTTP/1.1 200 OK\\r\\nContent-Length: 336\\r\\n\\r\\n");
    for (size_t i = 0; i < sizeof image; i++)
        at += snprintf(line + at, sizeof line - (size_t)at, "\\x%02x", image[i]);
    bench_tell(b, line);
}

/* The nth allocation from the start on fails. Whatever that leads to is told once, and leaves nothing.
 * True: the update failed. */
static bool allocation_fails(bench *b, bool list, unsigned nth)
{
    at_update_params params = { .url = SERVER "/x" };
    board d;

    begin(&d, b);
    serve(b);
    b->heap.fail_at = b->heap.calls + nth;
    at_err err = list ? start(&d, true) : at_update_start(d.update, &params);
    if (err == AT_OK) {
        answer_on_one_connection(b, list);
        wait_over(&d);
    }
    b->heap.fail_at = 0;
    bool failed = err != AT_OK || at_update_error(d.update) != AT_OK;
    for (unsigned i = 0; i < 3 && err == AT_OK; i++)
        (void)bench_answer(b);
    assert_int_equal(boot(&d), failed || list ? 0 : 1);
    end(&d);
    hang_up(b);
    return failed;
}

static void every_allocation_can_fail(void **state)
{
    bench *b = *state;

    for (unsigned list = 0; list < 2; list++) {
        unsigned failures = 0;

        for (unsigned nth = 1; nth < 50; nth++)
            failures += allocation_fails(b, list != 0, nth);
        print_message("%u of them end it\n", failures);
        assert_in_range(failures, 4, 40);
    }
}

static void what_cannot_be_started(void **state)
{
    bench *b = *state;
    board d;
    at_update_params params = { .url = "ftp://h/" };

    begin(&d, b);
    assert_int_equal(at_update_start(d.update, &params), AT_ERR_UNSUPPORTED);
    params.url = "http://h/\n";
    assert_int_equal(at_update_start(d.update, &params), AT_ERR_INVALID);
    params.url = "https://192.168.3.102/";
    assert_int_equal(at_update_start(d.update, &params), AT_ERR_NOT_FOUND);
    assert_int_equal(at_update_tls_reason(d.update), AT_TLS_NO_CA);
    params = (at_update_params){ .server = "http://h/?x", .module = "M", .name = "ota" };
    assert_int_equal(at_update_start(d.update, &params), AT_ERR_INVALID);
    params.server = "http://h/";
    params.token = "two words";
    assert_int_equal(at_update_start(d.update, &params), AT_ERR_INVALID);
    params.token = NULL;
    d.ota.count = 1;
    assert_int_equal(at_update_start(d.update, &params), AT_ERR_UNSUPPORTED);
    assert_false(at_update_is_running(d.update));
    assert_int_equal(d.overs, 0);
    end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_update, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(memory_of_an_update, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(a_cut, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(each_answer_for_itself, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(an_empty_file_in_chunks, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(another_version_than_promised, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(it_can_be_given_up_at_any_time, bench_setup,
                                        bench_teardown),
        cmocka_unit_test_setup_teardown(every_allocation_can_fail, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_started, bench_setup, bench_teardown),
    };

    return cmocka_run_group_tests(tests, bench_group_setup, bench_group_teardown);
}
