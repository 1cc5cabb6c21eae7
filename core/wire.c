/* Fixed strings of the AT port; their evidence is in docs/SPEC.md. */
#include "core/wire.h"

const at_wire_text at_wire[AT_WIRE_COUNT] = {
#define AT_WIRE(name, bytes) { bytes, sizeof(bytes) - 1 },
#include "core/wire.def"
#undef AT_WIRE
};
