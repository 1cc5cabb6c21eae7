/* App images: ours are accepted, and nothing that was bent. */
#include "flash_fixture.h"

#include "storage/image.h"

#define SLOT_AT   0x60000u
#define SLOT_SIZE 0x10000u

static at_flashfile *new_flash(void)
{
    char why[128];
    at_flashfile *flash = at_flashfile_volatile(AT_FLASHFILE_4MB, why, sizeof why);
    assert_non_null(flash);
    return flash;
}

static at_err check(const uint8_t *image, size_t len, uint32_t size, at_image_info *info,
                    const char **why)
{
    at_flashfile *flash = new_flash();
    const at_flashchip *chip = at_flashfile_chip(flash);
    chip->program(chip->ctx, SLOT_AT, image, len);
    at_err err = at_image_check(chip, SLOT_AT, size, info, why);
    at_flashfile_close(flash);
    return err;
}

static void ours_is_accepted(void **state)
{
    (void)state;
    uint8_t image[AT_IMAGE_LEN_MIN];
    at_image_info info;
    const char *why = NULL;
    assert_int_equal(at_image_build("v3.5.0.0-dev", "esp-at", "v5.4", image), AT_OK);
    assert_int_equal(check(image, sizeof image, SLOT_SIZE, &info, &why), AT_OK);
    assert_int_equal(info.len, AT_IMAGE_LEN_MIN);
    assert_int_equal(info.segments, 1);
    assert_true(info.hashed && info.described);
    assert_string_equal(info.version, "v3.5.0.0-dev");
    assert_string_equal(info.project, "esp-at");
    assert_int_equal(check(image, sizeof image, AT_IMAGE_LEN_MIN, &info, &why), AT_OK);
    assert_int_equal(check(image, sizeof image, AT_IMAGE_LEN_MIN - 1, &info, &why), AT_ERR_CORRUPT);
    assert_int_equal(check(image, 0, SLOT_SIZE, &info, &why), AT_ERR_NOT_FOUND);
    assert_int_equal(check(image, 0, 5u << 20, &info, &why), AT_ERR_INVALID);
    assert_int_equal(at_image_build("a version that has more than 32 letters", "", "", image),
                     AT_ERR_INVALID);
}

static void reasons(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
        const char *why;
    } bends[] = {
        { 0, 0xea, "does not start with E9" },
        { 1, 0, "has no segments, or too many" },
        { 1, 17, "has no segments, or too many" },
        { 1, 2, "fails its SHA-256" },
        { 12, 5, "is for another chip" },
        { 16, 0x70, "is for another chip revision" },
        { 30, 1, "has a segment that reaches past its slot" },
        { 100, 1, "fails its checksum" },
        { 303, 0, "fails its checksum" },
        { 290, 1, "fails its SHA-256" },
        { 335, 1, "fails its SHA-256" },
    };
    for (unsigned i = 0; i < sizeof bends / sizeof *bends; i++) {
        uint8_t image[AT_IMAGE_LEN_MIN];
        at_image_info info;
        const char *why = "";
        at_image_build("v1", "p", "i", image);
        assert_int_not_equal(image[bends[i].at], bends[i].value);
        image[bends[i].at] = bends[i].value;
        assert_int_equal(check(image, sizeof image, SLOT_SIZE, &info, &why), AT_ERR_CORRUPT);
        assert_string_equal(why, bends[i].why);
    }
}

static void bent_images_are_refused(void **state)
{
    (void)state;
    uint8_t image[AT_IMAGE_LEN_MIN], bent[AT_IMAGE_LEN_MIN];
    at_flashfile *flash = new_flash();
    const at_flashchip *chip = at_flashfile_chip(flash);
    at_image_build("v1", "p", "i", image);
    for (uint32_t n = 0; n < 10000; n++) {
        uint32_t seed = n;
        at_image_info info;
        const char *why = "";
        size_t len = sizeof bent;
        memcpy(bent, image, sizeof bent);
        if (n % 4 == 0) {
            len = dice(&seed) % sizeof bent;
        } else {
            bent[dice(&seed) % sizeof bent] ^= (uint8_t)(1u << dice(&seed) % 8);
        }
        chip->erase(chip->ctx, SLOT_AT, SLOT_SIZE);
        chip->program(chip->ctx, SLOT_AT, bent, len);
        at_err err = at_image_check(chip, SLOT_AT, SLOT_SIZE, &info, &why);
        assert_true(err != AT_OK || (len > 23 && bent[23] != 1)); /* says that it has no hash */
    }
    at_flashfile_close(flash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_is_accepted),
        cmocka_unit_test(reasons),
        cmocka_unit_test(bent_images_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
