/* What handlers work with: the module's services, wired together by module/, and the state of the
 * families. One per module; at_call.app points to it. */
#ifndef COMMANDS_APP_H
#define COMMANDS_APP_H

#include "core/session.h"
#include "net/dhcp_server.h"
#include "net/link.h"
#include "net/net.h"
#include "storage/partition.h"
#include "storage/pki.h"
#include "storage/settings.h"
#include "wifi/softap.h"
#include "wifi/station.h"

struct at_flash_family;  /* commands/flash_priv.h: slots, mounted files */
struct at_wifi_family;   /* commands/wifi_priv.h: scan options, join in progress, notices */
struct at_system_family; /* commands/system_priv.h: sleep, pins */
struct at_user_family;   /* commands/user_priv.h: RAM, waking the host */
struct at_softap_family; /* commands/softap_priv.h */
struct at_time_family;   /* commands/time_priv.h: SNTP, mDNS */
struct at_update_family; /* commands/update.h */
struct at_tcpip_family;  /* commands/tcpip_priv.h: mux, modes, receive types, notices, sources */

typedef struct at_app {
    at_loop *loop;
    at_heap *heap;
    at_log *log;
    const at_random *random;
    const at_supervisor *supervisor;
    at_session *session;
    at_settings *settings;
    at_radio *radio;
    at_station *station; /* NULL in the BLE build */
    at_softap *softap;
    at_net *net;
    at_dhcp_server *dhcp_server;
    at_links *links;
    int64_t *date_offset_us; /* Unix time minus clock in microseconds; also judges certificates */
    at_uart_settings uart;   /* in use now */
    at_uart_settings uart_default; /* at the next boot: AT+UART_DEF */
    uint8_t factory_rf_power;      /* 0.25 dBm; 0: the maker did not say */
    const char *bin_name;          /* "ESP32C2-4MB" ... for AT+GMR; NULL: that one */
    const char *bin_version;       /* of the running slot, "v3.5.0.0"; NULL: built in */
    const at_flashchip *flash;     /* NULL: none, then partitions is NULL too */
    const at_partitions *partitions;
    struct at_flash_family *flash_family;
    struct at_wifi_family *wifi;
    struct at_softap_family *ap;
    struct at_tcpip_family *tcpip;
    struct at_time_family *time;
    struct at_ssl_family *ssl; /* commands/ssl.h: TLS settings of links */
    at_mfg *mfg;               /* what the maker stored */
    at_pki pki;                /* certificates and keys of it */
    struct at_system_family *system;
    struct at_user_family *user;
    struct at_update_family *update;
    const char *update_servers; /* URLs, one per scheme, blanks between them; "": none */
    const char *update_token;   /* for them; "": none */
    bool update_unverified;     /* HTTPS servers need no certificate that verifies */
} at_app;

static inline at_app *at_app_of(const at_call *call)
{
    return call->app;
}

/* Each family: its rows, a constructor called once at boot after the services exist (AT_ERR_NOMEM),
 * what to do right after "ready", and the events it turns into messages. */
extern const at_family_rows at_system_rows, at_user_rows;
extern const at_family_rows at_flash_rows, at_mfg_rows, at_fs_rows;
extern const at_family_rows at_basic_rows, at_wifi_rows, at_softap_rows, at_tcpip_rows;
extern const at_family_rows at_ssl_rows, at_time_rows, at_mdns_rows;
extern const at_family_rows at_update_rows;

at_err at_wifi_family_create(at_app *app);
at_err at_softap_family_create(at_app *app);
at_err at_tcpip_family_create(at_app *app);
at_err at_time_family_create(at_app *app);
at_err at_ssl_family_create(at_app *app);
at_err at_flash_family_create(at_app *app);
at_err at_system_family_create(at_app *app);
at_err at_user_family_create(at_app *app);
at_err at_update_family_create(at_app *app); /* after the flash family */
void at_wifi_boot(at_app *app);              /* applies stored mode, address, DNS; auto-connects */
void at_softap_boot(at_app *app);
void at_tcpip_boot(at_app *app);

void at_wifi_on_station(at_app *app, at_station_event event, int detail);
void at_softap_on_event(at_app *app, at_softap_event event, const uint8_t mac[6]);
void at_softap_on_lease(at_app *app, const uint8_t mac[6], const at_addr *ip);
void at_softap_on_station(at_app *app); /* the station joined: the channel is its */
void at_wifi_on_net(at_app *app, at_netif_id netif, at_net_event event);
void at_tcpip_on_net(at_app *app, at_netif_id netif, at_net_event event);
void at_time_on_net(at_app *app, at_netif_id netif, at_net_event event);
void at_time_leaving(at_app *app); /* the station is about to leave its network */
void at_tcpip_on_link(at_app *app, unsigned id, at_link_event event, at_err reason);
/* Drives a pin of the module (0 to 20); the supervisor hears of a new level. */
void at_app_drive_pin(at_app *app, unsigned pin, bool level);
/* Somebody outside put a level on a pin. */
void at_system_on_pin(at_app *app, unsigned pin, bool level);
/* AT+SLEEP, which may tell whether the host sleeps (guide 3.12.4). */
void at_wake_on_sleep(at_app *app, bool asleep);
/* Leaves the air before a restart: WIFI DISCONNECT when joined (WIRE 1). */
void at_wifi_shutdown(at_app *app);
void at_softap_shutdown(at_app *app); /* as part of it */
void at_update_shutdown(at_app *app); /* before it: an update ends without a word */
/* OK, messages, drain (WIRE 1: at most 3 s), then the supervisor's restart; does not return. */
void at_app_restart(at_call *call, at_boot_kind kind, uint64_t after_ms);

#endif
