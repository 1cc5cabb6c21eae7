/* The text side of a command: its parameters, and the reason of a failure.
 *
 * Parsers take what they need off the front of the parameters and say whether it made sense. A
 * reason is one line; bytes in it are escaped as in the commands, so it can be copied into a page.
 */
#include "tests/peer/peer_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

peer_step peer_fail(peer_endpoint *e, const char *reason)
{
    at_copy_text(e->reason, sizeof e->reason, reason);
    return PEER_FAIL;
}

peer_step peer_fail_err(peer_endpoint *e, at_err err)
{
    switch (err) {
    case AT_ERR_REFUSED: return peer_fail(e, "refused");
    case AT_ERR_TIMEOUT: return peer_fail(e, "timeout");
    case AT_ERR_UNREACHABLE: return peer_fail(e, "unreachable");
    case AT_ERR_RESET: return peer_fail(e, "reset");
    case AT_ERR_EXISTS: return peer_fail(e, "in use");
    default: return peer_fail(e, at_err_text(err));
    }
}

/* Appends bytes to the reason, escaped, as many as fit. */
void peer_append(peer_endpoint *e, const char *label, const uint8_t *bytes, size_t len)
{
    size_t at = strlen(e->reason);

    at += (size_t)snprintf(e->reason + at, sizeof e->reason - at, "%s", label);
    for (size_t i = 0; i < len && at + 8 < sizeof e->reason; i++) {
        bool plain = bytes[i] >= 0x20 && bytes[i] < 0x7F && bytes[i] != '\\';

        at += (size_t)snprintf(e->reason + at, sizeof e->reason - at, plain ? "%c" : "\\x%02x",
                               bytes[i]);
    }
}

void peer_describe(peer_endpoint *e)
{
    if (e->in_len > 0)
        peer_append(e, "; unread: ", e->in, AT_MIN(e->in_len, 60u));
    if (e->ended)
        peer_append(e, "; the other end closed", NULL, 0);
    if (e->error != AT_OK) {
        const char *text = at_err_text(e->error);

        peer_append(e, "; ", (const uint8_t *)text, strlen(text));
    }
}

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *at;

    if (c >= 'A' && c <= 'F')
        c = (char)(c - 'A' + 'a');
    at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* One escaped byte behind a backslash; advances *text, -1: no such escape. */
static int unescape_one(const char **text)
{
    char c = *(*text)++;
    int high, low;

    switch (c) {
    case 'r': return '\r';
    case 'n': return '\n';
    case 't': return '\t';
    case '\\': return '\\';
    case 'x':
        high = hex((*text)[0]);
        low = high >= 0 ? hex((*text)[1]) : -1;
        if (low < 0)
            return -1;
        *text += 2;
        return high * 16 + low;
    default: return -1;
    }
}

bool peer_take_bytes(peer_endpoint *e, const char *text)
{
    e->bytes = at_alloc(&e->peer->heap, strlen(text) + 1);
    if (e->bytes == NULL)
        return false;
    while (*text != '\0') {
        int byte = (uint8_t)*text++;

        if (byte == '\\' && (byte = unescape_one(&text)) < 0)
            return false;
        e->bytes[e->len++] = (uint8_t)byte;
    }
    return true;
}

/* Cuts the first word off *args. */
char *peer_word(char **args)
{
    char *start = *args, *end = start + strcspn(start, " ");

    *args = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return start;
}

bool peer_take_number(char **args, int64_t least, int64_t most, int64_t *value)
{
    char *text = peer_word(args);

    return at_parse_int(text, strlen(text), value) && *value >= least && *value <= most;
}

bool peer_take_port(peer_endpoint *e, char **args)
{
    int64_t value;

    if (!peer_take_number(args, 0, 65535, &value))
        return false;
    e->port = (uint16_t)value;
    return true;
}

bool peer_take_host(peer_endpoint *e, char **args)
{
    at_copy_text(e->host, sizeof e->host, peer_word(args));
    return true;
}

/* "N SEED": stands for N pseudo-random bytes. */
bool peer_take_random(peer_endpoint *e, char **args)
{
    int64_t count, seed;

    if (!peer_take_number(args, 0, INT32_MAX, &count) ||
        !peer_take_number(args, 0, UINT32_MAX, &seed))
        return false;
    e->random = true;
    e->len = (size_t)count;
    e->seed = (uint32_t)seed | 1u;
    return true;
}

/* The next part of what the command sends or expects. */
size_t peer_next_part(peer_endpoint *e, uint8_t *buf, size_t room)
{
    size_t len = AT_MIN(room, e->len - e->done);

    if (!e->random) {
        memcpy(buf, e->bytes + e->done, len);
        return len;
    }
    for (size_t i = 0; i < len; i++)
        buf[i] = peer_random_byte(&e->seed);
    return len;
}
