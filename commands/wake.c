/* Waking the host before something is sent that it did not ask for (guide 3.12.4, 3.12.5).
 *
 * While the host sleeps, a gate in the writer holds notices and bulk data back. The first that waits
 * switches the wake-up signal on: a pin gets its level (event "pin"), or the AT port gets a byte. The signal
 * ends, and what waited goes out, when the host says that it is awake or when <delay time> is over; after
 * that the host counts as asleep again unless bit 2 of <check mcu awake method> says otherwise, and the
 * next message wakes it anew. Answers to commands are never held back: who asks is awake, and messages that a
 * command causes keep their place before its OK.
 *
 * Decisions where the guide is silent: the host is awake when the configuration is set; the pin rests at the
 * opposite level from then on; AT+USERMCUSLEEP without bit 0 in force is an ERROR, since it cannot take
 * effect; bit 3 (not implemented on the part) is refused; AT+USERWKMCUCFG=0 needs no more parameters.
 */
#include "commands/system_priv.h"
#include "commands/user_priv.h"

enum { ENABLE, MODE, NUMBER, SIGNAL, DELAY, CHECK };
enum { BY_PIN = 1, BY_UART = 2 };
enum { CHECK_COMMAND = 1, CHECK_SLEEP = 2, AWAKE_AFTER = 4 };

#define UART_NUMBER 1

static void signal_on(at_wake *w)
{
    w->waking = true;
    if (w->mode == BY_PIN)
        at_app_drive_pin(w->app, w->number, w->signal == 1);
    else
        at_session_write_raw(w->app->session, &w->signal, 1);
    at_timer_in(w->app->loop, &w->over, w->delay_ms * 1000ull);
}

static void signal_off(at_wake *w)
{
    w->waking = false;
    at_timer_stop(w->app->loop, &w->over);
    if (w->mode == BY_PIN)
        at_app_drive_pin(w->app, w->number, w->signal != 1);
}

static bool closed(void *arg)
{
    at_wake *w = arg;

    if (!w->asleep || w->passing)
        return false;
    if (!w->waking)
        signal_on(w);
    return true;
}

static void has_passed(void *arg)
{
    at_wake *w = arg;

    w->passing = false;
}

static void time_over(void *arg)
{
    at_wake *w = arg;

    signal_off(w);
    w->asleep = (w->check & AWAKE_AFTER) == 0;
    w->passing = true;
    at_session_set_gate(w->app->session, &w->gate); /* what waits is written in a task, */
    at_loop_post(w->app->loop, &w->passed);         /* then this one runs */
}

static void host_is(at_wake *w, bool asleep)
{
    w->asleep = asleep;
    if (asleep)
        return;
    if (w->waking)
        signal_off(w);
    at_session_set_gate(w->app->session, w->mode != 0 ? &w->gate : NULL);
}

void at_wake_on_sleep(at_app *app, bool asleep)
{
    at_wake *w = &app->user->wake;

    if (w->mode != 0 && (w->check & CHECK_SLEEP) != 0)
        host_is(w, asleep);
}

void at_wake_create(at_wake *w, at_app *app)
{
    w->app = app;
    w->gate = (at_gate){ .closed = closed, .arg = w };
    at_timer_init(&w->over, time_over, w);
    at_task_init(&w->passed, has_passed, w);
}

/* ---- AT+USERWKMCUCFG ---- */

static at_result check_signal(at_call *call)
{
    bool by_pin = at_int(call, MODE) == BY_PIN;

    if (by_pin && at_int(call, NUMBER) > (int)AT_PIN_MAX)
        return at_fail(call, AT_SUB_PARAM_INVALID, NUMBER + 1, "pins are 0 to %u", AT_PIN_MAX);
    if (!by_pin && at_int(call, NUMBER) != UART_NUMBER)
        return at_fail(call, AT_SUB_PARAM_INVALID, NUMBER + 1, "only UART1 can wake the host");
    if (by_pin && at_int(call, SIGNAL) > 1)
        return at_fail(call, AT_SUB_PARAM_INVALID, SIGNAL + 1, "the level of a pin is 0 or 1");
    return AT_RESULT_OK;
}

at_result at_userwkmcucfg_set(at_call *call)
{
    at_wake *w = &at_user_of(call)->wake;

    if (at_int(call, ENABLE) == 1 && check_signal(call) != AT_RESULT_OK)
        return AT_RESULT_ERROR;
    host_is(w, false); /* in the old configuration */
    w->mode = 0;
    if (at_int(call, ENABLE) == 1) {
        w->mode = (uint8_t)at_int(call, MODE);
        w->number = (uint8_t)at_int(call, NUMBER);
        w->signal = (uint8_t)at_int(call, SIGNAL);
        w->delay_ms = (uint32_t)at_int(call, DELAY);
        w->check = (uint8_t)at_int(call, CHECK);
        signal_off(w);
    }
    at_session_set_gate(w->app->session, w->mode != 0 ? &w->gate : NULL);
    return AT_RESULT_OK;
}

/* ---- AT+USERMCUSLEEP ---- */

at_result at_usermcusleep_set(at_call *call)
{
    at_wake *w = &at_user_of(call)->wake;

    if (w->mode == 0 || (w->check & CHECK_COMMAND) == 0)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0,
                       "takes effect only with AT+USERWKMCUCFG and its bit 0");
    host_is(w, at_int(call, 0) == 1);
    return AT_RESULT_OK;
}
