/* Firmware updates over HTTP and HTTPS (guide 3.3.23, 3.3.24, 3.12.3; docs/UPDATES.md): asks an update
 * server for its versions, downloads an image into the spare app slot, or a file into a partition, and
 * has the next boot try the slot once the image has proved to be whole. One at a time. */
#ifndef NET_UPDATE_H
#define NET_UPDATE_H

#include "net/http.h"
#include "proto/release.h"
#include "storage/ota.h"
#include "storage/pki.h"

#define AT_UPDATE_LIMIT_MS    180000u /* for all of it (guide 3.3.24) */
#define AT_UPDATE_PATIENCE_MS 30000u  /* silence of a server */
#define AT_UPDATE_REDIRECTS   5u
#define AT_UPDATE_URL_MAX     8192u /* bytes (guide 3.12.3) */

/* <state> of the guide. */
typedef enum at_update_stage {
    AT_UPDATE_NOTHING = 0,   /* so far */
    AT_UPDATE_FOUND = 1,     /* the server's name has an address */
    AT_UPDATE_CONNECTED = 2, /* to the server, with TLS when it is HTTPS */
    AT_UPDATE_VERSION = 3,   /* the server has the version */
    AT_UPDATE_DONE = 4,
} at_update_stage;

typedef struct at_update at_update;

typedef struct at_update_config {
    at_net *net;
    at_loop *loop;
    at_heap *heap;
    const at_log *log;
    const at_flashchip *chip; /* NULL: only lists can be asked for */
    at_ota *ota;
    const at_pki *pki; /* https_ca.0 vouches for servers */
    const char *agent; /* User-Agent */
    /* From tasks of the loop. stage: further than before. over: success or not, see below; a new one may be
     * started from here. */
    void (*on_stage)(void *owner, at_update_stage stage);
    void (*on_over)(void *owner);
    /* The partition's bytes are about to change. */
    void (*on_write)(void *owner, const at_partition *partition);
    void *owner;
} at_update_config;

/* NULL: out of memory. Everything in config must outlive it. */
at_update *at_update_create(const at_update_config *config);
void at_update_destroy(at_update *update); /* NULL is allowed */

typedef struct at_update_params {
    /* A file at a URL: */
    const char *url; /* NULL: an update server is asked */
    /* From an update server: */
    const char *server;  /* URL below which its files are, without a query */
    const char *token;   /* Authorization: Bearer; NULL: none */
    const char *module;  /* "ESP32C2-4MB" */
    const char *version; /* NULL: the newest; an image has to name the same */
    const char *name;    /* of the file: "ota", or a partition's */
    bool list_only;
    /* Where to: */
    const at_partition *partition; /* NULL: the spare app slot */
    bool unverified;               /* HTTPS servers need no certificate that verifies */
} at_update_params;

/* Starts; texts are copied. AT_ERR_STATE: one is under way; AT_ERR_UNSUPPORTED: there is no spare app
 * slot; AT_ERR_INVALID and others: at_update_why says more. on_over does not follow an error. */
at_err at_update_start(at_update *update, const at_update_params *params);
/* Gives up; on_over does not follow. */
void at_update_cancel(at_update *update);

bool at_update_is_running(const at_update *update);
/* The partition it writes into, NULL: none now. */
const at_partition *at_update_target(const at_update *update);
/* Of the last one: AT_OK while it runs and when it is done. */
at_err at_update_error(const at_update *update);
const char *at_update_why(const at_update *update);          /* for people, never NULL */
at_tls_reason at_update_tls_reason(const at_update *update); /* AT_TLS_FINE: it was not TLS */
unsigned at_update_status(const at_update *update); /* HTTP status that made it fail, 0: none did */
const at_release_list *at_update_versions(const at_update *update); /* of the last list */

#endif
