/* Events and waits.
 *
 * A script that says "wait ip" must not care whether the address came a moment ago. So some events are
 * states as well: ready, joined, ip, ip6ll and ip6 hold until left or exit says otherwise, and a wait for a state
 * that holds is answered at once. All other events are waited for from now on, or from the event
 * numbered `since` on: each event has a number, and the last ones are kept.
 */
#include "ports/linux/ctl_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[CTL_STATES] = { "ready", "joined", "ip", "ip6ll", "ip6" };

/* ---- states ---- */

static int state_of(const char *name)
{
    for (int i = 0; i < CTL_STATES; i++) {
        if (strcmp(name, state_names[i]) == 0)
            return i;
    }
    return -1;
}

static void forget_states(lx_ctl *ctl, int from)
{
    for (int i = from; i < CTL_STATES; i++) {
        free(ctl->states[i]);
        ctl->states[i] = NULL;
    }
}

static void note_state(lx_ctl *ctl, const char *name, const char *text)
{
    int state = state_of(name);

    if (state >= 0) {
        free(ctl->states[state]);
        ctl->states[state] = strdup(text);
    } else if (strcmp(name, "left") == 0) {
        forget_states(ctl, 1);
    } else if (strcmp(name, "exit") == 0) {
        forget_states(ctl, 0);
    }
}

/* ---- waits ---- */

static bool matches(const cJSON *request, const cJSON *event)
{
    const cJSON *match = cJSON_GetObjectItemCaseSensitive(request, "match"), *wanted;
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(request, "event");
    const cJSON *have = cJSON_GetObjectItemCaseSensitive(event, "event");

    if (!cJSON_Compare(name, have, true))
        return false;
    cJSON_ArrayForEach(wanted, match)
    {
        have = cJSON_GetObjectItemCaseSensitive(event, wanted->string);
        if (have == NULL || !cJSON_Compare(wanted, have, true))
            return false;
    }
    return true;
}

void ctl_wait_end(ctl_client *c)
{
    at_timer_stop(c->ctl->config.loop, &c->limit);
    cJSON_Delete(c->waiting);
    c->waiting = NULL;
}

/* Answers the wait of c when the event fits. */
static bool try_answer(ctl_client *c, const char *text)
{
    cJSON *event = cJSON_Parse(text), *answer;

    if (event == NULL || !matches(c->waiting, event)) {
        cJSON_Delete(event);
        return false;
    }
    answer = cJSON_CreateObject();
    cJSON_AddItemToObject(answer, "event", event);
    ctl_client_answer(c, c->waiting, true, answer);
    ctl_wait_end(c);
    return true;
}

static bool answer_from_past(ctl_client *c)
{
    const cJSON *since = cJSON_GetObjectItemCaseSensitive(c->waiting, "since");
    lx_ctl *ctl = c->ctl;
    int state;

    if (cJSON_IsNumber(since)) {
        for (unsigned i = 0; i < CTL_HISTORY; i++) {
            const ctl_event *event = &ctl->history[(ctl->last + 1 + i) % CTL_HISTORY];

            if (event->text != NULL && event->number > since->valuedouble &&
                try_answer(c, event->text))
                return true;
        }
        return false;
    }
    state = state_of(cJSON_GetObjectItemCaseSensitive(c->waiting, "event")->valuestring);
    return state >= 0 && ctl->states[state] != NULL && try_answer(c, ctl->states[state]);
}

static void on_limit(void *arg)
{
    ctl_client *c = arg;
    char reason[160];

    snprintf(reason, sizeof reason, "timeout: no such event %.100s",
             cJSON_GetObjectItemCaseSensitive(c->waiting, "event")->valuestring);
    ctl_client_refuse(c, c->waiting, reason);
    ctl_wait_end(c);
    ctl_client_continue(c);
}

void ctl_wait(ctl_client *c, cJSON *request)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(request, "event");
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(request, "timeout_ms");
    const cJSON *match = cJSON_GetObjectItemCaseSensitive(request, "match");

    if (!cJSON_IsString(name) || (match != NULL && !cJSON_IsObject(match)) ||
        (limit != NULL &&
         (!cJSON_IsNumber(limit) || limit->valuedouble < 0 || limit->valuedouble > 86400000.0))) {
        ctl_client_refuse(c, request,
                          "wait needs \"event\":\"NAME\" and may have \"timeout_ms\" (0 to "
                          "86400000), \"since\" (a number) and \"match\" (an object)");
        cJSON_Delete(request);
        return;
    }
    c->waiting = request;
    if (answer_from_past(c))
        return;
    at_timer_init(&c->limit, on_limit, c);
    if (limit != NULL)
        at_timer_in(c->ctl->config.loop, &c->limit, (uint64_t)limit->valuedouble * 1000u);
}

/* ---- events ---- */

static char *make_text(const lx_ctl *ctl, const char *name, const char *members)
{
    uint64_t ms = (at_loop_now(ctl->config.loop) - ctl->start_us) / 1000u;
    char *text = NULL;

    if (asprintf(&text, "{\"event\":\"%s\",\"n\":%u,\"t_ms\":%llu%s%s}", name, ctl->last,
                 (unsigned long long)ms, members[0] != '\0' ? "," : "", members) < 0)
        return NULL;
    return text;
}

void lx_ctl_event(lx_ctl *ctl, const char *name, const char *members)
{
    ctl_event *place;
    char *text;

    if (ctl == NULL)
        return;
    ctl->last++;
    text = make_text(ctl, name, members);
    if (text == NULL)
        return;
    place = &ctl->history[ctl->last % CTL_HISTORY];
    free(place->text);
    *place = (ctl_event){ .number = ctl->last, .text = text };
    note_state(ctl, name, text);
    for (unsigned i = 0; i < CTL_CLIENTS; i++) {
        ctl_client *c = &ctl->clients[i];

        if (c->source.fd >= 0 && c->subscribed)
            ctl_client_line(c, text);
        if (c->source.fd >= 0 && c->waiting != NULL && try_answer(c, text))
            ctl_client_continue(c);
    }
}

unsigned lx_ctl_last(const lx_ctl *ctl)
{
    return ctl != NULL ? ctl->last : 0;
}

void ctl_events_free(lx_ctl *ctl)
{
    for (unsigned i = 0; i < CTL_HISTORY; i++)
        free(ctl->history[i].text);
    forget_states(ctl, 0);
}
