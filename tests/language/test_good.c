/* What right scenarios are loaded as, and that what --resolved prints of them is the same scenario. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "testbed/expression.h"
#include "testbed/resolved.h"
#include "testbed/schema.h"
#include "testbed/schema_docs.h"
#include "tests/language/helpers.h"

/* V1: text of the resolved scenario, loaded and resolved again, is the same text. */
static void round_trip(struct scenario *scenario, const char *what)
{
    size_t length;
    char *first = resolved_text(scenario, &length);
    struct scenario_options options = {.directory = scenario->directory};
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *again = scenario_load_text("resolved", first, length, &options, diagnostics);
    if (again == NULL) {
        char *errors = helper_print(diagnostics);
        cr_assert_fail("%s does not load from what it resolves to:\n%s", what, errors);
    }
    char *second = resolved_text(again, NULL);
    cr_expect_str_eq(first, second, "%s changes when it is resolved twice", what);
    cr_expect_eq(scenario->name_count, again->name_count);
    scenario_check(again);
    scenario_free(again);
    diagnostics_free(diagnostics);
    free(first);
    free(second);
}

Test(good, shipped_scenarios_load_and_resolve_to_themselves)
{
    static const char *const patterns[] = {"scenarios/*.yaml", "scenarios/bench/*.yaml",
                                           "tests/language/good/*.yaml"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        char **paths = helper_glob(patterns[i]);
        for (size_t j = 0; paths[j] != NULL; j++) {
            struct scenario *scenario = helper_load_path(paths[j], NULL);
            round_trip(scenario, paths[j]);
            scenario_free(scenario);
        }
        helper_free_paths(paths);
    }
}

Test(good, examples_of_the_reference_load)
{
    unsigned count = 0;
    for (; schema_docs_example(count) != NULL; count++) {
        struct scenario *scenario = helper_load_cell(schema_docs_example(count), 0);
        round_trip(scenario, schema_docs_example(count));
        scenario_free(scenario);
    }
    cr_expect_geq(count, 10);
}

Test(good, every_part_of_the_file_may_be_left_out)
{
    struct scenario *scenario = helper_load("name: nothing at all\n");
    cr_expect_str_eq(scenario->name, "nothing at all");
    cr_expect_eq(scenario->seed, 1);
    cr_expect_eq(scenario->end.kind, SCENARIO_END_AFTER_LAST);
    cr_expect_eq(scenario->end.after_last_ns, 10 * SIM_S);
    cr_expect_eq(scenario->end.at_most_ns, 3600 * SIM_S);
    round_trip(scenario, "an empty scenario");
    scenario_free(scenario);
    scenario = helper_load("vms:\ntimeline:\nnodes: {}\nexpect: []\n");
    cr_expect_str_eq(scenario->name, "test");
    scenario_free(scenario);
}

static uint32_t node_of(const struct scenario *scenario, const char *vm)
{
    struct scenario_part part = scenario_find(scenario, vm);
    cr_assert_eq(part.kind, SCENARIO_VM, "%s", vm);
    return scenario->vms[part.index].node;
}

Test(good, ranges_deal_out_in_turn_and_parts_are_ordered_by_number)
{
    struct scenario *scenario =
        helper_load("networks:\n  lan: {rate: 1Gbit/s}\n  w1..w2: {rate: 1Gbit/s}\n"
                    "nodes:\n  node9..node12: {memory: 8GiB, nics: [lan, w1..w2]}\n"
                    "  node2: {memory: 8GiB, nics: [lan]}\n"
                    "vms:\n  v01..v06: {node: node9..node12, memory: 1MiB, nics: [lan]}\n"
                    "  a: {node: node2, memory: 1MiB}\n");
    static const char *const nodes[] = {"node2", "node9", "node10", "node11", "node12"};
    cr_assert_eq(scenario->node_count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        cr_expect_str_eq(scenario->nodes[i].name, nodes[i]);
    }
    cr_assert_eq(scenario->vm_count, 7);
    cr_expect_str_eq(scenario->vms[0].name, "a");
    static const char *const vms[] = {"v01", "v02", "v03", "v04", "v05", "v06"};
    for (uint32_t i = 0; i < 6; i++) {
        cr_expect_eq(node_of(scenario, vms[i]), 1 + i % 4, "%s", vms[i]);
    }
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t network = scenario->nodes[1 + i].nics.items[1];
        cr_expect_str_eq(scenario->networks[network].name, i % 2 == 0 ? "w1" : "w2");
    }
    struct scenario_part link = scenario_find(scenario, "node11/w1");
    cr_assert_eq(link.kind, SCENARIO_LINK);
    cr_expect_eq(scenario->links[link.index].machine.index, 3);
    cr_expect_eq(scenario_link_find(scenario, (struct scenario_part){SCENARIO_NODE, 3},
                                    scenario->links[link.index].network),
                 link.index);
    cr_expect_eq(scenario_link_find(scenario, (struct scenario_part){SCENARIO_NODE, 0}, 1),
                 SIM_NONE);
    cr_expect_eq(scenario_find(scenario, "node12/w1").kind, SCENARIO_NO_PART);
    cr_expect_eq(scenario->networks[0].subnet.address, UINT32_C(0x0a010000));
    cr_expect_eq(scenario->networks[2].subnet.address, UINT32_C(0x0a030000));
    round_trip(scenario, "ranges");
    scenario_free(scenario);
}

Test(good, processors_decide_paging_and_dirty_log)
{
    static const struct {
        const char *keys;
        enum scenario_paging paging;
        enum scenario_dirty_log dirty_log;
    } cases[] = {
        {"cpu: intel/core2", SCENARIO_SHADOW, SCENARIO_WRITE_PROTECT},
        {"cpu: intel/nehalem", SCENARIO_EPT, SCENARIO_WRITE_PROTECT},
        {"cpu: intel/westmere", SCENARIO_EPT, SCENARIO_WRITE_PROTECT},
        {"cpu: intel/haswell", SCENARIO_EPT, SCENARIO_DIRTY_BITS},
        {"cpu: intel/broadwell", SCENARIO_EPT, SCENARIO_PML},
        {"cpu: intel/broadwell, paging: shadow", SCENARIO_SHADOW, SCENARIO_WRITE_PROTECT},
        {"cpu: intel/broadwell, dirty-log: dirty-bits", SCENARIO_EPT, SCENARIO_DIRTY_BITS},
        {"cpu: amd/k8", SCENARIO_SHADOW, SCENARIO_WRITE_PROTECT},
        {"cpu: amd/k8, dirty-log: dirty-bits", SCENARIO_SHADOW, SCENARIO_DIRTY_BITS},
        {"cpu: amd/k10", SCENARIO_NPT, SCENARIO_DIRTY_BITS},
        {"cpu: amd/zen, dirty-log: write-protect", SCENARIO_NPT, SCENARIO_WRITE_PROTECT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "nodes:\n  host: {memory: 1GiB, %s}\n", cases[i].keys);
        struct scenario *scenario = helper_load(text);
        cr_expect_eq(scenario->nodes[0].paging, cases[i].paging, "%s", cases[i].keys);
        cr_expect_eq(scenario->nodes[0].dirty_log, cases[i].dirty_log, "%s", cases[i].keys);
        scenario_free(scenario);
    }
}

Test(good, the_timeline_as_structs)
{
    struct scenario *scenario = helper_load_path("tests/language/good/everything.yaml", NULL);
    const struct scenario_item *items = scenario->timeline;
    cr_assert_eq(scenario->item_count, 20);
    cr_expect_eq(items[0].kind, SCENARIO_PING);
    cr_expect_str_eq(items[0].name, "ping1");
    cr_expect(!items[0].named);
    cr_expect_eq(items[0].action.ping.from.kind, SCENARIO_CLIENT);
    cr_expect_eq(items[0].action.ping.count, 5);
    cr_expect_eq(items[1].action.request.pace, SCENARIO_THINK);
    cr_expect_eq(items[1].action.request.think_ns, 20 * SIM_MS);
    cr_expect_eq(items[1].action.request.every_ns, QUANTITY_ABSENT);
    cr_expect_eq(items[2].action.bulk.congestion, SCENARIO_RENO, "as the sender's tcp says");
    cr_expect_eq(items[2].action.bulk.over, 1);
    cr_expect(!items[2].action.bulk.close);
    const struct scenario_migrate *migrate = &items[3].action.migrate;
    cr_assert_eq(migrate->over.count, 2);
    cr_expect_str_eq(scenario->networks[migrate->over.items[0]].name, "migration");
    cr_expect_str_eq(scenario->networks[migrate->over.items[1]].name, "lan");
    cr_expect_eq(migrate->time_limit_ns, QUANTITY_ABSENT);
    cr_expect_eq(items[4].trigger, SCENARIO_WHEN);
    cr_expect_eq(items[4].delay_ns, 10 * SIM_MS);
    cr_expect_eq(items[4].nth, 2);
    cr_expect_eq(items[4].action.fault.target, SCENARIO_FAULT_LINK);
    cr_expect_eq(items[4].action.fault.value[FAULT_DOWN], 1);
    cr_expect_eq(items[4].action.fault.value[FAULT_LOSS], QUANTITY_ABSENT);
    cr_expect_eq(items[4].action.fault.direction, SCENARIO_TO);
    cr_expect_eq(items[5].action.fault.value[FAULT_LOSS], 10000000);
    cr_expect_eq(items[5].action.fault.value[FAULT_RATE], 10000000);
    cr_expect_eq(items[5].action.fault.nth, QUANTITY_ABSENT);
    cr_expect_eq(items[6].action.fault.target, SCENARIO_FAULT_MACHINE);
    cr_expect_eq(items[6].action.fault.machine.kind, SCENARIO_VM);
    cr_expect_eq(items[6].action.fault.value[FAULT_FREEZE], 1);
    cr_expect_eq(items[7].action.cancel.migration, 3);
    cr_expect_eq(items[8].action.power.verb, SCENARIO_POWER_OFF);
    cr_expect_eq(items[9].action.force_resume.node, 1);
    cr_expect_eq(items[10].action.stop.what, 1);
    cr_expect_eq(items[11].action.fault.nth, 3);
    cr_assert_eq(scenario->expect_count, 4);
    cr_expect_str_eq(scenario->expect[0].text, "web.node == node2");
    cr_expect_str_eq(scenario->expect[1].text, "never web.paused-for > 1s");
    cr_expect_str_eq(scenario->expect[2].text, "always node1.state == running");
    cr_expect_str_eq(scenario->expect[3].text, "within 10s after move.end: web.state == running");
    cr_expect_eq(scenario->end.kind, SCENARIO_END_WHEN);
    cr_expect_eq(scenario->end.then_ns, 5 * SIM_S);
    scenario_free(scenario);
}

Test(good, faults_of_the_network_as_structs)
{
    struct scenario *scenario = helper_load_path("tests/language/good/network-faults.yaml", NULL);
    const struct scenario_item *items = scenario->timeline;
    cr_assert_eq(scenario->item_count, 16);
    const struct scenario_fault *flap = &items[0].action.fault;
    cr_assert_eq(flap->links.count, 4, "the pattern adds two to those that are named");
    for (uint32_t i = 1; i < flap->links.count; i++) {
        cr_expect_lt(flap->links.items[i - 1].index, flap->links.items[i].index);
    }
    cr_expect_eq(flap->link.index, flap->links.items[0].index);
    cr_expect_eq(flap->flap.down_ns, 2 * SIM_S);
    cr_expect_eq(flap->flap.up_ns, 5 * SIM_S);
    cr_expect_eq(flap->value[FAULT_FLAP], 1);
    cr_expect_eq(flap->value[FAULT_BURSTS], QUANTITY_ABSENT);
    const struct scenario_fault *bursts = &items[1].action.fault;
    cr_expect_eq(bursts->links.count, scenario->link_count);
    cr_expect_eq(bursts->value[FAULT_BURSTS], 1);
    cr_expect_eq(bursts->bursts.begin_ppb, 1000000);
    cr_expect_eq(bursts->bursts.loss_ppb, 900000000);
    cr_expect_eq(items[2].action.fault.value[FAULT_CORRUPT_REPAIRED], 30000000);
    cr_expect_eq(items[3].action.fault.hold_ns, 5 * SIM_MS);
    cr_expect_eq(items[3].action.fault.shape, SCENARIO_JITTER_NORMAL);
    const struct scenario_fault *crash = &items[8].action.fault;
    cr_assert_eq(crash->machines.count, 3);
    cr_expect_eq(crash->machines.items[0].kind, SCENARIO_NODE);
    cr_expect_eq(crash->machines.items[2].kind, SCENARIO_VM, "in the order of kinds");
    cr_expect_eq(items[9].action.fault.machines.count, 3, "nodes alone begin with n");
    cr_expect_eq(items[10].action.fault.claims.kind, SCENARIO_VM);
    cr_expect_eq(items[10].action.fault.value[FAULT_CLAIMS], 1);
    cr_expect_eq(items[11].action.fault.target, SCENARIO_FAULT_SWITCH);
    cr_expect_eq(items[11].action.fault.network, 0);
    const struct scenario_fault *cut = &items[14].action.fault;
    cr_expect_eq(cut->target, SCENARIO_FAULT_PAIR);
    cr_expect(cut->one_way);
    cr_expect_eq(cut->others.count, 2);
    cr_expect_eq(cut->over, SIM_NONE);
    cr_expect_eq(items[15].action.fault.over, 1);
    scenario_free(scenario);
}

Test(good, set_replaces_and_adds)
{
    static const char *const sets[] = {"vms.web.memory=2GiB",
                                       "timeline.move.live-migrate.rounds=3",
                                       "timeline.0.ping={from: alice, to: node1}",
                                       "nodes.node1..node2.cores=4",
                                       "clients.bob.nics=[lan]",
                                       "vms.web.guest.writers=[{pages: 1MiB, touch: 1/s}]",
                                       "vms.web.guest.writers.0.touch=7/s",
                                       "name=",
                                       "seed=9"};
    struct scenario_options options = {.set = sets, .set_count = sizeof(sets) / sizeof(sets[0])};
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario =
        scenario_load_text("base", helper_base, strlen(helper_base), &options, diagnostics);
    cr_assert_not_null(scenario);
    cr_expect_eq(scenario->vms[0].memory_bytes, INT64_C(2) << 30);
    cr_expect_eq(scenario->timeline[1].action.migrate.rounds, 3);
    cr_expect_eq(scenario->timeline[0].action.ping.to.kind, SCENARIO_NODE);
    cr_expect_eq(scenario->nodes[1].cores, 4);
    cr_expect_eq(scenario->client_count, 2);
    cr_expect_eq(scenario->vms[0].guest.writers[0].touch_per_hour, 7 * 3600);
    cr_expect_str_eq(scenario->name, "");
    cr_expect_eq(scenario->seed, 9);
    round_trip(scenario, "with --set");
    scenario_free(scenario);
    diagnostics_free(diagnostics);
}

/* Aliases bring copies, and their places stay those of the anchor. */
Test(good, aliases)
{
    struct scenario *scenario =
        helper_load("networks:\n  lan: &net {rate: 1Gbit/s}\n  san: *net\n"
                    "nodes:\n  a: &node {memory: 1GiB, nics: &nics [lan, san]}\n"
                    "  b: *node\nclients:\n  c: {nics: *nics}\n");
    cr_expect_eq(scenario->networks[1].rate_bps, 1000000000);
    cr_expect_eq(scenario->nodes[1].nics.count, 2);
    cr_expect_eq(scenario->clients[0].nics.count, 2);
    scenario_free(scenario);
}

/* V1 for texts: whatever a text holds, it is printed so that it is read back. */
Test(good, texts_survive)
{
    static const char *const names[] = {
        "\\N \\L \\P \\uFEFF \\x81 \\uFFFE \\U0001F600 \\t \\\\ \\\" \\r\\n \\x7f",
        "caf\xc3\xa9 # not a comment",
        "- a: [b, {c",
        "'",
        "null",
        "true",
        "12",
        "",
        " x ",
        "a\\n\\nb\\n",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "name: \"%s\"\n", names[i]);
        struct scenario *scenario = helper_load(text);
        size_t length;
        char *resolved = resolved_text(scenario, &length);
        struct diagnostics *diagnostics = diagnostics_new();
        struct scenario *again = scenario_load_text("x", resolved, length, NULL, diagnostics);
        cr_assert_not_null(again, "%s", resolved);
        cr_expect_str_eq(again->name, scenario->name);
        free(resolved);
        scenario_free(again);
        scenario_free(scenario);
        diagnostics_free(diagnostics);
    }
}

Test(good, the_schema_keeps_its_rules)
{
    schema_check();
}
