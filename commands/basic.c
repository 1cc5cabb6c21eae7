/* The basic family (guide 3.1): commands about the module itself.
 *
 * Decisions where the guide is silent:
 *
 * - AT+RST takes a second parameter without looking at it (ERRATA 6).
 * - AT+UART_CUR answers at the old settings, waits until that has left, then changes (WIRE 1). What the
 *   port cannot do is logged after the OK, and the old settings stay.
 * - AT+UART_DEF stores first, then does the same, so it is in force at once (WIRE 1) and at every boot.
 *   AT+UART is the older name: it sets as AT+UART_DEF and shows what is in use.
 * - AT+SYSTIMESTAMP counts whole seconds; the set value starts at a full second.
 * - AT+GMR: formats of WIRE 3.4; the SDK is ours and says so.
 */
#include "commands/app.h"
#include "commands/version.h"
#include "core/bytes.h"

/* wire */
static const char FMT_GMR_AT[] = "AT version:%s(%s - %s - %s)\r\n";
static const char FMT_GMR_SDK[] = "SDK version:%s\r\n";
static const char FMT_GMR_TIME[] = "compile time(%s):%s\r\n";
static const char FMT_GMR_BIN[] = "Bin version:%s(%s)\r\n";
static const char FMT_CMD[] = "+CMD:%u,\"AT%s\",0,%d,%d,%d\r\n"; /* no row has a test form */
static const char FMT_UART[] = "%s:%lu,%d,%d,%d,%d\r\n";
static const char FMT_SYSRAM[] = "+SYSRAM:%lu,%lu\r\n";
static const char FMT_SYSMSG[] = "+SYSMSG:%u\r\n";
static const char FMT_SYSTIMESTAMP[] = "+SYSTIMESTAMP:%lu\r\n";
static const char FMT_SYSLOG[] = "+SYSLOG:%d\r\n";
static const char FMT_SYSSTORE[] = "+SYSSTORE:%d\r\n";

#define UART_DRAIN_MS 3000u
#define SECOND_US     1000000u

static at_result stored(at_call *call, at_err err)
{
    return err == AT_OK ? AT_RESULT_OK : at_fail_err(call, err, "in force, but not stored");
}

/* ---- AT, ATE ---- */

static at_result at_execute(at_call *call)
{
    (void)call;
    return AT_RESULT_OK;
}

static at_result ate0_execute(at_call *call)
{
    at_session_set_echo(call->session, false);
    return AT_RESULT_OK;
}

static at_result ate1_execute(at_call *call)
{
    at_session_set_echo(call->session, true);
    return AT_RESULT_OK;
}

/* ---- AT+RST, AT+RESTORE ---- */

static at_result rst_execute(at_call *call)
{
    at_app_restart(call, AT_BOOT_NORMAL, 0);
    return AT_RESULT_SILENT;
}

static at_result rst_set(at_call *call)
{
    at_app_restart(call, at_int(call, 0) == 1 ? AT_BOOT_DOWNLOAD : AT_BOOT_NORMAL, 0);
    return AT_RESULT_SILENT;
}

static at_result restore_execute(at_call *call)
{
    at_err err = at_settings_restore(at_app_of(call)->settings);

    if (err != AT_OK)
        return at_fail_err(call, err, "the stored settings are not erased");
    at_app_restart(call, AT_BOOT_NORMAL, 0);
    return AT_RESULT_SILENT;
}

/* ---- AT+GMR, AT+CMD ---- */

static at_result gmr_execute(at_call *call)
{
    const char *module = at_app_of(call)->bin_name;
    const char *bin = at_app_of(call)->bin_version;

    at_row(call, FMT_GMR_AT, AT_VERSION_CORE, AT_VERSION_HASH, AT_VERSION_CHIP, AT_VERSION_DATE);
    at_row(call, FMT_GMR_SDK, AT_VERSION_SDK);
    at_row(call, FMT_GMR_TIME, AT_VERSION_HASH, AT_VERSION_DATE);
    at_row(call, FMT_GMR_BIN, bin != NULL ? bin : "v" AT_VERSION_CORE,
           module != NULL ? module : "ESP32C2-4MB");
    return AT_RESULT_OK;
}

static at_result cmd_query(at_call *call)
{
    const at_cmd *row;

    for (unsigned i = 0; (row = at_session_row(call->session, i)) != NULL; i++)
        at_row(call, FMT_CMD, i, row->name, row->query != NULL, row->set != NULL,
               row->execute != NULL);
    return AT_RESULT_OK;
}

/* ---- AT+UART_CUR, AT+UART_DEF ---- */

static at_result show_uart(at_call *call, const at_uart_settings *uart)
{
    at_row(call, FMT_UART, call->cmd->name, (unsigned long)uart->baud, uart->data, uart->stop,
           uart->parity, uart->flow);
    return AT_RESULT_OK;
}

static at_result uart_cur_query(at_call *call)
{
    return show_uart(call, &at_app_of(call)->uart);
}

static at_result uart_def_query(at_call *call)
{
    return show_uart(call, &at_app_of(call)->uart_default);
}

static at_uart_settings uart_of(const at_call *call)
{
    return (at_uart_settings){
        .baud = (uint32_t)at_int(call, 0),
        .data = (uint8_t)at_int(call, 1),
        .stop = (uint8_t)at_int(call, 2),
        .parity = (uint8_t)at_int(call, 3),
        .flow = (uint8_t)at_int(call, 4),
    };
}

static at_result uart_cur_set(at_call *call)
{
    at_app *app = at_app_of(call);
    at_byteport *port = at_session_port(call->session);
    at_uart_settings actual = app->uart;
    const at_uart_settings wanted = uart_of(call);

    at_ok(call);
    if (at_drain(call, UART_DRAIN_MS) == AT_OK && port->ops->configure(port, &wanted, &actual) == 0)
        app->uart = actual;
    else
        at_log(app->log, AT_LOG_ERROR, "uart", "the port keeps its settings: it cannot do these");
    return AT_RESULT_SILENT;
}

static at_result uart_def_set(at_call *call)
{
    at_app *app = at_app_of(call);
    const at_uart_settings wanted = uart_of(call);
    at_err err = at_setting_set_blob(app->settings, AT_SETTING_UART_DEF, &wanted, sizeof wanted);

    if (err != AT_OK)
        return at_fail_err(call, err, "not stored");
    app->uart_default = wanted;
    return uart_cur_set(call);
}

/* ---- AT+SYSRAM ---- */

static at_result sysram_query(at_call *call)
{
    const at_heap *heap = at_app_of(call)->heap;

    at_row(call, FMT_SYSRAM, (unsigned long)at_heap_left(heap), (unsigned long)at_heap_least(heap));
    return AT_RESULT_OK;
}

/* ---- AT+SYSMSG ---- */

static at_result sysmsg_query(at_call *call)
{
    at_row(call, FMT_SYSMSG, at_session_sysmsg(call->session));
    return AT_RESULT_OK;
}

static at_result sysmsg_set(at_call *call)
{
    at_session_set_sysmsg(call->session, (unsigned)at_int(call, 0));
    return stored(
        call, at_setting_set_int(at_app_of(call)->settings, AT_SETTING_SYSMSG, at_int(call, 0)));
}

/* ---- AT+SYSTIMESTAMP ---- */

static at_result systimestamp_query(at_call *call)
{
    uint64_t us = (uint64_t)*at_app_of(call)->date_offset_us + at_now(call);

    at_row(call, FMT_SYSTIMESTAMP, (unsigned long)(us / SECOND_US));
    return AT_RESULT_OK;
}

static at_result systimestamp_set(at_call *call)
{
    uint64_t seconds = (uint32_t)at_int(call, 0);

    /* Modulo 2^64: the sum with the clock is right also when the difference is negative. */
    *at_app_of(call)->date_offset_us = (int64_t)(seconds * SECOND_US - at_now(call));
    return AT_RESULT_OK;
}

/* ---- AT+SYSLOG ---- */

static at_result syslog_query(at_call *call)
{
    at_row(call, FMT_SYSLOG, at_session_syslog(call->session));
    return AT_RESULT_OK;
}

static at_result syslog_set(at_call *call)
{
    at_session_set_syslog(call->session, at_int(call, 0) == 1);
    return AT_RESULT_OK;
}

/* ---- AT+SYSSTORE ---- */

static at_result sysstore_query(at_call *call)
{
    at_row(call, FMT_SYSSTORE, (int)at_setting_int(at_app_of(call)->settings, AT_SETTING_SYSSTORE));
    return AT_RESULT_OK;
}

static at_result sysstore_set(at_call *call)
{
    return stored(
        call, at_setting_set_int(at_app_of(call)->settings, AT_SETTING_SYSSTORE, at_int(call, 0)));
}

/* arguments */
static const at_arg_spec rst_args[] = { AT_INT("mode", 0, 1),
                                        AT_OPT_INT("reserved", INT32_MIN, INT32_MAX, 0) };
static const at_shape rst_shapes[] = { AT_SHAPE(NULL, rst_args) };
static const at_arg_spec uart_args[] = {
    AT_INT("baudrate", 80, 5000000), AT_INT("databits", 5, 8),     AT_INT("stopbits", 1, 3),
    AT_INT("parity", 0, 2),          AT_INT("flow control", 0, 3),
};
static const at_shape uart_shapes[] = { AT_SHAPE(NULL, uart_args) };
static const at_arg_spec sysmsg_args[] = { AT_INT("state", 0, 7) };
static const at_shape sysmsg_shapes[] = { AT_SHAPE(NULL, sysmsg_args) };
static const at_arg_spec systimestamp_args[] = { AT_UINT("Unix-timestamp") };
static const at_shape systimestamp_shapes[] = { AT_SHAPE(NULL, systimestamp_args) };
static const at_arg_spec syslog_args[] = { AT_INT("status", 0, 1) };
static const at_shape syslog_shapes[] = { AT_SHAPE(NULL, syslog_args) };
static const at_arg_spec sysstore_args[] = { AT_INT("store_mode", 0, 1) };
static const at_shape sysstore_shapes[] = { AT_SHAPE(NULL, sysstore_args) };

/* rows */
static const at_cmd rows[] = {
    { .name = "",
      .execute = at_execute,
      .builds = AT_IN_ALL,
      .guide = "3.1.2",
      .summary = "Test AT startup" },
    { .name = "+RST",
      .set = rst_set,
      .execute = rst_execute,
      AT_SHAPES(rst_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.3",
      .summary = "Restart the module" },
    { .name = "+GMR",
      .execute = gmr_execute,
      .builds = AT_IN_ALL,
      .guide = "3.1.4",
      .summary = "Check version information" },
    { .name = "+CMD",
      .query = cmd_query,
      .builds = AT_IN_ALL,
      .guide = "3.1.5",
      .summary = "List all commands and their types" },
    { .name = "E0",
      .execute = ate0_execute,
      .builds = AT_IN_ALL,
      .guide = "3.1.7",
      .summary = "Switch echo off" },
    { .name = "E1",
      .execute = ate1_execute,
      .builds = AT_IN_ALL,
      .guide = "3.1.7",
      .summary = "Switch echo on" },
    { .name = "+RESTORE",
      .execute = restore_execute,
      .builds = AT_IN_ALL,
      .guide = "3.1.8",
      .summary = "Restore factory default settings" },
    { .name = "+UART_CUR",
      .query = uart_cur_query,
      .set = uart_cur_set,
      AT_SHAPES(uart_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.11",
      .summary = "Current UART configuration, not saved in flash" },
    { .name = "+UART_DEF",
      .query = uart_def_query,
      .set = uart_def_set,
      AT_SHAPES(uart_shapes),
      .flags = AT_SAVED_ALWAYS,
      .builds = AT_IN_ALL,
      .guide = "3.1.12",
      .summary = "Default UART configuration, saved in flash" },
    { .name = "+UART",
      .query = uart_cur_query,
      .set = uart_def_set,
      AT_SHAPES(uart_shapes),
      .flags = AT_SAVED_ALWAYS | AT_EXTRA,
      .builds = AT_IN_ALL,
      .guide = "3.1.12",
      .summary = "As AT+UART_DEF; the query as AT+UART_CUR (older name)" },
    { .name = "+SYSRAM",
      .query = sysram_query,
      .builds = AT_IN_ALL,
      .guide = "3.1.14",
      .summary = "Query remaining and minimum heap size" },
    { .name = "+SYSMSG",
      .query = sysmsg_query,
      .set = sysmsg_set,
      AT_SHAPES(sysmsg_shapes),
      .flags = AT_SAVED_SYSSTORE,
      .builds = AT_IN_ALL,
      .guide = "3.1.15",
      .summary = "Query or set system prompt information" },
    { .name = "+SYSTIMESTAMP",
      .query = systimestamp_query,
      .set = systimestamp_set,
      AT_SHAPES(systimestamp_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.23",
      .summary = "Query or set the local time stamp" },
    { .name = "+SYSLOG",
      .query = syslog_query,
      .set = syslog_set,
      AT_SHAPES(syslog_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.24",
      .summary = "Enable or disable the error code prompt" },
    { .name = "+SYSSTORE",
      .query = sysstore_query,
      .set = sysstore_set,
      AT_SHAPES(sysstore_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.1.26",
      .summary = "Query or set the parameter store mode" },
};

const at_family_rows at_basic_rows = AT_FAMILY(rows);
