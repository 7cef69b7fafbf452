/* tests/kernel/test_order.c - the order of all callbacks, against a model that sorts (tests/kernel/model.h). */
#include <criterion/criterion.h>

#include "sim/chance.h"
#include "sim/kernel.h"
#include "tests/kernel/model.h"

#include <stdio.h>
#include <string.h>

#define ORIGINS 12u

/* What a random world does; weights are parts of 1,000. */
struct profile {
    const char *name;
    sim_time delays[8]; /* one of them is drawn; those above 16 are bounds of an even draw */
    uint32_t events;
    uint32_t cancels;
    uint32_t frees;
    uint32_t calls;
    uint32_t stops;
    uint32_t operations_max; /* in a callback */
    bool shuffle;
};

static const struct profile profiles[] = {
    {"packets and timers",
     {12000, 12000, 0, 200000000, 1000, 1, 12000, 5},
     60,
     150,
     50,
     300,
     5,
     3,
     false},
    {"all in few instants", {0, 1, 2, 3, 1, 2, 1, 0}, 200, 100, 50, 200, 10, 2, false},
    {"few events", {0, 10, 100, 1000, 10000, 100000, 1, 2}, 4, 200, 50, 200, 20, 3, false},
    {"mostly cancelled",
     {100000, 1000000, 10000, 7, 0, 5000, 100, 1000},
     380,
     600,
     100,
     50,
     2,
     6,
     false},
    {"spread over hours",
     {INT64_C(1) << 43, INT64_C(1) << 30, INT64_C(1) << 20, 3, 0, 1, 50, 9},
     100,
     100,
     50,
     200,
     5,
     3,
     false},
    {"spread over centuries",
     {INT64_C(1) << 52, INT64_C(1) << 47, INT64_C(1) << 33, 1, 2, 0, 9, 99},
     50,
     50,
     50,
     100,
     1,
     3,
     false},
    {"dense", {4000, 2000, 3000, 1000, 500, 400, 300, 200}, 380, 100, 20, 100, 1, 3, false},
    {"ties shuffled", {0, 1, 2, 3, 1, 20, 1, 0}, 100, 100, 50, 200, 10, 2, true},
};

enum kind { KIND_NONE, KIND_PERMANENT, KIND_CALL };

struct world;
struct slot {
    struct world *world;
    uint32_t id;
    uint32_t event;
    uint32_t origin;
    enum kind kind;
};
struct world {
    const struct profile *profile;
    const char *failure; /* first one, for a message that names the row */
    uint64_t seed;
    struct sim *sim;
    struct model model;
    struct chance chance;
    uint64_t draws;
    sim_time until;
    uint64_t ran;
    uint64_t ran_max;
    bool stop_asked;
    uint32_t ranks[ORIGINS];
    uint32_t rank_next;
    struct slot slots[MODEL_EVENTS_MAX];
};

static uint64_t draw(struct world *world, uint64_t bound)
{
    return chance_below(world->chance, world->draws++, bound);
}

static bool draw_weight(struct world *world, uint32_t weight)
{
    return draw(world, 1000) < weight;
}

static sim_time draw_time(struct world *world)
{
    sim_time delay = world->profile->delays[draw(world, 8)];
    if (delay > 16) {
        delay = (sim_time)draw(world, (uint64_t)delay);
    }
    return sim_now(world->sim) + delay;
}

static void fail(struct world *world, const char *failure)
{
    if (world->failure == NULL) {
        world->failure = failure;
    }
}

static void on_event(void *context);

static void slot_fill(struct world *world, struct slot *slot)
{
    slot->origin = (uint32_t)draw(world, ORIGINS);
    sim_time at = draw_time(world);
    if (draw_weight(world, world->profile->calls)) {
        slot->kind = KIND_CALL;
        slot->event = sim_call_at(world->sim, slot->origin, at, on_event, slot);
    } else {
        slot->kind = KIND_PERMANENT;
        slot->event = sim_event_new(world->sim, slot->origin, on_event, slot);
        sim_event_arm(world->sim, slot->event, at);
    }
    model_arm(&world->model, slot->id, world->ranks[slot->origin], at);
}

static void slot_empty(struct world *world, struct slot *slot)
{
    sim_event_free(world->sim, slot->event);
    model_cancel(&world->model, slot->id);
    slot->kind = KIND_NONE;
}

/* Does one random thing to one random event. */
static void operate(struct world *world)
{
    struct slot *slot = &world->slots[draw(world, world->profile->events)];
    if (slot->kind == KIND_NONE) {
        slot_fill(world, slot);
    } else if (draw_weight(world, world->profile->cancels)) {
        sim_event_cancel(world->sim, slot->event);
        model_cancel(&world->model, slot->id);
        if (slot->kind == KIND_CALL) {
            slot->kind = KIND_NONE;
        }
    } else if (draw_weight(world, world->profile->frees)) {
        slot_empty(world, slot);
    } else {
        sim_time at = draw_time(world);
        sim_event_arm(world->sim, slot->event, at);
        model_arm(&world->model, slot->id, world->ranks[slot->origin], at);
    }
    if (slot->kind != KIND_NONE) {
        const struct model_event *event = &world->model.events[slot->id];
        if (sim_event_queued(world->sim, slot->event) != event->queued) {
            fail(world, "queued differs");
        }
        if (sim_event_time(world->sim, slot->event) != (event->queued ? event->time : SIM_NEVER)) {
            fail(world, "time of an event differs");
        }
    }
}

static void on_event(void *context)
{
    struct slot *slot = context;
    struct world *world = slot->world;
    if (model_first(&world->model, world->until) != slot->id) {
        fail(world, "another event was due");
        sim_stop(world->sim);
        return;
    }
    const struct model_event *event = &world->model.events[slot->id];
    if (sim_now(world->sim) != event->time || sim_wave(world->sim) != event->wave) {
        fail(world, "right event at the wrong time or wave");
    }
    if (sim_running_origin(world->sim) != slot->origin) {
        fail(world, "running origin differs");
    }
    model_run(&world->model, slot->id);
    if (slot->kind == KIND_CALL) {
        slot->kind = KIND_NONE;
    }
    world->ran++;
    if (world->ran < world->ran_max) {
        for (uint64_t n = draw(world, world->profile->operations_max + 1u); n > 0; n--) {
            operate(world);
        }
    }
    if (draw_weight(world, world->profile->stops)) {
        world->stop_asked = true;
        sim_stop(world->sim);
    }
}

static void on_rank(void *context)
{
    struct slot *slot = context;
    slot->world->ranks[slot->origin] = slot->world->rank_next++;
}

/* Learns the ranks by a tie of all origins; where they are not shuffled they are the order of the paths. */
static void learn_ranks(struct world *world)
{
    for (uint32_t i = 0; i < ORIGINS; i++) {
        struct slot *slot = &world->slots[i];
        *slot = (struct slot){.world = world, .origin = i};
        sim_call_at(world->sim, i, 0, on_rank, slot);
    }
    if (sim_run(world->sim, 1) != SIM_STOP_IDLE) {
        fail(world, "the tie did not run out");
    }
    for (uint32_t i = 0; i < ORIGINS; i++) {
        for (uint32_t j = 0; j < ORIGINS && !world->profile->shuffle; j++) {
            bool before =
                strcmp(sim_origin_path(world->sim, i), sim_origin_path(world->sim, j)) < 0;
            if (before != (world->ranks[i] < world->ranks[j])) {
                fail(world, "ranks are not the order of paths");
            }
        }
    }
}

static void slice(struct world *world)
{
    world->until = draw_weight(world, 50) ? SIM_NEVER - 1 : draw_time(world);
    world->stop_asked = false;
    enum sim_stop why = sim_run(world->sim, world->until);
    uint32_t first = model_first(&world->model, world->until);
    if (world->stop_asked != (why == SIM_STOP_ASKED)) {
        fail(world, "asked to stop and did not, or the other way round");
    }
    if (why == SIM_STOP_ASKED) {
        const struct model_event *event = first == SIM_NONE ? NULL : &world->model.events[first];
        if (event != NULL && event->time == world->model.now &&
            event->wave < world->model.next_wave) {
            fail(world, "stopped within a wave");
        }
    } else if (first != SIM_NONE) {
        fail(world, "an event was left out");
    }
    if (why == SIM_STOP_UNTIL) {
        model_advance(&world->model, world->until);
    }
    if ((why == SIM_STOP_IDLE) != (model_queued(&world->model) == 0) && why != SIM_STOP_ASKED) {
        fail(world, "idle differs");
    }
    if (sim_now(world->sim) != world->model.now) {
        fail(world, "time differs after a slice");
    }
    if (sim_events_queued(world->sim) != model_queued(&world->model)) {
        fail(world, "number of queued events differs");
    }
    sim_check(world->sim);
}

static void run_world(struct world *world, const struct profile *profile, uint64_t seed)
{
    memset(world, 0, sizeof(*world));
    world->profile = profile;
    world->seed = seed;
    world->ran_max = 1500;
    world->chance = chance_key(seed, "test", profile->name);
    world->sim = sim_new(&(struct sim_options){.seed = seed, .ties_shuffle = profile->shuffle});
    for (uint32_t i = 0; i < ORIGINS; i++) {
        char path[32];
        /* 7 has no common factor with 12, so the order of adding is not that of paths. */
        snprintf(path, sizeof(path), "node%02u/nic", (i * 7 + 3) % ORIGINS);
        if (sim_origin_add(world->sim, path) != i) {
            fail(world, "origins are not counted from 0");
        }
    }
    sim_origins_seal(world->sim);
    learn_ranks(world);
    /* The tie was wave 0 of instant 0. */
    world->model.next_wave = 1;
    for (uint32_t i = 0; i < MODEL_EVENTS_MAX; i++) {
        world->slots[i] = (struct slot){.world = world, .id = i};
    }
    for (uint32_t i = 0; i < 400 && world->failure == NULL && world->ran < world->ran_max; i++) {
        for (uint64_t n = draw(world, world->profile->events); n > 0; n--) {
            operate(world);
        }
        slice(world);
        if (sim_now(world->sim) > INT64_MAX / 4) {
            break;
        }
    }
    world->until = SIM_NEVER;
    world->profile = &(const struct profile){.name = "end"};
    while (world->failure == NULL && sim_run(world->sim, SIM_NEVER) != SIM_STOP_IDLE) {
    }
    if (sim_events_queued(world->sim) != 0) {
        fail(world, "events are left at the end");
    }
    sim_close(world->sim);
}

Test(order, equals_a_sorted_list)
{
    static struct world world;
    for (size_t row = 0; row < sizeof(profiles) / sizeof(profiles[0]); row++) {
        for (uint64_t seed = 1; seed <= 12; seed++) {
            run_world(&world, &profiles[row], seed);
            cr_assert_null(world.failure, "%s, seed %lu, after %lu events: %s", profiles[row].name,
                           (unsigned long)seed, (unsigned long)world.ran, world.failure);
            cr_assert_geq(world.ran, 300, "%s, seed %lu: only %lu events ran", profiles[row].name,
                          (unsigned long)seed, (unsigned long)world.ran);
        }
    }
}
