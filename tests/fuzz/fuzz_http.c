/* Responses from any bytes: whole and in pieces they mean the same, no piece lies outside of what was
 * given, and a URL that is accepted can stand in a request. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "crypto/hash.h"
#include "proto/http.h"

/* A digest of everything that was told, body pieces joined. */
static void digest(const uint8_t *data, size_t size, size_t piece, uint8_t out[AT_SHA256_LEN])
{
    char line[AT_HTTP_LINE_MIN];
    at_http_parser p;
    at_hash hash;
    size_t at = 0;
    at_http_step step = AT_HTTP_STEP_MORE;

    at_hash_start(&hash, AT_HASH_SHA256);
    at_http_parse_start(&p, AT_HTTP_GET, line, sizeof line);
    while (step != AT_HTTP_STEP_END && step != AT_HTTP_STEP_ERROR) {
        size_t left = AT_MIN(piece, size - at), given = left;
        const uint8_t *next = data + at;

        step = at_http_parse(&p, &next, &left);
        if (next != data + at + (given - left))
            abort();
        at += given - left;
        if (step == AT_HTTP_STEP_FIELD) {
            at_hash_add(&hash, p.name, strlen(p.name) + 1);
            at_hash_add(&hash, p.value, strlen(p.value) + 1);
        } else if (step == AT_HTTP_STEP_BODY) {
            if (p.piece_len > 0 && (p.piece < data || p.piece + p.piece_len > data + at))
                abort();
            at_hash_add(&hash, p.piece, p.piece_len);
        } else if (step == AT_HTTP_STEP_MORE && at == size) {
            step = at_http_parse_end(&p);
        }
    }
    at_hash_add(&hash, &step, sizeof step);
    at_hash_finish(&hash, out);
}

static void try_url(const char *text, size_t size)
{
    char head[1024], joined[512];
    const char *why = NULL;
    at_url url, again;
    at_http_request request = { .method = AT_HTTP_GET, .url = &url };

    if (at_url_parse(text, size, &url, &why) != AT_OK) {
        if (why == NULL)
            abort();
        return;
    }
    size_t len = at_http_request_head(&request, head, sizeof head);
    /* Request line, host, connection, end: no more lines than that. */
    size_t lines = 0;
    for (size_t i = 0; i < len; i++)
        lines += head[i] == '\n';
    if (len > 0 && lines != 4)
        abort();
    if (at_url_resolve(&url, "../x", joined, sizeof joined) == AT_OK &&
        (at_url_parse(joined, strlen(joined), &again, &why) != AT_OK ||
         !at_url_same_origin(&url, &again)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t whole[AT_SHA256_LEN], pieces[AT_SHA256_LEN];

    digest(data, size, size, whole);
    digest(data, size, 1 + (size > 0 ? data[0] % 16u : 0), pieces);
    if (memcmp(whole, pieces, sizeof whole) != 0)
        abort();
    try_url((const char *)data, size);
    return 0;
}
