/* Shared by console.c (the port, what is shown, both kinds of input) and console_edit.c (libedit). */
#ifndef PORTS_LINUX_CONSOLE_PRIV_H
#define PORTS_LINUX_CONSOLE_PRIV_H

#include "ports/linux/console.h"

#include <histedit.h>

enum { CONSOLE_LINE = 16384, CONSOLE_TYPED = 4096, RAW_KEY = 0x1d /* Ctrl-] */ };

struct lx_console {
    lx_console_config config;
    lx_source port, log, keys;
    bool interactive, over; /* over: nothing more will come from the port */
    bool input_ended;

    char typed[CONSOLE_TYPED]; /* keys not taken yet */
    size_t typed_len;

    char *out; /* to the port, not taken yet */
    size_t out_len;

    char echo[CONSOLE_LINE]; /* what we sent and the module will echo: not shown twice */
    size_t echo_len, echo_at;

    bool editing; /* a prompt with a line is on the screen */
    bool at_line_start;
    bool raw;
    unsigned pluses; /* + typed in raw mode and held back: three make one packet */
    at_timer plus_timer;

    bool data_prompt; /* the module waits for data */
    bool passthrough; /* and goes on until +++ */
    bool may_send;    /* input that is not a terminal: the answer is complete */
    char answer[64];  /* the line of output that is being received, cut */
    size_t answer_len;

    EditLine *edit;
    History *history;
    char history_path[512];
};

void console_send(lx_console *c, const void *data, size_t len);
/* Text of our own, from the console's side of the conversation. */
void console_show(lx_console *c, const char *data, size_t len);
void console_show_help(lx_console *c, const char *name);
/* Runs the loop until a key was typed: 1, or the end: 0. Handles the raw mode. */
int console_next_key(lx_console *c, char *key);

bool console_edit_open(lx_console *c);
void console_edit_run(lx_console *c);
void console_edit_refresh(lx_console *c);
void console_edit_close(lx_console *c);

#endif
