/* The frame link: batches, order, back-pressure without loss, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "ports/linux/clock.h"
#include "ports/linux/frames.h"

typedef struct fixture {
    lx_poller poller;
    at_loop loop;
    lx_frames a, b;
    uint32_t expected; /* number of the next frame */
    bool wrong, close_at_first;
} fixture;

static size_t length_of(uint32_t number)
{
    return 60 + number % 1455; /* up to 1514 */
}

static void on_frame(void *owner, uint8_t *frame, size_t len)
{
    fixture *f = owner;
    uint32_t number;

    memcpy(&number, frame, sizeof number);
    if (number != f->expected || len != length_of(number) || frame[len - 1] != (uint8_t)number)
        f->wrong = true;
    f->expected++;
    if (f->close_at_first)
        lx_frames_close(&f->b);
}

static at_err send_number(fixture *f, uint32_t number)
{
    uint8_t body[AT_RADIO_FRAME_MAX];
    const at_radio_piece pieces[] = { { &number, sizeof number },
                                      { NULL, 0 },
                                      { body, length_of(number) - sizeof number } };

    memset(body, (uint8_t)number, sizeof body);
    return lx_frames_send(&f->a, pieces, 3);
}

static void turns(fixture *f, unsigned count)
{
    while (count-- > 0)
        at_loop_turn(&f->loop);
}

static void stop(void *arg)
{
    (void)arg;
}

/* Turns until count frames arrived in all. */
static void receive(fixture *f, uint32_t count)
{
    at_timer guard;

    at_timer_init(&guard, stop, f);
    at_timer_in(&f->loop, &guard, 10000000);
    while (f->expected < count && at_timer_running(&guard))
        turns(f, 1);
    at_timer_stop(&f->loop, &guard);
    assert_int_equal(f->expected, count);
    assert_false(f->wrong);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    int fds[2];

    assert_non_null(f);
    lx_poller_init(&f->poller, lx_clock());
    at_loop_init(&f->loop, lx_clock(), &f->poller.waiter);
    assert_int_equal(lx_frames_init(&f->a, &f->loop, &f->poller, on_frame, f), AT_OK);
    assert_int_equal(lx_frames_init(&f->b, &f->loop, &f->poller, on_frame, f), AT_OK);
    assert_int_equal(lx_frames_pair(fds), 0);
    assert_int_equal(lx_frames_open(&f->a, fds[0]), AT_OK);
    assert_int_equal(lx_frames_open(&f->b, fds[1]), AT_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    lx_frames_free(&f->a);
    lx_frames_free(&f->b);
    assert_null(f->loop.prepare);
    free(f);
    return 0;
}

static void frames_arrive_in_order(void **state)
{
    fixture *f = *state;

    for (uint32_t i = 0; i < 5000; i++) {
        assert_int_equal(send_number(f, i), AT_OK);
        if (i % 50 == 49)
            turns(f, 1);
    }
    receive(f, 5000);
    assert_int_equal(f->a.sent, 5000);
    assert_int_equal(f->a.refused, 0);
    assert_true(lx_frames_idle(&f->a));
}

/* Nobody reads: the socket fills, then the queue; nothing is lost when reading begins. */
static void back_pressure_loses_nothing(void **state)
{
    fixture *f = *state;
    uint32_t count = 0;

    lx_source_set_events(&f->poller, &f->b.source, 0);
    while (count < 4000 && send_number(f, count) == AT_OK) {
        count++;
        lx_frames_flush(&f->a);
    }
    assert_int_equal(count, 4000);
    assert_false(lx_frames_idle(&f->a));
    assert_true(f->a.sent > 0 && f->a.sent < 4000);
    lx_source_set_events(&f->poller, &f->b.source, POLLIN);
    receive(f, 4000);
    assert_int_equal(f->a.refused, 0);
}

static void a_tiny_socket_buffer_is_enough(void **state)
{
    fixture *f = *state;
    const int size = 4096;

    assert_int_equal(setsockopt(f->a.source.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    for (uint32_t i = 0; i < 500; i++)
        assert_int_equal(send_number(f, i), AT_OK);
    receive(f, 500);
    assert_int_equal(f->a.sent, 500);
}

static void a_full_queue_refuses_and_counts(void **state)
{
    fixture *f = *state;
    uint32_t count = 0;

    while (send_number(f, count) == AT_OK) {
        count++;
        assert_true(count < 100000);
    }
    assert_true(count > 2000); /* megabytes */
    assert_int_equal(send_number(f, count), AT_ERR_AGAIN);
    assert_int_equal(f->a.refused, 2);
    receive(f, count);
    assert_int_equal(send_number(f, count), AT_OK);
    receive(f, count + 1);
}

static void impossible_frames_are_refused(void **state)
{
    fixture *f = *state;
    static const uint8_t block[AT_RADIO_FRAME_MAX + 1];
    at_radio_piece piece = { block, sizeof block };
    const at_radio_piece halves[] = { { block, 1000 }, { block, 1000 } };

    assert_int_equal(lx_frames_send(&f->a, &piece, 1), AT_ERR_INVALID);
    assert_int_equal(lx_frames_send(&f->a, halves, 2), AT_ERR_INVALID);
    assert_int_equal(lx_frames_send(&f->a, &piece, 0), AT_ERR_INVALID);
    piece.len = SIZE_MAX;
    assert_int_equal(lx_frames_send(&f->a, &piece, 1), AT_ERR_INVALID);
}

static void put_record(uint8_t *at, uint16_t len, uint32_t number)
{
    memset(at, (uint8_t)number, 4u + len);
    memcpy(at, &len, sizeof len);
    memcpy(at + sizeof len, &number, sizeof number);
}

/* From a program that is none of ours: what is no record ends its message, is counted, and the next message
 * is well. */
static void broken_messages_are_dropped(void **state)
{
    static const struct {
        uint16_t len; /* what the second record says */
        size_t cut;   /* of its bytes */
    } broken[] = {
        { 0, 0 },                      /* empty */
        { AT_RADIO_FRAME_MAX + 1, 0 }, /* too long */
        { 62, 1 },                     /* its filling is missing */
        { 62, 40 },                    /* goes on behind the end */
        { 62, 62 },                    /* only a length */
        { 62, 63 },                    /* half of one */
    };
    static uint8_t message[64 + 4 + AT_RADIO_FRAME_MAX + 8];
    fixture *f = *state;
    uint32_t number = 0;

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        size_t second = (broken[i].len + 5u) & ~(size_t)3, len = 64 + second - broken[i].cut;

        while (length_of(number) != 62) /* the first record is whole: 64 bytes */
            assert_int_equal(send_number(f, number++), AT_OK);
        receive(f, number);
        put_record(message, 62, number);
        put_record(message + 64, broken[i].len, 0);
        assert_int_equal(send(f->a.source.fd, message, len, 0), (ssize_t)len);
        assert_int_equal(send_number(f, number + 1), AT_OK);
        receive(f, number += 2);
        assert_int_equal(f->b.invalid, i + 1);
    }
}

static void closing_inside_a_delivery(void **state)
{
    fixture *f = *state;

    f->close_at_first = true;
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(send_number(f, i), AT_OK);
    receive(f, 1);
    lx_frames_flush(&f->a);
    assert_int_equal(send_number(f, 10), AT_OK); /* the end shows at the next flush */
    lx_frames_flush(&f->a);
    assert_true(lx_frames_idle(&f->a));
}

static void last_words_are_read(void **state)
{
    fixture *f = *state;

    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(send_number(f, i), AT_OK);
    lx_frames_flush(&f->a);
    lx_frames_close(&f->a);
    lx_frames_drain(&f->b);
    assert_int_equal(f->expected, 100);
    assert_int_equal(send_number(f, 0), AT_ERR_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_arrive_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(back_pressure_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tiny_socket_buffer_is_enough, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_refuses_and_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(impossible_frames_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_messages_are_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_inside_a_delivery, setup, teardown),
        cmocka_unit_test_setup_teardown(last_words_are_read, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
