#include "tests/migration/rig.h"

#include "sim/assert.h"
#include "testbed/diagnostics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RIG_REQUEST 2 /* the migration's item in the timeline, from 1 */

static const char scenario_text[] =
    "name: rig\n"
    "networks:\n"
    "  lan:  {rate: 1Gbit/s, delay: 5us}\n"
    "  move: {rate: 1Gbit/s, delay: 5us}\n"
    "nodes:\n"
    "  node1..node2: {cores: 2, memory: 64MiB, nics: [lan, move]}\n"
    "clients:\n"
    "  alice: {nics: [lan]}\n"
    "vms:\n"
    "  web:\n"
    "    node: node1\n"
    "    memory: 512KiB\n"
    "    nics: [lan]\n"
    "    guest:\n"
    "      content: {zero: 50%}\n"
    "      writers:\n"
    "        - {pages: 256KiB, touch: 500/s, order: uniform}\n"
    "timeline:\n"
    "  - {at: 0s, ping: {from: alice, to: web, every: 100ms}, as: ping}\n"
    "  - {at: 1s, live-migrate: {vm: web, to: node2, over: [move], rounds: 3}, as: mig}\n"
    "  - {at: 40s, live-migrate: {vm: web, to: node2, over: [move], rounds: 3}, as: again}\n"
    "end: {at: 39s}\n";

struct rig {
    const struct rig_plan *plan;
    struct run *run;
    struct world *world;
    struct rig_outcome *outcome;
    const struct judge *judge;
    uint32_t event, mend_event;
    uint64_t calls; /* of the plan's node since the order */
};

struct scenario *rig_load(const char *text, const struct scenario_options *options)
{
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario = scenario_load_text("rig", text, strlen(text), options, diagnostics);
    if (scenario == NULL) {
        diagnostics_print(diagnostics, stderr);
    }
    SIM_ASSERT(scenario != NULL);
    diagnostics_free(diagnostics);
    return scenario;
}

/* The wire between a node's NIC for migration and its switch. */
static struct world_link *wire_of(struct rig *rig, uint32_t node)
{
    return rig->world->nodes[node].links[1];
}

static void cut(struct rig *rig, bool down)
{
    struct world_link *wire = wire_of(rig, rig->plan->node);
    if (rig->plan->to) {
        link_set_down(wire->to, down, 0);
    }
    if (rig->plan->from) {
        link_set_down(wire->from, down, 0);
    }
}

static void mend(void *context)
{
    struct rig *rig = context;
    struct scenario_part node = {SCENARIO_NODE, rig->plan->node};
    switch (rig->plan->kind) {
    case RIG_CRASH_AT_CALL:
        world_set_power(rig->world, node, true, 0);
        break;
    case RIG_FREEZE_AT_CALL:
        world_set_frozen(rig->world, node, false, 0);
        break;
    case RIG_FILL_STORE_AT_CALL:
        node_store_set_full(rig->world->nodes[rig->plan->node].side->store, false);
        break;
    default:
        cut(rig, false);
        break;
    }
}

static void strike(void *context)
{
    struct rig *rig = context;
    struct scenario_part node = {SCENARIO_NODE, rig->plan->node};
    const struct judge_migration *m = judge_migration(rig->judge, 1);
    rig->outcome->used = true;
    rig->outcome->step = m->step;
    rig->outcome->given = m->handover_given > 0;
    rig->outcome->owned = m->handover_owned > 0;
    switch (rig->plan->kind) {
    case RIG_CRASH_AT_CALL:
        world_set_power(rig->world, node, false, 0);
        break;
    case RIG_FREEZE_AT_CALL:
        world_set_frozen(rig->world, node, true, 0);
        break;
    case RIG_FILL_STORE_AT_CALL:
        node_store_set_full(rig->world->nodes[rig->plan->node].side->store, true);
        break;
    case RIG_CANCEL_AT_CALL:
        rig->outcome->cancelled =
            migration_service_cancel(rig->world->nodes[0].migration, RIG_REQUEST) == RT_OK;
        break;
    default:
        cut(rig, true);
        break;
    }
    if (rig->plan->for_ns != SIM_NEVER) {
        sim_event_arm(rig->world->sim, rig->mend_event,
                      sim_now(rig->world->sim) + rig->plan->for_ns);
    }
}

static void on_call(void *context, uint64_t ordinal)
{
    struct rig *rig = context;
    (void)ordinal;
    if (sim_now(rig->world->sim) >= RIG_ORDERED_AT && rig->calls++ == rig->plan->nth) {
        sim_event_arm(rig->world->sim, rig->event, sim_now(rig->world->sim));
    }
}

static void arm(struct rig *rig)
{
    const struct rig_plan *plan = rig->plan;
    struct world_machine *node = &rig->world->nodes[plan->node];
    if (plan->kind == RIG_DROP_FRAME) {
        struct world_link *wire = wire_of(rig, plan->node);
        link_lose_nth(plan->to ? wire->to : wire->from, plan->nth, 1, 0);
    } else if (plan->kind != RIG_NOTHING) {
        node->side->probe = on_call;
        node->side->probe_context = rig;
    }
}

static void look(struct rig *rig)
{
    struct rig_outcome *out = rig->outcome;
    out->place = RIG_NOWHERE;
    for (uint32_t i = 0; i < 2; i++) {
        struct vm_instance *instance = vm_host_find(&rig->world->nodes[i].vm_host, "web");
        struct world_link *wire = wire_of(rig, i);
        if (instance != NULL && vm_instance_state(instance) == VM_RUNNING) {
            out->place = i == 0 ? RIG_AT_SOURCE : RIG_AT_TARGET;
        } else if (instance != NULL) {
            out->paused_somewhere = true;
        }
        out->calls[i] = rig->world->nodes[i].side->probe_ordinal;
        out->frames[i][0] =
            link_statistics(wire->from).frames_delivered + link_statistics(wire->from).frames_lost;
        out->frames[i][1] =
            link_statistics(wire->to).frames_delivered + link_statistics(wire->to).frames_lost;
    }
    if (rig->plan->kind == RIG_DROP_FRAME) {
        struct world_link *wire = wire_of(rig, rig->plan->node);
        out->used = link_statistics(rig->plan->to ? wire->to : wire->from).frames_lost > 0;
    }
}

void rig_violation(const struct run_result *result, char *why, size_t capacity)
{
    why[0] = 0;
    for (uint32_t i = 0; i < ORACLES && why[0] == 0; i++) {
        struct oracle_verdict verdict;
        oracles_verdict(result->oracles, (enum oracle)i, &verdict);
        if (verdict.held == TRUTH_FALSE) {
            snprintf(why, capacity, "%s: %s", verdict.name, verdict.what);
        }
    }
}

static void judge_run(struct rig *rig)
{
    const struct run_result *result = run_result_of(rig->run);
    const char *how = "";
    (void)judge_action_end(result->judge, 1, &how);
    snprintf(rig->outcome->how, sizeof rig->outcome->how, "%s", how);
    rig->outcome->hash = result->run_hash;
    rig_violation(result, rig->outcome->why, sizeof rig->outcome->why);
}

struct rig_outcome rig_run(const struct rig_plan *plan)
{
    struct rig_outcome outcome = {0};
    char why[512];
    const char *sets[2];
    struct scenario_options options = {.set = sets};
    if (plan->again) {
        sets[options.set_count++] = "end.at=60s";
    }
    if (plan->set != NULL) {
        sets[options.set_count++] = plan->set;
    }
    struct scenario *scenario = rig_load(scenario_text, &options);
    struct run *run =
        run_new(&(struct run_options){.scenario = scenario, .until = SIM_NEVER, .version = "test"},
                why, sizeof why);
    SIM_ASSERT(run != NULL);
    struct rig rig = {.plan = plan,
                      .run = run,
                      .world = run_world(run),
                      .outcome = &outcome,
                      .judge = run_judge(run)};
    rig.event = sim_event_new(rig.world->sim, rig.world->control_origin, strike, &rig);
    rig.mend_event = sim_event_new(rig.world->sim, rig.world->control_origin, mend, &rig);
    arm(&rig);
    SIM_ASSERT(run_go(run, SIM_NEVER) == RUN_OVER);
    look(&rig);
    sim_event_free(rig.world->sim, rig.event);
    sim_event_free(rig.world->sim, rig.mend_event);
    bool finished = run_finish(run, why, sizeof why);
    SIM_ASSERT(finished);
    judge_run(&rig);
    run_free(run);
    scenario_free(scenario);
    return outcome;
}

bool rig_holds(const char *text, char *why, size_t capacity)
{
    struct scenario *scenario = rig_load(text, NULL);
    struct run *run =
        run_new(&(struct run_options){.scenario = scenario, .until = SIM_NEVER, .version = "test"},
                why, capacity);
    SIM_ASSERT(run != NULL);
    SIM_ASSERT(run_go(run, SIM_NEVER) == RUN_OVER);
    bool finished = run_finish(run, why, capacity);
    SIM_ASSERT(finished);
    const struct run_result *result = run_result_of(run);
    rig_violation(result, why, capacity);
    for (uint32_t i = 0; i < scenario->expect_count && why[0] == 0; i++) {
        struct judge_expectation expectation;
        judge_expectation(result->judge, i, &expectation);
        if (expectation.held != TRUTH_TRUE) {
            snprintf(why, capacity, "%s: %s", scenario->expect[i].text, expectation.actual);
        }
    }
    bool held = why[0] == 0;
    run_free(run);
    scenario_free(scenario);
    return held;
}
