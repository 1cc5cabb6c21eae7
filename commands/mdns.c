/* AT+MDNS: the module's name and one service of it, for everybody on the local network (guide 3.3.38).
 *
 * Decisions where the guide is silent: it needs a mode other than null, and works on the station and
 * the SoftAP, before and after a join; set again while enabled it takes the old names back and tells
 * the new ones; =0 while disabled is OK. When another host has the name, "-2" is added to it. Names
 * other than <"instance"> are one label, without dots. A pair holds at most 255 bytes with its "=".
 */
#include "commands/time_priv.h"

#include <string.h>

#include "commands/wifi_priv.h"
#include "core/bytes.h"
#include "net/mdns_host.h"

enum { ENABLE, HOST, TYPE, PORT, INSTANCE, PROTO, TXT_NUMBER, FIRST_KEY };

#define PAIRS_MAX 10u
#define PAIR_MAX  255u /* bytes with "=" (RFC 6763 section 6.1) */

/* One label into the service; false after at_fail. */
static bool take_label(at_call *call, unsigned index, char to[AT_MDNS_LABEL_MAX + 1])
{
    const char *text = at_text(call, index);

    if (strlen(text) != call->arg[index].len || (index != INSTANCE && strchr(text, '.') != NULL)) {
        at_fail(call, AT_SUB_PARAM_INVALID, index + 1,
                "one part of a name, without dots; \".local\" and <proto> are added to it");
        return false;
    }
    at_copy_text(to, AT_MDNS_LABEL_MAX + 1, text);
    return true;
}

static bool take_names(at_call *call, at_mdns_service *service)
{
    if (!take_label(call, HOST, service->host) || !take_label(call, TYPE, service->type))
        return false;
    memcpy(service->instance, service->host, sizeof service->instance);
    if (at_has(call, INSTANCE) && !take_label(call, INSTANCE, service->instance))
        return false;
    memcpy(service->proto, "_tcp", sizeof "_tcp");
    if (at_has(call, PROTO) && !take_label(call, PROTO, service->proto))
        return false;
    if (service->type[0] != '_' || service->proto[0] != '_')
        at_log(at_app_of(call)->log, AT_LOG_WARN, "mdns",
               "browsers look for services whose type and protocol begin with \"_\"");
    return true;
}

static bool take_pair(at_call *call, at_mdns_service *service, unsigned key)
{
    const at_value *k = &call->arg[key], *v = &call->arg[key + 1];

    if (!k->present || !v->present) {
        at_fail(call, AT_SUB_PARAM_INVALID, key + (k->present ? 2 : 1), "cannot be omitted");
        return false;
    }
    if (k->len + v->len + 1u > PAIR_MAX) {
        at_fail(call, AT_SUB_PARAM_LENGTH, key + 2, "key and value have %u bytes with the \"=\"",
                k->len + v->len + 1u);
        return false;
    }
    if (strlen(k->text) != k->len || strlen(v->text) != v->len || strchr(k->text, '=') != NULL ||
        !at_mdns_add_txt(service, k->text, v->text)) {
        at_fail(call, AT_SUB_PARAM_INVALID, key + 1, "a key has no \"=\", no text a zero byte");
        return false;
    }
    return true;
}

static bool take_pairs(at_call *call, at_mdns_service *service)
{
    unsigned needed = TXT_NUMBER + 1 + 2 * (unsigned)at_int(call, TXT_NUMBER);

    if (at_has(call, TXT_NUMBER) ? call->given != needed : call->given > TXT_NUMBER + 1) {
        at_fail(call, AT_SUB_PARAM_COUNT, needed * 256 + call->given,
                "<txt_number> pairs of key and value follow it");
        return false;
    }
    for (unsigned key = FIRST_KEY; key < needed; key += 2) {
        if (!take_pair(call, service, key))
            return false;
    }
    return true;
}

static at_result disable(at_time *time)
{
    at_mdns_host_close(time->mdns);
    time->mdns = NULL;
    return AT_RESULT_OK;
}

static at_result mdns_set(at_call *call)
{
    at_app *app = at_app_of(call);
    at_mdns_service service = { .port = (uint16_t)at_int(call, PORT) };
    at_err err;

    if (at_int(call, ENABLE) == 0)
        return disable(app->time);
    if (!at_wifi_is_on(app) && !at_softap_is_on(app->softap))
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "needs station or SoftAP mode (AT+CWMODE)");
    if (!take_names(call, &service) || !take_pairs(call, &service))
        return AT_RESULT_ERROR;
    (void)disable(app->time);
    err = at_mdns_host_open(app->net, &service, &app->time->mdns);
    if (err != AT_OK)
        return at_fail_err(call, err, "the UDP port 5353");
    return AT_RESULT_OK;
}

void at_time_leaving(at_app *app)
{
    if (app->time->mdns != NULL)
        at_mdns_host_leave(app->time->mdns, AT_NETIF_STA);
}

/* arguments */
#define LABEL(name)     AT_TEXT(name, 1, AT_MDNS_LABEL_MAX)
#define OPT_LABEL(name) AT_OPT_TEXT(name, 1, AT_MDNS_LABEL_MAX)
#define PAIR            AT_OPT_TEXT("key", 1, PAIR_MAX - 1), AT_OPT_TEXT("value", 0, PAIR_MAX - 2)
static const at_arg_spec off_args[] = { AT_INT("enable", 0, 1) };
static const at_arg_spec on_args[] = {
    AT_INT("enable", 0, 1),
    LABEL("hostname"),
    LABEL("service_type"),
    AT_INT("port", 1, 65535),
    OPT_LABEL("instance"),
    OPT_LABEL("proto"),
    AT_OPT_INT("txt_number", 1, PAIRS_MAX, 0),
    PAIR,
    PAIR,
    PAIR,
    PAIR,
    PAIR,
    PAIR,
    PAIR,
    PAIR,
    PAIR,
    PAIR,
};
static const at_shape shapes[] = { AT_SHAPE("disable", off_args), AT_SHAPE("enable", on_args) };

_Static_assert(AT_COUNT(on_args) == FIRST_KEY + 2 * PAIRS_MAX && AT_COUNT(on_args) <= AT_ARGS_MAX,
               "a line has room for ten pairs");

static uint8_t by_enable(const at_call *call)
{
    char text[8];
    int64_t enable;

    at_peek(call, ENABLE, text, sizeof text);
    return at_parse_int(text, strlen(text), &enable) && enable == 1 ? 1 : 0;
}

/* rows */
static const at_cmd rows[] = {
    { .name = "+MDNS",
      .set = mdns_set,
      AT_SHAPES(shapes),
      .select = by_enable,
      .builds = AT_IN_WIFI,
      .guide = "3.3.38",
      .summary = "Configure the mDNS function" },
};

const at_family_rows at_mdns_rows = AT_FAMILY(rows);
