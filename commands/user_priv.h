/* The user family from inside: shared by user.c and wake.c. */
#ifndef COMMANDS_USER_PRIV_H
#define COMMANDS_USER_PRIV_H

#include "commands/app.h"

/* AT+USERWKMCUCFG, and whether the host sleeps. */
typedef struct at_wake {
    at_app *app;
    at_gate gate;
    bool asleep;  /* the host */
    bool waking;  /* the wake-up signal is on */
    bool passing; /* the time is over: what waited goes out */
    uint8_t mode, number, signal, check;
    uint32_t delay_ms;
    at_timer over;
    at_task passed;
} at_wake;

struct at_user_family {
    at_app *app;
    uint8_t *ram; /* AT+USERRAM; NULL: none */
    uint32_t ram_size;
    at_wake wake;
};

static inline struct at_user_family *at_user_of(const at_call *call)
{
    return at_app_of(call)->user;
}

/* wake.c */
void at_wake_create(at_wake *wake, at_app *app);
at_result at_userwkmcucfg_set(at_call *call);
at_result at_usermcusleep_set(at_call *call);

#endif
