/* See mfg.h. The namespaces are the vendor's: one per kind of certificate or key, and factory_param.
 *
 * An image read by the vendor's tools and one made here differ in no byte that matters, so whatever a
 * maker flashes is used. Nothing is repaired silently: a partition that cannot be opened gives its
 * error to everybody who asks, until AT+SYSFLASH erases it.
 */
#include "storage/mfg.h"

struct at_mfg {
    at_heap *heap;
    const at_log *log;
    const at_flashchip *chip;
    const at_partition *area; /* NULL: none */
    at_nvs *nvs;              /* NULL: not open */
    bool lent;
};

#define FACTORY "factory_param"

at_mfg *at_mfg_create(at_heap *heap, const at_log *log, const at_flashchip *chip,
                      const at_partitions *partitions)
{
    at_mfg *mfg = at_calloc(heap, 1, sizeof *mfg);
    if (mfg != NULL) {
        mfg->heap = heap;
        mfg->log = log;
        mfg->chip = chip;
        mfg->area =
            chip != NULL && partitions != NULL ? at_partitions_find(partitions, "mfg_nvs") : NULL;
    }
    return mfg;
}

void at_mfg_destroy(at_mfg *mfg)
{
    if (mfg != NULL) {
        at_nvs_close(mfg->nvs);
        at_free(mfg->heap, mfg);
    }
}

at_err at_mfg_nvs(at_mfg *mfg, at_nvs **nvs)
{
    at_err err = AT_OK;
    if (mfg->area == NULL) {
        return AT_ERR_NOT_FOUND;
    }
    if (mfg->lent) {
        return AT_ERR_STATE;
    }
    if (mfg->nvs == NULL) {
        err = at_nvs_open(&mfg->nvs, mfg->heap, mfg->log, mfg->chip, mfg->area->offset,
                          mfg->area->size, AT_NVS_READ_WRITE);
    }
    *nvs = mfg->nvs;
    return err;
}

void at_mfg_forget(at_mfg *mfg)
{
    at_nvs_close(mfg->nvs);
    mfg->nvs = NULL;
}

void at_mfg_lend(at_mfg *mfg, bool lent)
{
    at_mfg_forget(mfg);
    mfg->lent = lent;
}

at_err at_mfg_int(at_mfg *mfg, const char *key, int64_t *value)
{
    at_nvs *nvs;
    at_nvs_info info;
    at_err err = at_mfg_nvs(mfg, &nvs);
    err = err == AT_OK ? at_nvs_stat(nvs, FACTORY, key, &info) : err;
    return err == AT_OK ? at_nvs_get_int(nvs, FACTORY, key, info.type, value) : err;
}

at_err at_mfg_text(at_mfg *mfg, const char *key, char *text, size_t room)
{
    at_nvs *nvs;
    size_t len;
    at_err err = at_mfg_nvs(mfg, &nvs);
    return err == AT_OK ? at_nvs_get_data(nvs, FACTORY, key, AT_NVS_TEXT, text, room, &len) : err;
}
