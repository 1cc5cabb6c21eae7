/* Names: UTF-8 outside, UTF-16 in the slots of a long name, 8+3 capital letters in the short one.
 *
 * A name that consists of 8+3 capital letters, digits and signs needs no long name; every other gets
 * one and a short name with a number (LONGNA~1.TXT), as every FAT has done since 1995. Names compare
 * without regard to the case of ASCII letters only.
 */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "storage/fat_priv.h"

/* One character of UTF-8; 0: not well-formed. */
static uint32_t decode(const uint8_t **at, size_t *left)
{
    uint8_t lead = **at;
    unsigned more = lead < 0x80 ? 0 : lead < 0xc2 ? 9 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
    if (more >= *left || lead > 0xf4 || more > 3) {
        return 0;
    }
    uint32_t c = more == 0 ? lead : lead & (0x3fu >> more);
    for (unsigned i = 1; i <= more; i++) {
        if (((*at)[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | ((*at)[i] & 0x3fu);
    }
    *at += more + 1;
    *left -= more + 1;
    bool surrogate = c >= 0xd800 && c < 0xe000;
    return c < least[more] || c > 0x10ffff || surrogate ? 0 : c;
}

size_t fat_name_units(const char *name, size_t len, uint16_t units[AT_FAT_NAME_MAX])
{
    const uint8_t *at = (const uint8_t *)name;
    size_t count = 0;
    if (len == 0 || name[len - 1] == '.' || name[len - 1] == ' ' || name[0] == ' ') {
        return 0;
    }
    while (len > 0) {
        uint32_t c = decode(&at, &len);
        if (c < 0x20 || c == 0x7f || (c < 0x80 && strchr("\"*/:<>?\\|", (int)c) != NULL) ||
            count + (c > 0xffff) >= AT_FAT_NAME_MAX) {
            return 0;
        }
        if (c > 0xffff) {
            units[count++] = (uint16_t)(0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + (c & 0x3ff);
        }
        units[count++] = (uint16_t)c;
    }
    return count;
}

static size_t encode(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    to[0] = (char)(lead[more] | c >> (6 * more));
    for (unsigned i = 1; i <= more; i++) {
        to[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3f));
    }
    return more + 1;
}

void fat_name_text(const uint16_t *units, size_t count, char text[AT_FAT_TEXT_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t c = units[i];
        bool pair = c >= 0xd800 && c < 0xdc00 && i + 1 < count && units[i + 1] >= 0xdc00 &&
                    units[i + 1] < 0xe000;
        if (pair) {
            c = 0x10000 + ((c - 0xd800) << 10) + (units[++i] - 0xdc00u);
        } else if ((c >= 0xd800 && c < 0xe000) || c < 0x20) {
            c = '_'; /* no character */
        }
        len += encode(c, text + len);
    }
    text[len] = '\0';
}

static int upper(int c)
{
    return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
}

bool fat_name_same(const char *a, const char *b)
{
    while (*a != '\0' && upper(*a) == upper(*b)) {
        a++, b++;
    }
    return *a == *b;
}

/* Copies what fits of one part; false when that is not all of it, as it is. */
static bool short_part(const char *from, size_t len, uint8_t *to, size_t room)
{
    bool same = len <= room;
    size_t out = 0;
    for (size_t i = 0; i < len && out < room; i++) {
        unsigned char c = (unsigned char)from[i];
        if (c == ' ' || c == '.') {
            same = false;
            continue;
        }
        if (c >= 0x80 || strchr("+,;=[]", c) != NULL) {
            same = false;
            c = '_';
        }
        same = same && upper(c) == c;
        to[out++] = (uint8_t)upper(c);
    }
    return same;
}

bool fat_name_shorten(const char *name, uint8_t short_name[11])
{
    const char *dot = strrchr(name, '.');
    size_t len = dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name);
    memset(short_name, ' ', 11);
    bool same = short_part(name, len, short_name, 8);
    if (name[len] == '.') {
        same = short_part(name + len + 1, strlen(name + len + 1), short_name + 8, 3) && same;
    }
    if (short_name[0] == ' ') {
        short_name[0] = '_';
        same = false;
    }
    return same;
}

void fat_name_number(uint8_t short_name[11], unsigned number)
{
    char tail[12];
    size_t len = (size_t)snprintf(tail, sizeof tail, "~%u", number % 1000000u), at = 0;
    while (at < 8 - len && short_name[at] != ' ' && short_name[at] != '~') {
        at++;
    }
    memset(short_name + at, ' ', 8 - at);
    memcpy(short_name + at, tail, len);
}

void fat_name_from_short(const uint8_t slot[FAT_SLOT], char text[AT_FAT_TEXT_MAX])
{
    size_t len = 0;
    for (unsigned i = 0; i < 11; i++) {
        unsigned char c = slot[i];
        bool lower = (slot[12] & (i < 8 ? 0x08 : 0x10)) != 0;
        if (c == ' ') {
            continue;
        }
        if (i >= 8 && memchr(text, '.', len) == NULL) {
            text[len++] = '.';
        }
        c = i == 0 && c == 0x05 ? 0xe5 : c;
        c = c < 0x20 || c >= 0x7f ? '_' : c;
        text[len++] = (char)(lower && c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    text[len] = '\0';
}

uint8_t fat_name_sum(const uint8_t short_name[11])
{
    unsigned sum = 0;
    for (unsigned i = 0; i < 11; i++) {
        sum = ((sum & 1) << 7) + (sum >> 1 & 0x7f) + short_name[i];
    }
    return (uint8_t)sum;
}
