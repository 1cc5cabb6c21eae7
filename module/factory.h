/* The factory parameters of partition mfg_nvs (guide 6.7) that this module honours. */
#ifndef MODULE_FACTORY_H
#define MODULE_FACTORY_H

#include "storage/mfg.h"
#include "wifi/station.h"

#define AT_FACTORY_NAME_MAX 32u  /* characters of a module's name */
#define AT_FACTORY_TEXT_MAX 255u /* bytes of a server's URLs, of a token */

typedef struct at_factory {
    char module_name[AT_FACTORY_NAME_MAX + 1];    /* for AT+GMR; "": not given */
    uint32_t baud;                                /* of the AT port; 0: not given */
    uint8_t max_tx_power;                         /* 0.25 dBm; 0: not given */
    char update_servers[AT_FACTORY_TEXT_MAX + 1]; /* URLs; "": not given */
    char update_token[AT_FACTORY_TEXT_MAX + 1];   /* "": none */
    bool update_unverified;
    bool has_country;
    at_country country; /* policy 0 */
} at_factory;

/* Reads what is there. A value that cannot be is logged and counts as not given; so does everything
 * when the partition cannot be opened. */
void at_factory_read(at_factory *factory, at_mfg *mfg, const at_log *log);

#endif
