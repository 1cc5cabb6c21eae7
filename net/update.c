/* A state machine over the HTTP client: IDLE -> LISTING (the server's versions) -> FETCHING (the file) ->
 * IDLE. Everything happens in events, so the AT port is free when the host wants that.
 *
 * What can be known is checked before the first sector is erased: the length, and the image's header.
 * The slot is switched only when the whole image on flash has passed the boot loader's checks and is the
 * version that was asked for; until then the otadata partition has not been touched, and whatever
 * happens the old firmware boots.
 *
 * Trust: nothing signs an image, so HTTPS is what makes one authentic. A server has to show a certificate
 * for its name that https_ca.0 vouches for, unless the owner of the module said otherwise; there is no
 * silent way around it, and a redirect never leads from HTTPS to HTTP. The token goes to the server it
 * is for: not to another one behind a redirect. URLs are not logged, they may be secrets.
 */
#include "net/update_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

static void fetch(at_update *u);

static void set_phase(at_update *u, update_phase to)
{
    static const char *const names[] = { "idle", "listing", "fetching" };

    at_log(u->config.log, AT_LOG_DEBUG, "update", "%s -> %s", names[u->phase], names[to]);
    u->phase = to;
}

/* ---- ends ---- */

void update_forget_text(at_update *u, char **text)
{
    if (*text != NULL)
        at_wipe(*text, strlen(*text));
    at_free(u->config.heap, *text);
    *text = NULL;
}

/* Closes the connection; what is behind the next one may differ. */
static void hang_up(at_update *u)
{
    at_http_close(u->http);
    u->http = NULL;
    u->encoded = false;
    update_forget_text(u, &u->location);
}

static void release(at_update *u)
{
    at_timer_stop(u->config.loop, &u->limit);
    hang_up(u);
    update_forget_text(u, &u->url);
    update_forget_text(u, &u->server);
    at_wipe(u->token, sizeof u->token);
    at_free(u->config.heap, u->piece);
    u->piece = NULL;
    u->writing = false;
    set_phase(u, UPDATE_IDLE);
}

at_err update_note(at_update *u, at_err error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(u->why, sizeof u->why, format, args);
    va_end(args);
    u->error = error;
    return error;
}

/* It is over, with what update_note() noted, or well. */
static void finish(at_update *u)
{
    if (u->error != AT_OK && u->writing && !u->is_app)
        at_log(u->config.log, AT_LOG_ERROR, "update",
               "\"%s\" holds a part of the new contents now: update it again", u->target.label);
    release(u);
    u->config.on_over(u->config.owner);
}

static void reach(at_update *u, at_update_stage stage)
{
    if (stage <= u->stage)
        return;
    u->stage = stage;
    u->config.on_stage(u->config.owner, stage);
}

static void took_too_long(void *arg)
{
    at_update *u = arg;

    (void)update_note(u, AT_ERR_TIMEOUT, "not done after %u s", AT_UPDATE_LIMIT_MS / 1000u);
    finish(u);
}

/* ---- bodies ---- */

static at_err read_failed(at_update *u, at_err err)
{
    u->tls_reason = at_http_tls_reason(u->http);
    return update_note(u, err, "%s", at_http_why(u->http));
}

static void read_file(at_update *u)
{
    size_t len;
    at_err err;

    do {
        err = at_http_read(u->http, u->piece + u->kept, UPDATE_PIECE - u->kept, &len);
        u->kept += (uint32_t)len;
        if (err == AT_OK && update_take_piece(u) != AT_OK) {
            finish(u);
            return;
        }
    } while (err == AT_OK);
    if (err == AT_ERR_AGAIN)
        return;
    if (err != AT_ERR_CLOSED)
        (void)read_failed(u, err);
    else if (update_complete(u) == AT_OK)
        reach(u, AT_UPDATE_DONE);
    finish(u);
}

static at_err choose_version(at_update *u)
{
    const at_release_list *versions = &u->versions;

    if (at_release_end(&u->versions) != AT_OK)
        return update_note(u, AT_ERR_CORRUPT, "line %u of the server's list of versions is none",
                           versions->line_number);
    if (u->list_only)
        return AT_OK;
    if (u->version[0] != '\0' && !versions->found)
        return update_note(u, AT_ERR_NOT_FOUND, "the server does not have %s", u->version);
    if (versions->count == 0)
        return update_note(u, AT_ERR_NOT_FOUND, "the server has no versions");
    if (u->version[0] == '\0')
        at_copy_text(u->version, sizeof u->version, versions->version[0]);
    return AT_OK;
}

static void list_complete(at_update *u)
{
    if (choose_version(u) != AT_OK || u->list_only) {
        finish(u);
        return;
    }
    hang_up(u);
    reach(u, AT_UPDATE_VERSION);
    fetch(u);
}

static void read_list(at_update *u)
{
    size_t len;
    at_err err;

    do {
        err = at_http_read(u->http, u->piece, UPDATE_PIECE, &len);
        if (err == AT_OK)
            (void)at_release_add(&u->versions, u->piece, len);
    } while (err == AT_OK && !u->versions.broken);
    if (err == AT_ERR_AGAIN)
        return;
    if (err == AT_OK || err == AT_ERR_CLOSED) {
        list_complete(u);
        return;
    }
    (void)read_failed(u, err);
    finish(u);
}

/* ---- answers ---- */

static bool is_redirect(unsigned status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static at_err open_url(at_update *u);

/* Where a Location leads: u->url becomes that, and is asked. */
static at_err redirect(at_update *u)
{
    at_url from, to;
    char *next;
    at_err err;

    if (u->location == NULL)
        return update_note(u, AT_ERR_CORRUPT, "a redirect without a usable Location");
    if (++u->redirects > AT_UPDATE_REDIRECTS)
        return update_note(u, AT_ERR_REFUSED, "more than %u redirects", AT_UPDATE_REDIRECTS);
    next = at_alloc(u->config.heap, AT_UPDATE_URL_MAX + 1);
    if (next == NULL)
        return update_note(u, AT_ERR_NOMEM, "no memory for a redirect");
    next[0] = '\0';
    err = update_parse_url(u, u->url, &from);
    if (err == AT_OK && at_url_resolve(&from, u->location, next, AT_UPDATE_URL_MAX + 1) != AT_OK)
        err = update_note(u, AT_ERR_INVALID, "a redirect to what is no URL");
    err = err == AT_OK ? update_parse_url(u, next, &to) : err;
    if (err == AT_OK && from.https && !to.https)
        err = update_note(u, AT_ERR_REFUSED, "a redirect from https to http");
    if (err != AT_OK) {
        update_forget_text(u, &next);
        return err;
    }
    u->token_wanted = u->token_wanted && at_url_same_origin(&from, &to);
    update_forget_text(u, &u->url);
    u->url = next;
    hang_up(u);
    err = open_url(u);
    return err == AT_OK ? AT_ERR_AGAIN : err;
}

/* AT_OK: the body is what was asked for; AT_ERR_AGAIN: another answer will come. */
static at_err answered(at_update *u)
{
    const at_http_response *response = at_http_response_of(u->http);

    if (is_redirect(response->status))
        return redirect(u);
    if (response->status != 200) {
        u->status = response->status;
        return update_note(u, response->status == 404 ? AT_ERR_NOT_FOUND : AT_ERR_REFUSED,
                           "the server answers with status %u%s", response->status,
                           response->status == 404   ? ": it has no such file"
                           : response->status == 401 ? ": it wants another token"
                                                     : "");
    }
    if (u->encoded)
        return update_note(u, AT_ERR_UNSUPPORTED, "the server compresses what it sends");
    return u->phase == UPDATE_FETCHING ? update_check_length(u, response) : AT_OK;
}

static void on_field(void *owner, const char *name, const char *value, bool cut)
{
    at_update *u = owner;

    if (at_http_same(name, "content-encoding"))
        u->encoded = u->encoded || !at_http_same(value, "identity");
    if (!at_http_same(name, "location") || cut)
        return;
    update_forget_text(u, &u->location);
    u->location = at_alloc(u->config.heap, strlen(value) + 1);
    if (u->location != NULL)
        at_copy_text(u->location, strlen(value) + 1, value);
}

static void on_http(void *owner, unsigned events)
{
    at_update *u = owner;
    at_err err = AT_OK;

    if ((events & AT_HTTP_FAILED) != 0) {
        (void)read_failed(u, at_http_error(u->http));
        finish(u);
        return;
    }
    if ((events & AT_HTTP_RESOLVED) != 0)
        reach(u, AT_UPDATE_FOUND);
    if ((events & AT_HTTP_OPENED) != 0)
        reach(u, AT_UPDATE_CONNECTED);
    if ((events & AT_HTTP_ANSWERED) != 0)
        err = answered(u);
    if (err != AT_OK && err != AT_ERR_AGAIN)
        finish(u);
    if (err != AT_OK || (events & AT_HTTP_READABLE) == 0)
        return;
    if (u->phase == UPDATE_LISTING)
        read_list(u);
    else
        read_file(u);
}

/* ---- requests ---- */

static at_err load_ca(at_update *u, at_pki_item *ca)
{
    at_err err;

    if (u->unverified) {
        at_log(u->config.log, AT_LOG_WARN, "update",
               "the server's certificate is not verified, as the module is told");
        return AT_OK;
    }
    err = at_pki_load(u->config.pki, AT_PKI_HTTPS, AT_PKI_CA, 0, ca);
    if (err == AT_OK)
        return AT_OK;
    u->tls_reason = err == AT_ERR_NOT_FOUND ? AT_TLS_NO_CA : AT_TLS_BAD_CA;
    return update_note(u, err, "no https_ca.0 in mfg_nvs to verify the server by");
}

/* Opens u->url. */
static at_err open_url(at_update *u)
{
    const at_update_config *c = &u->config;
    char fields[UPDATE_TOKEN_MAX + 96];
    at_pki_item ca = { 0 };
    at_tls_params tls = { .verify = !u->unverified };
    at_url url;
    at_err err = update_parse_url(u, u->url, &url);
    bool token = u->token_wanted && u->token[0] != '\0';

    if (err == AT_OK && url.https)
        err = load_ca(u, &ca);
    if (err != AT_OK)
        return err;
    snprintf(fields, sizeof fields, "Accept: */*\r\nAccept-Encoding: identity\r\n%s%s%s",
             token ? "Authorization: Bearer " : "", token ? u->token : "", token ? "\r\n" : "");
    tls.ca = (at_tls_bytes){ ca.data, ca.len };
    at_http_params params = {
        .net = c->net,
        .loop = c->loop,
        .heap = c->heap,
        .log = c->log,
        .request = { .method = AT_HTTP_GET, .url = &url, .agent = c->agent, .fields = fields },
        .tls = &tls,
        .patience_ms = AT_UPDATE_PATIENCE_MS,
        .on_event = on_http,
        .on_field = on_field,
        .owner = u
    };
    err = at_http_open(&params, &u->http, &u->tls_reason);
    at_wipe(fields, sizeof fields);
    at_pki_free(c->pki, &ca);
    if (err == AT_OK)
        return AT_OK;
    return update_note(u, err, "%s",
                       u->tls_reason != AT_TLS_FINE ? at_tls_reason_text(u->tls_reason)
                       : err == AT_ERR_INVALID      ? "the server's name is too long for TLS"
                                                    : at_err_text(err));
}

static at_err start_list(at_update *u)
{
    set_phase(u, UPDATE_LISTING);
    u->redirects = 0;
    u->token_wanted = true;
    at_release_start(&u->versions, u->version[0] != '\0' ? u->version : NULL);
    return update_make_url(u, "", "versions", "") == AT_OK ? open_url(u) : u->error;
}

static at_err start_file(at_update *u)
{
    set_phase(u, UPDATE_FETCHING);
    u->redirects = 0;
    u->kept = 0;
    at_upload_start(&u->upload, u->config.chip, &u->target);
    return open_url(u);
}

static void fetch(at_update *u)
{
    u->token_wanted = true;
    if (update_make_url(u, u->version, u->name, ".bin") != AT_OK || start_file(u) != AT_OK)
        finish(u);
}

/* ---- starting ---- */

at_err at_update_start(at_update *u, const at_update_params *params)
{
    if (u->phase != UPDATE_IDLE)
        return AT_ERR_STATE;
    u->stage = AT_UPDATE_NOTHING;
    u->error = AT_OK;
    u->tls_reason = AT_TLS_FINE;
    u->status = 0;
    u->why[0] = '\0';
    u->token_wanted = false;
    at_err err = update_take_params(u, params);
    if (err == AT_OK) {
        u->piece = at_alloc(u->config.heap, UPDATE_PIECE);
        if (u->piece == NULL)
            err = update_note(u, AT_ERR_NOMEM, "no memory for a piece of the file");
    }
    if (err == AT_OK)
        err = params->url != NULL ? start_file(u) : start_list(u);
    if (err == AT_OK)
        at_timer_in(u->config.loop, &u->limit, AT_UPDATE_LIMIT_MS * 1000ull);
    else
        release(u);
    return err;
}

void at_update_cancel(at_update *u)
{
    if (u->phase != UPDATE_IDLE)
        release(u);
}

/* ---- life, and what is known ---- */

at_update *at_update_create(const at_update_config *config)
{
    at_update *u = at_calloc(config->heap, 1, sizeof *u);

    if (u == NULL)
        return NULL;
    u->config = *config;
    at_timer_init(&u->limit, took_too_long, u);
    return u;
}

void at_update_destroy(at_update *u)
{
    if (u == NULL)
        return;
    release(u);
    at_free(u->config.heap, u);
}

bool at_update_is_running(const at_update *u)
{
    return u->phase != UPDATE_IDLE;
}

const at_partition *at_update_target(const at_update *u)
{
    return u->phase != UPDATE_IDLE && !u->list_only ? &u->target : NULL;
}

at_err at_update_error(const at_update *u)
{
    return u->error;
}

const char *at_update_why(const at_update *u)
{
    return u->why;
}

at_tls_reason at_update_tls_reason(const at_update *u)
{
    return u->tls_reason;
}

unsigned at_update_status(const at_update *u)
{
    return u->status;
}

const at_release_list *at_update_versions(const at_update *u)
{
    return &u->versions;
}
