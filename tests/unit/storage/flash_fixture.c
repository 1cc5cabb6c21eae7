/* See flash_fixture.h. */
#include "flash_fixture.h"

#include "core/heap.h"
#include "ports/linux/flashfile.h"
#include "storage/nvs.h"

void bench_start(bench *b, uint32_t pages)
{
    char why[128];
    memset(b, 0, sizeof *b);
    at_heap_init(&b->heap, SIZE_MAX);
    b->flash = at_flashfile_volatile(AT_FLASHFILE_4MB, why, sizeof why);
    assert_non_null(b->flash);
    b->chip = at_flashfile_chip(b->flash);
    b->size = pages * AT_FLASH_SECTOR;
}

at_err bench_open(bench *b)
{
    return at_nvs_open(&b->nvs, &b->heap, &b->log, b->chip, NVS_AT, b->size, AT_NVS_READ_WRITE);
}

void bench_close(bench *b)
{
    at_nvs_close(b->nvs);
    b->nvs = NULL;
    assert_int_equal(b->heap.blocks, 0);
}

void bench_restart(bench *b)
{
    bench_close(b);
    assert_int_equal(bench_open(b), AT_OK);
}

void bench_end(bench *b)
{
    bench_close(b);
    at_flashfile_close(b->flash);
}

uint32_t dice(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    uint32_t x = *seed ^ *seed >> 15;
    x *= 0x2c1b3c6du;
    return x ^ x >> 12;
}

void fill_pattern(uint8_t *to, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        to[i] = (uint8_t)dice(&seed);
    }
}
