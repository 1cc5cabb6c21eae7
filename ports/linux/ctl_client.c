/* Words become one JSON request; the answer is printed as it comes, and its "ok" is the exit status. The
 * verb `events` subscribes and prints event lines until the bench ends.
 */
#include "ports/linux/ctl_client.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bytes.h"

typedef struct words {
    int count;
    char **word;
    cJSON *request;
} words;

static bool add_number(cJSON *object, const char *name, const char *text)
{
    int64_t value;

    if (!at_parse_int(text, strlen(text), &value))
        return false;
    cJSON_AddNumberToObject(object, name, (double)value);
    return true;
}

static bool add_on(cJSON *object, const char *text)
{
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
        return false;
    cJSON_AddBoolToObject(object, "on", strcmp(text, "on") == 0);
    return true;
}

/* NAME=VALUE as a member: a number when it looks like one, else text. */
static bool add_pair(cJSON *object, const char *pair)
{
    const char *equals = strchr(pair, '=');
    char name[64];

    if (equals == NULL || equals == pair || (size_t)(equals - pair) >= sizeof name)
        return false;
    memcpy(name, pair, (size_t)(equals - pair));
    name[equals - pair] = '\0';
    if (!add_number(object, name, equals + 1))
        cJSON_AddStringToObject(object, name, equals + 1);
    return true;
}

static bool words_plain(words *w)
{
    return w->count == 1;
}

static bool words_wait(words *w)
{
    cJSON *match = NULL;

    if (w->count < 2)
        return false;
    cJSON_AddStringToObject(w->request, "event", w->word[1]);
    for (int i = 2; i < w->count; i++) {
        if (i == 2 && strchr(w->word[i], '=') == NULL) {
            if (!add_number(w->request, "timeout_ms", w->word[i]))
                return false;
            continue;
        }
        if (strncmp(w->word[i], "since=", 6) == 0) {
            if (!add_number(w->request, "since", w->word[i] + 6))
                return false;
            continue;
        }
        if (match == NULL)
            match = cJSON_AddObjectToObject(w->request, "match");
        if (!add_pair(match, w->word[i]))
            return false;
    }
    return true;
}

static bool words_ap(words *w)
{
    if (w->count < 3)
        return false;
    cJSON_AddStringToObject(w->request, "name", w->word[1]);
    if (w->count == 5 && strcmp(w->word[2], "rssi") == 0)
        cJSON_AddStringToObject(w->request, "station", w->word[4]);
    if ((w->count == 4 || w->count == 5) && strcmp(w->word[2], "rssi") == 0)
        return add_number(w->request, "rssi", w->word[3]);
    return w->count == 3 && add_on(w->request, w->word[2]);
}

static bool words_fault(words *w)
{
    cJSON *add;

    if (w->count < 3)
        return false;
    if (strcmp(w->word[1], "add") != 0) {
        cJSON_AddStringToObject(w->request, "name", w->word[1]);
        return w->count == 3 && add_on(w->request, w->word[2]);
    }
    add = cJSON_AddObjectToObject(w->request, "add");
    cJSON_AddStringToObject(add, "name", w->word[2]);
    for (int i = 3; i < w->count; i++) {
        if (!add_pair(add, w->word[i]))
            return false;
    }
    return true;
}

static bool words_power(words *w)
{
    if (w->count != 2)
        return false;
    cJSON_AddStringToObject(w->request, "state", w->word[1]);
    return true;
}

static bool words_pin(words *w)
{
    return w->count == 3 && add_number(w->request, "pin", w->word[1]) &&
           add_number(w->request, "level", w->word[2]);
}

static const struct verb {
    const char *name;
    bool (*take)(words *w);
    const char *usage, *help;
} verbs[] = {
    { "status", words_plain, "status", "power, port, address, access points, counters" },
    { "wait", words_wait, "wait EVENT [TIMEOUT_MS] [since=N] [NAME=VALUE...]",
      "until EVENT; ready, joined, ip, ip6ll and ip6 last until left or exit, the others are\n"
      "      moments: left, link, time, error, ap, fault, station, lease, pin, sleep, exit ..." },
    { "events", words_plain, "events", "print every event as it happens" },
    { "ap", words_ap, "ap NAME on|off|rssi DBM [STATION]",
      "an access point's power or strength, for all or as one radio hears it" },
    { "fault", words_fault, "fault NAME on|off", "a fault of the world file" },
    { "fault", words_fault,
      "fault add NAME kind=KIND [ap=AP] [station=MAC] [value=N] [after_ms=N] [after_bytes=N]",
      "a new fault" },
    { "power", words_power, "power on|off|cycle", "the module's power switch" },
    { "pin", words_pin, "pin NUMBER 0|1", "a level on a pin, from outside" },
    { "quit", words_plain, "quit", "end the run" },
};

void lx_ctl_help(FILE *to)
{
    fputs(
        "usage: attache ctl PATH VERB...\n\nPATH is that of --ctl. Prints the answer as JSON; exit "
        "status 0 when it was done, 1 when not.\n\n",
        to);
    for (size_t i = 0; i < AT_COUNT(verbs); i++)
        fprintf(to, "  %s\n      %s\n", verbs[i].usage, verbs[i].help);
}

char *lx_ctl_request(int argc, char **argv, char *error, size_t room)
{
    words w = { .count = argc, .word = argv };
    const struct verb *verb = NULL;
    char *text, *line = NULL;

    for (size_t i = 0; i < AT_COUNT(verbs) && verb == NULL; i++) {
        if (argc > 0 && strcmp(argv[0], verbs[i].name) == 0)
            verb = &verbs[i];
    }
    if (verb == NULL) {
        snprintf(error, room, "%s%s: status, wait, events, ap, fault, power, pin or quit",
                 argc > 0 ? "unknown verb " : "a verb is missing", argc > 0 ? argv[0] : "");
        return NULL;
    }
    w.request = cJSON_CreateObject();
    cJSON_AddStringToObject(w.request, "verb",
                            strcmp(verb->name, "events") == 0 ? "subscribe" : verb->name);
    if (!verb->take(&w)) {
        snprintf(error, room, "usage: attache ctl PATH %s", verb->usage);
    } else if ((text = cJSON_PrintUnformatted(w.request)) != NULL) {
        if (asprintf(&line, "%s\n", text) < 0)
            line = NULL;
        free(text);
    }
    cJSON_Delete(w.request);
    return line;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    at_copy_text(address.sun_path, sizeof address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int show_answer(FILE *from, bool events)
{
    char *line = NULL;
    size_t room = 0;
    int status = 1;

    while (getline(&line, &room, from) > 0) {
        cJSON *answer = cJSON_Parse(line);
        const cJSON *ok = cJSON_GetObjectItemCaseSensitive(answer, "ok");

        if (cJSON_IsBool(ok))
            status = cJSON_IsTrue(ok) ? 0 : 1;
        cJSON_Delete(answer);
        if (!events || ok == NULL || status != 0)
            fputs(line, stdout);
        fflush(stdout);
        if (!events)
            break;
    }
    free(line);
    return status;
}

int lx_ctl_main(int argc, char **argv)
{
    char error[256] = "out of memory", *line;
    FILE *stream;
    int fd, status = 1;

    if (argc < 1) {
        lx_ctl_help(stderr);
        return 2;
    }
    line = lx_ctl_request(argc - 1, argv + 1, error, sizeof error);
    if (line == NULL) {
        fprintf(stderr, "attache ctl: %s\n", error);
        return 2;
    }
    fd = connect_to(argv[0]);
    stream = fd >= 0 ? fdopen(fd, "r+") : NULL;
    if (stream == NULL) {
        fprintf(stderr, "attache ctl: cannot reach %s: %s (is attache running with --ctl?)\n",
                argv[0], strerror(errno));
    } else if (write(fd, line, strlen(line)) == (ssize_t)strlen(line)) {
        status = show_answer(stream, strcmp(argv[1], "events") == 0);
    }
    if (stream != NULL)
        fclose(stream);
    free(line);
    return status;
}
