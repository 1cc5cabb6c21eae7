/* otadata: the boot loader's and the application's steps, and power cuts in a switch. */
#include "flash_fixture.h"

#include "storage/ota.h"

typedef struct board {
    at_heap heap;
    at_log log;
    at_flashfile *flash;
    const at_flashchip *chip;
    at_partitions *partitions;
    at_ota ota;
} board;

static void put_image(board *b, unsigned slot, const char *version)
{
    uint8_t image[AT_IMAGE_LEN_MIN];
    const at_partition *p = at_partitions_find(b->partitions, slot == 0 ? "ota_0" : "ota_1");
    at_image_build(version, "esp-at", "v5.4", image);
    b->chip->erase(b->chip->ctx, p->offset, AT_FLASH_SECTOR);
    b->chip->program(b->chip->ctx, p->offset, image, sizeof image);
}

static void start(board *b, uint32_t size)
{
    char why[128];
    memset(b, 0, sizeof *b);
    at_heap_init(&b->heap, SIZE_MAX);
    b->flash = at_flashfile_volatile(size, why, sizeof why);
    assert_non_null(b->flash);
    b->chip = at_flashfile_chip(b->flash);
    assert_int_equal(at_partitions_open(&b->partitions, &b->heap, &b->log, b->chip), AT_OK);
}

static int boot(board *b)
{
    at_ota_boot(&b->ota, b->chip, b->partitions, &b->log);
    return b->ota.running;
}

static void end(board *b)
{
    at_partitions_close(b->partitions);
    at_flashfile_close(b->flash);
}

static void word_is(board *b, uint32_t at, uint32_t value)
{
    uint8_t raw[4];
    b->chip->read(b->chip->ctx, at, raw, sizeof raw);
    assert_int_equal(
        raw[0] | (uint32_t)raw[1] << 8 | (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 24, value);
}

static void without_images_nothing_is_written(void **state)
{
    (void)state;
    board b;
    start(&b, AT_FLASHFILE_4MB);
    assert_int_equal(boot(&b), -1);
    assert_int_equal(at_ota_confirm(&b.ota), AT_OK);
    assert_int_equal(at_flashfile_counted(b.flash).programs, 0);
    assert_int_equal(at_ota_rollback(&b.ota), AT_ERR_NOT_FOUND);
    assert_int_equal(at_ota_switch(&b.ota, 2), AT_ERR_NOT_FOUND);
    end(&b);
}

static void a_first_boot_notes_its_slot(void **state)
{
    (void)state;
    board b;
    start(&b, AT_FLASHFILE_4MB);
    put_image(&b, 0, "v1");
    assert_int_equal(boot(&b), 0);
    assert_string_equal(b.ota.info.version, "v1");
    word_is(&b, 0xd000, 1);
    word_is(&b, 0xd018, 2);
    word_is(&b, 0xd01c, 0x4743989a); /* protocols: CRC of sequence 1 */
    end(&b);
}

static void a_switch_is_tried_confirmed_and_taken_back(void **state)
{
    (void)state;
    board b;
    start(&b, AT_FLASHFILE_4MB);
    put_image(&b, 0, "v1");
    put_image(&b, 1, "v2");
    assert_int_equal(boot(&b), 0);
    assert_int_equal(at_ota_rollback(&b.ota), AT_ERR_NOT_FOUND);
    assert_string_equal(at_ota_next(&b.ota)->label, "ota_1");
    assert_int_equal(at_ota_switch(&b.ota, 1), AT_OK);
    word_is(&b, 0xe000, 2);
    word_is(&b, 0xe01c, 0x55f63774);
    assert_int_equal(boot(&b), 1);
    word_is(&b, 0xe018, 1); /* pending */
    assert_int_equal(at_ota_confirm(&b.ota), AT_OK);
    word_is(&b, 0xe018, 2);
    assert_int_equal(boot(&b), 1);
    assert_string_equal(b.ota.info.version, "v2");
    assert_int_equal(at_ota_rollback(&b.ota), AT_OK);
    assert_int_equal(boot(&b), 0);
    assert_int_equal(at_ota_rollback(&b.ota), AT_ERR_NOT_FOUND);
    assert_int_equal(at_ota_switch(&b.ota, 1), AT_OK);
    assert_int_equal(boot(&b), 1);
    end(&b);
}

static void what_never_came_up_is_given_up(void **state)
{
    (void)state;
    board b;
    start(&b, AT_FLASHFILE_4MB);
    put_image(&b, 0, "v1");
    put_image(&b, 1, "v2");
    assert_int_equal(boot(&b), 0);
    assert_int_equal(at_ota_switch(&b.ota, 1), AT_OK);
    assert_int_equal(boot(&b), 1);
    assert_int_equal(boot(&b), 0); /* without a confirmation in between */
    word_is(&b, 0xe018, 4);
    end(&b);
}

static void a_slot_without_an_image_is_passed_over(void **state)
{
    (void)state;
    board b;
    start(&b, AT_FLASHFILE_4MB);
    put_image(&b, 1, "v2");
    assert_int_equal(boot(&b), 1);
    put_image(&b, 0, "v1");
    assert_int_equal(at_ota_switch(&b.ota, 0), AT_OK);
    b.chip->erase(b.chip->ctx, 0x60000, AT_FLASH_SECTOR);
    assert_int_equal(boot(&b), 1);
    end(&b);
}

static void two_megabytes_have_one_slot(void **state)
{
    (void)state;
    board b;
    start(&b, AT_FLASHFILE_2MB);
    put_image(&b, 0, "v1");
    assert_int_equal(boot(&b), 0);
    assert_null(at_ota_next(&b.ota));
    assert_int_equal(at_ota_rollback(&b.ota), AT_ERR_UNSUPPORTED);
    end(&b);
}

static void every_cut_boots_the_old_or_the_new_slot(void **state)
{
    (void)state;
    unsigned tried = 0;
    for (uint64_t cut = 1; cut <= 12; cut++) {
        for (uint32_t seed = 0; seed < 20; seed++, tried++) {
            board b;
            start(&b, AT_FLASHFILE_4MB);
            put_image(&b, 0, "v1");
            put_image(&b, 1, "v2");
            assert_int_equal(boot(&b), 0);
            at_flashfile_cut_after(b.flash, cut, seed, NULL, NULL);
            (void)at_ota_switch(&b.ota, 1);
            if (!at_flashfile_is_off(b.flash) && boot(&b) == 1 && !at_flashfile_is_off(b.flash)) {
                (void)at_ota_confirm(&b.ota);
            }
            at_flashfile_cut_after(b.flash, 0, 0, NULL, NULL);
            at_flashfile_power_on(b.flash);
            int slot = boot(&b);
            assert_true(slot == 0 || slot == 1);
            assert_int_equal(at_ota_confirm(&b.ota), AT_OK);
            assert_int_equal(boot(&b), slot);
            end(&b);
        }
    }
    print_message("%u cuts\n", tried);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_images_nothing_is_written),
        cmocka_unit_test(a_first_boot_notes_its_slot),
        cmocka_unit_test(a_switch_is_tried_confirmed_and_taken_back),
        cmocka_unit_test(what_never_came_up_is_given_up),
        cmocka_unit_test(a_slot_without_an_image_is_passed_over),
        cmocka_unit_test(two_megabytes_have_one_slot),
        cmocka_unit_test(every_cut_boots_the_old_or_the_new_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
