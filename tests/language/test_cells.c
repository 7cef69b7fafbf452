/* Files laid over files, and scenarios that vary: what the cells are. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testbed/resolved.h"
#include "tests/language/helpers.h"

/* ---- extends ------------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/orrery-cells-XXXXXX";

static char *file_in(const char *name)
{
    char *path = NULL;
    cr_assert_gt(asprintf(&path, "%s/%s", folder, name), 0);
    return path;
}

static void write_in(const char *name, const char *text)
{
    char *path = file_in(name);
    helper_write(path, text);
    free(path);
}

#define PARTS                                                                                      \
    "networks: {lan: {rate: 1Gbit/s, delay: 5us}}\n"                                               \
    "nodes: {node1..node2: {memory: 8GiB, nics: [lan]}}\n"

/* `over` extends base.yaml, which holds `base`; the two together are the scenario `flat`. */
static const struct {
    const char *name, *base, *over, *flat;
} merges[] = {
    {"nothing said", PARTS, "", PARTS},
    {"a value deep in a map", PARTS, "networks: {lan: {rate: 100Mbit/s}}\n",
     "networks: {lan: {rate: 100Mbit/s, delay: 5us}}\n"
     "nodes: {node1..node2: {memory: 8GiB, nics: [lan]}}\n"},
    {"a key is added", PARTS, "networks: {san: {rate: 1Gbit/s}}\nseed: 7\n",
     "seed: 7\nnetworks: {lan: {rate: 1Gbit/s, delay: 5us}, san: {rate: 1Gbit/s}}\n"
     "nodes: {node1..node2: {memory: 8GiB, nics: [lan]}}\n"},
    {"a list takes the place of a list",
     "networks: {lan: {rate: 1Gbit/s}, san: {rate: 1Gbit/s}}\n"
     "nodes: {node1: {memory: 8GiB, nics: [lan]}}\n",
     "nodes: {node1: {nics: [san]}}\n",
     "networks: {lan: {rate: 1Gbit/s}, san: {rate: 1Gbit/s}}\n"
     "nodes: {node1: {memory: 8GiB, nics: [san]}}\n"},
    {"a range is a key like others", PARTS, "nodes: {node1..node2: {memory: 4GiB}}\n",
     "networks: {lan: {rate: 1Gbit/s, delay: 5us}}\n"
     "nodes: {node1..node2: {memory: 4GiB, nics: [lan]}}\n"},
    {"null removes a value", PARTS, "networks: {lan: {delay: null}}\n",
     "networks: {lan: {rate: 1Gbit/s}}\n"
     "nodes: {node1..node2: {memory: 8GiB, nics: [lan]}}\n"},
    {"null removes a map", PARTS, "nodes:\n", "networks: {lan: {rate: 1Gbit/s, delay: 5us}}\n"},
    {"null removes the first, the last and one between",
     "networks: {a: {rate: 1Gbit/s}, b: {rate: 1Gbit/s}, c: {rate: 1Gbit/s}, d: {rate: 1Gbit/s}}\n",
     "networks: {a: null, d: ~, c: null, e: {rate: 1Gbit/s}}\n",
     "networks: {b: {rate: 1Gbit/s}, e: {rate: 1Gbit/s}}\n"},
    {"timeline and expectations append",
     PARTS "timeline: [{at: 1s, fault: {link: node1/lan, down: true}, as: one}]\nexpect: "
           "[node1.state == running]\n",
     "timeline: [{at: 2s, fault: {link: node1/lan, down: true}, as: two}]\nexpect: [node2.state == "
     "running]\n",
     PARTS "timeline: [{at: 1s, fault: {link: node1/lan, down: true}, as: one}, {at: 2s, fault: "
           "{link: node1/lan, down: true}, as: two}]\n"
           "expect: [node1.state == running, node2.state == running]\n"},
    {"null removes expectations", PARTS "expect: [node1.state == running]\n", "expect: null\n",
     PARTS},
    {"the columns of a table do not append", PARTS "report: [node1.state]\n",
     "report: [node2.state]\n", PARTS "report: [node2.state]\n"},
    {"values of vary merge by name", PARTS "vary: {seed: [1, 2]}\nseed: $seed\n",
     "vary: {seed: [9]}\n", PARTS "seed: 9\n"},
    {"a name of vary is removed with its use", PARTS "vary: {seed: [1, 2]}\nseed: $seed\n",
     "vary: {seed: null}\nseed: 3\n", PARTS "seed: 3\n"},
    {"a path is relative to the file that names it",
     "networks: {lan: {rate: 1Gbit/s}}\nnodes: {node1: {memory: 8GiB, nics: [lan]}}\n"
     "vms: {web: {node: node1, memory: 1GiB, guest: {trace: {file: a.trace}}}}\n",
     "vms: {db: {node: node1, memory: 1GiB, guest: {trace: {file: a.trace}}}}\n",
     "networks: {lan: {rate: 1Gbit/s}}\nnodes: {node1: {memory: 8GiB, nics: [lan]}}\n"
     "vms: {web: {node: node1, memory: 1GiB, guest: {trace: {file: sub/a.trace}}},\n"
     "      db: {node: node1, memory: 1GiB, guest: {trace: {file: a.trace}}}}\n"},
};

/* The first cell of a file, as it is printed. */
static char *resolved_of(const char *path, const struct scenario_options *options)
{
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario_cells *cells = scenario_cells_load_file(path, options, diagnostics);
    if (cells == NULL) {
        cr_assert_fail("%s", helper_print(diagnostics));
    }
    struct scenario *scenario = scenario_cell_load(cells, 0, diagnostics);
    cr_assert_not_null(scenario);
    char *text = resolved_text(scenario, NULL);
    scenario_free(scenario);
    scenario_cells_free(cells);
    diagnostics_free(diagnostics);
    return text;
}

static void expect_merge(const char *name, const char *over, const char *flat)
{
    write_in("main.yaml", over);
    write_in("flat.yaml", flat);
    struct scenario_options options = {.ignore_files = false};
    char *main_path = file_in("main.yaml"), *flat_path = file_in("flat.yaml");
    char *merged = resolved_of(main_path, &options), *expected = resolved_of(flat_path, &options);
    /* A scenario without a name is called after its file. */
    cr_expect_str_eq(strchr(merged, '\n'), strchr(expected, '\n'), "%s:\n%s", name, merged);
    free(merged);
    free(expected);
    free(main_path);
    free(flat_path);
}

static void remove_in(const char *name)
{
    char *path = file_in(name);
    cr_expect_eq(remove(path), 0, "%s", path);
    free(path);
}

Test(cells, files_are_laid_over_files)
{
    cr_assert_not_null(mkdtemp(folder));
    char *sub = file_in("sub");
    cr_assert_eq(mkdir(sub, 0777), 0);
    write_in("sub/a.trace", "");
    write_in("a.trace", "");
    for (size_t i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
        char *over = NULL;
        write_in("sub/base.yaml", merges[i].base);
        cr_assert_gt(asprintf(&over, "extends: sub/base.yaml\n%s", merges[i].over), 0);
        expect_merge(merges[i].name, over, merges[i].flat);
        /* Over a file between, that says nothing itself, it is the same. */
        write_in("sub/between.yaml", "extends: base.yaml\n");
        free(over);
        cr_assert_gt(asprintf(&over, "extends: [sub/between.yaml]\n%s", merges[i].over), 0);
        expect_merge(merges[i].name, over, merges[i].flat);
        free(over);
    }
    write_in("sub/base.yaml", PARTS "seed: 1\n");
    write_in("sub/between.yaml", "seed: 2\nties: shuffle\n");
    expect_merge("of several files the later counts",
                 "extends: [sub/base.yaml, sub/between.yaml]\nties: sorted\n", PARTS "seed: 2\n");
    static const char *const names[] = {"main.yaml",   "flat.yaml",        "sub/base.yaml",
                                        "sub/a.trace", "sub/between.yaml", "a.trace"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        remove_in(names[i]);
    }
    cr_expect_eq(rmdir(sub), 0);
    cr_expect_eq(rmdir(folder), 0);
    free(sub);
}

/* ---- vary ---------------------------------------------------------------------------------------------------------- */

/* A scenario that varies, its cells in their order, and what their names become. */
static const struct {
    const char *name, *text, *cells, *names;
} varying[] = {
    {"does not vary", "name: a $5 $$ b\n", "", "a $5 $ b"},
    {"a null is no vary", "vary:\nname: a\n", "", "a"},
    {"one value alone", "vary: {x: 3}\nname: a$x\n", "x=3", "a3"},
    {"the last name changes fastest", "vary: {x: [1, 2], z: [a, b]}\nname: $x$z\n",
     "x=1,z=a x=1,z=b x=2,z=a x=2,z=b", "1a 1b 2a 2b"},
    {"in step", "vary: [{x: 1, z: b}, {z: a, x: 2}]\nname: $x$z\n", "x=1,z=b x=2,z=a", "1b 2a"},
    {"where names end", "vary: {x: [1], x-y: [2]}\nname: ${x}y$x-y$x-$x.$$x\n", "x=1,x-y=2",
     "1y21-1.$x"},
    {"called by keys", "vary: {x: {small: 1, large: 2}}\nname: $x\n", "x=small x=large", "1 2"},
    {"a dollar in a value", "vary: {x: [$$y]}\nname: $x\n", "x=$$y", "$y"},
    {"and within a text", "vary: {x: [$$y]}\nname: a$x\n", "x=$$y", "a$y"},
    {"a list as it is written", "vary: {x: [[], [a]]}\nname: a\nexpect: $x\n", "x=[] x=[a]", NULL},
    {"a map, and within a key",
     "vary: {net: [{rate: 1Gbit/s}, {rate: 2Gbit/s}], num: [1]}\n"
     "name: a\nnetworks: {lan$num: $net}\n",
     "net={rate: 1Gbit/s},num=1 net={rate: 2Gbit/s},num=1", "a a"},
};

static void expect_cells(size_t row)
{
    struct diagnostics *diagnostics = diagnostics_new();
    const char *text = varying[row].text;
    struct scenario_cells *cells =
        scenario_cells_load_text("test.yaml", text, strlen(text), NULL, diagnostics);
    if (varying[row].names == NULL) {
        cr_expect_null(cells, "%s", varying[row].name);
        diagnostics_free(diagnostics);
        return;
    }
    if (cells == NULL) {
        cr_assert_fail("%s: %s", varying[row].name, helper_print(diagnostics));
    }
    char texts[512] = "", names[512] = "";
    for (uint32_t cell = 0; cell < scenario_cells_count(cells); cell++) {
        struct scenario *scenario = scenario_cell_load(cells, cell, diagnostics);
        const char *space = cell == 0 ? "" : " ";
        size_t used = strlen(texts);
        cr_assert_not_null(scenario);
        snprintf(texts + used, sizeof(texts) - used, "%s%s", space,
                 scenario_cell_text(cells, cell));
        used = strlen(names);
        snprintf(names + used, sizeof(names) - used, "%s%s", space, scenario->name);
        /* V3 */
        for (uint32_t other = 0; other < scenario_cells_count(cells); other++) {
            bool matches = scenario_cell_matches(cells, other, scenario_cell_text(cells, cell));
            cr_expect_eq(matches, other == cell, "%s", varying[row].name);
        }
        cr_expect_null(scenario_cells_refuse(cells, scenario_cell_text(cells, cell)));
        /* What is printed of a cell, loads as the same, and varies no more. */
        char *resolved = resolved_text(scenario, NULL);
        struct scenario *again = helper_load(resolved);
        char *twice = resolved_text(again, NULL);
        cr_expect_str_eq(resolved, twice);
        scenario_free(again);
        scenario_free(scenario);
        free(resolved);
        free(twice);
    }
    cr_expect_str_eq(texts, varying[row].cells, "%s", varying[row].name);
    cr_expect_str_eq(names, varying[row].names, "%s", varying[row].name);
    cr_expect_eq(diagnostics_count(diagnostics), 0);
    scenario_cells_free(cells);
    diagnostics_free(diagnostics);
}

/* A choice, how many of the cells of x=1,2 z=a,"b,c" it picks, and why none. */
static const struct {
    const char *choice;
    uint32_t count;
    const char *refusal;
} choices[] = {
    {"", 4, NULL},
    {"x=1", 2, NULL},
    {"z=\"b,c\"", 2, NULL},
    {"z=\"b,c\",x=2", 1, NULL},
    {"x=2,x=2", 2, NULL},
    {"x=3", 0, "'x' is never '3'"},
    {"w=1", 0, "'w' is not among the names of 'vary'"},
    {"x", 0, "expected x=VALUE"},
    {"x=1,x=2", 0, "no cell has all of these values"},
    {"x=1,", 2, NULL},
};

Test(cells, each_combination_is_one)
{
    for (size_t row = 0; row < sizeof(varying) / sizeof(varying[0]); row++) {
        expect_cells(row);
    }
    const char *text = "vary: {x: [1, 2], z: [a, \"b,c\"]}\nname: $x $z\n";
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario_cells *cells =
        scenario_cells_load_text("test.yaml", text, strlen(text), NULL, diagnostics);
    cr_assert_not_null(cells);
    for (size_t row = 0; row < sizeof(choices) / sizeof(choices[0]); row++) {
        uint32_t count = 0;
        for (uint32_t cell = 0; cell < scenario_cells_count(cells); cell++) {
            count += scenario_cell_matches(cells, cell, choices[row].choice);
        }
        const char *refusal = scenario_cells_refuse(cells, choices[row].choice);
        cr_expect_eq(count, choices[row].count, "%s: %u", choices[row].choice, count);
        cr_expect_str_eq(refusal == NULL ? "" : refusal,
                         choices[row].refusal == NULL ? "" : choices[row].refusal, "%s",
                         choices[row].choice);
    }
    scenario_cells_free(cells);
    diagnostics_free(diagnostics);
}

Test(cells, one_scenario_is_asked_for)
{
    char *errors = helper_errors("vary: {x: [1, 2]}\nseed: $x\n", NULL);
    cr_expect_str_eq(errors, "test.yaml:1:1: this file varies and has 2 cells; expected one "
                             "scenario\n     1 | vary: {x: [1, 2]}\n       | ^~~~\n");
    free(errors);
    const char *const set[] = {"vary.x=[5]"};
    struct scenario_options options = {.set = set, .set_count = 1};
    const char *text = "vary: {x: [1, 2]}\nseed: $x\n";
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario =
        scenario_load_text("test.yaml", text, strlen(text), &options, diagnostics);
    cr_assert_not_null(scenario);
    cr_expect_eq(scenario->seed, 5);
    scenario_free(scenario);
    diagnostics_free(diagnostics);
    const char *const late[] = {"extends=base.yaml"};
    options.set = late;
    errors = helper_errors("name: x\n", &options);
    cr_expect_str_eq(errors, "--set extends=base.yaml: 'extends' is read before --set: it stands "
                             "in a file\n");
    free(errors);
    options = (struct scenario_options){.ignore_files = true};
    errors = helper_errors("extends: base.yaml\n", &options);
    cr_expect(strstr(errors, "no other file is read here") != NULL, "%s", errors);
    free(errors);
}
