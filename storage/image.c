/* The part's image container: 24 bytes of header, then segments (address, length, bytes), padding so
 * that the checksum is the last byte of 16, and the SHA-256 of all that when the header says so. The
 * checksum is the xor of all segment bytes, started with 0xEF. The first 256 bytes of the first
 * segment describe the application.
 *
 * Checked in the order of the boot loader; lengths are checked before anything is read, so no image
 * leads a reader out of its slot.
 */
#include "storage/image.h"

#include <string.h>

#include "core/bytes.h"
#include "crypto/hash.h"

#define MAGIC       0xe9u
#define HEADER      AT_IMAGE_HEADER
#define SEGMENT     8u /* bytes of its header */
#define DESCRIPTION 256u
#define DESCRIBED   0xabcd5432u
#define DROM_AT     0x3c000020u /* mapped: low 16 bits as in the slot */
#define CHIP_REV    200u        /* major * 100 + minor: the revisions that exist end with 2.0 */

/* A pass over the bytes of an image. */
typedef struct pass {
    const at_flashchip *chip;
    uint32_t base, at, size;
    at_hash hash;
    uint8_t sum;
} pass;

static at_err take(pass *p, void *buf, uint32_t len)
{
    if (p->chip->read(p->chip->ctx, p->base + p->at, buf, len) != 0) {
        return AT_ERR_IO;
    }
    at_hash_add(&p->hash, buf, len);
    p->at += len;
    return AT_OK;
}

static at_err pass_segment(pass *p, uint32_t len)
{
    uint8_t piece[512];
    at_err err = AT_OK;
    while (len > 0 && err == AT_OK) {
        uint32_t part = AT_MIN(len, (uint32_t)sizeof piece);
        err = take(p, piece, part);
        for (uint32_t i = 0; i < part && err == AT_OK; i++) {
            p->sum ^= piece[i];
        }
        len -= part;
    }
    return err;
}

static const char *check_header(const uint8_t *raw, at_image_info *info)
{
    at_reader r = at_reader_of(raw, HEADER);
    if (at_get8(&r) != MAGIC) {
        return "does not start with E9";
    }
    info->segments = at_get8(&r);
    (void)at_get(&r, 2);
    info->entry = at_get32le(&r);
    (void)at_get(&r, 4);
    unsigned chip = at_get16le(&r);
    (void)at_get8(&r);
    unsigned least = at_get16le(&r), most = at_get16le(&r);
    (void)at_get(&r, 4);
    info->hashed = at_get8(&r) == 1;
    if (info->segments == 0 || info->segments > AT_IMAGE_SEGMENTS) {
        return "has no segments, or too many";
    }
    if (chip != AT_IMAGE_CHIP_C2) {
        return "is for another chip";
    }
    return least > CHIP_REV || (most != 0 && most < least) ? "is for another chip revision" : NULL;
}

const char *at_image_check_header(const uint8_t raw[AT_IMAGE_HEADER])
{
    at_image_info info = { 0 };
    return check_header(raw, &info);
}

static at_err check_segments(pass *p, const at_image_info *info, const char **why)
{
    uint8_t head[SEGMENT];
    for (unsigned i = 0; i < info->segments; i++) {
        if (p->size - p->at < SEGMENT) {
            *why = "ends inside its segments";
            return AT_ERR_CORRUPT;
        }
        at_err err = take(p, head, sizeof head);
        at_reader r = at_reader_of(head + 4, 4);
        uint32_t len = at_get32le(&r);
        if (err == AT_OK && (len % 4 != 0 || len > p->size - p->at)) {
            *why = "has a segment that reaches past its slot";
            return AT_ERR_CORRUPT;
        }
        err = err == AT_OK ? pass_segment(p, len) : err;
        if (err != AT_OK) {
            return err;
        }
    }
    return AT_OK;
}

static at_err check_end(pass *p, at_image_info *info, const char **why)
{
    uint8_t tail[16], want[AT_SHA256_LEN], is[AT_SHA256_LEN];
    uint32_t pad = 16 - p->at % 16;
    if (p->size - p->at < pad + (info->hashed ? AT_SHA256_LEN : 0)) {
        *why = "ends before its checksum";
        return AT_ERR_CORRUPT;
    }
    at_err err = take(p, tail, pad);
    if (err == AT_OK && tail[pad - 1] != p->sum) {
        *why = "fails its checksum";
        return AT_ERR_CORRUPT;
    }
    info->len = p->at;
    if (err != AT_OK || !info->hashed) {
        return err;
    }
    at_hash_finish(&p->hash, is);
    if (p->chip->read(p->chip->ctx, p->base + p->at, want, sizeof want) != 0) {
        return AT_ERR_IO;
    }
    info->len += AT_SHA256_LEN;
    *why = "fails its SHA-256";
    return memcmp(is, want, sizeof is) == 0 ? AT_OK : AT_ERR_CORRUPT;
}

static void copy_text(char to[AT_IMAGE_TEXT + 1], const uint8_t *from)
{
    memset(to, 0, AT_IMAGE_TEXT + 1);
    for (unsigned i = 0; i < AT_IMAGE_TEXT && from[i] != 0; i++) {
        to[i] = (char)(from[i] < 0x20 || from[i] > 0x7e || from[i] == '"' ? '?' : from[i]);
    }
}

static at_err read_description(const pass *p, at_image_info *info)
{
    uint8_t raw[80];
    if (p->size < HEADER + SEGMENT + sizeof raw) {
        return AT_OK;
    }
    if (p->chip->read(p->chip->ctx, p->base + HEADER + SEGMENT, raw, sizeof raw) != 0) {
        return AT_ERR_IO;
    }
    at_reader r = at_reader_of(raw, 4);
    info->described = at_get32le(&r) == DESCRIBED;
    if (info->described) {
        copy_text(info->version, raw + 16);
        copy_text(info->project, raw + 48);
    }
    return AT_OK;
}

at_err at_image_check(const at_flashchip *chip, uint32_t offset, uint32_t size, at_image_info *info,
                      const char **why)
{
    uint8_t head[HEADER];
    pass p = { .chip = chip, .base = offset, .size = size, .sum = 0xef };
    *info = (at_image_info){ 0 };
    if (size < HEADER || size > chip->size || offset > chip->size - size) {
        return AT_ERR_INVALID;
    }
    at_hash_start(&p.hash, AT_HASH_SHA256);
    at_err err = take(&p, head, sizeof head);
    if (err != AT_OK) {
        return err;
    }
    if (head[0] == 0xff && head[1] == 0xff && head[2] == 0xff && head[3] == 0xff) {
        return AT_ERR_NOT_FOUND;
    }
    const char *wrong = check_header(head, info);
    if (wrong != NULL) {
        *why = wrong;
        return AT_ERR_CORRUPT;
    }
    err = check_segments(&p, info, why);
    err = err == AT_OK ? check_end(&p, info, why) : err;
    return err == AT_OK ? read_description(&p, info) : err;
}

/* Without an end: a field may be full. */
static void put_text(uint8_t *field, const char *text)
{
    for (; *text != '\0'; text++) {
        *field++ = (uint8_t)*text;
    }
}

at_err at_image_build(const char *version, const char *project, const char *idf,
                      uint8_t image[AT_IMAGE_LEN_MIN])
{
    if (strlen(version) > AT_IMAGE_TEXT || strlen(project) > AT_IMAGE_TEXT ||
        strlen(idf) > AT_IMAGE_TEXT) {
        return AT_ERR_INVALID;
    }
    memset(image, 0, AT_IMAGE_LEN_MIN);
    at_builder b = at_builder_of(image, HEADER + SEGMENT + 4);
    static const uint8_t pins[4] = { 0xee, 0, 0, 0 };
    at_put8(&b, MAGIC);
    at_put8(&b, 1);
    at_put8(&b, 2);    /* DIO */
    at_put8(&b, 0x2f); /* 4 MB, 60 MHz */
    at_put32le(&b, DROM_AT);
    at_put(&b, pins, sizeof pins);
    at_put16le(&b, AT_IMAGE_CHIP_C2);
    at_put8(&b, 0);
    at_put16le(&b, 0);
    at_put16le(&b, 65535);
    at_put32le(&b, 0);
    at_put8(&b, 1);
    at_put32le(&b, DROM_AT);
    at_put32le(&b, DESCRIPTION);
    at_put32le(&b, DESCRIBED);
    uint8_t *text = image + HEADER + SEGMENT;
    put_text(text + 16, version);
    put_text(text + 48, project);
    put_text(text + 112, idf);
    text[180] = 16; /* 64 KiB pages, as a power of 2 */
    uint8_t sum = 0xef;
    for (unsigned i = 0; i < DESCRIPTION; i++) {
        sum ^= text[i];
    }
    size_t end = HEADER + SEGMENT + DESCRIPTION + 16; /* 288 is whole: 15 of padding, the sum */
    image[end - 1] = sum;
    at_hash_of(AT_HASH_SHA256, image, end, image + end);
    return AT_OK;
}
