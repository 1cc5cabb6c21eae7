/* Escapes, patterns and buffers of the page runner.
 *
 * Patterns are matched left to right without going back: a field takes all bytes of its kind, so a
 * pattern means one thing only and a mismatch has one position. A field at the end of what has come
 * wants more, because the next byte may still belong to it.
 */
#include "tests/pages/runner_text.h"

#include <stdlib.h>
#include <string.h>

void bytes_add(bytes *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    if (b->start != 0 && (b->len == 0 || b->start + b->len + len > b->room)) {
        memmove(b->data, b->data + b->start, b->len);
        b->start = 0;
    }
    if (b->len + len > b->room) {
        b->room = (b->len + len) * 2;
        b->data = realloc(b->data, b->room);
        if (b->data == NULL)
            abort();
    }
    memcpy(b->data + b->start + b->len, data, len);
    b->len += len;
}

void bytes_drop(bytes *b, size_t len)
{
    b->start += len;
    b->len -= len;
    if (b->len == 0)
        b->start = 0;
}

void bytes_free(bytes *b)
{
    free(b->data);
    *b = (bytes){ 0 };
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes the escape behind a backslash; returns how many characters it took, 0: none is meant. */
static size_t unescape_one(const char *text, size_t left, uint8_t *out)
{
    static const char names[] = "rnt\\";
    static const uint8_t values[] = "\r\n\t\\";
    const char *found;

    if (left == 0)
        return 0;
    if (text[0] == 'x') {
        if (left < 3 || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0)
            return 0;
        *out = (uint8_t)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
        return 3;
    }
    found = memchr(names, text[0], sizeof(names) - 1);
    if (found == NULL)
        return 0;
    *out = values[found - names];
    return 1;
}

size_t text_unescape(const char *text, size_t len, uint8_t *out)
{
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        size_t took;

        if (text[i] != '\\') {
            out[used++] = (uint8_t)text[i];
            continue;
        }
        took = unescape_one(text + i + 1, len - i - 1, &out[used++]);
        if (took == 0)
            return SIZE_MAX;
        i += took;
    }
    return used;
}

void text_print(FILE *to, const uint8_t *data, size_t len, size_t most)
{
    fputc('"', to);
    for (size_t i = 0; i < len && i < most; i++) {
        uint8_t c = data[i];

        if (c == '\r')
            fputs("\\r", to);
        else if (c == '\n')
            fputs("\\n", to);
        else if (c == '\\')
            fputs("\\\\", to);
        else if (c >= 0x20 && c < 0x7F)
            fputc(c, to);
        else
            fprintf(to, "\\x%02X", c);
    }
    fputs(len > most ? "\"..." : "\"", to);
}

typedef enum field { FIELD_NONE, FIELD_INT, FIELD_HEX, FIELD_TEXT } field;

static field field_at(const uint8_t *pattern, size_t left, size_t *len)
{
    static const struct {
        const char *name;
        field kind;
    } kinds[] = { { "{int}", FIELD_INT }, { "{hex}", FIELD_HEX }, { "{text}", FIELD_TEXT } };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        *len = strlen(kinds[i].name);
        if (left >= *len && memcmp(pattern, kinds[i].name, *len) == 0)
            return kinds[i].kind;
    }
    return FIELD_NONE;
}

static bool in_field(field kind, uint8_t c, bool first, int follows)
{
    if (kind == FIELD_TEXT)
        return c != '\r' && c != follows;
    if (kind == FIELD_INT)
        return (c >= '0' && c <= '9') || (first && c == '-');
    return hex_digit((char)c) >= 0;
}

/* Takes the bytes of a field; follows is the pattern's next byte, -1 at its end. */
static match_result match_field(field kind, int follows, const uint8_t *data, size_t len,
                                size_t *at)
{
    size_t start = *at;

    while (*at < len && in_field(kind, data[*at], *at == start, follows))
        (*at)++;
    if (*at == len)
        return MATCH_MORE;
    return *at > start || kind == FIELD_TEXT ? MATCH_YES : MATCH_NO;
}

match_result text_match(const uint8_t *pattern, size_t pattern_len, bool fields,
                        const uint8_t *data, size_t len, size_t *used)
{
    size_t at = 0, field_len = 0;

    for (size_t i = 0; i < pattern_len; i++) {
        field kind = fields ? field_at(pattern + i, pattern_len - i, &field_len) : FIELD_NONE;
        match_result result = MATCH_YES;

        if (kind != FIELD_NONE) {
            int follows = i + field_len < pattern_len ? pattern[i + field_len] : -1;

            result = match_field(kind, follows, data, len, &at);
            i += field_len - 1;
        } else if (at == len) {
            result = MATCH_MORE;
        } else if (data[at] != pattern[i]) {
            result = MATCH_NO;
        } else {
            at++;
        }
        *used = at;
        if (result != MATCH_YES)
            return result;
    }
    *used = at;
    return MATCH_YES;
}
