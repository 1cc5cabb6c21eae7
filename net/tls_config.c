/* Configurations: credentials parsed, what is demanded, what is offered.
 *
 * Verification. `verify` decides alone: with it the library's mode is VERIFY_REQUIRED and a CA has to
 * be there; without it the peer's certificate is not looked at, and there is nothing in between.
 *
 * Pre-shared keys. With a key only suites with that key are offered (TLS 1.2: PSK, DHE-PSK, ECDHE-PSK;
 * TLS 1.3: both PSK modes). Otherwise a peer without the key could choose a certificate suite, and
 * nobody would look at its certificate. RSA-PSK is left out for the same reason. Sessions are not
 * resumed with PSK: the key is what authenticates, every time.
 *
 * Signatures. A client that can do 1.3 has to offer RSA-PSS, but the library does not accept it from a
 * server that then speaks 1.2 (3.6.6). OpenSSL takes the client's first one it can use, so PKCS #1
 * stands before PSS; 1.3 may not use PKCS #1 and takes PSS.
 *
 * Tickets. A server's clients resume by tickets, which hold the whole session under keys of the
 * configuration: nothing is kept per client, and a server that is created anew (maybe with another CA)
 * takes none of the old ones.
 *
 * The fingerprint covers every parameter, so that equal fingerprints mean equal demands.
 */
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <psa/crypto.h>
#include <string.h>

#include "core/bytes.h"
#include "crypto/random.h"
#include "net/tls_priv.h"

static const int psk_suites[] = {
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_128_CCM_SHA256,
    MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_DHE_PSK_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_DHE_PSK_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256,
    MBEDTLS_TLS_PSK_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_PSK_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_PSK_WITH_AES_128_CBC_SHA256,
    0,
};

static const uint16_t signatures[] = {
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,       MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,    MBEDTLS_TLS1_3_SIG_NONE,
};

static const char pem_mark[] = "-----BEGIN ";

/* The parsers want the NUL of a PEM text counted, and not that of DER. */
static size_t parse_len(const at_tls_bytes *bytes)
{
    const char *text = bytes->data;

    for (size_t i = 0; i + sizeof pem_mark <= bytes->len; i++)
        if (memcmp(text + i, pem_mark, sizeof pem_mark - 1) == 0)
            return bytes->len + 1;
    return bytes->len;
}

static at_tls_reason parse_reason(int code, at_tls_reason bad)
{
    tls_failure failure = { .code = code };

    return tls_reason_of(&failure) == AT_TLS_NOMEM ? AT_TLS_NOMEM : bad;
}

static at_tls_reason parse_cert(mbedtls_x509_crt *to, const at_tls_bytes *from, at_tls_reason bad)
{
    int code = from->len == 0 ? 0 : mbedtls_x509_crt_parse(to, from->data, parse_len(from));

    return code == 0 ? AT_TLS_FINE : parse_reason(code, bad);
}

static at_tls_reason parse_key(at_tls_config *config, const at_tls_params *params)
{
    int code;

    if (params->cert.len == 0)
        return AT_TLS_FINE;
    if (params->key.len == 0)
        return AT_TLS_NO_KEY;
    code = mbedtls_pk_parse_key(&config->key, params->key.data, parse_len(&params->key), NULL, 0,
                                at_random_for_tls, NULL);
    if (code == 0)
        code = mbedtls_pk_check_pair(&config->cert.pk, &config->key, at_random_for_tls, NULL);
    return code == 0 ? AT_TLS_FINE : parse_reason(code, AT_TLS_BAD_KEY);
}

static at_tls_reason parse_all(at_tls_config *config, const at_tls_params *params)
{
    at_tls_reason why = parse_cert(&config->cert, &params->cert, AT_TLS_BAD_CERT);

    if (why == AT_TLS_FINE)
        why = parse_key(config, params);
    if (why == AT_TLS_FINE && params->server && params->cert.len == 0)
        why = AT_TLS_NO_CERT;
    if (why == AT_TLS_FINE && params->verify && params->ca.len == 0)
        why = AT_TLS_NO_CA;
    if (why == AT_TLS_FINE && params->verify)
        why = parse_cert(&config->ca, &params->ca, AT_TLS_BAD_CA);
    return why;
}

static bool copy_alpn(at_tls_config *config, const at_tls_params *params)
{
    size_t len = 0;
    char *to;

    for (unsigned i = 0; i < params->alpn_count; i++)
        len += strlen(params->alpn[i]) + 1;
    if (len == 0)
        return true;
    config->alpn_text = to = at_alloc(config->heap, len);
    if (to == NULL)
        return false;
    for (unsigned i = 0; i < params->alpn_count; i++) {
        size_t part = strlen(params->alpn[i]) + 1;

        memcpy(to, params->alpn[i], part);
        config->alpn[i] = to;
        to += part;
    }
    return true;
}

static void add_bytes(at_hash *hash, const void *data, size_t len)
{
    uint32_t prefix = (uint32_t)len;

    at_hash_add(hash, &prefix, sizeof prefix);
    at_hash_add(hash, data, len);
}

static void take_fingerprint(at_tls_config *config, const at_tls_params *params)
{
    uint8_t flags = (uint8_t)(params->server | params->verify << 1);
    at_hash hash;

    at_hash_start(&hash, AT_HASH_SHA256);
    add_bytes(&hash, &flags, 1);
    add_bytes(&hash, params->cert.data, params->cert.len);
    add_bytes(&hash, params->key.data, params->key.len);
    add_bytes(&hash, params->ca.data, params->verify ? params->ca.len : 0);
    add_bytes(&hash, config->name, strlen(config->name));
    add_bytes(&hash, config->sni, strlen(config->sni));
    for (unsigned i = 0; i < params->alpn_count; i++)
        add_bytes(&hash, params->alpn[i], strlen(params->alpn[i]));
    at_hash_finish(&hash, config->fingerprint);
}

static int offer_psk(at_tls_config *config, const at_tls_params *params)
{
    const char *identity = params->psk_identity != NULL ? params->psk_identity : "";
    int code = mbedtls_ssl_conf_psk(&config->ssl, params->psk, params->psk_len,
                                    (const unsigned char *)identity, strlen(identity));

    if (code != 0)
        return code;
    config->psk = true;
    mbedtls_ssl_conf_ciphersuites(&config->ssl, psk_suites);
    mbedtls_ssl_conf_tls13_key_exchange_modes(&config->ssl,
                                              MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_ALL);
    return 0;
}

static int issue_tickets(at_tls_config *config)
{
    int code = mbedtls_ssl_ticket_setup(&config->tickets, at_random_for_tls, NULL,
                                        MBEDTLS_CIPHER_AES_256_GCM, AT_TLS_SESSION_AGE);

    if (code == 0)
        mbedtls_ssl_conf_session_tickets_cb(&config->ssl, mbedtls_ssl_ticket_write,
                                            mbedtls_ssl_ticket_parse, &config->tickets);
    return code;
}

static int set_up(at_tls_config *config, const at_tls_params *params)
{
    mbedtls_ssl_config *ssl = &config->ssl;
    int code = mbedtls_ssl_config_defaults(
        ssl, params->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

    if (code != 0)
        return code;
    mbedtls_ssl_conf_rng(ssl, at_random_for_tls, NULL);
    mbedtls_ssl_conf_sig_algs(ssl, signatures);
    mbedtls_ssl_conf_authmode(ssl, params->verify ? MBEDTLS_SSL_VERIFY_REQUIRED
                                                  : MBEDTLS_SSL_VERIFY_NONE);
    if (params->verify)
        mbedtls_ssl_conf_ca_chain(ssl, &config->ca, NULL);
    if (params->server)
        code = issue_tickets(config);
    else
        mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
            ssl, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    if (code == 0 && params->cert.len > 0)
        code = mbedtls_ssl_conf_own_cert(ssl, &config->cert, &config->key);
    if (code == 0 && config->alpn[0] != NULL)
        code = mbedtls_ssl_conf_alpn_protocols(ssl, config->alpn);
    if (code == 0 && params->psk_len > 0 && !params->verify)
        code = offer_psk(config, params);
    return code;
}

static at_tls_reason prepare(at_tls_config *config, const at_tls_params *params)
{
    at_tls_reason why;
    int code;

    mbedtls_ssl_config_init(&config->ssl);
    mbedtls_ssl_ticket_init(&config->tickets);
    mbedtls_x509_crt_init(&config->cert);
    mbedtls_x509_crt_init(&config->ca);
    mbedtls_pk_init(&config->key);
    at_copy_text(config->name, sizeof config->name, params->name != NULL ? params->name : "");
    at_copy_text(config->sni, sizeof config->sni, params->sni != NULL ? params->sni : "");
    if (!copy_alpn(config, params))
        return AT_TLS_NOMEM;
    code = (int)psa_crypto_init();
    if (code != 0)
        return parse_reason(code, AT_TLS_INTERNAL);
    why = parse_all(config, params);
    if (why != AT_TLS_FINE)
        return why;
    code = set_up(config, params);
    return code == 0 ? AT_TLS_FINE : parse_reason(code, AT_TLS_INTERNAL);
}

at_err at_tls_config_create(at_loop *loop, at_heap *heap, const at_log *log,
                            const at_tls_params *params, at_tls_config **config, at_tls_reason *why)
{
    at_tls_config *c = at_calloc(heap, 1, sizeof *c);

    *why = AT_TLS_NOMEM;
    if (c == NULL)
        return AT_ERR_NOMEM;
    c->users = 1;
    c->loop = loop;
    c->heap = heap;
    c->log = log;
    c->server = params->server;
    c->verify = params->verify;
    *why = prepare(c, params);
    if (*why != AT_TLS_FINE) {
        at_tls_config_release(c);
        return at_tls_reason_error(*why);
    }
    take_fingerprint(c, params);
    if (params->name != NULL && params->name[0] != 0 && !params->verify)
        at_log(log, AT_LOG_WARN, "tls",
               "the common name \"%s\" is not checked: <auth_mode> asks for no verification",
               params->name);
    *config = c;
    return AT_OK;
}

void tls_config_retain(at_tls_config *config)
{
    config->users++;
}

void at_tls_config_release(at_tls_config *config)
{
    if (config == NULL || --config->users > 0)
        return;
    mbedtls_ssl_config_free(&config->ssl); /* wipes the PSK */
    mbedtls_ssl_ticket_free(&config->tickets);
    mbedtls_pk_free(&config->key);
    mbedtls_x509_crt_free(&config->cert);
    mbedtls_x509_crt_free(&config->ca);
    at_free(config->heap, config->alpn_text);
    at_free(config->heap, config);
}
