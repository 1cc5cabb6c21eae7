/* The page's side of the peers: who was told what, and who has answered.
 *
 * A peer answers the lines of one endpoint in order and those of different endpoints in any order; an
 * answer begins with the endpoint's name when the line did. So the list of pending lines is searched
 * for the oldest one of the peer and endpoint that the answer names.
 */
#include <string.h>

#include "tests/pages/runner_play_priv.h"

static const char fail_mark[] = " => fail";

/* `NAME: rest`: the name's length, 0 when there is none. */
static size_t endpoint_len(const char *line, size_t len)
{
    size_t used = 0;

    while (used < len &&
           (line[used] == '_' || (line[used] >= '0' && line[used] <= '9') ||
            (line[used] >= 'a' && line[used] <= 'z') || (line[used] >= 'A' && line[used] <= 'Z')))
        used++;
    return used + 1 < len && line[used] == ':' && line[used + 1] == ' ' ? used : 0;
}

static void copy_endpoint(char to[24], const char *line, size_t len)
{
    size_t used = endpoint_len(line, len);

    if (used > 23)
        used = 23;
    memcpy(to, line, used);
    to[used] = '\0';
}

/* The failure that a line announces behind " => fail", NULL: the peer is to answer ok. */
static const char *announced(const step *s)
{
    const char *mark = strstr((const char *)s->data, fail_mark);

    return mark != NULL ? mark + 4 : NULL;
}

static void remember_peer(play *p, process *peer)
{
    for (size_t i = 0; i < p->peer_count; i++) {
        if (p->peers[i] == peer)
            return;
    }
    if (p->peer_count == sizeof(p->peers) / sizeof(p->peers[0]))
        play_fail(p, "too many peers");
    else
        p->peers[p->peer_count++] = peer;
}

void peers_give(play *p, const step *s)
{
    const char *line = (const char *)s->data, *failure = announced(s);
    char error[200];
    process *peer = bench_peer(p->b, s->who, s->ap, error, sizeof(error));
    pending *entry;

    if (peer == NULL || p->pending_count == PENDING_MAX) {
        play_fail(p, "%s", peer == NULL ? error : "too many unanswered lines for peers");
        return;
    }
    remember_peer(p, peer);
    entry = &p->pending[p->pending_count++];
    *entry = (pending){ .peer = peer, .step = s };
    copy_endpoint(entry->endpoint, line, s->len);
    if (failure != NULL) {
        bench_peer_write(peer, line, (size_t)(failure - 4 - line));
        bench_peer_write(peer, "\n", 1);
    } else {
        bench_peer_write(peer, line, s->len);
    }
}

bool peers_waiting(const play *p, const step *s)
{
    char endpoint[24];

    if (s->kind == STEP_PEER)
        copy_endpoint(endpoint, (const char *)s->data, s->len);
    for (size_t i = 0; i < p->pending_count; i++) {
        const pending *entry = &p->pending[i];

        if (strcmp(entry->step->who, s->who) != 0)
            continue;
        if (s->kind == STEP_JOIN || strcmp(entry->endpoint, endpoint) == 0)
            return true;
    }
    return false;
}

static void judge(play *p, const pending *entry, const char *answer, size_t len)
{
    const char *failure = announced(entry->step);
    size_t wanted = failure != NULL ? strcspn(failure, "\n") : 0;
    const step *here = p->step;
    bool ok = len >= 2 && memcmp(answer, "ok", 2) == 0;

    if (failure == NULL ? ok : len >= wanted && memcmp(answer, failure, wanted) == 0)
        return;
    p->step = entry->step;
    play_fail(p, "peer %s answers \"%.*s\" to \"%.*s\"", entry->step->who, (int)len, answer,
              (int)entry->step->len - 1, (const char *)entry->step->data);
    p->step = here;
}

static void take_answer(play *p, process *peer, const char *line, size_t len)
{
    char endpoint[24];
    size_t name = endpoint_len(line, len), skip = name > 0 ? name + 2 : 0;

    copy_endpoint(endpoint, line, len);
    for (size_t i = 0; i < p->pending_count; i++) {
        pending entry = p->pending[i];

        if (entry.peer != peer || strcmp(entry.endpoint, endpoint) != 0)
            continue;
        p->pending_count--;
        memmove(&p->pending[i], &p->pending[i + 1], (p->pending_count - i) * sizeof(entry));
        judge(p, &entry, line + skip, len - skip);
        return;
    }
    play_fail(p, "a peer says \"%.*s\" without being asked", (int)len, line);
}

void peers_listen(play *p)
{
    for (size_t i = 0; i < p->peer_count; i++) {
        bytes *output = bench_peer_output(p->peers[i]);
        const char *line, *end;

        while (output->len > 0 && (end = memchr(bytes_at(output), '\n', output->len)) != NULL) {
            line = (const char *)bytes_at(output);
            take_answer(p, p->peers[i], line, (size_t)(end - line));
            bytes_drop(output, (size_t)(end - line) + 1);
        }
    }
}
