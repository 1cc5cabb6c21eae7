/* A command is one row and one small handler. The row holds everything the core, the reference pages,
 * completion and the coverage table need; the handler gets typed, checked values. */
#ifndef CORE_CMD_H
#define CORE_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/log.h"

typedef struct at_session at_session;
typedef struct at_call at_call;

/* Sub-categories of the error code 0x01SSEEEE (guide 3.1.24, WIRE 2.5). */
typedef enum at_sub {
    AT_SUB_OK = 0x00,
    AT_SUB_NO_TERMINATOR = 0x02,
    AT_SUB_NO_AT = 0x03,
    AT_SUB_PARAM_LENGTH = 0x04,  /* extension: which parameter, from 1 */
    AT_SUB_PARAM_TYPE = 0x05,    /* which */
    AT_SUB_PARAM_COUNT = 0x06,   /* needed * 256 + given */
    AT_SUB_PARAM_INVALID = 0x07, /* which */
    AT_SUB_PARAM_PARSE = 0x08,   /* which */
    AT_SUB_UNSUPPORTED = 0x09,
    AT_SUB_EXEC_FAIL = 0x0A, /* what the command says */
    AT_SUB_BUSY = 0x0B,
    AT_SUB_OP = 0x0C, /* this form does not exist */
} at_sub;

typedef enum at_op { AT_OP_TEST, AT_OP_QUERY, AT_OP_SET, AT_OP_EXECUTE, AT_OPS } at_op;

typedef enum at_result {
    AT_RESULT_OK,     /* the core writes OK */
    AT_RESULT_ERROR,  /* only by at_fail: the core writes ERROR, the log has the reason */
    AT_RESULT_SILENT, /* the handler wrote its own last line (SEND OK ...) */
} at_result;

typedef at_result (*at_handler)(at_call *call);

typedef enum at_arg_kind {
    AT_KIND_INT,  /* 32-bit signed, decimal or 0x hex, unquoted */
    AT_KIND_UINT, /* 32-bit unsigned, decimal or 0x hex, unquoted */
    AT_KIND_TEXT, /* quoted; unescaped by the core */
    AT_KIND_MAC,  /* quoted xx:xx:xx:xx:xx:xx */
} at_arg_kind;

typedef struct at_arg_spec {
    const char *name; /* the guide's word */
    uint8_t kind;     /* at_arg_kind */
    bool optional;    /* may be omitted: empty field, or line ends before it */
    int32_t min, max; /* INT: value; TEXT: length in bytes after unescaping; UINT: ignored */
    int32_t fallback; /* INT: value when omitted */
} at_arg_spec;

#define AT_INT(name, min, max)                \
    {                                         \
        name, AT_KIND_INT, false, min, max, 0 \
    }
#define AT_OPT_INT(name, min, max, fallback)        \
    {                                               \
        name, AT_KIND_INT, true, min, max, fallback \
    }
#define AT_UINT(name)                      \
    {                                      \
        name, AT_KIND_UINT, false, 0, 0, 0 \
    }
#define AT_OPT_UINT(name)                 \
    {                                     \
        name, AT_KIND_UINT, true, 0, 0, 0 \
    }
#define AT_TEXT(name, min, max)                \
    {                                          \
        name, AT_KIND_TEXT, false, min, max, 0 \
    }
#define AT_OPT_TEXT(name, min, max)           \
    {                                         \
        name, AT_KIND_TEXT, true, min, max, 0 \
    }
#define AT_MAC(name)                        \
    {                                       \
        name, AT_KIND_MAC, false, 17, 17, 0 \
    }
#define AT_OPT_MAC(name)                   \
    {                                      \
        name, AT_KIND_MAC, true, 17, 17, 0 \
    }

/* One list of parameters of the set form. Commands whose parameters depend on a mode have several. */
typedef struct at_shape {
    const char *when; /* "AT+CIPMUX=1", "UDP" ...; NULL: always */
    const at_arg_spec *args;
    uint8_t count;
} at_shape;

#define AT_SHAPE(when, specs)                                      \
    {                                                              \
        when, specs, (uint8_t)(sizeof(specs) / sizeof((specs)[0])) \
    }
#define AT_SHAPES(list) .shapes = (list), .shape_count = (uint8_t)(sizeof(list) / sizeof((list)[0]))

enum {                             /* flags of a row */
       AT_SAVED_SYSSTORE = 1 << 0, /* saved while AT+SYSSTORE=1 */
       AT_SAVED_ALWAYS = 1 << 1,
       AT_EXTRA = 1 << 2, /* registered by the firmware, not in the guide (ERRATA 3) */
};

enum { /* firmware builds that have the command (commands.csv; optional ones count as absent) */
       AT_IN_2MB = 1 << 0,
       AT_IN_4MB = 1 << 1,
       AT_IN_BLE = 1 << 2,
       AT_IN_WIFI = AT_IN_2MB | AT_IN_4MB,
       AT_IN_ALL = AT_IN_WIFI | AT_IN_BLE,
};

typedef struct at_cmd {
    const char *name;               /* after "AT": "+CWMODE", "E0", "" for the bare AT */
    at_handler query, set, execute; /* NULL: this form does not exist */
    const at_shape *shapes;         /* of the set form */
    uint8_t shape_count;
    uint8_t flags;
    uint8_t builds; /* AT_IN_*; 0 only in tests */
    /* Which shape this call has; may look at the raw fields (at_peek). NULL: the first. */
    uint8_t (*select)(const at_call *call);
    const char *guide;   /* "3.2.3" */
    const char *summary; /* one line for people */
} at_cmd;

/* A family's rows; module/ collects the families. */
typedef struct at_family_rows {
    const at_cmd *rows;
    size_t count;
} at_family_rows;

#define AT_FAMILY(rows)                        \
    {                                          \
        rows, sizeof(rows) / sizeof((rows)[0]) \
    }

typedef struct at_value {
    bool present;
    int32_t num; /* INT: value or fallback; UINT: its bits */
    char *text;  /* TEXT: with an end, may hold zero bytes; never NULL, "" when omitted */
    uint16_t len;
    uint8_t mac[6];
} at_value;

/* One field of the line before it is typed. */
typedef struct at_field {
    const char *raw;
    uint16_t len; /* 0: omitted */
} at_field;

struct at_call {
    at_session *session;
    void *app; /* commands/app.h */
    const at_cmd *cmd;
    at_op op;
    const at_shape *shape;
    uint8_t given; /* fields on the line */
    at_field field[AT_ARGS_MAX];
    at_value arg[AT_ARGS_MAX];
    uint32_t code; /* of the error that at_fail set */
    char empty[1]; /* what omitted strings point to */
};

static inline bool at_has(const at_call *call, unsigned index)
{
    return call->arg[index].present;
}

static inline int32_t at_int(const at_call *call, unsigned index)
{
    return call->arg[index].num;
}

static inline const char *at_text(const at_call *call, unsigned index)
{
    return call->arg[index].text;
}

/* For select: copies field index as text (quotes removed, not unescaped, cut to room) or "". */
const char *at_peek(const at_call *call, unsigned index, char *buf, size_t room);

/* The only way to an ERROR: sets the code, logs "AT+X: reason" at warning level. */
at_result at_fail(at_call *call, at_sub sub, unsigned extension, const char *reason, ...)
    AT_PRINTF(4, 5);
/* AT_SUB_EXEC_FAIL with extension 0 and "reason: <error text>". */
at_result at_fail_err(at_call *call, at_err err, const char *reason);

#endif
