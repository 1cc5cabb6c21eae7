/* The bench's inside, shared by bench.c (life), bench_air.c (the air around the chip) and bench_verbs.c
 * (control verbs). */
#ifndef PORTS_LINUX_BENCH_PRIV_H
#define PORTS_LINUX_BENCH_PRIV_H

#include "air/capture.h"
#include "core/heap.h"
#include "ports/linux/airlink.h"
#include "ports/linux/bench.h"
#include "ports/linux/chip.h"
#include "ports/linux/console.h"
#include "ports/linux/ctl_server.h"
#include "ports/linux/flashfile.h"
#include "ports/linux/logfile.h"
#include "ports/linux/random.h"
#include "ports/linux/resolver.h"
#include "ports/linux/slirp.h"
#include "ports/linux/tap.h"

typedef struct lx_bench {
    const lx_options *options;
    lx_poller poller;
    at_loop loop;
    at_heap heap; /* of the air; the module has its own */
    lx_logfile log;
    int exit_status;

    uint64_t seed;
    lx_random random; /* the air's */
    at_world world;
    lx_slirp slirp;
    lx_tap tap;
    lx_resolver resolver;
    at_air *air;
    at_timer keys;      /* of its access points, when the start is over */
    at_air_port *radio; /* the chip's place in the air; NULL with a shared air */
    lx_airlink *link;   /* to a shared air; NULL: the air is here */
    at_capture capture;
    int pcap_fd, wire_log_fd; /* -1: none */

    at_flashfile *flash;
    lx_connector *connector;
    lx_console *console;
    lx_chip *chip;
    lx_ctl *ctl;
    char address[48]; /* the station's, "" when it has none */
    char sleep[16];   /* AT+SLEEP: "active" ... */
    bool asleep;      /* light sleep, not woken */
    /* A bit per pin: driven by the chip, and its level; given by us, and its level. */
    uint32_t pins_driven, pins_out, pins_given, pins_in;

    lx_source signals;
    pid_t command; /* 0: none, or ended */
    lx_source command_end;
    bool started; /* first ready: path printed, command started */
} lx_bench;

/* World, uplinks and the chip's radio. false: why says what is wrong. */
bool bench_air_open(lx_bench *b, char *why, size_t room);
/* The same without a radio: for a hub. */
bool bench_air_make(lx_bench *b,
                    void (*on_frame)(void *owner, at_air_port *port, bool to_air,
                                     const uint8_t *frame, size_t len),
                    char *why, size_t room);
void bench_air_close(lx_bench *b);
void bench_mac(const lx_bench *b, uint8_t mac[6]); /* burnt into the chip */
void bench_air_reset(lx_bench *b);                 /* the chip lost power */
void bench_air_capture(lx_bench *b, const uint8_t *frame, size_t len);
void bench_air_frame(void *owner, uint8_t *frame, size_t len); /* from the chip */

/* For the control server. */
extern const char bench_verb_list[];
bool bench_verb(void *owner, const char *verb, const cJSON *request, cJSON *answer, char *error,
                size_t room);

/* Runs COMMAND; its end ends the run. false: why. */
bool bench_command_start(lx_bench *b, char *why, size_t room);

void bench_event(void *owner, const char *name, const char *members);
void bench_tell_seed(const lx_bench *b); /* at every level of the log */
void bench_stop(lx_bench *b, int exit_status);

/* Parts of a run that a hub has as well. */
bool bench_set_up_base(lx_bench *b, int *console_end, char *why, size_t room);
bool bench_open_ctl(lx_bench *b, char *why, size_t room);

#endif
