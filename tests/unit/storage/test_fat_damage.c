/* Volumes with flipped bits and lost blocks: never a crash, and what is written comes back. */
#include "fat_fixture.h"

static void use_everything(volume *v)
{
    static uint8_t buf[2000];
    at_fat_walk walk = { 0 };
    at_fat_info info;
    size_t len;
    for (unsigned n = 0; n < 600 && at_fat_next(v->fs, &walk, ".", &info) == AT_OK; n++) {
        (void)at_fat_read(v->fs, info.name, info.size / 2, buf, sizeof buf, &len);
    }
    if (at_fat_write(v->fs, "new file", 100, buf, 1200) == AT_OK) {
        assert_int_equal(at_fat_read(v->fs, "new file", 100, buf, 1200, &len), AT_OK);
        assert_int_equal(len, 1200);
    }
    (void)at_fat_remove(v->fs, "a.txt");
}

static void damaged_images_do_no_harm(void **state)
{
    (void)state;
    static uint8_t image[FAT_SIZE], bent[FAT_SIZE];
    static day d;
    volume v;
    unsigned reached, mounted = 0;
    volume_start_formatted(&v);
    volume_unmount(&v);
    run_day(&v, &d, &reached);
    volume_unmount(&v);
    v.chip->read(v.chip->ctx, FAT_AT, image, sizeof image);
    at_flashfile_close(v.flash);
    for (uint32_t n = 0; n < 10000; n++) {
        uint32_t seed = n;
        memcpy(bent, image, sizeof bent);
        for (unsigned flips = 1 + dice(&seed) % 8; flips > 0; flips--) {
            /* mostly boot sector, tables and directory; sometimes anywhere, levelling included */
            uint32_t at = dice(&seed) % 3 != 0 ? 4096 + dice(&seed) % 4096 : dice(&seed) % FAT_SIZE;
            bent[at] ^= (uint8_t)(1u << dice(&seed) % 8);
        }
        if (dice(&seed) % 10 == 0) {
            memset(bent + dice(&seed) % FAT_SIZE / 4096 * 4096, 0xff, 4096);
        }
        volume_start(&v);
        v.chip->program(v.chip->ctx, FAT_AT, bent, sizeof bent);
        if (volume_mount(&v, n % 2 == 0 ? AT_FAT_READ_WRITE : AT_FAT_READ_ONLY) == AT_OK) {
            mounted++;
            use_everything(&v);
        }
        volume_end(&v);
    }
    print_message("10000 damaged images, %u could be mounted\n", mounted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_images_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
