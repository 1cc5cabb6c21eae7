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
#include "net/update.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"
#include "storage/upload.h"

#define PIECE     4096u
#define TOKEN_MAX 255u /* bytes */

typedef enum phase { IDLE, LISTING, FETCHING } phase;

struct at_update {
    at_update_config config;
    phase phase;
    at_update_stage stage;
    at_err error;
    at_tls_reason tls_reason;
    unsigned status;
    char why[160];
    at_timer limit;

    /* What is wanted. */
    char *server; /* URL of the module's files; NULL: none */
    char token[TOKEN_MAX + 1];
    bool token_wanted;                /* the present URL is of the server that the token is for */
    char version[AT_RELEASE_MAX + 1]; /* "": the newest, until the list has come */
    char name[AT_PARTITION_LABEL_MAX + 1];
    bool list_only, is_app, unverified;
    at_partition target;

    /* How it goes. */
    at_http *http;
    char *url, *location; /* on the heap; of this request, and where it is redirected to */
    unsigned redirects;
    bool encoded; /* the body is compressed */
    at_upload upload;
    bool writing;
    uint8_t *piece; /* PIECE bytes */
    uint32_t kept;  /* in piece, not yet written */
    at_release_list versions;
};

static void fetch(at_update *u);

/* ---- ends ---- */

static void forget_text(at_update *u, char **text)
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
}

static void release(at_update *u)
{
    at_timer_stop(u->config.loop, &u->limit);
    hang_up(u);
    forget_text(u, &u->url);
    forget_text(u, &u->location);
    forget_text(u, &u->server);
    at_wipe(u->token, sizeof u->token);
    at_free(u->config.heap, u->piece);
    u->piece = NULL;
    u->writing = false;
    u->phase = IDLE;
}

static AT_PRINTF(3, 4) at_err note(at_update *u, at_err error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(u->why, sizeof u->why, format, args);
    va_end(args);
    u->error = error;
    return error;
}

/* It is over, with what note() noted, or well. */
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

    (void)note(u, AT_ERR_TIMEOUT, "not done after %u s", AT_UPDATE_LIMIT_MS / 1000u);
    finish(u);
}

/* ---- flash ---- */

static at_err write_piece(at_update *u)
{
    at_err err;

    if (!u->writing) {
        u->writing = true;
        u->config.on_write(u->config.owner, &u->target);
    }
    err = at_upload_add(&u->upload, u->piece, u->kept);
    u->kept = 0;
    if (err == AT_ERR_INVALID)
        return note(u, AT_ERR_INVALID, "the file is longer than \"%s\" (0x%lx bytes)",
                    u->target.label, (unsigned long)u->target.size);
    return err == AT_OK ? AT_OK : note(u, err, "the flash chip refused to write");
}

/* A piece came in; the header of an image is judged before anything is erased for it. */
static at_err take_piece(at_update *u)
{
    const char *wrong;

    if (u->is_app && !u->writing) {
        if (u->kept < AT_IMAGE_HEADER)
            return AT_OK;
        wrong = at_image_check_header(u->piece);
        if (wrong != NULL)
            return note(u, AT_ERR_CORRUPT, "the image %s", wrong);
    }
    return write_piece(u);
}

static at_err judge_image(at_update *u)
{
    at_image_info info;
    const char *wrong = "is erased flash";
    at_err err = at_image_check(u->config.chip, u->target.offset, u->target.size, &info, &wrong);

    if (err != AT_OK)
        return note(u, err, "the image %s", err == AT_ERR_IO ? "cannot be read" : wrong);
    if (info.len > u->upload.written)
        return note(u, AT_ERR_CORRUPT, "the image is longer than the file");
    if (!info.described)
        return note(u, AT_ERR_CORRUPT, "the image does not say which firmware it is");
    if (u->version[0] != '\0' && strcmp(info.version, u->version) != 0)
        return note(u, AT_ERR_CORRUPT, "the image is %s, not %s as the server says", info.version,
                    u->version);
    at_log(u->config.log, AT_LOG_INFO, "update", "%s %s, %lu bytes, is in \"%s\"", info.project,
           info.version, (unsigned long)info.len, u->target.label);
    return AT_OK;
}

static at_err switch_slot(at_update *u)
{
    at_ota *ota = u->config.ota;
    unsigned slot = 0;
    at_err err;

    while (slot + 1 < ota->count && ota->slots[slot]->offset != u->target.offset)
        slot++;
    err = at_ota_switch(ota, slot);
    return err == AT_OK ? AT_OK : note(u, err, "the slot could not be switched");
}

static at_err complete(at_update *u)
{
    at_err err = AT_OK;

    if (u->is_app && !u->writing)
        return note(u, AT_ERR_CORRUPT, "%lu bytes are no image", (unsigned long)u->kept);
    if (!u->is_app) {
        err = at_upload_clear_rest(&u->upload);
        return err == AT_OK ? AT_OK : note(u, err, "the flash chip refused to erase");
    }
    err = judge_image(u);
    return err == AT_OK ? switch_slot(u) : err;
}

/* ---- bodies ---- */

static at_err read_failed(at_update *u, at_err err)
{
    u->tls_reason = at_http_tls_reason(u->http);
    return note(u, err, "%s", at_http_why(u->http));
}

static void read_file(at_update *u)
{
    size_t len;
    at_err err;

    do {
        err = at_http_read(u->http, u->piece + u->kept, PIECE - u->kept, &len);
        u->kept += (uint32_t)len;
        if (err == AT_OK && take_piece(u) != AT_OK) {
            finish(u);
            return;
        }
    } while (err == AT_OK);
    if (err == AT_ERR_AGAIN)
        return;
    if (err != AT_ERR_CLOSED)
        (void)read_failed(u, err);
    else if (complete(u) == AT_OK)
        reach(u, AT_UPDATE_DONE);
    finish(u);
}

static at_err choose_version(at_update *u)
{
    const at_release_list *versions = &u->versions;

    if (at_release_end(&u->versions) != AT_OK)
        return note(u, AT_ERR_CORRUPT, "line %u of the server's list of versions is none",
                    versions->line_number);
    if (u->list_only)
        return AT_OK;
    if (u->version[0] != '\0' && !versions->found)
        return note(u, AT_ERR_NOT_FOUND, "the server does not have %s", u->version);
    if (versions->count == 0)
        return note(u, AT_ERR_NOT_FOUND, "the server has no versions");
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
        err = at_http_read(u->http, u->piece, PIECE, &len);
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

static at_err parse_url(at_update *u, const char *text, at_url *url)
{
    const char *why = "";
    at_err err = at_url_parse(text, strlen(text), url, &why);

    return err == AT_OK ? AT_OK : note(u, err, "%s", why);
}

/* Where a Location leads: u->url becomes that, and is asked. */
static at_err redirect(at_update *u)
{
    at_url from, to;
    char *next;
    at_err err;

    if (u->location == NULL)
        return note(u, AT_ERR_CORRUPT, "a redirect without a usable Location");
    if (++u->redirects > AT_UPDATE_REDIRECTS)
        return note(u, AT_ERR_REFUSED, "more than %u redirects", AT_UPDATE_REDIRECTS);
    next = at_alloc(u->config.heap, AT_UPDATE_URL_MAX + 1);
    if (next == NULL)
        return note(u, AT_ERR_NOMEM, "no memory for a redirect");
    err = parse_url(u, u->url, &from);
    if (err == AT_OK && at_url_resolve(&from, u->location, next, AT_UPDATE_URL_MAX + 1) != AT_OK)
        err = note(u, AT_ERR_INVALID, "a redirect to what is no URL");
    err = err == AT_OK ? parse_url(u, next, &to) : err;
    if (err == AT_OK && from.https && !to.https)
        err = note(u, AT_ERR_REFUSED, "a redirect from https to http");
    if (err != AT_OK) {
        at_free(u->config.heap, next);
        return err;
    }
    u->token_wanted = u->token_wanted && at_url_same_origin(&from, &to);
    forget_text(u, &u->location);
    forget_text(u, &u->url);
    u->url = next;
    hang_up(u);
    err = open_url(u);
    return err == AT_OK ? AT_ERR_AGAIN : err;
}

/* The file fits, as far as its length is known. */
static at_err check_length(at_update *u, const at_http_response *response)
{
    if (response->body == AT_HTTP_BODY_NONE)
        return note(u, AT_ERR_CORRUPT, "the file is empty");
    if (response->body == AT_HTTP_BODY_COUNTED && response->length > u->target.size)
        return note(u, AT_ERR_INVALID, "the file has %lu bytes, \"%s\" holds %lu",
                    (unsigned long)AT_MIN(response->length, UINT32_MAX), u->target.label,
                    (unsigned long)u->target.size);
    if (response->body == AT_HTTP_BODY_TO_END && !u->is_app)
        return note(u, AT_ERR_UNSUPPORTED, "the server does not say how long the file is");
    return AT_OK;
}

/* AT_OK: the body is what was asked for; AT_ERR_AGAIN: another answer will come. */
static at_err answered(at_update *u)
{
    const at_http_response *response = at_http_response_of(u->http);

    if (is_redirect(response->status))
        return redirect(u);
    if (response->status != 200) {
        u->status = response->status;
        return note(u, response->status == 404 ? AT_ERR_NOT_FOUND : AT_ERR_REFUSED,
                    "the server answers with status %u%s", response->status,
                    response->status == 404   ? ": it has no such file"
                    : response->status == 401 ? ": it wants another token"
                                              : "");
    }
    if (u->encoded)
        return note(u, AT_ERR_UNSUPPORTED, "the server compresses what it sends");
    return u->phase == FETCHING ? check_length(u, response) : AT_OK;
}

static void on_field(void *owner, const char *name, const char *value, bool cut)
{
    at_update *u = owner;

    if (strcmp(name, "content-encoding") == 0)
        u->encoded = strcmp(value, "identity") != 0;
    if (strcmp(name, "location") != 0 || cut)
        return;
    forget_text(u, &u->location);
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
    if (u->phase == LISTING)
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
    return note(u, err, "no https_ca.0 in mfg_nvs to verify the server by");
}

/* Opens u->url. */
static at_err open_url(at_update *u)
{
    const at_update_config *c = &u->config;
    char fields[TOKEN_MAX + 96];
    at_pki_item ca = { 0 };
    at_tls_params tls = { .verify = !u->unverified };
    at_url url;
    at_err err = parse_url(u, u->url, &url);
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
    return note(u, err, "%s",
                u->tls_reason != AT_TLS_FINE ? at_tls_reason_text(u->tls_reason)
                : err == AT_ERR_INVALID      ? "the server's name is too long for TLS"
                                             : at_err_text(err));
}

/* u->url becomes the server's URL, and the rest behind it. */
static at_err make_url(at_update *u, const char *folder, const char *file, const char *ending)
{
    size_t room = strlen(u->server) + 3 * (strlen(folder) + strlen(file)) + strlen(ending) + 3;
    size_t len;

    forget_text(u, &u->url);
    u->url = at_alloc(u->config.heap, room);
    if (u->url == NULL)
        return note(u, AT_ERR_NOMEM, "no memory for a URL");
    len = (size_t)snprintf(u->url, room, "%s/", u->server);
    (void)at_url_escape(folder, u->url, room, &len);
    if (folder[0] != '\0')
        len += at_copy_text(u->url + len, room - len, "/");
    (void)at_url_escape(file, u->url, room, &len);
    (void)at_copy_text(u->url + len, room - len, ending);
    return AT_OK;
}

static at_err start_list(at_update *u)
{
    u->phase = LISTING;
    u->redirects = 0;
    u->token_wanted = true;
    at_release_start(&u->versions, u->version[0] != '\0' ? u->version : NULL);
    return make_url(u, "", "versions", "") == AT_OK ? open_url(u) : u->error;
}

static at_err start_file(at_update *u)
{
    u->phase = FETCHING;
    u->redirects = 0;
    u->kept = 0;
    at_upload_start(&u->upload, u->config.chip, &u->target);
    return open_url(u);
}

static void fetch(at_update *u)
{
    u->token_wanted = true;
    if (make_url(u, u->version, u->name, ".bin") != AT_OK || start_file(u) != AT_OK)
        finish(u);
}

/* ---- starting ---- */

/* The server's URL with the module's folder behind it. */
static at_err take_server(at_update *u, const at_update_params *params)
{
    size_t len = strlen(params->server), room = len + 3 * strlen(params->module) + 2;
    at_url url;
    at_err err = parse_url(u, params->server, &url);

    if (err != AT_OK)
        return err;
    if (memchr(url.target, '?', url.target_len) != NULL || strchr(params->server, '#') != NULL)
        return note(u, AT_ERR_INVALID, "the URL of an update server has no '?' and no '#'");
    u->server = at_alloc(u->config.heap, room);
    if (u->server == NULL)
        return note(u, AT_ERR_NOMEM, "no memory for a URL");
    at_copy_text(u->server, room, params->server);
    while (len > 0 && u->server[len - 1] == '/')
        len--;
    len += at_copy_text(u->server + len, room - len, "/");
    (void)at_url_escape(params->module, u->server, room, &len);
    return AT_OK;
}

static bool is_token(const char *token)
{
    for (const char *c = token; *c != '\0'; c++) {
        if (*c <= 0x20 || *c > 0x7e)
            return false;
    }
    return strlen(token) <= TOKEN_MAX;
}

static at_err take_target(at_update *u, const at_update_params *params)
{
    const at_ota *ota = u->config.ota;
    const at_partition *target = params->partition;

    u->is_app = target == NULL;
    if (params->list_only)
        return AT_OK;
    if (u->is_app && u->config.chip != NULL && ota->data != NULL)
        target = at_ota_next(ota);
    if (target == NULL)
        return note(u, AT_ERR_UNSUPPORTED,
                    "this module has no spare app slot (2 MB take a compressed image, whose format "
                    "is not public)");
    u->target = *target;
    return AT_OK;
}

static at_err take_params(at_update *u, const at_update_params *params)
{
    at_err err = take_target(u, params);

    u->list_only = params->list_only;
    u->unverified = params->unverified;
    at_copy_text(u->version, sizeof u->version, params->version != NULL ? params->version : "");
    at_copy_text(u->name, sizeof u->name, params->name != NULL ? params->name : "");
    if (err == AT_OK && params->token != NULL && !is_token(params->token))
        return note(u, AT_ERR_INVALID, "a token has at most %u visible ASCII characters",
                    TOKEN_MAX);
    at_copy_text(u->token, sizeof u->token, params->token != NULL ? params->token : "");
    if (err == AT_OK && params->url == NULL)
        return take_server(u, params);
    if (err != AT_OK)
        return err;
    u->url = at_alloc(u->config.heap, strlen(params->url) + 1);
    if (u->url == NULL)
        return note(u, AT_ERR_NOMEM, "no memory for a URL");
    at_copy_text(u->url, strlen(params->url) + 1, params->url);
    return AT_OK;
}

at_err at_update_start(at_update *u, const at_update_params *params)
{
    if (u->phase != IDLE)
        return AT_ERR_STATE;
    u->stage = AT_UPDATE_NOTHING;
    u->error = AT_OK;
    u->tls_reason = AT_TLS_FINE;
    u->status = 0;
    u->why[0] = '\0';
    u->token_wanted = false;
    at_err err = take_params(u, params);
    if (err == AT_OK) {
        u->piece = at_alloc(u->config.heap, PIECE);
        if (u->piece == NULL)
            err = note(u, AT_ERR_NOMEM, "no memory for a piece of the file");
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
    if (u->phase != IDLE)
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
    return u->phase != IDLE;
}

const at_partition *at_update_target(const at_update *u)
{
    return u->phase != IDLE && !u->list_only ? &u->target : NULL;
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
