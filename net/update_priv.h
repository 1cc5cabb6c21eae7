/* The files of updates: update.c (the machine: requests, answers, ends), update_params.c (what is wanted,
 * URLs), update_flash.c (what is written). Their functions note why they fail. */
#ifndef NET_UPDATE_PRIV_H
#define NET_UPDATE_PRIV_H

#include "net/update.h"
#include "storage/upload.h"

#define UPDATE_PIECE     4096u /* bytes read at once */
#define UPDATE_TOKEN_MAX 255u  /* bytes */

typedef enum update_phase { UPDATE_IDLE, UPDATE_LISTING, UPDATE_FETCHING } update_phase;

struct at_update {
    at_update_config config;
    update_phase phase;
    at_update_stage stage;
    at_err error;
    at_tls_reason tls_reason;
    unsigned status;
    char why[160];
    at_timer limit;

    /* What is wanted. */
    char *server; /* URL of the module's files; NULL: none */
    char token[UPDATE_TOKEN_MAX + 1];
    bool token_wanted;                /* the present URL is of the server that the token is for */
    char version[AT_RELEASE_MAX + 1]; /* "": the newest, until the list has come */
    char name[AT_PARTITION_LABEL_MAX + 1];
    bool list_only, is_app, unverified;
    at_partition target;

    /* How it goes. */
    at_http *http;
    char *url, *location; /* on the heap; of this request, and where it is redirected to */
    unsigned redirects;
    bool encoded; /* the body is compressed */
    at_upload upload;
    bool writing;
    uint8_t *piece; /* UPDATE_PIECE bytes */
    uint32_t kept;  /* in piece, not yet written */
    at_release_list versions;
};

/* --- update.c --- */
/* Notes why it failed, for people; returns error. */
at_err update_note(at_update *u, at_err error, const char *format, ...) AT_PRINTF(3, 4);
void update_forget_text(at_update *u, char **text); /* wipes and frees; *text is NULL then */

/* --- update_params.c --- */
at_err update_take_params(at_update *u, const at_update_params *params);
at_err update_parse_url(at_update *u, const char *text, at_url *url);
/* u->url becomes the server's URL with folder and file, escaped, and ending behind it. */
at_err update_make_url(at_update *u, const char *folder, const char *file, const char *ending);

/* --- update_flash.c --- */
/* The file fits, as far as its length is known. */
at_err update_check_length(at_update *u, const at_http_response *response);
/* u->kept bytes are in u->piece: they are written, unless they are too few to tell an image. */
at_err update_take_piece(at_update *u);
/* All of the file has come: an image is judged, and its slot is switched. */
at_err update_complete(at_update *u);

#endif
