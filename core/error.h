/* One small negative type for every error inside; converted once, at the command edge. */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

typedef enum at_err {
    AT_OK = 0,
    AT_ERR_INVALID = -1,      /* a value that cannot be */
    AT_ERR_STATE = -2,        /* not now, not in this state */
    AT_ERR_NOMEM = -3,        /* the heap's budget is used up */
    AT_ERR_TIMEOUT = -4,      /* no answer in time */
    AT_ERR_CANCELLED = -5,    /* the host gave up (+++), or the module restarts */
    AT_ERR_IO = -6,           /* the device below failed */
    AT_ERR_CLOSED = -7,       /* the other end closed in order */
    AT_ERR_RESET = -8,        /* the other end reset */
    AT_ERR_NOT_FOUND = -9,    /* no such name, key, access point */
    AT_ERR_AGAIN = -10,       /* no room or nothing there now; try after the next event */
    AT_ERR_REFUSED = -11,     /* the other end said no */
    AT_ERR_UNREACHABLE = -12, /* no route, no interface */
    AT_ERR_AUTH = -13,        /* a credential was wrong */
    AT_ERR_EXISTS = -14,      /* already there, address in use */
    AT_ERR_UNSUPPORTED = -15, /* this build or this peer cannot */
    AT_ERR_CORRUPT = -16,     /* stored or received bytes make no sense */
} at_err;

/* "timeout", "out of memory" ...: a short English phrase, never NULL. */
const char *at_err_text(at_err err);

#endif
