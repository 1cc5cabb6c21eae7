/* Partition mfg_nvs: what the maker of a module stores (certificates, keys, factory parameters,
 * GATT services). Opened when somebody asks; it may be erased or written over as raw flash in between
 * (AT+SYSFLASH), after at_mfg_forget. */
#ifndef STORAGE_MFG_H
#define STORAGE_MFG_H

#include "storage/nvs.h"
#include "storage/partition.h"

typedef struct at_mfg at_mfg;

/* All must outlive it. NULL: out of memory. */
at_mfg *at_mfg_create(at_heap *heap, const at_log *log, const at_flashchip *chip,
                      const at_partitions *partitions);
void at_mfg_destroy(at_mfg *mfg); /* NULL is allowed */

/* The open partition, valid until at_mfg_forget. AT_ERR_NOT_FOUND: this module has none; AT_ERR_STATE: it
 * is lent; else as at_nvs_open. It is never formatted: AT_ERR_CORRUPT stays until it is erased. */
at_err at_mfg_nvs(at_mfg *mfg, at_nvs **nvs);
/* The partition's bytes are about to change otherwise; what was read is forgotten. */
void at_mfg_forget(at_mfg *mfg);
/* lent: forgets, and nobody gets at the values until it is given back: they are being replaced. */
void at_mfg_lend(at_mfg *mfg, bool lent);

/* A factory parameter ("max_tx_power", "uart_baudrate" ...). AT_ERR_NOT_FOUND, and as above. */
at_err at_mfg_int(at_mfg *mfg, const char *key, int64_t *value);
/* AT_ERR_AGAIN: room is too small. */
at_err at_mfg_text(at_mfg *mfg, const char *key, char *text, size_t room);

#endif
