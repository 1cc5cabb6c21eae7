/* Formatting front of the log seam.
 *
 * A line that the sink's level leaves out costs a comparison, no formatting. What is left is
 * formatted on the stack (no allocation: the log must work when memory ran out), then copied with
 * every byte outside printable ASCII shown as \xNN, so that a network name or a peer's answer
 * cannot forge a line or drive a terminal. A cut never splits an escape.
 */
#include "core/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LINE_MAX_BYTES 240u

static void escape(char *to, const char *from)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;

    for (; *from != '\0'; from++) {
        uint8_t byte = (uint8_t)*from;
        bool plain = byte >= 0x20 && byte < 0x7F;

        if (len + (plain ? 1 : 4) > LINE_MAX_BYTES)
            break;
        if (plain) {
            to[len++] = *from;
            continue;
        }
        to[len++] = '\\';
        to[len++] = 'x';
        to[len++] = digits[byte >> 4];
        to[len++] = digits[byte & 15];
    }
    to[len] = '\0';
}

void at_vlog(const at_log *log, at_log_level level, const char *area, const char *format,
             va_list args)
{
    char raw[LINE_MAX_BYTES + 1], text[LINE_MAX_BYTES + 1];

    if (log == NULL || log->sink == NULL || level > log->sink->level)
        return;
    if (vsnprintf(raw, sizeof raw, format, args) < 0)
        raw[0] = '\0';
    escape(text, raw);
    log->sink->line(log->sink->ctx, level, area, text);
}

void at_log_line(const at_log *log, at_log_level level, const char *area, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    at_vlog(log, level, area, format, args);
    va_end(args);
}
