/* sim/fiber.h - stacks to switch between: the mechanism under tasks, and nothing more.
 *
 *      fiber_new ──► suspended ──resume──► running ──body returns──► done
 *                        ▲                   │                        │
 *                        └───────yield───────┘        fiber_free ◄────┴── from suspended as well
 *
 * A switch saves the callee-saved registers of the System V ABI and swaps stack pointers (x86-64 and AArch64 in assembly, ucontext
 * elsewhere). Stacks come from a pool, each with a guard page below it; AddressSanitizer and valgrind are told.
 *
 *  F1. At most one fiber runs. Who resumes is never on a fiber itself.
 *  F2. The stack freed last is the first to be used again, so that its lines and pages are still warm.
 *  F3. A fiber may be freed wherever it stands but while it runs, also from another fiber; nothing on its stack is unwound.
 *  F4. The control words of the floating-point units (MXCSR, x87 CW, FPCR) are not switched: nobody here changes them.
 *
 * Spec: System V ABI AMD64 section 3.2.1, Registers and the Stack Frame; AAPCS64 section 6.1, Machine Registers. */
#ifndef ORRERY_SIM_FIBER_H
#define ORRERY_SIM_FIBER_H

#include "sim/types.h"

struct fiber;
struct fiber_pool;

/* Stacks of `stack_bytes` (rounded up to pages). Closing asserts that none is in use. NULL without memory. */
struct fiber_pool *fiber_pool_new(size_t stack_bytes);
void fiber_pool_close(struct fiber_pool *pool);
/* Fibers not freed yet. */
uint32_t fiber_pool_live(const struct fiber_pool *pool);
/* Asserts the invariants of the pool and of all its fibers (O(n)). */
void fiber_pool_check(const struct fiber_pool *pool);

/* A fiber that will call body(context) at its first resume. NULL where the system has no memory for a stack. */
struct fiber *fiber_new(struct fiber_pool *pool, void (*body)(void *context), void *context);
/* Runs it until it yields or its body returns; called from outside of fibers only, for one that is not done. */
void fiber_resume(struct fiber *fiber);
/* Back to whoever resumed; called on a fiber only. */
void fiber_yield(void);
bool fiber_done(const struct fiber *fiber);
/* Returns the stack, wherever the fiber stands: what it held elsewhere is its owner's to free. Not from itself. */
void fiber_free(struct fiber *fiber);
/* The fiber that is running, NULL outside. */
struct fiber *fiber_running(void);

#endif
