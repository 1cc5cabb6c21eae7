/* A chip in memory with an NVS partition, for the storage tests. */
#ifndef TESTS_UNIT_STORAGE_FLASH_FIXTURE_H
#define TESTS_UNIT_STORAGE_FLASH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/heap.h"
#include "core/log.h"
#include "ports/linux/flashfile.h"
#include "storage/nvs.h"

#define NVS_AT 0x10000u

typedef struct bench {
    at_heap heap;
    at_log log;
    at_flashfile *flash;
    const at_flashchip *chip;
    at_nvs *nvs;
    uint32_t size; /* of the partition */
} bench;

static inline void bench_start(bench *b, uint32_t pages)
{
    char why[128];
    memset(b, 0, sizeof *b);
    at_heap_init(&b->heap, SIZE_MAX);
    b->flash = at_flashfile_volatile(AT_FLASHFILE_4MB, why, sizeof why);
    assert_non_null(b->flash);
    b->chip = at_flashfile_chip(b->flash);
    b->size = pages * AT_FLASH_SECTOR;
}

static inline at_err bench_open(bench *b)
{
    return at_nvs_open(&b->nvs, &b->heap, &b->log, b->chip, NVS_AT, b->size, AT_NVS_READ_WRITE);
}

static inline void bench_close(bench *b)
{
    at_nvs_close(b->nvs);
    b->nvs = NULL;
    assert_int_equal(b->heap.blocks, 0);
}

static inline void bench_restart(bench *b)
{
    bench_close(b);
    assert_int_equal(bench_open(b), AT_OK);
}

static inline void bench_end(bench *b)
{
    bench_close(b);
    at_flashfile_close(b->flash);
}

static inline uint32_t dice(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    uint32_t x = *seed ^ *seed >> 15;
    x *= 0x2c1b3c6du;
    return x ^ x >> 12;
}

static inline void fill_pattern(uint8_t *to, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        to[i] = (uint8_t)dice(&seed);
    }
}

#endif
