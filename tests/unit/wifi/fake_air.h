/* Access points and a virtual clock around one station, for the tests of wifi/. Frames travel between
 * turns of the loop, never inside a call. */
#ifndef TESTS_UNIT_WIFI_FAKE_AIR_H
#define TESTS_UNIT_WIFI_FAKE_AIR_H

#include "core/heap.h"
#include "core/loop.h"
#include "proto/eapol.h"
#include "proto/mgmt.h"
#include "proto/owe.h"
#include "proto/pmf.h"
#include "proto/sae.h"
#include "wifi/station.h"

#define FAKE_APS    4
#define FAKE_QUEUE  64
#define FAKE_EVENTS 64

/* One access point and what is wrong with it. */
typedef struct fake_ap {
    bool on;
    at_bss bss;
    const char *password;
    unsigned deaf_auth;  /* authentication requests not answered */
    unsigned deaf_assoc; /* association requests not answered */
    uint16_t auth_status, assoc_status;
    bool no_message_1;
    uint16_t bad_mic_reason;         /* 0: silent, as a real one at first */
    unsigned auths, assocs, deauths; /* received */
    at_mgmt last_assoc;
    bool keys;
    at_eapol eapol;
    at_pmf pmf;        /* on once keys are set with PMF */
    bool mute_queries; /* SA queries not answered */
    unsigned queries;  /* received, and believed */
    at_sae sae;
    at_sae_secret secret;
    unsigned want_tokens; /* so many commits are asked for a token */
    bool no_confirm;      /* confirms are not answered */
    bool other_group;     /* commits are refused, status 77 */
    bool forget;          /* a PMKID is unknown */
    bool no_memory;       /* OWE may fail here as well */
    at_mgmt_dh dh;        /* answered to OWE instead of the right one, when group is not 0 */
    unsigned commits, confirms, opens;
} fake_ap;

typedef struct fake_frame {
    uint8_t bytes[AT_RADIO_FRAME_MAX];
    size_t len;
} fake_frame;

typedef struct fake_air {
    uint64_t now_us, until_us, seed;
    bool arrived; /* at until_us */
    at_clock clock;
    at_waiter waiter;
    at_random random;
    at_loop loop;
    at_heap heap;
    at_radio radio;
    at_station *station;
    fake_ap ap[FAKE_APS];
    bool no_scan_done;
    unsigned scans;

    fake_frame queue[FAKE_QUEUE]; /* towards the station */
    unsigned queued;
    unsigned refuse_sends; /* the radio's queue is full for so many frames */

    struct {
        at_station_event event;
        int detail;
        uint64_t at_us;
    } event[FAKE_EVENTS];
    unsigned events;
    unsigned data_frames;

    at_bss found[16];
    unsigned founds, dones;
    at_err scan_err;
} fake_air;

extern const uint8_t fake_mac[6];

void fake_air_open(fake_air *air);
void fake_air_close(fake_air *air); /* checks that nothing is left behind */
fake_ap *fake_air_add(fake_air *air, const char *ssid, const char *password, uint8_t last_byte);
void fake_air_run(fake_air *air, uint64_t us);
void fake_air_to_station(fake_air *air, const void *bytes, size_t len);
/* With WPA3, or OWE (no password), PMF required. */
fake_ap *fake_air_add_sae(fake_air *air, const char *ssid, const char *password, uint8_t auth);
void fake_ap_say(fake_air *air, fake_ap *ap, at_mgmt m); /* from, to, protection are filled in */
void fake_ap_forge(fake_air *air, const fake_ap *ap, at_mgmt m); /* without the keys */
at_join_params fake_params(const char *ssid, const char *password);

/* Common steps of the tests. */
#define FAKE_MS         1000ull
#define FAKE_SECOND     1000000ull
#define FAKE_TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int fake_setup(void **state);
int fake_teardown(void **state);
void fake_join(fake_air *air, const char *ssid, const char *password);
fake_ap *fake_joined(fake_air *air); /* to "home", events forgotten */
at_station_state fake_state(const fake_air *air);
void fake_assert_event(const fake_air *air, unsigned index, at_station_event event, int detail);
/* The first attempt of a fresh station fails like this, and leaves it in LOST. */
void fake_assert_fails(fake_air *air, at_join_error error);

#endif
