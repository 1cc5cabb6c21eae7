/* The host's side of the measurements, on descriptors that run.py opened and prepared:
 *
 *   atload pump FROM TO BYTES           writes BYTES to FROM while it reads them from TO
 *   atload ask FD COUNT LEN TEXT        sends TEXT COUNT times, each time reading LEN bytes back
 *   atload send FD COUNT LEN            AT+CIPSEND=LEN with LEN bytes, COUNT times
 *   atload ipd FROM TO BYTES            writes BYTES to FROM, reads +IPD messages with them from TO
 *   atload start COUNT JOIN PROGRAM...  runs PROGRAM (stdout: a port's path) until "ready", and with
 *                                       JOIN = 1 joins, = 2 waits until it joined by itself
 *
 * Prints what was measured: seconds of wall time, or microseconds as p50 and p99.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 65536u

extern char **environ;

static char block[BLOCK];

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n <= 0)
            fail("write");
        data += n;
        len -= (size_t)n;
    }
}

static size_t read_some(int fd, char *to, size_t room)
{
    ssize_t n = read(fd, to, room);

    if (n <= 0)
        fail("read");
    return (size_t)n;
}

static long number(const char *text)
{
    return strtol(text, NULL, 10);
}

/* ---- bulk ---- */

static pid_t writer(int fd, long bytes)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    memset(block, 'x', sizeof block);
    for (long left = bytes; left > 0; left -= (long)sizeof block)
        write_all(fd, block, left < (long)sizeof block ? (size_t)left : sizeof block);
    _exit(0);
}

static void pump(int from, int to, long bytes)
{
    double start = now();
    pid_t child = writer(from, bytes);

    for (long left = bytes; left > 0;)
        left -= (long)read_some(to, block, sizeof block);
    printf("%.6f\n", now() - start);
    waitpid(child, NULL, 0);
}

/* Counts the data of "+IPD,LEN:" messages as they come in pieces of any size. */
typedef struct ipd {
    char head[32];
    size_t head_len;
    long left; /* of the message's data */
} ipd;

static long ipd_take(ipd *p, const char *data, size_t len)
{
    long count = 0;

    for (size_t i = 0; i < len;) {
        if (p->left > 0) {
            long n = (long)(len - i) < p->left ? (long)(len - i) : p->left;

            p->left -= n;
            count += n;
            i += (size_t)n;
            continue;
        }
        if (data[i] == ':') {
            const char *comma = memchr(p->head, ',', p->head_len);

            p->head[p->head_len] = '\0';
            p->left = comma != NULL ? number(comma + 1) : 0;
            p->head_len = 0;
        } else if (p->head_len < sizeof p->head - 1) {
            p->head[p->head_len++] = data[i];
        }
        i++;
    }
    return count;
}

static void receive_ipd(int from, int to, long bytes)
{
    double start = now();
    pid_t child = writer(from, bytes);
    ipd parser = { .left = 0 };

    for (long left = bytes; left > 0;) {
        size_t n = read_some(to, block, sizeof block);

        left -= ipd_take(&parser, block, n);
    }
    printf("%.6f\n", now() - start);
    waitpid(child, NULL, 0);
}

/* ---- questions and answers ---- */

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void print_times(double *times, long count)
{
    qsort(times, (size_t)count, sizeof times[0], by_size);
    printf("%.1f %.1f\n", times[count / 2] * 1e6, times[count * 99 / 100] * 1e6);
}

static void read_count(int fd, size_t len)
{
    while (len > 0)
        len -= read_some(fd, block, len);
}

static void ask(int fd, long count, size_t len, const char *text)
{
    double *times = calloc((size_t)count, sizeof times[0]);

    for (long i = 0; i < count; i++) {
        double start = now();

        write_all(fd, text, strlen(text));
        write_all(fd, "\r\n", 2);
        read_count(fd, len);
        times[i] = now() - start;
    }
    print_times(times, count);
    free(times);
}

static void send_data(int fd, long count, size_t len)
{
    static const char prompt[] = "\r\nOK\r\n\r\n>";
    char command[32], closing[64];
    int command_len = snprintf(command, sizeof command, "AT+CIPSEND=%zu\r\n", len);
    int closing_len =
        snprintf(closing, sizeof closing, "\r\nRecv %zu bytes\r\n\r\nSEND OK\r\n", len);
    double start = now();

    memset(block, 'x', sizeof block);
    for (long i = 0; i < count; i++) {
        char answer[64];

        write_all(fd, command, (size_t)command_len);
        for (size_t at = 0; at < sizeof prompt - 1;)
            at += read_some(fd, answer, sizeof prompt - 1 - at);
        write_all(fd, block, len);
        for (int at = 0; at < closing_len;)
            at += (int)read_some(fd, answer, (size_t)(closing_len - at));
    }
    printf("%.6f\n", now() - start);
}

/* ---- starting ---- */

static int open_port(const char *path)
{
    struct termios settings;
    int fd = open(path, O_RDWR | O_NOCTTY);

    if (fd < 0 || tcgetattr(fd, &settings) != 0)
        fail(path);
    cfmakeraw(&settings);
    tcsetattr(fd, TCSANOW, &settings);
    return fd;
}

/* What a port said and nobody looked at yet. */
typedef struct heard {
    int fd;
    char text[4096];
    size_t len;
} heard;

/* Reads until text has gone by. */
static void wait_for(heard *h, const char *text)
{
    const char *found;
    size_t behind;

    for (;;) {
        h->text[h->len] = '\0';
        found = strstr(h->text, text);
        if (found != NULL)
            break;
        h->len += read_some(h->fd, h->text + h->len, sizeof h->text - 1 - h->len);
    }
    behind = (size_t)(found - h->text) + strlen(text);
    memmove(h->text, h->text + behind, h->len - behind);
    h->len -= behind;
}

typedef struct moments {
    double ready, ip; /* seconds: from exec, from ready (or from AT+CWJAP) */
} moments;

static moments start_once(char **program, long join)
{
    static const char jap[] = "AT+CWJAP=\"espressif\",\"1234567890\"\r\n";
    posix_spawn_file_actions_t actions;
    char path[256];
    moments m = { 0 };
    double start = now();
    size_t len = 0;
    int out[2];
    heard h = { .len = 0 };
    pid_t pid;

    if (pipe2(out, O_CLOEXEC) != 0)
        fail("pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    if (posix_spawn(&pid, program[0], &actions, NULL, program, environ) != 0)
        fail(program[0]);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    do
        len += read_some(out[0], path + len, sizeof path - len);
    while (path[len - 1] != '\n');
    path[len - 1] = '\0';
    h.fd = open_port(path);
    wait_for(&h, "ready\r\n");
    m.ready = now() - start;
    start = now();
    if (join == 1) {
        write_all(h.fd, "AT+CWMODE=1\r\n", 13);
        wait_for(&h, "OK\r\n");
        start = now();
        write_all(h.fd, jap, sizeof jap - 1);
    }
    if (join > 0)
        wait_for(&h, "WIFI GOT IP\r\n");
    m.ip = now() - start;
    if (join == 1)
        wait_for(&h, "OK\r\n"); /* kept in the flash by then */
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    close(out[0]);
    close(h.fd);
    return m;
}

static void start_many(long count, long join, char **program)
{
    double *ready = calloc((size_t)count, sizeof ready[0]);
    double *ip = calloc((size_t)count, sizeof ip[0]);

    for (long i = 0; i < count; i++) {
        moments m = start_once(program, join);

        ready[i] = m.ready;
        ip[i] = m.ip;
    }
    print_times(ready, count);
    print_times(ip, count);
    free(ready);
    free(ip);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "pump") == 0 && argc == 5) {
        pump((int)number(argv[2]), (int)number(argv[3]), number(argv[4]));
    } else if (strcmp(what, "ipd") == 0 && argc == 5) {
        receive_ipd((int)number(argv[2]), (int)number(argv[3]), number(argv[4]));
    } else if (strcmp(what, "ask") == 0 && argc == 6) {
        ask((int)number(argv[2]), number(argv[3]), (size_t)number(argv[4]), argv[5]);
    } else if (strcmp(what, "send") == 0 && argc == 5) {
        send_data((int)number(argv[2]), number(argv[3]), (size_t)number(argv[4]));
    } else if (strcmp(what, "start") == 0 && argc > 4) {
        start_many(number(argv[2]), number(argv[3]), argv + 4);
    } else {
        fputs("see the head of tests/bench/atload.c\n", stderr);
        return 2;
    }
    return 0;
}
