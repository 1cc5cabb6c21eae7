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

void bench_start(bench *b, uint32_t pages); /* an erased chip; nothing is open */
at_err bench_open(bench *b);
void bench_close(bench *b); /* checks that no memory is left */
void bench_restart(bench *b);
void bench_end(bench *b);

/* Repeatable numbers from a seed. */
uint32_t dice(uint32_t *seed);
void fill_pattern(uint8_t *to, size_t len, uint32_t seed);

#endif
