/* testbed/schema_table.c - rows of the schema: ends, expectations, the whole file. */
#include "testbed/schema_maps.h"

/* ---- end and expectations ------------------------------------------------------------------------------------------ */

static const struct schema_group end_groups[] = {{.what = "a rule",
                                                  .exclusive = true,
                                                  .stored = true,
                                                  .offset = offsetof(struct scenario_end, kind)}};
static const struct schema_key end_keys[] = {
    {.name = "at",
     AT(scenario_end, at_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = 1,
     .max = YEAR,
     .group = 1,
     .group_value = SCENARIO_END_AT,
     .meaning = "At this time."},
    {.name = "when",
     AT(scenario_end, when),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_END_WHEN,
     .meaning = "When this condition becomes true."},
    {.name = "after-last",
     AT(scenario_end, after_last_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = YEAR,
     .group = 1,
     .group_value = SCENARIO_END_AFTER_LAST,
     .derived = "10s, where neither `at` nor `when` is given",
     .meaning = "This long after every item of the timeline has fired and whatever ends by itself "
                "has ended."},
    {.name = "then",
     AT(scenario_end, then_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = YEAR,
     .after = "when",
     .default_text = "0s",
     .meaning = "How long after `when` the run goes on."},
    {.name = "at-most",
     AT(scenario_end, at_most_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = 1,
     .max = YEAR,
     .derived = "1h, where `at` is not given",
     .meaning = "The run ends here at the latest."},
};

static const struct schema_map end_map = {
    .name = "end",
    .bytes = sizeof(struct scenario_end),
    KEYS(end_keys),
    GROUPS(end_groups),
    .meaning = "When the run ends.",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1..node2: {memory: 8GiB, nics: [lan]}\n"
               "vms:\n"
               "  web: {node: node1, memory: 1GiB, nics: [lan]}\n"
               "timeline:\n"
               "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
               "end: {when: move.end, then: 5s, at-most: 10min}\n",
};

static const struct schema_group step_groups[] = {{.what = "a step",
                                                   .required = true,
                                                   .exclusive = true,
                                                   .stored = true,
                                                   .offset = offsetof(struct scenario_step, kind)}};
static const struct schema_key step_keys[] = {
    {.name = "becomes",
     AT(scenario_step, holds),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_STEP_CONDITION,
     .meaning = "This condition becomes true. A condition alone in the list means the same."},
    {.name = "record",
     AT(scenario_step, record),
     .type = SCHEMA_TEXT,
     .group = 1,
     .group_value = SCENARIO_STEP_RECORD,
     .meaning = "A record of this kind is written; the kinds stand under [Records](#records)."},
    {.name = "of",
     AT(scenario_step, of),
     .type = SCHEMA_TEXT,
     .after = "record",
     .derived = "whatever it speaks of",
     .meaning = "The part that it speaks of, by name or glob; of a migration's record the "
                "migration or the node that wrote it."},
    {.name = "text",
     AT(scenario_step, record_text),
     .type = SCHEMA_TEXT,
     .after = "record",
     .derived = "any",
     .meaning = "Its text, `*` for any characters and `?` for one: `stop-copy`, `off*`; "
                "quoted where it begins with `*`."},
};
static const struct schema_map step_map = {
    .name = "expect.sequence",
    .bytes = sizeof(struct scenario_step),
    KEYS(step_keys),
    GROUPS(step_groups),
    .shorthand = "becomes",
    .meaning = "What has to happen, step by step. Conditions count when they become true (or are "
               "at the start of the run), so one that is true already is none of the steps. If the "
               "first step happens again, both "
               "beginnings are followed. It holds from the last step on; it is unknown where the "
               "first never happened.",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1..node2: {memory: 8GiB, nics: [lan]}\n"
               "clients:\n"
               "  alice: {nics: [lan]}\n"
               "vms:\n"
               "  web: {node: node1, memory: 1GiB, nics: [lan]}\n"
               "timeline:\n"
               "  - {at: 0s, ping: {from: alice, to: web, every: 10ms, timeout: 20ms}, as: ping}\n"
               "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
               "expect:\n"
               "  - {sequence: [move.step == stop-copy, ping.lost > 0, move.end], within: 2s}\n"
               "  - sequence:\n"
               "      - {record: migration.step, of: move, text: stop-copy}\n"
               "      - {record: vm.paused, of: web}\n"
               "      - {record: vm.runs, of: web}\n"
               "      - move.end\n",
};

static const struct schema_group expect_groups[] = {
    {.what = "an expectation",
     .required = true,
     .exclusive = true,
     .stored = true,
     .offset = offsetof(struct scenario_expect, kind)}};
static const struct schema_key expect_keys[] = {
    {.name = "that",
     AT(scenario_expect, holds),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_EXPECT_THAT,
     .meaning = "Holds at the end of the run. A condition alone in the list means the same."},
    {.name = "never",
     AT(scenario_expect, holds),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_EXPECT_NEVER,
     .meaning = "Holds at no moment of the run."},
    {.name = "always",
     AT(scenario_expect, holds),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_EXPECT_ALWAYS,
     .meaning = "Holds at every moment of the run at which it is known."},
    {.name = "holds",
     AT(scenario_expect, holds),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_EXPECT_WITHIN,
     .after = "within",
     .meaning = "With `within` and `after`: becomes true in that time."},
    {.name = "within",
     AT(scenario_expect, within_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = YEAR,
     .meaning = "How soon: with `after` and `holds` from then on, with `sequence` from its first "
                "step to its last."},
    {.name = "after",
     AT(scenario_expect, after),
     .type = SCHEMA_CONDITION,
     .after = "holds",
     .meaning = "The instant from which that is counted: when this condition becomes true, as in "
                "`move.end`."},
    {.name = "sequence",
     LIST_AT(scenario_expect, steps, step_count),
     .type = SCHEMA_MAP_LIST,
     .map = &step_map,
     .group = 1,
     .group_value = SCENARIO_EXPECT_SEQUENCE,
     .meaning = "These happen one after the other, in this order, with anything in between."},
};

static const struct schema_map expect_map = {
    .name = "expect",
    .bytes = sizeof(struct scenario_expect),
    KEYS(expect_keys),
    GROUPS(expect_groups),
    .shorthand = "that",
    .meaning = "A list of what should be true. One that fails makes the run fail (exit status 1); "
               "one about something that "
               "never happened is unknown (exit status 4).",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1..node2: {memory: 8GiB, nics: [lan]}\n"
               "clients:\n"
               "  alice: {nics: [lan]}\n"
               "vms:\n"
               "  web: {node: node1, memory: 1GiB, nics: [lan]}\n"
               "timeline:\n"
               "  - {at: 0s, ping: {from: alice, to: web, every: 10ms}, as: ping}\n"
               "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
               "expect:\n"
               "  - web.node == node2\n"
               "  - move.downtime < 500ms and ping.lost <= 10\n"
               "  - move.bytes-sent / web.memory < 150%\n"
               "  - {within: 10s, after: move.end, holds: web.state == running}\n"
               "  - {never: web.paused-for > 1s}\n"
               "  - {always: node1.state == running}\n"
               "  - each(node*.state == running)\n",
};

/* ---- sweeps -------------------------------------------------------------------------------------------------------- */

static const struct schema_key sweep_keys[] = {
    {.name = "fault",
     AT(scenario_sweep, fault),
     .type = SCHEMA_MAP,
     .map = &schema_fault,
     .required = true,
     .meaning = "The fault, as in an item of the timeline, without a trigger of its own."},
    {.name = "at",
     AT(scenario_sweep, at),
     .type = SCHEMA_TEXT,
     .required = true,
     .meaning = "The points: `each frame of FILTER` (`each frame`: all of them), `each NAME.step` "
                "of a live migration, or `each record of KIND` (docs/formats.md has the kinds). A "
                "fault of single frames strikes the frame itself, any other just after it, the "
                "step or the record."},
    {.name = "link",
     AT(scenario_sweep, link),
     .type = SCHEMA_PART,
     .parts = PART(SCENARIO_LINK),
     .derived = "the link of the fault",
     .meaning = "With `each frame`: the link whose frames, in both directions, are the points."},
    {.name = "point",
     AT(scenario_sweep, point),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = INT64_C(1000000000000),
     .derived = "none: `orrery run` runs them all and prints the table",
     .meaning = "Runs this one point alone, counted from 1; `orrery run FILE --point N` says the "
                "same."},
};

static const struct schema_map sweep_map = {
    .name = "sweep",
    .bytes = sizeof(struct scenario_sweep),
    KEYS(sweep_keys),
    .source_marks = true,
    .meaning =
        "A first run finds the points. Then each is run with the fault there and nowhere "
        "else, and judged by the expectations and oracles of the file; the report is a table "
        "of what came of them, with a command that repeats one run of each sort.",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1..node2: {memory: 1GiB, nics: [lan]}\n"
               "vms:\n"
               "  web: {node: node1, memory: 8MiB, nics: [lan]}\n"
               "timeline:\n"
               "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
               "sweep:\n"
               "  fault: {link: node2/lan, loss: 100%}\n"
               "  at: each frame of tcp port 6600\n"
               "expect:\n"
               "  - web.state == running\n"
               "  - move.outcome == succeeded\n",
};

/* ---- tables of cells ----------------------------------------------------------------------------------------------- */

static const struct schema_key column_keys[] = {
    {.name = "show",
     AT(scenario_column, show),
     .type = SCHEMA_PROPERTY,
     .required = true,
     .meaning = "The property. A property alone in the list means the same."},
    {.name = "heading",
     AT(scenario_column, heading),
     .type = SCHEMA_TEXT,
     .derived = "the property",
     .meaning = "What stands over the column."},
};

static const struct schema_map column_map = {
    .name = "report",
    .bytes = sizeof(struct scenario_column),
    KEYS(column_keys),
    .shorthand = "show",
    .meaning = "The columns of the table that a scenario with `vary` gives, beside the values that "
               "vary.",
    .example = "vary: {rate: [100Mbit/s, 1Gbit/s], memory: [1GiB, 4GiB]}\n"
               "networks:\n"
               "  lan: {rate: $rate}\n"
               "nodes:\n"
               "  node1..node2: {memory: 8GiB, nics: [lan]}\n"
               "vms:\n"
               "  web: {node: node1, memory: $memory, nics: [lan]}\n"
               "timeline:\n"
               "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
               "report: [move.outcome, {show: move.downtime, heading: pause}]\n"
               "best: {min: move.downtime}\n",
};

static const struct schema_group best_groups[] = {{.what = "a rule",
                                                   .required = true,
                                                   .exclusive = true,
                                                   .stored = true,
                                                   .offset = offsetof(struct scenario_best, kind)}};
static const struct schema_key best_keys[] = {
    {.name = "min",
     AT(scenario_best, of),
     .type = SCHEMA_PROPERTY,
     .group = 1,
     .group_value = SCENARIO_BEST_MIN,
     .meaning = "The cell with the smallest value of this property."},
    {.name = "max",
     AT(scenario_best, of),
     .type = SCHEMA_PROPERTY,
     .group = 1,
     .group_value = SCENARIO_BEST_MAX,
     .meaning = "The cell with the largest."},
};

static const struct schema_map best_map = {
    .name = "best",
    .bytes = sizeof(struct scenario_best),
    KEYS(best_keys),
    GROUPS(best_groups),
    .source_marks = true,
    .meaning = "Which cell of a scenario with `vary` is marked as the best, of those that pass.",
};

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static const struct schema_choice ties_choices[] = {
    {"sorted", SCENARIO_TIES_SORTED,
     "events of one instant happen in the order of their parts' names"},
    {"shuffle", SCENARIO_TIES_SHUFFLE,
     "in an order drawn from the seed: what depends on it is a race"},
    {0}};

static const struct schema_key scenario_keys[] = {
    {.name = "name",
     AT(scenario, name),
     .type = SCHEMA_TEXT,
     .derived = "the name of the file",
     .meaning = "What it is about, in words."},
    {.name = "seed",
     AT(scenario, seed),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .max = INT64_MAX,
     .default_text = "1",
     .meaning = "Every draw of chance follows from it; the same file and seed give the same run, "
                "to the bit."},
    {.name = "ties",
     AT(scenario, ties),
     .type = SCHEMA_CHOICE,
     .choices = ties_choices,
     .default_text = "sorted",
     .meaning = "The order of what happens at the same nanosecond."},
    {.name = "networks",
     LIST_AT(scenario, networks, network_count),
     .type = SCHEMA_PARTS,
     .map = &schema_network,
     .parts = PART(SCENARIO_NETWORK),
     .meaning = "Networks, by name."},
    {.name = "nodes",
     LIST_AT(scenario, nodes, node_count),
     .type = SCHEMA_PARTS,
     .map = &schema_node,
     .parts = PART(SCENARIO_NODE),
     .meaning = "Hosts, by name."},
    {.name = "clients",
     LIST_AT(scenario, clients, client_count),
     .type = SCHEMA_PARTS,
     .map = &schema_client,
     .parts = PART(SCENARIO_CLIENT),
     .meaning = "Machines outside the cluster, by name."},
    {.name = "vms",
     LIST_AT(scenario, vms, vm_count),
     .type = SCHEMA_PARTS,
     .map = &schema_vm,
     .parts = PART(SCENARIO_VM),
     .meaning = "Virtual machines, by name."},
    {.name = "policy",
     AT(scenario, policy),
     .type = SCHEMA_MAP,
     .map = &schema_policy,
     .meaning = "How migrations decide, where they do not say so themselves."},
    {.name = "timeline",
     LIST_AT(scenario, written, written_count),
     .type = SCHEMA_MAP_LIST,
     .map = &schema_item,
     .meaning = "What happens."},
    {.name = "sweep",
     AT(scenario, sweep),
     .type = SCHEMA_MAP,
     .map = &sweep_map,
     .meaning = "One fault, at each of many points of the run, each in a run of its own."},
    {.name = "end",
     AT(scenario, end),
     .type = SCHEMA_MAP,
     .map = &end_map,
     .meaning = "When the run ends."},
    {.name = "expect",
     LIST_AT(scenario, expect, expect_count),
     .type = SCHEMA_MAP_LIST,
     .map = &expect_map,
     .meaning = "What should be true."},
    {.name = "report",
     LIST_AT(scenario, report, report_count),
     .type = SCHEMA_MAP_LIST,
     .map = &column_map,
     .meaning = "What a table of cells shows."},
    {.name = "best",
     AT(scenario, best),
     .type = SCHEMA_MAP,
     .map = &best_map,
     .meaning = "Which cell is the best."},
    {.name = "extends",
     .type = SCHEMA_STEP,
     .derived = "none",
     .meaning = "The path of a file, or a list of them, that this one is laid over."},
    {.name = "vary",
     .type = SCHEMA_STEP,
     .derived = "one cell",
     .meaning = "A map from names to lists of values, in every combination, or a list of maps, in "
                "step: what `$name` stands for."},
    {.name = "sans", .type = SCHEMA_TEXT, .next = true},
};

const struct schema_map schema_scenario = {
    .name = "scenario",
    .bytes = sizeof(struct scenario),
    KEYS(scenario_keys),
    .meaning =
        "A scenario is one YAML file: what there is, what happens, and what should come of it.",
};
