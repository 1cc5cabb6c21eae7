/* The station from inside: one structure, shared by its files. */
#ifndef WIFI_STATION_PRIV_H
#define WIFI_STATION_PRIV_H

#include "proto/eapol.h"
#include "proto/mgmt.h"
#include "proto/owe.h"
#include "proto/pmf.h"
#include "proto/sae.h"
#include "wifi/station.h"

#define AT_STATION_TRIES        3u       /* sends of one authentication or association request */
#define AT_STATION_ANSWER_US    300000u  /* how long each of them waits for its answer */
#define AT_STATION_PATIENCE_US  9100000u /* for a slow answer after the third association request */
#define AT_STATION_HANDSHAKE_US 10000000u /* from association to keys */
#define AT_STATION_DEFER_US     100000u   /* a reconnect that meets a scan of the host */
#define AT_STATION_QUERY_US     205824u   /* between SA queries: 201 TU (dot11 default) */
#define AT_STATION_QUERIES      5u        /* in 1000 TU, then the access point has forgotten us */
#define AT_STATION_EVENTS       8u

/* What a scan of the join says about one access point. */
typedef enum at_verdict {
    AT_VERDICT_OTHER,    /* another network */
    AT_VERDICT_UNWANTED, /* the parameters rule it out: as if it were not there */
    AT_VERDICT_PASSWORD, /* wants one, none was given */
    AT_VERDICT_REFUSED,  /* cannot be joined by this station */
    AT_VERDICT_GOOD,
} at_verdict;

typedef struct at_scan_run {
    bool active;
    uint8_t token; /* of the current or last scan; late answers carry an older one */
    at_scan_params params;
    void (*found)(void *arg, const at_bss *bss);
    void (*done)(void *arg, at_err err);
    void *arg;
    at_timer timer; /* ends the scan when the air does not */
} at_scan_run;

/* What SAE gave: good for another association with the same access point and password. */
typedef struct at_pmksa {
    bool valid;
    uint8_t own[6], bssid[6];
    uint8_t pmk[AT_PMK_LEN], pmkid[AT_PMKID_LEN];
} at_pmksa;

struct at_station {
    at_station_config config;
    at_station_state state;
    uint8_t mac[6];
    at_country country; /* as configured */
    uint8_t protocols;  /* AT_PROTO_* */

    bool has_params;
    at_join_params params;
    at_bss bss;         /* the chosen access point; valid from AUTHENTICATING to JOINED */
    at_verdict verdict; /* the best one of the join's scan so far */
    unsigned tries;     /* requests sent in this state */
    bool answered;      /* message 2 of the handshake was sent */
    at_timer timer;     /* the one wait of the current state */
    uint8_t wanted;     /* at_auth_mode asked for; of WPA2 and WPA3 one */
    at_sae_secret secret;
    at_sae sae;
    at_pmksa pmksa;
    bool use_pmksa; /* this attempt does without SAE */
    at_owe owe;
    at_eapol eapol;
    at_pmf pmf;       /* on while joined with protected management frames */
    uint16_t query;   /* id of the SA query that waits for its answer */
    unsigned queries; /* sent; 0: none is under way */
    bool has_pmk;
    at_pmk_record pmk;

    bool by_policy;                        /* the attempt belongs to the reconnect policy */
    uint32_t interval_s, repeat, attempts; /* attempts that failed since the loss */

    at_scan_run scan;

    at_task event_task;
    struct {
        at_station_event event;
        int detail;
    } events[AT_STATION_EVENTS];
    unsigned event_count;
};

/* station.c */
void at_station_set_state(at_station *s, at_station_state state);
void at_station_emit(at_station *s, at_station_event event, int detail);
void at_station_transmit(at_station *s, const void *frame, size_t len);
void at_station_transmit_mgmt(at_station *s, const at_mgmt *m);
/* The keys are gone after this; tells the access point when told to. */
void at_station_drop_link(at_station *s, bool tell);
void at_station_now_joined(at_station *s);
void at_station_lost(at_station *s, const char *why); /* from JOINED */
void at_station_attempt_failed(at_station *s, at_join_error error);

/* join.c: one attempt, from the scan to the keys. */
void at_station_attempt(at_station *s);
void at_station_attempt_timer(at_station *s);
void at_station_attempt_mgmt(at_station *s, const at_mgmt *m);
void at_station_eapol(at_station *s, const uint8_t *frame, size_t len);
bool at_station_attempting(const at_station *s);

/* authenticate.c: open system or SAE, and the key that comes out of it. */
void at_station_auth_begin(at_station *s); /* may fail the attempt */
void at_station_auth_again(at_station *s);
void at_station_auth_input(at_station *s, const at_mgmt *m);
/* Also what an association request says about keys. */
uint8_t at_station_pmf_offer(const at_station *s);
/* A PMKID of the association is wanted; NULL: it has none. */
const uint8_t *at_station_pmkid(const at_station *s);
/* PMK of the association that was just accepted (SAE, OWE, PSK). False: there is none. */
bool at_station_key(at_station *s, const at_mgmt *answer, uint8_t pmk[AT_PMK_LEN]);

/* join.c */
void at_station_enter(at_station *s, at_station_state state); /* sends the state's request */
void at_station_wait_answer(at_station *s);

/* query.c: SA queries (IEEE 802.11-2020 11.13), while joined. */
void at_station_query_begin(at_station *s);
void at_station_query_timer(at_station *s);
void at_station_query_input(at_station *s, const at_mgmt *m);

/* candidate.c: why is set for all but OTHER and GOOD. */
at_verdict at_station_judge(const at_join_params *params, const at_bss *bss, const char **why);

/* scan.c: one scan at a time, for the host or for a join. */
void at_scan_init(at_station *s);
void at_scan_begin(at_station *s, const at_scan_params *params,
                   void (*found)(void *arg, const at_bss *bss), void (*done)(void *arg, at_err err),
                   void *arg);
void at_scan_end(at_station *s);   /* without done */
void at_scan_abort(at_station *s); /* done with AT_ERR_CANCELLED when the host's is under way */
void at_scan_mgmt(at_station *s, const at_mgmt *m);

#endif
