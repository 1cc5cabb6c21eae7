/* page-runner: finds pages, replays their scenarios, counts.
 *
 * Each page is replayed by a process of its own, so that a crash of the air (which runs in the
 * runner) takes down one page, and so that pages run in parallel. A page's report goes to a temporary
 * file and is printed when the page is done, in page order.
 *
 * A scenario is played once per chunk size, then with a restart forced at each of its waits, then with
 * the power cut in each of its flash operations. It counts once: passed when every replay passed. After the first failed replay the
 * next scenario begins.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pages/runner_bench.h"
#include "tests/pages/runner_page.h"
#include "tests/pages/runner_play.h"

#define FILES_MAX     1000
#define OCCASIONS_MAX 500u /* per scenario; more means that they are not counted right */

typedef struct options {
    uint64_t seed;
    bool chunks, all_chunks, inject, cuts, verbose;
    size_t chunk;
    long jobs;
    const char *openings;
    bool has_filter;
    regex_t filter;
} options;

typedef struct tally { /* of one page, in shared memory */
    unsigned passed, failed, replays;
} tally;

typedef struct job {
    char *file;
    FILE *report;
    pid_t pid; /* 0: not started or done */
    tally *tally;
} job;

static const size_t chunks[] = { CHUNK_WHOLE, 1, 2, 3, 7, 64, CHUNK_RANDOM };

/* ---- one scenario ---- */

/* Plays once; a scenario that must fail passes when it failed as announced. */
static play_result replay(const scenario *s, const play_options *how, FILE *to)
{
    char *text = NULL;
    size_t len = 0;
    FILE *report = open_memstream(&text, &len);
    play_result result;

    if (report == NULL)
        abort();
    result = play_scenario(s, how, report);
    fclose(report);
    if (s->must_fail != NULL) {
        bool announced = !result.passed && strstr(text, s->must_fail) != NULL;

        if (!announced)
            fprintf(to, "%s:%d: %s: must fail with \"%s\", but %s\n", s->file, s->line, s->title,
                    s->must_fail, result.passed ? "passes" : "fails otherwise:");
        if (!announced || how->verbose)
            fputs(text, to);
        result.passed = announced;
    } else {
        fputs(text, to);
    }
    free(text);
    return result;
}

static bool replay_chunks(const scenario *s, const options *o, FILE *to, tally *t)
{
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        const play_options how = { .seed = o->seed,
                                   .chunk = o->all_chunks ? chunks[i] : o->chunk,
                                   .verbose = o->verbose };

        t->replays++;
        if (!replay(s, &how, to).passed)
            return false;
        if (!o->all_chunks || s->whole_only)
            break;
    }
    return true;
}

/* Replays with the k-th occasion of a disturbance taken, k = 1, 2 ..., until there is no k-th. */
static bool replay_disturbed(const scenario *s, const options *o, bool cut, FILE *to, tally *t)
{
    for (unsigned k = 1; k <= OCCASIONS_MAX; k++) {
        const play_options how = { .seed = o->seed,
                                   .chunk = CHUNK_WHOLE,
                                   .inject = cut ? 0 : k,
                                   .cut = cut ? k : 0,
                                   .verbose = o->verbose };
        play_result result = replay(s, &how, to);

        t->replays++;
        if (!result.passed) {
            fprintf(to, "    (with %s %u)\n",
                    cut ? "a power cut in flash operation" : "a restart forced at wait", k);
            return false;
        }
        if (!result.injected)
            return true;
    }
    fprintf(to, "%s:%d: %s: no end of waits\n", s->file, s->line, s->title);
    return false;
}

static bool wanted(const scenario *s, const options *o)
{
    char name[600];

    if (!o->has_filter)
        return true;
    snprintf(name, sizeof(name), "%s:%d: %s", s->file, s->line, s->title);
    return regexec(&o->filter, name, 0, NULL, 0) == 0;
}

static void play_page(const page *p, const options *o, FILE *to, tally *t)
{
    for (const scenario *s = page_first(p); s != NULL; s = s->next) {
        bool passed = true;

        if (!wanted(s, o))
            continue;
        if (o->chunks)
            passed = replay_chunks(s, o, to, t);
        if (passed && o->inject && !s->no_restart && s->must_fail == NULL)
            passed = replay_disturbed(s, o, false, to, t);
        if (passed && o->cuts && !s->no_restart && s->must_fail == NULL)
            passed = replay_disturbed(s, o, true, to, t);
        if (passed)
            t->passed++;
        else
            t->failed++;
        if (o->verbose)
            fprintf(to, "%s %s:%d: %s\n", passed ? "ok  " : "FAIL", s->file, s->line, s->title);
        fflush(to);
    }
}

/* ---- one page ---- */

/* The nearest openings.md in the page's folder or above it; false: there is none. */
static bool find_openings(const char *file, char *path, size_t room)
{
    char folder[400];
    char *slash;

    snprintf(folder, sizeof(folder), "%s", file);
    while ((slash = strrchr(folder, '/')) != NULL) {
        *slash = '\0';
        if ((size_t)snprintf(path, room, "%s/openings.md", folder) < room &&
            access(path, R_OK) == 0)
            return true;
    }
    snprintf(path, room, "openings.md");
    return access(path, R_OK) == 0;
}

static void run_job(const options *o, const job *j)
{
    char path[420], error[400] = "";
    page *openings = NULL, *p = NULL;

    if (o->openings != NULL)
        openings = page_read(o->openings, NULL, error, sizeof(error));
    else if (find_openings(j->file, path, sizeof(path)))
        openings = page_read(path, NULL, error, sizeof(error));
    if (error[0] == '\0')
        p = page_read(j->file, openings, error, sizeof(error));
    page_free(openings);
    if (p == NULL) {
        fprintf(j->report, "%s\n", error);
        j->tally->failed++;
    } else {
        play_page(p, o, j->report, j->tally);
        page_free(p);
    }
    fflush(j->report);
}

static void start_job(const options *o, job *j)
{
    j->report = tmpfile();
    if (j->report == NULL || (j->pid = fork()) < 0) {
        fprintf(stderr, "page-runner: no process for %s: %s\n", j->file, strerror(errno));
        exit(1);
    }
    if (j->pid == 0) {
        run_job(o, j);
        fclose(j->report);
        exit(0); /* not _exit: leaks of the runner's own code are to be found */
    }
}

static void end_job(job *j, int status)
{
    char part[4096];
    size_t len;

    rewind(j->report);
    while ((len = fread(part, 1, sizeof(part), j->report)) > 0)
        fwrite(part, 1, len, stdout);
    fclose(j->report);
    if (status != 0) {
        printf("%s: the runner itself ended (status 0x%x)\n", j->file, (unsigned)status);
        j->tally->failed++;
    }
    fflush(stdout);
    j->pid = 0;
}

static void run_jobs(const options *o, job *jobs, size_t count)
{
    size_t started = 0, done = 0;
    long running = 0;

    while (done < count) {
        int status;
        pid_t pid;

        while (running < o->jobs && started < count) {
            start_job(o, &jobs[started++]);
            running++;
        }
        pid = wait(&status);
        for (size_t i = 0; i < started; i++) {
            if (jobs[i].pid != pid)
                continue;
            end_job(&jobs[i], status);
            running--;
            done++;
        }
    }
}

/* ---- the command line ---- */

static int is_page(const struct dirent *entry)
{
    const char *name = entry->d_name, *dot = strrchr(name, '.');
    static const char *const others[] = { "README.md", "openings.md", "impossible.md" };

    if (name[0] == '.')
        return 0;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strcmp(name, others[i]) == 0)
            return 0;
    }
    return dot == NULL || strcmp(dot, ".md") == 0;
}

static size_t find_pages(const char *path, job *jobs, size_t count)
{
    struct stat info;
    struct dirent **names = NULL;
    int found;

    if (stat(path, &info) != 0) {
        fprintf(stderr, "page-runner: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    if (!S_ISDIR(info.st_mode)) {
        if (count < FILES_MAX)
            jobs[count++].file = strdup(path);
        return count;
    }
    found = scandir(path, &names, is_page, alphasort);
    for (int i = 0; i < found; i++) {
        char inner[400];
        const char *dot = strrchr(names[i]->d_name, '.');

        snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
        if (dot != NULL || (stat(inner, &info) == 0 && S_ISDIR(info.st_mode)))
            count = find_pages(inner, jobs, count);
        free(names[i]);
    }
    free(names);
    return count;
}

_Noreturn static void usage(const char *why)
{
    fprintf(stderr,
            "page-runner: %s\n"
            "usage: page-runner [options] FILES-OR-FOLDERS...\n"
            "  --chunk N|whole|random   only this split of what the host sends, no restarts\n"
            "  --inject-restart         only forced restarts\n"
            "  --power-cuts             only power cuts in flash operations\n"
            "  --seed N                 of everything random (1)\n"
            "  --page REGEX             only scenarios whose FILE:LINE: TITLE matches\n"
            "  --jobs N                 pages at the same time (one per processor)\n"
            "  --openings FILE          instead of the nearest openings.md\n"
            "  -v                       name every scenario, print the whole log\n",
            why);
    exit(2);
}

static size_t parse_chunk(const char *text)
{
    char *end;
    unsigned long value;

    if (strcmp(text, "whole") == 0)
        return CHUNK_WHOLE;
    if (strcmp(text, "random") == 0)
        return CHUNK_RANDOM;
    value = strtoul(text, &end, 10);
    if (*end != '\0' || value == 0)
        usage("--chunk wants a number from 1, whole or random");
    return value;
}

static void parse_options(int argc, char **argv, options *o)
{
    static const struct option names[] = { { "chunk", required_argument, NULL, 'c' },
                                           { "seed", required_argument, NULL, 's' },
                                           { "page", required_argument, NULL, 'p' },
                                           { "jobs", required_argument, NULL, 'j' },
                                           { "inject-restart", no_argument, NULL, 'i' },
                                           { "power-cuts", no_argument, NULL, 'u' },
                                           { "openings", required_argument, NULL, 'o' },
                                           { "verbose", no_argument, NULL, 'v' },
                                           { NULL, 0, NULL, 0 } };
    bool chosen = false;
    int option;

    while ((option = getopt_long(argc, argv, "v", names, NULL)) != -1) {
        switch (option) {
        case 'c':
            o->chunk = parse_chunk(optarg);
            o->chunks = chosen = true;
            break;
        case 's': o->seed = strtoull(optarg, NULL, 0); break;
        case 'p':
            if (regcomp(&o->filter, optarg, REG_EXTENDED | REG_NOSUB) != 0)
                usage("--page wants a regular expression");
            o->has_filter = true;
            break;
        case 'j': o->jobs = strtol(optarg, NULL, 10); break;
        case 'i': o->inject = chosen = true; break;
        case 'u': o->cuts = chosen = true; break;
        case 'o': o->openings = optarg; break;
        case 'v': o->verbose = true; break;
        default: usage("unknown option");
        }
    }
    if (!chosen)
        o->chunks = o->all_chunks = o->inject = o->cuts = true;
    if (o->jobs < 1)
        o->jobs = 1;
}

int main(int argc, char **argv)
{
    static job jobs[FILES_MAX];
    options o = { .seed = 1, .jobs = sysconf(_SC_NPROCESSORS_ONLN) };
    unsigned passed = 0, failed = 0, replays = 0;
    size_t count = 0;
    tally *tallies;

    parse_options(argc, argv, &o);
    if (optind == argc)
        usage("no page given");
    for (int i = optind; i < argc; i++)
        count = find_pages(argv[i], jobs, count);
    tallies = mmap(NULL, FILES_MAX * sizeof(*tallies), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tallies == MAP_FAILED)
        usage("out of memory");
    for (size_t i = 0; i < count; i++)
        jobs[i].tally = &tallies[i];
    run_jobs(&o, jobs, count);
    for (size_t i = 0; i < count; i++) {
        passed += tallies[i].passed;
        failed += tallies[i].failed;
        replays += tallies[i].replays;
        free(jobs[i].file);
    }
    if (o.has_filter)
        regfree(&o.filter);
    printf("%zu pages, %u replays\n%u passed, %u failed\n", count, replays, passed, failed);
    return failed > 0 || passed == 0 ? 1 : 0;
}
