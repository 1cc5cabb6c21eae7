/* An mDNS responder for one interface (RFC 6762, RFC 6763): a host name and one service under it.
 * An engine without I/O: messages and the time go in, messages come out. */
#ifndef PROTO_MDNS_H
#define PROTO_MDNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AT_MDNS_PORT        5353u
#define AT_MDNS_LABEL_MAX   63u   /* bytes of one part of a name */
#define AT_MDNS_TXT_MAX     320u  /* bytes of all pairs, each with its length byte */
#define AT_MDNS_MESSAGE_MAX 1440u /* bytes of a message: one frame, over IPv6 too */
#define AT_MDNS_IP6_MAX     2u
#define AT_MDNS_IDLE        UINT64_MAX

typedef struct at_mdns at_mdns;

/* What is told. Labels of 1 to AT_MDNS_LABEL_MAX bytes, of any kind. */
typedef struct at_mdns_service {
    char host[AT_MDNS_LABEL_MAX + 1];     /* "espressif": the host is espressif.local */
    char instance[AT_MDNS_LABEL_MAX + 1]; /* "my_instance" */
    char type[AT_MDNS_LABEL_MAX + 1];     /* "_printer" */
    char proto[AT_MDNS_LABEL_MAX + 1];    /* "_tcp" */
    uint16_t port;
    uint8_t txt[AT_MDNS_TXT_MAX]; /* pairs "key=value", each behind its length */
    uint16_t txt_len;
} at_mdns_service;

/* Adds a pair. False: no room, or longer than 255 bytes. */
bool at_mdns_add_txt(at_mdns_service *service, const char *key, const char *value);

typedef struct at_mdns_addresses {
    bool has_ip4;
    uint8_t ip4[4];
    uint8_t ip6_count;
    uint8_t ip6[AT_MDNS_IP6_MAX][16];
} at_mdns_addresses;

/* The other end of a message; what it looks like is the owner's. */
typedef struct at_mdns_peer {
    const void *address;
    uint16_t port;
} at_mdns_peer;

typedef struct at_mdns_ops {
    void *ctx;
    /* To the group when to is NULL. */
    void (*send)(void *ctx, const uint8_t *message, size_t len, const at_mdns_peer *to);
    uint32_t (*random)(void *ctx);
    /* Somebody else has the name: it is now this one. is_host: the host's, else the instance's. */
    void (*renamed)(void *ctx, bool is_host, const char *name);
} at_mdns_ops;

size_t at_mdns_size(void); /* bytes that an engine needs, from whatever memory */
void at_mdns_init(at_mdns *m, const at_mdns_ops *ops, const at_mdns_service *service);
/* The interface is up with these addresses: probes for the names, then announces them. */
void at_mdns_start(at_mdns *m, uint64_t now_us, const at_mdns_addresses *addresses);
/* Other addresses, the same network: announces them when the names are ours already. */
void at_mdns_readdress(at_mdns *m, uint64_t now_us, const at_mdns_addresses *addresses);
/* Takes everything back that was announced (TTL 0) when goodbye, and falls silent. */
void at_mdns_stop(at_mdns *m, bool goodbye);
void at_mdns_input(at_mdns *m, uint64_t now_us, const uint8_t *message, size_t len,
                   const at_mdns_peer *from);
/* When at_mdns_run is to be called next; AT_MDNS_IDLE: there is nothing to wait for. */
uint64_t at_mdns_due(const at_mdns *m);
void at_mdns_run(at_mdns *m, uint64_t now_us);

#endif
