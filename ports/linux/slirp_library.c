/* Loading libslirp.
 *
 * With GLib behind it, it is a third of the program's start and of its memory, and a module that never
 * leaves its air needs neither. So it is loaded with the first uplink; GLib cannot be unloaded.
 *
 * What the four libraries touch while they are loaded (symbol tables, relocations, constructors) is most of
 * what they touch at all: 700 KB of a module's memory. Those pages are unchanged pages of files, so
 * afterwards the kernel is told that they are not needed; the few that libslirp does use come back by
 * themselves. Writable segments, and with them everything that was relocated, stay.
 */
#include "ports/linux/slirp_library.h"

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int count_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    size_t *count = arg;

    (void)info;
    (void)size;
    (*count)++;
    return 0;
}

bool lx_slirp_load(lx_slirp_library *lib, char *why, size_t room)
{
    void *handle;
    bool complete;

    lib->loaded_before = 0;
    dl_iterate_phdr(count_object, &lib->loaded_before);
    handle = dlopen("libslirp.so.0", RTLD_NOW);
    complete = handle != NULL;
#define FIND(name)                                                                   \
    if (complete) {                                                                  \
        lib->name = (__typeof__(lib->name))(uintptr_t)dlsym(handle, "slirp_" #name); \
        complete = lib->name != NULL;                                                \
    }
    LX_SLIRP_FUNCTIONS(FIND)
#undef FIND
    if (!complete)
        (void)snprintf(why, room, "%s", dlerror());
    return complete;
}

/* The read-only segments of one object; arg counts down those that were there before. */
static int give_back(struct dl_phdr_info *info, size_t size, void *arg)
{
    size_t *passed_over = arg, page = (size_t)sysconf(_SC_PAGESIZE);

    (void)size;
    if (*passed_over > 0) {
        (*passed_over)--;
        return 0;
    }
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t from = (info->dlpi_addr + part->p_vaddr) & ~(page - 1);
        uintptr_t to = info->dlpi_addr + part->p_vaddr + part->p_memsz;

        if (part->p_type == PT_LOAD && (part->p_flags & PF_W) == 0)
            (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

void lx_slirp_settle(const lx_slirp_library *lib)
{
    size_t passed_over = lib->loaded_before;

    dl_iterate_phdr(give_back, &passed_over);
}
