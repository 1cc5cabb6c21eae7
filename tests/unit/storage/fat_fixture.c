/* See fat_fixture.h. */
#include "fat_fixture.h"

at_err volume_mount(volume *v, at_fat_mode mode)
{
    return at_fat_mount(&v->fs, &v->heap, &v->log, v->chip, FAT_AT, FAT_SIZE, mode);
}

void volume_unmount(volume *v)
{
    at_fat_unmount(v->fs);
    v->fs = NULL;
    assert_int_equal(v->heap.blocks, 0);
}

void volume_start(volume *v)
{
    char why[128];
    memset(v, 0, sizeof *v);
    at_heap_init(&v->heap, SIZE_MAX);
    v->flash = at_flashfile_volatile(AT_FLASHFILE_4MB, why, sizeof why);
    assert_non_null(v->flash);
    v->chip = at_flashfile_chip(v->flash);
}

void volume_start_formatted(volume *v)
{
    volume_start(v);
    assert_int_equal(at_fat_format(&v->heap, v->chip, FAT_AT, FAT_SIZE), AT_OK);
    assert_int_equal(volume_mount(v, AT_FAT_READ_WRITE), AT_OK);
}

void volume_end(volume *v)
{
    volume_unmount(v);
    at_flashfile_close(v->flash);
}

const char *name_of(unsigned n)
{
    static const char *const names[FILES] = {
        "a.txt", "LOG",   "a rather long name that takes some slots.html", "index.htm", "data.bin",
        "b",     "x.y.z",
    };
    return names[n];
}

static void plan(day *d, unsigned step, unsigned *file_no, uint32_t *from, uint32_t *len)
{
    uint32_t seed = step * 2654435761u + 17;
    *file_no = dice(&seed) % FILES;
    file *f = &d->next[*file_no];
    memcpy(f, &d->now[*file_no], sizeof *f);
    *len = UINT32_MAX;
    if (f->present && dice(&seed) % 5 == 0) {
        memset(f, 0, sizeof *f);
        return;
    }
    *from = dice(&seed) % 4 == 0 ? dice(&seed) % 4000 : f->size > 0 ? dice(&seed) % f->size : 0;
    *len = dice(&seed) % 4 == 0 ? dice(&seed) % 4000 : dice(&seed) % 700;
    if (*len == 0 && !f->present) {
        *len = 1;
    }
    fill_pattern(f->bytes + *from, *len, seed);
    f->size = *from + *len > f->size ? *from + *len : f->size;
    f->present = true;
}

void run_day(volume *v, day *d, unsigned *reached)
{
    unsigned n;
    uint32_t from = 0, len;
    memset(d->now, 0, sizeof d->now);
    memset(d->next, 0, sizeof d->next);
    *reached = 0;
    if (volume_mount(v, AT_FAT_READ_WRITE) != AT_OK) {
        return;
    }
    for (unsigned step = 0; step < STEPS; step++) {
        plan(d, step, &n, &from, &len);
        at_err err = len == UINT32_MAX
                         ? at_fat_remove(v->fs, name_of(n))
                         : at_fat_write(v->fs, name_of(n), from, d->next[n].bytes + from, len);
        if (at_flashfile_is_off(v->flash)) {
            return;
        }
        assert_int_equal(err, AT_OK);
        memcpy(&d->now[n], &d->next[n], sizeof d->now[n]);
        *reached = step + 1;
    }
}

bool holds(volume *v, unsigned n, const file *f)
{
    static uint8_t got[SIZE_MAX_OF_FILE];
    size_t len;
    at_err err = at_fat_read(v->fs, name_of(n), 0, got, sizeof got, &len);
    if (err != AT_OK || !f->present) {
        return err == AT_ERR_NOT_FOUND && !f->present;
    }
    return len == f->size && memcmp(got, f->bytes, len) == 0;
}
