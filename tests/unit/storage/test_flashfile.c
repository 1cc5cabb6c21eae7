/* The Linux port's flash: NOR rules, one chip for all forked boots, files, locks, errors. */
#include "flash_fixture.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"

static void programs_clear_and_erases_set(void **state)
{
    (void)state;
    bench b;
    uint8_t buf[8];
    bench_start(&b, 3);
    const at_flashchip *chip = b.chip;
    assert_int_equal(chip->read(chip->ctx, 4092, buf, 8), AT_OK);
    assert_memory_equal(buf, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    assert_int_equal(chip->program(chip->ctx, 4092, "\x0f\xf0\xff\x00\x55\xaa\x01\x80", 8), AT_OK);
    assert_int_equal(chip->program(chip->ctx, 4093, "\x1f\x0f\xff\xf5", 4), AT_OK);
    assert_int_equal(chip->read(chip->ctx, 4092, buf, 8), AT_OK);
    assert_memory_equal(buf, "\x0f\x10\x0f\x00\x55\xaa\x01\x80", 8);
    assert_int_equal(chip->erase(chip->ctx, 4096, 4096), AT_OK);
    assert_int_equal(chip->read(chip->ctx, 4092, buf, 8), AT_OK);
    assert_memory_equal(buf, "\x0f\x10\x0f\x00\xff\xff\xff\xff", 8);
    assert_int_equal(chip->erase(chip->ctx, 1, 4096), AT_ERR_INVALID);
    assert_int_equal(chip->erase(chip->ctx, 0, 100), AT_ERR_INVALID);
    assert_int_equal(chip->read(chip->ctx, chip->size - 4, buf, 8), AT_ERR_INVALID);
    assert_int_equal(chip->program(chip->ctx, 0xffffffffu, buf, 8), AT_ERR_INVALID);
    bench_end(&b);
}

static void boots_share_the_chip(void **state)
{
    (void)state;
    bench b;
    uint8_t byte = 0;
    bench_start(&b, 3);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(b.chip->program(b.chip->ctx, 77, "\x12", 1) == AT_OK ? 0 : 1);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
    assert_int_equal(b.chip->read(b.chip->ctx, 77, &byte, 1), AT_OK);
    assert_int_equal(byte, 0x12);
    assert_int_equal(at_flashfile_counted(b.flash).programs, 1);
    bench_end(&b);
}

static void count_cut(void *arg)
{
    *(int *)arg += 1;
}

static void a_cut_tears_and_turns_off(void **state)
{
    (void)state;
    static const uint8_t zeros[64];
    uint8_t back[64];
    unsigned partly = 0;
    for (uint32_t seed = 0; seed < 100; seed++) {
        bench b;
        int cuts = 0;
        bench_start(&b, 3);
        at_flashfile_cut_after(b.flash, 2, seed, count_cut, &cuts);
        assert_int_equal(b.chip->program(b.chip->ctx, 0, zeros, 64), AT_OK);
        assert_int_equal(b.chip->program(b.chip->ctx, 8192, zeros, 64), AT_ERR_IO);
        assert_int_equal(cuts, 1);
        assert_true(at_flashfile_is_off(b.flash));
        assert_int_equal(b.chip->read(b.chip->ctx, 0, back, 64), AT_ERR_IO);
        at_flashfile_power_on(b.flash);
        assert_int_equal(b.chip->read(b.chip->ctx, 8192, back, 64), AT_OK);
        bool torn = false;
        for (size_t i = 0; i < 63; i++) {
            torn = torn || (back[i] == 0) != (back[i + 1] == 0);
            assert_true(back[i] == 0 || back[i + 1] == 0xff); /* a prefix, and one byte in part */
        }
        partly += torn;
        bench_end(&b);
    }
    assert_true(partly > 80);
}

static void a_file_keeps_its_bytes_and_is_locked(void **state)
{
    (void)state;
    char path[] = "/tmp/attache-flash-XXXXXX", why[256];
    int fd = mkstemp(path);
    struct stat st;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(unlink(path), 0);
    at_flashfile *flash = at_flashfile_open(path, AT_FLASHFILE_2MB, why, sizeof why);
    assert_non_null(flash);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, AT_FLASHFILE_2MB);
    assert_int_equal(st.st_mode & 0777, 0600);
    const at_flashchip *chip = at_flashfile_chip(flash);
    assert_int_equal(chip->program(chip->ctx, 5000, "kept", 4), AT_OK);

    assert_null(at_flashfile_open(path, AT_FLASHFILE_4MB, why, sizeof why));
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, "another process has it open"));
    at_flashfile_close(flash);

    flash = at_flashfile_open(path, AT_FLASHFILE_4MB, why, sizeof why);
    assert_non_null(flash);
    chip = at_flashfile_chip(flash);
    assert_int_equal(chip->size, AT_FLASHFILE_2MB); /* the file decides */
    uint8_t back[6];
    assert_int_equal(chip->read(chip->ctx, 4999, back, 6), AT_OK);
    assert_memory_equal(back, "\xffkept\xff", 6);
    at_flashfile_close(flash);

    assert_int_equal(truncate(path, 12345), 0);
    assert_null(at_flashfile_open(path, AT_FLASHFILE_4MB, why, sizeof why));
    assert_non_null(strstr(why, "12345 bytes; it must have 2097152 (2 MiB) or 4194304 (4 MiB)"));
    unlink(path);
    assert_null(at_flashfile_open("/nowhere/flash.bin", AT_FLASHFILE_4MB, why, sizeof why));
    assert_non_null(strstr(why, "/nowhere/flash.bin: No such file or directory"));
    assert_null(at_flashfile_open("/dev/null", AT_FLASHFILE_4MB, why, sizeof why));
    assert_non_null(strstr(why, "not a regular file"));
    assert_null(at_flashfile_volatile(123, why, sizeof why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_clear_and_erases_set),
        cmocka_unit_test(boots_share_the_chip),
        cmocka_unit_test(a_cut_tears_and_turns_off),
        cmocka_unit_test(a_file_keeps_its_bytes_and_is_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
