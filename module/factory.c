/* See factory.h. The parameters are defaults: what a command saved stands above them. Pins and the
 * number of the UART mean nothing to a byte port and are not read.
 *
 * They are read once: what AT+SYSMFG and AT+SYSFLASH change counts from the next boot on, as on the
 * part.
 */
#include "module/factory.h"

#include <string.h>

typedef struct reader {
    at_mfg *mfg;
    const at_log *log;
} reader;

/* The number, or fallback where there is none between least and most. */
static int64_t number(const reader *r, const char *key, int64_t least, int64_t most,
                      int64_t fallback)
{
    int64_t value;
    at_err err = at_mfg_int(r->mfg, key, &value);
    if (err == AT_OK && value >= least && value <= most)
        return value;
    if (err == AT_OK && value != -1) /* -1 says so itself (guide 6.11) */
        at_log(r->log, AT_LOG_WARN, "boot", "factory parameter %s is %lld, not %lld to %lld", key,
               (long long)value, (long long)least, (long long)most);
    else if (err != AT_OK && err != AT_ERR_NOT_FOUND)
        at_log(r->log, AT_LOG_WARN, "boot", "factory parameter %s: %s", key, at_err_text(err));
    return fallback;
}

/* "" where there is none that fits. */
static void text(const reader *r, const char *key, char *value, size_t room)
{
    at_err err = at_mfg_text(r->mfg, key, value, room);
    if (err == AT_OK)
        return;
    value[0] = '\0';
    if (err != AT_ERR_NOT_FOUND)
        at_log(r->log, AT_LOG_WARN, "boot", "factory parameter %s: %s", key, at_err_text(err));
}

static void read_country(const reader *r, at_factory *f)
{
    at_country *c = &f->country;
    *c = (at_country){ 0, "", (uint8_t)number(r, "start_channel", 1, 14, 1),
                       (uint8_t)number(r, "channel_num", 1, 14, 13) };
    text(r, "country_code", c->code, sizeof c->code);
    f->has_country = c->code[0] != '\0' && c->first + c->count <= 15;
    if (c->first + c->count > 15)
        at_log(r->log, AT_LOG_WARN, "boot", "factory parameters: no %u channels from %u on",
               c->count, c->first);
}

void at_factory_read(at_factory *factory, at_mfg *mfg, const at_log *log)
{
    at_nvs *nvs;
    reader r = { mfg, log };
    memset(factory, 0, sizeof *factory);
    at_err err = at_mfg_nvs(mfg, &nvs);
    if (err == AT_OK) {
        text(&r, "module_name", factory->module_name, sizeof factory->module_name);
        factory->baud = (uint32_t)number(&r, "uart_baudrate", 80, 5000000, 0);
        factory->max_tx_power = (uint8_t)number(&r, "max_tx_power", 40, 84, 0);
        read_country(&r, factory);
        text(&r, "update_server", factory->update_servers, sizeof factory->update_servers);
        text(&r, "update_token", factory->update_token, sizeof factory->update_token);
        factory->update_unverified = number(&r, "update_verify", 0, 1, 1) == 0;
    } else if (err != AT_ERR_NOT_FOUND) {
        at_log(log, AT_LOG_WARN, "boot", "no factory parameters: %s", at_err_text(err));
    }
    at_mfg_forget(mfg); /* its memory is for others until somebody asks again */
}
