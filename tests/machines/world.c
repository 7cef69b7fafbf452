#include "tests/machines/world.h"

#include <criterion/criterion.h>

void world_open(struct world *world, uint32_t cores, bool guest_has_tasks)
{
    struct sim_options options = {.seed = 1};
    world->sim = sim_new(&options);
    world->early = sim_origin_add(world->sim, "a-early");
    uint32_t host = sim_origin_add(world->sim, "host");
    uint32_t guest = sim_origin_add(world->sim, "host/guest");
    world->late = sim_origin_add(world->sim, "z-late");
    sim_origins_seal(world->sim);
    world->host = machine_new(world->sim, NULL, host);
    world->guest = machine_new(world->sim, world->host, guest);
    world->stacks = fiber_pool_new(WORLD_STACK_BYTES);
    world->tasks =
        task_host_new(guest_has_tasks ? world->guest : world->host, cores, world->stacks);
    machine_power_on(world->host);
    machine_power_on(world->guest);
}

void world_close(struct world *world)
{
    task_host_free(world->tasks);
    machine_free(world->guest);
    machine_free(world->host);
    cr_assert_eq(sim_events_queued(world->sim), 0);
    cr_assert_eq(fiber_pool_live(world->stacks), 0);
    fiber_pool_close(world->stacks);
    sim_close(world->sim);
}

void world_check(const struct world *world)
{
    machine_check(world->host);
    machine_check(world->guest);
    task_host_check(world->tasks);
    fiber_pool_check(world->stacks);
}

static void world_mark(void *context)
{
    (void)context;
}

void world_run(struct world *world, sim_time at)
{
    /* The clock stands where nothing is queued, so something is. */
    sim_call_at(world->sim, world->late, at, world_mark, NULL);
    sim_run(world->sim, at);
    cr_assert_eq(sim_now(world->sim), at);
    world_check(world);
}
