/* The fixed strings of wire.def by name. */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include <stddef.h>

typedef struct at_wire_text {
    const char *text;
    size_t len;
} at_wire_text;

typedef enum at_wire_id {
#define AT_WIRE(name, bytes) AT_WIRE_##name,
#include "core/wire.def"
#undef AT_WIRE
    AT_WIRE_COUNT
} at_wire_id;

extern const at_wire_text at_wire[AT_WIRE_COUNT];

#endif
