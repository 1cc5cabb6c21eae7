/* Items of mfg_nvs by role, kind and index.
 *
 * A namespace is named after the role and the kind ("client_cert"). Its keys are the namespace's name
 * with a number ("client_cert.0") when the vendor's build had several files, and the name alone when
 * it had one (findings on mfg_nvs). Number 0 is looked for in both forms. Values are blobs with the
 * file's bytes; AT+SYSMFG can also make a text of them, which is taken without its NUL.
 */
#include "storage/pki.h"

#include <stdio.h>

#include "core/bytes.h"
#include "crypto/hmac.h"

static const char *const spaces[AT_PKI_ROLES][AT_PKI_KINDS] = {
    [AT_PKI_CLIENT] = { "client_cert", "client_key", "client_ca" },
    [AT_PKI_SERVER] = { "server_cert", "server_key", "server_ca" },
    [AT_PKI_MQTT] = { "mqtt_cert", "mqtt_key", "mqtt_ca" },
    [AT_PKI_HTTPS] = { "https_cert", "https_key", "https_ca" },
    [AT_PKI_WSS] = { "wss_cert", "wss_key", "wss_ca" },
};

static at_err read_item(const at_pki *pki, at_nvs *nvs, const char *space, const at_nvs_info *info,
                        at_pki_item *item)
{
    size_t len = 0;
    at_err err;

    if (info->type != AT_NVS_BLOB && info->type != AT_NVS_TEXT)
        return AT_ERR_STATE;
    if (info->len > AT_PKI_ITEM_MAX)
        return AT_ERR_INVALID;
    item->data = at_alloc(pki->heap, info->len + 1);
    if (item->data == NULL)
        return AT_ERR_NOMEM;
    item->len = info->len;
    err = at_nvs_get_data(nvs, space, info->key, info->type, item->data, info->len, &len);
    if (err == AT_OK && info->type == AT_NVS_TEXT && len > 0)
        len--;
    item->data[err == AT_OK ? len : 0] = 0;
    if (err == AT_OK && len == 0)
        err = AT_ERR_NOT_FOUND;
    if (err != AT_OK)
        at_pki_free(pki, item);
    else
        item->len = len;
    return err;
}

static at_err find_item(at_nvs *nvs, const char *space, unsigned index, at_nvs_info *info)
{
    char key[AT_NVS_NAME_MAX + 1];
    int len = snprintf(key, sizeof key, "%s.%u", space, index);
    at_err err = AT_ERR_NOT_FOUND;

    if (len > 0 && (size_t)len < sizeof key)
        err = at_nvs_stat(nvs, space, key, info);
    if (err == AT_ERR_NOT_FOUND && index == 0)
        err = at_nvs_stat(nvs, space, space, info);
    return err;
}

at_err at_pki_load(const at_pki *pki, at_pki_role role, at_pki_kind kind, unsigned index,
                   at_pki_item *item)
{
    const char *space = spaces[role][kind];
    at_nvs_info info;
    at_nvs *nvs;
    at_err err;

    *item = (at_pki_item){ .data = NULL };
    err = at_mfg_nvs(pki->mfg, &nvs);
    if (err == AT_OK)
        err = find_item(nvs, space, index, &info);
    if (err == AT_OK)
        err = read_item(pki, nvs, space, &info, item);
    return err;
}

void at_pki_free(const at_pki *pki, at_pki_item *item)
{
    if (item->data != NULL)
        at_wipe(item->data, item->len);
    at_free(pki->heap, item->data);
    *item = (at_pki_item){ .data = NULL };
}
