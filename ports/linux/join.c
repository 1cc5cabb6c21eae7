/* A computer in the air: the station of wifi/, the stack of net/ and relays, without a module.
 *
 * It keeps joining, with a second between attempts, so it may start before its access point and survives
 * that one's restarts. With its first address it prints one line per forward, "127.0.0.1:PORT": from then
 * on a program of this computer gets through. A connection that comes while there is no address is reset.
 *
 * With --tap there is no stack here: the kernel's is behind a TAP interface, whose address is the station's,
 * as if that were a Wi-Fi card. It prints "joined" when it is, for the first time; the rest (DHCP, routes)
 * is the computer's.
 *
 * The process has one stack (iface/current.h), and the signals come through a descriptor. */
#include "ports/linux/join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "iface/current.h"
#include "ports/linux/airlink.h"
#include "ports/linux/clock.h"
#include "ports/linux/logfile.h"
#include "ports/linux/random.h"
#include "ports/linux/relay.h"
#include "ports/linux/signals.h"
#include "ports/linux/tap.h"
#include "wifi/station.h"

enum { USAGE = 2, FORWARDS = 16, WHY = 400, INTERFACE_NAME = 16 };

typedef struct publication { /* --forward HOSTPORT:ADDR:PORT */
    uint16_t host_port, to_port;
    at_addr to;
    lx_relay *relay;
} publication;

typedef struct joiner {
    const char *air, *ssid, *password;
    const char *interface; /* --tap; NULL: the stack is ours */
    bool mac_given;
    uint8_t mac[6];
    at_log_level level;
    publication forwards[FORWARDS];
    unsigned forward_count;

    lx_poller poller;
    at_loop loop;
    at_heap heap;
    lx_logfile log;
    lx_random random;
    lx_source signals;
    lx_airlink *link;
    at_radio radio;
    at_station *station;
    at_net *net; /* NULL with --tap */
    lx_tap tap;
    at_uplink *card; /* with --tap */
    bool told;
    int status;
} joiner;

/* ---- the radio ---- */

static int radio_send(at_radio *radio, const at_radio_piece *pieces, size_t count)
{
    joiner *j = radio->ctx;
    uint8_t frame[AT_RADIO_FRAME_MAX];
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len > sizeof frame - len)
            return AT_ERR_INVALID;
        memcpy(frame + len, pieces[i].data, pieces[i].len);
        len += pieces[i].len;
    }
    lx_airlink_send(j->link, frame, len);
    return 0;
}

static void radio_mac(at_radio *radio, uint8_t mac[6])
{
    memcpy(mac, ((joiner *)radio->ctx)->mac, 6);
}

static void on_frame(void *owner, uint8_t *frame, size_t len)
{
    at_station_input(((joiner *)owner)->station, frame, len);
}

/* ---- station and stack ---- */

static void on_data(void *owner, uint8_t *frame, size_t len)
{
    joiner *j = owner;

    if (j->card != NULL)
        j->tap.ops.input(j->card, frame, len);
    else
        at_net_input(j->net, AT_NETIF_STA, frame, len);
}

static int stack_send(void *ctx, const at_radio_piece *pieces, size_t count)
{
    return at_station_send(((joiner *)ctx)->station, pieces, count);
}

/* From the loop: a frame of the computer, which is lost while there is no access point. */
static void from_card(void *owner, const uint8_t *frame, size_t len)
{
    const at_radio_piece piece = { frame, len };

    (void)at_station_send(((joiner *)owner)->station, &piece, 1);
}

static void on_link(joiner *j, bool up)
{
    if (j->net != NULL)
        at_net_link(j->net, AT_NETIF_STA, up);
    if (j->card == NULL || !up || j->told)
        return;
    j->told = true;
    puts("joined");
    fflush(stdout);
}

static void on_station(void *owner, at_station_event event, int detail)
{
    joiner *j = owner;

    if (event == AT_STATION_EV_JOINED)
        on_link(j, true);
    else if (event == AT_STATION_EV_LEFT)
        on_link(j, false);
    else if (event == AT_STATION_EV_FAILED)
        at_log(&j->log.log, detail == AT_JOIN_PASSWORD ? AT_LOG_WARN : AT_LOG_INFO, "join",
               "%s: %s", j->ssid,
               detail == AT_JOIN_PASSWORD    ? "the password is wrong"
               : detail == AT_JOIN_NOT_FOUND ? "not there yet"
                                             : "could not be joined");
}

static void on_net(void *owner, at_netif_id netif, at_net_event event)
{
    joiner *j = owner;

    (void)netif;
    if (event != AT_NET_GOT_IP || j->told)
        return;
    j->told = true;
    for (unsigned i = 0; i < j->forward_count; i++)
        printf("127.0.0.1:%u\n", (unsigned)lx_relay_port(j->forwards[i].relay));
    if (j->forward_count == 0)
        puts("joined");
    fflush(stdout);
}

/* ---- options ---- */

static bool parse_port(const char *text, size_t len, int64_t low, uint16_t *port)
{
    int64_t value;

    if (len == 0 || !at_parse_int(text, len, &value) || value < low || value > 65535)
        return false;
    *port = (uint16_t)value;
    return true;
}

static bool add_forward(joiner *j, const char *text)
{
    publication *p = &j->forwards[j->forward_count];
    const char *first = strchr(text, ':'), *last = strrchr(text, ':');
    char address[AT_ADDR_TEXT];

    if (j->forward_count == FORWARDS || first == NULL || first == last ||
        (size_t)(last - first) > sizeof address)
        return false;
    memcpy(address, first + 1, (size_t)(last - first - 1));
    address[last - first - 1] = '\0';
    if (!parse_port(text, (size_t)(first - text), 0, &p->host_port) ||
        !parse_port(last + 1, strlen(last + 1), 1, &p->to_port) ||
        !at_addr_parse(address, &p->to) || p->to.family != AT_IPV4)
        return false;
    j->forward_count++;
    return true;
}

static bool take_option(joiner *j, const char *name, const char *value)
{
    if (strcmp(name, "--air") == 0)
        j->air = value;
    else if (strcmp(name, "--ssid") == 0 && value[0] != '\0' && strlen(value) <= AT_SSID_MAX)
        j->ssid = value;
    else if (strcmp(name, "--password") == 0 && strlen(value) >= 8 &&
             strlen(value) <= AT_PASSPHRASE_MAX)
        j->password = value;
    else if (strcmp(name, "--mac") == 0)
        return j->mac_given = at_parse_mac(value, j->mac) && (j->mac[0] & 1) == 0;
    else if (strcmp(name, "--log") == 0)
        return lx_log_level_parse(value, &j->level);
    else if (strcmp(name, "--forward") == 0)
        return add_forward(j, value);
    else if (strcmp(name, "--tap") == 0 && value[0] != '\0' && strlen(value) < INTERFACE_NAME)
        j->interface = value;
    else
        return false;
    return true;
}

/* Says what an option that was not taken wants; a password is not repeated. */
static void refuse(const char *name, const char *value)
{
    static const struct {
        const char *name, *wants;
    } options[] = {
        { "--air", "PATH, that of attache air" },
        { "--ssid", "SSID, 1 to 32 bytes" },
        { "--password", "PASSWORD, 8 to 63 bytes" },
        { "--mac", "MAC, a unicast address like 1a:fe:35:00:00:10" },
        { "--log", "error, warn, info or debug" },
        { "--forward", "HOSTPORT:ADDR:PORT, like 8080:192.168.4.1:80, at most 16 times" },
        { "--tap", "INTERFACE, a name of 1 to 15 bytes" },
    };

    for (size_t i = 0; i < AT_COUNT(options); i++) {
        if (strcmp(name, options[i].name) == 0) {
            fprintf(stderr, "attache join: %s %s %s\n", name,
                    value == NULL ? "needs a value:" : "wants", options[i].wants);
            return;
        }
    }
    fprintf(stderr, "attache join: unknown option %s: see attache join --help\n", name);
}

static int usage(void)
{
    fputs("usage: attache join --air PATH --ssid SSID [--password PASSWORD]\n"
          "                    [--forward HOSTPORT:ADDR:PORT]... [--mac MAC] [--log LEVEL]\n"
          "       attache join --air PATH --ssid SSID [--password PASSWORD] --tap INTERFACE\n\n"
          "Joins an access point of a shared air as a plain computer, and publishes ADDR:PORT of\n"
          "its network as 127.0.0.1:HOSTPORT (0: any free one). When it has an address it prints\n"
          "one line per forward, 127.0.0.1:PORT.\n\n"
          "With --tap the computer itself joins: INTERFACE, a TAP interface, is like a Wi-Fi card "
          "of\n"
          "it, and \"joined\" is printed when DHCP can begin.\n",
          stdout);
    return 0;
}

/* ---- a run ---- */

static void on_signal(void *arg, short revents)
{
    joiner *j = arg;

    (void)revents;
    at_loop_stop(&j->loop);
}

static bool start_stack(joiner *j)
{
    const at_net_config net = { .loop = &j->loop,
                                .heap = &j->heap,
                                .log = &j->log.log,
                                .window = 64240,
                                .on_event = on_net,
                                .owner = j };

    at_the_current = (at_current){
        .clock = lx_clock(), .random = &j->random.random, .heap = &j->heap, .log = &j->log.log
    };
    j->net = at_net_create(&net);
    return j->net != NULL &&
           at_net_add_interface(j->net, AT_NETIF_STA, j->mac, stack_send, j) == AT_OK;
}

static bool open_card(joiner *j, char *why, size_t room)
{
    at_uplink_config config = {
        .loop = &j->loop, .tap = j->interface, .deliver = from_card, .owner = j
    };

    lx_tap_init(&j->tap, &j->poller, &j->heap, &j->log.log);
    config.port = j->tap.ops.port;
    j->card = j->tap.ops.open(&config, why, room);
    return j->card != NULL && lx_tap_address(j->interface, j->mac);
}

static bool start_station(joiner *j)
{
    static const at_radio_ops ops = { .send = radio_send, .factory_mac = radio_mac };
    const at_station_config station = { .loop = &j->loop,
                                        .heap = &j->heap,
                                        .log = &j->log.log,
                                        .random = &j->random.random,
                                        .radio = &j->radio,
                                        .on_event = on_station,
                                        .on_data = on_data,
                                        .owner = j };

    j->radio = (at_radio){ .ops = &ops, .ctx = j };
    j->station = at_station_create(&station);
    return j->station != NULL;
}

static bool open_relays(joiner *j, char *why, size_t room)
{
    for (unsigned i = 0; i < j->forward_count; i++) {
        publication *p = &j->forwards[i];
        const lx_relay_config config = { .loop = &j->loop,
                                         .poller = &j->poller,
                                         .log = &j->log.log,
                                         .net = j->net,
                                         .host_port = p->host_port,
                                         .to = p->to,
                                         .to_port = p->to_port };

        p->relay = lx_relay_open(&config, why, room);
        if (p->relay == NULL)
            return false;
    }
    return true;
}

static bool set_up(joiner *j, char *why, size_t room)
{
    lx_airlink_config link = { .loop = &j->loop,
                               .poller = &j->poller,
                               .log = &j->log.log,
                               .path = j->air,
                               .on_frame = on_frame,
                               .owner = j };

    lx_poller_init(&j->poller, lx_clock());
    at_loop_init(&j->loop, lx_clock(), &j->poller.waiter);
    at_heap_init(&j->heap, SIZE_MAX);
    lx_logfile_init(&j->log, j->level, lx_clock(), STDERR_FILENO);
    lx_random_system(&j->random);
    snprintf(why, room, "out of memory");
    if (!j->mac_given) {
        j->random.random.fill(j->random.random.ctx, j->mac, sizeof j->mac);
        j->mac[0] = (uint8_t)((j->mac[0] & 0xFCu) | 2u); /* locally administered, no group */
    }
    if (!lx_signals_watch(&j->poller, &j->signals, on_signal, j) ||
        !(j->interface != NULL ? open_card(j, why, room) : start_stack(j)) || !start_station(j) ||
        !open_relays(j, why, room))
        return false;
    memcpy(link.mac, j->mac, sizeof link.mac);
    j->link = lx_airlink_open(&link, why, room);
    return j->link != NULL;
}

static void begin(joiner *j)
{
    at_join_params params = { .pmf = AT_PMF_CAPABLE, .listen_interval = 3 };

    params.ssid.len = (uint8_t)strlen(j->ssid);
    memcpy(params.ssid.bytes, j->ssid, params.ssid.len);
    at_copy_text(params.passphrase, sizeof params.passphrase, j->password);
    if (j->net != NULL)
        at_net_use_dhcp(j->net, AT_NETIF_STA, "attache-join");
    at_station_start(j->station, j->mac);
    at_station_set_reconnect(j->station, 1, 0);
    (void)at_station_reconnect_now(j->station, &params);
}

static void take_down(joiner *j)
{
    for (unsigned i = 0; i < j->forward_count; i++)
        lx_relay_close(j->forwards[i].relay);
    if (j->link != NULL)
        at_station_stop(j->station); /* says goodbye */
    lx_airlink_close(j->link);
    if (j->card != NULL)
        j->tap.ops.close(j->card);
}

int lx_join_main(int argc, char **argv)
{
    joiner *j;
    char why[WHY];
    int status = 1;

    if (argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0))
        return usage();
    j = calloc(1, sizeof *j);
    if (j == NULL)
        return 1;
    j->password = "";
    j->level = AT_LOG_WARN;
    for (int i = 0; i < argc; i += 2) {
        if (i + 1 == argc || !take_option(j, argv[i], argv[i + 1])) {
            refuse(argv[i], i + 1 < argc ? argv[i + 1] : NULL);
            free(j);
            return USAGE;
        }
    }
    if (j->air == NULL || j->ssid == NULL ||
        (j->interface != NULL && (j->forward_count > 0 || j->mac_given))) {
        fprintf(stderr, "attache join: %s: see attache join --help\n",
                j->air == NULL || j->ssid == NULL ? "needs --air PATH and --ssid SSID"
                                                  : "--tap goes without --forward and --mac");
        free(j);
        return USAGE;
    }
    if (set_up(j, why, sizeof why)) {
        begin(j);
        at_loop_run(&j->loop);
        status = 0;
    } else {
        fprintf(stderr, "attache join: %s\n", why);
    }
    take_down(j);
    _exit(status); /* the stack has no end: a process is */
}
