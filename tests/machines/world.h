/* tests/machines/world.h - a kernel with a host, a guest in it, stacks, and an origin for each and for the test. */
#ifndef ORRERY_TESTS_MACHINES_WORLD_H
#define ORRERY_TESTS_MACHINES_WORLD_H

#include "sim/fiber.h"
#include "sim/kernel.h"
#include "sim/machine.h"
#include "sim/task.h"

#define WORLD_STACK_BYTES 65536

struct world {
    struct sim *sim;
    uint32_t early; /* an origin that comes before the machines' in a wave */
    uint32_t late;  /* and one that comes after them                       */
    struct machine *host, *guest;
    struct fiber_pool *stacks;
    struct task_host *tasks; /* of the host, unless the test wants the guest's */
};

/* Both machines are on. `cores` of the machine that has tasks: the host, or the guest. */
void world_open(struct world *world, uint32_t cores, bool guest_has_tasks);
/* Asserts that nothing is left: no stack, no queued event. */
void world_close(struct world *world);
/* Asserts the invariants of all parts. */
void world_check(const struct world *world);
/* Runs until `at` and checks. */
void world_run(struct world *world, sim_time at);

#endif
