/* An HTTP/1.1 client over TCP or TLS: one request, one response, body bytes as they are read.
 *
 * Nothing is collected: the body stays in the connection until at_http_read takes it, which is what
 * opens the peer's window. Redirects are the owner's business (a 3xx is a response like any other). */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "net/net.h"
#include "net/tls.h"
#include "proto/http.h"

#define AT_HTTP_FIELD_MAX 2048u /* bytes of one header field that are kept; the rest is cut */

/* Events are a set of bits. */
#define AT_HTTP_RESOLVED 1u  /* the host has an address */
#define AT_HTTP_OPENED   2u  /* connected, with TLS when the URL says https; the request leaves */
#define AT_HTTP_WRITABLE 4u  /* room for more of the request's body */
#define AT_HTTP_ANSWERED 8u  /* the header is complete: at_http_response */
#define AT_HTTP_READABLE 16u /* at_http_read has something to say: bytes, the end, or an error */
#define AT_HTTP_FAILED   32u /* before ANSWERED: at_http_error; nothing follows */

typedef struct at_http at_http;

typedef struct at_http_params {
    at_net *net;
    at_loop *loop;
    at_heap *heap;
    const at_log *log;
    at_http_request request;  /* used during at_http_open only, as tls and the text of the URL */
    const at_tls_params *tls; /* https: needed; name and sni are taken from the URL */
    uint32_t patience_ms;     /* silence of the peer after which it fails; 0: for ever */
    /* From a task of the loop, never before at_http_open returns; may close the client. */
    void (*on_event)(void *owner, unsigned events);
    /* Each field of the response, name as it came (at_http_same); cut: the value is only its beginning.
     * Must not close the client. NULL: not asked for. */
    void (*on_field)(void *owner, const char *name, const char *value, bool cut);
    void *owner;
} at_http_params;

/* AT_ERR_INVALID: https without tls, or the host's name is longer than AT_TLS_NAME_MAX; AT_ERR_NOMEM; and
 * the errors of at_tls_config_create, with *why (which may be NULL). */
at_err at_http_open(const at_http_params *params, at_http **http, at_tls_reason *why);
/* Ends and frees, no event follows. NULL is allowed. */
void at_http_close(at_http *http);

typedef struct at_http_response {
    uint16_t status;
    at_http_body body;
    uint64_t length; /* COUNTED: bytes of the body */
} at_http_response;

/* From ANSWERED on. */
const at_http_response *at_http_response_of(const at_http *http);
/* Up to room bytes of the body. AT_OK: *len of them, at least one; AT_ERR_AGAIN: READABLE follows;
 * AT_ERR_CLOSED: the message is complete. AT_ERR_CORRUPT, AT_ERR_TIMEOUT, AT_ERR_RESET ...: it never
 * will be; at_http_why says more. */
at_err at_http_read(at_http *http, void *buf, size_t room, size_t *len);
/* Takes bytes of the request's body, from OPENED on; returns how many, fewer: WRITABLE follows. */
size_t at_http_write(at_http *http, const void *data, size_t len);

at_err at_http_error(const at_http *http);             /* AT_OK unless it failed */
const char *at_http_why(const at_http *http);          /* a phrase for the log, never NULL */
at_tls_reason at_http_tls_reason(const at_http *http); /* AT_TLS_FINE: it was not TLS */

#endif
