/* The part of the console that knows libedit: keys, prompt, history, completion.
 *
 * The history lies in $XDG_STATE_HOME/attache/history (~/.local/state by default) with mode 0600; lines
 * that carry a password stay out of it.
 *
 * libedit is loaded when a console opens: it brings three more libraries, and a run without a console
 * starts a quarter of a millisecond earlier without them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "core/bytes.h"
#include "ports/linux/console_priv.h"
#include "ports/linux/reference.h"

enum { HISTORY_LINES = 1000 };

static const char library[] = "libedit.so.2";

/* Found by name at each call, so there is no table that callbacks without a context could not reach. */
#define LOADED(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_DEFAULT, #name))
#define el_init      LOADED(el_init)
#define el_end       LOADED(el_end)
#define el_get       LOADED(el_get)
#define el_set       LOADED(el_set)
#define el_gets      LOADED(el_gets)
#define el_line      LOADED(el_line)
#define el_insertstr LOADED(el_insertstr)
#define history_init LOADED(history_init)
#define history_end  LOADED(history_end)
#define history(...) LOADED(history)(__VA_ARGS__)

static lx_console *console_of(EditLine *edit)
{
    void *console = NULL;

    el_get(edit, EL_CLIENTDATA, &console);
    return console;
}

static char *prompt(EditLine *edit)
{
    static char text[] = "attache> ", data[] = "data> ";

    return console_of(edit)->data_prompt ? data : text;
}

/* One wide character from as many keys as it takes. */
static int get_key(EditLine *edit, wchar_t *key)
{
    lx_console *c = console_of(edit);
    mbstate_t state = { 0 };
    char byte;

    while (console_next_key(c, &byte) == 1) {
        size_t len = mbrtowc(key, &byte, 1, &state);

        if (len == (size_t)-2)
            continue;
        if (len == (size_t)-1 || len == 0)
            *key = (unsigned char)byte;
        return 1;
    }
    return 0;
}

/* ---- completion ---- */

static bool begins(const at_cmd *cmd, const char *word, size_t len)
{
    return strncasecmp(cmd->name, word, len) == 0;
}

static void list_matches(lx_console *c, const char *word, size_t len)
{
    const at_cmd *cmd;

    fputc('\n', stdout);
    for (size_t i = 0; (cmd = lx_reference_row(i)) != NULL; i++) {
        if (begins(cmd, word, len))
            fprintf(stdout, "AT%s  ", cmd->name);
    }
    fputc('\n', stdout);
    fflush(stdout);
    (void)c;
}

/* Length of the beginning that all matches share; 0 when there is none. */
static size_t common(const char *word, size_t len, const at_cmd **first)
{
    const at_cmd *cmd;
    size_t shared = 0;

    *first = NULL;
    for (size_t i = 0; (cmd = lx_reference_row(i)) != NULL; i++) {
        size_t same = 0;

        if (!begins(cmd, word, len))
            continue;
        if (*first == NULL) {
            *first = cmd;
            shared = strlen(cmd->name);
            continue;
        }
        while (same < shared && cmd->name[same] == (*first)->name[same])
            same++;
        shared = same;
    }
    return shared;
}

static unsigned char complete(EditLine *edit, int key)
{
    const LineInfo *line = el_line(edit);
    size_t len = (size_t)(line->cursor - line->buffer), shared;
    const char *word = line->buffer;
    const at_cmd *first;
    char rest[64];

    (void)key;
    if (len < 2 || strncasecmp(word, "AT", 2) != 0)
        return CC_ERROR;
    word += 2;
    len -= 2;
    shared = common(word, len, &first);
    if (first == NULL)
        return CC_ERROR;
    if (shared <= len) {
        list_matches(console_of(edit), word, len);
        return CC_REDISPLAY;
    }
    at_copy_text(rest, AT_MIN(sizeof rest, shared - len + 1), first->name + len);
    return el_insertstr(edit, rest) == 0 ? CC_REFRESH : CC_ERROR;
}

/* ---- history ---- */

static bool history_directory(char *path, size_t room)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int len;

    if (state != NULL && state[0] == '/')
        len = snprintf(path, room, "%s/attache/", state);
    else if (home != NULL)
        len = snprintf(path, room, "%s/.local/state/attache/", home);
    else
        return false;
    if (len < 0 || (size_t)len >= room)
        return false;
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return true;
}

static void open_history(lx_console *c)
{
    char directory[sizeof c->history_path - 16];
    HistEvent event;

    c->history = history_init();
    if (c->history == NULL)
        return;
    history(c->history, &event, H_SETSIZE, HISTORY_LINES);
    history(c->history, &event, H_SETUNIQUE, 1);
    el_set(c->edit, EL_HIST, LOADED(history), c->history);
    if (!history_directory(directory, sizeof directory))
        return;
    snprintf(c->history_path, sizeof c->history_path, "%shistory", directory);
    history(c->history, &event, H_LOAD, c->history_path);
}

static void save_history(lx_console *c)
{
    HistEvent event;
    int fd;

    if (c->history_path[0] == '\0')
        return;
    fd = open(c->history_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* libedit makes it 0666 */
    if (fd >= 0)
        close(fd);
    history(c->history, &event, H_SAVE, c->history_path);
}

static bool is_secret(const char *line)
{
    static const char *const carriers[] = {
        "AT+CWJAP=",     "AT+CWSAP",       "AT+CWJEAP",
        "AT+CIPSSLCPSK", "AT+MQTTUSERCFG", "AT+MQTTLONGPASSWORD"
    };

    for (size_t i = 0; i < AT_COUNT(carriers); i++) {
        if (strncasecmp(line, carriers[i], strlen(carriers[i])) == 0)
            return true;
    }
    return false;
}

/* ---- lines ---- */

static void send_data(lx_console *c, const char *line, size_t len)
{
    bool leave = strcmp(line, "+++") == 0;

    console_send(c, line, len);
    if (c->passthrough && !leave)
        console_send(c, "\r\n", 2);
    if (leave)
        c->data_prompt = false;
}

static void send_line(lx_console *c, const char *line, size_t len)
{
    HistEvent event;

    if (c->data_prompt) {
        send_data(c, line, len);
        return;
    }
    if (len > 0 && c->history != NULL && !is_secret(line))
        history(c->history, &event, H_ENTER, line);
    if (line[0] == '?') {
        console_show_help(c, line + 1);
        return;
    }
    if (strcmp(line, "+++") == 0) {
        console_send(c, line, len);
        return;
    }
    if (len + 2 <= sizeof c->echo) {
        memcpy(c->echo, line, len);
        memcpy(c->echo + len, "\r\n", 2);
        c->echo_len = len + 2;
        c->echo_at = 0;
        c->passthrough = strcasecmp(line, "AT+CIPSEND") == 0;
        console_send(c, c->echo, c->echo_len);
    }
}

void console_edit_run(lx_console *c)
{
    char line[CONSOLE_LINE];
    const char *got;
    int count;

    puts("? lists the commands, ?NAME explains one, Tab completes, Ctrl-] sends keys as typed, "
         "Ctrl-D ends.");
    fflush(stdout);
    while ((got = el_gets(c->edit, &count)) != NULL && count > 0) {
        size_t len = at_copy_text(line, sizeof line, got);

        c->editing = false;
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
            line[--len] = '\0';
        c->at_line_start = true;
        send_line(c, line, len);
    }
    c->editing = false;
    fputc('\n', stdout);
}

void console_edit_refresh(lx_console *c)
{
    el_set(c->edit, EL_REFRESH);
}

bool console_edit_open(lx_console *c)
{
    setlocale(LC_CTYPE, ""); /* not at the program's start: it takes a third of a millisecond */
    if (dlopen(library, RTLD_NOW | RTLD_GLOBAL) == NULL) {
        fprintf(stderr, "attache: the console needs %s: %s\n", library, dlerror());
        return false;
    }
    c->edit = el_init("attache", stdin, stdout, stderr);
    if (c->edit == NULL)
        return false;
    el_set(c->edit, EL_CLIENTDATA, c);
    el_set(c->edit, EL_EDITOR, "emacs");
    el_set(c->edit, EL_PROMPT, prompt);
    el_set(c->edit, EL_GETCFN, get_key);
    el_set(c->edit, EL_ADDFN, "at-complete", "complete a command name", complete);
    el_set(c->edit, EL_BIND, "^I", "at-complete", NULL);
    open_history(c);
    return true;
}

void console_edit_close(lx_console *c)
{
    if (c->edit == NULL)
        return;
    if (c->history != NULL) {
        save_history(c);
        history_end(c->history);
    }
    el_end(c->edit);
    c->edit = NULL;
}
