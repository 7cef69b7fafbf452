#include "sim/fiber.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim/assert.h"

/* FIBER_UCONTEXT chooses the portable switch on any processor, so that it can be tested where nobody needs it. */
#if !defined(FIBER_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define FIBER_UCONTEXT
#endif
#ifdef FIBER_UCONTEXT
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN
#endif
#endif
#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef __has_include
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

enum fiber_state { FIBER_FREE, FIBER_SUSPENDED, FIBER_RUNNING, FIBER_DONE };

struct fiber {
    struct fiber_pool *pool;
    struct fiber *next_made; /* all fibers of the pool, free or not */
    struct fiber *next_free;
    void (*body)(void *context);
    void *context;
    unsigned char *stack; /* lowest usable byte; the guard page ends here */
    enum fiber_state state;
#ifdef FIBER_UCONTEXT
    ucontext_t own, caller;
#else
    void *own, *caller; /* saved stack pointers */
#endif
#ifdef FIBER_ASAN
    void *own_fake_stack, *caller_fake_stack;
    const void *caller_bottom;
    size_t caller_bytes;
    bool dying; /* resumed a last time, only to give its fake stack back */
#endif
    unsigned valgrind_stack;
};

struct fiber_pool {
    size_t stack_bytes;
    size_t guard_bytes;
    struct fiber *made;
    struct fiber *free;
    uint32_t made_count;
    uint32_t live;
};

static struct fiber *running;

static void fiber_main(void);

/* ---- the switch ----------------------------------------------------------------------------------------------------
 * fiber_swap(save, load) pushes the callee-saved registers, leaves the stack pointer in *save, takes `load` for it and pops
 * what lies there. It leaves by an indirect jump and not by a return, because the processor's return predictor would foresee
 * the wrong place every time. */

#ifdef FIBER_UCONTEXT

static void fiber_prepare(struct fiber *fiber)
{
    SIM_ASSERT(getcontext(&fiber->own) == 0);
    fiber->own.uc_stack.ss_sp = fiber->stack;
    fiber->own.uc_stack.ss_size = fiber->pool->stack_bytes;
    fiber->own.uc_link = NULL;
    makecontext(&fiber->own, fiber_main, 0);
}

static void fiber_swap(ucontext_t *save, ucontext_t *load)
{
    SIM_ASSERT(swapcontext(save, load) == 0);
}

#define FIBER_SWAP_IN(fiber)  fiber_swap(&(fiber)->caller, &(fiber)->own)
#define FIBER_SWAP_OUT(fiber) fiber_swap(&(fiber)->own, &(fiber)->caller)

#else

void fiber_swap(void **save, void *load);

#ifdef __x86_64__

__asm__(".text\n"
        ".p2align 4\n"
        ".hidden fiber_swap\n"
        ".globl fiber_swap\n"
        ".type fiber_swap, @function\n"
        "fiber_swap:\n"
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
        "    popq %rcx\n"
        "    jmpq *%rcx\n"
        ".size fiber_swap, . - fiber_swap\n");

/* From the top: a zero where fiber_main expects its return address, so that debuggers stop there; fiber_main itself, where the
 * switch jumps to; six registers. On entry the stack pointer is 8 below a multiple of 16, as after a call. */
#define FIBER_FRAME_WORDS 8
#define FIBER_FRAME_ENTRY 6

#else

__asm__(".text\n"
        ".p2align 4\n"
        ".hidden fiber_swap\n"
        ".globl fiber_swap\n"
        ".type fiber_swap, %function\n"
        "fiber_swap:\n"
        "    stp x19, x20, [sp, #-160]!\n"
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
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    ldp x19, x20, [sp], #160\n"
        "    br x30\n"
        ".size fiber_swap, . - fiber_swap\n");

/* As stored above: x19 to x28, x29 (zero ends a chain of frames), x30 (where the switch jumps to), d8 to d15. */
#define FIBER_FRAME_WORDS 20
#define FIBER_FRAME_ENTRY 11

#endif

static void fiber_prepare(struct fiber *fiber)
{
    uintptr_t *frame =
        (uintptr_t *)(void *)(fiber->stack + fiber->pool->stack_bytes) - FIBER_FRAME_WORDS;
    for (uint32_t word = 0; word < FIBER_FRAME_WORDS; word++) {
        frame[word] = 0;
    }
    frame[FIBER_FRAME_ENTRY] = (uintptr_t)fiber_main;
    SIM_ASSERT((uintptr_t)(frame + FIBER_FRAME_WORDS) % 16 == 0);
    fiber->own = frame;
}

#define FIBER_SWAP_IN(fiber)  fiber_swap(&(fiber)->caller, (fiber)->own)
#define FIBER_SWAP_OUT(fiber) fiber_swap(&(fiber)->own, (fiber)->caller)

#endif

/* Runs the fiber until it leaves, also from another fiber (see fiber_return_fake_stack). */
static void fiber_enter(struct fiber *fiber)
{
    struct fiber *outer = running;
    running = fiber;
    fiber->state = FIBER_RUNNING;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&fiber->caller_fake_stack, fiber->stack,
                                   fiber->pool->stack_bytes);
#endif
    FIBER_SWAP_IN(fiber);
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fiber->caller_fake_stack, NULL, NULL);
#endif
    running = outer;
}

/* Goes back to who entered. With FIBER_DONE it never returns, and AddressSanitizer frees the fake stack. */
static void fiber_leave(struct fiber *fiber, enum fiber_state state)
{
    fiber->state = state;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(state == FIBER_DONE ? NULL : &fiber->own_fake_stack,
                                   fiber->caller_bottom, fiber->caller_bytes);
#endif
    FIBER_SWAP_OUT(fiber);
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fiber->own_fake_stack, &fiber->caller_bottom,
                                    &fiber->caller_bytes);
    if (fiber->dying) {
        fiber_leave(fiber, FIBER_DONE);
    }
#endif
}

/* The lowest function of every fiber. */
static void fiber_main(void)
{
    struct fiber *fiber = running;
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(NULL, &fiber->caller_bottom, &fiber->caller_bytes);
#endif
    SIM_ASSERT(fiber->state == FIBER_RUNNING);
    fiber->body(fiber->context);
    fiber_leave(fiber, FIBER_DONE);
    sim_assert_failed("a fiber that is done was resumed", __FILE__, __LINE__);
}

/* ---- the pool ------------------------------------------------------------------------------------------------------ */

struct fiber_pool *fiber_pool_new(size_t stack_bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    SIM_ASSERT(stack_bytes > 0);
    SIM_ASSERT(stack_bytes < SIZE_MAX / 2);
    struct fiber_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    pool->guard_bytes = page_bytes;
    pool->stack_bytes = (stack_bytes + page_bytes - 1) / page_bytes * page_bytes;
    return pool;
}

void fiber_pool_close(struct fiber_pool *pool)
{
    SIM_ASSERT(pool->live == 0);
    fiber_pool_check(pool);
    for (struct fiber *fiber = pool->made, *next; fiber != NULL; fiber = next) {
        next = fiber->next_made;
#ifdef VALGRIND_STACK_DEREGISTER
        VALGRIND_STACK_DEREGISTER(fiber->valgrind_stack);
#endif
        SIM_ASSERT(
            munmap(fiber->stack - pool->guard_bytes, pool->guard_bytes + pool->stack_bytes) == 0);
        free(fiber);
    }
    free(pool);
}

uint32_t fiber_pool_live(const struct fiber_pool *pool)
{
    return pool->live;
}

void fiber_pool_check(const struct fiber_pool *pool)
{
    uint32_t made = 0;
    uint32_t live = 0;
    uint32_t free_count = 0;
    for (const struct fiber *fiber = pool->made; fiber != NULL; fiber = fiber->next_made) {
        SIM_ASSERT(fiber->pool == pool);
        SIM_ASSERT((fiber->state == FIBER_RUNNING) == (fiber == running));
        made++;
        live += fiber->state != FIBER_FREE;
    }
    for (const struct fiber *fiber = pool->free; fiber != NULL; fiber = fiber->next_free) {
        SIM_ASSERT(fiber->state == FIBER_FREE);
        free_count++;
    }
    SIM_ASSERT(made == pool->made_count);
    SIM_ASSERT(live == pool->live);
    SIM_ASSERT(free_count == made - live);
}

/* Maps a stack with its guard page; NULL without memory (or with no map left for it). */
static struct fiber *fiber_make(struct fiber_pool *pool)
{
    struct fiber *fiber = calloc(1, sizeof *fiber);
    if (fiber == NULL) {
        return NULL;
    }
    size_t bytes = pool->guard_bytes + pool->stack_bytes;
    unsigned char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base == MAP_FAILED) {
        goto release;
    }
    if (mprotect(base, pool->guard_bytes, PROT_NONE) != 0) {
        goto unmap;
    }
    fiber->pool = pool;
    fiber->stack = base + pool->guard_bytes;
#ifdef VALGRIND_STACK_REGISTER
    fiber->valgrind_stack =
        (unsigned)VALGRIND_STACK_REGISTER(fiber->stack, fiber->stack + pool->stack_bytes);
#endif
    fiber->next_made = pool->made;
    pool->made = fiber;
    pool->made_count++;
    return fiber;
unmap:
    munmap(base, bytes);
release:
    free(fiber);
    return NULL;
}

/* ---- fibers -------------------------------------------------------------------------------------------------------- */

struct fiber *fiber_new(struct fiber_pool *pool, void (*body)(void *context), void *context)
{
    SIM_ASSERT(body != NULL);
    struct fiber *fiber = pool->free;
    if (fiber != NULL) {
        SIM_ASSERT(fiber->state == FIBER_FREE);
        pool->free = fiber->next_free;
        fiber->next_free = NULL;
    } else {
        fiber = fiber_make(pool);
        if (fiber == NULL) {
            return NULL;
        }
    }
    fiber->body = body;
    fiber->context = context;
    fiber->state = FIBER_SUSPENDED;
#ifdef FIBER_ASAN
    fiber->own_fake_stack = NULL;
    fiber->dying = false;
#endif
    fiber_prepare(fiber);
    pool->live++;
    return fiber;
}

void fiber_resume(struct fiber *fiber)
{
    SIM_ASSERT(running == NULL);
    SIM_ASSERT(fiber->state == FIBER_SUSPENDED);
    fiber_enter(fiber);
}

void fiber_yield(void)
{
    SIM_ASSERT(running != NULL);
    fiber_leave(running, FIBER_SUSPENDED);
}

bool fiber_done(const struct fiber *fiber)
{
    return fiber->state == FIBER_DONE;
}

/* What AddressSanitizer keeps for a suspended fiber can only be freed by the fiber itself, when it leaves for ever: it is
 * entered once more for that. What is poisoned on its real stack is made good, for nobody will unwind it. */
static void fiber_forget_stack(struct fiber *fiber)
{
#ifdef FIBER_ASAN
    if (fiber->state == FIBER_SUSPENDED && fiber->own_fake_stack != NULL) {
        fiber->dying = true;
        fiber_enter(fiber);
    }
    __asan_unpoison_memory_region(fiber->stack, fiber->pool->stack_bytes);
#else
    (void)fiber;
#endif
}

void fiber_free(struct fiber *fiber)
{
    SIM_ASSERT(fiber != running);
    SIM_ASSERT(fiber->state == FIBER_SUSPENDED || fiber->state == FIBER_DONE);
    struct fiber_pool *pool = fiber->pool;
    SIM_ASSERT(pool->live > 0);
    fiber_forget_stack(fiber);
    fiber->state = FIBER_FREE;
    fiber->next_free = pool->free;
    pool->free = fiber;
    pool->live--;
}

struct fiber *fiber_running(void)
{
    return running;
}
