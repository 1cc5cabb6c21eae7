/* HTTP/1.1 messages as a client sends and receives them (RFC 9112), without any I/O.
 *
 * The parser is given what arrives, in pieces of any size, and says one thing at a time: status, a
 * field, the end of the header, a piece of the body. It keeps one line, so neither a header nor a body of any
 * length needs memory; whoever asks decides how fast it goes on, so back-pressure passes through it. */
#ifndef PROTO_HTTP_H
#define PROTO_HTTP_H

#include "proto/url.h"

#define AT_HTTP_LINE_MIN 128u   /* bytes of the line's memory, at least */
#define AT_HTTP_HEAD_MAX 65536u /* bytes of all header sections and trailers of a response */

typedef enum at_http_method {
    AT_HTTP_GET,
    AT_HTTP_HEAD,
    AT_HTTP_POST,
    AT_HTTP_PUT,
    AT_HTTP_DELETE,
    AT_HTTP_METHODS
} at_http_method;

typedef struct at_http_request {
    at_http_method method;
    const at_url *url;
    const char *agent;  /* User-Agent; NULL: none */
    const char *fields; /* more of them, each with CRLF at its end; NULL: none */
    bool has_body;      /* Content-Length is sent, the body is the caller's */
    uint32_t body_len;
    bool keep; /* without it "Connection: close" is sent */
} at_http_request;

/* Writes the head of a request; returns its length, 0: it does not fit in room. */
size_t at_http_request_head(const at_http_request *request, char *text, size_t room);

typedef enum at_http_step {
    AT_HTTP_STEP_MORE,   /* everything was taken; give more, or at_http_parse_end */
    AT_HTTP_STEP_STATUS, /* status is set (interim 1xx responses are passed over, 101 is final) */
    AT_HTTP_STEP_FIELD,  /* name and value are set */
    AT_HTTP_STEP_HEAD,   /* the header is complete: body and length are set */
    AT_HTTP_STEP_BODY,   /* piece is a part of the body */
    AT_HTTP_STEP_END,    /* the message is complete; bytes behind it are not taken */
    AT_HTTP_STEP_ERROR,  /* not HTTP/1.x, or beyond a limit: why says so; nothing follows */
} at_http_step;

typedef enum at_http_body {
    AT_HTTP_BODY_NONE,
    AT_HTTP_BODY_COUNTED, /* length bytes */
    AT_HTTP_BODY_CHUNKED,
    AT_HTTP_BODY_TO_END, /* until the connection ends: a cut cannot be told from the end */
} at_http_body;

typedef struct at_http_parser {
    /* Read only, as the steps say. */
    uint16_t status;
    char *name;  /* of the field, as it came: at_http_same */
    char *value; /* without blanks around it; bytes are as they came, but no control characters */
    bool cut;    /* the value was longer than the line's memory, and is its beginning */
    at_http_body body;
    uint64_t length; /* COUNTED: of the body; else 0 */
    bool keep;       /* the connection may serve another request */
    const uint8_t *piece;
    size_t piece_len;
    const char *why; /* a constant */

    /* Its own. */
    uint8_t state;
    bool head_request, has_length, has_encoding, minor_0;
    char *line;
    size_t room, len;
    uint32_t head_bytes;
    uint64_t left;
} at_http_parser;

/* Names of fields, and most of their words, are the same in any case. word: in small letters. */
bool at_http_same(const char *text, const char *word);

/* line is memory of room bytes for one line, used until the end. method: what was asked. */
void at_http_parse_start(at_http_parser *p, at_http_method method, char *line, size_t room);
/* Takes bytes from *data, moves both on. */
at_http_step at_http_parse(at_http_parser *p, const uint8_t **data, size_t *len);
/* The connection ended in order: END when the body lasts that long or was complete, else ERROR. */
at_http_step at_http_parse_end(at_http_parser *p);

#endif
