#include "testbed/drain.h"

#include "sim/assert.h"
#include "testbed/cpu_table.h"
#include "testbed/report_text.h"

#include <stdlib.h>

#define REGION_BYTES (UINT64_C(2) << 20)

struct move {
    uint32_t vm, target; /* SIM_NONE: it stays */
    bool started;
};

struct drain {
    struct world *world;
    const struct judge *judge;
    uint32_t item;
    const struct scenario_drain *order;
    void (*start)(void *context, uint32_t item, uint32_t node);
    void *context;
    struct move *moves;
    uint32_t count;
    bool stays; /* at least one */
};

/* ---- the plan -------------------------------------------------------------------------------------------------------- */

static const struct scenario *scenario_of(const struct drain *drain)
{
    return drain->world->scenario;
}

/* In whole regions, as a host gives memory, and one for its tables. */
static uint64_t need_of(const struct scenario_vm *vm)
{
    uint64_t bytes = (uint64_t)vm->memory_bytes;
    return (bytes + REGION_BYTES - 1) / REGION_BYTES * REGION_BYTES + REGION_BYTES;
}

static bool is_here(const struct drain *drain, uint32_t vm)
{
    struct world *world = drain->world;
    const struct vm_instance *instance = vm_world_current(&world->vms, &world->vm_specs[vm]);
    return instance != NULL &&
           vm_instance_host(instance) == &world->nodes[drain->order->node].vm_host;
}

/* The node's VMs, largest first (D1). */
static void gather(struct drain *drain)
{
    const struct scenario *scenario = scenario_of(drain);
    drain->moves = calloc(scenario->vm_count + 1, sizeof *drain->moves);
    SIM_ASSERT(drain->moves != NULL);
    for (uint32_t vm = 0; vm < scenario->vm_count; vm++) {
        if (!is_here(drain, vm)) {
            continue;
        }
        uint32_t at = drain->count++;
        while (at > 0 && scenario->vms[drain->moves[at - 1].vm].memory_bytes <
                             scenario->vms[vm].memory_bytes) {
            drain->moves[at] = drain->moves[at - 1];
            at--;
        }
        drain->moves[at] = (struct move){.vm = vm, .target = SIM_NONE};
    }
}

static bool has_networks(const struct scenario *scenario, uint32_t node, uint32_t vm)
{
    const struct scenario_indices *has = &scenario->nodes[node].nics;
    const struct scenario_indices *needs = &scenario->vms[vm].nics;
    for (uint32_t i = 0; i < needs->count; i++) {
        uint32_t j = 0;
        while (j < has->count && has->items[j] != needs->items[i]) {
            j++;
        }
        if (j == has->count) {
            return false;
        }
    }
    return true;
}

/* Why the VM cannot go there, added to the text; false where it can. */
static bool refuses(const struct drain *drain, uint32_t node, uint32_t vm,
                    const uint64_t *free_bytes, struct report_text *why)
{
    const struct scenario *scenario = scenario_of(drain);
    const struct scenario_node *target = &scenario->nodes[node];
    char figure[REPORT_FIGURE_BYTES];
    if (drain->world->nodes[node].migration == NULL) {
        report_add(why, "%s is off", target->name);
    } else if (!has_networks(scenario, node, vm)) {
        report_add(why, "%s lacks one of its networks", target->name);
    } else if (!cpu_table_runs(scenario->nodes[drain->order->node].cpu, target->cpu)) {
        report_add(why, "%s has another processor (%s)", target->name,
                   scenario_cpu_word(target->cpu));
    } else if (free_bytes[node] < need_of(&scenario->vms[vm])) {
        report_add(why, "%s has %s free", target->name, report_size(free_bytes[node], figure));
    } else {
        return false;
    }
    return true;
}

static void say_stays(struct drain *drain, uint32_t vm, const struct report_text *why)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES];
    struct world *world = drain->world;
    const struct scenario_vm *v = &scenario_of(drain)->vms[vm];
    const int64_t values[] = {(int64_t)drain->item + 1, v->memory_bytes};
    report_add(&text, "%s needs %s; %s", v->name, report_size((uint64_t)v->memory_bytes, figure),
               why->bytes);
    drain->stays = true;
    world_say(world, RUN_DRAIN_STAYS, world->action_origins[drain->item], 0, values, text.bytes);
}

static void choose(struct drain *drain, struct move *move, uint64_t *free_bytes)
{
    struct report_text why = {0};
    const struct scenario_indices *to = &drain->order->to;
    for (uint32_t node = 0; node < scenario_of(drain)->node_count; node++) {
        bool allowed = false;
        for (uint32_t i = 0; i < to->count; i++) {
            allowed = allowed || to->items[i] == node;
        }
        if (!allowed) {
            continue;
        }
        struct report_text no = {0};
        if (refuses(drain, node, move->vm, free_bytes, &no)) {
            report_add(&why, "%s%s", why.length > 0 ? ", " : "", no.bytes);
        } else if (move->target == SIM_NONE || free_bytes[node] > free_bytes[move->target]) {
            move->target = node;
        }
    }
    if (move->target == SIM_NONE) {
        say_stays(drain, move->vm, &why);
        return;
    }
    free_bytes[move->target] -= need_of(&scenario_of(drain)->vms[move->vm]);
}

static void plan(struct drain *drain)
{
    uint32_t nodes = scenario_of(drain)->node_count;
    uint64_t *free_bytes = calloc(nodes, sizeof *free_bytes);
    SIM_ASSERT(free_bytes != NULL);
    for (uint32_t i = 0; i < nodes; i++) {
        free_bytes[i] = host_memory_free_bytes(drain->world->nodes[i].memory);
    }
    for (uint32_t i = 0; i < drain->count; i++) {
        choose(drain, &drain->moves[i], free_bytes);
    }
    free(free_bytes);
}

/* ---- doing it ------------------------------------------------------------------------------------------------------------ */

static uint32_t item_of(const struct drain *drain, const struct move *move)
{
    return drain->order->first_move + move->vm;
}

static bool is_over(const struct drain *drain, const struct move *move)
{
    const char *how = NULL;
    return move->started && judge_action_end(drain->judge, item_of(drain, move), &how) != SIM_NEVER;
}

/* How many move now; with a target, those to it alone. */
static uint32_t moving(const struct drain *drain, uint32_t target)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < drain->count; i++) {
        const struct move *move = &drain->moves[i];
        count += move->started && !is_over(drain, move) &&
                 (target == SIM_NONE || move->target == target);
    }
    return count;
}

/* What the two nodes allow between them. */
static uint32_t pair_limit(const struct drain *drain, uint32_t target)
{
    int64_t here = scenario_of(drain)->nodes[drain->order->node].migration.max_per_pair;
    int64_t there = scenario_of(drain)->nodes[target].migration.max_per_pair;
    return (uint32_t)(here < there ? here : there);
}

bool drain_go_on(struct drain *drain, const char **how)
{
    bool over = true, failed = drain->stays;
    for (uint32_t i = 0; i < drain->count; i++) {
        struct move *move = &drain->moves[i];
        if (move->target == SIM_NONE || (!move->started && !is_here(drain, move->vm))) {
            continue; /* it stays; or somebody else took it away, or it is lost or switched off */
        }
        if (!move->started) {
            bool room = drain->order->parallel == QUANTITY_ABSENT ||
                        moving(drain, SIM_NONE) < (uint32_t)drain->order->parallel;
            if (room && moving(drain, move->target) < pair_limit(drain, move->target)) {
                move->started = true;
                drain->start(drain->context, item_of(drain, move), move->target);
            }
        }
        over = over && is_over(drain, move);
        failed = failed || !judge_migration(drain->judge, item_of(drain, move))->completed;
    }
    *how = failed ? "not empty" : "empty";
    return over;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------ */

struct drain *drain_new(struct world *world, const struct judge *judge, uint32_t item,
                        void (*start)(void *context, uint32_t item, uint32_t node), void *context)
{
    struct drain *drain = calloc(1, sizeof *drain);
    SIM_ASSERT(drain != NULL);
    SIM_ASSERT(world->scenario->timeline[item].kind == SCENARIO_DRAIN);
    drain->world = world;
    drain->judge = judge;
    drain->item = item;
    drain->order = &world->scenario->timeline[item].action.drain;
    drain->start = start;
    drain->context = context;
    gather(drain);
    plan(drain);
    return drain;
}

void drain_free(struct drain *drain)
{
    if (drain != NULL) {
        free(drain->moves);
        free(drain);
    }
}
