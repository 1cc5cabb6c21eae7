/* Parser of pages: Markdown in, scenarios and steps out.
 *
 * One pass over the lines. Outside of fenced blocks only `###` headings and the attribute lines below
 * them mean something; everything else is prose. Inside a block each line is one step (at, peer,
 * fault) or part of an INI fragment (world). A `world` block before the first heading belongs to every
 * scenario of the page.
 *
 * Includes are expanded here: `= name` appends copies of the steps of the opening's scenario, which
 * keep their own file and line, and its world. So the player knows nothing about openings, and a
 * failure inside one still names the line that failed.
 *
 * A typing error must not become a test that passes: unknown block kinds, unknown attributes with a
 * known shape and lines that are no step are errors of the page.
 *
 * Everything lives in an arena that page_free gives back.
 */
#include "tests/pages/runner_page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pages/runner_text.h"

typedef struct chunk {
    struct chunk *next;
    max_align_t memory[];
} chunk;

struct page {
    chunk *chunks;
    scenario *first, *last;
};

typedef enum block { OUTSIDE, IN_AT, IN_PEER, IN_FAULT, IN_WORLD, IN_OTHER } block;

typedef struct parser {
    page *page;
    const page *openings;
    const char *file;
    int line;
    block block;
    int block_line;
    const char *who, *ap; /* of the peer block */
    const char *world;    /* of the page */
    scenario *scenario;   /* NULL before the first heading */
    char *error;
    size_t room;
    bool failed;
} parser;

typedef struct span { /* a piece of a line */
    const char *at;
    size_t len;
} span;

/* ---- memory and errors ---- */

static void *take(page *p, size_t len)
{
    chunk *c = calloc(1, sizeof(*c) + len + 1);

    if (c == NULL)
        abort();
    c->next = p->chunks;
    p->chunks = c;
    return c->memory;
}

static char *take_text(page *p, const char *text, size_t len)
{
    char *copy = take(p, len);

    memcpy(copy, text, len);
    return copy;
}

static void wrong(parser *ps, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void wrong(parser *ps, const char *format, ...)
{
    va_list args;
    int used;

    if (ps->failed)
        return;
    ps->failed = true;
    used = snprintf(ps->error, ps->room, "%s:%d: ", ps->file, ps->line);
    if (used < 0 || (size_t)used >= ps->room)
        return;
    va_start(args, format);
    vsnprintf(ps->error + used, ps->room - (size_t)used, format, args);
    va_end(args);
}

/* ---- pieces of lines ---- */

static bool starts(span s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && memcmp(s.at, prefix, len) == 0;
}

static bool equals(span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

static span behind(span s, size_t len)
{
    return (span){ s.at + len, s.len - len };
}

static span trim(span s)
{
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = behind(s, 1);
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Cuts the next word off. */
static span word(span *rest)
{
    span w = trim(*rest);
    size_t len = 0;

    while (len < w.len && w.at[len] != ' ' && w.at[len] != '\t')
        len++;
    *rest = trim(behind(w, len));
    w.len = len;
    return w;
}

static bool number(span s, uint64_t *value)
{
    *value = 0;
    if (s.len == 0 || s.len > 12)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        *value = *value * 10 + (uint64_t)(s.at[i] - '0');
    }
    return true;
}

/* ---- steps ---- */

static step *add_step(parser *ps, step_kind kind)
{
    step *s = take(ps->page, sizeof(*s));

    *s = (step){ .kind = kind, .file = ps->file, .line = ps->line };
    if (ps->scenario->last != NULL)
        ps->scenario->last->next = s;
    else
        ps->scenario->first = s;
    ps->scenario->last = s;
    return s;
}

static void set_data(parser *ps, step *s, span text, const char *tail)
{
    size_t tail_len = strlen(tail);
    char *data = take(ps->page, text.len + tail_len);

    memcpy(data, text.at, text.len);
    memcpy(data + text.len, tail, tail_len);
    s->data = (const uint8_t *)data;
    s->len = text.len + tail_len;
}

/* `> text`, `< text`: one blank belongs to the sign; nothing behind it is an empty line. */
static step *line_step(parser *ps, step_kind kind, span text, bool fields)
{
    step *s = add_step(ps, kind);

    if (text.len > 0 && text.at[0] != ' ')
        wrong(ps, "a blank belongs behind the sign");
    s->fields = fields;
    set_data(ps, s, text.len > 0 ? behind(text, 1) : text, "\r\n");
    return s;
}

/* `>| bytes`, `<| bytes` */
static void exact_step(parser *ps, step_kind kind, span text)
{
    step *s;
    uint8_t *data;
    size_t len;

    if (text.len > 0 && text.at[0] == ' ')
        text = behind(text, 1);
    data = take(ps->page, text.len);
    len = text_unescape(text.at, text.len, data);
    if (len == SIZE_MAX) {
        wrong(ps, "unknown escape: there are \\r \\n \\t \\\\ \\xNN");
        return;
    }
    s = add_step(ps, kind);
    s->data = data;
    s->len = len;
}

/* `>fill N SEED`, `<drain N SEED` */
static void bulk_step(parser *ps, step_kind kind, span rest)
{
    uint64_t count, seed;
    span first = word(&rest), second = word(&rest);
    step *s;

    if (!number(first, &count) || !number(second, &seed) || rest.len != 0) {
        wrong(ps, "expected N SEED, two numbers");
        return;
    }
    s = add_step(ps, kind);
    s->count = count;
    s->seed = (uint32_t)seed;
}

static void time_step(parser *ps, span text)
{
    static const struct {
        const char *unit;
        uint64_t us;
    } units[] = { { "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "min", 60000000 } };
    uint64_t value;
    size_t digits = 0;

    text = trim(text);
    while (digits < text.len && text.at[digits] >= '0' && text.at[digits] <= '9')
        digits++;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (equals(behind(text, digits), units[i].unit) &&
            number((span){ text.at, digits }, &value)) {
            add_step(ps, STEP_TIME)->us = value * units[i].us;
            return;
        }
    }
    wrong(ps, "expected a time such as 20ms, 3s or 2min");
}

static void peer_step(parser *ps, const char *who, const char *ap, span text)
{
    step *s;
    bool background = false;

    text = trim(text);
    if (equals(text, "wait")) {
        add_step(ps, STEP_JOIN)->who = who;
        return;
    }
    if (text.len > 0 && text.at[0] == '&') {
        background = true;
        text = trim(behind(text, 1));
    }
    s = add_step(ps, STEP_PEER);
    s->who = who;
    s->ap = ap;
    s->background = background;
    set_data(ps, s, text, "\n");
}

/* `@server send hello` inside an at block */
static void inline_peer_step(parser *ps, span text)
{
    span name = word(&text);

    if (name.len == 0 || text.len == 0) {
        wrong(ps, "expected @NAME and a line for that peer");
        return;
    }
    peer_step(ps, take_text(ps->page, name.at, name.len), NULL, text);
}

static void fault_step(parser *ps, span text)
{
    step *s = add_step(ps, STEP_FAULT);

    set_data(ps, s, trim(text), "");
}

/* ---- includes ---- */

static void add_world(parser *ps, scenario *to, const char *text, size_t len)
{
    size_t old = strlen(to->world);
    char *joined;

    if (len > 0 && text[len - 1] == '\n')
        len--;
    joined = take(ps->page, old + len + 1);
    memcpy(joined, to->world, old);
    memcpy(joined + old, text, len);
    joined[old + len] = '\n';
    to->world = joined;
}

static const scenario *find_opening(const parser *ps, span name)
{
    const scenario *own = NULL;

    for (const scenario *s = ps->page->first; s != NULL; s = s->next) {
        if (s != ps->scenario && equals(name, s->title))
            own = s;
    }
    if (own != NULL || ps->openings == NULL)
        return own;
    for (const scenario *s = ps->openings->first; s != NULL; s = s->next) {
        if (equals(name, s->title))
            return s;
    }
    return NULL;
}

/* Copies, because the openings page is not kept. */
static void copy_step(parser *ps, const step *from)
{
    step *s = add_step(ps, from->kind);
    step *next = s->next;

    *s = *from;
    s->next = next;
    s->file = take_text(ps->page, from->file, strlen(from->file));
    if (from->data != NULL)
        s->data = (const uint8_t *)take_text(ps->page, (const char *)from->data, from->len);
    if (from->who != NULL)
        s->who = take_text(ps->page, from->who, strlen(from->who));
    if (from->ap != NULL)
        s->ap = take_text(ps->page, from->ap, strlen(from->ap));
}

static void include(parser *ps, span name)
{
    const scenario *opening = find_opening(ps, name);

    if (opening == NULL) {
        wrong(ps, "no opening is called \"%.*s\"", (int)name.len, name.at);
        return;
    }
    if (opening->world[0] != '\0')
        add_world(ps, ps->scenario, opening->world, strlen(opening->world));
    for (const step *s = opening->first; s != NULL; s = s->next)
        copy_step(ps, s);
}

static void include_list(parser *ps, span names)
{
    while (names.len > 0) {
        const char *comma = memchr(names.at, ',', names.len);
        size_t len = comma != NULL ? (size_t)(comma - names.at) : names.len;

        include(ps, trim((span){ names.at, len }));
        names = behind(names, comma != NULL ? len + 1 : len);
    }
}

/* ---- lines inside blocks ---- */

static void at_line(parser *ps, span s)
{
    if (trim(s).len == 0 || s.at[0] == '#')
        return;
    if (starts(s, ">|"))
        exact_step(ps, STEP_SEND, behind(s, 2));
    else if (starts(s, "<|"))
        exact_step(ps, STEP_EXPECT, behind(s, 2));
    else if (starts(s, ">fill "))
        bulk_step(ps, STEP_FILL, behind(s, 6));
    else if (starts(s, "<drain "))
        bulk_step(ps, STEP_DRAIN, behind(s, 7));
    else if (starts(s, "<*"))
        line_step(ps, STEP_EXPECT, behind(s, 2), true)->repeated = true;
    else if (starts(s, "<?"))
        line_step(ps, STEP_EXPECT, behind(s, 2), true);
    else if (s.at[0] == '>')
        line_step(ps, STEP_SEND, behind(s, 1), false);
    else if (s.at[0] == '<')
        line_step(ps, STEP_EXPECT, behind(s, 1), false);
    else if (equals(s, "."))
        add_step(ps, STEP_QUIET);
    else if (s.at[0] == '~')
        time_step(ps, behind(s, 1));
    else if (s.at[0] == '=')
        include_list(ps, behind(s, 1));
    else if (s.at[0] == '@')
        inline_peer_step(ps, behind(s, 1));
    else if (s.at[0] == '!')
        fault_step(ps, behind(s, 1));
    else
        wrong(ps, "no step: lines begin with > >| < <| <? <* . ~ = @ ! or #");
}

static void block_text(parser *ps, span s)
{
    bool empty = trim(s).len == 0 || trim(s).at[0] == '#';

    switch (ps->block) {
    case IN_AT: at_line(ps, s); break;
    case IN_PEER:
        if (!empty)
            peer_step(ps, ps->who, ps->ap, s);
        break;
    case IN_FAULT:
        if (!empty)
            fault_step(ps, s);
        break;
    case IN_WORLD:
        if (ps->scenario != NULL) {
            add_world(ps, ps->scenario, s.at, s.len);
        } else {
            scenario whole = { .world = ps->world };

            add_world(ps, &whole, s.at, s.len);
            ps->world = whole.world;
        }
        break;
    default: break;
    }
}

/* ---- lines outside of blocks ---- */

static void open_peer(parser *ps, span rest)
{
    span name = word(&rest);

    if (name.len == 0 || (rest.len != 0 && !starts(rest, "ap="))) {
        wrong(ps, "expected ```peer NAME [ap=ACCESSPOINT]");
        return;
    }
    ps->who = take_text(ps->page, name.at, name.len);
    ps->ap = rest.len != 0 ? take_text(ps->page, rest.at + 3, rest.len - 3) : NULL;
}

static void open_block(parser *ps, span info)
{
    static const struct {
        const char *name;
        block kind;
    } kinds[] = { { "at", IN_AT },       { "peer", IN_PEER },  { "fault", IN_FAULT },
                  { "world", IN_WORLD }, { "text", IN_OTHER }, { "", IN_OTHER } };
    span kind = word(&info);

    ps->block_line = ps->line;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (equals(kind, kinds[i].name)) {
            ps->block = kinds[i].kind;
            if (ps->block == IN_PEER)
                open_peer(ps, info);
            if (ps->scenario == NULL && ps->block != IN_WORLD && ps->block != IN_OTHER)
                wrong(ps, "a block before the first ### heading can only be a world");
            return;
        }
    }
    wrong(ps, "unknown block \"%.*s\": there are at, peer, fault, world, text", (int)kind.len,
          kind.at);
}

static void open_scenario(parser *ps, span title)
{
    scenario *s = take(ps->page, sizeof(*s));

    title = trim(title);
    *s = (scenario){ .file = ps->file,
                     .line = ps->line,
                     .title = take_text(ps->page, title.at, title.len),
                     .world = ps->world };
    if (ps->page->last != NULL)
        ps->page->last->next = s;
    else
        ps->page->first = s;
    ps->page->last = s;
    ps->scenario = s;
}

static void attribute(parser *ps, span s)
{
    scenario *sc = ps->scenario;

    if (starts(s, "must fail: "))
        sc->must_fail = take_text(ps->page, s.at + 11, s.len - 11);
    else if (equals(s, "ends: data"))
        sc->end = END_DATA;
    else if (equals(s, "ends: off"))
        sc->end = END_OFF;
    else if (equals(s, "leaves: nothing"))
        sc->leaves_nothing = true;
    else if (equals(s, "chunks: whole"))
        sc->whole_only = true;
    else if (equals(s, "restart: no"))
        sc->no_restart = true;
    else if (starts(s, "ends:") || starts(s, "leaves:") || starts(s, "chunks:") ||
             starts(s, "restart:") || starts(s, "must fail:"))
        wrong(ps, "unknown value: there are ends: data|off, leaves: nothing, chunks: whole, "
                  "restart: no, must fail: TEXT");
}

static void prose_line(parser *ps, span s)
{
    if (starts(s, "```"))
        open_block(ps, behind(s, 3));
    else if (starts(s, "### "))
        open_scenario(ps, behind(s, 4));
    else if (ps->scenario != NULL)
        attribute(ps, s);
}

static void one_line(parser *ps, span s)
{
    ps->line++;
    if (s.len > 0 && s.at[s.len - 1] == '\r')
        s.len--;
    if (ps->block == OUTSIDE)
        prose_line(ps, s);
    else if (starts(s, "```"))
        ps->block = OUTSIDE;
    else
        block_text(ps, s);
}

page *page_parse(const char *file, const char *text, size_t len, const page *openings, char *error,
                 size_t room)
{
    page *p = calloc(1, sizeof(*p));
    parser ps = { .page = p, .openings = openings, .world = "", .error = error, .room = room };
    span rest = { text, len };

    if (p == NULL)
        abort();
    ps.file = take_text(p, file, strlen(file));
    while (rest.len > 0 && !ps.failed) {
        const char *end = memchr(rest.at, '\n', rest.len);
        size_t line_len = end != NULL ? (size_t)(end - rest.at) : rest.len;

        one_line(&ps, (span){ rest.at, line_len });
        rest = behind(rest, end != NULL ? line_len + 1 : line_len);
    }
    if (!ps.failed && ps.block != OUTSIDE) {
        ps.line = ps.block_line;
        wrong(&ps, "the block that begins here never ends");
    }
    if (ps.failed) {
        page_free(p);
        return NULL;
    }
    return p;
}

page *page_read(const char *file, const page *openings, char *error, size_t room)
{
    bytes text = { 0 };
    char part[4096];
    size_t len;
    page *p;
    FILE *from = fopen(file, "rb");

    if (from == NULL) {
        snprintf(error, room, "%s: cannot be read", file);
        return NULL;
    }
    while ((len = fread(part, 1, sizeof(part), from)) > 0)
        bytes_add(&text, part, len);
    fclose(from);
    p = page_parse(file, (const char *)text.data, text.len, openings, error, room);
    bytes_free(&text);
    return p;
}

const scenario *page_first(const page *p)
{
    return p->first;
}

void page_free(page *p)
{
    if (p == NULL)
        return;
    for (chunk *c = p->chunks, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    free(p);
}
