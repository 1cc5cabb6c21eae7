/* A bench for tests of the air: virtual time, an air, and stations that join it by themselves. */
#ifndef TESTS_UNIT_AIR_FAKE_H
#define TESTS_UNIT_AIR_FAKE_H

#include "air/air.h"
#include "core/heap.h"
#include "core/loop.h"
#include "proto/eapol.h"
#include "proto/ipv4.h"
#include "proto/mgmt.h"

#define FAKE_INBOX    256u
#define FAKE_STATIONS 4u
#define FAKE_GATEWAY  0xC0A80301u /* 192.168.3.1 */

typedef struct fake_frame {
    size_t len;
    uint8_t data[1600];
} fake_frame;

typedef struct fake_air fake_air;

typedef struct fake_station {
    fake_air *bench;
    at_air_port *port;
    uint8_t mac[6], bssid[6];
    fake_frame inbox[FAKE_INBOX]; /* data frames and those of management not handled below */
    size_t in_count;
    at_eapol eapol;
    const char *password;
    at_ssid ssid;
    bool joined, quiet_eapol;
    uint16_t auth_status, assoc_status, reason; /* 0xFFFF: none seen */
    at_mgmt last;                               /* of AUTH, ASSOC_ANSWER, DEAUTH, SA_QUERY */
    unsigned lasts;                             /* how many of those came */
    int beacon_lost, deauths, scan_done;
    int8_t rssi;
    at_bss found[16];
    size_t found_count;
    uint32_t ip;
} fake_station;

typedef struct fake_uplink {
    fake_frame sent[FAKE_INBOX];
    size_t count;
    int open, opened, forwards;
    uint16_t forwarded_port;
    at_uplink_config config;
} fake_uplink;

struct fake_air {
    at_heap heap;
    at_loop loop;
    at_clock clock;
    at_waiter waiter;
    at_random random;
    at_log log;
    at_log_sink sink;
    uint64_t now_us, seed;
    at_world world;
    at_air *air;
    at_uplink_ops uplink_ops;
    fake_uplink uplink;
    at_resolver resolver;
    void (*dns_answer)(void *arg, const uint8_t *data, size_t len);
    void *dns_arg;
    int dns_queries;
    fake_station stations[FAKE_STATIONS];
    size_t station_count;
    char log_text[16384], events[8192];
};

/* world: INI text added to a world whose access point has no uplink; or NULL. */
fake_air *fake_start(const char *world, at_policy policy, bool with_uplink);
void fake_stop(fake_air *bench); /* asserts that nothing is left: memory, timers */
void fake_run(fake_air *bench, uint64_t ms);

fake_station *fake_radio(fake_air *bench);
fake_station *fake_wired(fake_air *bench, const char *ap);
void fake_scan(fake_station *s, uint8_t token, uint8_t channel, const char *ssid);
void fake_auth(fake_station *s, const uint8_t bssid[6], uint16_t algorithm);
/* Runs authentication, association and handshake; true when joined. */
bool fake_join(fake_station *s, const char *ssid, const char *password);
void fake_send(fake_station *s, const uint8_t *frame, size_t len);
void fake_send_mgmt(fake_station *s, at_mgmt *m);
/* A UDP datagram in a frame to the gateway (or broadcast). */
void fake_udp(fake_station *s, uint32_t to, uint16_t from_port, uint16_t to_port, const void *data,
              size_t len);
/* The IPv4 packet of inbox frame i; false: it is none. */
bool fake_ip(const fake_station *s, size_t i, at_ipv4 *ip);
bool fake_dhcp(fake_station *s); /* discover .. ack; sets ip */
void fake_arp(fake_station *s, uint32_t target);
void fake_ping(fake_station *s, uint32_t to);
bool fake_logged(const fake_air *bench, const char *text);
bool fake_event(const fake_air *bench, const char *text);

#endif
