/* The files of the TLS layer: tls_config.c (credentials), tls_stream.c (the stream), tls_verify.c (the
 * peer's certificate), tls_reason.c (why it failed), tls_memory.c (sessions). */
#ifndef NET_TLS_PRIV_H
#define NET_TLS_PRIV_H

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>

#include "crypto/hash.h"
#include "net/tls.h"

struct at_tls_config {
    unsigned users;
    at_loop *loop;
    at_heap *heap;
    const at_log *log;
    bool server, verify, psk;
    mbedtls_ssl_config ssl;
    mbedtls_ssl_ticket_context tickets; /* server: the keys of its tickets */
    mbedtls_x509_crt cert, ca;
    mbedtls_pk_context key;
    char name[AT_TLS_NAME_MAX + 1], sni[AT_TLS_NAME_MAX + 1];
    char *alpn_text;                       /* the strings, one after the other */
    const char *alpn[AT_TLS_ALPN_MAX + 1]; /* into it; NULL at the end */
    uint8_t fingerprint[AT_SHA256_LEN];    /* of everything that was asked for */
};

/* What verification found out about the peer. */
typedef struct tls_verdict {
    uint32_t flags; /* MBEDTLS_X509_BADCERT_ of all certificates of the chain */
    bool self_signed;
} tls_verdict;

/* What is known when a handshake fails. */
typedef struct tls_failure {
    int code;      /* of the library */
    uint8_t alert; /* the peer's last alert in clear, 0xFF: none */
    tls_verdict verdict;
    bool offered_cert; /* we showed a certificate */
    bool offered_psk;
} tls_failure;

/* --- tls_config.c --- */
void tls_config_retain(at_tls_config *config);

/* --- tls_verify.c --- */
/* As mbedtls_ssl_set_verify wants it: judges the name and collects. */
typedef struct tls_judge {
    const at_tls_config *config;
    tls_verdict verdict;
} tls_judge;
int tls_judge_certificate(void *judge, mbedtls_x509_crt *crt, int depth, uint32_t *flags);
at_tls_reason tls_verdict_reason(const tls_verdict *verdict);
void tls_verdict_log(const at_log *log, const tls_verdict *verdict);
bool tls_clock_is_set(void);

/* --- tls_reason.c --- */
at_tls_reason tls_reason_of(const tls_failure *failure);
const char *tls_alert_text(uint8_t alert);

/* --- tls_memory.c --- */
/* Gives ssl a session to offer, if there is one. */
void tls_memory_offer(at_tls_memory *memory, const at_tls_config *config, const char *host,
                      uint16_t port, mbedtls_ssl_context *ssl);
/* Keeps the session of ssl; whatever cannot be kept is not. */
void tls_memory_keep(at_tls_memory *memory, const at_tls_config *config, const char *host,
                     uint16_t port, mbedtls_ssl_context *ssl);
void tls_memory_drop(at_tls_memory *memory, const char *host, uint16_t port);

#endif
