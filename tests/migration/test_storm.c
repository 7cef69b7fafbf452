/* Storms: random crashes, cuts and hangs of both nodes at random calls of a series of migrations, and of what follows them. Whatever happens, the
 * oracles hold; and when it is over the VM runs and can be moved, unless it was lost with a host. */
#include <criterion/criterion.h>

#include "tests/migration/rig.h"

#include "sim/chance.h"

#include <stdio.h>
#include <string.h>

#ifndef STORM_SEEDS /* more of them by hand: make EXTRA_CFLAGS=-DSTORM_SEEDS=10000 */
#define STORM_SEEDS RIG_STRIDE(300, 30)
#endif
#define STRIKES_MAX 6u
#define CALLS                                                                                      \
    160u /* strikes come at one of the first so many calls of a node after the first order */
#define STORE_FULL_NS_MAX (4 * SIM_S)
#define CALM_AT           (60 * SIM_S) /* no strike after that; its end may be later */

static const char scenario_text[] =
    "name: storm\n"
    "networks:\n"
    "  lan:  {rate: 1Gbit/s, delay: 5us}\n"
    "  move: {rate: 1Gbit/s, delay: 5us}\n"
    "nodes:\n"
    "  node1..node2: {cores: 2, memory: 64MiB, nics: [lan, move]}\n"
    "vms:\n"
    "  web:\n"
    "    node: node1\n"
    "    memory: 256KiB\n"
    "    nics: [lan]\n"
    "    guest: {writers: [{pages: 128KiB, touch: 500/s, order: uniform}]}\n"
    "timeline:\n"
    "  - {at: 1s, live-migrate: {vm: web, to: node2, over: [move], rounds: 2}, as: one}\n"
    "  - {at: 15s, live-migrate: {vm: web, to: node2, over: [move], rounds: 2}, as: two}\n"
    "  - {at: 30s, power: {machine: web, do: power-on}}\n"
    "  - {at: 31s, live-migrate: {vm: web, to: node1, over: [move], rounds: 2}, as: three}\n"
    "  - {at: 45s, live-migrate: {vm: web, to: node2, over: [move], rounds: 2}, as: four}\n"
    "  - {at: 140s, live-migrate: {vm: web, to: node1, over: [move], rounds: 2}, as: home}\n"
    "  - {at: 160s, live-migrate: {vm: web, to: node2, over: [move], rounds: 2}, as: away}\n"
    "end: {at: 200s}\n";

enum strike_kind { CRASH, HANG, CUT_TO, CUT_FROM, CUT_BOTH, STORE_FULL, STRIKE_KINDS };
static const char *const strike_names[STRIKE_KINDS] = {"crash",    "hang", "cut towards",
                                                       "cut from", "cut",  "full store"};

struct storm;
struct strike {
    struct storm *storm;
    enum strike_kind kind;
    uint32_t node;      /* that is struck */
    uint32_t call_node; /* whose call it is */
    uint64_t call;
    sim_time for_ns;
    uint32_t event, mend_event;
    bool struck;
};

struct storm {
    struct world *world;
    struct strike strikes[STRIKES_MAX];
    uint32_t count;
    uint64_t calls[2];
};

static uint64_t draw(uint64_t seed, const char *what, uint64_t ordinal)
{
    return chance_at(chance_key(seed, what, "storm"), ordinal);
}

/* Durations from a millisecond to 16 s, short ones as often as long ones. */
static sim_time draw_duration(uint64_t seed, uint32_t i)
{
    uint64_t power = draw(seed, "power", i) % 14;
    return (sim_time)((UINT64_C(1) << power) * (uint64_t)SIM_MS +
                      draw(seed, "rest", i) % (UINT64_C(1) << power) * (uint64_t)SIM_MS);
}

static void plan(struct storm *storm, uint64_t seed)
{
    storm->count = 1 + (uint32_t)(draw(seed, "count", 0) % STRIKES_MAX);
    for (uint32_t i = 0; i < storm->count; i++) {
        storm->strikes[i] = (struct strike){
            .storm = storm,
            .kind = (enum strike_kind)(draw(seed, "kind", i) % STRIKE_KINDS),
            .node = (uint32_t)(draw(seed, "node", i) % 2),
            .call_node = (uint32_t)(draw(seed, "whose", i) % 2),
            .call = draw(seed, "call", i) % CALLS,
            .for_ns = draw_duration(seed, i),
        };
        if (storm->strikes[i].kind == STORE_FULL && storm->strikes[i].for_ns > STORE_FULL_NS_MAX) {
            storm->strikes[i].for_ns = STORE_FULL_NS_MAX; /* no oracle knows of it */
        }
    }
}

static void set(struct strike *strike, bool bad)
{
    struct world *world = strike->storm->world;
    struct scenario_part node = {SCENARIO_NODE, strike->node};
    struct world_link *wire = world->nodes[strike->node].links[1];
    switch (strike->kind) {
    case CRASH:
        world_set_power(world, node, !bad, 0);
        break;
    case HANG:
        world_set_frozen(world, node, bad, 0);
        break;
    case STORE_FULL:
        node_store_set_full(world->nodes[strike->node].side->store, bad);
        break;
    default:
        if (strike->kind != CUT_FROM) {
            link_set_down(wire->to, bad, 0);
        }
        if (strike->kind != CUT_TO) {
            link_set_down(wire->from, bad, 0);
        }
        break;
    }
}

static void on_strike(void *context)
{
    struct strike *strike = context;
    struct sim *sim = strike->storm->world->sim;
    set(strike, true);
    sim_event_arm(sim, strike->mend_event, sim_now(sim) + strike->for_ns);
}

static void on_mend(void *context)
{
    set(context, false);
}

static void on_call(struct storm *storm, uint32_t node)
{
    struct sim *sim = storm->world->sim;
    if (sim_now(sim) < SIM_S || sim_now(sim) >= CALM_AT) {
        return;
    }
    uint64_t call = storm->calls[node]++;
    for (uint32_t i = 0; i < storm->count; i++) {
        struct strike *strike = &storm->strikes[i];
        if (!strike->struck && strike->call_node == node && strike->call == call) {
            strike->struck = true;
            sim_event_arm(sim, strike->event, sim_now(sim));
        }
    }
}

static void on_call_of_node1(void *context, uint64_t ordinal)
{
    (void)ordinal;
    on_call(context, 0);
}

static void on_call_of_node2(void *context, uint64_t ordinal)
{
    (void)ordinal;
    on_call(context, 1);
}

static void arm(struct storm *storm)
{
    struct world *world = storm->world;
    for (uint32_t i = 0; i < storm->count; i++) {
        struct strike *strike = &storm->strikes[i];
        strike->event = sim_event_new(world->sim, world->control_origin, on_strike, strike);
        strike->mend_event = sim_event_new(world->sim, world->control_origin, on_mend, strike);
    }
    for (uint32_t node = 0; node < 2; node++) {
        world->nodes[node].side->probe = node == 0 ? on_call_of_node1 : on_call_of_node2;
        world->nodes[node].side->probe_context = storm;
    }
}

static void describe(const struct storm *storm, char *out, size_t capacity)
{
    size_t at = 0;
    out[0] = 0;
    for (uint32_t i = 0; i < storm->count && at < capacity; i++) {
        const struct strike *s = &storm->strikes[i];
        int n = snprintf(
            out + at, capacity - at, "%s%s of node%u at call %llu of node%u for %lld ms%s",
            i > 0 ? ", " : "", strike_names[s->kind], s->node + 1, (unsigned long long)s->call,
            s->call_node + 1, (long long)(s->for_ns / SIM_MS), s->struck ? "" : " (never)");
        at += n > 0 ? (size_t)n : 0;
    }
}

/* One storm; "" or what was wrong. */
static void run_storm(uint64_t seed, char *why, size_t capacity)
{
    struct scenario *scenario = rig_load(scenario_text, NULL);
    struct run *run =
        run_new(&(struct run_options){.scenario = scenario, .until = SIM_NEVER, .version = "test"},
                why, capacity);
    cr_assert(run != NULL);
    struct storm storm = {.world = run_world(run)};
    plan(&storm, seed);
    arm(&storm);
    cr_assert(run_go(run, SIM_NEVER) == RUN_OVER);
    struct vm_instance *there = vm_host_find(&storm.world->nodes[1].vm_host, "web");
    struct vm_instance *here = vm_host_find(&storm.world->nodes[0].vm_host, "web");
    bool runs = there != NULL && vm_instance_state(there) == VM_RUNNING;
    enum vm_instance_state here_state = here != NULL ? vm_instance_state(here) : VM_EMPTY;
    enum vm_instance_state there_state = there != NULL ? vm_instance_state(there) : VM_EMPTY;
    bool is_somewhere = here != NULL || there != NULL;
    uint32_t active = migration_service_active(storm.world->nodes[0].migration) +
                      migration_service_active(storm.world->nodes[1].migration);
    for (uint32_t i = 0; i < storm.count; i++) {
        sim_event_free(storm.world->sim, storm.strikes[i].event);
        sim_event_free(storm.world->sim, storm.strikes[i].mend_event);
    }
    bool finished = run_finish(run, why, capacity);
    cr_assert(finished);
    rig_violation(run_result_of(run), why, capacity);
    if (why[0] == 0 && is_somewhere && !runs) {
        snprintf(why, capacity, "it does not run at the end (at node1 %d, at node2 %d)",
                 here != NULL ? (int)here_state : -1, there != NULL ? (int)there_state : -1);
    } else if (why[0] == 0 && active > 0) {
        snprintf(why, capacity, "%u migrations are not settled at the end", active);
    }
    if (why[0] != 0) {
        size_t at = strlen(why);
        snprintf(why + at, capacity - at, " after: ");
        describe(&storm, why + strlen(why), capacity - strlen(why));
    }
    run_free(run);
    scenario_free(scenario);
}

Test(storm, leaves_one_instance_or_a_loss)
{
    for (uint64_t seed = 1; seed <= STORM_SEEDS; seed++) {
        char why[1024];
        run_storm(seed, why, sizeof why);
        cr_expect(why[0] == 0, "seed %llu: %s", (unsigned long long)seed, why);
    }
}
