/* The boot of a chip, in the order in which things stand on each other: heap, storage, engine, stack,
 * station, links, families; then "ready", and only then what goes on by itself (auto-connect).
 *
 * net/ and wifi/ do not know each other; the functions here carry frames and events between them and
 * to the families. */
#include <string.h>

#include "commands/app.h"
#include "core/session.h"
#include "crypto/platform.h"
#include "iface/current.h"
#include "module/factory.h"
#include "module/module.h"
#include "storage/nvs.h"
#include "storage/partition.h"

struct at_module {
    at_module_config config;
    at_heap heap;
    at_log log;
    at_partitions *partitions;
    at_nvs *nvs;
    at_factory factory;
    at_app app;
};

/* --- wiring --- */

static void on_radio_frame(void *owner, uint8_t *frame, size_t len)
{
    at_module *m = owner;
    if (!at_softap_input(m->app.softap, frame, len))
        at_station_input(m->app.station, frame, len);
}

static void on_station_data(void *owner, uint8_t *frame, size_t len)
{
    at_module *m = owner;
    at_net_input(m->app.net, AT_NETIF_STA, frame, len);
}

static int send_station(void *ctx, const at_radio_piece *pieces, size_t count)
{
    at_module *m = ctx;
    return at_station_send(m->app.station, pieces, count);
}

static void on_softap_data(void *owner, uint8_t *frame, size_t len)
{
    at_module *m = owner;
    at_net_input(m->app.net, AT_NETIF_AP, frame, len);
}

static int send_softap(void *ctx, const at_radio_piece *pieces, size_t count)
{
    at_module *m = ctx;
    return at_softap_send(m->app.softap, pieces, count);
}

static void on_softap_event(void *owner, at_softap_event event, const uint8_t mac[6])
{
    at_module *m = owner;
    at_softap_on_event(&m->app, event, mac);
}

static void on_lease(void *owner, const uint8_t mac[6], const at_addr *ip)
{
    at_module *m = owner;
    at_softap_on_lease(&m->app, mac, ip);
}

static void on_station_event(void *owner, at_station_event event, int detail)
{
    at_module *m = owner;
    /* The words before the consequences: WIFI DISCONNECT is older than the CLOSED it causes. */
    at_wifi_on_station(&m->app, event, detail);
    if (event == AT_STATION_EV_JOINED) {
        at_net_link(m->app.net, AT_NETIF_STA, true);
        at_softap_on_station(&m->app);
    } else if (event == AT_STATION_EV_LEFT) {
        at_net_link(m->app.net, AT_NETIF_STA, false);
    }
}

static void on_net_event(void *owner, at_netif_id netif, at_net_event event)
{
    at_module *m = owner;
    at_wifi_on_net(&m->app, netif, event);
    at_tcpip_on_net(&m->app, netif, event);
    at_time_on_net(&m->app, netif, event);
}

static void on_link_event(void *owner, unsigned id, at_link_event event, at_err reason)
{
    at_module *m = owner;
    at_tcpip_on_link(&m->app, id, event, reason);
}

/* --- stages --- */

static at_err open_nvs(at_module *m)
{
    if (m->config.flash == NULL)
        return AT_ERR_NOT_FOUND;
    at_err err = at_partitions_open(&m->partitions, &m->heap, &m->log, m->config.flash);
    const at_partition *nvs = err == AT_OK ? at_partitions_find(m->partitions, "nvs") : NULL;
    if (nvs == NULL)
        return err != AT_OK ? err : AT_ERR_NOT_FOUND;
    err = at_nvs_open(&m->nvs, &m->heap, &m->log, m->config.flash, nvs->offset, nvs->size,
                      AT_NVS_READ_WRITE);
    if (err != AT_ERR_CORRUPT)
        return err;
    at_log(&m->log, AT_LOG_WARN, "boot", "the settings partition is unusable and is formatted");
    err = at_nvs_format(m->config.flash, nvs->offset, nvs->size);
    if (err != AT_OK)
        return err;
    return at_nvs_open(&m->nvs, &m->heap, &m->log, m->config.flash, nvs->offset, nvs->size,
                       AT_NVS_READ_WRITE);
}

static void open_storage(at_module *m)
{
    at_err err = open_nvs(m);
    if (err != AT_OK)
        at_log(&m->log, AT_LOG_WARN, "boot",
               "no settings partition (%s): nothing survives a restart", at_err_text(err));
    m->app.flash = m->partitions != NULL ? m->config.flash : NULL;
    m->app.partitions = m->partitions;
    m->app.settings = at_settings_open(&m->heap, &m->log, m->nvs);
    m->app.mfg = at_mfg_create(&m->heap, &m->log, m->app.flash, m->partitions);
    if (m->app.mfg == NULL)
        return;
    m->app.pki = (at_pki){ .heap = &m->heap, .mfg = m->app.mfg };
    at_factory_read(&m->factory, m->app.mfg, &m->log);
}

/* What the maker said stands below what commands saved. */
static void apply_factory(at_module *m)
{
    const at_factory *factory = &m->factory;
    if (factory->module_name[0] != '\0')
        m->app.bin_name = factory->module_name;
    if (factory->baud != 0)
        m->app.uart_default.baud = factory->baud;
    m->app.factory_rf_power = factory->max_tx_power;
}

/* The run's settings, else the maker's, else the build's. */
static void apply_update_settings(at_module *m)
{
    const at_module_config *c = &m->config;
    const at_factory *factory = &m->factory;
    m->app.update_servers = c->update_servers != NULL            ? c->update_servers
                            : factory->update_servers[0] != '\0' ? factory->update_servers
                                                                 : ATTACHE_UPDATE_SERVERS;
    m->app.update_token = c->update_token != NULL ? c->update_token : factory->update_token;
    m->app.update_unverified = c->update_unverified || factory->update_unverified;
}

/* The stored settings of the port, or the factory's, before the first byte. */
static void set_uart(at_module *m)
{
    at_byteport *port = m->config.port;
    at_uart_settings *stored = &m->app.uart_default;
    if (!at_setting_blob(m->app.settings, AT_SETTING_UART_DEF, stored, sizeof(*stored)) &&
        stored->baud == m->app.uart.baud)
        return;
    if (port->ops->configure(port, stored, &m->app.uart) != 0)
        at_log(&m->log, AT_LOG_ERROR, "boot",
               "the port cannot do what AT+UART_DEF or the factory says");
}

static void start_session(at_module *m)
{
    const at_module_config *c = &m->config;
    size_t count;
    const at_family_rows *const *families = at_module_families(&count);
    at_session_config config = {
        .loop = c->loop,
        .heap = &m->heap,
        .log = &m->log,
        .port = c->port,
        .fibers = c->fibers,
        .supervisor = c->supervisor,
        .families = families,
        .family_count = count,
        .builds = c->builds != 0 ? c->builds : (uint8_t)(AT_IN_ALL | 0x80u),
        .app = &m->app,
        .guard_ms = c->guard_ms != 0 ? c->guard_ms : AT_GUARD_MS,
        .rx_reserve = c->rx_reserve,
        .data_timeout_ms = c->data_timeout_ms,
    };
    m->app.session = at_session_create(&config);
}

static void start_network(at_module *m)
{
    at_net_config net = {
        .loop = m->config.loop,
        .heap = &m->heap,
        .log = &m->log,
        .window = m->config.window != 0 ? m->config.window : AT_TCP_WINDOW,
        .on_event = on_net_event,
        .owner = m,
    };
    m->app.net = at_net_create(&net);
    at_the_current.net = m->app.net;
    at_links_config links = {
        .net = m->app.net,
        .loop = m->config.loop,
        .heap = &m->heap,
        .log = &m->log,
        .on_event = on_link_event,
        .owner = m,
    };
    m->app.links = m->app.net != NULL ? at_links_create(&links) : NULL;
}

static void start_station(at_module *m)
{
    uint8_t mac[6];
    at_station_config config = {
        .loop = m->config.loop,
        .heap = &m->heap,
        .log = &m->log,
        .random = m->config.random,
        .radio = m->config.radio,
        .on_event = on_station_event,
        .on_data = on_station_data,
        .owner = m,
    };
    m->app.station = at_station_create(&config);
    m->config.radio->owner = m;
    m->config.radio->on_frame = on_radio_frame;
    m->config.radio->ops->factory_mac(m->config.radio, mac);
    if (m->app.net == NULL ||
        at_net_add_interface(m->app.net, AT_NETIF_STA, mac, send_station, m) != AT_OK)
        m->app.station = NULL;
    if (m->app.station != NULL && m->factory.has_country)
        at_station_set_country(m->app.station, &m->factory.country);
}

/* Before the station: the radio's frames go through it. */
static void start_softap(at_module *m)
{
    uint8_t mac[6];
    at_softap_config config = {
        .loop = m->config.loop,
        .heap = &m->heap,
        .log = &m->log,
        .random = m->config.random,
        .radio = m->config.radio,
        .on_event = on_softap_event,
        .on_data = on_softap_data,
        .owner = m,
    };
    at_dhcp_server_config server = {
        .net = m->app.net, .netif = AT_NETIF_AP, .on_lease = on_lease, .owner = m
    };
    m->config.radio->ops->factory_mac(m->config.radio, mac);
    mac[5]++; /* iface/radio.h */
    if (at_net_add_interface(m->app.net, AT_NETIF_AP, mac, send_softap, m) != AT_OK)
        return;
    m->app.dhcp_server = at_dhcp_server_create(&server);
    if (m->app.dhcp_server != NULL)
        m->app.softap = at_softap_create(&config);
}

static void make_current(at_module *m)
{
    at_the_current.clock = m->config.loop->clock;
    at_the_current.random = m->config.random;
    at_the_current.heap = &m->heap;
    at_the_current.log = &m->log;
    at_crypto_start();
}

static at_module *failed(const at_module *m, const char *what)
{
    at_log(&m->log, AT_LOG_ERROR, "boot", "not enough memory for %s", what);
    return NULL;
}

/* The module's name in AT+GMR (guide 6.15). */
static const char *bin_name_of(uint8_t builds)
{
    if (builds == AT_IN_2MB)
        return "ESP32C2-2MB";
    return builds == AT_IN_BLE ? "ESP32C2-BLE-2MB" : "ESP32C2-4MB";
}

static void prepare_app(at_module *m)
{
    m->app.bin_name = bin_name_of(m->config.builds);
    m->app.loop = m->config.loop;
    m->app.heap = &m->heap;
    m->app.log = &m->log;
    m->app.random = m->config.random;
    m->app.supervisor = m->config.supervisor;
    m->app.radio = m->config.radio;
    m->app.uart = m->app.uart_default = m->config.uart;
    /* A reset starts at 1970 (guide 3.3.21). */
    at_the_current.date_offset_us = -(int64_t)at_loop_now(m->config.loop);
    m->app.date_offset_us = &at_the_current.date_offset_us;
}

at_module *at_module_boot(const at_module_config *config)
{
    at_heap heap;
    at_heap_init(&heap, config->heap_budget != 0 ? config->heap_budget : SIZE_MAX);
    at_module *m = at_calloc(&heap, 1, sizeof(*m));
    if (m == NULL)
        return NULL;
    m->heap = heap; /* from now on the module's own */
    m->config = *config;
    m->log.sink = config->log;
    make_current(m);
    prepare_app(m);
    open_storage(m);
    if (m->app.settings == NULL || m->app.mfg == NULL)
        return failed(m, "settings");
    apply_factory(m);
    apply_update_settings(m);
    set_uart(m);
    start_session(m);
    if (m->app.session == NULL)
        return failed(m, "the AT engine");
    start_network(m);
    if (m->app.links == NULL)
        return failed(m, "the network stack");
    start_softap(m);
    if (m->app.softap == NULL)
        return failed(m, "the SoftAP");
    start_station(m);
    if (m->app.station == NULL)
        return failed(m, "the station");
    if (at_ssl_family_create(&m->app) != AT_OK)
        return failed(m, "the TLS settings");
    if (at_flash_family_create(&m->app) != AT_OK)
        return failed(m, "the flash commands");
    if (at_wifi_family_create(&m->app) != AT_OK || at_softap_family_create(&m->app) != AT_OK ||
        at_tcpip_family_create(&m->app) != AT_OK || at_time_family_create(&m->app) != AT_OK ||
        at_system_family_create(&m->app) != AT_OK || at_user_family_create(&m->app) != AT_OK ||
        at_update_family_create(&m->app) != AT_OK)
        return failed(m, "the command families");
    at_session_set_sysmsg(m->app.session,
                          (unsigned)at_setting_int(m->app.settings, AT_SETTING_SYSMSG));
    at_session_start(m->app.session);
    config->supervisor->report(config->supervisor->ctx, "ready", "");
    at_wifi_boot(&m->app);
    at_softap_boot(&m->app);
    at_tcpip_boot(&m->app);
    return m;
}

void at_module_measure(const at_module *m, at_module_usage *usage)
{
    uint32_t net_timers;
    *usage = (at_module_usage){
        .heap_used = m->heap.used,
        .heap_peak = m->heap.peak,
        .heap_blocks = m->heap.blocks,
        .timers = m->config.loop->timer_count,
    };
    at_net_usage(m->app.net, &usage->pcbs, &net_timers);
    usage->timers += net_timers;
}

void at_module_pin(at_module *m, unsigned pin, bool level)
{
    at_system_on_pin(&m->app, pin, level);
}

bool at_module_idle(const at_module *m)
{
    return at_session_idle(m->app.session);
}
