/* Uploads into partitions, and a whole update with a power cut in every operation of the flash. */
#include "flash_fixture.h"

#include "core/bytes.h"
#include "crypto/hash.h"
#include "storage/ota.h"
#include "storage/upload.h"

#define IMAGE_LEN 14336u /* three and a half sectors */
#define PIECE     1440u

typedef struct board {
    at_heap heap;
    at_log log;
    at_flashfile *flash;
    const at_flashchip *chip;
    at_partitions *partitions;
    at_ota ota;
} board;

static void start(board *b)
{
    char why[128];
    memset(b, 0, sizeof *b);
    at_heap_init(&b->heap, SIZE_MAX);
    b->flash = at_flashfile_volatile(AT_FLASHFILE_4MB, why, sizeof why);
    assert_non_null(b->flash);
    b->chip = at_flashfile_chip(b->flash);
    assert_int_equal(at_partitions_open(&b->partitions, &b->heap, &b->log, b->chip), AT_OK);
}

static void end(board *b)
{
    at_partitions_close(b->partitions);
    at_flashfile_close(b->flash);
}

static int boot(board *b)
{
    at_ota_boot(&b->ota, b->chip, b->partitions, &b->log);
    return b->ota.running;
}

/* at_image_build's image with a second segment that fills it up. */
static void make_image(uint8_t image[IMAGE_LEN], const char *version)
{
    uint8_t small[AT_IMAGE_LEN_MIN], sum = 0xef;
    uint32_t end = AT_IMAGE_HEADER + 8 + 256, len = IMAGE_LEN - 32 - 16 - end - 8;
    assert_int_equal(at_image_build(version, "esp-at", "v5.4", small), AT_OK);
    memset(image, 0, IMAGE_LEN);
    memcpy(image, small, end);
    image[1] = 2;
    at_builder head = at_builder_of(image + end, 8);
    at_put32le(&head, 0x42000000);
    at_put32le(&head, len);
    fill_pattern(image + end + 8, len, 7);
    for (uint32_t i = AT_IMAGE_HEADER + 8; i < end; i++)
        sum ^= image[i];
    for (uint32_t i = 0; i < len; i++)
        sum ^= image[end + 8 + i];
    image[IMAGE_LEN - 33] = sum;
    at_hash_of(AT_HASH_SHA256, image, IMAGE_LEN - 32, image + IMAGE_LEN - 32);
}

static at_err upload(const board *b, const at_partition *to, const uint8_t *data, uint32_t len)
{
    at_upload u;
    at_err err = AT_OK;
    at_upload_start(&u, b->chip, to);
    for (uint32_t at = 0; at < len && err == AT_OK; at += PIECE)
        err = at_upload_add(&u, data + at, AT_MIN(PIECE, len - at));
    return err;
}

static bool all_ff(const board *b, uint32_t from, uint32_t to)
{
    uint8_t piece[256];
    bool erased = true;
    for (; from < to; from += sizeof piece) {
        b->chip->read(b->chip->ctx, from, piece, sizeof piece);
        for (size_t i = 0; i < sizeof piece; i++)
            erased = erased && piece[i] == 0xff;
    }
    return erased;
}

static void sectors_are_erased_as_bytes_come(void **state)
{
    (void)state;
    board b;
    at_upload u;
    uint8_t data[5000], back[5000];
    start(&b);
    const at_partition *p = at_partitions_find(b.partitions, "fatfs");
    fill_pattern(data, sizeof data, 3);
    for (uint32_t at = 0; at < p->size; at += sizeof data)
        b.chip->program(b.chip->ctx, p->offset + at, data, AT_MIN(p->size - at, sizeof data));
    at_upload_start(&u, b.chip, p);
    fill_pattern(data, sizeof data, 4);
    assert_int_equal(at_flashfile_counted(b.flash).erases, 0);
    assert_int_equal(at_upload_add(&u, data, 1), AT_OK);
    assert_int_equal(at_flashfile_counted(b.flash).erases, 1);
    assert_int_equal(at_upload_add(&u, data + 1, 4095), AT_OK);
    assert_int_equal(at_flashfile_counted(b.flash).erases, 1);
    assert_int_equal(at_upload_add(&u, data + 4096, sizeof data - 4096), AT_OK);
    assert_int_equal(at_flashfile_counted(b.flash).erases, 2);
    b.chip->read(b.chip->ctx, p->offset, back, sizeof back);
    assert_memory_equal(back, data, sizeof data);
    assert_false(all_ff(&b, p->offset + 8192, p->offset + p->size));
    assert_int_equal(at_upload_clear_rest(&u), AT_OK);
    assert_true(all_ff(&b, p->offset + 8192, p->offset + p->size));
    assert_int_equal(at_upload_add(&u, data, p->size), AT_ERR_INVALID);
    assert_int_equal(u.written, sizeof data);
    assert_false(all_ff(&b, p->offset, p->offset + 4096));
    end(&b);
}

static void a_partition_can_be_filled_to_its_last_byte(void **state)
{
    (void)state;
    static uint8_t data[0x19000 + 1];
    board b;
    start(&b);
    const at_partition *p = at_partitions_find(b.partitions, "fatfs");
    assert_int_equal(upload(&b, p, data, p->size), AT_OK);
    assert_int_equal(upload(&b, p, data, p->size + 1), AT_ERR_INVALID);
    end(&b);
}

static void a_header_can_be_judged_alone(void **state)
{
    (void)state;
    static uint8_t image[IMAGE_LEN];
    make_image(image, "v2");
    assert_null(at_image_check_header(image));
    image[0] = 0x7f;
    assert_non_null(at_image_check_header(image));
    image[0] = 0xe9;
    image[12] = 5;
    assert_string_equal(at_image_check_header(image), "is for another chip");
}

/* Writes, judges and switches as net/update.c does. */
static bool update(board *b, const uint8_t *image)
{
    at_image_info info;
    const char *why;
    const at_partition *slot = at_ota_next(&b->ota);
    return upload(b, slot, image, IMAGE_LEN) == AT_OK &&
           at_image_check(b->chip, slot->offset, slot->size, &info, &why) == AT_OK &&
           at_ota_switch(&b->ota, slot == b->ota.slots[1]) == AT_OK;
}

static void every_cut_leaves_a_firmware_that_boots(void **state)
{
    (void)state;
    static uint8_t old[IMAGE_LEN], new[IMAGE_LEN];
    unsigned cuts = 0, last_old = 0;
    make_image(old, "v1");
    make_image(new, "v2");
    for (uint64_t cut = 1;; cut++) {
        bool was_cut = false;
        for (uint32_t seed = 0; seed < 10; seed++) {
            board b;
            start(&b);
            assert_int_equal(upload(&b, at_partitions_find(b.partitions, "ota_0"), old, IMAGE_LEN),
                             AT_OK);
            assert_int_equal(boot(&b), 0);
            at_flashfile_cut_after(b.flash, cut, seed, NULL, NULL);
            bool done = update(&b, new);
            was_cut = at_flashfile_is_off(b.flash);
            at_flashfile_cut_after(b.flash, 0, 0, NULL, NULL);
            at_flashfile_power_on(b.flash);
            int slot = boot(&b);
            assert_true(slot == 0 || slot == 1);
            assert_string_equal(b.ota.info.version, slot == 0 ? "v1" : "v2");
            assert_true(!done || slot == 1);
            assert_int_equal(at_ota_confirm(&b.ota), AT_OK);
            assert_int_equal(boot(&b), slot);
            cuts += was_cut;
            last_old = slot == 0 ? (unsigned)cut : last_old;
            /* Once more from here, with nothing in the way. */
            if (slot == 0) {
                assert_true(update(&b, new));
                assert_int_equal(boot(&b), 1);
            }
            end(&b);
        }
        if (!was_cut)
            break;
    }
    print_message("%u cuts; the old firmware up to the cut in operation %u\n", cuts, last_old);
    assert_in_range(cuts, 100, 1000);
}

/* A second update before the first was tried: the slot it would have tried is written over. */
static void an_update_over_one_that_was_not_tried(void **state)
{
    (void)state;
    static uint8_t old[IMAGE_LEN], new[IMAGE_LEN], newer[IMAGE_LEN];
    make_image(old, "v1");
    make_image(new, "v2");
    make_image(newer, "v3");
    for (unsigned confirmed = 0; confirmed < 2; confirmed++) {
        board b;
        start(&b);
        assert_int_equal(upload(&b, at_partitions_find(b.partitions, "ota_0"), old, IMAGE_LEN),
                         AT_OK);
        assert_int_equal(boot(&b), 0);
        assert_true(update(&b, new));
        /* Cut in the middle of the second one: the old firmware. */
        assert_int_equal(upload(&b, at_ota_next(&b.ota), newer, 5000), AT_OK);
        assert_int_equal(boot(&b), 0);
        assert_int_equal(at_ota_confirm(&b.ota), AT_OK);
        assert_true(update(&b, newer));
        assert_int_equal(boot(&b), 1);
        assert_string_equal(b.ota.info.version, "v3");
        if (confirmed) {
            assert_int_equal(at_ota_confirm(&b.ota), AT_OK);
            assert_int_equal(at_ota_rollback(&b.ota), AT_OK);
        }
        /* Taken back, or it never came up: either way the old one is known. */
        assert_int_equal(boot(&b), 0);
        assert_string_equal(b.ota.info.version, "v1");
        end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sectors_are_erased_as_bytes_come),
        cmocka_unit_test(a_partition_can_be_filled_to_its_last_byte),
        cmocka_unit_test(a_header_can_be_judged_alone),
        cmocka_unit_test(every_cut_leaves_a_firmware_that_boots),
        cmocka_unit_test(an_update_over_one_that_was_not_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
