/* The TLS commands (guide 3.3.26 to 3.3.31), and what CIPSTART and CIPSERVER need of them.
 *
 * Settings belong to links and take effect with the next connection. Only AT+CIPSSLCCONF is stored
 * (guide 3.1.26); the others are gone after a restart, as commands.csv says.
 *
 * Readings of the guide (docs/TLS.md):
 * - AT+CIPSSLCPSK's first parameter is the key, its second the identity that goes over the wire: the
 *   guide calls them "PSK identity" and "hint", but a maximum of 32 bytes, \0 in it and the hex form
 *   only make sense for the key. A key is used with <auth_mode> 0; the other modes are for certificates.
 * - An empty string clears a setting.
 * - The rows of SNI and PSK are without quotes (WIRE 3.4), those of CN and ALPN with.
 *
 * Credentials are loaded for each connection, so what AT+SYSMFG wrote counts at once, and are wiped as
 * soon as the link has parsed them. */
#include "commands/ssl.h"

#include <stdio.h>
#include <string.h>

#include "commands/tcpip_priv.h"
#include "core/bytes.h"

/* wire */
static const char FMT_CONF[] = "+CIPSSLCCONF:%u,%u,%u,%u\r\n";
static const char FMT_CN[] = "+CIPSSLCCN:%u,\"%s\"\r\n";
static const char FMT_SNI[] = "+CIPSSLCSNI:%u,%s\r\n";
static const char FMT_ALPN[] = "+CIPSSLCALPN:%u%s\r\n";
static const char FMT_PSK[] = "+CIPSSLCPSK:%u,%s,%s\r\n";
static const char FMT_PSKHEX[] = "+CIPSSLCPSKHEX:%u,%s,%s\r\n";
static const char NO_CERT[] = "NO CERT FOUND\r\n";
static const char NO_KEY[] = "NO PRVT_KEY FOUND\r\n";
static const char NO_CA[] = "NO CA FOUND\r\n";

/* --- parameters --- */

#define LINK AT_INT("link ID", 0, AT_LINKS)
#define CONF                                                        \
    AT_INT("auth_mode", 0, 3), AT_OPT_INT("pki_number", 0, 255, 0), \
        AT_OPT_INT("ca_number", 0, 255, 0)
#define NAME      AT_TEXT("common name", 0, AT_TLS_NAME_MAX)
#define SNI       AT_TEXT("sni", 0, AT_TLS_NAME_MAX)
#define ALPN_TEXT AT_OPT_TEXT("alpn", 1, 255)
#define ALPN \
    AT_INT("counts", 0, AT_TLS_ALPN_MAX), ALPN_TEXT, ALPN_TEXT, ALPN_TEXT, ALPN_TEXT, ALPN_TEXT
#define HINT   AT_TEXT("hint", 0, AT_TLS_PSK_MAX)
#define PSK    AT_TEXT("psk", 0, AT_TLS_PSK_MAX), HINT
#define PSKHEX AT_TEXT("psk", 0, 2 * AT_TLS_PSK_MAX), HINT
#define SHAPES(name, args)                                       \
    static const at_arg_spec name##_single[] = { args };         \
    static const at_arg_spec name##_multiple[] = { LINK, args }; \
    static const at_shape name##_shapes[] = {                    \
        AT_SHAPE("AT+CIPMUX=0", name##_single),                  \
        AT_SHAPE("AT+CIPMUX=1", name##_multiple),                \
    }

SHAPES(conf, CONF);
SHAPES(cn, NAME);
SHAPES(sni, SNI);
SHAPES(alpn, ALPN);
SHAPES(psk, PSK);
SHAPES(pskhex, PSKHEX);

static uint8_t by_mux(const at_call *call)
{
    return at_tcpip_of(call)->mux ? 1 : 0;
}

/* --- the links a command is about --- */

static at_ssl_link *links_of(const at_call *call)
{
    return at_app_of(call)->ssl->link;
}

static unsigned shown_links(const at_call *call)
{
    return at_tcpip_of(call)->mux ? AT_LINKS : 1;
}

/* Index of the first parameter behind <link ID>. */
static unsigned base_of(const at_call *call)
{
    return at_tcpip_of(call)->mux ? 1 : 0;
}

/* Links *first to *last that <link ID> names; AT_LINKS is all of them. */
static void named_links(const at_call *call, unsigned *first, unsigned *last)
{
    unsigned id = at_tcpip_of(call)->mux ? (unsigned)at_int(call, 0) : 0;
    *first = id == AT_LINKS ? 0 : id;
    *last = id == AT_LINKS ? AT_LINKS - 1 : id;
}

/* --- AT+CIPSSLCCONF --- */

static at_result conf_query(at_call *call)
{
    for (unsigned id = 0; id < shown_links(call); id++) {
        const struct at_ssl_conf *conf = &links_of(call)[id].conf;
        at_row(call, FMT_CONF, id, conf->auth, conf->pki, conf->ca);
    }
    return AT_RESULT_OK;
}

static at_result conf_set(at_call *call)
{
    at_ssl_link *link = links_of(call);
    struct at_ssl_conf stored[AT_LINKS];
    unsigned base = base_of(call), first, last;
    named_links(call, &first, &last);
    for (unsigned id = first; id <= last; id++)
        link[id].conf =
            (struct at_ssl_conf){ (uint8_t)at_int(call, base), (uint8_t)at_int(call, base + 1),
                                  (uint8_t)at_int(call, base + 2) };
    for (unsigned id = 0; id < AT_LINKS; id++)
        stored[id] = link[id].conf;
    at_err err =
        at_setting_set_blob(at_app_of(call)->settings, AT_SETTING_SSLCCONF, stored, sizeof(stored));
    return err == AT_OK ? AT_RESULT_OK
                        : at_fail_err(call, err, "the setting is in use but not saved");
}

/* --- AT+CIPSSLCCN, AT+CIPSSLCSNI --- */

static at_result cn_query(at_call *call)
{
    for (unsigned id = 0; id < shown_links(call); id++)
        at_row(call, FMT_CN, id, links_of(call)[id].name);
    return AT_RESULT_OK;
}

static at_result sni_query(at_call *call)
{
    for (unsigned id = 0; id < shown_links(call); id++)
        at_row(call, FMT_SNI, id, links_of(call)[id].sni);
    return AT_RESULT_OK;
}

/* A name with a zero byte would be compared, or sent, as a shorter one. */
static bool has_zero(const at_call *call, unsigned index)
{
    return memchr(at_text(call, index), 0, call->arg[index].len) != NULL;
}

/* A name goes to offset in every link that is meant. */
static at_result set_name(at_call *call, size_t offset, const char *what)
{
    unsigned base = base_of(call), first, last;
    if (has_zero(call, base))
        return at_fail(call, AT_SUB_PARAM_INVALID, base + 1, "<%s> has a zero byte", what);
    named_links(call, &first, &last);
    for (unsigned id = first; id <= last; id++)
        at_copy_text((char *)&links_of(call)[id] + offset, AT_TLS_NAME_MAX + 1,
                     at_text(call, base));
    return AT_RESULT_OK;
}

static at_result cn_set(at_call *call)
{
    return set_name(call, offsetof(at_ssl_link, name), "common name");
}

static at_result sni_set(at_call *call)
{
    return set_name(call, offsetof(at_ssl_link, sni), "sni");
}

/* --- AT+CIPSSLCALPN --- */

static at_result alpn_query(at_call *call)
{
    for (unsigned id = 0; id < shown_links(call); id++) {
        const at_ssl_link *link = &links_of(call)[id];
        const char *from = link->alpn;
        char text[AT_SSL_ALPN_ROOM + 4 * AT_TLS_ALPN_MAX] = "";
        size_t len = 0;
        for (unsigned i = 0; i < link->alpn_count; i++) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"%s\"", from);
            from += strlen(from) + 1;
        }
        at_row(call, FMT_ALPN, id, text);
    }
    return AT_RESULT_OK;
}

static at_result alpn_set(at_call *call)
{
    unsigned base = base_of(call), first, last, count = (unsigned)at_int(call, base);
    char text[AT_SSL_ALPN_ROOM];
    size_t len = 0;
    for (unsigned i = 0; i < AT_TLS_ALPN_MAX; i++) {
        unsigned index = base + 1 + i;
        if (at_has(call, index) != (i < count))
            return at_fail(call, AT_SUB_PARAM_COUNT, (base + 1 + count) * 256u + call->given,
                           "<counts> is %u, it has to be the number of <alpn>", count);
        if (i < count && has_zero(call, index))
            return at_fail(call, AT_SUB_PARAM_INVALID, index + 1, "<alpn> has a zero byte");
        if (i < count) /* fits: all of them came on one line */
            len += at_copy_text(text + len, sizeof(text) - len, at_text(call, index)) + 1;
    }
    named_links(call, &first, &last);
    for (unsigned id = first; id <= last; id++) {
        memcpy(links_of(call)[id].alpn, text, len);
        links_of(call)[id].alpn_count = (uint8_t)count;
    }
    return AT_RESULT_OK;
}

/* --- AT+CIPSSLCPSK, AT+CIPSSLCPSKHEX --- */

static at_result psk_query(at_call *call)
{
    for (unsigned id = 0; id < shown_links(call); id++)
        at_row(call, FMT_PSK, id, (const char *)links_of(call)[id].psk, links_of(call)[id].hint);
    return AT_RESULT_OK;
}

static at_result pskhex_query(at_call *call)
{
    for (unsigned id = 0; id < shown_links(call); id++) {
        const at_ssl_link *link = &links_of(call)[id];
        char hex[2 * AT_TLS_PSK_MAX + 1] = "";
        for (unsigned i = 0; i < link->psk_len; i++)
            (void)snprintf(hex + 2 * i, 3, "%02x", link->psk[i]);
        at_row(call, FMT_PSKHEX, id, hex, link->hint);
    }
    return AT_RESULT_OK;
}

static at_result set_psk(at_call *call, const uint8_t *psk, size_t len)
{
    unsigned base = base_of(call), first, last;
    if (has_zero(call, base + 1))
        return at_fail(call, AT_SUB_PARAM_INVALID, base + 2, "<hint> has a zero byte");
    named_links(call, &first, &last);
    for (unsigned id = first; id <= last; id++) {
        at_ssl_link *link = &links_of(call)[id];
        memset(link->psk, 0, sizeof(link->psk));
        memcpy(link->psk, psk, len);
        link->psk_len = (uint8_t)len;
        at_copy_text(link->hint, sizeof(link->hint), at_text(call, base + 1));
    }
    return AT_RESULT_OK;
}

static at_result psk_set(at_call *call)
{
    unsigned base = base_of(call);
    return set_psk(call, (const uint8_t *)at_text(call, base), call->arg[base].len);
}

static at_result pskhex_set(at_call *call)
{
    unsigned base = base_of(call);
    size_t digits = call->arg[base].len;
    uint8_t psk[AT_TLS_PSK_MAX];
    if (digits % 2 != 0 || !at_parse_hex(at_text(call, base), digits / 2, psk))
        return at_fail(call, AT_SUB_PARAM_INVALID, base + 1, "<psk> is not pairs of hex digits");
    return set_psk(call, psk, digits / 2);
}

/* --- rows --- */

#define ROW(word, handler, number, flag, text)                                              \
    {                                                                                       \
        .name = "+" word, .query = handler##_query, .set = handler##_set,                   \
        AT_SHAPES(handler##_shapes), .select = by_mux, .flags = flag, .builds = AT_IN_WIFI, \
        .guide = number, .summary = text                                                    \
    }

static const at_cmd rows[] = {
    ROW("CIPSSLCCONF", conf, "3.3.26", AT_SAVED_SYSSTORE, "Configure SSL clients"),
    ROW("CIPSSLCCN", cn, "3.3.27", 0, "Name that the certificate of the SSL server has to be for"),
    ROW("CIPSSLCSNI", sni, "3.3.28", 0, "Server Name Indication of SSL clients"),
    ROW("CIPSSLCALPN", alpn, "3.3.29", 0, "Application protocols (ALPN) of SSL clients"),
    ROW("CIPSSLCPSK", psk, "3.3.30", 0, "Pre-shared key of SSL clients"),
    ROW("CIPSSLCPSKHEX", pskhex, "3.3.31", 0, "Pre-shared key of SSL clients in hexadecimal"),
};

const at_family_rows at_ssl_rows = AT_FAMILY(rows);

at_err at_ssl_family_create(at_app *app)
{
    struct at_ssl_conf stored[AT_LINKS];
    app->ssl = at_calloc(app->heap, 1, sizeof(*app->ssl));
    if (app->ssl == NULL)
        return AT_ERR_NOMEM;
    if (at_setting_blob(app->settings, AT_SETTING_SSLCCONF, stored, sizeof(stored)))
        for (unsigned id = 0; id < AT_LINKS; id++)
            app->ssl->link[id].conf = stored[id];
    return AT_OK;
}

/* --- credentials --- */

typedef struct loaded {
    at_pki_item item[AT_PKI_KINDS];
    at_tls_params params;
} loaded;

static void unload(at_app *app, loaded *l)
{
    for (unsigned kind = 0; kind < AT_PKI_KINDS; kind++)
        at_pki_free(&app->pki, &l->item[kind]);
}

static at_err load_one(at_app *app, loaded *l, at_pki_role role, at_pki_kind kind, unsigned index,
                       at_tls_reason *why)
{
    static const at_tls_reason missing[] = { AT_TLS_NO_CERT, AT_TLS_NO_KEY, AT_TLS_NO_CA };
    static const at_tls_reason broken[] = { AT_TLS_BAD_CERT, AT_TLS_BAD_KEY, AT_TLS_BAD_CA };
    at_err err = at_pki_load(&app->pki, role, kind, index, &l->item[kind]);
    if (err == AT_ERR_NOT_FOUND)
        *why = missing[kind];
    else if (err != AT_OK)
        *why = err == AT_ERR_NOMEM ? AT_TLS_NOMEM : broken[kind];
    return err;
}

static at_err load(at_app *app, loaded *l, at_pki_role role, bool own, unsigned pki, bool ca,
                   unsigned ca_index, at_tls_reason *why)
{
    at_err err = AT_OK;
    if (own)
        err = load_one(app, l, role, AT_PKI_CERT, pki, why);
    if (own && err == AT_OK)
        err = load_one(app, l, role, AT_PKI_KEY, pki, why);
    if (ca && err == AT_OK)
        err = load_one(app, l, role, AT_PKI_CA, ca_index, why);
    for (unsigned kind = 0; kind < AT_PKI_KINDS; kind++) {
        at_tls_bytes *to = kind == AT_PKI_CERT  ? &l->params.cert
                           : kind == AT_PKI_KEY ? &l->params.key
                                                : &l->params.ca;
        *to = (at_tls_bytes){ l->item[kind].data, l->item[kind].len };
    }
    l->params.verify = ca;
    return err;
}

static void take_settings(at_app *app, const at_ssl_link *link, at_tls_params *params)
{
    const char *alpn = link->alpn;
    params->name = link->name;
    params->sni = link->sni;
    params->alpn_count = link->alpn_count;
    for (unsigned i = 0; i < link->alpn_count; i++) {
        params->alpn[i] = alpn;
        alpn += strlen(alpn) + 1;
    }
    if (link->psk_len == 0)
        return;
    if (link->conf.auth != 0) {
        at_log(app->log, AT_LOG_WARN, "ssl", "the pre-shared key is not used: <auth_mode> is %u",
               link->conf.auth);
        return;
    }
    params->psk = link->psk;
    params->psk_len = link->psk_len;
    params->psk_identity = link->hint;
}

at_err at_ssl_open(at_app *app, unsigned id, const at_link_open_params *params, at_tls_reason *why)
{
    at_link_open_params with_tls = *params;
    const at_ssl_link *link = &app->ssl->link[id];
    loaded l = { .params.server = false };
    *why = AT_TLS_FINE;
    if (!at_link_type_is_tls(params->type))
        return at_link_open(app->links, id, params);
    at_err err = load(app, &l, AT_PKI_CLIENT, (link->conf.auth & 1) != 0, link->conf.pki,
                      (link->conf.auth & 2) != 0, link->conf.ca, why);
    if (err == AT_OK) {
        take_settings(app, link, &l.params);
        with_tls.tls = &l.params;
        err = at_link_open(app->links, id, &with_tls);
        *why = at_link_tls_reason(app->links, id);
    }
    unload(app, &l);
    return err;
}

at_err at_ssl_listen(at_app *app, const at_listen_params *params, at_tls_reason *why)
{
    at_listen_params with_tls = *params;
    loaded l = { .params.server = true };
    *why = AT_TLS_FINE;
    if (!at_link_type_is_tls(params->type))
        return at_links_listen(app->links, params);
    at_err err = load(app, &l, AT_PKI_SERVER, true, 0, params->ca, 0, why);
    if (err == AT_OK) {
        with_tls.tls = &l.params;
        err = at_links_listen(app->links, &with_tls);
        *why = at_links_tls_reason(app->links);
    }
    unload(app, &l);
    return err;
}

at_result at_ssl_fail(at_call *call, at_err err, at_tls_reason why, const char *what)
{
    if (why == AT_TLS_FINE)
        return at_fail_err(call, err, what);
    if (why == AT_TLS_NO_CERT)
        at_row(call, NO_CERT);
    else if (why == AT_TLS_NO_KEY)
        at_row(call, NO_KEY);
    else if (why == AT_TLS_NO_CA)
        at_row(call, NO_CA);
    return at_fail(call, AT_SUB_EXEC_FAIL, why, "%s: %s", what, at_tls_reason_text(why));
}
