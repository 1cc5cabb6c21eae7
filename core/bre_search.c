/* Basic regular expressions: running the steps of bre.c on a text, without recursion.
 *
 * A pattern without back-references is run as a set of threads, one per step at most, that all look at the
 * same byte: time is bounded by steps x bytes whatever the pattern. Threads are kept in the order of where
 * they started, so the first to reach a step is the leftmost one.
 *
 * Back-references cannot be matched that way. They are tried one after the other with an explicit stack
 * and a limit of steps; a search that reaches a limit has no match, which for a filter means that
 * the message is sent. */
#include <string.h>

#include "core/bre_priv.h"

static bool set_has(const uint8_t *set, unsigned byte)
{
    return (set[byte / 8] >> byte % 8 & 1) != 0;
}

/* ---- all threads at once ---- */

static void matched(at_bre *re, size_t start, size_t end)
{
    bool better =
        !re->any || start < re->best.start || (start == re->best.start && end > re->best.end);
    if (better)
        re->best = (at_bre_span){ start, end };
    re->any = true;
}

static void push(at_bre *re, size_t *depth, size_t pc)
{
    if (re->seen[pc])
        return;
    re->seen[pc] = 1;
    re->todo[(*depth)++] = (uint16_t)pc;
}

/* The step that lies by further on, or back. */
static size_t moved(size_t pc, int by)
{
    return by < 0 ? pc - (size_t)-by : pc + (size_t)by;
}

/* Adds the steps that take a byte and are reached from pc without taking one. */
static void add(at_bre *re, bre_thread *list, size_t *count, size_t pc, size_t start, size_t pos)
{
    size_t depth = 0;
    push(re, &depth, pc);
    while (depth > 0) {
        pc = re->todo[--depth];
        const bre_step *s = &re->code[pc];
        switch ((bre_op)s->op) {
        case BRE_MATCH: matched(re, start, pos); break;
        case BRE_JUMP: push(re, &depth, moved(pc, s->to)); break;
        case BRE_SPLIT:
            push(re, &depth, moved(pc, s->to));
            push(re, &depth, pc + 1);
            break;
        case BRE_BEGIN:
            if (pos == 0)
                push(re, &depth, pc + 1);
            break;
        case BRE_END:
            if (pos == re->len)
                push(re, &depth, pc + 1);
            break;
        case BRE_SAVE:
        case BRE_MARK:
        case BRE_CHECK: push(re, &depth, pc + 1); break;
        case BRE_CHAR:
        case BRE_ANY:
        case BRE_SET:
        case BRE_REFER: list[(*count)++] = (bre_thread){ (uint32_t)start, (uint16_t)pc }; break;
        }
    }
}

static bool takes(const at_bre *re, const bre_step *s, uint8_t byte)
{
    switch ((bre_op)s->op) {
    case BRE_CHAR: return s->arg == byte;
    case BRE_ANY: return true;
    case BRE_SET: return set_has(re->set[s->arg], byte);
    default: return false;
    }
}

static void search_all(at_bre *re, size_t from)
{
    re->now_count = 0;
    memset(re->seen, 0, re->count);
    for (size_t pos = from;; pos++) {
        if (!re->any)
            add(re, re->now, &re->now_count, 0, pos, pos);
        if (pos == re->len || (re->any && re->now_count == 0))
            return;
        re->next_count = 0;
        memset(re->seen, 0, re->count);
        for (size_t i = 0; i < re->now_count; i++) {
            bre_thread t = re->now[i];
            if (re->any && t.start > re->best.start)
                break; /* they are in the order of their starts */
            if (takes(re, &re->code[t.pc], re->text[pos]))
                add(re, re->next, &re->next_count, t.pc + 1u, t.start, pos + 1);
        }
        bre_thread *last = re->now;
        re->now = re->next;
        re->next = last;
        re->now_count = re->next_count;
    }
}

/* ---- one after the other ---- */

#define UNSET UINT32_MAX

static bool remember(at_bre *re, size_t *depth, size_t pc, size_t pos, unsigned slot)
{
    if (*depth == BRE_STACK)
        return false;
    re->trials[(*depth)++] = (bre_trial){ (uint32_t)pos, (uint16_t)pc, (uint8_t)slot };
    return true;
}

/* Back to the last choice; false: there is none. */
static bool back(at_bre *re, size_t *depth, size_t *pc, size_t *pos)
{
    while (*depth > 0) {
        bre_trial t = re->trials[--*depth];
        if (t.slot == BRE_SLOTS) {
            *pc = t.pc;
            *pos = t.pos;
            return true;
        }
        re->slot[t.slot] = t.pos;
    }
    return false;
}

static bool refers_here(const at_bre *re, unsigned group, size_t *pos)
{
    uint32_t start = re->slot[2 * group], end = re->slot[2 * group + 1];
    if (start == UNSET || end == UNSET || end < start || end - start > re->len - *pos ||
        memcmp(re->text + start, re->text + *pos, end - start) != 0)
        return false;
    *pos += end - start;
    return true;
}

/* One step at pc and pos; false: it does not fit here. Sets *full when there is no room to go on. */
static bool try_step(at_bre *re, size_t *depth, size_t *pc, size_t *pos, bool *full)
{
    const bre_step *s = &re->code[*pc];
    size_t to = moved(*pc, s->to);
    ++*pc;
    switch ((bre_op)s->op) {
    case BRE_SPLIT: *full = !remember(re, depth, to, *pos, BRE_SLOTS); return true;
    case BRE_JUMP: *pc = to; return true;
    case BRE_BEGIN: return *pos == 0;
    case BRE_END: return *pos == re->len;
    case BRE_REFER: return refers_here(re, s->arg, pos);
    case BRE_SAVE:
    case BRE_MARK:
        *full = !remember(re, depth, 0, re->slot[s->arg], s->arg);
        re->slot[s->arg] = (uint32_t)*pos;
        return true;
    case BRE_CHECK:
        if (re->slot[s->arg] == *pos)
            *pc = to;
        return true;
    default:
        if (*pos == re->len || !takes(re, s, re->text[*pos]))
            return false;
        ++*pos;
        return true;
    }
}

/* The longest match that begins at start. false: a limit was reached. */
static bool try_at(at_bre *re, size_t start)
{
    size_t pc = 0, pos = start, depth = 0;
    bool full = false, more = true;
    for (size_t i = 0; i < BRE_SLOTS; i++)
        re->slot[i] = UNSET;
    while (more && !full) {
        if (re->tries-- == 0)
            return false;
        bool match = re->code[pc].op == BRE_MATCH;
        if (match)
            matched(re, start, pos);
        if (match && pos == re->len)
            return true;
        if (match || !try_step(re, &depth, &pc, &pos, &full))
            more = back(re, &depth, &pc, &pos);
    }
    return !full;
}

bool at_bre_search(at_bre *re, const uint8_t *text, size_t len, size_t from, at_bre_span *found)
{
    re->text = text;
    re->len = len;
    re->any = false;
    if (from > len || len >= UINT32_MAX)
        return false;
    if (!re->refers) {
        search_all(re, from);
    } else {
        re->tries = AT_BRE_TRIES_MAX;
        for (size_t start = from; start <= len && !re->any; start++)
            if (!try_at(re, start))
                return false;
    }
    if (re->any)
        *found = re->best;
    return re->any;
}
