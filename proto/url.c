/* URLs as a client needs them. What is accepted can be written into a request as it is: no character
 * that could end a line or a word gets through, so nobody's URL can add a header field.
 *
 * User names and passwords in URLs are refused: they end up in logs and referrers, and no command of
 * this firmware would know what to do with them.
 */
#include "proto/url.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_visible(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= 0x20 || text[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static bool starts_with(const char *text, size_t len, const char *word)
{
    size_t i = 0;
    for (; word[i] != '\0'; i++) {
        char c = i < len ? text[i] : '\0';
        c = (char)(is_letter(c) ? c | 0x20 : c);
        if (c != word[i]) {
            return false;
        }
    }
    return true;
}

/* Characters up to the first of stops, or all. */
static size_t span(const char *text, size_t len, const char *stops)
{
    size_t i = 0;
    while (i < len && strchr(stops, text[i]) == NULL) {
        i++;
    }
    return i;
}

static at_err invalid(const char **why, const char *reason)
{
    *why = reason;
    return AT_ERR_INVALID;
}

static bool is_address(const char *host, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(host[i]) && host[i] != '.') {
            return false;
        }
    }
    return true;
}

static bool is_host(const at_url *url)
{
    for (size_t i = 0; i < url->host_len; i++) {
        char c = url->host[i];
        bool name = is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
        bool v6 = is_digit(c) || (is_letter(c) && (c | 0x20) <= 'f') || c == ':' || c == '.';
        if (url->v6 ? !v6 : !name) {
            return false;
        }
    }
    return url->host_len > 0 && url->host_len <= AT_URL_HOST_MAX;
}

static at_err parse_port(const char *text, size_t len, at_url *url, const char **why)
{
    uint32_t port = 0;
    url->port = url->https ? 443 : 80;
    if (len == 0) {
        return AT_OK; /* an empty port is the scheme's (RFC 3986 section 3.2.3) */
    }
    for (size_t i = 0; i < len && port <= UINT16_MAX; i++) {
        if (!is_digit(text[i])) {
            return invalid(why, "the port is not a number");
        }
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX) {
        return invalid(why, "the port is not 1 to 65535");
    }
    url->port = (uint16_t)port;
    return AT_OK;
}

static at_err parse_authority(const char *text, size_t len, at_url *url, const char **why)
{
    size_t host_len;
    if (memchr(text, '@', len) != NULL) {
        return invalid(why, "user names and passwords in URLs are not supported");
    }
    url->v6 = len > 0 && text[0] == '[';
    if (url->v6) {
        host_len = span(text, len, "]");
        if (host_len == len || (host_len + 1 < len && text[host_len + 1] != ':')) {
            return invalid(why, "an IPv6 address is written [...]");
        }
        url->host = text + 1;
        url->host_len = host_len - 1;
        host_len++;
    } else {
        host_len = span(text, len, ":");
        url->host = text;
        url->host_len = host_len;
    }
    url->literal = url->v6 || is_address(url->host, url->host_len);
    if (!is_host(url)) {
        return invalid(why, "there is no host name or address behind //");
    }
    size_t colon = host_len < len ? host_len + 1 : len;
    return parse_port(text + colon, len - colon, url, why);
}

at_err at_url_parse(const char *text, size_t len, at_url *url, const char **why)
{
    *url = (at_url){ .https = starts_with(text, len, "https://") };
    if (!url->https && !starts_with(text, len, "http://")) {
        *why = "a URL begins with http:// or https://";
        return AT_ERR_UNSUPPORTED;
    }
    if (!is_visible(text, len)) {
        return invalid(why, "a URL has visible ASCII characters only: the others are written %XX");
    }
    size_t start = url->https ? 8 : 7;
    text += start;
    len = span(text, len - start, "#");
    size_t authority = span(text, len, "/?");
    url->target = text + authority;
    url->target_len = len - authority;
    return parse_authority(text, authority, url, why);
}

static bool same_text(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char x = (char)(is_letter(a[i]) ? a[i] | 0x20 : a[i]);
        char y = (char)(is_letter(b[i]) ? b[i] | 0x20 : b[i]);
        if (x != y) {
            return false;
        }
    }
    return true;
}

bool at_url_same_origin(const at_url *a, const at_url *b)
{
    return a->https == b->https && a->port == b->port && a->host_len == b->host_len &&
           same_text(a->host, b->host, a->host_len);
}

/* ---- references ---- */

static bool has_scheme(const char *text)
{
    size_t i = 0;
    if (!is_letter(text[0])) {
        return false;
    }
    while (is_letter(text[i]) || is_digit(text[i]) || (text[i] != '\0' && strchr("+-.", text[i]))) {
        i++;
    }
    return text[i] == ':';
}

/* Takes "." and ".." out of the path that begins at path (RFC 3986 section 5.2.4); a query stays. */
static void remove_dots(char *path)
{
    size_t end = strcspn(path, "?"), in = 0, out = 0;
    while (in < end) { /* in is at a '/' */
        size_t next = in + 1 + span(path + in + 1, end - in - 1, "/");
        size_t len = next - in - 1;
        bool one = len == 1 && path[in + 1] == '.';
        bool two = len == 2 && path[in + 1] == '.' && path[in + 2] == '.';
        if (two) {
            while (out > 0 && path[--out] != '/') {
            }
        }
        if (!one && !two) {
            memmove(path + out, path + in, next - in);
            out += next - in;
        } else if (next == end) {
            path[out++] = '/';
        }
        in = next;
    }
    memmove(path + out, path + end, strlen(path + end) + 1);
}

at_err at_url_resolve(const at_url *base, const char *reference, char *text, size_t room)
{
    const char *scheme = base->https ? "https:" : "http:";
    size_t len = strcspn(reference, "#"), path = span(base->target, base->target_len, "?"), kept;
    int origin = 0, written;
    if (!is_visible(reference, len)) {
        return AT_ERR_INVALID;
    }
    if (has_scheme(reference)) {
        written = snprintf(text, room, "%.*s", (int)len, reference);
        return written >= 0 && (size_t)written < room ? AT_OK : AT_ERR_NOMEM;
    }
    if (reference[0] == '/' && reference[1] == '/') {
        written = snprintf(text, room, "%s%.*s", scheme, (int)len, reference);
        return written >= 0 && (size_t)written < room ? AT_OK : AT_ERR_NOMEM;
    }
    origin = snprintf(text, room, base->v6 ? "%s//[%.*s]:%u" : "%s//%.*s:%u", scheme,
                      (int)base->host_len, base->host, base->port);
    kept = reference[0] == '/' ? 0 : path;
    while (reference[0] != '/' && reference[0] != '?' && len > 0 && kept > 0 &&
           base->target[kept - 1] != '/') {
        kept--; /* up to the last '/' of the base's path */
    }
    if (len == 0) {
        kept = base->target_len;
    }
    if (origin < 0 || (size_t)origin >= room) {
        return AT_ERR_NOMEM;
    }
    written = snprintf(text + origin, room - (size_t)origin, "%s%.*s%.*s",
                       kept == 0 && reference[0] != '/' ? "/" : "", (int)kept, base->target,
                       (int)len, reference);
    if (written < 0 || (size_t)written >= room - (size_t)origin) {
        return AT_ERR_NOMEM;
    }
    remove_dots(text + origin);
    return AT_OK;
}

bool at_url_escape(const char *text, char *to, size_t room, size_t *len)
{
    for (; *text != '\0'; text++) {
        char piece[4];
        bool plain = is_letter(*text) || is_digit(*text) || strchr("-._~", *text) != NULL;
        int n = snprintf(piece, sizeof piece, plain ? "%c" : "%%%02X", (unsigned char)*text);
        if (*len + (size_t)n >= room) {
            return false;
        }
        at_copy_text(to + *len, room - *len, piece);
        *len += (size_t)n;
    }
    return *len < room;
}
