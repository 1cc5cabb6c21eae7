/* mfg_nvs as something that can be lent to whoever replaces its bytes. */
#include "flash_fixture.h"

#include "storage/mfg.h"

static void nobody_gets_at_values_that_are_being_replaced(void **state)
{
    (void)state;
    char why[128];
    at_heap heap;
    at_log log = { 0 };
    at_partitions *partitions;
    at_nvs *nvs;
    int64_t value = 0;
    at_flashfile *flash = at_flashfile_volatile(AT_FLASHFILE_4MB, why, sizeof why);
    assert_non_null(flash);
    const at_flashchip *chip = at_flashfile_chip(flash);
    at_heap_init(&heap, SIZE_MAX);
    assert_int_equal(at_partitions_open(&partitions, &heap, &log, chip), AT_OK);
    at_mfg *mfg = at_mfg_create(&heap, &log, chip, partitions);
    assert_non_null(mfg);
    assert_int_equal(at_mfg_nvs(mfg, &nvs), AT_OK);
    assert_int_equal(at_nvs_set_int(nvs, "factory_param", "uart_baudrate", AT_NVS_I32, 9600),
                     AT_OK);
    assert_int_equal(at_mfg_int(mfg, "uart_baudrate", &value), AT_OK);
    assert_int_equal(value, 9600);

    at_mfg_lend(mfg, true);
    assert_int_equal(at_mfg_nvs(mfg, &nvs), AT_ERR_STATE);
    assert_int_equal(at_mfg_int(mfg, "uart_baudrate", &value), AT_ERR_STATE);
    at_mfg_forget(mfg);
    assert_int_equal(at_mfg_nvs(mfg, &nvs), AT_ERR_STATE);
    at_mfg_lend(mfg, false);
    assert_int_equal(at_mfg_int(mfg, "uart_baudrate", &value), AT_OK);

    at_mfg_lend(mfg, true);
    const at_partition *area = at_partitions_find(partitions, "mfg_nvs");
    assert_int_equal(chip->erase(chip->ctx, area->offset, area->size), 0);
    at_mfg_lend(mfg, false);
    assert_int_equal(at_mfg_int(mfg, "uart_baudrate", &value), AT_ERR_NOT_FOUND);
    at_mfg_destroy(mfg);
    at_partitions_close(partitions);
    assert_int_equal(heap.blocks, 0);
    at_flashfile_close(flash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_gets_at_values_that_are_being_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
