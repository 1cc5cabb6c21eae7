/* Basic regular expressions: from a pattern to a row of steps (bre_search.c runs them).
 *
 * Jumps are relative, so that an interval \{m,n\} is made by copying the steps of its operand. Nothing here is
 * recursive: open groups are a small stack.
 *
 * Where POSIX leaves a choice: * is itself at the beginning of the expression, of a group, and behind
 * a leading ^; \{ there is an error, and so is a repetition of a repetition (a**); ^ is an anchor at
 * the beginning of the expression or of a group, $ at the end; \c with any other c is c; a - in
 * brackets that is neither first nor last nor part of a range is an error, as is a range that runs backwards;
 * the locale is C. */
#include <ctype.h>
#include <string.h>

#include "core/bre_priv.h"
#include "core/bytes.h"

enum {
    SETS = AT_BRE_PATTERN_MAX / 3,   /* "[a]" */
    NESTED = AT_BRE_PATTERN_MAX / 2, /* "\(" */
    NO_LIMIT = -1,
};

typedef struct compiler {
    const uint8_t *at, *end;
    at_err err;
    uint16_t count;
    uint8_t sets, loops, groups, depth;
    uint16_t closed; /* bit n: group n is complete */
    bool refers;
    bool anchor;   /* here ^ is an anchor */
    bool bare;     /* there is nothing that * could repeat */
    bool repeated; /* the last atom is repeated already */
    uint16_t atom; /* where the last one begins */
    struct {
        uint16_t atom;
        uint8_t number;
    } open[NESTED];
    bre_set set[SETS];
    bre_step code[AT_BRE_CODE_MAX];
} compiler;

static void fail(compiler *c, at_err err)
{
    if (c->err == AT_OK)
        c->err = err;
    c->at = c->end;
}

static void emit(compiler *c, bre_op op, unsigned arg)
{
    if (c->count == AT_BRE_CODE_MAX)
        fail(c, AT_ERR_UNSUPPORTED);
    else
        c->code[c->count++] = (bre_step){ .op = (uint8_t)op, .arg = (uint8_t)arg };
}

/* The begin of something that * can repeat. */
static void begin_atom(compiler *c)
{
    c->atom = c->count;
    c->anchor = c->bare = c->repeated = false;
}

static void literal(compiler *c, uint8_t byte)
{
    begin_atom(c);
    emit(c, BRE_CHAR, byte);
}

/* ---- brackets ---- */

static void set_add(uint8_t *set, unsigned byte)
{
    set[byte / 8] |= (uint8_t)(1u << byte % 8);
}

static bool add_class(uint8_t *set, const uint8_t *name, size_t len)
{
    static const struct {
        const char *name;
        int (*has)(int c);
    } classes[] = {
        { "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank }, { "cntrl", iscntrl },
        { "digit", isdigit }, { "graph", isgraph }, { "lower", islower }, { "print", isprint },
        { "punct", ispunct }, { "space", isspace }, { "upper", isupper }, { "xdigit", isxdigit },
    };
    for (size_t i = 0; i < AT_COUNT(classes); i++) {
        if (strlen(classes[i].name) != len || memcmp(classes[i].name, name, len) != 0)
            continue;
        for (int byte = 0; byte < 128; byte++)
            if (classes[i].has(byte))
                set_add(set, (unsigned)byte);
        return true;
    }
    return false;
}

/* [:name:], [=c=] or [.c.] at c->at. The byte of the last two, -1: a class, or a failure. */
static int bracket_name(compiler *c, uint8_t *set)
{
    uint8_t kind = c->at[1];
    const uint8_t *name = c->at + 2, *end = name;
    while (c->end - end >= 2 && (end[0] != kind || end[1] != ']'))
        end++;
    if (c->end - end < 2) {
        fail(c, AT_ERR_INVALID);
        return -1;
    }
    size_t len = (size_t)(end - name);
    c->at = end + 2;
    if (kind == ':') {
        if (!add_class(set, name, len))
            fail(c, AT_ERR_INVALID);
        return -1;
    }
    if (len != 1) {
        fail(c, AT_ERR_INVALID); /* the C locale has no collating elements of several bytes */
        return -1;
    }
    if (kind == '=')
        set_add(set, name[0]);
    return kind == '.' ? name[0] : -1;
}

static bool at_name(const compiler *c)
{
    return c->end - c->at >= 2 && c->at[0] == '[' &&
           (c->at[1] == ':' || c->at[1] == '=' || c->at[1] == '.');
}

static bool at_range(const compiler *c)
{
    return c->end - c->at >= 2 && c->at[0] == '-' && c->at[1] != ']';
}

/* One element of a bracket expression, or a range. */
static void bracket_element(compiler *c, uint8_t *set, bool first)
{
    if (!first && at_range(c)) {
        fail(c, AT_ERR_INVALID);
        return;
    }
    int low = at_name(c) ? bracket_name(c, set) : *c->at++;
    if (c->err != AT_OK)
        return;
    if (!at_range(c)) {
        if (low >= 0)
            set_add(set, (unsigned)low);
        return;
    }
    c->at++;
    int high = at_name(c) ? bracket_name(c, set) : *c->at++;
    if (low < 0 || high < low) {
        fail(c, AT_ERR_INVALID);
        return;
    }
    for (int byte = low; byte <= high; byte++)
        set_add(set, (unsigned)byte);
}

/* Behind the opening bracket. */
static void bracket(compiler *c)
{
    uint8_t *set = c->set[c->sets];
    bool negated = c->at < c->end && *c->at == '^', first = true;
    begin_atom(c);
    c->at += negated;
    while (c->at < c->end && (first || *c->at != ']')) {
        bracket_element(c, set, first);
        first = false;
    }
    if (c->at == c->end) {
        fail(c, AT_ERR_INVALID);
        return;
    }
    c->at++;
    for (size_t i = 0; negated && i < sizeof(bre_set); i++)
        set[i] = (uint8_t)~set[i];
    emit(c, BRE_SET, c->sets++);
}

/* ---- repeating ---- */

/* Appends count copies of the block. */
static void copy_block(compiler *c, const bre_step *block, uint16_t len, unsigned count)
{
    if ((size_t)c->count + (size_t)len * count > AT_BRE_CODE_MAX) {
        fail(c, AT_ERR_UNSUPPORTED);
        return;
    }
    for (; count > 0; count--) {
        memcpy(c->code + c->count, block, len * sizeof(*block));
        c->count = (uint16_t)(c->count + len);
    }
}

/* SPLIT end, MARK, block, CHECK end, JUMP back */
static void loop(compiler *c, const bre_step *block, uint16_t len)
{
    unsigned slot = BRE_GROUP_SLOTS + c->loops++;
    uint16_t start = c->count;
    emit(c, BRE_SPLIT, 0);
    emit(c, BRE_MARK, slot);
    copy_block(c, block, len, 1);
    emit(c, BRE_CHECK, slot);
    emit(c, BRE_JUMP, 0);
    if (c->err != AT_OK)
        return;
    c->code[start].to = (int16_t)(c->count - start);
    c->code[c->count - 2].to = 2;
    c->code[c->count - 1].to = (int16_t)(start - (c->count - 1));
}

/* Each optional copy jumps to the end of all of them. */
static void optional(compiler *c, const bre_step *block, uint16_t len, unsigned count)
{
    uint16_t end = (uint16_t)(c->count + count * (len + 1u));
    if (c->count + (size_t)count * (len + 1u) > AT_BRE_CODE_MAX) {
        fail(c, AT_ERR_UNSUPPORTED);
        return;
    }
    for (; count > 0; count--) {
        c->code[c->count].to = (int16_t)(end - c->count);
        c->code[c->count++].op = BRE_SPLIT;
        copy_block(c, block, len, 1);
    }
}

/* The last atom, min to max times. */
static void repeat(compiler *c, unsigned min, int max, at_heap *heap)
{
    uint16_t len = (uint16_t)(c->count - c->atom);
    bre_step *block = c->repeated ? NULL : at_alloc(heap, len * sizeof(*block));
    if (block == NULL) {
        fail(c, c->repeated ? AT_ERR_INVALID : AT_ERR_NOMEM);
        return;
    }
    c->repeated = true;
    memcpy(block, c->code + c->atom, len * sizeof(*block));
    c->count = c->atom;
    copy_block(c, block, len, min);
    if (max == NO_LIMIT && len > 0)
        loop(c, block, len);
    else if (max > (int)min)
        optional(c, block, len, (unsigned)max - min);
    at_free(heap, block);
}

static bool number(compiler *c, unsigned *value)
{
    const uint8_t *first = c->at;
    for (*value = 0; c->at < c->end && isdigit(*c->at) && *value <= 255; c->at++)
        *value = *value * 10 + (unsigned)(*c->at - '0');
    return c->at > first && *value <= 255; /* RE_DUP_MAX */
}

/* Behind \{ */
static void interval(compiler *c, at_heap *heap)
{
    unsigned min = 0, max = 0;
    bool ok = !c->bare && number(c, &min), limited = true;
    max = min;
    if (ok && c->at < c->end && *c->at == ',') {
        c->at++;
        limited = c->at < c->end && *c->at != '\\';
        ok = !limited || number(c, &max);
    }
    ok = ok && c->end - c->at >= 2 && c->at[0] == '\\' && c->at[1] == '}' &&
         (!limited || max >= min);
    if (!ok) {
        fail(c, AT_ERR_INVALID);
        return;
    }
    c->at += 2;
    repeat(c, min, limited ? (int)max : NO_LIMIT, heap);
}

/* ---- groups ---- */

static void open_group(compiler *c)
{
    unsigned number = ++c->groups;
    c->open[c->depth].atom = c->count;
    c->open[c->depth++].number = (uint8_t)number;
    if (number <= BRE_GROUPS)
        emit(c, BRE_SAVE, 2 * number);
    c->anchor = c->bare = true;
}

static void close_group(compiler *c)
{
    if (c->depth == 0) {
        fail(c, AT_ERR_INVALID);
        return;
    }
    unsigned number = c->open[--c->depth].number;
    c->atom = c->open[c->depth].atom;
    c->anchor = c->bare = c->repeated = false;
    if (number > BRE_GROUPS)
        return;
    emit(c, BRE_SAVE, 2 * number + 1);
    c->closed |= (uint16_t)(1u << number);
}

static void refer(compiler *c, unsigned number)
{
    if ((c->closed >> number & 1) == 0) {
        fail(c, AT_ERR_INVALID);
        return;
    }
    c->refers = true;
    begin_atom(c);
    emit(c, BRE_REFER, number);
}

static void escaped(compiler *c, at_heap *heap)
{
    if (c->at == c->end) {
        fail(c, AT_ERR_INVALID);
        return;
    }
    uint8_t byte = *c->at++;
    switch (byte) {
    case '(': open_group(c); break;
    case ')': close_group(c); break;
    case '{': interval(c, heap); break;
    case '}': fail(c, AT_ERR_INVALID); break;
    default:
        if (byte >= '1' && byte <= '9')
            refer(c, byte - '0');
        else
            literal(c, byte);
    }
}

static bool at_end(const compiler *c)
{
    return c->at == c->end || (c->end - c->at >= 2 && c->at[0] == '\\' && c->at[1] == ')');
}

static void compile_one(compiler *c, at_heap *heap)
{
    uint8_t byte = *c->at++;
    if (byte == '\\') {
        escaped(c, heap);
    } else if (byte == '[') {
        bracket(c);
    } else if (byte == '.') {
        begin_atom(c);
        emit(c, BRE_ANY, 0);
    } else if (byte == '*' && !c->bare) {
        repeat(c, 0, NO_LIMIT, heap);
    } else if (byte == '^' && c->anchor) {
        emit(c, BRE_BEGIN, 0);
        c->anchor = false;
        c->bare = true;
    } else if (byte == '$' && at_end(c)) {
        emit(c, BRE_END, 0);
        c->anchor = false;
        c->bare = true;
    } else {
        literal(c, byte);
    }
}

static at_err compile(compiler *c, at_heap *heap)
{
    c->anchor = c->bare = true;
    while (c->at < c->end)
        compile_one(c, heap);
    if (c->err == AT_OK && c->depth > 0)
        fail(c, AT_ERR_INVALID);
    emit(c, BRE_MATCH, 0);
    return c->err;
}

/* ---- the compiled pattern ---- */

static bool allocate(at_bre *re, at_heap *heap)
{
    re->code = at_alloc(heap, re->count * sizeof(*re->code));
    re->set = at_alloc(heap, re->sets * sizeof(*re->set));
    if (re->refers) {
        re->trials = at_alloc(heap, BRE_STACK * sizeof(*re->trials));
        return re->code != NULL && re->set != NULL && re->trials != NULL;
    }
    re->now = at_alloc(heap, re->count * sizeof(*re->now));
    re->next = at_alloc(heap, re->count * sizeof(*re->next));
    re->todo = at_alloc(heap, re->count * sizeof(*re->todo));
    re->seen = at_alloc(heap, re->count);
    return re->code != NULL && re->set != NULL && re->now != NULL && re->next != NULL &&
           re->todo != NULL && re->seen != NULL;
}

static at_err make(at_bre **out, at_heap *heap, const compiler *c)
{
    at_bre *re = at_calloc(heap, 1, sizeof(*re));
    if (re == NULL)
        return AT_ERR_NOMEM;
    re->count = c->count;
    re->sets = c->sets;
    re->refers = c->refers;
    if (!allocate(re, heap)) {
        at_bre_free(heap, re);
        return AT_ERR_NOMEM;
    }
    memcpy(re->code, c->code, re->count * sizeof(*re->code));
    memcpy(re->set, c->set, re->sets * sizeof(*re->set));
    *out = re;
    return AT_OK;
}

at_err at_bre_compile(at_bre **re, at_heap *heap, const char *pattern, size_t len)
{
    *re = NULL;
    if (len > AT_BRE_PATTERN_MAX)
        return AT_ERR_UNSUPPORTED;
    compiler *c = at_calloc(heap, 1, sizeof(*c));
    if (c == NULL)
        return AT_ERR_NOMEM;
    c->at = (const uint8_t *)pattern;
    c->end = c->at + len;
    at_err err = compile(c, heap);
    if (err == AT_OK)
        err = make(re, heap, c);
    at_free(heap, c);
    return err;
}

void at_bre_free(at_heap *heap, at_bre *re)
{
    if (re == NULL)
        return;
    at_free(heap, re->code);
    at_free(heap, re->set);
    at_free(heap, re->now);
    at_free(heap, re->next);
    at_free(heap, re->todo);
    at_free(heap, re->seen);
    at_free(heap, re->trials);
    at_free(heap, re);
}
