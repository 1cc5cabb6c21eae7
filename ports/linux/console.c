/* What a person sees of an AT port.
 *
 * libedit asks for its next key through a function of ours, and that function runs the loop until a key
 * is there. So there is no second loop and no thread: module output, log lines and the control socket go
 * on while a line is edited. What arrives meanwhile is printed in place of the line, which is drawn again
 * below it.
 *
 * The module echoes what it is sent (ATE1) and the terminal has shown it already; the expected echo is
 * swallowed byte by byte, and whatever differs is shown.
 *
 * Behind a data prompt the prompt of the console is "data> ": lines are sent as they are, without CR LF and
 * without an echo to expect, until the answer; in passthrough (AT+CIPSEND alone) with CR LF, until +++.
 *
 * Raw mode (Ctrl-]) sends every key as it is typed, Enter as CR LF, for data after `>`. `+++` counts only
 * as one packet of exactly three bytes, which no finger can type; so pluses are held back until a third
 * or another key comes, or half a second passes.
 *
 * Without a terminal the input is sent line by line, each after the answer to the one before; after a
 * data prompt the next line is sent without CR LF.
 */
#include "ports/linux/console.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/console_priv.h"
#include "ports/linux/reference.h"

enum { PLUS_US = 500000, OUT_MAX = 1024 * 1024 };

/* ---- to the port ---- */

static void flush_out(lx_console *c)
{
    ssize_t put = 0;

    if (c->out_len > 0)
        put = write(c->port.fd, c->out, c->out_len);
    if (put < 0 && errno != EAGAIN && errno != EINTR)
        put = (ssize_t)c->out_len; /* nobody is there: the reading side tells */
    if (put > 0) {
        c->out_len -= (size_t)put;
        memmove(c->out, c->out + put, c->out_len);
    }
    lx_source_set_events(c->config.poller, &c->port, c->out_len > 0 ? POLLIN | POLLOUT : POLLIN);
}

void console_send(lx_console *c, const void *data, size_t len)
{
    char *grown;

    if (c->out_len + len > OUT_MAX)
        return;
    grown = realloc(c->out, c->out_len + len);
    if (grown == NULL)
        return;
    c->out = grown;
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
    flush_out(c);
}

/* ---- on the screen ---- */

static void put_text(const char *data, size_t len)
{
    fwrite(data, 1, len, stdout);
}

/* Control characters of the module must not drive the terminal. */
static void put_printable(lx_console *c, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)data[i];

        if (byte >= ' ' && byte != 0x7f)
            fputc(byte, stdout);
        else if (byte == '\n' || byte == '\t')
            fputc(byte, stdout);
        else if (byte != '\r')
            fprintf(stdout, "\\x%02x", byte);
        c->at_line_start = byte == '\n';
    }
}

static void begin_output(lx_console *c)
{
    if (c->editing && !c->raw)
        put_text("\r\033[K", 4);
}

static void end_output(lx_console *c)
{
    if (c->editing && !c->raw) {
        if (!c->at_line_start)
            put_text("\n", 1);
        fflush(stdout);
        console_edit_refresh(c);
    }
    fflush(stdout);
}

void console_show(lx_console *c, const char *data, size_t len)
{
    if (len == 0)
        return;
    begin_output(c);
    if (c->interactive)
        put_printable(c, data, len);
    else
        put_text(data, len);
    end_output(c);
}

void console_show_help(lx_console *c, const char *name)
{
    const at_cmd *cmd = lx_reference_find(name);

    (void)c;
    if (name[0] == '\0')
        lx_reference_text(stdout);
    else if (cmd != NULL)
        lx_reference_show(stdout, cmd);
    else
        fprintf(stdout, "no command %s: ? alone lists them all\n", name);
    fflush(stdout);
}

/* ---- from the port ---- */

/* Returns how many of the first bytes are the echo of what we sent. */
static size_t skip_echo(lx_console *c, const char *data, size_t len)
{
    size_t same = 0;

    while (same < len && c->echo_at < c->echo_len && data[same] == c->echo[c->echo_at]) {
        same++;
        c->echo_at++;
    }
    if (same < len && c->echo_at < c->echo_len) { /* not an echo after all: show what it hid */
        size_t hidden = c->echo_at - same;

        c->echo_len = c->echo_at = 0;
        console_show(c, c->echo, hidden);
        return 0;
    }
    return same;
}

static bool ends_answer(const char *line)
{
    static const char *const last[] = { "OK",        "ERROR",         "SEND OK",
                                        "SEND FAIL", "SEND Canceled", "SEND CANCELLED",
                                        "busy p...", "ready" };

    for (size_t i = 0; i < AT_COUNT(last); i++) {
        if (strcmp(line, last[i]) == 0)
            return true;
    }
    return false;
}

/* Follows the output to know what the next line is, and when one of batch input may go. What a peer says
 * in passthrough is no answer. */
static void follow(lx_console *c, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n') {
            if (data[i] != '\r' && c->answer_len < sizeof c->answer - 1)
                c->answer[c->answer_len++] = data[i];
            continue;
        }
        c->answer[c->answer_len] = '\0';
        c->answer_len = 0;
        if (ends_answer(c->answer)) {
            c->may_send = true;
            c->data_prompt = c->data_prompt && c->passthrough;
        }
    }
    if (c->answer_len == 1 && c->answer[0] == '>') {
        c->may_send = c->data_prompt = true;
        c->answer_len = 0;
    }
}

static void on_port(void *arg, short revents)
{
    lx_console *c = arg;
    char data[4096];
    ssize_t got;
    size_t skipped;

    if ((revents & POLLOUT) != 0)
        flush_out(c);
    if ((revents & (POLLIN | POLLHUP | POLLERR)) == 0)
        return;
    got = read(c->port.fd, data, sizeof data);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        lx_source_remove(c->config.poller, &c->port);
        c->over = true;
        return;
    }
    if (got <= 0)
        return;
    skipped = skip_echo(c, data, (size_t)got);
    follow(c, data + skipped, (size_t)got - skipped);
    console_show(c, data + skipped, (size_t)got - skipped);
}

static void on_log(void *arg, short revents)
{
    lx_console *c = arg;
    char data[4096];
    ssize_t got;

    (void)revents;
    while ((got = read(c->log.fd, data, sizeof data)) > 0)
        console_show(c, data, (size_t)got);
    if (got == 0)
        lx_source_remove(c->config.poller, &c->log);
}

/* ---- keys ---- */

static void send_pluses(lx_console *c)
{
    at_timer_stop(c->config.loop, &c->plus_timer);
    console_send(c, "+++", c->pluses);
    if (c->pluses == 3)
        c->data_prompt = false;
    c->pluses = 0;
}

static void on_plus_timer(void *arg)
{
    send_pluses(arg);
}

static void raw_key(lx_console *c, char key)
{
    char shown[2] = { key, '\0' };

    put_text(shown, 1);
    fflush(stdout);
    if (key == '+') {
        if (++c->pluses == 3)
            send_pluses(c);
        else
            at_timer_in(c->config.loop, &c->plus_timer, PLUS_US);
        return;
    }
    if (c->pluses > 0)
        send_pluses(c);
    if (key == '\r' || key == '\n')
        console_send(c, "\r\n", 2);
    else
        console_send(c, &key, 1);
}

static void toggle_raw(lx_console *c)
{
    static const char on[] = "[raw: keys are sent as typed, Ctrl-] ends it]\n",
                      off[] = "\n[lines]\n";

    begin_output(c);
    c->raw = !c->raw;
    if (c->raw) {
        put_text(on, sizeof on - 1);
        fflush(stdout);
        return;
    }
    if (c->pluses > 0)
        send_pluses(c);
    put_text(off, sizeof off - 1);
    c->at_line_start = true;
    end_output(c);
}

static void on_keys(void *arg, short revents)
{
    lx_console *c = arg;
    ssize_t got = 0;

    (void)revents;
    if (c->typed_len < sizeof c->typed)
        got = read(c->keys.fd, c->typed + c->typed_len, sizeof c->typed - c->typed_len);
    if (got > 0) {
        c->typed_len += (size_t)got;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        c->input_ended = true;
        lx_source_remove(c->config.poller, &c->keys);
        return;
    }
    if (c->typed_len == sizeof c->typed) /* until some are taken */
        lx_source_set_events(c->config.poller, &c->keys, 0);
}

static bool take_key(lx_console *c, char *key)
{
    if (c->typed_len == 0)
        return false;
    *key = c->typed[0];
    memmove(c->typed, c->typed + 1, --c->typed_len);
    lx_source_set_events(c->config.poller, &c->keys, POLLIN);
    return true;
}

static bool finished(const lx_console *c)
{
    return c->config.loop->stopped || c->over || (c->input_ended && c->typed_len == 0);
}

int console_next_key(lx_console *c, char *key)
{
    c->editing = true;
    while (!finished(c)) {
        if (!take_key(c, key)) {
            at_loop_turn(c->config.loop);
        } else if (*key == RAW_KEY) {
            toggle_raw(c);
        } else if (c->raw) {
            raw_key(c, *key);
        } else {
            return 1;
        }
    }
    return 0;
}

/* ---- input that is not a terminal ---- */

/* Sends the first complete line of the typed bytes, if there is one. */
static bool send_typed_line(lx_console *c)
{
    char *end = memchr(c->typed, '\n', c->typed_len);
    size_t len, taken;

    if (end == NULL && !(c->input_ended && c->typed_len > 0) && c->typed_len < sizeof c->typed)
        return false;
    len = end != NULL ? (size_t)(end - c->typed) : c->typed_len;
    taken = end != NULL ? len + 1 : len;
    if (len > 0 && c->typed[len - 1] == '\r')
        len--;
    if (len > 0) {
        console_send(c, c->typed, len);
        if (!c->data_prompt && !(len == 3 && memcmp(c->typed, "+++", 3) == 0))
            console_send(c, "\r\n", 2);
        c->may_send = c->data_prompt = false;
    }
    c->typed_len -= taken;
    memmove(c->typed, c->typed + taken, c->typed_len);
    if (!c->input_ended)
        lx_source_set_events(c->config.poller, &c->keys, POLLIN);
    return true;
}

static void run_batch(lx_console *c)
{
    while (!c->config.loop->stopped && !c->over) {
        if (c->may_send && send_typed_line(c))
            continue;
        if (c->may_send && c->input_ended && c->out_len == 0)
            return;
        at_loop_turn(c->config.loop);
    }
}

/* ---- life ---- */

bool lx_console_is_interactive(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

lx_console *lx_console_open(const lx_console_config *config, char *why, size_t room)
{
    lx_console *c = calloc(1, sizeof *c);
    lx_poller *poller = config->poller;

    if (c == NULL) {
        snprintf(why, room, "out of memory");
        return NULL;
    }
    c->config = *config;
    c->interactive = lx_console_is_interactive();
    c->at_line_start = true;
    c->may_send = !config->boots;
    at_timer_init(&c->plus_timer, on_plus_timer, c);
    c->port = (lx_source){ .fd = config->port_fd, .events = POLLIN, .ready = on_port, .arg = c };
    c->keys = (lx_source){ .fd = STDIN_FILENO, .events = POLLIN, .ready = on_keys, .arg = c };
    c->log = (lx_source){ .fd = config->log_fd, .events = POLLIN, .ready = on_log, .arg = c };
    if (!lx_source_add(poller, &c->port) || !lx_source_add(poller, &c->keys) ||
        (config->log_fd >= 0 && !lx_source_add(poller, &c->log)) ||
        (c->interactive && !console_edit_open(c))) {
        snprintf(why, room, "cannot set the terminal up (is TERM set?)");
        lx_console_close(c);
        return NULL;
    }
    return c;
}

void lx_console_run(lx_console *c)
{
    if (c->interactive)
        console_edit_run(c);
    else
        run_batch(c);
    c->editing = false;
}

void lx_console_close(lx_console *c)
{
    if (c == NULL)
        return;
    c->editing = false;
    if (c->log.added)
        on_log(c, 0); /* the last words */
    console_edit_close(c);
    at_timer_stop(c->config.loop, &c->plus_timer);
    lx_source_remove(c->config.poller, &c->port);
    lx_source_remove(c->config.poller, &c->keys);
    lx_source_remove(c->config.poller, &c->log);
    close(c->config.port_fd);
    if (c->config.log_fd >= 0)
        close(c->config.log_fd);
    free(c->out);
    free(c);
}
