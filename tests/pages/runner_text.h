/* Bytes as pages write them: escapes, patterns, a growing buffer. No I/O but printing. */
#ifndef TESTS_PAGES_RUNNER_TEXT_H
#define TESTS_PAGES_RUNNER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A buffer that grows at its end and is consumed at its start. Zero-initialised is empty. */
typedef struct bytes {
    uint8_t *data;
    size_t start, len, room; /* data + start: the first unread byte; len: unread bytes */
} bytes;

void bytes_add(bytes *b, const void *data, size_t len);
void bytes_drop(bytes *b, size_t len); /* at most b->len */
void bytes_free(bytes *b);
static inline const uint8_t *bytes_at(const bytes *b)
{
    return b->data + b->start;
}

/* Decodes \r \n \t \\ \xNN; out has room for len bytes. Returns the number of bytes, SIZE_MAX when an
 * escape is none of these. */
size_t text_unescape(const char *text, size_t len, uint8_t *out);
/* Prints bytes the way pages write them, in double quotes; at most `most` bytes, then "...". */
void text_print(FILE *to, const uint8_t *data, size_t len, size_t most);

typedef enum match_result { MATCH_NO, MATCH_MORE, MATCH_YES } match_result;

/* Compares data with a pattern. fields: {int} is an optional - and digits, {hex} hex digits, {text}
 * bytes up to what follows it or CR; else every byte stands for itself. *used is what the pattern took
 * (MATCH_YES) or the position of the first byte that differs (MATCH_NO). MATCH_MORE: all that came
 * fits, but more has to come. */
match_result text_match(const uint8_t *pattern, size_t pattern_len, bool fields,
                        const uint8_t *data, size_t len, size_t *used);

#endif
