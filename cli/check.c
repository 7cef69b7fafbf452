/* cli/check.c - `orrery check FILE`: is the scenario right, and what does it say in full? */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sweep.h"
#include "testbed/cells.h"
#include "testbed/resolved.h"
#include "testbed/run_input.h"

struct check_arguments {
    const char *file;
    const char **set;
    uint32_t set_count;
    const char *cell;
    bool resolved;
};

enum { OPTION_RESOLVED = 'r', OPTION_SET = 's', OPTION_CELL = 'c' };

static const struct argp_option options[] = {
    {.name = "resolved",
     .key = OPTION_RESOLVED,
     .doc = "print the scenario with every default and every range written out"},
    {.name = "set",
     .key = OPTION_SET,
     .arg = "PATH=VALUE",
     .doc = "replace one value first, as in vms.web.memory=2GiB; may be repeated"},
    {.name = "cell",
     .key = OPTION_CELL,
     .arg = "NAME=VALUE,...",
     .doc = "of a scenario that varies: which cell is printed"},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct check_arguments *arguments = state->input;
    switch (key) {
    case OPTION_RESOLVED:
        arguments->resolved = true;
        return 0;
    case OPTION_SET:
        arguments->set[arguments->set_count++] = arg;
        return 0;
    case OPTION_CELL:
        arguments->cell = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->file != NULL) {
            argp_error(state, "one scenario at a time; '%s' is a second", arg);
        }
        arguments->file = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->file == NULL) {
            argp_error(state, "which scenario, or recording?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "FILE|RECORDING",
    .doc = "Check a scenario without running it.\v"
           "Prints every error with its file, line and column, and exits with 2 if there is one. "
           "Of a recording, the scenario that stands in it is meant. The language is described in "
           "docs/scenario.md.",
};

static void print_right(const char *file, const struct scenario *scenario)
{
    const struct {
        const char *one, *many;
        uint32_t count;
    } parts[] = {
        {"network", "networks", scenario->network_count},
        {"node", "nodes", scenario->node_count},
        {"client", "clients", scenario->client_count},
        {"VM", "VMs", scenario->vm_count},
        {"item on the timeline", "items on the timeline", scenario->written_count},
        {"expectation", "expectations", scenario->expect_count},
    };
    printf("%s: right: ", file);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        printf("%s%u %s", i == 0 ? "" : ", ", (unsigned)parts[i].count,
               parts[i].count == 1 ? parts[i].one : parts[i].many);
    }
    printf("\n");
    if (scenario->sweep.source != NULL) {
        sweep_command_describe(scenario, stdout);
    }
}

static int print_scenario(const struct check_arguments *arguments, const struct scenario *scenario)
{
    if (!arguments->resolved) {
        print_right(arguments->file, scenario);
        return COMMAND_HELD;
    }
    resolved_print(scenario, stdout);
    if (fflush(stdout) != 0) {
        perror("orrery: standard output");
        return COMMAND_WRONG_INPUT;
    }
    return COMMAND_HELD;
}

static int check_recording(const struct check_arguments *arguments,
                           const struct scenario_options *scenario_options)
{
    struct run_input input;
    if (arguments->cell != NULL) {
        fprintf(stderr, "orrery: %s is a recording, which has one cell\n", arguments->file);
        return COMMAND_WRONG_INPUT;
    }
    if (!run_input_open(&input, arguments->file, scenario_options, stderr)) {
        return COMMAND_WRONG_INPUT;
    }
    int status = print_scenario(arguments, input.scenario);
    run_input_close(&input);
    return status;
}

/* The first cell that is chosen, and in words how many there are. */
static int print_cell(const struct check_arguments *arguments, struct scenario_cells *cells,
                      struct diagnostics *diagnostics)
{
    const char *choice = arguments->cell != NULL ? arguments->cell : "";
    const char *refusal = scenario_cells_refuse(cells, choice);
    if (refusal != NULL) {
        fprintf(stderr, "orrery: --cell %s: %s\n", choice, refusal);
        return COMMAND_WRONG_INPUT;
    }
    uint32_t count = scenario_cells_count(cells), chosen = 0, first = count;
    for (uint32_t cell = 0; cell < count; cell++) {
        bool matches = scenario_cell_matches(cells, cell, choice);
        first = matches && first == count ? cell : first;
        chosen += matches;
    }
    struct scenario *scenario = scenario_cell_load(cells, first, diagnostics);
    if (scenario == NULL) {
        return COMMAND_WRONG_INPUT;
    }
    if (arguments->resolved && scenario_cells_name_count(cells) > 0) {
        printf("# %s%s\n", chosen > 1 ? "the first of the cells: " : "",
               scenario_cell_text(cells, first));
    }
    int status = print_scenario(arguments, scenario);
    if (!arguments->resolved && scenario_cells_name_count(cells) > 0) {
        printf("  %u %s, %s%s\n", (unsigned)count, count == 1 ? "cell" : "cells",
               chosen > 1 ? "the first is " : "this is ", scenario_cell_text(cells, first));
    }
    scenario_free(scenario);
    return status;
}

static int check_file(const struct check_arguments *arguments,
                      const struct scenario_options *scenario_options)
{
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario_cells *cells =
        scenario_cells_load_file(arguments->file, scenario_options, diagnostics);
    int status = cells == NULL ? COMMAND_WRONG_INPUT : print_cell(arguments, cells, diagnostics);
    diagnostics_print(diagnostics, stderr);
    diagnostics_free(diagnostics);
    scenario_cells_free(cells);
    return status;
}

int cmd_check(int argc, char **argv)
{
    struct check_arguments arguments = {.set = calloc((size_t)argc, sizeof(char *))};
    if (arguments.set == NULL) {
        return COMMAND_WRONG_INPUT;
    }
    if (argp_parse(&parser, argc, argv, 0, NULL, &arguments) != 0) {
        free(arguments.set);
        return COMMAND_WRONG_INPUT;
    }
    struct scenario_options scenario_options = {.set = arguments.set,
                                                .set_count = arguments.set_count};
    int status = run_input_is_recording(arguments.file)
                     ? check_recording(&arguments, &scenario_options)
                     : check_file(&arguments, &scenario_options);
    free(arguments.set);
    return status;
}
