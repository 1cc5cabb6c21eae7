/* Stacks and the bookkeeping of a switch.
 *
 * One mapping per fiber: a guard page without access, the stack, and at its very top the structure
 * itself. So a fiber is one mmap and one munmap, and the pages of a stack that were never touched do
 * not exist.
 *
 * AddressSanitizer keeps a shadow of "the" stack and, with use-after-return detection, a fake stack
 * per real one. It has to be told of every switch: start before leaving a stack (with the bounds of
 * the one that follows), finish as the first thing on the new one. The bounds of the caller's stack
 * are learnt from finish at each resume, since a fiber may be resumed from different places. Memory
 * that the fiber poisoned must be clean again before it is unmapped, for whoever maps it next.
 */
#include "ports/linux/fiber.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ports/linux/fiber_switch.h"

#if defined(__SANITIZE_ADDRESS__)
#define LX_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LX_ASAN 1
#endif
#endif

#ifdef LX_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

struct at_fiber {
    void *own_sp, *caller_sp;
    void (*entry)(void *arg);
    void *arg;
    void *map; /* guard page, then the stack, then this structure */
    size_t map_size;
    void *stack; /* lowest usable byte */
    size_t stack_size;
    bool running;
    void *own_fake, *caller_fake; /* the sanitizer's */
    const void *caller_stack;
    size_t caller_stack_size;
};

/* ---- what the sanitizer wants to know; nothing without it ---- */

static void leave_caller(at_fiber *fiber)
{
#ifdef LX_ASAN
    __sanitizer_start_switch_fiber(&fiber->caller_fake, fiber->stack, fiber->stack_size);
#else
    (void)fiber;
#endif
}

static void arrive_in_caller(at_fiber *fiber)
{
#ifdef LX_ASAN
    __sanitizer_finish_switch_fiber(fiber->caller_fake, NULL, NULL);
#else
    (void)fiber;
#endif
}

static void leave_fiber(at_fiber *fiber)
{
#ifdef LX_ASAN
    __sanitizer_start_switch_fiber(&fiber->own_fake, fiber->caller_stack, fiber->caller_stack_size);
#else
    (void)fiber;
#endif
}

static void arrive_in_fiber(at_fiber *fiber)
{
#ifdef LX_ASAN
    __sanitizer_finish_switch_fiber(fiber->own_fake, &fiber->caller_stack,
                                    &fiber->caller_stack_size);
#else
    (void)fiber;
#endif
}

static void forget_poison(at_fiber *fiber)
{
#ifdef LX_ASAN
    __asan_unpoison_memory_region(fiber->stack, fiber->stack_size);
#else
    (void)fiber;
#endif
}

/* ---- the seam ---- */

void lx_fiber_main(void *arg)
{
    at_fiber *fiber = arg;

    arrive_in_fiber(fiber);
    fiber->entry(fiber->arg);
    __builtin_trap(); /* the entry returned: there is no frame to go to */
}

static at_fiber *create(size_t stack_size, void (*entry)(void *arg), void *arg)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t wanted = stack_size + sizeof(at_fiber) + 64;
    size_t size;
    uint8_t *map;
    at_fiber *fiber;
    uintptr_t top;

#ifdef LX_ASAN
    wanted *= 3; /* red zones and unshared slots make frames that much larger */
#endif
    size = (wanted + page - 1) / page * page + page;
    if (stack_size > SIZE_MAX / 8)
        return NULL;
    map = mmap(NULL, size, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    if (mprotect(map, page, PROT_NONE) != 0) {
        munmap(map, size);
        return NULL;
    }
    top = ((uintptr_t)(map + size) - sizeof(at_fiber)) & ~(uintptr_t)63;
    fiber = (at_fiber *)top;
    *fiber = (at_fiber){ .entry = entry, .arg = arg, .map = map, .map_size = size };
    fiber->stack = map + page;
    fiber->stack_size = (size_t)(top - (uintptr_t)fiber->stack);
    fiber->own_sp = lx_fiber_prepare(fiber, fiber);
    return fiber;
}

static void resume(at_fiber *fiber)
{
    assert(!fiber->running);
    fiber->running = true;
    leave_caller(fiber);
    lx_fiber_switch(&fiber->caller_sp, fiber->own_sp);
    arrive_in_caller(fiber);
    fiber->running = false;
}

static void yield(at_fiber *fiber)
{
    leave_fiber(fiber);
    lx_fiber_switch(&fiber->own_sp, fiber->caller_sp);
    arrive_in_fiber(fiber);
}

static void destroy(at_fiber *fiber)
{
    if (fiber == NULL)
        return;
    assert(!fiber->running);
    forget_poison(fiber);
    munmap(fiber->map, fiber->map_size);
}

const at_fiber_ops lx_fiber_ops = {
    .create = create,
    .resume = resume,
    .yield = yield,
    .destroy = destroy,
};
