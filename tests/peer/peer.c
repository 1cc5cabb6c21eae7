/* A peer: lines in, answers out, endpoints in between.
 *
 * Every endpoint has a queue of lines and at most one command under way. A command is a row with a
 * parser and a step function (endpoint.c); the step is tried when the command starts and after each
 * event of the endpoint's streams, until it says ok or fail. So commands are written as conditions
 * ("the next bytes are these") and do not care when bytes arrive.
 *
 * The process ends with the command `quit`, or from outside.
 */
#include "tests/peer/peer_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/limits.h"
#include "iface/current.h"

#define DEFAULT_TIMEOUT_MS 120000u

/* ---- answers ---- */

static void say(struct peer *p, const char *text, size_t len)
{
    size_t done = 0;

    while (done < len)
        done += p->control->ops->write(p->control, (const uint8_t *)text + done, len - done);
}

static void answer(peer_endpoint *e, const char *word)
{
    char line[PEER_NAME_MAX + PEER_REASON_MAX + 16];
    int len = snprintf(line, sizeof line, "%s%s%s%s%s\n", e->name, e->name[0] != '\0' ? ": " : "",
                       word, e->reason[0] != '\0' ? " " : "", e->reason);

    say(e->peer, line, (size_t)len);
}

/* ---- endpoints ---- */

static void limit_passed(void *arg)
{
    peer_endpoint *e = arg;

    e->expired = true;
    peer_advance(e);
}

peer_endpoint *peer_find(struct peer *p, const char *name)
{
    peer_endpoint *e;

    for (e = p->endpoints; e != NULL; e = e->next) {
        if (strcmp(e->name, name) == 0)
            return e;
    }
    e = at_calloc(&p->heap, 1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->peer = p;
    e->last = &e->first;
    e->timeout_ms = DEFAULT_TIMEOUT_MS;
    at_timer_init(&e->limit, limit_passed, e);
    at_copy_text(e->name, sizeof e->name, name);
    e->next = p->endpoints;
    p->endpoints = e;
    return e;
}

/* ---- running commands ---- */

static void finish(peer_endpoint *e, peer_step result)
{
    at_timer_stop(&e->peer->loop, &e->limit);
    e->command = NULL;
    at_free(&e->peer->heap, e->bytes);
    e->bytes = NULL;
    answer(e, result == PEER_OK ? "ok" : "fail");
}

static bool begin(peer_endpoint *e, char *text)
{
    char *args = text + strcspn(text, " ");

    if (*args != '\0')
        *args++ = '\0';
    e->reason[0] = '\0';
    e->len = e->done = 0;
    e->random = e->started = e->expired = false;
    e->command = peer_command_find(text);
    if (e->command == NULL || !e->command->parse(e, args)) {
        (void)snprintf(e->reason, sizeof e->reason, "%s: %.60s",
                       e->command != NULL ? "usage" : "unknown", text);
        finish(e, PEER_FAIL);
        return false;
    }
    at_timer_in(&e->peer->loop, &e->limit, (uint64_t)e->timeout_ms * 1000u);
    return true;
}

static peer_step try_step(peer_endpoint *e)
{
    peer_step result = e->command->step(e);

    if (result == PEER_WAIT && e->expired) {
        (void)snprintf(e->reason, sizeof e->reason, "timeout");
        peer_describe(e);
        return PEER_FAIL;
    }
    e->started = true;
    return result;
}

static peer_line *next_line(peer_endpoint *e)
{
    peer_line *line = e->first;

    if (line == NULL)
        return NULL;
    e->first = line->next;
    e->queued--;
    if (e->first == NULL)
        e->last = &e->first;
    return line;
}

void peer_advance(peer_endpoint *e)
{
    for (;;) {
        if (e->command == NULL) {
            peer_line *line = next_line(e);
            bool ready;

            if (line == NULL)
                return;
            ready = begin(e, line->text);
            at_free(&e->peer->heap, line);
            if (!ready)
                continue;
        }
        peer_step result = try_step(e);

        if (result == PEER_WAIT)
            return;
        finish(e, result);
    }
}

/* ---- lines ---- */

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Splits "NAME: command"; the name may be missing. */
static char *split_name(char *text, char name[PEER_NAME_MAX + 1])
{
    size_t len = 0;

    name[0] = '\0';
    while (is_name(text[len]))
        len++;
    if (len == 0 || len > PEER_NAME_MAX || text[len] != ':')
        return text;
    text[len] = '\0';
    at_copy_text(name, PEER_NAME_MAX + 1, text);
    text += len + 1;
    return *text == ' ' ? text + 1 : text;
}

static void take_line(struct peer *p, char *text)
{
    char name[PEER_NAME_MAX + 1];
    char *command = split_name(text, name);
    peer_endpoint *e = peer_find(p, name);
    size_t size = strlen(command) + 1;
    peer_line *line;

    if (strcmp(command, "quit") == 0) {
        p->quit = true;
        return;
    }
    if (e == NULL || e->queued == PEER_QUEUE_MAX ||
        (line = at_alloc(&p->heap, sizeof *line + size)) == NULL) {
        say(p, "fail queue full\n", 16);
        return;
    }
    line->next = NULL;
    memcpy(line->text, command, size);
    *e->last = line;
    e->last = &line->next;
    e->queued++;
    peer_advance(e);
}

static void take_byte(struct peer *p, char byte)
{
    if (byte != '\n') {
        if (p->line_len < PEER_LINE_MAX)
            p->line[p->line_len++] = byte;
        return;
    }
    if (p->line_len > 0 && p->line[p->line_len - 1] == '\r')
        p->line_len--;
    p->line[p->line_len] = '\0';
    p->line_len = 0;
    if (p->line[0] != '\0')
        take_line(p, p->line);
}

static void on_readable(void *owner)
{
    struct peer *p = owner;
    uint8_t bytes[512];
    size_t len;

    while ((len = p->control->ops->read(p->control, bytes, sizeof bytes)) > 0) {
        for (size_t i = 0; i < len; i++)
            take_byte(p, (char)bytes[i]);
    }
}

static void on_writable(void *owner)
{
    (void)owner;
}

/* ---- the network ---- */

static void on_frame(void *owner, uint8_t *frame, size_t len)
{
    struct peer *p = owner;

    if (p->addressed)
        at_net_input(p->net, AT_NETIF_STA, frame, len);
}

static void on_net(void *owner, at_netif_id netif, at_net_event event)
{
    struct peer *p = owner;

    (void)netif;
    (void)event;
    for (peer_endpoint *e = p->endpoints; e != NULL; e = e->next) {
        if (e->command != NULL)
            peer_advance(e);
    }
}

static bool start_net(struct peer *p, const peer_seams *seams)
{
    at_net_config config = { .loop = &p->loop,
                             .heap = &p->heap,
                             .log = &p->log,
                             .window = AT_TCP_WINDOW,
                             .on_event = on_net,
                             .owner = p };

    at_the_current = (at_current){
        .clock = seams->clock, .random = seams->random, .heap = &p->heap, .log = &p->log
    };
    p->net = at_net_create(&config);
    return p->net != NULL;
}

peer *peer_create(const peer_seams *seams)
{
    struct peer *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    at_heap_init(&p->heap, SIZE_MAX);
    at_loop_init(&p->loop, seams->clock, seams->waiter);
    p->log.sink = seams->log;
    p->radio = seams->radio;
    p->control = seams->control;
    if (!start_net(p, seams)) {
        free(p);
        return NULL;
    }
    p->radio->on_frame = on_frame;
    p->radio->owner = p;
    p->control->on_readable = on_readable;
    p->control->on_writable = on_writable;
    p->control->owner = p;
    p->control->ops->want(p->control, true, false);
    return p;
}

void peer_turn(peer *p)
{
    at_loop_turn(&p->loop);
}

int peer_main(const peer_seams *seams)
{
    peer *p = peer_create(seams);

    if (p == NULL)
        return 1;
    while (!p->quit)
        peer_turn(p);
    return 0;
}
