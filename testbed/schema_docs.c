#include "testbed/schema_docs.h"

#include <string.h>

#include "sim/assert.h"
#include "testbed/property_table.h"
#include "testbed/record_names.h"
#include "testbed/schema.h"

/* ---- what no table says -------------------------------------------------------------------------------------------- */

static const char introduction[] =
    "# Scenarios\n"
    "\n"
    "<!-- Printed by `orrery docs scenario` from the tables that the loader checks by; edit those. "
    "-->\n"
    "\n"
    "A scenario is one YAML file: what there is, what happens, and what should come of it. `orrery "
    "check FILE` says whether it is\n"
    "right, `orrery check FILE --resolved` prints it with every default, `orrery run FILE` runs "
    "it. With the first line of this\n"
    "example an editor that knows JSON Schema completes and checks while you type "
    "(`docs/orrery.schema.json`).\n"
    "\n"
    "```yaml\n";

static const char first_example[] =
    "# yaml-language-server: $schema=../docs/orrery.schema.json\n"
    "name: a busy web server moves while its link loses frames\n"
    "seed: 1\n"
    "networks:                    # each network is one switch; every NIC has a link of its own to "
    "it\n"
    "  lan:       {rate: 1Gbit/s, delay: 5us}\n"
    "  migration: {rate: 1Gbit/s, delay: 5us}\n"
    "nodes:\n"
    "  node1..node2: {cpu: intel/nehalem, cores: 8, memory: 32GiB, nics: [lan, migration]}\n"
    "clients:\n"
    "  alice: {nics: [lan]}\n"
    "vms:\n"
    "  web:\n"
    "    node: node1\n"
    "    memory: 1GiB\n"
    "    nics: [lan]\n"
    "    guest:\n"
    "      content: {zero: 25%, compressible: 50%}              # memory at the start; the rest "
    "does not compress\n"
    "      writers:\n"
    "        - {pages: 64MiB, touch: 5000/s, order: uniform}    # one byte makes a whole page "
    "dirty\n"
    "timeline:\n"
    "  - {at: 0s, ping: {from: alice, to: web, every: 10ms}, as: ping}\n"
    "  - {at: 5s, live-migrate: {vm: web, to: node2, over: [migration]}, as: move}\n"
    "  - {at: 6s, fault: {link: node2/migration, loss: 1%, for: 500ms}, as: noise}\n"
    "  - {when: move.step == stop-copy, fault: {link: node2/migration, down: true, for: 50ms}, as: "
    "outage}\n"
    "end: {when: move.end, then: 5s, at-most: 10min}\n"
    "expect:\n"
    "  - web.node == node2\n"
    "  - move.downtime < 500ms        # 50 ms without a link cost one TCP time-out of 200 ms\n"
    "  - ping.longest-gap < 600ms\n"
    "  - {within: 10s, after: outage.end, holds: web.state == running}\n"
    "  - {never: web.paused-for > 1s}\n";

static const char rules[] =
    "```\n"
    "\n"
    "## How it is read\n"
    "\n"
    "- **A file means the same to YAML 1.1 and 1.2 readers.** What they read differently (`yes`, "
    "`off`, `1:30`, `010`, `1_000`,\n"
    "  `1e3`, a date, `<<`) is an error unless quoted. No word of the language is among them. Tags "
    "are not used; anchors and\n"
    "  aliases may be.\n"
    "- **A name** starts with a letter and goes on with letters, digits, `-` and `_`. A name is "
    "given once: networks, nodes,\n"
    "  clients, VMs and items of the timeline share one list. A link is named `NODE/NETWORK`.\n"
    "- **A range as a key** stands for several parts: `node1..node16:`, `n01..n16:`. **A range as "
    "a value** below it deals its\n"
    "  names out in turn: `web1..web8: {node: node1..node4}` puts web1 and web5 on node1.\n"
    "- **Paths** are relative to the directory of the scenario.\n"
    "- **All errors are printed at once**, each with file, line and column; the exit status is "
    "then 2.\n"
    "- `--set path=value` replaces one value before anything is checked: `--set "
    "vms.web.memory=2GiB`,\n"
    "  `--set timeline.move.at=3s` (an item by its `as`), `--set timeline.0.ping.every=1s` (by its "
    "number from 0). A key that is\n"
    "  not there is added.\n"
    "- `extends: FILE` (or a list of files) lays this file over another one: maps merge deeply, "
    "`timeline` and `expect` append, any\n"
    "  other value takes the place of the one before, `KEY: null` removes. Paths in a file are "
    "relative to that file.\n"
    "- `vary: {rate: [100Mbit/s, 1Gbit/s]}` makes one scenario, a **cell**, of each combination of "
    "values; `$rate` stands for the\n"
    "  value, alone or within a text or a key (`${rate}` where a letter follows; `$$` is a "
    "dollar). A list of maps varies in step:\n"
    "  `vary: [{rate: 100Mbit/s, limit: 9s}, {rate: 1Gbit/s, limit: 2s}]` has two cells. Values "
    "in a map are called by their keys:\n"
    "  `vary: {guest: {idle: {}, busy: {load: 50%}}}`.\n"
    "\n"
    "## Quantities\n"
    "\n"
    "A number carries its unit, directly behind it; a bare number where a unit is needed is an "
    "error. Fractions are exact\n"
    "(`1.5s` is 1,500,000,000 ns); what does not come out whole in the smallest step is an error.\n"
    "\n"
    "| kind | units | example | smallest step |\n"
    "|---|---|---|---|\n"
    "| time | `ns us ms s min h` | `500ms` | 1 ns |\n"
    "| size | `B KiB MiB GiB TiB`, `kB MB GB TB` | `64MiB` | 1 B |\n"
    "| rate | `bit/s kbit/s Mbit/s Gbit/s`, `B/s kB/s MB/s GB/s KiB/s MiB/s GiB/s` | `1Gbit/s` | 1 "
    "bit/s |\n"
    "| frequency | `/s /min /h` | `5000/s` | 1/h |\n"
    "| share | `%` | `2.5%` | 0.0000001% |\n"
    "| drift | `ppm ppb` | `-20ppm` | 1ppb |\n"
    "| factor | (a bare number) | `1.5` | 0.000000001 |\n"
    "| whole number | (a bare number) | `10` | 1 |\n";

static const char expressions[] =
    "\n## Conditions and expectations\n"
    "\n"
    "A condition compares properties of parts with quantities, words and each other:\n"
    "\n"
    "```\n"
    "web.node == node2                         move.downtime < 500ms and ping.lost <= 10\n"
    "move.bytes-sent / web.memory < 150%       not (node1.state == running or web.paused-for > "
    "1s)\n"
    "```\n"
    "\n"
    "- Operators, from loose to tight: `or`, `and`, `not`, `== != < <= > >=`, `+ -`, `* /`; "
    "parentheses. Names may hold `-`, and\n"
    "  links `/`, so `-`, `*` and `/` stand between spaces.\n"
    "- Units are checked: times compare with times, sizes with sizes. A quantity times or over a "
    "number keeps its unit; two of a\n"
    "  kind divide to a factor; a size over a time is a rate.\n"
    "- Words (`running`, `stop-copy`, `node2`) compare with `==` and `!=`.\n"
    "- An instant (`move.end`) alone means \"has happened\".\n"
    "- What has not happened is **unknown**. `unknown and false` is false, `unknown or true` is "
    "true, all else that reads it is\n"
    "  unknown. A `when` waits for true. In YAML, a condition that holds `: ` or ` #` must be "
    "quoted.\n"
    "- A bare expectation is judged at the end; `never` and `always` at every change of what they "
    "read; `within` from the instant\n"
    "  at which `after` becomes true; a `sequence` when its last step happens.\n"
    "- A percentile of a distribution is `.p` and the percentage, with up to four decimals: "
    "`ping.rtt.p99`, `shop.latency.p99.95`. It is\n"
    "  the value of that rank (nearest rank), or up to 0.8 % more, for values are kept in buckets "
    "of that width; never more than the\n"
    "  largest.\n"
    "\n"
    "### Several parts at once\n"
    "\n"
    "In a name, `*` stands for any characters but `/`, and `?` for one: `web*`, `move-?`, "
    "`node2/*`, `*/lan`. Such a name speaks of all parts\n"
    "and items of the timeline that it matches and that have the property; one that matches "
    "nothing is an error. So does the name of\n"
    "an item that fires several `times`. What is asked of them stands in one of these:\n"
    "\n"
    "| | is |\n"
    "|---|---|\n"
    "| `each(web*.downtime) < 500ms`, `each(web*.downtime < 500ms)` | whether it holds for all of "
    "them |\n"
    "| `any(move*.step == stop-copy)` | whether it holds for at least one |\n"
    "| `count(web*.node == node2)` | for how many it holds |\n"
    "| `min(move*.downtime)`, `max(...)` | the smallest and the largest value; of instants too |\n"
    "| `sum(node2/*.drops)`, `avg(...)` | their sum and their mean |\n"
    "\n"
    "```\n"
    "each(web*.state == running and web*.longest-pause < 1s)      count(move*.end) >= 3\n"
    "max(move*.end) - min(move*.start) < 10min                     sum(blip.hits) / 3 < 100\n"
    "```\n"
    "\n"
    "- All names with `*` or `?` between one pair of parentheses are the same one, and speak of "
    "the same part at a time; what has to be\n"
    "  compared with others stands in a function of its own: `each(web*.longest-pause < "
    "max(vip*.longest-pause))`.\n"
    "- Where something is unknown of one of them: `each` is unknown unless it is false for "
    "another, `any` unless it is true for another.\n"
    "  `count`, `min` and `max` are between two bounds, and a comparison that comes out the same "
    "for all that lies between is known:\n"
    "  `count(move*.end) >= 3` is true as soon as three have ended (`== 3` is not known before all "
    "have). `sum` and `avg` are unknown.\n"
    "- Where it fails the report names the parts: `web7 612 ms, and 2 more`, the worst first.\n";

/* ---- tables -------------------------------------------------------------------------------------------------------- */

static void print_value(FILE *out, const struct schema_key *key)
{
    char text[256], low[QUANTITY_TEXT_BYTES], high[QUANTITY_TEXT_BYTES];
    switch (key->type) {
    case SCHEMA_QUANTITY:
        fputs(quantity_kind_name(key->unit), out);
        if ((key->min != 0 || key->max != 0) && key->max != INT64_MAX) {
            fprintf(out, ", %s to %s", quantity_print(key->unit, key->min, low),
                    quantity_print(key->unit, key->max, high));
        }
        break;
    case SCHEMA_CHOICE:
        for (const struct schema_choice *choice = key->choices; choice->word != NULL; choice++) {
            fprintf(out, "%s`%s`", choice == key->choices ? "" : " ", choice->word);
        }
        break;
    case SCHEMA_MAP:
    case SCHEMA_MAP_LIST:
    case SCHEMA_PARTS:
        fprintf(out, "%s [%s](#%s)",
                key->type == SCHEMA_MAP        ? "map"
                : key->type == SCHEMA_MAP_LIST ? "list of"
                                               : "names to",
                key->map->name, key->map->name);
        break;
    default:
        fputs(schema_expected(key, text, sizeof(text)), out);
        break;
    }
}

static void print_default(FILE *out, const struct schema_key *key)
{
    if (key->required) {
        fputs("**needed**", out);
    } else if (key->default_text != NULL) {
        fprintf(out, "`%s`", key->default_text);
    } else if (key->derived != NULL) {
        fputs(key->derived, out);
    } else if (key->type == SCHEMA_INDEX_LIST || key->type == SCHEMA_MAP_LIST ||
               key->type == SCHEMA_PARTS) {
        fputs("none", out);
    }
}

static void print_choices(FILE *out, const struct schema_map *map)
{
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        if (key->choices == NULL) {
            continue;
        }
        fprintf(out, "\n`%s`:", key->name);
        for (const struct schema_choice *choice = key->choices; choice->word != NULL; choice++) {
            fprintf(out, "%s `%s` %s", choice == key->choices ? "" : ";", choice->word,
                    choice->meaning);
        }
        fputs(".\n", out);
    }
}

static void print_groups(FILE *out, const struct schema_map *map)
{
    for (uint32_t group = 1; group <= map->group_count; group++) {
        const struct schema_group *rule = &map->groups[group - 1];
        fprintf(out, "\n%s of",
                rule->exclusive ? (rule->required ? "Exactly one" : "At most one") : "One or more");
        bool first = true;
        for (uint32_t i = 0; i < schema_key_count(map); i++) {
            const struct schema_key *key = schema_key_at(map, i);
            if (key->group == group) {
                fprintf(out, "%s `%s`", first ? "" : ",", key->name);
                first = false;
            }
        }
        fputs(".\n", out);
    }
}

static void print_map(void *context, const struct schema_map *map)
{
    FILE *out = context;
    bool whole = map == &schema_scenario;
    fprintf(out, "\n## %s\n\n%s\n", whole ? "The whole file" : map->name, map->meaning);
    fputs("\n| key | value | if left out | meaning |\n|---|---|---|---|\n", out);
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        if (key->next) {
            continue;
        }
        fprintf(out, "| `%s` | ", key->name);
        print_value(out, key);
        fputs(" | ", out);
        print_default(out, key);
        fprintf(out, " | %s", key->meaning);
        if (key->after != NULL) {
            fprintf(out, " Goes with `%s`.", key->after);
        }
        fputs(" |\n", out);
    }
    print_groups(out, map);
    print_choices(out, map);
    if (map->example != NULL) {
        fprintf(out, "\n```yaml\n%s```\n", map->example);
    }
}

/* "VM", "live-migrate", ...: whose property it is. */
static void print_classes(FILE *out, uint32_t classes)
{
    bool first = true;
    if ((classes & PROPERTY_OF_ANY_ACTION) == PROPERTY_OF_ANY_ACTION) {
        fputs("any item of the timeline", out);
        return;
    }
    for (uint32_t kind = 1; kind < SCENARIO_ACTION; kind++) {
        if ((classes & PROPERTY_CLASS(kind)) != 0) {
            fprintf(out, "%s%s", first ? "" : ", ",
                    scenario_part_kind_name((enum scenario_part_kind)kind));
            first = false;
        }
    }
    for (uint32_t kind = 1; kind < SCENARIO_ACTIONS; kind++) {
        if ((classes & PROPERTY_OF(kind)) != 0) {
            fprintf(out, "%s`%s`", first ? "" : ", ",
                    scenario_action_word((enum scenario_action_kind)kind));
            first = false;
        }
    }
}

static void print_records(FILE *out)
{
    struct record_name name;
    fputs(
        "\n### Records\n\nWhat a run writes, for `record:` in a [sequence](#expect.sequence). `of` "
        "names the part, the item of the timeline or the\nmachine that a record speaks of.\n\n"
        "| record | meaning | text |\n|---|---|---|\n",
        out);
    for (uint32_t i = 0; record_names_get(i, &name); i++) {
        fprintf(out, "| `%s` | %s | %s |\n", name.name, name.meaning,
                name.text != NULL ? name.text : "");
    }
}

static void print_properties(FILE *out)
{
    fputs("\n### Properties\n\n| of | property | value | meaning |\n|---|---|---|---|\n", out);
    for (uint32_t i = 0; i < property_table_count; i++) {
        const struct property_row *row = &property_table[i];
        fputs("| ", out);
        print_classes(out, row->classes);
        fprintf(out, " | `%s` | ", row->name);
        if (row->type == PROPERTY_QUANTITY) {
            fputs(quantity_kind_name(row->unit), out);
        } else if (row->type == PROPERTY_WORD) {
            for (uint32_t word = 0; row->words[word] != NULL; word++) {
                fprintf(out, "%s`%s`", word == 0 ? "" : " ", row->words[word]);
            }
        } else {
            static const char *const types[] = {[PROPERTY_INSTANT] = "an instant",
                                                [PROPERTY_NODE] = "the name of a node",
                                                [PROPERTY_FLAG] = "true or false"};
            fputs(types[row->type], out);
        }
        fprintf(out, " | %s |\n", row->meaning);
    }
}

void schema_docs_print(FILE *out)
{
    fputs(introduction, out);
    fputs(first_example, out);
    fputs(rules, out);
    schema_each_map(print_map, out);
    fputs(expressions, out);
    print_properties(out);
    print_records(out);
}

/* ---- examples ------------------------------------------------------------------------------------------------------ */

struct example_search {
    unsigned wanted;
    const char *found;
};

static void find_example(void *context, const struct schema_map *map)
{
    struct example_search *search = context;
    if (map->example != NULL && search->wanted > 0) {
        search->wanted--;
        search->found = search->wanted == 0 ? map->example : NULL;
    }
}

const char *schema_docs_example(unsigned index)
{
    if (index == 0) {
        return first_example;
    }
    struct example_search search = {.wanted = index};
    schema_each_map(find_example, &search);
    return search.found;
}
