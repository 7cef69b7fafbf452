#include <criterion/criterion.h>
#include <string.h>

#include "sim/fiber.h"

#define FIBERS 50

struct step {
    uint32_t who;
    uint32_t count;
};
static struct step steps[1000];
static uint32_t step_count;

/* Keeps more live values than there are registers, so that a switch that loses one of them is seen in the sum. */
static uint64_t walk(uint32_t who, uint32_t depth)
{
    volatile uint64_t seed = who * 1000u + depth;
    uint64_t a = seed + 1, b = seed + 2, c = seed + 3, d = seed + 4, e = seed + 5, f = seed + 6,
             g = seed + 7, h = seed + 8;
    unsigned char local[200];
    memset(local, (int)(who + depth), sizeof local);
    steps[step_count++] = (struct step){who, depth};
    fiber_yield();
    cr_assert_neq(fiber_running(), NULL);
    for (size_t index = 0; index < sizeof local; index++) {
        cr_assert_eq(local[index], (unsigned char)(who + depth));
    }
    uint64_t deeper = depth > 0 ? walk(who, depth - 1) : 0;
    return deeper + a + b * 3 + c * 5 + d * 7 + e * 11 + f * 13 + g * 17 + h * 19;
}

static uint64_t walk_expected(uint32_t who, uint32_t depth)
{
    uint64_t sum = 0;
    for (uint32_t level = 0; level <= depth; level++) {
        uint64_t seed = who * 1000u + level;
        uint64_t weights[8] = {1, 3, 5, 7, 11, 13, 17, 19};
        for (uint64_t index = 0; index < 8; index++) {
            sum += (seed + index + 1) * weights[index];
        }
    }
    return sum;
}

struct walker {
    uint32_t who;
    uint32_t depth;
    uint64_t result;
};

static void walker_body(void *context)
{
    struct walker *walker = context;
    walker->result = walk(walker->who, walker->depth);
}

/* Switches fibers of different depths in turns: each goes on exactly where it stood. */
Test(fiber, switches_keep_registers_and_stacks)
{
    struct fiber_pool *pool = fiber_pool_new(60000);
    struct walker walkers[FIBERS];
    struct fiber *fibers[FIBERS];
    step_count = 0;
    for (uint32_t who = 0; who < FIBERS; who++) {
        walkers[who] = (struct walker){.who = who, .depth = who % 7};
        fibers[who] = fiber_new(pool, walker_body, &walkers[who]);
        cr_assert_neq(fibers[who], NULL);
    }
    cr_assert_eq(fiber_pool_live(pool), FIBERS);
    uint32_t live = FIBERS;
    for (uint32_t round = 0; live > 0; round++) {
        cr_assert_lt(round, 10);
        for (uint32_t who = 0; who < FIBERS; who++) {
            if (!fiber_done(fibers[who])) {
                uint32_t before = step_count;
                fiber_resume(fibers[who]);
                cr_assert_eq(fiber_running(), NULL);
                if (fiber_done(fibers[who])) {
                    cr_assert_eq(round, walkers[who].depth + 1);
                    live--;
                } else {
                    cr_assert_eq(step_count, before + 1);
                    cr_assert_eq(steps[before].who, who);
                    cr_assert_eq(steps[before].count, walkers[who].depth - round);
                }
            }
        }
    }
    fiber_pool_check(pool);
    for (uint32_t who = 0; who < FIBERS; who++) {
        cr_assert_eq(walkers[who].result, walk_expected(who, who % 7), "fiber %u", who);
        fiber_free(fibers[who]);
    }
    cr_assert_eq(fiber_pool_live(pool), 0);
    fiber_pool_close(pool);
}

static void address_body(void *context)
{
    unsigned char here[64];
    memset(here, 1, sizeof here);
    *(uintptr_t *)context = (uintptr_t)&here[0];
    fiber_yield();
    memset(here, 2, sizeof here);
    fiber_yield();
}

/* Deep frames whose red zones are poisoned when the fiber is freed: the next user of the stack must not trip over them. */
static void deep_body(void *context)
{
    uint32_t *depth = context;
    unsigned char local[128];
    memset(local, 3, sizeof local);
    if (*depth == 0) {
        fiber_yield();
        return;
    }
    uint32_t less = *depth - 1;
    deep_body(&less);
    cr_assert_eq(local[*depth], 3);
}

static void freeing_body(void *context)
{
    fiber_free(context);
    fiber_yield();
}

/* F2, F3: the stack freed last is used first; a fiber may be freed fresh, suspended at any depth, or done, also by another one. */
Test(fiber, stacks_are_reused_wherever_their_fiber_stood)
{
    struct fiber_pool *pool = fiber_pool_new(65536);
    uintptr_t first = 0, second = 0, third = 0;
    struct fiber *a = fiber_new(pool, address_body, &first);
    struct fiber *b = fiber_new(pool, address_body, &second);
    fiber_resume(a);
    fiber_resume(b);
    cr_assert_neq(first, second);
    cr_assert_eq(first % 16, second % 16);
    fiber_free(a);
    fiber_free(b);
    a = fiber_new(pool, address_body, &third);
    fiber_resume(a);
    cr_assert_eq(third, second, "the stack freed last comes first");
    for (uint32_t depth = 0; depth < 100; depth += 9) {
        uint32_t start = depth;
        struct fiber *deep = fiber_new(pool, deep_body, &start);
        if (depth % 2 == 0) {
            fiber_resume(deep);
            cr_assert_not(fiber_done(deep));
        }
        struct fiber *freeing = fiber_new(pool, freeing_body, deep);
        fiber_resume(freeing);
        cr_assert_eq(fiber_pool_live(pool), 2);
        fiber_free(freeing);
    }
    fiber_resume(a);
    fiber_resume(a);
    cr_assert(fiber_done(a));
    fiber_free(a);
    fiber_pool_check(pool);
    fiber_pool_close(pool);
}
