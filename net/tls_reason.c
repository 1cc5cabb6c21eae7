/* From the library's error codes to one reason a person can act on.
 *
 * The library tells what it did not like (a code), verification collects flags, and alerts of the peer
 * are seen in passing: the library has no public way to ask which one came. Alerts are readable only as
 * long as they are not encrypted, that is before the handshake has keys; in TLS 1.3 a refusal of our
 * certificate comes after our side of the handshake is complete, and looks like a connection that opens
 * and is closed.
 *
 * The order matters: a verdict on the certificate explains the handshake code that follows from it.
 */
#include <mbedtls/asn1.h>
#include <mbedtls/bignum.h>
#include <mbedtls/ecp.h>
#include <mbedtls/md.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <psa/crypto.h>

#include "core/bytes.h"
#include "net/tls_priv.h"

typedef struct reason_row {
    at_tls_reason reason;
    at_err err;
    const char *text;
} reason_row;

static const reason_row reasons[] = {
    { AT_TLS_FINE, AT_OK, "no error of TLS" },
    { AT_TLS_NO_CERT, AT_ERR_NOT_FOUND, "there is no certificate in mfg_nvs" },
    { AT_TLS_NO_KEY, AT_ERR_NOT_FOUND, "there is no private key in mfg_nvs" },
    { AT_TLS_NO_CA, AT_ERR_NOT_FOUND, "there is no CA in mfg_nvs" },
    { AT_TLS_BAD_CERT, AT_ERR_CORRUPT, "our certificate cannot be read" },
    { AT_TLS_BAD_KEY, AT_ERR_CORRUPT,
      "our private key cannot be read, or is not the certificate's" },
    { AT_TLS_BAD_CA, AT_ERR_CORRUPT, "our CA certificate cannot be read" },
    { AT_TLS_EXPIRED, AT_ERR_AUTH, "the peer's certificate has expired" },
    { AT_TLS_NOT_YET_VALID, AT_ERR_AUTH, "the peer's certificate is not yet valid" },
    { AT_TLS_CLOCK_NOT_SET, AT_ERR_AUTH,
      "the clock is not set (1970), so the peer's certificate is not yet valid: AT+CIPSNTPCFG or "
      "AT+SYSTIMESTAMP" },
    { AT_TLS_UNKNOWN_CA, AT_ERR_AUTH, "our CA does not vouch for the peer's certificate" },
    { AT_TLS_SELF_SIGNED, AT_ERR_AUTH, "the peer's certificate is signed by itself" },
    { AT_TLS_WRONG_NAME, AT_ERR_AUTH, "the peer's certificate is for another name" },
    { AT_TLS_WEAK_KEY, AT_ERR_AUTH, "a key in the peer's certificates is too weak" },
    { AT_TLS_WEAK_HASH, AT_ERR_AUTH, "a signature in the peer's certificates uses a weak hash" },
    { AT_TLS_WRONG_USE, AT_ERR_AUTH, "the peer's certificate is not made for this use" },
    { AT_TLS_CERT_DEFECT, AT_ERR_AUTH, "the peer's certificate cannot be accepted" },
    { AT_TLS_CERT_MISSING, AT_ERR_AUTH, "the peer shows no certificate" },
    { AT_TLS_VERSION, AT_ERR_UNSUPPORTED, "no common version of TLS" },
    { AT_TLS_NO_CIPHER, AT_ERR_REFUSED, "no common cipher suite" },
    { AT_TLS_NO_ALPN, AT_ERR_REFUSED, "no common application protocol (ALPN)" },
    { AT_TLS_CERT_REFUSED, AT_ERR_REFUSED, "the peer refuses our certificate" },
    { AT_TLS_PSK_REFUSED, AT_ERR_REFUSED, "the peer has another pre-shared key" },
    { AT_TLS_ALERT, AT_ERR_REFUSED, "the peer refuses" },
    { AT_TLS_PROTOCOL, AT_ERR_CORRUPT, "what the peer sends is not valid TLS" },
    { AT_TLS_CLOSED, AT_ERR_CLOSED, "the peer closed during the handshake" },
    { AT_TLS_BROKEN, AT_ERR_RESET, "the connection broke" },
    { AT_TLS_TIMEOUT, AT_ERR_TIMEOUT, "the peer was silent, or too slow, in the handshake" },
    { AT_TLS_NOMEM, AT_ERR_NOMEM, "not enough memory" },
    { AT_TLS_INTERNAL, AT_ERR_IO, "TLS failed" },
};

static const reason_row *row_of(at_tls_reason reason)
{
    for (size_t i = 0; i < AT_COUNT(reasons); i++)
        if (reasons[i].reason == reason)
            return &reasons[i];
    return &reasons[AT_COUNT(reasons) - 1];
}

const char *at_tls_reason_text(at_tls_reason reason)
{
    return row_of(reason)->text;
}

at_err at_tls_reason_error(at_tls_reason reason)
{
    return row_of(reason)->err;
}

static const struct alert_row {
    uint8_t alert;
    at_tls_reason reason;
    const char *text;
} alerts[] = {
    { MBEDTLS_SSL_ALERT_MSG_CLOSE_NOTIFY, AT_TLS_CLOSED, "close_notify" },
    { MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE, AT_TLS_ALERT, "unexpected_message" },
    { MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC, AT_TLS_ALERT, "bad_record_mac" },
    { MBEDTLS_SSL_ALERT_MSG_RECORD_OVERFLOW, AT_TLS_ALERT, "record_overflow" },
    { MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE, AT_TLS_NO_CIPHER, "handshake_failure" },
    { MBEDTLS_SSL_ALERT_MSG_BAD_CERT, AT_TLS_CERT_REFUSED, "bad_certificate" },
    { MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT, AT_TLS_CERT_REFUSED, "unsupported_certificate" },
    { MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED, AT_TLS_CERT_REFUSED, "certificate_revoked" },
    { MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED, AT_TLS_CERT_REFUSED, "certificate_expired" },
    { MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN, AT_TLS_CERT_REFUSED, "certificate_unknown" },
    { MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER, AT_TLS_ALERT, "illegal_parameter" },
    { MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA, AT_TLS_CERT_REFUSED, "unknown_ca" },
    { MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED, AT_TLS_CERT_REFUSED, "access_denied" },
    { MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR, AT_TLS_ALERT, "decode_error" },
    { MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR, AT_TLS_ALERT, "decrypt_error" },
    { MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION, AT_TLS_VERSION, "protocol_version" },
    { MBEDTLS_SSL_ALERT_MSG_INSUFFICIENT_SECURITY, AT_TLS_NO_CIPHER, "insufficient_security" },
    { MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR, AT_TLS_ALERT, "internal_error" },
    { MBEDTLS_SSL_ALERT_MSG_INAPROPRIATE_FALLBACK, AT_TLS_VERSION, "inappropriate_fallback" },
    { MBEDTLS_SSL_ALERT_MSG_MISSING_EXTENSION, AT_TLS_ALERT, "missing_extension" },
    { MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME, AT_TLS_ALERT, "unrecognized_name" },
    { MBEDTLS_SSL_ALERT_MSG_UNKNOWN_PSK_IDENTITY, AT_TLS_PSK_REFUSED, "unknown_psk_identity" },
    { MBEDTLS_SSL_ALERT_MSG_CERT_REQUIRED, AT_TLS_CERT_REFUSED, "certificate_required" },
    { MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL, AT_TLS_NO_ALPN, "no_application_protocol" },
};

const char *tls_alert_text(uint8_t alert)
{
    for (size_t i = 0; i < AT_COUNT(alerts); i++)
        if (alerts[i].alert == alert)
            return alerts[i].text;
    return "unknown alert";
}

static at_tls_reason reason_of_alert(const tls_failure *f)
{
    at_tls_reason reason = AT_TLS_ALERT;

    for (size_t i = 0; i < AT_COUNT(alerts); i++)
        if (alerts[i].alert == f->alert)
            reason = alerts[i].reason;
    /* A wrong key of a PSK suite shows as records or Finished that do not check. */
    if (f->offered_psk && (f->alert == MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC ||
                           f->alert == MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR ||
                           f->alert == MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER))
        return AT_TLS_PSK_REFUSED;
    if (f->offered_cert && f->alert == MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR)
        return AT_TLS_CERT_REFUSED;
    return reason;
}

static bool is_memory(int code)
{
    /* Codes of two layers are added: high-level part above, low-level in the low seven bits. */
    int low = -(-code & 0x7f), high = code - low;

    return code == MBEDTLS_ERR_SSL_ALLOC_FAILED || high == MBEDTLS_ERR_X509_ALLOC_FAILED ||
           high == MBEDTLS_ERR_PK_ALLOC_FAILED || high == MBEDTLS_ERR_ECP_ALLOC_FAILED ||
           high == MBEDTLS_ERR_MD_ALLOC_FAILED || high == MBEDTLS_ERR_PEM_ALLOC_FAILED ||
           low == MBEDTLS_ERR_MPI_ALLOC_FAILED || low == MBEDTLS_ERR_ASN1_ALLOC_FAILED ||
           code == PSA_ERROR_INSUFFICIENT_MEMORY;
}

at_tls_reason tls_reason_of(const tls_failure *f)
{
    if (is_memory(f->code))
        return AT_TLS_NOMEM;
    if (f->code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED ||
        (f->code == MBEDTLS_ERR_SSL_BAD_CERTIFICATE && f->verdict.flags != 0))
        return tls_verdict_reason(&f->verdict);
    switch (f->code) {
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
        return f->alert != 0xff ? reason_of_alert(f) : AT_TLS_ALERT;
    case MBEDTLS_ERR_SSL_CONN_EOF: return AT_TLS_CLOSED;
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE: return AT_TLS_CERT_MISSING;
    case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
    case MBEDTLS_ERR_SSL_VERSION_MISMATCH: return AT_TLS_VERSION;
    case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE: return AT_TLS_NO_CIPHER;
    case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL: return AT_TLS_NO_ALPN;
    case MBEDTLS_ERR_SSL_UNKNOWN_IDENTITY: return AT_TLS_PSK_REFUSED;
    case MBEDTLS_ERR_SSL_INVALID_MAC: return f->offered_psk ? AT_TLS_PSK_REFUSED : AT_TLS_PROTOCOL;
    case MBEDTLS_ERR_SSL_INTERNAL_ERROR:
    case MBEDTLS_ERR_SSL_BAD_INPUT_DATA:
    case MBEDTLS_ERR_SSL_BAD_CONFIG: return AT_TLS_INTERNAL;
    default: return AT_TLS_PROTOCOL;
    }
}
