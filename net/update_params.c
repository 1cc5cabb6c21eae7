/* What is wanted of an update: the target, the URLs. A server's URL gets the module's folder behind it;
 * every name from outside is escaped, so none of them leads out of the server's folder.
 */
#include "net/update_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

at_err update_parse_url(at_update *u, const char *text, at_url *url)
{
    const char *why = "";
    at_err err = at_url_parse(text, strlen(text), url, &why);

    return err == AT_OK ? AT_OK : update_note(u, err, "%s", why);
}

at_err update_make_url(at_update *u, const char *folder, const char *file, const char *ending)
{
    size_t room = strlen(u->server) + 3 * (strlen(folder) + strlen(file)) + strlen(ending) + 3;
    size_t len;

    update_forget_text(u, &u->url);
    u->url = at_alloc(u->config.heap, room);
    if (u->url == NULL)
        return update_note(u, AT_ERR_NOMEM, "no memory for a URL");
    len = (size_t)snprintf(u->url, room, "%s/", u->server);
    (void)at_url_escape(folder, u->url, room, &len);
    if (folder[0] != '\0')
        len += at_copy_text(u->url + len, room - len, "/");
    (void)at_url_escape(file, u->url, room, &len);
    (void)at_copy_text(u->url + len, room - len, ending);
    return AT_OK;
}

/* The server's URL with the module's folder behind it. */
static at_err take_server(at_update *u, const at_update_params *params)
{
    size_t len = strlen(params->server), room = len + 3 * strlen(params->module) + 2;
    at_url url;
    at_err err = update_parse_url(u, params->server, &url);

    if (err != AT_OK)
        return err;
    if (memchr(url.target, '?', url.target_len) != NULL || strchr(params->server, '#') != NULL)
        return update_note(u, AT_ERR_INVALID, "the URL of an update server has no '?' and no '#'");
    u->server = at_alloc(u->config.heap, room);
    if (u->server == NULL)
        return update_note(u, AT_ERR_NOMEM, "no memory for a URL");
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
    return strlen(token) <= UPDATE_TOKEN_MAX;
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
        return update_note(
            u, AT_ERR_UNSUPPORTED,
            "this module has no spare app slot (2 MB take a compressed image, whose format "
            "is not public)");
    u->target = *target;
    return AT_OK;
}

at_err update_take_params(at_update *u, const at_update_params *params)
{
    at_err err = take_target(u, params);

    u->list_only = params->list_only;
    u->unverified = params->unverified;
    at_copy_text(u->version, sizeof u->version, params->version != NULL ? params->version : "");
    at_copy_text(u->name, sizeof u->name, params->name != NULL ? params->name : "");
    if (err == AT_OK && params->token != NULL && !is_token(params->token))
        return update_note(u, AT_ERR_INVALID, "a token has at most %u visible ASCII characters",
                           UPDATE_TOKEN_MAX);
    at_copy_text(u->token, sizeof u->token, params->token != NULL ? params->token : "");
    if (err == AT_OK && params->url == NULL)
        return take_server(u, params);
    if (err != AT_OK)
        return err;
    u->url = at_alloc(u->config.heap, strlen(params->url) + 1);
    if (u->url == NULL)
        return update_note(u, AT_ERR_NOMEM, "no memory for a URL");
    at_copy_text(u->url, strlen(params->url) + 1, params->url);
    return AT_OK;
}
