/* cli/check.c - `orrery check FILE`: is the scenario right, and what does it say in full? */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "testbed/resolved.h"

struct check_arguments {
    const char *file;
    const char **set;
    uint32_t set_count;
    bool resolved;
};

enum { OPTION_RESOLVED = 'r', OPTION_SET = 's' };

static const struct argp_option options[] = {
    {.name = "resolved",
     .key = OPTION_RESOLVED,
     .doc = "print the scenario with every default and every range written out"},
    {.name = "set",
     .key = OPTION_SET,
     .arg = "PATH=VALUE",
     .doc = "replace one value first, as in vms.web.memory=2GiB; may be repeated"},
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
    case ARGP_KEY_ARG:
        if (arguments->file != NULL) {
            argp_error(state, "one scenario at a time; '%s' is a second", arg);
        }
        arguments->file = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->file == NULL) {
            argp_error(state, "which scenario?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "FILE",
    .doc = "Check a scenario without running it.\v"
           "Prints every error with its file, line and column, and exits with 2 if there is one. "
           "The language is described in docs/scenario.md.",
};

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
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario = scenario_load_file(arguments.file, &scenario_options, diagnostics);
    int status = COMMAND_HELD;
    if (scenario == NULL) {
        diagnostics_print(diagnostics, stderr);
        status = COMMAND_WRONG_INPUT;
    } else if (arguments.resolved) {
        resolved_print(scenario, stdout);
        if (fflush(stdout) != 0) {
            perror("orrery: standard output");
            status = COMMAND_WRONG_INPUT;
        }
    } else {
        printf("%s: right (%u networks, %u nodes, %u clients, %u VMs, %u items, %u expectations)\n",
               arguments.file, scenario->network_count, scenario->node_count,
               scenario->client_count, scenario->vm_count, scenario->item_count,
               scenario->expect_count);
    }
    scenario_free(scenario);
    diagnostics_free(diagnostics);
    free(arguments.set);
    return status;
}
