/* Sessions for resumption, a few of them, in the library's own serialised form.
 *
 * A session is found by host, port and the fingerprint of the whole configuration (credentials, CA,
 * name, verification): what was negotiated under weaker demands is never offered under stronger ones,
 * since a resumed handshake does not show the certificate again. Age is limited for the same reason.
 * A place is taken by the same host and port, else a free one, else the oldest. Sessions are keys:
 * they are wiped before they are freed, and never stored on flash.
 */
#include <mbedtls/platform_util.h>
#include <string.h>

#include "core/bytes.h"
#include "core/limits.h"
#include "net/tls_priv.h"

typedef struct memory_entry {
    char host[AT_HOST_MAX + 1];
    uint16_t port;
    uint8_t fingerprint[AT_SHA256_LEN];
    uint64_t saved_us;
    uint8_t *data; /* NULL: free */
    size_t len;
} memory_entry;

struct at_tls_memory {
    at_heap *heap;
    at_loop *loop;
    memory_entry entry[AT_TLS_SESSIONS];
};

at_tls_memory *at_tls_memory_create(at_heap *heap, at_loop *loop)
{
    at_tls_memory *memory = at_calloc(heap, 1, sizeof *memory);

    if (memory == NULL)
        return NULL;
    memory->heap = heap;
    memory->loop = loop;
    return memory;
}

static void forget(at_tls_memory *memory, memory_entry *entry)
{
    if (entry->data != NULL)
        mbedtls_platform_zeroize(entry->data, entry->len);
    at_free(memory->heap, entry->data);
    *entry = (memory_entry){ .data = NULL };
}

void at_tls_memory_forget(at_tls_memory *memory)
{
    for (size_t i = 0; i < AT_COUNT(memory->entry); i++)
        forget(memory, &memory->entry[i]);
}

void at_tls_memory_destroy(at_tls_memory *memory)
{
    if (memory == NULL)
        return;
    at_tls_memory_forget(memory);
    at_free(memory->heap, memory);
}

static memory_entry *find(at_tls_memory *memory, const char *host, uint16_t port)
{
    for (size_t i = 0; i < AT_COUNT(memory->entry); i++) {
        memory_entry *entry = &memory->entry[i];

        if (entry->data != NULL && entry->port == port && strcmp(entry->host, host) == 0)
            return entry;
    }
    return NULL;
}

void tls_memory_drop(at_tls_memory *memory, const char *host, uint16_t port)
{
    memory_entry *entry = memory != NULL ? find(memory, host, port) : NULL;

    if (entry != NULL)
        forget(memory, entry);
}

void tls_memory_offer(at_tls_memory *memory, const at_tls_config *config, const char *host,
                      uint16_t port, mbedtls_ssl_context *ssl)
{
    memory_entry *entry = memory != NULL ? find(memory, host, port) : NULL;
    mbedtls_ssl_session session;

    if (entry == NULL)
        return;
    if (memcmp(entry->fingerprint, config->fingerprint, AT_SHA256_LEN) != 0 ||
        at_loop_now(memory->loop) - entry->saved_us > AT_TLS_SESSION_AGE * 1000000ull) {
        forget(memory, entry);
        return;
    }
    mbedtls_ssl_session_init(&session);
    if (mbedtls_ssl_session_load(&session, entry->data, entry->len) == 0 &&
        mbedtls_ssl_set_session(ssl, &session) == 0)
        at_log(config->log, AT_LOG_DEBUG, "tls", "offering a session to %s:%u", host, port);
    mbedtls_ssl_session_free(&session);
}

static memory_entry *place(at_tls_memory *memory, const char *host, uint16_t port)
{
    memory_entry *oldest = &memory->entry[0], *same = find(memory, host, port);

    for (size_t i = 0; same == NULL && i < AT_COUNT(memory->entry); i++) {
        if (memory->entry[i].data == NULL)
            return &memory->entry[i];
        if (memory->entry[i].saved_us < oldest->saved_us)
            oldest = &memory->entry[i];
    }
    return same != NULL ? same : oldest;
}

static bool serialise(at_tls_memory *memory, const mbedtls_ssl_session *session,
                      memory_entry *entry)
{
    size_t len = 0;

    (void)mbedtls_ssl_session_save(session, NULL, 0, &len);
    if (len == 0 || len > AT_TLS_SESSION_MAX)
        return false;
    entry->data = at_alloc(memory->heap, len);
    if (entry->data == NULL)
        return false;
    entry->len = len;
    return mbedtls_ssl_session_save(session, entry->data, len, &entry->len) == 0;
}

void tls_memory_keep(at_tls_memory *memory, const at_tls_config *config, const char *host,
                     uint16_t port, mbedtls_ssl_context *ssl)
{
    mbedtls_ssl_session session;
    memory_entry *entry;

    if (memory == NULL)
        return;
    mbedtls_ssl_session_init(&session);
    if (mbedtls_ssl_get_session(ssl, &session) == 0) {
        entry = place(memory, host, port);
        forget(memory, entry);
        if (serialise(memory, &session, entry)) {
            at_copy_text(entry->host, sizeof entry->host, host);
            entry->port = port;
            entry->saved_us = at_loop_now(memory->loop);
            memcpy(entry->fingerprint, config->fingerprint, AT_SHA256_LEN);
        } else {
            forget(memory, entry);
        }
    }
    mbedtls_ssl_session_free(&session);
}
