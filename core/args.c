/* From the text after "=" to typed values (guide 3.13, WIRE 6).
 *
 * A comma separates fields unless it is inside quotes or behind a backslash; hosts that forget to
 * escape a comma inside quotes are understood as well (WIRE 6: four of the known drivers do). An empty
 * field is an omitted parameter, "" is an empty string. Strings are unescaped in place: \x is x. */
#include <string.h>

#include "core/bytes.h"
#include "core/session_priv.h"

/* Length of the field at text: up to the comma that ends it. */
static size_t field_length(const char *text, size_t len)
{
    bool quoted = false;
    size_t i = 0;
    while (i < len) {
        if (text[i] == '\\' && i + 1 < len) {
            i += 2;
            continue;
        }
        if (text[i] == '"')
            quoted = !quoted;
        else if (text[i] == ',' && !quoted)
            break;
        i++;
    }
    return i;
}

bool at_args_split(at_call *call, char *text, size_t len)
{
    call->given = 0;
    if (len == 0)
        return true;
    size_t at = 0;
    for (;;) {
        if (call->given == AT_ARGS_MAX) {
            at_fail(call, AT_SUB_PARAM_COUNT, AT_ARGS_MAX * 256u + AT_ARGS_MAX + 1u,
                    "more than %u parameters", AT_ARGS_MAX);
            return false;
        }
        size_t n = field_length(text + at, len - at);
        call->field[call->given].raw = text + at;
        call->field[call->given].len = (uint16_t)n;
        call->given++;
        at += n;
        if (at >= len)
            return true;
        at++; /* the comma; one at the very end starts an omitted field */
    }
}

static bool bad(at_call *call, at_sub sub, unsigned index, const char *what)
{
    at_fail(call, sub, index + 1, "parameter %u <%s> %s", index + 1, call->shape->args[index].name,
            what);
    return false;
}

static bool type_number(at_call *call, unsigned index, const at_arg_spec *spec, at_value *value)
{
    const at_field *field = &call->field[index];
    int64_t number;
    if (!at_parse_int(field->raw, field->len, &number))
        return bad(call, AT_SUB_PARAM_TYPE, index, "is not a number without quotation marks");
    if (spec->kind == AT_KIND_UINT) {
        if (number < 0 || number > UINT32_MAX)
            return bad(call, AT_SUB_PARAM_INVALID, index, "is not an unsigned 32-bit number");
        value->num = (int32_t)(uint32_t)number;
        return true;
    }
    if (number < spec->min || number > spec->max) {
        at_fail(call, AT_SUB_PARAM_INVALID, index + 1,
                "parameter %u <%s> is %lld, allowed are %ld to %ld", index + 1, spec->name,
                (long long)number, (long)spec->min, (long)spec->max);
        return false;
    }
    value->num = (int32_t)number;
    return true;
}

/* Removes the quotation marks and the escapes. false: the quotes do not enclose the field. */
static bool unquote(const at_field *field, at_value *value)
{
    char *text = (char *)(uintptr_t)field->raw; /* the line is ours */
    size_t out = 0, i = 1, len = field->len;
    if (len < 2)
        return false;
    for (; i < len && text[i] != '"'; i++) {
        if (text[i] == '\\' && i + 1 < len)
            i++;
        text[out++] = text[i];
    }
    if (i != len - 1)
        return false;
    text[out] = '\0'; /* at most where the closing mark was */
    value->text = text;
    value->len = (uint16_t)out;
    return true;
}

static bool type_text(at_call *call, unsigned index, const at_arg_spec *spec, at_value *value)
{
    const at_field *field = &call->field[index];
    if (field->raw[0] != '"')
        return bad(call, AT_SUB_PARAM_TYPE, index, "is not a string in quotation marks");
    if (!unquote(field, value))
        return bad(call, AT_SUB_PARAM_PARSE, index, "has quotation marks that do not match");
    if (value->len < (unsigned)spec->min || value->len > (unsigned)spec->max) {
        at_fail(call, AT_SUB_PARAM_LENGTH, index + 1,
                "parameter %u <%s> has %u bytes, allowed are %ld to %ld", index + 1, spec->name,
                value->len, (long)spec->min, (long)spec->max);
        return false;
    }
    if (spec->kind == AT_KIND_MAC && !at_parse_mac(value->text, value->mac))
        return bad(call, AT_SUB_PARAM_INVALID, index, "is not a MAC address xx:xx:xx:xx:xx:xx");
    return true;
}

void at_args_clear(at_call *call)
{
    for (unsigned i = 0; i < call->session->args_typed; i++)
        call->arg[i] = (at_value){ .text = call->empty };
    call->session->args_typed = 0;
}

bool at_args_type(at_call *call)
{
    const at_shape *shape = call->shape;
    unsigned needed = 0;
    for (unsigned i = 0; i < shape->count; i++)
        if (!shape->args[i].optional)
            needed = i + 1;
    if (call->given < needed || call->given > shape->count) {
        unsigned want = call->given < needed ? needed : shape->count;
        if (needed == shape->count)
            at_fail(call, AT_SUB_PARAM_COUNT, want * 256u + call->given,
                    "the number of parameters is %u, it has to be %u", call->given, needed);
        else
            at_fail(call, AT_SUB_PARAM_COUNT, want * 256u + call->given,
                    "the number of parameters is %u, allowed are %u to %u", call->given, needed,
                    shape->count);
        return false;
    }
    call->session->args_typed = shape->count;
    for (unsigned i = 0; i < shape->count; i++) {
        const at_arg_spec *spec = &shape->args[i];
        at_value *value = &call->arg[i];
        value->num = spec->fallback;
        value->present = i < call->given && call->field[i].len > 0;
        if (!value->present) {
            if (!spec->optional)
                return bad(call, AT_SUB_PARAM_INVALID, i, "cannot be omitted");
            continue;
        }
        bool ok = spec->kind == AT_KIND_INT || spec->kind == AT_KIND_UINT
                      ? type_number(call, i, spec, value)
                      : type_text(call, i, spec, value);
        if (!ok)
            return false;
    }
    return true;
}

const char *at_peek(const at_call *call, unsigned index, char *buf, size_t room)
{
    size_t len = 0;
    if (index < call->given) {
        const char *raw = call->field[index].raw;
        len = call->field[index].len;
        if (len >= 2 && raw[0] == '"' && raw[len - 1] == '"') {
            raw++;
            len -= 2;
        }
        len = AT_MIN(len, room - 1);
        memcpy(buf, raw, len);
    }
    buf[len] = '\0';
    return buf;
}
