/* Bounded reading and writing of bytes: the only way codecs touch buffers. */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A reader that remembers failure: after the first short read every read gives 0/NULL and ok is
 * false, so a codec checks once, at its end. */
typedef struct at_reader {
    const uint8_t *at;
    size_t left;
    bool ok;
} at_reader;

at_reader at_reader_of(const void *data, size_t len);
uint8_t at_get8(at_reader *r);
uint16_t at_get16(at_reader *r); /* big endian, as on the network */
uint32_t at_get32(at_reader *r);
uint16_t at_get16le(at_reader *r);
uint32_t at_get32le(at_reader *r);
const uint8_t *at_get(at_reader *r, size_t len); /* NULL when short; valid as long as the data */
void at_get_copy(at_reader *r, void *to, size_t len); /* zeroes when short */

/* A writer that remembers overflow. */
typedef struct at_builder {
    uint8_t *start, *at;
    size_t left;
    bool ok;
} at_builder;

at_builder at_builder_of(void *buffer, size_t room);
size_t at_built(const at_builder *b); /* bytes written; 0 after an overflow */
void at_put8(at_builder *b, uint8_t value);
void at_put16(at_builder *b, uint16_t value);
void at_put32(at_builder *b, uint32_t value);
void at_put16le(at_builder *b, uint16_t value);
void at_put32le(at_builder *b, uint32_t value);
void at_put(at_builder *b, const void *data, size_t len);

#define AT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define AT_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define AT_MAX(a, b)    ((a) > (b) ? (a) : (b))
/* The structure that a member pointer lies in. */
#define AT_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Copies with an end, cutting when needed; returns the length without the end. */
size_t at_copy_text(char *to, size_t room, const char *from);
/* Decimal, or hex after 0x; sign allowed; the whole text must be a number that fits. */
bool at_parse_int(const char *text, size_t len, int64_t *value);
int at_hex_digit(char c); /* its value, either case; -1: it is none */
/* len bytes from 2 * len digits; false when one of them is none. */
bool at_parse_hex(const char *text, size_t len, uint8_t *bytes);
/* "xx:xx:xx:xx:xx:xx" either case; 17 characters for format plus the end. */
bool at_parse_mac(const char *text, uint8_t mac[6]);
void at_format_mac(char text[18], const uint8_t mac[6]); /* lower case */

#endif
