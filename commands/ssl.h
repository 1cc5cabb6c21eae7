/* The TLS settings of links and the credentials of mfg_nvs, made ready for net/link.h. */
#ifndef COMMANDS_SSL_H
#define COMMANDS_SSL_H

#include "commands/app.h"
#include "storage/pki.h"

#define AT_SSL_ALPN_ROOM \
    256u /* bytes of all protocols of a link with their ends: a line's length */

/* One link as a client. */
typedef struct at_ssl_link {
    struct at_ssl_conf { /* AT+CIPSSLCCONF; stored as it is */
        uint8_t auth, pki, ca;
    } conf;
    char name[AT_TLS_NAME_MAX + 1]; /* AT+CIPSSLCCN */
    char sni[AT_TLS_NAME_MAX + 1];  /* AT+CIPSSLCSNI */
    uint8_t alpn_count;             /* AT+CIPSSLCALPN */
    char alpn[AT_SSL_ALPN_ROOM];    /* one after the other, each with its end */
    uint8_t psk_len;                /* AT+CIPSSLCPSK, AT+CIPSSLCPSKHEX */
    uint8_t psk[AT_TLS_PSK_MAX + 1];
    char hint[AT_TLS_PSK_MAX + 1];
} at_ssl_link;

struct at_ssl_family {
    at_ssl_link link[AT_LINKS];
};

/* Opens a link; with an SSL type under its settings. As at_link_open, and AT_ERR_NOT_FOUND when a
 * credential is missing; *why says more of TLS. */
at_err at_ssl_open(at_app *app, unsigned id, const at_link_open_params *params, at_tls_reason *why);
/* Creates the server; with an SSL type from the server's certificate and key, and CA when params->ca.
 * As at_links_listen, and the rest as above. */
at_err at_ssl_listen(at_app *app, const at_listen_params *params, at_tls_reason *why);
/* The ERROR of a failed open or listen: NO CERT FOUND and its like, then the error with the reason of
 * TLS as its extension (docs/TLS.md). */
at_result at_ssl_fail(at_call *call, at_err err, at_tls_reason why, const char *what);

#endif
