/* Judging the peer's certificate.
 *
 * Chain, signatures, validity, key sizes and hashes are the library's work, with its default profile:
 * RSA from 2048 bits, SHA-256 and better. Validity is judged by the module's own date; a module that
 * was never told the time thinks it is 1970 and refuses nearly everything, which is said in the log
 * as such.
 *
 * The name is judged here. The library would compare the certificate with the name it sends as SNI,
 * but the guide has two settings: AT+CIPSSLCSNI is what the ClientHello carries, AT+CIPSSLCCN what the
 * certificate has to be for. So the library's verdict on the name is dropped, and its comparison
 * (subjectAltName where there is one, else the common name; wildcards; addresses) is asked again for
 * the right name, with a copy of the certificate that has no chain behind it, which costs no signature.
 */
#include <mbedtls/error.h>
#include <mbedtls/platform_time.h>
#include <string.h>

#include "core/bytes.h"
#include "net/tls_priv.h"

#define CLOCK_SET_SINCE_S (10ll * 365 * 86400) /* a date in the 1970s was never set */

bool tls_clock_is_set(void)
{
    return mbedtls_time(NULL) >= CLOCK_SET_SINCE_S;
}

static bool name_fits(const mbedtls_x509_crt *crt, const char *name)
{
    mbedtls_x509_crt leaf = *crt;
    uint32_t flags = 0;

    leaf.next = NULL;
    (void)mbedtls_x509_crt_verify(&leaf, NULL, NULL, name, &flags, NULL, NULL);
    return (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) == 0;
}

static bool is_self_issued(const mbedtls_x509_crt *crt)
{
    const mbedtls_x509_buf *issuer = &crt->issuer_raw, *subject = &crt->subject_raw;

    /* An empty name has no bytes to compare. */
    return issuer->len == subject->len &&
           (issuer->len == 0 || memcmp(issuer->p, subject->p, issuer->len) == 0);
}

int tls_judge_certificate(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    tls_judge *judge = arg;
    const char *name = judge->config->name;

    *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH;
    if (depth == 0 && name[0] != 0 && !name_fits(crt, name))
        *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    if (depth == 0 && (*flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0)
        judge->verdict.self_signed = is_self_issued(crt);
    judge->verdict.flags |= *flags;
    return 0;
}

/* The first that applies: who vouches comes before what is said. */
at_tls_reason tls_verdict_reason(const tls_verdict *verdict)
{
    static const struct {
        uint32_t flags;
        at_tls_reason reason;
    } order[] = {
        { MBEDTLS_X509_BADCERT_MISSING, AT_TLS_CERT_MISSING },
        { MBEDTLS_X509_BADCERT_BAD_MD, AT_TLS_WEAK_HASH },
        { MBEDTLS_X509_BADCERT_BAD_KEY | MBEDTLS_X509_BADCERT_BAD_PK, AT_TLS_WEAK_KEY },
        { MBEDTLS_X509_BADCERT_NOT_TRUSTED, AT_TLS_UNKNOWN_CA },
        { MBEDTLS_X509_BADCERT_EXPIRED, AT_TLS_EXPIRED },
        { MBEDTLS_X509_BADCERT_FUTURE, AT_TLS_NOT_YET_VALID },
        { MBEDTLS_X509_BADCERT_CN_MISMATCH, AT_TLS_WRONG_NAME },
        { MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
              MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
          AT_TLS_WRONG_USE },
    };

    for (size_t i = 0; i < AT_COUNT(order); i++) {
        if ((verdict->flags & order[i].flags) == 0)
            continue;
        if (order[i].reason == AT_TLS_UNKNOWN_CA && verdict->self_signed)
            return AT_TLS_SELF_SIGNED;
        if (order[i].reason == AT_TLS_NOT_YET_VALID && !tls_clock_is_set())
            return AT_TLS_CLOCK_NOT_SET;
        return order[i].reason;
    }
    return AT_TLS_CERT_DEFECT;
}

/* Everything that is wrong, a line each. */
void tls_verdict_log(const at_log *log, const tls_verdict *verdict)
{
    char text[640], *line = text;

    if (mbedtls_x509_crt_verify_info(text, sizeof text, "", verdict->flags) <= 0)
        return;
    while (*line != 0) {
        char *end = strchr(line, '\n');

        if (end != NULL)
            *end = 0;
        at_log(log, AT_LOG_WARN, "tls", "certificate of the peer: %s", line);
        if (end == NULL)
            break;
        line = end + 1;
    }
}
