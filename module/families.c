/* Which families of commands a module has, in the order AT+CMD? lists them (guide chapters). */
#include "commands/app.h"
#include "core/bytes.h"
#include "module/module.h"

static const at_family_rows *const families[] = {
    &at_basic_rows,  &at_flash_rows, &at_mfg_rows,  &at_system_rows, &at_wifi_rows,
    &at_softap_rows, &at_tcpip_rows, &at_time_rows, &at_update_rows, &at_mdns_rows,
    &at_ssl_rows,    &at_fs_rows,    &at_user_rows,
};

const at_family_rows *const *at_module_families(size_t *count)
{
    *count = AT_COUNT(families);
    return families;
}
