/* The system family (guide 3.1): sleep, radio power, registers, message filters. Its neighbours are
 * basic.c and translink.c.
 *
 * Sleeping costs this module nothing, so modem-sleep and light-sleep are states: kept, checked and
 * reported (event "sleep"), while the AT port and the radio go on. Deep-sleep is real: the chip is off
 * for that time. Decisions where the guide is silent:
 *
 * - AT+GSLP answers +GSLP:<time>, OK, and what AT+RST says when joined; 0 is a restart.
 * - AT+SLEEP=1 to 3 need station mode, AT+SLEEP=0 nothing. AT+CWMODE afterwards does not change the state.
 * - AT+SLEEPWKCFG: source 2 needs <param2>; pins are GPIO0 to GPIO20 (the guide's example takes 12). Light
 *   sleep without a wake-up source is asleep for good, as the guide warns.
 * - AT+RFPOWER keeps the value as set (the table: <get value> is <set value>); at boot it is the factory
 *   parameter max_tx_power, or 78. The model's receivers do not hear it.
 * - AT+SYSREG knows the GPIO registers, which do what they say to the module's pins; every other address is
 *   an ERROR: nothing is there that could be read. Values are decimal.
 */
#include "commands/system_priv.h"

#include <stdio.h>

#include "commands/wifi_priv.h"
#include "core/bytes.h"

/* wire */
static const char FMT_GSLP[] = "+GSLP:%ld\r\n";
static const char FMT_SLEEP[] = "+SLEEP:%d\r\n";
static const char FMT_RFPOWER[] = "+RFPOWER:%u\r\n";
static const char FMT_SYSREG[] = "+SYSREG:%lu\r\n";

#define RF_POWER_FACTORY 78
#define WAKE_BY_GPIO     2
#define MODE_STATION     1

/* ---- pins and light sleep ---- */

static void report_sleep(const at_system *s)
{
    static const char *const names[AT_SLEEP_MODES] = { "active", "modem", "light", "modem-listen" };
    char members[64];

    snprintf(members, sizeof members, "\"state\":\"%s\",\"asleep\":%s", names[s->sleep],
             s->asleep ? "true" : "false");
    s->app->supervisor->report(s->app->supervisor->ctx, "sleep", members);
}

static bool level_of(uint32_t bits, unsigned pin)
{
    return (bits >> pin & 1) != 0;
}

static bool should_sleep(const at_system *s)
{
    return s->sleep == AT_SLEEP_LIGHT &&
           !(s->wake_set && level_of(s->in, s->wake_pin) == s->wake_level);
}

static void look_at_sleep(at_system *s)
{
    if (s->asleep == should_sleep(s))
        return;
    s->asleep = !s->asleep;
    report_sleep(s);
}

/* Reports every pin whose driven level is another one than before. */
static void drive(at_system *s, uint32_t out, uint32_t enable)
{
    uint32_t changed = ((s->out ^ out) & enable) | (enable & ~s->enable);
    char members[48];

    s->out = out;
    s->enable = enable;
    for (unsigned pin = 0; pin <= AT_PIN_MAX; pin++) {
        if (!level_of(changed, pin))
            continue;
        snprintf(members, sizeof members, "\"pin\":%u,\"level\":%d", pin, level_of(out, pin));
        s->app->supervisor->report(s->app->supervisor->ctx, "pin", members);
    }
}

void at_app_drive_pin(at_app *app, unsigned pin, bool level)
{
    at_system *s = app->system;
    uint32_t bit = 1u << pin;

    drive(s, level ? s->out | bit : s->out & ~bit, s->enable | bit);
}

void at_system_on_pin(at_app *app, unsigned pin, bool level)
{
    at_system *s = app->system;

    if (pin > AT_PIN_MAX)
        return;
    s->in = level ? s->in | 1u << pin : s->in & ~(1u << pin);
    look_at_sleep(s);
}

/* ---- AT+GSLP ---- */

static at_result gslp_set(at_call *call)
{
    int32_t time_ms = at_int(call, 0);

    at_row(call, FMT_GSLP, (long)time_ms);
    at_app_restart(call, time_ms == 0 ? AT_BOOT_NORMAL : AT_BOOT_SLEEP, (uint64_t)time_ms);
    return AT_RESULT_SILENT;
}

/* ---- AT+SLEEP, AT+SLEEPWKCFG ---- */

static at_result sleep_query(at_call *call)
{
    at_row(call, FMT_SLEEP, at_system_of(call)->sleep);
    return AT_RESULT_OK;
}

static at_result sleep_set(at_call *call)
{
    at_system *s = at_system_of(call);
    at_sleep_mode mode = (at_sleep_mode)at_int(call, 0);

    if (mode != AT_SLEEP_NONE &&
        at_setting_int(s->app->settings, AT_SETTING_CWMODE) != MODE_STATION)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "sleep modes need station mode (AT+CWMODE=1)");
    s->sleep = mode;
    s->asleep = should_sleep(s);
    report_sleep(s);
    at_wake_on_sleep(s->app, mode != AT_SLEEP_NONE);
    return AT_RESULT_OK;
}

static at_result sleepwkcfg_set(at_call *call)
{
    at_system *s = at_system_of(call);

    if (at_int(call, 0) != WAKE_BY_GPIO)
        return at_fail(call, AT_SUB_PARAM_INVALID, 1, "the only wake-up source is 2, a pin");
    if (at_int(call, 1) > (int)AT_PIN_MAX)
        return at_fail(call, AT_SUB_PARAM_INVALID, 2, "pins are 0 to %u", AT_PIN_MAX);
    if (!at_has(call, 2))
        return at_fail(call, AT_SUB_PARAM_INVALID, 3, "a pin needs its wake-up level");
    s->wake_set = true;
    s->wake_pin = (uint8_t)at_int(call, 1);
    s->wake_level = at_int(call, 2) == 1;
    look_at_sleep(s);
    return AT_RESULT_OK;
}

/* ---- AT+RFPOWER ---- */

static bool wifi_is_on(const at_app *app)
{
    return app->wifi->ready && at_setting_int(app->settings, AT_SETTING_CWMODE) != 0;
}

static at_result wifi_is_off(at_call *call)
{
    return at_fail(call, AT_SUB_EXEC_FAIL, 0, "Wi-Fi is off (AT+CWMODE, AT+CWINIT)");
}

static at_result rfpower_query(at_call *call)
{
    if (!wifi_is_on(at_app_of(call)))
        return wifi_is_off(call);
    at_row(call, FMT_RFPOWER, at_system_of(call)->rf_power);
    return AT_RESULT_OK;
}

static at_result rfpower_set(at_call *call)
{
    if (!wifi_is_on(at_app_of(call)))
        return wifi_is_off(call);
    at_system_of(call)->rf_power = (uint8_t)at_int(call, 0);
    return AT_RESULT_OK;
}

/* ---- AT+SYSREG ---- */

#define GPIO_BASE 0x60004000u
#define PINS      ((2u << AT_PIN_MAX) - 1u)

enum {
    GPIO_OUT = 0x04,
    GPIO_OUT_SET = 0x08,
    GPIO_OUT_CLEAR = 0x0C,
    GPIO_ENABLE = 0x20,
    GPIO_ENABLE_SET = 0x24,
    GPIO_ENABLE_CLEAR = 0x28,
    GPIO_IN = 0x3C,
};

static bool read_register(const at_system *s, uint32_t address, uint32_t *value)
{
    switch (address - GPIO_BASE) {
    case GPIO_OUT: *value = s->out; return true;
    case GPIO_ENABLE: *value = s->enable; return true;
    case GPIO_IN: *value = (s->out & s->enable) | (s->in & ~s->enable); return true;
    default: return false;
    }
}

static bool write_register(at_system *s, uint32_t address, uint32_t value)
{
    value &= PINS;
    switch (address - GPIO_BASE) {
    case GPIO_OUT: drive(s, value, s->enable); return true;
    case GPIO_OUT_SET: drive(s, s->out | value, s->enable); return true;
    case GPIO_OUT_CLEAR: drive(s, s->out & ~value, s->enable); return true;
    case GPIO_ENABLE: drive(s, s->out, value); return true;
    case GPIO_ENABLE_SET: drive(s, s->out, s->enable | value); return true;
    case GPIO_ENABLE_CLEAR: drive(s, s->out, s->enable & ~value); return true;
    default: return false;
    }
}

static at_result sysreg_set(at_call *call)
{
    at_system *s = at_system_of(call);
    uint32_t address = (uint32_t)at_int(call, 1), value = (uint32_t)at_int(call, 2);
    bool writes = at_int(call, 0) == 1;

    if (writes != at_has(call, 2))
        return at_fail(call, AT_SUB_PARAM_INVALID, 3,
                       writes ? "no value to write" : "a value to read");
    if (!(writes ? write_register(s, address, value) : read_register(s, address, &value)))
        return at_fail(call, AT_SUB_EXEC_FAIL, 0,
                       "this module has no register 0x%08lx to %s, only those of its pins",
                       (unsigned long)address, writes ? "write" : "read");
    if (!writes)
        at_row(call, FMT_SYSREG, (unsigned long)value);
    return AT_RESULT_OK;
}

/* ---- life ---- */

at_err at_system_family_create(at_app *app)
{
    at_system *s = at_calloc(app->heap, 1, sizeof *s);

    if (s == NULL)
        return AT_ERR_NOMEM;
    s->app = app;
    s->rf_power = app->factory_rf_power != 0 ? app->factory_rf_power : RF_POWER_FACTORY;
    app->system = s;
    return AT_OK;
}

/* arguments */
static const at_arg_spec gslp_args[] = { AT_INT("time", 0, INT32_MAX) };
static const at_shape gslp_shapes[] = { AT_SHAPE(NULL, gslp_args) };
static const at_arg_spec sleep_args[] = { AT_INT("sleep mode", 0, 3) };
static const at_shape sleep_shapes[] = { AT_SHAPE(NULL, sleep_args) };
static const at_arg_spec sleepwkcfg_args[] = { AT_INT("wakeup source", 0, 2),
                                               AT_INT("param1", 0, INT32_MAX),
                                               AT_OPT_INT("param2", 0, 1, 0) };
static const at_shape sleepwkcfg_shapes[] = { AT_SHAPE(NULL, sleepwkcfg_args) };
static const at_arg_spec filter_args[] = { AT_INT("enable", 0, 1) };
static const at_shape filter_shapes[] = { AT_SHAPE(NULL, filter_args) };
static const at_arg_spec filter_clear_args[] = { AT_INT("operator", 0, 0) };
static const at_arg_spec filter_change_args[] = {
    AT_INT("operator", 1, 2),
    AT_INT("head_regexp_len", 0, AT_BRE_PATTERN_MAX),
    AT_INT("tail_regexp_len", 0, AT_BRE_PATTERN_MAX),
};
static const at_shape filtercfg_shapes[] = {
    AT_SHAPE("clear", filter_clear_args),
    AT_SHAPE("add or delete", filter_change_args),
};
static const at_arg_spec rfpower_args[] = { AT_INT("wifi_power", 40, 84) };
static const at_shape rfpower_shapes[] = { AT_SHAPE(NULL, rfpower_args) };
static const at_arg_spec sysreg_args[] = { AT_INT("direct", 0, 1), AT_UINT("address"),
                                           AT_OPT_UINT("write value") };
static const at_shape sysreg_shapes[] = { AT_SHAPE(NULL, sysreg_args) };

#define TRANSLINK_REMOTE \
    AT_INT("mode", 0, 2), AT_TEXT("remote host", 1, AT_HOST_MAX), AT_INT("remote port", 1, 65535)
static const at_arg_spec translink_off[] = {
    AT_INT("mode", 0, 2),
    AT_OPT_TEXT("remote host", 1, AT_HOST_MAX),
    AT_OPT_INT("remote port", 1, 65535, 0),
    AT_OPT_TEXT("type", 1, 6),
    AT_OPT_INT("keep_alive or local port", 0, 65535, 0),
};
static const at_arg_spec translink_tcp[] = {
    TRANSLINK_REMOTE,
    AT_OPT_TEXT("type", 1, 6),
    AT_OPT_INT("keep_alive", 0, 7200, -1),
};
static const at_arg_spec translink_udp[] = {
    TRANSLINK_REMOTE,
    AT_OPT_TEXT("type", 1, 6),
    AT_OPT_INT("local port", 1, 65535, 0),
};
static const at_arg_spec translink_ble[] = {
    AT_INT("mode", 0, 2),
    AT_INT("role", 1, 2),
    AT_INT("tx_srv", 0, INT32_MAX),
    AT_INT("tx_char", 0, INT32_MAX),
    AT_INT("rx_srv", 0, INT32_MAX),
    AT_INT("rx_char", 0, INT32_MAX),
    AT_MAC("peer_addr"),
};
static const at_shape translink_shapes[] = {
    AT_SHAPE("off", translink_off),
    AT_SHAPE("TCP or SSL", translink_tcp),
    AT_SHAPE("UDP", translink_udp),
    AT_SHAPE("Bluetooth LE", translink_ble),
};

/* rows */
static const at_cmd rows[] = {
    { .name = "+GSLP",
      .set = gslp_set,
      AT_SHAPES(gslp_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.6",
      .summary = "Enter deep-sleep mode" },
    { .name = "+SAVETRANSLINK",
      .set = at_savetranslink_set,
      AT_SHAPES(translink_shapes),
      .select = at_savetranslink_select,
      .flags = AT_SAVED_ALWAYS,
      .builds = AT_IN_ALL,
      .guide = "3.1.9",
      .summary = "Whether to enter passthrough mode on power-up" },
    { .name = "+SLEEP",
      .query = sleep_query,
      .set = sleep_set,
      AT_SHAPES(sleep_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.13",
      .summary = "Query or set the sleep mode" },
    { .name = "+SYSMSGFILTER",
      .query = at_sysmsgfilter_query,
      .set = at_sysmsgfilter_set,
      AT_SHAPES(filter_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.16",
      .summary = "Enable or disable the system message filter" },
    { .name = "+SYSMSGFILTERCFG",
      .query = at_sysmsgfiltercfg_query,
      .set = at_sysmsgfiltercfg_set,
      AT_SHAPES(filtercfg_shapes),
      .select = at_sysmsgfiltercfg_select,
      .builds = AT_IN_ALL,
      .guide = "3.1.17",
      .summary = "Query, add, delete or clear the system message filters" },
    { .name = "+RFPOWER",
      .query = rfpower_query,
      .set = rfpower_set,
      AT_SHAPES(rfpower_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.20",
      .summary = "Query or set the RF TX power" },
    { .name = "+SLEEPWKCFG",
      .set = sleepwkcfg_set,
      AT_SHAPES(sleepwkcfg_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.25",
      .summary = "Set the light-sleep wake-up source and pin" },
    { .name = "+SYSREG",
      .set = sysreg_set,
      AT_SHAPES(sysreg_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.27",
      .summary = "Read or write a register" },
};

const at_family_rows at_system_rows = AT_FAMILY(rows);
