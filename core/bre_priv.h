/* A compiled regular expression, shared by bre.c (patterns to steps) and bre_search.c. */
#ifndef CORE_BRE_PRIV_H
#define CORE_BRE_PRIV_H

#include "core/bre.h"

typedef enum bre_op {
    BRE_CHAR,
    BRE_ANY,
    BRE_SET,
    BRE_BEGIN, /* ^ */
    BRE_END,   /* $ */
    BRE_SPLIT, /* here or to */
    BRE_JUMP,
    BRE_SAVE,  /* the beginning or end of a group */
    BRE_MARK,  /* where this round of a loop begins */
    BRE_CHECK, /* a round that took nothing leaves the loop */
    BRE_REFER, /* what group arg matched */
    BRE_MATCH,
} bre_op;

typedef struct bre_step {
    uint8_t op, arg;
    int16_t to; /* SPLIT, JUMP, CHECK: relative to this bre_step */
} bre_step;

enum {
    BRE_GROUPS = 9,                         /* that can be referred to */
    BRE_GROUP_SLOTS = 2 * (BRE_GROUPS + 1), /* begin and end of groups 0 (unused) to 9 */
    BRE_LOOPS = AT_BRE_PATTERN_MAX / 2,     /* "a*" */
    BRE_SLOTS = BRE_GROUP_SLOTS + BRE_LOOPS,
    BRE_STACK = 1024, /* trials */
};

typedef uint8_t bre_set[32];

typedef struct bre_thread {
    uint32_t start;
    uint16_t pc;
} bre_thread;

typedef struct bre_trial { /* something to go back to, or to undo on the way there */
    uint32_t pos;
    uint16_t pc;
    uint8_t slot; /* BRE_SLOTS: go on at pc and pos; else slot was pos */
} bre_trial;

struct at_bre {
    uint16_t count, sets;
    bool refers;
    bre_step *code;
    bre_set *set;
    /* without back-references: */
    bre_thread *now, *next;
    size_t now_count, next_count;
    uint16_t *todo;
    uint8_t *seen;
    /* with: */
    bre_trial *trials;
    uint32_t tries;
    uint32_t slot[BRE_SLOTS];
    /* the search */
    const uint8_t *text;
    size_t len;
    at_bre_span best;
    bool any;
};

#endif
