/* Certificates and keys of the manufacturing partition mfg_nvs (guide 6.6, 6.8), which AT+SYSMFG changes
 * at run time: every load looks at the flash again. */
#ifndef STORAGE_PKI_H
#define STORAGE_PKI_H

#include "core/heap.h"
#include "storage/mfg.h"

#define AT_PKI_ITEM_MAX 16384u /* bytes of one item, PEM chains included */

typedef enum at_pki_role {
    AT_PKI_CLIENT, /* AT+CIPSTART; several, by index */
    AT_PKI_SERVER, /* AT+CIPSERVER */
    AT_PKI_MQTT,
    AT_PKI_HTTPS,
    AT_PKI_WSS,
    AT_PKI_ROLES
} at_pki_role;

typedef enum at_pki_kind { AT_PKI_CERT, AT_PKI_KEY, AT_PKI_CA, AT_PKI_KINDS } at_pki_kind;

typedef struct at_pki {
    at_heap *heap;
    at_mfg *mfg;
} at_pki;

typedef struct at_pki_item {
    uint8_t *data; /* NULL: none; data[len] is 0 */
    size_t len;
} at_pki_item;

/* Index 0 is also the only one of a role without numbers. Errors: AT_ERR_NOT_FOUND (no partition, no
 * such item, or an empty one), AT_ERR_STATE (it is not a blob), AT_ERR_INVALID (longer than
 * AT_PKI_ITEM_MAX), AT_ERR_NOMEM, AT_ERR_CORRUPT, AT_ERR_IO; *item is { 0 } then. */
at_err at_pki_load(const at_pki *pki, at_pki_role role, at_pki_kind kind, unsigned index,
                   at_pki_item *item);
void at_pki_free(const at_pki *pki, at_pki_item *item); /* wipes; { 0 } is allowed */

#endif
