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

/* ---- crashes ------------------------------------------------------------------------------------------------------------------ */

#define STEP_NS (10 * SIM_US)

/* Outside of the node: what its software managed to say before it died. */
struct writer {
    struct world *world;
    struct rt *rt;
    bool removes;
    bool told; /* the call returned */
    enum rt_error err;
    uint32_t begin_event, crash_event, boot_event;
};

static void write_twice(struct rt *rt, void *context)
{
    struct writer *writer = context;
    struct rt_page page;
    static const uint8_t bytes[RT_PAGE_BYTES] = {1};
    const struct rt_slice slice = {.bytes = bytes, .length = RT_PAGE_BYTES};
    SIM_ASSERT(rt_page_make(rt, &slice, 1, &page) ==
               RT_OK); /* nobody gives it back but the crash */
    SIM_ASSERT(rt_alloc(rt, 100) != NULL);
    SIM_ASSERT(rt_store_put(rt, "key", "the old", 7, RT_FOREVER) == RT_OK);
    SIM_ASSERT(rt_sleep_until(rt, rt_now(rt) + SIM_MS) == RT_OK);
    writer->err = writer->removes ? rt_store_remove(rt, "key", RT_FOREVER)
                                  : rt_store_put(rt, "key", "the new one", 11, RT_FOREVER);
    writer->told = true;
    (void)!rt_sleep_until(rt, RT_FOREVER);
}

static void on_write(void *context)
{
    struct writer *writer = context;
    struct rt_task *task = NULL;
    enum rt_error err = rt_spawn(writer->rt, "writer", write_twice, writer, &task);
    SIM_ASSERT(err == RT_OK);
    rt_detach(writer->rt, task);
}

static void on_crash(void *context)
{
    struct writer *writer = context;
    world_set_power(writer->world, (struct scenario_part){SCENARIO_NODE, 0}, false, 0);
    SIM_ASSERT(rt_page_ledger_held(writer->world->nodes[0].side->page_ledger) == 0);
    SIM_ASSERT(rt_streams_open(writer->world->nodes[0].side) == 0);
}

static void on_boot(void *context)
{
    struct writer *writer = context;
    world_set_power(writer->world, (struct scenario_part){SCENARIO_NODE, 0}, true, 0);
}

/* What the store holds after a crash so long after the second call may have begun: 'o' the old, 'n' the new, '-' nothing. */
static char crash_after(sim_time late_ns, bool removes, bool *told)
{
    struct stage stage;
    char why[512], bytes[32];
    uint32_t length = 0;
    open_stage(&stage, "0%");
    struct sim *sim = stage.world->sim;
    struct writer writer = {
        .world = stage.world, .rt = &stage.world->nodes[0].side->rt, .removes = removes};
    writer.begin_event = sim_event_new(sim, stage.world->control_origin, on_write, &writer);
    writer.crash_event = sim_event_new(sim, stage.world->control_origin, on_crash, &writer);
    writer.boot_event = sim_event_new(sim, stage.world->control_origin, on_boot, &writer);
    sim_event_arm(sim, writer.begin_event, SIM_S);
    sim_event_arm(sim, writer.crash_event, SIM_S + 1300 * SIM_US + late_ns);
    sim_event_arm(sim, writer.boot_event, 3 * SIM_S);
    cr_assert(run_go(stage.run, SIM_NEVER) == RUN_OVER);
    enum rt_error err = rt_store_get(writer.rt, "key", bytes, sizeof bytes, &length);
    *told = writer.told;
    cr_assert(!writer.told || writer.err == RT_OK);
    sim_event_free(sim, writer.begin_event);
    sim_event_free(sim, writer.crash_event);
    sim_event_free(sim, writer.boot_event);
    close_stage(&stage, why, sizeof why);
    cr_expect(why[0] == 0, "%s", why);
    if (err == RT_NOT_FOUND) {
        return '-';
    }
    cr_assert(err == RT_OK);
    return length == 7 && memcmp(bytes, "the old", 7) == 0         ? 'o'
           : length == 11 && memcmp(bytes, "the new one", 11) == 0 ? 'n'
                                                                   : '?';
}

/* R4: told means durable; not told may be either, and never anything between. Each of the three happens. */
Test(simulator, keeps_what_it_stored_through_a_crash_at_any_instant)
{
    for (uint32_t removes = 0; removes < 2; removes++) {
        char after = removes ? '-' : 'n';
        uint32_t old = 0, untold = 0, durable = 0;
        for (sim_time late = 0; late < 700 * SIM_US; late += STEP_NS) {
            bool told = false;
            char holds = crash_after(late, removes != 0, &told);
            cr_expect(holds == after || (holds == 'o' && !told), "%s, %lld us: it holds %c%s",
                      removes ? "remove" : "put", (long long)(late / SIM_US), holds,
                      told ? ", and was said to be done" : "");
            old += holds == 'o';
            untold += holds == after && !told;
            durable += told;
        }
        cr_expect(old > 0 && untold > 0 && durable > 0, "%u old, %u not told, %u told", old, untold,
                  durable);
    }
}

/* Lost frames change nothing that software sees, but time. */
Test(simulator, streams_over_a_lossy_link)
{
    static const char *const names[] = {"bytes go there and back", "half a connection goes on",
                                        "a long write waits for its reader",
                                        "pages stay what they are"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct rt_case *c = rt_cases_streams;
        while (c->name != NULL && strcmp(c->name, names[i]) != 0) {
            c++;
        }
        cr_assert(c->name != NULL, "no case '%s'", names[i]);
        run_case(c, "0.2%");
    }
}
