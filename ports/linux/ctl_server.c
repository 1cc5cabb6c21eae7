/* Connections of the control socket.
 *
 * A client sends lines and gets one line back for each, in order; a wait holds its later lines back until
 * it is answered. Nothing a client does may hold the bench up: sockets never block, a line
 * longer than LX_CTL_LINE is refused and its sender dropped, and so is one that lets OUT_MAX bytes of
 * answers and events pile up unread. Another user of the machine is not served at all.
 */
#include "ports/linux/ctl_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/ctl_priv.h"

enum { OUT_MAX = 256 * 1024 };

static void drop(ctl_client *c)
{
    ctl_wait_end(c);
    lx_source_remove(c->ctl->config.poller, &c->source);
    close(c->source.fd);
    free(c->out);
    c->out = NULL;
    c->out_len = c->out_size = c->in_len = 0;
    c->source.fd = -1;
    c->subscribed = c->doomed = false;
}

/* ---- output ---- */

static void flush(ctl_client *c)
{
    ssize_t sent = 0;

    if (c->out_len > 0)
        sent = send(c->source.fd, c->out, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        drop(c);
        return;
    }
    if (sent > 0) {
        c->out_len -= (size_t)sent;
        memmove(c->out, c->out + sent, c->out_len);
    }
    if (c->doomed && c->out_len == 0) {
        drop(c);
        return;
    }
    lx_source_set_events(c->ctl->config.poller, &c->source,
                         (short)((c->doomed || c->waiting != NULL ? POLLRDHUP : POLLIN) |
                                 (c->out_len > 0 ? POLLOUT : 0)));
}

void ctl_client_line(ctl_client *c, const char *text)
{
    size_t len = strlen(text);

    if (c->source.fd < 0)
        return;
    if (c->out_len + len + 1 > c->out_size) {
        size_t size = AT_MAX(c->out_size * 2, c->out_len + len + 1);
        char *grown = size <= OUT_MAX ? realloc(c->out, size) : NULL;

        if (grown == NULL) {
            at_log(c->ctl->config.log, AT_LOG_WARN, "ctl",
                   "a client that does not read is dropped");
            drop(c);
            return;
        }
        c->out = grown;
        c->out_size = size;
    }
    memcpy(c->out + c->out_len, text, len);
    c->out[c->out_len + len] = '\n';
    c->out_len += len + 1;
    flush(c);
}

void ctl_client_answer(ctl_client *c, const cJSON *request, bool ok, cJSON *members)
{
    const cJSON *id = request != NULL ? cJSON_GetObjectItemCaseSensitive(request, "id") : NULL;
    cJSON *answer = cJSON_CreateObject();
    char *text;

    cJSON_AddBoolToObject(answer, "ok", ok);
    if (id != NULL)
        cJSON_AddItemToObject(answer, "id", cJSON_Duplicate(id, true));
    while (members != NULL && members->child != NULL) {
        cJSON *member = cJSON_DetachItemViaPointer(members, members->child);

        cJSON_AddItemToObject(answer, member->string, member);
    }
    cJSON_Delete(members);
    text = cJSON_PrintUnformatted(answer);
    cJSON_Delete(answer);
    if (text != NULL)
        ctl_client_line(c, text);
    free(text);
}

void ctl_client_refuse(ctl_client *c, const cJSON *request, const char *reason)
{
    cJSON *members = cJSON_CreateObject();

    cJSON_AddStringToObject(members, "error", reason);
    ctl_client_answer(c, request, false, members);
}

/* ---- requests ---- */

static void run_verb(ctl_client *c, const char *verb, const cJSON *request)
{
    const lx_ctl_config *config = &c->ctl->config;
    cJSON *answer = cJSON_CreateObject();
    char error[256] = "";

    if (strcmp(verb, "subscribe") == 0) {
        c->subscribed = true;
    } else if (!config->run(config->owner, verb, request, answer, error, sizeof error)) {
        ctl_client_refuse(c, request, error);
        cJSON_Delete(answer);
        return;
    }
    if (c->source.fd >= 0)
        ctl_client_answer(c, request, true, answer);
    else
        cJSON_Delete(answer);
}

/* Well-formed UTF-8 (RFC 3629)? What is not would come back in answers that no JSON reader takes. */
static bool is_utf8(const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        unsigned char first = (unsigned char)text[at++];
        size_t more = first < 0x80 ? 0 : first < 0xc2 ? 4 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;

        if (more > 3 || first > 0xf4 || more > len - at)
            return false;
        for (; more > 0; more--)
            if (((unsigned char)text[at++] & 0xc0u) != 0x80)
                return false;
    }
    return true;
}

static void take_line(ctl_client *c, const char *line, size_t len)
{
    cJSON *request = cJSON_ParseWithLength(line, len);
    const cJSON *verb = cJSON_GetObjectItemCaseSensitive(request, "verb");

    if (!is_utf8(line, len)) {
        ctl_client_refuse(c, NULL, "not UTF-8 text: send one JSON object per line");
    } else if (!cJSON_IsObject(request)) {
        ctl_client_refuse(c, NULL,
                          "not a JSON object: send one per line, like {\"verb\":\"status\"}");
    } else if (!cJSON_IsString(verb)) {
        ctl_client_refuse(c, request, "\"verb\" is missing, like {\"verb\":\"status\"}");
    } else if (strcmp(verb->valuestring, "wait") == 0) {
        ctl_wait(c, request);
        return;
    } else {
        run_verb(c, verb->valuestring, request);
    }
    cJSON_Delete(request);
}

void ctl_client_continue(ctl_client *c)
{
    while (c->source.fd >= 0 && c->waiting == NULL && !c->doomed) {
        char *end = memchr(c->in, '\n', c->in_len), line[LX_CTL_LINE];
        size_t len;

        if (end == NULL)
            break;
        len = (size_t)(end - c->in);
        memcpy(line, c->in, len);
        c->in_len -= len + 1;
        memmove(c->in, end + 1, c->in_len);
        if (len > 0)
            take_line(c, line, len);
    }
    if (c->source.fd >= 0 && c->in_len == sizeof c->in && c->waiting == NULL) {
        c->doomed = true;
        ctl_client_refuse(c, NULL, "line too long: at most 4096 bytes");
    } else if (c->source.fd >= 0) {
        flush(c);
    }
}

static void on_client(void *arg, short revents)
{
    ctl_client *c = arg;
    ssize_t len;

    if ((revents & POLLOUT) != 0)
        flush(c);
    if (c->source.fd < 0 || (revents & (POLLIN | POLLHUP | POLLERR | POLLRDHUP)) == 0)
        return;
    if (c->in_len == sizeof c->in) { /* full during a wait: only the end can come */
        drop(c);
        return;
    }
    len = recv(c->source.fd, c->in + c->in_len, sizeof c->in - c->in_len, MSG_DONTWAIT);
    if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR)) {
        drop(c);
        return;
    }
    if (len > 0) {
        c->in_len += (size_t)len;
        ctl_client_continue(c);
    }
}

/* ---- connections ---- */

static bool same_user(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static ctl_client *free_place(lx_ctl *ctl)
{
    for (unsigned i = 0; i < CTL_CLIENTS; i++) {
        if (ctl->clients[i].source.fd < 0)
            return &ctl->clients[i];
    }
    return NULL;
}

static void on_listener(void *arg, short revents)
{
    lx_ctl *ctl = arg;
    int fd = accept4(ctl->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ctl_client *c = free_place(ctl);

    (void)revents;
    if (fd < 0)
        return;
    if (c == NULL || !same_user(fd)) {
        at_log(ctl->config.log, AT_LOG_WARN, "ctl", "refused a client: %s",
               c == NULL ? "too many" : "another user");
        close(fd);
        return;
    }
    c->ctl = ctl;
    c->source = (lx_source){ .fd = fd, .events = POLLIN, .ready = on_client, .arg = c };
    if (!lx_source_add(ctl->config.poller, &c->source))
        drop(c);
}

static bool make_address(struct sockaddr_un *address, const char *path, char *why, size_t room)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) < sizeof address->sun_path) {
        at_copy_text(address->sun_path, sizeof address->sun_path, path);
        return true;
    }
    snprintf(why, room, "the path is too long for a socket: at most %zu characters",
             sizeof address->sun_path - 1);
    return false;
}

/* A socket file that nobody listens on is left over from a run that was killed. */
static bool clear_path(const struct sockaddr_un *address, char *why, size_t room)
{
    struct stat there;
    int fd, result;

    if (lstat(address->sun_path, &there) != 0)
        return true;
    if (!S_ISSOCK(there.st_mode)) {
        snprintf(why, room, "%s exists and is not a socket: give another path", address->sun_path);
        return false;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    result = connect(fd, (const struct sockaddr *)address, sizeof *address);
    close(fd);
    if (result == 0) {
        snprintf(why, room, "%s is in use by another run: give another path", address->sun_path);
        return false;
    }
    unlink(address->sun_path);
    return true;
}

static int listen_on(const char *path, char *why, size_t room)
{
    struct sockaddr_un address;
    mode_t mask;
    int fd, bound;

    if (!make_address(&address, path, why, room) || !clear_path(&address, why, room))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mask = umask(0177);
    bound = bind(fd, (const struct sockaddr *)&address, sizeof address);
    umask(mask);
    if (bound == 0 && listen(fd, 8) == 0)
        return fd;
    snprintf(why, room, "cannot listen on %s: %s", path, strerror(errno));
    close(fd);
    return -1;
}

lx_ctl *lx_ctl_open(const lx_ctl_config *config, char *why, size_t room)
{
    int fd = listen_on(config->path, why, room);
    lx_ctl *ctl = fd >= 0 ? calloc(1, sizeof *ctl) : NULL;

    if (ctl == NULL)
        return NULL;
    ctl->config = *config;
    ctl->start_us = at_loop_now(config->loop);
    for (unsigned i = 0; i < CTL_CLIENTS; i++)
        ctl->clients[i].source.fd = -1;
    ctl->listener = (lx_source){ .fd = fd, .events = POLLIN, .ready = on_listener, .arg = ctl };
    lx_source_add(config->poller, &ctl->listener);
    return ctl;
}

void lx_ctl_close(lx_ctl *ctl)
{
    if (ctl == NULL)
        return;
    for (unsigned i = 0; i < CTL_CLIENTS; i++) {
        ctl_client *c = &ctl->clients[i];

        if (c->source.fd >= 0)
            flush(c);
        if (c->source.fd >= 0)
            drop(c);
    }
    lx_source_remove(ctl->config.poller, &ctl->listener);
    close(ctl->listener.fd);
    unlink(ctl->config.path);
    ctl_events_free(ctl);
    free(ctl);
}
