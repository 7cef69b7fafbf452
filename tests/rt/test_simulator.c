/* The simulator's side passes the cases, and keeps what it stored through a crash at any instant. */
#include <criterion/criterion.h>

#include "testbed/diagnostics.h"
#include "testbed/run.h"
#include "testbed/world.h"
#include "tests/rt/cases.h"

#include "sim/assert.h"

#include <stdio.h>
#include <string.h>

static const char scenario_text[] = "name: rt\n"
                                    "networks:\n"
                                    "  lan: {rate: 1Gbit/s, delay: 50us}\n"
                                    "nodes:\n"
                                    "  node1..node2: {cores: 2, memory: 64MiB, nics: [lan]}\n"
                                    "timeline:\n"
                                    "  - {at: 0s, fault: {link: node2/lan, loss: 0%}, as: noise}\n"
                                    "end: {at: 20s}\n";

struct stage {
    struct scenario *scenario;
    struct run *run;
    struct world *world;
};

static void open_stage(struct stage *stage, const char *loss)
{
    char why[512], set[64];
    struct diagnostics *diagnostics = diagnostics_new();
    snprintf(set, sizeof set, "timeline.noise.fault.loss=%s", loss);
    const char *sets[] = {set};
    const struct scenario_options options = {.set = sets, .set_count = 1};
    stage->scenario =
        scenario_load_text("rt", scenario_text, sizeof scenario_text - 1, &options, diagnostics);
    if (stage->scenario == NULL) {
        diagnostics_print(diagnostics, stderr);
    }
    cr_assert(stage->scenario != NULL);
    diagnostics_free(diagnostics);
    stage->run = run_new(
        &(struct run_options){.scenario = stage->scenario, .until = SIM_NEVER, .version = "test"},
        why, sizeof why);
    cr_assert(stage->run != NULL, "%s", why);
    stage->world = run_world(stage->run);
}

/* The first oracle that failed, or "". */
static void close_stage(struct stage *stage, char *why, size_t capacity)
{
    bool finished = run_finish(stage->run, why, capacity);
    cr_assert(finished, "%s", why);
    why[0] = 0;
    for (uint32_t i = 0; i < ORACLES; i++) {
        struct oracle_verdict verdict;
        oracles_verdict(run_result_of(stage->run)->oracles, (enum oracle)i, &verdict);
        if (verdict.held == TRUTH_FALSE && why[0] == 0) {
            snprintf(why, capacity, "%s: %s", verdict.name, verdict.what);
        }
    }
    run_free(stage->run);
    scenario_free(stage->scenario);
}

/* ---- cases ------------------------------------------------------------------------------------------------------------------- */

struct act {
    struct rt_part part;
    void (*body)(struct rt_part *part);
    uint32_t event;
};

static void perform(struct rt *rt, void *context)
{
    struct act *act = context;
    (void)rt;
    act->body(&act->part);
    act->part.done = true;
}

static void on_begin(void *context)
{
    struct act *act = context;
    struct rt_task *task = NULL;
    enum rt_error err = rt_spawn(act->part.rt, "part", perform, act, &task);
    SIM_ASSERT(err == RT_OK);
    rt_detach(act->part.rt, task);
}

static void run_case(const struct rt_case *c, const char *loss)
{
    struct stage stage;
    struct act acts[2] = {{.body = c->first}, {.body = c->second}};
    char why[512];
    open_stage(&stage, loss);
    struct world *world = stage.world;
    for (uint32_t i = 0; i < 2; i++) {
        struct rt_part *part = &acts[i].part;
        part->rt = &world->nodes[i].side->rt;
        part->here = (struct rt_address){world->nodes[i].addresses[0].v, RT_CASE_PORT};
        part->there = (struct rt_address){world->nodes[1 - i].addresses[0].v, RT_CASE_PORT};
        part->nobody = (struct rt_address){world->nodes[0].addresses[0].v + 100, RT_CASE_PORT};
        part->pages_stay_whole = true;
        acts[i].event = sim_event_new(world->sim, world->control_origin, on_begin, &acts[i]);
        if (acts[i].body != NULL) {
            sim_event_arm(world->sim, acts[i].event, SIM_S + i * 3 * SIM_MS);
        }
    }
    cr_assert(run_go(stage.run, SIM_NEVER) == RUN_OVER);
    for (uint32_t i = 0; i < 2; i++) {
        const struct rt_part *part = &acts[i].part;
        const char *which = i == 0 ? "first" : "second";
        cr_expect(acts[i].body == NULL || part->done, "%s (loss %s): the %s part did not end",
                  c->name, loss, which);
        cr_expect(part->failed == NULL, "%s (loss %s): the %s part, line %d: %s", c->name, loss,
                  which, part->failed_line, part->failed);
        cr_expect(acts[i].body == NULL || part->checks > 0);
        cr_expect(rt_page_ledger_held(world->nodes[i].side->page_ledger) == 0,
                  "%s: the %s part left pages", c->name, which);
        cr_expect(rt_streams_open(world->nodes[i].side) == 1, /* the migration service listens */
                  "%s: the %s part left streams", c->name, which);
        sim_event_free(world->sim, acts[i].event);
    }
    close_stage(&stage, why, sizeof why);
    cr_expect(why[0] == 0, "%s: %s", c->name, why);
}

static void run_cases(const struct rt_case *cases, const char *loss)
{
    for (const struct rt_case *c = cases; c->name != NULL; c++) {
        run_case(c, loss);
    }
}

Test(simulator, streams)
{
    run_cases(rt_cases_streams, "0%");
}

Test(simulator, tasks_memory_and_pages)
{
    run_cases(rt_cases_tasks, "0%");
}

Test(simulator, the_store)
{
    run_cases(rt_cases_store, "0%");
}
