/* One command from line to result: finds the row, the form, the parameters, calls the handler and
 * writes how it ended. Runs on the command fiber. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/session_priv.h"

static int by_name(const void *a, const void *b)
{
    const at_cmd *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static bool in_build(const at_session *s, const at_cmd *row)
{
    return (s->config.builds & 0x80u) != 0 || (row->builds & s->config.builds) != 0;
}

const at_cmd *at_session_row(const at_session *s, size_t index)
{
    for (size_t f = 0; f < s->config.family_count; f++)
        for (size_t i = 0; i < s->config.families[f]->count; i++)
            if (in_build(s, &s->config.families[f]->rows[i]) && index-- == 0)
                return &s->config.families[f]->rows[i];
    return NULL;
}

void at_command_index(at_session *s)
{
    s->index_count = 0;
    for (size_t f = 0; f < s->config.family_count; f++)
        for (size_t i = 0; i < s->config.families[f]->count; i++)
            if (in_build(s, &s->config.families[f]->rows[i]))
                s->index[s->index_count++] = &s->config.families[f]->rows[i];
    qsort(s->index, s->index_count, sizeof(s->index[0]), by_name);
}

static int compare_name(const char *name, const char *text, size_t len)
{
    size_t i = 0;
    while (i < len && name[i] == text[i]) /* text holds no zero byte: stops at the name's end */
        i++;
    return i < len ? (unsigned char)name[i] - (unsigned char)text[i] : name[len] != '\0';
}

static const at_cmd *find(const at_session *s, const char *text, size_t len)
{
    size_t low = 0, high = s->index_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_name(s->index[middle]->name, text, len);
        if (order == 0)
            return s->index[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* --- failing --- */

/* Reasons go into JSON and logs: no quotation marks, backslashes or control bytes. */
static void make_plain(char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20)
            *text = '\'';
}

at_result at_fail(at_call *call, at_sub sub, unsigned extension, const char *format, ...)
{
    at_session *s = call->session;
    char reason[160];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    make_plain(reason);
    call->code = 0x01000000u | (uint32_t)sub << 16 | (extension & 0xFFFFu);
    const char *name = call->cmd != NULL ? call->cmd->name : "";
    at_log(s->log, AT_LOG_WARN, "cmd", "AT%s: ERROR 0x%08lx: %s", name, (unsigned long)call->code,
           reason);
    if (s->config.supervisor != NULL && s->config.supervisor->report != NULL) {
        char members[256];
        snprintf(members, sizeof(members),
                 "\"command\":\"AT%s\",\"code\":\"0x%08lx\",\"reason\":\"%s\"", name,
                 (unsigned long)call->code, reason);
        s->config.supervisor->report(s->config.supervisor->ctx, "error", members);
    }
    return AT_RESULT_ERROR;
}

at_result at_fail_err(at_call *call, at_err err, const char *reason)
{
    return at_fail(call, AT_SUB_EXEC_FAIL, 0, "%s: %s", reason, at_err_text(err));
}

static void write_error(at_call *call)
{
    char text[48];
    int len = 0;
    if (call->session->syslog)
        len = snprintf(text, sizeof(text), "ERR CODE:0x%08lx\r\n", (unsigned long)call->code);
    memcpy(text + len, at_wire[AT_WIRE_ERROR].text, at_wire[AT_WIRE_ERROR].len);
    at_write(call, text, (size_t)len + at_wire[AT_WIRE_ERROR].len);
}

/* --- the line --- */

static bool in_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static size_t name_length(const char *text, size_t len)
{
    size_t n = len > 0 && text[0] == '+' ? 1 : 0;
    while (n < len && in_name(text[n]))
        n++;
    return n;
}

static at_result unknown(at_call *call, const char *text, size_t len)
{
    const char *why = "no such command in this build";
    char shown[40];
    size_t n = name_length(text, len);
    if (n < len && text[n] >= 'a' && text[n] <= 'z')
        why = "a command's name is in upper case";
    else if (call->cmd != NULL)
        why = "behind the name comes nothing, ? or =";
    n = AT_MIN(n, sizeof(shown) - 1);
    memcpy(shown, text, n);
    shown[n] = '\0';
    return at_fail(call, AT_SUB_UNSUPPORTED, 0, "AT%s: %s", shown, why);
}

/* Row, operation and fields of the text after AT. */
static at_result parse(at_call *call, char *text, size_t len)
{
    at_session *s = call->session;
    size_t n = name_length(text, len);
    call->cmd = find(s, text, n);
    if (call->cmd == NULL)
        return unknown(call, text, len);
    const char *rest = text + n;
    size_t rest_len = len - n;
    if (rest_len == 0)
        call->op = AT_OP_EXECUTE;
    else if (rest[0] == '?' && rest_len == 1)
        call->op = AT_OP_QUERY;
    else if (rest[0] == '=' && rest_len == 2 && rest[1] == '?')
        call->op = AT_OP_TEST;
    else if (rest[0] == '=')
        call->op = AT_OP_SET;
    else
        return unknown(call, text, len);
    if (call->op == AT_OP_SET && call->cmd->set != NULL &&
        !at_args_split(call, text + n + 1, rest_len - 1))
        return AT_RESULT_ERROR;
    return AT_RESULT_OK;
}

static at_result run_form(at_call *call)
{
    static const char *const forms[AT_OPS] = { "test", "query", "set", "execute" };
    const at_cmd *cmd = call->cmd;
    const at_handler handlers[AT_OPS] = { NULL, cmd->query, cmd->set, cmd->execute };
    at_handler handler = handlers[call->op];
    if (handler == NULL)
        return at_fail(call, AT_SUB_OP, 0, "there is no %s form", forms[call->op]);
    at_args_clear(
        call); /* a handler of several forms sees omitted values, not the last command's */
    if (call->op == AT_OP_SET && cmd->shapes != NULL) {
        unsigned which = cmd->select != NULL ? cmd->select(call) : 0;
        call->shape = &cmd->shapes[which < cmd->shape_count ? which : 0];
        if (!at_args_type(call))
            return AT_RESULT_ERROR;
    }
    return handler(call);
}

static bool starts_with_at(const at_session *s)
{
    return s->line_len >= 2 && toupper((unsigned char)s->line[0]) == 'A' &&
           toupper((unsigned char)s->line[1]) == 'T';
}

static at_result execute_line(at_call *call)
{
    at_session *s = call->session;
    if (s->boot_row != NULL) {
        call->cmd = s->boot_row;
        s->boot_row = NULL;
        at_args_clear(call);
        return call->cmd->execute(call);
    }
    if (s->line_over)
        return at_fail(call, AT_SUB_NO_AT, 0, "a line is at most %u bytes long with its CRLF",
                       AT_LINE_MAX);
    if (!starts_with_at(s))
        return at_fail(call, AT_SUB_NO_AT, 0, "a line of %u bytes does not start with AT",
                       (unsigned)s->line_len);
    at_result result = parse(call, s->line + 2, s->line_len - 2u);
    return result == AT_RESULT_OK ? run_form(call) : result;
}

void at_command_execute(at_session *s)
{
    at_call *call = &s->call;
    call->session = s;
    call->app = s->config.app;
    call->cmd = NULL;
    call->op = AT_OP_EXECUTE;
    call->given = 0;
    call->empty[0] = '\0';
    at_result result = execute_line(call);
    if (result == AT_RESULT_OK)
        at_write_wire(call, AT_WIRE_OK);
    else if (result == AT_RESULT_ERROR)
        write_error(call);
}
