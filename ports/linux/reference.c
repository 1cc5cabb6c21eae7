/* The rows are the truth; this only words them. Ranges of integers and lengths of texts are what the core
 * checks before a handler runs; a handler may refuse more, which its page in the guide says.
 */
#include "ports/linux/reference.h"

#include <string.h>
#include <strings.h>

#include "core/bytes.h"
#include "module/module.h"

const at_cmd *lx_reference_row(size_t index)
{
    size_t count;
    const at_family_rows *const *families = at_module_families(&count);

    for (size_t i = 0; i < count; i++) {
        if (index < families[i]->count)
            return &families[i]->rows[index];
        index -= families[i]->count;
    }
    return NULL;
}

const at_cmd *lx_reference_find(const char *name)
{
    const at_cmd *cmd;

    if (strncasecmp(name, "AT", 2) == 0)
        name += 2;
    for (size_t i = 0; (cmd = lx_reference_row(i)) != NULL; i++) {
        const char *known = cmd->name;

        if (strcasecmp(known, name) == 0 || (known[0] == '+' && strcasecmp(known + 1, name) == 0))
            return cmd;
    }
    return NULL;
}

/* ---- wording ---- */

static const char *saved_text(const at_cmd *cmd)
{
    if ((cmd->flags & AT_SAVED_ALWAYS) != 0)
        return "saved in flash";
    return (cmd->flags & AT_SAVED_SYSSTORE) != 0 ? "saved in flash while AT+SYSSTORE=1" : "";
}

static void range_text(const at_arg_spec *arg, char *text, size_t room)
{
    switch (arg->kind) {
    case AT_KIND_INT: snprintf(text, room, "%d to %d", arg->min, arg->max); break;
    case AT_KIND_UINT: snprintf(text, room, "0 to 4294967295"); break;
    case AT_KIND_MAC: snprintf(text, room, "\"xx:xx:xx:xx:xx:xx\""); break;
    default: snprintf(text, room, "text of %d to %d bytes", arg->min, arg->max); break;
    }
}

static void default_text(const at_arg_spec *arg, char *text, size_t room)
{
    bool in_range = arg->fallback >= arg->min && arg->fallback <= arg->max;

    text[0] = '\0';
    if (arg->optional && arg->kind == AT_KIND_INT && in_range)
        snprintf(text, room, "default %d", arg->fallback);
    else if (arg->optional)
        snprintf(text, room, "optional");
}

/* "AT+X=<a>,<b>[,<c>]": optional parameters at the end are in brackets. */
static void set_form(FILE *to, const at_cmd *cmd, const at_shape *shape)
{
    unsigned brackets = 0;

    fprintf(to, "AT%s=", cmd->name);
    for (unsigned i = 0; i < shape->count; i++) {
        const at_arg_spec *arg = &shape->args[i];
        const char *quote = arg->kind == AT_KIND_TEXT || arg->kind == AT_KIND_MAC ? "\"" : "";

        if (arg->optional) {
            fputc('[', to);
            brackets++;
        }
        fprintf(to, "%s%s<%s>%s", i > 0 ? "," : "", quote, arg->name, quote);
    }
    while (brackets-- > 0)
        fputc(']', to);
}

static void show_parameters(FILE *to, const at_shape *shape)
{
    for (unsigned i = 0; i < shape->count; i++) {
        char range[64], fallback[32];

        range_text(&shape->args[i], range, sizeof range);
        default_text(&shape->args[i], fallback, sizeof fallback);
        fprintf(to, "      <%s>: %s%s%s\n", shape->args[i].name, range,
                fallback[0] != '\0' ? ", " : "", fallback);
    }
}

void lx_reference_show(FILE *to, const at_cmd *cmd)
{
    const char *saved = saved_text(cmd);

    fprintf(to, "AT%s  %s\n", cmd->name, cmd->summary != NULL ? cmd->summary : "");
    if (cmd->query != NULL)
        fprintf(to, "  AT%s?\n", cmd->name);
    if (cmd->execute != NULL)
        fprintf(to, "  AT%s\n", cmd->name);
    for (unsigned i = 0; cmd->set != NULL && i < cmd->shape_count; i++) {
        fputs("  ", to);
        set_form(to, cmd, &cmd->shapes[i]);
        if (cmd->shapes[i].when != NULL)
            fprintf(to, "   (%s)", cmd->shapes[i].when);
        fputc('\n', to);
        show_parameters(to, &cmd->shapes[i]);
    }
    if (saved[0] != '\0')
        fprintf(to, "  %s\n", saved);
    if (cmd->guide != NULL)
        fprintf(to, "  guide %s\n", cmd->guide);
}

void lx_reference_text(FILE *to)
{
    const at_cmd *cmd;

    for (size_t i = 0; (cmd = lx_reference_row(i)) != NULL; i++)
        fprintf(to, "%-22s %c%c%c  %s\n", cmd->name[0] != '\0' ? cmd->name : "AT",
                cmd->query != NULL ? '?' : '-', cmd->set != NULL ? '=' : '-',
                cmd->execute != NULL ? '!' : '-', cmd->summary != NULL ? cmd->summary : "");
}

/* ---- Markdown ---- */

static void markdown_form(FILE *to, const at_cmd *cmd, const at_shape *shape)
{
    fputs("\n    ", to);
    set_form(to, cmd, shape);
    fputc('\n', to);
    if (shape->when != NULL)
        fprintf(to, "\nWith %s.\n", shape->when);
    if (shape->count == 0)
        return;
    fputs("\n| parameter | values | when omitted |\n|---|---|---|\n", to);
    for (unsigned i = 0; i < shape->count; i++) {
        char range[64], fallback[32];

        range_text(&shape->args[i], range, sizeof range);
        default_text(&shape->args[i], fallback, sizeof fallback);
        fprintf(to, "| `%s` | %s | %s |\n", shape->args[i].name, range, fallback);
    }
}

static void markdown_builds(FILE *to, const at_cmd *cmd)
{
    static const struct {
        uint8_t bit;
        const char *name;
    } builds[] = { { AT_IN_4MB, "esp32c2-4mb" },
                   { AT_IN_2MB, "esp32c2-2mb" },
                   { AT_IN_BLE, "esp32c2-ble-2mb" } };
    const char *comma = "";

    for (size_t i = 0; i < AT_COUNT(builds); i++) {
        if ((cmd->builds & builds[i].bit) == 0)
            continue;
        fprintf(to, "%s%s", comma, builds[i].name);
        comma = ", ";
    }
}

static void markdown_row(FILE *to, const at_cmd *cmd)
{
    const char *saved = saved_text(cmd);

    fprintf(to, "\n## AT%s\n\n%s.", cmd->name, cmd->summary != NULL ? cmd->summary : "");
    if (cmd->guide != NULL)
        fprintf(to, " Guide %s.", cmd->guide);
    if ((cmd->flags & AT_EXTRA) != 0)
        fputs(" Registered by the firmware, not in the guide.", to);
    if (saved[0] != '\0')
        fprintf(to, " The setting is %s.", saved);
    fputs(" Builds: ", to);
    markdown_builds(to, cmd);
    fputs(".\n", to);
    if (cmd->query != NULL)
        fprintf(to, "\n    AT%s?\n", cmd->name);
    if (cmd->execute != NULL)
        fprintf(to, "\n    AT%s\n", cmd->name);
    for (unsigned i = 0; cmd->set != NULL && i < cmd->shape_count; i++)
        markdown_form(to, cmd, &cmd->shapes[i]);
}

void lx_reference_markdown(FILE *to)
{
    const at_cmd *cmd;

    fputs("# Commands\n\nGenerated from the command rows by `attache commands --markdown`. Ranges "
          "are "
          "what the engine checks\nbefore a command runs; a command may refuse more.\n\n"
          "| command | query | set | execute | summary |\n|---|---|---|---|---|\n",
          to);
    for (size_t i = 0; (cmd = lx_reference_row(i)) != NULL; i++)
        fprintf(to, "| `AT%s` | %s | %s | %s | %s |\n", cmd->name, cmd->query != NULL ? "x" : "",
                cmd->set != NULL ? "x" : "", cmd->execute != NULL ? "x" : "",
                cmd->summary != NULL ? cmd->summary : "");
    for (size_t i = 0; (cmd = lx_reference_row(i)) != NULL; i++)
        markdown_row(to, cmd);
}

/* ---- JSON ---- */

static void json_text(FILE *to, const char *text)
{
    fputc('"', to);
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void json_shape(FILE *to, const at_shape *shape)
{
    static const char *const kinds[] = { "int", "uint", "text", "mac" };

    fputs("{\"when\":", to);
    json_text(to, shape->when);
    fputs(",\"parameters\":[", to);
    for (unsigned i = 0; i < shape->count; i++) {
        const at_arg_spec *arg = &shape->args[i];

        fprintf(to, "%s{\"name\":", i > 0 ? "," : "");
        json_text(to, arg->name);
        fprintf(to, ",\"kind\":\"%s\",\"optional\":%s", kinds[arg->kind],
                arg->optional ? "true" : "false");
        if (arg->kind != AT_KIND_UINT)
            fprintf(to, ",\"min\":%d,\"max\":%d", arg->min, arg->max);
        if (arg->optional && arg->kind == AT_KIND_INT)
            fprintf(to, ",\"default\":%d", arg->fallback);
        fputc('}', to);
    }
    fputs("]}", to);
}

void lx_reference_json(FILE *to)
{
    const at_cmd *cmd;

    fputs("[", to);
    for (size_t i = 0; (cmd = lx_reference_row(i)) != NULL; i++) {
        fprintf(to, "%s\n{\"name\":", i > 0 ? "," : "");
        json_text(to, cmd->name);
        fputs(",\"summary\":", to);
        json_text(to, cmd->summary);
        fputs(",\"guide\":", to);
        json_text(to, cmd->guide);
        fprintf(
            to,
            ",\"query\":%s,\"set\":%s,\"execute\":%s,\"saved\":\"%s\",\"extra\":%s,\"builds\":%u",
            cmd->query != NULL ? "true" : "false", cmd->set != NULL ? "true" : "false",
            cmd->execute != NULL ? "true" : "false",
            (cmd->flags & AT_SAVED_ALWAYS) != 0     ? "always"
            : (cmd->flags & AT_SAVED_SYSSTORE) != 0 ? "sysstore"
                                                    : "no",
            (cmd->flags & AT_EXTRA) != 0 ? "true" : "false", cmd->builds);
        fputs(",\"shapes\":[", to);
        for (unsigned j = 0; cmd->set != NULL && j < cmd->shape_count; j++) {
            fputs(j > 0 ? "," : "", to);
            json_shape(to, &cmd->shapes[j]);
        }
        fputs("]}", to);
    }
    fputs("\n]\n", to);
}
