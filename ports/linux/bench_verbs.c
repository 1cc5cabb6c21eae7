/* The control verbs of a bench. Each takes its members from the request, does one thing, and puts what is
 * worth knowing into the answer; an error says what would be right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "ports/linux/bench_priv.h"

const char bench_verb_list[] = "status, wait, subscribe, ap, fault, power, pin, quit";

typedef struct verb_call {
    lx_bench *b;
    const cJSON *request;
    cJSON *answer;
    char *error;
    size_t room;
} verb_call;

static bool refuse(const verb_call *v, const char *text)
{
    snprintf(v->error, v->room, "%s", text);
    return false;
}

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsString(member) ? member->valuestring : NULL;
}

static bool whole(const cJSON *member, double min, double max)
{
    return cJSON_IsNumber(member) && member->valuedouble >= min && member->valuedouble <= max &&
           member->valuedouble == (double)(int64_t)member->valuedouble;
}

static bool done(const verb_call *v, at_err err, const char *what, const char *name)
{
    if (err == AT_OK)
        return true;
    snprintf(v->error, v->room, "%s '%s': %s", what, name, at_err_text(err));
    return false;
}

/* ---- status ---- */

static void add_air(const verb_call *v)
{
    if (v->b->link != NULL)
        cJSON_AddBoolToObject(v->answer, "connected", lx_airlink_is_up(v->b->link));
    if (v->b->air == NULL)
        return;

    /* Some hundred bytes per radio and lease. */
    for (size_t room = 16u * 1024; room <= 4u * 1024 * 1024; room *= 4) {
        char *text = malloc(room);
        bool fits = text != NULL && at_air_status(v->b->air, text, room) > 0;

        if (fits)
            cJSON_AddItemToObject(v->answer, "air", cJSON_Parse(text));
        free(text);
        if (fits)
            break;
    }
}

/* Pins that the chip drives, by number. */
static void add_pins(const verb_call *v)
{
    const lx_bench *b = v->b;
    cJSON *pins = cJSON_AddObjectToObject(v->answer, "pins");
    char name[4];

    for (unsigned pin = 0; pin < 32; pin++) {
        if ((b->pins_driven >> pin & 1) == 0)
            continue;
        snprintf(name, sizeof name, "%u", pin);
        cJSON_AddNumberToObject(pins, name, b->pins_out >> pin & 1);
    }
}

static void add_chip(const verb_call *v)
{
    lx_bench *b = v->b;
    const lx_frames *frames = lx_chip_frames(b->chip);
    cJSON *radio = cJSON_AddObjectToObject(v->answer, "radio");

    cJSON_AddStringToObject(v->answer, "power", lx_power_name(lx_chip_state(b->chip)));
    cJSON_AddBoolToObject(v->answer, "ready", lx_chip_ready(b->chip));
    cJSON_AddNumberToObject(v->answer, "boots", lx_chip_boots(b->chip));
    cJSON_AddNumberToObject(v->answer, "pid", lx_chip_pid(b->chip));
    cJSON_AddStringToObject(v->answer, "port", b->connector->path);
    cJSON_AddStringToObject(v->answer, "ip", b->address);
    cJSON_AddStringToObject(v->answer, "sleep", b->sleep);
    cJSON_AddBoolToObject(v->answer, "asleep", b->asleep);
    add_pins(v);
    cJSON_AddNumberToObject(radio, "to_chip", (double)frames->sent);
    cJSON_AddNumberToObject(radio, "from_chip", (double)frames->received);
    cJSON_AddNumberToObject(radio, "refused", (double)frames->refused);
}

static bool verb_status(const verb_call *v)
{
    lx_bench *b = v->b;

    cJSON_AddNumberToObject(v->answer, "seed", (double)b->seed);
    cJSON_AddNumberToObject(v->answer, "n", lx_ctl_last(b->ctl));
    if (b->chip != NULL)
        add_chip(v);
    add_air(v);
    return true;
}

/* ---- the air ---- */

static bool no_air(const verb_call *v)
{
    return refuse(v, "the air is shared: ask the control socket of `attache air`");
}

static bool verb_ap(const verb_call *v)
{
    if (v->b->air == NULL)
        return no_air(v);

    const char *name = text_of(v->request, "name");
    const cJSON *on = cJSON_GetObjectItemCaseSensitive(v->request, "on");
    const cJSON *rssi = cJSON_GetObjectItemCaseSensitive(v->request, "rssi");
    const char *station = text_of(v->request, "station");
    uint8_t mac[6];
    at_err err = AT_OK;

    if (name == NULL || (!cJSON_IsBool(on) && !whole(rssi, -127, 0)) ||
        (station != NULL && !at_parse_mac(station, mac)))
        return refuse(v, "ap needs \"name\" and one of \"on\" (true or false) and \"rssi\" (-127 "
                         "to 0), which may have \"station\" (an address)");
    if (cJSON_IsBool(on))
        err = at_air_ap_power(v->b->air, name, cJSON_IsTrue(on));
    if (err == AT_OK && whole(rssi, -127, 0))
        err = station != NULL ? at_air_link_rssi(v->b->air, name, mac, rssi->valueint)
                              : at_air_ap_rssi(v->b->air, name, rssi->valueint);
    return done(v, err, "access point", name);
}

static bool take_number(const cJSON *add, const char *name, double max, uint64_t *value)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(add, name);

    *value = 0;
    if (member == NULL)
        return true;
    if (!whole(member, 0, max))
        return false;
    *value = (uint64_t)member->valuedouble;
    return true;
}

static bool add_fault(const verb_call *v, const cJSON *add)
{
    const char *name = text_of(add, "name"), *ap = text_of(add, "ap"), *kind = text_of(add, "kind");
    const char *station = text_of(add, "station");
    at_world_fault fault = { .armed = !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(add, "on")) };
    uint64_t value, after_ms;

    if (name == NULL || name[0] == '\0' || strlen(name) >= sizeof fault.name || kind == NULL ||
        (ap != NULL && strlen(ap) >= sizeof fault.ap) ||
        (station != NULL && !at_parse_mac(station, fault.station)) ||
        !take_number(add, "value", UINT32_MAX, &value) ||
        !take_number(add, "after_ms", UINT32_MAX, &after_ms) ||
        !take_number(add, "after_bytes", 9007199254740992.0, &fault.after_bytes))
        return refuse(v,
                      "fault add needs \"name\" and \"kind\" and may have \"ap\", \"station\" (an "
                      "address), \"value\", \"after_ms\", \"after_bytes\" (numbers) and \"on\"");
    if (!at_fault_kind_parse(kind, &fault.kind))
        return refuse(v, "no such kind of fault: as in a world file, like loss, delay, half_open");
    at_copy_text(fault.name, sizeof fault.name, name);
    at_copy_text(fault.ap, sizeof fault.ap, ap != NULL ? ap : "");
    fault.one_station = station != NULL;
    fault.value = (uint32_t)value;
    fault.after_ms = (uint32_t)after_ms;
    if (at_fault_problem(&fault) != NULL) {
        snprintf(v->error, v->room, "fault '%s': %s %s", name, at_fault_kind_name(fault.kind),
                 at_fault_problem(&fault));
        return false;
    }
    return done(v, at_air_add_fault(v->b->air, &fault), "fault", name);
}

static bool verb_fault(const verb_call *v)
{
    if (v->b->air == NULL)
        return no_air(v);

    const cJSON *add = cJSON_GetObjectItemCaseSensitive(v->request, "add");
    const cJSON *on = cJSON_GetObjectItemCaseSensitive(v->request, "on");
    const char *name = text_of(v->request, "name");

    if (cJSON_IsObject(add))
        return add_fault(v, add);
    if (name == NULL || !cJSON_IsBool(on))
        return refuse(v, "fault needs \"name\" and \"on\" (true or false), or \"add\" (an object)");
    return done(v, at_air_fault(v->b->air, name, cJSON_IsTrue(on)), "fault", name);
}

/* ---- power ---- */

static bool verb_power(const verb_call *v)
{
    const char *state = text_of(v->request, "state");
    bool off, on;

    if (state == NULL)
        state = "";
    off = strcmp(state, "off") == 0 || strcmp(state, "cycle") == 0;
    on = strcmp(state, "on") == 0 || strcmp(state, "cycle") == 0;
    if (!off && !on)
        return refuse(v, "power needs \"state\": \"off\", \"on\" or \"cycle\"");
    if (off)
        lx_chip_power(v->b->chip, false);
    return !on || done(v, lx_chip_power(v->b->chip, true), "power", state);
}

/* ---- pins ---- */

static bool verb_pin(const verb_call *v)
{
    lx_bench *b = v->b;
    const cJSON *pin = cJSON_GetObjectItemCaseSensitive(v->request, "pin");
    const cJSON *level = cJSON_GetObjectItemCaseSensitive(v->request, "level");
    uint32_t bit;

    if (!whole(pin, 0, 20) || !whole(level, 0, 1))
        return refuse(v, "pin needs \"pin\" (0 to 20) and \"level\" (0 or 1)");
    bit = 1u << pin->valueint;
    b->pins_given |= bit;
    b->pins_in = level->valueint != 0 ? b->pins_in | bit : b->pins_in & ~bit;
    lx_chip_send_pin(b->chip, (unsigned)pin->valueint, level->valueint != 0);
    return true;
}

static bool verb_quit(const verb_call *v)
{
    bench_stop(v->b, 0);
    return true;
}

static bool needs_chip(const char *verb)
{
    return strcmp(verb, "power") == 0 || strcmp(verb, "pin") == 0;
}

bool bench_verb(void *owner, const char *verb, const cJSON *request, cJSON *answer, char *error,
                size_t room)
{
    static const struct {
        const char *name;
        bool (*run)(const verb_call *v);
    } verbs[] = {
        { "status", verb_status }, { "ap", verb_ap },   { "fault", verb_fault },
        { "power", verb_power },   { "pin", verb_pin }, { "quit", verb_quit },
    };
    const verb_call call = { owner, request, answer, error, room };

    if (((const lx_bench *)owner)->chip == NULL && needs_chip(verb))
        return refuse(&call, "there is no module here, only an air: status, ap, fault, quit");
    for (size_t i = 0; i < AT_COUNT(verbs); i++) {
        if (strcmp(verb, verbs[i].name) == 0)
            return verbs[i].run(&call);
    }
    snprintf(error, room, "unknown verb '%.40s': %s", verb, bench_verb_list);
    return false;
}
