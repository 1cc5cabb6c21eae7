/* The world file: any text gives a world that can be brought to life, or an error with file and
 * line. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "air/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char name[] = "fuzz.ini:";
    at_world *world = malloc(sizeof *world);
    char error[300] = "";

    if (world == NULL)
        return 0;
    if (!at_world_parse(world, "fuzz.ini", (const char *)data, size, error, sizeof error)) {
        assert(strncmp(error, name, sizeof name - 1) == 0);
        free(world);
        return 0;
    }
    assert(world->ap_count <= AT_WORLD_APS && world->name_count <= AT_WORLD_NAMES);
    for (uint32_t i = 0; i < world->ap_count; i++) {
        const at_world_ap *ap = &world->aps[i];

        assert(ap->channel >= 1 && ap->channel <= 14 && ap->auth < AT_AUTH_MODES);
        assert(ap->prefix >= 8 && ap->prefix <= 30 && ap->pool_first <= ap->pool_last);
        assert(ap->ssid.len >= 1 && ap->ssid.len <= AT_SSID_MAX);
    }
    for (uint32_t i = 0; i < world->fault_count; i++)
        assert(world->faults[i].kind < AT_FAULT_KINDS);
    free(world);
    return 0;
}
