/* The parser is a machine over lines until the header is complete, and over counts from then on. A line is
 * collected in the caller's memory; what does not fit is dropped and the line is marked as cut, which
 * only matters for the fields that say where the body ends.
 *
 * Where RFC 9112 lets a client be lenient, it is strict about what decides on framing (two different
 * lengths, a length beside an encoding, encodings other than chunked, folded lines, blanks before a
 * colon are errors) and lenient elsewhere (a bare LF ends a line, the reason may be missing).
 */
#include "proto/http.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

enum state {
    STATUS_LINE,
    FIELDS,
    COUNTED,
    TO_END,
    CHUNK_SIZE,
    CHUNK,
    CHUNK_END,
    TRAILER,
    DONE,
    BROKEN,
};

/* ---- requests ---- */

static const char *const methods[AT_HTTP_METHODS] = { "GET", "HEAD", "POST", "PUT", "DELETE" };

static bool default_port(const at_url *url)
{
    return url->port == (url->https ? 443 : 80);
}

size_t at_http_request_head(const at_http_request *request, char *text, size_t room)
{
    const at_url *url = request->url;
    char port[8] = "", length[48] = "";
    bool slash = url->target_len == 0 || url->target[0] != '/';
    if (!default_port(url)) {
        (void)snprintf(port, sizeof port, ":%u", url->port);
    }
    if (request->has_body) {
        (void)snprintf(length, sizeof length, "Content-Length: %lu\r\n",
                       (unsigned long)request->body_len);
    }
    int len = snprintf(
        text, room, "%s %s%.*s HTTP/1.1\r\nHost: %s%.*s%s%s\r\n%s%s%s%s%s%s\r\n",
        methods[request->method], slash ? "/" : "", (int)url->target_len, url->target,
        url->v6 ? "[" : "", (int)url->host_len, url->host, url->v6 ? "]" : "", port,
        request->agent != NULL ? "User-Agent: " : "", request->agent != NULL ? request->agent : "",
        request->agent != NULL ? "\r\n" : "", request->keep ? "" : "Connection: close\r\n", length,
        request->fields != NULL ? request->fields : "");
    return len > 0 && (size_t)len < room ? (size_t)len : 0;
}

/* ---- lines ---- */

void at_http_parse_start(at_http_parser *p, at_http_method method, char *line, size_t room)
{
    *p = (at_http_parser){ .line = line,
                           .room = room,
                           .state = STATUS_LINE,
                           .head_request = method == AT_HTTP_HEAD,
                           .keep = true };
    p->name = p->value = line;
    line[0] = '\0';
}

static at_http_step broken(at_http_parser *p, const char *why)
{
    p->state = BROKEN;
    p->why = why;
    return AT_HTTP_STEP_ERROR;
}

/* Adds to the line up to its LF. True: the line is complete, without its end, in p->line. */
static bool take_line(at_http_parser *p, const uint8_t **data, size_t *len)
{
    const uint8_t *end = *len > 0 ? memchr(*data, '\n', *len) : NULL;
    size_t taken = end != NULL ? (size_t)(end - *data) + 1 : *len;
    size_t part = end != NULL ? taken - 1 : taken;
    size_t fits = AT_MIN(part, p->room - 1 - p->len);
    memcpy(p->line + p->len, *data, fits);
    p->len += fits;
    p->cut = p->cut || fits < part;
    p->head_bytes += (uint32_t)AT_MIN(taken, (size_t)AT_HTTP_HEAD_MAX);
    *data += taken;
    *len -= taken;
    if (end == NULL) {
        return false;
    }
    if (p->len > 0 && !p->cut && p->line[p->len - 1] == '\r') {
        p->len--;
    }
    p->line[p->len] = '\0';
    return true;
}

static void next_line(at_http_parser *p)
{
    p->len = 0;
    p->cut = false;
}

static bool has_controls(const at_http_parser *p)
{
    for (size_t i = 0; i < p->len; i++) {
        uint8_t c = (uint8_t)p->line[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool at_http_same(const char *text, const char *word)
{
    size_t i = 0;
    while (text[i] != '\0' && lower(text[i]) == word[i]) {
        i++;
    }
    return text[i] == '\0' && word[i] == '\0';
}

/* The status of "HTTP/1.x NNN[ reason]", 0: it is not one. */
static unsigned status_of(const char *line, bool *minor_0)
{
    unsigned status = 0;
    if (strncmp(line, "HTTP/1.", 7) != 0 || line[7] < '0' || line[7] > '9' || line[8] != ' ') {
        return 0;
    }
    *minor_0 = line[7] == '0';
    for (unsigned i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9') {
            return 0;
        }
        status = status * 10 + (unsigned)(line[i] - '0');
    }
    return status >= 100 && (line[12] == '\0' || line[12] == ' ') ? status : 0;
}

/* Another status follows (RFC 9110 section 15.2). */
static bool is_interim(const at_http_parser *p)
{
    return p->status < 200 && p->status != 101;
}

static at_http_step status_line(at_http_parser *p)
{
    p->status = (uint16_t)(has_controls(p) ? 0 : status_of(p->line, &p->minor_0));
    next_line(p);
    if (p->status == 0) {
        return broken(p, "the answer is not HTTP/1.x");
    }
    p->keep = !p->minor_0;
    p->state = FIELDS;
    return is_interim(p) ? AT_HTTP_STEP_MORE : AT_HTTP_STEP_STATUS;
}

/* ---- fields ---- */

static bool is_token(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        bool alnum = (*c >= '0' && *c <= '9') || (lower(*c) >= 'a' && lower(*c) <= 'z');
        if (!alnum && strchr("!#$%&'*+-.^_`|~", *c) == NULL) {
            return false;
        }
    }
    return name[0] != '\0';
}

/* Cuts the line into name and value. */
static bool split_field(at_http_parser *p)
{
    char *colon = memchr(p->line, ':', p->len), *end = p->line + p->len;
    if (colon == NULL || has_controls(p)) {
        return false;
    }
    *colon = '\0';
    p->name = p->line;
    p->value = colon + 1;
    while (*p->value == ' ' || *p->value == '\t') {
        p->value++;
    }
    while (end > p->value && (end[-1] == ' ' || end[-1] == '\t')) {
        *--end = '\0';
    }
    return is_token(p->name);
}

static bool parse_length(const char *text, uint64_t *value)
{
    uint64_t sum = 0;
    if (text[0] == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || sum > (UINT64_MAX >> 1) / 10 - 1) {
            return false;
        }
        sum = sum * 10 + (uint64_t)(*text - '0');
    }
    *value = sum;
    return true;
}

/* NULL, or why the field makes the message unreadable. */
static const char *note_field(at_http_parser *p)
{
    uint64_t length;
    if (at_http_same(p->name, "content-length")) {
        if (p->cut || !parse_length(p->value, &length)) {
            return "Content-Length is not a number";
        }
        if (p->has_length && length != p->length) {
            return "there are two different Content-Lengths";
        }
        p->has_length = true;
        p->length = length;
    } else if (at_http_same(p->name, "transfer-encoding")) {
        if (p->cut || p->has_encoding || !at_http_same(p->value, "chunked")) {
            return "the only Transfer-Encoding understood is chunked";
        }
        p->has_encoding = true;
    } else if (at_http_same(p->name, "connection")) {
        p->keep = p->keep && !at_http_same(p->value, "close");
    }
    return NULL;
}

/* The header is complete: what follows it. */
static at_http_step head_done(at_http_parser *p)
{
    bool bodiless = p->head_request || p->status < 200 || p->status == 204 || p->status == 304;
    if (is_interim(p)) {
        p->state = STATUS_LINE;
        p->has_length = p->has_encoding = false;
        p->length = 0;
        return AT_HTTP_STEP_MORE;
    }
    if (p->has_encoding && (p->has_length || p->minor_0)) {
        return broken(p, "Transfer-Encoding beside a Content-Length, or in HTTP/1.0");
    }
    if (bodiless || (p->has_length && p->length == 0)) {
        p->state = DONE;
        p->body = AT_HTTP_BODY_NONE;
    } else if (p->has_encoding) {
        p->state = CHUNK_SIZE;
        p->body = AT_HTTP_BODY_CHUNKED;
    } else if (p->has_length) {
        p->state = COUNTED;
        p->body = AT_HTTP_BODY_COUNTED;
        p->left = p->length;
    } else {
        p->state = TO_END;
        p->body = AT_HTTP_BODY_TO_END;
        p->keep = false;
    }
    return AT_HTTP_STEP_HEAD;
}

/* A complete line of the header, or of a trailer, which is not told. */
static at_http_step field_line(at_http_parser *p)
{
    bool trailer = p->state == TRAILER;
    if (p->len == 0 && !p->cut) {
        if (trailer) {
            p->state = DONE;
            return AT_HTTP_STEP_END;
        }
        return head_done(p);
    }
    if (!split_field(p)) {
        return broken(p, "a line of the header is not \"name: value\"");
    }
    const char *wrong = trailer ? NULL : note_field(p);
    p->len = 0; /* the text stays until the next line */
    if (wrong != NULL) {
        return broken(p, wrong);
    }
    return trailer || is_interim(p) ? AT_HTTP_STEP_MORE : AT_HTTP_STEP_FIELD;
}

/* ---- chunks ---- */

static bool chunk_size(at_http_parser *p)
{
    uint64_t size = 0;
    unsigned digits = 0;
    const char *c = p->line;
    for (int digit; (digit = at_hex_digit(*c)) >= 0; c++, digits++) {
        if (digits == 15) {
            return false;
        }
        size = size * 16 + (uint64_t)digit;
    }
    while (*c == ' ' || *c == '\t') {
        c++;
    }
    p->left = size;
    return digits > 0 && (*c == '\0' || *c == ';') && !has_controls(p);
}

static at_http_step chunk_line(at_http_parser *p)
{
    if (p->state == CHUNK_END) {
        if (p->len != 0 || p->cut) {
            return broken(p, "a chunk is longer than it says");
        }
        p->state = CHUNK_SIZE;
    } else if (!chunk_size(p)) {
        return broken(p, "the size of a chunk is not a number");
    } else {
        p->state = p->left > 0 ? CHUNK : TRAILER;
    }
    p->head_bytes = 0; /* counts what is neither body nor between two pieces of it */
    next_line(p);
    return AT_HTTP_STEP_MORE;
}

/* ---- the machine ---- */

static at_http_step take_body(at_http_parser *p, const uint8_t **data, size_t *len)
{
    p->piece = *data;
    p->piece_len = p->state == TO_END || *len < p->left ? *len : (size_t)p->left;
    *data += p->piece_len;
    *len -= p->piece_len;
    if (p->state != TO_END) {
        p->left -= p->piece_len;
        if (p->left == 0) {
            p->state = p->state == CHUNK ? CHUNK_END : DONE;
        }
    }
    return AT_HTTP_STEP_BODY;
}

static at_http_step take_head(at_http_parser *p, const uint8_t **data, size_t *len)
{
    at_http_step step = AT_HTTP_STEP_MORE;
    if (p->len == 0) {
        p->cut = false;
    }
    bool complete = take_line(p, data, len);
    if (p->head_bytes > AT_HTTP_HEAD_MAX) {
        return broken(p, "the header is longer than 64 KB");
    }
    if (!complete) {
        return step;
    }
    switch (p->state) {
    case STATUS_LINE: return status_line(p);
    case FIELDS:
    case TRAILER: step = field_line(p); break;
    default: return chunk_line(p);
    }
    if (step == AT_HTTP_STEP_MORE || step == AT_HTTP_STEP_HEAD) {
        next_line(p);
    }
    return step;
}

at_http_step at_http_parse(at_http_parser *p, const uint8_t **data, size_t *len)
{
    at_http_step step = AT_HTTP_STEP_MORE;
    while (step == AT_HTTP_STEP_MORE) {
        if (p->state == DONE) {
            return AT_HTTP_STEP_END;
        }
        if (p->state == BROKEN) {
            return AT_HTTP_STEP_ERROR;
        }
        if (*len == 0) {
            return AT_HTTP_STEP_MORE;
        }
        bool body = p->state == COUNTED || p->state == TO_END || p->state == CHUNK;
        step = body ? take_body(p, data, len) : take_head(p, data, len);
    }
    return step;
}

at_http_step at_http_parse_end(at_http_parser *p)
{
    switch (p->state) {
    case DONE:
    case TO_END: p->state = DONE; return AT_HTTP_STEP_END;
    case BROKEN: return AT_HTTP_STEP_ERROR;
    case STATUS_LINE:
    case FIELDS: return broken(p, "the connection ended inside the header");
    default: return broken(p, "the connection ended inside the body");
    }
}
