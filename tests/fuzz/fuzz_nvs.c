/* NVS on any bytes: the input is a partition image (cut to whole pages, filled with erased flash). It is
 * read without repair, then with repair, and used; the last value written must be read back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/heap.h"
#include "core/log.h"
#include "ports/linux/flashfile.h"
#include "storage/nvs.h"

#define PAGES_MAX 8u

static void read_all(at_nvs *nvs)
{
    static uint8_t buf[PAGES_MAX * AT_FLASH_SECTOR];
    at_nvs_walk spaces = { 0 };
    char name[AT_NVS_NAME_MAX + 1];
    while (at_nvs_next_namespace(nvs, &spaces, name) == AT_OK) {
        at_nvs_walk keys = { 0 };
        at_nvs_info info;
        while (at_nvs_next_key(nvs, &keys, name, &info) == AT_OK) {
            int64_t value;
            size_t len;
            (void)at_nvs_get_int(nvs, name, info.key, info.type, &value);
            (void)at_nvs_get_data(nvs, name, info.key, info.type, buf, sizeof buf, &len);
        }
    }
}

static void use(at_nvs *nvs)
{
    static uint8_t blob[5000];
    int64_t value = 0;
    for (unsigned i = 0; i < 3; i++) { /* fills pages, so that they are collected */
        blob[0] = (uint8_t)i;
        (void)at_nvs_set_data(nvs, "fuzz", "blob", AT_NVS_BLOB, blob, sizeof blob - i * 1500);
    }
    for (int i = 0; i < 12; i++) {
        if (at_nvs_set_int(nvs, "fuzz", "i", AT_NVS_I32, i) == AT_OK &&
            (at_nvs_get_int(nvs, "fuzz", "i", AT_NVS_I32, &value) != AT_OK || value != i)) {
            abort();
        }
    }
    (void)at_nvs_erase_namespace(nvs, "fuzz");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[128];
    at_heap heap;
    at_log log = { NULL };
    at_nvs *nvs;
    uint32_t pages = (uint32_t)(size + AT_FLASH_SECTOR - 1) / AT_FLASH_SECTOR;
    pages = pages < AT_NVS_PAGES_MIN ? AT_NVS_PAGES_MIN : pages > PAGES_MAX ? PAGES_MAX : pages;
    uint32_t bytes = pages * AT_FLASH_SECTOR;
    at_flashfile *flash = at_flashfile_volatile(AT_FLASHFILE_2MB, why, sizeof why);
    if (flash == NULL) {
        abort();
    }
    const at_flashchip *chip = at_flashfile_chip(flash);
    at_heap_init(&heap, SIZE_MAX);
    chip->program(chip->ctx, 0, data, size < bytes ? size : bytes);
    if (at_nvs_open(&nvs, &heap, &log, chip, 0, bytes, AT_NVS_READ_ONLY) == AT_OK) {
        read_all(nvs);
        at_nvs_close(nvs);
    }
    for (int boot = 0; boot < 2; boot++) {
        if (at_nvs_open(&nvs, &heap, &log, chip, 0, bytes, AT_NVS_READ_WRITE) == AT_OK) {
            read_all(nvs);
            use(nvs);
            at_nvs_close(nvs);
        }
    }
    if (heap.blocks != 0) {
        abort();
    }
    at_flashfile_close(flash);
    return 0;
}
