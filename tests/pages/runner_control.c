/* Control verbs of a page: what a hand on the bench does. One table, one function per verb. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "tests/pages/runner_bench_priv.h"

#define WORDS_MAX 6

typedef struct verb {
    const char *pattern; /* words; NAME, N stand for any; on|off style words are checked by run */
    bool (*run)(bench *b, char **words);
} verb;

static bool number(const char *text, int64_t *value)
{
    return at_parse_int(text, strlen(text), value);
}

static bool is_on(const char *text, bool *on)
{
    *on = strcmp(text, "on") == 0;
    return *on || strcmp(text, "off") == 0;
}

static bool ap_power(bench *b, char **words)
{
    bool on;

    return is_on(words[2], &on) && at_air_ap_power(b->air, words[1], on) == AT_OK;
}

static bool ap_rssi(bench *b, char **words)
{
    int64_t rssi;

    return number(words[2], &rssi) && at_air_ap_rssi(b->air, words[1], (int)rssi) == AT_OK;
}

static bool fault_switch(bench *b, char **words)
{
    bool on;

    return is_on(words[2], &on) && at_air_fault(b->air, words[1], on) == AT_OK;
}

static bool fault_add(bench *b, char **words)
{
    at_world_fault fault = { .armed = true };
    int64_t value;

    at_copy_text(fault.name, sizeof(fault.name), words[1]);
    at_copy_text(fault.ap, sizeof(fault.ap), words[2]);
    if (!at_fault_kind_parse(words[3], &fault.kind) || !number(words[4], &value))
        return false;
    fault.value = (uint32_t)value;
    return at_air_add_fault(b->air, &fault) == AT_OK;
}

static bool power(bench *b, char **words)
{
    bool on = true;

    if (strcmp(words[1], "cycle") == 0)
        bench_power(b, false);
    else if (!is_on(words[1], &on))
        return false;
    bench_power(b, on);
    return true;
}

static bool host(bench *b, char **words)
{
    b->host_stopped = strcmp(words[1], "stop") == 0;
    return b->host_stopped || strcmp(words[1], "go") == 0;
}

static bool flash_cut(bench *b, char **words)
{
    int64_t count;

    if (!number(words[2], &count) || count < 0)
        return false;
    bench_cut_flash(b, (unsigned)count);
    return true;
}

/* A fault verb of five words makes a fault, one of three switches it. */
static const verb verbs[] = {
    { "ap NAME ON", ap_power },
    { "rssi NAME N", ap_rssi },
    { "fault NAME ON", fault_switch },
    { "fault NAME NAME NAME N", fault_add },
    { "power ON", power },
    { "host GO", host },
    { "flash cut N", flash_cut },
};

static size_t split(char *line, char **words)
{
    size_t count = 0;
    char *rest = NULL;

    for (char *w = strtok_r(line, " \t", &rest); w != NULL; w = strtok_r(NULL, " \t", &rest)) {
        if (count == WORDS_MAX)
            return 0;
        words[count++] = w;
    }
    return count;
}

static bool fits(const char *pattern, char **words, size_t count)
{
    char copy[64], *parts[WORDS_MAX];

    at_copy_text(copy, sizeof(copy), pattern);
    if (split(copy, parts) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        bool literal = parts[i][0] >= 'a' && parts[i][0] <= 'z';

        if (literal && strcmp(parts[i], words[i]) != 0)
            return false;
    }
    return true;
}

bool bench_control(bench *b, const char *line, char *error, size_t room)
{
    char copy[200], *words[WORDS_MAX];
    size_t count;

    at_copy_text(copy, sizeof(copy), line);
    count = split(copy, words);
    for (size_t i = 0; i < AT_COUNT(verbs); i++) {
        if (!fits(verbs[i].pattern, words, count))
            continue;
        if (verbs[i].run(b, words))
            return true;
        snprintf(error, room, "\"%s\" is refused: a name or value in it is unknown", line);
        return false;
    }
    snprintf(error, room, "no such verb: \"%s\"", line);
    return false;
}
