/* libslirp, loaded when it is first wanted. */
#ifndef PORTS_LINUX_SLIRP_LIBRARY_H
#define PORTS_LINUX_SLIRP_LIBRARY_H

#include <slirp/libslirp.h>
#include <stdbool.h>
#include <stddef.h>

/* What is used of libslirp. */
#define LX_SLIRP_FUNCTIONS(FUNCTION) \
    FUNCTION(new)                    \
    FUNCTION(cleanup)                \
    FUNCTION(input)                  \
    FUNCTION(pollfds_fill)           \
    FUNCTION(pollfds_poll)           \
    FUNCTION(add_hostfwd)            \
    FUNCTION(remove_hostfwd)

typedef struct lx_slirp_library {
#define LX_SLIRP_MEMBER(name) __typeof__(slirp_##name) *name;
    LX_SLIRP_FUNCTIONS(LX_SLIRP_MEMBER)
#undef LX_SLIRP_MEMBER
    size_t loaded_before; /* objects of the process, for lx_slirp_settle */
} lx_slirp_library;

/* It stays loaded for good. False with a line of text in why. */
bool lx_slirp_load(lx_slirp_library *lib, char *why, size_t room);
/* Once libslirp has been started: gives back the pages that only loading needed. */
void lx_slirp_settle(const lx_slirp_library *lib);

#endif
