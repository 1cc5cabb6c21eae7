/* A chip in memory with a FAT partition as the part's, and files to compare it with. */
#ifndef TESTS_UNIT_STORAGE_FAT_FIXTURE_H
#define TESTS_UNIT_STORAGE_FAT_FIXTURE_H

#include "flash_fixture.h"

#include "storage/fat.h"

#define FAT_AT           0x47000u
#define FAT_SIZE         0x19000u /* the part's 100 KiB */
#define FILES            7u
#define STEPS            60u
#define SIZE_MAX_OF_FILE 9000u

typedef struct volume {
    at_heap heap;
    at_log log;
    at_flashfile *flash;
    const at_flashchip *chip;
    at_fat *fs;
} volume;

void volume_start(volume *v); /* an erased chip */
void volume_start_formatted(volume *v);
at_err volume_mount(volume *v, at_fat_mode mode);
void volume_unmount(volume *v); /* checks that no memory is left */
void volume_end(volume *v);

/* A day of changes against a model. */
typedef struct file {
    bool present;
    uint32_t size;
    uint8_t bytes[SIZE_MAX_OF_FILE];
} file;

typedef struct day {
    file now[FILES], next[FILES]; /* they differ while a step is under way */
} day;

const char *name_of(unsigned n);
/* Mounts and runs the day until it ends or the power does; *reached: steps done. */
void run_day(volume *v, day *d, unsigned *reached);
bool holds(volume *v, unsigned n, const file *f);

#endif
