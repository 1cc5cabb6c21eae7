/* The context switch, in the assembly of each machine.
 *
 * A switch is an ordinary call, so the compiler has already saved every register that a call may
 * change; what is left is the callee-saved set, which goes onto the stack that is being left. The
 * stack pointer is the whole context. A new fiber's stack is laid out as if it had been left inside
 * lx_fiber_switch, with lx_fiber_start as its return address and the argument in a callee-saved
 * register; lx_fiber_start moves it to where the first argument belongs.
 *
 * x86-64 (System V ABI): rbx, rbp, r12-r15. At the entry of a function rsp + 8 is a multiple of 16.
 * AArch64 (AAPCS64): x19-x30 and the low halves of v8-v15. sp is always a multiple of 16.
 *
 * lx_fiber_start is marked as the outermost frame, which is where debuggers stop unwinding.
 */
#include "ports/linux/fiber_switch.h"

#include <stdint.h>
#include <string.h>

void lx_fiber_start(void);

#if defined(__x86_64__)

__asm__(".text\n"
        ".p2align 4\n"
        ".globl lx_fiber_switch\n"
        ".type lx_fiber_switch, @function\n"
        "lx_fiber_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size lx_fiber_switch, . - lx_fiber_switch\n"
        ".p2align 4\n"
        ".globl lx_fiber_start\n"
        ".type lx_fiber_start, @function\n"
        "lx_fiber_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n"
        "    movq %r12, %rdi\n"
        "    call lx_fiber_main\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size lx_fiber_start, . - lx_fiber_start\n");

enum { SLOTS = 9, SLOT_ARG = 3, SLOT_RETURN = 6 }; /* r15 r14 r13 r12 rbx rbp, return, padding */

#elif defined(__aarch64__)

__asm__(".text\n"
        ".p2align 4\n"
        ".globl lx_fiber_switch\n"
        ".type lx_fiber_switch, %function\n"
        "lx_fiber_switch:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size lx_fiber_switch, . - lx_fiber_switch\n"
        ".p2align 4\n"
        ".globl lx_fiber_start\n"
        ".type lx_fiber_start, %function\n"
        "lx_fiber_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n"
        "    mov x0, x19\n"
        "    bl lx_fiber_main\n"
        "    brk #0\n"
        "    .cfi_endproc\n"
        ".size lx_fiber_start, . - lx_fiber_start\n");

enum { SLOTS = 20, SLOT_ARG = 0, SLOT_RETURN = 11 }; /* x19 ... x30, d8 ... d15 */

#else
#error "no context switch for this machine: add it here (fiber_switch.h says what it must do)"
#endif

void *lx_fiber_prepare(void *top, void *arg)
{
    uintptr_t *frame = (uintptr_t *)top - SLOTS;

    memset(frame, 0, SLOTS * sizeof *frame);
    frame[SLOT_ARG] = (uintptr_t)arg;
    frame[SLOT_RETURN] = (uintptr_t)lx_fiber_start;
    return frame;
}
