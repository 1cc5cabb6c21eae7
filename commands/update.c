/* AT+CIPFWVER, AT+CIUPDATE and AT+USEROTA (guide 3.3.23, 3.3.24, 3.12.3). The work is net/update.c's; here
 * are its parameters, and when its host hears of it.
 *
 * Decisions where the guide is silent (docs/UPDATES.md has the protocol and the trust):
 *
 * - AT+CIPFWVER? prints a row for each version, the newest first; it asks by HTTP when there is a server
 *   for that, else by HTTPS.
 * - AT+CIUPDATE? says 0 before the first update; -1 after one that failed, in either mode.
 * - Success in blocking mode is followed by a restart, whatever was updated. So is AT+USEROTA's.
 * - <firmware name> is "ota" or a partition of at_customize: certificates are values in mfg_nvs in this
 *   release, so "mqtt_ca" needs a partition of that name first.
 * - The version that runs already is installed again when it is asked for, or is the newest.
 */
#include "commands/update.h"

#include <stdio.h>
#include <string.h>

#include "commands/flash_priv.h"
#include "commands/ssl.h"
#include "commands/version.h"
#include "core/bytes.h"

/* wire */
static const char FMT_CIPFWVER[] = "+CIPFWVER:\"%s\"\r\n";
static const char FMT_CIPUPDATE[] = "+CIPUPDATE:%d\r\n";
static const char FMT_RECV[] = "\r\nRecv %u bytes\r\n";

enum { MODE, VERSION, NAME, NONBLOCKING };
enum { BY_HTTP, BY_HTTPS };

#define FAILED      (-1)
#define SERVER_MAX  255u    /* bytes of a server's URL */
#define STATUS_CODE 0x7000u /* HTTP status in an error code (guide 3.6) */

/* A line of its own for each state: they may come faster than the host reads. */
typedef struct stage_notice {
    at_notice notice;
    int state;
} stage_notice;

struct at_update_family {
    at_app *app;
    at_update *update;
    at_signal signal;                         /* something happened to the running update */
    bool is_ciupdate;                         /* its states are AT+CIUPDATE's */
    bool nonblocking;                         /* nobody waits for it */
    int state;                                /* of the last AT+CIUPDATE */
    int told;                                 /* state that the waiting host has heard of */
    stage_notice notices[AT_UPDATE_DONE + 1]; /* the first for failure */
};

typedef struct at_update_family family;

static family *family_of(const at_call *call)
{
    return at_app_of(call)->update;
}

/* ---- what the update says ---- */

static size_t format_state(void *arg, char *buf, size_t room)
{
    const stage_notice *n = arg;

    return (size_t)snprintf(buf, room, FMT_CIPUPDATE, n->state);
}

static void set_state(family *f, int state)
{
    if (f->is_ciupdate)
        f->state = state;
    if (f->is_ciupdate && f->nonblocking)
        at_notice_post(f->app->session, &f->notices[state == FAILED ? 0 : state].notice);
    at_signal_raise(&f->signal);
}

static void on_stage(void *owner, at_update_stage stage)
{
    set_state(owner, (int)stage);
}

static void on_over(void *owner)
{
    family *f = owner;

    at_mfg_lend(f->app->mfg, false);
    if (at_update_error(f->update) != AT_OK) {
        if (f->nonblocking)
            at_log(f->app->log, AT_LOG_WARN, "update", "failed: %s", at_update_why(f->update));
        set_state(f, FAILED);
    }
    at_signal_raise(&f->signal);
}

void at_update_shutdown(at_app *app)
{
    at_update_cancel(app->update->update);
    at_mfg_lend(app->mfg, false);
}

static void on_write(void *owner, const at_partition *partition)
{
    const family *f = owner;

    at_flash_forget(f->app, partition);
    if (strcmp(partition->label, "mfg_nvs") == 0)
        at_mfg_lend(f->app->mfg, true); /* TLS looks for certificates at any time */
}

bool at_update_holds_slot(const at_app *app)
{
    const at_partition *target = at_update_target(app->update->update);

    return target != NULL && target->type == AT_PARTITION_APP;
}

bool at_update_holds(const at_app *app, const at_partition *partition)
{
    const at_partition *target = at_update_target(app->update->update);

    return target != NULL && partition != NULL && target->offset == partition->offset;
}

/* ---- starting and waiting ---- */

/* The URL for that scheme among the configured ones; false: there is none. */
static bool find_server(const at_app *app, bool https, char url[SERVER_MAX + 1])
{
    const char *scheme = https ? "https://" : "http://", *at = app->update_servers;

    while (*at != '\0') {
        size_t len = strcspn(at, " ");

        if (strncmp(at, scheme, strlen(scheme)) == 0 && len <= SERVER_MAX) {
            memcpy(url, at, len);
            url[len] = '\0';
            return true;
        }
        at += len + strspn(at + len, " ");
    }
    return false;
}

static at_result failed(at_call *call, at_err err)
{
    const at_update *update = family_of(call)->update;
    unsigned status = at_update_status(update);

    if (err == AT_ERR_STATE)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0,
                       "an update is under way: AT+CIUPDATE? tells how far it is");
    if (at_update_tls_reason(update) != AT_TLS_FINE)
        return at_ssl_fail(call, err, at_update_tls_reason(update), "the update server");
    return at_fail(call, AT_SUB_EXEC_FAIL, status != 0 ? STATUS_CODE + status : 0, "%s (%s)",
                   at_update_why(update), at_err_text(err));
}

static void tell_states(at_call *call, family *f)
{
    while (f->is_ciupdate && f->told < f->state)
        at_row(call, FMT_CIPUPDATE, ++f->told);
}

/* Until it is over. */
static at_result wait_for(at_call *call, family *f)
{
    at_err err = AT_OK;

    while (at_update_is_running(f->update) && err == AT_OK) {
        err = at_wait_until(call, &f->signal, AT_WAIT_FOREVER);
        tell_states(call, f);
    }
    tell_states(call, f);
    if (err != AT_OK)
        at_update_shutdown(f->app);
    else
        err = at_update_error(f->update);
    return err == AT_OK ? AT_RESULT_OK : failed(call, err);
}

static at_result start(at_call *call, const at_update_params *params, bool is_ciupdate,
                       bool nonblocking)
{
    family *f = family_of(call);

    if (at_update_is_running(f->update))
        return failed(call, AT_ERR_STATE);
    f->is_ciupdate = is_ciupdate;
    f->nonblocking = nonblocking;
    f->told = AT_UPDATE_NOTHING;
    f->signal.raised = false;
    if (is_ciupdate)
        f->state = AT_UPDATE_NOTHING;
    at_err err = at_update_start(f->update, params);
    if (err != AT_OK && is_ciupdate)
        f->state = FAILED;
    if (err != AT_OK)
        return failed(call, err);
    return nonblocking ? AT_RESULT_OK : wait_for(call, f);
}

static at_result restart_after(at_call *call, at_result result)
{
    if (result != AT_RESULT_OK)
        return result;
    at_app_restart(call, AT_BOOT_NORMAL, 0);
    return AT_RESULT_SILENT;
}

/* ---- AT+CIPFWVER, AT+CIUPDATE ---- */

static at_result no_server(at_call *call, bool https)
{
    return at_fail(call, AT_SUB_EXEC_FAIL, 0,
                   "no update server: `attache run --update-server %s://...`, or factory parameter "
                   "update_server",
                   https ? "https" : "http");
}

static void ask_server(at_update_params *params, const at_app *app, const char *url)
{
    params->server = url;
    params->token = app->update_token;
    params->module = app->bin_name;
    params->unverified = app->update_unverified;
}

static at_result cipfwver_query(at_call *call)
{
    const at_app *app = at_app_of(call);
    const at_release_list *list = at_update_versions(family_of(call)->update);
    at_update_params params = { .list_only = true };
    char url[SERVER_MAX + 1];

    if (!find_server(app, false, url) && !find_server(app, true, url))
        return no_server(call, false);
    ask_server(&params, app, url);
    at_result result = start(call, &params, false, false);
    for (unsigned i = 0; result == AT_RESULT_OK && i < list->count; i++)
        at_row(call, FMT_CIPFWVER, list->version[i]);
    return result;
}

static at_result ciupdate_query(at_call *call)
{
    at_row(call, FMT_CIPUPDATE, family_of(call)->state);
    return AT_RESULT_OK;
}

static at_result ciupdate(at_call *call, int mode, const char *version, const char *name,
                          bool nonblocking)
{
    const at_app *app = at_app_of(call);
    at_update_params params = { .version = version, .name = name };
    char url[SERVER_MAX + 1];

    if (strcmp(name, "ota") != 0) {
        params.partition = at_flash_user_partition(app, name);
        if (params.partition == NULL)
            return at_fail(call, AT_SUB_PARAM_INVALID, NAME + 1,
                           "no partition \"%s\" in at_customize: AT+SYSFLASH? lists them", name);
    }
    if (!find_server(app, mode == BY_HTTPS, url))
        return no_server(call, mode == BY_HTTPS);
    ask_server(&params, app, url);
    at_result result = start(call, &params, true, nonblocking);
    return nonblocking ? result : restart_after(call, result);
}

static at_result ciupdate_set(at_call *call)
{
    const char *version = at_has(call, VERSION) ? at_text(call, VERSION) : NULL;

    if (version != NULL &&
        (strlen(version) != call->arg[VERSION].len || !at_release_valid(version)))
        return at_fail(call, AT_SUB_PARAM_INVALID, VERSION + 1,
                       "a version is like v3.5.0.0: v, numbers, dots, then letters");
    return ciupdate(call, at_int(call, MODE), version,
                    at_has(call, NAME) ? at_text(call, NAME) : "ota",
                    at_int(call, NONBLOCKING) != 0);
}

static at_result ciupdate_execute(at_call *call)
{
    return ciupdate(call, BY_HTTP, NULL, "ota", false);
}

/* ---- AT+USEROTA ---- */

static at_result update_from(at_call *call, const char *url, size_t len)
{
    at_update_params params = { .url = url, .unverified = at_app_of(call)->update_unverified };

    if (strlen(url) != len)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "the URL has a zero byte");
    return start(call, &params, false, false);
}

/* What cannot succeed is said before the prompt. */
static at_result userota_possible(at_call *call)
{
    const at_ota *ota = &at_app_of(call)->flash_family->ota;

    if (at_update_is_running(family_of(call)->update))
        return failed(call, AT_ERR_STATE);
    if (ota->data == NULL || at_ota_next(ota) == NULL)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0,
                       "this module has no spare app slot (2 MB take a compressed image, whose "
                       "format is not public)");
    return AT_RESULT_OK;
}

at_result at_userota_set(at_call *call)
{
    at_heap *heap = at_app_of(call)->heap;
    size_t len = (size_t)at_int(call, 0), got;
    at_result result = userota_possible(call);

    if (result != AT_RESULT_OK)
        return result;
    char *url = at_alloc(heap, len + 1);
    if (url == NULL)
        return at_fail_err(call, AT_ERR_NOMEM, "the URL");
    at_err err = at_collect(call, true, url, len, &got);
    if (err == AT_OK) {
        url[len] = '\0';
        at_row(call, FMT_RECV, (unsigned)len);
        result = update_from(call, url, len);
    } else {
        result = at_fail_err(call, err, "no URL");
    }
    at_free(heap, url);
    return restart_after(call, result);
}

/* ---- family ---- */

at_err at_update_family_create(at_app *app)
{
    family *f = at_calloc(app->heap, 1, sizeof *f);

    if (f == NULL)
        return AT_ERR_NOMEM;
    f->app = app;
    for (int i = 0; i <= AT_UPDATE_DONE; i++) {
        f->notices[i].state = i == 0 ? FAILED : i;
        f->notices[i].notice =
            (at_notice){ .format = format_state, .arg = &f->notices[i], .status = true };
    }
    at_update_config config = { .net = app->net,
                                .loop = app->loop,
                                .heap = app->heap,
                                .log = app->log,
                                .chip = app->partitions != NULL ? app->flash : NULL,
                                .ota = &app->flash_family->ota,
                                .pki = &app->pki,
                                .agent = "attache/" AT_VERSION_CORE,
                                .on_stage = on_stage,
                                .on_over = on_over,
                                .on_write = on_write,
                                .owner = f };
    f->update = at_update_create(&config);
    app->update = f;
    return f->update != NULL ? AT_OK : AT_ERR_NOMEM;
}

/* arguments */
static const at_arg_spec ciupdate_args[] = {
    AT_INT("ota mode", 0, 1),
    AT_OPT_TEXT("version", 1, AT_RELEASE_MAX),
    AT_OPT_TEXT("firmware name", 1, AT_PARTITION_LABEL_MAX),
    AT_OPT_INT("nonblocking", 0, 1, 0),
};
static const at_shape ciupdate_shapes[] = { AT_SHAPE(NULL, ciupdate_args) };

/* rows */
static const at_cmd rows[] = {
    { .name = "+CIPFWVER",
      .query = cipfwver_query,
      .builds = AT_IN_WIFI,
      .guide = "3.3.23",
      .summary = "Query the firmware versions on the update server" },
    { .name = "+CIUPDATE",
      .query = ciupdate_query,
      .set = ciupdate_set,
      .execute = ciupdate_execute,
      AT_SHAPES(ciupdate_shapes),
      .builds = AT_IN_WIFI,
      .guide = "3.3.24",
      .summary = "Upgrade the firmware, or a partition, from the update server" },
};

const at_family_rows at_update_rows = AT_FAMILY(rows);
