/* TLS 1.2 and 1.3 (RFC 5246, RFC 8446) as a layer on another stream, client and server.
 *
 * A configuration holds parsed credentials and what to demand of the peer; streams made from it share
 * it. Verification is on or off in one place, at_tls_params.verify: on, a peer without a certificate
 * that verifies never gets as far as OPENED. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "core/heap.h"
#include "core/log.h"
#include "core/loop.h"
#include "net/stream.h"

#define AT_TLS_NAME_MAX     64u    /* bytes of a server's name (guide 3.3.27, 3.3.28) */
#define AT_TLS_ALPN_MAX     5u     /* protocols (guide 3.3.29) */
#define AT_TLS_PSK_MAX      32u    /* bytes of a key and of its identity (guide 3.3.30) */
#define AT_TLS_PATIENCE_MS  10000u /* silence of the peer during the handshake (guide 3.3.6) */
#define AT_TLS_HANDSHAKE_MS 60000u /* the whole of it, however the peer drips */
#define AT_TLS_SESSIONS     5u     /* kept for resumption */
#define AT_TLS_SESSION_MAX  4096u  /* bytes of one; longer ones are not kept */
#define AT_TLS_SESSION_AGE  3600u  /* seconds after which one is not offered, or taken, any more */

/* Why a connection did not come about: the extension of ERR CODE 0x010A00xx (docs/TLS.md). */
typedef enum at_tls_reason {
    AT_TLS_FINE = 0x00, /* nothing of TLS failed */
    AT_TLS_NO_CERT = 0x01,
    AT_TLS_NO_KEY = 0x02,
    AT_TLS_NO_CA = 0x03,
    AT_TLS_BAD_CERT = 0x04, /* ours cannot be read */
    AT_TLS_BAD_KEY = 0x05,  /* ours cannot be read, or is not the certificate's */
    AT_TLS_BAD_CA = 0x06,
    AT_TLS_EXPIRED = 0x10, /* from here on the peer's certificate */
    AT_TLS_NOT_YET_VALID = 0x11,
    AT_TLS_CLOCK_NOT_SET = 0x12, /* not yet valid, since the module thinks it is 1970 */
    AT_TLS_UNKNOWN_CA = 0x13,
    AT_TLS_SELF_SIGNED = 0x14,
    AT_TLS_WRONG_NAME = 0x15,
    AT_TLS_WEAK_KEY = 0x16,
    AT_TLS_WEAK_HASH = 0x17,
    AT_TLS_WRONG_USE = 0x18, /* not made for a server, or a client */
    AT_TLS_CERT_DEFECT = 0x19,
    AT_TLS_CERT_MISSING = 0x1A,
    AT_TLS_VERSION = 0x20, /* from here on the handshake */
    AT_TLS_NO_CIPHER = 0x21,
    AT_TLS_NO_ALPN = 0x22,
    AT_TLS_CERT_REFUSED = 0x23, /* ours, by the peer */
    AT_TLS_PSK_REFUSED = 0x24,
    AT_TLS_ALERT = 0x25,    /* any other fatal alert */
    AT_TLS_PROTOCOL = 0x26, /* what the peer says makes no sense, or was tampered with */
    AT_TLS_CLOSED = 0x27,
    AT_TLS_BROKEN = 0x28, /* the connection below failed */
    AT_TLS_TIMEOUT = 0x29,
    AT_TLS_NOMEM = 0x2A,
    AT_TLS_INTERNAL = 0x2F,
} at_tls_reason;

const char *at_tls_reason_text(at_tls_reason reason); /* a phrase for the log, never NULL */
at_err at_tls_reason_error(at_tls_reason reason);     /* the error that goes with it */

/* PEM or DER. data[len] has to be 0. len 0: none. */
typedef struct at_tls_bytes {
    const void *data;
    size_t len;
} at_tls_bytes;

/* Everything is copied or parsed; nothing is kept. */
typedef struct at_tls_params {
    bool server;
    bool verify; /* demand a certificate of the peer that ca vouches for, valid now */
    at_tls_bytes cert, key;
    at_tls_bytes ca; /* needed with verify */
    const char
        *name; /* client with verify: what the certificate is for; "": the name is not checked */
    const char *sni;     /* client: Server Name Indication; "": none */
    unsigned alpn_count; /* 0: no ALPN; else the peer has to choose one of them */
    const char *alpn[AT_TLS_ALPN_MAX];
    const uint8_t *psk; /* client without verify: only suites with this key are offered */
    size_t psk_len;     /* 0: none */
    const char *psk_identity;
} at_tls_params;

typedef struct at_tls_config at_tls_config;

/* The caller gets one reference. On failure *why says more: AT_ERR_CORRUPT (a credential cannot be
 * read), AT_ERR_INVALID (verify without ca, a certificate without key), AT_ERR_NOMEM, AT_ERR_IO (no
 * randomness). */
at_err at_tls_config_create(at_loop *loop, at_heap *heap, const at_log *log,
                            const at_tls_params *params, at_tls_config **config,
                            at_tls_reason *why);
void at_tls_config_release(at_tls_config *config); /* NULL is allowed */

/* Sessions of a client for resumption (RFC 5077, RFC 8446 section 2.2), by host, port and
 * configuration: a session is only ever offered with the demands under which it was made. */
typedef struct at_tls_memory at_tls_memory;

at_tls_memory *at_tls_memory_create(at_heap *heap, at_loop *loop); /* NULL: out of memory */
void at_tls_memory_forget(at_tls_memory *memory);                  /* all of them, wiped */
void at_tls_memory_destroy(at_tls_memory *memory);                 /* NULL is allowed */

typedef struct at_tls_open {
    at_tls_config *config; /* takes a reference of its own */
    at_stream *below;      /* connecting or open; owned from success on */
    bool below_open;       /* OPENED of the stream below has been told already */
    at_tls_memory *memory; /* clients; NULL: no resumption */
    const char *host;      /* the key of the memory */
    uint16_t port;
    void (*on_event)(void *owner, at_stream *stream, unsigned events);
    void *owner;
} at_tls_open;

/* OPENED follows when the handshake is done, or FAILED: error() and at_tls_why() say why. AT_ERR_NOMEM:
 * the stream below is untouched. Reading needs a whole record, so buffered() counts what is decrypted. */
at_err at_tls_stream_open(const at_tls_open *open, at_stream **stream);
/* Of a stream made here that FAILED. */
at_tls_reason at_tls_why(const at_stream *stream);
/* Version, suite, ALPN of an open stream, for the log. */
void at_tls_describe(const at_stream *stream, char *text, size_t room);

#endif
