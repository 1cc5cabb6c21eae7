/* URLs of http and https (RFC 3986, RFC 9110 section 4.2), as slices of the text they were read from. */
#ifndef PROTO_URL_H
#define PROTO_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define AT_URL_HOST_MAX 253u /* bytes of a host name (RFC 1035) */

/* Pointers go into the text that was parsed, which has to outlive this. */
typedef struct at_url {
    bool https;
    bool literal; /* the host is an address: no name to send as SNI */
    bool v6;      /* host is an IPv6 address, here without its brackets */
    uint16_t port;
    const char *host;
    size_t host_len; /* 1 to AT_URL_HOST_MAX */
    const char *target;
    size_t target_len; /* path and query; may be empty or begin with '?': "/" is meant before it */
} at_url;

/* An absolute URL. A fragment is left out. AT_ERR_UNSUPPORTED: another scheme; AT_ERR_INVALID: not a URL
 * that may be sent (blanks, control or non-ASCII characters, a user name or password, no host, no such
 * port). *why, a constant, then says what would be right. */
at_err at_url_parse(const char *text, size_t len, at_url *url, const char **why);
/* Same scheme, host and port: what was meant for one may be told the other. */
bool at_url_same_origin(const at_url *a, const at_url *b);
/* The absolute URL that reference means at base (RFC 3986 section 5.2), with its end; AT_ERR_NOMEM: it
 * does not fit in room; AT_ERR_INVALID: a character that no URL has. */
at_err at_url_resolve(const at_url *base, const char *reference, char *text, size_t room);
/* Appends text with every character percent-encoded that is not unreserved (RFC 3986 section 2.3), and an
 * end. *len is the length so far, and after; false: it does not fit in room. */
bool at_url_escape(const char *text, char *to, size_t room, size_t *len);

#endif
